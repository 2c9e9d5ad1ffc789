"""The laboratory proved before it proves anything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lab_scenarios as scenarios
import pytest
import yaml
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from vnet_lab import frames as f
from vnet_lab import reference, sandbox, traffic, wires
from vnet_lab.capture import Point, Seen, is_of_switch
from vnet_lab.lab import Lab
from vnet_lab.topology import Interface, Network, Topology, load, read

TOPOLOGIES = scenarios.TOPOLOGIES


def command(scenario: Callable[[], Any]) -> list[str]:
    return [sys.executable, str(Path(scenarios.__file__)), scenario.__name__]


def in_sandbox(scenario: Callable[[], Any]) -> Any:
    """Run a scenario; its result. What it printed is shown where it failed."""
    done = subprocess.run(command(scenario), text=True, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.rpartition(scenarios.RESULT)[2])


def test_every_file_is_built_as_it_says() -> None:
    found = in_sandbox(scenarios.build)
    assert set(found) == {path.stem for path in TOPOLOGIES.glob("*.yaml")}
    for name, facts in found.items():
        topology = load(TOPOLOGIES / f"{name}.yaml")
        node, bridge = topology.interfaces[0], topology.switches[0]
        ips = {f"{ip}/{24 if ip.version == 4 else 64}" for ip in node.ips} | {f"{f.link_local(node.mac)}/64"}
        assert (facts["mac"], facts["mtu"], set(facts["ips"])) == (node.mac, 1500, ips), name
        assert facts["tentative"] == [], name
        assert facts["dpid"] == f"{bridge.dpid:016x}"
        assert facts["modes"] == ["out-of-band"] * len(topology.switches)
        # Tunnels leave by a bridge that no controller knows.
        assert facts["fail"] == ["secure"] * (len(topology.switches) + bool(topology.tunnels))
        assert facts["link_mtu"] == ([1600, 1600] if topology.links else [])
        assert facts["ofports"] == 0
        assert facts["checksums"] == []
        assert facts["quiet"] == 0


def test_open_fabric_lets_everybody_in() -> None:
    found = in_sandbox(scenarios.open_fabric)
    assert found["pairs"] == 7 * 6 * 2
    assert found["unreached"] == []
    assert found["unsent"] == []
    assert found["labels"] == [16, 17, 18, 19, 700, 701, 702]
    assert found["legitimate"] == [False, False, True]  # broadcast and multicast went to more than they may
    noticed = "\n".join(found["broke_in"])
    for attempt in ("unknown unicast", "tag 5", "service tag 5", "tags 1 and 2", "label 16", "labels 16 and 17",
                    "tag 1 over label 16", "from the MAC of blue/vm1.2/eth0 to all", "to the MAC of blue/vm3.1/eth0",
                    "from the IPv4 address of red/vm2.2/eth0 to all", "from the IPv6 address of red/vm2.2/eth0 to all",
                    "ARP reply for blue/vm1.2/eth0 to all", "gratuitous ARP for blue/vm1.2/eth0 to all",
                    "neighbour advertisement for blue/vm1.2/eth0 to all", "neighbour solicitation with the MAC of",
                    "ARP cut off", "IPv4 cut off", "IPv6 cut off", "MPLS header and no more"):  # fmt: skip
        assert attempt in noticed
    assert found["reasons"] == [
        "a label reached a machine",
        "a tag reached a machine",
        "a tag that is no VLAN on a trunk",
        "an untagged frame on a trunk",
        "network red/X has no business on this link",
        "not MPLS on a core link",
    ]


def test_shut_bridge_lets_nobody_in() -> None:
    found = in_sandbox(scenarios.shut_bridge)
    assert found["wrong"] == []
    assert found["reached"] == 2 * 2 * 2
    assert found["failures"] == []
    assert found["faults"] == []
    assert found["tried"] > 6 * 50


def test_matrix_knows_who_answered() -> None:
    pairs = [("red/pc1/eth0", "green/pc2/eth0"), ("red/pc2/eth0", "green/pc1/eth0")]
    both = pairs + [(other, one) for one, other in pairs]
    assert in_sandbox(scenarios.twins_crossed) == sorted(
        [one, other, family] for one, other in both for family in (4, 6)
    )


def test_captures_keep_tags_and_refuse_to_guess() -> None:
    found = in_sandbox(scenarios.captures)
    assert found["whole"]
    assert found["first"] == "red/vm1.1/eth0"
    assert ["red/vm1.1/eth0", True] in found["seen"]
    assert ["vm1.1", False] in found["seen"]
    assert ["host1-rack", True] in found["seen"]
    assert ["red/vm2.1/eth0", False] in found["seen"]
    assert ["red/vm1.1/eth0", False] not in found["seen"]
    assert found["refused"]
    sent, received, duplicates = found["load"]
    assert sent == received > 10
    assert duplicates == 0
    sent, received, lost = found["broken"]
    assert received == sent - lost
    assert lost > 0
    assert received > 0


def test_controller_process() -> None:
    found = in_sandbox(scenarios.controllers)
    assert "no such store" in found.pop("message")
    assert found == {"killed": False, "again": True, "stopped": False, "alone": True, "replies": True}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_survives_a_kill(number: signal.Signals) -> None:
    process = subprocess.Popen(command(scenarios.wait_for_ever), text=True, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(scenarios.RESULT)
    family = _descendants(process.pid)
    assert {"ovs-vswitchd", "ovsdb-server"} <= {_program(pid) for pid in family}
    process.send_signal(number)
    process.wait(10)
    deadline = time.monotonic() + 10
    while (left := [pid for pid in family if _program(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
    assert not Path("/run/vnet-lab").exists()


def _descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children] + [deeper for child in children for deeper in _descendants(int(child))]


def _program(pid: int) -> str:
    """The name of a running program, empty where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    name, _, rest = fields.partition("(")[2].rpartition(")")
    return "" if rest.split()[0] == "Z" else name


