"""Discovery: what the databases of hosts say of machines, held against the model, and followed as far as it may be.

    discovery = Discovery(system, lambda switch: "unix:/run/openvswitch/db.sock")
    discovery.said(remote, change)

Nothing here trusts a database beyond its own host. It speaks for the ports of the bridges that are declared to be its
own, and for nothing else. It can let a node come up that does not run and that nobody asked to stop; it can let go
what it had reported itself; it takes nothing from another host unless the node's own `discovery` allows that.

The controller decides on all that is said now, not on the order in which it was said: after a restart it comes to the
same. A database that is away, or was never read, says nothing: nobody stops because of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal, TypeAlias

from ..errors import Invalid, VnetError
from ..model.names import check_port, format_mac
from ..model.values import Interface, Node, Place, Value
from . import moves, requests
from .appearing import Decision, decide
from .history import Asker
from .requests import Work
from .sighted import Sighted, said_of
from .sightings import Change, Sighting
from .system import System

AT_ONCE = 200
"""Nodes in one request: others' requests have their turn in between."""
MOST_TOLD = 10_000
"""Of how many nodes it is remembered what was complained of."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a sighting is: an interface of a node, by reference."""

    node: str
    interface: str


Outcome: TypeAlias = Literal["running", "moving", "waiting", "stopped", "unknown", "left out"]


@dataclass(frozen=True, slots=True)
class Report:
    """What a database says, whose that is, what has come of it, and why no more."""

    database: str
    sighting: Sighting
    place: Place | None
    owner: Owner | None
    state: Outcome
    why: str


