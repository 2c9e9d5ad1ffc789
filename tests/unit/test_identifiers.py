"""Tags and labels: granted, refused when none is free, and never handed on while a switch may hold a rule."""

from __future__ import annotations

import pytest
from drawn import new_system
from memory_store import MemoryStore

from ryu_vnet.errors import Exhausted
from ryu_vnet.managers import requests
from ryu_vnet.managers.allocation import REST_SECONDS
from ryu_vnet.managers.communication import State
from ryu_vnet.managers.system import System
from ryu_vnet.model.values import LABELS
from ryu_vnet.schema import FabricSpec, Intent, InterfaceSpec, LinkSpec, NetworkSpec, NodeSpec, SwitchSpec, TenantSpec

RACK = FabricSpec(
    switches={"h1": SwitchSpec(dpid=1, segment="S"), "h2": SwitchSpec(dpid=2, segment="S")},
    links=[LinkSpec(kind="trunk", a="h1:up", b="h2:up")],
)


def node(number: int) -> NodeSpec:
    mac = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
    interface = InterfaceSpec(mac=mac, at=f"h1:v{number}", networks=[f"n{number}"])
    return NodeSpec(running=True, interfaces={"eth0": interface})


def one_rack(networks: int = 0) -> System:
    system = new_system()
    tenant = TenantSpec(
        networks={f"n{number}": NetworkSpec() for number in range(networks)},
        nodes={f"vm{number}": node(number) for number in range(networks)},
    )
    system.request(lambda work: requests.apply(work, Intent(fabric=RACK, tenants={"t": tenant})))
    return system


def add(system: System, number: int) -> None:
    tenant = TenantSpec(networks={f"n{number}": NetworkSpec()}, nodes={f"vm{number}": node(number)})
    system.request(lambda work: requests.apply(work, Intent(tenants={"t": tenant})))


def tags(system: System) -> dict[int, int]:
    return {grant.network: grant.tag for grant in system.model.grants("S")}


def test_all_4094_tags_of_a_segment_are_granted_and_the_next_network_is_refused() -> None:
    system = one_rack(4094)
    assert sorted(tags(system).values()) == list(range(1, 4095))
    before = system.revision, system.model.keys("")
    with pytest.raises(Exhausted, match=r"network t/n4094 .* segment S: all 4094"):
        add(system, 4094)
    assert (system.revision, system.model.keys("")) == before


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def all_in_step(system: System) -> None:
    """As if every switch had acknowledged everything."""
    for manager in system.switches.values():
        manager.off.clear()
        manager.state = State.IN_STEP


def test_a_tag_and_a_number_rest_until_every_switch_has_let_go_and_ten_seconds_more() -> None:
    clock = Clock()
    system = System(MemoryStore(), lambda name, messages: None, clock)
    tenant = TenantSpec(networks={"n0": NetworkSpec()}, nodes={"vm0": node(0)})
    system.request(lambda work: requests.apply(work, Intent(fabric=RACK, tenants={"t": tenant})))
    (number, tag), *_ = tags(system).items()

    system.request(lambda work: requests.delete_node(work, "t", "vm0"))
    system.request(lambda work: requests.delete_network(work, "t", "n0"))
    assert {(rest.space, rest.identifier) for rest in system.model.resting()} == {("tag:S", tag), (LABELS, number)}

    add(system, 1)
    assert tag not in tags(system).values() and number not in tags(system)

    clock.now += 1000
    system.tick()
    assert len(system.model.resting()) == 2, "switches that are away may still hold rules"

    all_in_step(system)
    system.switches["h2"].disconnected(system.revision - 4)
    system.tick()
    clock.now += 1000
    system.tick()
    assert len(system.model.resting()) == 2, "h2 went away before it had let go"

    all_in_step(system)
    system.tick()
    clock.now += REST_SECONDS - 0.1
    system.tick()
    assert len(system.model.resting()) == 2, "the data path caches flows"
    clock.now += 0.2
    system.tick()
    assert system.model.resting() == []
    add(system, 2)
    assert tag in tags(system).values() and number in tags(system)


def test_a_network_gets_its_own_tag_back_at_once() -> None:
    system = one_rack(3)
    before = tags(system)
    for _ in range(3):
        system.request(lambda work: requests.stop(work, "t", "vm1"))
        assert len(system.model.resting()) == 1
        system.request(lambda work: requests.start(work, "t", "vm1", {}))
        assert tags(system) == before and system.model.resting() == []


def test_what_rests_survives_a_restart() -> None:
    store = MemoryStore()
    system = System(store, lambda name, messages: None, Clock())
    tenant = TenantSpec(networks={"n0": NetworkSpec()}, nodes={"vm0": node(0)})
    system.request(lambda work: requests.apply(work, Intent(fabric=RACK, tenants={"t": tenant})))
    system.request(lambda work: requests.stop(work, "t", "vm0"))
    again = System(store, lambda name, messages: None, Clock())
    assert again.model.resting() == system.model.resting() != []
    assert dict(again.tables) == dict(system.tables)


def test_creating_and_deleting_in_a_tight_loop_hands_nothing_on() -> None:
    system = one_rack()
    seen: set[tuple[int, int]] = set()
    for turn in range(200):
        add(system, turn)
        (grant,) = tags(system).items()
        assert grant[0] not in {number for number, _ in seen} and grant[1] not in {tag for _, tag in seen}
        seen.add(grant)
        system.request(lambda work, turn=turn: requests.delete_node(work, "t", f"vm{turn}"))
        system.request(lambda work, turn=turn: requests.delete_network(work, "t", f"n{turn}"))


def test_a_segment_without_trunks_needs_no_tags() -> None:
    system = new_system()
    fabric = FabricSpec(switches={"h1": SwitchSpec(dpid=1, segment="S")})
    tenant = TenantSpec(networks={"n0": NetworkSpec()}, nodes={"vm0": node(0)})
    system.request(lambda work: requests.apply(work, Intent(fabric=fabric, tenants={"t": tenant})))
    assert system.model.grants() == []
