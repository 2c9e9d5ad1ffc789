"""How switches stand, said from what is known of each without looking at everything there is."""

from __future__ import annotations

from pathlib import Path

import pytest
from figure_system import figure_system

from ryu_vnet.fabric.observed import PortState
from ryu_vnet.managers import requests
from ryu_vnet.managers.change import Refusal
from ryu_vnet.managers.communication import State
from ryu_vnet.managers.status import PortTrouble, switch_status, switch_statuses
from ryu_vnet.managers.system import System
from ryu_vnet.openflow.changes import Kind


@pytest.fixture
def system(tmp_path: Path) -> System:
    return figure_system(tmp_path)


def needed(system: System) -> dict[str, dict[str, str]]:
    """By switch, the ports that links and running nodes need: all links and all nodes looked through."""
    found: dict[str, dict[str, str]] = {name: {} for name in system.switches}
    for link in system.fabric.links:
        for end, far in ((link.a, link.b), (link.b, link.a)):
            found[end.switch][end.port] = f"the {link.kind.value} link to {far}"
    for node in system.model.nodes():
        for interface in node.interfaces:
            if node.running and interface.place is not None:
                found[interface.place.switch][interface.place.port] = f"node {node.ref}, interface {interface.name}"
    return found


def check(system: System) -> list[PortTrouble]:
    """Compare what is said of ports with what follows from everything; returns it."""
    said = {status.name: status.ports for status in switch_statuses(system)}
    for name, ports in needed(system).items():
        there = system.ports[name]
        troubles = [
            PortTrouble(port, "missing" if port not in there else "down", by)
            for port, by in sorted(ports.items())
            if port not in there or not there[port].up
        ]
        assert said[name] == switch_status(system, name).ports == troubles
    return [trouble for troubles in said.values() for trouble in troubles]


def test_ports_that_are_missing_or_down(system: System) -> None:
    assert check(system) == []
    ports = system.ports["host1"]
    gone = {name: state for name, state in ports.items() if name not in ("vm1.1", "host1-edgeA")}
    system.delivery.on_ports("host1", {**gone, "vm1.2": PortState(ports["vm1.2"].number, False)})
    assert [(part.port, part.trouble) for part in check(system)] == [
        ("host1-edgeA", "missing"),
        ("vm1.1", "missing"),
        ("vm1.2", "down"),
    ]
    # Who does not run needs no port; one that nobody needs may be down.
    system.request(lambda work: requests.stop(work, "red", "vm1.1"))
    system.request(lambda work: requests.stop(work, "blue", "vm1.2"))
    assert [part.port for part in check(system)] == ["host1-edgeA"]
    system.request(lambda work: requests.start(work, "red", "vm1.1", {}))
    assert [part.port for part in check(system)] == ["host1-edgeA", "vm1.1"]
    system.delivery.on_ports("host1", ports)
    assert check(system) == []


def test_what_was_refused_is_named(system: System) -> None:
    manager = system.switches["host1"]
    manager.state = State.IN_STEP
    row = min(key for key in manager.wanted.rows if key[0] == 30)
    group = min(manager.wanted.groups)
    steps = [
        (Kind.ROW_ADD, row, manager.wanted.rows[row]),
        (Kind.GROUP_ADD, group, manager.wanted.groups[group]),
        (Kind.GROUP_DELETE, 0x77, b""),
        (Kind.ROW_DELETE, b"\x07" + row[1:], b""),
    ]
    for step in steps:
        manager.rejected[step[1]] = Refusal(step, "TABLE_FULL")
    said = {part.what: part.origin for part in switch_status(system, "host1").rejected}
    assert said == {
        "NETWORK: red/vm1.1 eth0 speaks on network red/X": "interface red/vm1.1 eth0",
        f"group {group:#x}": f"network {next(n.ref for n in system.model.networks() if n.number == group & 0xFFFFF)}",
        "removal of group 0x77": "switch host1",
        "removal of a row of table 7": "switch host1",
    }
