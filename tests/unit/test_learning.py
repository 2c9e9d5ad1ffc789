"""Machines that are learned: who is taken for whom, what becomes of them, and how much a port may ask for."""

from __future__ import annotations

import json
import random

import pytest
from in_process import client_of
from memory_store import MemoryStore

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.pipeline import PORT, TELLING_METER, TOLD_BYTES
from ryu_vnet.compiler.rows import CONTROLLER_PORT, Meter, Origin, Output, Row, Subject, cookie_of
from ryu_vnet.errors import Conflict, Invalid
from ryu_vnet.fabric.documents import fabric_document, fabric_from
from ryu_vnet.fabric.observed import PortState
from ryu_vnet.managers import requests
from ryu_vnet.managers.communication import Effects
from ryu_vnet.managers.learning import Reason
from ryu_vnet.managers.policies import put_policies
from ryu_vnet.managers.requests import Work
from ryu_vnet.managers.status import port_statuses
from ryu_vnet.managers.system import System
from ryu_vnet.managers.tables import row_statuses
from ryu_vnet.model.names import format_mac
from ryu_vnet.model.values import Node
from ryu_vnet.openflow.replies import PacketIn
from ryu_vnet.policy_schema import PolicySpec
from ryu_vnet.schema import FabricSpec, Intent, NetworkSpec

MAC = 0x02AABBCCDDEE
OTHER = 0x02AABBCCDDEF
NAME = "red/learned-02aabbccddee"


def intent(most: int = 8) -> Intent:
    """h1 learns for red on p1 and p2, h2 for blue on p1; both tenants have a network."""
    learn = {"p1": {"tenant": "red", "most": most}, "p2": {"tenant": "red"}}
    switches = {
        "h1": {"dpid": 1, "segment": "a", "learn": learn},
        "h2": {"dpid": 2, "segment": "a", "learn": {"p1": {"tenant": "blue"}}},
    }
    links = [{"kind": "trunk", "a": "h1:up", "b": "h2:up"}]
    tenants = {name: {"networks": {"net": {}}} for name in ("red", "blue")}
    return Intent.model_validate({"fabric": {"switches": switches, "links": links}, "tenants": tenants})


class Learner:
    """A system with these ports, all up, and a clock that stands still."""

    def __init__(self, most: int = 8) -> None:
        self.store = MemoryStore()
        self.now = 0.0
        self.system = self.started()
        self.system.request(lambda work: requests.apply(work, intent(most)))
        for name in ("h1", "h2"):
            self.report(name)

    def started(self) -> System:
        return System(self.store, lambda name, messages: None, lambda: self.now)

    def restart(self) -> None:
        self.system = self.started()

    def report(self, name: str, *down: str, without: tuple[str, ...] = ()) -> None:
        """A switch says which ports it has."""
        names = [port for port in ("p1", "p2", "p3", "up") if port not in without]
        numbers = {"p1": 1, "p2": 2, "p3": 3, "up": 9}
        ports = {port: PortState(numbers[port], port not in down) for port in names}
        self.system.effect(name, Effects(ports=ports))

    def frame(self, name: str, port: int, mac: int, kind: bytes = b"\x08\x06", *, origin: Origin | None = None) -> None:
        """A switch tells of a frame."""
        switch = Origin(Subject.SWITCH, self.system.fabric.switches[name].number)
        data = b"\xff" * 6 + mac.to_bytes(6, "big") + kind + bytes(50)
        self.system.effect(name, Effects(heard=PacketIn(cookie_of(origin or switch), port, data)))

    def node(self, ref: str = NAME) -> Node | None:
        return self.system.model.node(ref)

    def nodes(self) -> list[str]:
        return [node.ref for node in self.system.model.nodes()]

    def declare(self, name: str, mac: int, tenant: str = "red", **more: object) -> None:
        spec = {"tenants": {tenant: {"nodes": {name: {"interfaces": {"eth0": {"mac": format_mac(mac)}}, **more}}}}}
        self.system.request(lambda work: requests.apply(work, Intent.model_validate(spec)))

    def told(self) -> list[str]:
        """What was told of discovery."""
        self.system.tick()
        return [event.text for event in self.system.events.after(0) if event.kind == "discovery"]

    def learn_rows(self, name: str = "h1") -> list[Row]:
        rows = self.system.tables[name].rows.values()
        return [row for row in rows if (row.table, row.priority) == (PORT.table, PORT.priorities["learn"])]


def at(node: Node | None) -> str:
    assert node is not None
    return ", ".join(str(interface.place) for interface in node.interfaces)


