"""Routers from JSON documents, for the store. To such, `dataclasses.asdict` makes them."""

from __future__ import annotations

from typing import Any

from .routing import Access, Router, Rule

Json = dict[str, Any]


def router_from(document: Json) -> Router:
    """The router of a document. Raises KeyError, TypeError, ValueError."""
    rules = tuple(
        Rule(rule["source"], rule["target"], tuple(map(_access, rule["access"]))) for rule in document["rules"]
    )
    return Router(document["tenant"], document["name"], tuple(document["networks"]), rules)


def _access(document: Json) -> Access:
    first, last = document["ports"]
    return Access(document["protocol"], (first, last))
