"""Steady datagrams between pairs of nodes, each with a place in its stream, and every node that any of them came to.

Each end knows the other's MAC address beforehand, so that datagrams are sent whether or not anybody may have them: a
kernel that finds nobody by ARP would keep them to itself, and nothing would be shown.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from .capture import Capture, Seen
from .lab import Lab
from .sandbox import run
from .topology import Interface

PORT: Final = 7078
MARK: Final = b"vnet stream "
"""What each datagram begins with; stream and place follow."""
PLACE: Final = struct.Struct("!HQ")
SETTLE_SECONDS: Final = 0.2
Pair = tuple[Interface, Interface]


@dataclass(frozen=True, slots=True)
class Datagram:
    """When it was sent, and whom it came to at which times: seconds since 1970."""

    sent: float
    came: tuple[tuple[float, str], ...]


class Streams:
    """Datagrams over IPv4 from the first to the second of each pair while the block runs, `rate` a second and pair.

    with Streams(lab, pairs, 200) as streams:
        ...
    for pair, datagrams in zip(pairs, streams.datagrams(), strict=True):
        ...
    """

    def __init__(self, lab: Lab, pairs: Sequence[Pair], rate: int) -> None:
        self._lab, self._pairs, self._rate = lab, tuple(pairs), rate
        self._sent: list[list[float]] = [[] for _ in pairs]
        nodes = [point for point in lab.points() if point.kind == "node"]
        self._capture = Capture(nodes, keep=lambda seen: not seen.outgoing and MARK in seen.frame)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send, name="streams", daemon=True)
        self._stack = ExitStack()

    def __enter__(self) -> Streams:
        try:
            for receiver in {destination.id: destination for _, destination in self._pairs}.values():
                # Nobody reads them: this is there so that the kernel does not answer that nobody listens.
                self._socket(receiver).bind(("", PORT))
            self._senders = [self._sender(*pair) for pair in self._pairs]
            self._stack.enter_context(self._capture)
            self._thread.start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        try:
            if error is None:
                self._capture.settle(SETTLE_SECONDS)
        finally:
            self._stack.close()

    def datagrams(self) -> list[list[Datagram]]:
        """Of each pair, the datagrams in the order in which they were sent, once the block has ended. Raises
        CaptureLost."""
        came: dict[tuple[int, int], list[tuple[float, str]]] = defaultdict(list)
        for seen in self._capture.frames:
            came[place_of(seen)].append((seen.time, seen.point.name))
        return [
            [Datagram(when, tuple(came[stream, place])) for place, when in enumerate(sent)]
            for stream, sent in enumerate(self._sent)
        ]

    def _socket(self, node: Interface) -> socket.socket:
        with self._lab.namespace(node).entered():
            return self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

    def _sender(self, source: Interface, destination: Interface) -> socket.socket:
        address = str(destination.address(4))
        with self._lab.namespace(source).entered():
            known = ("to", address, "lladdr", destination.mac, "dev", source.name, "nud", "permanent")
            run("ip", "neigh", "replace", *known)
        sender = self._socket(source)
        sender.connect((address, PORT))
        return sender

    def _send(self) -> None:
        start, place = time.monotonic(), 0
        while not self._ended.is_set():
            for stream, sender in enumerate(self._senders):
                self._sent[stream].append(time.time())
                sender.send(MARK + PLACE.pack(stream, place))
            place += 1
            time.sleep(max(0.0, start + place / self._rate - time.monotonic()))


def place_of(seen: Seen) -> tuple[int, int]:
    """The stream that a frame is of, and its place there."""
    stream, place = PLACE.unpack_from(seen.frame, seen.frame.index(MARK) + len(MARK))
    return stream, place
