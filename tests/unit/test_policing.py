"""Policies at work: who is in which network, what is made and deleted for it, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from memory_store import MemoryStore
from policed import FABRIC, apply, data_centre, drop, networks, node, put

from ryu_vnet.errors import Conflict, Invalid, NotFound, VnetError
from ryu_vnet.managers import requests
from ryu_vnet.managers.system import System
from ryu_vnet.model.values import LABELS
from ryu_vnet.schema import NetworkSpec

WEB = {"match": {"function": "web"}, "networks": ["X"]}
UNITS = {"templates": ["unit-{unit}"]}


def names(system: System, tenant: str = "red") -> list[str]:
    return [network.name for network in system.model.networks(tenant)]


# --- who is where ---------------------------------------------------------------------------------------------------


def test_policies_give_networks_beside_those_that_are_asked_for() -> None:
    system = data_centre()
    node(system, "red/vm1", "h1", function="web", networks=["Y"])
    node(system, "red/vm2", "h3")
    put(system, web=WEB)
    assert networks(system, "red/vm1") == (("Y",), ("X",))
    assert networks(system, "red/vm2") == ((), ())
    node(system, "red/vm3", "h2", function="web", networks=["X"])
    assert networks(system, "red/vm3") == (("X",), ())
    drop(system, "web")
    assert networks(system, "red/vm1") == (("Y",), ()) and networks(system, "red/vm3") == (("X",), ())


def test_what_changes_about_a_node_changes_its_networks() -> None:
    system = data_centre(
        policies={
            "web": WEB,
            "rack": {"match": {"segment": "B"}, "networks": ["Y"]},
            "follows": {"match": {"tenant": "red", "network": "Y"}, "templates": ["{segment}-{unit}"]},
        }
    )
    node(system, "red/vm1", "h1", function="web", unit="dev")
    assert networks(system, "red/vm1") == ((), ("X",))
    system.request(lambda work: requests.start(work, "red", "vm1", {"eth0": "h3:p"}))
    assert networks(system, "red/vm1") == ((), ("B-dev", "X", "Y"))
    system.request(lambda work: requests.stop(work, "red", "vm1"))
    assert networks(system, "red/vm1") == ((), ("B-dev", "X", "Y"))
    node(system, "red/vm1", "h1", function="db", unit="dev")
    assert networks(system, "red/vm1") == ((), ())
    system.request(lambda work: requests.attach(work, "red", "Y", "vm1", None))
    assert networks(system, "red/vm1") == (("Y",), ("A-dev",))
    system.request(lambda work: requests.detach(work, "red", "Y", "vm1", None))
    assert networks(system, "red/vm1") == ((), ())


def test_what_a_policy_gives_may_be_asked_for_as_well() -> None:
    system = data_centre(policies={"web": WEB})
    node(system, "red/vm1", "h1", function="web")
    system.request(lambda work: requests.attach(work, "red", "X", "vm1", None))
    assert networks(system, "red/vm1") == (("X",), ())
    drop(system, "web")
    assert networks(system, "red/vm1") == (("X",), ())


def test_policies_are_kept_and_hold_after_a_restart() -> None:
    system = data_centre(policies={"units": UNITS, "web": WEB})
    node(system, "red/vm1", "h1", function="web", unit="dev")
    again = System(system._store, lambda name, messages: None, lambda: 0.0)
    assert isinstance(system._store, MemoryStore)
    assert again.model.policies() == system.model.policies() and len(again.model.policies()) == 2
    assert {*map(repr, again.model.values())} == {*map(repr, system.model.values())}
    node(again, "red/vm2", "h2", function="web")
    assert networks(again, "red/vm2") == ((), ("X",))
    assert not node(again, "red/vm1", "h1", function="web", unit="dev").changed


def test_a_list_replaces_all_policies_and_an_intent_without_one_leaves_them() -> None:
    system = data_centre(policies={"web": WEB, "units": UNITS})
    assert [(policy.name, policy.order) for policy in system.model.policies()] == [("web", 10), ("units", 20)]
    apply(system, {"tenants": {"red": {}}})
    assert len(system.model.policies()) == 2
    put(system, between={**WEB, "order": 15, "networks": ["Y"]}, last={"match": {"node": "z"}, "networks": ["Y"]})
    assert [policy.name for policy in system.model.policies()] == ["web", "between", "units", "last"]
    assert put(system, web=WEB, last={"match": {"node": "z"}, "networks": ["Y"]}).changed is False
    answer = apply(system, {"policies": {"units": UNITS, "web": WEB}})
    assert [policy.name for policy in system.model.policies()] == ["units", "web"] and answer.changed
    assert not apply(system, {"policies": {"units": UNITS, "web": WEB}}).changed
    apply(system, {"policies": {}})
    assert system.model.policies() == []
    with pytest.raises(NotFound, match="there is no policy 'web' .there is none."):
        drop(system, "web")


# --- networks by template -------------------------------------------------------------------------------------------


def test_a_network_by_template_is_there_as_long_as_it_has_members() -> None:
    system = data_centre(policies={"units": UNITS})
    assert names(system) == ["X", "Y"]
    node(system, "red/vm1", "h1", unit="dev")
    node(system, "red/vm2", "h3", unit="dev")
    node(system, "blue/vm1", "h1", unit="dev")
    made = system.model.network("red/unit-dev")
    assert made is not None and made.made_by == "unit-{unit}"
    assert names(system, "blue") == ["X", "unit-dev"]
    node(system, "red/vm1", "h1", unit="ops")
    assert names(system) == ["X", "Y", "unit-dev", "unit-ops"]
    assert system.model.network("red/unit-dev") == made
    system.request(lambda work: requests.delete_node(work, "red", "vm2"))
    assert names(system) == ["X", "Y", "unit-ops"]
    assert made.number in {resting.identifier for resting in system.model.resting(LABELS)}
    drop(system, "units")
    assert names(system) == ["X", "Y"] and names(system, "blue") == ["X"]
    assert networks(system, "red/vm1") == ((), ())


def test_a_network_stays_while_another_policy_has_the_same_template() -> None:
    system = data_centre(policies={"units": UNITS})
    node(system, "red/vm1", "h1", unit="dev", function="web")
    number = system.model.network("red/unit-dev").number  # type: ignore[union-attr]
    apply(system, {"policies": {"others": {"match": {"function": "web"}, **UNITS}}})
    assert system.model.network("red/unit-dev").number == number  # type: ignore[union-attr]
    apply(system, {"policies": {"functions": {"match": {"function": "web"}, "templates": ["{label:k}-{unit}"]}}})
    assert names(system) == ["X", "Y"]
    node(system, "red/vm1", "h1", unit="dev", labels={"k": "unit"}, function="web")
    assert system.model.network("red/unit-dev").made_by == "{label:k}-{unit}"  # type: ignore[union-attr]
    answer = apply(system, {"policies": {"units": UNITS}})
    assert answer.changed and system.model.network("red/unit-dev").made_by == "unit-{unit}"  # type: ignore[union-attr]


def test_a_tenant_goes_together_with_its_nodes_and_what_templates_made_for_them() -> None:
    system = data_centre(policies={"units": UNITS})
    node(system, "blue/vm1", "h1", unit="dev")

    def edit(work: requests.Work) -> None:
        requests.delete_node(work, "blue", "vm1")
        requests.delete_network(work, "blue", "X")
        requests.delete_tenant(work, "blue")

    system.request(edit)
    assert system.model.tenant("blue") is None and names(system, "blue") == []


def test_a_policy_and_its_network_go_in_one_request() -> None:
    system = data_centre(policies={"web": WEB})
    node(system, "red/vm1", "h1", function="web")

    def edit(work: requests.Work) -> None:
        requests.delete_network(work, "red", "X")
        requests.replace_policies(work.draft, {})

    system.request(edit)
    assert names(system) == ["Y"] and networks(system, "red/vm1") == ((), ())


# --- what is refused ------------------------------------------------------------------------------------------------


def refused(system: System, act: Callable[[], Any], kind: type[VnetError], *words: str) -> None:
    """It is refused in these words, and nothing has changed."""
    before, revision = {*map(repr, system.model.values())}, system.revision
    with pytest.raises(kind) as error:
        act()
    for text in words:
        assert text in str(error.value), str(error.value)
    assert ({*map(repr, system.model.values())}, system.revision) == (before, revision)


def test_nobody_takes_a_node_out_of_what_a_policy_gives() -> None:
    system = data_centre(policies={"web": WEB})
    node(system, "red/vm1", "h1", function="web", networks=["Y"])
    node(system, "red/vm2", "h2", function="web", networks=["X", "Y"])
    for name in ("vm1", "vm2"):
        words = f"red/{name} eth0 stays in network red/X: policy 'web' gives it; change that policy"
        refused(system, lambda name=name: system.request(  # type: ignore[misc]
            lambda work: requests.detach(work, "red", "X", name, None)), Conflict, words)  # fmt: skip
    system.request(lambda work: requests.detach(work, "red", "Y", "vm1", None))
    assert networks(system, "red/vm1") == ((), ("X",))

    def edit(work: requests.Work) -> None:
        requests.detach(work, "red", "X", "vm1", None)
        requests.replace_policies(work.draft, {})

    system.request(edit)
    assert networks(system, "red/vm1") == ((), ())


def test_nobody_changes_by_hand_what_a_template_makes() -> None:
    system = data_centre(policies={"units": UNITS})
    node(system, "red/vm1", "h1", unit="dev")
    node(system, "red/vm2", "h1")
    words = "network red/unit-dev is made by the template 'unit-{unit}' of policy 'units', which alone decides"

    def refuse(edit: Callable[[requests.Work], None], kind: type[VnetError] = Conflict) -> None:
        refused(system, lambda: system.request(edit), kind, words)

    refuse(lambda work: requests.attach(work, "red", "unit-dev", "vm2", None))
    refuse(lambda work: requests.delete_network(work, "red", "unit-dev"))
    refuse(lambda work: requests.put_network(work, "red", "unit-dev", NetworkSpec(tagged=True)))
    refused(system, lambda: node(system, "red/vm2", "h1", networks=["unit-dev"]), Invalid, words)
    leave = "red/vm1 eth0 stays in network red/unit-dev: policy 'units' gives it"
    refused(system, lambda: system.request(
        lambda work: requests.detach(work, "red", "unit-dev", "vm1", None)), Conflict, leave)  # fmt: skip


def test_a_network_that_is_not_there_is_refused() -> None:
    system = data_centre()
    node(system, "red/vm1", "h1", function="web")
    node(system, "red/vm2", "h1", function="web")
    lost = {"match": {"function": "web"}, "networks": ["Q"]}
    words = "red/vm1 eth0 and 1 more in network 'Q', which tenant red does not have (create it: vnet network create"
    refused(system, lambda: put(system, lost=lost), Invalid, f"policies.lost.networks[0]: policy 'lost' puts {words}")
    early = {"match": {"tenant": "red", "unit": "none yet"}, "networks": ["X", "Q"]}
    words = "policies.early.networks[1]: policy 'early' gives network 'Q' to nodes of tenant red, which has none such"
    refused(system, lambda: put(system, early=early), Invalid, words)
    apply(system, {"policies": {"db": {"match": {"function": "db"}, "networks": ["Y"]}}})
    words = "tenants.blue.nodes.db1.interfaces.eth0.networks: policy 'db' puts blue/db1 eth0 in network 'Y', which"
    refused(system, lambda: node(system, "blue/db1", "h1", function="db"), Invalid, words)
    node(system, "red/db1", "h2", function="db")
    words = "tenants.red.networks.Y: policy 'db' puts red/db1 eth0 in network 'Y', which tenant red would not have any"
    refused(system, lambda: system.request(lambda work: requests.delete_network(work, "red", "Y")), Invalid, words)


def test_a_template_does_not_give_the_name_of_a_network_that_was_made_by_hand() -> None:
    system = data_centre()
    node(system, "red/vm1", "h1", unit="X")
    words = [
        "policies.plain.templates[0]: the template '{unit}' of policy 'plain' puts red/vm1 eth0 in network red/X,",
        "which was made by hand (another template",
    ]
    plain = {"templates": ["{unit}"]}
    refused(system, lambda: put(system, plain=plain), Invalid, *words)
    node(system, "red/vm1", "h1", unit="dev")
    put(system, plain=plain)
    where = "tenants.red.nodes.vm1.interfaces.eth0.networks: the template '{unit}' of policy 'plain'"
    refused(system, lambda: node(system, "red/vm1", "h1", unit="Y"), Invalid, where, words[1])


def test_policies_that_contradict_each_other_are_refused() -> None:
    system = data_centre(policies={"web": WEB})
    refused(system, lambda: put(system, web2={**WEB, "order": 10}), Invalid, "'web', 'web2' have the same order 10")
    refused(system, lambda: put(system, idle={}), Invalid, "'idle' yields nothing")
    loop = {
        "one": {"match": {"network": "Y"}, "networks": ["X"]},
        "two": {"match": {"network": "X"}, "networks": ["Y"]},
    }
    refused(system, lambda: apply(system, {"policies": loop}), Invalid, "a loop: 'one' matches on network 'Y'")
    bad = {"bad name": WEB, "mac": {"match": {"mac": "x"}, "networks": ["X"]}}
    refused(system, lambda: put(system, **bad), Invalid, "policies.bad name: ", "policies.mac.match.mac: ")


def test_a_policy_does_not_put_an_interface_in_too_many_networks() -> None:
    many = [f"n{number:02}" for number in range(33)]
    system = data_centre()
    apply(system, {"tenants": {"red": {"networks": {name: {} for name in many}}}})
    node(system, "red/vm1", "h1")
    node(system, "red/vm2", "h1")
    everything = {"match": {"tenant": "red"}, "networks": many}
    words = "policies.all: policy 'all' puts red/vm1 eth0 and 1 more in so many networks that it would be in 33 at once"
    refused(system, lambda: put(system, all=everything), Invalid, words, "at most 32")
    most = {"match": {"tenant": "red"}, "networks": many[:32]}
    put(system, all=most)
    assert networks(system, "red/vm1") == ((), tuple(many[:32]))
    words = "networks: policy 'all' puts red/vm1 eth0 in so many networks that it would be in 33"
    refused(system, lambda: system.request(
        lambda work: requests.attach(work, "red", "X", "vm1", None)), Invalid, words)  # fmt: skip


def test_what_the_checks_refuse_names_the_policy() -> None:
    system = data_centre()
    apply(system, {"tenants": {"red": {"networks": {"T": {"tagged": True}}}}})
    node(system, "red/vm1", "h1", function="web", networks=["T"])
    words = "and in red/X, whose nodes may not: red/vm1 eth0, policy 'web' puts it in X (networks that agree"
    refused(system, lambda: put(system, web=WEB), Invalid, words)
    template = {"match": {"node": "vm1"}, "templates": ["is-{function}"]}
    words = "and in red/is-web, whose nodes may not: red/vm1 eth0, policy 'web' puts it in is-web"
    refused(system, lambda: put(system, units=UNITS, web=template), Invalid, words)
    put(system, tagged={"match": {"node": "vm1"}, "networks": ["T"]})
    node(system, "red/vm1", "h1")
    put(system, more={"match": {"node": "vm1"}, "templates": ["u-{unit}"]})
    node(system, "red/vm9", "h1", networks=["Y"])
    apply(system, {"tenants": {"red": {"networks": {"T": {"tagged": False}}}}})
    node(system, "red/vm1", "h1", unit="dev")
    words = (
        "in red/u-dev, whose nodes may not: red/vm1 eth0, policy 'tagged' puts it in T; policy 'more' puts it in u-dev"
    )
    refused(system, lambda: system.request(
        lambda work: requests.put_network(work, "red", "T", NetworkSpec(tagged=True))), Invalid, words)  # fmt: skip
    drop(system, "tagged", "more")
    node(system, "red/vm1", "h1", "02:00:00:00:00:01", function="web")
    node(system, "red/vm2", "h2", "02:00:00:00:00:01", function="web")
    words = "02:00:00:00:00:01 occurs twice in network red/X, also at node red/vm2: red/vm1 eth0, policy 'web' puts it"
    refused(system, lambda: put(system, web=WEB), Invalid, words)
    apart = {**FABRIC, "links": FABRIC["links"][:1]}
    node(system, "red/vm3", "h3", unit="a")
    node(system, "red/vm2", "h2", unit="a")
    apply(system, {"fabric": apart})
    words = "has no edge: red/vm3 eth0, policy 'units' puts it in unit-a ("
    refused(system, lambda: put(system, units=UNITS), Invalid, "network red/unit-a spans segments A", words)


def test_a_fabric_with_other_segments_may_be_refused_for_what_policies_would_do() -> None:
    system = data_centre(policies={"rack": {"match": {"tenant": "blue", "segment": "C"}, "templates": ["{tenant}"]}})
    apply(system, {"tenants": {"blue": {"networks": {"blue": {}}}}})
    node(system, "blue/vm1", "h3")
    moved = {**FABRIC, "switches": {**FABRIC["switches"], "h3": {"dpid": 3, "segment": "C"}}}
    words = "the template '{tenant}' of policy 'rack' puts blue/vm1 eth0 in network blue/blue, which was made by hand"
    refused(system, lambda: apply(system, {"fabric": moved}), Invalid, words)
    drop(system, "rack")
    put(system, rack={"match": {"segment": "C"}, "networks": ["X"]})
    apply(system, {"fabric": moved})
    assert networks(system, "blue/vm1") == ((), ("X",))
    apply(system, {"fabric": FABRIC})
    assert networks(system, "blue/vm1") == ((), ())


def test_refusals_do_not_grow_with_the_nodes_they_are_about() -> None:
    nodes = {f"vm{number:03}": {"interfaces": {"eth0": {}}} for number in range(300)}
    system = data_centre()
    apply(system, {"tenants": {"red": {"nodes": nodes}}})
    with pytest.raises(Invalid) as error:
        put(system, lost={"networks": ["Q", "R"]})
    assert [re.sub(r"\d+ more", "N more", problem.message) for problem in error.value.problems] == [
        f"policy 'lost' puts red/vm000 eth0 and N more in network {name!r}, which tenant red does not have"
        for name in "QR"
    ]
