"""The communication manager against a real switch: what is wanted is what is there, with the fewest messages."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from drawn import plug_everything
from driven_switch import Driven
from memory_store import MemoryStore
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.fabric.observed import PortState
from ryu_vnet.managers import requests
from ryu_vnet.managers.communication import Effects
from ryu_vnet.managers.difference import Contents
from ryu_vnet.managers.system import System
from ryu_vnet.openflow.wire import Version
from ryu_vnet.schema import Intent

FIGURE = Path(__file__).parents[2] / "topologies" / "figure.yaml"
SWITCH = "edgeA"
FOREIGN_ROW = "table=7,tcp,tp_dst=80,actions=learn(table=9,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]),output:2"
PORTS = ("edgeA-host1", "edgeA-host2", "edgeA-core1")


def contents_of(intent: Intent) -> tuple[Contents, System]:
    """What edgeA is to hold once all switches are there, with its ports numbered as they are here."""
    system = System(MemoryStore(), lambda name, messages: None, lambda: 0.0)
    system.request(lambda work: requests.apply(work, intent))
    plug_everything(system)
    system.effect(SWITCH, Effects(ports={name: PortState(number, True) for number, name in enumerate(PORTS, 1)}))
    return system.switches[SWITCH].wanted, system


def figure_contents() -> Contents:
    """What edgeA is to hold in the figure."""
    return contents_of(Intent.model_validate(yaml.safe_load(FIGURE.read_text())))[0]


@pytest.fixture(params=[Version.OF13, Version.OF14], ids=["1.3", "1.4"])
def driven(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Driven]:
    with DummyOvs(tmp_path) as ovs:
        driven = figure_switch(ovs, request.param)
        with driven.peer:
            yield driven


def figure_switch(ovs: DummyOvs, version: Version) -> Driven:
    """edgeA of the figure, which connects by itself."""
    return Driven(ovs, version, SWITCH, 0xA, PORTS, dialled=False)


def test_an_empty_switch_gets_its_table(driven: Driven) -> None:
    wanted = figure_contents()
    driven.wish(wanted, 7)
    driven.connect()
    assert driven.manager.in_step and not driven.manager.unacknowledged
    assert driven.manager.messages_sent == len(wanted.rows) + len(wanted.groups)
    driven.check(wanted)


def test_the_order_of_wish_and_connection_does_not_matter(driven: Driven) -> None:
    wanted = figure_contents()
    driven.connect()
    driven.check(Contents())
    driven.want(wanted)
    driven.check(wanted)


def test_a_switch_that_has_its_table_is_sent_nothing(driven: Driven) -> None:
    wanted = figure_contents()
    driven.wish(wanted, 1)
    driven.connect()
    driven.restart()
    driven.connect()
    assert driven.manager.in_step and driven.manager.messages_sent == 0
    driven.check(wanted)


def test_what_others_left_is_put_right_on_connection(driven: Driven) -> None:
    wanted = figure_contents()
    driven.wish(wanted, 1)
    driven.connect()
    driven.cut()
    driven.ovs.ofctl("add-flow", SWITCH, "table=0,priority=65535,actions=NORMAL")
    driven.ovs.ofctl("add-flow", SWITCH, FOREIGN_ROW)
    driven.ovs.ofctl("del-flows", SWITCH, "table=80")
    driven.ovs.ofctl("mod-flows", SWITCH, "table=40,actions=drop")
    number = min(wanted.groups)
    driven.ovs.ofctl("mod-group", SWITCH, f"group_id={number},type=all,bucket=output:1")
    driven.ovs.ofctl("add-group", SWITCH, "group_id=999,type=select,bucket=output:1,bucket=output:2")
    driven.connect()
    assert driven.manager.in_step
    driven.check(wanted)


def test_a_foreign_group_of_another_type_is_replaced_with_the_rows_that_name_it(
    driven: Driven,
) -> None:
    wanted = figure_contents()
    number = min(wanted.groups)
    driven.wish(wanted, 1)
    driven.connect()
    driven.cut()
    driven.ovs.ofctl("mod-group", SWITCH, f"group_id={number},type=select,bucket=output:1,bucket=output:2")
    driven.connect()
    assert driven.manager.in_step
    driven.check(wanted)


def test_any_sequence_of_wishes_ends_at_the_last(driven: Driven) -> None:
    everything = figure_contents()
    chance = random.Random(1)
    driven.connect()
    for revision in range(1, 40):
        groups = {number: value for number, value in everything.groups.items() if chance.random() < 0.7}
        row_of_group = {
            row for row, value in everything.rows.items() if any(_names(value, g) for g in everything.groups)
        }
        rows = {
            key: value
            for key, value in everything.rows.items()
            if chance.random() < 0.7 and (key not in row_of_group or any(_names(value, number) for number in groups))
        }
        driven.want(Contents(rows, groups), revision)
        assert driven.manager.in_step
        driven.check(Contents(rows, groups))


def _names(value: bytes, group: int) -> bool:
    """Whether a row's actions hand the frame to a group (OFPAT_GROUP is 22, 8 bytes long)."""
    return b"\x00\x16\x00\x08" + group.to_bytes(4, "big") in value


