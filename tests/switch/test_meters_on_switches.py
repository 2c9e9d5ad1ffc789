"""The meter in front of what a switch tells, on real switches: bytes, and what becomes of it and of its rows."""

from __future__ import annotations

import select
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from driven_system import DrivenSystem
from dummy_fabric import DummyFabric
from openflow_peer import PATIENCE_SECONDS, OpenFlowPeer
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.compiler.pipeline import TELLING_BURST, TELLING_METER, TELLING_RATE
from ryu_vnet.compiler.read_text import read_row
from ryu_vnet.compiler.rows import MeterBand
from ryu_vnet.compiler.text import actions_text, row_text
from ryu_vnet.managers import requests
from ryu_vnet.managers.communication import State
from ryu_vnet.managers.drift_report import Moment, drift_statuses
from ryu_vnet.openflow import messages, replies
from ryu_vnet.openflow.meters import MeterKey, encode_meter
from ryu_vnet.openflow.rows import FOREIGN, decode_row, is_metered
from ryu_vnet.openflow.wire import MessageType, Version
from ryu_vnet.schema import FabricSpec, Intent, InterfaceSpec, LearnSpec, NodeSpec, SwitchSpec, TenantSpec

SETTING = f"meter={TELLING_METER} pktps burst bands=\ntype=drop rate={TELLING_RATE} burst_size={TELLING_BURST}"


def two_hosts(*, learn: bool = True) -> Intent:
    """Machines are learned on a port of h1, and on none of h2. (A port is there because a stopped node names it.)"""
    ports = {"p1": LearnSpec(tenant="red")} if learn else {}
    switches = {"h1": SwitchSpec(dpid=1, segment="a", learn=ports), "h2": SwitchSpec(dpid=2, segment="b")}
    places = {"one": "h1:p1", "two": "h2:p2"}
    nodes = {name: NodeSpec(interfaces={"eth0": InterfaceSpec(at=at)}) for name, at in places.items()}
    return Intent(fabric=FabricSpec(switches=switches), tenants={"red": TenantSpec(nodes=nodes)})


class Withholding(DrivenSystem):
    """As if switches knew no meters: what would make one never comes to them."""

    withholds = True

    def _send(self, name: str, chunks: Iterable[bytes]) -> None:
        sent = replies.split(b"".join(chunks))[0]
        super()._send(name, [one for one in sent if not (self.withholds and one[1] == MessageType.METER_MOD)])

    def connect(self) -> None:
        """Have all switches connect, and pass on what they say until each has taken or refused what it is to have."""
        for name, peer in self.peers.items():
            self._fabric.connect(peer.address, name)
            peer.accept()
            self.system.switch_connected(name, self.version)
        while any(manager.state is not State.IN_STEP for manager in self.system.switches.values()):
            ready, _, _ = select.select([*self.peers.values()], [], [], PATIENCE_SECONDS)
            assert ready
            for name, peer in self.peers.items():
                for message in peer.arrived() if peer in ready else ():
                    self.system.switch_message(name, message)


@pytest.fixture
def fabric(tmp_path: Path) -> Iterator[DummyFabric]:
    with DummyOvs(tmp_path) as ovs:
        yield DummyFabric(ovs, two_hosts())


@pytest.fixture(params=list(Version), ids=lambda version: version.name)
def driven(request: pytest.FixtureRequest, fabric: DummyFabric) -> Iterator[DrivenSystem]:
    with DrivenSystem(fabric, two_hosts(), request.param) as driven:
        driven.settle()
        yield driven


def meters(fabric: DummyFabric, name: str) -> str:
    """What a switch says of its meters, in the words of ovs-ofctl."""
    return "\n".join(fabric.ovs.ofctl("dump-meters", name).strip().splitlines()[1:])


def held(fabric: DummyFabric, name: str) -> dict[bytes, bytes]:
    with OpenFlowPeer(Version.OF14) as peer:
        peer.dial(fabric.ovs.folder / f"{name}.mgmt")
        return peer.dump_rows()


def test_it_is_there_where_a_row_needs_it_and_nowhere_else(fabric: DummyFabric, driven: DrivenSystem) -> None:
    assert meters(fabric, "h1") == SETTING
    assert meters(fabric, "h2") == ""
    for name in ("h1", "h2"):
        assert held(fabric, name) == driven.system.switches[name].wanted.rows
    assert [is_metered(value) for value in held(fabric, "h1").values()].count(True) == 1


def test_what_is_deleted_behind_our_back_comes_back(fabric: DummyFabric, driven: DrivenSystem) -> None:
    fabric.ovs.ofctl("del-meters", "h1")
    driven.follow(lambda: driven.system.drifts)
    assert {(type(drift.key), drift.what) for _, drift in driven.system.drifts} == {
        (MeterKey, "removed"),
        (bytes, "removed"),
    }
    assert meters(fabric, "h1") == SETTING
    assert held(fabric, "h1") == driven.system.switches["h1"].wanted.rows


