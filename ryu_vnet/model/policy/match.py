"""Which interfaces a rule is about."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TypeAlias

from ...errors import Invalid, Problem
from ..names import Prefix, check_name
from .conditions import (
    Condition,
    Traits,
    check_mac_prefix,
    ip_condition,
    mac_condition,
    network_condition,
    text_condition,
)
from .patterns import check_pattern, fits

Test: TypeAlias = Callable[[Traits, Collection[str]], bool]

NAMES = ("tenant", "node", "interface", "segment", "host", "network")
"""The fields whose values are names, so that a pattern which no name can match is a mistake."""
PATTERNS = ("tenant", "unit", "function", "node", "interface", "segment", "host", "port", "network")


@dataclass(frozen=True, slots=True)
class Match:
    """What must hold of an interface: every field that is given, so that no field means every interface.

    All but `mac` and `ip` are shell patterns (see `patterns`). `labels` are pairs of a key and a pattern for its
    value, sorted by key here; "" is the empty value. `mac` is how the address begins, in whole bytes: 52:54:00.
    `ip` is a prefix that some address of the interface lies in. `network` asks whether the interface is in such a
    network already, by request or by a rule before this one.

    Raises Invalid with the dotted path from `match` on, each problem once.
    """

    tenant: str | None = None
    unit: str | None = None
    function: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    node: str | None = None
    interface: str | None = None
    mac: str | None = None
    ip: Prefix | None = None
    segment: str | None = None
    host: str | None = None
    port: str | None = None
    network: str | None = None
    conditions: tuple[Condition, ...] = field(init=False, repr=False, compare=False)
    """The same, made ready to be asked: the cheap ones first."""
    tests: tuple[Test, ...] = field(init=False, repr=False, compare=False)
    """What each of these asks."""

    def __post_init__(self) -> None:
        problems = [*self._wrong_patterns(), *self._wrong_labels()]
        if self.mac is not None:
            try:
                object.__setattr__(self, "mac", check_mac_prefix(self.mac, "match.mac"))
            except Invalid as error:
                problems += error.problems
        if problems:
            raise Invalid(problems)
        object.__setattr__(self, "labels", tuple(sorted(self.labels)))
        object.__setattr__(self, "conditions", tuple(self._conditions()))
        object.__setattr__(self, "tests", tuple(condition.holds for condition in self.conditions))

    def _wrong_patterns(self) -> Iterator[Problem]:
        for name in PATTERNS:
            pattern = getattr(self, name)
            if pattern is not None:
                yield from check_pattern(pattern, f"match.{name}", name in NAMES)

    def _wrong_labels(self) -> Iterator[Problem]:
        seen: set[str] = set()
        for key, pattern in self.labels:
            where = f"match.labels.{key}"
            try:
                check_name(key, where)
            except Invalid as error:
                yield from error.problems
            if key in seen:
                yield Problem(where, "the key stands twice", "one pattern for each key")
            seen.add(key)
            if pattern:
                yield from check_pattern(pattern, where)

    def _conditions(self) -> Iterator[Condition]:
        for name in PATTERNS[:-1]:
            pattern = getattr(self, name)
            if pattern is not None:
                yield text_condition(name, pattern, attrgetter(name))
        if self.mac is not None:
            yield mac_condition(self.mac)
        for key, pattern in self.labels:
            yield text_condition(f"label {key}", pattern, _label(key))
        if self.ip is not None:
            yield ip_condition(self.ip)
        if self.network is not None:
            yield network_condition(self.network)

    def holds(self, traits: Traits, granted: Collection[str]) -> bool:
        """Whether an interface is meant. `granted` are the networks that rules before this one gave it."""
        for test in self.tests:  # noqa: SIM110 (a loop, as `all` takes twice the time)
            if not test(traits, granted):
                return False
        return True

    def may_hold(self, traits: Traits) -> bool:
        """Whether it holds but for its condition about networks, which other rules have a say in."""
        for test in self.tests if self.network is None else self.tests[:-1]:  # noqa: SIM110 (as below)
            if not test(traits, ()):
                return False
        return True

    def may_be_of(self, tenant: str) -> bool:
        """Whether interfaces of a tenant may be meant."""
        return self.tenant is None or bool(fits(self.tenant)(tenant))

    def failure(self, traits: Traits, granted: Collection[str]) -> str | None:
        """The first condition that does not hold, in words, or None where all do."""
        failing = (each for each in self.conditions if not each.holds(traits, granted))
        first = next(failing, None)
        return first.failure(traits, granted) if first is not None else None

    def about(self, what: str) -> Condition | None:
        """The condition about one thing."""
        return next((condition for condition in self.conditions if condition.what == what), None)

    def meets(self, other: Match) -> bool:
        """Whether one interface may match both; false only where that is certain."""
        pairs = ((mine, other.about(mine.what)) for mine in self.conditions)
        return all(theirs is None or mine.meets(theirs) for mine, theirs in pairs)

    def covers(self, other: Match) -> bool:
        """Whether whatever matches the other matches this, asked at the same moment; true only where certain."""
        pairs = ((mine, other.about(mine.what)) for mine in self.conditions)
        return all(theirs is not None and mine.covers(theirs) for mine, theirs in pairs)


def _label(key: str) -> Callable[[Traits], str | None]:
    return lambda traits: traits.label(key)
