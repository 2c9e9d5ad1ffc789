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
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import NamedTuple

from ..fabric.declared import Outside, Switch, Uplink
from ..model.names import Prefix
from ..model.outside import SHARED_ZONE, Address, Gateway, address_mac
from ..model.values import Network
from . import fields as f
from .answers import arp_reply, arp_request, solicitation, solicited
from .limits import metered, outward_bands
from .pipeline import (
    ADJACENCY_REG,
    ADVERTISE,
    DEPART,
    EGRESS,
    FROM_REG,
    INBOUND,
    LARGE_REG,
    NETWORK_REG,
    NEXT_HOPS_METER,
    OUTBOUND,
    PORT,
    RESOLVE,
    RETURN,
    SHARE,
    TAG_REG,
    TOLD_PACKET,
    TRANSLATE,
    TROUBLE_METER,
    UPLINK,
    UPLINK_REG,
    From,
    Metered,
    Toward,
    adjacency,
    meter_of,
    switch_mac,
)
from .prefixes import destination, family, source
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
_TELL: tuple[Action, ...] = (Meter(TROUBLE_METER), Output(CONTROLLER_PORT, TOLD_PACKET))
_TELL_HOP: tuple[Action, ...] = (Meter(NEXT_HOPS_METER), Output(CONTROLLER_PORT, TOLD_PACKET))
_TCP = 6
_NOT_FORWARDED: tuple[Prefix, ...] = (
    *(IPv4Network(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")),
    *(IPv6Network(text) for text in ("::/127", "fe80::/10", "ff00::/8")),
)
"""What no router forwards: itself, its link, groups, broadcasts (RFC 1812, 5.3.7; RFC 3927, 7; RFC 4291, 2.5, 2.7)."""


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
    def here(self) -> FieldMatch:
        """By the uplink that leads outside."""
        return FieldMatch(UPLINK_REG.field, self.wire.port)

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
            large = [here, family(version), FieldMatch(LARGE_REG.field, 1)]
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
        yield UPLINK.row("own", [here, *says], _TELL_HOP, None, origin)
    for version, mac in sorted(wire.hops.items()):
        leaves: list[Action] = [SetField(f.ETH_DST, mac), Output(wire.port)]
        yield DEPART.row("hop", [here, family(version)], leaves, None, origin)


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
    yield DEPART.row("own", here, back_in(mac), None, origin)


def back_in(mac: int) -> list[Action]:
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
    for prefix in routed_prefixes(routed.network):
        yield from _outbound_rows(routed, prefix, is_narrow)
    way_out = routed.network.exit
    for subnet in routed.network.subnets:
        if subnet.prefix.version == 4 or (way_out is not None and way_out.prefix is not None):
            # These addresses are on no wire outside. IPv6 as it is may come back from there by a floating one.
            inside = [mine, family(subnet.prefix.version), source(subnet.prefix)]
            yield INBOUND.row("forged", inside, (), None, origin)
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


def routed_prefixes(network: Network) -> list[Prefix]:
    """Those of a network's subnets that have a router: only of these is it known that they may go outside."""
    return [subnet.prefix for subnet in network.subnets if subnet.gateway is not None]


def _outbound_rows(routed: Routed, prefix: Prefix, is_narrow: bool) -> Iterator[Row]:
    gateway, way_out, origin = routed.gateway, routed.network.exit, routed.origin
    version = prefix.version
    mine = [
        FieldMatch(NETWORK_REG.field, gateway.network),
        FieldMatch(f.ETH_DST, gateway.mac),
        family(version),
    ]
    # What is for its own subnet needs no router, and is not for the outside to see.
    yield OUTBOUND.row("inside", [*mine, destination(prefix)], (), None, origin)
    for spent in (0, 1):
        yield OUTBOUND.row("spent", [*mine, FieldMatch(f.IP_TTL, spent)], _TELL, None, origin)
    if is_narrow:
        yield OUTBOUND.row("large", [*mine, FieldMatch(LARGE_REG.field, 1)], _TELL, None, origin)
    if isinstance(prefix, IPv4Network):
        if gateway.address is not None:
            yield outbound_row(routed, "subnet", prefix, Nat(gateway.stand_in))
    elif way_out is not None and way_out.prefix is None:
        yield outbound_row(routed, "subnet", prefix, None)
        yield leaves_row(routed, prefix)
        inward = [routed.here, FieldMatch(f.ETH_DST, gateway.mac), family(6), destination(prefix)]
        into = Track(gateway.zone, INBOUND.table)
        yield UPLINK.row("prefix", inward, [*routed.came, into], None, origin)
        if isinstance(prefix, IPv6Network):
            yield own_address_row(routed.wire, prefix, gateway.mac, origin)


def outbound_row(routed: Routed, band: str, inside: Prefix, nat: Nat | None) -> Row:
    """What an address inside sends outside, by the network's zone. `nat`: what it becomes there."""
    gateway = routed.gateway
    mine = [
        FieldMatch(NETWORK_REG.field, gateway.network),
        FieldMatch(f.ETH_DST, gateway.mac),
        family(inside.version),
        source(inside),
    ]
    track = Track(gateway.zone, TRANSLATE.table, commit=True, nat=nat)
    # Here and not where frames for the router arrive, which those for everybody pass as well.
    meter = routed.bands.get(meter_of(Metered.OUT, gateway.zone))
    return OUTBOUND.row(band, mine, metered(meter, [DecTtl(), track]), None, routed.origin)


def leaves_row(routed: Routed, outer: Prefix) -> Row:
    """What may leave, once it is translated in its network's zone."""
    valid = FieldMatch(f.CT_STATE, CtState.TRACKED, CtState.TRACKED | CtState.INVALID)
    mine = [FieldMatch(NETWORK_REG.field, routed.gateway.network), family(outer.version), source(outer), valid]
    return TRANSLATE.row("own", mine, [SetField(f.ETH_SRC, routed.gateway.mac)], DEPART, routed.origin)


def standing_rows(switch: Switch) -> Iterator[Row]:
    """What holds for all networks at a gateway."""
    origin = Origin(Subject.SWITCH, switch.number)
    for nowhere in _NOT_FORWARDED:
        yield OUTBOUND.row("inside", [family(nowhere.version), destination(nowhere)], (), None, origin)
    for stage in (UPLINK, OUTBOUND):
        # A tag of whoever sent it would stay on the frame all along.
        yield stage.row("tagged", [FieldMatch(f.VLAN_VID, f.VLAN_PRESENT, f.VLAN_PRESENT)], (), None, origin)
    for state in (CtState.ESTABLISHED, CtState.RELATED):
        known = FieldMatch(f.CT_STATE, CtState.TRACKED | state, CtState.TRACKED | CtState.INVALID | state)
        for version in (4, 6):
            yield INBOUND.row("known", [family(version), known], [DecTtl()], RESOLVE, origin)
