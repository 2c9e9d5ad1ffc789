"""Servers that speak JSON-RPC as OVSDB does, or wrongly, as a test says.

with LyingDatabase(hang, honest) as database:
    Follower(database.remote, ...)

Of the connections that come, each is served by the next of the ways given, in a thread of its own; the last one serves
all further ones.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

BRIDGE, PORT, INTERFACE = (f"{number:08x}-0000-4000-8000-000000000000" for number in (1, 2, 3))
ROWS: dict[str, Any] = {
    "Bridge": {BRIDGE: {"initial": {"datapath_id": "00000000000000aa", "ports": ["uuid", PORT]}}},
    "Port": {PORT: {"initial": {"interfaces": ["uuid", INTERFACE]}}},
    "Interface": {
        INTERFACE: {"initial": {"name": "tap1", "ofport": 1, "external_ids": ["map", [["iface-id", "honest"]]]}}
    },
}
"""One interface that says that it is `honest`, as `monitor_cond` tells it."""


class Peer:
    """One connection from a client."""

    def __init__(self, connection: socket.socket, is_over: threading.Event) -> None:
        self._connection = connection
        self._is_over = is_over
        self._text = ""

    def send(self, text: str) -> None:
        self._connection.sendall(text.encode())

    def send_bytes(self, data: bytes) -> None:
        self._connection.sendall(data)

    def put(self, message: Any) -> None:
        self.send(json.dumps(message))

    def request(self) -> dict[str, Any]:
        """The next request that is no echo; echoes are answered. Raises EOFError at the end."""
        while True:
            with suppress(ValueError):
                found, end = json.JSONDecoder().raw_decode(self._text)
                self._text = self._text[end:].lstrip()
                if found.get("method") != "echo":
                    return dict(found)
                self.put({"result": found["params"], "error": None, "id": found["id"]})
                continue
            data = self._connection.recv(1 << 16)
            if not data:
                raise EOFError
            self._text += data.decode()

    def answer(self, rows: Any) -> None:
        """Answer the next request with these rows."""
        self.put({"id": self.request()["id"], "result": rows, "error": None})

    def serve_on(self) -> None:
        """Answer echoes to the end."""
        while True:
            self.request()

    def hang(self) -> None:
        """Say nothing until the test is over."""
        self._is_over.wait()


Way = Callable[[Peer], None]


def honest(peer: Peer) -> None:
    peer.answer(ROWS)
    peer.serve_on()


class LyingDatabase:
    """Listens on TCP, on 127.0.0.1."""

    def __init__(self, *ways: Way) -> None:
        self._ways = list(ways)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._is_over = threading.Event()
        self._connections: list[socket.socket] = []
        self.remote = f"tcp:127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> LyingDatabase:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        for each in (self._listener, *self._connections):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                way = self._ways.pop(0) if len(self._ways) > 1 else self._ways[0]
                threading.Thread(target=self._serve, args=(connection, way), daemon=True).start()

    def _serve(self, connection: socket.socket, way: Way) -> None:
        with suppress(OSError, EOFError):
            way(Peer(connection, self._is_over))
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
