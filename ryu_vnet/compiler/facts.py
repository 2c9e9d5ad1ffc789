"""All that rows follow from, where it is at hand for whoever compiles a unit; and what each unit's rows are."""

from __future__ import annotations

from collections.abc import Iterator

from ..fabric.declared import Fabric
from ..fabric.observed import Topology
from ..model.outside import router_mac
from ..model.routing import Routing
from ..model.state import Member
from ..model.values import Combination, Interface, Network, Place, combination_ref
from .choice import Classed, Several, Way, choice_rows, class_rows, pick_row
from .gateway import Routed
from .interface import Local, Speaks, address_row, addresses, is_beside, local_rows, shadow_row
from .limits import outward_bands, received_band, sent_band
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
from .outward import Outward, addresses_in, is_machine, link_local_of, resolved
from .paths import all_units
from .pipeline import LAST_PORT, STANDING_METERS
from .presence import Audience, Extent, Presence, home_of
from .rows import Group, Meter, MeterBand, Row
from .serving import Passage, Served, member_rows, pass_rows, serve_rows
from .sites import Sites, is_site, site_rows
from .switch import route_rows, switch_groups, switch_rows, way_rows
from .traffic import Networks, in_order, regions
from .units import Kind, Unit

NO_SERVICES: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
_SIX = 6


