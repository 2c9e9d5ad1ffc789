"""The rows of a network on one switch: its tag, its label, its fan-out, and where all that is not here goes."""

from __future__ import annotations

from collections.abc import Iterator

from ..fabric.observed import Topology
from ..model.names import PLACED_MAC_MASK, placed_mac
from ..model.values import Network
from . import fields as f
from .pipeline import (
    EGRESS,
    FANOUT_BUCKETS,
    FORWARD,
    FROM_REG,
    NETWORK_REG,
    SERVICE,
    TAG,
    TAG_REG,
    TO_EGRESS,
    From,
    Toward,
    adjacency,
    chunk_group,
    go,
    wire_group,
)
from .presence import Presence
from .rows import Action, Decap, FieldMatch, Group, Origin, PacketType, PopVlan, Row, SetField, Subject, ToGroup


def network_rows(presence: Presence, switch: str, tag: int, topology: Topology) -> Iterator[Row | Group]:
    """What a switch needs for a network, whoever its members are; nothing where it need not carry it.

    `tag` is the network's tag in the switch's segment, 0 where it has none. The chunks of members are `chunk_group`s.
    """
    fabric, network, extent = topology.fabric, presence.network, presence.extent
    segment = fabric.switches[switch].segment
    if segment is None or switch not in extent.carriers(segment, fabric):
        return
    origin = network_origin(network)
    known: list[Action] = [SetField(NETWORK_REG.field, network.number), SetField(TAG_REG.field, tag)]
    if tag and extent.wired(segment) and fabric.trunk_neighbours[switch]:
        tagged = [FieldMatch(f.VLAN_VID, f.VLAN_PRESENT | tag)]
        yield TAG.row("tag", tagged, [*known, PopVlan()], FORWARD, origin)
    if extent.labelled and topology.edges_in_charge.get(segment) == switch:
        off = [*known, Decap(PacketType.ETHERNET)]
        yield SERVICE.row("label", _service(network), off, FORWARD, origin)
    yield from _fanout(presence, segment, switch, topology)
    yield from _places(presence, segment, switch, topology)
    elsewhere = _elsewhere(presence, segment, switch, topology)
    if elsewhere is not None:
        conditions, toward = elsewhere
        yield FORWARD.row("elsewhere", conditions, [go(toward)], EGRESS, origin)


def member_group(presence: Presence, switch: str, chunk: int) -> Group | None:
    """The copies of a broadcast for the members in one chunk of a switch; None where there is no such chunk."""
    crowd = presence.at.get(switch)
    members = crowd.chunks.get(chunk) if crowd is not None else None
    if not members:
        return None
    targets = [adjacency(Toward.INTERFACE, number) for number in sorted(members)]
    return _group(chunk_group(presence.network.number, chunk), targets, network_origin(presence.network))


def network_origin(network: Network) -> Origin:
    """What the rows and groups of a network exist for."""
    return Origin(Subject.NETWORK, network.number)


def _service(network: Network) -> list[FieldMatch]:
    return [
        FieldMatch(f.PACKET_TYPE, PacketType.MPLS.value),
        FieldMatch(f.MPLS_LABEL, network.number),
        FieldMatch(f.MPLS_BOS, 1),
    ]


def _fanout(presence: Presence, segment: str, switch: str, topology: Topology) -> Iterator[Row | Group]:
    """The copies of a broadcast that a switch makes: to its members, down the segment's tree, and out.

    The copy for the port that the frame came in by is suppressed by the switch itself; copies for the core of a
    frame that came from there, by the EGRESS row of split horizon.
    """
    network, origin = presence.network, network_origin(presence.network)
    targets = _wire_targets(presence, segment, switch, topology)
    numbers = []
    for chunk, start in enumerate(range(0, len(targets), FANOUT_BUCKETS)):
        numbers.append(wire_group(network.number, chunk))
        yield _group(numbers[-1], targets[start : start + FANOUT_BUCKETS], origin)
    if switch in presence.at:
        numbers += [chunk_group(network.number, chunk) for chunk in sorted(presence.at[switch].chunks)]
    to_all = [FieldMatch(NETWORK_REG.field, network.number), FieldMatch(f.ETH_DST, f.GROUP_BIT, f.GROUP_BIT)]
    yield FORWARD.row("group", to_all, [ToGroup(number) for number in numbers], None, origin)


def _wire_targets(presence: Presence, segment: str, switch: str, topology: Topology) -> list[int]:
    extent, fabric = presence.extent, topology.fabric
    if not extent.wired(segment):
        return []
    edge = topology.edges_in_charge.get(segment)
    wanted, trunks = extent.wanted(segment, edge), topology.trunks(segment)
    targets = [
        adjacency(Toward.SWITCH, fabric.switches[neighbour].number)
        for neighbour in trunks.neighbours(switch)
        if trunks.leads_to(switch, neighbour, wanted)
    ]
    if edge == switch and extent.labelled:
        far = (other for other in extent.switches if other != segment)
        targets.extend(adjacency(Toward.SEGMENT, fabric.segments[other]) for other in far)
    return targets


def _group(number: int, targets: list[int], origin: Origin) -> Group:
    return Group(number, tuple((go(toward), TO_EGRESS) for toward in targets), origin)


def _places(presence: Presence, segment: str, switch: str, topology: Topology) -> Iterator[Row]:
    """At an edge, one row for all the machines of a far segment whose addresses tell that they are there.

    It names the network, so that nothing is sent into a segment that has no member of it.
    """
    fabric, extent = topology.fabric, presence.extent
    if switch not in fabric.core_switches:
        return
    for far in sorted(extent.native - {segment}):
        prefix = placed_mac(fabric.segments[far])
        if prefix is not None:
            told = FieldMatch(f.ETH_DST, prefix, PLACED_MAC_MASK)
            toward = adjacency(Toward.SEGMENT, fabric.segments[far])
            conditions = [FieldMatch(NETWORK_REG.field, presence.network.number), told]
            yield FORWARD.row("place", conditions, [go(toward)], EGRESS, network_origin(presence.network))


def _elsewhere(
    presence: Presence, segment: str, switch: str, topology: Topology
) -> tuple[list[FieldMatch], int] | None:
    """Where unicast goes that is for nobody this switch has a row for; None where that means nobody at all.

    A leaf sends what its own nodes send to its one neighbour, a rack switch to the edge. An edge knows everybody.
    """
    fabric, extent = topology.fabric, presence.extent
    if not extent.wired(segment) or switch in fabric.core_switches:
        return None
    unicast = [FieldMatch(NETWORK_REG.field, presence.network.number), FieldMatch(f.ETH_DST, 0, f.GROUP_BIT)]
    if not fabric.is_leaf(switch):
        return (unicast, adjacency(Toward.OUT)) if extent.labelled else None
    neighbour = fabric.trunk_neighbours[switch][0]
    unicast.append(FieldMatch(FROM_REG.field, From.ACCESS))
    return unicast, adjacency(Toward.SWITCH, fabric.switches[neighbour].number)
