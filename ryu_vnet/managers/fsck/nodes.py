"""Checks of nodes and their interfaces: numbers, memberships, places, addresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

from ...model.names import format_mac, is_chosen_mac
from ...model.state import claims
from ...model.values import Interface, Node, Place, Tenant
from .finding import Case, Edit, Fault, Finding

_CLAIMED_WHY = "frames for it could go to either, and the rows of both cannot stand on one switch"


def _changed(ref: str, name: str, change: Callable[[Node, Interface], Node]) -> Edit:
    """An edit of one interface of a node, as it is by then."""

    def edit(case: Case) -> None:
        node = case.draft.node(ref)
        interface = node.interface(name) if node is not None else None
        if node is not None and interface is not None:
            case.draft.put(change(node, interface))

    return edit


def with_interface(node: Node, new: Interface) -> Node:
    """A node with one interface in another form."""
    return replace(node, interfaces=tuple(new if old.name == new.name else old for old in node.interfaces))


def tenants(case: Case) -> Iterator[Fault]:
    """Networks and nodes of tenants that are not there."""
    present = {tenant.name for tenant in case.draft.tenants()}
    owned = Counter(network.tenant for network in case.draft.networks())
    owned.update(node.tenant for node in case.draft.nodes())
    for name in sorted(owned.keys() - present):
        what = f"tenant {name} is not there, and has {owned[name]} network(s) and node(s)"
        finding = Finding("no tenant", f"tenant/{name}", what, "nobody can change or remove them", "the tenant is made")
        yield Fault(finding, lambda case, name=name: case.draft.put(Tenant(name)))  # type: ignore[misc]


def interface_numbers(case: Case) -> Iterator[Fault]:
    """Interfaces that have one number, or that of a network's router."""
    times = Counter(interface.number for node in case.draft.nodes() for interface in node.interfaces)
    times.update(gateway.interface for gateway in case.draft.gateways())
    for node in case.draft.nodes():
        for interface in node.interfaces:
            if times[interface.number] > 1:
                what = f"{node.ref} {interface.name} has number {interface.number}, which another has as well"
                why = "the rows of two machines have one register value and one cookie"
                yield Fault(
                    Finding("interface number twice", f"node/{node.ref}", what, why, "each gets a new number"),
                    _renumbered(node.ref, interface.name),
                )


def _renumbered(ref: str, name: str) -> Edit:
    def edit(case: Case) -> None:
        number = case.allocator.interface_number()
        _changed(ref, name, lambda node, old: with_interface(node, replace(old, number=number)))(case)

    return edit


def memberships(case: Case) -> Iterator[Fault]:
    """Interfaces in networks that are not there, or in one for the policies' sake and not in it."""
    for node in case.draft.nodes():
        for interface in node.interfaces:
            for name in interface.networks:
                if case.draft.network(f"{node.tenant}/{name}") is None:
                    what = f"{node.ref} {interface.name} is in network {node.tenant}/{name}, which is not there"
                    why = "a network of that name would have a member that nobody put there"
                    finding = Finding("no network", f"node/{node.ref}", what, why, "it is taken out of it")
                    yield Fault(finding, _taken_out(node.ref, interface.name, name))
            proper = tuple(sorted({*interface.networks}))
            by_policy = tuple(sorted({*interface.by_policy} & {*proper}))
            if (proper, by_policy) != (interface.networks, interface.by_policy):
                what = f"the networks of {node.ref} {interface.name} are not in order, each once, or not all there"
                why = "what follows from them depends on their order"
                finding = Finding("networks in disorder", f"node/{node.ref}", what, why, "they are put in order")
                yield Fault(finding, _changed(node.ref, interface.name, _ordered))


def _ordered(node: Node, old: Interface) -> Node:
    networks = tuple(sorted({*old.networks}))
    by_policy = tuple(sorted({*old.by_policy} & {*networks}))
    return with_interface(node, replace(old, networks=networks, by_policy=by_policy))