def test_a_rate_that_somebody_has_changed_is_set_again(fabric: DummyFabric, driven: DrivenSystem) -> None:
    fabric.ovs.ofctl("mod-meter", "h1", f"meter={TELLING_METER},pktps,band=type=drop,rate=1000000")
    readings = driven.system.switches["h1"].readings
    driven.system.audit("h1")
    driven.follow(lambda: driven.system.switches["h1"].readings > readings)
    assert meters(fabric, "h1") == SETTING
    ((_, drift),) = driven.system.drifts
    by = "monitor" if driven.version >= Version.OF14 else "audit"
    assert (drift.key, drift.what, drift.by) == (MeterKey(TELLING_METER), "changed", by)
    (said,) = drift_statuses(driven.system, Moment(time.monotonic(), datetime.now()))
    assert (said.place, said.found) == (f"meter {TELLING_METER:#x}", "1000000 packets a second, 1000000 at once")
    assert said.put_right


def test_a_meter_that_is_there_already_is_no_trouble(fabric: DummyFabric, driven: DrivenSystem) -> None:
    assert driven.system.request(lambda work: requests.apply(work, two_hosts(learn=False))).changed
    driven.follow()
    assert not any(is_metered(value) for value in held(fabric, "h1").values())
    assert driven.system.request(lambda work: requests.apply(work, two_hosts())).changed
    driven.follow()
    assert held(fabric, "h1") == driven.system.switches["h1"].wanted.rows
    assert not driven.system.switches["h1"].rejected


def test_a_bridge_that_leaves_the_fabric_keeps_no_meter(fabric: DummyFabric, driven: DrivenSystem) -> None:
    without = Intent(fabric=FabricSpec(switches={"h2": SwitchSpec(dpid=2, segment="b")}))

    def edit(work: requests.Work) -> None:
        requests.delete_node(work, "red", "one")
        requests.apply(work, without)

    driven.system.request(edit)
    driven.peers["h1"].until_barrier()
    assert meters(fabric, "h1") == ""
    assert held(fabric, "h1") == {}


def test_a_switch_that_can_have_no_meter_refuses_the_row_and_that_is_said(fabric: DummyFabric) -> None:
    with Withholding(fabric, two_hosts(), Version.OF14) as driven:
        driven.connect()
        manager = driven.system.switches["h1"]
        refused = [refusal.reason for refusal in manager.rejected.values()]
        assert refused == ["OFPET_METER_MOD_FAILED OFPMMFC_INVALID_METER"]
        assert meters(fabric, "h1") == ""
        unmetered = {key: value for key, value in manager.wanted.rows.items() if not is_metered(value)}
        assert held(fabric, "h1") == unmetered
        # As soon as it can have one, it tells.
        driven.withholds = False
        driven.system.retry()
        driven.follow()
        assert meters(fabric, "h1") == SETTING
        assert held(fabric, "h1") == manager.wanted.rows


@pytest.mark.parametrize("version", list(Version), ids=lambda version: version.name)
def test_the_bytes(version: Version, tmp_path: Path) -> None:
    """Open vSwitch takes what we write: all of it, and as it was meant."""
    with DummyOvs(tmp_path) as ovs, OpenFlowPeer(version) as peer:
        ovs.add_bridge("s", 1)
        peer.dial(tmp_path / "s.mgmt")
        peer.send(messages.meter_add(version, peer.xid(), 3, encode_meter(MeterBand(3, 17, 5))))
        assert peer.until_barrier() == []
        assert "meter=3 pktps burst bands=\ntype=drop rate=17 burst_size=5" in ovs.ofctl("dump-meters", "s")
        peer.send(messages.meter_add(version, peer.xid(), 3, encode_meter(MeterBand(3, 17, 5))))
        (refusal,) = peer.until_barrier()
        assert replies.error(refusal).code_name == "OFPMMFC_METER_EXISTS"
        peer.send(messages.meter_modify(version, peer.xid(), 3, encode_meter(MeterBand(3, 18, 6))))
        assert peer.until_barrier() == []
        assert "type=drop rate=18 burst_size=6" in ovs.ofctl("dump-meters", "s")
        peer.send(messages.all_meters_delete(version, peer.xid()) * 2)
        assert peer.until_barrier() == []
        assert "meter=3" not in ovs.ofctl("dump-meters", "s")


def test_the_text_of_a_row_is_what_ovs_ofctl_reads_and_writes(fabric: DummyFabric, driven: DrivenSystem) -> None:
    key, value = next(item for item in held(fabric, "h1").items() if is_metered(item[1]))
    row, _ = decode_row(key, value)
    line = next(line for line in fabric.ovs.ofctl("dump-flows", "h1", "table=0").splitlines() if "meter" in line)
    assert line.endswith(f"actions={actions_text(row.actions)}")
    read = read_row(line, {})
    assert (read.table, read.priority, read.match) == row.key
    fabric.ovs.ofctl("add-meter", "h2", f"meter={TELLING_METER},pktps,band=type=drop,rate=1")
    fabric.ovs.ofctl("add-flow", "h2", row_text(row))
    assert decode_row(key, held(fabric, "h2")[key])[0] == replace(row, origin=FOREIGN)
