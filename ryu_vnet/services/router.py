"""What an IPv6 router says of itself, and who asks it to: neighbour discovery (RFC 4861), servers of names (RFC 8106).

Solicitation, 133     type (8) | code (8) | checksum (16) | 0 (32) | options
Advertisement, 134    type (8) | code (8) | checksum (16) | hop limit (8) | M, O, 0 (8) | router lifetime (16)
                      | reachable time (32) | retransmission (32) | options

An option is its type (8), its length in units of 8 bytes (8), and what is in it:

source's address, 1   MAC (48)
prefix, 3             length (8) | L, A, 0 (8) | valid lifetime (32) | preferred lifetime (32) | 0 (32) | prefix (128)
MTU, 5                0 (16) | MTU (32)
servers of names, 25  0 (16) | lifetime (32) | addresses (128 each)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from .frames import ICMPV6, Packet, icmpv6, ip

ALL_NODES = IPv6Address("ff02::1")
ALL_ROUTERS = IPv6Address("ff02::2")

_SOLICITATION, _ADVERTISEMENT = 133, 134
_HOPS = 255
"""That of all neighbour discovery: nobody further away could have sent it (RFC 4861, 6.1)."""
_USUAL_HOP_LIMIT = 64
_SOURCE, _PREFIX, _MTU, _SERVERS = 1, 3, 5, 25
_MANAGED, _OTHER = 0x80, 0x40
_ON_LINK, _AUTONOMOUS = 0x80, 0x40

_HEAD = struct.Struct("!BBHBBHII")
_SHORTEST = 8
_PREFIX_OPTION = struct.Struct("!BBBBIII16s")
_MTU_OPTION = struct.Struct("!BBHI")


@dataclass(frozen=True, slots=True)
class Announced:
    """A prefix of the link's. Lifetimes are in seconds, all ones for ever. `is_free`: machines may form addresses in it
    by themselves (RFC 4862)."""

    prefix: IPv6Network
    valid: int
    preferred: int
    is_free: bool


@dataclass(frozen=True, slots=True)
class Advertisement:
    """What a router says. `lifetime` in seconds it is a way to everywhere else; 0 where it is none. `managed`:
    addresses, and what else there is to be known, are to be had by DHCP."""

    lifetime: int
    managed: bool
    mtu: int
    prefixes: tuple[Announced, ...]
    servers: tuple[IPv6Address, ...] = ()
    servers_lifetime: int = 0


def is_solicitation(packet: Packet) -> bool:
    """Whether somebody asks for routers, and so as he must (RFC 4861, 6.1.1)."""
    body = packet.body
    if packet.protocol != ICMPV6 or packet.ttl != _HOPS or not packet.is_first or len(body) < _SHORTEST:
        return False
    if body[0] != _SOLICITATION or body[1]:
        return False
    options = _options(body[_SHORTEST:])
    return options is not None and not (packet.source.is_unspecified and _SOURCE in options)


def _options(data: bytes) -> list[int] | None:
    """The types of options; None where one has no length, or more than is left."""
    found, at = [], 0
    while at < len(data):
        if at + 2 > len(data) or not data[at + 1] or at + data[at + 1] * 8 > len(data):
            return None
        found.append(data[at])
        at += data[at + 1] * 8
    return found


def advertisement(mac: int, own: IPv6Address, to: IPv6Address, said: Advertisement) -> bytes:
    """The IP packet by which a router with a MAC address, and a link-local address of its `own`, says what it is."""
    flags = _MANAGED | _OTHER if said.managed else 0
    head = _HEAD.pack(_ADVERTISEMENT, 0, 0, _USUAL_HOP_LIMIT, flags, said.lifetime, 0, 0)
    message = head + b"".join(_written(mac, said))
    return ip(own, to, ICMPV6, icmpv6(own, to, message), _HOPS)


def _written(mac: int, said: Advertisement) -> Iterator[bytes]:
    yield bytes((_SOURCE, 1)) + mac.to_bytes(6, "big")
    yield _MTU_OPTION.pack(_MTU, 1, 0, said.mtu)
    for one in said.prefixes:
        flags = _ON_LINK | (_AUTONOMOUS if one.is_free else 0)
        start = one.prefix.network_address.packed
        yield _PREFIX_OPTION.pack(_PREFIX, 4, one.prefix.prefixlen, flags, one.valid, one.preferred, 0, start)
    if said.servers:
        head = struct.pack("!BBHI", _SERVERS, 1 + 2 * len(said.servers), 0, said.servers_lifetime)
        yield head + b"".join(server.packed for server in said.servers)