def test_machine_without_a_tool_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(sandbox.LabError, match=r"ovs-vswitchd \(Debian package openvswitch-switch\)"):
        sandbox.check_machine()


def test_outside_the_sandbox_nothing_is_touched() -> None:
    assert os.getpid() != 1
    with pytest.raises(sandbox.LabError, match="outside the sandbox"):
        Lab(TOPOLOGIES / "figure.yaml").__enter__()


def test_lines() -> None:
    inner = f.arp("02:00:00:00:00:01", f.BROADCAST, f.ARP_REQUEST,
                  ("02:00:00:00:00:01", "10.0.0.1"), ("00:00:00:00:00:00", "10.0.0.2"))  # fmt: skip
    line = "02:00:00:00:00:01→ff:ff:ff:ff:ff:ff ARP who has 10.0.0.2 says 10.0.0.1"
    assert f.describe(inner) == line
    assert f.describe(f.tagged(inner, 3)) == f"VLAN 3 | {line}"
    over = f.labelled(inner, "02:00:00:00:0a:01", "02:00:00:00:0a:02", 17, 16)
    labels = "MPLS label 17 ttl 64 | MPLS label 16 s ttl 64"
    assert f.describe(over) == f"02:00:00:00:0a:01→02:00:00:00:0a:02 | {labels} | {line}"
    assert f.layers(over).labels == [17, 16]
    assert f.layers(f.tagged(inner, 3, 4)).tags == [3, 4]
    assert f.layers(f.tagged(inner, 3, 4)).inner == inner


@pytest.mark.parametrize("length", range(60))
def test_a_frame_may_end_anywhere(length: int) -> None:
    whole = f.labelled(f.tagged(f.experiment(f.BROADCAST, f.BROADCAST, b"x" * 30), 3), f.BROADCAST, f.BROADCAST, 17, 16)
    for frame in (whole, f.tagged(whole, 1, 2), f.ethernet(f.BROADCAST, f.BROADCAST, f.IPV6, whole)):
        assert f.describe(frame[:length])


def _networks(topology: Topology, port: str) -> set[str]:
    link = next(link for link in topology.links if link.a.port == port)
    return {network.ref for network in wires.networks_on(topology, link)}


