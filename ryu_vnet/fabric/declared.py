"""The fabric as it was declared: switches, links between their ports, segments.

Roles are not declared; they fall out of the links. A switch with core links is an edge if it belongs to a segment,
and a core switch if it does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

import networkx as nx

from ..errors import Problem
from ..model.names import PORT_LENGTH, Prefix
from ..model.outside import STAND_INS, Address
from ..model.sites import Protocol
from ..model.values import Place
from .tunnels import Tunnel, tunnel_problems

DEFAULT_MTU = 1500
LEAST_MTU = 576
"""What IPv4 asks of every network (RFC 791)."""
DEFAULT_CONNECTIONS = 65_536
"""How many connections of one network a gateway tracks at once, where nothing else is declared."""

MOST_HEARD = 8
"""How many addresses are listened to at a port where machines are learned, where nothing else is declared."""

TRUNK_OVERHEAD = 4
"""Bytes that a frame grows by on a trunk: one 802.1Q tag."""
CORE_OVERHEAD = 22
"""Bytes that a frame grows by on a core link: its own Ethernet header (14) inside two label entries (2 x 4)."""


class LinkKind(Enum):
    """What frames look like on a link."""

    TRUNK = "trunk"
    CORE = "core"


@dataclass(frozen=True, slots=True)
class Learn:
    """An access port on which a machine of a tenant is taken for what its first frame says it is. `most` is how many
    different addresses are listened to there until the port goes away."""

    port: str
    tenant: str
    most: int = MOST_HEARD


@dataclass(frozen=True, slots=True)
class Outside:
    """A network that is not ours, the Internet say, to which gateways have uplinks.

    `addresses` are those of its addresses that networks of tenants may have there. `next_hops` are its routers, one
    for IPv4 and one for IPv6 at most, to which everything goes. `mtu` is in bytes of IP. `connections` is how many of
    one network a gateway tracks at once, at most.
    """

    addresses: tuple[Prefix, ...] = ()
    next_hops: tuple[Address, ...] = ()
    mtu: int = DEFAULT_MTU
    connections: int = DEFAULT_CONNECTIONS

    def next_hop(self, version: int) -> Address | None:
        """Where IPv4 or IPv6 goes; None where it goes nowhere."""
        return next((hop for hop in self.next_hops if hop.version == version), None)

    def has(self, address: Address) -> bool:
        """Whether networks of tenants may have an address."""
        return any(address in prefix for prefix in self.addresses)


@dataclass(frozen=True, slots=True)
class Uplink:
    """A port of a gateway to an outside network, by name. `addresses` are the gateway's own there, one of IPv4 and one
    of IPv6 at most."""

    port: str
    outside: str
    addresses: tuple[Address, ...] = ()

    def address(self, version: int) -> Address | None:
        """The gateway's own address of IPv4 or IPv6; None where it has none."""
        return next((own for own in self.addresses if own.version == version), None)


@dataclass(frozen=True, slots=True)
class Switch:
    """An Open vSwitch bridge.

    `number` is granted when it is declared and never used for another. `segment` is None for a core switch.
    `ovsdb` is where its database listens (`unix:/run/openvswitch/db.sock`, `ssl:10.0.0.1:6640`), or None where the
    controller's default holds. `learn` has the ports on which machines are learned, by name; `uplinks` those that lead
    to outside networks, `tunnels` those that lead to remote sites. `control` is where its daemon takes commands
    (`unix:` and a socket, or the folder that it is in).
    """

    name: str
    number: int
    dpid: int
    segment: str | None = None
    ovsdb: str | None = None
    learn: tuple[Learn, ...] = ()
    uplinks: tuple[Uplink, ...] = ()
    tunnels: tuple[Tunnel, ...] = ()
    control: str | None = None

    def tunnel(self, protocol: Protocol) -> Tunnel | None:
        """Its tunnel port of a protocol."""
        return next((tunnel for tunnel in self.tunnels if tunnel.protocol is protocol), None)

    def uplink(self, outside: str) -> Uplink | None:
        """Its port to an outside network, the first by name if there are several."""
        return next((uplink for uplink in self.uplinks if uplink.outside == outside), None)


@dataclass(frozen=True, slots=True)
class Link:
    """A cable between two switch ports."""

    kind: LinkKind
    a: Place
    b: Place

    @property
    def ends(self) -> tuple[tuple[Place, Place], tuple[Place, Place]]:
        """(near, far) as seen from either end."""
        return ((self.a, self.b), (self.b, self.a))

    def __str__(self) -> str:
        return f"{self.kind.value} {self.a} - {self.b}"


