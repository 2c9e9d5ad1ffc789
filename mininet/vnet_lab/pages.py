"""Small servers and clients inside namespaces: pages that say who asked for them, and echoes that go on for a while."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import pairwise
from types import TracebackType
from typing import Final

from .namespaces import Namespace

FETCH_SECONDS: Final = 3.0
LONGEST: Final = 65536


@dataclass(frozen=True, slots=True)
class Page:
    """What a server said: its own name, and the address and port that whoever asked had as it saw them."""

    server: str
    address: str
    port: int


class Server:
    """A web server in a namespace for as long as the block runs, on all addresses and both versions of IP. Its page
    says its name, and who asks. `echo`: it sends back what it is sent instead."""

    def __init__(self, namespace: Namespace, name: str, port: int = 80, *, echo: bool = False) -> None:
        self.name = name
        self._echo = echo
        with namespace.entered():
            self._socket = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=256)

    def __enter__(self) -> Server:
        threading.Thread(target=self._serve, name=f"server {self.name}", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, (address, port, *_) = self._socket.accept()
                answer = self._answer_echo if self._echo else self._answer_page
                threading.Thread(target=answer, args=(connection, address, port), daemon=True).start()

    def _answer_page(self, connection: socket.socket, address: str, port: int) -> None:
        with suppress(OSError), connection:
            connection.settimeout(FETCH_SECONDS)
            connection.recv(LONGEST)
            plain = ip_address(address.partition("%")[0])
            four = getattr(plain, "ipv4_mapped", None)
            body = f"{self.name} {four or plain} {port}\n".encode()
            head = f"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)

    def _answer_echo(self, connection: socket.socket, address: str, port: int) -> None:
        with suppress(OSError), connection:
            while data := connection.recv(LONGEST):
                connection.sendall(data)


def fetch(
    namespace: Namespace, address: str, port: int = 80, *, source_port: int = 0, seconds: float = FETCH_SECONDS
) -> Page | None:
    """The page of a server; None where there is none within the time, or it refuses."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with namespace.entered():
        client = socket.socket(family, socket.SOCK_STREAM)
    with client:
        try:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if source_port:
                client.bind(("", source_port))
            client.settimeout(seconds)
            client.connect((address, port))
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            said = b""
            while piece := client.recv(LONGEST):
                said += piece
        except OSError:
            return None
    name, theirs, number = said.partition(b"\r\n\r\n")[2].decode().split()
    return Page(name, theirs, int(number))


@dataclass
class Talk:
    """A TCP connection to an echo server that says something every few milliseconds while the block runs, until it
    breaks. `echoes` are the times at which something came back, seconds of the monotonic clock."""

    namespace: Namespace
    address: str
    port: int
    every: float = 0.01
    echoes: list[float] = field(default_factory=list)
    broken: str | None = None

    def __enter__(self) -> Talk:
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        with self.namespace.entered():
            self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.settimeout(FETCH_SECONDS)
        self._socket.connect((self.address, self.port))
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._say, self._hear)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(FETCH_SECONDS)

    def _say(self) -> None:
        try:
            while not self._ended.is_set():
                self._socket.sendall(b"x" * 32)
                time.sleep(self.every)
        except OSError as error:
            self._break(error)

    def _hear(self) -> None:
        try:
            while self._socket.recv(LONGEST):
                self.echoes.append(time.monotonic())
        except OSError as error:
            self._break(error)

    def _break(self, error: OSError) -> None:
        if not self._ended.is_set():
            self.broken = self.broken or str(error)

    def gap_after(self, when: float, until: float) -> float | None:
        """The longest time without an echo from shortly before a moment on, in seconds; None where none came after."""
        times = [moment for moment in self.echoes if when - 1.0 <= moment <= until]
        if not any(moment > when for moment in times):
            return None
        return max(after - before for before, after in pairwise(times))
