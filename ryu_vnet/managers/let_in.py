"""What is let in from outside, held against all else: whose an address is, and that it is at one gateway alone."""

from __future__ import annotations

from ..errors import Conflict
from ..fabric.declared import Fabric
from ..model.outside import Floating, Forward, Gateway
from ..model.values import Network
from .exits import against, gateways_of, outer_six, own_addresses, sharing
from .outside import check_outer
from .requests import Work

_SIX = 6


def check_let_in(work: Work, fabric: Fabric) -> None:
    """Refuse what is let in by addresses or ports that others have. `fabric` is as it was. Raises Conflict, Invalid."""
    for value in work.draft.changes.values():
        if isinstance(value, Floating):
            _check_floating(work, value)
        elif isinstance(value, Forward):
            _check_forward(work, value)
            _check_sharing(work, value.ref)
        elif isinstance(value, Network):
            _check_network(work, value)
            _check_sharing(work, value.ref)
        elif isinstance(value, Gateway):
            _check_sharing(work, value.ref, moves=True)
    if work.fabric != fabric:
        for gateway in work.draft.gateways():
            for known in work.draft.let_in(gateway.ref):
                _check_declared(work, known)


def _check_declared(work: Work, value: Floating | Forward) -> None:
    """That a fabric which is declared anew leaves what is let in what it has."""
    outside = work.fabric.outsides.get(value.outside)
    if outside is None:
        raise Conflict(f"{value.address} is let in from {value.outside}, which is there no more: give that up first")
    if isinstance(value, Forward):
        check_outer(value.address, outside, f"tenants.{value.tenant}.forwards")
        _check_forward(work, value)
        return
    if value.address != value.inside:
        check_outer(value.address, outside, f"tenants.{value.tenant}.floating")
    _check_floating(work, value)


def _check_sharing(work: Work, ref: str, *, moves: bool = False) -> None:
    """That all who share an outside address are at one gateway, and, unless one of them only `moves`, would go to the
    same one from there."""
    gateway, network = work.draft.gateway(ref), work.draft.network(ref)
    if gateway is None or network is None or network.exit is None:
        return
    candidates = gateways_of(network.exit, work.fabric)
    for other in sharing(work.draft, gateway):
        theirs, fellow = work.draft.gateway(other), work.draft.network(other)
        if theirs is None or fellow is None or fellow.exit is None:
            continue
        if theirs.switch != gateway.switch or not (moves or gateways_of(fellow.exit, work.fabric) == candidates):
            # Not whose: tenants see nobody else's.
            raise Conflict(
                f"network {ref} would be at gateway {gateway.switch} (of {', '.join(candidates)}), and shares an "
                "outside address, of its own or with a forwarded port, with a network that is at another one, or has "
                "others, or the same in another order: give that address or port up first"
            )


def _check_network(work: Work, network: Network) -> None:
    """That a network which is another now still has what it lets in."""
    for value in work.draft.let_in(network.ref):
        has_way = network.exit is not None and network.exit.outside == value.outside
        routed = [subnet for subnet in network.subnets if subnet.gateway is not None]
        if not has_way or not any(value.inside in subnet for subnet in routed):
            what = f"a way out to {value.outside}" if not has_way else f"a router for {value.inside}"
            raise Conflict(
                f"network {network.ref} would be without {what}, and {value.address} is for {value.inside} in it: "
                "give that up first"
            )
        if network.exit is not None and network.exit.prefix is not None and value.address == value.inside:
            raise Conflict(
                f"network {network.ref} would have {network.exit.prefix} outside, and {value.address} lets in to "
                "itself: give that up first"
            )


def _check_floating(work: Work, value: Floating) -> None:
    for other in work.draft.holding(value.outside, value.address):
        if not isinstance(other, Floating):
            raise Conflict(f"address {value.address} is what sources of a network become: take another one")
    outside = work.fabric.outsides[value.outside]
    if value.address in own_addresses(work.fabric, value.outside, outside):
        raise Conflict(f"address {value.address} is that of a router or gateway there itself: take another one")
    if value.address != value.inside and value.address.version == _SIX:
        for gateway in work.draft.gateways():
            network = work.draft.network(gateway.ref)
            prefix = outer_six(network) if network is not None and gateway.outside == value.outside else None
            if prefix is not None and value.address in prefix:
                raise Conflict(
                    f"address {value.address} is a member's in a network that goes as it is: take another one"
                )
    for other in work.draft.let_in(value.ref):
        if isinstance(other, Floating) and other.inside == value.inside and other.address != value.address:
            raise Conflict(f"{value.inside} in {value.ref} has the outside address {other.address} already")


def _check_forward(work: Work, value: Forward) -> None:
    network, gateway = work.draft.network(value.ref), work.draft.gateway(value.ref)
    if network is None or network.exit is None or gateway is None:
        raise Conflict(f"network {value.ref} has no way out, so no port of {value.address} is forwarded to it")
    reason = against(work.draft, work.fabric, value.address, network, network.exit)
    if reason is not None:
        raise Conflict(f"port {value.port} of {value.address} cannot be forwarded: the address {reason}")
    for other in work.draft.holding(value.outside, value.address):
        theirs = work.draft.gateway(other.ref)
        if theirs is not None and theirs.switch != gateway.switch:
            raise Conflict(
                f"port {value.port} of {value.address} cannot be forwarded: the address is at {theirs.switch}, and "
                f"network {value.ref} goes out by {gateway.switch}: take another address, or move the network there"
            )
        if isinstance(other, Gateway) and other.ports and other.ports[0] <= value.port <= other.ports[1]:
            span = f"{other.ports[0]} to {other.ports[1]}"
            raise Conflict(f"port {value.port} of {value.address} is one of those that sources become ({span})")
