"""Ethernet, IPv4, IPv6 and UDP around what is said, and the Internet checksum; and the same taken apart.

Ethernet   destination (48) | source (48) | EtherType (16)                                   IEEE 802.3, 3.2
IPv4       RFC 791, 3.1; written without options
IPv6       RFC 8200, 3; written without extension headers
UDP        source port (16) | destination port (16) | length (16) | checksum (16)            RFC 768

What is read may be anything at all that a machine sends: what is not as it must be is nothing (None). Checksums of UDP
and ICMPv6 are not looked at: what comes over a port of our own switch may have been left for hardware to fill in.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from ..model.outside import Address

ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
ICMP, UDP, ICMPV6 = 1, 17, 58
BROADCAST = 0xFFFF_FFFF_FFFF
SHORTEST = 60
"""Bytes of an Ethernet frame at least, without its checksum."""
USUAL_TTL = 64

_ETHERNET = struct.Struct("!6s6sH")
_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")
_UDP = struct.Struct("!HHHH")

_LATER_FRAGMENT = 0x1FFF
"""The bits of IPv4's flags and fragment offset that are all zero in a first fragment, or in no fragment."""
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION = 0, 43, 44, 51, 60
_EXTENSIONS = frozenset((_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION))
_GROUP_BIT = 1 << 40


class Packet(NamedTuple):
    """An IP packet with the Ethernet header around it."""

    to_mac: int
    from_mac: int
    source: Address
    destination: Address
    protocol: int
    """Of what it carries; in IPv6, behind the extension headers."""
    ttl: int
    """Or hop limit."""
    is_first: bool
    """Whether it is no later fragment of another: then it starts with the header of its protocol."""
    body: bytes
    """What it carries, as far as it is there: a switch may have told only of its first bytes."""
    whole: bytes
    """From its IP header on, as far as it is there, and without what Ethernet was padded with."""
    length: int
    """Of the whole in bytes, as its header has it."""

    @property
    def is_to_many(self) -> bool:
        """Whether it is for more than one machine, by its addresses."""
        return bool(self.to_mac & _GROUP_BIT) or self.destination.is_multicast or int(self.destination) == 0xFFFF_FFFF


def ethernet(destination: int, source: int, ethertype: int, payload: bytes) -> bytes:
    """A frame, padded to the shortest that there may be."""
    head = _ETHERNET.pack(destination.to_bytes(6, "big"), source.to_bytes(6, "big"), ethertype)
    return (head + payload).ljust(SHORTEST, b"\0")


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(source: Address, destination: Address, protocol: int, payload: bytes, ttl: int = USUAL_TTL) -> bytes:
    """An IP packet. Raises ValueError where one address is of IPv4 and the other of IPv6."""
    if isinstance(source, IPv4Address) and isinstance(destination, IPv4Address):
        length = _IPV4.size + len(payload)
        parts = (0x45, 0, length, 0, 0, ttl, protocol)
        head = _IPV4.pack(*parts, 0, source.packed, destination.packed)
        return _IPV4.pack(*parts, checksum(head), source.packed, destination.packed) + payload
    if isinstance(source, IPv6Address) and isinstance(destination, IPv6Address):
        return _IPV6.pack(6 << 28, len(payload), protocol, ttl, source.packed, destination.packed) + payload
    raise ValueError(f"{source} and {destination} are of different versions of IP")


def ethertype_of(address: Address) -> int:
    """The EtherType of packets to an address."""
    return IPV4 if address.version == 4 else IPV6


def pseudo_header(source: Address, destination: Address, protocol: int, length: int) -> bytes:
    """What the checksums of UDP and ICMPv6 also cover (RFC 768; RFC 8200, 8.1)."""
    if source.version == 4:
        return source.packed + destination.packed + struct.pack("!BBH", 0, protocol, length)
    return source.packed + destination.packed + struct.pack("!II", length, protocol)


def udp(source: Address, destination: Address, ports: tuple[int, int], payload: bytes) -> bytes:
    """A datagram with its checksum, from the first port to the second."""
    length = _UDP.size + len(payload)
    unsummed = _UDP.pack(*ports, length, 0) + payload
    value = checksum(pseudo_header(source, destination, UDP, length) + unsummed) or 0xFFFF
    return _UDP.pack(*ports, length, value) + payload


def icmpv6(source: Address, destination: Address, message: bytes) -> bytes:
    """An ICMPv6 message (RFC 4443, 2.3), its checksum put in at its third byte."""
    value = checksum(pseudo_header(source, destination, ICMPV6, len(message)) + message)
    return message[:2] + struct.pack("!H", value) + message[4:]


def read(frame: bytes) -> Packet | None:
    """The IP packet in a frame; None where there is none, or in a VLAN tag, or it is not put as it must be."""
    if len(frame) < _ETHERNET.size:
        return None
    to_mac, from_mac, ethertype = _ETHERNET.unpack_from(frame)
    macs = int.from_bytes(to_mac, "big"), int.from_bytes(from_mac, "big")
    if ethertype == IPV4:
        return _read_four(*macs, frame[_ETHERNET.size :])
    return _read_six(*macs, frame[_ETHERNET.size :]) if ethertype == IPV6 else None


def _read_four(to_mac: int, from_mac: int, data: bytes) -> Packet | None:
    if len(data) < _IPV4.size:
        return None
    first, _, length, _, fragment, ttl, protocol, _, source, destination = _IPV4.unpack_from(data)
    size = (first & 0xF) * 4
    if first >> 4 != 4 or not _IPV4.size <= size <= min(length, len(data)) or checksum(data[:size]):
        return None
    whole = data[:length]
    addresses = IPv4Address(source), IPv4Address(destination)
    is_first = not fragment & _LATER_FRAGMENT
    return Packet(to_mac, from_mac, *addresses, protocol, ttl, is_first, whole[size:], whole, length)


def _read_six(to_mac: int, from_mac: int, data: bytes) -> Packet | None:
    if len(data) < _IPV6.size:
        return None
    first, payload, following, ttl, source, destination = _IPV6.unpack_from(data)
    if first >> 28 != 6:
        return None
    whole = data[: _IPV6.size + payload]
    at, is_first = _IPV6.size, True
    while following in _EXTENSIONS and is_first:
        if len(whole) < at + 8:
            return None
        kind, following, units = following, whole[at], whole[at + 1]
        if kind == _FRAGMENT:
            is_first = not int.from_bytes(whole[at + 2 : at + 4], "big") >> 3
            at += 8
        else:
            # RFC 8200, 4.3; of RFC 4302, 2.2 the length of authentication is in other units.
            at += (units + 2) * 4 if kind == _AUTHENTICATION else (units + 1) * 8
    addresses = IPv6Address(source), IPv6Address(destination)
    return Packet(to_mac, from_mac, *addresses, following, ttl, is_first, whole[at:], whole, _IPV6.size + payload)


class Datagram(NamedTuple):
    """What UDP carries, and between which ports."""

    source: int
    destination: int
    payload: bytes


def datagram(packet: Packet) -> Datagram | None:
    """The datagram in a packet; None where there is none, or not all of it."""
    if packet.protocol != UDP or not packet.is_first or len(packet.body) < _UDP.size:
        return None
    source, destination, length, _ = _UDP.unpack_from(packet.body)
    if not _UDP.size <= length <= len(packet.body):
        return None
    return Datagram(source, destination, packet.body[_UDP.size : length])
