"""What a switch holds and what it is to hold, as the bytes that are sent and dumped, and the steps between the two."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from ..openflow.changes import Kind, Step
from ..openflow.meters import MeterKey

Key: TypeAlias = bytes | int | MeterKey
"""The key of a row, the number of a group, or a meter."""
_K = TypeVar("_K", bytes, int, MeterKey)
Before: TypeAlias = dict[Key, bytes | None]
"""What stood under keys before a change; None for nothing."""


@dataclass(frozen=True, slots=True)
class Contents:
    """Rows by key, groups and meters by number, in the form in which they are compared and sent."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    groups: dict[int, bytes] = field(default_factory=dict)
    meters: dict[MeterKey, bytes] = field(default_factory=dict)

    def get(self, key: Key) -> bytes | None:
        """What stands under a key, or None."""
        if isinstance(key, bytes):
            return self.rows.get(key)
        return self.meters.get(key) if isinstance(key, MeterKey) else self.groups.get(key)

    def put(self, key: Key, value: bytes | None) -> None:
        """Let a value stand under a key, or nothing."""
        if isinstance(key, bytes):
            _put(self.rows, key, value)
        elif isinstance(key, MeterKey):
            _put(self.meters, key, value)
        else:
            _put(self.groups, key, value)

    def __len__(self) -> int:
        return len(self.rows) + len(self.groups) + len(self.meters)


def _put(part: dict[_K, bytes], key: _K, value: bytes | None) -> None:
    if value is None:
        part.pop(key, None)
    else:
        part[key] = value


def difference(old: Contents, new: Contents) -> Before:
    """What stands in `old` under each key that is otherwise in `new`."""
    found: Before = {}
    keys: set[Key] = {*old.rows, *old.groups, *old.meters, *new.rows, *new.groups, *new.meters}
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

    A meter goes last, and alone: with it go the rows that name it, and only when a switch has said that it has done all
    else is it known that none does.
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
        if isinstance(key, MeterKey):
            value = wanted.meters.get(key)
            kind = Kind.METER_DELETE if value is None else Kind.METER_ADD if present is None else Kind.METER_MODIFY
            by_kind[kind].append((kind, key, value or b""))
            continue
        value = groups.get(key)
        if value is not None and present is not None and present[:2] != value[:2]:
            replaced += [(Kind.GROUP_DELETE, key, b""), (Kind.GROUP_ADD, key, value)]
            named = (row for row, has in rows.items() if row not in off and names_group(has, key))
            by_kind[Kind.ROW_ADD] += [(Kind.ROW_ADD, row, rows[row]) for row in named]
        else:
            kind = Kind.GROUP_DELETE if value is None else Kind.GROUP_ADD if present is None else Kind.GROUP_MODIFY
            by_kind[kind].append((kind, key, value or b""))
    deletes = by_kind.pop(Kind.METER_DELETE)
    meters = [*by_kind.pop(Kind.METER_ADD), *by_kind.pop(Kind.METER_MODIFY)]
    return [*meters, *replaced, *(step for of_kind in by_kind.values() for step in of_kind)] or deletes
