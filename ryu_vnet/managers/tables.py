"""The rows and fan-outs of a switch as they are wanted, each with its meaning and what has become of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..compiler.pipeline import STAGE_BY_TABLE
from ..compiler.text import Style, actions_text, match_text
from ..errors import NotFound
from ..openflow.rows import encode_row
from .communication import CommunicationManager, State
from .difference import Key
from .explain import Meanings, Names
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


def row_statuses(system: System, name: str, *, counted: bool = False) -> list[RowStatus]:
    """The rows that a switch is to hold, by table, priority and match, with what has become of each.

    `counted`: with the counters of the last `System.look`. Raises NotFound.
    """
    manager, table = require_switch(system, name), system.tables[name]
    names = Names(system.model, system.fabric)
    meanings = Meanings(names, name, system.ports.get(name, {}), table.groups)
    found = []
    for row in sorted(table.rows.values(), key=lambda row: (row.table, -row.priority, match_text(row.match))):
        key, _ = encode_row(row)
        state, reason = _progress(manager, key)
        packets, octets = manager.counts.get(key, (None, None)) if counted else (None, None)
        stage = STAGE_BY_TABLE[row.table].name
        text = match_text(row.match, Style.MEANING), actions_text(row.actions, row.goto, Style.MEANING)
        origin = names.origin(row.origin)
        found.append(RowStatus(stage, row.priority, *text, meanings.row(row), origin, state, reason, packets, octets))
    return found


def group_statuses(system: System, name: str) -> list[GroupStatus]:
    """The fan-outs that a switch is to hold, by number. Raises NotFound."""
    manager, table = require_switch(system, name), system.tables[name]
    names = Names(system.model, system.fabric)
    meanings = Meanings(names, name, system.ports.get(name, {}), table.groups)
    found = []
    for number, group in sorted(table.groups.items()):
        state, reason = _progress(manager, number)
        origin = names.origin(group.origin)
        found.append(GroupStatus(number, len(group.buckets), meanings.group(group), origin, state, reason))
    return found


def _progress(manager: CommunicationManager, key: Key) -> tuple[Progress, str | None]:
    if _is_read(manager) and key not in manager.off:
        return Progress.INSTALLED, None
    if key in manager.rejected:
        return Progress.REJECTED, manager.rejected[key].reason
    return Progress.PENDING, why(manager) or None
