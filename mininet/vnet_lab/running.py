"""A laboratory with its controller: the fabric built, the controller started, the intent applied and realised."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import yaml

from ryu_vnet.client import Answer, Client

from .controller import ControllerProcess
from .lab import CONTROLLER, Lab
from .sandbox import LabError, run
from .topology import Topology, load

COMMANDS: Final = {"ryu": ("ryu-manager", "ryu_vnet.app"), "os-ken": ("vnet", "controller")}
RYU_ENDS: Final = (3, 12)
"""The first Python that Ryu does not run on."""
REALISED_SECONDS: Final = 30.0
TOPOLOGIES: Final = Path(__file__).resolve().parents[2] / "topologies"

CHANGES: Final = re.compile(
    r"\|vconn\|DBG\|.*: received: OFPT_(FLOW_MOD|GROUP_MOD|METER_MOD|BUNDLE_ADD_MESSAGE|TABLE_MOD)"
)
"""What Open vSwitch writes into its log of each message that changes a table, group or meter."""


def frameworks() -> list[str]:
    """Those that a controller runs under on this Python; the first is the usual one."""
    return ["os-ken"] if sys.version_info >= RYU_ENDS else ["ryu", "os-ken"]


def framework() -> str:
    """`ryu` or `os-ken`: VNET_FRAMEWORK says which; else Ryu where it runs. Raises LabError for a third one."""
    usable = frameworks()
    chosen = os.environ.get("VNET_FRAMEWORK") or usable[0]
    if chosen not in usable:
        python = "{}.{}".format(*sys.version_info)
        raise LabError(f"VNET_FRAMEWORK={chosen}: on Python {python} it can be {' or '.join(usable)}")
    return chosen


def topology_path(name: str) -> Path:
    """A topology file by path, or by the name of one of ours. Raises LabError, naming those that there are."""
    for path in (Path(name), TOPOLOGIES / name, TOPOLOGIES / f"{name}.yaml"):
        if path.is_file():
            return path
    known = ", ".join(path.stem for path in sorted(TOPOLOGIES.glob("*.yaml")))
    raise LabError(f"there is no topology {name!r}; there are {known}")


class RunningLab:
    """Lab and controller while the block runs; the intent of the file is applied and realised when it begins.

        with RunningLab("figure") as running:
            matrix = measure(running.lab)

    `settings` are further VNET_ settings of the controller, `target` is where the switches look for it, `prepare` is
    called with the lab before it starts. With `applied=False` the controller starts empty.
    """

    def __init__(
        self,
        name: str | Path,
        *,
        applied: bool = True,
        settings: dict[str, str] | None = None,
        target: str = CONTROLLER,
        prepare: Callable[[Lab], None] = lambda lab: None,
    ) -> None:
        self.path = topology_path(str(name))
        self.topology: Topology = load(self.path)
        self.framework = framework()
        self.client = Client()
        self.built_seconds = self.realised_seconds = 0.0
        self._applied = applied
        self._settings = settings or {}
        self._target = target
        self._prepare = prepare
        self._stack = ExitStack()

    def __enter__(self) -> RunningLab:
        started = time.monotonic()
        try:
            self.lab = self._stack.enter_context(Lab(self.topology, self._target))
            self._prepare(self.lab)
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="vnet-", dir="/run/vnet-lab")))
            self.log = folder / "controller.log"
            environment = {"VNET_STORE": str(folder / "store.db"), "VNET_OVSDB": self.lab.database, **self._settings}
            self.controller = ControllerProcess(COMMANDS[self.framework], self.log, environment)
            self._stack.enter_context(self.controller)
            self.controller.wait_ready()
            self.lab.wait_connected()
            self.built_seconds = time.monotonic() - started
            if self._applied:
                self.apply()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def document(self) -> Any:
        """The topology file as it stands."""
        return yaml.safe_load(self.path.read_text())

    def apply(self) -> Answer:
        """Apply the file's intent and wait until every switch has it. Raises LabError where one does not."""
        started = time.monotonic()
        answer = self.client.apply(self.document(), wait=REALISED_SECONDS)
        self.realised_seconds = time.monotonic() - started
        if not answer.realised:
            waiting = "; ".join(f"{pending.switch}: {pending.why}" for pending in answer.pending)
            raise LabError(f"revision {answer.revision} was not realised in {REALISED_SECONDS:g} s: {waiting}")
        return answer

    def wait_in_step(self, seconds: float = REALISED_SECONDS) -> None:
        """Wait until every switch is there and holds what it is to hold. Raises LabError, naming those that do not."""
        deadline = time.monotonic() + seconds
        while waiting := [switch["name"] for switch in self.client.switches() if switch["state"] != "in step"]:
            if time.monotonic() > deadline:
                raise LabError(f"not in step after {seconds:g} s: {', '.join(waiting)}")
            time.sleep(0.05)


class MessageLog:
    """Counts the messages that changed a table or group of any switch while the block ran, by Open vSwitch's own log
    of what it received.

        with MessageLog() as log:
            controller.restart()
        assert log.count == 0
    """

    def __init__(self) -> None:
        self._file = Path(os.environ["OVS_LOGDIR"]) / "ovs-vswitchd.log"
        self._start = 0
        self.lines: list[str] = []

    def __enter__(self) -> MessageLog:
        run("ovs-appctl", "vlog/disable-rate-limit", "vconn")
        run("ovs-appctl", "vlog/set", "vconn:file:dbg")
        self._start = self._file.stat().st_size
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run("ovs-appctl", "vlog/set", "vconn:file:info")
        with self._file.open(errors="replace") as log:
            log.seek(self._start)
            written = log.read().splitlines()
        self.received = sum("received: OFPT_" in line for line in written)
        self.lines = [line for line in written if CHANGES.search(line)]

    @property
    def count(self) -> int:
        """How many messages changed something. Raises LabError where nothing at all was logged, since then the log
        proves nothing."""
        if not self.received:
            raise LabError("Open vSwitch has logged no message at all")
        return len(self.lines)
