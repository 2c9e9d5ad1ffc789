"""The controller as a process of its own that is forked where others are started: for tests that start it often."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from controller_process import READY_SECONDS, ControllerProcess, free_port
from dummy_fabric import wait_until

FORKING = Path(__file__).with_name("forking.py")


class ForkedController(ControllerProcess):
    """One controller over one store, on a new port for switches each time it is started.

    A bridge that is told of another port goes there at once; where it had a controller it comes again after a second.
    """

    def __init__(self, framework: str, folder: Path, settings: dict[str, str] | None = None) -> None:
        super().__init__(framework, folder, settings)
        with self.log.open("ab") as log:
            self._forking = subprocess.Popen(
                [sys.executable, str(FORKING), framework],
                bufsize=0,
                env=self.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        # What must run while a controller starts: the one that forks it. The fork itself is looked after here.
        self._process = self._forking
        self._pid = 0

    def __enter__(self) -> ForkedController:
        """Start none yet: then what goes wrong at a start is tidied up as well."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.kill()
        finally:
            # With all that it forked, whatever went wrong.
            with suppress(ProcessLookupError):
                os.killpg(self._forking.pid, signal.SIGKILL)
            self._forking.wait()
            for pipe in (self._forking.stdin, self._forking.stdout):
                assert pipe is not None
                pipe.close()
            self.client.close()

    def start(self) -> None:
        """Fork one and wait until its API answers. Raises AssertionError, with the log, where it ends instead."""
        self.openflow_port = free_port()
        self.settings["VNET_OPENFLOW_PORT"] = str(self.openflow_port)
        asked = {"environment": self.environment(), "log": str(self.log)}
        assert self._forking.stdin is not None
        self._forking.stdin.write(json.dumps(asked).encode() + b"\n")
        self._pid = self._said()
        wait_until(self._answers, f"the API at {self.url}", READY_SECONDS)

    def kill(self) -> None:
        """End it by SIGKILL. Does nothing where it does not run; raises AssertionError where it ended otherwise."""
        pid, self._pid = self._pid, 0
        if pid:
            os.kill(pid, signal.SIGKILL)
            ended = self._said()
            assert ended == -signal.SIGKILL, f"it had ended with {ended}:\n{self.log.read_text()}"

    def _answers(self) -> bool:
        assert not self._says(0), f"it ended with {self._said()}:\n{self.log.read_text()}"
        return super()._answers()

    def _said(self) -> int:
        """The next number that the forking program says."""
        assert self._says(READY_SECONDS), f"the forking program is silent:\n{self.log.read_text()}"
        assert self._forking.stdout is not None
        line = self._forking.stdout.readline()
        assert line, f"the forking program has ended:\n{self.log.read_text()}"
        return int(line)

    def _says(self, seconds: float) -> bool:
        assert self._forking.stdout is not None
        return bool(select.select([self._forking.stdout], [], [], seconds)[0])
