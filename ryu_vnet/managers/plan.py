"""What a request would change, as values to read: the model, the identifiers, the fabric, and the rows of each switch.

Taken from two states, that before and that after, of which the second need not stay. A list has so many entries as are
asked for and says how many there are: what fifty thousand nodes change can still be read, and sent in one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from ..compiler.presence import Presence
from ..fabric.declared import Fabric, Link, Outside, Switch
from ..model.outside import Floating, Forward, Gateway
from ..model.values import Node, TagGrant, Value, key_of
from .difference import Before, Contents
from .outside_words import named, told
from .plan_fields import Fields, fields_of

V = TypeVar("V")
Pair: TypeAlias = tuple[Value | None, Value | None]
"""A value as it is and as it would be; None where there is none."""

MOST_LISTED = 100
"""Entries of a list unless more are asked for."""
_MOST_FIELDS = 20
_LONGEST = 120
"""Characters of the text of a field that are shown."""
_INTERNAL = ("combination", "counters", "grant", "resting", "unflushed")
"""Kinds of values that nobody asks for by name: they follow from the others."""

Labels: TypeAlias = dict[int, tuple[str, bool]]
"""By number: the network or combination that has it, by reference, and whether it is its label now."""


@dataclass(frozen=True, slots=True)
class Listed(Generic[V]):
    """The first entries of a list, and how many it has."""

    count: int
    first: list[V]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """What becomes of one field; None where there is nothing in it."""

    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Changed:
    """Something that stays and is another. `more_fields` counts those that are not listed."""

    name: str
    fields: list[FieldChange]
    more_fields: int


@dataclass(frozen=True, slots=True)
class Difference:
    """What comes, changes and goes of one kind, by name."""

    new: Listed[str]
    changed: Listed[Changed]
    gone: Listed[str]


@dataclass(frozen=True, slots=True)
class Membership:
    """An interface of a node in a network."""

    node: str
    interface: str
    network: str


@dataclass(frozen=True, slots=True)
class Identifier:
    """A tag of a segment, or (`segment` is None) a label, and the network or combination that has it."""

    segment: str | None
    number: int
    network: str


@dataclass(frozen=True, slots=True)
class SwitchRows:
    """How many rows and groups are added to a switch, changed there, and removed."""

    switch: str
    added: int
    changed: int
    removed: int


@dataclass(frozen=True, slots=True)
class Rows:
    """The same over all switches. Those of a switch that leaves the fabric count as removed."""

    added: int
    changed: int
    removed: int
    by_switch: Listed[SwitchRows]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request would change.

    `floating` and `forwards` have what is let in to networks, `routers` what is routed between them, `gateways` what is
    granted to those that have a way out; what is let in and granted with all that there is to it where it comes or
    goes, by name where it changes. `others` has what else is declared by name, each with its kind: `policy/web`.

    `started` has the nodes that begin to run, new ones too, and `stopped` those that run no more.
    """

    changed: bool
    tenants: Difference
    networks: Difference
    nodes: Difference
    floating: Difference
    forwards: Difference
    routers: Difference
    gateways: Difference
    others: Difference
    started: Listed[str]
    stopped: Listed[str]
    joined: Listed[Membership]
    left: Listed[Membership]
    tags_granted: Listed[Identifier]
    tags_returned: Listed[Identifier]
    labels_granted: Listed[Identifier]
    labels_returned: Listed[Identifier]
    segments: Difference
    switches: Difference
    links: Difference
    outside: Difference
    mtu: FieldChange | None
    rows: Rows


@dataclass(frozen=True, slots=True)
class Found:
    """What a plan is made from; of each pair, the first is how it is and the second how it would be."""

    changes: Sequence[Pair]
    fabrics: tuple[Fabric, Fabric]
    labels: tuple[Labels, Labels]
    rows: list[SwitchRows]


def labels_of(presences: Mapping[str, Presence]) -> Labels:
    """Who has which number now."""
    return {one.network.number: (ref, one.extent.labelled) for ref, one in presences.items()}


def rows_changed(
    before: Mapping[str, Before], contents: Mapping[str, Contents], emptied: Mapping[str, int]
) -> list[SwitchRows]:
    """What becomes of the rows of each switch, by name. `before` says what stood there, `contents` what stands there
    now, `emptied` how many rows those had that are gone, or are other bridges now."""
    found = []
    for name, touched in before.items():
        if name not in emptied:
            known = contents[name]
            added = sum(value is None for value in touched.values())
            removed = sum(known.get(key) is None for key in touched)
            found.append(SwitchRows(name, added, len(touched) - added - removed, removed))
    found += [SwitchRows(name, len(contents.get(name, ())), 0, count) for name, count in emptied.items()]
    return sorted((rows for rows in found if rows.added or rows.changed or rows.removed), key=lambda rows: rows.switch)


