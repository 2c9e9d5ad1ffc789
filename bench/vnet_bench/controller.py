"""The controller as its users run it: a process of its own, asked over its API."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from prometheus_client.parser import text_string_to_metric_families

from .machine import cpu_seconds

REPOSITORY = Path(__file__).parents[2]
START_SECONDS = 120.0
PATIENCE_SECONDS = 300.0

Json = dict[str, Any]


class Connection:
    """Requests one after the other over a connection that stays open; whoever asks beside others has one of his own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: Json | bytes | None = None, seconds: float = PATIENCE_SECONDS) -> Json:
        """One request. Raises RuntimeError where it is refused."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=seconds)
            self._connection.connect()
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        self._connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        response = self._connection.getresponse()
        text = response.read()
        if response.status >= http.client.BAD_REQUEST:
            raise RuntimeError(f"{method} {path}: {response.status} {text[:500]!r}")
        answered: Json = json.loads(text)
        return answered

    def member(self, method: str, tenant: str, network: str, node: str, seconds: float = 30) -> Json:
        """Attach (PUT) or detach (DELETE) a node, and wait until that is realised."""
        parts = "/".join(map(quote, (tenant, "networks", network, "members", node)))
        return self.ask(method, f"/v1/tenants/{parts}?wait={seconds:g}")

    def close(self) -> None:
        """Let go of it; the next request makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Controller:
    """One controller over one store. Its output goes to `controller.log` in its folder, across restarts.

    with Controller(folder) as controller:
        controller.ask("PUT", "/v1/tenants/red?wait=5")
    """

    def __init__(self, folder: Path, openflow_port: int | None = None) -> None:
        self.folder = folder
        self.store = folder / "store.db"
        self.api_port, self.openflow_port = _free_port(), openflow_port or _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection = Connection(self.api_port)

    @property
    def target(self) -> str:
        """What a bridge needs as its controller."""
        return f"tcp:127.0.0.1:{self.openflow_port}"

    def __enter__(self) -> Controller:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it and wait until its API answers. Raises RuntimeError, with the log, where it ends instead."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("VNET_")}
        environment |= {
            "VNET_STORE": str(self.store),
            "VNET_API_PORT": str(self.api_port),
            "VNET_OPENFLOW_PORT": str(self.openflow_port),
            "PYTHONPATH": str(REPOSITORY),
        }
        # Ryu where it runs, else os-ken: as `make demo` chooses.
        ryu = Path(sys.prefix) / "bin" / "ryu-manager"
        command = [str(ryu), "ryu_vnet.app"] if ryu.exists() else [sys.executable, "-m", "ryu_vnet", "controller"]
        with (self.folder / "controller.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.wait(self._answers, "the API answers", START_SECONDS)

    def kill(self) -> None:
        """End it as a crash would, by SIGKILL. Does nothing where it does not run."""
        process, self._process = self._process, None
        self._connection.close()
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def ask(self, method: str, path: str, body: Json | bytes | None = None, seconds: float = PATIENCE_SECONDS) -> Json:
        """One request: see `Connection`."""
        return self._connection.ask(method, path, body, seconds)

    def member(self, method: str, tenant: str, network: str, node: str, seconds: float = 30) -> Json:
        """Attach (PUT) or detach (DELETE) a node, and wait until that is realised."""
        return self._connection.member(method, tenant, network, node, seconds)

    def metrics(self) -> dict[str, float]:
        """All samples by name and labels, as in `name{label="value"}`, labels sorted."""
        connection = http.client.HTTPConnection("127.0.0.1", self.api_port, timeout=PATIENCE_SECONDS)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        found = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return found

    def wait(
        self, holds: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS, between: float = 0.05
    ) -> float:
        """Wait until something holds, and return the seconds that took; with so many seconds from one look to the
        next. Raises RuntimeError, with the log."""
        started = time.monotonic()
        while not holds():
            if self._process is None or self._process.poll() is not None or time.monotonic() - started > seconds:
                log = (self.folder / "controller.log").read_text(errors="replace")
                raise RuntimeError(f"waited {seconds:g} s in vain: {what}\n{log[-4000:]}")
            time.sleep(between)
        return time.monotonic() - started

    def cpu_seconds(self) -> float:
        """Processor time that it has used."""
        assert self._process is not None
        return cpu_seconds(self._process.pid)

    def memory(self) -> int:
        """Resident memory in bytes: the most it ever was."""
        return next(int(line.split()[1]) * 1024 for line in self._proc("status").splitlines() if "VmHWM" in line)

    def _proc(self, name: str) -> str:
        assert self._process is not None
        return Path(f"/proc/{self._process.pid}/{name}").read_text()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.api_port), timeout=1):
                return True
        except OSError:
            return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
