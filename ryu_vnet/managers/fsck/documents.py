"""The kinds of documents that a store may hold, and how each is read: the one list of them.

The kind of a document is the part of its key before the first slash. A new kind that is no value of the model gets its
line in `READERS`; values of the model are known to `model.documents`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from ...errors import StoreError, VnetError
from ...fabric.declared import Switch
from ...fabric.documents import ADMITTED_PREFIX, FABRIC_KEY, OBSERVED_PREFIX, admission, fabric_from, ports_from
from ...model.documents import from_document
from ...model.values import key_of
from ...store.interface import Json, Store
from ..events import EVENT_PREFIX, event_from


def _admission(document: Json) -> Json:
    if document.keys() != admission(Switch("", 0, 0)).keys():
        raise StoreError("an admission has a number and a segment")
    return document


READERS: dict[str, Callable[[Json], object]] = {
    FABRIC_KEY: fabric_from,
    OBSERVED_PREFIX.rstrip("/"): ports_from,
    ADMITTED_PREFIX.rstrip("/"): _admission,
    EVENT_PREFIX.rstrip("/"): lambda document: event_from(EVENT_PREFIX + "0", document),
}
"""How documents are read that are no values of the model. Raises whatever what is wrong with them leads to."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A document that cannot be read, and why."""

    key: str
    why: str


def kind_of(key: str) -> str:
    """The kind of the document under a key."""
    return key.partition("/")[0]


def is_of_model(key: str) -> bool:
    """Whether a document is to be a value of the model."""
    return kind_of(key) not in READERS


def trouble_with(key: str, document: object) -> str | None:
    """Why a document cannot be read, or None."""
    if not isinstance(document, dict):
        return "it is no JSON object"
    try:
        if not is_of_model(key):
            READERS[kind_of(key)](document)
        elif key_of(value := from_document(key, document)) != key:
            return f"it belongs under {key_of(value)}"
    except VnetError as error:
        return str(error)
    except Exception as error:
        return repr(error)
    return None


def trouble_with_text(key: str, text: bytes) -> str | None:
    """The same of a document as it is stored."""
    try:
        return trouble_with(key, json.loads(text))
    except (ValueError, RecursionError) as error:
        return f"it is no JSON: {error}"


_NAMED = 3


def refusal(store: Store, error: Exception) -> StoreError:
    """What to say where a store could not be read because of `error`: which documents are to blame, and what to do."""
    try:
        stored = store.list(without=EVENT_PREFIX).documents
        found = [f"{one.key} ({why})" for one in stored if (why := trouble_with(one.key, one.value)) is not None]
    except StoreError as worse:
        found, error = [], worse
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    what = f"documents that cannot be read: {', '.join(found[:_NAMED])}{more}" if found else str(error)
    return StoreError(
        f"{what}. Nothing was changed, and the switches go on with what they have; "
        "`vnet fsck --store FILE` examines the store, and with --mend sets such documents aside"
    )
