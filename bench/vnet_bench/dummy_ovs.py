"""A private Open vSwitch: real ovsdb-server and ovs-vswitchd over the dummy data path.

Everything (sockets, database, logs, pid files) lives in one folder, so that any number of instances run beside each
other and beside the system's own. See ovs-vswitchd(8) and, for the dummy data path, "Unit Tests" in OVS's testing
guide. Needs the binaries of Open vSwitch, and root where OVS was packaged that way.

    with DummyOvs(tmp_path) as ovs:
        ovs.add_bridge("s1", dpid=1, ports=("p1", "p2"))
        print(ovs.ofctl("dump-flows", "s1"))
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from .sockets import listens

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
PROTOCOLS = "OpenFlow13,OpenFlow14"
START_SECONDS = 20.0
"""How long a daemon may take until it answers, on a machine that is busy with other things."""
STOP_SECONDS = 5.0
LOG_CHARACTERS = 4000
"""How much of each log is shown where a daemon ends."""


class DummyOvs:
    """One ovsdb-server and one ovs-vswitchd, both children of this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._environment = {
            **os.environ,
            "OVS_RUNDIR": str(folder),
            "OVS_LOGDIR": str(folder),
            "OVS_DBDIR": str(folder),
        }

    @property
    def database(self) -> str:
        """Where OVSDB listens, as an OVS connection string."""
        return f"unix:{self.folder / 'db.sock'}"

    def __enter__(self) -> DummyOvs:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start both daemons and wait until they answer. Raises RuntimeError, with the log, if one does not."""
        self.start_database()
        try:
            self._run("ovs-vsctl", f"--db={self.database}", "--no-wait", "init")
            self.start_switch()
            self._wait_for(self.folder / "ovs-vswitchd.ctl")
        except BaseException:
            self.stop()
            raise

    def start_database(self) -> None:
        """Start ovsdb-server alone and wait until it answers; the folder may have a `conf.db` already."""
        self.folder.mkdir(parents=True, exist_ok=True)
        database = self.folder / "conf.db"
        try:
            if not database.exists():
                self._run("ovsdb-tool", "create", str(database), str(SCHEMA))
            self._spawn("ovsdb-server", str(database), f"--remote=p{self.database}")
            self._wait_for(self.folder / "db.sock")
        except BaseException:
            self.stop()
            raise

    def start_switch(self) -> None:
        """Start ovs-vswitchd over the database, without waiting: it may have much to read there."""
        self._spawn("ovs-vswitchd", self.database, "--enable-dummy=override", "--disable-system")

    def check_alive(self) -> None:
        """Raises RuntimeError, with the end of the logs, where a daemon has ended."""
        for daemon in self._daemons:
            if daemon.poll() is not None:
                raise RuntimeError(f"{daemon.args!r} ended with {daemon.returncode}:\n{self._logs()}")

    @property
    def pids(self) -> list[int]:
        """The processes of the daemons that were started and not stopped."""
        return [daemon.pid for daemon in self._daemons]

    def terminate(self) -> None:
        """Tell both daemons to end; `stop` waits for it."""
        for daemon in self._daemons:
            daemon.terminate()

    def stop(self) -> None:
        """End both daemons, the switch first, and wait until they are gone. Stopping twice does no harm."""
        while self._daemons:
            daemon = self._daemons.pop()
            daemon.terminate()
            try:
                daemon.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def vsctl(self, *args: str) -> str:
        """Run ovs-vsctl and return what it printed; it waits until the switch has done what was asked."""
        return self._run("ovs-vsctl", f"--db={self.database}", f"--timeout={START_SECONDS:.0f}", *args)

    def ofctl(self, *args: str) -> str:
        """Run ovs-ofctl, with every OpenFlow version that our bridges speak, and return what it printed."""
        return self._run("ovs-ofctl", f"--protocols={PROTOCOLS}", *args)

    def appctl(self, *args: str) -> str:
        """Run ovs-appctl against this ovs-vswitchd and return what it printed."""
        return self._run("ovs-appctl", f"--target={self.folder / 'ovs-vswitchd.ctl'}", *args)

    def add_bridge(self, name: str, dpid: int, controller: str | None = None, ports: Iterable[str] = ()) -> None:
        """Add a bridge with dummy ports, numbered from 1 in their order.

        It fails secure and keeps its controller out of band, as every bridge of a fabric does. `controller` is an OVS
        connection string, such as tcp:127.0.0.1:6653.
        """
        command = [
            *("--", "add-br", name, "--", "set", "bridge", name, "datapath_type=dummy", "fail_mode=secure"),
            *(f"protocols={PROTOCOLS}", f"other-config:datapath-id={dpid:016x}"),
        ]
        if controller is not None:
            command += ["--", "set-controller", name, controller]
            command += ["--", "set", "controller", name, "connection_mode=out-of-band", "max_backoff=1000"]
        for number, port in enumerate(ports, 1):
            command += ["--", "add-port", name, port]
            command += ["--", "set", "interface", port, "type=dummy", f"ofport_request={number}"]
        self.vsctl(*command)

    def _spawn(self, program: str, *args: str) -> None:
        arguments = [program, *args, f"--unixctl={self.folder / program}.ctl", "-vconsole:off"]
        arguments += [f"--log-file={self.folder / program}.log", "--no-chdir"]
        daemon = subprocess.Popen(arguments, env=self._environment, stdin=subprocess.DEVNULL)
        self._daemons.append(daemon)

    def _run(self, *command: str) -> str:
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def _wait_for(self, path: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not listens(path):
            self.check_alive()
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self._daemons[-1].args!r} does not listen at {path}:\n{self._logs()}")
            time.sleep(0.01)

    def _logs(self) -> str:
        """The end of each log."""
        return "\n".join(log.read_text()[-LOG_CHARACTERS:] for log in sorted(self.folder.glob("*.log")))
