"""What real frames see while things change: a scenario a test, each in a sandbox of its own (`traffic_scenarios`)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import traffic_scenarios as scenarios


def in_sandbox(scenario: Callable[[], Any]) -> Any:
    """Run a scenario; its result. What it printed is shown where it failed."""
    command = [sys.executable, str(Path(scenarios.__file__)), scenario.__name__]
    done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return json.loads(done.stdout.rpartition(scenarios.RESULT)[2])


def test_membership_and_lifecycle_change_who_is_reached() -> None:
    found = in_sandbox(scenarios.lifecycle)
    assert found == {
        "at first": [True, True],
        "detached": [False, True],
        "attached again": [True, True],
        "stopped": [False, True],
        "started": [True, True],
        "in another network": [False, True],
        "its tenant's new network works": True,
        "deleted": [False, True],
    }


def test_changes_elsewhere_lose_no_packet_of_those_who_stay() -> None:
    found = in_sandbox(scenarios.changes_under_traffic)
    assert found["changes"] > 20
    assert (found["lost"], found["twice"]) == (0, 0)
    assert found["messages that changed a table"] > 0


def test_tables_that_somebody_else_changes_are_put_right_and_nobody_else_loses_a_packet() -> None:
    found = in_sandbox(scenarios.tampered_tables)
    assert found == {
        "tampered": 16,
        "told": True,
        "all put right": True,
        "lost": 0,
        "twice": 0,
        "reached after all rows were deleted": True,
    }


def test_a_port_that_vanishes_and_comes_back_under_another_number() -> None:
    found = in_sandbox(scenarios.renumbered_port)
    assert found["first number"] != found["second number"]
    assert found["reached"] == [True, False, True]


def test_machines_with_addresses_of_the_controllers_choice_are_reached_also_after_a_move() -> None:
    found = in_sandbox(scenarios.chosen_addresses)
    assert found == {"rows for segment B at edgeA": 1, "reached": [True] * 3, "reached after the move": [True] * 3}


def test_a_frame_of_full_size_needs_room_on_the_core_and_status_says_so() -> None:
    found = in_sandbox(scenarios.small_mtu)
    assert found["reached at 1600"] is True
    assert found["reached at 1500"] is False
    assert "MTU of edgeA-core1 is 1500, below 1522" in found["warning"]


def test_tagged_frames_of_a_tenants_own_pass_whole_where_allowed() -> None:
    found = in_sandbox(scenarios.own_tags)
    assert found["allowed"] == {"one tag": True, "two tags": True, "across the core": True}
    assert found["not allowed"] == {"one tag": False, "two tags": False}
