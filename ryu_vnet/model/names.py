"""Names and addresses, checked where they are made."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TypeAlias

from ..errors import Invalid, Problem

Prefix: TypeAlias = IPv4Network | IPv6Network
"""One address (a /32 or /128) or a whole prefix that an interface may send from."""

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_NAME = re.compile(NAME)
_MAC = re.compile(r"[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}")
PORT_LENGTH = 15
"""Longest name of a network device: IFNAMSIZ of Linux less the closing NUL."""


def check_name(text: str, where: str) -> str:
    """A name of a tenant, network, node, interface, switch or segment. Raises Invalid."""
    if not _NAME.fullmatch(text):
        hint = "a letter or digit, then up to 62 letters, digits, '.', '_' or '-'"
        raise Invalid(Problem(where, f"{text!r} is not a name", hint))
    return text


def check_attribute(text: str, where: str) -> str:
    """What a unit, a function or a label may be: printable text of 1 to 255 characters. Raises Invalid."""
    if not 0 < len(text) <= 255 or not text.isprintable():
        raise Invalid(Problem(where, f"{text[:40]!r} cannot stand here", "1 to 255 printable characters"))
    return text


def check_port(text: str, where: str) -> str:
    """The name of a switch port, which is that of a network device. Raises Invalid."""
    if not 0 < len(text) <= PORT_LENGTH or re.search(r"[\s/:]", text):
        hint = f"the name of a network device: 1 to {PORT_LENGTH} characters, no space, '/' or ':'"
        raise Invalid(Problem(where, f"{text!r} is not a port name", hint))
    return text


def parse_mac(text: str, where: str = "mac") -> int:
    """A unicast MAC address as a 48-bit number. Raises Invalid for other text, a group address, or zero."""
    if not _MAC.fullmatch(text):
        raise Invalid(Problem(where, f"{text!r} is not a MAC address", "six pairs of hex digits: 02:00:00:00:01:01"))
    value = int(re.sub("[:-]", "", text), 16)
    if value >> 40 & 1:
        raise Invalid(Problem(where, f"{text} is a group address", "a node's MAC has an even first byte"))
    if not value:
        raise Invalid(Problem(where, f"{text} is not an address", "any unicast MAC but zero"))
    return value


def format_mac(value: int) -> str:
    """A 48-bit number as a MAC address: 02:00:00:00:01:01."""
    return value.to_bytes(6, "big").hex(":")


PLACED_MAC = 0xF2
"""First byte of the MAC addresses that we choose: unicast, administratively assigned (IEEE 802c, 8.4.4.2)."""
SEGMENT_SHIFT, SWITCH_SHIFT = 28, 12
"""Where the numbers of segment and switch start in such an address; below them is what tells a switch's own apart."""
PLACED_MAC_MASK = 0xFFFF_F000_0000
"""The bits that all addresses of one segment have in common: 20 of 48."""
SERIALS = 1 << SWITCH_SHIFT


def placed_mac(segment: int, switch: int = 0, serial: int = 0) -> int | None:
    """The MAC that tells a place, by the numbers of segment and switch, or None where these are too large for it:

    F2 (8 bits) | segment (12) | switch (16) | serial (12)
    """
    if not (0 < segment < 1 << 12 and switch < 1 << 16):
        return None
    return PLACED_MAC << 40 | segment << SEGMENT_SHIFT | switch << SWITCH_SHIFT | serial % SERIALS


def unplaced_mac(interface: int) -> int:
    """A MAC of ours that tells no place, for an interface by its number: segment 0, which no segment has."""
    return PLACED_MAC << 40 | interface & (1 << SEGMENT_SHIFT) - 1


def is_chosen_mac(mac: int) -> bool:
    """Whether a MAC looks like one that we choose."""
    return mac >> 40 == PLACED_MAC


def segment_of_mac(mac: int) -> int | None:
    """The number of the segment that a MAC tells, or None where it tells none."""
    return mac >> SEGMENT_SHIFT & 0xFFF or None if is_chosen_mac(mac) else None


def parse_prefix(text: str, where: str = "ips") -> Prefix:
    """An IPv4 or IPv6 address, or a prefix of either. Raises Invalid, also for a group address."""
    try:
        prefix = _source(text)
    except ValueError as error:
        raise Invalid(Problem(where, f"{text!r}: {error}", "an address or prefix: 10.0.0.11, fd00::/64")) from None
    if prefix is None:
        raise Invalid(Problem(where, f"{text} cannot be a source address", "a unicast address"))
    return prefix


@lru_cache(maxsize=1 << 16)
def _source(text: str) -> Prefix | None:
    """The prefix that a text names, None where it is nobody's. Raises ValueError.

    Tenants use the same addresses: one value serves all of them.
    """
    prefix = ip_network(text)
    single = prefix.prefixlen == prefix.max_prefixlen
    nobodys = prefix.is_multicast or prefix.is_loopback or (single and int(prefix[0]) in (0, 0xFFFFFFFF))
    return None if "%" in text or (prefix.prefixlen and nobodys) else prefix


def format_prefix(prefix: Prefix) -> str:
    """As `parse_prefix` reads it; a single address without its length."""
    return str(prefix.network_address) if prefix.prefixlen == prefix.max_prefixlen else str(prefix)


def link_local(mac: int) -> IPv6Network:
    """The IPv6 link-local address that a node forms from its MAC (RFC 4291, appendix A: modified EUI-64)."""
    return IPv6Network((link_local_bytes(mac), 128))


def link_local_bytes(mac: int) -> bytes:
    """The same as 16 bytes."""
    identifier = (mac >> 24 ^ 0x02_0000) << 40 | 0xFFFE << 24 | mac & 0xFFFFFF
    return (0xFE80 << 112 | identifier).to_bytes(16, "big")
