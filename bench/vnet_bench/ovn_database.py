"""OVSDB as a client speaks it (RFC 7047): transactions, and one watched counter.

The measurements talk to OVN's northbound database through this and not through `ovn-nbctl`, in OVN's favour. Each
start of `ovn-nbctl` costs milliseconds and a download of the database, none of which a cloud's driver pays: it holds
a connection, as this does. And this keeps no copy of the database, so its own cost does not grow with the ports.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Any

Json = dict[str, Any]
Operation = dict[str, Any]

RECEIVE_BYTES = 1 << 20


class Database:
    """A connection to one database of an ovsdb-server, by its unix socket.

    `counter` names a table of one row and an integer column in it that is watched from the start: `wait_for_counter`
    returns as soon as the server has reported it to be high enough.
    """

    def __init__(self, path: Path, name: str, counter: tuple[str, str] | None = None, seconds: float = 300.0) -> None:
        self._name = name
        self._counter = counter
        self._value = -1
        self._decoder = json.JSONDecoder()
        self._received = ""
        self._number = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(seconds)
        try:
            self._socket.connect(str(path))
            if counter is not None:
                table, column = counter
                self._note(self._call("monitor", [name, None, {table: {"columns": [column]}}]))
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def transact(self, *operations: Operation) -> list[Any]:
        """Commit operations as one (RFC 7047, 4.1.3); the result of each. Raises RuntimeError where one fails."""
        results: list[Any] = self._call("transact", [self._name, *operations])
        for number, result in enumerate(results):
            if result and "error" in result:
                where = operations[number] if number < len(operations) else "the commit"
                raise RuntimeError(f"{result['error']}: {result.get('details', '')} ({where})")
        return results

    def wait_for_counter(self, value: int) -> None:
        """Return once the watched counter is at least `value`. Raises TimeoutError where nothing is heard for long."""
        while self._value < value:
            self._handle(self._receive())

    def _call(self, method: str, parameters: list[Any]) -> Any:
        self._number += 1
        self._send({"method": method, "params": parameters, "id": self._number})
        while True:
            message = self._receive()
            if message.get("id") == self._number and "method" not in message:
                if message.get("error"):
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self._handle(message)

    def _handle(self, message: Json) -> None:
        if message.get("method") == "update":
            self._note(message["params"][1])
        elif message.get("method") == "echo":
            self._send({"result": message["params"], "error": None, "id": message["id"]})

    def _note(self, updates: Json) -> None:
        if self._counter is None:
            return
        table, column = self._counter
        for row in updates.get(table, {}).values():
            self._value = row["new"][column]

    def _send(self, message: Json) -> None:
        self._socket.sendall(json.dumps(message, separators=(",", ":")).encode())

    def _receive(self) -> Json:
        """The next message. They follow each other without anything in between (RFC 7047, 4)."""
        while True:
            try:
                message, end = self._decoder.raw_decode(self._received)
            except ValueError:
                chunk = self._socket.recv(RECEIVE_BYTES)
                if not chunk:
                    raise ConnectionError(f"the database {self._name} closed the connection") from None
                self._received += chunk.decode("ascii")
                continue
            self._received = self._received[end:]
            received: Json = message
            return received


def text_map(values: dict[str, str]) -> list[Any]:
    """A map column's value (RFC 7047, 5.1)."""
    return ["map", [[key, value] for key, value in sorted(values.items())]]
