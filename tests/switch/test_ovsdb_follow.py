"""Real databases are followed, over each transport, in green threads: what appears on their ports is told."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from controller_process import free_port
from followed import Followed
from vnet_bench.dummy_ovs import DummyOvs
from vnet_lab.certificates import Authority

MAC = "02:00:00:00:00:01"


class ReachableOvs(DummyOvs):
    """Its database listens on one more remote."""

    def __init__(self, folder: Path, method: str, *options: str) -> None:
        super().__init__(folder)
        port = free_port()
        self.remote = self.database if method == "unix" else f"{method}:127.0.0.1:{port}"
        self.tls: tuple[str, ...] = ()
        self.is_open = True
        self._options = [*options, *([] if method == "unix" else [f"--remote=p{method}:{port}:127.0.0.1"])]
        if method == "ssl":
            ours = Authority(folder, "ours")
            theirs, mine = ours.issue("database"), ours.issue("controller")
            self.tls = str(mine.key), str(mine.certificate), str(ours.certificate)
            self._options += [f"--private-key={theirs.key}", f"--certificate={theirs.certificate}"]
            self._options.append(f"--ca-cert={ours.certificate}")

    def _spawn(self, program: str, *args: str) -> None:
        super()._spawn(program, *args, *(self._options if program == "ovsdb-server" and self.is_open else ()))

    def crash(self) -> None:
        """End the database as a crash would, and the switch."""
        os.kill(self.pids[0], signal.SIGKILL)
        self.stop()
        for left_behind in (*self.folder.glob("*.sock"), *self.folder.glob("*.ctl")):
            left_behind.unlink()

    def plug(self, port: str, number: int, *external_ids: str) -> None:
        ids = [f"external_ids:{each}" for each in external_ids]
        self.vsctl("--", "add-port", "br0", port, "--", "set", "interface", port, "type=dummy",
                   f"ofport_request={number}", *ids)  # fmt: skip


@pytest.fixture(params=["unix", "tcp", "ssl"])
def ovs(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ReachableOvs]:
    """One bridge, br0 (1), without ports, whose database is to be followed over each transport."""
    with ReachableOvs(tmp_path, request.param) as started:
        started.add_bridge("br0", 1)
        yield started


def sighting(port: str, ofport: int, **said: Any) -> dict[str, Any]:
    nothing = {"iface_id": None, "mac": None, "vm_id": None, "is_active": True}
    return {"dpid": 1, "port": port, "ofport": ofport, **nothing, **said}


def test_what_appears_changes_and_goes_is_told(ovs: ReachableOvs) -> None:
    ovs.plug("tap0", 7, "iface-id=before", "vm-uuid=machine")
    ovs.plug("eth0", 8)
    with Followed(ovs.remote, tls=ovs.tls) as followed:
        known = followed.known[0]

        def wait_known(*expected: dict[str, Any]) -> None:
            wanted = {(each["dpid"], each["port"]): each for each in expected}
            followed.wait(lambda: known == wanted, f"{wanted}, is {known}")

        before = sighting("tap0", 7, iface_id="before", vm_id="machine")
        wait_known(before)
        followed.wait_connected()

        ovs.plug("tap1", 1, "iface-id=web-1", f'attached-mac="{MAC}"', "vm-id=vm-1", "iface-status=active")
        plugged = sighting("tap1", 1, iface_id="web-1", mac=0x020000000001, vm_id="vm-1")
        wait_known(before, plugged)

        ovs.vsctl("set", "interface", "eth0", "external_ids:iface-id=later")
        later = sighting("eth0", 8, iface_id="later")
        wait_known(before, plugged, later)

        ovs.vsctl("set", "interface", "tap1", "external_ids:iface-id=web-2", "external_ids:iface-status=inactive")
        ovs.vsctl("remove", "interface", "tap1", "external_ids", "vm-id")
        wait_known(before, later, sighting("tap1", 1, iface_id="web-2", mac=0x020000000001, is_active=False))

        ovs.vsctl("set", "interface", "tap0", "ofport_request=9")
        wait_known(
            sighting("tap0", 9, iface_id="before", vm_id="machine"),
            later,
            sighting("tap1", 1, iface_id="web-2", mac=0x020000000001, is_active=False),
        )

        ovs.vsctl("clear", "interface", "eth0", "external_ids")
        ovs.vsctl("del-port", "tap1")
        wait_known(sighting("tap0", 9, iface_id="before", vm_id="machine"))

        ovs.vsctl("set", "interface", "tap0", 'external_ids:attached-mac="not one"')
        followed.wait(lambda: any("attached-mac of tap0" in each for each in followed.complaints[0]), "a complaint")
        assert followed.states[0][-1] == (True, "")
        followed.close()


def test_what_changed_while_a_database_was_away_is_told_once(tmp_path: Path) -> None:
    with ReachableOvs(tmp_path, "tcp") as ovs:
        ovs.add_bridge("br0", 1)
        for number, port in enumerate(("stays", "goes", "turns"), 1):
            ovs.plug(port, number, f"iface-id={port}")
        with Followed(ovs.remote) as followed:
            followed.wait(lambda: len(followed.known[0]) == 3, "three")
            ovs.crash()
            followed.wait_connected(is_connected=False)
            assert len(followed.known[0]) == 3

            ovs.is_open = False
            ovs.start()
            ovs.vsctl("del-port", "goes")
            ovs.vsctl("set", "interface", "turns", "external_ids:iface-id=turned")
            ovs.plug("new", 4, "iface-id=new")
            ovs.stop()
            told = len(followed.told[0])
            ovs.is_open = True
            ovs.start()

            followed.wait_connected()
            followed.wait(lambda: set(followed.known[0]) == {(1, "stays"), (1, "turns"), (1, "new")}, "who is there")
            (change,) = followed.told[0][told:]
            assert [[each["port"] for each in change[kind]] for kind in ("came", "changed", "went")] == [
                ["new"],
                ["turns"],
                ["goes"],
            ]
            assert followed.known[0][1, "turns"]["iface_id"] == "turned"


def test_a_database_that_another_authority_vouches_for_is_not_believed(tmp_path: Path) -> None:
    foreign = Authority(tmp_path, "foreign")
    mine = foreign.issue("controller")
    with ReachableOvs(tmp_path, "ssl") as ovs:
        ovs.add_bridge("br0", 1)
        ovs.plug("tap1", 1, "iface-id=web-1")
        with Followed(ovs.remote, tls=(str(mine.key), str(mine.certificate), str(foreign.certificate))) as followed:
            followed.wait(lambda: "trust" in followed.reasons(), "a refusal")
            followed.wait_beats()
            assert not followed.told[0]
