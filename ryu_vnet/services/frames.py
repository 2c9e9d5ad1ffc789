"""Ethernet, IPv4, IPv6 and UDP around what is said, and the Internet checksum.

Ethernet   destination (48) | source (48) | EtherType (16)                                   IEEE 802.3, 3.2
IPv4       RFC 791, 3.1, without options
IPv6       RFC 8200, 3
UDP        source port (16) | destination port (16) | length (16) | checksum (16)            RFC 768
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

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
