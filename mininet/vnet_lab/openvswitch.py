"""An Open vSwitch of the lab's own: database and daemon in a folder that goes with them."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from .sandbox import LabError, run

SCHEMA: Final = Path("/usr/share/openvswitch/vswitch.ovsschema")
FOLDERS: Final = ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR")
START_SECONDS: Final = 20.0


class OpenVSwitch:
    """ovsdb-server and ovs-vswitchd while the block runs; `ovs-vsctl` and the like find them by environment.

    The user-space data path (`datapath_type=netdev`) needs no kernel module. Raises LabError where a daemon does
    not come up, with the end of its log. Where it is not the lab's own (`is_own`), nothing finds it but `ctl` and
    `ofctl`, and it is in the namespace that it is started in.
    """

    def __init__(self, *, is_own: bool = True) -> None:
        self._is_own = is_own
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._processes: list[subprocess.Popen[bytes]] = []
        self._before: dict[str, str | None] = {}

    def __enter__(self) -> OpenVSwitch:
        self._folder = tempfile.TemporaryDirectory(prefix="ovs-", dir="/run/vnet-lab")
        folder = Path(self._folder.name)
        for name in FOLDERS:
            self._before[name] = os.environ.get(name)
            os.environ[name] = str(folder)
        self._environment = {**os.environ}
        try:
            self._start(folder)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        if not self._is_own:
            self._restore()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._processes):
            process.kill()  # nothing that they hold outlives them, and an orderly end takes a second
            process.wait()
        self._processes.clear()
        self._restore()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _restore(self) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._before.clear()

    def ctl(self, *arguments: str) -> str:
        """Run ovs-vsctl on it."""
        return run("ovs-vsctl", *arguments, environment=self._environment)

    def ofctl(self, *arguments: str) -> str:
        """Run ovs-ofctl on one of its bridges."""
        return run("ovs-ofctl", *arguments, environment=self._environment)

    def _start(self, folder: Path) -> None:
        database, socket = folder / "conf.db", folder / "db.sock"
        run("ovsdb-tool", "create", str(database), str(SCHEMA))
        self._launch(folder, "ovsdb-server", f"--remote=punix:{socket}", str(database))
        self._wait(socket, folder)
        # The socket's file is there a moment before anybody listens.
        run("ovs-vsctl", "--retry", "-t", str(int(START_SECONDS)), "--no-wait", "init")
        self._launch(folder, "ovs-vswitchd", "--disable-system", f"unix:{socket}")
        # Without --no-wait this returns once the daemon has taken over what is in the database.
        run("ovs-vsctl", "-t", str(int(START_SECONDS)), "set", "Open_vSwitch", ".", "external_ids:lab=1")

    def _launch(self, folder: Path, program: str, *arguments: str) -> None:
        log: IO[bytes]
        with (folder / f"{program}.out").open("wb") as log:
            options = ("--pidfile", f"--log-file={folder / program}.log", "-vconsole:off")
            command = (program, *options, *arguments)
            self._processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def _wait(self, socket: Path, folder: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not socket.exists():
            if time.monotonic() > deadline or self._processes[-1].poll() is not None:
                raise LabError(f"ovsdb-server did not start: {(folder / 'ovsdb-server.log').read_text()[-500:]}")
            time.sleep(0.01)
