"""The rows and fan-outs of a switch as they are wanted, each with its meaning and what has become of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from heapq import nsmallest
from typing import TypeAlias

from ..compiler.pipeline import STAGE_BY_TABLE
from ..compiler.rows import Group
from ..compiler.text import Style, actions_text, match_text
from ..errors import Invalid, NotFound, Problem
from ..openflow.rows import decode_group, decode_row
from .communication import CommunicationManager, State
from .difference import Key
from .explain import Meanings, Names
from .programme import origin_of_group
from .system import System


class Progress(Enum):
    """What has become of a row or group."""

    INSTALLED = "installed"
    PENDING = "pending"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class RowStatus:
    """One row as it is wanted. `packets` and `octets` are None where the switch was not asked."""

    stage: str
    priority: int
    match: str
    actions: str
    meaning: str
    origin: str
    state: Progress
    reason: str | None
    packets: int | None
    octets: int | None


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """One fan-out as it is wanted."""

    number: int
    buckets: int
    meaning: str
    origin: str
    state: Progress
    reason: str | None


def require_switch(system: System, name: str) -> CommunicationManager:
    """A switch that must be declared. Raises NotFound, naming those that are."""
    manager = system.switches.get(name)
    if manager is None:
        listed = ", ".join(sorted(system.switches)[:12]) or "none is declared yet"
        raise NotFound(f"there is no switch {name!r} in the fabric (there are: {listed})")
    return manager


def why(manager: CommunicationManager) -> str:
    """Why a switch does not hold what it is to hold, in words; empty where it does."""
    match manager.state:
        case State.AWAY:
            return "it is not connected"
        case State.REFUSED:
            return f"it must not be programmed as it is set up: {manager.trouble}"
        case State.READING:
            return "its tables are being read"
        case State.CHANGING:
            return "changes are on their way to it"
        case State.IN_STEP if manager.rejected:
            reasons = ", ".join(sorted({refusal.reason for refusal in manager.rejected.values()}))
            return f"it refused {len(manager.rejected)} row(s) or group(s): {reasons}"
        case _:
            return manager.trouble or ""


def _is_read(manager: CommunicationManager) -> bool:
    """Whether it is known what a switch holds."""
    return manager.state in (State.CHANGING, State.IN_STEP)


def to_send(manager: CommunicationManager) -> int:
    """How many rows and groups a switch is not known to hold, or is known to hold and must not."""
    return len(manager.off) if _is_read(manager) else len(manager.wanted)


def names_of(system: System) -> Names:
    """Names for the numbers in rows. Takes a look at every interface there is, so it is made once for many rows."""
    return Names(system.model, system.fabric)


def row_statuses(system: System, name: str, *, counted: bool = False) -> list[RowStatus]:
    """The rows that a switch is to hold, by table, priority and match, with what has become of each.

    `counted`: with the counters of the last `System.look`. Raises NotFound.
    """
    rows = require_switch(system, name).wanted.rows
    return rows_said(system, names_of(system), name, sorted(rows, key=place_of), counted=counted)


def rows_said(
    system: System, names: Names, name: str, keys: Iterable[bytes], *, counted: bool = False
) -> list[RowStatus]:
    """The same of the rows that have these keys, in their order. Raises NotFound."""
    manager = require_switch(system, name)
    meanings = Meanings(names, name, system.ports.get(name, {}), _Groups(manager))
    found = []
    for key in keys:
        row, _ = decode_row(key, manager.wanted.rows[key])
        state, reason = _progress(manager, key)
        packets, octets = manager.counts.get(key, (None, None)) if counted else (None, None)
        stage = STAGE_BY_TABLE[row.table].name
        text = match_text(row.match, Style.MEANING), actions_text(row.actions, row.goto, Style.MEANING)
        origin = names.origin(row.origin)
        found.append(RowStatus(stage, row.priority, *text, meanings.row(row), origin, state, reason, packets, octets))
    return found


def group_statuses(system: System, name: str) -> list[GroupStatus]:
    """The fan-outs that a switch is to hold, by number. Raises NotFound."""
    return groups_said(system, names_of(system), name, sorted(require_switch(system, name).wanted.groups))


def groups_said(system: System, names: Names, name: str, numbers: Iterable[int]) -> list[GroupStatus]:
    """The fan-outs that have these numbers, in their order. Raises NotFound."""
    manager = require_switch(system, name)
    groups = _Groups(manager)
    meanings = Meanings(names, name, system.ports.get(name, {}), groups)
    found = []
    for number in numbers:
        state, reason = _progress(manager, number)
        group = groups[number]
        origin = names.origin(group.origin)
        found.append(GroupStatus(number, len(group.buckets), meanings.group(group), origin, state, reason))
    return found


class _Groups(Mapping[int, Group]):
    """The groups of a switch as values, of which those are decoded that somebody looks at."""

    def __init__(self, manager: CommunicationManager) -> None:
        self._manager = manager

    def __getitem__(self, number: int) -> Group:
        value = self._manager.wanted.groups[number]
        return decode_group(number, value, origin_of_group(number, self._manager.number))

    def __iter__(self) -> Iterator[int]:
        return iter(self._manager.wanted.groups)

    def __len__(self) -> int:
        return len(self._manager.wanted.groups)


# --- in pages -------------------------------------------------------------------------------------------------------

RowPlace: TypeAlias = tuple[int, int, bytes]
"""Where a row stands among the rows of its switch: table, priority (the highest first), match as on the wire."""
_KEY_LENGTH = 4
"""Bytes of a key before its match."""
_END = 256
"""A table that comes after all others."""


def place_of(key: bytes) -> RowPlace:
    """The place of the row that has a key."""
    return key[0], -int.from_bytes(key[2:4], "big"), key[4:]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of what a switch is to hold, one after the other: keys of rows, then numbers of groups. `next` says where
    it goes on, or is None at the end. There are `total` rows and groups."""

    rows: list[bytes]
    groups: list[int]
    next: str | None
    total: int


