"""What keeps bandwidth, on real switches: meters that are made, changed and deleted with the rows that name them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from driven_system import DrivenSystem
from dummy_fabric import DummyFabric, wait_until
from figure_system import web_service
from openflow_peer import OpenFlowPeer
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.compiler.pipeline import Metered, meter_of
from ryu_vnet.managers import requests
from ryu_vnet.managers.system import System
from ryu_vnet.openflow import replies
from ryu_vnet.openflow.meters import MeterKey
from ryu_vnet.openflow.rows import is_metered
from ryu_vnet.openflow.wire import MessageType, Version
from ryu_vnet.schema import (
    FabricSpec,
    Intent,
    InterfaceBandwidthSpec,
    InterfaceSpec,
    NetworkSpec,
    NodeSpec,
    SwitchSpec,
    TenantSpec,
)


def two_machines(send: str | None = None, receive: str | None = None) -> Intent:
    """Two machines in one network on h1, of which the first may not send or be sent more than so much."""
    limit = InterfaceBandwidthSpec(send=send, receive=receive) if send or receive else None
    nodes = {
        "one": NodeSpec(running=True, interfaces={"eth0": _interface(1, limit)}),
        "two": NodeSpec(running=True, interfaces={"eth0": _interface(2, None)}),
    }
    tenant = TenantSpec(networks={"X": NetworkSpec()}, nodes=nodes)
    return Intent(fabric=FabricSpec(switches={"h1": SwitchSpec(dpid=1, segment="a")}), tenants={"red": tenant})


def _interface(number: int, limit: InterfaceBandwidthSpec | None) -> InterfaceSpec:
    return InterfaceSpec(mac=f"02:00:00:00:00:0{number}", at=f"h1:p{number}", networks=["X"], bandwidth=limit)


class Recording(DrivenSystem):
    """Keeps the types of all messages that change something."""

    def __init__(self, fabric: DummyFabric, intent: Intent, version: Version) -> None:
        self.changes: list[MessageType] = []
        super().__init__(fabric, intent, version)

    def _send(self, name: str, chunks: Iterable[bytes]) -> None:
        sent = b"".join(chunks)
        for message in replies.split(sent)[0]:
            # In a bundle: behind its head, to which 1.3 adds an experimenter's.
            inner = {MessageType.BUNDLE_ADD_MESSAGE: 17, MessageType.EXPERIMENTER: 25}.get(MessageType(message[1]), 1)
            kind = message[inner] if inner < len(message) else 0
            if kind in (MessageType.FLOW_MOD, MessageType.GROUP_MOD, MessageType.METER_MOD):
                self.changes.append(MessageType(kind))
        super()._send(name, [sent])


@pytest.fixture
def fabric(tmp_path: Path) -> Iterator[DummyFabric]:
    with DummyOvs(tmp_path) as ovs:
        yield DummyFabric(ovs, two_machines())


@pytest.fixture(params=list(Version), ids=lambda version: version.name)
def driven(request: pytest.FixtureRequest, fabric: DummyFabric) -> Iterator[Recording]:
    with Recording(fabric, two_machines("20M", "100k"), request.param) as driven:
        driven.settle()
        yield driven


def apply(driven: Recording, intent: Intent) -> None:
    driven.changes.clear()
    assert driven.system.request(lambda work: requests.apply(work, intent)).changed
    driven.follow()


def meters(fabric: DummyFabric) -> dict[int, str]:
    """What a switch says of its meters, in the words of ovs-ofctl: what each is set to, by number."""
    said = re.findall(r"^meter=(\d+) (\S+).*\n(.*)$", fabric.ovs.ofctl("dump-meters", "h1"), re.MULTILINE)
    return {int(number): f"{unit} {band}" for number, unit, band in said}


def held(fabric: DummyFabric) -> dict[bytes, bytes]:
    with OpenFlowPeer(Version.OF14) as peer:
        peer.dial(fabric.ovs.folder / "h1.mgmt")
        return peer.dump_rows()


def port(fabric: DummyFabric, name: str) -> int:
    return int(fabric.ovs.vsctl("get", "interface", name, "ofport"))


def is_right(fabric: DummyFabric, system: System) -> bool:
    return held(fabric) == system.switches["h1"].wanted.rows


def test_they_are_there_with_a_second_at_once(fabric: DummyFabric, driven: Recording) -> None:
    number = port(fabric, "p1")
    assert meters(fabric) == {
        meter_of(Metered.SENT, number): "kbps type=drop rate=20000 burst_size=20000",
        # Less than a large packet at once, and none would ever pass.
        meter_of(Metered.RECEIVED, number): "kbps type=drop rate=100 burst_size=600",
    }
    assert is_right(fabric, driven.system)
    assert sum(map(is_metered, held(fabric).values())) == 2


def test_another_rate_touches_no_row(fabric: DummyFabric, driven: Recording) -> None:
    apply(driven, two_machines("30M", "100k"))
    assert driven.changes == [MessageType.METER_MOD]
    assert meters(fabric)[meter_of(Metered.SENT, port(fabric, "p1"))] == "kbps type=drop rate=30000 burst_size=30000"


def test_they_go_with_the_rows_that_name_them_and_come_back(fabric: DummyFabric, driven: Recording) -> None:
    apply(driven, two_machines())
    # Two rows without, and only then the meters: with a meter go the rows that name it.
    assert driven.changes == [MessageType.FLOW_MOD] * 2 + [MessageType.METER_MOD] * 2
    assert meters(fabric) == {}
    assert is_right(fabric, driven.system)
    apply(driven, two_machines("20M"))
    assert driven.changes == [MessageType.METER_MOD, MessageType.FLOW_MOD]
    assert [*meters(fabric)] == [meter_of(Metered.SENT, port(fabric, "p1"))]
    assert is_right(fabric, driven.system)
    assert not driven.system.drifts


def test_a_machine_that_is_gone_leaves_none(fabric: DummyFabric, driven: Recording) -> None:
    driven.system.request(lambda work: requests.delete_node(work, "red", "one"))
    driven.follow()
    assert meters(fabric) == {}
    assert is_right(fabric, driven.system)


@pytest.mark.parametrize("version", list(Version), ids=lambda version: version.name)
def test_a_controller_that_comes_again_changes_nothing(fabric: DummyFabric, version: Version) -> None:
    intent = two_machines("20M", "100k")
    with Recording(fabric, intent, version) as first:
        first.settle()
        assert MessageType.METER_MOD in first.changes
        fabric.ovs.ofctl("add-meter", "h1", "meter=4711,pktps,band=type=drop,rate=7")
        before = {number: text for number, text in meters(fabric).items() if number != 4711}
    with Recording(fabric, intent, version) as second:
        second.settle()
        # The one that nobody of ours needs.
        assert second.changes == [MessageType.METER_MOD]
        assert meters(fabric) == before
        second.changes.clear()
        second.system.audit("h1")
        readings = second.system.switches["h1"].readings
        second.follow(lambda: second.system.switches["h1"].readings > readings)
        assert second.changes == []


def test_tampering_is_found_and_put_right(fabric: DummyFabric, driven: Recording) -> None:
    before, number = meters(fabric), meter_of(Metered.SENT, port(fabric, "p1"))
    for tampering in (
        ("mod-meter", "h1", f"meter={number},kbps,burst,band=type=drop,rate=4000000,burst_size=1"),
        ("del-meter", "h1", f"meter={number}"),
        ("del-meters", "h1"),
        ("add-meter", "h1", "meter=99,pktps,band=type=drop,rate=7"),
    ):
        driven.system.drifts.clear()
        fabric.ovs.ofctl(*tampering)
        driven.system.audit("h1")
        readings = driven.system.switches["h1"].readings
        driven.follow(
            lambda readings=readings: driven.system.drifts and driven.system.switches["h1"].readings > readings
        )
        assert meters(fabric) == before, tampering
        assert is_right(fabric, driven.system)
        assert any(isinstance(drift.key, MeterKey) for _, drift in driven.system.drifts)


def test_what_is_dropped_is_counted_and_told_by_metrics(fabric: DummyFabric, driven: Recording) -> None:
    """100 frames of 1,000 bytes are 800 kilobits, and 600 go at once."""
    frame = bytes.fromhex("02000000000102000000000288b5") + bytes(986)
    fabric.ovs.appctl("netdev-dummy/receive", "p2", *[frame.hex()] * 100)
    manager, number = driven.system.switches["h1"], meter_of(Metered.RECEIVED, port(fabric, "p1"))

    def is_counted() -> bool:
        driven.system.count("h1")
        driven.follow(lambda: manager.meter_counts)
        return manager.meter_counts[number].packets == 100

    wait_until(is_counted, "100 packets at the meter")
    counts = manager.meter_counts[number]
    assert counts.octets == 100_000 and 10 < counts.dropped_packets < 40
    assert counts.dropped_octets == 1000 * counts.dropped_packets
    shown = web_service(driven.system).test_client().get("/metrics").text
    labels = '{of="red/one/eth0",switch="h1",verdict="%s",way="received"}'
    assert f"vnet_meter_packets_total{labels % 'dropped'} {counts.dropped_packets}.0" in shown
    assert f"vnet_meter_bytes_total{labels % 'passed'} {100_000 - counts.dropped_octets}.0" in shown