# --- who it is ------------------------------------------------------------------------------------------------------


def test_an_unknown_address_makes_a_node_that_says_where_it_was_learned() -> None:
    here = Learner()
    here.frame("h1", 1, MAC)
    node = here.node()
    assert node is not None and node.running and at(node) == "h1:p1"
    assert node.labels == (("learned", "h1:p1"),)
    assert [(one.name, one.mac, one.networks) for one in node.interfaces] == [("eth0", MAC, ())]
    assert here.told() == [f"{NAME} was learned on h1:p1"]
    assert (here.system.listening.told, here.system.listening.learned) == (1, 1)


def test_policies_decide_which_networks_it_is_in() -> None:
    here = Learner()
    match = {"tenant": "red", "labels": {"learned": "*"}, "mac": "02:aa:bb:cc:dd:ee"}
    policy = PolicySpec.model_validate({"match": match, "networks": ["net"]})
    here.system.request(lambda work: put_policies(work.draft, {"learned": policy}))
    here.frame("h1", 1, MAC)
    here.frame("h1", 2, OTHER)
    node, other = here.node(), here.node("red/learned-02aabbccddef")
    assert node is not None and node.interfaces[0].networks == ("net",)
    assert other is not None and other.interfaces[0].networks == ()


def test_a_declared_node_with_that_address_is_started_there() -> None:
    here = Learner()
    here.declare("db", MAC)
    here.frame("h1", 2, MAC)
    assert here.nodes() == ["red/db"]
    node = here.node("red/db")
    assert node is not None and node.running and at(node) == "h1:p2"
    assert here.told() == ["red/db was seen on h1:p2"]


def test_one_with_several_interfaces_is_started_when_all_were_seen() -> None:
    here = Learner()
    interfaces = {"eth0": {"mac": format_mac(MAC)}, "eth1": {"mac": format_mac(OTHER)}}
    spec = Intent.model_validate({"tenants": {"red": {"nodes": {"db": {"interfaces": interfaces}}}}})
    here.system.request(lambda work: requests.apply(work, spec))
    here.frame("h1", 2, OTHER)
    node = here.node("red/db")
    assert node is not None and not node.running and at(node) == "None, h1:p2"
    here.now += 60
    here.frame("h1", 2, OTHER)
    assert here.system.listening.refused == {Reason.STOPPED: 1}
    here.frame("h1", 1, MAC)
    node = here.node("red/db")
    assert node is not None and node.running and at(node) == "h1:p1, h1:p2"


def test_another_tenants_address_is_another_machine() -> None:
    here = Learner()
    here.declare("db", MAC, "blue")
    here.frame("h2", 1, MAC)
    here.frame("h1", 1, MAC)
    assert here.nodes() == ["blue/db", NAME]
    assert all(node.running for node in here.system.model.nodes())


@pytest.mark.parametrize("mac", [0, 0xFFFF_FFFF_FFFF, 0x0100_5E00_0001])
def test_no_machine_has_such_an_address(mac: int) -> None:
    here = Learner()
    here.frame("h1", 1, mac)
    here.frame("h1", 1, MAC, b"\x81\x00")
    assert here.nodes() == []
    assert here.system.listening.refused == {Reason.ADDRESS: 2}
    # None of these counts as an address that was seen there.
    here.frame("h1", 1, MAC)
    assert here.nodes() == [NAME]


def test_what_network_devices_say_of_themselves_and_what_other_rows_tell_is_not_for_learning() -> None:
    here = Learner()
    here.frame("h1", 1, MAC, b"\x88\xcc")
    here.frame("h1", 3, MAC)
    here.frame("h1", 1, MAC, origin=Origin(Subject.INTERFACE, 1))
    assert here.nodes() == []
    assert here.system.listening.told == 0


# --- conflicts ------------------------------------------------------------------------------------------------------


def test_an_address_on_two_ports_stays_where_it_was_first_and_that_is_told_once() -> None:
    here = Learner()
    for _ in range(20):
        here.frame("h1", 1, MAC)
        here.frame("h1", 2, MAC)
        here.now += 7
    assert here.nodes() == [NAME] and at(here.node()) == "h1:p1"
    conflict = f"conflict: 02:aa:bb:cc:dd:ee is seen on h1:p2, and is node {NAME} at h1:p1"
    assert here.told() == [f"{NAME} was learned on h1:p1", conflict]
    # Something changes: it is where it was seen.
    here.report("h1", "p1")
    here.now += 7
    here.frame("h1", 2, MAC)
    assert at(here.node()) == "h1:p2"


