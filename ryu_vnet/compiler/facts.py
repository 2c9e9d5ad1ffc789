"""All that rows follow from, where it is at hand for whoever compiles a unit; and what each unit's rows are."""

from __future__ import annotations

from collections.abc import Iterator

from ..fabric.declared import Fabric
from ..fabric.observed import Topology
from ..model.state import Member
from ..model.values import Combination, Interface, Network, Place, combination_ref
from .choice import Classed, Several, Way, choice_rows, class_rows, pick_row
from .interface import Local, Speaks, address_row, addresses, is_beside, local_rows, shadow_row
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
from .outward import Outward, is_router, resolved
from .paths import all_units
from .presence import Audience, Extent, Presence, home_of
from .rows import Group, Row
from .switch import route_rows, switch_groups, switch_rows, way_rows
from .traffic import Networks, in_order, regions
from .units import Kind, Unit


class Facts:
    """Topology, networks with their members, tags. They change by `Compilation.update` alone."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.outward = Outward()
        self.presences: dict[str, Presence] = {}
        """By the reference of the network or combination."""
        self._tags: dict[tuple[str, int], int] = {}
        """By segment and the network's number."""
        self._members: dict[int, Member] = {}
        """Running interfaces, by number."""
        self._on: dict[str, dict[str, int]] = {}
        """Their numbers by switch and port."""
        self._choosers: dict[str, dict[str, set[int]]] = {}
        """By the reference of several networks, or of one that is for some traffic only, and by switch: the running
        interfaces that are in just these."""
        self._macs: dict[str, dict[int, int]] = {}
        """By network, for those that are in combinations: running interfaces by MAC address."""

    def parts(self, unit: Unit) -> Iterator[tuple[str, Row | Group]]:
        """The rows and groups of a unit as they are now, each with its switch; nothing where it is no more."""
        match unit.kind:
            case Kind.NETWORK:
                here = self.carried(unit)
                if here is not None:
                    yield from ((unit.at, row) for row in network_rows(here))
                    yield from ((unit.at, place_row(here.number, *place)) for place in here.places)
                    yield from ((unit.at, fanout_group(fanout)) for fanout in wire_fanouts(here))
            case Kind.CHUNK:
                fanout = self.chunk(unit)
                if fanout is not None:
                    yield unit.at, fanout_group(fanout)
            case Kind.LOCAL | Kind.ARRIVAL:
                local = self.local(unit)
                if local is not None:
                    yield from ((local.switch, row) for row in local_rows(local))
            case Kind.ADDRESS:
                for name, interface, network, toward in self.addresses(unit):
                    yield name, address_row(interface, network, toward)
            case Kind.SHADOW:
                for name, interface, network in self.shadows(unit):
                    yield name, shadow_row(interface, network, interface.target is not None)
            case Kind.CLASS | Kind.CHOICE | Kind.PICK:
                yield from self._choice_parts(unit)
            case Kind.GATEWAY | Kind.LET_IN | Kind.RESOLVE:
                yield from self._outward_parts(unit)
            case Kind.UPLINK | Kind.SHARED:
                yield from ((unit.at, row) for row in self.outward.uplink_rows(self.topology, unit))
            case _:
                yield from ((unit.at, part) for part in self._path_parts(unit))

    def _choice_parts(self, unit: Unit) -> Iterator[tuple[str, Row]]:
        if unit.kind is Kind.PICK:
            for switch, interface, combination, last in self.picks(unit):
                yield switch, pick_row(interface.number, interface.mac, combination, last)
        elif unit.kind is Kind.CHOICE:
            several = self.several(unit)
            yield from ((unit.at, row) for row in (choice_rows(several) if several is not None else ()))
        else:
            classed = self.classed(unit)
            yield from ((unit.at, row) for row in (class_rows(classed) if classed is not None else ()))

    def _outward_parts(self, unit: Unit) -> Iterator[tuple[str, Row]]:
        presence = self.presences.get(unit.name)
        gateway = self.outward.gateways.get(unit.name)
        network = presence.network if presence is not None else None
        if presence is None or not isinstance(network, Network) or gateway is None:
            return
        tag = self._tag(presence, gateway.switch) if gateway.switch in self.topology.fabric.switches else 0
        routed = self.outward.routed(self.topology, network, tag)
        if unit.kind is not Kind.RESOLVE:
            rows = self.outward.network_rows(routed, unit) if routed is not None else ()
        else:
            member = self._members.get(unit.number)
            is_in = member is not None and unit.name in member.node.networks_of(member.interface)
            rows = resolved(network, member, routed) if member is not None and is_in and not is_router(member) else ()
        yield from ((gateway.switch, row) for row in rows)

    def _path_parts(self, unit: Unit) -> Iterator[Row | Group]:
        switch = self.topology.fabric.switches.get(unit.at)
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
        if presence is None or unit.at not in self.topology.fabric.switches:
            return None
        return carried(presence, unit.at, self._tag(presence, unit.at), self.topology)

    def chunk(self, unit: Unit) -> FanOut | None:
        """What a unit of the kind CHUNK follows from; None where it has no group."""
        presence = self.presences.get(unit.name)
        return member_fanout(presence, unit.at, unit.number) if presence is not None else None

    def local(self, unit: Unit) -> Local | None:
        """What a unit of the kind LOCAL or ARRIVAL follows from; None where it has no rows."""
        member, is_arrival = self._members.get(unit.number), unit.kind is Kind.ARRIVAL
        place = (member.interface.target if is_arrival else member.interface.place) if member is not None else None
        port = self.topology.port_number(place) if place is not None else None
        if member is None or place is None or port is None or not member.node.running:
            return None
        networks = self.networks_of(member)
        tagged = any(network.tagged for network in networks)
        beside = is_arrival and is_beside(member.interface)
        if not networks:
            return Local(place.switch, member.interface, port, tagged, Speaks.NOWHERE, 0, 0, is_arrival, beside)
        way = self._way(networks, place.switch)
        if any(network.traffic for network in networks):
            speaks = Speaks.BY_CLASS
        else:
            speaks = Speaks.BY_DESTINATION if len(networks) > 1 else Speaks.ON_ONE
        tag = way.tag if way.tag is not None and speaks is Speaks.ON_ONE else 0
        return Local(place.switch, member.interface, port, tagged, speaks, way.number, tag, is_arrival, beside)

    def addresses(self, unit: Unit) -> Iterator[tuple[str, Interface, int, int]]:
        """What each row of a unit of the kind ADDRESS follows from: switch, interface, network by number, adjacency."""
        member = self._members.get(unit.number)
        home = home_of(member, self.topology.fabric) if member is not None else None
        if member is None or home is None or unit.name not in member.node.networks_of(member.interface):
            return
        presence = self.presences[unit.name]
        for name, toward in addresses(member.interface, home, unit.at, presence, self.topology):
            yield name, member.interface, presence.network.number, toward

    def shadows(self, unit: Unit) -> Iterator[tuple[str, Interface, int]]:
        """What each row of a unit of the kind SHADOW follows from: switch, interface, network by number.

        Only leaves need one: others know everybody in their segment, or are in its way out.
        """
        member, fabric = self._members.get(unit.number), self.topology.fabric
        if member is None or unit.name not in member.node.networks_of(member.interface):
            return
        place = member.interface.place
        for shadow, _ in shadows(member, fabric):
            if shadow.switch in fabric.leaves and place is not None and shadow.switch != place.switch:
                yield shadow.switch, member.interface, self.presences[unit.name].network.number

    def several(self, unit: Unit) -> Several | None:
        """What a unit of the kind CHOICE follows from; None where it has no rows."""
        audience = self.presences.get(unit.name)
        if not isinstance(audience, Audience) or unit.at not in audience.speakers:
            return None
        former = self._way(self.combined(audience.combination)[:-1], unit.at)
        return Several(audience.network.number, self._tag(audience, unit.at), former)

    def classed(self, unit: Unit) -> Classed | None:
        """What a unit of the kind CLASS follows from; None where it has no rows."""
        presence = self.presences.get(unit.name)
        if presence is None or unit.at not in self._choosers.get(unit.name, ()):
            return None
        network = presence.network
        networks = self.combined(network) if isinstance(network, Combination) else (network,)
        if not any(network.traffic for network in networks):
            return None
        divided = [(region, self._way(region.networks, unit.at)) for region in regions(networks) if region.networks]
        return Classed(network.number, self._way(networks, unit.at), tuple(divided))

    def picks(self, unit: Unit) -> Iterator[tuple[str, Interface, int, Way]]:
        """What each row of a unit of the kind PICK follows from: switch, interface, the number of the combination, and
        the last of its networks."""
        audience, member = self.presences.get(unit.name), self._members.get(unit.number)
        if not isinstance(audience, Audience) or member is None:
            return
        *former, last = self.combined(audience.combination)
        place, mac = member.interface.place, member.interface.mac
        if place is None or unit.number not in audience.at.get(place.switch, ()):
            return
        if any(mac in self._macs[network.ref] for network in former):
            return
        for switch in audience.speakers:
            yield switch, member.interface, audience.network.number, self._way((last,), switch)

    def networks_of(self, member: Member) -> Networks:
        """The networks that an interface is in, in their order."""
        found = (self.presences[ref].network for ref in member.node.networks_of(member.interface))
        return in_order(network for network in found if isinstance(network, Network))

    def combined(self, combination: Combination) -> Networks:
        """The networks of a combination, in its order."""
        found = (self.presences[f"{combination.tenant}/{name}"].network for name in combination.networks)
        return tuple(network for network in found if isinstance(network, Network))

    def _way(self, networks: Networks, switch: str) -> Way:
        """What comes next for frames that are for these networks, of which there is at least one."""
        presence = self.presences[combination_ref(networks[0].tenant, (network.name for network in networks))]
        return Way(presence.network.number, self._tag(presence, switch) if len(networks) == 1 else None)

    def places_on(self, switch: str) -> Iterator[Place]:
        """The ports of a switch that running interfaces are on."""
        on = ((Place(switch, port), self._members[number]) for port, number in self._on.get(switch, {}).items())
        return (place for place, member in on if member.interface.place == place and not is_router(member))

    def units(self) -> set[Unit]:
        """All units that there are."""
        found = {*all_units(self.topology.fabric)}
        for member in self._members.values():
            found.update(local_units(member))
            found.update([Unit(Kind.SHADOW, ref, "", member.interface.number) for ref in _moving(member)])
        for ref in self.presences:
            found.update(self.network_units(ref))
        for ref, by_switch in self._choosers.items():
            found.update([Unit(Kind.CLASS, ref, switch, 0) for switch in by_switch])
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
            if not isinstance(presence, Audience):
                for number in presence.members(segment):
                    yield Unit(Kind.ADDRESS, ref, segment, number)
            for number in presence.foreign.get(segment, ()):
                yield from address_units(ref, number, presence.extent)
        for name, crowd in presence.at.items():
            for chunk in crowd.chunks:
                yield Unit(Kind.CHUNK, ref, name, chunk)
        if isinstance(presence, Audience):
            yield from choice_units(ref, presence)
        else:
            yield from self.service_units(ref)

    def service_units(self, ref: str) -> Iterator[Unit]:
        """What is about the addresses of a network and its gateway."""
        yield from self.outward.units_of(ref)
        if ref in self.outward.gateways:
            for crowd in self.presences[ref].at.values():
                for number in crowd:
                    yield Unit(Kind.RESOLVE, ref, "", number)


