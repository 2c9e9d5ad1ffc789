"""MAC addresses that are left to us: which are chosen, when, and that they stay."""

from __future__ import annotations

import pytest
from drawn import new_system
from memory_store import MemoryStore

from ryu_vnet.errors import Invalid
from ryu_vnet.fabric.declared import Fabric, Switch
from ryu_vnet.managers import requests
from ryu_vnet.managers.addresses import choose_mac
from ryu_vnet.managers.system import Answer, System
from ryu_vnet.managers.trace import trace
from ryu_vnet.model.documents import from_document, to_document
from ryu_vnet.model.names import format_mac, is_chosen_mac, parse_mac, placed_mac, segment_of_mac, unplaced_mac
from ryu_vnet.model.state import Draft, Model
from ryu_vnet.model.values import Interface, Node, Place
from ryu_vnet.schema import FabricSpec, Intent, InterfaceSpec, LinkSpec, NetworkSpec, NodeSpec, SwitchSpec, TenantSpec

FABRIC = FabricSpec(
    switches={
        "h1": SwitchSpec(dpid=1, segment="A"),
        "h2": SwitchSpec(dpid=2, segment="A"),
        "h3": SwitchSpec(dpid=3, segment="B"),
        "core": SwitchSpec(dpid=9),
    },
    links=[
        LinkSpec(kind="trunk", a="h1:up", b="h2:up"),
        LinkSpec(kind="core", a="h1:core", b="core:h1"),
        LinkSpec(kind="core", a="h3:core", b="core:h3"),
    ],
)


def one(at: str | None = None, mac: str | None = None, network: str | None = "X") -> InterfaceSpec:
    return InterfaceSpec(mac=mac, ips=["10.0.0.1"], at=at, networks=[network] if network else [])


def node(*interfaces: InterfaceSpec, running: bool = False) -> NodeSpec:
    return NodeSpec(running=running, interfaces={f"eth{number}": part for number, part in enumerate(interfaces)})


def intent(**nodes: NodeSpec) -> Intent:
    return Intent(fabric=FABRIC, tenants={"red": TenantSpec(networks={"X": NetworkSpec()}, nodes=nodes)})


def with_nodes(**nodes: NodeSpec) -> System:
    system = new_system()
    system.request(lambda work: requests.apply(work, intent(**nodes)))
    return system


def put(system: System, name: str, spec: NodeSpec) -> Answer:
    return system.request(lambda work: requests.put_node(work, "red", name, spec))


def start(system: System, name: str, **at: str) -> Answer:
    return system.request(lambda work: requests.start(work, "red", name, at))


def interfaces(system: System, name: str) -> tuple[Interface, ...]:
    found = system.model.node(f"red/{name}")
    assert found is not None
    return found.interfaces


def mac(system: System, name: str) -> int:
    return interfaces(system, name)[0].mac


def is_of(system: System, address: int, switch: str) -> bool:
    """Whether a MAC tells a switch and its segment."""
    known = system.fabric.switches[switch]
    first = placed_mac(system.fabric.segments[known.segment or ""], known.number)
    return first is not None and first >> 12 == address >> 12


def test_an_address_tells_the_place_and_is_nobody_elses() -> None:
    system = with_nodes(a=node(one("h1:a"), one("h1:b")), b=node(one("h1:c")), c=node(one("h3:d")))
    found = [interface for name in "abc" for interface in interfaces(system, name)]
    assert all(interface.chosen for interface in found) and len({interface.mac for interface in found}) == 4
    assert all(is_of(system, part.mac, str(part.place).partition(":")[0]) for part in found)
    segments = [system.fabric.segments[name] for name in ("A", "A", "A", "B")]
    assert [segment_of_mac(interface.mac) for interface in found] == segments
    assert all(parse_mac(format_mac(interface.mac)) == interface.mac for interface in found)


def test_an_interface_without_a_place_gets_its_address_with_its_first() -> None:
    system = with_nodes(vm=node(one(), one(network=None)))
    assert [(part.known_mac, part.chosen) for part in interfaces(system, "vm")] == [(None, False)] * 2
    with pytest.raises(ValueError, match="eth0 has no MAC address yet"):
        mac(system, "vm")
    with pytest.raises(Invalid, match="no place for eth1"):
        start(system, "vm", eth0="h1:a")
    assert interfaces(system, "vm")[0].known_mac is None, "what was refused has changed nothing"
    with pytest.raises(Invalid, match="red/vm eth0 has no MAC address yet"):
        trace(system, "red/vm:eth0", None, "broadcast")
    assert start(system, "vm", eth0="h1:a", eth1="h3:b").changed
    first = interfaces(system, "vm")
    assert is_of(system, first[0].mac, "h1") and is_of(system, first[1].mac, "h3")
    assert not start(system, "vm", eth0="h1:a", eth1="h3:b").changed
    assert interfaces(system, "vm") == first


def test_nothing_has_a_place_and_no_address() -> None:
    with pytest.raises(ValueError, match="h1:a and has no MAC"):
        Interface("eth0", 1, None, (), Place("h1", "a"))


def test_what_was_chosen_stays() -> None:
    system = with_nodes(vm=node(one("h1:a"), running=True))
    (first,) = interfaces(system, "vm")
    assert not put(system, "vm", node(one("h1:a"), running=True)).changed
    assert not put(system, "vm", node(one("h1:a", format_mac(first.mac)), running=True)).changed
    steps = [
        lambda: system.request(lambda work: requests.stop(work, "red", "vm")),
        lambda: start(system, "vm"),
        lambda: start(system, "vm", eth0="h2:a"),
        lambda: put(system, "vm", node(one("h3:a"), running=True)),
        lambda: put(system, "vm", node(one(None, network=None))),
        lambda: start(system, "vm", eth0="h1:z"),
        lambda: system.request(lambda work: requests.attach(work, "red", "X", "vm", None)),
    ]
    for step in steps:
        assert step().changed
        (now,) = interfaces(system, "vm")
        assert (now.known_mac, now.chosen) == (first.mac, True)


