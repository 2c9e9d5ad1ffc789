"""The rows of a gateway: what comes from and goes to an outside network, translated by connection tracking.

A packet from a member to the outside, at the gateway's switch:

    EGRESS     for the network's router: which uplink
    OUTBOUND   TTL - 1; in the network's zone its source becomes a floating address, or one that stands for the network
    TRANSLATE  an answer to what came in leaves as it is; what has the stand-in address goes on to
    SHARE      in the zone that all networks share it gets an outside address, with one of the network's ports
    DEPART     to the next router

and back: UPLINK (whose address), RETURN (which network, by the stand-in address), INBOUND (an answer, or let in),
RESOLVE (who has the address), FORWARD. Two translations, because networks have the same addresses and may share an
outside one: in its own zone a network's connections are apart from those of others, in the shared zone every
connection has a source of its own. IPv6 is tracked in the network's zone only, and its addresses stay unless the
network has a prefix outside.

Connections begin inside, or come to a floating address or forwarded port. Nothing else is let in.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

from ..fabric.declared import Outside, Switch, Uplink
from ..model.names import Prefix
from ..model.outside import SHARED_ZONE, Address, Exit, Floating, Forward, Gateway, address_mac
from ..model.values import Network
from . import fields as f
from .answers import arp_reply, arp_request, solicitation, solicited
from .limits import metered, outward_bands
from .pipeline import (
    ADJACENCY_REG,
    ADVERTISE,
    DEPART,
    EGRESS,
    FORWARD,
    FROM_REG,
    INBOUND,
    LARGE_REG,
    NETWORK_REG,
    OUTBOUND,
    PORT,
    PORTS,
    RESOLVE,
    RETURN,
    SERVICES_METER,
    SHARE,
    TAG_REG,
    TOLD_PACKET,
    TRANSLATE,
    UPLINK,
    UPLINK_REG,
    From,
    Metered,
    Toward,
    adjacency,
    meter_of,
    switch_mac,
)
from .rows import (
    CONTROLLER_PORT,
    IN_PORT_PORT,
    Action,
    CheckLarger,
    CtState,
    DecTtl,
    FieldMatch,
    Meter,
    MeterBand,
    Nat,
    Origin,
    Output,
    Resubmit,
    Row,
    SetField,
    Subject,
    Track,
    Untrack,
)
from .source import ARP, ICMPV6, IPV4, IPV6

ETHERNET_HEADER = 14
_NOT_FROM_A_PORT = SetField(f.IN_PORT, 0)
"""So that a frame may leave by the port that it came in by."""
_TELL: tuple[Action, ...] = (Meter(SERVICES_METER), Output(CONTROLLER_PORT, TOLD_PACKET))
_TCP = 6


class Wire(NamedTuple):
    """An uplink of a switch that is there, with its OpenFlow port and the MAC addresses of the next routers, by
    version of IP, as far as they are known."""

    switch: Switch
    uplink: Uplink
    port: int
    outside: Outside
    hops: dict[int, int]
    mtu: int
    """That of nodes, in bytes of IP."""

    @property
    def mac(self) -> int:
        """Its own MAC address."""
        return switch_mac(self.switch.number)


class Routed(NamedTuple):
    """All that the rows of a network's router at its gateway follow from."""

    gateway: Gateway
    network: Network
    tag: int
    """The network's tag in the segment of the switch; 0 where it has none."""
    wire: Wire
    mtu: int
    """That of nodes, in bytes of IP."""

    @property
    def origin(self) -> Origin:
        """What its rows exist for."""
        return Origin(Subject.NETWORK, self.network.number)

    @property
    def known(self) -> list[Action]:
        """What is to be known of a frame that comes into the network here."""
        return [
            SetField(NETWORK_REG.field, self.network.number),
            SetField(TAG_REG.field, self.tag),
            SetField(FROM_REG.field, From.ACCESS),
        ]

    @property
    def bands(self) -> dict[int, MeterBand]:
        """The meters that bound what it sends outside and what it is sent from there, by number."""
        way_out = self.network.exit
        found = outward_bands(way_out.bandwidth, self.gateway.zone) if way_out is not None else ()
        return {band.number: band for band in found}

    @property
    def came(self) -> list[Action]:
        """The same of one that comes from outside, where it is known for the first time whose it is."""
        return metered(self.bands.get(meter_of(Metered.IN, self.gateway.zone)), self.known)


