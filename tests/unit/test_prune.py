"""What an intent does not name is removed where that is asked for, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from drawn import applied, intents, new_system
from figure_system import figure
from hypothesis import HealthCheck, given, settings
from in_process import client_of

from ryu_vnet.client import Client
from ryu_vnet.errors import Conflict, Invalid
from ryu_vnet.managers import pruning
from ryu_vnet.managers.pruning import Prune
from ryu_vnet.managers.system import System
from ryu_vnet.schema import Intent

NODES = ["blue/vm1.2", "blue/vm3.1", "blue/vm3.2", "green/outside", "green/vm2.1", "red/vm1.1", "red/vm2.2"]


@pytest.fixture
def system() -> System:
    system = new_system()
    system.request(lambda work: pruning.apply(work, Intent.model_validate(figure())))
    return system


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    with client_of(system) as client:
        yield client


def left(system: System) -> tuple[list[str], list[str], list[str]]:
    model = system.model
    return [t.name for t in model.tenants()], [n.ref for n in model.networks()], [n.ref for n in model.nodes()]


RED = figure()["tenants"]["red"]
VM = {"vm1.1": RED["nodes"]["vm1.1"]}
CASES: dict[str, tuple[dict[str, Any], str, set[str]]] = {
    "nothing is asked for": ({"tenants": {"red": {"networks": {}, "nodes": {}}}}, "none", set()),
    "a node": ({"tenants": {"red": {"networks": {"X": {}}, "nodes": VM}}}, "named", {"red/vm2.2"}),
    "all of a tenant": (
        {"tenants": {"red": {"networks": {}, "nodes": {}}}},
        "named",
        {"red/X", "red/vm1.1", "red/vm2.2"},
    ),
    "no key, no word": ({"tenants": {"red": {}}}, "named", set()),
    "nodes alone are spoken of": ({"tenants": {"red": {"nodes": {}}}}, "named", {"red/vm1.1", "red/vm2.2"}),
    "other tenants": (
        {"tenants": {"red": {}, "blue": {}}},
        "all",
        {"green", "green/Y", "green/outside", "green/vm2.1"},
    ),
    "the last tenant": (
        {"tenants": {}},
        "all",
        {"red", "green", "blue", "red/X", "green/Y", "blue/Z", *NODES},
    ),
    "no tenants, no word": ({"fabric": figure()["fabric"]}, "all", set()),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_removed(system: System, client: Client, name: str) -> None:
    intent, prune, gone = CASES[name]
    before, fabric = left(system), system.fabric
    planned = client.plan(intent, prune=prune)
    listed = (planned["plan"][kind]["gone"]["first"] for kind in ("tenants", "networks", "nodes"))
    assert {one for part in listed for one in part} == gone
    assert left(system) == before
    answer = client.apply(intent, prune=prune, removal=planned["removal"])
    assert answer.changed == bool(gone)
    assert left(system) == tuple([one for one in part if one not in gone] for part in before)
    assert system.fabric == fabric
    assert not client.plan(intent, prune=prune)["plan"]["changed"]


def test_a_network_goes_only_with_who_is_in_it(system: System, client: Client) -> None:
    before = left(system)
    for ask in (client.plan, client.apply):
        with pytest.raises(Invalid) as refused:
            ask({"tenants": {"red": {"networks": {}}}}, prune="named")
        (problem,) = refused.value.problems
        assert problem.where == "tenants.red.networks"
        assert "red/X" in problem.message and "red/vm1.1, red/vm2.2" in problem.message and problem.hint
    assert left(system) == before


def test_what_somebody_has_agreed_to_is_removed_and_nothing_else(system: System, client: Client) -> None:
    intent = {"tenants": {"red": {"nodes": VM}}}
    removal = client.plan(intent, prune="named")["removal"]
    client.put_node("red/vm3", {})
    before = left(system)
    with pytest.raises(Conflict, match="plan it again"):
        client.apply(intent, prune="named", removal=removal)
    assert left(system) == before
    client.delete_node("red/vm3")
    client.put_node("blue/vm3", {})
    assert client.apply(intent, prune="named", removal=removal).changed


def test_what_is_put_and_what_goes_may_take_each_others_place(system: System, client: Client) -> None:
    spec = {**VM["vm1.1"], "interfaces": {"eth0": {**VM["vm1.1"]["interfaces"]["eth0"], "network": "W"}}}
    intent = {"tenants": {"red": {"networks": {"W": {}}, "nodes": {"new": spec}}}}
    with pytest.raises(Invalid, match="used twice"):
        client.apply(intent)
    client.apply(intent, prune="named")
    assert left(system)[1:] == (["blue/Z", "green/Y", "red/W"], [*NODES[:5], "red/new"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(intents(several=True), intents(several=True))
def test_all_that_is_left_is_what_was_said(one: Intent, other: Intent) -> None:
    system = applied(one)
    system.request(lambda work: pruning.apply(work, other, Prune.ALL))
    wanted = applied(other)
    assert left(system) == left(wanted)
    answer = system.request(lambda work: pruning.apply(work, other, Prune.ALL))
    assert not answer.changed
