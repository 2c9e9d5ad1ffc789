"""Where a network is: its running members over the fabric, and which switches carry it.

Kept up to date member by member, so that what a change costs does not depend on how many members there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from ..fabric.declared import Fabric, Switch
from ..model.names import segment_of_mac
from ..model.state import Member
from ..model.values import Combination, Interface, Network
from .crowd import Crowd


def home_of(member: Member, fabric: Fabric) -> Switch | None:
    """The switch that a member runs on, or is prepared on; None where neither holds, or where a member cannot be."""
    place = member.interface.place
    switch = fabric.switches.get(place.switch) if place is not None and member.node.present else None
    return switch if switch is not None and switch.segment is not None else None


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a network has members at all: all that the rows of other switches than a member's own depend on.

    `switches` has those with members by segment, `heard` those of them that a broadcast must come to. `native` has the
    segments with members whose MAC tells that they are there.
    """

    switches: dict[str, frozenset[str]]
    heard: dict[str, frozenset[str]]
    native: frozenset[str]

    @property
    def labelled(self) -> bool:
        """Whether the network needs a label: it has members in several segments."""
        return len(self.switches) > 1

    def wired(self, segment: str) -> bool:
        """Whether its frames leave the switch they entered, inside a segment."""
        return segment in self.switches and (self.labelled or len(self.switches[segment]) > 1)

    def carriers(self, segment: str, fabric: Fabric) -> Set[str]:
        """The switches of a segment that need rows for the network.

        Those are the switches of its members; where frames leave their switch, also all that may be passed through
        (trunks to more than one other switch, whether or not they are on a path today, so that a dead link changes
        no row about a machine); and where they leave the segment, its edges.
        """
        members = self.switches.get(segment)
        if not members:
            return frozenset()
        passed = fabric.passable.get(segment, ()) if self.wired(segment) else ()
        edges = fabric.edges.get(segment, ()) if self.labelled else ()
        return members.union(passed, edges)

    def carried(self, segment: str, switch: str, fabric: Fabric) -> bool:
        """Whether a switch of a segment is one of its `carriers`."""
        members = self.switches.get(segment)
        if not members:
            return False
        if switch in members or (self.labelled and switch in fabric.core_switches):
            return True
        return len(fabric.trunk_neighbours[switch]) > 1 and self.wired(segment)

    def tellers(self, segment: str, fabric: Fabric) -> Set[str]:
        """Those of the carriers that must tell remote members apart: all but leaves."""
        return self.carriers(segment, fabric) - fabric.leaves

    def wanted(self, segment: str, in_charge: str | None) -> Set[str]:
        """The switches of a segment that a broadcast must come to."""
        members = self.heard.get(segment, frozenset())
        return members | {in_charge} if in_charge is not None and self.leaves(segment) else members

    def leaves(self, segment: str) -> bool:
        """Whether broadcasts from a segment must come to others."""
        return len(self.heard) > (segment in self.heard)


NOWHERE = Extent({}, {}, frozenset())


