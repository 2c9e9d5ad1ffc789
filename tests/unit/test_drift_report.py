"""What others changed on switches, in words: of rows and groups that are ours, and of anything else they may add."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner
from figure_system import figure_system, served, web_service

from ryu_vnet.cli import main
from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.rows import FieldMatch, Origin, Output, Row, Subject
from ryu_vnet.managers.change import Refusal
from ryu_vnet.managers.communication import State
from ryu_vnet.managers.difference import Key
from ryu_vnet.managers.drift import Drift
from ryu_vnet.managers.drift_report import (
    LATELY_SECONDS,
    DriftStatus,
    Moment,
    drift_statuses,
    drift_summary,
)
from ryu_vnet.managers.system import System
from ryu_vnet.openflow.changes import Kind
from ryu_vnet.openflow.rows import encode_row

NOW = Moment(5000.0, datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc))


@pytest.fixture
def system(tmp_path: Path) -> System:
    system = figure_system(tmp_path)
    for manager in system.switches.values():
        manager.state = State.IN_STEP
    return system


def drifted(system: System, key: Key, found: bytes | None, when: float = 4990.0, switch: str = "host1") -> DriftStatus:
    """Let a switch of the system have something else under a key, and read what is told of it."""
    manager = system.switches[switch]
    drift = Drift(switch, key, manager.standing.installed(key), found, "monitor")
    manager.standing.found(key, found)
    system.drifts.append((when, drift))
    return drift_statuses(system, NOW)[-1]


def row_of(system: System, table: int, switch: str = "host1") -> bytes:
    return min(key for key in system.switches[switch].wanted.rows if key[0] == table)


def test_a_row_that_was_removed(system: System) -> None:
    key = row_of(system, 30)
    told = drifted(system, key, None)
    assert (told.switch, told.what, told.by, told.place) == ("host1", "removed", "monitor", "NETWORK, priority 100")
    assert told.meaning == "red/vm1.1 eth0 speaks on network red/X"
    assert told.was == "set_field:16->network,set_field:1->tag,goto_table:FORWARD" and told.found is None
    assert told.match == "interface=1"
    assert (told.since, told.age) == ("2026-03-01T11:59:50.000+00:00", 10.0)
    assert not told.put_right and told.why == ""
    system.switches["host1"].standing.found(key, system.switches["host1"].wanted.rows[key])
    assert drift_statuses(system, NOW)[-1].put_right


def test_a_row_that_was_changed(system: System) -> None:
    key = row_of(system, 30)
    value = system.switches["host1"].wanted.rows[key]
    dropping = value[:16]
    told = drifted(system, key, dropping)
    assert told.what == "changed" and told.found == "drop" and told.meaning.endswith("speaks on network red/X")


def test_a_row_that_differs_in_what_words_leave_out(system: System) -> None:
    key = row_of(system, 30)
    value = system.switches["host1"].wanted.rows[key]
    other = b"\x00\x05" + value[2:]
    told = drifted(system, key, other)
    assert (told.was, told.found) == (value.hex(), other.hex())


def test_a_row_that_was_added(system: System) -> None:
    row = Row(80, 9, (FieldMatch(f.IN_PORT, 3),), (Output(4),), None, Origin(Subject.SWITCH, 1))
    told = drifted(system, *encode_row(row))
    assert (told.what, told.place, told.match) == ("added", "EGRESS, priority 9", "in_port=3")
    assert told.was is None and told.found == "output:4" and told.meaning == ""


def test_what_has_no_words_is_shown_as_it_is(system: System) -> None:
    """A table that we do not have, a match that we never write, instructions that mean nothing to us."""
    key = bytes([200, 0, 0, 7]) + bytes.fromhex("0001000c 8000 1204 00000000".replace(" ", "")) + bytes(4)
    told = drifted(system, key, b"\xff" * 40)
    assert told.place == "table 200, priority 7" and told.match == key.hex() and told.found == "ff" * 40
    group = drifted(system, 77, b"\x09\x00" + b"\xff" * 300)
    assert group.place == "group 0x4d" and group.found is not None and group.found.endswith("... (604 characters)")


def test_a_group(system: System) -> None:
    number = min(system.switches["host1"].wanted.groups)
    value = system.switches["host1"].wanted.groups[number]
    told = drifted(system, number, None)
    assert told.what == "removed" and told.place == f"group {number:#x}" and told.meaning.startswith("copies to ")
    assert told.was is not None and told.was.startswith(f"group_id={number},type=all,bucket=")
    again = drifted(system, number, value[:2])
    assert again.what == "added" and again.found == f"group_id={number},type=all"


def test_a_row_that_is_in_our_place_and_not_ours(system: System) -> None:
    """What somebody put there before, and changes once more, has no meaning of ours."""
    row = Row(80, 9, (FieldMatch(f.IN_PORT, 3),), (Output(4),), None, Origin(Subject.SWITCH, 1))
    key, value = encode_row(row)
    drifted(system, key, value)
    told = drifted(system, key, value[:16])
    assert told.what == "changed" and told.meaning == "" and (told.was, told.found) == ("output:4", "drop")


def test_what_is_not_put_right_says_why(system: System) -> None:
    key, manager = row_of(system, 30), system.switches["host1"]
    drifted(system, key, None)
    manager.state = State.CHANGING
    assert drift_statuses(system, NOW)[-1].why == "changes are on their way to it"
    step = (Kind.ROW_ADD, key, manager.wanted.rows[key])
    manager.rejected[key] = Refusal(step, "OFPFMFC_TABLE_FULL")
    assert drift_statuses(system, NOW)[-1].why == "the switch refuses it: OFPFMFC_TABLE_FULL"
    manager.rejected.clear()
    # Away, it may have anything.
    manager.standing.found(key, manager.wanted.rows[key])
    manager.state = State.AWAY
    away = drift_statuses(system, NOW)[-1]
    assert not away.put_right and away.why == "it is not connected"
    del system.switches["host1"]
    gone = drift_statuses(system, NOW)[-1]
    assert gone.put_right and gone.meaning == ""


def test_of_one_switch_and_the_oldest_first(system: System) -> None:
    for switch, when in (("host1", 10.0), ("host2", 20.0), ("host1", 30.0)):
        drifted(system, row_of(system, 30, switch), None, when, switch)
    assert [told.age for told in drift_statuses(system, NOW)] == [4990.0, 4980.0, 4970.0]
    assert [told.age for told in drift_statuses(system, NOW, "host1")] == [4990.0, 4970.0]
    assert drift_statuses(system, NOW, "host3") == []


def test_the_summary_is_of_the_last_hour(system: System) -> None:
    key = row_of(system, 30)
    drifted(system, key, None, NOW.clock - LATELY_SECONDS - 1)
    assert (drift_summary(system, NOW).lately, drift_summary(system, NOW).not_put_right) == (0, 0)
    drifted(system, key, system.switches["host1"].wanted.rows[key], NOW.clock - 1)
    assert (drift_summary(system, NOW).lately, drift_summary(system, NOW).not_put_right) == (1, 0)
    # The same row twice is one that is not put right.
    drifted(system, key, None)
    drifted(system, key, b"\x00" * 16)
    assert (drift_summary(system, NOW).lately, drift_summary(system, NOW).not_put_right) == (3, 1)


def test_the_commands_show_it(system: System, tmp_path: Path) -> None:
    def make_system() -> System:
        served_one = figure_system(tmp_path / "served")
        for manager in served_one.switches.values():
            manager.state = State.IN_STEP
        key = row_of(served_one, 30)
        manager = served_one.switches["host1"]
        served_one.delivery.on_drift(Drift("host1", key, manager.wanted.rows[key], None, "monitor"))
        foreign = Row(80, 9, (FieldMatch(f.IN_PORT, 3),), (Output(4),), None, Origin(Subject.SWITCH, 1))
        added, value = encode_row(foreign)
        served_one.delivery.on_drift(Drift("host2", added, None, value, "audit"))
        served_one.switches["host2"].standing.found(added, value)
        return served_one

    (tmp_path / "served").mkdir()
    with served(lambda: web_service(make_system())) as url:

        def vnet(*arguments: str) -> str:
            result = CliRunner().invoke(main, ["--url", url, *arguments])
            assert result.exit_code in (0, 4), result.output
            return result.stdout

        shown = [" ".join(line.split()[1:]) for line in vnet("drift").splitlines()]
        ours = "NETWORK, priority 100: red/vm1.1 eth0 speaks on network red/X"
        assert f"host1 removed monitor put right {ours}" in shown
        assert "host2 added audit not put right EGRESS, priority 9: in_port=3: output:4" in shown
        assert "host2" not in vnet("drift", "host1")
        as_json = json.loads(vnet("drift", "--json"))
        assert [part["put_right"] for part in as_json] == [True, False]
        assert datetime.fromisoformat(as_json[0]["since"]).tzinfo is not None and 0 <= as_json[0]["age"] < 60
        assert "2 time(s) in the last hour others changed a row or group, 1 not put right" in vnet("status")
        assert "there is no switch 'host9'" in CliRunner().invoke(main, ["--url", url, "drift", "host9"]).stderr
