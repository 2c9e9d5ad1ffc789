"""What a router says of a packet that it does not forward: ICMP errors (RFC 792, RFC 1191, RFC 1812; RFC 4443).

 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+---------------+---------------+-------------------------------+
|     type      |     code      |           checksum            |
+---------------+---------------+-------------------------------+
|  ICMP: 0 (16), MTU of the next hop (16); ICMPv6: MTU (32)     |  the MTU where it is too large, else 0
+---------------------------------------------------------------+
|  the packet from its IP header on, as much of it as fits      |
"""

from __future__ import annotations

import struct
from enum import Enum
from ipaddress import IPv4Network

from ..model.outside import Address
from .frames import ICMP, ICMPV6, Packet, checksum, icmpv6, ip


class Trouble(Enum):
    """Why a packet is not forwarded: type and code of ICMP, and of ICMPv6."""

    SPENT = (11, 0), (3, 0)
    """Its TTL, or hop limit, is used up."""
    LARGE = (3, 4), (2, 0)
    """It is larger than where it is to go can take."""
    PROHIBITED = (3, 13), (1, 1)
    """A rule of the network's has it."""

    @property
    def word(self) -> str:
        """What it is called where it is counted."""
        return self.name.lower()


LONGEST_FOUR = 576
"""Bytes of an ICMP error with its IP header (RFC 1812, 4.3.2.3)."""
LONGEST_SIX = 1280
"""Bytes of an ICMPv6 error with its IPv6 header: what every link takes (RFC 4443, 2.4 c)."""
_HEADER = struct.Struct("!BBHI")
_FOUR_HEADERS, _SIX_HEADERS = 20 + _HEADER.size, 40 + _HEADER.size
_ERRORS_OF_FOUR = frozenset((3, 4, 5, 11, 12))
"""Destination unreachable, source quench, redirect, time exceeded, parameter problem."""
_FIRST_INFORMATION = 128
"""ICMPv6 types below are errors (RFC 4443, 2.1)."""
_REDIRECT = 137
_NOBODYS = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4")))
"""From where no machine sends: this network, itself, groups, and what is reserved with the broadcast in it."""


def error(what: Trouble, packet: Packet, own: Address, mtu: int = 0) -> bytes | None:
    """The IP packet by which a router with the address `own` tells a sender what became of his. `mtu` in bytes of IP.

    None where it must not (RFC 1812, 4.3.2.7; RFC 4443, 2.4 e), or the router's address is of another version.
    """
    if own.version != packet.source.version or not may_be_told(packet):
        return None
    four, six = what.value
    if own.version == 4:
        message = _HEADER.pack(*four, 0, min(mtu, 0xFFFF)) + packet.whole[: LONGEST_FOUR - _FOUR_HEADERS]
        summed = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
        return ip(own, packet.source, ICMP, summed)
    message = _HEADER.pack(*six, 0, mtu) + packet.whole[: LONGEST_SIX - _SIX_HEADERS]
    return ip(own, packet.source, ICMPV6, icmpv6(own, packet.source, message))


def may_be_told(packet: Packet) -> bool:
    """Whether the sender of a packet may be sent an error about it.

    Not where it was sent to many: the exceptions that IPv6 makes there are for routers that forward such packets.
    """
    source = packet.source
    if packet.is_to_many or source.is_unspecified or source.is_multicast:
        return False
    if source.version == 4:
        if not packet.is_first or any(source in nobodys for nobodys in _NOBODYS):
            return False
        return packet.protocol != ICMP or (bool(packet.body) and packet.body[0] not in _ERRORS_OF_FOUR)
    if packet.protocol != ICMPV6:
        return True
    # Of a later fragment nobody can tell whether it is of an error.
    if not packet.is_first or not packet.body:
        return False
    return packet.body[0] >= _FIRST_INFORMATION and packet.body[0] != _REDIRECT
