"""What nobody uses is given back, whatever happens: the store is cut behind any commit, and a controller starts on it.

Each commit is all or nothing, so these cuts are all the states that a crash can leave on disk (`test_store_kill` has
real ones). After each of them the check finds nothing; and all that rests ends once the switches are in step.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from drawn import all_in_step, fabrics, intents, plug_everything
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_store import MemoryStore
from test_incremental import HISTORIES, FragileStore, History, Steps

from ryu_vnet.managers import policies, requests
from ryu_vnet.managers.allocation import REST_SECONDS
from ryu_vnet.managers.fsck.documents import trouble_with
from ryu_vnet.managers.fsck.finding import findings
from ryu_vnet.managers.fsck.needs import needed_combinations, needed_tags
from ryu_vnet.managers.fsck.online import faults, mend_all
from ryu_vnet.managers.system import System
from ryu_vnet.model.values import tag_space
from ryu_vnet.schema import FabricSpec, Intent
from ryu_vnet.store.interface import Json

Commit = Mapping[str, Json | None]


class Recorded(FragileStore):
    """Keeps what each commit changed."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[Commit] = []

    def commit(self, changes: Commit, expected: Mapping[str, int] | None = None) -> int:
        revision = super().commit(changes, expected)
        if changes:
            self.commits.append(dict(changes))
        return revision


class Recording(History):
    """A history whose commits are kept."""

    def __init__(self, intent: Intent, other: FabricSpec) -> None:
        super().__init__(intent, other)
        self.recorded = Recorded()
        for document in self.store.list().documents:
            self.recorded.commit({document.key: document.value})
        self.recorded.commits = [{document.key: document.value for document in self.store.list().documents}]
        self.recorded.revision = self.store.revision
        self.store = self.recorded
        self.system._store = self.recorded


def cut(commits: list[Commit]) -> MemoryStore:
    """A store as it is when just these commits came to the disk."""
    store = MemoryStore()
    for changes in commits:
        store.commit(changes)
    return store


class Restarted:
    """A controller that starts on a store after a crash."""

    def __init__(self, store: MemoryStore) -> None:
        self.now = 0.0
        self.store = store
        self.system = System(store, lambda name, messages: None, lambda: self.now)

    def check(self) -> None:
        """Every grant is needed, every needed grant is there, and nothing that is used rests."""
        system, model = self.system, self.system.model
        assert [*findings(faults(system))] == []
        granted = {(grant.segment, grant.network) for grant in model.grants()}
        assert granted == needed_tags(model, system.fabric).keys()
        assert {combination.ref for combination in model.combinations()} == needed_combinations(model).keys()
        used = [(tag_space(grant.segment), grant.tag) for grant in model.grants()]
        used += [("label", one.number) for one in (*model.networks(), *model.combinations())]
        resting = [(rest.space, rest.identifier) for rest in model.resting()]
        assert len({*used, *resting}) == len(used) + len(resting)
        assert all(trouble_with(one.key, one.value) is None for one in self.store.list().documents)

    def rest(self) -> None:
        """All that rests ends, and the switches that were away were waited for."""
        resting = len(self.system.model.resting())
        self.system.tick()
        self.now += 2 * REST_SECONDS
        self.system.tick()
        held = {name for rest in self.system.model.resting() for name in self.system.holders(rest)}
        assert held or not self.system.model.resting()
        assert len(self.system.model.resting()) <= resting
        plug_everything(self.system)
        all_in_step(self.system)
        self.system.tick()
        self.now += REST_SECONDS
        self.system.tick()
        assert self.system.model.resting() == []
        assert self.store.list("resting/").documents == ()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(intents(several=True), fabrics(), HISTORIES, st.randoms(use_true_random=False))
def test_after_a_crash_behind_any_commit_nothing_is_lost_and_nothing_leaks(
    intent: Intent, other: FabricSpec, steps: Steps, chance: random.Random
) -> None:
    history = Recording(intent, other)
    for kind, seed in steps:
        history.do(kind, seed)
    commits = history.recorded.commits
    for length in range(1, len(commits) + 1):
        restarted = Restarted(cut(commits[:length]))
        restarted.check()
        if chance.random() < 0.3:
            restarted.rest()
            restarted.check()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(intents(several=True), fabrics(), HISTORIES)
def test_the_check_finds_nothing_in_any_history_and_mending_changes_nothing(
    intent: Intent, other: FabricSpec, steps: Steps
) -> None:
    history = History(intent, other)
    for kind, seed in steps:
        history.do(kind, seed)
        assert [*findings(faults(history.system))] == []
    revision, documents = history.store.revision, history.store.list()
    assert mend_all(history.system) == (revision, [])
    assert history.store.list() == documents
    history.check()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(intents(several=True), fabrics(), HISTORIES)
def test_a_controller_that_crashes_at_every_step_ends_with_nothing_when_everything_is_deleted(
    intent: Intent, other: FabricSpec, steps: Steps
) -> None:
    """Between any two steps a new controller takes over. In the end all is deleted: no document tells of it."""
    history = History(intent, other)
    for kind, seed in steps:
        history.do(kind, seed)
        history.system = System(history.store, lambda name, messages: None, lambda: history.now)
    system = history.system
    for policy in system.model.policies():
        system.request(lambda work, name=policy.name: policies.delete_policy(work.draft, name))
    for node in system.model.nodes():
        system.request(lambda work, node=node: requests.delete_node(work, node.tenant, node.name))
        system = System(history.store, lambda name, messages: None, lambda: history.now)
    for network in system.model.networks():
        system.request(lambda work, network=network: requests.delete_network(work, network.tenant, network.name))
    for tenant in system.model.tenants():
        system.request(lambda work, tenant=tenant: requests.delete_tenant(work, tenant.name))
    restarted = Restarted(history.store)
    restarted.check()
    restarted.rest()
    kinds = {document.key.partition("/")[0] for document in history.store.list().documents}
    assert kinds <= {"counters", "fabric", "observed", "admitted", "event"}


def test_a_switch_that_is_something_else_for_a_while_is_let_in_anew() -> None:
    """What it got as the other thing may be on it, though nobody has heard so."""
    system = System(MemoryStore(), lambda name, messages: None, lambda: 0.0)
    here = FabricSpec.model_validate({"switches": {"s1": {"dpid": 1, "segment": "A"}}})
    there = FabricSpec.model_validate({"switches": {"s1": {"dpid": 1, "segment": "B"}}})
    system.request(lambda work: requests.put_fabric(work, here))
    plug_everything(system)
    assert system.topology.admitted == {"s1"}
    for fabric in (there, here):
        system.request(lambda work, fabric=fabric: requests.put_fabric(work, fabric))
        assert system.topology.admitted == frozenset() and not system.switches["s1"].admitted
    assert system.store.get("admitted/s1") is None
