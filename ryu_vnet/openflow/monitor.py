"""What a flow monitor tells: every change to a switch's rows, as it happens.

OpenFlow 1.4.1, "Flow monitoring"; in 1.3 the ONF's EXT-187, in the form that Open vSwitch gives it:

    1.4  length (16) | event (16) | table (8) | reason (8) | idle (16) | hard (16) | priority (16) | 0 (32)
         | cookie (64) | match with its padding | instructions
    1.3  length (16) | event (16) | reason (16) | priority (16) | idle (16) | hard (16) | length of match (16)
         | table (8) | 0 (8) | cookie (64) | match with its padding | instructions

    both, abbreviated: length 8 (16) | event (16) | xid (32)

The switch reports changes in the order in which it makes them, in one stream with its answers; the answer to a dump
shows the table as it is at that place of the stream, and nothing is told between its parts. What Open vSwitch
(3.1, both versions) was seen to do, and what follows from it for whoever keeps a copy of the table:

- Another's change comes in full, whatever made it: `ADDED` also where a row was replaced by an equal one, `MODIFIED`
  with the whole new row, `REMOVED` with the row as it was. A change that the switch refused is not reported, nor one
  that found no row.
- Our own comes as one `ABBREVIATED` a bundle, with the xid of the first message that changed a row, before the reply
  to the commit; a message outside a bundle has one of its own. What was told before the reply to a commit happened
  before the bundle or in it, what comes after it happened after. So apply what is told as it comes, and one's own
  steps at the reply to the commit: then a copy is right at every moment. (Except after a bundle that adds a row and
  then deletes the group which that row names; ours replace groups first, and delete those that go last.)
- What is in no message of ours comes in full although we caused it: `REMOVED` for rows that went with a group that we
  deleted (`Removal.GROUP_DELETE`), or whose time was over.
- When we read too slowly, so that too much waits in the switch: `PAUSED`. From then on nothing but `REMOVED` comes,
  not even abbreviations of our own changes. When all has been read the switch tells in full which rows were added or
  modified since, our own included, then `RESUMED`: a copy is complete again. Rows that came and went in between are
  not told. If we have committed rows of ours during the pause, they may be among those: then read the table again.

Everything of a value is told but flags and importance, which `FlowUpdate.value` has as zeros. They do nothing to a
frame; ours are zeros. `told` gives a value the same form: where `update.value != told(wanted)`, the row is another,
certainly. Where they are equal, the row does what it should; for flags and importance, ask for that row
(`messages.flow_exactly` with its cookie), or let the next dump show them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum

from ..errors import WireError
from .replies import header, multipart
from .wire import (
    ONF_EXPERIMENTER,
    ONF_FLOW_MONITOR,
    ONF_FLOW_MONITOR_PAUSED,
    ONF_FLOW_MONITOR_RESUMED,
    MessageType,
    Multipart,
    Version,
    unpack,
)

_BODY_AT = 16
_EXPERIMENTER = struct.Struct("!II")
_UPDATE = struct.Struct("!HH")
_ABBREVIATED = struct.Struct("!I")
_MATCH = struct.Struct("!2xH")
_FULL_14 = struct.Struct("!4xBB4sH4x8s")
_FULL_13 = struct.Struct("!4xHH4sHBx8s")
_ROW_AT = 24
"""Where match and instructions begin in an update, in both versions."""
_UNTOLD = bytes(4)


class Event(Enum):
    """What happened."""

    ADDED = "added"
    REMOVED = "removed"
    MODIFIED = "modified"
    ABBREVIATED = "abbreviated"
    PAUSED = "paused"
    RESUMED = "resumed"


class Removal(IntEnum):
    """Why a row was removed (OFPRR_*, 1.4.1)."""

    IDLE_TIMEOUT = 0
    HARD_TIMEOUT = 1
    DELETE = 2
    GROUP_DELETE = 3
    METER_DELETE = 4
    EVICTION = 5


@dataclass(frozen=True, slots=True)
class FlowUpdate:
    """One change. `key` and `value` are those of `rows`, where a row is told; `value` has zeros for flags and
    importance (`told`). `xid` is that of an abbreviated change, `removal` the reason where a row was removed."""

    event: Event
    key: bytes = b""
    value: bytes = b""
    xid: int = 0
    removal: Removal | None = None


_EVENTS = {
    Version.OF13: (Event.ADDED, Event.REMOVED, Event.MODIFIED, Event.ABBREVIATED),
    # The first is for rows that were there when the monitor began, which `messages.flow_monitor` does not ask for.
    Version.OF14: (
        *(Event.ADDED, Event.ADDED, Event.REMOVED, Event.MODIFIED, Event.ABBREVIATED),
        *(Event.PAUSED, Event.RESUMED),
    ),
}
"""Events by their number on the wire."""
_ONF_EVENTS = {ONF_FLOW_MONITOR_PAUSED: Event.PAUSED, ONF_FLOW_MONITOR_RESUMED: Event.RESUMED}


def told(value: bytes) -> bytes:
    """A row's value as a flow monitor tells it: without flags and importance."""
    return value[:4] + _UNTOLD + value[8:]


