"""How a switch stands against what is wanted of it: only what is otherwise is noted, so it costs what is otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ..openflow import replies
from ..openflow.changes import Step
from ..openflow.meters import MeterKey, meters
from .difference import Before, Contents, Key

Counts: TypeAlias = dict[bytes, tuple[int, int]]
"""Packets and bytes of each row."""


class Standing:
    """What is wanted of a switch, and under which keys it is known to have something else.

    `wanted` is changed by its owner, who says so by `wish`. `off` has what the switch has where that is not what is
    wanted: None for nothing.
    """

    def __init__(self, wanted: Contents) -> None:
        self.wanted = wanted
        self.off: Before = {}

    def installed(self, key: Key) -> bytes | None:
        """What the switch is known to have under a key."""
        return self.off[key] if key in self.off else self.wanted.get(key)

    def wish(self, before: Before) -> None:
        """Something else is wanted under these keys than before."""
        rows, off = self.wanted.rows, self.off
        for key, value in before.items():
            has = off.get(key, value)
            if (rows.get(key) if isinstance(key, bytes) else self.wanted.get(key)) == has:
                off.pop(key, None)
            else:
                off[key] = has

    def found(self, key: Key, value: bytes | None) -> None:
        """The switch has this under a key."""
        if self.wanted.get(key) == value:
            self.off.pop(key, None)
        else:
            self.off[key] = value

    def found_all(self, different: Before) -> None:
        """The switch has something else under these keys than it was known to have."""
        known = self.off.keys() & different.keys()
        self.off.update(different)
        for key in known:
            self.found(key, different[key])

    def did(self, steps: Iterable[Step]) -> None:
        """The switch has done these steps."""
        rows, off = self.wanted.rows, self.off
        for _, key, value in steps:
            wanted = rows.get(key) if isinstance(key, bytes) else self.wanted.get(key)
            if (wanted or b"") == value:
                off.pop(key, None)
            else:
                off[key] = value or None

    def contents(self) -> Contents:
        """All that the switch is known to have."""
        known = Contents({**self.wanted.rows}, {**self.wanted.groups}, {**self.wanted.meters})
        for key, value in self.off.items():
            known.put(key, value)
        return known


@dataclass(slots=True)
class Reading:
    """The dumps of a switch's meters, its groups and then its rows, compared as they arrive.

    A dump shows the switch as it is at one place in the stream of all that it says, and nothing else is said between
    its parts. So what was said before is in it, and nothing can happen while one is compared.
    """

    meters_xid: int
    groups_xid: int
    rows_xid: int
    counting: bool = False
    """Whether counters are wanted as well."""
    has_meters: bool = False
    """Whether the meters are known: all parts of their dump have come."""
    has_groups: bool = False
    """Whether the groups are known: all parts of their dump have come."""
    counts: Counts = field(default_factory=dict)
    _different: Before = field(default_factory=dict)
    _known: int = 0
    """How many rows, or groups, have come under keys where there was to be something."""
    _parts: list[bytes] = field(default_factory=list)

    def rows(self, message: bytes, standing: Standing) -> None:
        """Compare the rows of one message. Raises WireError."""
        wanted, off, known = standing.wanted.rows, standing.off, 0
        self._parts.append(message)
        for key, value, packets, octets in replies.flows(message):
            if self.counting:
                self.counts[key] = packets, octets
            if wanted.get(key) == value and key not in off:
                known += 1
            else:
                self._compare(key, value, standing)
        self._known += known

    def groups(self, message: bytes, standing: Standing) -> None:
        """Compare the groups of one message. Raises WireError."""
        self._parts.append(message)
        for number, value in replies.groups(message):
            self._compare(number, value, standing)

    def meters(self, message: bytes, standing: Standing) -> None:
        """Compare the meters of one message. Raises WireError."""
        self._parts.append(message)
        for key, value in meters(message):
            self._compare(key, value, standing)

    def _compare(self, key: Key, value: bytes, standing: Standing) -> None:
        installed = standing.installed(key)
        self._known += installed is not None
        if installed != value:
            self._different[key] = value

    def end_of_meters(self, standing: Standing) -> Before:
        """The meters that are not what they were taken to be, with what is there; their last part has come."""
        self.has_meters = True
        return self._end(standing.wanted.meters, standing, MeterKey, meters)

    def end_of_groups(self, standing: Standing) -> Before:
        """The groups that are not what they were taken to be, with what is there; their last part has come."""
        self.has_groups = True
        return self._end(standing.wanted.groups, standing, int, replies.groups)

    def end_of_rows(self, standing: Standing) -> Before:
        """The rows that are not what they were taken to be, with what is there; their last part has come."""
        return self._end(standing.wanted.rows, standing, bytes, replies.flows)

    def _end(
        self,
        wanted: Mapping[Any, bytes],
        standing: Standing,
        kind: type[Any],
        read: Callable[[bytes], Iterable[tuple[Any, ...]]],
    ) -> Before:
        off = {key: value for key, value in standing.off.items() if isinstance(key, kind)}
        expected = len(wanted) + sum((value is not None) - (key in wanted) for key, value in off.items())
        found, known, parts = self._different, self._known, self._parts
        self._different, self._known, self._parts = {}, 0, []
        if known != expected:
            # Only now is it worth knowing which have come.
            seen = {part[0] for message in parts for part in read(message)}
            found.update(dict.fromkeys([key for key in wanted if key not in seen and key not in off]))
            found.update(dict.fromkeys([key for key, value in off.items() if key not in seen and value is not None]))
        return found
