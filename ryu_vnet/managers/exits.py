"""Granting networks that have a way out what it takes: a router on a gateway, a conntrack zone, an outside address.

Networks may share an outside address, each with ports of its own. Those that do have the same gateways in the same
order, so that the address is always on one switch alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Network

from ..errors import Conflict, Exhausted, Invalid, Problem
from ..fabric.declared import Fabric, Outside
from ..model.outside import Address, Exit, Floating, Forward, Gateway
from ..model.state import Draft, Model
from ..model.values import Network
from .outside import whole
from .requests import Work

_SIX = 6
PORTS_AT_ONCE = 4096
"""How many ports of an address a network gets that asks for no particular ones."""
FIRST_PORT, LAST_PORT = 16384, 65535
"""Where those are: twelve networks an address, and the lower ports are left to be forwarded."""


def settle_exits(work: Work, model: Model, fabric: Fabric, is_fit: Callable[[str, str], bool]) -> None:
    """Have a gateway for each network of a draft that has a way out, and for no other. `model` and `fabric` are as they
    were. `is_fit`: whether a switch can be a gateway to an outside network now; where none can, the preferred one is.

    Raises Invalid, Conflict where what is asked for contradicts what others have, Exhausted where nothing is free.
    """
    for ref in sorted(_affected(work, model, fabric)):
        network, known = work.draft.network(ref), work.draft.gateway(ref)
        if network is None or network.exit is None:
            if known is not None:
                work.draft.delete(known)
                work.allocator.return_zone(known)
            continue
        if known is not None and known.network != network.number:
            work.draft.delete(known)
            work.allocator.return_zone(known)
            known = None
        work.draft.put(_granted(work, network, network.exit, known, is_fit))


def _affected(work: Work, model: Model, fabric: Fabric) -> set[str]:
    if work.fabric != fabric:
        found = {network.ref for network in work.draft.networks() if network.exit is not None}
        return found | {gateway.ref for gateway in work.draft.gateways()}
    return {
        value.ref
        for key, new in work.draft.changes.items()
        for value in (model.get(key), new)
        if isinstance(value, Network) and (value.exit is not None or work.draft.gateway(value.ref) is not None)
    }


def gateways_of(way_out: Exit, fabric: Fabric) -> tuple[str, ...]:
    """The switches that may be a network's gateway, the preferred one first."""
    known = fabric.gateways.get(way_out.outside, ())
    return tuple(name for name in way_out.gateways if name in known) if way_out.gateways else known


def _granted(
    work: Work, network: Network, way_out: Exit, known: Gateway | None, is_fit: Callable[[str, str], bool]
) -> Gateway:
    where = f"tenants.{network.tenant}.networks.{network.name}.outside"
    outside, candidates = work.fabric.outsides.get(way_out.outside), gateways_of(way_out, work.fabric)
    if outside is None or not candidates:
        hint = "take the network's way out away first, or keep an uplink"
        raise Invalid(Problem(where, f"network {network.ref} would have no gateway to {way_out.outside}", hint))
    _check_outer_six(work, network, way_out, outside, where)
    if known is None:
        interface, zone = work.allocator.interface_number(), work.allocator.zone(network)
        known = Gateway(network.tenant, network.name, network.number, interface, zone, "", way_out.outside)
    if known.outside != way_out.outside:
        known = replace(known, outside=way_out.outside, address=None, ports=None)
    has_four = any(subnet.prefix.version == 4 and subnet.gateway is not None for subnet in network.subnets)
    if not has_four:
        known = replace(known, address=None, ports=None)
    else:
        address, ports = _address(work.draft, work.fabric, network, way_out, known, outside)
        known = replace(known, address=address, ports=ports)
    return replace(known, switch=_switch(work.draft, known, candidates, is_fit))


def outer_six(network: Network) -> IPv6Network | None:
    """The IPv6 prefix by which a network with a way out is known outside; None where it has no IPv6 there."""
    subnet = next((one for one in network.subnets if isinstance(one.prefix, IPv6Network)), None)
    if network.exit is None or subnet is None or subnet.gateway is None or not isinstance(subnet.prefix, IPv6Network):
        return None
    return network.exit.prefix or subnet.prefix


def _check_outer_six(work: Work, network: Network, way_out: Exit, outside: Outside, where: str) -> None:
    """Refuse an IPv6 prefix that is not for tenants, or that another network has outside."""
    prefix = outer_six(network)
    if prefix is None:
        return
    if not any(isinstance(own, IPv6Network) and prefix.subnet_of(own) for own in outside.addresses):
        listed = ", ".join(str(own) for own in outside.addresses if own.version == _SIX) or "none"
        hint = f"a part of what is for them ({listed}) as the subnet, or as outside.prefix"
        raise Invalid(Problem(where, f"{prefix} is not for networks of tenants in {way_out.outside}", hint))
    for taken in own_addresses(work.fabric, way_out.outside, outside):
        if taken in prefix:
            raise Invalid(Problem(where, f"{prefix} has the address {taken} of a router there", "another prefix"))
    for gateway in work.draft.gateways():
        other = work.draft.network(gateway.ref)
        if other is None or other.ref == network.ref or gateway.outside != way_out.outside:
            continue
        theirs = outer_six(other)
        if theirs is not None and theirs.overlaps(prefix):
            whose = f"network {other.ref} has {theirs}" if other.tenant == network.tenant else "another tenant's has it"
            raise Conflict(f"{where}: {prefix} cannot be two networks' in {way_out.outside}: {whose}")
    for floating in work.draft.floatings(way_out.outside):
        if floating.address in prefix and (floating.ref != network.ref or floating.address != floating.inside):
            mine = floating.tenant == network.tenant
            whose = f"{floating.inside}'s in {floating.ref}" if mine else "another tenant's"
            raise Conflict(f"{where}: {prefix} has the floating address {floating.address}, which is {whose}")