def plan_of(found: Found, most: int) -> Plan:
    """All of it, with `most` entries of each list at most."""
    kinds: dict[str, list[tuple[str, Value | None, Value | None]]] = {}
    for old, new in found.changes:
        value = _either(old, new)
        kind, _, name = key_of(value).partition("/")
        if isinstance(value, Floating | Forward | Gateway):
            name = told(value) if old is None or new is None else named(value)
        if kind not in _INTERNAL:
            kinds.setdefault(kind, []).append((name, old, new))
    names = ("tenant", "network", "node", "router", "floating", "forward", "gateway")
    declared = (kinds.pop(kind, []) for kind in names)
    tenants, networks, nodes, routers, *let_in, gateways = (_difference(values, fields_of, most) for values in declared)
    others = [(f"{kind}/{name}", old, new) for kind, values in kinds.items() for name, old, new in values]
    before, after = found.fabrics
    return Plan(
        changed=bool(found.changes) or before != after,
        tenants=tenants,
        networks=networks,
        nodes=nodes,
        floating=let_in[0],
        forwards=let_in[1],
        routers=routers,
        gateways=gateways,
        others=_difference(others, fields_of, most),
        started=_listed(_running(found.changes, old=False), most),
        stopped=_listed(_running(found.changes, old=True), most),
        joined=_listed(_memberships(found.changes, old=False), most),
        left=_listed(_memberships(found.changes, old=True), most),
        tags_granted=_listed(_tags(found, old=False), most),
        tags_returned=_listed(_tags(found, old=True), most),
        labels_granted=_listed(_labels(found.labels[1], found.labels[0]), most),
        labels_returned=_listed(_labels(*found.labels), most),
        segments=_compared(found.fabrics, lambda fabric: {name: {} for name in fabric.segments}, most),
        switches=_compared(found.fabrics, lambda fabric: {n: _switch(s) for n, s in fabric.switches.items()}, most),
        links=_compared(found.fabrics, lambda fabric: {_link(link): {} for link in fabric.links}, most),
        outside=_compared(found.fabrics, lambda fabric: {n: _outside(o) for n, o in fabric.outsides.items()}, most),
        mtu=FieldChange("mtu", str(before.mtu), str(after.mtu)) if before.mtu != after.mtu else None,
        rows=_rows(found.rows, most),
    )


def _either(old: Value | None, new: Value | None) -> Value:
    value = new if new is not None else old
    if value is None:
        raise ValueError("nothing has become nothing")
    return value


def _listed(entries: Iterable[V], most: int) -> Listed[V]:
    found = [*entries]
    return Listed(len(found), found[:most])


def _difference(parts: Iterable[tuple[str, Any, Any]], fields: Callable[[Any], Fields], most: int) -> Difference:
    """What is different between the two of each name; `fields` says what such a thing consists of."""
    new, gone, changed = [], [], []
    for name, old, now in parts:
        if old is None:
            new.append(name)
        elif now is None:
            gone.append(name)
        elif old != now:
            changed.append((name, old, now))
    changed.sort(key=lambda part: part[0])
    shown = [_changed(name, fields(old), fields(now)) for name, old, now in changed[:most]]
    return Difference(_listed(sorted(new), most), Listed(len(changed), shown), _listed(sorted(gone), most))


def _changed(name: str, old: Fields, new: Fields) -> Changed:
    fields = [field for field in dict.fromkeys([*old, *new]) if old.get(field) != new.get(field)]
    shown = [FieldChange(field, _cut(old.get(field)), _cut(new.get(field))) for field in fields[:_MOST_FIELDS]]
    return Changed(name, shown, len(fields) - len(shown))


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= _LONGEST else text[:_LONGEST] + "..."


def _compared(fabrics: tuple[Fabric, Fabric], parts: Callable[[Fabric], Mapping[str, Fields]], most: int) -> Difference:
    old, new = map(parts, fabrics)
    return _difference(((name, old.get(name), new.get(name)) for name in {**old, **new}), dict, most)


def _switch(switch: Switch) -> Fields:
    uplinks = {f"uplinks.{one.port}": ", ".join([one.outside, *map(str, one.addresses)]) for one in switch.uplinks}
    return {"dpid": f"{switch.dpid:#x}", "segment": switch.segment, "ovsdb": switch.ovsdb, **uplinks}


def _outside(outside: Outside) -> Fields:
    addresses, hops = (", ".join(map(str, parts)) or None for parts in (outside.addresses, outside.next_hops))
    return {"addresses": addresses, "next_hops": hops, "mtu": str(outside.mtu)}


def _link(link: Link) -> str:
    # From which end it is told makes no difference.
    one, other = sorted(map(str, (link.a, link.b)))
    return f"{link.kind.value} {one} - {other}"


def _running(changes: Iterable[Pair], *, old: bool) -> list[str]:
    """The nodes that run in the one state and not in the other."""
    found = ((one, other) if old else (other, one) for one, other in changes)
    return sorted(
        one.ref
        for one, other in found
        if isinstance(one, Node) and one.running and not (isinstance(other, Node) and other.running)
    )


def _memberships(changes: Iterable[Pair], *, old: bool) -> list[Membership]:
    """Who is in which network in the one state and not in the other."""
    found: list[tuple[str, str, str]] = []
    for one, other in changes:
        here, there = (one, other) if old else (other, one)
        found += {*_joined(here)} - {*_joined(there)}
    return [Membership(*parts) for parts in sorted(found)]


def _joined(value: Value | None) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, Node):
        for interface in value.interfaces:
            for network in value.networks_of(interface):
                yield value.ref, interface.name, network


def _tags(found: Found, *, old: bool) -> list[Identifier]:
    """The tags that are granted in the one state and not in the other."""
    labels = found.labels[0] if old else found.labels[1]
    pairs = ((one, other) if old else (other, one) for one, other in found.changes)
    grants = [one for one, other in pairs if isinstance(one, TagGrant) and one != other]
    return [
        Identifier(grant.segment, grant.tag, labels[grant.network][0])
        for grant in sorted(grants, key=lambda grant: (grant.segment, grant.tag))
    ]


def _labels(here: Labels, there: Labels) -> list[Identifier]:
    """The labels that are in use in one state, and not by the same in the other."""
    used = {(number, ref) for number, (ref, labelled) in here.items() if labelled}
    others = {(number, ref) for number, (ref, labelled) in there.items() if labelled}
    return [Identifier(None, number, ref) for number, ref in sorted(used - others)]


def _rows(found: list[SwitchRows], most: int) -> Rows:
    return Rows(
        sum(rows.added for rows in found),
        sum(rows.changed for rows in found),
        sum(rows.removed for rows in found),
        _listed(found, most),
    )