def piece(system: System, name: str, after: str | None, most: int) -> Piece:
    """The first rows and groups that come after what `Piece.next` says, and `most` of them at most.

    Costs a look at the key of each row, 1 us, and no more. Raises NotFound, and Invalid for what no piece says.
    """
    wanted = require_switch(system, name).wanted
    row, group = _read(after)
    keys = (key for key in wanted.rows if place_of(key) > row) if row < (_END,) else ()
    rows = nsmallest(most + 1, keys, key=place_of)
    groups = nsmallest(most + 1 - len(rows), (number for number in wanted.groups if number > group))
    total = len(wanted.rows) + len(wanted.groups)
    if len(rows) + len(groups) <= most:
        return Piece(rows, groups, None, total)
    if len(rows) > most or not groups[:-1]:
        rows, groups = rows[:most], []
        return Piece(rows, groups, f"row-{rows[-1].hex()}", total)
    return Piece(rows, groups[:-1], f"group-{groups[-2]:x}", total)


def _read(after: str | None) -> tuple[RowPlace | tuple[int], int]:
    """After which row and which group a piece begins."""
    if after is None:
        return (-1,), -1
    kind, _, text = after.partition("-")
    try:
        if kind == "row" and len(key := bytes.fromhex(text)) >= _KEY_LENGTH:
            return place_of(key), -1
        if kind == "group":
            return (_END,), int(text, 16)
    except ValueError:
        pass
    raise Invalid(Problem("after", f"no list goes on after {after!r}", "what `next` of the answer before says"))


def _progress(manager: CommunicationManager, key: Key) -> tuple[Progress, str | None]:
    if _is_read(manager) and key not in manager.off:
        return Progress.INSTALLED, None
    if key in manager.rejected:
        return Progress.REJECTED, manager.rejected[key].reason
    return Progress.PENDING, why(manager) or None
