"""The rows of an interface: in and out at its own switch, and one at each switch that must tell it apart.

These rows are about a machine and never name a path: they say on which switch, or in which segment, it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from ..fabric.declared import Switch
from ..fabric.observed import Topology
from ..model.values import Interface
from . import fields as f
from .limits import metered
from .pipeline import (
    ADJACENCY_REG,
    ANSWER,
    CHOICE,
    CHOICE_REG,
    CLASS,
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
from .rows import IN_PORT_PORT, Action, FieldMatch, MeterBand, Move, Origin, Output, PushVlan, Row, SetField, Subject
from .source import neighbour_rows, source_rows


class Speaks(Enum):
    """How it is found out which network a frame of an interface goes out on."""

    NOWHERE = 0
    """It is in none."""
    ON_ONE = 1
    """It is in one, for all traffic."""
    BY_CLASS = 2
    """Those that it is in are for some traffic only, or some of them are."""
    BY_DESTINATION = 3
    """It is in several, all for all traffic."""


class Local(NamedTuple):
    """All that the rows of an interface at its own switch follow from."""

    switch: str
    interface: Interface
    port: int
    """Its OpenFlow port there."""
    tagged: bool
    """Whether it may send 802.1Q tags of its own."""
    speaks: Speaks
    number: int
    """Of the network that it is in, or of the combination; 0 where it is in none."""
    tag: int
    """The network's tag in the segment of the switch; 0 where it has none, or where there are several."""
    is_arrival: bool = False
    """Whether it is not there yet: the controller is told of what comes from there."""
    is_beside: bool = False
    """Whether it comes from another port of the same switch, which has the other rows already."""
    is_served: bool = False
    """Whether what it asks on its only network is answered by the switch."""
    meter: MeterBand | None = None
    """What bounds how much it sends by that port."""


def local_rows(local: Local) -> Iterator[Row]:
    """What a running interface needs at its own switch. Where it is in no network, what it sends is known and goes
    nowhere. One at a site shares a port with others, whose rows are the site's."""
    interface, port = local.interface, local.port
    origin = Origin(Subject.INTERFACE, interface.number)
    if not interface.site_number:
        came = metered(local.meter, [SetField(FROM_REG.field, From.ACCESS)])
        yield PORT.row("port", [FieldMatch(f.IN_PORT, port)], came, SOURCE, origin)
    yield from source_rows(interface, port, local.tagged, local.is_arrival)
    if local.is_beside:
        return
    yield from neighbour_rows(interface)
    if not interface.site_number:
        out = [FieldMatch(ADJACENCY_REG.field, adjacency(Toward.INTERFACE, interface.number))]
        yield EGRESS.row("adjacency", out, [Output(port)], None, origin)
    sender = [FieldMatch(INTERFACE_REG.field, interface.number)]
    match local.speaks:
        case Speaks.ON_ONE:
            known = [SetField(NETWORK_REG.field, local.number), SetField(TAG_REG.field, local.tag)]
            yield NETWORK.row("member", sender, known, ANSWER if local.is_served else FORWARD, origin)
        case Speaks.BY_CLASS:
            yield NETWORK.row("member", sender, [SetField(CHOICE_REG.field, local.number)], CLASS, origin)
        case Speaks.BY_DESTINATION:
            yield NETWORK.row("member", sender, [SetField(CHOICE_REG.field, local.number)], CHOICE, origin)


def is_beside(interface: Interface) -> bool:
    """Whether an interface moves to another port of its own switch."""
    place, target = interface.place, interface.target
    return place is not None and target is not None and place.switch == target.switch


def shadow_row(interface: Interface, network: int, is_arrival: bool) -> Row:
    """Where frames of a network, by its number, go that come over a trunk for an interface to a switch that would not
    know it: one that it is moving to, or that it has left.

    Where it was, they go back tagged as they came: behind its one neighbour, it is known where it is now.
    """
    origin = Origin(Subject.INTERFACE, interface.number)
    mine = [
        FieldMatch(NETWORK_REG.field, network),
        FieldMatch(FROM_REG.field, From.TRUNK),
        FieldMatch(f.ETH_DST, interface.mac),
    ]
    if is_arrival:
        toward = go(adjacency(Toward.INTERFACE, interface.number))
        return FORWARD.row("address", mine, [toward], EGRESS, origin)
    back: list[Action] = [PushVlan(), Move(TAG_REG.field, f.VLAN_TCI, TAG_REG.bits), Output(IN_PORT_PORT)]
    return FORWARD.row("address", mine, back, None, origin)


def address_row(interface: Interface, network: int, toward: int, meter: MeterBand | None = None) -> Row:
    """Where frames of a network, by its number, go that are for an interface, at a switch that must tell it apart.
    `meter`, at its own switch: what bounds how much it is sent."""
    mine = [FieldMatch(NETWORK_REG.field, network), FieldMatch(f.ETH_DST, interface.mac)]
    origin = Origin(Subject.INTERFACE, interface.number)
    return FORWARD.row("address", mine, metered(meter, [go(toward)]), EGRESS, origin)


def addresses(
    interface: Interface, home: Switch, segment: str, presence: Presence, topology: Topology
) -> Iterator[tuple[str, int]]:
    """The switches of a segment that must tell a running interface apart, each with the adjacency by which it reaches
    it. `home` is the switch that it runs on.

    Its own switch; in its segment those that are no leaves; in others the edges, unless its MAC tells its segment.
    """
    fabric, extent = topology.fabric, presence.extent
    own, number = str(home.segment), interface.site_number or interface.number
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
