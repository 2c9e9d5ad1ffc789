"""What a policy may look at of one interface, and the conditions that it may state about that.

Every condition has three meanings: whether it holds, in what words it fails, and how it compares with another one
about the same thing, for all interfaces at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from ...errors import Invalid, Problem
from ..names import Prefix, format_mac, format_prefix, parse_mac
from .patterns import covers, fits, overlap, pieces

MOST_SHOWN = 5
"""How many values of an interface are shown where none of them was wanted."""

_PAIRS = re.compile(r"[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){0,5}")


@dataclass(frozen=True, slots=True)
class Traits:
    """All that a rule may look at of one interface.

    `labels` are sorted by key, each key once. `mac` is None until it has one. `segment`, `host` (the switch) and
    `port` are None where it has no place, `segment` also where its switch is in none. `networks` are the names of
    those that it is in by request; they belong to `tenant`, as all networks here do.
    """

    tenant: str
    node: str
    interface: str
    unit: str | None = None
    function: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    mac: int | None = None
    ips: tuple[Prefix, ...] = ()
    segment: str | None = None
    host: str | None = None
    port: str | None = None
    networks: frozenset[str] = frozenset()

    def label(self, key: str) -> str | None:
        """The value of a label."""
        for name, value in self.labels:
            if name == key:
                return value
        return None


class Condition(Protocol):
    """One thing that a rule asks of an interface. `granted` are the networks that rules before this one gave it."""

    @property
    def what(self) -> str:
        """What it is about; two conditions about the same thing are of the same type."""

    def holds(self, traits: Traits, granted: Collection[str]) -> bool: ...

    def failure(self, traits: Traits, granted: Collection[str]) -> str:
        """Why it does not hold, in words, with the value."""

    def meets(self, other: Condition) -> bool:
        """Whether both may hold for one interface; false only where that is certain."""

    def covers(self, other: Condition) -> bool:
        """Whether it holds wherever the other one, asked at the same moment, does; true only where that is certain."""


@dataclass(frozen=True, slots=True)
class TextCondition:
    """An attribute matches a pattern. An interface that does not have the attribute matches none, not even `*`."""

    what: str
    pattern: str
    value: Callable[[Traits], str | None]
    matches: Callable[[str], object]

    def holds(self, traits: Traits, granted: Collection[str]) -> bool:
        value = self.value(traits)
        return value is not None and bool(self.matches(value))

    def failure(self, traits: Traits, granted: Collection[str]) -> str:
        value = self.value(traits)
        if value is not None:
            return f"{self.what} is {value!r}, not {self.pattern!r}"
        if self.what in ("segment", "host", "port") and traits.host is None:
            return f"it has no place, so no {self.what} {self.pattern!r}"
        return f"it has no {self.what}, so not {self.pattern!r}"

    def meets(self, other: Condition) -> bool:
        return not isinstance(other, TextCondition) or overlap(pieces(self.pattern), pieces(other.pattern))

    def covers(self, other: Condition) -> bool:
        return isinstance(other, TextCondition) and covers(pieces(self.pattern), pieces(other.pattern))


def text_condition(what: str, pattern: str, value: Callable[[Traits], str | None]) -> TextCondition:
    """A pattern for an attribute."""
    return TextCondition(what, pattern, value, fits(pattern))


def check_mac_prefix(text: str, where: str) -> str:
    """The first one to six bytes of unicast MAC addresses, as 52:54:00. Raises Invalid.

    Whole bytes alone: the maker of an adapter has three of them, and the part of our own addresses that tells the
    place is better asked for as segment and host.
    """
    if not _PAIRS.fullmatch(text):
        hint = "one to six pairs of hex digits from the start of the address: 52:54:00"
        raise Invalid(Problem(where, f"{text!r} is not the beginning of a MAC address", hint))
    if len(text) == len("02:00:00:00:00:00"):
        parse_mac(text, where)
    elif int(text[:2], 16) & 1:
        raise Invalid(Problem(where, f"{text} begins group addresses", "a node's MAC has an even first byte"))
    return text.lower().replace("-", ":")


@dataclass(frozen=True, slots=True)
class MacCondition:
    """The MAC address begins with these bytes: its bits above `shift` are `bits`."""

    text: str
    shift: int
    bits: int
    what: str = "MAC"

    def holds(self, traits: Traits, granted: Collection[str]) -> bool:
        return traits.mac is not None and traits.mac >> self.shift == self.bits

    def failure(self, traits: Traits, granted: Collection[str]) -> str:
        if traits.mac is None:
            return f"it has no MAC yet, so none that begins with {self.text}"
        return f"MAC is {format_mac(traits.mac)}, which does not begin with {self.text}"

    def meets(self, other: Condition) -> bool:
        return self.covers(other) or other.covers(self)

    def covers(self, other: Condition) -> bool:
        return (
            isinstance(other, MacCondition)
            and self.shift >= other.shift
            and other.bits >> self.shift - other.shift == self.bits
        )


def mac_condition(text: str) -> MacCondition:
    """From a beginning as `check_mac_prefix` returns it."""
    digits = text.replace(":", "")
    return MacCondition(text, 48 - 4 * len(digits), int(digits, 16))


@dataclass(frozen=True, slots=True)
class IpCondition:
    """Some address of the interface, or some prefix that it may send from, lies wholly in this prefix."""

    prefix: Prefix
    version: int
    length: int
    shift: int
    bits: int
    what: str = "IP"

    def holds(self, traits: Traits, granted: Collection[str]) -> bool:
        # As numbers, in a loop: `subnet_of` and `any` say the same several times slower.
        for ip in traits.ips:
            if (
                ip.version == self.version
                and ip.prefixlen >= self.length
                and int(ip.network_address) >> self.shift == self.bits
            ):
                return True
        return False

    def failure(self, traits: Traits, granted: Collection[str]) -> str:
        if not traits.ips:
            return f"it has no IP address, so none in {self.prefix}"
        return f"IP is {_some([format_prefix(ip) for ip in traits.ips])}, not in {self.prefix}"

    def meets(self, other: Condition) -> bool:
        # It may have two addresses, one in each.
        return True

    def covers(self, other: Condition) -> bool:
        return (
            isinstance(other, IpCondition)
            and self.version == other.version
            and self.length <= other.length
            and int(other.prefix.network_address) >> self.shift == self.bits
        )


def ip_condition(prefix: Prefix) -> IpCondition:
    """For a prefix of either family."""
    shift = prefix.max_prefixlen - prefix.prefixlen
    return IpCondition(prefix, prefix.version, prefix.prefixlen, shift, int(prefix.network_address) >> shift)


@dataclass(frozen=True, slots=True)
class NetworkCondition:
    """The interface is in a network of such a name, by request or by a rule before this one."""

    pattern: str
    matches: Callable[[str], object]
    what: str = "network"

    def holds(self, traits: Traits, granted: Collection[str]) -> bool:
        return any(map(self.matches, traits.networks)) or any(map(self.matches, granted))

    def failure(self, traits: Traits, granted: Collection[str]) -> str:
        names = sorted({*traits.networks, *granted})
        if not names:
            return f"it is in no network yet, so not in {self.pattern!r}"
        return f"network is {_some([repr(name) for name in names])}, not {self.pattern!r}"

    def meets(self, other: Condition) -> bool:
        # It may be in two networks, one for each.
        return True

    def covers(self, other: Condition) -> bool:
        return isinstance(other, NetworkCondition) and covers(pieces(self.pattern), pieces(other.pattern))


def network_condition(pattern: str) -> NetworkCondition:
    """For a pattern of names."""
    return NetworkCondition(pattern, fits(pattern))


def _some(values: list[str]) -> str:
    """The first few of what may be many."""
    more = len(values) - MOST_SHOWN
    return ", ".join(values[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
