"""The check of a running System: its model, the documents in its store, its switches, and what is never realised."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial

from ...errors import StoreError
from ...fabric.documents import OBSERVED_PREFIX
from ...model.state import Draft
from ...store.interface import Json
from ..allocation import Allocator
from ..communication import State
from ..drift_report import drifts_after
from ..events import EVENT_PREFIX
from ..requests import Work
from ..status import pending, resting_statuses
from ..system import System
from ..tables import why
from .checks import faults_of, mend
from .documents import is_of_model, kind_of, trouble_with
from .finding import Case, Edit, Fault, Finding

_AFTER_RESTART = "the controller would start with something else than it has now"


def case_of(system: System, work: Work | None = None, others: dict[str, Json | None] | None = None) -> Case:
    """What is to be examined of a system; without `work`, on a draft that nobody keeps."""
    if work is None:
        draft = Draft(system.model)
        work = Work(draft, system.fabric, Allocator(draft, system.revision + 1))
    changed: dict[str, Json | None] = {} if others is None else others
    return Case(work.draft, system.fabric, work.allocator, {*system.ports}, system.admissions, changed)


def faults(system: System) -> list[Fault]:
    """All that is wrong with the model, and with what the store has of it."""
    return [*faults_of(case_of(system)), *store_faults(system)]


def mend_all(system: System) -> tuple[int, list[Finding]]:
    """Mend what can be mended, in one transaction; the revision that holds it, and what was wrong.

    Raises Exhausted, Conflict or StoreError; then nothing has changed.
    """
    mended: list[Finding] = []

    def edit(work: Work, others: dict[str, Json | None]) -> None:
        case = case_of(system, work, others)
        for fault in store_faults(system):
            if fault.edit is not None:
                fault.edit(case)
                mended.append(fault.finding)
        mended.extend(mend(case))

    answer = system.mend(edit)
    return answer.revision, mended


# --- the store --------------------------------------------------------------------------------------------------------


def store_faults(system: System) -> Iterator[Fault]:
    """Where the store has something else than the memory, which is what was answered and what switches have."""
    try:
        stored = {document.key: document.value for document in system.store.list(without=EVENT_PREFIX).documents}
    except StoreError as error:
        what = f"the store cannot be read as a whole: {error}"
        how = "the controller would not start again: stop it, and use `vnet fsck --store FILE`"
        yield Fault(Finding("unreadable store", "", what, how))
        return
    held = system.documents()
    compared = {"fabric", "observed", "admitted"} | {kind_of(key) for key in held}
    late = {OBSERVED_PREFIX + name for name in system.unsaved}
    for key in sorted((stored.keys() | held.keys()) - late):
        if key in held and key in stored and _text(stored[key]) == _text(held[key]):
            continue
        trouble = trouble_with(key, stored[key]) if key in stored else None
        if key in held and key in stored:
            what = trouble or "it says something else than the controller has"
            yield _differs("document differs", key, what, "it is written again", held[key])
        elif key in held:
            yield _differs("document missing", key, "it is not in the store", "it is written again", held[key])
        elif trouble is None and (kind_of(key) in compared or is_of_model(key)):
            yield _differs("document of nobody", key, "the controller has nothing like it", "it goes", None)
        elif trouble is not None:
            how = "the controller would not start again: stop it, and use `vnet fsck --store FILE`"
            yield Fault(Finding("unreadable document", key, trouble, how))


def _differs(kind: str, key: str, what: str, mending: str, document: Json | None) -> Fault:
    edit: Edit = partial(_write, key, document)
    return Fault(Finding(kind, key, f"document {key}: {what}", _AFTER_RESTART, mending), edit)


def _write(key: str, document: Json | None, case: Case) -> None:
    case.others[key] = document


def _text(document: Json) -> str:
    return json.dumps(document, sort_keys=True)


# --- switches ---------------------------------------------------------------------------------------------------------


def audited(system: System) -> list[str]:
    """The switches that can be asked what they have, by name."""
    return [name for name, manager in sorted(system.switches.items()) if manager.is_answering]


def switch_findings(system: System, since: float) -> Iterator[Finding]:
    """What audits since a time of the System's clock have found on switches, and what these refuse to hold."""
    for _, drift in drifts_after(system, None, since):
        place = f"table {drift.key[0]}" if isinstance(drift.key, bytes) else f"group {drift.key:#x}"
        what = f"somebody else has {drift.what} something: {place}"
        reason = "frames may go where no network lets them; `vnet drift` says more"
        yield Finding("not what it is to hold", drift.switch, what, reason, "the audit has put it right, or will")
    for name, manager in sorted(system.switches.items()):
        if manager.rejected or (manager.trouble is not None and manager.state is State.IN_STEP):
            reason = "what it is for does not work; `vnet status` says which rows, and how it is tried again"
            yield Finding("refused", name, why(manager), reason)


def waiting(system: System) -> Iterator[Finding]:
    """What is not realised, or rests, for a reason that does not go away by itself."""
    awaited: dict[str, list[int]] = {}
    for place in system.missing_ports():
        awaited.setdefault(place.switch, []).append(system.awaited_by(place) or 0)
    for part in pending(system):
        manager, missing = system.switches[part.switch], awaited.get(part.switch, [])
        if manager.state in (State.AWAY, State.REFUSED) or manager.rejected or missing:
            first = min([*manager.unacknowledged, *missing], default=None)
            since = f"; revision {first} waits for it, and may not be the only one" if first is not None else ""
            yield Finding("not realised", part.switch, f"{part.why}{since}", "it stays so until that is put right")
    for rest in resting_statuses(system):
        if rest.held_by:
            where = f" of segment {rest.segment}" if rest.segment else ""
            what = f"{rest.kind} {rest.identifier}{where} rests until it is known what they hold"
            yield Finding("held", ", ".join(rest.held_by[:5]), what, "nobody else can have it until then")


def unaudited(system: System, names: Iterable[str]) -> list[str]:
    """In words: the switches that were not read, and why."""
    managers = ((name, system.switches.get(name)) for name in names)
    return [
        f"{name} was not read: {(why(m) or 'it did not answer in time') if m else 'it is gone'}" for name, m in managers
    ]
