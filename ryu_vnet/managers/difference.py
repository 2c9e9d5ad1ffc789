"""What a switch holds and what it is to hold, as the bytes that are sent and dumped, and the steps between the two."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from ..openflow.changes import Kind, Step

Key: TypeAlias = bytes | int
"""The key of a row, or the number of a group."""
Before: TypeAlias = dict[Key, bytes | None]
"""What stood under keys before a change; None for nothing."""


@dataclass(frozen=True, slots=True)
class Contents:
    """Rows by key and groups by number, in the form in which they are compared and sent."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    groups: dict[int, bytes] = field(default_factory=dict)

    def get(self, key: Key) -> bytes | None:
        """What stands under a key, or None."""
        return self.rows.get(key) if isinstance(key, bytes) else self.groups.get(key)

    def put(self, key: Key, value: bytes | None) -> None:
        """Let a value stand under a key, or nothing."""
        if isinstance(key, bytes):
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value
        elif value is None:
            self.groups.pop(key, None)
        else:
            self.groups[key] = value

    def __len__(self) -> int:
        return len(self.rows) + len(self.groups)


def difference(old: Contents, new: Contents) -> Before:
    """What stands in `old` under each key that is otherwise in `new`."""
    found: Before = {}
    keys: set[Key] = {*old.rows, *old.groups, *new.rows, *new.groups}
    for key in keys:
        if old.get(key) != new.get(key):
            found[key] = old.get(key)
    return found


def steps(off: Before, wanted: Contents) -> list[Step]:
    """What to send so that what stands under these keys becomes what is wanted there, in an order in which one
    bundle can have it."""
    found: list[Step] = []
    replaced: list[Step] = []
    for key, present in off.items():
        value = wanted.get(key)
        if isinstance(key, bytes):
            found.append((Kind.ROW_ADD, key, value) if value is not None else (Kind.ROW_DELETE, key, b""))
        elif value is None:
            found.append((Kind.GROUP_DELETE, key, b""))
        elif present is None:
            found.append((Kind.GROUP_ADD, key, value))
        elif present[:2] != value[:2]:
            # A foreign group of another type: modifying it may be refused, replacing it may not.
            replaced += [(Kind.GROUP_DELETE, key, b""), (Kind.GROUP_ADD, key, value)]
        else:
            found.append((Kind.GROUP_MODIFY, key, value))
    found.sort(key=_kind)
    return replaced + found


def _kind(step: Step) -> Kind:
    return step[0]
