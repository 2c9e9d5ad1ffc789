"""All checks in their order, and mending by them."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import Conflict
from . import fabric, identifiers, nodes, outside, routers, sites
from .finding import Case, Check, Fault, Finding

APART: tuple[Check, ...] = (
    identifiers.counters,
    nodes.tenants,
    nodes.interface_numbers,
    sites.numbers,
    sites.machines,
    nodes.memberships,
    routers.tenants,
    routers.networks,
    routers.rules,
    nodes.addresses,
    identifiers.numbers,
    identifiers.groups_of_networks,
    outside.doubled_zones,
    outside.leases,
)
"""Checks that need no fabric to judge by."""
BY_FABRIC: tuple[Check, ...] = (
    nodes.places,
    outside.let_in,
    outside.gateways,
    outside.resting_zones,
    sites.tunnels,
    identifiers.doubled_tags,
    identifiers.resting,
    identifiers.tags,
    fabric.noted,
)
"""Those that do. What a check finds may be due to what one before it has found: so they are mended in this order."""

MOST_ROUNDS = 100
"""Each round mends all that one check has found; a dozen of them is much."""


def faults_of(case: Case) -> Iterator[Fault]:
    """All faults, in the order of the checks."""
    for found in _by_check(case):
        yield from found


def _by_check(case: Case) -> Iterator[list[Fault]]:
    wrong = [*fabric.fabric(case)]
    yield wrong
    for check in APART if wrong else (*APART, *BY_FABRIC):
        yield [*check(case)]


def mend(case: Case) -> list[Finding]:
    """Mend all that can be mended, in the draft of the case; returns what was found and mended.

    Raises Exhausted where no identifier is free, and Conflict where it comes to no end.
    """
    mended: list[Finding] = []
    for _ in range(MOST_ROUNDS):
        found = next((some for faults in _by_check(case) if (some := [f for f in faults if f.edit is not None])), None)
        if found is None:
            return mended
        for fault in found:
            if fault.edit is not None:
                fault.edit(case)
                mended.append(fault.finding)
    raise Conflict(f"mending comes to no end; last it was {mended[-1].what}: nothing was changed")
