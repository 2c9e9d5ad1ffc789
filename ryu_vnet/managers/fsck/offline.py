"""The check of a store that no controller has: a SQLite file, read document by document."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from ...errors import NotFound, StoreError
from ...fabric.declared import Fabric
from ...fabric.documents import ADMITTED_PREFIX, FABRIC_KEY, OBSERVED_PREFIX, fabric_from
from ...model.documents import from_document, to_document
from ...model.state import Draft, Model
from ...store.interface import Json
from ...store.sqlite import SqliteStore
from ..allocation import Allocator
from .checks import faults_of, mend
from .documents import is_of_model, trouble_with_text
from .finding import Case, Finding, Report, findings

ASIDE = ".set-aside.jsonl"
"""What the name of the file ends with that has the documents that were set aside, one JSON object a line."""


def check_file(path: Path, *, mending: bool) -> Report:
    """Examine the store in a file, and mend it where that is asked for.

    Documents that cannot be read are set aside first: appended to a file beside the store, then removed from it, and
    nothing else is mended then, since what depends on them may only look wrong. Raises NotFound where there is no such
    file, StoreError where a controller has it or it cannot be written, Exhausted or Conflict as `checks.mend`.
    """
    if not path.is_file():
        raise NotFound(f"there is no store {path}")
    with SqliteStore(path) as store:
        damage = store.damage()
        if damage:
            why = "what is read from it may be wrong: restore a copy of the file; nothing in it was touched"
            found = [Finding("damaged file", str(path), text, why) for text in damage[:5]]
            return Report(_revision(store), 0, 0, found, [], [], [])
        return _checked(store, mending=mending)


def _revision(store: SqliteStore) -> int:
    """The revision of a damaged file, 0 where it cannot be read any more."""
    try:
        return store.revision
    except StoreError:
        return 0


def _checked(store: SqliteStore, *, mending: bool) -> Report:
    texts = store.texts()
    bad = {key: why for key, text in texts if (why := trouble_with_text(key, text)) is not None}
    good = {key: json.loads(text) for key, text in texts if key not in bad}
    aside = store.path.with_name(store.path.name + ASIDE)
    unread = [_unreadable(key, why, aside) for key, why in bad.items()]
    case = case_of(good, store.revision)
    if not mending:
        return Report(store.revision, len(texts), 0, [*unread, *findings(faults_of(case))], [], [], [])
    if bad:
        _set_aside(aside, store.revision, [(key, text) for key, text in texts if key in bad], bad)
        revision = store.commit(dict.fromkeys(bad))
        note = f"{len(bad)} document(s) are in {aside}; mend again for the rest, once what hangs on them is clear"
        return Report(revision, len(texts), 0, [*findings(faults_of(case))], unread, [], [note])
    mended = mend(case)
    documents: dict[str, Json | None] = {
        **case.others,
        **{key: to_document(value) if value is not None else None for key, value in case.draft.changes.items()},
    }
    revision = store.commit(documents) if documents else store.revision
    return Report(revision, len(texts), 0, [*findings(faults_of(case))], mended, [], [])


def _unreadable(key: str, why: str, aside: Path) -> Finding:
    mending = f"it is set aside in {aside.name}, and nothing else is mended with it"
    reason = "the controller does not start on it, or takes it for something else"
    return Finding("unreadable document", key, f"document {key}: {why}", reason, mending)


def case_of(documents: Mapping[str, Json], revision: int) -> Case:
    """What is to be examined of documents that can all be read."""
    draft = Draft(Model(from_document(key, value) for key, value in documents.items() if is_of_model(key)))
    fabric = fabric_from(documents[FABRIC_KEY]) if FABRIC_KEY in documents else Fabric()
    observed = {key.removeprefix(OBSERVED_PREFIX) for key in documents if key.startswith(OBSERVED_PREFIX)}
    admitted = {k.removeprefix(ADMITTED_PREFIX): v for k, v in documents.items() if k.startswith(ADMITTED_PREFIX)}
    return Case(draft, fabric, Allocator(draft, revision + 1), observed, admitted)


def _set_aside(path: Path, revision: int, texts: list[tuple[str, bytes]], whys: Mapping[str, str]) -> None:
    """Append documents to a file, which is on disk when this returns. Raises StoreError."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w", encoding="utf-8") as file:
            for key, text in texts:
                line = {"key": key, "text": text.decode(errors="backslashreplace"), "why": whys[key], "at": revision}
                file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error}; nothing was set aside") from error
