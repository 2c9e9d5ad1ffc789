"""What a request changed, in short, for its event: keys of the model with old and new, identifiers granted and given
back, and one line for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..fabric.declared import Fabric
from ..model.documents import to_document
from ..model.outside import Floating, Forward, Gateway, Unflushed
from ..model.routing import Router
from ..model.state import Model
from ..model.traffic import format_ports
from ..model.values import Combination, Counters, Network, Node, Resting, TagGrant, Value, key_of
from .outside_words import named, subnet_text
from .router_words import EVERYTHING_TEXT, rules_text

Json = dict[str, Any]
Changes = Iterable[tuple[Value | None, Value | None]]
"""Values before and after; None where there is none."""

MOST_CHANGES = 20
"""How many changed values are told in full; the others are counted. An event must not grow with a request."""
MOST_ITEMS = 8
"""How much of a list is told."""
_KINDS = {"floating": "floating address", "forward": "forwarded port", "nexthop": "next router"}
"""What people call what has another key."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a request changed. `subject` is the one thing that it changed, empty where there are several."""

    subject: str
    text: str
    details: Json


def account(changes: Changes, model: Model, fabrics: tuple[Fabric, Fabric] | None = None) -> Account:
    """Tell of changes to a model, which is still as it was before them; `fabrics` are the old and the new one, where
    the fabric was declared anew."""
    told, granted, given_back = list[Json](), list[Json](), list[Json]()
    counts: Counter[tuple[str, str]] = Counter()
    names = _Names(model)
    changes = [(old, new) for old, new in changes if not isinstance(old or new, Resting | Counters | Unflushed | None)]
    for old, new in changes:
        names.learn(old, new)
    for old, new in changes:
        if _identifier(old) != _identifier(new):
            granted += names.identifiers(new)
            given_back += names.identifiers(old)
        if isinstance(old or new, TagGrant | Combination) or _comes_with_network(old, new):
            continue
        key = _key(old, new)
        what = "made" if old is None else "deleted" if new is None else "changed"
        counts[what, key.partition("/")[0]] += 1
        if len(told) < MOST_CHANGES:
            told.append({"key": key, **_owner(old, new), **_difference(old, new)})
    if fabrics is not None:
        told.insert(0, {"key": "fabric", **_fabric_difference(*fabrics)})
    details: Json = {"changes": told}
    if sum(counts.values()) + (fabrics is not None) > len(told):
        details["more"] = sum(counts.values()) + (fabrics is not None) - len(told)
    if granted:
        details["granted"] = granted[:MOST_CHANGES]
    if given_back:
        details["given_back"] = given_back[:MOST_CHANGES]
    one = told[0] if len(told) == 1 and "more" not in details else None
    subject = one.get("of", one["key"].partition("/")[2]) if one else ""
    return Account(subject, _sentence(one, counts, fabrics is not None), details)


def _key(old: Value | None, new: Value | None) -> str:
    value = new if new is not None else old
    return key_of(value) if value is not None else ""


def _comes_with_network(old: Value | None, new: Value | None) -> bool:
    """Whether it is a gateway that is granted with a way out, or given back with it: nobody asks for it itself."""
    return isinstance(old or new, Gateway) and (old is None or new is None)


def _owner(old: Value | None, new: Value | None) -> Json:
    """The network that something belongs to whose key does not say so, and what people call it."""
    value = new if new is not None else old
    return {"of": value.ref, "what": named(value)} if isinstance(value, Floating | Forward) else {}


# --- old and new ------------------------------------------------------------------------------------------------------


def _difference(old: Value | None, new: Value | None) -> Json:
    before, after = _flat(old), _flat(new)
    if old is None:
        return {"old": None, "new": after}
    if new is None:
        return {"old": before, "new": None}
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    # What is not so is left out, as what is not there: beside a yes it stands as a no.
    usual = {name: False if before.get(name) is True or after.get(name) is True else None for name in names}
    was, now = ({name: side.get(name, usual[name]) for name in names} for side in (before, after))
    return {"old": was, "new": now}


def _flat(value: Value | None) -> Json:
    """What a value has, by dotted path, without what its key says and what is usual."""
    if value is None:
        return {}
    document = to_document(value)
    if isinstance(value, Network):
        document = {**document, "subnets": [subnet_text(subnet) for subnet in value.subnets]}
    if isinstance(value, Router):
        document = {"networks": [*value.networks], "may pass": rules_text(value) or [EVERYTHING_TEXT]}
    return {path: part for path, part in _paths(document) if path not in ("tenant", "name")}


