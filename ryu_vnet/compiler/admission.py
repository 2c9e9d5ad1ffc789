"""The rows that let something in from outside, and those of members with an outside address: at a gateway's switch.

What is new comes in to a floating address, to a forwarded port, or by a prefix outside; all of it is tracked in the
network's zone and passes INBOUND, as what answers does (`gateway.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address

from ..model.outside import SHARED_ZONE, Address, Exit, Floating, Forward
from . import fields as f
from .gateway import Routed, back_in, leaves_row, outbound_row, own_address_row, routed_prefixes
from .pipeline import DEPART, FORWARD, INBOUND, NETWORK_REG, PORTS, RESOLVE, RETURN, UPLINK
from .prefixes import alone, destination, family
from .rows import CtState, DecTtl, FieldMatch, Nat, Origin, Row, SetField, Subject, Track
from .source import IPV4

_TCP = 6


def floating_rows(routed: Routed, floating: Floating) -> Iterator[Row]:
    """An outside address that is one member's own."""
    outer, inner, version = floating.address, floating.inside, floating.inside.version
    zone, mac, wire, origin = routed.gateway.zone, routed.gateway.mac, routed.wire, routed.origin
    is_plain = outer == inner
    host, whole = alone(outer), alone(inner)
    yield outbound_row(routed, "floating", whole, None if is_plain else Nat(int(outer), version == 6))
    if not is_plain:
        yield leaves_row(routed, host)
        yield own_address_row(wire, outer, mac, origin)
        yield DEPART.row("own", [routed.here, family(version), destination(host)], back_in(mac), None, origin)
        if version == 6:
            # By the address that it has inside, which may be one outside as well, nothing is let in.
            direct = [routed.here, FieldMatch(f.ETH_DST, mac), family(version), destination(whole)]
            yield UPLINK.row("floating", direct, (), None, origin)
    inward = [routed.here, FieldMatch(f.ETH_DST, mac), family(version), destination(host)]
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
        family(inside.version),
        destination(host),
        FieldMatch(f.CT_STATE, new, new | CtState.INVALID),
    ]
    return INBOUND.row("new", asked, [DecTtl()], RESOLVE, routed.origin)


def resolve_row(network: int, router: int, interface: int, mac: int, address: Address) -> Row:
    """Who has an IP address in a network: what is routed to there is sent to, by the router's MAC address."""
    mine = [FieldMatch(NETWORK_REG.field, network), family(address.version), destination(alone(address))]
    to = [SetField(f.ETH_SRC, router), SetField(f.ETH_DST, mac)]
    return RESOLVE.row("address", mine, to, FORWARD, Origin(Subject.INTERFACE, interface))


def translated_rows(routed: Routed, way_out: Exit, inside: IPv6Address) -> Iterator[Row]:
    """A member's IPv6 address that outside has another prefix (as RFC 6296 has it, but tracked)."""
    if way_out.prefix is None or not any(inside in prefix for prefix in routed_prefixes(routed.network)):
        return
    outer = IPv6Address(int(way_out.prefix.network_address) | int(inside) & int(way_out.prefix.hostmask))
    yield outbound_row(routed, "subnet", alone(inside), Nat(int(outer), is_six=True))
    yield leaves_row(routed, alone(outer))
    inward = [
        routed.here,
        FieldMatch(f.ETH_DST, routed.gateway.mac),
        family(6),
        destination(alone(outer)),
    ]
    yield own_address_row(routed.wire, outer, routed.gateway.mac, routed.origin)
    yield UPLINK.row(
        "prefix", inward, [*routed.came, Track(routed.gateway.zone, INBOUND.table, nat=Nat())], None, routed.origin
    )
