"""A request evaluates those interfaces whom it concerns, and no others: counted, not timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from policed import FABRIC, apply, data_centre, drop, node, put

from ryu_vnet.errors import Invalid
from ryu_vnet.managers import requests, rulebook
from ryu_vnet.managers.system import System
from ryu_vnet.model.policy import Traits
from ryu_vnet.schema import NetworkSpec

Asked = Callable[[Callable[[], Any]], list[str]]

POLICIES: dict[str, Any] = {
    "web": {"match": {"tenant": "red", "function": "web"}, "networks": ["X"]},
    "follows": {"match": {"tenant": "red", "network": "X"}, "templates": ["of-{unit}"]},
    "rack": {"match": {"segment": "B"}, "templates": ["rack-{segment}"]},
    "prod": {"match": {"labels": {"env": "prod"}}, "templates": ["prod-{tenant}"]},
}


@pytest.fixture
def system() -> System:
    """Six of red, of which the even ones are web servers, and three of blue; every third is in rack B."""
    system = data_centre(policies=POLICIES)
    for number in range(6):
        function = "web" if number % 2 == 0 else "db"
        node(system, f"red/vm{number}", f"h{1 + number % 3}", unit="dev", function=function)
    for number in range(3):
        node(system, f"blue/vm{number}", f"h{1 + number % 3}", unit="dev", function="web")
    return system


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Does something, and says who was evaluated."""
    seen: list[str] = []
    evaluate = rulebook.evaluate

    def counted(policies: Any, traits: Traits) -> Any:
        seen.append(f"{traits.tenant}/{traits.node}")
        return evaluate(policies, traits)

    monkeypatch.setattr(rulebook, "evaluate", counted)

    def during(act: Callable[[], Any]) -> list[str]:
        seen.clear()
        act()
        return sorted(seen)

    return during


RED_WEB = ["red/vm0", "red/vm2", "red/vm4"]
RED = [f"red/vm{number}" for number in range(6)]
BLUE = ["blue/vm0", "blue/vm1", "blue/vm2"]


def test_a_change_of_a_policy_asks_those_who_match_it_before_or_after(system: System, asked: Asked) -> None:
    assert asked(lambda: put(system, web={**POLICIES["web"], "networks": ["X", "Y"]})) == RED_WEB
    assert asked(lambda: put(system, web={**POLICIES["web"], "networks": ["X", "Y"]})) == []
    changed = {"match": {"tenant": "red", "node": "vm[01]"}, "networks": ["X"]}
    assert asked(lambda: put(system, web=changed)) == ["red/vm0", "red/vm1", "red/vm2", "red/vm4"]
    assert asked(lambda: drop(system, "web")) == ["red/vm0", "red/vm1"]
    assert asked(lambda: put(system, one={"match": {"tenant": "red", "node": "vm3"}, "networks": ["Y"]})) == ["red/vm3"]
    assert asked(lambda: put(system, none={"match": {"unit": "ops"}, "templates": ["ops-{function}"]})) == []
    assert asked(lambda: drop(system, "rack")) == ["blue/vm2", "red/vm2", "red/vm5"]
    blue = {"match": {"tenant": "blue"}, "networks": ["X"]}
    assert asked(lambda: put(system, blue=blue)) == BLUE
    assert asked(lambda: put(system, everybody={"templates": ["all-{tenant}"]})) == BLUE + RED
    assert asked(lambda: put(system, final={"match": {"node": "vm5"}, "final": True, "order": 1})) == ["red/vm5"]


def test_a_policy_that_asks_for_a_network_asks_those_who_may_be_in_it(system: System, asked: Asked) -> None:
    assert asked(lambda: put(system, follows={**POLICIES["follows"], "templates": ["from-{unit}"]})) == RED
    # Who follows into a network because of another policy is asked with that policy's change, once.
    assert asked(lambda: put(system, web={**POLICIES["web"], "order": 1})) == RED_WEB
    # The same policies in another order are other policies, for those whom they are about.
    assert asked(lambda: apply(system, {"policies": {"prod": POLICIES["prod"], "rack": POLICIES["rack"]}})) == sorted(
        [*RED, "blue/vm2"]
    )


def test_a_change_of_a_node_asks_it_alone_and_only_for_what_policies_look_at(system: System, asked: Asked) -> None:
    def of(edit: Callable[[requests.Work], None]) -> list[str]:
        return asked(lambda: system.request(edit))

    assert asked(lambda: node(system, "red/vm0", "h1", unit="dev", function="web")) == []
    assert asked(lambda: node(system, "red/vm0", "h1", unit="dev", function="web", size=2)) == []
    assert asked(lambda: node(system, "red/vm0", "h1", unit="ops", function="web")) == ["red/vm0"]
    assert asked(lambda: node(system, "red/vm0", "h1", unit="ops", function="web", ips=["10.0.0.1"])) == ["red/vm0"]
    assert asked(lambda: node(system, "red/vm0", "h2", unit="ops", function="web", ips=["10.0.0.1"])) == ["red/vm0"]
    assert of(lambda work: requests.stop(work, "red", "vm1")) == []
    assert of(lambda work: requests.start(work, "red", "vm1", {})) == []
    assert of(lambda work: requests.start(work, "red", "vm1", {"eth0": "h3:p"})) == ["red/vm1"]
    assert of(lambda work: requests.attach(work, "red", "Y", "vm1", None)) == ["red/vm1"]
    assert of(lambda work: requests.attach(work, "red", "Y", "vm1", None)) == []
    assert of(lambda work: requests.detach(work, "red", "Y", "vm1", None)) == ["red/vm1"]
    assert of(lambda work: requests.delete_node(work, "red", "vm1")) == []
    assert of(lambda work: requests.put_network(work, "red", "Z", NetworkSpec())) == []
    assert of(lambda work: requests.delete_network(work, "red", "Z")) == []
    assert asked(lambda: node(system, "red/vm9", unit="dev")) == ["red/vm9"]


def test_another_fabric_asks_those_on_switches_of_another_segment(system: System, asked: Asked) -> None:
    more = {**FABRIC["switches"], "h4": {"dpid": 4, "segment": "C"}}
    assert asked(lambda: apply(system, {"fabric": {**FABRIC, "switches": more, "mtu": 9000}})) == []
    moved = {**more, "h3": {"dpid": 3, "segment": "D"}}
    assert asked(lambda: apply(system, {"fabric": {**FABRIC, "switches": moved}})) == ["blue/vm2", "red/vm2", "red/vm5"]


def test_a_network_that_is_to_go_asks_those_in_it(system: System, asked: Asked) -> None:
    def delete() -> None:
        with pytest.raises(Invalid, match=r"policy 'web' puts red/vm0 eth0 and 2 more in network 'X'"):
            system.request(lambda work: requests.delete_network(work, "red", "X"))

    assert asked(delete) == RED_WEB


def test_without_policies_nobody_is_asked(asked: Asked) -> None:
    system = data_centre()
    assert asked(lambda: node(system, "red/vm0", "h1", unit="dev")) == []
    assert asked(lambda: apply(system, {"policies": {}})) == []
