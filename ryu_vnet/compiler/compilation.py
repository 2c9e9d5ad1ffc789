"""What depends on what: a change of the model or of the fabric to the rows that it changes, and no others.

All rows of all switches are divided into units (`units`). Each unit's rows follow from a few facts, so that a change
makes some units stale and leaves the rest alone. Compiling from nothing is the same with everything new (`tables`);
that both give the same rows, for any history, is a property test.

    stale = compilation.update([(old_node, new_node)], topology)
    for unit in stale:
        for switch, part in compilation.parts(unit): ...
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from ..fabric.declared import Fabric
from ..fabric.observed import Topology
from ..model.state import Member
from ..model.values import Network, Node, TagGrant, Value
from .facts import Facts, address_units
from .network import wire_targets
from .paths import core_units, other_edges, port_units, redeclared, redeclared_units, severed, trunk_units
from .presence import NOWHERE, Extent, Presence, home_of, is_native
from .reach import reach_units
from .units import Kind, Unit

Changes: TypeAlias = Iterable[tuple[Value | None, Value | None]]
"""Changed values: old and new, None for none."""


@dataclass(slots=True)
class _Round:
    """One update under way."""

    stale: set[Unit] = field(default_factory=set)
    before: dict[str, Extent] = field(default_factory=dict)
    """Where networks were, by reference, whose members come or go."""
    coming: dict[int, Member] = field(default_factory=dict)
    """Interfaces that are put in at the end, when all that leave are gone."""
    foreign: list[tuple[str, int]] = field(default_factory=list)
    """Of those that came: network and number of each whose MAC does not tell where it is."""


class Compilation(Facts):
    """The facts, and which unit follows from which of them.

    Who runs is on a declared switch of a segment, and in a network that there is: requests that would have it
    otherwise are refused.
    """

    def __init__(self, topology: Topology) -> None:
        super().__init__(topology)
        self._refs: dict[int, str] = {}
        """Networks by number."""
        self._in: dict[str, set[str]] = {}
        """The networks with members in each segment."""

    # --- what a change makes stale ----------------------------------------------------------------------------------

    def update(self, changes: Changes, topology: Topology, switches: Collection[str] = ()) -> set[Unit]:
        """Take changed values and a topology over, and say which units are stale.

        `topology` may have another fabric than the present one. Where its declaration is the same, it may differ by
        what `switches` reported of their ports, or by whether they are admitted.
        """
        turn = _Round()
        old, self.topology = self.topology, topology
        if topology is not old:
            # First, with everybody where he was: whoever moves then does so on the new paths.
            self._paths(old, switches, turn)
        networks: list[tuple[Network | None, Network | None]] = []
        grants: list[TagGrant] = []
        for was, now in changes:
            if isinstance(was, Node) or isinstance(now, Node):
                self._node(was, now, old.fabric, turn)
            elif isinstance(was, Network) or isinstance(now, Network):
                networks.append((_network(was), _network(now)))
                self._name(_network(now))
            else:
                grants += self._grant(was, now)
        for member in turn.coming.values():
            self._put_in(member, turn)
        for ref, extent in turn.before.items():
            self._reach(ref, extent, turn)
        for ref, number in turn.foreign:
            turn.stale.update(address_units(number, self.presences[ref].extent))
        for grant in grants:
            self._tagged(grant, turn)
        for old_network, new_network in networks:
            self._renew(old_network, new_network, turn)
        return turn.stale

    # --- nodes ------------------------------------------------------------------------------------------------------

    def _node(self, old: Value | None, new: Value | None, fabric: Fabric, turn: _Round) -> None:
        """Let the interfaces of a node leave that are another now, and those come that are to come instead."""
        were = {member.interface.number: member for member in _running(old)}
        for now in _running(new):
            number = now.interface.number
            was = were.get(number)
            if was is not None and was.interface == now.interface:
                del were[number]
                (self._members if number in self._members else turn.coming)[number] = now
            else:
                turn.coming[number] = now
        for number, was in were.items():
            if number in self._members:
                self._leave(number, fabric, turn)
            elif turn.coming.get(number) == was:
                del turn.coming[number]

    def _leave(self, number: int, fabric: Fabric, turn: _Round) -> None:
        member = self._members.pop(number)
        home, place = home_of(member, fabric), member.interface.place
        if home is None or place is None:
            return
        del self._on[home.name][place.port]
        turn.stale.add(Unit(Kind.LOCAL, "", "", number))
        ref = member.node.network_of(member.interface)
        if ref is None:
            return
        presence, segment = self.presences[ref], str(home.segment)
        if ref not in turn.before:
            turn.before[ref] = presence.extent
        turn.stale.add(Unit(Kind.ADDRESS, segment, "", number))
        if not is_native(member.interface.mac, segment, fabric):
            turn.stale.update(address_units(number, turn.before[ref]))
        known = presence.chunks(home.name)
        self._chunks(ref, home.name, known, presence.remove(member, home, fabric), turn)

    def _put_in(self, member: Member, turn: _Round) -> None:
        fabric = self.topology.fabric
        home, place, number = home_of(member, fabric), member.interface.place, member.interface.number
        if home is None or place is None:
            return
        self._members[number] = member
        self._on.setdefault(home.name, {})[place.port] = number
        turn.stale.add(Unit(Kind.LOCAL, "", "", number))
        ref = member.node.network_of(member.interface)
        if ref is None:
            return
        presence, segment = self.presences[ref], str(home.segment)
        if ref not in turn.before:
            turn.before[ref] = presence.extent
        turn.stale.add(Unit(Kind.ADDRESS, segment, "", number))
        if not is_native(member.interface.mac, segment, fabric):
            turn.foreign.append((ref, number))
        known = presence.chunks(home.name)
        self._chunks(ref, home.name, known, presence.add(member, home, fabric), turn)

    def _chunks(self, ref: str, switch: str, known: int, changed: set[int], turn: _Round) -> None:
        """These chunks have changed on a switch that had `known` ones."""
        turn.stale.update([Unit(Kind.CHUNK, ref, switch, chunk) for chunk in changed])
        if len(changed) > 1 or self.presences[ref].chunks(switch) != known:
            turn.stale.add(Unit(Kind.NETWORK, ref, switch, 0))

    # --- networks ---------------------------------------------------------------------------------------------------

    def _name(self, network: Network | None) -> None:
        if network is not None:
            self.presences.setdefault(network.ref, Presence(network)).network = network
            self._refs[network.number] = network.ref

    def _renew(self, old: Network | None, new: Network | None, turn: _Round) -> None:
        """A network is another now; or it is gone, and its members are as well."""
        if old is None:
            return
        if new is None:
            del self.presences[old.ref]
        else:
            extent = self.presences[new.ref].extent
            for segment in extent.switches:
                turn.stale.update([Unit(Kind.LOCAL, "", "", n) for n in self.presences[new.ref].members(segment)])
            if new.number != old.number:
                turn.stale.update(self.network_units(new.ref))
        if (new is None or new.number != old.number) and self._refs[old.number] == old.ref:
            del self._refs[old.number]

    def _grant(self, old: Value | None, new: Value | None) -> Iterator[TagGrant]:
        if isinstance(old, TagGrant):
            del self._tags[old.segment, old.network]
            yield old
        if isinstance(new, TagGrant):
            self._tags[new.segment, new.network] = new.tag
            yield new

    def _tagged(self, grant: TagGrant, turn: _Round) -> None:
        """A network has another tag in a segment, or none."""
        ref = self._refs.get(grant.network)
        if ref is not None:
            presence, segment = self.presences[ref], grant.segment
            carriers = presence.extent.carriers(segment, self.topology.fabric)
            turn.stale.update([Unit(Kind.NETWORK, ref, carrier, 0) for carrier in carriers])
            turn.stale.update([Unit(Kind.LOCAL, "", "", number) for number in presence.members(segment)])

    def _reach(self, ref: str, was: Extent, turn: _Round) -> None:
        """A network was there, and may have come to other switches or segments."""
        presence = self.presences[ref]
        now = presence.extent
        if now is not was:
            for segment in was.switches.keys() - now.switches.keys():
                self._in[segment].discard(ref)
            for segment in now.switches.keys() - was.switches.keys():
                self._in.setdefault(segment, set()).add(ref)
            turn.stale.update(reach_units(ref, presence, was, self.topology))

    # --- the fabric -------------------------------------------------------------------------------------------------

    def _paths(self, old: Topology, switches: Collection[str], turn: _Round) -> None:
        new, fabric = self.topology, self.topology.fabric
        known = [name for name in switches if name in fabric.switches]
        segments = {segment for name in known if (segment := fabric.switches[name].segment) is not None}
        anew: set[str] = set()
        if fabric is not old.fabric:
            anew = redeclared(old.fabric, fabric)
            segments = {*fabric.inside} - anew
            turn.stale.update(redeclared_units(old.fabric, fabric, anew))
        for name in known:
            was, now = old.numbers(name), new.numbers(name)
            ports = {port for port, _ in was.items() ^ now.items()} if was is not now else set()
            turn.stale.update(port_units(old, new, name, ports))
            on = self._on.get(name, {})
            turn.stale.update([Unit(Kind.LOCAL, "", "", on[port]) for port in ports & on.keys()])
        rewired = {*other_edges(old, new)}
        for segment in segments:
            if old.trunks(segment) is not new.trunks(segment):
                turn.stale.update(trunk_units(old, new, segment))
                rewired.add(segment)
        if old.core is not new.core:
            turn.stale.update(core_units(old, new))
        for segment in rewired - anew:
            self._rewire(segment, old, turn)
        if anew:
            self._take_out(anew, old.fabric, turn)

    def _rewire(self, segment: str, old: Topology, turn: _Round) -> None:
        """What is stale of networks because other trunks of a segment are live, or another edge is in charge."""
        new, fabric = self.topology, self.topology.fabric
        cut = severed(old.trunks(segment), new.trunks(segment), fabric.inside[segment])
        other_edge = old.edges_in_charge.get(segment) != new.edges_in_charge.get(segment)
        if other_edge or not cut <= fabric.leaves:
            refs = self._in.get(segment, set())
        else:
            on_leaves = (self._members[number] for name in cut for number in self._on.get(name, {}).values())
            refs = {ref for member in on_leaves if (ref := member.node.network_of(member.interface)) is not None}
        for ref in refs:
            presence = self.presences[ref]
            for name in presence.extent.carriers(segment, fabric):
                where = presence, segment, name
                if name not in fabric.leaves or wire_targets(*where, old) != wire_targets(*where, new):
                    turn.stale.add(Unit(Kind.NETWORK, ref, name, 0))

    def _take_out(self, segments: set[str], old: Fabric, turn: _Round) -> None:
        """Let all leave that are in segments which are declared otherwise now, and all members of networks that reach
        into one: they come again as if they were new."""
        names = [name for segment in segments for name in old.inside.get(segment, ())]
        numbers = {number for name in names for number in self._on.get(name, {}).values()}
        refs = {ref for segment in segments for ref in self._in.get(segment, ())}
        for ref in refs:
            presence = self.presences[ref]
            numbers.update(number for crowd in presence.at.values() for number in crowd)
            for fabric in (old, self.topology.fabric):
                for segment in presence.extent.switches:
                    inside = fabric.inside.get(segment, ())
                    turn.stale.update([Unit(Kind.NETWORK, ref, name, 0) for name in inside])
        for number in sorted(numbers):
            turn.coming[number] = self._members[number]
            self._leave(number, old, turn)
        for ref in refs:
            # What the network was before, in a fabric that is gone, says nothing.
            for segment in turn.before[ref].switches:
                self._in[segment].discard(ref)
            turn.before[ref] = NOWHERE


def _running(value: Value | None) -> list[Member]:
    """The interfaces of a node that runs."""
    if not isinstance(value, Node) or not value.running:
        return []
    return [Member(value, interface) for interface in value.interfaces]


def _network(value: Value | None) -> Network | None:
    return value if isinstance(value, Network) else None
