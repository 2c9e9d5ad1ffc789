"""Where a network is: its running members over the fabric, and which switches carry it.

Kept up to date member by member, so that what a change costs does not depend on how many members there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

from ..fabric.declared import Fabric, Switch
from ..model.names import segment_of_mac
from ..model.state import Member
from ..model.values import Network
from .crowd import Crowd


def home_of(member: Member, fabric: Fabric) -> Switch | None:
    """The switch that a member runs on; None while it does not run, or where a member cannot be."""
    place = member.interface.place
    switch = fabric.switches.get(place.switch) if place is not None and member.node.running else None
    return switch if switch is not None and switch.segment is not None else None


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a network has members at all: all that the rows of other switches than a member's own depend on.

    `switches` has those with members by segment. `native` has the segments with members whose MAC tells that they are
    there.
    """

    switches: dict[str, frozenset[str]]
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

    def tellers(self, segment: str, fabric: Fabric) -> set[str]:
        """Those of the carriers that must tell remote members apart: all but leaves."""
        return {name for name in self.carriers(segment, fabric) if not fabric.is_leaf(name)}

    def wanted(self, segment: str, in_charge: str | None) -> Set[str]:
        """The switches of a segment that a broadcast must come to."""
        members = self.switches.get(segment, frozenset())
        return members | {in_charge} if self.labelled and in_charge is not None else members


class Presence:
    """The running members of one network, by their numbers."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.at: dict[str, Crowd] = {}
        """By switch."""
        self.foreign: dict[str, set[int]] = {}
        """By segment: those whose MAC does not tell that they are there."""
        self._segments: dict[str, set[str]] = {}
        self._native: dict[str, int] = {}
        self._extent: Extent | None = None

    @property
    def extent(self) -> Extent:
        """Where the network is now. The same object as long as nothing of it changes."""
        if self._extent is None:
            switches = {segment: frozenset(names) for segment, names in sorted(self._segments.items())}
            self._extent = Extent(switches, frozenset(self._native))
        return self._extent

    def add(self, member: Member, home: Switch, fabric: Fabric) -> set[int]:
        """Count a member in. Returns the chunks that changed at its switch."""
        segment, number = str(home.segment), member.interface.number
        if home.name not in self.at:
            self.at[home.name] = Crowd()
            self._segments.setdefault(segment, set()).add(home.name)
            self._extent = None
        if is_native(member.interface.mac, segment, fabric):
            if segment not in self._native:
                self._extent = None
            self._native[segment] = self._native.get(segment, 0) + 1
        else:
            self.foreign.setdefault(segment, set()).add(number)
        return self.at[home.name].add(number)

    def remove(self, member: Member, home: Switch, fabric: Fabric) -> set[int]:
        """Count a member out that was counted in with just these. Returns the chunks that changed at its switch."""
        segment, number = str(home.segment), member.interface.number
        changed = self.at[home.name].remove(number)
        if not self.at[home.name]:
            del self.at[home.name]
            self._segments[segment].discard(home.name)
            if not self._segments[segment]:
                del self._segments[segment]
            self._extent = None
        if is_native(member.interface.mac, segment, fabric):
            self._native[segment] -= 1
            if not self._native[segment]:
                del self._native[segment]
                self._extent = None
        else:
            self.foreign[segment].discard(number)
            if not self.foreign[segment]:
                del self.foreign[segment]
        return changed

    def count(self, segment: str) -> int:
        """How many members are in a segment."""
        return sum(len(self.at[switch]) for switch in self._segments.get(segment, ()))

    def members(self, segment: str) -> Iterator[int]:
        """The numbers of the members in a segment."""
        for switch in self._segments.get(segment, ()):
            yield from self.at[switch]


def is_native(mac: int, segment: str, fabric: Fabric) -> bool:
    """Whether a MAC tells that its node is in this segment."""
    return segment_of_mac(mac) == fabric.segments.get(segment)
