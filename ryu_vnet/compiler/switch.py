"""The rows of a switch: ports, labels and ways out, which it needs whoever its tenants are.

These rows are about paths and never name a machine or a network. A dead link changes these rows, and fan-outs.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..fabric import lldp
from ..fabric.declared import Fabric, LinkKind, Switch
from ..fabric.observed import Topology
from ..model.values import Place
from . import fields as f
from . import gateway, serving
from .pipeline import (
    ADJACENCY_KIND_MASK,
    ADJACENCY_REG,
    EGRESS,
    ENCAP,
    FROM_REG,
    LABEL,
    MPLS_TTL,
    NETWORK_REG,
    PORT,
    SERVICE,
    TAG,
    TAG_REG,
    TELLING_METER,
    TOLD_BYTES,
    From,
    Stage,
    Toward,
    adjacency,
    go,
    port_group,
    switch_mac,
    transport_label,
)
from .rows import (
    CONTROLLER_PORT,
    Action,
    Clone,
    Decap,
    DecMplsTtl,
    Encap,
    FieldMatch,
    Group,
    Meter,
    Move,
    Origin,
    Output,
    PacketType,
    PushVlan,
    Resubmit,
    Row,
    SetField,
    SetMplsTtl,
    Subject,
    ToGroup,
)
from .source import MPLS_UNICAST, standing_rows


def switch_rows(switch: Switch, topology: Topology) -> Iterator[Row]:
    """Ports of one switch, and the way out of its segment."""
    origin = switch_origin(switch)
    yield from _port_rows(switch, topology, origin)
    yield from _neighbour_rows(switch, topology.fabric, origin)
    if switch.segment is None:
        return
    yield from standing_rows(origin)
    yield from serving.standing_rows(origin)
    if switch.uplinks:
        yield from gateway.standing_rows(switch)
    way_out = _way_out(switch, topology)
    if way_out and switch.name not in topology.fabric.leaves:
        yield _egress(adjacency(Toward.OUT), way_out, origin)
    if switch.name in topology.fabric.core_switches:
        # Split horizon: what came from the core goes to this segment and to no other.
        from_core = [
            FieldMatch(ADJACENCY_REG.field, adjacency(Toward.SEGMENT), ADJACENCY_KIND_MASK),
            FieldMatch(FROM_REG.field, From.CORE),
        ]
        yield EGRESS.row("split", from_core, (), None, origin)


def way_targets(switch: Switch, fabric: Fabric) -> tuple[str, ...]:
    """The switches of its segment that a switch must be able to send to, itself perhaps among them.

    A leaf hands everything to its one neighbour; the others know every switch of their segment.
    """
    if switch.name in fabric.leaves:
        return fabric.trunk_neighbours[switch.name]
    return fabric.inside[switch.segment] if switch.segment is not None else ()


def way_rows(switch: Switch, target: str, topology: Topology) -> Iterator[Row]:
    """How one switch sends to another of its segment, if it has to and there is a way."""
    fabric = topology.fabric
    if target in way_targets(switch, fabric):
        actions = _trunk_actions(switch, target, topology)
        if actions:
            toward = adjacency(Toward.SWITCH, fabric.switches[target].number)
            yield _egress(toward, actions, switch_origin(switch))


def route_rows(switch: Switch, segment: str, topology: Topology) -> Iterator[Row]:
    """How an edge or core switch sends over the interconnect to a segment, which may be its own: frames of its own
    segment, and those that come with the label of one of the edges there."""
    fabric = topology.fabric
    if switch.name not in fabric.core_switches or segment not in fabric.segments:
        return
    origin = switch_origin(switch)
    for edge in fabric.edges[segment]:
        yield from _label_rows(switch, edge, topology, origin)
    if segment == switch.segment or topology.edges_in_charge.get(switch.segment or "") is None:
        return
    toward = adjacency(Toward.SEGMENT, fabric.segments[segment])
    way_out = _way_out(switch, topology)
    if way_out:
        yield _egress(toward, way_out, origin)
        return
    port, labels = _core_actions(switch, segment, topology)
    if port is not None:
        yield _egress(toward, [ToGroup(port_group(port))], origin)
        yield ENCAP.row("adjacency", [FieldMatch(ADJACENCY_REG.field, toward)], labels, None, origin)


def switch_groups(switch: Switch, topology: Topology) -> Iterator[Group]:
    """A group for each core port of an edge, which lets nothing through that the port could not send."""
    if switch.segment is None:
        return
    for place, (kind, _) in topology.fabric.wires_of[switch.name].items():
        port = topology.port_number(place) if kind is LinkKind.CORE else None
        if port is not None:
            yield Group(port_group(port), ((Resubmit(ENCAP.table),),), switch_origin(switch), watch=(port,))


def switch_origin(switch: Switch) -> Origin:
    """What rows and groups of a switch's own exist for."""
    return Origin(Subject.SWITCH, switch.number)


