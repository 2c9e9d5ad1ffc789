"""Cables that lead elsewhere than declared, on real switches: told while they do, and nothing is told for nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from controller_process import ControllerProcess
from driven_system import DrivenSystem
from dummy_fabric import DummyFabric, wait_until
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.compiler.rows import Subject, origin_of
from ryu_vnet.fabric import lldp
from ryu_vnet.openflow import replies
from ryu_vnet.openflow.wire import MessageType, Version
from ryu_vnet.schema import Intent

PATIENCE_SECONDS = 60.0
MACS = {"vm1": 0x02_00_00_00_00_01, "vm2": 0x02_00_00_00_00_02}
INTENT: dict[str, Any] = {
    "fabric": {
        "switches": {
            "host1": {"dpid": 1, "segment": "A"},
            "edgeA": {"dpid": 2, "segment": "A"},
            "edgeB": {"dpid": 3, "segment": "B"},
        },
        "links": [
            {"kind": "trunk", "a": "host1:h", "b": "edgeA:e"},
            {"kind": "core", "a": "edgeA:a1", "b": "edgeB:b1"},
            {"kind": "core", "a": "edgeA:a2", "b": "edgeB:b2"},
        ],
    },
    "tenants": {
        "red": {
            "networks": {"X": {}},
            "nodes": {
                name: {"running": True, "interfaces": {"eth0": {"mac": mac, "at": f"host1:{name}", "network": "X"}}}
                for name, mac in ((name, ":".join(re.findall("..", f"{mac:012x}"))) for name, mac in MACS.items())
            },
        }
    },
}
RIGHT = (("h", "e"), ("a1", "b1"), ("a2", "b2"))
CROSSED = (("h", "e"), ("a1", "b2"), ("a2", "b1"))
LINK_PORTS = {"host1": ["h"], "edgeA": ["e", "a1", "a2"], "edgeB": ["b1", "b2"]}


class PatchedFabric:
    """Three bridges, whose link ports are patch ports; and a controller that has its link ports say who they are."""

    def __init__(self, ovs: DummyOvs, controller: ControllerProcess) -> None:
        self.ovs = ovs
        self.client = controller.client
        for dpid, (name, ports) in enumerate(LINK_PORTS.items(), 1):
            ovs.add_bridge(name, dpid, ports=["vm1", "vm2", "spare"] if name == "host1" else [])
            for port in ports:
                ovs.vsctl(
                    "add-port", name, port, "--", "set", "interface", port, "type=patch", f"options:peer=no{port}"
                )

    def cable(self, *cables: tuple[str, str]) -> None:
        """Lay cables, in place of those that the ports have now."""
        ends = [end for a, b in cables for end in ((a, b), (b, a))]
        self.ovs.vsctl(
            *(word for near, far in ends for word in ("--", "set", "interface", near, f"options:peer={far}"))
        )

    def connect(self, target: str) -> None:
        for name in LINK_PORTS:
            self.ovs.vsctl(
                "set-controller", name, target, "--", "set", "controller", name, "connection_mode=out-of-band"
            )

    def differences(self) -> set[tuple[str, str, str | None]]:
        """Of cables, as the controller tells them now."""
        found = self.client.fabric()["differences"]
        return {(one["kind"], one["at"], one["heard"]) for one in found if one["kind"] != "undeclared"}

    def wait(self, wanted: set[tuple[str, str, str | None]]) -> None:
        wait_until(lambda: self.differences() == wanted, f"{wanted}", PATIENCE_SECONDS, pause=0.1)

    def heard(self) -> list[int]:
        """How many LLDP frames each switch has told of."""
        shown = (self.ovs.ofctl("dump-flows", name, "dl_type=0x88cc") for name in LINK_PORTS)
        return [sum(map(int, re.findall(r"n_packets=(\d+)", text))) for text in shown]

    def told(self) -> list[tuple[str, bool]]:
        """What has become an event: each difference's port, and whether it began or ended."""
        events = (event["details"] for event in self.client.events(limit=1000))
        return [(one["port"], one["is_so"]) for one in events if "is_so" in one]


@contextmanager
def patched(framework: str, folder: Path, *cables: tuple[str, str]) -> Iterator[PatchedFabric]:
    """All in step."""
    with (
        DummyOvs(folder / "ovs") as ovs,
        ControllerProcess(framework, folder, {"VNET_OVSDB": ovs.database, "VNET_LLDP_SECONDS": "1"}) as controller,
    ):
        fabric = PatchedFabric(ovs, controller)
        fabric.cable(*cables)
        fabric.connect(controller.target)
        assert controller.client.apply(INTENT, wait=PATIENCE_SECONDS).realised
        yield fabric


