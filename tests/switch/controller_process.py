"""The controller as its users run it: a process of its own, on ports of its own, under either framework."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from dummy_fabric import wait_until

from ryu_vnet.client import Client
from ryu_vnet.errors import Unreachable, VnetError

REPOSITORY = Path(__file__).parents[2]
PROGRAMS = Path(sys.prefix) / "bin"
RYU_ENDS = (3, 12)
"""The first Python that Ryu does not run on."""
COMMANDS = {"os-ken": [sys.executable, "-m", "ryu_vnet", "controller"]}
if sys.version_info < RYU_ENDS:
    COMMANDS["ryu"] = [str(PROGRAMS / "ryu-manager"), "ryu_vnet.app"]
READY_SECONDS = 60.0
STOP_SECONDS = 10.0


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


class ControllerProcess:
    """One controller over one store. Its output goes to `log`, across restarts.

    `settings` are further VNET_ settings.
    """

    def __init__(self, framework: str, folder: Path, settings: dict[str, str] | None = None) -> None:
        self.command = COMMANDS[framework]
        self.store = folder / "store.db"
        self.log = folder / "controller.log"
        self.api_port, self.openflow_port = free_port(), free_port()
        self.settings = {
            "VNET_STORE": str(self.store),
            "VNET_API_PORT": str(self.api_port),
            "VNET_OPENFLOW_PORT": str(self.openflow_port),
            **(settings or {}),
        }
        self.url = f"http{'s' if 'VNET_API_CERT' in self.settings else ''}://127.0.0.1:{self.api_port}"
        certificate = self.settings.get("VNET_API_CERT")
        self.client = Client(self.url, self.settings.get("VNET_API_TOKEN"), certificate)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def target(self) -> str:
        """What a bridge needs as its controller."""
        return f"tcp:127.0.0.1:{self.openflow_port}"

    def __enter__(self) -> ControllerProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self.client.close()

    def start(self) -> None:
        """Start it and wait until its API answers. Raises AssertionError, with the log, where it ends instead."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command, env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(self._answers, f"the API at {self.url}", READY_SECONDS)

    def kill(self) -> None:
        """End it as a crash would, by SIGKILL. Does nothing where it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def run_to_its_end(self, **settings: str) -> subprocess.CompletedProcess[str]:
        """Start another one with the same settings but for these, which ends by itself."""
        environment = {**self.environment(), **settings}
        return subprocess.run(self.command, env=environment, capture_output=True, text=True, timeout=READY_SECONDS)

    def vnet(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line against it."""
        command = [sys.executable, "-m", "ryu_vnet", *arguments]
        environment = {**self.environment(), "VNET_URL": self.url}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=READY_SECONDS)

    def environment(self) -> dict[str, str]:
        """What it runs in: this environment without its VNET_ settings, the repository importable."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith("VNET_")}
        path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
        return {**outside, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **self.settings}

    def _answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, self.log.read_text()
        try:
            self.client.status()
        except Unreachable:
            return False
        except VnetError:
            return True
        return True