def _port_rows(switch: Switch, topology: Topology, origin: Origin) -> Iterator[Row]:
    leads: dict[LinkKind, tuple[From, Stage]] = {
        LinkKind.TRUNK: (From.TRUNK, TAG),
        LinkKind.CORE: (From.CORE, LABEL),
    }
    for place, (kind, far) in topology.fabric.wires_of[switch.name].items():
        port = topology.port_number(place)
        if port is not None and topology.trusted(place, far):
            came_from, stage = leads[kind]
            actions = [SetField(FROM_REG.field, came_from)]
            yield PORT.row("port", [FieldMatch(f.IN_PORT, port)], actions, stage, origin)
    for learn in switch.learn:
        port = topology.port_number(Place(switch.name, learn.port))
        if port is not None:
            yield _learn_row(port, origin)


def _learn_row(port: int, origin: Origin) -> Row:
    """Tell who speaks at a port where machines are learned, and drop that frame. Below the row that an interface has
    for its port: where somebody is, nobody else is heard.
    """
    actions: list[Action] = [Meter(TELLING_METER), Output(CONTROLLER_PORT, TOLD_BYTES)]
    return PORT.row("learn", [FieldMatch(f.IN_PORT, port)], actions, None, origin)


def _neighbour_rows(switch: Switch, fabric: Fabric, origin: Origin) -> Iterator[Row]:
    """Have the controller told of what the neighbours at link ports say of themselves, and of no machine's frame: what
    is not tagged on a trunk, or not labelled in the core, is from no machine.

    Below the rows of tags and labels, so that the data path does not look at them for a frame that has one.
    """
    kinds = {kind for kind, _ in fabric.wires_of[switch.name].values()}
    for kind, stage in ((LinkKind.TRUNK, TAG), (LinkKind.CORE, LABEL)):
        if kind in kinds:
            said = [FieldMatch(f.ETH_TYPE, lldp.LLDP), FieldMatch(f.VLAN_VID, 0)]
            yield stage.row("neighbour", said, [Output(CONTROLLER_PORT, lldp.LONGEST)], None, origin)


def _egress(toward: int, actions: list[Action], origin: Origin) -> Row:
    return EGRESS.row("adjacency", [FieldMatch(ADJACENCY_REG.field, toward)], actions, None, origin)


def _way_out(switch: Switch, topology: Topology) -> list[Action]:
    """Towards the edge in charge of the switch's segment; nothing where there is no way, or it is that edge."""
    edge = topology.edges_in_charge.get(switch.segment or "")
    return _trunk_actions(switch, edge, topology) if edge is not None and edge != switch.name else []


def _trunk_actions(switch: Switch, target: str, topology: Topology) -> list[Action]:
    """Tag, and out towards another switch of the segment; nothing where there is no way, or no frame may go it yet."""
    place = topology.out_port(LinkKind.TRUNK, switch.name, target)
    port = topology.port_number(place) if place is not None else None
    if place is None or port is None or not topology.trusted(place, topology.fabric.wires[place][1]):
        return []
    return [PushVlan(), Move(TAG_REG.field, f.VLAN_TCI, TAG_REG.bits), Output(port)]


def _core_actions(switch: Switch, segment: str, topology: Topology) -> tuple[int | None, list[Action]]:
    """The core port towards the edge in charge of a far segment, None where there is no way; and how to get out of
    it: the whole Ethernet frame behind service label and transport label (RFC 4448 without control word).

    Inside `clone`, because without it the copies that a fan-out makes afterwards keep the second Ethernet header.
    """
    edge = topology.edges_in_charge.get(segment)
    port = _out_port(LinkKind.CORE, switch.name, edge, topology) if edge else None
    if edge is None or port is None:
        return None, []
    far = topology.fabric.switches[edge].number
    return port, [
        Clone(
            (
                Encap(PacketType.MPLS),
                Move(NETWORK_REG.field, f.MPLS_LABEL, NETWORK_REG.bits),
                SetMplsTtl(MPLS_TTL),
                Encap(PacketType.MPLS),
                SetField(f.MPLS_LABEL, transport_label(far)),
                SetMplsTtl(MPLS_TTL),
                Encap(PacketType.ETHERNET),
                SetField(f.ETH_DST, switch_mac(far)),
                SetField(f.ETH_SRC, switch_mac(switch.number)),
                Output(port),
            )
        )
    ]


def _label_rows(switch: Switch, edge: str, topology: Topology, origin: Origin) -> Iterator[Row]:
    number = topology.fabric.switches[edge].number
    labelled = [
        FieldMatch(f.ETH_TYPE, MPLS_UNICAST),
        FieldMatch(f.VLAN_VID, 0),
        FieldMatch(f.MPLS_BOS, 0),
        FieldMatch(f.MPLS_LABEL, transport_label(number)),
    ]
    if edge == switch.name:
        yield LABEL.row("label", labelled, [Decap(), Decap(PacketType.MPLS)], SERVICE, origin)
        return
    port = _out_port(LinkKind.CORE, switch.name, edge, topology)
    if port is not None:
        toward = adjacency(Toward.EDGE, number)
        yield LABEL.row("label", labelled, [DecMplsTtl(), go(toward)], EGRESS, origin)
        yield _egress(toward, [Output(port)], origin)


def _out_port(kind: LinkKind, at: str, target: str, topology: Topology) -> int | None:
    place = topology.out_port(kind, at, target)
    return topology.port_number(place) if place else None