def test_crossed_cables_are_told_until_they_are_mended(framework: str, tmp_path: Path) -> None:
    crossed = {
        ("elsewhere", "edgeA:a1", "edgeB:b2"),
        ("elsewhere", "edgeA:a2", "edgeB:b1"),
        ("elsewhere", "edgeB:b1", "edgeA:a2"),
        ("elsewhere", "edgeB:b2", "edgeA:a1"),
    }
    with patched(framework, tmp_path, *CROSSED) as fabric:
        fabric.wait(crossed)
        assert fabric.client.status()["differences"]["elsewhere"] == 4
        assert 'vnet_fabric_differences{kind="elsewhere"} 4.0' in fabric.client.metrics()
        assert all(link["up"] for link in fabric.client.fabric()["links"])

        fabric.cable(*RIGHT)
        fabric.wait(set())
        ends = {(port, is_so) for _, port, _ in crossed for is_so in (True, False)}
        wait_until(lambda: set(fabric.told()) >= ends, f"events {ends}", PATIENCE_SECONDS, pause=0.1)

        # A cable that is pulled out at both ends, without either port going down.
        fabric.ovs.vsctl("set", "interface", "h", "options:peer=nothing")
        fabric.wait({("silent", "host1:h", None), ("silent", "edgeA:e", None)})
        fabric.cable(*RIGHT)
        fabric.wait(set())


def test_right_cables_and_forged_frames_tell_nothing(framework: str, tmp_path: Path) -> None:
    with patched(framework, tmp_path, *RIGHT) as fabric:
        # As many as say who they are in ten intervals, and everybody is heard.
        wait_until(lambda: min(fabric.heard()) >= 10, "everybody is heard", PATIENCE_SECONDS, pause=0.1)
        for frame in forged():
            fabric.ovs.appctl("netdev-dummy/receive", "vm1", frame.hex())
            fabric.ovs.appctl("netdev-dummy/receive", "spare", frame.hex())
        before = fabric.heard()
        wait_until(lambda: min(n - m for n, m in zip(fabric.heard(), before, strict=True)) >= 5, "and later", 60.0)
        assert fabric.differences() == set() and fabric.told() == []
        undeclared = [one for one in fabric.client.fabric()["differences"] if one["kind"] == "undeclared"]
        assert [(one["at"], one["text"].rpartition(": ")[2]) for one in undeclared] == [("host1", "spare")]


def forged() -> list[bytes]:
    """What vm1 could send to pass for a switch port, or for other equipment, to every address that LLDP has."""
    own = lldp.write(b"guessed", lldp.Announcement(3, "b1"), MACS["vm1"], 120)
    other = own[:14] + bytes.fromhex("02070461626364656604030361620602007800" + "00")
    to = [bytes.fromhex(f"0180c20000{last}") for last in ("0e", "03", "00")]
    return [group + frame[6:] for frame in (own, other) for group in to]


@pytest.mark.parametrize("version", [Version.OF13, Version.OF14])
def test_frames_of_machines_are_told_by_no_switch(version: Version, tmp_path: Path) -> None:
    """From an access port no switch tells of them, wherever they come to; the same on a wire are told once each."""
    intent = Intent.model_validate(INTENT)
    with DummyOvs(tmp_path) as ovs:
        fabric = DummyFabric(ovs, intent)
        with DrivenSystem(fabric, intent, version) as driven:
            driven.settle()

            def told() -> dict[str, list[bytes]]:
                found = {}
                for name, peer in driven.peers.items():
                    messages = [message for message in peer.until_barrier() if message[1] == MessageType.PACKET_IN]
                    found[name] = [replies.packet_in(message) for message in messages]
                origins = {origin_of(one.cookie) for all_of_it in found.values() for one in all_of_it}
                assert all(origin is not None and origin.subject is Subject.SWITCH for origin in origins)
                return {name: [one.data for one in all_of_it] for name, all_of_it in found.items() if all_of_it}

            # They go where any other frame to a group goes: to whoever is in the same network.
            assert fabric.send("host1:vm1", forged()) == {"host1:vm2": forged()}
            assert told() == {}
            for frame in forged():
                ovs.appctl("netdev-dummy/receive", "e", frame.hex())
            wait_until(
                lambda: "n_packets=6" in ovs.ofctl("dump-flows", "edgeA", "table=40,dl_type=0x88cc"), "on a wire"
            )
            assert told() == {"edgeA": forged()}
            # With a tag, they would be some tenant's.
            tagged = forged()[0][:12] + bytes.fromhex("81000001") + forged()[0][12:]
            ovs.appctl("netdev-dummy/receive", "e", tagged.hex())
            assert told() == {}
