"""What routers let pass, as values for people and programs to read, taken from a `System` without changing it.

A tenant sees its own routers alone. Of a network that is another tenant's it learns whether that one has asked to be
routed with it as well, and no more until both have: not even whether there is such a network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations

from ..errors import NotFound
from ..model.outside import Subnet
from ..model.routing import Router
from ..model.state import Model
from ..schema import RouterSpec
from .router_words import access_text
from .specs import router_spec


@dataclass(frozen=True, slots=True)
class PairStatus:
    """From one network to another, by reference: what a router lets begin, and what may begin once all routers of both
    tenants are taken together. `asked`: both tenants have asked for it. `why` says why nothing may, or why no answer
    comes back; empty where all is well."""

    source: str
    target: str
    allows: list[str]
    passes: list[str]
    asked: bool
    why: str


@dataclass(frozen=True, slots=True)
class RouterStatus:
    """A router of a tenant. `networks` are references; `pairs` each two of them, in both directions, of which one is
    the tenant's own; `declared` is what a PUT takes. Without rules everything may pass."""

    tenant: str
    name: str
    networks: list[str]
    restricted: bool
    pairs: list[PairStatus]
    declared: RouterSpec


def router_statuses(model: Model, routers: Iterable[Router]) -> list[RouterStatus]:
    """Routers, each with what it lets pass."""
    return [
        RouterStatus(
            tenant=router.tenant,
            name=router.name,
            networks=[*router.networks],
            restricted=bool(router.rules),
            pairs=[*_pairs(model, router)],
            declared=router_spec(router),
        )
        for router in routers
    ]


def router_status(model: Model, tenant: str, name: str) -> RouterStatus:
    """One router. Raises NotFound, naming those that there are."""
    return router_statuses(model, [require_router(model, tenant, name)])[0]


def require_router(model: Model, tenant: str, name: str) -> Router:
    """A router that must exist. Raises NotFound, naming those that do."""
    router = model.router(f"{tenant}/{name}")
    if router is None:
        known = ", ".join(other.name for other in model.routers(tenant)) or "it has none"
        raise NotFound(f"tenant {tenant} has no router {name!r} ({known})")
    return router


def _pairs(model: Model, router: Router) -> Iterator[PairStatus]:
    own = f"{router.tenant}/"
    for source, target in permutations(router.networks, 2):
        if not (source.startswith(own) or target.startswith(own)):
            continue  # Between two networks of others a router has no say.
        asked = target in model.routing.partners(source)
        passes = [access_text(access) for access in model.routing.access(source, target)]
        allows = [access_text(access) for access in sorted(router.access(source, target))]
        whose = (target if source.startswith(own) else source).partition("/")[0]
        why = _unroutable(model, source, target) if asked else f"tenant {whose} has not asked for it"
        if why:
            passes = []
        elif not passes:
            why = f"the rules of tenant {whose} do not let it" if allows else "its rules let nothing begin"
        elif _unroutable(model, target, source):
            why = f"no answer comes back: {_unroutable(model, target, source)}"
        yield PairStatus(source, target, allows, passes, asked, why)


def _unroutable(model: Model, source: str, target: str) -> str:
    """Why nothing that a network sends gets to another, whatever routers let pass; empty where it may."""
    ways = {subnet.prefix.version for subnet in _subnets(model, source) if subnet.gateway is not None}
    there = {subnet.prefix.version for subnet in _subnets(model, target)}
    if ways & there:
        return ""
    if not ways:
        return f"{source} has no subnet with a router"
    return f"{target} has no subnet" if not there else f"{source} and {target} have no version of IP in common"


def _subnets(model: Model, ref: str) -> tuple[Subnet, ...]:
    network = model.network(ref)
    return network.subnets if network is not None else ()
