"""What must hold between all the parts once a request is done: invariants that no single edit can see alone."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace

from ..compiler.pipeline import MOST_NETWORKS
from ..compiler.traffic import TooManyRegions, combinations, in_order
from ..errors import Invalid, Problem
from ..fabric.declared import Fabric
from ..model.state import Draft, Shared, claims
from ..model.values import Network, Node, Place
from .requests import Work
from .rulebook import Rulebook

MOST_COMBINATIONS = 64
"""Combinations that those need who are in one set of networks; each has a number, and a tag in each segment."""


class Checker:
    """Checks drafts. Remembers the segments that it found each network, by reference, may span in a fabric: that of
    the last draft, which need not have been kept."""

    def __init__(self) -> None:
        self._fabric = Fabric()
        self._spans: dict[str, set[str]] = {}

    def check(self, work: Work, fabric: Fabric) -> None:
        """Raises Invalid, with all problems of a draft, before which the fabric was `fabric`."""
        draft = work.draft
        is_declared_anew = work.fabric != fabric
        changed = (value for value in draft.changes.values() if isinstance(value, Node))
        nodes = draft.nodes() if is_declared_anew else [*changed]
        found = [
            *draft_problems(draft, work.fabric, nodes, work.rules),
            *sharing_problems(draft, work.fabric, work.rules),
            *(learning_problems(draft, work.fabric) if is_declared_anew else ()),
        ]
        if work.fabric != self._fabric:
            self._fabric = work.fabric
            self._spans.clear()
        # Where all segments reach each other, networks may span what they like, and nobody need look.
        if not found and not work.fabric.is_joined:
            found = [*self._span_problems(draft, nodes, work.fabric, work.rules)]
        if found:
            raise Invalid(found)

    def _span_problems(self, draft: Draft, nodes: list[Node], fabric: Fabric, rules: Rulebook) -> Iterator[Problem]:
        for ref, segments in sorted(_reached(nodes, fabric).items()):
            if not segments <= self._spans.get(ref, set()):
                found = [*span_problems(draft, fabric, ref, rules)]
                yield from found
                if not found:
                    self._spans[ref] = _reached((member.node for member in draft.members(ref)), fabric)[ref]


def _reached(nodes: Iterable[Node], fabric: Fabric) -> dict[str, set[str]]:
    """The segments in which nodes have, or may come to have, members of each network, by reference."""
    found: dict[str, set[str]] = {}
    for node in nodes:
        for interface in node.interfaces:
            for place in (interface.place, interface.target):
                switch = fabric.switches.get(place.switch) if place is not None else None
                if switch is not None and switch.segment is not None:
                    for ref in node.networks_of(interface):
                        found.setdefault(ref, set()).add(switch.segment)
    return found


def draft_problems(draft: Draft, fabric: Fabric, nodes: list[Node], rules: Rulebook) -> Iterator[Problem]:
    """All that is wrong with the given nodes in a draft: places, and what only one may claim. Where policies are to
    blame, it is said."""
    wires = fabric.wires
    for node in nodes:
        for interface in node.interfaces:
            where = f"tenants.{node.tenant}.nodes.{node.name}.interfaces.{interface.name}.at"
            if interface.place is not None:
                yield from _place_problems(fabric, wires, interface.place, where)
            elif node.present:
                what = "running" if node.running else "prepared"
                yield Problem(where, f"a {what} node needs a place for each interface", "switch:port, as host1:vnet0")
            if interface.target is not None:
                yield from _place_problems(fabric, wires, interface.target, where)
            for place in (interface.place if interface.site is None else None, interface.target):
                if place in fabric.tunnels:
                    yield Problem(where, f"port {place} leads to remote sites", "site: NAME in place of a port")
        yield from _claim_problems(draft, fabric, node, rules)


def _place_problems(fabric: Fabric, wires: Container[Place], place: Place, where: str) -> Iterator[Problem]:
    switch = fabric.switches.get(place.switch)
    if switch is None:
        listed = sorted(fabric.switches)
        hint = "one of " + ", ".join(listed[:12]) if listed else "declare the fabric first"
        yield Problem(where, f"unknown switch {place.switch!r}", hint)
    elif switch.segment is None:
        yield Problem(where, f"switch {place.switch} is in no segment", "core switches carry labels alone")
    if place in wires:
        yield Problem(where, f"port {place} is used by a link of the fabric", "a port that no link uses")
    if switch is not None and any(uplink.port == place.port for uplink in switch.uplinks):
        yield Problem(where, f"port {place} is an uplink of the fabric", "a port that nothing uses")


def sharing_problems(draft: Draft, fabric: Fabric, rules: Rulebook) -> Iterator[Problem]:
    """What is wrong with the networks that somebody is in at once, where a draft changes networks or who is in them."""
    right: set[Shared] = set()
    for value in draft.changes.values():
        if isinstance(value, Node):
            for interface in value.interfaces:
                where = f"tenants.{value.tenant}.nodes.{value.name}.interfaces.{interface.name}.networks"
                refs = tuple(value.networks_of(interface))
                if refs in right:
                    continue
                found = [*_combined_problems(draft, refs, where)]
                for problem in found:
                    yield replace(problem, message=problem.message + rules.blame(value, interface, fabric))
                if not found:
                    right.add(refs)  # Of thousands of nodes many are in the same ones.
        elif isinstance(value, Network) and value.made_by is None:
            where = f"tenants.{value.tenant}.networks.{value.name}"
            for shared in [(value.ref,), *sorted(draft.shared_with(value.ref))]:
                for problem in _combined_problems(draft, shared, where):
                    yield replace(problem, message=problem.message + _blame(draft, fabric, rules, shared))


def _blame(draft: Draft, fabric: Fabric, rules: Rulebook, shared: Shared) -> str:
    """Which policies put somebody in all of these networks, in words; of many the first one who is there by policy."""
    for key in sorted(draft.sharing(shared)):
        node = draft.get(key)
        for interface in node.interfaces if isinstance(node, Node) else ():
            if isinstance(node, Node) and interface.by_policy and tuple(node.networks_of(interface)) == shared:
                return rules.blame(node, interface, fabric)
    return ""


def _combined_problems(draft: Draft, refs: Sequence[str], where: str) -> Iterator[Problem]:
    networks = in_order(network for ref in refs if (network := draft.network(ref)) is not None)
    if len(networks) > MOST_NETWORKS:
        hint = f"at most {MOST_NETWORKS}; another interface of the node may be in others"
        yield Problem(where, f"one interface would be in {len(networks)} networks at once", hint)
        return
    if len({network.tagged for network in networks}) > 1:
        tagged = next(network.ref for network in networks if network.tagged)
        plain = next(network.ref for network in networks if not network.tagged)
        what = f"one interface would be in {tagged}, whose nodes may send tags of their own, and in {plain}"
        yield Problem(where, f"{what}, whose nodes may not", "networks that agree on `tagged`, or two interfaces")
    if any(network.traffic for network in networks):
        try:
            count = len(combinations(networks))
        except TooManyRegions as error:
            yield Problem(where, f"too many kinds of traffic: {error}", "fewer ranges, or classes that overlap less")
            return
        if count > MOST_COMBINATIONS:
            what = f"the classes of {len(networks)} networks overlap in {count} ways"
            yield Problem(where, what, f"at most {MOST_COMBINATIONS} ways: classes that overlap less")


def _claim_problems(draft: Draft, fabric: Fabric, node: Node, rules: Rulebook) -> Iterator[Problem]:
    own: dict[tuple[str, ...], str] = {}
    for claim, interface in claims(node):
        base = f"tenants.{node.tenant}.nodes.{node.name}.interfaces.{interface.name}"
        others = [key.removeprefix("node/") for key in sorted(draft.claimants(claim)) if key != f"node/{node.ref}"]
        if claim in own:
            others.insert(0, f"{node.ref} (interface {own[claim]})")
        own.setdefault(claim, interface.name)
        if others and claim[0] == "port":
            hint = "each interface needs a port of its own"
            yield Problem(f"{base}.at", f"port {claim[1]}:{claim[2]} is used twice, also by node {others[0]}", hint)
        elif others and claim[0] == "iface-id":
            hint = "the iface-id of each interface is its own"
            yield Problem(f"{base}.iface_id", f"{claim[1]!r} is used twice, also by node {others[0]}", hint)
        elif others:
            hint = "each MAC once in a network; in other networks it may occur again"
            blame = rules.blame(node, interface, fabric, claim[1].rpartition("/")[2])
            message = f"{claim[2]} occurs twice in network {claim[1]}, also at node {others[0]}{blame}"
            yield Problem(f"{base}.mac", message, hint)


def learning_problems(draft: Draft, fabric: Fabric) -> Iterator[Problem]:
    """Where machines are to be learned for a tenant that is not there."""
    for place, learn in sorted(fabric.learns.items(), key=str):
        if draft.tenant(learn.tenant) is None:
            where = f"fabric.switches.{place.switch}.learn.{place.port}.tenant"
            hint = f"make it in the same file, or first: vnet tenant create {learn.tenant}"
            yield Problem(where, f"there is no tenant {learn.tenant!r}", hint)


def span_problems(draft: Draft, fabric: Fabric, ref: str, rules: Rulebook) -> Iterator[Problem]:
    """Where a network, by reference, has members in segments that cannot reach each other over the interconnect."""
    seen: dict[str, str] = {}
    for member in draft.members(ref):
        node = member.node
        for place in (member.interface.place, member.interface.target):
            switch = fabric.switches.get(place.switch) if place else None
            if switch is None or switch.segment is None or switch.segment in seen:
                continue
            segment = switch.segment
            where = f"tenants.{node.tenant}.nodes.{node.name}.interfaces.{member.interface.name}.at"
            for other, first in seen.items():
                if not fabric.islands[segment].isdisjoint(fabric.islands[other]):
                    continue
                spans = f"network {ref} spans segments {other} (node {first}) and {segment}"
                blame = rules.blame(node, member.interface, fabric, ref.rpartition("/")[2])
                lacking = [one for one in (other, segment) if not fabric.edges[one]]
                if lacking:
                    hint = "give one of its switches a link of kind core, or keep the network inside one segment"
                    yield Problem(where, f"{spans}, but segment {lacking[0]} has no edge{blame}", hint)
                else:
                    yield Problem(
                        where, f"{spans}, which no core link connects{blame}", "join their edges by core links"
                    )
                break
            seen[segment] = node.ref
