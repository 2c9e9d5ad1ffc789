"""A plan changes nothing, and says just what the request then changes.

Requests of every kind are planned, in systems with any history, before they are made: after the plan everything is as
it was, byte for byte; and what the request then changes of the model, the identifiers and the contents of the switches
is what the plan has said. What the plan refuses the request refuses as well, for the same reason.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

import pytest
from drawn import fabrics, intents, new_system
from hypothesis import HealthCheck, given, settings
from test_incremental import HISTORIES, History, Steps, copied

from ryu_vnet.compiler.compilation import Compilation
from ryu_vnet.compiler.pipeline import FIRST_LABEL
from ryu_vnet.compiler.presence import Presence
from ryu_vnet.errors import Invalid, StoreError, VnetError
from ryu_vnet.fabric.documents import fabric_document
from ryu_vnet.managers import requests
from ryu_vnet.managers.difference import Contents, difference
from ryu_vnet.managers.plan import FieldChange, Identifier, Plan, SwitchRows
from ryu_vnet.managers.requests import Work
from ryu_vnet.managers.system import Answer, System
from ryu_vnet.model.documents import to_document
from ryu_vnet.schema import FabricSpec, Intent, InterfaceSpec, LinkSpec, NetworkSpec, NodeSpec, SwitchSpec, TenantSpec

V = TypeVar("V")
ALL = 1_000_000


def facts(compilation: Compilation) -> dict[str, Any]:
    """All that the compiler remembers, in a form that can be compared; what is empty is as if it were not there."""
    return {name: plain(value) for name, value in vars(compilation).items() if name != "topology"}


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: found for key, part in value.items() if (found := plain(part)) not in ({}, set())}
    if isinstance(value, set | frozenset):
        return set(value)
    if isinstance(value, Presence):
        # How far its extent is worked out already is no fact.
        known = {name: part for name, part in vars(value).items() if name not in ("_extent", "_moved")}
        return {**plain(known), "extent": value.extent}
    return plain(vars(value)) if hasattr(value, "__dict__") else value


def everything(system: System) -> dict[str, Any]:
    """All that a plan could have changed."""
    programme = system._programme
    return {
        "revision": system.revision,
        "stored": system._store.list(),
        "model": {key: to_document(value) for key in system.model.keys("") if (value := system.model.get(key))},
        "used": plain(system.model._all.used),
        "fabric": fabric_document(system.fabric),
        "contents": copied(programme.contents),
        "given": {unit: {name: {*keys} for name, keys in given} for unit, given in programme._given.items()},
        "facts": facts(programme.compilation),
        "handed out": copied({name: manager.wanted for name, manager in system.switches.items()}),
        "pending": {name: {*manager.unacknowledged} for name, manager in system.switches.items()},
        "admitted": {name: manager.admitted for name, manager in system.switches.items()},
        "awaited": system.missing_ports(),
        "topology": id(system.topology),
        "switches": {name: id(manager) for name, manager in system.switches.items()},
    }


class Planned(History):
    """A history in which each request is planned before it is made."""

    def __init__(self, *args: Any) -> None:
        self.chance = random.Random(0)
        super().__init__(*args)
        self.system.request = self.planned  # type: ignore[method-assign]

    def do(self, kind: str, seed: int) -> None:
        self.chance = random.Random(seed)
        act: Callable[[random.Random], None] = getattr(self, kind)
        with suppress(VnetError):
            act(self.chance)

    def planned(self, edit: Callable[[Work], None]) -> Answer:
        system, before, state = self.system, everything(self.system), self.chance.getstate()
        plan, refusal = outcome(lambda: system.plan(edit, ALL))
        assert everything(system) == before
        # What an edit draws it draws again.
        self.chance.setstate(state)
        old = State(system)
        answer, refused = outcome(lambda: System.request(system, edit))
        if not isinstance(refused, StoreError):
            assert repr(refusal) == repr(refused)
        if refused is not None:
            raise refused
        assert plan is not None and answer is not None
        assert plan.changed == answer.changed
        check(plan, old, State(system))
        return answer


def outcome(do: Callable[[], V]) -> tuple[V | None, VnetError | None]:
    """What something comes to, or why it is refused."""
    try:
        return do(), None
    except VnetError as error:
        return None, error


class State:
    """What a plan is about, taken from a system in another way than the plan takes it."""

    def __init__(self, system: System) -> None:
        model, fabric = system.model, system.fabric
        self.tenants = {tenant.name: tenant for tenant in model.tenants()}
        self.networks = {network.ref: network for network in model.networks()}
        self.nodes = {node.ref: node for node in model.nodes()}
        self.members = {
            (member.node.ref, member.interface.name, ref) for ref in self.networks for member in model.members(ref)
        }
        named = {network.number: network.ref for network in [*model.networks(), *model.combinations()]}
        self.tags = {Identifier(grant.segment, grant.tag, named[grant.network]) for grant in model.grants()}
        presences = system._programme.compilation.presences
        self.labels = {Identifier(None, n, ref) for n, ref in named.items() if presences[ref].extent.labelled}
        self.contents = {(name, manager.number): _copied(manager.wanted) for name, manager in system.switches.items()}
        self.switches = {name: (s.dpid, s.segment, s.ovsdb) for name, s in fabric.switches.items()}
        self.segments = {*fabric.segments}


def _copied(wanted: Contents) -> Contents:
    return Contents({**wanted.rows}, {**wanted.groups}, {**wanted.meters})


def check(plan: Plan, old: State, new: State) -> None:
    """A plan says what the difference between two states is."""
    for part, was, now in (
        (plan.tenants, old.tenants, new.tenants),
        (plan.networks, old.networks, new.networks),
        (plan.nodes, old.nodes, new.nodes),
        (plan.switches, old.switches, new.switches),
    ):
        kept = was.keys() & now.keys()
        assert part.new.first == sorted(now.keys() - was.keys())
        assert part.gone.first == sorted(was.keys() - now.keys())
        assert [one.name for one in part.changed.first] == sorted(name for name in kept if was[name] != now[name])
    assert {*plan.segments.new.first} == new.segments - old.segments
    assert {*plan.segments.gone.first} == old.segments - new.segments
    runs = [{ref for ref, node in state.nodes.items() if node.running} for state in (old, new)]
    assert {*plan.started.first} == runs[1] - runs[0] and {*plan.stopped.first} == runs[0] - runs[1]
    assert {(m.node, m.interface, m.network) for m in plan.joined.first} == new.members - old.members
    assert {(m.node, m.interface, m.network) for m in plan.left.first} == old.members - new.members
    assert {*plan.tags_granted.first} == new.tags - old.tags and {*plan.tags_returned.first} == old.tags - new.tags
    assert {*plan.labels_granted.first} == new.labels - old.labels
    assert {*plan.labels_returned.first} == old.labels - new.labels
    assert plan.rows.by_switch.first == [*rows_of(old, new)]
    assert sum(rows.added - rows.removed for rows in plan.rows.by_switch.first) == sum(
        map(len, new.contents.values())
    ) - sum(map(len, old.contents.values()))


def rows_of(old: State, new: State) -> Iterable[SwitchRows]:
    """What became of the rows of each switch; another bridge under the same name is another switch."""
    for name in sorted({name for name, _ in old.contents.keys() | new.contents.keys()}):
        counts = [0, 0, 0]
        for key in (key for key in old.contents.keys() | new.contents.keys() if key[0] == name):
            was, now = old.contents.get(key, Contents()), new.contents.get(key, Contents())
            for row, stood in difference(was, now).items():
                counts[0 if stood is None else 2 if now.get(row) is None else 1] += 1
        if any(counts):
            yield SwitchRows(name, *counts)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(intents(several=True), fabrics(), HISTORIES)
def test_a_plan_changes_nothing_and_says_what_the_request_changes(intent: Intent, other: Any, steps: Steps) -> None:
    history = Planned(intent, other)
    history.check()
    for kind, seed in steps:
        history.do(kind, seed)
        history.check()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(intents(several=True), intents(several=True))
def test_so_does_the_plan_of_another_intent_altogether(intent: Intent, other: Intent) -> None:
    history = Planned(intent, other.fabric)

    def edit(work: Work) -> None:
        for node in work.draft.nodes():
            requests.delete_node(work, node.tenant, node.name)
        requests.apply(work, other)

    history.system.request(edit)
    history.check()
    assert not history.system.plan(lambda work: requests.apply(work, other)).changed


def fabric_of(*links: tuple[str, str]) -> FabricSpec:
    """Three segments of a switch each, with core links between these."""
    switches = {name: SwitchSpec(dpid=number, segment=name) for number, name in enumerate("ABC", start=1)}
    core = [LinkSpec(kind="core", a=f"{one}:to-{other}", b=f"{other}:to-{one}") for one, other in links]
    return FabricSpec(switches=switches, links=core)


def test_what_another_fabric_would_let_be_is_not_let_be_in_this_one() -> None:
    system = new_system()

    def at(place: str) -> NodeSpec:
        return NodeSpec(running=True, interfaces={"eth0": InterfaceSpec(at=place, networks=["X"])})

    start = TenantSpec(networks={"X": NetworkSpec()}, nodes={"a": at("A:a")})
    system.request(lambda work: requests.apply(work, Intent(fabric=fabric_of(), tenants={"red": start})))
    more = TenantSpec(nodes={"b": at("B:b")})
    joined = Intent(fabric=fabric_of(("A", "B")), tenants={"red": more})
    assert system.plan(lambda work: requests.apply(work, joined)).nodes.new.first == ["red/b"]
    with pytest.raises(Invalid, match="has no edge"):
        system.request(lambda work: requests.apply(work, Intent(tenants={"red": more})))


def test_what_a_plan_is_granted_is_granted_to_whoever_asks_next() -> None:
    system = new_system()
    system.request(lambda work: requests.put_tenant(work, "red"))
    for _ in range(3):
        system.plan(lambda work: requests.put_network(work, "red", "X", NetworkSpec()))
    system.request(lambda work: requests.put_network(work, "red", "Y", NetworkSpec()))
    (network,) = system.model.networks()
    assert network.number == FIRST_LABEL


def test_lists_are_cut_and_counted() -> None:
    system = new_system()
    fields = {f"{number}": "x" * 300 for number in range(50)}
    nodes = {f"vm{number:03}": NodeSpec(labels={"tier": "x"}) for number in range(300)}
    intent = Intent(tenants={"red": TenantSpec(nodes=nodes)})
    system.request(lambda work: requests.apply(work, intent))
    interfaces = {name: InterfaceSpec(ips=["10.0.0.1"]) for name in fields}
    changed = {name: NodeSpec(unit="y" * 255, interfaces=interfaces) for name in nodes}
    other = Intent(tenants={"red": TenantSpec(nodes=changed)})
    plan = system.plan(lambda work: requests.apply(work, other), 7)
    assert plan.nodes.changed.count == 300
    assert [one.name for one in plan.nodes.changed.first] == [f"red/vm{number:03}" for number in range(7)]
    for one in plan.nodes.changed.first:
        assert len(one.fields) == 20 and one.more_fields > 20
        assert all(len(text) < 200 for field in one.fields for text in (field.old, field.new) if text is not None)
    assert FieldChange("unit", None, "y" * 120 + "...") in plan.nodes.changed.first[0].fields
