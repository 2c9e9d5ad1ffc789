"""The rows of a network on one switch: its tag, its label, its fan-out, and where all that is not here goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..fabric.observed import Topology
from ..model.names import PLACED_MAC_MASK, placed_mac
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
from .presence import Audience, Presence
from .rows import Action, Decap, FieldMatch, Group, Origin, PacketType, PopVlan, Row, SetField, Subject, ToGroup


class Carried(NamedTuple):
    """All that the rows of a network on one switch follow from."""

    number: int
    """The network's."""
    tag: int
    """The network's tag in the switch's segment; 0 where it has none."""
    comes_tagged: bool
    """Whether frames come from trunks."""
    comes_labelled: bool
    """Whether frames come from the core."""
    chunks: tuple[int, ...]
    """The chunks of its members on this switch."""
    wires: tuple[int, ...]
    """The adjacencies by which a broadcast leaves the switch."""
    places: tuple[tuple[int, int], ...]
    """At an edge: the MAC prefix of each far segment with machines whose addresses tell that they are there, and the
    adjacency of the segment."""
    elsewhere: int
    """The adjacency for unicast to whom no row knows; 0 where that is nobody."""
    is_leaf: bool
    """Whether that goes only for what the switch's own nodes send."""


class FanOut(NamedTuple):
    """A group, by number, that copies the broadcasts of a network to adjacencies."""

    group: int
    network: int
    targets: tuple[int, ...]


def carried(presence: Presence, switch: str, tag: int, topology: Topology) -> Carried | None:
    """What a network is on a switch, whoever its members are; None where it need not carry it. `tag` is as there."""
    fabric, extent = topology.fabric, presence.extent
    segment = fabric.switches[switch].segment
    if segment is None or not extent.carried(segment, switch, fabric):
        return None
    crowd = presence.at.get(switch)
    is_leaf, comes_by_trunks = switch in fabric.leaves, extent.wired(segment) and bool(fabric.trunk_neighbours[switch])
    # A leaf sends what its own nodes send to its one neighbour, a rack switch to the edge. An edge knows everybody.
    elsewhere = 0
    if is_leaf and comes_by_trunks:
        elsewhere = adjacency(Toward.SWITCH, fabric.switches[fabric.trunk_neighbours[switch][0]].number)
    elif not is_leaf and extent.labelled and switch not in fabric.core_switches:
        elsewhere = adjacency(Toward.OUT)
    return Carried(
        presence.network.number,
        tag,
        bool(tag) and comes_by_trunks,
        extent.labelled and topology.edges_in_charge.get(segment) == switch,
        tuple(sorted(crowd.chunks)) if crowd is not None else (),
        wire_targets(presence, segment, switch, topology),
        tuple(_places(presence, segment, topology)) if switch in fabric.core_switches else (),
        # What is for one machine never goes out on a combination.
        0 if isinstance(presence, Audience) else elsewhere,
        is_leaf,
    )


def wire_targets(presence: Presence, segment: str, switch: str, topology: Topology) -> tuple[int, ...]:
    """The adjacencies by which a broadcast leaves a switch: down the segment's tree, and out.

    The copy for the port that the frame came in by is suppressed by the switch itself; copies for the core of a
    frame that came from there, by the EGRESS row of split horizon.
    """
    extent, fabric = presence.extent, topology.fabric
    if not extent.wired(segment):
        return ()
    edge = topology.edges_in_charge.get(segment)
    wanted, trunks = extent.wanted(segment, edge), topology.trunks(segment)
    targets = [
        adjacency(Toward.SWITCH, fabric.switches[neighbour].number)
        for neighbour in trunks.neighbours(switch)
        if trunks.leads_to(switch, neighbour, wanted)
    ]
    if edge == switch and extent.leaves(segment):
        far = (other for other in sorted(extent.heard) if other != segment)
        targets.extend(adjacency(Toward.SEGMENT, fabric.segments[other]) for other in far)
    return tuple(targets)