def local_units(member: Member) -> list[Unit]:
    """What is about an interface at its own switch, and at the one that it moves to."""
    number = member.interface.number
    arrival = [Unit(Kind.ARRIVAL, "", "", number)] if member.interface.target is not None else []
    return [Unit(Kind.LOCAL, "", "", number), *arrival]


def _moving(member: Member) -> list[str]:
    """The networks of an interface that moves, or has just moved."""
    interface = member.interface
    is_moving = interface.target is not None or interface.left is not None
    return member.node.networks_of(interface) if is_moving else []


def shadows(member: Member, fabric: Fabric) -> Iterator[tuple[Place, str]]:
    """Where a running interface will be, or was, each with the segment."""
    for place in (member.interface.target, member.interface.left):
        switch = fabric.switches.get(place.switch) if place is not None and member.node.running else None
        if place is not None and switch is not None and switch.segment is not None:
            yield place, switch.segment


def address_units(ref: str, number: int, extent: Extent) -> list[Unit]:
    """Where a foreign interface must be told apart: in all segments of its network."""
    return [Unit(Kind.ADDRESS, ref, segment, number) for segment in extent.switches]


def choice_units(ref: str, audience: Audience) -> Iterator[Unit]:
    """All that is about choosing the last network of a combination."""
    for switch in audience.speakers:
        yield Unit(Kind.CHOICE, ref, switch, 0)
    yield from pick_units(ref, audience)


def pick_units(ref: str, audience: Audience) -> Iterator[Unit]:
    """Those who are in the last network of a combination only, for whoever speaks in it."""
    for crowd in audience.at.values():
        for number in crowd:
            yield Unit(Kind.PICK, ref, "", number)
