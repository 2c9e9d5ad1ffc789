"""Policies at work: which networks interfaces are in beside those that they were asked to be in.

Between a request's edit and the checks. An interface is evaluated where something else is true of it now that policies
may look at, or where a policy that is about it is another now; no other is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..compiler.pipeline import MOST_NETWORKS
from ..errors import Conflict, Invalid, Problem
from ..fabric.declared import Fabric
from ..model.policy import Grant, Policy, Traits, check
from ..model.policy.patterns import is_literal
from ..model.state import Model
from ..model.values import Interface, Network, Node, key_of
from .requests import Work
from .rulebook import Rulebook, traits_of


class Policing:
    """Lets policies have their way in drafts. Remembers the policies that are kept, in their order."""

    def __init__(self) -> None:
        self._kept: list[Policy] | None = None

    def police(self, work: Work, model: Model, fabric: Fabric) -> None:
        """Put interfaces where policies put them, make the networks that templates name, and give back those of them
        that have no member any more. `model` and `fabric` are as they were before the request.

        Raises Invalid where policies contradict each other or what is there, Conflict where a request takes an
        interface out of a network that a policy gives, Exhausted where there is no number for a network.
        """
        draft = work.draft
        kept = self._kept = model.policies() if self._kept is None else self._kept
        changed = [
            policy
            for key in draft.changes
            if key.startswith("policy/")
            for policy in (model.get(key), draft.get(key))
            if isinstance(policy, Policy)
        ]
        policies = draft.policies() if changed else kept
        if changed:
            # Whether or not this request is kept, the next one looks again.
            self._kept = None
            check(policies)
        work.rules = Rulebook(policies)
        if kept or policies:
            _Review(work, model, fabric, Rulebook(changed)).run()


class _Review:
    """One draft gone through. `changed` are the policies that are others now, as they were and as they are."""

    def __init__(self, work: Work, model: Model, fabric: Fabric, changed: Rulebook) -> None:
        self._work = work
        self._draft = work.draft
        self._rules = work.rules
        self._named = {policy.name: policy for policy in work.rules.policies}
        self._model = model
        self._fabric = fabric
        self._changed = changed
        self._anew = {policy.name for policy in changed.policies}
        self._lost = {
            old.ref
            for key, value in self._draft.changes.items()
            if value is None and isinstance(old := model.get(key), Network)
        }
        """The networks that the request deletes."""
        self._complaints: dict[tuple[str, str, str, str], list[str]] = {}
        """By place, text before and after whom it is about, and hint: about whom it is."""

    def run(self) -> None:
        for key in sorted(self._whom()):
            node = self._draft.get(key)
            if isinstance(node, Node):
                self._node(node)
        for policy in self._changed.policies:
            if self._named.get(policy.name) is policy:
                self._check_networks(policy)
        if self._complaints:
            raise Invalid(self._problems())
        self._check_left()
        self._give_back()

    # --- whom it concerns -------------------------------------------------------------------------------------------

    def _whom(self) -> set[str]:
        """The keys of all nodes that it may concern."""
        keys = {key for key, value in self._draft.changes.items() if isinstance(value, Node)}
        keys = keys.union(*map(self._model.member_nodes, self._lost))
        return keys | self._under_changed() | self._redeclared()

    def _under_changed(self) -> set[str]:
        """Those that policies which are others now may be about. What has come with the draft is looked at anyway."""
        found: set[str] = set()
        prefixes: set[str] = set()
        for match in (policy.match for policy in self._changed.policies):
            one = match.tenant if match.tenant is not None and is_literal(match.tenant) else None
            if match.node is not None and is_literal(match.node):
                tenants = [one] if one is not None else [tenant.name for tenant in self._model.tenants()]
                found.update(f"node/{tenant}/{match.node}" for tenant in tenants)
            else:
                prefixes.add("node/" if one is None else f"node/{one}/")
        for prefix in {"node/"} & prefixes or prefixes:
            found.update(self._model.keys(prefix))
        return found

    def _redeclared(self) -> set[str]:
        """Those on switches that are in another segment now."""
        old, new = self._fabric.switches, self._work.fabric.switches
        if old is new:
            return set()
        moved = {
            name
            for name in old.keys() | new.keys()
            if (old[name].segment if name in old else None) != (new[name].segment if name in new else None)
        }
        if not moved:
            return set()
        return {
            key_of(node)
            for node in self._model.nodes()
            if any(one.place is not None and one.place.switch in moved for one in node.interfaces)
        }

    # --- one interface ----------------------------------------------------------------------------------------------

    def _node(self, node: Node) -> None:
        before = self._model.node(node.ref)
        interfaces = tuple([self._interface(node, one, before) for one in node.interfaces])
        if interfaces != node.interfaces:
            self._draft.put(replace(node, interfaces=interfaces))

    def _interface(self, node: Node, interface: Interface, before: Node | None) -> Interface:
        now = traits_of(node, interface, self._work.fabric)
        old = before.interface(interface.name) if before is not None else None
        if before is not None and old is not None and self._stays(before, old, now):
            by_policy = old.by_policy
        else:
            by_policy = tuple(sorted({*self._given(node, interface, now)} - now.networks))
        if by_policy == interface.by_policy:
            return interface
        return replace(interface, networks=tuple(sorted((*now.networks, *by_policy))), by_policy=by_policy)

    def _stays(self, before: Node, old: Interface, now: Traits) -> bool:
        """Whether policies give to an interface what they gave to it before: nobody need ask them again."""
        return (
            not self._changed.may_match(now)
            and traits_of(before, old, self._fabric) == now
            and (not self._lost or self._lost.isdisjoint(f"{before.tenant}/{name}" for name in old.by_policy))
        )

    def _given(self, node: Node, interface: Interface, traits: Traits) -> list[str]:
        """The networks that policies give to an interface, all of which are there then. Nothing where they may not."""
        granted = self._rules.verdict(traits).granted
        networks = [grant.network for grant in granted]
        count = len(traits.networks.union(networks))
        if count > MOST_NETWORKS and networks:
            self._complain_of_many(node, interface, granted, count)
            return []
        for grant in granted:
            self._see_to(node, interface, traits, grant)
        return networks

    def _see_to(self, node: Node, interface: Interface, traits: Traits, grant: Grant) -> None:
        """Have the network of a grant, or say why that cannot be."""
        network, policy = self._draft.network(f"{node.tenant}/{grant.network}"), self._named[grant.policy]
        if not grant.is_template:
            if network is None or network.made_by is not None:
                self._complain_of_unknown(node, interface, policy, grant.network)
        elif network is None or network.made_by not in policy.templates:
            template = next(maker.text for maker in policy.makers if maker.fill(traits)[0] == grant.network)
            if network is None:
                number = self._work.allocator.network_number(f"network {node.tenant}/{grant.network}")
                self._draft.put(Network(node.tenant, grant.network, number, made_by=template))
            elif network.made_by is not None:
                self._draft.put(replace(network, made_by=template))
            else:
                self._complain_of_name(node, interface, policy, template, network)

    # --- what cannot be ---------------------------------------------------------------------------------------------

    def _check_networks(self, policy: Policy) -> None:
        """A policy for one tenant names networks that this tenant has, also where it concerns nobody yet."""
        told = {where for where, *_ in self._complaints}
        tenant = policy.match.tenant
        if tenant is None or not is_literal(tenant) or self._draft.tenant(tenant) is None:
            return
        for index, name in enumerate(policy.networks):
            network = self._draft.network(f"{tenant}/{name}")
            where = f"policies.{policy.name}.networks[{index}]"
            if (network is None or network.made_by is not None) and where not in told:
                start = (
                    f"policy {policy.name!r} gives network {name!r} to nodes of tenant {tenant}, which has none such"
                )
                self._complaints[where, start, "", _create(tenant, name)] = []

    def _complain_of_unknown(self, node: Node, interface: Interface, policy: Policy, name: str) -> None:
        start, end = f"policy {policy.name!r} puts ", f" in network {name!r}, which tenant {node.tenant} does not have"
        where = self._where(node, interface, policy, f".networks[{policy.networks.index(name)}]")
        if f"{node.tenant}/{name}" in self._lost:
            where = f"tenants.{node.tenant}.networks.{name}"
            end = f" in network {name!r}, which tenant {node.tenant} would not have any more"
        self._complain(node, interface, where, start, end, _create(node.tenant, name))

    def _complain_of_name(
        self, node: Node, interface: Interface, policy: Policy, template: str, network: Network
    ) -> None:
        where = self._where(node, interface, policy, f".templates[{policy.templates.index(template)}]")
        start = f"the template {template!r} of policy {policy.name!r} puts "
        end = f" in network {network.ref}, which was made by hand"
        hint = "another template, as by-unit-{unit}; or delete that network, and it will be made"
        self._complain(node, interface, where, start, end, hint)

    def _complain_of_many(self, node: Node, interface: Interface, granted: tuple[Grant, ...], count: int) -> None:
        names = list(dict.fromkeys(grant.policy for grant in granted))
        first = next((name for name in names if name in self._anew), names[0])
        where = self._where(node, interface, self._named[first], "")
        listed = f"policies {', '.join(map(repr, names))} put " if len(names) > 1 else f"policy {names[0]!r} puts "
        hint = f"at most {MOST_NETWORKS}; another interface of the node may be in others"
        end = f" in so many networks that it would be in {count} at once"
        self._complain(node, interface, where, listed, end, hint)

    def _where(self, node: Node, interface: Interface, policy: Policy, part: str) -> str:
        """The place of what is wrong: in the policy, where the request is about that, else at the node."""
        if policy.name in self._anew:
            return f"policies.{policy.name}{part}"
        return f"tenants.{node.tenant}.nodes.{node.name}.interfaces.{interface.name}.networks"

    def _complain(self, node: Node, interface: Interface, where: str, start: str, end: str, hint: str) -> None:
        self._complaints.setdefault((where, start, end, hint), []).append(f"{node.ref} {interface.name}")

    def _problems(self) -> Iterator[Problem]:
        """Each reason once, however many interfaces it is about."""
        for (where, start, end, hint), about in self._complaints.items():
            others = f" and {len(about) - 1} more" if len(about) > 1 else ""
            yield Problem(where, f"{start}{about[0] if about else ''}{others}{end}", hint)

    def _check_left(self) -> None:
        """Nobody is still where a request has taken him out."""
        for ref, name, network in self._work.left:
            node = self._draft.node(ref)
            interface = node.interface(name) if node is not None else None
            if node is not None and interface is not None and network in interface.by_policy:
                giver = self._rules.givers(node, interface, self._work.fabric)[network]
                hint = "change that policy, or what it matches"
                raise Conflict(
                    f"{ref} {name} stays in network {node.tenant}/{network}: policy {giver!r} gives it; {hint}"
                )

    # --- networks that nobody needs ---------------------------------------------------------------------------------

    def _give_back(self) -> None:
        """Delete what a template has made and the last member has left; the number rests."""
        left = {
            f"{old.tenant}/{name}"
            for key in self._draft.changes
            if isinstance(old := self._model.get(key), Node)
            for interface in old.interfaces
            for name in interface.by_policy
        }
        for ref in sorted(left):
            network = self._draft.network(ref)
            if network is not None and network.made_by is not None and not self._draft.has_members(ref):
                self._draft.delete(network)
                self._work.allocator.return_number(network)


def _create(tenant: str, network: str) -> str:
    return f"create it: vnet network create {tenant}/{network}; or use a template, which makes networks"