def monitor_updates(message: bytes) -> Iterator[FlowUpdate]:
    """The changes that a message tells, in their order.

    Takes multipart replies, and in 1.3 experimenter messages too, as which pauses come there. Nothing comes out of one
    that is about something else. Raises WireError when it comes to an update that is malformed.
    """
    head = header(message)
    if head.kind == MessageType.EXPERIMENTER:
        experimenter, kind = unpack(_EXPERIMENTER, message, 8, "experimenter message")
        if experimenter == ONF_EXPERIMENTER and kind in _ONF_EVENTS:
            yield FlowUpdate(_ONF_EVENTS[kind])
        return
    kind, _ = multipart(message)
    at, read = _BODY_AT, _full_14
    if head.version == Version.OF13:
        if kind != Multipart.EXPERIMENTER:
            return
        if unpack(_EXPERIMENTER, message, at, "experimenter multipart") != (ONF_EXPERIMENTER, ONF_FLOW_MONITOR):
            return
        at, read = at + _EXPERIMENTER.size, _full_13
    elif kind != Multipart.FLOW_MONITOR:
        return
    yield from _updates(message, at, _EVENTS[head.version], read)


def _updates(
    message: bytes, at: int, events: tuple[Event, ...], read: Callable[[bytes], tuple[bytes, bytes, int]]
) -> Iterator[FlowUpdate]:
    while at < len(message):
        length, number = unpack(_UPDATE, message, at, "flow update")
        update = message[at : at + length]
        if length < 8 or len(update) < length or number >= len(events):
            raise WireError(f"flow update at byte {at}: event {number}, {length} bytes; {len(message) - at} are left")
        event = events[number]
        if event is Event.ABBREVIATED:
            yield FlowUpdate(event, xid=unpack(_ABBREVIATED, update, _UPDATE.size, "abbreviated flow update")[0])
        elif event in (Event.PAUSED, Event.RESUMED):
            yield FlowUpdate(event)
        else:
            key, value, reason = read(update)
            yield FlowUpdate(event, key, value, removal=_removal(reason) if event is Event.REMOVED else None)
        at += length


def _full_14(update: bytes) -> tuple[bytes, bytes, int]:
    table, reason, times, priority, cookie = unpack(_FULL_14, update, 0, "flow update")
    return *_row(update, table, priority, times, cookie), reason


def _full_13(update: bytes) -> tuple[bytes, bytes, int]:
    reason, priority, times, match_length, table, cookie = unpack(_FULL_13, update, 0, "flow update")
    key, value = _row(update, table, priority, times, cookie)
    if match_length != int.from_bytes(key[6:8], "big"):
        raise WireError(f"flow update with a match of {match_length} bytes that says it has {key[6:8].hex()}")
    return key, value, reason


def _row(update: bytes, table: int, priority: int, times: bytes, cookie: bytes) -> tuple[bytes, bytes]:
    """Key and value as `rows` has them."""
    (match_length,) = unpack(_MATCH, update, _ROW_AT, "match of a flow update")
    instructions_at = _ROW_AT + (match_length + 7 & ~7)
    if match_length < 4 or instructions_at > len(update):
        raise WireError(f"flow update of {len(update)} bytes with a match of {match_length}")
    key = struct.pack("!BxH", table, priority) + update[_ROW_AT:instructions_at]
    return key, times + _UNTOLD + cookie + update[instructions_at:]


def _removal(reason: int) -> Removal | None:
    """Why a row was removed; None for a reason that the specification does not know."""
    return Removal(reason) if reason in tuple(Removal) else None
