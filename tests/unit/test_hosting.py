"""Placement over the real state: hard conditions hold after any sequence of requests, and the indexes are the sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from drawn import new_system, plug_everything
from hypothesis import given, settings
from hypothesis import strategies as st

from ryu_vnet.errors import Conflict, Exhausted, Invalid, NotFound, VnetError
from ryu_vnet.fabric.documents import fabric_document, fabric_from
from ryu_vnet.managers import lifecycle, requests
from ryu_vnet.managers.hosting import NOBODY_THERE, Hosting
from ryu_vnet.managers.lifecycle import Placing
from ryu_vnet.managers.placers import Spread
from ryu_vnet.managers.requests import Work
from ryu_vnet.managers.system import System
from ryu_vnet.model.state import Draft, Model
from ryu_vnet.model.values import Interface, Node, Place
from ryu_vnet.schema import FabricSpec, Intent, InterfaceSpec, NodeSpec

Json = dict[str, Any]

HOSTS = {"h1": 3, "h2": 4, "h3": 2, "h4": None}
"""With their capacities; h1 and h2 are in segment A, the others in B."""


def fabric(**capacities: int | None) -> Json:
    """Two racks of two hosts, each behind an edge; the edges are joined by a core switch."""
    given: dict[str, int | None] = {**HOSTS, **capacities}
    names = ["h1", "h2", "h3", "h4", "eA", "eB", "core"]
    segments = dict(zip(names, "AABBAB", strict=False))
    switches: Json = {}
    for dpid, name in enumerate(names, 1):
        switches[name] = {"dpid": dpid, "segment": segments.get(name), "capacity": given.get(name)}
    links = [
        *({"kind": "trunk", "a": f"{host}:up", "b": f"e{segments[host]}:{host}"} for host in HOSTS),
        *({"kind": "core", "a": f"e{segment}:c", "b": f"core:{segment}"} for segment in "AB"),
    ]
    return {"switches": switches, "links": links}


def with_nodes(nodes: Json | None = None, spec: Json | None = None, away: tuple[str, ...] = ()) -> System:
    """A system of that fabric whose switches are in step, but those that are away; tenant red has networks X and Y."""
    system = new_system()
    tenants = {"red": {"networks": {"X": {}, "Y": {}}, "nodes": nodes or {}}, "blue": {}}
    intent = Intent.model_validate({"fabric": spec or fabric(), "tenants": tenants})
    system.request(lambda work: requests.apply(work, intent))
    plug_everything(system, away)
    return system


def one(**attributes: Any) -> Json:
    return {"interfaces": {"eth0": {"networks": ["X"]}}, **attributes}


def placed(system: System, edit: Callable[..., Placing], node: str, at: dict[str, str] | None = None) -> Placing:
    found: list[Placing] = []
    system.request(lambda work: found.append(edit(work, Hosting(system), "red", node, at or {})))
    return found[0]


def start(system: System, node: str, **at: str) -> Placing:
    return placed(system, lifecycle.start, node, at)


def where(system: System, node: str) -> str:
    known = system.model.node(f"red/{node}")
    assert known is not None
    return " ".join(str(interface.place) for interface in known.interfaces)


# --- any sequence ---------------------------------------------------------------------------------------------------


class Life:
    """Requests at random, all places chosen by placement; what must hold is looked at node by node."""

    def __init__(self) -> None:
        self.system = with_nodes()
        self.host = Hosting(self.system)

    def do(self, chance: Random) -> None:
        tenant, name = chance.choice(("red", "blue")), f"vm{chance.randrange(7)}"
        match chance.choice(
            ("make", "make", "start", "start", "start", "stop", "restart", "fail", "prepare", "undo", "delete")
        ):
            case "make":
                known = self.system.model.node(f"{tenant}/{name}")
                if known is None:
                    self.make(chance, tenant, name)
            case "start" | "restart" | "prepare" as what:
                edit = getattr(lifecycle, what)
                self.system.request(lambda work: edit(work, self.host, tenant, name, {}))
            case "stop":
                self.system.request(lambda work: requests.stop(work, tenant, name))
            case "fail":
                self.system.request(lambda work: lifecycle.fail(work, tenant, name))
            case "undo":
                self.system.request(lambda work: lifecycle.unprepare(work, tenant, name))
            case "delete":
                self.system.request(lambda work: requests.delete_node(work, tenant, name))

    def make(self, chance: Random, tenant: str, name: str) -> None:
        networks = [net for net in ("X", "Y") if tenant == "red" and chance.random() < 0.5]
        count = chance.choice((1, 1, 2))
        spec = NodeSpec(
            size=chance.randrange(3),
            apart=[group for group in ("db", "web") if chance.random() < 0.4],
            interfaces={f"eth{index}": InterfaceSpec(networks=networks) for index in range(count)},
        )
        self.system.request(lambda work: requests.put_node(work, tenant, name, spec))

    def check(self) -> None:
        on: dict[str, list[Node]] = {}
        for node in self.system.model.nodes():
            hosts = {interface.place.switch for interface in node.interfaces if interface.place}
            assert len(hosts) <= 1 and (not node.present or hosts)
            for host in hosts:
                on.setdefault(host, []).append(node)
        for host, nodes in on.items():
            limit = HOSTS[host]  # Neither edges nor the core switch are ever chosen.
            assert limit is None or sum(node.size for node in nodes) <= limit
            groups = Counter(group for node in nodes for group in node.apart_groups)
            assert not groups or max(groups.values()) == 1
        taken = {host: sum(node.size for node in nodes) for host, nodes in on.items()}
        for host in self.system.fabric.switches:
            assert self.system.model.taken().get(host, 0) == taken.get(host, 0)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 2**32), min_size=5, max_size=40))
def test_after_any_sequence_hard_conditions_hold_and_what_is_taken_is_the_sum(seeds: list[int]) -> None:
    life = Life()
    for seed in seeds:
        with suppress(Conflict, Exhausted, NotFound):
            life.do(Random(seed))
        life.check()


def some_node(chance: Random) -> Node:
    places = [Place(chance.choice("ab"), f"p{index}") if chance.random() < 0.7 else None for index in range(2)]
    interfaces = tuple(Interface(f"eth{i}", i, 2, (), place) for i, place in enumerate(places))
    groups = tuple(group for group in ("db", "web") if chance.random() < 0.5)
    return Node("t", f"vm{chance.randrange(4)}", False, interfaces, size=chance.randrange(3), apart=groups)


def check_indexes(model: Model) -> None:
    nodes = model.nodes()
    for host in "ab":
        there = [node for node in nodes if any(i.place and i.place.switch == host for i in node.interfaces)]
        assert model.taken().get(host, 0) == sum(node.size for node in there)
        for group in ("db", "web"):
            assert model.kept_apart(f"t/{group}").get(host, 0) == sum(group in node.apart for node in there)
            assert 0 not in model.kept_apart(f"t/{group}").values()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2**32), max_size=6), max_size=6))
def test_what_is_taken_and_kept_apart_is_what_one_finds_by_looking_at_all_nodes(drafts: list[list[int]]) -> None:
    model = Model()
    for seeds in drafts:
        draft = Draft(model)
        for seed in seeds:
            chance = Random(seed)
            node = some_node(chance)
            (draft.delete if chance.random() < 0.3 else draft.put)(node)
            check_indexes(draft)
            if chance.random() < 0.3:  # As it was: no change after all.
                known = model.node(node.ref)
                draft.put(known) if known else draft.delete(node)
                check_indexes(draft)
        if len(seeds) % 3 != 2:  # else it is dropped
            model.keep(draft.changes)
        check_indexes(model)


# --- which host -----------------------------------------------------------------------------------------------------


def test_a_node_without_a_place_is_put_close_to_the_others_and_told_why() -> None:
    system = with_nodes({"vm1": one(), "vm2": one(size=3), "vm3": one()})
    first = start(system, "vm1").told["eth0"]
    assert str(first.at) == where(system, "vm1") == "h1:vn1"
    assert first.reasons == ("no other member of red/X runs", "3 of 3 units free", "first by name of 4 alike")
    second = start(system, "vm2").told["eth0"]  # It does not fit on the first host, but next to it.
    assert str(second.at) == "h2:vn2"
    assert second.reasons == (
        "the only other member of red/X runs in segment A, none on this host",
        "4 of 4 units free",
    )
    again = start(system, "vm2")
    assert not again.told and not again.places
    assert system.model.taken().get("h1", 0) == 1 and system.model.taken().get("h2", 0) == 3
    system.placer = Spread()
    assert start(system, "vm3").told["eth0"].at.switch == "h3"


def test_neither_core_switches_nor_those_that_others_pass_are_chosen_unless_they_have_a_capacity() -> None:
    closed = dict.fromkeys(HOSTS, 0)
    system = with_nodes({"vm1": one()}, fabric(**closed))
    with pytest.raises(
        Conflict, match="of 6 host.s. 6 closed; .*eA .takes no nodes: others' frames pass it, and it has"
    ):
        start(system, "vm1")
    system = with_nodes({"vm1": one()}, fabric(**closed, eB=2))
    assert start(system, "vm1").told["eth0"].at.switch == "eB"


def test_hosts_that_are_away_are_left_out_unless_all_are() -> None:
    nodes = {"vm1": one(), "vm2": one(size=4), "vm3": one(size=4)}
    system = with_nodes(nodes, away=("h4", "h2", "eA"))
    placing = start(system, "vm1")
    assert placing.places["eth0"].switch == "h1" and placing.refused["h4"] == "is away, or is not programmed"
    with pytest.raises(Exhausted, match="2 closed, 2 away, 2 too full"):
        start(system, "vm2")
    everywhere = with_nodes(nodes, away=("h1", "h2", "h3", "h4", "eA", "eB", "core"))
    placing = start(everywhere, "vm2")
    assert placing.places["eth0"].switch == "h2" and placing.told["eth0"].reasons[-1] == NOBODY_THERE


def test_a_host_that_the_networks_cannot_be_reached_from_is_not_chosen() -> None:
    apart = fabric()
    apart["links"] = [link for link in apart["links"] if link["a"] != "eB:c"]
    system = with_nodes({"vm1": one(), "vm2": one()}, apart)
    start(system, "vm1", eth0="h1:v")
    system.placer = Spread()  # It would choose h4, which is the least used.
    placing = start(system, "vm2")
    assert placing.places["eth0"].switch == "h2"
    assert placing.refused["h4"] == "segment B is not one of those asked for"


def test_all_interfaces_go_on_one_host_also_with_one_that_is_there_already() -> None:
    both = {"interfaces": {"eth0": {}, "eth1": {}, "eth2": {"networks": ["X"]}}}
    system = with_nodes({"vm1": both, "vm2": both})
    start(system, "vm1")
    assert where(system, "vm1") == "h1:vn1 h1:vn2 h1:vn3"
    placing = start(system, "vm2", eth1="h2:mine")
    assert where(system, "vm2") == "h2:vn4 h2:mine h2:vn6"
    assert placing.told["eth0"].reasons == ("where its other interfaces are",) and "eth1" not in placing.told


def test_where_interfaces_are_on_several_hosts_nobody_guesses_the_next() -> None:
    system = with_nodes({"vm1": {"interfaces": {"eth0": {"at": "h1:a"}, "eth1": {"at": "h2:a"}, "eth2": {}}}})
    with pytest.raises(Invalid, match="no place for eth2"):
        start(system, "vm1")


# --- what is asked for ----------------------------------------------------------------------------------------------


def test_a_host_without_a_port_and_what_has_the_ports_name_already() -> None:
    system = with_nodes({"vm1": one(), "vm2": one()})
    start(system, "vm2", eth0="h1:vn1")  # The name that the first interface's port would have.
    placing = start(system, "vm1", eth0="h1")
    assert where(system, "vm1") == "h1:vn1-2" and placing.told["eth0"].reasons == ("h1 was asked for",)
    assert start(system, "vm1", eth0="h1").places == {}
    assert start(system, "vm1", eth0="h2").places["eth0"] == Place("h2", "vn1")


@pytest.mark.parametrize(
    ("at", "error", "said"),
    [
        ({"eth0": "h9"}, Invalid, "unknown switch 'h9'"),
        ({"eth0": "core"}, Invalid, "core switches carry labels alone"),
        ({"eth0": "h 1"}, Invalid, "at.eth0: 'h 1' is not a name"),
        ({"eth0": "h1:"}, Invalid, "is not a port name"),
        ({"eth1": "h1"}, NotFound, "no interface 'eth1' .it has eth0."),
    ],
)
def test_what_cannot_be_asked_for(at: dict[str, str], error: type[VnetError], said: str) -> None:
    system = with_nodes({"vm1": one()})
    before = system.revision
    with pytest.raises(error, match=said):
        start(system, "vm1", **at)
    assert system.revision == before and where(system, "vm1") == "None"


def test_a_place_that_is_asked_for_is_taken_whatever_the_capacity_and_that_is_told() -> None:
    system = with_nodes({"vm1": one(size=3, apart=["db"]), "vm2": one(), "vm3": one(size=0, apart=["db"])})
    assert not start(system, "vm1", eth0="h1:v1").told
    over = start(system, "vm2", eth0="h1:v2").told["eth0"].reasons
    assert over[1].endswith("placement would not have chosen it: 0 of 3 units free, 1 needed")
    assert system.model.taken().get("h1", 0) == 4
    beside = start(system, "vm3", eth0="h1").told["eth0"].reasons
    assert beside[0] == "h1 was asked for" and beside[1].endswith("has a member of anti-affinity group red/db")
    assert not start(system, "vm3", eth0="h1:v9").told  # It is there already.


def test_who_is_stopped_keeps_his_place_and_room_until_he_gives_it_up() -> None:
    system = with_nodes({"vm1": one(size=2), "vm2": one(size=3)}, fabric(h4=0, h1=0, h2=0))
    start(system, "vm1")
    system.request(lambda work: requests.stop(work, "red", "vm1"))
    assert system.model.taken().get("h3", 0) == 2
    with pytest.raises(Exhausted, match=r"5 closed, 1 too full; nearest: h3 \(0 of 2 units free, 3 needed\)"):
        start(system, "vm2")
    spec = NodeSpec(interfaces={"eth0": InterfaceSpec(networks=["X"])}, size=2)
    system.request(lambda work: requests.put_node(work, "red", "vm1", spec))
    assert system.model.taken().get("h3", 0) == 0


# --- the fabric -----------------------------------------------------------------------------------------------------


def test_a_capacity_is_kept_and_changes_no_row_and_no_segment() -> None:
    system = with_nodes({"vm1": one()})
    start(system, "vm1")
    before = {name: (dict(m.wanted.rows), dict(m.wanted.groups)) for name, m in system.switches.items()}
    stale: list[set[str]] = []
    compilation = system._programme.compilation
    compilation._take_out = lambda segments, old: stale.append(segments)  # type: ignore[method-assign]
    done = system.request(lambda work: requests.put_fabric(work, FabricSpec.model_validate(fabric(h1=9, h4=1))))
    assert done.changed and not stale and system.fabric.capacities == {"h1": 9, "h2": 4, "h3": 2, "h4": 1}
    assert {n: (m.wanted.rows, m.wanted.groups) for n, m in system.switches.items()} == before
    assert fabric_from(fabric_document(system.fabric)) == system.fabric
    old = {key: value for key, value in fabric_document(system.fabric).items() if key != "capacities"}
    assert fabric_from(old).capacities == {}
    again = system.request(lambda work: requests.put_fabric(work, FabricSpec.model_validate(fabric(h1=9, h4=1))))
    assert not again.changed


def test_a_core_switch_has_no_capacity() -> None:
    with pytest.raises(Invalid, match=r"fabric.switches.core.capacity: core switch core takes no nodes"):
        with_nodes(spec=fabric(core=3))


def test_several_starts_in_one_request_see_each_other() -> None:
    system = with_nodes({f"vm{index}": one(apart=["db"]) for index in range(4)})
    told: list[Placing] = []

    def edit(work: Work) -> None:
        told.extend(lifecycle.start(work, Hosting(system), "red", f"vm{index}", {}) for index in range(4))

    system.request(edit)
    assert sorted(placing.places["eth0"].switch for placing in told) == ["h1", "h2", "h3", "h4"]
    assert "the only other member of red/X" in told[1].told["eth0"].reasons[0]
