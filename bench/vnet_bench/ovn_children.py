"""Daemons that live and die with this process."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .sockets import listens

PACKAGES = {
    "ovn-northd": "ovn-central",
    "ovn-nbctl": "ovn-common",
    "ovn-sbctl": "ovn-common",
    "ovn-controller": "ovn-host",
    "ovsdb-server": "openvswitch-switch",
    "ovs-vswitchd": "openvswitch-switch",
    "ovs-vsctl": "openvswitch-switch",
    "ovsdb-tool": "openvswitch-common",
    "ovs-ofctl": "openvswitch-common",
    "ovs-appctl": "openvswitch-common",
    "setpriv": "util-linux",
    "nsenter": "util-linux",
    "unshare": "util-linux",
}
"""Each program that the benchmark of OVN runs, and the Debian package that has it."""

START_SECONDS = 30.0
"""How long a daemon may take until it answers, on a machine that is busy with other things."""
STOP_SECONDS = 5.0
POLL_SECONDS = 0.002


def has_ovn() -> bool:
    """Whether all programs are there."""
    return all(map(shutil.which, PACKAGES))


def check_programs() -> None:
    """Raises RuntimeError, naming all that are missing with their packages."""
    missing = [f"{program} (Debian package {PACKAGES[program]})" for program in PACKAGES if not shutil.which(program)]
    if missing:
        raise RuntimeError("not installed: " + ", ".join(missing))


def wait_until(holds: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
    """Wait until something holds. Raises TimeoutError, which says what it was."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(POLL_SECONDS)


@dataclass(frozen=True, slots=True)
class Child:
    """A daemon that runs, and the socket where it takes orders."""

    process: subprocess.Popen[bytes]
    control: Path


class Children:
    """The daemons of one folder: their sockets, databases and logs are there, and nothing of theirs is elsewhere.

    `namespace` is the path of a network namespace that they run in (`/proc/PID/ns/net`, `/run/netns/NAME`). The
    kernel kills each of them when this process ends without having stopped them, even by SIGKILL (prctl(2),
    PR_SET_PDEATHSIG): `setpriv` asks for it and becomes the daemon, so its process id is the daemon's. They have a
    session of their own, so that Ctrl-C reaches this process alone, which then stops them in order.
    """

    def __init__(self, folder: Path, namespace: Path | None = None) -> None:
        self.folder = folder
        self._enter = ["nsenter", f"--net={namespace}", "--"] if namespace else []
        self._running: list[Child] = []
        # Both suites look for each other's sockets there: ovn-controller for <OVS_RUNDIR>/br-int.mgmt.
        places = ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR", "OVN_RUNDIR", "OVN_LOGDIR", "OVN_DBDIR")
        # An option that the user's shell sets for the tools would change what is measured.
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("OVN_", "OVS_"))}
        self.environment = {**outside, **dict.fromkeys(places, str(folder))}

    def spawn(self, program: str, *arguments: str, name: str = "", ready: Path | None = None) -> Child:
        """Start a daemon and wait until its control socket is there, and `ready` where given. Its log is under its
        name, the program's unless given.

        Raises RuntimeError, with the end of its log, where it ends instead or takes longer than START_SECONDS.
        """
        log = self.folder / f"{name or program}.log"
        command = [*self._enter, "setpriv", "--pdeathsig", "KILL", program, *arguments]
        command += ["-vconsole:off", f"--log-file={log}", "--no-chdir"]
        process = subprocess.Popen(
            command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )
        # Where daemons hear by default; ovn-controller cannot be told another place.
        child = Child(process, self.folder / f"{program}.{process.pid}.ctl")
        self._running.append(child)

        def up() -> bool:
            if process.poll() is not None:
                raise TimeoutError(f"{program} ended with {process.returncode}")
            return child.control.exists() and (ready is None or listens(ready))

        try:
            wait_until(up, f"{program} answers")
        except TimeoutError as error:
            end = log.read_text()[-2000:] if log.exists() else ""
            raise RuntimeError(f"{error}\n{end}") from error
        return child

    def run(self, *command: str) -> str:
        """Run a program to its end; what it printed. Raises RuntimeError with what it complained of."""
        done = subprocess.run(
            [*self._enter, *command], env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode:
            shown = " ".join(command)[:500]
            raise RuntimeError(f"{shown}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def appctl(self, child: Child, *arguments: str) -> str:
        """Tell a daemon something through its control socket (ovs-appctl(8)); its answer."""
        return self.run("ovs-appctl", f"--target={child.control}", *arguments)

    def end(self, child: Child, *, crash: bool = False) -> None:
        """End one of them, by SIGKILL where it is to crash, and wait until it is gone."""
        if crash:
            child.process.kill()
        else:
            child.process.terminate()
        try:
            child.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        child.control.unlink(missing_ok=True)
        self._running.remove(child)

    def stop(self) -> None:
        """End all, the youngest first. Stopping twice does no harm."""
        while self._running:
            self.end(self._running[-1])


@contextmanager
def stopping(children: Children) -> Iterator[Children]:
    """Stops them where the block fails, and only then: for an object that starts several and keeps them."""
    try:
        yield children
    except BaseException:
        children.stop()
        raise
