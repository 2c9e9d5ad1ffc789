"""Whole intents that say all there is to be: what they do not name is removed.

A key that an intent does not have says nothing: a tenant without `nodes` keeps its nodes, one with `nodes: {}` loses
them, and an intent without `tenants` leaves all tenants alone. The fabric is replaced where it is given, and never
removed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from enum import Enum

from ..errors import Conflict, Invalid, Problem
from ..model.outside import Floating
from ..model.traffic import parse_protocol
from ..schema import Intent, TenantSpec
from . import requests
from .outside import parse_address
from .requests import Work
from .sites import delete_site

_KINDS = ("tenant/", "network/", "node/", "floating/", "forward/", "router/", "site/")
"""What the keys of values begin with that may be removed so."""
_NAMED = 5
"""Members that are named where a network cannot be removed."""


class Prune(str, Enum):
    """What is removed: nothing, what the tenants that are named have of networks, nodes, sites, routers,
    floating addresses and forwarded ports, or also all other tenants."""

    NONE = "none"
    NAMED = "named"
    ALL = "all"


def apply(work: Work, intent: Intent, prune: Prune = Prune.NONE, removal: str | None = None) -> None:
    """A whole intent, as `requests.apply`, and then away with what it does not name.

    `removal` is what somebody has agreed to (see `removal_of`), where he was asked. Raises Conflict where something
    else would be removed than that, Invalid where a network would go that somebody is in who stays.
    """
    requests.apply(work, intent)
    if prune is not Prune.NONE:
        _prune(work, intent, prune)
    if removal is not None and removal_of(work) != removal:
        raise Conflict("not the same would be removed any more as when it was planned: plan it again")


def removal_of(work: Work) -> str:
    """What a draft removes of tenants and what they have, as a text that is different for anything else."""
    gone = sorted(key for key, value in work.draft.changes.items() if value is None and key.startswith(_KINDS))
    return hashlib.sha256("\n".join(gone).encode()).hexdigest()[:32]


def _prune(work: Work, intent: Intent, prune: Prune) -> None:
    found: list[Problem] = []
    for name, spec in intent.tenants.items():
        found += _prune_tenant(work, name, spec)
    if prune is Prune.ALL and "tenants" in intent.model_fields_set:
        nothing = TenantSpec(networks={}, nodes={}, sites={}, routers={}, floating={}, forwards=[])
        for tenant in work.draft.tenants():
            if tenant.name not in intent.tenants:
                found += _prune_tenant(work, tenant.name, nothing)
                if not found:
                    requests.delete_tenant(work, tenant.name)
    if found:
        raise Invalid(found)


def _prune_tenant(work: Work, tenant: str, spec: TenantSpec) -> list[Problem]:
    """What a tenant has and `spec` does not name, in an order in which each can go; returns which networks cannot."""
    for part in (_prune_let_in, _prune_routers, _prune_nodes, _prune_sites):
        part(work, tenant, spec)
    return [*_prune_networks(work, tenant, spec)]


def _prune_let_in(work: Work, tenant: str, spec: TenantSpec) -> None:
    """What comes in to a network goes first: a network that is still reached from outside cannot be removed."""
    floating = {parse_address(text, f"tenants.{tenant}.floating") for text in spec.floating}
    # Of a network no two addresses have one port: whether it is named or left to us makes no difference.
    forwards = {(one.network, parse_protocol(one.protocol, "protocol"), one.port) for one in spec.forwards}
    for network in work.draft.networks(tenant):
        for value in work.draft.let_in(network.ref):
            if isinstance(value, Floating):
                is_named, key = value.address in floating, "floating"
            else:
                is_named, key = (value.network, value.protocol, value.port) in forwards, "forwards"
            if not is_named and key in spec.model_fields_set:
                work.draft.delete(value)


def _prune_routers(work: Work, tenant: str, spec: TenantSpec) -> None:
    """Routers too: a network that one of them names cannot be removed."""
    if "routers" in spec.model_fields_set:
        for router in work.draft.routers(tenant):
            if router.name not in spec.routers:
                work.draft.delete(router)


def _prune_nodes(work: Work, tenant: str, spec: TenantSpec) -> None:
    if "nodes" in spec.model_fields_set:
        for node in work.draft.nodes(tenant):
            if node.name not in spec.nodes:
                work.draft.delete(node)


def _prune_sites(work: Work, tenant: str, spec: TenantSpec) -> None:
    """Sites behind nodes, which may be there, and before networks, which extend to them."""
    if "sites" in spec.model_fields_set:
        for site in work.draft.sites(tenant):
            if site.name not in spec.sites:
                delete_site(work.draft, tenant, site.name)


def _prune_networks(work: Work, tenant: str, spec: TenantSpec) -> Iterator[Problem]:
    if "networks" not in spec.model_fields_set:
        return
    for network in work.draft.networks(tenant):
        if network.name in spec.networks or network.made_by is not None:
            continue  # What policies make goes when they say so.
        members = [one for one in work.draft.members(network.ref) if network.name in one.interface.asked]
        if members:
            named = ", ".join(member.node.ref for member in members[:_NAMED]) + (", ..." if members[_NAMED:] else "")
            what = f"network {network.ref} is not named, so it would be removed, and {named} would still be in it"
            yield Problem(f"tenants.{tenant}.networks", what, "name it, or take them out of it")
        elif let_in := work.draft.let_in(network.ref):
            named = ", ".join(str(value.address) for value in let_in[:_NAMED]) + (", ..." if let_in[_NAMED:] else "")
            what = f"network {network.ref} is not named, so it would be removed, and {named} would still lead to it"
            yield Problem(f"tenants.{tenant}.networks", what, "name it, or say floating: {} and forwards: []")
        elif routers := [one for one in work.draft.routers(tenant) if network.ref in one.networks]:
            named = ", ".join(router.name for router in routers[:_NAMED])
            what = f"network {network.ref} is not named, so it would be removed, and router {named} would still name it"
            yield Problem(f"tenants.{tenant}.networks", what, "name it, or say routers: {}")
        else:
            requests.delete_network(work, tenant, network.name)
