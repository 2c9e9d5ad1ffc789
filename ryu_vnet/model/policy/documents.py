"""Policies to JSON documents and back, for the store."""

from __future__ import annotations

from typing import Any

from ...errors import Invalid, StoreError
from ..names import format_prefix, parse_prefix
from .match import Match
from .rules import Policy

Json = dict[str, Any]

TEXTS = ("tenant", "unit", "function", "node", "interface", "mac", "segment", "host", "port", "network")
"""The fields of a match that are text in a document too."""


def policy_document(policy: Policy) -> Json:
    """A policy as a JSON object. Its match has the fields that are given, and no others."""
    return {
        "name": policy.name,
        "order": policy.order,
        "match": match_document(policy.match),
        "networks": list(policy.networks),
        "templates": list(policy.templates),
        "final": policy.final,
    }


def match_document(match: Match) -> Json:
    """A match as a JSON object."""
    document: Json = {name: value for name in TEXTS if (value := getattr(match, name)) is not None}
    if match.labels:
        document["labels"] = dict(match.labels)
    if match.ip is not None:
        document["ip"] = format_prefix(match.ip)
    return document


def policy_from(document: Json) -> Policy:
    """The policy that was stored so. Raises StoreError where it is none of ours."""
    try:
        fields = dict(document["match"])
        if "labels" in fields:
            fields["labels"] = tuple(fields["labels"].items())
        if "ip" in fields:
            fields["ip"] = parse_prefix(fields["ip"])
        lists = tuple(document["networks"]), tuple(document["templates"])
        return Policy(document["name"], document["order"], Match(**fields), *lists, document["final"])
    except (AttributeError, KeyError, TypeError, ValueError, Invalid) as error:
        raise StoreError(f"policy {document.get('name')!r} cannot be read: {error!r}") from error
