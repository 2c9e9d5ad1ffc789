"""How a switch stands against what is wanted of it: only what is otherwise is noted, so it costs what is otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..openflow import replies
from .difference import Before, Contents, Key


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
        for key, value in before.items():
            self.found(key, self.off.get(key, value))

    def found(self, key: Key, value: bytes | None) -> None:
        """The switch has this under a key."""
        if self.wanted.get(key) == value:
            self.off.pop(key, None)
        else:
            self.off[key] = value

    def contents(self) -> Contents:
        """All that the switch is known to have."""
        known = Contents({**self.wanted.rows}, {**self.wanted.groups})
        for key, value in self.off.items():
            known.put(key, value)
        return known


@dataclass(slots=True)
class Reading:
    """The dumps of a switch's groups and rows, compared as they arrive.

    What changes meanwhile is `touched`: of it the dump says nothing.
    """

    groups_xid: int
    rows_xid: int
    counting: bool = False
    touched: set[Key] = field(default_factory=set)
    seen: set[Key] = field(default_factory=set)
    different: dict[Key, bytes] = field(default_factory=dict)
    counts: dict[bytes, tuple[int, int]] = field(default_factory=dict)

    def rows(self, message: bytes, standing: Standing) -> None:
        """Compare the rows of one message. Raises WireError."""
        wanted, off, see = standing.wanted.rows, standing.off, self.seen.add
        for key, value, packets, octets in replies.flows(message):
            if self.counting:
                self.counts[key] = packets, octets
            see(key)
            if wanted.get(key) != value or (off and key in off):
                self._compare(key, value, standing)

    def groups(self, message: bytes, standing: Standing) -> None:
        """Compare the groups of one message. Raises WireError."""
        for number, value in replies.groups(message):
            self.seen.add(number)
            self._compare(number, value, standing)

    def _compare(self, key: Key, value: bytes, standing: Standing) -> None:
        if standing.installed(key) != value and key not in self.touched:
            self.different[key] = value

    def missing(self, standing: Standing) -> Iterable[Key]:
        """The keys of what the switch was taken to have, and has not, now that all was read."""
        for keys in (standing.wanted.rows, standing.wanted.groups, [*standing.off]):
            for key in keys:
                if key not in self.seen and key not in self.touched and standing.installed(key) is not None:
                    yield key
