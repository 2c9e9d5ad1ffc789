"""The controller as a program of its own: started, waited for, killed, started again."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from .sandbox import LabError

HOST: Final = "127.0.0.1"
PORT: Final = 8080
READY_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0


class ControllerProcess:
    """A controller, running from `start` (or the block's begin) until `stop` or `kill` (or the block's end).

    `command` is found in this Python's own bin folder first. Its output goes to the end of `log`, across restarts.

        with ControllerProcess(["ryu-manager", "ryu_vnet.app"], log, {"VNET_STORE": path}) as controller:
            controller.wait_ready()
    """

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None, port: int = PORT
    ) -> None:
        folders = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", os.defpath)])
        self.command = tuple(command)
        self.log = log
        self.port = port
        self._environment = {**os.environ, "PATH": folders, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ControllerProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it. Raises LabError where it runs already or there is no such program."""
        if self._process is not None:
            raise LabError(f"{self.command[0]} runs already")
        with self.log.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    self.command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            except FileNotFoundError as error:
                raise LabError(f"{self.command[0]} is not installed beside {sys.executable}") from error

    def wait_ready(self, seconds: float = READY_SECONDS) -> float:
        """Wait until the API answers anything at all; the seconds that it took. Raises LabError where it does not,
        with the end of the log."""
        start = time.monotonic()
        while not self._answers():
            if self._process is None or self._process.poll() is not None:
                raise LabError(f"{self.command[0]} ended before its API answered:\n{self._tail()}")
            if time.monotonic() > start + seconds:
                raise LabError(f"no answer on {HOST}:{self.port} after {seconds:g} s:\n{self._tail()}")
            time.sleep(0.02)
        return time.monotonic() - start

    def kill(self) -> None:
        """End it as a crash would: SIGKILL, no last words."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end, and make it after a while. Does nothing where it does not run."""
        self._end(signal.SIGTERM)

    def restart(self) -> float:
        """Kill it, start it, wait for it; the seconds until its API answered."""
        self.kill()
        self.start()
        return self.wait_ready()

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=2)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]
