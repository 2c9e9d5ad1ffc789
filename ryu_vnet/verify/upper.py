"""What Open vSwitch sees of ARP, IP, TCP, UDP, SCTP and ICMP in a frame: exactly that, and no more.

A switch matches on what its own parser finds, so a header that is cut off, or says of itself that it is longer than
the frame, must look here as it looks there: absent, which for a match means zero. Nothing here ever raises. Formats:
ARP RFC 826; IPv4 RFC 791; IPv6 RFC 8200; DSCP RFC 2474; TCP RFC 9293; UDP RFC 768; SCTP RFC 9260; ICMP RFC 792;
ICMPv6 RFC 4443; neighbour discovery RFC 4861. What is seen of a malformed header follows ovs-fields(7), and was
compared with ovs-vswitchd (tests/switch/test_simulate_agrees.py).

Fragments are handled as by a switch at its default, `normal` (ovs-ofctl(8), `set-frags`): none of them has ports or an
ICMPv6 type, not even the first, in which they stand; so that all fragments of a packet take the same way.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

ETH_TYPE_IPV4 = 0x0800
ETH_TYPE_ARP = 0x0806
ETH_TYPE_RARP = 0x8035
ETH_TYPE_IPV6 = 0x86DD

PROTO_ICMP = 1
PROTO_TCP = 6
PROTO_UDP = 17
PROTO_FRAGMENT = 44
PROTO_ICMPV6 = 58
PROTO_SCTP = 132
NEIGHBOUR_SOLICITATION = 135
NEIGHBOUR_ADVERTISEMENT = 136

_HOP_BY_HOP, _ROUTING, _AUTHENTICATION, _DESTINATION = 0, 43, 51, 60
_EXTENSIONS = frozenset((_HOP_BY_HOP, _ROUTING, PROTO_FRAGMENT, _AUTHENTICATION, _DESTINATION))
_SOURCE_LINK_ADDRESS, _TARGET_LINK_ADDRESS = 1, 2
_FRAGMENT_ANY, _FRAGMENT_LATER = 1, 2
"""The bits of `ip_frag`: a fragment; not the first one."""
_SHORTEST = {PROTO_ICMP: 8, PROTO_TCP: 20, PROTO_UDP: 8, PROTO_SCTP: 12, PROTO_ICMPV6: 8}
"""Bytes of each protocol's fixed header: with less, a switch sees nothing of it."""
_ETHERNET_ARP = bytes.fromhex("0001 0800 06 04")
"""Hardware type Ethernet, protocol type IPv4, address lengths 6 and 4: the only ARP that is looked into."""


@dataclass(frozen=True, slots=True)
class Arp:
    """ARP or RARP: operation (0 where it does not fit a byte), protocol and hardware addresses, as numbers."""

    op: int = 0
    spa: int = 0
    tpa: int = 0
    sha: int = 0
    tha: int = 0


@dataclass(frozen=True, slots=True)
class Ports:
    """Source and destination port."""

    src: int
    dst: int


@dataclass(frozen=True, slots=True)
class Tcp(Ports):
    """TCP ports."""


@dataclass(frozen=True, slots=True)
class Udp(Ports):
    """UDP ports."""


@dataclass(frozen=True, slots=True)
class Sctp(Ports):
    """SCTP ports."""


@dataclass(frozen=True, slots=True)
class Icmp:
    """ICMP of IPv4."""

    type: int
    code: int = 0


@dataclass(frozen=True, slots=True)
class Icmpv6:
    """ICMPv6. All but type and code are those of neighbour solicitations and advertisements, 0 where absent: `option`
    is the type of the first link-layer address option, `reserved` the 32 bits before the target, flags first."""

    type: int
    target: int = 0
    sll: int = 0
    tll: int = 0
    code: int = 0
    reserved: int = 0
    option: int = 0


Transport = Ports | Icmp | Icmpv6


@dataclass(frozen=True, slots=True)
class Ip:
    """IPv4 or IPv6 (`version`): addresses as numbers, and the protocol, after IPv6 extension headers.

    `dscp` is a number of 6 bits, `frag` that of ovs-fields(7) `ip_frag`: 0, 1 in the first fragment, 3 in later ones.
    `ttl` is IPv6's hop limit too. Where there is a `transport`, its header starts at byte `start` of the packet.
    """

    version: int
    src: int = 0
    dst: int = 0
    proto: int = 0
    transport: Transport | None = None
    dscp: int = 0
    frag: int = 0
    ttl: int = 0
    start: int = 0


_WITH_PORTS: dict[int, type[Ports]] = {PROTO_TCP: Tcp, PROTO_UDP: Udp, PROTO_SCTP: Sctp}

Upper = Arp | Ip | None


