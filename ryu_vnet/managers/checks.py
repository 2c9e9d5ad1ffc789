"""What must hold between all the parts once a request is done: invariants that no single edit can see alone."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator

import networkx as nx

from ..errors import Invalid, Problem
from ..fabric.declared import Fabric, LinkKind
from ..model.state import Draft, claims
from ..model.values import Node, Place
from .requests import Work


class Checker:
    """Checks drafts. Remembers the segments that it found each network, by reference, may span."""

    def __init__(self) -> None:
        self._spans: dict[str, set[str]] = {}

    def check(self, work: Work, fabric: Fabric) -> None:
        """Raises Invalid, with all problems of a draft, before which the fabric was `fabric`."""
        draft = work.draft
        if work.fabric != fabric:
            self._spans.clear()
            nodes = draft.nodes()
            networks = {network.ref for network in draft.networks()}
        else:
            nodes = [value for value in draft.changes.values() if isinstance(value, Node)]
            networks = {ref for ref, segments in _reached(nodes, fabric).items() if not segments <= self._known(ref)}
        found = [*draft_problems(draft, work.fabric, nodes)]
        found = found or [*span_problems(draft, work.fabric, sorted(networks))]
        if found:
            raise Invalid(found)
        for ref in networks:
            members = (member.node for member in draft.members(ref))
            self._spans[ref] = _reached(members, work.fabric).get(ref, set())

    def _known(self, ref: str) -> set[str]:
        return self._spans.get(ref, set())


def _reached(nodes: Iterable[Node], fabric: Fabric) -> dict[str, set[str]]:
    """The segments in which nodes have, or may come to have, members of each network, by reference."""
    found: dict[str, set[str]] = {}
    for node in nodes:
        for interface in node.interfaces:
            ref, place = node.network_of(interface), interface.place
            switch = fabric.switches.get(place.switch) if place is not None else None
            if ref is not None and switch is not None and switch.segment is not None:
                found.setdefault(ref, set()).add(switch.segment)
    return found


def draft_problems(draft: Draft, fabric: Fabric, nodes: list[Node]) -> Iterator[Problem]:
    """All that is wrong with the given nodes in a draft: places, and what only one may claim."""
    wires = fabric.wires
    for node in nodes:
        for interface in node.interfaces:
            where = f"tenants.{node.tenant}.nodes.{node.name}.interfaces.{interface.name}.at"
            if interface.place is not None:
                yield from _place_problems(fabric, wires, interface.place, where)
            elif node.running:
                yield Problem(where, "a running node needs a place for each interface", "switch:port, as host1:vnet0")
        yield from _claim_problems(draft, node)


def _place_problems(fabric: Fabric, wires: Container[Place], place: Place, where: str) -> Iterator[Problem]:
    switch = fabric.switches.get(place.switch)
    if switch is None:
        listed = sorted(fabric.switches)
        hint = "one of " + ", ".join(listed[:12]) if listed else "declare the fabric first"
        yield Problem(where, f"unknown switch {place.switch!r}", hint)
    elif switch.segment is None:
        yield Problem(where, f"switch {place.switch} is in no segment", "core switches carry labels alone")
    if place in wires:
        yield Problem(where, f"port {place} is used by a link of the fabric", "a port that no link uses")


def _claim_problems(draft: Draft, node: Node) -> Iterator[Problem]:
    own: dict[tuple[str, ...], str] = {}
    for claim, interface in claims(node):
        base = f"tenants.{node.tenant}.nodes.{node.name}.interfaces.{interface.name}"
        others = [key.removeprefix("node/") for key in sorted(draft.claimants(claim)) if key != f"node/{node.ref}"]
        if claim in own:
            others.insert(0, f"{node.ref} (interface {own[claim]})")
        own.setdefault(claim, interface.name)
        if others and claim[0] == "port":
            hint = "each interface needs a port of its own"
            yield Problem(f"{base}.at", f"port {claim[1]}:{claim[2]} is used twice, also by node {others[0]}", hint)
        elif others:
            hint = "each MAC once in a network; in other networks it may occur again"
            yield Problem(
                f"{base}.mac", f"{claim[2]} occurs twice in network {claim[1]}, also at node {others[0]}", hint
            )


def span_problems(draft: Draft, fabric: Fabric, networks: list[str]) -> Iterator[Problem]:
    """Networks, by reference, with members in segments that cannot reach each other over the interconnect."""
    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(fabric.switches)
    graph.add_edges_from((k.a.switch, k.b.switch) for k in fabric.links if k.kind is LinkKind.CORE)
    for ref in networks:
        first: tuple[str, str] | None = None
        seen: set[str] = set()
        for member in draft.members(ref):
            place, node = member.interface.place, member.node
            switch = fabric.switches.get(place.switch) if place else None
            if switch is None or switch.segment is None:
                continue
            where = f"tenants.{node.tenant}.nodes.{node.name}.interfaces.{member.interface.name}.at"
            first = first or (switch.segment, node.ref)
            if switch.segment == first[0] or switch.segment in seen:
                continue
            seen.add(switch.segment)
            spans = f"network {ref} spans segments {first[0]} (node {first[1]}) and {switch.segment}"
            lacking = [segment for segment in (first[0], switch.segment) if not fabric.edges[segment]]
            if lacking:
                hint = "give one of its switches a link of kind core, or keep the network inside one segment"
                yield Problem(where, f"{spans}, but segment {lacking[0]} has no edge", hint)
            elif not _joined(graph, fabric.edges[first[0]], fabric.edges[switch.segment]):
                hint = "join their edges by core links"
                yield Problem(where, f"{spans}, which no core link connects", hint)


def _joined(graph: nx.Graph[str], ones: Iterable[str], others: Collection[str]) -> bool:
    return any(nx.has_path(graph, one, other) for one in ones for other in others)
