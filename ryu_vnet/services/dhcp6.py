"""DHCP for IPv6 (RFC 8415): what a client asks, and what a server answers that gives each its own addresses.

type (8) | transaction (24) | options: code (16) | length (16) | so many bytes

IA_NA, option 3: identifier (32) | T1 (32) | T2 (32) | options, of which IA Address, 5, is
                 address (128) | preferred lifetime (32) | valid lifetime (32) | options
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv6Address

SERVER_PORT, CLIENT_PORT = 547, 546
ALL_SERVERS = IPv6Address("ff02::1:2")
"""All DHCP relay agents and servers on the link (7.1)."""

_OPTION = struct.Struct("!HH")
_ASSOCIATION = struct.Struct("!III")
_ADDRESS = struct.Struct("!16sII")
_CLIENT, _SERVER, _IA_NA, _IA_TA, _IA_ADDRESS, _STATUS, _RAPID_COMMIT, _DNS, _IA_PD = 1, 2, 3, 4, 5, 13, 14, 23, 25
_DUID_LINK_LAYER, _ETHERNET = 3, 1
_LONGEST_DUID = 130
"""Bytes: a type of 16 bits, and 128 more (11.1)."""
_MOST_ASSOCIATIONS = 8
"""What a client asks beyond is not answered, so that no answer is larger than what it answers by much."""


class Kind(IntEnum):
    """Types of messages between clients and servers (7.3)."""

    SOLICIT = 1
    ADVERTISE = 2
    REQUEST = 3
    CONFIRM = 4
    RENEW = 5
    REBIND = 6
    REPLY = 7
    RELEASE = 8
    DECLINE = 9
    INFORMATION = 11


class Status(IntEnum):
    """Status codes (21.13)."""

    SUCCESS = 0
    NO_ADDRESS = 2
    NOT_ON_LINK = 4
    NO_PREFIX = 6


_TO_ONE = frozenset((Kind.REQUEST, Kind.RENEW, Kind.RELEASE, Kind.DECLINE))
"""What names the server that it is for; the rest of a client's messages but `INFORMATION` must not (16)."""
_FROM_CLIENTS = _TO_ONE | {Kind.SOLICIT, Kind.CONFIRM, Kind.REBIND, Kind.INFORMATION}