@dataclass(frozen=True)
class Fabric:
    """Everything declared. `segments` gives each its number; `mtu` is that of the nodes, in bytes of IP. `capacities`
    has what nodes may take by placement, in units of size, of those switches that say so. That is no part of `Switch`:
    no row follows from it. `outsides` are networks that are not ours.

    What is often asked of a fabric is found once and kept with it.
    """

    switches: dict[str, Switch] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    segments: dict[str, int] = field(default_factory=dict)
    mtu: int = DEFAULT_MTU
    capacities: dict[str, int] = field(default_factory=dict)
    outsides: dict[str, Outside] = field(default_factory=dict)

    @cached_property
    def wires(self) -> dict[Place, tuple[LinkKind, Place]]:
        """For each port that a link ends in: the kind of the link, and its other end."""
        return {near: (link.kind, far) for link in self.links for near, far in link.ends}

    @cached_property
    def wires_of(self) -> dict[str, dict[Place, tuple[LinkKind, Place]]]:
        """The same by switch, each by port name."""
        found: dict[str, dict[Place, tuple[LinkKind, Place]]] = {name: {} for name in self.switches}
        for place, wire in sorted(self.wires.items(), key=lambda item: item[0].port):
            found.setdefault(place.switch, {})[place] = wire
        return found

    @cached_property
    def learns(self) -> dict[Place, Learn]:
        """The ports on which machines are learned."""
        return {Place(name, learn.port): learn for name, switch in self.switches.items() for learn in switch.learn}

    @cached_property
    def gateways(self) -> dict[str, tuple[str, ...]]:
        """For each outside network, the switches with an uplink to it, by name."""
        found: dict[str, list[str]] = {name: [] for name in sorted(self.outsides)}
        for name, switch in sorted(self.switches.items()):
            for outside in {uplink.outside for uplink in switch.uplinks}:
                found.setdefault(outside, []).append(name)
        return {outside: tuple(names) for outside, names in found.items()}

    @cached_property
    def tunnels(self) -> dict[Place, Tunnel]:
        """The ports that lead to remote sites."""
        return {Place(name, one.port): one for name, switch in sorted(self.switches.items()) for one in switch.tunnels}

    @cached_property
    def core_switches(self) -> frozenset[str]:
        """Switches that have a core link: edges and core switches alike."""
        return frozenset(end.switch for link in self.links if link.kind is LinkKind.CORE for end in (link.a, link.b))

    @cached_property
    def inside(self) -> dict[str, tuple[str, ...]]:
        """The switches of each segment, by name."""
        found: dict[str, list[str]] = {segment: [] for segment in sorted(self.segments)}
        for name, switch in sorted(self.switches.items()):
            if switch.segment is not None:
                found.setdefault(switch.segment, []).append(name)
        return {segment: tuple(names) for segment, names in found.items()}

    @cached_property
    def edges(self) -> dict[str, tuple[str, ...]]:
        """The edges of each segment, by name."""
        with_core = self.core_switches
        return {segment: tuple(name for name in names if name in with_core) for segment, names in self.inside.items()}

    @cached_property
    def all_edges(self) -> tuple[str, ...]:
        """The edges of all segments, by segment and name."""
        return tuple(edge for segment in sorted(self.segments) for edge in self.edges.get(segment, ()))

    @cached_property
    def trunk_neighbours(self) -> dict[str, tuple[str, ...]]:
        """For each switch, the switches that it has trunks to, by name."""
        found: dict[str, set[str]] = {name: set() for name in self.switches}
        for link in self.links:
            if link.kind is LinkKind.TRUNK:
                found[link.a.switch].add(link.b.switch)
                found[link.b.switch].add(link.a.switch)
        return {name: tuple(sorted(names)) for name, names in found.items()}

    @cached_property
    def passable(self) -> dict[str, tuple[str, ...]]:
        """The switches of each segment that others' frames may pass through, by name: with trunks to more than one."""
        neighbours = self.trunk_neighbours
        return {s: tuple(name for name in names if len(neighbours[name]) > 1) for s, names in self.inside.items()}

    @cached_property
    def with_trunks(self) -> frozenset[str]:
        """The segments in which tags exist at all: those with a trunk link."""
        found = (self.switches[link.a.switch].segment for link in self.links if link.kind is LinkKind.TRUNK)
        return frozenset(segment for segment in found if segment is not None)

    @cached_property
    def by_dpid(self) -> dict[int, str]:
        """The name of each switch by datapath identifier."""
        return {switch.dpid: name for name, switch in self.switches.items()}

    @cached_property
    def passed(self) -> frozenset[str]:
        """The switches of segments that others' frames may pass: those with trunks to more than one other switch, and
        edges that are not alone in their segment."""
        with_others = (names for names in self.inside.values() if len(names) > 1)
        edges = {name for names in with_others for name in names if name in self.core_switches}
        return frozenset(edges.union(*self.passable.values()))

    @cached_property
    def leaves(self) -> frozenset[str]:
        """The switches that have one way out at most: trunks to one neighbour, and no core link.

        Such a switch need not tell remote machines apart: whoever is not here is behind that neighbour, who can.
        """
        neighbours = self.trunk_neighbours
        return frozenset(n for n in self.switches if len(neighbours[n]) <= 1 and n not in self.core_switches)

    @cached_property
    def islands(self) -> dict[str, frozenset[int]]:
        """For each segment, the parts of the interconnect that its edges are on, by number: what no core link connects
        is on different ones."""
        graph: nx.Graph[str] = nx.Graph()
        graph.add_edges_from((link.a.switch, link.b.switch) for link in self.links if link.kind is LinkKind.CORE)
        island = {name: number for number, names in enumerate(nx.connected_components(graph)) for name in names}
        return {segment: frozenset(island[edge] for edge in edges) for segment, edges in self.edges.items()}

    @cached_property
    def is_joined(self) -> bool:
        """Whether every segment has an edge on one and the same island, so that any two reach each other."""
        return not self.islands or bool(frozenset.intersection(*self.islands.values()))