def test_who_was_stopped_stays_stopped_and_his_port_is_kept_for_him() -> None:
    here = Learner()
    here.frame("h1", 1, MAC)
    here.system.request(lambda work: requests.stop(work, *NAME.split("/")))
    for mac in (MAC, OTHER):
        here.now += 60
        here.frame("h1", 1, mac)
    assert here.nodes() == [NAME]
    assert not here.system.model.node(NAME).running  # type: ignore[union-attr]
    assert here.system.listening.refused == {Reason.STOPPED: 1, Reason.CONFLICT: 1}
    assert here.told()[1:] == [f"conflict: 02:aa:bb:cc:dd:ef is seen on h1:p1, which is kept for node {NAME}"]


def test_who_is_prepared_for_a_port_is_started_by_its_first_frame() -> None:
    here = Learner()
    interfaces = {"eth0": {"mac": format_mac(MAC), "at": "h1:p1"}}
    spec = {"tenants": {"red": {"nodes": {"db": {"prepared": True, "interfaces": interfaces}}}}}
    here.system.request(lambda work: requests.apply(work, Intent.model_validate(spec)))
    for _ in range(2):
        here.frame("h1", 1, MAC)
        assert here.system.model.node("red/db").running  # type: ignore[union-attr]
        here.report("h1", "p1")
        node = here.node("red/db")
        assert node is not None and not node.running and node.prepared and at(node) == "h1:p1"
        here.report("h1")


def test_an_address_that_several_have_is_nobodys() -> None:
    here = Learner()
    for name in ("one", "two"):
        here.declare(name, MAC)
    here.frame("h1", 1, MAC)
    assert not any(node.running for node in here.system.model.nodes())
    assert here.told() == ["conflict: 02:aa:bb:cc:dd:ee is seen on h1:p1, and is that of several: red/one, red/two"]


def test_a_node_of_that_name_with_another_address_is_left_alone() -> None:
    here = Learner()
    here.declare("learned-02aabbccddee", OTHER)
    here.frame("h1", 1, MAC)
    assert here.system.listening.refused == {Reason.CONFLICT: 1}
    assert here.node().interfaces[0].known_mac == OTHER  # type: ignore[union-attr]


def test_what_a_policy_makes_impossible_is_refused_as_a_request() -> None:
    here = Learner()
    here.declare("db", MAC)
    # The network that the template names was made by hand.
    here.system.request(lambda work: requests.put_network(work, "red", "of-h1", NetworkSpec()))
    policy = PolicySpec.model_validate({"match": {"port": "p1", "node": "db"}, "templates": ["of-{host}"]})
    here.system.request(lambda work: put_policies(work.draft, {"own": policy}))
    here.frame("h1", 1, MAC)
    assert here.system.listening.refused == {Reason.REQUEST: 1}
    assert not here.node("red/db").running  # type: ignore[union-attr]
    # Elsewhere it may run, and another may run there.
    here.frame("h1", 2, MAC)
    here.frame("h1", 1, OTHER)
    assert (at(here.node("red/db")), at(here.node("red/learned-02aabbccddef"))) == ("h1:p2", "h1:p1")


# --- ports that go away ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "down"])
def test_who_was_learned_goes_with_his_port_and_who_was_declared_is_stopped(is_removed: bool) -> None:
    here = Learner()
    here.declare("db", OTHER)
    here.frame("h1", 1, MAC)
    here.frame("h1", 2, OTHER)
    gone = ("p1", "p2")
    if is_removed:
        here.report("h1", without=gone)
    else:
        here.report("h1", *gone)
    assert here.nodes() == ["red/db"]
    node = here.node("red/db")
    assert node is not None and not node.running and at(node) == "None"
    assert here.told()[2:] == [
        f"{NAME} is deleted: its port h1:p1 is gone",
        "red/db is stopped: its port h1:p2 is gone",
    ]
    # They come back, and the other way round.
    here.report("h1")
    here.frame("h1", 1, OTHER)
    here.frame("h1", 2, MAC)
    assert (at(here.node("red/db")), at(here.node())) == ("h1:p1", "h1:p2")


def test_who_is_made_anew_without_the_label_was_declared() -> None:
    here = Learner()
    here.frame("h1", 1, MAC)
    interfaces = {"eth0": {"mac": format_mac(MAC), "at": "h1:p1"}}
    spec = {"tenants": {"red": {"nodes": {NAME.split("/")[1]: {"running": True, "interfaces": interfaces}}}}}
    here.system.request(lambda work: requests.apply(work, Intent.model_validate(spec)))
    here.report("h1", "p1")
    assert here.nodes() == [NAME]
    assert not here.node().running  # type: ignore[union-attr]


