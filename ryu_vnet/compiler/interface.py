"""The rows of an interface: in and out at its own switch, and one at each switch that must tell it apart.

These rows are about a machine and never name a path: they say on which switch, or in which segment, it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..fabric.declared import Switch
from ..fabric.observed import Topology
from ..model.state import Member, Model
from ..model.values import Place
from . import fields as f
from .pipeline import (
    ADJACENCY_REG,
    EGRESS,
    FORWARD,
    FROM_REG,
    INTERFACE_REG,
    NETWORK,
    NETWORK_REG,
    PORT,
    SOURCE,
    TAG_REG,
    From,
    Toward,
    adjacency,
    go,
)
from .rows import FieldMatch, Origin, Output, Row, SetField, Subject
from .source import interface_rows as source_rows
from .spread import Spread, is_leaf


def interface_rows(
    member: Member, spread: Spread | None, model: Model, topology: Topology
) -> Iterator[tuple[str, Row]]:
    """The rows of one running interface, each with the switch that it belongs on.

    At its own switch it gets in and out; at each switch that must tell it apart, a row says where it is. `spread`
    is that of its network, None where it is in none: then what it sends is known and goes nowhere.
    """
    interface = member.interface
    switch = topology.fabric.switches.get(interface.place.switch) if interface.place else None
    if not member.node.running or interface.place is None or switch is None or switch.segment is None:
        return
    for row in _local_rows(member, interface.place, spread, model, topology, switch.segment):
        yield switch.name, row
    if spread is None:
        return
    origin = Origin(Subject.INTERFACE, interface.number)
    mine = [FieldMatch(NETWORK_REG.field, spread.network.number), FieldMatch(f.ETH_DST, interface.mac)]
    for segment, carriers in spread.carriers.items():
        for carrier in carriers:
            toward = _toward(carrier, switch, interface.number, segment, topology)
            if toward is not None:
                yield carrier, FORWARD.row("address", mine, [go(toward)], EGRESS, origin)


def _local_rows(
    member: Member, place: Place, spread: Spread | None, model: Model, topology: Topology, segment: str
) -> Iterator[Row]:
    interface, port = member.interface, topology.port_number(place)
    if port is None:
        return
    origin = Origin(Subject.INTERFACE, interface.number)
    tagged = spread.network.tagged if spread else False
    yield PORT.row("port", [FieldMatch(f.IN_PORT, port)], [SetField(FROM_REG.field, From.ACCESS)], SOURCE, origin)
    yield from source_rows(interface, port, tagged)
    out = [FieldMatch(ADJACENCY_REG.field, adjacency(Toward.INTERFACE, interface.number))]
    yield EGRESS.row("adjacency", out, [Output(port)], None, origin)
    if spread is not None:
        grant = model.grant(segment, spread.network.number)
        known = [SetField(NETWORK_REG.field, spread.network.number), SetField(TAG_REG.field, grant.tag if grant else 0)]
        sender = [FieldMatch(INTERFACE_REG.field, interface.number)]
        yield NETWORK.row("member", sender, known, FORWARD, origin)


def _toward(carrier: str, home: Switch, interface: int, segment: str, topology: Topology) -> int | None:
    """Where a carrier in `segment` sends frames for an interface at home on another switch, or None where it need
    not tell that interface apart."""
    if carrier == home.name:
        return adjacency(Toward.INTERFACE, interface)
    if is_leaf(topology, carrier):
        return None
    if home.segment == segment:
        return adjacency(Toward.SWITCH, home.number)
    if carrier in topology.fabric.core_switches() and home.segment is not None:
        return adjacency(Toward.SEGMENT, topology.fabric.segments[home.segment])
    return None