def problems(fabric: Fabric) -> Iterator[Problem]:
    """All that is wrong with a fabric in itself."""
    yield from _switch_problems(fabric)
    for name, outside in sorted(fabric.outsides.items()):
        yield from _outside_problems(name, outside)
    used: dict[Place, int] = {}
    for place, link in enumerate(fabric.links):
        where = f"fabric.links[{place}]"
        yield from _link_problems(fabric, link, where)
        for name, end in (("a", link.a), ("b", link.b)):
            if end in used:
                hint = "one port takes one link"
                yield Problem(f"{where}.{name}", f"port {end} is used twice, first by links[{used[end]}]", hint)
            used.setdefault(end, place)
    yield from _segment_problems(fabric)


def _switch_problems(fabric: Fabric) -> Iterator[Problem]:
    by_dpid: dict[int, str] = {}
    for name, switch in sorted(fabric.switches.items()):
        where = f"fabric.switches.{name}.dpid"
        if not 0 < switch.dpid < 1 << 64:
            yield Problem(where, f"{switch.dpid:#x} is not a datapath identifier", "1 to 2^64 - 1")
        if name in fabric.capacities and switch.segment is None:
            hint = "leave it out: nodes are on switches of segments"
            yield Problem(f"fabric.switches.{name}.capacity", f"core switch {name} takes no nodes", hint)
        yield from _learn_problems(fabric, switch)
        yield from _uplink_problems(fabric, switch)
        used = {place.port for place in fabric.wires_of.get(name, ())}
        used |= {learn.port for learn in switch.learn} | {uplink.port for uplink in switch.uplinks}
        yield from tunnel_problems(name, switch.segment, switch.tunnels, used, LEAST_MTU)
        other = by_dpid.setdefault(switch.dpid, name)
        if other != name:
            hint = "each bridge needs its own (other-config:datapath-id)"
            yield Problem(where, f"{switch.dpid:#x} is also that of switch {other}", hint)


def _learn_problems(fabric: Fabric, switch: Switch) -> Iterator[Problem]:
    for learn in switch.learn:
        where, place = f"fabric.switches.{switch.name}.learn.{learn.port}", Place(switch.name, learn.port)
        if switch.segment is None:
            hint = "leave it out: nodes are on switches of segments"
            yield Problem(where, f"core switch {switch.name} takes no nodes, so none is learned there", hint)
        if place in fabric.wires:
            yield Problem(where, f"port {place} is used by a link of the fabric", "a port that no link uses")


def _outside_problems(name: str, outside: Outside) -> Iterator[Problem]:
    """What stands for networks inside of a gateway must not come from outside of it."""
    hint = f"other addresses: in {STAND_INS} are those that stand for networks inside of gateways"
    for prefix in outside.addresses:
        if prefix.version == STAND_INS.version and prefix.overlaps(STAND_INS):
            yield Problem(f"fabric.outside.{name}.addresses", f"{prefix} cannot be used outside", hint)
    for hop in outside.next_hops:
        if hop in STAND_INS:
            yield Problem(f"fabric.outside.{name}.next_hops", f"{hop} cannot be used outside", hint)


def _overlap(one: Outside, other: Outside) -> Prefix | None:
    """The first prefix of an outside network that has an address of another's too; None where all are apart."""
    pairs = ((mine, theirs) for mine in one.addresses for theirs in other.addresses)
    return next((mine for mine, theirs in pairs if mine.version == theirs.version and mine.overlaps(theirs)), None)