def _paths(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, part in document.items():
        if part in (None, False) or part == [] or part == ():
            continue
        if name == "interfaces":
            for interface in part:
                yield from _paths(
                    {key: own for key, own in interface.items() if key != "name"}, f"{interface['name']}."
                )
        elif name == "place":
            yield f"{prefix}at", ":".join(part)
        elif isinstance(part, Mapping):
            yield from _paths(part, f"{prefix}{name}.")
        elif isinstance(part, list | tuple):
            yield f"{prefix}{name}", [*part[:MOST_ITEMS], *(["..."] if len(part) > MOST_ITEMS else [])]
        else:
            yield f"{prefix}{name}", part


def _fabric_difference(old: Fabric, new: Fabric) -> Json:
    def told(fabric: Fabric, other: Fabric) -> Json:
        names = sorted(name for name, switch in fabric.switches.items() if other.switches.get(name) != switch)
        links = sorted(f"{link.a} - {link.b}" for link in {*fabric.links} - {*other.links})
        found: Json = {"mtu": fabric.mtu} if fabric.mtu != other.mtu else {}
        outsides = sorted(name for name, one in fabric.outsides.items() if other.outsides.get(name) != one)
        for name, parts in (("switches", names), ("links", links), ("outside", outsides)):
            if parts:
                found[name] = [
                    *parts[:MOST_ITEMS],
                    *([f"and {len(parts) - MOST_ITEMS} more"][: len(parts) > MOST_ITEMS]),
                ]
        return found

    return {"old": told(old, new), "new": told(new, old)}


# --- identifiers ------------------------------------------------------------------------------------------------------


def _identifier(value: Value | None) -> int | None:
    """The number or tag that goes with a value."""
    match value:
        case Network() | Combination():
            return value.number
        case TagGrant():
            return value.tag
        case Gateway():
            return value.zone
        case _:
            return None


class _Names:
    """Which network has which number, as far as what has changed tells."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._refs: dict[int, str] = {}

    def learn(self, *values: Value | None) -> None:
        """Look at something that is changed."""
        for value in values:
            if isinstance(value, Network | Combination):
                self._refs[value.number] = value.ref
            elif isinstance(value, Node):
                for ref in {ref for interface in value.interfaces for ref in value.networks_of(interface)}:
                    network = self._model.network(ref)
                    if network is not None:
                        self._refs[network.number] = ref

    def identifiers(self, value: Value | None) -> list[Json]:
        """The identifier that a value has or is."""
        match value:
            case Network() | Combination():
                return [{"label": value.number, "network": value.ref}]
            case TagGrant():
                network = self._refs.get(value.network, str(value.network))
                return [{"tag": value.tag, "segment": value.segment, "network": network}]
            case Gateway():
                has = {"address": str(value.address), "ports": format_ports(value.ports)} if value.ports else {}
                return [{"zone": value.zone, "gateway": value.switch, "network": value.ref, **has}]
            case _:
                return []


# --- for people -------------------------------------------------------------------------------------------------------


def _sentence(one: Json | None, counts: Mapping[tuple[str, str], int], is_fabric: bool) -> str:
    """`changed node red/vm1: running no -> yes`, or `made 2 networks, 5 nodes`."""
    if one is not None and one["key"] != "fabric":
        kind, _, name = one["key"].partition("/")
        kind, name = _KINDS.get(kind, kind), f"{one['what']} for {one['of']}" if "of" in one else name
        if one["old"] is None:
            return f"made {kind} {name}"
        if one["new"] is None:
            return f"deleted {kind} {name}"
        # Whoever is asked to stop is held: one of both says it.
        paths = [path for path in one["new"] if path != "held" or "running" not in one["new"]]
        steps = (f"{path} {_word(one['old'][path])} -> {_word(one['new'][path])}" for path in paths)
        return f"changed {kind} {name}: {', '.join(steps)}"
    parts = ["declared the fabric"] if is_fabric else []
    for what in ("made", "changed", "deleted"):
        kinds = [_many(n, _KINDS.get(kind, kind)) for (done, kind), n in sorted(counts.items()) if done == what]
        if kinds:
            parts.append(f"{what} {', '.join(kinds)}")
    return "; ".join(parts)


def _many(count: int, kind: str) -> str:
    return f"{count} {kind}{('es' if kind.endswith('s') else 's') if count > 1 else ''}"


def _word(value: Any) -> str:
    match value:
        case True:
            return "yes"
        case False:
            return "no"
        case None:
            return "-"
        case list():
            return "+".join(map(str, value))
        case _:
            return str(value)
