"""Rows, states and traces in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from figure_system import figure_system

from ryu_vnet.compiler.rows import Origin, Subject
from ryu_vnet.errors import Invalid, NotFound
from ryu_vnet.managers import requests
from ryu_vnet.managers.change import Refusal
from ryu_vnet.managers.communication import Effects, State
from ryu_vnet.managers.explain import Names
from ryu_vnet.managers.status import link_statuses, network_status, resting_statuses, switch_status
from ryu_vnet.managers.system import System
from ryu_vnet.managers.tables import Progress, RowStatus, group_statuses, row_statuses
from ryu_vnet.managers.trace import trace
from ryu_vnet.openflow.changes import Kind
from ryu_vnet.openflow.wire import Version


@pytest.fixture
def system(tmp_path: Path) -> System:
    return figure_system(tmp_path)


def meanings(rows: list[RowStatus], stage: str) -> list[str]:
    return [row.meaning for row in rows if row.stage == stage]


def test_origins_are_named(system: System) -> None:
    names = Names(system.model, system.fabric)
    network = system.model.network("red/X")
    node = system.model.node("red/vm1.1")
    assert network is not None and node is not None
    assert names.origin(Origin(Subject.NETWORK, network.number)) == "network red/X"
    assert names.origin(Origin(Subject.INTERFACE, node.interfaces[0].number)) == "interface red/vm1.1 eth0"
    host1 = system.fabric.switches["host1"].number
    assert names.origin(Origin(Subject.SWITCH, host1)) == "switch host1"
    assert names.origin(Origin(Subject.NETWORK, 99)) == "network network number 99"


def test_every_row_of_every_switch_has_a_meaning(system: System) -> None:
    for name in system.switches:
        rows = row_statuses(system, name)
        assert len(rows) == len(system.tables[name].rows) > 0
        assert all(row.meaning and "number" not in row.meaning for row in rows)


def test_meanings_of_a_host_bridge(system: System) -> None:
    rows = row_statuses(system, "host1")
    port = system.ports["host1"]["vm1.1"].number
    assert f"port {port} (vm1.1) belongs to red/vm1.1 eth0" in meanings(rows, "PORT")
    assert "port 1 (host1-edgeA) is the trunk link to edgeA" in meanings(rows, "PORT")
    assert "IPv4 with source 10.0.0.11 from red/vm1.1 eth0" in meanings(rows, "SOURCE")
    assert "MPLS from a node is refused" in meanings(rows, "SOURCE")
    assert "red/vm1.1 eth0 speaks on network red/X" in meanings(rows, "NETWORK")
    number = system.model.networks("blue")[0].number
    grant = system.model.grant("A", number)
    assert grant is not None
    assert f"tag {grant.tag} is network blue/Z" in meanings(rows, "TAG")
    assert f"to red/vm1.1 eth0: out of port {port} (vm1.1)" in meanings(rows, "EGRESS")


def test_meanings_of_an_edge_and_a_core_switch(system: System) -> None:
    edge = row_statuses(system, "edgeA")
    assert any(text.startswith("service label") and "blue/Z" in text for text in meanings(edge, "SERVICE"))
    assert "in blue/Z, broadcast and multicast go to switch host1, segment B" in meanings(edge, "FORWARD")
    assert any("if it is up" in text for text in meanings(edge, "EGRESS"))
    assert any("labelled for edge edgeB, out of port" in text for text in meanings(edge, "ENCAP"))
    assert {row.stage for row in row_statuses(system, "core1")} == {"PORT", "LABEL", "EGRESS"}
    assert "copies to switch host1, segment B" in [group.meaning for group in group_statuses(system, "edgeA")]


def test_states_of_rows(system: System) -> None:
    manager = system.switches["host1"]
    first = row_statuses(system, "host1")[0]
    assert first.state is Progress.PENDING and first.reason == "it is not connected"
    manager.connected(Version.OF14)
    keys = list(manager.wanted.rows)
    manager.state = State.CHANGING
    manager.off.update(dict.fromkeys(keys[1:]))
    step = (Kind.ROW_ADD, keys[1], manager.wanted.rows[keys[1]])
    manager.rejected[keys[1]] = Refusal(step, "BAD_MATCH BAD_FIELD")
    states = [row.state for row in row_statuses(system, "host1")]
    assert states.count(Progress.INSTALLED) == states.count(Progress.REJECTED) == 1
    (rejection,) = switch_status(system, "host1").rejected
    assert rejection.reason == "BAD_MATCH BAD_FIELD"
    reasons = [row.reason for row in row_statuses(system, "host1") if row.state is Progress.REJECTED]
    assert reasons == ["BAD_MATCH BAD_FIELD"]


def test_counters_are_shown_only_when_asked_for(system: System) -> None:
    manager = system.switches["host1"]
    key = next(iter(manager.wanted.rows))
    manager.counts = {key: (7, 700)}
    assert all(row.packets is None for row in row_statuses(system, "host1"))
    assert [(row.packets, row.octets) for row in row_statuses(system, "host1", counted=True) if row.packets] == [
        (7, 700)
    ]


def test_networks_on_the_wire(system: System) -> None:
    x, y, z = (system.model.network(ref) for ref in ("red/X", "green/Y", "blue/Z"))
    assert x is not None and y is not None and z is not None
    inside = network_status(system, x)
    assert inside.label is None and inside.segments == ["A"] and list(inside.tags) == ["A"]
    spanning = network_status(system, z)
    assert spanning.label == z.number and spanning.segments == ["A", "B"] and list(spanning.tags) == ["A", "B"]
    assert list(network_status(system, y).tags) == ["A"]  # segment C has no trunk, and so no tags
    assert [member.at for member in spanning.members] == ["host1:vm1.2", "host3:vm3.1", "host3:vm3.2"]


def test_ports_that_are_missing_or_down(system: System) -> None:
    ports = dict(system.ports["host1"])
    ports["host1-edgeA"] = type(ports["host1-edgeA"])(1, False)
    del ports["vm1.1"]
    system.effect("host1", Effects(ports=ports))
    troubles = {part.port: (part.trouble, part.needed_by) for part in switch_status(system, "host1").ports}
    assert troubles == {
        "host1-edgeA": ("down", "the trunk link to edgeA:edgeA-host1"),
        "vm1.1": ("missing", "node red/vm1.1, interface eth0"),
    }
    (down,) = [link for link in link_statuses(system) if not link.up]
    assert down.why == "host1:host1-edgeA is down"


def test_what_rests_and_who_holds_it(system: System) -> None:
    from ryu_vnet.managers import requests

    system.request(lambda work: requests.delete_node(work, "red", "vm2.2"))
    system.request(lambda work: requests.delete_node(work, "red", "vm1.1"))
    system.request(lambda work: requests.delete_network(work, "red", "X"))
    resting = {part.kind: part for part in resting_statuses(system)}
    assert resting["tag"].segment == "A" and resting["tag"].held_by == ["edgeA", "host1", "host2"]
    assert resting["label"].held_by == sorted(system.switches)


def test_a_frame_across_the_interconnect(system: System) -> None:
    route = trace(system, "blue/vm1.2", "blue/vm3.1", None)
    assert route.delivered and route.kind == "icmp" and route.verdict == "delivered to blue/vm3.1 eth0"
    assert [hop.switch for hop in route.hops] == ["host1", "edgeA", "core1", "core2", "edgeB", "host3"]
    links = [link for hop in route.hops for link in hop.links]
    assert [link.kind for link in links] == ["trunk", "core", "core", "core", "trunk"]
    assert [link.tag is not None for link in links] == [True, False, False, False, True]
    assert [len(link.labels) for link in links] == [0, 2, 2, 2, 0]
    assert links[0].carries.endswith("is blue/Z in segment A")
    assert links[1].carries.startswith("label ") and "edge edgeB" in links[1].carries
    arrival = route.hops[-1].arrivals[0]
    assert arrival.port == "host3:vm3.1" and arrival.to == "blue/vm3.1 eth0"


@pytest.mark.parametrize("kind", ["icmp", "ipv6", "arp", "ethertype"])
def test_every_kind_of_frame_arrives_inside_a_network_and_not_outside(system: System, kind: str) -> None:
    assert trace(system, "red/vm1.1", "red/vm2.2", kind).delivered
    other = trace(system, "red/vm1.1", "blue/vm3.1", kind)
    assert not other.delivered and other.verdict.startswith("not delivered to blue/vm3.1 eth0; ")


def test_a_broadcast_reaches_the_members_alone(system: System) -> None:
    route = trace(system, "blue/vm1.2:eth0", None, "broadcast")
    assert route.verdict == "delivered to blue/vm3.1 eth0, blue/vm3.2 eth0"


def test_why_a_frame_goes_nowhere(system: System) -> None:
    assert "is 02:00:00:00:03:01" in trace(system, "red/vm1.1", "02:00:00:00:03:01", None).verdict
    system.request(lambda work: requests.detach(work, "red", "X", "vm1.1", None))
    assert "NETWORK: red/vm1.1 eth0 is in no network" in trace(system, "red/vm1.1", "red/vm2.2", None).verdict
    system.request(lambda work: requests.stop(work, "red", "vm1.1"))
    stopped = trace(system, "red/vm1.1", "red/vm2.2", None)
    assert "PORT: no link and no running node is on this port" in stopped.verdict
    assert stopped.notes == ["red/vm1.1 is not running"]
    left = {name: state for name, state in system.ports["host2"].items() if name != "vm2.2"}
    system.effect("host2", Effects(ports=left))
    assert "host2:vm2.2 of red/vm2.2 eth0 is not there" in trace(system, "red/vm2.2", "red/vm1.1", None).verdict


def test_what_cannot_be_traced_is_refused(system: System) -> None:
    with pytest.raises(Invalid, match="'red' is not a node"):
        trace(system, "red", "red/vm2.2", None)
    with pytest.raises(NotFound, match=r"there is no node 'red/vm9' \(one of red/vm1\.1, red/vm2\.2\)"):
        trace(system, "red/vm9", "red/vm2.2", None)
    with pytest.raises(NotFound, match=r"no interface 'eth9' \(eth0\)"):
        trace(system, "red/vm1.1:eth9", "red/vm2.2", None)
    with pytest.raises(Invalid, match="'x' is not a MAC address"):
        trace(system, "red/vm1.1", "x", None)
    with pytest.raises(Invalid, match="nobody is named"):
        trace(system, "red/vm1.1", None, None)
    with pytest.raises(Invalid, match="not known"):
        trace(system, "red/vm1.1", "02:00:00:00:03:01", "icmp")