def _uplink_problems(fabric: Fabric, switch: Switch) -> Iterator[Problem]:
    learns = {learn.port for learn in switch.learn}
    seen: dict[str, Outside] = {}
    for uplink in switch.uplinks:
        where, place = f"fabric.switches.{switch.name}.uplinks.{uplink.port}", Place(switch.name, uplink.port)
        if switch.segment is None:
            hint = "have an uplink on a switch of a segment"
            yield Problem(where, f"core switch {switch.name} knows no networks, so it is no gateway", hint)
        if place in fabric.wires or uplink.port in learns:
            yield Problem(where, f"port {place} is used by a link, or to learn on", "a port that nothing else uses")
        outside = fabric.outsides.get(uplink.outside)
        if outside is None:
            hint = _one_of(fabric.outsides) if fabric.outsides else "declare it under fabric.outside"
            yield Problem(f"{where}.outside", f"there is no outside network {uplink.outside!r}", hint)
            continue
        if uplink.outside in seen:
            hint = "one uplink of a switch to each outside network"
            yield Problem(f"{where}.outside", f"{switch.name} has two uplinks to {uplink.outside}", hint)
        for other, known in seen.items():
            if uplink.outside != other and (shared := _overlap(outside, known)) is not None:
                what = f"{shared} is of {uplink.outside} and of {other}, and {switch.name} has an uplink to both"
                hint = "addresses that only one of them has, or a gateway for each"
                yield Problem(f"{where}.outside", what, hint)
        seen[uplink.outside] = outside
        for address in uplink.addresses:
            if address in STAND_INS:
                hint = f"another one: those of {STAND_INS} stand for networks inside of gateways"
                yield Problem(f"{where}.addresses", f"{address} cannot be used outside", hint)
        for hop in outside.next_hops:
            if uplink.address(hop.version) is None:
                hint = f"give it an IPv{hop.version} address of its own there"
                yield Problem(f"{where}.addresses", f"it cannot ask for the next router {hop}", hint)


def _link_problems(fabric: Fabric, link: Link, where: str) -> Iterator[Problem]:
    for name, end in (("a", link.a), ("b", link.b)):
        if end.switch not in fabric.switches:
            yield Problem(f"{where}.{name}", f"unknown switch {end.switch!r}", _one_of(fabric.switches))
        if len(end.port) > PORT_LENGTH:
            yield Problem(f"{where}.{name}", f"port name {end.port!r} is too long", f"at most {PORT_LENGTH} characters")
    if link.a.switch == link.b.switch:
        yield Problem(where, f"both ends are on switch {link.a.switch}", "a link joins two switches")
        return
    a, b = (fabric.switches.get(end.switch) for end in (link.a, link.b))
    if link.kind is LinkKind.TRUNK and a and b and (a.segment is None or a.segment != b.segment):
        hint = "a trunk stays inside one segment; between segments use kind: core"
        yield Problem(where, f"trunk from segment {a.segment} to segment {b.segment}", hint)


def _segment_problems(fabric: Fabric) -> Iterator[Problem]:
    for segment in sorted(fabric.segments):
        graph: nx.Graph[str] = nx.Graph()
        graph.add_nodes_from(name for name, switch in fabric.switches.items() if switch.segment == segment)
        graph.add_edges_from(
            (link.a.switch, link.b.switch)
            for link in fabric.links
            if link.kind is LinkKind.TRUNK and link.a.switch in graph and link.b.switch in graph
        )
        yield from _loop_problems(fabric, segment)
        parts = [sorted(part) for part in nx.connected_components(graph)]
        if len(parts) > 1:
            apart = " | ".join(", ".join(part) for part in sorted(parts))
            hint = "join them with trunk links, or give them segments of their own"
            yield Problem("fabric.links", f"the switches of segment {segment} are not connected: {apart}", hint)


def _loop_problems(fabric: Fabric, segment: str) -> Iterator[Problem]:
    """Frames on trunks have no TTL: while switches disagree on which of two ways is in use, a broadcast would go round
    for ever. So there is one way between any two switches of a segment."""
    tree: nx.Graph[str] = nx.Graph()
    for place, link in enumerate(fabric.links):
        a, b = link.a.switch, link.b.switch
        inside = all(name in fabric.switches and fabric.switches[name].segment == segment for name in (a, b))
        if link.kind is not LinkKind.TRUNK or not inside:
            continue
        if tree.has_node(a) and tree.has_node(b) and nx.has_path(tree, a, b):
            hint = "leave one of them out: redundant trunks are not possible yet, redundant core links are"
            way = " - ".join(nx.shortest_path(tree, a, b))
            yield Problem(f"fabric.links[{place}]", f"trunks of segment {segment} form a loop: {way} - {a}", hint)
        else:
            tree.add_edge(a, b)


def _one_of(names: Any) -> str:
    listed = sorted(names)
    return "one of " + ", ".join(listed[:12]) + (", ..." if len(listed) > 12 else "") if listed else "none is declared"
