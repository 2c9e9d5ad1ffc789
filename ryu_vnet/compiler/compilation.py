"""What depends on what: a change of the model or of the fabric to the rows that it changes, and no others.

All rows of all switches are divided into units. Each unit's rows follow from a few facts, so that a change makes some
units stale and leaves the rest alone. Compiling from nothing is the same with everything new (`tables`); that both
give the same rows, for any history, is a property test.

    stale = compilation.update([(old_node, new_node)], topology)
    for unit in stale:
        for switch, part in compilation.parts(unit): ...
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from enum import IntEnum
from typing import NamedTuple

from ..fabric.declared import Fabric
from ..fabric.observed import Topology
from ..model.state import Member
from ..model.values import Interface, Network, Node, Place, TagGrant, Value
from .interface import address_row, addresses, local_rows
from .network import member_group, network_rows
from .presence import Extent, Presence, home_of
from .rows import Group, Row
from .switch import switch_groups, switch_rows


class Kind(IntEnum):
    """What a unit is about."""

    SWITCH = 1
    """Ports, labels and ways out of a switch."""
    NETWORK = 2
    """Tag, label and fan-out of a network on a switch."""
    CHUNK = 3
    """The fan-out to a chunk of a network's members on a switch."""
    LOCAL = 4
    """An interface at its own switch."""
    ADDRESS = 5
    """Where frames go that are for an interface, at all switches that must tell it apart."""


class Unit(NamedTuple):
    """Rows that are compiled together. `name` is that of a network, `number` that of an interface or chunk."""

    kind: Kind
    name: str = ""
    switch: str = ""
    number: int = 0


class Local(NamedTuple):
    """All that the rows of an interface at its own switch follow from."""

    switch: str
    interface: Interface
    port: int
    network: Network | None
    tag: int


_NOWHERE = Extent({}, frozenset())