def _places(presence: Presence, segment: str, topology: Topology) -> Iterator[tuple[int, int]]:
    segments = topology.fabric.segments
    for far in sorted(presence.extent.native - {segment}):
        prefix = placed_mac(segments[far])
        if prefix is not None:
            yield prefix, adjacency(Toward.SEGMENT, segments[far])


def network_rows(here: Carried) -> Iterator[Row]:
    """The rows that a switch needs for a network, whoever its members are, but for those of its `places`."""
    origin = Origin(Subject.NETWORK, here.number)
    mine = FieldMatch(NETWORK_REG.field, here.number)
    known: list[Action] = [SetField(NETWORK_REG.field, here.number), SetField(TAG_REG.field, here.tag)]
    if here.comes_tagged:
        tagged = [FieldMatch(f.VLAN_VID, f.VLAN_PRESENT | here.tag)]
        yield TAG.row("tag", tagged, [*known, PopVlan()], FORWARD, origin)
    if here.comes_labelled:
        yield SERVICE.row("label", _service(here.number), [*known, Decap(PacketType.ETHERNET)], FORWARD, origin)
    to_all = [mine, FieldMatch(f.ETH_DST, f.GROUP_BIT, f.GROUP_BIT)]
    yield FORWARD.row("group", to_all, [ToGroup(number) for number in fanout_groups(here)], None, origin)
    if here.elsewhere:
        unicast = [mine, FieldMatch(f.ETH_DST, 0, f.GROUP_BIT)]
        if here.is_leaf:
            unicast.append(FieldMatch(FROM_REG.field, From.ACCESS))
        yield FORWARD.row("elsewhere", unicast, [go(here.elsewhere)], EGRESS, origin)


def place_row(network: int, prefix: int, toward: int) -> Row:
    """Where an edge sends what is for the machines of a far segment whose addresses tell that they are there.

    It names the network, so that nothing is sent into a segment that has no member of it.
    """
    told = [FieldMatch(NETWORK_REG.field, network), FieldMatch(f.ETH_DST, prefix, PLACED_MAC_MASK)]
    return FORWARD.row("place", told, [go(toward)], EGRESS, Origin(Subject.NETWORK, network))


def fanout_groups(here: Carried) -> list[int]:
    """The numbers of the groups that a broadcast goes to: those of wires, then those of members."""
    return [
        *[wire_group(here.number, index) for index in range(wire_groups(here))],
        *[chunk_group(here.number, chunk) for chunk in here.chunks],
    ]


def wire_groups(here: Carried) -> int:
    """How many groups there are for what leaves a switch by wires."""
    return (len(here.wires) + FANOUT_BUCKETS - 1) // FANOUT_BUCKETS


def wire_fanouts(here: Carried) -> Iterator[FanOut]:
    """The groups for what leaves a switch by wires."""
    for index, start in enumerate(range(0, len(here.wires), FANOUT_BUCKETS)):
        targets = here.wires[start : start + FANOUT_BUCKETS]
        yield FanOut(wire_group(here.number, index), here.number, targets)


def member_fanout(presence: Presence, switch: str, chunk: int) -> FanOut | None:
    """The copies of a broadcast for the members in one chunk of a switch; None where there is no such chunk."""
    crowd = presence.at.get(switch)
    members = crowd.chunks.get(chunk) if crowd is not None else None
    if not members:
        return None
    number = presence.network.number
    targets = tuple([adjacency(Toward.INTERFACE, member) for member in sorted(members)])
    return FanOut(chunk_group(number, chunk), number, targets)


def fanout_group(fanout: FanOut) -> Group:
    """A fan-out as a group."""
    buckets = tuple((go(toward), TO_EGRESS) for toward in fanout.targets)
    return Group(fanout.group, buckets, Origin(Subject.NETWORK, fanout.network))


def _service(number: int) -> list[FieldMatch]:
    return [
        FieldMatch(f.PACKET_TYPE, PacketType.MPLS.value),
        FieldMatch(f.MPLS_LABEL, number),
        FieldMatch(f.MPLS_BOS, 1),
    ]