def test_networks_have_business_where_they_have_members() -> None:
    figure, spine, hosts = (load(TOPOLOGIES / f"{name}.yaml") for name in ("figure", "leaf-spine", "two-hosts"))
    assert _networks(figure, "host1-edgeA") == {"red/X", "blue/Z"}
    assert _networks(figure, "host2-edgeA") == {"red/X", "green/Y"}
    assert _networks(figure, "host3-edgeB") == {"blue/Z"}
    assert _networks(figure, "edgeA-core1") == {"green/Y", "blue/Z"}
    assert _networks(figure, "edgeC-core2") == {"green/Y"}
    assert _networks(hosts, "host1-rack") == {"red/X", "green/Y"}
    assert _networks(spine, "leaf1-spine1") == {"red/wide", "amber/mesh", "green/office", "violet/office"}
    assert _networks(spine, "r4h2-leaf4") == {"red/wide", "amber/mesh"}


def test_a_network_on_the_wrong_wire_is_a_fault() -> None:
    figure = load(TOPOLOGIES / "figure.yaml")
    frame = f.tagged(f.experiment("02:00:00:00:01:01", f.BROADCAST, b"marker"), 1)
    namespace: Any = None
    for port, network, right in (("host3-edgeB", "X", False), ("host1-edgeA", "X", True), ("host3-edgeB", "Z", True)):
        sender = Network({"X": "red", "Z": "blue"}[network], network)
        seen = Seen(0.0, Point(port, "trunk", port, namespace), False, frame)
        found = wires.faults(figure, [seen], lambda _frame, owner=sender: (owner,))  # type: ignore[misc]
        assert (found == []) is right


def test_what_a_switch_says_of_itself_is_known_on_links_alone() -> None:
    namespace: Any = None
    lldp, switch, machine = 0x88CC, "02:76:6e:00:00:01", "02:00:00:00:01:01"
    for kind, source, ethertype, known in (
        ("trunk", switch, lldp, True),
        ("core", switch, lldp, True),
        ("access", switch, lldp, False),
        ("node", switch, lldp, False),
        ("trunk", machine, lldp, False),
        ("core", switch, f.MPLS, False),
    ):
        frame = f.ethernet(source, "01:80:c2:00:00:0e", ethertype, b"anything")
        assert is_of_switch(Seen(0.0, Point("port", kind, "port", namespace), False, frame)) is known


def _interfaces(topology: Topology) -> dict[str, Interface]:
    return {one.id: one for one in topology.interfaces}


def test_who_shares_a_network_and_what_it_takes() -> None:
    ones = _interfaces(load(TOPOLOGIES / "shared.yaml"))
    files, till, mill, gate = (
        ones[f"acme/{name}"] for name in ("files1/eth0", "till1/eth0", "mill1/eth0", "gate/eth1")
    )
    assert [network.ref for network in reference.shared(files, ones["acme/boss/eth0"])] == ["acme/sales", "acme/plant"]
    assert reference.shared(till, mill) == reference.shared(till, gate) == reference.shared(till, till) == ()
    assert reference.shared(till, ones["rival/spy1/eth0"]) == ()
    assert [network.name for network in reference.shared(mill, gate)] == ["plant"]

    topology = load(TOPOLOGIES / "protocols.yaml")
    desk, web, pbx = (topology.find(f"office/{name}/eth0") for name in ("desk1", "web", "pbx"))
    to_web, to_pbx, to_all = {"office/web/eth0"}, {"office/pbx/eth0"}, f.BROADCAST
    addresses = {"src": str(desk.address(4)), "dst": "10.0.0.99"}
    for layer, to, receivers in (
        (TCP(sport=40000, dport=80), web.mac, to_web),
        (TCP(sport=80, dport=40000), web.mac, to_web),
        (TCP(sport=40000, dport=8080), web.mac, set()),
        (TCP(sport=40000, dport=80), pbx.mac, set()),
        (UDP(sport=40000, dport=16384), pbx.mac, to_pbx),
        (UDP(sport=40000, dport=32768), pbx.mac, set()),
        (UDP(sport=32767, dport=40000), to_all, {"office/desk2/eth0", "office/desk3/eth0", *to_pbx}),
        (ICMP(), web.mac, set()),
    ):
        frame = f.ethernet(desk.mac, to, f.IPV4, bytes(IP(**addresses) / layer))
        assert reference.receivers(topology, desk, frame) == receivers, layer
    arp = f.arp(desk.mac, to_all, f.ARP_REQUEST, (desk.mac, "10.0.0.11"), (desk.mac, "10.0.0.12"))
    everybody = {f"office/{name}/eth0" for name in ("desk2", "desk3", "web", "pbx")}
    assert reference.receivers(topology, desk, arp) == everybody
    assert (
        reference.receivers(topology, desk, f.solicitation(desk.mac, to_all, *[desk.ips[1]] * 2, desk.mac)) == everybody
    )
    assert reference.receivers(topology, desk, f.experiment(desk.mac, to_all, b"")) == set()


