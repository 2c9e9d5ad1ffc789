"""Policies over the nodes of a model: what they look at, and what they give."""

from __future__ import annotations

from collections.abc import Iterable

from ..fabric.declared import Fabric
from ..model.policy import Policy, Traits, Verdict, evaluate, in_order
from ..model.values import Interface, Node


def traits_of(node: Node, interface: Interface, fabric: Fabric) -> Traits:
    """All that policies may look at of an interface, where it has its place in this fabric."""
    place = interface.place
    switch = fabric.switches.get(place.switch) if place is not None else None
    return Traits(
        tenant=node.tenant,
        node=node.name,
        interface=interface.name,
        unit=node.unit,
        function=node.function,
        labels=node.labels,
        mac=interface.known_mac,
        ips=interface.ips,
        segment=switch.segment if switch is not None else None,
        host=place.switch if place is not None else None,
        port=place.port if place is not None else None,
        networks=frozenset(interface.asked),
    )


class Rulebook:
    """Policies in their order."""

    def __init__(self, policies: Iterable[Policy] = ()) -> None:
        self.policies = in_order(policies)
        self._by_tenant: dict[str, list[Policy]] = {}
        """Those that may be about nodes of a tenant, as far as somebody asked: of a thousand tenants each may have
        its own."""

    def of(self, tenant: str) -> list[Policy]:
        """The policies that may be about nodes of a tenant."""
        known = self._by_tenant.get(tenant)
        if known is None:
            known = [policy for policy in self.policies if policy.match.may_be_of(tenant)]
            self._by_tenant[tenant] = known
        return known

    def verdict(self, traits: Traits) -> Verdict:
        """What they give to an interface."""
        return evaluate(self.of(traits.tenant), traits)

    def may_match(self, traits: Traits) -> bool:
        """Whether one of them matches an interface, or would if that were in the right networks."""
        return any(policy.match.may_hold(traits) for policy in self.of(traits.tenant))

    def givers(self, node: Node, interface: Interface, fabric: Fabric) -> dict[str, str]:
        """By network that an interface is given: the first policy that gives it."""
        return {grant.network: grant.policy for grant in self.verdict(traits_of(node, interface, fabric)).granted}

    def blame(self, node: Node, interface: Interface, fabric: Fabric, only: str | None = None) -> str:
        """To be said behind what is wrong with the networks of an interface, or with `only` this one: which policies
        put it there, in words; nothing where none did."""
        networks = [name for name in interface.by_policy if only in (None, name)]
        if not networks:
            return ""
        put: dict[str, list[str]] = {}
        givers = self.givers(node, interface, fabric)
        for name in networks:
            put.setdefault(givers[name], []).append(name)
        told = [f"policy {policy!r} puts it in {', '.join(given)}" for policy, given in put.items()]
        return f": {node.ref} {interface.name}, {'; '.join(told)}"
