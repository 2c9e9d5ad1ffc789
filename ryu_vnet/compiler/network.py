"""The rows of a network: tags, labels and fan-outs on the switches that carry it."""

from __future__ import annotations

from collections.abc import Iterator

from ..model.state import Model
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
    fanout_group,
    go,
)
from .rows import Decap, FieldMatch, Group, Origin, PacketType, PopVlan, Row, SetField, Subject, ToGroup
from .spread import Spread, is_leaf


def network_rows(spread: Spread, model: Model) -> Iterator[tuple[str, Row | Group]]:
    """Tags, labels and fan-outs of a network, each with the switch that it belongs on."""
    origin = Origin(Subject.NETWORK, spread.network.number)
    topology = spread.topology
    for segment, carriers in spread.carriers.items():
        grant = model.grant(segment, spread.network.number)
        known = [SetField(NETWORK_REG.field, spread.network.number), SetField(TAG_REG.field, grant.tag if grant else 0)]
        for switch in carriers:
            if grant is not None and spread.wired(segment) and topology.trunk_degree[switch]:
                tagged = [FieldMatch(f.VLAN_VID, f.VLAN_PRESENT | grant.tag)]
                yield switch, TAG.row("tag", tagged, [*known, PopVlan()], FORWARD, origin)
            if spread.labelled and topology.edges_in_charge.get(segment) == switch:
                yield (
                    switch,
                    SERVICE.row(
                        "label", _service(spread.network), [*known, Decap(PacketType.ETHERNET)], FORWARD, origin
                    ),
                )
            for part in _fanout(spread, segment, switch, origin):
                yield switch, part
            elsewhere = _elsewhere(spread, segment, switch)
            if elsewhere is not None:
                conditions, toward = elsewhere
                yield switch, FORWARD.row("elsewhere", conditions, [go(toward)], EGRESS, origin)


def _service(network: Network) -> list[FieldMatch]:
    return [
        FieldMatch(f.PACKET_TYPE, PacketType.MPLS.value),
        FieldMatch(f.MPLS_LABEL, network.number),
        FieldMatch(f.MPLS_BOS, 1),
    ]


def _fanout(spread: Spread, segment: str, switch: str, origin: Origin) -> Iterator[Row | Group]:
    """The copies of a broadcast that a switch makes: to its members, down the segment's tree, and out.

    The copy for the port that the frame came in by is suppressed by the switch itself; copies for the core of a
    frame that came from there, by the EGRESS row of split horizon.
    """
    topology = spread.topology
    targets = [adjacency(Toward.INTERFACE, member.interface.number) for member in spread.at.get(switch, ())]
    if spread.wired(segment):
        edge = topology.edges_in_charge.get(segment) if spread.labelled else None
        wanted = {*spread.segments[segment], *([edge] if edge else [])}
        for neighbour in topology.tree_neighbours(switch):
            if wanted & topology.behind(switch, neighbour):
                targets.append(adjacency(Toward.SWITCH, topology.fabric.switches[neighbour].number))
        if edge == switch:
            far = (other for other in spread.segments if other != segment)
            targets.extend(adjacency(Toward.SEGMENT, topology.fabric.segments[other]) for other in far)
    chunks = [targets[start : start + FANOUT_BUCKETS] for start in range(0, len(targets), FANOUT_BUCKETS)]
    groups = []
    for chunk, part in enumerate(chunks):
        number = fanout_group(spread.network.number, chunk)
        groups.append(Group(number, tuple((go(toward), TO_EGRESS) for toward in part), origin))
    yield from groups
    to_all = [FieldMatch(NETWORK_REG.field, spread.network.number), FieldMatch(f.ETH_DST, f.GROUP_BIT, f.GROUP_BIT)]
    yield FORWARD.row("group", to_all, [ToGroup(group.number) for group in groups], None, origin)


def _elsewhere(spread: Spread, segment: str, switch: str) -> tuple[list[FieldMatch], int] | None:
    """Where unicast goes that is for nobody this switch has a row for; None where that means nobody at all.

    A leaf sends what its own nodes send to its one neighbour, a rack switch to the edge. An edge knows everybody.
    """
    topology = spread.topology
    if not spread.wired(segment) or switch in topology.fabric.core_switches():
        return None
    unicast = [FieldMatch(NETWORK_REG.field, spread.network.number), FieldMatch(f.ETH_DST, 0, f.GROUP_BIT)]
    if not is_leaf(topology, switch):
        return (unicast, adjacency(Toward.OUT)) if spread.labelled else None
    neighbour = topology.trunk_neighbours[switch][0]
    unicast.append(FieldMatch(FROM_REG.field, From.ACCESS))
    return unicast, adjacency(Toward.SWITCH, topology.fabric.switches[neighbour].number)
