"""OVN as the benchmark runs it: comes up, does what is timed, and leaves nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from vnet_bench.ovn import OvnPeer
from vnet_bench.ovn_layout import Layout

PORTS = 6
LAYOUT = Layout(members=3)


def daemons_of(folder: Path) -> list[str]:
    """The command lines of all processes that were told of a folder."""
    lines = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(folder) in line:
            lines.append(line)
    return lines


def test_ports_come_and_go_on_both_chassis_and_nothing_stays_running(tmp_path: Path) -> None:
    with OvnPeer(tmp_path, LAYOUT) as peer:
        empty = peer.rows()
        bulk = peer.bulk(PORTS)
        assert bulk.ports == PORTS and bulk.seconds > 0
        assert all(full > none for full, none in zip(bulk.rows, empty, strict=True)), (bulk.rows, empty)

        assert len(peer.attach(1)) == 1
        attached = peer.rows()
        assert all(more > full for more, full in zip(attached, bulk.rows, strict=True)), (attached, bulk.rows)

        assert len(peer.detach(1)) == 1
        assert peer.rows() == bulk.rows
        # Two databases and northd, and on each of two chassis a database, a switch and a controller.
        assert len(daemons_of(tmp_path)) == 9
    assert daemons_of(tmp_path) == []


def test_a_restarted_controller_writes_every_row_anew(tmp_path: Path) -> None:
    with OvnPeer(tmp_path, LAYOUT) as peer:
        rows = peer.bulk(PORTS).rows
        restart = peer.restart(crash=True)
        assert peer.rows() == rows
        assert restart.rows == restart.rewritten == rows[0]
        assert restart.lowest <= rows[0]


def test_a_failure_inside_ends_all_daemons(tmp_path: Path) -> None:
    def fill_twice() -> None:
        with OvnPeer(tmp_path, LAYOUT) as peer:
            peer.bulk(PORTS)
            peer.bulk(PORTS)

    with pytest.raises(ValueError, match="6 ports are there already"):
        fill_twice()
    assert daemons_of(tmp_path) == []


def test_an_interrupt_while_it_starts_ends_all_daemons(tmp_path: Path) -> None:
    running: list[str] = []

    def interrupt(message: str) -> None:
        if message == "starting chassis1":
            running.extend(daemons_of(tmp_path))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), OvnPeer(tmp_path, LAYOUT, progress=interrupt):
        pass
    assert len(running) == 6
    assert daemons_of(tmp_path) == []
