"""Where a network is: which switches carry it, and what each of them must be able to tell apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..fabric.observed import Topology
from ..model.state import Member, Model
from ..model.values import Network


@dataclass(frozen=True)
class Spread:
    """The running members of a network over the fabric.

    `at` has the members by switch; `segments` the member switches by segment.
    """

    network: Network
    at: dict[str, tuple[Member, ...]]
    segments: dict[str, tuple[str, ...]]
    topology: Topology

    @property
    def labelled(self) -> bool:
        """Whether the network needs a label: it has members in several segments."""
        return len(self.segments) > 1

    def wired(self, segment: str) -> bool:
        """Whether its frames leave the switch they entered, inside a segment."""
        return segment in self.segments and (self.labelled or len(self.segments[segment]) > 1)

    @cached_property
    def carriers(self) -> dict[str, tuple[str, ...]]:
        """For each segment with members, the switches that need rows for the network.

        Those are the switches of its members; where frames leave their switch, also all that may be passed through
        (trunks to more than one other switch, whether or not they are on a path today, so that a dead link changes
        no row about a machine); and where they leave the segment, its edges.
        """
        fabric, degree = self.topology.fabric, self.topology.trunk_degree
        found = {}
        for segment, members in self.segments.items():
            names = set(members)
            if self.wired(segment):
                names |= {s.name for s in fabric.switches.values() if s.segment == segment and degree[s.name] > 1}
            if self.labelled:
                names |= set(fabric.edges(segment))
            found[segment] = tuple(sorted(names))
        return found


def is_leaf(topology: Topology, switch: str) -> bool:
    """Whether a switch has one way out at most: trunks to one neighbour, and no core link.

    Such a switch need not tell remote machines apart: whoever is not here is behind that neighbour, who can.
    """
    return topology.trunk_degree[switch] <= 1 and switch not in topology.fabric.core_switches()


def spread(network: Network, model: Model, topology: Topology) -> Spread:
    """Where the running, placed members of a network are. Places on unknown switches are left out."""
    at: dict[str, list[Member]] = {}
    segments: dict[str, set[str]] = {}
    for member in model.members(network.ref):
        place = member.interface.place
        switch = topology.fabric.switches.get(place.switch) if place else None
        if member.node.running and switch is not None and switch.segment is not None:
            at.setdefault(switch.name, []).append(member)
            segments.setdefault(switch.segment, set()).add(switch.name)
    return Spread(
        network,
        {name: tuple(members) for name, members in sorted(at.items())},
        {name: tuple(sorted(switches)) for name, switches in sorted(segments.items())},
        topology,
    )
