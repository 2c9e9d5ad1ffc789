"""All that rows follow from, where it is at hand for whoever compiles a unit; and what each unit's rows are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..fabric.observed import Topology
from ..model.state import Member
from ..model.values import Interface, Network, Place
from .interface import address_row, addresses, local_rows
from .network import (
    Carried,
    FanOut,
    carried,
    fanout_group,
    member_fanout,
    network_rows,
    place_row,
    wire_fanouts,
)
from .paths import all_units
from .presence import Extent, Presence, home_of
from .rows import Group, Row
from .switch import route_rows, switch_groups, switch_rows, way_rows
from .units import Kind, Unit


class Local(NamedTuple):
    """All that the rows of an interface at its own switch follow from."""

    switch: str
    interface: Interface
    port: int
    network: Network | None
    tag: int


class Facts:
    """Topology, networks with their members, tags. They change by `Compilation.update` alone."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.presences: dict[str, Presence] = {}
        """By the network's reference."""
        self._tags: dict[tuple[str, int], int] = {}
        """By segment and the network's number."""
        self._members: dict[int, Member] = {}
        """Running interfaces, by number."""
        self._on: dict[str, dict[str, int]] = {}
        """Their numbers by switch and port."""

    def parts(self, unit: Unit) -> Iterator[tuple[str, Row | Group]]:
        """The rows and groups of a unit as they are now, each with its switch; nothing where it is no more."""
        match unit.kind:
            case Kind.NETWORK:
                here = self.carried(unit)
                if here is not None:
                    yield from ((unit.switch, row) for row in network_rows(here))
                    yield from ((unit.switch, place_row(here.number, *place)) for place in here.places)
                    yield from ((unit.switch, fanout_group(fanout)) for fanout in wire_fanouts(here))
            case Kind.CHUNK:
                fanout = self.chunk(unit)
                if fanout is not None:
                    yield unit.switch, fanout_group(fanout)
            case Kind.LOCAL:
                local = self.local(unit)
                if local is not None:
                    for row in local_rows(local.interface, local.port, local.network, local.tag):
                        yield local.switch, row
            case Kind.ADDRESS:
                for name, interface, network, toward in self.addresses(unit):
                    yield name, address_row(interface, network, toward)
            case _:
                yield from ((unit.switch, part) for part in self._path_parts(unit))

    def _path_parts(self, unit: Unit) -> Iterator[Row | Group]:
        switch = self.topology.fabric.switches.get(unit.switch)
        if switch is None:
            return
        if unit.kind is Kind.WAY:
            yield from way_rows(switch, unit.name, self.topology)
        elif unit.kind is Kind.ROUTE:
            yield from route_rows(switch, unit.name, self.topology)
        else:
            yield from switch_groups(switch, self.topology)
            yield from switch_rows(switch, self.topology)

    def carried(self, unit: Unit) -> Carried | None:
        """What a unit of the kind NETWORK follows from; None where it has no rows."""
        presence = self.presences.get(unit.name)
        if presence is None or unit.switch not in self.topology.fabric.switches:
            return None
        return carried(presence, unit.switch, self._tag(presence, unit.switch), self.topology)

    def chunk(self, unit: Unit) -> FanOut | None:
        """What a unit of the kind CHUNK follows from; None where it has no group."""
        presence = self.presences.get(unit.name)
        return member_fanout(presence, unit.switch, unit.number) if presence is not None else None

    def local(self, unit: Unit) -> Local | None:
        """What a unit of the kind LOCAL follows from; None where it has no rows."""
        member = self._members.get(unit.number)
        place = member.interface.place if member is not None else None
        port = self.topology.port_number(place) if place is not None else None
        if member is None or place is None or port is None:
            return None
        ref = member.node.network_of(member.interface)
        presence = self.presences[ref] if ref is not None else None
        tag = self._tag(presence, place.switch) if presence is not None else 0
        return Local(place.switch, member.interface, port, presence.network if presence else None, tag)

    def addresses(self, unit: Unit) -> Iterator[tuple[str, Interface, Network, int]]:
        """What each row of a unit of the kind ADDRESS follows from: switch, interface, network, adjacency."""
        member = self._members.get(unit.number)
        ref = member.node.network_of(member.interface) if member is not None else None
        home = home_of(member, self.topology.fabric) if member is not None else None
        if member is None or ref is None or home is None:
            return
        presence = self.presences[ref]
        for name, toward in addresses(member.interface, home, unit.name, presence, self.topology):
            yield name, member.interface, presence.network, toward

    def places_on(self, switch: str) -> Iterator[Place]:
        """The ports of a switch that running interfaces are on."""
        return (Place(switch, port) for port in self._on.get(switch, ()))

    def units(self) -> set[Unit]:
        """All units that there are."""
        found = {*all_units(self.topology.fabric)}
        found.update([Unit(Kind.LOCAL, "", "", number) for number in self._members])
        for ref in self.presences:
            found.update(self.network_units(ref))
        return found

    def _tag(self, presence: Presence, switch: str) -> int:
        segment = self.topology.fabric.switches[switch].segment
        return self._tags.get((segment or "", presence.network.number), 0)

    def network_units(self, ref: str) -> Iterator[Unit]:
        """All units of a network, and those of where its members are."""
        presence, fabric = self.presences[ref], self.topology.fabric
        for segment in presence.extent.switches:
            for name in presence.extent.carriers(segment, fabric):
                yield Unit(Kind.NETWORK, ref, name, 0)
            for number in presence.members(segment):
                yield Unit(Kind.ADDRESS, segment, "", number)
            for number in presence.foreign.get(segment, ()):
                yield from address_units(number, presence.extent)
        for name, crowd in presence.at.items():
            for chunk in crowd.chunks:
                yield Unit(Kind.CHUNK, ref, name, chunk)


def address_units(number: int, extent: Extent) -> list[Unit]:
    """Where a foreign interface must be told apart: in all segments of its network."""
    return [Unit(Kind.ADDRESS, segment, "", number) for segment in extent.switches]
