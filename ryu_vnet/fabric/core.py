"""The live core links: which way edges and core switches send towards each edge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import networkx as nx

from ..model.values import Place
from .declared import Fabric

THROUGH_SEGMENT = 8
"""Cost of a hop on the interconnect through a switch that belongs to a segment; through a core switch it is 1. So
an edge carries other edges' traffic only where no core switch can."""

Ends = Mapping[str, Mapping[str, Place]]
"""The own end of each live link, by switch and neighbour."""


@dataclass(frozen=True, slots=True)
class _Ways:
    """How switches reach one of them: what it costs each, and its nearest neighbours on the way, by name."""

    cost: dict[str, float]
    hops: dict[str, tuple[str, ...]]


class Core:
    """A value: when a core link comes or goes, make a new one with `after`, which keeps what is still true."""

    def __init__(self, fabric: Fabric, ports: Ends) -> None:
        self.ports = ports
        self._fabric = fabric
        self._ways: dict[str, _Ways] = {}

    def after(self, ports: Ends, switches: set[str]) -> Core:
        """The interconnect once the links between some of these switches have come or gone."""
        new = Core(self._fabric, ports)
        new._ways = self._ways.copy()
        for near in sorted(switches):
            was, now = self.ports.get(near, {}).keys(), ports.get(near, {}).keys()
            for far in sorted(was ^ now):
                if far not in switches or near < far:
                    new._relink((near, far), live=far in now)
        return new

    def _relink(self, link: tuple[str, str], *, live: bool) -> None:
        """One link has come or gone: mend the ways on which it is, forget those on which that takes more.

        As long as nobody comes nearer or gets farther, only an end of the link has a hop more or less.
        """
        for target, ways in [*self._ways.items()]:
            mended: _Ways | None = ways
            for near, far in (link, link[::-1]):
                if mended is not None:
                    mended = self._with_hop(target, mended, near, far) if live else _without_hop(mended, near, far)
            if mended is None:
                del self._ways[target]
            else:
                self._ways[target] = mended

    def _with_hop(self, target: str, ways: _Ways, near: str, far: str) -> _Ways | None:
        """The ways once `near` can send to `far`; None where that brings it nearer."""
        beyond = ways.cost.get(far)
        if beyond is None or near == target:
            return ways
        cost = beyond + self._cost(far, target)
        if cost > ways.cost.get(near, cost + 1):
            return ways
        if cost < ways.cost.get(near, cost + 1):
            return None
        return _Ways(ways.cost, {**ways.hops, near: tuple(sorted({*ways.hops[near], far}))})

    def is_connected(self, switch: str) -> bool:
        """Whether a switch has a live core link."""
        return bool(self.ports.get(switch))

    def out_port(self, switch: str, target: str) -> Place | None:
        """The port by which `switch` sends towards `target`, or None where there is no way, or none is needed.

        Where several next hops are equally near, the target's number picks one, so that targets spread over them.
        """
        hops = self._ways_to(target).hops.get(switch)
        return self._port(switch, target, hops) if hops else None

    def _port(self, switch: str, target: str, hops: tuple[str, ...]) -> Place:
        return self.ports[switch][hops[self._fabric.switches[target].number % len(hops)]]

    def turned(self, before: Core) -> Iterator[tuple[str, str]]:
        """Which switches send towards which edges by another port than before, in the same fabric."""
        relaid = {name for name, ends in self.ports.items() if ends is not before.ports.get(name)}
        for target in self._fabric.all_edges:
            was, now = before._ways_to(target), self._ways_to(target)
            others = {name for name, _ in was.hops.items() ^ now.hops.items()} if was is not now else set()
            for name in relaid | others:
                if before.out_port(name, target) != self.out_port(name, target):
                    yield name, target

    def _ways_to(self, target: str) -> _Ways:
        known = self._ways.get(target)
        if known is None:
            known = self._ways[target] = self._find_ways(target)
        return known

    def _find_ways(self, target: str) -> _Ways:
        if target not in self._graph:
            return _Ways({}, {})

        def cost(near: str, far: str, _: object) -> int:
            # networkx walks outward from the target, so `near` is the hop that a frame would pass through.
            return self._cost(near, target)

        costs = nx.single_source_dijkstra_path_length(self._graph, target, weight=cost)
        hops = {
            name: tuple(
                sorted(
                    near
                    for near in self._graph.neighbors(name)
                    if near in costs and costs[near] + self._cost(near, target) == costs[name]
                )
            )
            for name in costs
            if name != target
        }
        return _Ways(costs, hops)

    def _cost(self, hop: str, target: str) -> int:
        """What it costs to send by this hop towards `target`."""
        return THROUGH_SEGMENT if hop != target and self._fabric.switches[hop].segment is not None else 1

    @cached_property
    def _graph(self) -> nx.Graph[str]:
        graph: nx.Graph[str] = nx.Graph()
        graph.add_nodes_from(sorted(self._fabric.core_switches))
        graph.add_edges_from((near, far) for near, ends in self.ports.items() for far in ends)
        return graph


def _without_hop(ways: _Ways, near: str, far: str) -> _Ways | None:
    """The ways once `near` cannot send to `far`; None where it has no other hop that is as near."""
    hops = ways.hops.get(near, ())
    if far not in hops:
        return ways
    left = tuple(hop for hop in hops if hop != far)
    return _Ways(ways.cost, {**ways.hops, near: left}) if left else None
