"""The live core links: which way edges and core switches send towards each edge."""

from __future__ import annotations

from collections.abc import Mapping

import networkx as nx

from ..model.values import Place
from .declared import Fabric

THROUGH_SEGMENT = 8
"""Cost of a hop on the interconnect through a switch that belongs to a segment; through a core switch it is 1. So
an edge carries other edges' traffic only where no core switch can."""


class Core:
    """A value: build a new one when a core link comes or goes. `ports` has the own end of each live link, by switch
    and neighbour."""

    def __init__(self, fabric: Fabric, ports: Mapping[str, Mapping[str, Place]]) -> None:
        self.ports = ports
        self._fabric = fabric
        self._graph: nx.Graph[str] = nx.Graph()
        self._graph.add_nodes_from(sorted(fabric.core_switches))
        self._graph.add_edges_from((near, far) for near, ends in ports.items() for far in ends)
        self._towards: dict[str, dict[str, list[str]]] = {}

    def is_connected(self, switch: str) -> bool:
        """Whether a switch has a live core link."""
        return bool(self.ports.get(switch))

    def out_port(self, switch: str, target: str) -> Place | None:
        """The port by which `switch` sends towards `target`, or None where there is no way, or none is needed.

        Where several next hops are equally near, the target's number picks one, so that targets spread over them.
        """
        hops = self._next_hops(target).get(switch)
        if not hops or switch == target:
            return None
        return self.ports[switch][hops[self._fabric.switches[target].number % len(hops)]]

    def _next_hops(self, target: str) -> dict[str, list[str]]:
        """For each switch that reaches `target`, the neighbours that are nearest to it, by name."""
        known = self._towards.get(target)
        if known is None:
            known = self._towards[target] = self._find_next_hops(target)
        return known

    def _find_next_hops(self, target: str) -> dict[str, list[str]]:
        def cost(near: str, far: str, _: object) -> int:
            # networkx walks outward from the target, so `near` is the hop that a frame would pass through.
            through_segment = near != target and self._fabric.switches[near].segment is not None
            return THROUGH_SEGMENT if through_segment else 1

        distance = nx.single_source_dijkstra_path_length(self._graph, target, weight=cost)
        return {
            name: sorted(
                near
                for near in self._graph.neighbors(name)
                if near in distance and distance[near] + cost(near, name, None) == distance[name]
            )
            for name in distance
            if name != target
        }