def test_a_refused_row_is_named_and_holds_up_no_other(driven: Driven) -> None:
    wanted = figure_contents()
    driven.ovs.vsctl(
        *("--id=@small", "create", "Flow_Table", "flow_limit=2", "overflow_policy=refuse"),
        *("--", "set", "bridge", SWITCH, "flow_tables:70=@small"),
    )
    in_forward = {key for key in wanted.rows if key[0] == 70}
    driven.wish(wanted, 1)
    driven.connect()
    assert not driven.manager.in_step and list(driven.manager.unacknowledged) == [1]
    assert set(driven.manager.rejected) < in_forward
    assert len(driven.manager.rejected) == len(in_forward) - 2
    assert all("TABLE_FULL" in refusal.reason for refusal in driven.manager.rejected.values())
    there = driven.peer.dump_rows()
    assert set(wanted.rows) - set(there) == set(driven.manager.rejected)

    driven.ovs.vsctl("clear", "bridge", SWITCH, "flow_tables")
    driven.do(driven.manager.retry())
    driven.settle()
    assert driven.manager.in_step and not driven.manager.unacknowledged
    driven.check(wanted)


def test_a_connection_cut_in_the_middle_of_a_change_does_no_harm(driven: Driven) -> None:
    wanted = figure_contents()
    driven.connect()
    for revision in range(1, 4):
        contents = wanted if revision % 2 else Contents()
        for chunks in driven.wish(contents, revision).send:
            message = b"".join(chunks)
            driven.peer.send(message[: len(message) * revision // 4])
        driven.cut()
        driven.connect()
        assert driven.manager.in_step
        driven.check(contents)


def test_ports_that_appear_vanish_and_are_renumbered_are_reported(driven: Driven) -> None:
    driven.connect()
    first = driven.manager.ports
    assert {name: state.number for name, state in first.items()} == {
        "edgeA-host1": 1,
        "edgeA-host2": 2,
        "edgeA-core1": 3,
    }
    assert any(effects.ports == first for effects in driven.seen)
    driven.ovs.vsctl("add-port", SWITCH, "late", "--", "set", "interface", "late", "type=dummy", "ofport_request=9")
    driven.settle(lambda: "late" in driven.manager.ports)
    assert driven.manager.ports["late"].number == 9
    driven.ovs.vsctl("set", "interface", "late", "ofport_request=11")
    driven.settle(lambda: "late" in driven.manager.ports and driven.manager.ports["late"].number == 11)
    driven.ovs.vsctl("del-port", SWITCH, "late")
    driven.settle(lambda: "late" not in driven.manager.ports)
    driven.ovs.ofctl("mod-port", SWITCH, "edgeA-host1", "down")
    driven.settle(lambda: not driven.manager.ports["edgeA-host1"].up)


def test_a_port_that_went_while_the_switch_was_away_is_forgotten(driven: Driven) -> None:
    """Its number may be another's now, who must not be taken for it."""
    driven.connect()
    driven.cut()
    driven.ovs.vsctl("del-port", SWITCH, "edgeA-host1")
    driven.ovs.vsctl("add-port", SWITCH, "new", "--", "set", "interface", "new", "type=dummy", "ofport_request=1")
    driven.connect()
    assert {name: state.number for name, state in driven.manager.ports.items()} == {
        **{name: number for number, name in enumerate(PORTS, 1) if name != "edgeA-host1"},
        "new": 1,
    }


def test_looking_reads_the_counters_and_changes_nothing_of_its_own_accord(driven: Driven) -> None:
    wanted = figure_contents()
    driven.wish(wanted, 1)
    driven.connect()
    sent = driven.manager.messages_sent
    driven.do(driven.manager.look())
    driven.settle(lambda: any(effects.looked for effects in driven.seen))
    assert driven.manager.messages_sent == sent and driven.drift == []
    assert driven.manager.counts.keys() == wanted.rows.keys()


def test_what_others_put_there_is_seen_and_goes(driven: Driven) -> None:
    wanted = figure_contents()
    driven.wish(wanted, 1)
    driven.connect()
    driven.ovs.ofctl("add-flow", SWITCH, "table=0,priority=1,actions=drop")
    driven.do(driven.manager.look())
    driven.settle(lambda: any(effects.looked for effects in driven.seen))
    driven.settle()
    assert set(driven.manager.counts) > set(wanted.rows)
    assert [drift.what for drift in driven.drift] == ["added"]
    driven.check(wanted)