# --- an uplink --------------------------------------------------------------------------------------------------------


def uplink_rows(wire: Wire) -> Iterator[Row]:
    """What a switch needs for an uplink, whoever uses it."""
    origin = Origin(Subject.SWITCH, wire.switch.number)
    here = FieldMatch(UPLINK_REG.field, wire.port)
    came: list[Action] = [SetField(FROM_REG.field, From.ACCESS), SetField(UPLINK_REG.field, wire.port)]
    if wire.outside.mtu > wire.mtu:
        came.append(CheckLarger(wire.mtu + ETHERNET_HEADER, LARGE_REG.field, 0))
        for version in (4, 6):
            large = [here, _family(version), FieldMatch(LARGE_REG.field, 1)]
            yield UPLINK.row("large", large, _TELL, None, origin)
    yield PORT.row("port", [FieldMatch(f.IN_PORT, wire.port)], came, UPLINK, origin)
    for own in wire.uplink.addresses:
        yield own_address_row(wire, own, wire.mac, origin)
    for hop in wire.outside.next_hops:
        # What the next router says of its address is for the controller, which asks.
        if isinstance(hop, IPv4Address):
            says = [FieldMatch(f.ETH_TYPE, ARP), FieldMatch(f.ARP_OP, 2), FieldMatch(f.ARP_SPA, int(hop))]
        else:
            says = [*_advertisement, FieldMatch(f.ND_TARGET, int(hop))]
        yield UPLINK.row("own", [here, *says], _TELL, None, origin)
    for version, mac in sorted(wire.hops.items()):
        leaves: list[Action] = [SetField(f.ETH_DST, mac), Output(wire.port)]
        yield DEPART.row("hop", [here, _family(version)], leaves, None, origin)


_advertisement = (FieldMatch(f.ETH_TYPE, IPV6), FieldMatch(f.IP_PROTO, ICMPV6), FieldMatch(f.ICMPV6_TYPE, 136))


def own_address_row(wire: Wire, address: Address | IPv6Network, mac: int, origin: Origin) -> Row:
    """An uplink's answer to whoever asks for an address, or for one of a prefix."""
    here = FieldMatch(UPLINK_REG.field, wire.port)
    if isinstance(address, IPv4Address):
        reply = [*arp_reply(mac, address), Output(IN_PORT_PORT)]
        return UPLINK.row("own", [here, *arp_request(address)], reply, None, origin)
    reply6 = solicited(mac, is_router=True)
    return UPLINK.row("own", [here, *solicitation(address)], reply6, ADVERTISE, origin)


def shared_rows(wire: Wire, address: IPv4Address) -> Iterator[Row]:
    """An address of an outside network that sources become, whichever network's, or by which ports are reached."""
    origin, mac = Origin(Subject.SWITCH, wire.switch.number), address_mac(address)
    yield own_address_row(wire, address, mac, origin)
    here = [FieldMatch(UPLINK_REG.field, wire.port), FieldMatch(f.ETH_TYPE, IPV4), FieldMatch(f.IPV4_DST, int(address))]
    mine = FieldMatch(f.ETH_DST, mac)
    valid = FieldMatch(f.CT_STATE, CtState.TRACKED, CtState.TRACKED | CtState.INVALID)
    translated = [FieldMatch(f.ETH_TYPE, IPV4), FieldMatch(f.IPV4_SRC, int(address)), valid]
    yield SHARE.row("own", translated, [SetField(f.ETH_SRC, mac)], DEPART, origin)
    back = Track(SHARED_ZONE, RETURN.table, nat=Nat())
    yield UPLINK.row("floating", [*here, mine], [back], None, origin)
    yield DEPART.row("own", here, _back_in(mac), None, origin)


