"""The frames that nodes send, ready made with right lengths and checksums. MAC addresses are numbers of 48 bits.

IP addresses are given in any form that `ipaddress` takes: text, number or address.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from ..errors import Invalid
from .checksums import crc32c, internet_checksum
from .packet import ETH_TYPE_VLAN, Packet, parse
from .upper import (
    ETH_TYPE_ARP,
    ETH_TYPE_IPV4,
    ETH_TYPE_IPV6,
    NEIGHBOUR_ADVERTISEMENT,
    NEIGHBOUR_SOLICITATION,
    PROTO_FRAGMENT,
    PROTO_ICMP,
    PROTO_ICMPV6,
    PROTO_SCTP,
    PROTO_TCP,
    PROTO_UDP,
    Ip,
)

BROADCAST = 0xFFFF_FFFF_FFFF
ARP_REQUEST, ARP_REPLY = 1, 2

Ipv4 = IPv4Address | str | int
Ipv6 = IPv6Address | str | int

_ECHO_REQUEST, _ECHO_REQUEST_V6 = 8, 128
_ECHO_REPLY, _ECHO_REPLY_V6 = 0, 129
_TTL = 64
SYN, SYN_ACK = 0x02, 0x12
"""Flags of the two first segments of a connection (RFC 9293, 3.1)."""
_INIT = 1
_WINDOW = 0xFFFF
"""What the opener of a connection is ready to receive, in bytes."""
_DISCOVERY_HOP_LIMIT = 255
"""Neighbour discovery with any other hop limit is not believed (RFC 4861, 7.1)."""


@dataclass(frozen=True, slots=True)
class Link:
    """From which MAC address to which."""

    src: int
    dst: int


def raw(link: Link, eth_type: int, payload: bytes = b"") -> Packet:
    """A frame of any EtherType; below 0x600 it is the length field of an 802.3 frame."""
    return parse(_addresses(link) + eth_type.to_bytes(2, "big") + payload)


def tagged(frame: Packet, vid: int, tpid: int = ETH_TYPE_VLAN) -> Packet:
    """A frame with one more VLAN tag, outermost, as a node or a trunk would send it."""
    data = frame.to_bytes()
    return parse(data[:12] + struct.pack("!HH", tpid, vid) + data[12:])


def arp_request(src: int, sender: Ipv4, target: Ipv4) -> Packet:
    """Who has `target`? Tell `sender` at `src` (RFC 826)."""
    return arp(Link(src, BROADCAST), ARP_REQUEST, (src, sender), (0, target))


def arp_reply(link: Link, sender: Ipv4, target: Ipv4) -> Packet:
    """`sender` is at `link.src` (RFC 826)."""
    return arp(link, ARP_REPLY, (link.src, sender), (link.dst, target))


def arp(link: Link, op: int, sender: tuple[int, Ipv4], target: tuple[int, Ipv4]) -> Packet:
    """Any ARP: `sender` and `target` are pairs of hardware and protocol address."""
    fixed = struct.pack("!HHBBH", 1, ETH_TYPE_IPV4, 6, 4, op)
    addresses = b"".join(mac.to_bytes(6, "big") + IPv4Address(ip).packed for mac, ip in (sender, target))
    return raw(link, ETH_TYPE_ARP, fixed + addresses)


def ipv4_udp(link: Link, src: Ipv4, dst: Ipv4, ports: tuple[int, int], data: bytes = b"", dscp: int = 0) -> Packet:
    """UDP over IPv4 (RFC 768); `ports` are source and destination, `dscp` is a class of service, 0 to 63."""
    addresses = IPv4Address(src).packed + IPv4Address(dst).packed
    return ipv4(link, src, dst, PROTO_UDP, _udp(addresses, ports, data), dscp << 2)


def ipv4_tcp(link: Link, src: Ipv4, dst: Ipv4, ports: tuple[int, int], dscp: int = 0, flags: int = SYN) -> Packet:
    """The SYN that opens a TCP connection over IPv4 (RFC 9293, 3.1), or a segment with other flags; `ports` and `dscp`
    as for UDP."""
    addresses = IPv4Address(src).packed + IPv4Address(dst).packed
    return ipv4(link, src, dst, PROTO_TCP, _tcp(addresses, ports, flags), dscp << 2)


def ipv4_sctp(link: Link, src: Ipv4, dst: Ipv4, ports: tuple[int, int], dscp: int = 0) -> Packet:
    """The INIT that opens an SCTP association over IPv4 (RFC 9260, 3.3.2); `ports` and `dscp` as for UDP."""
    return ipv4(link, src, dst, PROTO_SCTP, _sctp(ports), dscp << 2)


def ipv4_echo(link: Link, src: Ipv4, dst: Ipv4, data: bytes = b"", *, reply: bool = False) -> Packet:
    """An ICMP echo request, or the reply to it (RFC 792)."""
    kind = _ECHO_REPLY if reply else _ECHO_REQUEST
    return ipv4(link, src, dst, PROTO_ICMP, _summed(struct.pack("!BBHHH", kind, 0, 0, 1, 1) + data, b""))


def ipv4(link: Link, src: Ipv4, dst: Ipv4, proto: int, payload: bytes, tos: int = 0, ttl: int = _TTL) -> Packet:
    """Any IPv4 packet without options (RFC 791)."""
    addresses = IPv4Address(src).packed + IPv4Address(dst).packed
    header = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(payload), 0, 0, ttl, proto, 0) + addresses
    return raw(link, ETH_TYPE_IPV4, _summed_ipv4(header) + payload)


def ipv6_udp(link: Link, src: Ipv6, dst: Ipv6, ports: tuple[int, int], data: bytes = b"", dscp: int = 0) -> Packet:
    """UDP over IPv6 (RFC 768, RFC 8200 8.1); `ports` and `dscp` as over IPv4."""
    addresses = IPv6Address(src).packed + IPv6Address(dst).packed
    return ipv6(link, src, dst, PROTO_UDP, _udp(addresses, ports, data), traffic_class=dscp << 2)


def ipv6_tcp(link: Link, src: Ipv6, dst: Ipv6, ports: tuple[int, int], dscp: int = 0, flags: int = SYN) -> Packet:
    """The SYN that opens a TCP connection over IPv6, or another segment; `ports`, `dscp` and `flags` as over IPv4."""
    addresses = IPv6Address(src).packed + IPv6Address(dst).packed
    return ipv6(link, src, dst, PROTO_TCP, _tcp(addresses, ports, flags), traffic_class=dscp << 2)


def ipv6_sctp(link: Link, src: Ipv6, dst: Ipv6, ports: tuple[int, int], dscp: int = 0) -> Packet:
    """The INIT that opens an SCTP association over IPv6; `ports` and `dscp` as over IPv4."""
    return ipv6(link, src, dst, PROTO_SCTP, _sctp(ports), traffic_class=dscp << 2)


def ipv6_echo(link: Link, src: Ipv6, dst: Ipv6, data: bytes = b"", *, reply: bool = False) -> Packet:
    """An ICMPv6 echo request, or the reply to it (RFC 4443, 4.1 and 4.2)."""
    kind = _ECHO_REPLY_V6 if reply else _ECHO_REQUEST_V6
    return icmpv6(link, src, dst, struct.pack("!BBHHH", kind, 0, 0, 1, 1) + data)


def neighbour_solicitation(src: int, sender: Ipv6, target: Ipv6, sll: int | None = None) -> Packet:
    """Who has `target`? To its solicited-node group (RFC 4861, 4.3); with `sll` as source link-layer address.

    A node that asks whether an address is free has the unspecified address `::` as sender, and gives no `sll`.
    """
    group = int(IPv6Address("ff02::1:ff00:0")) | int(IPv6Address(target)) & 0xFF_FFFF
    link = Link(src, 0x3333_0000_0000 | group & 0xFFFF_FFFF)
    message = struct.pack("!BBHI", NEIGHBOUR_SOLICITATION, 0, 0, 0) + IPv6Address(target).packed + _option(1, sll)
    return icmpv6(link, sender, group, message, _DISCOVERY_HOP_LIMIT)


def neighbour_advertisement(link: Link, sender: Ipv6, target: Ipv6, dst: Ipv6, tll: int | None = None) -> Packet:
    """`target` is here (RFC 4861, 4.4): solicited, override; with `tll` as target link-layer address."""
    flags = 0x6000_0000
    message = struct.pack("!BBHI", NEIGHBOUR_ADVERTISEMENT, 0, 0, flags) + IPv6Address(target).packed
    return icmpv6(link, sender, dst, message + _option(2, tll), _DISCOVERY_HOP_LIMIT)


def icmpv6(link: Link, src: Ipv6, dst: Ipv6, message: bytes, hop_limit: int = _TTL) -> Packet:
    """Any ICMPv6 message, whose checksum bytes are zero when given (RFC 4443, 2.3)."""
    addresses = IPv6Address(src).packed + IPv6Address(dst).packed
    pseudo = addresses + struct.pack("!II", len(message), PROTO_ICMPV6)
    return ipv6(link, src, dst, PROTO_ICMPV6, _summed(message, pseudo), hop_limit)


def ipv6(
    link: Link, src: Ipv6, dst: Ipv6, proto: int, payload: bytes, hop_limit: int = _TTL, traffic_class: int = 0
) -> Packet:
    """Any IPv6 packet; `proto` may be an extension header's number (RFC 8200)."""
    header = struct.pack("!IHBB", 6 << 28 | traffic_class << 20, len(payload), proto, hop_limit)
    return raw(link, ETH_TYPE_IPV6, header + IPv6Address(src).packed + IPv6Address(dst).packed + payload)


