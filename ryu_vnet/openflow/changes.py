"""Changes to a table as a stream of bytes: step after step, in a bundle or without one.

A change may have a million steps and must be neither slow nor in memory twice. So it is made as it is sent: a chunk
of about 64 KiB at a time, each row packed in one go from the slices of its key and value. What comes out is, byte for
byte, what `messages.in_bundle` makes of the messages one by one.

Steps are numbered: the first has `first_xid`, the next one more, and so on. A refusal names a step by its xid, so
`steps[error.xid - first_xid]` is the one that was refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import TypeAlias

from ..errors import WireError
from . import messages
from .meters import MeterKey
from .wire import BundleStep, MessageType, Version

CHUNK = 1 << 16
"""About how many bytes are handed out at once."""


class Kind(IntEnum):
    """What a step does; in the order that they must have, so that no row names a group or meter that is not there."""

    METER_ADD = 1
    METER_MODIFY = 2
    GROUP_ADD = 3
    GROUP_MODIFY = 4
    ROW_ADD = 5
    ROW_DELETE = 6
    GROUP_DELETE = 7
    METER_DELETE = 8


METERS = frozenset({Kind.METER_ADD, Kind.METER_MODIFY, Kind.METER_DELETE})
"""Steps that no bundle takes."""

Step: TypeAlias = tuple[Kind, bytes | int | MeterKey, bytes]
"""What to do, with which row (its key), group (its number) or meter, and its value: none where something is deleted."""


def bundle(
    version: Version, number: int, steps: Iterable[Step], first_xid: int, open_xid: int, commit_xid: int
) -> Iterator[bytes]:
    """The steps as the bundle of that number, from its opening to its commit, in chunks.

    The switch does all of them in their order, or none; it answers opening and commit (`replies.bundle_reply`).
    Raises WireError at a step whose message would be too long or whose xid would need more than 32 bits: what was
    handed out before is then a bundle without end, to be discarded.
    """
    # What stands around a row is the same for all rows but for two lengths and two xids: cut it out of a wrapper.
    empty = messages.bundle_add(version, number, messages.HEADER.pack(version, MessageType.FLOW_MOD, 8, 0))
    start, between, around = empty[:2], empty[8:-6], len(empty) - messages.HEADER.size
    pack = struct.Struct(f"!2sHI{len(between)}sHI{messages.FLOW_MOD_BODY}").pack
    anyone = messages.NO_BUFFER_ANY_PORT_ANY_GROUP
    row_add, row_delete = Kind.ROW_ADD, Kind.ROW_DELETE
    parts = [messages.bundle_control(version, open_xid, number, BundleStep.OPEN_REQUEST)]
    size = 0
    # One loop, without a call for each row, is half as fast again as the same in pieces.
    for xid, step in enumerate(steps, first_xid):
        kind, key, value = step
        if isinstance(key, bytes) and (kind is row_add or kind is row_delete):
            command = messages.ADD
            if kind is row_delete:
                command, value = messages.DELETE_STRICT, messages.NO_VALUE
            length = messages.FLOW_MOD_OVERHEAD + len(key) + len(value)
            whole = length + around
            table, priority, times, rest, cookie = key[:1], key[2:4], value[:4], value[4:8], value[8:16]
            try:
                head = pack(
                    start, whole, xid, between, length, xid, cookie, table, command, times, priority, anyone, rest
                )
            except struct.error as error:
                raise WireError(f"a row of {length} bytes with the xid {xid:#x} fits no bundle: {error}") from error
            parts += (head, key[4:], value[16:])
            size += whole
        else:
            parts.append(messages.bundle_add(version, number, message(version, xid, step)))
            size += len(parts[-1])
        if size >= CHUNK:
            yield b"".join(parts)
            parts.clear()
            size = 0
    parts.append(messages.bundle_control(version, commit_xid, number, BundleStep.COMMIT_REQUEST))
    yield b"".join(parts)


def plain(version: Version, steps: Iterable[Step], first_xid: int) -> Iterator[bytes]:
    """The steps as messages of their own, in chunks, for a switch that knows no bundles.

    The switch does them in their order if a barrier follows groups that rows name (`messages.barrier`; Open vSwitch
    does them in their order anyway), each whether the others were refused or not. Raises WireError as `bundle` does.
    """
    parts: list[bytes] = []
    size = 0
    for xid, step in enumerate(steps, first_xid):
        parts.append(message(version, xid, step))
        size += len(parts[-1])
        if size >= CHUNK:
            yield b"".join(parts)
            parts.clear()
            size = 0
    if parts:
        yield b"".join(parts)


def message(version: Version, xid: int, step: Step) -> bytes:
    """One step as a message of its own."""
    kind, key, value = step
    if isinstance(key, bytes):
        if kind is Kind.ROW_ADD:
            return messages.flow_add(version, xid, key, value)
        if kind is Kind.ROW_DELETE:
            return messages.flow_delete(version, xid, key)
    elif isinstance(key, MeterKey):
        if kind is Kind.METER_ADD:
            return messages.meter_add(version, xid, key.number, value)
        if kind is Kind.METER_MODIFY:
            return messages.meter_modify(version, xid, key.number, value)
        if kind is Kind.METER_DELETE:
            return messages.meter_delete(version, xid, key.number)
    elif kind is Kind.GROUP_ADD:
        return messages.group_add(version, xid, key, value)
    elif kind is Kind.GROUP_MODIFY:
        return messages.group_modify(version, xid, key, value)
    elif kind is Kind.GROUP_DELETE:
        return messages.group_delete(version, xid, key)
    raise WireError(f"{kind.name} with the key {key!r}: rows have bytes for a key, groups their number, meters theirs")
