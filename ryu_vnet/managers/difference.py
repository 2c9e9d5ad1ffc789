"""What a switch holds and what it is to hold, as the bytes that are sent and dumped, and the steps between the two."""

from __future__ import annotations

import struct
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


GROUP_ACTION = struct.Struct("!HHI")
"""An action that hands the frame to a group: type 22, length 8, the group's number (OpenFlow 1.3.5, 7.2.5)."""


def names_group(value: bytes, number: int) -> bool:
    """Whether a row with this value may hand frames to a group. Where other bytes happen to be the same, it says so
    too: whoever asks must do no harm to such a row."""
    return GROUP_ACTION.pack(22, 8, number) in value


def steps(off: Before, wanted: Contents) -> list[Step]:
    """What to send so that what stands under these keys becomes what is wanted there, in an order in which one
    bundle can have it.

    A group of another type than is wanted is replaced: modifying it may be refused. With it go the rows that name it;
    so these are added again, although they are as they should be.
    """
    rows, groups = wanted.rows, wanted.groups
    replaced: list[Step] = []
    by_kind: dict[Kind, list[Step]] = {kind: [] for kind in sorted(Kind)}
    add, delete = by_kind[Kind.ROW_ADD].append, by_kind[Kind.ROW_DELETE].append
    row_add, row_delete = Kind.ROW_ADD, Kind.ROW_DELETE
    for key, present in off.items():
        if isinstance(key, bytes):
            value = rows.get(key)
            if value is not None:
                add((row_add, key, value))
            else:
                delete((row_delete, key, b""))
            continue
        value = groups.get(key)
        if value is not None and present is not None and present[:2] != value[:2]:
            replaced += [(Kind.GROUP_DELETE, key, b""), (Kind.GROUP_ADD, key, value)]
            named = (row for row, has in rows.items() if row not in off and names_group(has, key))
            by_kind[Kind.ROW_ADD] += [(Kind.ROW_ADD, row, rows[row]) for row in named]
        else:
            kind = Kind.GROUP_DELETE if value is None else Kind.GROUP_ADD if present is None else Kind.GROUP_MODIFY
            by_kind[kind].append((kind, key, value or b""))
    return [*replaced, *(step for of_kind in by_kind.values() for step in of_kind)]