def _back_in(mac: int) -> list[Action]:
    """As if it came from outside: for one of our own addresses, on the same uplink."""
    return [Untrack(), SetField(f.ETH_DST, mac), _NOT_FROM_A_PORT, Resubmit(UPLINK.table)]


# --- a network's router -----------------------------------------------------------------------------------------------


def router_rows(routed: Routed) -> Iterator[Row]:
    """What a gateway's switch needs for a network, whoever its members are."""
    gateway, wire, origin = routed.gateway, routed.wire, routed.origin
    out: list[Action] = [SetField(UPLINK_REG.field, wire.port)]
    is_narrow = wire.outside.mtu < routed.mtu
    if is_narrow:
        out.append(CheckLarger(wire.outside.mtu + ETHERNET_HEADER, LARGE_REG.field, 0))
    toward = FieldMatch(ADJACENCY_REG.field, adjacency(Toward.INTERFACE, gateway.interface))
    yield EGRESS.row("adjacency", [toward], out, OUTBOUND, origin)
    mine = FieldMatch(NETWORK_REG.field, gateway.network)
    for subnet in routed.network.subnets:
        yield from _outbound_rows(routed, subnet.prefix, is_narrow)
    if gateway.address is not None and gateway.ports is not None:
        stand_in = FieldMatch(f.IPV4_SRC, gateway.stand_in)
        is_four = FieldMatch(f.ETH_TYPE, IPV4)
        share = Track(SHARED_ZONE, SHARE.table, commit=True, nat=Nat(int(gateway.address), ports=gateway.ports))
        valid = FieldMatch(f.CT_STATE, CtState.TRACKED, CtState.TRACKED | CtState.INVALID)
        yield TRANSLATE.row("own", [mine, is_four, stand_in, valid], [share], None, origin)
        # Where no port is free, Open vSwitch lets the packet go on as it is, and says nothing of it in its state.
        yield SHARE.row("exhausted", [mine, is_four, stand_in], _TELL, None, origin)
        answers = FieldMatch(f.CT_STATE, CtState.TRACKED, CtState.TRACKED | CtState.NEW | CtState.INVALID)
        back = Track(gateway.zone, INBOUND.table, nat=Nat())
        known = [is_four, FieldMatch(f.IPV4_DST, gateway.stand_in), answers]
        yield RETURN.row("known", known, [*routed.came, back], None, origin)


def _outbound_rows(routed: Routed, prefix: Prefix, is_narrow: bool) -> Iterator[Row]:
    gateway, way_out, origin = routed.gateway, routed.network.exit, routed.origin
    version = prefix.version
    mine = [
        FieldMatch(NETWORK_REG.field, gateway.network),
        FieldMatch(f.ETH_DST, gateway.mac),
        _family(version),
    ]
    # What is for its own subnet needs no router, and is not for the outside to see.
    yield OUTBOUND.row("inside", [*mine, _destination(prefix)], (), None, origin)
    for spent in (0, 1):
        yield OUTBOUND.row("spent", [*mine, FieldMatch(f.IP_TTL, spent)], _TELL, None, origin)
    if is_narrow:
        yield OUTBOUND.row("large", [*mine, FieldMatch(LARGE_REG.field, 1)], _TELL, None, origin)
    if isinstance(prefix, IPv4Network):
        if gateway.address is not None:
            yield _outbound_row(routed, "subnet", prefix, Nat(gateway.stand_in))
    elif way_out is not None and way_out.prefix is None:
        yield _outbound_row(routed, "subnet", prefix, None)
        yield _leaves(routed, prefix)
        inward = [_uplink(routed), FieldMatch(f.ETH_DST, gateway.mac), _family(6), _destination(prefix)]
        into = Track(gateway.zone, INBOUND.table)
        yield UPLINK.row("prefix", inward, [*routed.came, into], None, origin)
        if isinstance(prefix, IPv6Network):
            yield own_address_row(routed.wire, prefix, gateway.mac, origin)


