"""Programs in the nodes that talk to each other: a web server and its client, and sockets."""

from __future__ import annotations

import http.client
import os
import re
import selectors
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final

from .lab import Lab
from .sandbox import LabError
from .topology import Address, Interface

PAGES: Final = Path("/run/vnet-lab/pages")
START_SECONDS: Final = 20.0
MOST_BYTES: Final = 65535
FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}


class WebServer:
    """`python -m http.server` in a node while the block runs, over IPv4 and IPv6; its page says whose it is.

    It is there once `wait` returns: several are best started together.
    """

    def __init__(self, lab: Lab, node: Interface, port: int) -> None:
        self.page = f"this is {node.owner}\n"
        folder = PAGES / re.sub(r"\W", "_", node.owner)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "index.html").write_text(self.page)
        self._node = node
        self._lab = lab
        self._folder = folder
        # Bound to ::, it takes IPv4 as well.
        self._command = (sys.executable, "-u", "-m", "http.server", str(port), "--bind", "::")
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> WebServer:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = self._lab.popen(self._node, self._command, cwd=self._folder, **pipes)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def wait(self, seconds: float = START_SECONDS) -> None:
        """Wait until it says that it serves. Raises LabError where it does not."""
        process = self._process
        if process is None or process.stdout is None:
            raise LabError(f"the web server of {self._node.owner} was not started")
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(seconds) or "Serving HTTP" not in process.stdout.readline():
                raise LabError(f"{' '.join(self._command)} in {self._node.owner} does not serve")


def address(node: Interface, family: int) -> Address:
    """Its address of that IP version. Raises LabError where it has none."""
    found = node.address(family)
    if found is None:
        raise LabError(f"{node.id} has no IPv{family} address")
    return found


def fetch(lab: Lab, client: Interface, server: Interface, family: int, port: int, seconds: float) -> str | None:
    """The page that a client in one node gets of the web server in another; None where it gets none in time."""
    with lab.namespace(client).entered():
        connection = http.client.HTTPConnection(str(address(server, family)), port, timeout=seconds)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


def connects(lab: Lab, client: Interface, server: Interface, family: int, port: int, seconds: float) -> bool:
    """Whether a TCP connection comes about to a port that somebody listens on for as long as this takes."""
    with lab.namespace(server).entered():
        listener = socket.create_server((str(address(server, family)), port), family=FAMILIES[family])
    with listener, lab.namespace(client).entered(), socket.socket(FAMILIES[family], socket.SOCK_STREAM) as caller:
        caller.bind((str(address(client, family)), 0))
        caller.settimeout(seconds)
        try:
            caller.connect((str(address(server, family)), port))
        except OSError:
            return False
        return True


def calls(lab: Lab, one: Interface, other: Interface, family: int, port: int, size: int, seconds: float) -> bool:
    """Whether a datagram of `size` bytes gets from one node to another, whole, and as large an answer back; both ends
    use the same UDP port. Either way may take `seconds`."""
    with _bound(lab, other, family, port) as callee, _bound(lab, one, family, port) as caller:
        said = os.urandom(size)
        try:
            caller.sendto(said, (str(address(other, family)), port))
            if not _hears(callee, said, seconds):
                return False
            callee.sendto(said[::-1], (str(address(one, family)), port))
            return _hears(caller, said[::-1], seconds)
        except OSError:
            return False


def _bound(lab: Lab, node: Interface, family: int, port: int) -> socket.socket:
    with lab.namespace(node).entered():
        found = socket.socket(FAMILIES[family], socket.SOCK_DGRAM)
    found.bind((str(address(node, family)), port))
    return found


def _hears(listener: socket.socket, said: bytes, seconds: float) -> bool:
    """Whether it comes in, whatever else does."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        listener.settimeout(left)
        if listener.recv(MOST_BYTES) == said:
            return True
    return False