@dataclass(frozen=True, slots=True)
class Association:
    """What a client would have: addresses (`option` 3), temporary ones (4) or prefixes (25), and which it names."""

    option: int
    number: int
    named: tuple[IPv6Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks. `server` is the identifier of the one that it asks, None where that is anybody."""

    kind: Kind
    transaction: int
    client: bytes | None
    server: bytes | None = None
    associations: tuple[Association, ...] = ()
    is_rapid: bool = False
    """Whether it takes a `REPLY` to its `SOLICIT` (18.2.1)."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a client is given: `addresses`, each valid for so many `seconds`, and servers of names."""

    server: bytes
    addresses: tuple[IPv6Address, ...] = ()
    dns: tuple[IPv6Address, ...] = ()
    seconds: int = 0


def link_layer_identifier(mac: int) -> bytes:
    """The identifier of who has a MAC address (DUID-LL, 11.4)."""
    return struct.pack("!HH", _DUID_LINK_LAYER, _ETHERNET) + mac.to_bytes(6, "big")


def asked(payload: bytes, own: bytes) -> Asked | None:
    """What stands in the payload of a datagram to servers; None where it is no client's message, is for another server
    than `own`, or is not put as it must be (16)."""
    if len(payload) < 4 or payload[0] not in _FROM_CLIENTS:
        return None
    kind, options = Kind(payload[0]), _options(payload[4:])
    if options is None:
        return None
    client, server = options.get(_CLIENT, [None])[0], options.get(_SERVER, [None])[0]
    is_ours = server == own if kind in _TO_ONE else server in ((None, own) if kind is Kind.INFORMATION else (None,))
    if not is_ours or (client is None and kind is not Kind.INFORMATION):
        return None
    if client is not None and not 3 <= len(client) <= _LONGEST_DUID:
        return None
    associations = _associations(options)
    if associations is None or (associations and kind is Kind.INFORMATION):
        return None
    transaction = int.from_bytes(payload[1:4], "big")
    return Asked(kind, transaction, client, server, associations, _RAPID_COMMIT in options)


def answer(to: Asked, given: Given, on_link: Collection[IPv6Address]) -> bytes | None:
    """The payload that answers a client; None where a server is silent. `on_link` are those of the addresses that he
    names which could be somebody's on his link.

    Whatever a client asks, he gets just the addresses that are his; those that he names beyond get no time to live.
    """
    named = [address for association in to.associations for address in association.named]
    if to.kind is Kind.CONFIRM and not named:
        return None
    is_offer = to.kind is Kind.SOLICIT and not to.is_rapid
    options = [(_SERVER, given.server)]
    if to.client is not None:
        options.append((_CLIENT, to.client))
    if to.kind is Kind.SOLICIT and to.is_rapid:
        options.append((_RAPID_COMMIT, b""))
    if to.kind is Kind.CONFIRM:
        is_right = all(address in on_link for address in named)
        options.append(_status(Status.SUCCESS if is_right else Status.NOT_ON_LINK))
    elif to.kind in (Kind.RELEASE, Kind.DECLINE):
        options.append(_status(Status.SUCCESS))
    elif to.kind is not Kind.INFORMATION:
        options += _bindings(to, given)
    if given.dns and to.kind not in (Kind.CONFIRM, Kind.RELEASE, Kind.DECLINE):
        options.append((_DNS, b"".join(address.packed for address in given.dns)))
    head = bytes((Kind.ADVERTISE if is_offer else Kind.REPLY,)) + to.transaction.to_bytes(3, "big")
    return head + _written(options)


def _bindings(to: Asked, given: Given) -> Iterator[tuple[int, bytes]]:
    """What becomes of each association: the first one gets all addresses, as no two may have the same."""
    left = given.addresses
    for association in to.associations:
        if association.option == _IA_NA and left:
            gone = [(address, 0) for address in association.named if address not in left]
            times = [(address, given.seconds) for address in left] + gone
            inner = _written(
                (_IA_ADDRESS, _ADDRESS.pack(address.packed, seconds // 2, seconds)) for address, seconds in times
            )
            # After half of the preferred lifetime the server is asked again, after 4/5 of it anybody (14.2).
            preferred = given.seconds // 2
            yield _IA_NA, _ASSOCIATION.pack(association.number, preferred // 2, preferred * 4 // 5) + inner
            left = ()
            continue
        status = Status.NO_PREFIX if association.option == _IA_PD else Status.NO_ADDRESS
        number = struct.pack("!I", association.number)
        times_of_it = b"" if association.option == _IA_TA else bytes(8)
        yield association.option, number + times_of_it + _written([_status(status)])


def _status(code: Status) -> tuple[int, bytes]:
    return _STATUS, struct.pack("!H", code)


def _written(options: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(_OPTION.pack(code, len(value)) + value for code, value in options)


def _options(data: bytes) -> dict[int, list[bytes]] | None:
    """The values of options by code, in their order; None where one is longer than what is left."""
    found: dict[int, list[bytes]] = {}
    at = 0
    while at < len(data):
        if at + _OPTION.size > len(data):
            return None
        code, length = _OPTION.unpack_from(data, at)
        at += _OPTION.size
        if at + length > len(data):
            return None
        found.setdefault(code, []).append(data[at : at + length])
        at += length
    return found


def _associations(options: dict[int, list[bytes]]) -> tuple[Association, ...] | None:
    found = []
    for option, fixed in ((_IA_NA, _ASSOCIATION.size), (_IA_TA, 4), (_IA_PD, _ASSOCIATION.size)):
        for value in options.get(option, ()):
            inner = _options(value[fixed:]) if len(value) >= fixed else None
            if inner is None or any(len(one) < _ADDRESS.size for one in inner.get(_IA_ADDRESS, ())):
                return None
            named = tuple(IPv6Address(one[:16]) for one in inner.get(_IA_ADDRESS, ())[:_MOST_ASSOCIATIONS])
            found.append(Association(option, int.from_bytes(value[:4], "big"), named))
    return tuple(found[:_MOST_ASSOCIATIONS])