def _outbound_row(routed: Routed, band: str, source: Prefix, nat: Nat | None) -> Row:
    gateway = routed.gateway
    mine = [
        FieldMatch(NETWORK_REG.field, gateway.network),
        FieldMatch(f.ETH_DST, gateway.mac),
        _family(source.version),
        _source(source),
    ]
    track = Track(gateway.zone, TRANSLATE.table, commit=True, nat=nat)
    # Here and not where frames for the router arrive, which those for everybody pass as well.
    meter = routed.bands.get(meter_of(Metered.OUT, gateway.zone))
    return OUTBOUND.row(band, mine, metered(meter, [DecTtl(), track]), None, routed.origin)


def _leaves(routed: Routed, source: Prefix) -> Row:
    """What may leave, once it is translated in its network's zone."""
    valid = FieldMatch(f.CT_STATE, CtState.TRACKED, CtState.TRACKED | CtState.INVALID)
    mine = [FieldMatch(NETWORK_REG.field, routed.gateway.network), _family(source.version), _source(source), valid]
    return TRANSLATE.row("own", mine, [SetField(f.ETH_SRC, routed.gateway.mac)], DEPART, routed.origin)


def standing_rows(switch: Switch) -> Iterator[Row]:
    """What holds for all networks at a gateway."""
    origin = Origin(Subject.SWITCH, switch.number)
    for stage in (UPLINK, OUTBOUND):
        # A tag of whoever sent it would stay on the frame all along.
        yield stage.row("tagged", [FieldMatch(f.VLAN_VID, f.VLAN_PRESENT, f.VLAN_PRESENT)], (), None, origin)
    for state in (CtState.ESTABLISHED, CtState.RELATED):
        known = FieldMatch(f.CT_STATE, CtState.TRACKED | state, CtState.TRACKED | CtState.INVALID | state)
        for version in (4, 6):
            yield INBOUND.row("known", [_family(version), known], [DecTtl()], RESOLVE, origin)


# --- what is let in ---------------------------------------------------------------------------------------------------


def floating_rows(routed: Routed, floating: Floating) -> Iterator[Row]:
    """An outside address that is one member's own."""
    outer, inner, version = floating.address, floating.inside, floating.inside.version
    zone, mac, wire, origin = routed.gateway.zone, routed.gateway.mac, routed.wire, routed.origin
    is_plain = outer == inner
    host, whole = alone(outer), alone(inner)
    yield _outbound_row(routed, "floating", whole, None if is_plain else Nat(int(outer), version == 6))
    if not is_plain:
        yield _leaves(routed, host)
        yield own_address_row(wire, outer, mac, origin)
        yield DEPART.row("own", [_uplink(routed), _family(version), _destination(host)], _back_in(mac), None, origin)
    inward = [_uplink(routed), FieldMatch(f.ETH_DST, mac), _family(version), _destination(host)]
    nat = None if is_plain else Nat(int(inner), version == 6, source=False)
    into = Track(zone, INBOUND.table, commit=True, nat=nat)
    yield UPLINK.row("floating", inward, [*routed.came, into], None, origin)


