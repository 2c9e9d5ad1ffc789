"""Checks of routers: tenants and networks that are gone, rules about others than a router's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...model.routing import Router
from ...model.values import key_of
from .finding import Case, Fault, Finding

_GONE = "it goes"


def tenants(case: Case) -> Iterator[Fault]:
    """Routers of tenants that are not there."""
    for router in case.draft.routers():
        # A tenant that has networks or nodes is made again, for their sake.
        owns = case.draft.networks(router.tenant) or case.draft.nodes(router.tenant)
        if case.draft.tenant(router.tenant) is None and not owns:
            what = f"router {router.ref} is that of a tenant that is not there"
            why = "nobody can change or remove it, and a tenant of that name would have it"
            yield _fault("no tenant", router, what, why, None)


def networks(case: Case) -> Iterator[Fault]:
    """Routers that name networks of their own tenant which are not there, or less than two. Whether another tenant has
    a network is that one's affair: it may make it at any time."""
    for router in case.draft.routers():
        gone = [
            ref for ref in router.networks if ref.startswith(f"{router.tenant}/") and case.draft.network(ref) is None
        ]
        if gone:
            what = f"router {router.ref} names {', '.join(gone)}, which is not there"
            why = "a network that is made with that name would be routed at once"
            yield _fault("routes to nothing", router, what, why, _without(router, gone))
        elif len({*router.networks}) < 2 or not any(ref.startswith(f"{router.tenant}/") for ref in router.networks):
            what = f"router {router.ref} routes between {', '.join(router.networks) or 'nothing'}"
            yield _fault("routes nothing", router, what, "it takes two networks, one of its tenant's", None)


def rules(case: Case) -> Iterator[Fault]:
    """Rules about networks that their router does not name, or that let nothing pass."""
    for router in case.draft.routers():
        proper = tuple(
            rule
            for rule in router.rules
            if rule.access and rule.source != rule.target and {rule.source, rule.target} <= {*router.networks}
        )
        if proper != router.rules:
            what = f"router {router.ref} has {len(router.rules) - len(proper)} rule(s) that are not about its networks"
            why = "whoever reads them takes something to pass that does not"
            left = replace(router, rules=proper) if proper else None
            yield _fault("rule of no use", router, what, why, left)


def _without(router: Router, gone: list[str]) -> Router | None:
    """A router without some networks and the rules about them; None where nothing is left that it is for.

    A router with rules never becomes one without: that would let everything pass.
    """
    left = tuple(ref for ref in router.networks if ref not in gone)
    kept = tuple(rule for rule in router.rules if rule.source not in gone and rule.target not in gone)
    if len(left) < 2 or (router.rules and not kept) or not any(ref.startswith(f"{router.tenant}/") for ref in left):
        return None
    return replace(router, networks=left, rules=kept)


def _fault(kind: str, router: Router, what: str, why: str, left: Router | None) -> Fault:
    def edit(case: Case) -> None:
        known = case.draft.router(router.ref)
        if left is not None:
            case.draft.put(left)
        elif known is not None:
            case.draft.delete(known)

    mending = _GONE if left is None else "what is wrong goes, the rest of it stays"
    return Fault(Finding(kind, key_of(router), what, why, mending), edit)