def fragments(frame: Packet, size: int = 8, identification: int = 1) -> list[Packet]:
    """A whole IP packet cut into fragments of at most `size` bytes, in order (RFC 791, 3.2; RFC 8200, 4.5).

    IPv4 packets have no options, IPv6 packets no extension headers. A packet that fits one fragment gives one: over
    IPv4 itself but for its identification, over IPv6 with a fragment header (RFC 6946 calls it atomic). Raises Invalid
    for a size that is not a multiple of 8, and for frames that are not IP.
    """
    if size <= 0 or size % 8 or not isinstance(frame.upper, Ip):
        raise Invalid(f"{frame.upper} in fragments of {size} bytes; wanted: IP, and a multiple of 8")
    cut = _ipv4_fragment if frame.upper.version == 4 else _ipv6_fragment
    header = 20 if frame.upper.version == 4 else 40
    whole, data = frame.to_bytes(), frame.payload[header:]
    ethernet = whole[: len(whole) - len(frame.payload)]
    return [
        parse(ethernet + cut(frame.payload[:header], data[at : at + size], at, at + size < len(data), identification))
        for at in range(0, len(data) or 1, size)
    ]


def _ipv4_fragment(header: bytes, data: bytes, at: int, more: bool, identification: int) -> bytes:
    place = struct.pack("!HHH", len(header) + len(data), identification, more << 13 | at // 8)
    return _summed_ipv4(header[:2] + place + header[8:10] + bytes(2) + header[12:]) + data


def _ipv6_fragment(header: bytes, data: bytes, at: int, more: bool, identification: int) -> bytes:
    fragment = struct.pack("!BxHI", header[6], at | more, identification)
    length = struct.pack("!HB", len(fragment) + len(data), PROTO_FRAGMENT)
    return header[:4] + length + header[7:] + fragment + data


def _addresses(link: Link) -> bytes:
    return link.dst.to_bytes(6, "big") + link.src.to_bytes(6, "big")


def _option(kind: int, mac: int | None) -> bytes:
    return b"" if mac is None else bytes((kind, 1)) + mac.to_bytes(6, "big")


def _udp(addresses: bytes, ports: tuple[int, int], data: bytes) -> bytes:
    length = 8 + len(data)
    datagram = struct.pack("!HHHH", *ports, length, 0) + data
    checksum = internet_checksum(addresses + struct.pack("!II", length, PROTO_UDP) + datagram) or 0xFFFF
    return datagram[:6] + checksum.to_bytes(2, "big") + datagram[8:]


def _tcp(addresses: bytes, ports: tuple[int, int], flags: int) -> bytes:
    """A header without options, its numbers zero but for the window."""
    segment = struct.pack("!HHIIBBHHH", *ports, 0, 0, 5 << 4, flags, _WINDOW, 0, 0)
    checksum = internet_checksum(addresses + struct.pack("!II", len(segment), PROTO_TCP) + segment)
    return segment[:16] + checksum.to_bytes(2, "big") + segment[18:]


def _sctp(ports: tuple[int, int]) -> bytes:
    """A common header and an INIT chunk: initiate tag 1, one stream each way, first TSN 1."""
    init = struct.pack("!BBHIIHHI", _INIT, 0, 20, 1, _WINDOW, 1, 1, 1)
    packet = struct.pack("!HHII", *ports, 0, 0) + init
    return packet[:8] + crc32c(packet).to_bytes(4, "little") + packet[12:]


def _summed_ipv4(header: bytes) -> bytes:
    """An IPv4 header with its checksum, which stands in bytes 10 and 11 and is zero when given, filled in."""
    return header[:10] + internet_checksum(header).to_bytes(2, "big") + header[12:]


def _summed(message: bytes, pseudo: bytes) -> bytes:
    """An ICMP message with its checksum, which stands in bytes 2 and 3, filled in."""
    return message[:2] + internet_checksum(pseudo + message).to_bytes(2, "big") + message[4:]
