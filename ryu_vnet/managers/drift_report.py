"""What others changed on switches, for people: what, where, how it was found, since when, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from math import inf

from ..compiler.limits import meter_text
from ..compiler.pipeline import STAGE_BY_TABLE
from ..compiler.rows import Group, Row
from ..compiler.text import Style, actions_text, group_text, match_text
from ..errors import WireError
from ..openflow.meters import MeterKey, decode_meter
from ..openflow.rows import decode_group, decode_row
from .communication import CommunicationManager, State
from .drift import Drift
from .explain import Meanings, Names
from .system import System
from .tables import why

LATELY_SECONDS = 3600
"""What was changed by others longer ago than this is no news."""
_LONGEST = 500
"""Characters that are shown of what was there and what was found; a group may have 800 buckets."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, twice: by the clock of the `System`, in seconds from anywhere, and by the calendar."""

    clock: float
    calendar: datetime


@dataclass(frozen=True, slots=True)
class DriftStatus:
    """A row or group that somebody else changed on a switch.

    `what` is `added`, `changed` or `removed`; `by` tells how it was found: `monitor`, the switch told at once, or
    `audit`. `place` names the table and priority of a row, or the group; `match` is empty for a group. `meaning` says
    in words what we had there, `was` and `found` say as actions what we had and what was found; None for nothing.
    Where something has no words, its bytes stand there in hex. `since` is when it was found, `age` how many seconds
    ago. `why` says why it is not put right yet.
    """

    switch: str
    what: str
    by: str
    place: str
    match: str
    meaning: str
    was: str | None
    found: str | None
    since: str
    age: float
    put_right: bool
    why: str


@dataclass(frozen=True, slots=True)
class DriftSummary:
    """How many rows and groups others changed in the last hour, and how many of these are not put right."""

    lately: int
    not_put_right: int


def drift_summary(system: System, now: Moment) -> DriftSummary:
    """What the one line says that `vnet status` has for it."""
    lately = [drift for when, drift in system.drifts if now.clock - when <= LATELY_SECONDS]
    off = {(drift.switch, drift.key) for drift in lately if not _is_right(system, drift)}
    return DriftSummary(len(lately), len(off))


def drifts_after(system: System, switch: str | None = None, after: float = -inf) -> list[tuple[float, Drift]]:
    """The drift of all switches, or of one, since a time of the System's clock, each with its own: no two have the
    same. The oldest is first; what is too long ago is forgotten by the System."""
    return [(when, drift) for when, drift in system.drifts if when > after and switch in (None, drift.switch)]


def drift_statuses(
    system: System, now: Moment, switch: str | None = None, found: Iterable[tuple[float, Drift]] | None = None
) -> list[DriftStatus]:
    """What is to be said of the drift of all switches, or of one, or of what `drifts_after` found."""
    words = _Words(system)
    told = drifts_after(system, switch) if found is None else found
    return [_status(system, words, drift, when, now) for when, drift in told]


def _status(system: System, words: _Words, drift: Drift, when: float, now: Moment) -> DriftStatus:
    age = max(now.clock - when, 0.0)
    place, match, was, found = _described(drift)
    if was == found and was is not None:
        # What differs is in what words leave out: cookie, timeouts, flags.
        was, found = _hex(drift.was), _hex(drift.found)
    manager = system.switches.get(drift.switch)
    put_right = _is_right(system, drift)
    return DriftStatus(
        switch=drift.switch,
        what=drift.what,
        by=drift.by,
        place=place,
        match=match,
        meaning=words.meaning(drift),
        was=_cut(was),
        found=_cut(found),
        since=(now.calendar - timedelta(seconds=age)).isoformat(timespec="milliseconds"),
        age=round(age, 3),
        put_right=put_right,
        why="" if put_right else _reason(manager, drift),
    )


def _is_right(system: System, drift: Drift) -> bool:
    """Whether the switch is known to have there what it is to have. One that is declared no more was emptied."""
    manager = system.switches.get(drift.switch)
    if manager is None:
        return True
    return manager.state in (State.CHANGING, State.IN_STEP) and drift.key not in manager.off


def _reason(manager: CommunicationManager | None, drift: Drift) -> str:
    if manager is None:
        return ""
    refusal = manager.rejected.get(drift.key)
    return f"the switch refuses it: {refusal.reason}" if refusal is not None else why(manager)


# --- in words -------------------------------------------------------------------------------------------------------


def _described(drift: Drift) -> tuple[str, str, str | None, str | None]:
    """Place, match, what was there and what was found."""
    key = drift.key
    if isinstance(key, int):
        return f"group {key:#x}", "", _group_text(key, drift.was), _group_text(key, drift.found)
    if isinstance(key, MeterKey):
        was, found = _meter_text(key.number, drift.was), _meter_text(key.number, drift.found)
        return f"meter {key.number:#x}", "", was, found
    table, priority = key[0], int.from_bytes(key[2:4], "big")
    stage = STAGE_BY_TABLE.get(table)
    place = f"{stage.name if stage else f'table {table}'}, priority {priority}"
    rows = [_row(key, value) for value in (drift.was, drift.found)]
    match = next((match_text(row.match, Style.MEANING) or "anything" for row in rows if row is not None), key.hex())
    was, found = (_row_text(row, value) for row, value in zip(rows, (drift.was, drift.found), strict=True))
    return place, match, was, found


def _row(key: bytes, value: bytes | None) -> Row | None:
    """A row, if there is one and it can be said as a value."""
    try:
        return decode_row(key, value)[0] if value is not None else None
    except WireError:
        return None


def _row_text(row: Row | None, value: bytes | None) -> str | None:
    return actions_text(row.actions, row.goto, Style.MEANING) if row is not None else _hex(value)


def _group_text(number: int, value: bytes | None) -> str | None:
    group = _group(number, value)
    return group_text(group, Style.MEANING) if group is not None else _hex(value)


def _group(number: int, value: bytes | None) -> Group | None:
    try:
        return decode_group(number, value) if value is not None else None
    except WireError:
        return None


def _meter_text(number: int, value: bytes | None) -> str | None:
    try:
        return meter_text(decode_meter(number, value)) if value is not None else None
    except WireError:
        return _hex(value)


def _hex(value: bytes | None) -> str | None:
    return value.hex() if value is not None else None


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


class _Words:
    """Sentences for what we had; what they need of the model is gathered only if there is something to say."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._names: Callable[[], Names] = cache(lambda: Names(system.model, system.fabric))
        self._meanings: Callable[[str], Meanings] = cache(self._of_switch)

    def _of_switch(self, name: str) -> Meanings:
        wanted = self._system.switches[name].wanted.groups
        groups = {number: decode_group(number, value) for number, value in wanted.items()}
        return Meanings(self._names(), name, self._system.ports.get(name, {}), groups)

    def meaning(self, drift: Drift) -> str:
        """What we had there; nothing where that was nothing, or is not what we would have."""
        if drift.was is None or drift.switch not in self._system.switches:
            return ""
        if isinstance(drift.key, MeterKey):
            return ""
        meanings = self._meanings(drift.switch)
        try:
            if isinstance(drift.key, int):
                return meanings.group(decode_group(drift.key, drift.was))
            return meanings.row(decode_row(drift.key, drift.was)[0])
        except (WireError, KeyError, ValueError):
            # It was not ours but somebody's who changed it twice, or names a group that is no more.
            return ""
