"""Hundreds of real switches on one machine: pairs of ovsdb-server and ovs-vswitchd, some dozens of bridges in each.

    fabric = sized(1000)
    intent = Intent(fabric=fabric, tenants=tenants(fabric, nodes=10_000, networks=200))
    with Fleet(folder, bridges_of(intent), controller="tcp:127.0.0.1:6653") as fleet:
        ...

Bridges are spread over the daemons like cards, neighbours onto different ones: real switches are different machines.
Ports are up and lead nowhere: no frame is carried by a link or taken at an access port. What is asked of a switch
through OpenFlow is real.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from . import ovsdb
from .bridges import Bridge, port_count
from .dummy_ovs import SCHEMA, DummyOvs
from .machine import cpu_seconds
from .progress import Progress

PER_DAEMON = 50
"""A daemon does the work of its bridges in one loop: with many more in it, one waits for the others."""
PORTS_PER_DAEMON = 500
"""A daemon looks at all its ports each time round its loop: 300 bridges of 100 ports answered after 6 ms in 19 daemons,
and after 30 ms in 6. A thousand with 94 ports each need half the time with five in a daemon that they need with 15."""
START_SECONDS = 300.0
"""How long one daemon may take to make its bridges."""
FILES_PER_BRIDGE = 8
"""Open files of this process for each bridge: a connection each way, and room."""


class Fleet:
    """`bridges` in as few daemons as have at most `per_daemon` bridges and `ports_per_daemon` ports each (but one
    bridge at least).

    `folder` must not exist; it is made, and goes with the fleet. `controller` is an OVS connection string, such as
    tcp:127.0.0.1:6653, for all controlled bridges; without it they have none.
    """

    def __init__(
        self,
        folder: Path,
        bridges: Sequence[Bridge],
        per_daemon: int = PER_DAEMON,
        controller: str | None = None,
        ports_per_daemon: int = PORTS_PER_DAEMON,
    ) -> None:
        self.folder = folder
        self.bridges = tuple(bridges)
        count = max(-(-len(bridges) // per_daemon), -(-port_count(bridges) // ports_per_daemon))
        count = min(count, len(bridges))
        self._shares = [self.bridges[start::count] for start in range(count)]
        self.daemons = [DummyOvs(folder / f"{number:03}") for number in range(count)]
        self._daemon_of = {
            bridge.name: daemon for daemon, share in zip(self.daemons, self._shares, strict=True) for bridge in share
        }
        self._controller = controller
        self._controlled = False
        self._made_folder = False

    def __enter__(self) -> Fleet:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start all daemons and wait until all bridges are there. Raises RuntimeError, with the log, if they do not
        come, and FileExistsError if the folder is there already."""
        self.folder.mkdir(parents=True)
        self._made_folder = True
        try:
            _raise_file_limit(FILES_PER_BRIDGE * len(self.bridges))
            self._fill_databases()
            self._start_switches()
            if self._controller is not None:
                self.connect(self._controller)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all daemons, and remove the folder. Stopping twice does no harm."""
        try:
            for daemon in self.daemons:
                daemon.terminate()
        finally:
            for daemon in self.daemons:
                daemon.stop()
            if self._made_folder:
                shutil.rmtree(self.folder, ignore_errors=True)
                self._made_folder = False

    def connect(self, target: str) -> None:
        """Have all controlled bridges look for their controller at `target`.

        The first time they get one, which lets Open vSwitch flush their tables; later it is replaced in place, and the
        tables stay. Returns when all daemons know. Raises RuntimeError where one does not take it.
        """
        for daemon, share in zip(self.daemons, self._shares, strict=True):
            replaced = ovsdb.other_controllers(target)
            operations = replaced if self._controlled else ovsdb.first_controllers(share, target)
            ovsdb.transact(daemon.folder / "db.sock", operations)
        self._controlled = True
        deadline = time.monotonic() + START_SECONDS
        for daemon in self.daemons:
            while not ovsdb.carried_out(daemon.folder / "db.sock"):
                daemon.check_alive()
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{daemon.folder} has not taken its controller in {START_SECONDS:.0f} s")
                time.sleep(0.05)

    @property
    def databases(self) -> dict[str, str]:
        """Where the database of each bridge listens, as an OVS connection string."""
        return {bridge.name: self._daemon_of[bridge.name].database for bridge in self.bridges}

    def daemon(self, name: str) -> DummyOvs:
        """The daemon that has a bridge."""
        return self._daemon_of[name]

    def management(self, name: str) -> Path:
        """The socket at which a bridge takes OpenFlow connections of others than its controller (`BRIDGE.mgmt`)."""
        return self._daemon_of[name].folder / f"{name}.mgmt"

    @property
    def pids(self) -> list[int]:
        """All processes of the fleet."""
        return [pid for daemon in self.daemons for pid in daemon.pids]

    def memory(self) -> int:
        """What all daemons take, in bytes; what they share is counted once (Pss, see proc(5))."""
        texts = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self.pids]
        return sum(int(kib) * 1024 for text in texts for kib in re.findall(r"^Pss: +(\d+) kB", text, re.MULTILINE))

    def cpu_seconds(self) -> float:
        """Processor time that all daemons have used."""
        return sum(cpu_seconds(pid) for pid in self.pids)

    def _fill_databases(self) -> None:
        """A switch that finds all its bridges in the database when it starts is the quickest way to have them."""
        template = self.folder / "conf.db"
        subprocess.run(("ovsdb-tool", "create", template, SCHEMA), check=True)
        progress = Progress("databases filled", len(self.daemons))
        for done, (daemon, share) in enumerate(zip(self.daemons, self._shares, strict=True)):
            daemon.folder.mkdir()
            shutil.copy(template, daemon.folder)
            daemon.start_database()
            ovsdb.transact(daemon.folder / "db.sock", ovsdb.make_bridges(share))
            progress.at(done)

    def _start_switches(self) -> None:
        """A few at a time: more than there are processors would only take memory and patience from each other."""
        waiting = list(zip(self.daemons, self._shares, strict=True))
        starting: list[tuple[DummyOvs, tuple[Bridge, ...], float]] = []
        progress, done = Progress("bridges made", len(self.bridges)), 0
        while waiting or starting:
            while waiting and len(starting) <= (os.cpu_count() or 1):
                daemon, share = waiting.pop(0)
                daemon.start_switch()
                starting.append((daemon, share, time.monotonic() + START_SECONDS))
            for item in list(starting):
                daemon, share, deadline = item
                daemon.check_alive()
                if ovsdb.carried_out(daemon.folder / "db.sock"):
                    starting.remove(item)
                    done += len(share)
                elif time.monotonic() > deadline:
                    raise RuntimeError(f"{len(share)} bridges in {daemon.folder} not made in {START_SECONDS:.0f} s")
            progress.at(done)
            time.sleep(0.01)


def _raise_file_limit(files: int) -> None:
    """Let this process, and the daemons that it starts, have so many open files, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, files) if hard == resource.RLIM_INFINITY else min(max(soft, files), hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