def parse_upper(eth_type: int, data: bytes) -> Upper:
    """What a switch sees in the bytes after the EtherType; None where it does not look into that EtherType."""
    if eth_type in (ETH_TYPE_ARP, ETH_TYPE_RARP):
        return _parse_arp(data)
    if eth_type == ETH_TYPE_IPV4:
        return _parse_ipv4(data)
    if eth_type == ETH_TYPE_IPV6:
        return _parse_ipv6(data)
    return None


def _parse_arp(data: bytes) -> Arp:
    if len(data) < 28 or data[:6] != _ETHERNET_ARP:
        return Arp()
    op = _number(data[6:8])
    return Arp(
        op if op <= 0xFF else 0,
        spa=_number(data[14:18]),
        tpa=_number(data[24:28]),
        sha=_number(data[8:14]),
        tha=_number(data[18:24]),
    )


def _parse_ipv4(data: bytes) -> Ip:
    if len(data) < 20:
        return Ip(4)
    first, tos, total, _, fragment, ttl, proto, _, src, dst = struct.unpack_from("!BBHHHBBHII", data)
    header = (first & 0x0F) * 4
    if header < 20 or not header <= total <= len(data):
        return Ip(4)
    frag = _frag(more=bool(fragment & 0x2000), offset=fragment & 0x1FFF)
    transport = None if frag else _parse_transport(4, proto, data[header:total])
    return Ip(4, src, dst, proto, transport, tos >> 2, frag, ttl, header)


def _parse_ipv6(data: bytes) -> Ip:
    if len(data) < 40:
        return Ip(6)
    first, length, proto, ttl = struct.unpack_from("!IHBB", data)
    if 40 + length > len(data):
        return Ip(6)
    src, dst = _number(data[8:24]), _number(data[24:40])
    found = _skip_extensions(proto, data[40 : 40 + length])
    if found is None:
        return Ip(6, src, dst)
    proto, frag, rest = found
    transport = None if frag else _parse_transport(6, proto, rest)
    return Ip(6, src, dst, proto, transport, first >> 22 & 0x3F, frag, ttl, 40 + length - len(rest))


def _frag(more: bool, offset: int) -> int:
    """The value of `ip_frag`. A fragment header that says it holds the whole packet makes no fragment (RFC 6946)."""
    if offset:
        return _FRAGMENT_ANY | _FRAGMENT_LATER
    return _FRAGMENT_ANY if more else 0


def _skip_extensions(proto: int, data: bytes) -> tuple[int, int, bytes] | None:
    """The first protocol that is no extension header, `ip_frag`, and what follows. None if a header is cut off.

    The later fragments of a packet end at the fragment header, whose number is then the protocol.
    """
    frag = 0
    while proto in _EXTENSIONS:
        if len(data) < 8:
            return None
        if proto == PROTO_FRAGMENT:
            length = 8
            place = _number(data[2:4])  # offset(13) reserved(2) more(1); the reserved bits too make a fragment of it
            frag = _frag(more=place != 0, offset=place >> 3) or frag
            if frag & _FRAGMENT_LATER:
                return PROTO_FRAGMENT, frag, b""
        elif proto == _AUTHENTICATION:
            length = (data[1] + 2) * 4
        else:
            length = (data[1] + 1) * 8
        if length > len(data):
            return None
        proto, data = data[0], data[length:]
    return proto, frag, data


def _parse_transport(version: int, proto: int, data: bytes) -> Transport | None:
    shortest = _SHORTEST.get(proto, 0)
    if len(data) < shortest:
        return None
    if proto == PROTO_TCP and not shortest <= (data[12] >> 4) * 4 <= len(data):
        return None  # of TCP's own length a switch makes sure, of UDP's it does not
    if proto in _WITH_PORTS:
        return _WITH_PORTS[proto](_number(data[:2]), _number(data[2:4]))
    if proto == PROTO_ICMP and version == 4:
        return Icmp(data[0], data[1])
    if proto == PROTO_ICMPV6 and version == 6:
        return _parse_icmpv6(data)
    return None


def _parse_icmpv6(data: bytes) -> Icmpv6:
    kind, code = data[0], data[1]
    if code != 0 or kind not in (NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT):
        return Icmpv6(kind, code=code)
    reserved = _number(data[4:8])
    addresses = {_SOURCE_LINK_ADDRESS: 0, _TARGET_LINK_ADDRESS: 0}
    first = 0
    options = data[24:]
    while len(options) >= 8:
        option, length = options[0], options[1] * 8
        if not 0 < length <= len(options):
            break
        if option in addresses and length == 8:
            if addresses[option]:
                # The same option twice: the switch then believes nothing but what it has not looked for.
                return Icmpv6(kind, reserved=reserved, option=first)
            addresses[option] = _number(options[2:8])
            first = first or option
        options = options[length:]
    target = _number(data[8:24]) if len(data) >= 24 else 0
    source, own = addresses[_SOURCE_LINK_ADDRESS], addresses[_TARGET_LINK_ADDRESS]
    return Icmpv6(kind, target, source, own, reserved=reserved, option=first)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")
