"""The rows of an interface: in and out at its own switch, and one at each switch that must tell it apart.

These rows are about a machine and never name a path: they say on which switch, or in which segment, it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..fabric.declared import Switch
from ..fabric.observed import Topology
from ..model.values import Interface, Network
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
from .presence import Presence, is_native
from .rows import FieldMatch, Origin, Output, Row, SetField, Subject
from .source import interface_rows as source_rows


def local_rows(interface: Interface, port: int, network: Network | None, tag: int) -> Iterator[Row]:
    """What a running interface needs at its own switch, on its OpenFlow port there.

    `tag` is the network's tag in that segment, 0 where it has none. Without a network what the interface sends is
    known and goes nowhere.
    """
    origin = Origin(Subject.INTERFACE, interface.number)
    yield PORT.row("port", [FieldMatch(f.IN_PORT, port)], [SetField(FROM_REG.field, From.ACCESS)], SOURCE, origin)
    yield from source_rows(interface, port, network.tagged if network else False)
    out = [FieldMatch(ADJACENCY_REG.field, adjacency(Toward.INTERFACE, interface.number))]
    yield EGRESS.row("adjacency", out, [Output(port)], None, origin)
    if network is not None:
        known = [SetField(NETWORK_REG.field, network.number), SetField(TAG_REG.field, tag)]
        sender = [FieldMatch(INTERFACE_REG.field, interface.number)]
        yield NETWORK.row("member", sender, known, FORWARD, origin)


def address_row(interface: Interface, network: Network, toward: int) -> Row:
    """Where frames go that are for an interface, at a switch that must tell it apart."""
    mine = [FieldMatch(NETWORK_REG.field, network.number), FieldMatch(f.ETH_DST, interface.mac)]
    return FORWARD.row("address", mine, [go(toward)], EGRESS, Origin(Subject.INTERFACE, interface.number))


def addresses(
    interface: Interface, home: Switch, segment: str, presence: Presence, topology: Topology
) -> Iterator[tuple[str, int]]:
    """The switches of a segment that must tell a running interface apart, each with the adjacency by which it reaches
    it. `home` is the switch that it runs on.

    Its own switch; in its segment those that are no leaves; in others the edges, unless its MAC tells its segment.
    """
    fabric, extent = topology.fabric, presence.extent
    own, number = str(home.segment), interface.number
    if segment == own:
        # Frames for it come to its own switch even while its port is not there, and are dropped there.
        yield home.name, adjacency(Toward.INTERFACE, number)
        toward = adjacency(Toward.SWITCH, home.number)
        for teller in extent.tellers(segment, fabric):
            if teller != home.name:
                yield teller, toward
    elif segment in extent.switches and not is_native(interface.mac, own, fabric):
        toward = adjacency(Toward.SEGMENT, fabric.segments[own])
        for edge in fabric.edges[segment]:
            yield edge, toward
