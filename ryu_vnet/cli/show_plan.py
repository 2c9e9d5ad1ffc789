"""A plan as lines for people: what comes, what is changed, what goes; and all of it in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from rich.console import Console

Json = dict[str, Any]
Line: TypeAlias = tuple[str, str]
"""A style, and what is said in it."""

NEW, CHANGED, GONE, MORE = "green", "yellow", "red", "dim"

_KINDS = {
    "segments": "segment",
    "switches": "switch",
    "links": "link",
    "outside": "outside network",
    "tenants": "tenant",
    "networks": "network",
    "nodes": "node",
    "floating": "floating address",
    "forwards": "forwarded",
    "routers": "router",
    "gateways": "gateway of",
    "others": "",
}
"""What a plan has differences of, in the order in which they are shown, and what one of them is called."""
_COUNTED = {"forwards": "forwarded port", "gateways": "gateway"}
_PLURALS = {"switch": "switches", "floating address": "floating addresses", "": "others"}
_REMOVED = ("tenants", "networks", "nodes", "floating", "forwards", "routers")
"""What pruning removes."""
_SIGNS = {"new": ("+", NEW), "changed": ("~", CHANGED), "gone": ("-", GONE)}


def plan(console: Console, found: Json) -> None:
    """The whole plan."""
    _print(console, _lines(found))
    _print(console, [("bold", summary(found))])


def removed(console: Console, found: Json) -> bool:
    """What a plan removes of tenants and what they have; whether there is any of it."""
    shown = [line for kind in _REMOVED for line in _listed(found[kind]["gone"], f"- {_KINDS[kind]} {{}}", GONE)]
    _print(console, shown)
    return bool(shown)


def summary(found: Json) -> str:
    """`3 networks, 40 nodes to add; 2 nodes to change; nothing to remove; 812 rows on 9 switches`."""
    if not found["changed"]:
        return "Nothing would change."
    parts = [
        f"{_counted(found, state) or 'nothing'} to {what}"
        for state, what in (("new", "add"), ("changed", "change"), ("gone", "remove"))
    ]
    rows = found["rows"]
    count = rows["added"] + rows["changed"] + rows["removed"]
    on = _many(rows["by_switch"]["count"], "switch")
    return "; ".join([*parts, f"{_many(count, 'row')} on {on}" if count else "no rows"])


def _counted(found: Json, state: str) -> str:
    counts = ((found[kind][state]["count"], _COUNTED.get(kind, name)) for kind, name in _KINDS.items())
    words = ["the MTU"] if state == "changed" and found["mtu"] is not None else []
    return ", ".join([*words, *(_many(count, name) for count, name in counts if count)])


def _many(count: int, name: str) -> str:
    return f"{count:,} {name if name and count == 1 else _PLURALS.get(name, f'{name}s')}"


def _print(console: Console, lines: Iterable[Line]) -> None:
    from rich.text import Text

    for style, text in lines:
        console.print(Text(text, style))


def _lines(found: Json) -> Iterator[Line]:
    if found["mtu"] is not None:
        yield CHANGED, f"~ MTU of the nodes: {found['mtu']['old']} -> {found['mtu']['new']}"
    for kind, name in _KINDS.items():
        for state, (sign, style) in _SIGNS.items():
            words = f"{sign} {name} {{}}" if name else f"{sign} {{}}"
            if state == "changed":
                yield from _changed(found[kind][state], words)
            else:
                yield from _listed(found[kind][state], words, style)
    yield from _listed(found["started"], "+ {} starts", NEW)
    yield from _listed(found["stopped"], "- {} stops", GONE)
    yield from _listed(found["joined"], "+ {node} {interface} joins {network}", NEW)
    yield from _listed(found["left"], "- {node} {interface} leaves {network}", GONE)
    yield from _listed(found["tags_granted"], "+ tag {number} of segment {segment} for {network}", NEW)
    yield from _listed(found["tags_returned"], "- tag {number} of segment {segment} for {network}", GONE)
    yield from _listed(found["labels_granted"], "+ label {number} for {network}", NEW)
    yield from _listed(found["labels_returned"], "- label {number} for {network}", GONE)
    yield from _listed(found["rows"]["by_switch"], "~ rows of {switch}: +{added} ~{changed} -{removed}", CHANGED)


def _listed(part: Json, words: str, style: str) -> Iterator[Line]:
    """Entries, each in these words, and how many more there are."""
    for entry in part["first"]:
        yield style, words.format(**entry) if isinstance(entry, dict) else words.format(entry)
    yield from _more(part, words)


def _changed(part: Json, words: str) -> Iterator[Line]:
    for entry in part["first"]:
        yield CHANGED, words.format(entry["name"])
        for field in entry["fields"]:
            yield CHANGED, f"    {field['field']}: {_value(field['old'])} -> {_value(field['new'])}"
        if entry["more_fields"]:
            yield MORE, f"    and {entry['more_fields']} more fields"
    yield from _more(part, words)


def _value(text: str | None) -> str:
    return "-" if text is None else text


def _more(part: Json, words: str) -> Iterator[Line]:
    left = part["count"] - len(part["first"])
    if left:
        yield MORE, f"{words[0]} ... and {left:,} more like these"
