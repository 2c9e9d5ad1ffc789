"""Damage to routers: found, mended, found clean; and never does mending open what was closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from internet_system import internet_system
from memory_store import MemoryStore

from ryu_vnet.managers.events import EVENT_PREFIX
from ryu_vnet.managers.fsck.checks import faults_of, mend
from ryu_vnet.managers.fsck.offline import case_of
from ryu_vnet.model.routing import Router

Documents = dict[str, Any]
KEY = "router/red/core"


def network_gone(documents: Documents) -> None:
    documents[KEY]["networks"] = ["red/web", "red/db", "red/gone"]
    rule = documents[KEY]["rules"][0]
    documents[KEY]["rules"].append({**rule, "target": "red/gone"})


def only_rule_about_a_network_that_is_gone(documents: Documents) -> None:
    documents[KEY]["networks"] = ["red/web", "red/db", "red/gone"]
    documents[KEY]["rules"][0]["target"] = "red/gone"


def both_gone(documents: Documents) -> None:
    documents[KEY]["networks"] = ["red/gone", "red/lost"]


def one_network(documents: Documents) -> None:
    documents[KEY] |= {"networks": ["red/web"], "rules": []}


def networks_of_others(documents: Documents) -> None:
    documents[KEY] |= {"networks": ["blue/web", "green/alone"], "rules": []}


def rule_of_others(documents: Documents) -> None:
    rule = documents[KEY]["rules"][0]
    documents[KEY]["rules"].append({**rule, "target": "blue/web"})


def only_rule_of_others(documents: Documents) -> None:
    documents[KEY]["rules"][0]["target"] = "blue/web"


def tenant_gone(documents: Documents) -> None:
    documents["router/grey/r"] = {**documents[KEY], "tenant": "grey", "name": "r", "networks": ["grey/a", "red/web"]}


DAMAGE: list[tuple[Callable[[Documents], None], str, tuple[str, ...]]] = [
    (network_gone, "routes to nothing", ("red/web", "red/db")),
    (only_rule_about_a_network_that_is_gone, "routes to nothing", ()),
    (both_gone, "routes to nothing", ()),
    (one_network, "routes nothing", ()),
    (networks_of_others, "routes nothing", ()),
    (rule_of_others, "rule of no use", ("red/web", "red/db")),
    (only_rule_of_others, "rule of no use", ()),
    (tenant_gone, "no tenant", ("red/web", "red/db")),
]


@pytest.mark.parametrize(("damage", "kind", "left"), DAMAGE, ids=[damage.__name__ for damage, *_ in DAMAGE])
def test_damage_is_found_and_mended(damage: Callable[[Documents], None], kind: str, left: tuple[str, ...]) -> None:
    store = MemoryStore()
    internet_system(store)
    documents = {one.key: one.value for one in store.list(without=EVENT_PREFIX).documents}
    damage(documents)
    case = case_of(documents, store.revision)
    found = [*faults_of(case)]
    assert kind in [fault.finding.kind for fault in found], found
    assert all(fault.edit is not None for fault in found)
    mend(case)
    assert [*faults_of(case)] == []
    routers = case.draft.routers()
    assert [router.networks for router in routers] == ([left] if left else [])
    assert all(router.rules for router in routers), "what was restricted is open"


def test_another_tenants_network_need_not_be_there() -> None:
    system = internet_system()
    system.request(lambda work: work.draft.put(Router("red", "r", ("red/web", "blue/not-yet"))))
    store = MemoryStore()
    store.commit(system.documents())
    assert [*faults_of(case_of(system.documents(), 1))] == []
