"""JSON-RPC with an OVSDB server (RFC 7047, section 4) that may be slow, hang, flood or lie.

The connection itself, over a unix socket, TCP or TLS, is the `ovs` library's. What is said on it is not: its
`ovs.jsonrpc`, and the `ovs.db.idl.Idl` above it, read a message to its end without a pause and without a bound, with a
parser in Python. Measured under eventlet with 5,000 interfaces on a host (2.1 MB): the Idl takes 1.6 s, and 0.9 s of
that in one piece, although it was made to give way wherever it can be. Here they take 0.35 s of work, in pieces of at
most 6 ms; 200 interfaces take 10 ms of work. What a liar can make a single piece take is some ten milliseconds.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import ovs.poller
import ovs.stream

from .errors import Unreachable
from .ovsdb_json import JsonStream

READ_BYTES = 1 << 13
"""How much is read at once: what takes a millisecond to parse, or ten where it is made to take long."""
MOST_UNSENT = 1 << 18
"""Bytes that a server may let wait for it. Ours are few, but it may ask for any number of echoes and read none."""
SLICE_SECONDS = 0.002
"""After so much work others have their turn."""


class Pace:
    """Gives way to other threads, green ones too, in the middle of long work.

    `rest` is how much longer than the work each pause is at least: work that never ends by itself, with a rest of 3,
    takes a quarter of the time.
    """

    def __init__(self, rest: int = 0) -> None:
        self._rest = rest
        self._since = time.monotonic()

    def begin(self) -> None:
        """Work begins; before, one has waited."""
        self._since = time.monotonic()

    def breathe(self) -> None:
        """Work goes on; pause if it has for long enough."""
        worked = time.monotonic() - self._since
        if worked >= SLICE_SECONDS:
            time.sleep(worked * self._rest)
            self.begin()


class Connection:
    """One connection, from one thread (but for `cut`). Everything raises Unreachable where it is of no more use.

    Where nothing comes for `probe_seconds` the server is asked for an echo, and given up after as many more. A message
    that has begun must be whole within `answer_seconds`, whatever comes meanwhile.
    """

    def __init__(self, remote: str, pace: Pace, probe_seconds: float, answer_seconds: float) -> None:
        self._pace = pace
        self._probe_seconds = probe_seconds
        self._answer_seconds = answer_seconds
        self._json = JsonStream()
        self._unsent = b""
        self._begun: float | None = None
        """Since when a message is not whole."""
        self._probed: float | None = None
        check_address(remote)
        try:
            opened = ovs.stream.Stream.open(remote)
            error, stream = ovs.stream.Stream.open_block(opened, timeout=round(probe_seconds * 1000))
        except (OSError, ValueError, TypeError) as problem:
            # Files for TLS that are not there, or no address.
            raise Unreachable(f"it cannot be connected to: {problem}") from problem
        if error or stream is None:
            raise Unreachable(f"it does not answer ({_named(error, remote)})")
        self._stream = stream
        self._remote = remote
        self._heard = time.monotonic()

    def close(self) -> None:
        """End it."""
        self._stream.close()

    def cut(self) -> None:
        """End it from another thread: whoever reads finds that it has ended, and closes."""
        with suppress(OSError):
            # Of the bare socket: of one that speaks TLS, what it needs to read would go.
            bare = socket.socket(fileno=os.dup(self._stream.socket.fileno()))
            with bare:
                bare.shutdown(socket.SHUT_RDWR)

    def ask(self, method: str, params: list[Any], name: str) -> None:
        """Send a request; its answer has `name` as its `id`."""
        self._send({"method": method, "params": params, "id": name})

    def receive(self, until: float) -> Iterator[dict[str, Any]]:
        """What is whole after one more read, requests for echoes apart; nothing if nothing comes `until` then
        (`time.monotonic()`)."""
        self._flush()
        error, data = self._stream.recv(READ_BYTES)
        if error == errno.EAGAIN:
            self._wait(until)
            return
        if error:
            raise Unreachable(f"the connection broke ({_named(error, self._remote)})")
        if not data:
            raise Unreachable("it ended the connection")
        self._heard, self._probed = time.monotonic(), None
        for message in self._json.feed(data):
            self._begun = None
            if not isinstance(message, dict):
                raise Unreachable("it sends a message that is no object")
            if message.get("method") == "echo" and message.get("id") is not None:
                self._send({"result": message.get("params"), "error": None, "id": message["id"]})
            elif message.get("id") != "echo":
                yield message
            self._pace.breathe()
        if self._json.is_between:
            self._begun = None
        elif self._begun is None:
            self._begun = self._heard
        self._check_begun()
        self._pace.breathe()

    def _wait(self, until: float) -> None:
        now = time.monotonic()
        self._check_begun()
        if self._probed is not None and now >= self._probed + self._probe_seconds:
            silent = f"it has said nothing for {now - self._heard:.0f} s"
            raise Unreachable(silent if self._begun is None else f"{silent}, in the middle of a message")
        if self._probed is None and now >= self._heard + self._probe_seconds:
            self._probed = now
            self._send({"method": "echo", "params": [], "id": "echo"})
        due = (self._heard if self._probed is None else self._probed) + self._probe_seconds
        poller = ovs.poller.Poller()
        poller.timer_wait(max(1, round((min(until, due) - now) * 1000)))
        self._stream.recv_wait(poller)
        if self._unsent:
            self._stream.send_wait(poller)
        poller.block()
        self._pace.begin()

    def _check_begun(self) -> None:
        if self._begun is not None and time.monotonic() > self._begun + self._answer_seconds:
            raise Unreachable(f"it has not ended a message for {self._answer_seconds:.0f} s")

    def _send(self, message: dict[str, Any]) -> None:
        self._unsent += json.dumps(message).encode()
        self._flush()
        if len(self._unsent) > MOST_UNSENT:
            raise Unreachable("it does not read what it is sent")

    def _flush(self) -> None:
        if self._unsent:
            sent = self._stream.send(self._unsent)
            if sent < 0 and sent != -errno.EAGAIN:
                raise Unreachable(f"the connection broke ({_named(-sent, self._remote)})")
            self._unsent = self._unsent[max(0, sent) :]


def check_address(remote: str) -> None:
    """The library takes a host's name that it cannot resolve, which without libunbound is every name, for this host."""
    method, _, rest = remote.partition(":")
    if method not in ("unix", "tcp", "ssl"):
        raise Unreachable(f"{remote} must be unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT")
    if method != "unix":
        host, _, port = rest.rpartition(":")
        try:
            ip_address(host.removeprefix("[").removesuffix("]"))
        except ValueError:
            raise Unreachable(f"{host} in {remote} must be an address") from None
        if not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
            raise Unreachable(f"{port} in {remote} must be a port")


def _named(error: int, remote: str) -> str:
    """An error of the library's, which has 1 for whatever goes wrong with TLS."""
    if remote.startswith("ssl:") and error == errno.EPERM:
        return "TLS: one of us does not trust the other, or it speaks something else"
    return os.strerror(error) if error > 0 else f"error {error}"
