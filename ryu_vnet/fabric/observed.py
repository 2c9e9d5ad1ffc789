"""The fabric as it is: declared links whose ports exist and are up, and the paths over them.

A port that its switch reports as missing or down takes its link out. So does a switch that is not admitted: nobody has
seen yet that it holds what it is to hold and nothing else, so what it sends may carry the tags of others, and what it
is sent it may give to others. What switches last said, and which were admitted, is kept on disk by the System Manager,
so that neither a restart nor a switch that is away changes any path.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import networkx as nx

from ..model.values import Place
from .declared import Fabric, LinkKind

THROUGH_SEGMENT = 8
"""Cost of a hop on the interconnect through a switch that belongs to a segment; through a core switch it is 1. So
an edge carries other edges' traffic only where no core switch can."""


@dataclass(frozen=True, slots=True)
class PortState:
    """A port as its switch reports it: OpenFlow number, and whether link and administrator have it up."""

    number: int
    up: bool


class Topology:
    """Paths and trees over the live links of a fabric. A value: build a new one when a port changes.

    Every choice between equals is made by name or by the destination's number, so that the same fabric gives the
    same paths anywhere.
    """

    def __init__(
        self, fabric: Fabric, ports: Mapping[str, Mapping[str, PortState]], admitted: Collection[str] = ()
    ) -> None:
        self.fabric = fabric
        self._ports = ports
        self._admitted = admitted
        self._numbers: dict[str, dict[str, int]] = {}
        self._towards: dict[tuple[LinkKind, str], dict[str, list[str]]] = {}

    def port_number(self, place: Place) -> int | None:
        """The OpenFlow number of a port, or None where its switch has no such port or was never heard of.

        Two ports with one number, as may be reported while ports are renumbered, have none until that is over.
        """
        if place.switch not in self._numbers:
            ports = self._ports.get(place.switch, {})
            times = Counter(state.number for state in ports.values())
            self._numbers[place.switch] = {n: state.number for n, state in ports.items() if times[state.number] == 1}
        return self._numbers[place.switch].get(place.port)

    def port_up(self, place: Place) -> bool:
        """Whether a port is there and up."""
        state = self._ports.get(place.switch, {}).get(place.port)
        return state is not None and state.up and self.port_number(place) is not None

    def trusted(self, link_end: Place, far: Place) -> bool:
        """Whether frames may pass a link: both its switches are admitted."""
        return link_end.switch in self._admitted and far.switch in self._admitted

    @cached_property
    def trunk_degree(self) -> dict[str, int]:
        """For each switch, how many other switches it has declared trunks to."""
        graph: nx.Graph[str] = nx.Graph()
        graph.add_nodes_from(self.fabric.switches)
        graph.add_edges_from((k.a.switch, k.b.switch) for k in self.fabric.links if k.kind is LinkKind.TRUNK)
        return {name: int(degree) for name, degree in graph.degree()}

    @cached_property
    def trunk_neighbours(self) -> dict[str, list[str]]:
        """For each switch, the switches that it has declared trunks to, by name."""
        found: dict[str, set[str]] = {name: set() for name in self.fabric.switches}
        for link in self.fabric.links:
            if link.kind is LinkKind.TRUNK:
                found[link.a.switch].add(link.b.switch)
                found[link.b.switch].add(link.a.switch)
        return {name: sorted(names) for name, names in found.items()}

    @cached_property
    def _live(self) -> dict[LinkKind, nx.Graph[str]]:
        graphs: dict[LinkKind, nx.Graph[str]] = {kind: nx.Graph() for kind in LinkKind}
        for graph in graphs.values():
            graph.add_nodes_from(sorted(self.fabric.switches))
        for link in sorted(self.fabric.links, key=str):
            if self.port_up(link.a) and self.port_up(link.b) and self.trusted(link.a, link.b):
                ends = {link.a.switch: link.a, link.b.switch: link.b}
                if not graphs[link.kind].has_edge(link.a.switch, link.b.switch):
                    graphs[link.kind].add_edge(link.a.switch, link.b.switch, ends=ends)
        return graphs

    def _next_hops(self, kind: LinkKind, target: str) -> dict[str, list[str]]:
        """For each switch that reaches `target`, the neighbours that are nearest to it, by name."""
        known = self._towards.get((kind, target))
        if known is not None:
            return known
        graph = self._live[kind]

        def cost(near: str, far: str, _: object) -> int:
            # networkx walks outward from the target, so `near` is the hop that a frame would pass through.
            through = kind is LinkKind.CORE and near != target and self.fabric.switches[near].segment is not None
            return THROUGH_SEGMENT if through else 1

        distance = nx.single_source_dijkstra_path_length(graph, target, weight=cost)
        hops = {
            name: sorted(
                near
                for near in graph.neighbors(name)
                if near in distance and distance[near] + cost(near, name, None) == distance[name]
            )
            for name in distance
            if name != target
        }
        self._towards[kind, target] = hops
        return hops

    def out_port(self, kind: LinkKind, at: str, target: str) -> Place | None:
        """The port by which `at` sends towards `target` over links of a kind, or None where there is no way.

        Where several next hops are equally near, the target's number picks one, so that targets spread over them.
        """
        if at == target:
            return None
        hops = self._next_hops(kind, target).get(at)
        if not hops:
            return None
        hop = hops[self.fabric.switches[target].number % len(hops)]
        end = self._live[kind].edges[at, hop]["ends"][at]
        return end if isinstance(end, Place) else None

    @cached_property
    def edges_in_charge(self) -> dict[str, str]:
        """For each segment, the edge that carries its traffic: the first by name with a live core link, else the
        first by name. Segments without an edge are left out."""
        live_core = self._live[LinkKind.CORE]
        chosen: dict[str, str] = {}
        for segment in sorted(self.fabric.segments):
            edges = self.fabric.edges(segment)
            if edges:
                chosen[segment] = next((edge for edge in edges if live_core.degree(edge)), edges[0])
        return chosen

    @cached_property
    def _trees(self) -> dict[str, nx.Graph[str]]:
        trees: dict[str, nx.Graph[str]] = {}
        for segment in self.fabric.segments:
            inside = sorted(name for name, switch in self.fabric.switches.items() if switch.segment == segment)
            tree: nx.Graph[str] = nx.Graph()
            tree.add_nodes_from(inside)
            # Rooted at the edge in charge, so that the tree's branches are the shortest ways out. A segment that
            # has fallen apart has a tree in each part.
            reached: set[str] = set()
            for root in [self.edges_in_charge.get(segment, inside[0]), *inside]:
                if root not in reached:
                    hops = self._next_hops(LinkKind.TRUNK, root)
                    tree.add_edges_from((name, near[0]) for name, near in hops.items())
                    reached |= {root, *hops}
            trees[segment] = tree
        return trees

    def tree_neighbours(self, switch: str) -> list[str]:
        """The neighbours of a switch in its segment's broadcast tree, by name."""
        segment = self.fabric.switches[switch].segment
        return sorted(self._trees[segment].neighbors(switch)) if segment is not None else []

    def behind(self, switch: str, neighbour: str) -> set[str]:
        """The switches that a broadcast reaches through a tree neighbour of a switch."""
        segment = self.fabric.switches[switch].segment
        if segment is None:
            return set()
        tree = self._trees[segment]
        reached, open_ends = {switch, neighbour}, [neighbour]
        while open_ends:
            for name in tree.neighbors(open_ends.pop()):
                if name not in reached:
                    reached.add(name)
                    open_ends.append(name)
        return reached - {switch}