class Compilation:
    """Where everything is, and which unit follows from what."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.presences: dict[str, Presence] = {}
        """By the network's reference."""
        self._tags: dict[tuple[str, int], int] = {}
        """By segment and the network's number."""
        self._members: dict[int, Member] = {}
        """Running interfaces on switches where there can be any, by number."""
        self._on: dict[str, set[int]] = {}
        """Their numbers by switch."""
        self._refs: dict[int, str] = {}
        """Networks by number."""
        self._in: dict[str, set[str]] = {}
        """The networks with members in each segment."""

    # --- what a change makes stale ----------------------------------------------------------------------------------

    def update(
        self,
        changes: Iterable[tuple[Value | None, Value | None]],
        topology: Topology,
        switches: Collection[str] = (),
    ) -> set[Unit]:
        """Take changed values (old and new; None for none) and a topology over, and say which units are stale.

        `topology` is the present one or, if its fabric is the same, differs from it by what `switches` reported or
        whether they are admitted.
        """
        stale: set[Unit] = set()
        before: dict[str, Extent] = {}
        old_topology, self.topology = self.topology, topology
        coming: dict[int, Member] = {}
        if topology.fabric is not old_topology.fabric:
            coming = self._take_out(old_topology.fabric, topology.fabric, before, stale)
        gone: list[Network] = []
        grants: list[TagGrant] = []
        for old, new in changes:
            if isinstance(old, Node) or isinstance(new, Node):
                self._node(old, new, old_topology.fabric, before, stale, coming)
            elif isinstance(old, Network) or isinstance(new, Network):
                gone += self._network(old, new, stale)
            elif isinstance(old, TagGrant) or isinstance(new, TagGrant):
                grants += self._grant(old, new)
        for member in coming.values():
            self._put_in(member, before, stale)
        for ref, extent in before.items():
            self._reach(ref, extent, stale)
        for grant in grants:
            self._tagged(grant, stale)
        for network in gone:
            del self._refs[network.number]
            if self.presences[network.ref].network.number == network.number:
                del self.presences[network.ref]
        if topology is not old_topology:
            self._paths(old_topology, topology, switches, stale)
        return stale

    def _node(
        self,
        old: Value | None,
        new: Value | None,
        fabric: Fabric,
        before: dict[str, Extent],
        stale: set[Unit],
        coming: dict[int, Member],
    ) -> None:
        """Let the interfaces of a node leave that are another now; those that are to come instead go to `coming`."""
        were = {i.number: Member(old, i) for i in old.interfaces} if isinstance(old, Node) else {}
        are = {i.number: Member(new, i) for i in new.interfaces} if isinstance(new, Node) else {}
        for number in were.keys() | are.keys():
            was, now = were.get(number), are.get(number)
            if was and now and was.interface == now.interface and was.node.running == now.node.running:
                if number in self._members:
                    self._members[number] = now
                elif number in coming:
                    coming[number] = now
                continue
            stale |= {Unit(Kind.LOCAL, number=number), Unit(Kind.ADDRESS, number=number)}
            if number in self._members:
                self._leave(self._members[number], fabric, before, stale)
            coming.pop(number, None)
            if now is not None:
                coming[number] = now

    def _leave(self, member: Member, fabric: Fabric, before: dict[str, Extent], stale: set[Unit]) -> None:
        number, home = member.interface.number, home_of(member, fabric)
        del self._members[number]
        if home is None:
            return
        self._on[home.name].discard(number)
        ref = member.node.network_of(member.interface)
        if ref is not None:
            presence = self.presences[ref]
            before.setdefault(ref, presence.extent)
            chunks = presence.remove(member, home, fabric)
            self._chunks(ref, home.name, chunks, stale)

    def _put_in(self, member: Member, before: dict[str, Extent], stale: set[Unit]) -> None:
        fabric = self.topology.fabric
        number, home = member.interface.number, home_of(member, fabric)
        if home is None:
            return
        self._members[number] = member
        self._on.setdefault(home.name, set()).add(number)
        ref = member.node.network_of(member.interface)
        if ref is not None:
            presence = self.presences[ref]
            before.setdefault(ref, presence.extent)
            chunks = presence.add(member, home, fabric)
            self._chunks(ref, home.name, chunks, stale)

    def _chunks(self, ref: str, switch: str, chunks: set[int], stale: set[Unit]) -> None:
        stale.update(Unit(Kind.CHUNK, ref, switch, chunk) for chunk in chunks)
        crowd = self.presences[ref].at.get(switch)
        if len(chunks) > 1 or crowd is None or len(crowd) == 1 or not chunks <= crowd.chunks.keys():
            stale.add(Unit(Kind.NETWORK, ref, switch))

    def _network(self, old: Value | None, new: Value | None, stale: set[Unit]) -> Iterator[Network]:
        """Yields the network if it is gone: it is forgotten when its members are."""
        if isinstance(old, Network) and (not isinstance(new, Network) or new.number != old.number):
            yield old
        if isinstance(new, Network):
            presence = self.presences.setdefault(new.ref, Presence(new))
            presence.network = new
            self._refs[new.number] = new.ref
            stale.update(Unit(Kind.LOCAL, number=n) for crowd in presence.at.values() for n in crowd)

    def _grant(self, old: Value | None, new: Value | None) -> Iterator[TagGrant]:
        if isinstance(old, TagGrant):
            del self._tags[old.segment, old.network]
        if isinstance(new, TagGrant):
            self._tags[new.segment, new.network] = new.tag
        yield from (grant for grant in (old, new) if isinstance(grant, TagGrant))

    def _tagged(self, grant: TagGrant, stale: set[Unit]) -> None:
        """A network has another tag in a segment, or none."""
        ref = self._refs.get(grant.network)
        if ref is not None:
            carriers = self.presences[ref].extent.carriers(grant.segment, self.topology.fabric)
            stale.update(Unit(Kind.NETWORK, ref, carrier) for carrier in carriers)
            stale.update(Unit(Kind.LOCAL, number=number) for number in self.presences[ref].members(grant.segment))

    def _reach(self, ref: str, was: Extent, stale: set[Unit]) -> None:
        """What is stale where a network has come to other switches or segments."""
        presence, fabric = self.presences[ref], self.topology.fabric
        now = presence.extent
        if now is was:
            return
        for segment in was.switches.keys() | now.switches.keys():
            if segment not in now.switches:
                self._in[segment].discard(ref)
            elif segment not in was.switches:
                self._in.setdefault(segment, set()).add(ref)
            self._reach_in(ref, segment, was, now, stale)
        if was.switches.keys() != now.switches.keys() or was.native != now.native:
            edges = (edge for segment in now.switches for edge in fabric.edges[segment])
            stale.update(Unit(Kind.NETWORK, ref, edge) for edge in edges)

    def _reach_in(self, ref: str, segment: str, was: Extent, now: Extent, stale: set[Unit]) -> None:
        fabric, presence = self.topology.fabric, self.presences[ref]
        moved = was.switches.get(segment, frozenset()) ^ now.switches.get(segment, frozenset())
        if segment not in fabric.inside or (
            not moved and was.wired(segment) == now.wired(segment) and was.labelled == now.labelled
        ):
            return
        carriers = was.carriers(segment, fabric) | now.carriers(segment, fabric)
        if was.wired(segment) and now.wired(segment) and was.labelled == now.labelled:
            # Who came or went is in other switches' fan-outs only where nobody else is behind the same neighbour.
            edge = self.topology.edges_in_charge.get(segment)
            wanted, trunks = (was.wanted(segment, edge), now.wanted(segment, edge)), self.topology.trunks(segment)
            concerned = set(moved)
            for target in moved:
                hops = trunks.hops_towards(target)
                for name in carriers - concerned:
                    hop = hops.get(name)
                    if hop and trunks.leads_to(name, hop, wanted[0]) != trunks.leads_to(name, hop, wanted[1]):
                        concerned.add(name)
        else:
            concerned = set(carriers)
        stale.update(Unit(Kind.NETWORK, ref, name) for name in concerned)
        tellers = was.tellers(segment, fabric) ^ now.tellers(segment, fabric)
        if tellers:
            stale.update(Unit(Kind.ADDRESS, number=number) for number in presence.members(segment))
        if tellers & fabric.core_switches or was.labelled != now.labelled:
            stale.update(Unit(Kind.ADDRESS, number=n) for foreign in presence.foreign.values() for n in foreign)

    # --- the fabric -------------------------------------------------------------------------------------------------

    def _take_out(self, old: Fabric, new: Fabric, before: dict[str, Extent], stale: set[Unit]) -> dict[int, Member]:
        """Let all members of networks leave that reach into a segment which is declared otherwise now."""
        changed = {s for s in old.inside.keys() | new.inside.keys() if _declared(old, s) != _declared(new, s)}
        numbers = {number for s in changed for name in old.inside.get(s, ()) for number in self._on.get(name, ())}
        refs = {ref for segment in changed for ref in self._in.get(segment, ())}
        for ref in refs:
            presence = self.presences[ref]
            numbers.update(number for crowd in presence.at.values() for number in crowd)
            for fabric in (old, new):
                for segment in presence.extent.switches:
                    inside = fabric.inside.get(segment, ())
                    stale.update(Unit(Kind.NETWORK, ref, name) for name in inside)
        leaving = {number: self._members[number] for number in sorted(numbers)}
        for number, member in leaving.items():
            stale |= {Unit(Kind.LOCAL, number=number), Unit(Kind.ADDRESS, number=number)}
            self._leave(member, old, before, stale)
        for ref in refs:
            # As if the network were new: what it was before, in a fabric that is gone, says nothing.
            for segment in before.pop(ref, _NOWHERE).switches:
                self._in[segment].discard(ref)
            before[ref] = _NOWHERE
        for segment in changed:
            names = (*old.inside.get(segment, ()), *new.inside.get(segment, ()))
            stale.update(Unit(Kind.SWITCH, switch=name) for name in names)
        stale.update(Unit(Kind.SWITCH, switch=n) for n in old.switches.keys() ^ new.switches.keys())
        if changed or _core(old) != _core(new):
            stale.update(Unit(Kind.SWITCH, switch=name) for name in old.core_switches | new.core_switches)
        return leaving

    def _paths(self, old: Topology, new: Topology, switches: Collection[str], stale: set[Unit]) -> None:
        """What is stale because ports, links or the edge in charge are others."""
        fabric = new.fabric
        for name in switches:
            if name in fabric.switches:
                stale.add(Unit(Kind.SWITCH, switch=name))
                # Whether frames may pass a link is for both its ends to know.
                stale.update(Unit(Kind.SWITCH, switch=far.switch) for _, far in fabric.wires_of[name].values())
                for number in self._on.get(name, ()):
                    place = self._members[number].interface.place
                    if place is not None and old.port_number(place) != new.port_number(place):
                        stale.add(Unit(Kind.LOCAL, number=number))
        for segment, inside in fabric.inside.items():
            other_edge = old.edges_in_charge.get(segment) != new.edges_in_charge.get(segment)
            trunks = old.trunks(segment), new.trunks(segment)
            if other_edge or (trunks[0] is not trunks[1] and trunks[0].ports != trunks[1].ports):
                stale.update(Unit(Kind.SWITCH, switch=name) for name in inside)
                for ref in self._in.get(segment, ()):
                    extent = self.presences[ref].extent
                    carriers = extent.carriers(segment, fabric)
                    stale.update(Unit(Kind.NETWORK, ref, carrier) for carrier in carriers)
        if old.core is not new.core and old.core.ports != new.core.ports:
            stale.update(Unit(Kind.SWITCH, switch=name) for name in fabric.core_switches)

    # --- what the units are -----------------------------------------------------------------------------------------

    def parts(self, unit: Unit) -> Iterator[tuple[str, Row | Group]]:
        """The rows and groups of a unit as they are now, each with its switch; nothing where it is no more."""
        match unit.kind:
            case Kind.SWITCH:
                switch = self.topology.fabric.switches.get(unit.switch)
                if switch is not None:
                    for group in switch_groups(switch, self.topology):
                        yield switch.name, group
                    for row in switch_rows(switch, self.topology):
                        yield switch.name, row
            case Kind.NETWORK:
                presence = self.presences.get(unit.name)
                if presence is not None and unit.switch in self.topology.fabric.switches:
                    for part in network_rows(presence, unit.switch, self._tag(presence, unit.switch), self.topology):
                        yield unit.switch, part
            case Kind.CHUNK:
                crowded = self.presences.get(unit.name)
                found = member_group(crowded, unit.switch, unit.number) if crowded is not None else None
                if found is not None:
                    yield unit.switch, found
            case Kind.LOCAL:
                local = self.local(unit)
                if local is not None:
                    for row in local_rows(local.interface, local.port, local.network, local.tag):
                        yield local.switch, row
            case Kind.ADDRESS:
                for name, interface, network, toward in self.addresses(unit):
                    yield name, address_row(interface, network, toward)

    def local(self, unit: Unit) -> Local | None:
        """What a unit of the kind LOCAL follows from; None where it has no rows."""
        member = self._members.get(unit.number)
        place = member.interface.place if member is not None else None
        port = self.topology.port_number(place) if place is not None else None
        if member is None or place is None or port is None:
            return None
        ref = member.node.network_of(member.interface)
        presence = self.presences[ref] if ref is not None else None
        tag = self._tag(presence, place.switch) if presence is not None else 0
        return Local(place.switch, member.interface, port, presence.network if presence else None, tag)

    def addresses(self, unit: Unit) -> Iterator[tuple[str, Interface, Network, int]]:
        """What each row of a unit of the kind ADDRESS follows from: switch, interface, network, adjacency."""
        member = self._members.get(unit.number)
        ref = member.node.network_of(member.interface) if member is not None else None
        if member is None or ref is None:
            return
        presence, home = self.presences[ref], home_of(member, self.topology.fabric)
        if home is not None:
            for name, toward in addresses(member.interface, home, presence, self.topology):
                yield name, member.interface, presence.network, toward

    def places_on(self, switch: str) -> Iterator[Place]:
        """The ports of a switch that running interfaces are on."""
        for number in self._on.get(switch, ()):
            place = self._members[number].interface.place
            if place is not None:
                yield place

    def units(self) -> set[Unit]:
        """All units that there are."""
        found = {Unit(Kind.SWITCH, switch=name) for name in self.topology.fabric.switches}
        for number in self._members:
            found |= {Unit(Kind.LOCAL, number=number), Unit(Kind.ADDRESS, number=number)}
        for ref, presence in self.presences.items():
            for segment in presence.extent.switches:
                carriers = presence.extent.carriers(segment, self.topology.fabric)
                found.update(Unit(Kind.NETWORK, ref, name) for name in carriers)
            for name, crowd in presence.at.items():
                found.update(Unit(Kind.CHUNK, ref, name, chunk) for chunk in crowd.chunks)
        return found

    def _tag(self, presence: Presence, switch: str) -> int:
        segment = self.topology.fabric.switches[switch].segment
        return self._tags.get((segment or "", presence.network.number), 0)


def _declared(fabric: Fabric, segment: str) -> object:
    """All that is declared of a segment and that rows follow from."""
    inside = fabric.inside.get(segment, ())
    return (
        fabric.segments.get(segment),
        [fabric.switches[name] for name in inside],
        [fabric.wires_of[name] for name in inside],
    )


def _core(fabric: Fabric) -> object:
    """All that is declared of the interconnect."""
    return (
        [fabric.switches[name] for name in sorted(fabric.core_switches)],
        [fabric.wires_of[name] for name in sorted(fabric.core_switches)],
        fabric.all_edges,
    )