def _taken_out(ref: str, name: str, network: str) -> Edit:
    def without(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(one for one in names if one != network)

    return _changed(
        ref,
        name,
        lambda node, old: with_interface(
            node, replace(old, networks=without(old.networks), by_policy=without(old.by_policy))
        ),
    )


def places(case: Case) -> Iterator[Fault]:
    """Interfaces at places where nothing can be, or where another is as well; present nodes without a place."""
    displaced = "it loses the place; the node counts as failed if it ran, and is started where it belongs by a request"
    for node in case.draft.nodes():
        for interface in node.interfaces:
            place = interface.place
            what = _wrong_place(case, place) if place is not None else None
            kind, why = "impossible place", "it can neither run there nor be prepared, and is counted nowhere"
            if what is None and place is not None:
                others = case.draft.claimants(("port", place.switch, place.port)) - {f"node/{node.ref}"}
                alike = sum(one.place == place for one in node.interfaces) > 1
                # Those at a site share its port.
                if interface.site is None and (others or alike):
                    whose = ", ".join(key.removeprefix("node/") for key in sorted(others)) or "the same node"
                    kind, what, why = "port twice", f"port {place} is that of {whose} too", _CLAIMED_WHY
            if what is not None:
                finding = Finding(kind, f"node/{node.ref}", f"{node.ref} {interface.name}: {what}", why, displaced)
                yield Fault(finding, _changed(node.ref, interface.name, _displaced))
        if node.present and any(interface.place is None for interface in node.interfaces):
            what = f"{node.ref} runs or is prepared, and has an interface without a place"
            finding = Finding("no place", f"node/{node.ref}", what, "nobody knows where", "it counts as failed")
            yield Fault(finding, _failed(node.ref))


def _wrong_place(case: Case, place: Place) -> str | None:
    switch = case.fabric.switches.get(place.switch)
    if switch is None:
        return f"switch {place.switch} is not in the fabric"
    if switch.segment is None:
        return f"switch {place.switch} is in no segment"
    if any(uplink.port == place.port for uplink in switch.uplinks):
        return f"port {place} is an uplink"
    return f"port {place} is one of a link" if place in case.fabric.wires else None


def _stopped(node: Node) -> Node:
    return replace(node, running=False, prepared=False, failed=node.failed or node.running)


def _displaced(node: Node, old: Interface) -> Node:
    return _stopped(with_interface(node, replace(old, place=None, site=None, site_number=0)))


def _failed(ref: str) -> Edit:
    def edit(case: Case) -> None:
        node = case.draft.node(ref)
        if node is not None:
            case.draft.put(_stopped(node))

    return edit


def addresses(case: Case) -> Iterator[Fault]:
    """MAC addresses that occur twice in a network, or are said to be chosen and cannot be."""
    for node in case.draft.nodes():
        seen: Counter[tuple[str, ...]] = Counter(claim for claim, _ in claims(node))
        for claim, interface in claims(node):
            others = case.draft.claimants(claim) - {f"node/{node.ref}"}
            if claim[0] == "mac" and (others or seen[claim] > 1):
                whose = ", ".join(key.removeprefix("node/") for key in sorted(others)) or "the same node"
                what = f"{claim[2]} of {node.ref} {interface.name} is in network {claim[1]} also at {whose}"
                mending = "each is taken out of that network; attach the right one again"
                yield Fault(
                    Finding("MAC twice", f"node/{node.ref}", what, _CLAIMED_WHY, mending),
                    _taken_out(node.ref, interface.name, claim[1].partition("/")[2]),
                )
        for interface in node.interfaces:
            if interface.chosen and (interface.known_mac is None or not is_chosen_mac(interface.known_mac)):
                mac = "no address" if interface.known_mac is None else format_mac(interface.known_mac)
                what = f"{node.ref} {interface.name} has {mac}, which is said to be chosen and has not the form of one"
                why = "whoever gives the address up would give up one that is not ours"
                finding = Finding("not a chosen MAC", f"node/{node.ref}", what, why, "it counts as given")
                yield Fault(finding, _changed(node.ref, interface.name, _given))


def _given(node: Node, old: Interface) -> Node:
    return with_interface(node, replace(old, chosen=False))