def _switch(draft: Draft, known: Gateway, candidates: tuple[str, ...], is_fit: Callable[[str, str], bool]) -> str:
    """Where the router is: where the others are that share its address; else where it was; else the first that can."""
    for ref in sharing(draft, known):
        other = draft.gateway(ref)
        if other is not None and ref != known.ref and other.switch in candidates:
            return other.switch
    if known.switch in candidates:
        return known.switch
    return next((name for name in candidates if is_fit(name, known.outside)), candidates[0])


def sharing(draft: Draft, gateway: Gateway) -> list[str]:
    """A network and all that have one of its outside addresses as well, or one of theirs, and so on, by reference: an
    address is at one gateway."""
    found, left = {gateway.ref}, [gateway.ref]
    while left:
        ref = left.pop()
        own = gateway if ref == gateway.ref else draft.gateway(ref)
        addresses = {value.address for value in draft.let_in(ref) if value.outside == gateway.outside}
        if own is not None and own.address is not None:
            addresses.add(own.address)
        others = {value.ref for address in addresses for value in draft.holding(gateway.outside, address)}
        left += sorted(others - found)
        found |= others
    return sorted(found)


# --- outside addresses ------------------------------------------------------------------------------------------------


def _address(
    draft: Draft, fabric: Fabric, network: Network, way_out: Exit, known: Gateway, outside: Outside
) -> tuple[IPv4Address, tuple[int, int]]:
    """The address that IPv4 sources of a network become, and the ports that they have."""
    where = f"tenants.{network.tenant}.networks.{network.name}.outside"
    if way_out.address is not None:
        reason = against(draft, fabric, way_out.address, network, way_out)
        if reason is not None:
            raise Conflict(f"{where}.address: {way_out.address} {reason}: take another one, or leave it out")
        asked = known.ports if known.address == way_out.address and way_out.ports is None else way_out.ports
        ports = _ports(draft, network, way_out.outside, way_out.address, asked)
        if ports is None:
            span = f"port {way_out.ports[0]} to {way_out.ports[1]}" if way_out.ports else f"{PORTS_AT_ONCE} ports"
            raise Conflict(f"{where}.ports: {span} of {way_out.address} are not free: take others, or leave them out")
        return way_out.address, ports
    kept = [known.address] if known.address is not None else []
    for address in (*kept, *_pool(fabric, way_out.outside, outside)):
        if not outside.has(address) or against(draft, fabric, address, network, way_out) is not None:
            continue
        asked = known.ports if known.address == address and way_out.ports is None else way_out.ports
        ports = _ports(draft, network, way_out.outside, address, asked)
        if ports is not None:
            return address, ports
    listed = ", ".join(str(prefix) for prefix in outside.addresses if prefix.version == 4) or "none"
    raise Exhausted(
        f"no IPv4 address of {way_out.outside} has {PORTS_AT_ONCE} free ports for network {network.ref} ({listed}): "
        "declare more under fabric.outside, or ask for fewer ports"
    )


def _pool(fabric: Fabric, name: str, outside: Outside) -> Iterator[IPv4Address]:
    taken = own_addresses(fabric, name, outside)
    for prefix in outside.addresses:
        yield from (address for address in whole(prefix) if address not in taken)


def own_addresses(fabric: Fabric, name: str, outside: Outside) -> set[Address]:
    """The addresses of the routers of an outside network, and those of our gateways themselves there."""
    taken = {*outside.next_hops}
    for gateway in fabric.gateways.get(name, ()):
        uplink = fabric.switches[gateway].uplink(name)
        taken.update(uplink.addresses if uplink is not None else ())
    return taken


def against(draft: Draft, fabric: Fabric, address: IPv4Address, network: Network, way_out: Exit) -> str | None:
    """Why an address cannot be what sources of a network become; None where it can."""
    if address in own_addresses(fabric, way_out.outside, fabric.outsides[way_out.outside]):
        return "is that of a router or gateway there itself"
    for value in draft.holding(way_out.outside, address):
        if isinstance(value, Floating):
            return "is a member's own"
        other = draft.network(value.ref)
        if value.ref == network.ref or other is None or other.exit is None:
            continue
        if gateways_of(other.exit, fabric) != gateways_of(way_out, fabric):
            return "is used by a network with other gateways, or with the same in another order"
    return None


def _ports(
    draft: Draft, network: Network, outside: str, address: IPv4Address, asked: tuple[int, int] | None
) -> tuple[int, int] | None:
    """Ports of an address that nobody else has: those asked for, or any; None where they are not free."""
    holding = [value for value in draft.holding(outside, address) if not isinstance(value, Floating)]
    used = [value.ports for value in holding if isinstance(value, Gateway) and value.ref != network.ref and value.ports]
    used += [(value.port, value.port) for value in holding if isinstance(value, Forward)]
    if asked is not None:
        return asked if _is_free(asked, used) else None
    for first in range(FIRST_PORT, LAST_PORT - PORTS_AT_ONCE + 2, PORTS_AT_ONCE):
        span = first, first + PORTS_AT_ONCE - 1
        if _is_free(span, used):
            return span
    return None


def _is_free(span: tuple[int, int], used: Iterable[tuple[int, int]]) -> bool:
    return all(last < span[0] or span[1] < first for first, last in used)