def test_ports_where_nobody_is_learned_have_nobody_go() -> None:
    here = Learner()
    interfaces = {"eth0": {"mac": format_mac(MAC), "at": "h1:p3"}}
    spec = {"tenants": {"red": {"nodes": {"db": {"running": True, "interfaces": interfaces}}}}}
    here.system.request(lambda work: requests.apply(work, Intent.model_validate(spec)))
    here.report("h1", "p3")
    here.report("h1", without=("p3",))
    assert here.node("red/db").running  # type: ignore[union-attr]


def test_nothing_is_lost_over_a_restart() -> None:
    here = Learner()
    here.frame("h1", 1, MAC)
    before = here.system.model.nodes(), {name: m.wanted for name, m in here.system.switches.items()}
    here.restart()
    assert before == (here.system.model.nodes(), {name: m.wanted for name, m in here.system.switches.items()})
    # It goes while nobody looks.
    here.restart()
    here.report("h1", without=("p1",))
    assert here.nodes() == []


# --- bounds ---------------------------------------------------------------------------------------------------------


def test_a_flood_of_addresses_makes_one_node() -> None:
    here = Learner()
    chance = random.Random(0)
    for _ in range(1000):
        here.frame("h1", 1, chance.getrandbits(40) | 0x0200_0000_0000)
        here.now += 0.01
    assert len(here.nodes()) == 1
    refused = here.system.listening.refused
    assert sum(refused.values()) == 999
    assert (refused[Reason.TAKEN], refused[Reason.MOST]) == (7, 992)


@pytest.mark.parametrize("most", [1, 3, 64])
def test_so_many_addresses_are_looked_at_until_the_port_goes_away(most: int) -> None:
    here = Learner(most)
    interfaces = {"eth0": {"mac": format_mac(MAC), "at": "h1:p1"}}
    spec = {"tenants": {"red": {"nodes": {"keeper": {"interfaces": interfaces}}}}}
    here.system.request(lambda work: requests.apply(work, Intent.model_validate(spec)))
    for turn in range(1, 3):
        for number in range(100):
            here.frame("h1", 1, OTHER + number)
            here.now += 1
        refused = here.system.listening.refused
        assert (refused[Reason.CONFLICT], refused[Reason.MOST]) == (turn * most, turn * (100 - most))
        here.report("h1", "p1")
        here.report("h1")
    assert len(here.told()) == 2 * most


def test_so_many_are_looked_at_in_a_second() -> None:
    learn = {f"q{number}": {"tenant": "red"} for number in range(50)}
    spec = {"switches": {"h": {"dpid": 1, "segment": "a", "learn": learn}}}
    here = Learner()
    here.system.request(lambda work: requests.put_fabric(work, FabricSpec.model_validate(spec)))
    ports = {port: PortState(number, True) for number, port in enumerate(learn, 1)}
    here.system.effect("h", Effects(ports=ports))
    for number in range(1, 51):
        here.frame("h", number, MAC + number)
    assert len(here.nodes()) == 20 and here.system.listening.refused == {Reason.RATE: 30}
    here.now += 1
    for number in range(1, 51):
        here.frame("h", number, MAC + number)
    # Who runs was seen a moment ago; on a switch nobody would have told of him.
    assert len(here.nodes()) == 40


def test_one_frame_of_a_port_at_a_time() -> None:
    jobs = []
    here = Learner()
    here.system = System(here.store, lambda name, messages: None, lambda: here.now, jobs.append)
    here.frame("h1", 1, MAC)
    here.frame("h1", 1, OTHER)
    here.frame("h1", 2, OTHER)
    assert len(jobs) == 2 and here.nodes() == []
    assert here.system.listening.refused == {Reason.BUSY: 1}
    for job in jobs:
        job()
    assert here.nodes() == [NAME, "red/learned-02aabbccddef"]


def test_a_port_that_goes_before_its_frame_is_looked_at() -> None:
    jobs = []
    here = Learner()
    here.system = System(here.store, lambda name, messages: None, lambda: here.now, jobs.append)
    here.frame("h1", 1, MAC)
    here.report("h1", "p1")
    for job in reversed(jobs):
        job()
    assert here.nodes() == []