class Facts:
    """Topology, networks with their members, tags. They change by `Compilation.update` alone."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.outward = Outward()
        self.routing = Routing()
        self._services: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        """By network: the switches where its members are served, and where frames are routed into it."""
        self.sites = Sites()
        self.presences: dict[str, Presence] = {}
        """By the reference of the network or combination."""
        self._tags: dict[tuple[str, int], int] = {}
        """By segment and the network's number."""
        self._members: dict[int, Member] = {}
        """Running interfaces, by number."""
        self._on: dict[str, dict[str, set[int]]] = {}
        """Their numbers by switch and port: several where a port leads to remote sites."""
        self._choosers: dict[str, dict[str, set[int]]] = {}
        """By the reference of several networks, or of one that is for some traffic only, and by switch: the running
        interfaces that are in just these."""
        self._macs: dict[str, dict[int, int]] = {}
        """By network, for those that are in combinations: running interfaces by MAC address."""

    def parts(self, unit: Unit) -> Iterator[tuple[str, Row | Group | MeterBand]]:
        """The rows and groups of a unit as they are now, each with its switch, and before each row the meter that it
        names; nothing where it is no more."""
        own: dict[int, MeterBand] | None = None
        for switch, part in self._parts(unit):
            if isinstance(part, Row) and part.actions and isinstance(part.actions[0], Meter):
                number = part.actions[0].number
                own = {band.number: band for band in self._bands(unit)} if own is None else own
                yield switch, STANDING_METERS.get(number) or own[number]
            yield switch, part

    def _bands(self, unit: Unit) -> Iterator[MeterBand]:
        """The meters that rows of a unit may name besides those that are the same everywhere."""
        local = self.local(unit) if unit.kind in (Kind.LOCAL, Kind.ARRIVAL) else None
        gateway, presence = self.outward.gateways.get(unit.name), self.presences.get(unit.name)
        if local is not None and local.meter is not None:
            yield local.meter
        elif unit.kind is Kind.ADDRESS:
            yield from (meter for *_, meter in self.addresses(unit) if meter is not None)
        elif gateway is not None and presence is not None and isinstance(presence.network, Network):
            way_out = presence.network.exit
            yield from outward_bands(way_out.bandwidth, gateway.zone) if way_out is not None else ()

    def _parts(self, unit: Unit) -> Iterator[tuple[str, Row | Group]]:
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
                for name, interface, network, toward, meter in self.addresses(unit):
                    yield name, address_row(interface, network, toward, meter)
            case Kind.SHADOW:
                for name, interface, network in self.shadows(unit):
                    yield name, shadow_row(interface, network, interface.target is not None)
            case Kind.CLASS | Kind.CHOICE | Kind.PICK:
                yield from self._choice_parts(unit)
            case Kind.GATEWAY | Kind.LET_IN:
                routed = self.routed(unit.name)
                rows = self.outward.network_rows(routed, unit) if routed is not None else ()
                yield from ((routed.wire.switch.name, row) for row in rows if routed is not None)
            case Kind.RESOLVE | Kind.SERVE | Kind.ANSWER | Kind.PASS:
                yield from ((unit.at, row) for row in self._service_rows(unit))
            case Kind.UPLINK | Kind.SHARED:
                yield from ((unit.at, row) for row in self.outward.uplink_rows(self.topology, unit))
            case Kind.SITE:
                reached = self.sites.reached(unit.name, self.topology)
                if reached is not None:
                    yield from ((reached.site.switch, row) for row in site_rows(reached))
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

    def routed(self, ref: str) -> Routed | None:
        """What the rows of a network's router at its gateway follow from; None where it has none."""
        network, gateway = self._network(ref), self.outward.gateways.get(ref)
        if network is None or gateway is None or gateway.switch not in self.topology.fabric.switches:
            return None
        return self.outward.routed(self.topology, network, self._tag(self.presences[ref], gateway.switch))

    def _network(self, ref: str) -> Network | None:
        presence = self.presences.get(ref)
        return presence.network if presence is not None and isinstance(presence.network, Network) else None

    def _service_rows(self, unit: Unit) -> Iterator[Row]:
        """Those of a unit of the kinds RESOLVE, SERVE, ANSWER and PASS."""
        presence = self.presences.get(unit.name)
        if presence is None or unit.at not in self.topology.fabric.switches:
            return
        if unit.kind is Kind.SERVE:
            served = self._served(presence, unit.at)
            yield from serve_rows(served) if served is not None else ()
            return
        network = self._network(unit.name)
        serving, resolving = self._services.get(unit.name, NO_SERVICES)
        if network is None:
            return
        if unit.kind is Kind.PASS:
            if unit.at in serving and self.routing.partners(unit.name):
                yield from pass_rows(network, [*self._passages(unit.name, unit.at)])
            return
        member = self._members.get(unit.number)
        if member is None or not is_machine(member) or unit.name not in member.node.networks_of(member.interface):
            return
        if unit.kind is Kind.ANSWER and unit.at in serving:
            addresses, place = addresses_in(network, member.interface), member.interface.place
            if any(address.version == _SIX for address in addresses):
                addresses.append(link_local_of(member.interface))
            is_here = place is not None and place.switch == unit.at
            yield from member_rows(network, member.interface, addresses, is_here=is_here)
        elif unit.kind is Kind.RESOLVE and unit.at in resolving:
            gateway = self.outward.gateways.get(unit.name)
            is_out = gateway is not None and gateway.switch == unit.at
            yield from resolved(network, member, self.routed(unit.name) if is_out else None)

    def _served(self, presence: Presence, switch: str) -> Served | None:
        network = presence.network
        last = self._network(network.last) if isinstance(network, Combination) else network
        if last is None or not last.subnets or switch not in self._services.get(last.ref, NO_SERVICES)[0]:
            return None
        if isinstance(presence, Audience) and switch not in presence.speakers:
            return None
        return Served(last, network.number, bool(self.routing.partners(last.ref)))

    def _passages(self, ref: str, switch: str) -> Iterator[Passage]:
        for partner in self.routing.partners(ref):
            target = self._network(partner)
            if target is not None:
                tag = self._tag(self.presences[partner], switch)
                yield Passage(target, tag, self.routing.access(ref, partner), self.routing.access(partner, ref))

    def services_at(self, ref: str) -> tuple[frozenset[str], frozenset[str]]:
        """The switches where members of a network are served, and those where frames are routed into it."""
        presence, network = self.presences.get(ref), self._network(ref)
        if presence is None or network is None or not network.subnets:
            return NO_SERVICES
        gateway = self.outward.gateways.get(ref)
        routers = {number for numbers in presence.routers.values() for number in numbers}
        coming = {switch for switch, numbers in presence.silent.items() if not numbers <= routers}
        resolving = {*presence.visits, *((gateway.switch,) if gateway is not None else ())}
        return frozenset(coming.union(presence.at, presence.beyond)), frozenset(resolving)

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
        if port > LAST_PORT and member.interface.bandwidth.send is not None:
            # No meter has such a number, and nothing is to pass without.
            return None
        networks, meter = self.networks_of(member), sent_band(member.interface.bandwidth, port)
        tagged = any(network.tagged for network in networks)
        beside = is_arrival and is_beside(member.interface)
        if not networks:
            speaks = Speaks.NOWHERE
            return Local(place.switch, member.interface, port, tagged, speaks, 0, 0, is_arrival, beside, meter=meter)
        way = self._way(networks, place.switch)
        if any(network.traffic for network in networks):
            speaks = Speaks.BY_CLASS
        else:
            speaks = Speaks.BY_DESTINATION if len(networks) > 1 else Speaks.ON_ONE
        is_one = speaks is Speaks.ON_ONE
        tag = way.tag if way.tag is not None and is_one else 0
        served = way.is_served and is_one
        told = is_arrival, beside
        return Local(place.switch, member.interface, port, tagged, speaks, way.number, tag, *told, served, meter)

    def addresses(self, unit: Unit) -> Iterator[tuple[str, Interface, int, int, MeterBand | None]]:
        """What each row of a unit of the kind ADDRESS follows from: switch, interface, network by number, adjacency,
        and the meter of what it is sent, at its own switch."""
        member = self._members.get(unit.number)
        home = home_of(member, self.topology.fabric) if member is not None else None
        if member is None or home is None or unit.name not in member.node.networks_of(member.interface):
            return
        if is_site(member):
            return
        presence = self.presences[unit.name]
        port = self.topology.port_number(member.interface.place) if member.interface.place is not None else None
        meter = received_band(member.interface.bandwidth, port) if port is not None and port <= LAST_PORT else None
        for name, toward in addresses(member.interface, home, unit.at, presence, self.topology):
            here = meter if name == home.name else None
            yield name, member.interface, presence.network.number, toward, here

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
        last = self.combined(audience.combination)[-1]
        has_router = any(subnet.gateway is not None for subnet in last.subnets)
        router = router_mac(last.number) if has_router else 0
        tag = self._tag(audience, unit.at)
        return Several(audience.network.number, tag, former, self._way((last,), unit.at), router)

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
        if not isinstance(audience, Audience) or member is None or is_site(member):
            return
        *former, last = self.combined(audience.combination)
        place, mac = member.interface.place, member.interface.mac
        if place is None or not audience.has(unit.number, place.switch):
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
        is_one = len(networks) == 1
        is_served = is_one and bool(networks[0].subnets)
        return Way(presence.network.number, self._tag(presence, switch) if is_one else None, is_served)

    def places_on(self, switch: str) -> Iterator[Place]:
        """The ports of a switch that running interfaces are on."""
        for port, numbers in self._on.get(switch, {}).items():
            place, members = Place(switch, port), [self._members[number] for number in numbers]
            if any(member.interface.place == place and is_machine(member) for member in members):
                yield place

    def units(self) -> set[Unit]:
        """All units that there are."""
        found = {*all_units(self.topology.fabric), *self.outward.shared_units()}
        for member in self._members.values():
            found.update(local_units(member))
            found.update([Unit(Kind.SHADOW, ref, "", member.interface.number) for ref in _moving(member)])
        for ref in self.presences:
            found.update(self.network_units(ref))
        found.update(self.sites.units())
        for switch in self.topology.fabric.switches:
            found.update(self.outward.units_at(switch))
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
                for number in presence.addressed(segment):
                    yield Unit(Kind.ADDRESS, ref, segment, number)
        for number in presence.far():
            yield from address_units(ref, number, presence.extent)
        for name, crowd in presence.at.items():
            for chunk in crowd.chunks:
                yield Unit(Kind.CHUNK, ref, name, chunk)
        if isinstance(presence, Audience):
            yield from choice_units(ref, presence)
            for switch in presence.speakers:
                yield Unit(Kind.SERVE, ref, switch, 0)
        else:
            yield from self.service_units(ref)

    def service_units(self, ref: str) -> Iterator[Unit]:
        """What is about the addresses of a network, its gateway, and where it is routed to."""
        yield from self.outward.units_of(ref)
        serving, resolving = self._services.get(ref, NO_SERVICES)
        for switch in serving:
            yield from self._serve_units(ref, switch)
        numbers = [*self.presences[ref].everybody()]
        for kind, switches in ((Kind.ANSWER, serving), (Kind.RESOLVE, resolving)):
            for switch in switches:
                yield from [Unit(kind, ref, switch, number) for number in numbers]

    def _serve_units(self, ref: str, switch: str) -> Iterator[Unit]:
        yield Unit(Kind.SERVE, ref, switch, 0)
        yield Unit(Kind.PASS, ref, switch, 0)


def local_units(member: Member) -> list[Unit]:
    """What is about an interface at its own switch, and at the one that it moves to."""
    number = member.interface.number
    arrival = [Unit(Kind.ARRIVAL, "", "", number)] if member.interface.target is not None else []
    return [Unit(Kind.LOCAL, "", "", number), *arrival]


def received_units(member: Member, segment: str) -> list[Unit]:
    """What is about the port of an interface in a segment where it is sent frames: the meter of its port, if any."""
    if member.interface.bandwidth.receive is None:
        return []
    refs = member.node.networks_of(member.interface)
    return [Unit(Kind.ADDRESS, ref, segment, member.interface.number) for ref in refs]


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
    for number in audience.everybody():
        yield Unit(Kind.PICK, ref, "", number)