def test_what_was_given_is_taken_as_it_is_and_stays_too() -> None:
    system = with_nodes(vm=node(one("h1:a", "02:00:00:00:00:01")))
    assert not put(system, "vm", node(one("h1:a"))).changed
    (given,) = interfaces(system, "vm")
    assert (given.mac, given.chosen) == (0x02_00_00_00_00_01, False)
    lookalike = placed_mac(4000, 1, 1)
    assert lookalike is not None
    put(system, "vm", node(one("h1:a", format_mac(lookalike))))
    (given,) = interfaces(system, "vm")
    assert (given.mac, given.chosen) == (lookalike, False)


def test_a_machine_that_is_another_gets_another_address() -> None:
    system = with_nodes(vm=node(one("h1:a")))
    first = mac(system, "vm")
    system.request(lambda work: requests.delete_node(work, "red", "vm"))
    put(system, "vm", node(one("h1:a")))
    assert is_of(system, mac(system, "vm"), "h1") and mac(system, "vm") != first


def test_what_others_ask_for_in_the_same_request_is_not_chosen() -> None:
    """An intent read from one controller, with one machine more, is taken by another."""
    chosen = mac(with_nodes(a=node(one("h1:a"))), "a")
    system = with_nodes(a=node(one("h1:a"), one("h1:b", format_mac(chosen))))
    assert [interface.chosen for interface in interfaces(system, "a")] == [True, False]
    system = with_nodes(a=node(one("h1:a")), b=node(one("h1:b", format_mac(chosen).upper())))
    assert mac(system, "b") == chosen != mac(system, "a")


def test_the_same_address_twice_in_a_network_names_both_nodes() -> None:
    system = with_nodes(a=node(one("h1:a")), b=node(one("h1:b", "02:00:00:00:00:01")))
    before = system.revision
    with pytest.raises(Invalid) as refused:
        put(system, "b", node(one("h1:b", format_mac(mac(system, "a")))))
    (problem,) = refused.value.problems
    assert problem.where == "tenants.red.nodes.b.interfaces.eth0.mac"
    assert format_mac(mac(system, "a")) in problem.message and "also at node red/a" in problem.message
    with pytest.raises(Invalid, match="six pairs of hex digits"):
        put(system, "c", node(one("h1:c", "f2:00")))
    with pytest.raises(Invalid, match="unknown switch 'h9'"):
        put(system, "c", node(one("h9:c")))
    with pytest.raises(Invalid, match="core is in no segment"):
        put(system, "c", node(one("core:c")))
    assert system.revision == before


def test_a_restart_changes_no_address() -> None:
    store = MemoryStore()
    system = System(store, lambda name, messages: None, lambda: 0.0)
    system.request(lambda work: requests.apply(work, intent(a=node(one("h1:a")), b=node(one()))))
    again = System(store, lambda name, messages: None, lambda: 0.0)
    assert [again.model.node(f"red/{name}") for name in "ab"] == [system.model.node(f"red/{name}") for name in "ab"]
    assert not again.request(lambda work: requests.apply(work, intent(a=node(one("h1:a")), b=node(one())))).changed


@pytest.mark.parametrize("network", [None, "X"])
def test_a_node_that_was_stored_before_there_was_a_choice_is_read(network: str | None) -> None:
    networks = (network,) if network else ()
    known = Node("red", "vm", False, (Interface("eth0", 1, 0x02_00_00_00_00_01, networks=networks),))
    document = to_document(known)
    for name in ("chosen", "networks", "by_policy", "target", "left"):
        del document["interfaces"][0][name]
    document["interfaces"][0]["network"] = network
    assert from_document("node/red/vm", document) == known


def test_where_a_place_cannot_be_told_an_address_tells_none() -> None:
    draft, place = Draft(Model()), Place("h", "p")
    for switch, segment in ((Switch("h", 1 << 16, 1, "S"), 1), (Switch("h", 1, 1, "S"), 1 << 12)):
        fabric = Fabric({"h": switch}, (), {"S": segment})
        address = choose_mac(draft, fabric, place, 7, set())
        assert is_chosen_mac(address) and segment_of_mac(address) is None
        assert choose_mac(draft, fabric, place, 7, {address}) not in (address, None)


def test_all_4096_addresses_of_a_switch_are_chosen_before_one_that_tells_no_place() -> None:
    fabric, place, draft = Fabric({"h": Switch("h", 5, 1, "S")}, (), {"S": 3}), Place("h", "p"), Draft(Model())
    found = set()
    for number in range(4096):
        found.add(address := choose_mac(draft, fabric, place, number + 1000, set()))
        draft.put(Node("red", f"vm{number}", False, (Interface("eth0", number, address, (), place, (), True),)))
    assert len(found) == 4096
    assert {address >> 12 for address in found} == {placed_mac(3, 5) >> 12}  # type: ignore[operator]
    assert choose_mac(draft, fabric, place, 77, set()) == unplaced_mac(77)
    gone = draft.node("red/vm9")
    assert gone is not None
    draft.delete(gone)
    assert choose_mac(draft, fabric, place, 77, set()) == gone.interfaces[0].mac