class Presence:
    """The running members of one network, by their numbers."""

    def __init__(self, network: Network | Combination) -> None:
        self.network = network
        self.at: dict[str, Crowd] = {}
        """By switch."""
        self.foreign: dict[str, set[int]] = {}
        """By segment: those whose MAC does not tell that they are there."""
        self._native: dict[str, int] = {}
        """By segment: how many there are of the others."""
        self.silent: dict[str, set[int]] = {}
        """By switch: those for whose sake it is carried there, and who need not hear what is said to everybody."""
        self._silent: dict[str, set[str]] = {}
        """Their switches by segment."""
        self.routers: dict[str, set[int]] = {}
        """By segment: those of the silent ones that are routers, which everybody can send to."""
        self.visits: dict[str, int] = {}
        """By switch: how many there are who may be routed into it from there, each once for each network."""
        self._visiting: dict[str, dict[str, int]] = {}
        """The same by segment."""
        self.beyond: dict[str, set[int]] = {}
        """By the switch of their gateway: those at remote sites. They hear by the copies that their sites get."""
        self._switches: dict[str, set[str]] = {}
        self._extent = NOWHERE
        self._moved: set[str] = set()
        """Segments in which it is elsewhere than `_extent` says."""

    @property
    def extent(self) -> Extent:
        """Where the network is now. The same object as long as nothing of it changes; what it has for a segment where
        nothing changes stays the same object as well."""
        if self._moved:
            was = self._extent
            switches, heard = was.switches.copy(), was.heard.copy()
            for segment in self._moved:
                hearing = frozenset(self._switches.get(segment, ()))
                others = {*self._silent.get(segment, ()), *self._visiting.get(segment, ())}
                for found, there in ((heard, hearing), (switches, hearing | others if others else hearing)):
                    found[segment] = there
                    if not there:
                        del found[segment]
            self._extent = Extent(switches, heard, frozenset(self._native))
            self._moved.clear()
        return self._extent

    def carry(self, number: int, switch: str, segment: str) -> bool:
        """It is carried on a switch for an interface's sake. Returns whether this is the first one there."""
        is_first = switch not in self.silent
        self.silent.setdefault(switch, set()).add(number)
        if is_first:
            self._silent.setdefault(segment, set()).add(switch)
            self._moved.add(segment)
        return is_first

    def drop(self, number: int, switch: str, segment: str) -> bool:
        """It is not carried there for its sake any more. Returns whether this was the last one there."""
        self.silent[switch].discard(number)
        if self.silent[switch]:
            return False
        del self.silent[switch]
        self._silent[segment].discard(switch)
        if not self._silent[segment]:
            del self._silent[segment]
        self._moved.add(segment)
        return True

    def far(self) -> Iterator[int]:
        """Those whose MAC does not tell where they are, wherever they are."""
        for numbers in (*self.foreign.values(), *self.routers.values()):
            yield from numbers

    def addressed(self, segment: str) -> Iterator[int]:
        """All that somebody can send to who are in a segment."""
        yield from self.members(segment)
        yield from self.routers.get(segment, ())

    def visit(self, switch: str, segment: str, by: int) -> None:
        """So many more, or less, may be routed into it from a switch."""
        count = self.visits.get(switch, 0) + by
        if not count or count == by:
            self._moved.add(segment)
        for counts in (self.visits, self._visiting.setdefault(segment, {})):
            counts[switch] = count
            if not count:
                del counts[switch]
        if not self._visiting[segment]:
            del self._visiting[segment]

    def add(self, member: Member, home: Switch, fabric: Fabric) -> set[int]:
        """Count a member in. Returns the chunks that changed at its switch."""
        segment, number = str(home.segment), member.interface.number
        if not is_native(member.interface.mac, segment, fabric):
            self.foreign.setdefault(segment, set()).add(number)
        elif segment in self._native:
            self._native[segment] += 1
        else:
            self._native[segment] = 1
            self._moved.add(segment)
        return self._add(member.interface, home.name, segment)

    def _add(self, interface: Interface, switch: str, segment: str) -> set[int]:
        number = interface.number
        if interface.site_number:
            self.beyond.setdefault(switch, set()).add(number)
            return set()
        if switch not in self.at:
            self.at[switch] = Crowd()
            self._switches.setdefault(segment, set()).add(switch)
            self._moved.add(segment)
        return self.at[switch].add(number)

    def remove(self, member: Member, home: Switch, fabric: Fabric) -> set[int]:
        """Count a member out that was counted in with just these. Returns the chunks that changed at its switch."""
        segment, number = str(home.segment), member.interface.number
        changed = self._remove(member.interface, home.name, segment)
        if not is_native(member.interface.mac, segment, fabric):
            self.foreign[segment].discard(number)
            if not self.foreign[segment]:
                del self.foreign[segment]
        elif self._native[segment] > 1:
            self._native[segment] -= 1
        else:
            del self._native[segment]
            self._moved.add(segment)
        return changed

    def _remove(self, interface: Interface, switch: str, segment: str) -> set[int]:
        number = interface.number
        if interface.site_number:
            self.beyond[switch].discard(number)
            if not self.beyond[switch]:
                del self.beyond[switch]
            return set()
        changed = self.at[switch].remove(number)
        if not self.at[switch]:
            del self.at[switch]
            self._switches[segment].discard(switch)
            if not self._switches[segment]:
                del self._switches[segment]
            self._moved.add(segment)
        return changed

    def chunks(self, switch: str) -> int:
        """Into how many chunks the members on a switch are divided."""
        return len(self.at[switch].chunks) if switch in self.at else 0

    def count(self, segment: str) -> int:
        """How many members are in a segment, are coming or leaving there, or may be routed to them from there."""
        silent = sum(len(self.silent[switch]) for switch in self._silent.get(segment, ()))
        visiting = sum(self._visiting.get(segment, {}).values())
        return self.residents(segment) + silent + visiting

    def residents(self, segment: str) -> int:
        """How many members are in a segment."""
        return self._native.get(segment, 0) + len(self.foreign.get(segment, ()))

    def members(self, segment: str) -> Iterator[int]:
        """The numbers of the members in a segment."""
        # Who is at a site is where the site hears.
        for switch in self._switches.get(segment, ()):
            yield from self.at[switch]
            yield from self.beyond.get(switch, ())

    def everybody(self) -> Iterator[int]:
        """The numbers of all members."""
        for crowd in self.at.values():
            yield from crowd
        for numbers in self.beyond.values():
            yield from numbers

    def has(self, number: int, switch: str) -> bool:
        """Whether an interface is a member on a switch."""
        return number in self.at.get(switch, ()) or number in self.beyond.get(switch, ())

    def carried_for(self, segment: str) -> Iterator[int]:
        """The numbers of those for whose sake it is carried in a segment."""
        yield from self.members(segment)
        for switch in self._silent.get(segment, ()):
            yield from self.silent[switch]


class Audience(Presence):
    """Who hears what is said to everybody in a combination: those who are in its last network and in none of the
    former. It is carried to where somebody speaks as well, once there is anybody to hear it."""

    def __init__(self, combination: Combination) -> None:
        super().__init__(combination)
        self.combination = combination

    @property
    def speakers(self) -> Mapping[str, set[int]]:
        """Who speaks, by switch."""
        return self.silent

    @property
    def extent(self) -> Extent:
        """As that of a network; nowhere as long as there is nobody to hear."""
        if not self.at:
            if self._extent is not NOWHERE:
                self._extent = NOWHERE
                self._moved.update(self._silent)
            return NOWHERE
        return super().extent

    def add(self, member: Member, home: Switch, fabric: Fabric) -> set[int]:
        """Somebody hears. Returns the chunks that changed at his switch."""
        if not self.at:
            self._moved.update(self._silent)
        return self._add(member.interface, home.name, str(home.segment))

    def remove(self, member: Member, home: Switch, fabric: Fabric) -> set[int]:
        """Somebody hears no more. Returns the chunks that changed at his switch."""
        return self._remove(member.interface, home.name, str(home.segment))


def is_native(mac: int, segment: str, fabric: Fabric) -> bool:
    """Whether a MAC tells that its node is in this segment."""
    return segment_of_mac(mac) == fabric.segments.get(segment)