def test_fragments_say_their_protocol_or_less() -> None:
    datagram = UDP(sport=5000, dport=5000) / bytes(4000)
    first, *later = (bytes(part) for part in fragment(IP(src="10.0.0.1", dst="10.0.0.2") / datagram, 1400))
    six = IPv6(src="fd00::1", dst="fd00::2") / IPv6ExtHdrFragment() / datagram
    first6, *later6 = (bytes(part) for part in fragment6(six, 1400))
    found = [traffic.content(f.ethernet(f.BROADCAST, f.BROADCAST, f.IPV4, each)) for each in (first, *later)]
    assert {(each.protocol, each.ports, each.fragment) for each in found} == {(traffic.UDP, None, True)}
    found = [traffic.content(f.ethernet(f.BROADCAST, f.BROADCAST, f.IPV6, each)) for each in (first6, *later6)]
    assert [(each.protocol, each.fragment) for each in found] == [
        (traffic.UDP, True), *[(None, True)] * len(later6)
    ]  # fmt: skip
    voice, web = (
        traffic.term({"protocol": name, "port": port}) for name, port in (("udp", "16384-32767"), ("tcp", 80))
    )
    assert [voice.takes(each) for each in found] == [True] * len(found)
    assert [web.takes(each) for each in found] == [False, *[True] * len(later6)]


def test_policies_of_a_file_say_who_is_where() -> None:
    document = yaml.safe_load((TOPOLOGIES / "policy.yaml").read_text())

    def networks() -> dict[str, list[str]]:
        return {one.node: [network.name for network in one.networks] for one in read(document, "").interfaces}

    others = {"lb1": ["front"], "lb2": ["front"], "db1": ["back"], "db2": ["back"], "admin": ["ops"]}
    others |= {"spy1": ["front"], "spy2": ["front"]}
    assert networks() == {**others, "web1": ["front"], "web2": ["front", "ops"]}
    document["policies"]["repair"]["order"] = 5
    assert networks() == {**others, "web1": ["front"], "web2": ["ops"]}
    document["policies"]["web"]["match"]["labels"] = {"env": "prod"}
    with pytest.raises(ValueError, match="policy 'web': labels is not understood here"):
        networks()


def test_leaf_spine_has_every_kind_of_network() -> None:
    topology = load(TOPOLOGIES / "leaf-spine.yaml")
    ones = _interfaces(topology)
    members: dict[str, list[Interface]] = {}
    for one in ones.values():
        members.setdefault("+".join(network.ref for network in reference.networks_of(one)), []).append(one)
    assert len(ones) == 4 * 2 * 4
    assert len({one.switch for one in members["blue/host"]}) == 1
    segment_of = topology.segment_of
    assert len({segment_of[one.switch] for one in members["blue/pair"]}) == 1
    assert len({segment_of[one.switch] for one in members["red/wide"]}) == 4
    assert len(members[""]) == 3
    twins = zip(members["green/office"], members["violet/office"], strict=True)
    assert all((one.mac, one.ips, one.node) == (other.mac, other.ips, other.node) for one, other in twins)