def forward_rows(routed: Routed, forward: Forward) -> Iterator[Row]:
    """A port of an outside address that is one member's own.

    The connection is translated in both zones, as those that begin inside are: so all that follows, errors and
    fragments too, finds its way as theirs does. Of a first datagram in fragments no port is seen; it is dropped.
    """
    stand_in = routed.gateway.stand_in
    new = CtState.TRACKED | CtState.NEW
    asked = [
        FieldMatch(f.ETH_TYPE, IPV4),
        FieldMatch(f.CT_STATE, new, new | CtState.INVALID),
        FieldMatch(f.CT_NW_PROTO, forward.protocol),
        FieldMatch(f.CT_NW_DST, int(forward.address)),
        FieldMatch(f.CT_TP_DST, forward.port),
    ]
    first = Track(SHARED_ZONE, PORTS.table, commit=True, nat=Nat(stand_in, source=False))
    yield RETURN.row("forward", asked, [*routed.came, first], None, routed.origin)
    shared = [
        FieldMatch(NETWORK_REG.field, routed.gateway.network),
        FieldMatch(f.ETH_TYPE, IPV4),
        FieldMatch(f.IP_PROTO, forward.protocol),
        FieldMatch(f.IPV4_DST, stand_in),
        FieldMatch(f.TCP_DST if forward.protocol == _TCP else f.UDP_DST, forward.port),
    ]
    nat = Nat(int(forward.inside), source=False, ports=(forward.inside_port, forward.inside_port))
    second = Track(routed.gateway.zone, INBOUND.table, commit=True, nat=nat)
    yield PORTS.row("forward", shared, [second], None, routed.origin)


def inside_row(routed: Routed, inside: Address) -> Row:
    """That something new may come in to a member, as its floating addresses or forwarded ports have it."""
    new = CtState.TRACKED | CtState.NEW
    host = alone(inside)
    asked = [
        FieldMatch(NETWORK_REG.field, routed.gateway.network),
        _family(inside.version),
        _destination(host),
        FieldMatch(f.CT_STATE, new, new | CtState.INVALID),
    ]
    return INBOUND.row("new", asked, [DecTtl()], RESOLVE, routed.origin)


# --- members ----------------------------------------------------------------------------------------------------------


def resolve_row(network: int, router: int, interface: int, mac: int, address: Address) -> Row:
    """Who has an IP address in a network: what is routed to there is sent to, by the router's MAC address."""
    mine = [FieldMatch(NETWORK_REG.field, network), _family(address.version), _destination(alone(address))]
    to = [SetField(f.ETH_SRC, router), SetField(f.ETH_DST, mac)]
    return RESOLVE.row("address", mine, to, FORWARD, Origin(Subject.INTERFACE, interface))


def translated_rows(routed: Routed, way_out: Exit, inside: IPv6Address) -> Iterator[Row]:
    """A member's IPv6 address that outside has another prefix (as RFC 6296 has it, but tracked)."""
    if way_out.prefix is None:
        return
    outer = IPv6Address(int(way_out.prefix.network_address) | int(inside) & int(way_out.prefix.hostmask))
    yield _outbound_row(routed, "subnet", alone(inside), Nat(int(outer), is_six=True))
    yield _leaves(routed, alone(outer))
    inward = [
        _uplink(routed),
        FieldMatch(f.ETH_DST, routed.gateway.mac),
        _family(6),
        _destination(alone(outer)),
    ]
    yield own_address_row(routed.wire, outer, routed.gateway.mac, routed.origin)
    yield UPLINK.row(
        "prefix", inward, [*routed.came, Track(routed.gateway.zone, INBOUND.table, nat=Nat())], None, routed.origin
    )


# --- words ------------------------------------------------------------------------------------------------------------


def _uplink(routed: Routed) -> FieldMatch:
    return FieldMatch(UPLINK_REG.field, routed.wire.port)


def _family(version: int) -> FieldMatch:
    return FieldMatch(f.ETH_TYPE, IPV4 if version == 4 else IPV6)


def _source(prefix: Prefix) -> FieldMatch:
    field = f.IPV4_SRC if prefix.version == 4 else f.IPV6_SRC
    return FieldMatch(field, int(prefix.network_address), int(prefix.netmask))


def _destination(prefix: Prefix) -> FieldMatch:
    field = f.IPV4_DST if prefix.version == 4 else f.IPV6_DST
    return FieldMatch(field, int(prefix.network_address), int(prefix.netmask))


def alone(address: Address) -> Prefix:
    """An address as a prefix of its whole length."""
    return IPv4Network(address) if isinstance(address, IPv4Address) else IPv6Network(address)
