"""Large intents, checked piece by piece: others' requests are answered in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from pydantic import ValidationError

from ..schema import Intent

NODES_AT_ONCE = 1000
"""Nodes that are checked between two pauses: some 5 ms."""


def in_pieces(body: dict[str, Any], pause: Callable[[], None]) -> dict[str, Any] | Intent:
    """An intent of whatever size with its shape checked; as it is where that is quickly done, or where it is wrong.

    What is wrong in a piece is for whoever checks the whole to say: he finds all of it.
    """
    tenants = body.get("tenants")
    if not isinstance(tenants, dict) or sum(_count(tenant) for tenant in tenants.values()) <= NODES_AT_ONCE:
        return body
    try:
        intent = Intent.model_validate({**body, "tenants": {name: _bare(tenant) for name, tenant in tenants.items()}})
        for piece in _pieces(tenants):
            pause()
            for name, tenant in Intent.model_validate({"tenants": piece}).tenants.items():
                intent.tenants[name].nodes.update(tenant.nodes)
    except ValidationError:
        return body
    return intent


def _count(tenant: Any) -> int:
    nodes = tenant.get("nodes") if isinstance(tenant, dict) else None
    return len(nodes) if isinstance(nodes, dict) else 0


def _bare(tenant: Any) -> Any:
    """A tenant without its nodes, but where they are none."""
    return {**tenant, "nodes": {}} if _count(tenant) else tenant


def _pieces(tenants: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All nodes by tenant, in pieces of about so many; small tenants share one."""
    piece: dict[str, Any] = {}
    size = 0
    for name, tenant in tenants.items():
        nodes = iter(tenant["nodes"].items() if _count(tenant) else ())
        while some := dict(islice(nodes, NODES_AT_ONCE)):
            piece[name] = {"nodes": some}
            size += len(some)
            if size >= NODES_AT_ONCE:
                yield piece
                piece, size = {}, 0
    if piece:
        yield piece