class Discovery:
    """Follows what databases say. `remote` gives the database of a switch, by its name, if one is known."""

    def __init__(self, system: System, remote: Callable[[str], str | None]) -> None:
        self._system = system
        self._remote = remote
        self._sighted = Sighted()
        self._due: dict[str, None] = {}
        """The nodes to look at, by reference, in the order in which they came up."""
        self._looking = False
        self._told: dict[str, str] = {}
        """By node: what was complained of last, and is so still."""
        system.on_value = self._value_changed

    # --- what is said -------------------------------------------------------------------------------------------------

    def said(self, database: str, change: Change) -> None:
        """What differs in a database since it was told last; the first time, all that it has."""
        is_new = database not in self._sighted.by_database
        for sighting in self._sighted.take(database, change):
            self._look_at(self._possible(sighting))
        if is_new:
            # Who was seen before a restart and is not there any more, nobody says anything of.
            self._look_at(self._discovered_at(database))
        for complaint in change.complaints:
            self._system.note("discovery", database, f"left out of what {database} says: {complaint}")

    def forget(self, database: str) -> None:
        """A database belongs to no switch any more, and is not asked."""
        self._sighted.drop(database)

    def retry(self) -> None:
        """Look again at some of what could not be done, or was in contradiction: the reason may have gone."""
        refs = [*islice(self._told, AT_ONCE)]
        for ref in refs:
            self._told[ref] = self._told.pop(ref)
        self._look_at(refs)

    def _discovered_at(self, database: str) -> Iterator[str]:
        for name in self._system.fabric.switches:
            if self._remote(name) == database:
                for place in self._system.places_on(name):
                    member = self._system.model.at(place)
                    if member is not None and member.interface.discovered:
                        yield member.node.ref

    def _value_changed(self, old: Value | None, new: Value | None) -> None:
        """Somebody may be declared, or change his identity, who is seen already."""
        if isinstance(new, Node) and self._sighted:
            self._look_at([new.ref])
        elif isinstance(old, Node) and new is None:
            self._told.pop(old.ref, None)

    def _look_at(self, refs: Iterable[str]) -> None:
        self._due.update(dict.fromkeys(refs))
        if self._due and not self._looking:
            self._looking = True
            self._system.soon(self._look)

    # --- who is who ---------------------------------------------------------------------------------------------------

    def owner(self, sighting: Sighting) -> Owner | str:
        """Whose a sighting is, or why it is nobody's."""
        found = self._by_id(sighting.iface_id) if sighting.iface_id is not None else None
        if found is None:
            return self._by_mac(sighting.mac)
        node, interface = found
        if sighting.mac not in (None, interface.known_mac) and interface.known_mac is not None and not interface.chosen:
            declared, said = format_mac(interface.known_mac), format_mac(sighting.mac or 0)
            return f"{node.ref} {interface.name} is declared with {declared}, and is said to have {said}"
        return Owner(node.ref, interface.name)

    def _by_id(self, text: str) -> tuple[Node, Interface] | None:
        model = self._system.model
        for key in model.claimants(("iface-id", text)):
            node = model.get(key)
            if isinstance(node, Node):
                return node, next(one for one in node.interfaces if one.iface_id == text)
        tenant, _, rest = text.partition("/")
        name, _, interface = rest.partition("/")
        known = model.node(f"{tenant}/{name}")
        if known is None:
            return None
        if not interface and len(known.interfaces) == 1:
            interface = known.interfaces[0].name
        one = known.interface(interface)
        return (known, one) if one is not None and one.iface_id is None else None

    def _by_mac(self, mac: int | None) -> Owner | str:
        keys = self._system.model.having_mac(mac) if mac is not None else set()
        owners = {
            Owner(node.ref, one.name)
            for key in keys
            if isinstance(node := self._system.model.get(key), Node)
            for one in node.interfaces
            if one.known_mac == mac
        }
        if len(owners) == 1:
            return owners.pop()
        if owners:
            return f"{len(owners)} nodes have this MAC address: an iface-id would tell which it is"
        return "no node has this identity"

    def _possible(self, sighting: Sighting) -> Iterator[str]:
        owner = self.owner(sighting)
        if isinstance(owner, Owner):
            yield owner.node

    def place(self, database: str, sighting: Sighting) -> Place | str:
        """Where a sighting is, or why that is nowhere."""
        dpid, port = sighting.place
        name = self._system.fabric.by_dpid.get(dpid)
        if name is None:
            return f"no switch {dpid:016x} is declared"
        if self._remote(name) != database:
            return f"switch {name} is not of this database"
        if not sighting.is_active:
            return "another port of the same host is the one in use"
        try:
            place = Place(name, check_port(port, "port"))
        except Invalid as error:
            return str(error)
        return f"{place} is an end of a link" if place in self._system.fabric.wires else place

    def _seen(self, node: Node) -> dict[str, set[Place]]:
        """Where the interfaces of a node are said to be."""
        seen: dict[str, set[Place]] = {}
        for one in node.interfaces:
            me = Owner(node.ref, one.name)
            identities = [one.iface_id] if one.iface_id is not None else [node.ref, f"{node.ref}/{one.name}"]
            for identity in (*identities, one.known_mac):
                for database, sighting in self._sighted.of(identity) if identity is not None else ():
                    place = self.place(database, sighting)
                    if isinstance(place, Place) and self.owner(sighting) == me:
                        seen.setdefault(one.name, set()).add(place)
        return seen

    def _is_known(self, place: Place) -> bool:
        """Whether the database of a place's switch has said all that it has, and is who to say it: on ports where
        machines are learned their frames are."""
        fabric = self._system.fabric
        is_asked = place.switch in fabric.switches and place not in fabric.learns
        return is_asked and self._remote(place.switch) in self._sighted.by_database

    # --- what follows -------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        self._looking = False
        refs = [*islice(self._due, AT_ONCE)]
        for ref in refs:
            del self._due[ref]
        found: dict[str, Decision] = {}
        for ref in refs:
            node = self._system.model.node(ref)
            if node is not None:
                decision = decide(node, self._seen(node), self._is_known)
                found[ref] = decision
                if not decision.changes:
                    self._complain(ref, decision.complaint)
        self._carry_out({ref: decision for ref, decision in found.items() if decision.changes})
        self._look_at([])

    def _carry_out(self, found: dict[str, Decision]) -> None:
        """All at once; where that is refused, one by one, so that one does not hold up the others."""
        if not found:
            return
        try:
            self._request(found)
        except VnetError as error:
            if len(found) > 1:
                for ref, decision in found.items():
                    self._carry_out({ref: decision})
                return
            for ref in found:
                self._complain(ref, f"what its database says cannot be followed: {error}")
            return
        for ref, decision in found.items():
            self._complain(ref, decision.complaint)

    def _request(self, found: dict[str, Decision]) -> None:
        def edit(work: Work) -> None:
            for ref, decision in found.items():
                node = work.draft.node(ref)
                if node is not None:
                    self._follow(work, node, decision)

        with self._system.history.asked_by(Asker("discovery", "OVSDB", "external_ids", insists=True)):
            self._system.request(edit)

    def _follow(self, work: Work, node: Node, decision: Decision) -> None:
        if decision.starts:
            _start(work, self._with_macs(node, decision), decision.starts)
        if decision.stops:
            _stop(work, node)
        if decision.moves:
            moves.move(work, node.tenant, node.name, {name: str(place) for name, place in decision.moves.items()})
            _discovered(work, node, decision.moves)
        for name in decision.stays:
            moves.stay(work, node.tenant, node.name, name)
        for name, at in decision.arrives.items():
            if at is not None:
                moves.move(work, node.tenant, node.name, {name: str(at)})
            moves.arrive(work, node.tenant, node.name, name)
            _discovered(work, node, [name])

    def _with_macs(self, node: Node, decision: Decision) -> Node:
        """A node with the MAC addresses that hosts say it has, where nobody has declared others."""
        interfaces = []
        for one in node.interfaces:
            said = self._mac_at(decision.starts[one.name])
            if said is not None and (one.known_mac is None or one.chosen):
                one = replace(one, known_mac=said, chosen=False)
            interfaces.append(one)
        return replace(node, interfaces=tuple(interfaces))

    def _mac_at(self, place: Place) -> int | None:
        dpid = self._system.fabric.switches[place.switch].dpid
        sighting = self._sighted.by_database[self._remote(place.switch) or ""].get((dpid, place.port))
        return sighting.mac if sighting is not None else None

    def _complain(self, ref: str, text: str) -> None:
        """Say what somebody must decide, once as long as it is so."""
        if not text:
            self._told.pop(ref, None)
        elif self._told.get(ref) != text and (ref in self._told or len(self._told) < MOST_TOLD):
            self._told[ref] = text
            self._system.note("discovery", ref, text)

    # --- for people ---------------------------------------------------------------------------------------------------

    def report(self) -> list[Report]:
        """All that databases say, by database, switch and port, and what has come of it."""
        return [self._report(database, sighting) for database, sighting in said_of(self._sighted.by_database)]

    def _report(self, database: str, sighting: Sighting) -> Report:
        place, owner = self.place(database, sighting), self.owner(sighting)
        if not isinstance(place, Place):
            return Report(database, sighting, None, None, "left out", place)
        if not isinstance(owner, Owner):
            return Report(database, sighting, place, None, "unknown", owner)
        node = self._system.model.node(owner.node)
        one = node.interface(owner.interface) if node is not None else None
        if node is None or one is None:
            return Report(database, sighting, place, None, "unknown", "no node has this identity")
        return Report(database, sighting, place, owner, *self._state(node, one, place))

    def _state(self, node: Node, one: Interface, place: Place) -> tuple[Outcome, str]:
        if node.running and one.place == place:
            return "running", ""
        if node.running and one.target == place:
            return "moving", f"it comes from {one.place}"
        if node.discovery == "off":
            return "left out", "its discovery is off"
        if node.held or node.failed:
            what = "was asked to stop" if node.held else "has failed"
            return "stopped", f"it {what}, and is started by a request"
        return "waiting", self._told.get(node.ref, "other interfaces of it are not there yet")


def _start(work: Work, node: Node, places: dict[str, Place]) -> None:
    placed = requests.at_places(work, node, places)
    interfaces = tuple(replace(one, discovered=True) for one in placed.interfaces)
    work.draft.put(replace(placed, running=True, failed=False, interfaces=interfaces))


def _stop(work: Work, node: Node) -> None:
    """It is not seen any more. What it is prepared for stays; else its place was only where it was seen."""
    interfaces = tuple(
        replace(one, place=one.place if node.prepared else None, target=None, left=None, discovered=False)
        for one in node.interfaces
    )
    work.draft.put(replace(node, running=False, failed=False, interfaces=interfaces))


def _discovered(work: Work, node: Node, names: Iterable[str]) -> None:
    """Note that it is known from a database where these interfaces of a node are, or will be."""
    known, wanted = requests.require_node(work, node.tenant, node.name), {*names}
    interfaces = tuple(replace(one, discovered=True) if one.name in wanted else one for one in known.interfaces)
    work.draft.put(replace(known, interfaces=interfaces))
