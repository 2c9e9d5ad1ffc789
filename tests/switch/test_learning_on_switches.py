"""Machines that are learned, with real switches and the controller as its users run it."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

from data_centre import DataCentre

from ryu_vnet.compiler.pipeline import TELLING_BURST, TELLING_RATE
from ryu_vnet.verify import frames
from ryu_vnet.verify.frames import Link
from ryu_vnet.verify.packet import Packet

MAC, OTHER = 0x02_00_00_00_77_01, 0x02_00_00_00_77_02
NODE = "red/learned-020000007701"
MEMBERS = {"host1:vm1.1": 0x02_00_00_00_01_01, "host2:vm2.2": 0x02_00_00_00_02_02}
"""Those of network X, by place."""
PORTS = ["host1:eth3", "host2:eth4"]
HOSTS = ("host1", "host2")
FLOOD, AT_ONCE = 2000, 200


def learning(centre: DataCentre) -> DataCentre:
    """The figure, where machines of red are learned on a port of either host, and policies put them into X."""
    for place in PORTS:
        switch, _, port = place.partition(":")
        centre.intent["fabric"]["switches"][switch]["learn"] = {port: {"tenant": "red"}}
    centre.intent["policies"] = {"learned": {"match": {"labels": {"learned": "*"}}, "networks": ["X"]}}
    centre.bring_up()
    centre.add_ports(PORTS)
    for place in PORTS:
        centre.fabric.capture(place)
    centre.wait(lambda: all("meter:1" in centre.ovs.ofctl("dump-flows", host) for host in HOSTS), "the rows are there")
    centre.wait_in_step()
    return centre


def arp(mac: int, last: int = 77) -> bytes:
    return frames.arp_request(mac, f"10.0.0.{last}", "10.0.0.11").to_bytes()


def echo(source: int, target: int) -> bytes:
    packet: Packet = frames.ipv4_echo(Link(source, target), "10.0.0.77", "10.0.0.11")
    return packet.to_bytes()


def nodes(centre: DataCentre) -> set[str]:
    """Those of red that are not in the figure."""
    return {f"red/{node['name']}" for node in centre.client.nodes("red")} - {"red/vm1.1", "red/vm2.2"}


def discovered(centre: DataCentre) -> list[str]:
    return [event["text"] for event in centre.client.events(kind="discovery")]


def metric(centre: DataCentre, name: str) -> int:
    found = re.search(rf"^{name} ([\d.e+]+)$", centre.client.metrics(), re.MULTILINE)
    assert found is not None, name
    return int(float(found[1]))


def test_the_first_frame_makes_a_node_and_the_next_one_arrives(framework: str, tmp_path: Path) -> None:
    with DataCentre(framework, tmp_path) as centre:
        learning(centre)
        assert centre.fabric.send("host1:eth3", [arp(MAC)]) == {}
        centre.wait(lambda: nodes(centre) == {NODE}, "the node is there")
        centre.wait_in_step()
        assert centre.client.node(NODE)["policy_networks"] == {"eth0": ["X"]}
        centre.check_tables()

        assert centre.fabric.send("host1:eth3", [arp(MAC)]) == {place: [arp(MAC)] for place in MEMBERS}
        for place, member in MEMBERS.items():
            assert centre.fabric.send("host1:eth3", [echo(MAC, member)]) == {place: [echo(MAC, member)]}
        answer = frames.ipv4_echo(Link(MEMBERS["host2:vm2.2"], MAC), "10.0.0.22", "10.0.0.77").to_bytes()
        assert centre.fabric.send("host2:vm2.2", [answer]) == {"host1:eth3": [answer]}
        # Nobody else gets in by that port, nor is told of.
        told = metric(centre, "vnet_learn_told_total")
        assert centre.fabric.send("host1:eth3", [arp(OTHER), echo(OTHER, MEMBERS["host1:vm1.1"])]) == {}
        assert metric(centre, "vnet_learn_told_total") == told

        # It outlives the controller, and goes with its port.
        learned = f"{NODE} was learned on host1:eth3"
        centre.wait(lambda: discovered(centre) == [learned], "it is told")
        centre.controller.kill()
        centre.controller.start()
        centre.wait_in_step()
        assert nodes(centre) == {NODE}
        centre.ovs.vsctl("del-port", "host1", "eth3")
        centre.wait(lambda: nodes(centre) == set(), "the node is gone")
        centre.wait_in_step()
        centre.check_tables()
        deleted = f"{NODE} is deleted: its port host1:eth3 is gone"
        centre.wait(lambda: discovered(centre) == [learned, deleted], "both are told")


def test_an_address_on_two_ports_stays_where_it_was_first(framework: str, tmp_path: Path) -> None:
    with DataCentre(framework, tmp_path) as centre:
        learning(centre)
        centre.fabric.send("host1:eth3", [arp(MAC)])
        centre.wait(lambda: nodes(centre) == {NODE}, "the node is there")
        centre.wait_in_step()
        revision = centre.client.node(NODE)
        for _ in range(20):
            assert centre.fabric.send("host2:eth4", [arp(MAC), echo(MAC, MEMBERS["host1:vm1.1"])]) == {}
            assert centre.fabric.send("host1:eth3", [arp(MAC)]) == {place: [arp(MAC)] for place in MEMBERS}
        conflict = f"conflict: 02:00:00:00:77:01 is seen on host2:eth4, and is node {NODE} at host1:eth3"
        centre.wait(lambda: discovered(centre)[1:] == [conflict], "the conflict is told")
        assert centre.client.node(NODE) == revision
        centre.check_tables()


def test_a_flood_makes_one_node_and_the_switch_holds_it_back(framework: str, tmp_path: Path) -> None:
    with DataCentre(framework, tmp_path) as centre:
        learning(centre)
        chance = random.Random(0)
        flood = [arp(0x0200_0000_0000 | chance.getrandbits(40)) for _ in range(FLOOD)]
        centre.fabric.send("host1:eth3", flood[:AT_ONCE])
        centre.wait(lambda: len(nodes(centre)) == 1, "one is learned")
        centre.wait_in_step()
        centre.fabric.send("host1:eth3", flood[AT_ONCE : 2 * AT_ONCE])
        assert len(nodes(centre)) == 1

        # A port that is kept for somebody tells of all who speak there, again and again.
        centre.client.put_node("red/keeper", {"interfaces": {"eth0": {"at": "host2:eth4"}}}, wait=10)
        told = metric(centre, "vnet_learn_told_total")
        began = time.monotonic()
        for start in range(0, FLOOD, AT_ONCE):
            centre.fabric.send("host2:eth4", flood[start : start + AT_ONCE])
            assert centre.client.status()["revision"] > 0
        seconds = time.monotonic() - began
        came, dropped = metered(centre, "host2")
        assert came == FLOOD and dropped > 0
        centre.wait(lambda: metric(centre, "vnet_learn_told_total") - told == came - dropped, "all is told that passed")
        # Full at the start, and filled again at its rate: so much passes at most, however long it took.
        assert came - dropped <= TELLING_BURST + TELLING_RATE * (seconds + 1)
        assert nodes(centre) - {"red/keeper"} and len(nodes(centre)) == 2
        centre.wait_in_step()
        centre.check_tables()


def metered(centre: DataCentre, switch: str) -> tuple[int, int]:
    """How many frames have come to the meter of a switch, and how many of them it has dropped."""
    text = centre.ovs.ofctl("meter-stats", switch, "meter=1")
    came, dropped = re.search(r"packet_in_count:(\d+)", text), re.search(r"0: packet_count:(\d+)", text)
    assert came is not None and dropped is not None, text
    return int(came[1]), int(dropped[1])
