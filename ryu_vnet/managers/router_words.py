"""What routers let pass, in words."""

from __future__ import annotations

from collections.abc import Iterable

from ..model.routing import EVERYTHING, Access, Router, Rule
from ..model.traffic import format_ports, format_protocol

EVERYTHING_TEXT = "everything"


def access_text(access: Access) -> str:
    """`tcp/5432`, `icmp`, `everything`."""
    if access == EVERYTHING:
        return EVERYTHING_TEXT
    ports = f"/{format_ports(access.ports)}" if access.ports != EVERYTHING.ports else ""
    return f"{format_protocol(access.protocol)}{ports}"


def accesses_text(accesses: Iterable[Access]) -> str:
    """`tcp/80, tcp/443`; `nothing`."""
    return ", ".join(map(access_text, accesses)) or "nothing"


def rule_text(rule: Rule, tenant: str) -> str:
    """`web -> db: tcp/5432`, where both are of the tenant."""
    own = f"{tenant}/"
    ways = f"{rule.source.removeprefix(own)} -> {rule.target.removeprefix(own)}"
    return f"{ways}: {accesses_text(rule.access)}"


def rules_text(router: Router) -> list[str]:
    """All rules of a router; where it has none, everything may pass."""
    return [rule_text(rule, router.tenant) for rule in router.rules]
