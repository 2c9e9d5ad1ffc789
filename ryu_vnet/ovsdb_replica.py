"""A copy of some rows of an OVSDB, kept by what its server says that changed.

The server answers `monitor_cond` with all rows, and then tells each change (ovsdb-server(7), "monitor_cond" and
"update2", which succeed `monitor` of RFC 7047, 4.1.5):

    {table: {uuid: {"initial" | "insert": row}}}   a row; columns with their default value are left out
    {table: {uuid: {"delete": null}}}              it is gone
    {table: {uuid: {"modify": row}}}               the columns that differ: of what holds one value at most, the new
                                                   one; of a set, the elements that came or went; of a map, the pairs
                                                   that came or went, and a key with another value has its new one

so that a port more on a bridge of thousands is told by one UUID (by `monitor`, all of them, twice). Values are as in
RFC 7047, 5.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from .errors import Unreachable
from .managers.sightings import KEYS, LONGEST, Misfit, shortened

COLUMNS = {
    "Bridge": ("datapath_id", "ports"),
    "Port": ("interfaces",),
    "Interface": ("name", "ofport", "external_ids"),
}
"""What is copied."""
CONDITIONS = {"Interface": [["external_ids", "!=", ["map", []]]]}
"""Of which rows (RFC 7047, 5.1): most interfaces say nothing of anybody, and what they are is not copied."""
MOST_HELD = 1 << 16
"""Rows, and references in them. An interface takes four: itself, its port, and who refers to both."""

_SETS = {"ports", "interfaces"}
_MAPS = {"external_ids"}
_LARGEST = 1 << 63
"""Integers of OVSDB have 64 bits."""

Row = dict[str, Any]


class Replica:
    """Rows by table and UUID, by what was received: sets as `set`, the maps as `dict` with the keys of KEYS alone, the
    others as they are, None where not set; a Misfit for whatever does not fit."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Row]] = {table: {} for table in COLUMNS}
        self._held = 0

    def apply(self, updates: Any) -> Iterator[None]:
        """Take over changes, with a place to pause after each row. Raises Unreachable where they cannot be followed,
        and the copy is worth nothing from then on."""
        for table, changes in _object(updates).items():
            if table not in COLUMNS:
                raise Unreachable(f"it tells of table {shortened(table)}, which was not asked for")
            for uuid, change in _object(changes).items():
                if not _is_uuid(uuid):
                    raise Unreachable(f"it tells of a row {shortened(uuid)}, which is no UUID")
                self._change(table, uuid, _object(change))
                if self._held > MOST_HELD:
                    raise Unreachable(f"it has more than {MOST_HELD} rows and references")
                yield

    def _change(self, table: str, uuid: str, change: dict[str, Any]) -> None:
        if len(change) != 1:
            raise Unreachable(f"it tells {len(change)} changes of a row at once")
        ((kind, said),) = change.items()
        rows = self.rows[table]
        if kind not in ("initial", "insert", "modify", "delete"):
            raise Unreachable(f"it tells a change {shortened(kind)}, which does not exist")
        if (kind in ("initial", "insert")) is (uuid in rows):
            raise Unreachable(f"it tells {kind} of a row of {table} that is {'' if uuid in rows else 'not '}there")
        old = rows.pop(uuid, None)
        self._held -= _weight(old)
        if kind != "delete":
            given = _object(said)
            told = {column: _value(column, given[column]) for column in COLUMNS[table] if column in given}
            old = old or {}
            new = {**old, **{column: _merged(old.get(column), value) for column, value in told.items()}}
            self._held += _weight(new)
            rows[uuid] = new


def _weight(row: Row | None) -> int:
    return 0 if row is None else 1 + sum(len(value) for value in row.values() if isinstance(value, set))


def _merged(old: Any, told: Any) -> Any:
    """A column's value from the one before (None: the default) and what is told of it."""
    if isinstance(old, Misfit) and isinstance(told, (set, dict)):
        return old
    if isinstance(told, set):
        return told ^ old if isinstance(old, set) else told
    if isinstance(told, dict):
        before = old if isinstance(old, dict) else {}
        gone = {key for key, value in told.items() if key in before and before[key] == value}
        return {key: value for key, value in {**before, **told}.items() if key not in gone}
    return told


def _value(column: str, json: Any) -> Any:
    if column in _SETS:
        return _set(json)
    if column in _MAPS:
        return _map(json)
    return None if json == ["set", []] else _atom(json)


def _set(json: Any) -> set[str] | Misfit:
    match json:
        case ["uuid", _]:
            elements = [json]
        case ["set", list() as elements]:
            pass
        case _:
            return Misfit(shortened(json))
    found = {each[1] for each in elements if _is_reference(each)}
    return found if len(found) == len(elements) else Misfit("a set with something else in it")


def _is_reference(json: Any) -> bool:
    return isinstance(json, list) and len(json) == 2 and json[0] == "uuid" and _is_uuid(json[1])


def _is_uuid(json: Any) -> bool:
    return isinstance(json, str) and len(json) == 36


def _map(json: Any) -> dict[str, Any] | Misfit:
    match json:
        case ["map", list() as pairs] if all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            return {pair[0]: _atom(pair[1]) for pair in pairs if isinstance(pair[0], str) and pair[0] in KEYS}
    return Misfit(shortened(json))


def _atom(json: Any) -> Any:
    if isinstance(json, str):
        # What is too long is not needed, but that it is, and whether it changes.
        return json if len(json) <= LONGEST else json[:LONGEST] + sha256(json.encode("utf-8", "replace")).hexdigest()
    if isinstance(json, float) or (isinstance(json, int) and abs(json) <= _LARGEST):
        return json
    return Misfit(shortened(json))


def _object(json: Any) -> dict[str, Any]:
    if isinstance(json, dict):
        return json
    raise Unreachable(f"it sends {shortened(json)} where an object must stand")
