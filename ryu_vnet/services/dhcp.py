"""DHCP for IPv4 (RFC 2131) and its options (RFC 2132): what a client asks, and what a server answers.

op (8) | hardware (8) | its length (8) | hops (8) | transaction (32) | seconds (16) | flags (16)
| ciaddr (32) | yiaddr (32) | siaddr (32) | giaddr (32) | chaddr (128) | server's name (512) | file (1024)
| 99.130.83.99 | options

An option is its code (8), its length (8) and so many bytes; 0 pads, 255 ends. One that comes several times is all of
them put together (RFC 3396).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network

SERVER_PORT, CLIENT_PORT = 67, 68

_FIXED = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s4s")
_COOKIE = bytes((99, 130, 83, 99))
_REQUEST, _REPLY = 1, 2
_ETHERNET = 1
_BROADCAST_FLAG = 0x8000
_SHORTEST = 300
"""Bytes that a message has at least, as BOOTP has it (RFC 1542, 2.1)."""
_PAD, _END = 0, 255

_MASK, _ROUTER, _DNS, _MTU = 1, 3, 6, 26
_REQUESTED, _LEASE, _TYPE, _SERVER, _MESSAGE = 50, 51, 53, 54, 56
_RENEWAL, _REBINDING, _CLIENT = 58, 59, 61


class Kind(IntEnum):
    """Types of messages (RFC 2132, 9.6)."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks. `mac` is its own by what it says; `has` the address that it has, None where it has none;
    `requested` the address that it would have; `server` whom it asks, None where that is anybody.
    """

    kind: Kind
    transaction: int
    mac: int
    flags: int = 0
    has: IPv4Address | None = None
    requested: IPv4Address | None = None
    server: IPv4Address | None = None
    client: bytes | None = None
    """Its identifier, which answers repeat (RFC 6842)."""

    @property
    def wants_broadcast(self) -> bool:
        """Whether it cannot hear what is sent to an address that it does not have yet (RFC 2131, 4.1)."""
        return bool(self.flags & _BROADCAST_FLAG)


@dataclass(frozen=True, slots=True)
class Given:
    """What a client is given. `seconds` it may keep its address for; None where it did not get it here."""

    server: IPv4Address
    prefix: IPv4Network
    router: IPv4Address | None = None
    dns: tuple[IPv4Address, ...] = ()
    mtu: int = 1500
    seconds: int | None = None


def asked(payload: bytes) -> Asked | None:
    """What stands in the payload of a datagram to a server; None where it is no client's message, comes by a relay, or
    is not put as it must be."""
    if len(payload) < _FIXED.size:
        return None
    parts = _FIXED.unpack_from(payload)
    op, hardware, size, _, transaction, _, flags, has, _, _, relay, mac, _, _, cookie = parts
    options = _options(payload[_FIXED.size :])
    if (op, hardware, size, cookie) != (_REQUEST, _ETHERNET, 6, _COOKIE) or any(relay) or options is None:
        return None
    kind, client = options.get(_TYPE, b""), options.get(_CLIENT)
    if len(kind) != 1 or kind[0] not in (*Kind,) or (client is not None and not 2 <= len(client) <= 255):
        return None
    try:
        return Asked(
            Kind(kind[0]),
            transaction,
            int.from_bytes(mac[:6], "big"),
            flags,
            _address(has) if any(has) else None,
            _address(options.get(_REQUESTED)),
            _address(options.get(_SERVER)),
            client,
        )
    except ValueError:
        return None


def answer(kind: Kind, to: Asked, own: IPv4Address | None, given: Given) -> bytes:
    """The payload that answers a client, who gets the address `own`, or none: he has it, or is refused it."""
    options = [(_TYPE, bytes((kind,))), (_SERVER, given.server.packed)]
    if kind is not Kind.NAK:
        options += _configuration(given)
    else:
        options.append((_MESSAGE, b"another address is yours"))
    if to.client is not None:
        options.append((_CLIENT, to.client))
    none = bytes(4)
    has = to.has.packed if to.has is not None and kind is Kind.ACK else none
    parts = _REPLY, _ETHERNET, 6, 0, to.transaction, 0, to.flags, has, own.packed if own is not None else none
    fixed = _FIXED.pack(*parts, none, none, to.mac.to_bytes(6, "big"), b"", b"", _COOKIE)
    return (fixed + _written(options)).ljust(_SHORTEST, bytes((_PAD,)))


def _configuration(given: Given) -> Iterable[tuple[int, bytes]]:
    if given.seconds is not None:
        # RFC 2131, 4.4.5: after half of it the server is asked again, after 7/8 of it anybody.
        for code, seconds in (
            (_LEASE, given.seconds),
            (_RENEWAL, given.seconds // 2),
            (_REBINDING, given.seconds * 7 // 8),
        ):
            yield code, struct.pack("!I", seconds)
    yield _MASK, given.prefix.netmask.packed
    if given.router is not None:
        yield _ROUTER, given.router.packed
    if given.dns:
        yield _DNS, b"".join(address.packed for address in given.dns)
    yield _MTU, struct.pack("!H", given.mtu)


def _written(options: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(bytes((code, len(value))) + value for code, value in options) + bytes((_END,))


def _options(data: bytes) -> dict[int, bytes] | None:
    """Options by code; None where one is longer than what is left. Their end may be missing."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != _END:
        if data[at] == _PAD:
            at += 1
            continue
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            return None
        code, length = data[at], data[at + 1]
        found[code] = found.get(code, b"") + data[at + 2 : at + 2 + length]
        at += 2 + length
    return found


def _address(value: bytes | None) -> IPv4Address | None:
    """Raises ValueError where it is no IPv4 address."""
    if value is not None and len(value) != 4:
        raise ValueError(f"{value.hex()} is no IPv4 address")
    return IPv4Address(value) if value is not None else None
