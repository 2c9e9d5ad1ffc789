"""What a change costs follows from the rows that it changes, not from how large the data centre is.

Work is counted, not timed: every instruction of Python that is executed. The same change is made in two data centres,
of which one has ten times the racks, networks and machines; who it concerns is the same in both. What the interpreter
does in one instruction, as copying a dictionary, is not seen so; whoever asks what is in a dictionary of everything is
caught by the dictionary.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count, product
from types import FrameType
from typing import Any

import pytest
from drawn import all_in_step
from memory_store import MemoryStore

from ryu_vnet.fabric.observed import PortState
from ryu_vnet.managers import requests
from ryu_vnet.managers.communication import Effects
from ryu_vnet.managers.programme import Programme
from ryu_vnet.managers.requests import Work
from ryu_vnet.managers.system import System
from ryu_vnet.schema import FabricSpec, Intent, InterfaceSpec, LinkSpec, NetworkSpec, NodeSpec, SwitchSpec, TenantSpec

HOSTS = 6
"""In a rack."""
SPREAD = 3
"""Racks that a network reaches into."""


def data_centre(racks: int, hosts: int = HOSTS) -> Intent:
    """Racks of hosts around a rack switch, with an edge on two core switches; four networks for each, each with two
    machines on every host of three racks: one with an address that tells where it is, one with another."""
    switches = {f"core{index}": SwitchSpec(dpid=index + 1) for index in range(2)}
    links = []

    def switch(name: str, rack: int) -> None:
        switches[name] = SwitchSpec(dpid=len(switches) + 1, segment=f"rack{rack:03}")

    def link(kind: str, a: str, b: str) -> None:
        links.append(LinkSpec.model_validate({"kind": kind, "a": a, "b": b}))

    networks, nodes = {}, {}
    for rack in range(racks):
        switch(f"edge{rack:03}", rack)
        switch(f"tor{rack:03}", rack)
        link("trunk", f"tor{rack:03}:up", f"edge{rack:03}:down")
        for core in range(2):
            link("core", f"edge{rack:03}:c{core}", f"core{core}:e{rack}")
        for host in range(hosts):
            switch(f"host{rack:03}.{host}", rack)
            link("trunk", f"tor{rack:03}:h{host}", f"host{rack:03}.{host}:up")
        for index in range(4):
            network = f"net{rack}.{index}"
            networks[network] = NetworkSpec()
            for place, host in product(range(SPREAD), range(hosts)):
                at = f"host{(rack + place) % racks:03}.{host}"
                for kind in ("native", "foreign"):
                    name, number = f"vm{rack}.{index}.{place}.{host}.{kind}", len(nodes)
                    mac = None if kind == "native" else f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
                    interface = InterfaceSpec(mac=mac, at=f"{at}:v{number}", networks=[network])
                    nodes[name] = NodeSpec(running=True, interfaces={"eth0": interface})
    return Intent(
        fabric=FabricSpec(switches=switches, links=links), tenants={"t": TenantSpec(networks=networks, nodes=nodes)}
    )


def running_system(racks: int, hosts: int = HOSTS) -> System:
    """A System Manager of that data centre, whose switches are all there and in step."""
    intent = data_centre(racks, hosts)
    hours = count(step=3600)
    system = System(MemoryStore(), lambda name, messages: None, lambda: float(next(hours)))
    system.request(lambda work: requests.apply(work, intent))
    ports: dict[str, set[str]] = {name: set() for name in system.fabric.switches}
    for place in system.fabric.wires:
        ports[place.switch].add(place.port)
    for tenant in intent.tenants.values():
        for node in tenant.nodes.values():
            switch, _, port = str(node.interfaces["eth0"].at).partition(":")
            ports[switch].add(port)
    for name, there in ports.items():
        known = {port: PortState(number, True) for number, port in enumerate(sorted(there), start=1)}
        system.effect(name, Effects(ports=known))
    all_in_step(system)
    for _ in range(5):  # Nothing is under way any more.
        system.tick()
    return system


def work_of(act: Callable[[], Any]) -> int:
    """How many instructions of Python an act takes."""
    done = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal done
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        done += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return done


@dataclass
class Measured:
    """What changes cost, by their names: instructions, units compiled, rows and groups that became others."""

    work: dict[str, int]
    units: dict[str, int]
    rows: dict[str, int]


def measured(programme: Programme, acts: Mapping[str, Callable[[], Any]]) -> Measured:
    """Each act is done twice: what is learned at the first time does not count."""
    found = Measured({}, Counter(), Counter())
    encode, current = programme._encoder.encode, ""

    def counting_encode(unit: Any) -> Any:
        found.units[current] += 1
        return encode(unit)

    def counting_update(*args: Any) -> Any:
        before = Programme.update(programme, *args)
        found.rows[current] += sum(map(len, before.values()))
        return before

    programme._encoder.encode = counting_encode  # type: ignore[method-assign]
    programme.update = counting_update  # type: ignore[method-assign]
    for act in acts.values():
        act()
    found.units.clear()
    found.rows.clear()
    for current, act in acts.items():
        found.work[current] = work_of(act)
    return found


NETWORK, VM, BESIDE = "net0.0", "vm0.0.0.0.native", "vm0.0.0.0.foreign"


def request_acts(system: System) -> dict[str, Callable[[], Any]]:
    """Requests that together leave everything as it was."""

    def asked(edit: Callable[[Work], None]) -> Callable[[], Any]:
        return lambda: system.request(edit)

    spec = NodeSpec(running=True, interfaces={"eth0": InterfaceSpec(at="host000.0:v0", networks=[NETWORK])})
    return {
        "detach": asked(lambda work: requests.detach(work, "t", NETWORK, VM, None)),
        "attach": asked(lambda work: requests.attach(work, "t", NETWORK, VM, None)),
        "detach a foreign one": asked(lambda work: requests.detach(work, "t", NETWORK, BESIDE, None)),
        "detach the last of a host": asked(lambda work: requests.detach(work, "t", NETWORK, VM, None)),
        "attach the first of a host": asked(lambda work: requests.attach(work, "t", NETWORK, VM, None)),
        "attach a foreign one": asked(lambda work: requests.attach(work, "t", NETWORK, BESIDE, None)),
        "stop": asked(lambda work: requests.stop(work, "t", VM)),
        "start": asked(lambda work: requests.start(work, "t", VM, {})),
        "move": asked(lambda work: requests.start(work, "t", VM, {"eth0": "host001.1:other"})),
        "move back": asked(lambda work: requests.start(work, "t", VM, {"eth0": "host000.0:v0"})),
        "delete a node": asked(lambda work: requests.delete_node(work, "t", VM)),
        "make a node": asked(lambda work: requests.put_node(work, "t", VM, spec)),
        "make a network": asked(lambda work: requests.put_network(work, "t", "new", NetworkSpec())),
        "delete a network": asked(lambda work: requests.delete_network(work, "t", "new")),
        "let a network be tagged": asked(
            lambda work: requests.put_network(work, "t", NETWORK, NetworkSpec(tagged=True))
        ),
        "let it be so no more": asked(lambda work: requests.put_network(work, "t", NETWORK, NetworkSpec())),
    }


def port_acts(system: System) -> dict[str, Callable[[], Any]]:
    """What happens to ports of switches, by name; all is well again in the end."""
    programme, ports = system._programme, dict(system.ports)

    def reported(switch: str, port: str, number: int | None, *, up: bool) -> Callable[[], None]:
        known = ports[switch]
        now = {**known, port: PortState(number or known[port].number, up)}

        def report() -> None:
            there, topology = {**ports, switch: now}, programme.topology
            programme.update((), topology.after(there, topology.admitted, [switch]), [switch])

        return report

    found = {
        "a node's port has another number": reported("host000.0", "v0", 999, up=True),
        "and has its own again": reported("host000.0", "v0", None, up=True),
        "a node's port is down": reported("host000.0", "v0", None, up=False),
        "and up again": reported("host000.0", "v0", None, up=True),
    }
    for link, switch, port in (
        ("a host's trunk", "host000.0", "up"),
        ("an edge's trunk", "edge000", "down"),
        ("an edge's core link", "edge000", "c0"),
    ):
        found[f"{link} is down"] = reported(switch, port, None, up=False)
        found[f"{link} is up"] = reported(switch, port, None, up=True)
    return found


@pytest.fixture(scope="module")
def small() -> System:
    return running_system(4)


@pytest.fixture(scope="module")
def large() -> System:
    return running_system(40)


def grown(small: Measured, large: Measured) -> dict[str, tuple[int, int]]:
    """The changes that took more work than they may. Sets of names have no order, so that it varies a little."""
    return {n: (w, large.work[n]) for n, w in small.work.items() if large.work[n] > 1.1 * w + 100}


def test_a_request_costs_the_same_in_a_data_centre_ten_times_as_large(small: System, large: System) -> None:
    few, many = (measured(system._programme, request_acts(system)) for system in (small, large))
    assert few.rows == many.rows
    assert few.units == many.units
    assert grown(few, many) == {}


class Walked(Exception):
    """Somebody has walked through everything."""


class Everything(dict[Any, Any]):
    """What may be looked up in, and not walked through."""

    def _refuse(self, *args: object) -> Any:
        raise Walked

    __iter__ = keys = items = values = copy = __or__ = __eq__ = _refuse


def test_a_request_walks_through_nothing_that_grows_with_the_data_centre() -> None:
    system = running_system(4)
    acts = request_acts(system)
    for act in acts.values():
        act()
    programme, compilation = system._programme, system._programme.compilation
    programme.contents = Everything(programme.contents)
    compilation.presences = Everything(compilation.presences)
    compilation._members, compilation._tags = Everything(compilation._members), Everything(compilation._tags)
    for owner, name in (
        (system.fabric, "switches"),
        (system.fabric, "segments"),
        (system.fabric, "wires"),
        (system.fabric, "wires_of"),
        (system.fabric, "inside"),
        (system.model._all, "values"),
        (system, "ports"),
        (system.delivery, "switches"),
    ):
        owner.__dict__[name] = Everything(getattr(owner, name))
    for act in acts.values():
        act()
    with pytest.raises(Walked):
        assert {**system.ports}


def test_units_that_are_compiled_are_as_many_as_rows_that_change(small: System) -> None:
    """Each unit has at least one row; those of few rows are compiled for nothing."""
    for acts in (request_acts(small), port_acts(small)):
        found = measured(small._programme, acts)
        assert {
            name: (units, found.rows[name]) for name, units in found.units.items() if units > found.rows[name] + 2
        } == {}


def test_what_happens_to_a_port_or_trunk_costs_the_same(small: System, large: System) -> None:
    few, many = (measured(system._programme, port_acts(system)) for system in (small, large))
    del few.work["an edge's core link is down"], few.work["an edge's core link is up"]
    assert {name: few.rows[name] for name in few.work} == {name: many.rows[name] for name in few.work}
    assert grown(few, many) == {}


def test_what_happens_to_a_core_link_costs_what_changes(small: System, large: System) -> None:
    """An edge has a row for each far segment, so more rows change where there are more; each costs the same."""
    few, many = (measured(system._programme, port_acts(system)) for system in (small, large))
    for name in ("an edge's core link is down", "an edge's core link is up"):
        assert many.rows[name] > few.rows[name]
        assert many.work[name] / many.rows[name] <= 1.1 * few.work[name] / few.rows[name]


def test_one_more_member_beside_another_costs_the_same_in_a_network_ten_times_as_large(small: System) -> None:
    wide = running_system(SPREAD, 10 * HOSTS)
    few, many = (measured(system._programme, request_acts(system)) for system in (small, wide))
    for name in ("attach", "detach", "attach a foreign one", "detach a foreign one", "stop", "start"):
        assert few.rows[name] == many.rows[name]
        assert many.work[name] <= 1.1 * few.work[name] + 100, name


# --- networks with subnets --------------------------------------------------------------------------------------------

ONE_MEMBER = ("detach", "attach", "detach a foreign one", "attach a foreign one", "stop", "start")


def changed_rows(system: System, acts: Mapping[str, Callable[[], Any]]) -> dict[str, Counter[str]]:
    """The rows and groups that become others by each act, by switch. None of the acts comes in phases."""
    programme, found = system._programme, {}
    for name, act in acts.items():
        found[name] = counted = Counter[str]()

        def update(*args: Any, counted: Counter[str] = counted) -> Any:
            before = Programme.update(programme, *args)
            counted.update({switch: len(touched) for switch, touched in before.items()})
            return before

        programme.update = update  # type: ignore[method-assign]
        handed_out = len(system.delivery._rollouts)
        act()
        assert len(system.delivery._rollouts) == handed_out, name
    return found


def one_member(system: System) -> dict[str, Callable[[], Any]]:
    return {name: act for name, act in request_acts(system).items() if name in ONE_MEMBER}


def served_system(hosts: int) -> System:
    """Of the network every member has an address of IPv4, one of IPv6, and a link-local one."""
    system = running_system(4, hosts)
    spec = NetworkSpec.model_validate({"subnets": ["10.0.0.0/16", "fd00::/64"]})
    system.request(lambda work: requests.put_network(work, "t", NETWORK, spec))
    all_in_step(system)
    return system


def test_where_there_are_no_subnets_a_member_costs_what_it_did_before_there_could_be_any(small: System) -> None:
    found = changed_rows(small, one_member(small))
    assert {name: rows.total() for name, rows in found.items()} == {
        "detach": 5,
        "attach": 5,
        "detach a foreign one": 7,
        "attach a foreign one": 7,
        "stop": 17,
        "start": 17,
    }


def test_in_a_network_with_subnets_a_member_costs_a_row_for_each_address_on_each_switch_with_members() -> None:
    few, many = (changed_rows(system, one_member(system)) for system in map(served_system, (HOSTS, 2 * HOSTS)))
    addresses = 3
    for name, rows in few.items():
        others = {switch: changed for switch, changed in rows.items() if switch != "host000.0"}
        answering = [switch for switch, changed in others.items() if changed >= addresses]
        assert len(answering) == SPREAD * HOSTS - 1
        assert {others[switch] for switch in answering} == {addresses}
        # Rack switch and edges tell remote machines apart: these have a row for who has an address of his own.
        assert sum(others.values()) <= addresses * len(answering) + SPREAD + 1
        assert many[name].total() - rows.total() == addresses * SPREAD * HOSTS
        assert many[name]["host000.0"] == rows["host000.0"]


def gateway_system(hosts: int) -> System:
    """Its edges in two racks are gateways of a network with subnets, one of which is translated."""
    intent = data_centre(4, hosts)
    assert intent.fabric is not None
    document = intent.fabric.model_dump(by_alias=True)
    document["outside"] = {"net": {"addresses": ["203.0.113.0/24", "2001:db8::/32"]}}
    for number in range(2):
        document["switches"][f"edge00{number}"]["uplinks"] = {"wan": {"outside": "net"}}
    system = running_system(4, hosts)
    way_out = {"network": "net", "prefix": "2001:db8:1::/64"}
    spec = NetworkSpec.model_validate({"subnets": ["10.0.0.0/16", "fd00::/64"], "outside": way_out})
    system.request(lambda work: requests.put_fabric(work, FabricSpec.model_validate(document)))
    for switch in ("edge000", "edge001"):
        ports = {**system.ports[switch], "wan": PortState(900, True)}
        system.effect(switch, Effects(ports=ports))
    system.request(lambda work: requests.put_network(work, "t", NETWORK, spec))
    all_in_step(system)
    return system


def test_a_gateway_that_takes_over_changes_as_many_rows_of_others_whoever_the_members_are() -> None:
    found = []
    for system in map(gateway_system, (HOSTS, 2 * HOSTS)):
        gateway = system.model.gateway(f"t/{NETWORK}")
        assert gateway is not None and gateway.switch == "edge000"
        moved = replace(gateway, switch="edge001")
        changed = Counter[str]()

        def update(*args: Any, programme: Programme = system._programme, changed: Counter[str] = changed) -> Any:
            before = Programme.update(programme, *args)
            changed.update({switch: len(touched) for switch, touched in before.items()})
            return before

        system._programme.update = update  # type: ignore[method-assign]
        system.request(lambda work, moved=moved: work.draft.put(moved))
        found.append(changed)
    few, many = ({s: n for s, n in each.items() if s not in ("edge000", "edge001")} for each in found)
    assert few == many
    assert few and max(few.values()) <= 2
    # At the gateways each member has rows of its own.
    assert found[1]["edge001"] > found[0]["edge001"] > SPREAD * HOSTS
