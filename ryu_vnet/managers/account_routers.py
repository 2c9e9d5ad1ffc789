"""What a router is, and what there is for its sake."""

from __future__ import annotations

from ..compiler.pipeline import ROUTE
from ..errors import Invalid, NotFound, Problem
from ..model.routing import Router
from ..openflow.rows import decode_row
from .account import Account
from .router_status import PairStatus, require_router, router_statuses
from .router_words import rules_text
from .system import System


def account_of_router(system: System, text: str) -> Account:
    """`red/core`: which networks it routes between, what may begin, and where. Raises Invalid, NotFound."""
    tenant, slash, name = text.partition("/")
    if not slash or "/" in name:
        raise Invalid(Problem("router", f"{text!r} is not a router", "write it as TENANT/NAME: red/core"))
    if system.model.tenant(tenant) is None:
        raise NotFound(f"there is no tenant {tenant!r}")
    router = require_router(system.model, tenant, name)
    (found,) = router_statuses(system.model, [router])
    rules = rules_text(router)
    said = f"its rules: {'; '.join(rules)}" if rules else "it has no rules: everything may pass"
    reasons = [said, *(_pair(pair) for pair in found.pairs), *_where(system, router)]
    return Account(f"router {router.ref}", f"routes between {', '.join(router.networks)}", reasons=reasons)


def _pair(pair: PairStatus) -> str:
    ways = f"from {pair.source} to {pair.target}"
    why = f" ({pair.why})" if pair.why else ""
    if not pair.passes:
        return f"{ways} nothing may begin{why}"
    return f"{ways} may begin: {', '.join(pair.passes)}; what answers it comes back{why}"


def _where(system: System, router: Router) -> list[str]:
    """How many rows of each network route, and on which switches: those where it has members."""
    found = []
    for ref in router.networks:
        network = system.model.network(ref)
        if network is None or network.tenant != router.tenant or not system.model.routing.partners(ref):
            continue
        counts = {name: _rows(system, name, network.number) for name in sorted(system.switches)}
        on = [f"{name} ({count} rows)" for name, count in counts.items() if count]
        found.append(f"what {ref} sends is routed on {', '.join(on) or 'no switch, as it has no member that runs'}")
    return found


def _rows(system: System, switch: str, number: int) -> int:
    """The rows of a network in ROUTE."""
    rows = system.switches[switch].wanted.rows
    return sum(key[0] == ROUTE.table and decode_row(key, rows[key])[0].origin.number == number for key in rows)