# --- declarations ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("switch", "learn", "said"),
    [
        ("h1", {"up": {"tenant": "red"}}, "port h1:up is used by a link"),
        ("h1", {"p1": {"tenant": "gold"}}, "there is no tenant 'gold'"),
        ("h1", {"p 1": {"tenant": "red"}}, "'p 1' is not a port name"),
        ("h1", {"p1": {"tenant": "no tenant"}}, "'no tenant' is not a name"),
        ("core", {"p1": {"tenant": "red"}}, "core switch core takes no nodes"),
    ],
)
def test_declarations_that_cannot_be(switch: str, learn: dict[str, object], said: str) -> None:
    here = Learner()
    spec = intent().fabric.model_dump()  # type: ignore[union-attr]
    spec["switches"].setdefault("core", {"dpid": 9})["learn"] = {}
    spec["switches"][switch]["learn"] = learn
    with pytest.raises(Invalid) as error:
        here.system.request(lambda work: requests.put_fabric(work, FabricSpec.model_validate(spec)))
    (problem,) = error.value.problems
    assert said in problem.message
    assert problem.where.startswith(f"fabric.switches.{switch}.learn")


@pytest.mark.parametrize("most", [0, 65, -1, "many"])
def test_numbers_that_cannot_be(most: object) -> None:
    spec = {"switches": {"h": {"dpid": 1, "segment": "a", "learn": {"p1": {"tenant": "red", "most": most}}}}}
    with pytest.raises(ValueError, match="most"):
        FabricSpec.model_validate(spec)


def test_a_tenant_for_whom_machines_are_learned_is_not_deleted() -> None:
    here = Learner()

    def delete(work: Work) -> None:
        requests.delete_network(work, "red", "net")
        requests.delete_tenant(work, "red")

    with pytest.raises(Conflict, match=r"learned on 2 port\(s\).*h1:p1, h1:p2"):
        here.system.request(delete)


def test_the_row_is_there_while_the_port_is_and_below_that_of_who_is_there() -> None:
    here = Learner()
    actions = (Meter(TELLING_METER), Output(CONTROLLER_PORT, TOLD_BYTES))
    assert [row.actions for row in here.learn_rows()] == [actions, actions]
    assert all(row.goto is None for row in here.learn_rows())
    meanings = [row.meaning for row in row_statuses(here.system, "h1") if row.meaning.endswith("is told of")]
    assert meanings == [
        f"port {n} (p{n}) is where a machine of tenant red is learned: whoever speaks there is told of" for n in (1, 2)
    ]
    ports = {port.name: (port.used_by, port.learns) for port in port_statuses(here.system, "h1")}
    assert ports == {
        "p1": (None, "red"),
        "p2": (None, "red"),
        "p3": (None, None),
        "up": ("the trunk link to h2:up", None),
    }
    here.frame("h1", 1, MAC)
    assert len(here.learn_rows()) == 2
    mine = [row for row in here.system.tables["h1"].rows.values() if row.table == PORT.table and _port(row) == 1]
    assert sorted(row.priority for row in mine) == [PORT.priorities["learn"], PORT.priorities["port"]]
    here.report("h1", without=("p1",))
    assert [_port(row) for row in here.learn_rows()] == [2]
    # Declared otherwise, it is not there.
    spec = intent().fabric.model_dump()  # type: ignore[union-attr]
    spec["switches"]["h1"]["learn"] = {}
    here.system.request(lambda work: requests.put_fabric(work, FabricSpec.model_validate(spec)))
    assert here.learn_rows() == [] and len(here.learn_rows("h2")) == 1


def _port(row: Row) -> int:
    return next(condition.value for condition in row.match if condition.field is f.IN_PORT)


def test_the_fabric_is_kept_and_shown_as_it_was_declared() -> None:
    here = Learner(most=3)
    assert fabric_from(json.loads(json.dumps(fabric_document(here.system.fabric)))) == here.system.fabric
    old = fabric_document(here.system.fabric)
    for switch in old["switches"]:
        del switch["learn"]
    assert fabric_from(old).learns == {}
    client = client_of(here.system)
    declared = client.fabric()["declared"]
    assert FabricSpec.model_validate(declared) == intent(3).fabric
    assert not client.put_fabric(declared).changed
    assert "vnet_learn_told_total 0.0" in client.metrics()
    here.frame("h1", 1, MAC)
    here.frame("h1", 1, OTHER)
    metrics = client.metrics().splitlines()
    assert {"vnet_learn_told_total 2.0", "vnet_learn_learned_total 1.0"} <= {*metrics}
    assert 'vnet_learn_refused_total{reason="taken"} 1.0' in metrics
