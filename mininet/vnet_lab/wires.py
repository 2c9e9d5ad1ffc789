"""What may be on which wire, and what was: checks of captured frames.

A rule that is broken on a wire need not be a break-in, but it is a promise broken: no tag or label reaches a
machine, no bare frame a trunk, nothing but MPLS a core link, and no network a place where it has no member.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import networkx as nx

from .capture import Seen
from .frames import MPLS, VLAN, describe, layers
from .reference import networks_of
from .topology import Link, Network, Topology


@dataclass(frozen=True, slots=True)
class Fault:
    """A frame where it has no business; `line` is the frame in words."""

    point: str
    reason: str
    line: str

    def __str__(self) -> str:
        return f"{self.point}: {self.reason}: {self.line}"


def faults(topology: Topology, seen: Iterable[Seen], owner: Callable[[bytes], tuple[Network, ...]]) -> list[Fault]:
    """All faults among captured frames. `owner` says on which networks a frame may have been sent, none where that is
    not known: only of marked frames it is, since two tenants may use equal addresses."""
    tagging = {one.id for one in topology.interfaces if one.tagged}
    allowed = {link.a.port: networks_on(topology, link) for link in topology.links}
    found: list[Fault] = []
    for frame in seen:
        reason = _form(frame, tagging)
        if reason is None and frame.point.kind in ("trunk", "core"):
            networks = owner(frame.frame)
            if networks and allowed[frame.point.name].isdisjoint(networks):
                reason = f"network {' or '.join(each.ref for each in networks)} has no business on this link"
        if reason is not None:
            found.append(Fault(frame.point.name, reason, describe(frame.frame)))
    return found


def _form(seen: Seen, tagging: set[str]) -> str | None:
    """What is wrong with the headers of a frame at that kind of place."""
    first = int.from_bytes(seen.frame[12:14], "big")
    match seen.point.kind:
        case "node" if not seen.outgoing:
            parts = layers(seen.frame)
            if parts.labels:
                return "a label reached a machine"
            if parts.tags and seen.point.name not in tagging:
                return "a tag reached a machine"
        case "trunk":
            if first != VLAN:
                return "an untagged frame on a trunk"
            if not 1 <= layers(seen.frame).tags[0] <= 4094:
                return "a tag that is no VLAN on a trunk"
        case "core" if first != MPLS:
            return "not MPLS on a core link"
    return None


def networks_on(topology: Topology, link: Link) -> frozenset[Network]:
    """The networks that have business on a link.

    A core link: those with members in the segment at its end and in another one; between two core switches, those
    with members in two segments. A trunk: those that it connects two places of, where the places are the
    switches with members and, if there are members in other segments too, the segment's edges.
    """
    segment_of = topology.segment_of
    homes: dict[Network, set[str]] = {}
    for interface in topology.interfaces:
        for network in networks_of(interface):
            homes.setdefault(network, set()).add(interface.switch)
    # Who is in a network is routed into its partners from where he is.
    own = {network.ref: set(switches) for network, switches in homes.items()}
    for network, switches in homes.items():
        switches.update(*(own[other] for one, other in topology.routed if one == network.ref and other in own))
    found = set()
    for network, switches in homes.items():
        segments = {segment_of[switch] for switch in switches}
        ends = {segment_of[link.a.switch], segment_of[link.b.switch]} - {None}
        if link.kind == "core":
            if len(segments) > 1 and ends <= segments:
                found.add(network)
            continue
        # What a host does not know goes to the edge that leads to the gateway, and no further.
        outward = {segment_of[switch] for switch in network.gateways} | segments
        if _connects(topology, link, switches, outside=len(outward) > 1):
            found.add(network)
    return frozenset(found)


def _connects(topology: Topology, link: Link, homes: set[str], outside: bool) -> bool:
    segment_of = topology.segment_of
    segment = segment_of[link.a.switch]
    places = {switch for switch in homes if segment_of[switch] == segment}
    if not places:
        return False
    if outside:
        cores = [end for other in topology.links if other.kind == "core" for end in (other.a, other.b)]
        places |= {end.switch for end in cores if segment_of[end.switch] == segment}
    graph: nx.MultiGraph[str] = nx.MultiGraph()
    graph.add_nodes_from(switch.name for switch in topology.switches if switch.segment == segment)
    for other in topology.links:
        if other.kind == "trunk" and other != link and segment_of[other.a.switch] == segment:
            graph.add_edge(other.a.switch, other.b.switch)
    side = nx.node_connected_component(graph, link.a.switch)
    if link.b.switch in side:
        return len(places) > 1
    return bool(places & side) and bool(places - side)
