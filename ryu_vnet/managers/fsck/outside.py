"""Checks of gateways and their zones, of what is let in from outside, and of the addresses that we gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from ...errors import VnetError
from ...fabric.declared import Fabric
from ...model.names import format_prefix
from ...model.outside import FIRST_ZONE, LAST_ZONE, ZONES, Floating, Forward, Gateway
from ...model.state import Model
from ...model.values import Interface, Network, Node, Resting, key_of
from ..exits import gateways_of, settle_exits
from ..leases import Leases
from ..requests import Work
from .finding import Case, Edit, Fault, Finding
from .nodes import with_interface


def doubled_zones(case: Case) -> Iterator[Fault]:
    """Gateways that have one conntrack zone, or an impossible one."""
    times = Counter(gateway.zone for gateway in case.draft.gateways())
    for gateway in case.draft.gateways():
        if not FIRST_ZONE <= gateway.zone <= LAST_ZONE:
            kind, what, why = "impossible zone", "is no conntrack zone of a network", "no row can name it"
        elif times[gateway.zone] > 1:
            kind, what = "zone twice", "is another's as well"
            why = "an answer to one network could be delivered in the other"
        else:
            continue
        text = f"conntrack zone {gateway.zone} of {gateway.ref} {what}"
        yield Fault(Finding(kind, key_of(gateway), text, why, "it gets another zone"), _rezoned(gateway.ref))


def _rezoned(ref: str) -> Edit:
    def edit(case: Case) -> None:
        gateway, network = case.draft.gateway(ref), case.draft.network(ref)
        if gateway is not None and network is not None:
            zone = case.allocator.zone(network)
            if FIRST_ZONE <= gateway.zone <= LAST_ZONE and _is_alone(case, gateway):
                case.draft.put(Resting(ZONES, gateway.zone, 0, case.allocator.revision))
            case.draft.put(replace(gateway, zone=zone))
        elif gateway is not None:
            case.draft.delete(gateway)

    return edit


def _is_alone(case: Case, gateway: Gateway) -> bool:
    return sum(other.zone == gateway.zone for other in case.draft.gateways()) == 1


def resting_zones(case: Case) -> Iterator[Fault]:
    """Conntrack zones that rest and that a network has."""
    used = {gateway.zone: gateway for gateway in case.draft.gateways()}
    for rest in case.draft.resting(ZONES):
        gateway = used.get(rest.identifier)
        if gateway is None:
            continue
        what = f"conntrack zone {rest.identifier} rests, and {gateway.ref} has it"
        if rest.network == gateway.network:
            why, mending = "once it is given back, it would be taken for free too early", "it rests no more"
            yield Fault(Finding("zone rests", key_of(rest), what, why, mending), _dropped(key_of(rest)))
        else:
            why = "a switch may still remember connections of whoever had it before"
            mending = "the network gets another zone, and this one rests"
            yield Fault(Finding("zone rests", key_of(rest), what, why, mending), _rezoned(gateway.ref))


def gateways(case: Case) -> Iterator[Fault]:
    """Gateways that no network needs, that are missing, or that are where none can be."""
    for gateway in case.draft.gateways():
        network = case.draft.network(gateway.ref)
        if network is None or network.exit is None:
            what = f"{gateway.ref} has a gateway on {gateway.switch}, and is {_lacking(network)}"
            why = "its zone, its number and its outside address are lost to everybody else"
            yield _fault("gateway not needed", gateway, what, why, "it goes; its zone rests")
            continue
        where = gateways_of(network.exit, case.fabric)
        if gateway.network != network.number:
            what = f"the gateway of {gateway.ref} is that of number {gateway.network}, and the network's is another"
            yield _fault("another's gateway", gateway, what, "its rows would be of no network", "it is granted anew")
        elif where and (gateway.switch not in where or gateway.outside != network.exit.outside):
            what = f"the gateway of {gateway.ref} is {gateway.switch}, which has no uplink that it may use"
            yield _fault("impossible gateway", gateway, what, "nothing gets out or in", "another one is granted")
    for network in case.draft.networks():
        if network.exit is None or case.draft.gateway(network.ref) is not None:
            continue
        has = bool(gateways_of(network.exit, case.fabric))
        what, why = f"{network.ref} has a way out and no gateway", "nothing gets out or in"
        finding = Finding("no gateway", f"gateway/{network.ref}", what, why, "one is granted" if has else None)
        yield Fault(finding, _settled if has else None)


def _lacking(network: Network | None) -> str:
    return "not there" if network is None else "without a way out"


def _fault(kind: str, gateway: Gateway, what: str, why: str, mending: str) -> Fault:
    return Fault(Finding(kind, key_of(gateway), what, why, mending), _settled)


def _settled(case: Case) -> None:
    """Have the gateways that there are to be: those of all networks are looked at, as if the fabric was new."""
    work = Work(case.draft, case.fabric, case.allocator)
    with suppress(VnetError):  # What stands against it is found by itself, or a request has to put it right.
        settle_exits(work, Model(), Fabric(), lambda name, outside: True)


def let_in(case: Case) -> Iterator[Fault]:
    """What is let in to networks that are not there, or that it cannot come in to."""
    for kind in ("floating/", "forward/"):
        for key in case.draft.keys(kind):
            value = case.draft.get(key)
            if not isinstance(value, Floating | Forward):
                continue
            network = case.draft.network(value.ref)
            if network is None or network.exit is None:
                reason = f"{value.ref}, which is {_lacking(network)}"
            elif network.exit.outside != value.outside:
                reason = f"{value.ref}, which has no way out to {value.outside}"
            elif not any(value.inside in subnet for subnet in network.subnets):
                reason = f"{value.inside} in {value.ref}, which has no such subnet"
            else:
                continue
            what = f"{value.address} of {value.outside} is for {reason}"
            why = "nobody else can have it, and it leads nowhere"
            yield Fault(Finding("leads nowhere", key, what, why, "it goes"), _dropped(key))


def _dropped(key: str) -> Edit:
    def edit(case: Case) -> None:
        value = case.draft.get(key)
        if value is not None:
            case.draft.delete(value)

    return edit


# --- addresses that we gave -------------------------------------------------------------------------------------------


def leases(case: Case) -> Iterator[Fault]:
    """Interfaces that were given addresses which no network of theirs has, or the address of its router."""
    for node in case.draft.nodes():
        for interface in node.interfaces:
            wrong = [lease for lease in interface.leases if not _is_proper(case, node, interface, lease[0])]
            if wrong:
                listed = ", ".join(map(format_prefix, wrong))
                what = f"{node.ref} {interface.name} was given {listed}, which is of no subnet of its networks"
                why = "it may send from an address that is not its own, and its own may be missing"
                finding = Finding("address of no subnet", f"node/{node.ref}", what, why, "it is given a proper one")
                yield Fault(finding, _given_anew(node.ref, interface.name))


def _is_proper(case: Case, node: Node, interface: Interface, address: object) -> bool:
    networks = (case.draft.network(ref) for ref in node.networks_of(interface))
    return any(
        address in subnet and address != subnet.gateway
        for network in networks
        if network is not None
        for subnet in network.subnets
    )


def _given_anew(ref: str, name: str) -> Edit:
    def edit(case: Case) -> None:
        node = case.draft.node(ref)
        interface = node.interface(name) if node is not None else None
        if node is None or interface is None:
            return
        kept = tuple(lease for lease in interface.leases if _is_proper(case, node, interface, lease[0]))
        case.draft.put(with_interface(node, replace(interface, leases=kept)))
        with suppress(VnetError):  # It has none then, until a request has put right what is in the way.
            Leases().settle(Work(case.draft, case.fabric, case.allocator), case.draft)

    return edit
