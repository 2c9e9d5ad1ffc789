"""Values of the model as fields with a text each, so that two states of one can be compared by whoever reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from ..model.documents import to_document
from ..model.outside import Gateway
from ..model.outside_documents import exit_document
from ..model.routing import Router
from ..model.traffic import format_ports, format_term
from ..model.values import Network, Value
from .outside_words import subnet_text
from .router_words import EVERYTHING_TEXT, rules_text

Fields: TypeAlias = Mapping[str, str | None]
"""The text of each field; None where there is nothing in it."""

_NAMES = ("tenant", "name")
"""Fields that what has them is called by."""
_GRANTED = ("number", "chosen", "discovered", "held")
"""Fields that nobody asks for."""


def fields_of(value: Value) -> Fields:
    """The fields of a value; those of an interface start with its name: `eth0.mac`."""
    if isinstance(value, Network):
        traffic = [format_term(term) for term in value.traffic]
        way_out = exit_document(value.exit) if value.exit is not None else {}
        return {
            "tagged": _text(value.tagged),
            "traffic": _text(traffic),
            "number": str(value.number),
            "subnets": "; ".join(map(subnet_text, value.subnets)) or None,
            **{"outside" if name == "outside" else f"outside.{name}": _text(part) for name, part in way_out.items()},
        }
    if isinstance(value, Gateway):
        return {
            "switch": value.switch,
            "outside": value.outside,
            "address": _text(value.address),
            "ports": format_ports(value.ports) if value.ports is not None else None,
            "zone": str(value.zone),
        }
    if isinstance(value, Router):
        rules = "; ".join(rules_text(value)) or EVERYTHING_TEXT
        return {"networks": ", ".join(value.networks), "may pass": rules}
    return dict(_fields(to_document(value)))


def _fields(document: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    for name, part in document.items():
        if name not in (*_NAMES, *_GRANTED, "interfaces"):
            yield name, _text(part)
    for interface in document.get("interfaces", ()):
        for field, text in _interface(interface):
            yield f"{interface['name']}.{field}", text


def _interface(document: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    for name, part in document.items():
        if name == "place":
            yield "at", ":".join(part) if part else None
        elif name not in (*_NAMES, *_GRANTED):
            yield name, _text(part)


def _text(part: Any) -> str | None:
    """`web`, `true`, `X, Y`, `tier=front, env=test`."""
    if part is None or part in ((), [], {}):
        return None
    if isinstance(part, bool):
        return str(part).lower()
    if isinstance(part, Mapping):
        part = [*part.items()]
    if isinstance(part, list | tuple):
        part = ", ".join("=".join(map(str, one)) if isinstance(one, list | tuple) else str(one) for one in part)
    return str(part)
