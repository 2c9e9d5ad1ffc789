"""The simulator and a real ovs-vswitchd send the same bytes out of the same ports in the same order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from dummy_ovs import DummyOvs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_tables import random_frame, random_table
from trial_switch import PORTS, TrialSwitch, row_text

from ryu_vnet.compiler.rows import SwitchTable
from ryu_vnet.verify.packet import parse
from ryu_vnet.verify.simulate import Simulator

FRAMES_PER_TABLE = 12


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrialSwitch]:
    folder: Path = tmp_path_factory.mktemp("agrees")
    with DummyOvs(folder) as ovs:
        yield TrialSwitch(ovs)


def simulated(table: SwitchTable, port: int, frame: bytes) -> dict[int, list[bytes]]:
    """What the simulator says leaves each port."""
    sent: dict[int, list[bytes]] = {}
    for delivery in Simulator({"s": table}, {}).inject("s", port, parse(frame)).deliveries:
        sent.setdefault(delivery.port, []).append(delivery.frame.to_bytes())
    return sent


def assert_agree(switch: TrialSwitch, table: SwitchTable, port: int, frames: list[bytes]) -> int:
    """Compare frame by frame; the number of frames that left."""
    count = 0
    for frame in frames:
        expected, real = simulated(table, port, frame), switch.send(port, [frame])
        if expected != real:
            rows = "\n".join(row_text(row) for row in table.rows.values())
            told = Simulator({"s": table}, {}).inject("s", port, parse(frame)).text()
            pytest.fail(
                f"{frame.hex()} into {port}\nsimulated {told}\n\nreal {switch.trace(port, frame)}\n{rows}\n{table.groups}\nexpected {expected}\nreal {real}"
            )
        count += sum(len(out) for out in real.values())
    return count


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(random=st.randoms(use_true_random=False))
def test_random_small_tables(switch: TrialSwitch, random: Random) -> None:
    table = random_table(random)
    switch.load(table)
    for port in range(1, PORTS + 1):
        assert_agree(switch, table, port, [random_frame(random) for _ in range(FRAMES_PER_TABLE // PORTS)])
