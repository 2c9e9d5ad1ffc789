"""Requests about where nodes run, and whether: start, restart, fail, prepare, with hosts and ports chosen by us.

    system.request(lambda work: lifecycle.start(work, Hosting(system), "red", "vm1", {"eth0": "host1"}))

A place is given as `switch:port` or as a switch alone, or not at all. What is given is taken as it is: capacity and
anti-affinity are conditions of placement, and it is told where such a place goes against them. All interfaces of a node
that have no place go on one host.

A restart is one revision, and where the place stays the same, no row is removed and put again for it. None need be: a
switch learns nothing about a node that its rows do not say, what others change in them is put right at once, and a
port that goes away meanwhile and comes back, under whatever number, takes its rows with it each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count

from ..errors import Conflict, NotFound
from ..model.names import PORT_LENGTH, check_name
from ..model.values import Interface, Node, Place
from . import requests
from .hosting import Hosting
from .placement import Choice
from .requests import Work

PORT_PREFIX = "vn"
"""What the ports are called that we name: this, and the number of the interface, which no other ever has."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an interface is put, and why there."""

    at: Place
    reasons: tuple[str, ...]


@dataclass(slots=True)
class Placing:
    """Where the interfaces of a node come to be: all places that are new, and those of which there is something to say.

    `refused` has the hosts that could not be chosen, with the reason, where one was chosen.
    """

    places: dict[str, Place] = field(default_factory=dict)
    told: dict[str, Placed] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


# --- requests -------------------------------------------------------------------------------------------------------


def start(work: Work, hosting: Hosting, tenant: str, node: str, at: Mapping[str, str]) -> Placing:
    """Let a node run at the places given, at those that it has, or on a host that is chosen."""
    placing = place(work, hosting, requests.require_node(work, tenant, node), at)
    requests.start(work, tenant, node, {name: str(new) for name, new in placing.places.items()})
    return placing


def restart(work: Work, hosting: Hosting, tenant: str, node: str, at: Mapping[str, str]) -> Placing:
    """Stop a node, if it runs, and start it, in one revision: at another place it is stopped at the old one first."""
    requests.stop(work, tenant, node)
    return start(work, hosting, tenant, node, at)


def fail(work: Work, tenant: str, node: str) -> None:
    """A node does not run any more, and was not asked to stop: its place and memberships stay, and a start makes it
    well. Of one that does not run this says nothing new: it was stopped, or has failed already."""
    known = requests.require_node(work, tenant, node)
    if known.running:
        requests.stop(work, tenant, node)
        work.draft.put(replace(requests.require_node(work, tenant, node), failed=True, held=False))
    else:
        work.draft.put(known)  # No change: the answer has the revision that it is of.


def prepare(work: Work, hosting: Hosting, tenant: str, node: str, at: Mapping[str, str]) -> Placing:
    """Set everything up for a node but its own switch, at places as for `start`. It stays prepared, whether it is
    started, stopped or fails, until `unprepare`. Raises Conflict where it runs at another place."""
    known = requests.require_node(work, tenant, node)
    placing = place(work, hosting, known, at)
    if known.running and placing.places:
        hint = "stop it first, or start it there"
        raise Conflict(f"node {known.ref} runs, and cannot be prepared for another place meanwhile: {hint}")
    work.draft.put(replace(requests.at_places(work, known, placing.places), prepared=True, held=False))
    return placing


def unprepare(work: Work, tenant: str, node: str) -> None:
    """A node is not prepared any more; its place and memberships stay. One that runs goes on as it does."""
    work.draft.put(replace(requests.require_node(work, tenant, node), prepared=False))


# --- places ---------------------------------------------------------------------------------------------------------


def place(work: Work, hosting: Hosting, node: Node, at: Mapping[str, str]) -> Placing:
    """Where a node would run; nothing is put. Raises NotFound, Invalid, and what `Hosting.choose` raises."""
    placing = Placing()
    had = {interface.place.switch for interface in node.interfaces if interface.place is not None}
    for name, text in sorted(at.items()):
        _put(work, placing, _interface(node, name), text)
    for name, new in placing.places.items():
        against = hosting.against(work, node, new.switch) if new.switch not in had else None
        if against is not None:
            said = placing.told[name].reasons if name in placing.told else (f"{new} was asked for",)
            note = f"a place that is asked for is taken, but placement would not have chosen it: {against}"
            placing.told[name] = Placed(new, (*said, note))
    missing = [one for one in node.interfaces if one.place is None and one.name not in placing.places]
    switches = {each.switch for one in node.interfaces if (each := placing.places.get(one.name, one.place)) is not None}
    if not missing or len(switches) > 1:
        return placing  # Where it is on several switches, nobody knows which is meant: that is refused later.
    if switches:
        choice = Choice(switches.pop(), ("where its other interfaces are",))
    else:
        choice = hosting.choose(work, node)
        placing.refused = choice.refused
    for interface in missing:
        _name_port(work, placing, interface, choice.host, choice.reasons)
    return placing


def _put(work: Work, placing: Placing, interface: Interface, text: str) -> None:
    """An interface at a place that was asked for: a switch port, or a switch."""
    where = f"at.{interface.name}"
    if ":" in text:
        asked = requests.parse_place(text, where)
        if asked != interface.place:
            placing.places[interface.name] = asked
        return
    host = check_name(text, where)
    if interface.place is None or interface.place.switch != host:
        _name_port(work, placing, interface, host, (f"{host} was asked for",))


def _name_port(work: Work, placing: Placing, interface: Interface, host: str, reasons: tuple[str, ...]) -> None:
    """A port of ours on a host, that no other interface and no link has."""
    taken = {*placing.places.values()}
    at = next(
        at
        for at in (Place(host, name) for name in _port_names(interface))
        if at not in taken and at not in work.fabric.wires and work.draft.at(at) is None
    )
    placing.places[interface.name] = at
    placing.told[interface.name] = Placed(at, reasons)


def _port_names(interface: Interface) -> Iterator[str]:
    """What a port may be called, at most 15 characters: with the first nearly always, as nobody else names ports so."""
    yield f"{PORT_PREFIX}{interface.number}"[:PORT_LENGTH]
    for other in count(2):
        end = f"-{other}"
        yield f"{PORT_PREFIX}{interface.number}"[: PORT_LENGTH - len(end)] + end


def _interface(node: Node, name: str) -> Interface:
    interface = node.interface(name)
    if interface is None:
        there = ", ".join(sorted(one.name for one in node.interfaces)) or "none"
        raise NotFound(f"node {node.ref} has no interface {name!r} (it has {there})")
    return interface
