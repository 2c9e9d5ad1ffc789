"""Frames as they pass a set of places, each with its time, its direction, and the VLAN tag that was on the wire.

Linux takes the outermost tag off a frame before a packet socket sees it, and hands it over beside the frame
(packet(7), PACKET_AUXDATA); it is put back here.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from .namespaces import Namespace
from .sandbox import LabError

ETH_P_ALL: Final = 0x0003
SOL_PACKET: Final = 263
PACKET_STATISTICS: Final = 6
PACKET_AUXDATA: Final = 8
PACKET_OUTGOING: Final = 4
SO_RCVBUFFORCE: Final = 33
SO_TIMESTAMPNS: Final = 35
AUXDATA: Final = struct.Struct("=IIIHHHH")
"""status, length, captured length, MAC offset, network offset, VLAN TCI, VLAN TPID (<linux/if_packet.h>)."""
TP_STATUS_VLAN_VALID: Final = 0x10
TP_STATUS_VLAN_TPID_VALID: Final = 0x40
TIMESPEC: Final = struct.Struct("=qq")
TPID_8021Q: Final = 0x8100
FRAME_BYTES: Final = 65536
SOCKET_BUFFER: Final = 4 << 20
MEMORY: Final = 64 << 20
POLL_SECONDS: Final = 0.01
CLOSERS: Final = 32
SWITCH_PREFIX: Final = bytes.fromhex("02766e")
"""How the Ethernet addresses of switches begin; no topology gives such a one to a machine."""
LLDP: Final = bytes.fromhex("88cc")


class CaptureLost(LabError):
    """Frames passed that were not kept, so what was kept proves nothing about what did not pass."""


@dataclass(frozen=True, slots=True)
class Point:
    """A place to listen at: `device` in `namespace`. `kind` is node, access, trunk or core.

    `name` is an interface's id for a node, the port's name for the others.
    """

    name: str
    kind: str
    device: str
    namespace: Namespace


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame at a point. `time` is the kernel's, in seconds since 1970; `outgoing` says that the device sent it
    (for a node: the node; for a switch port: the switch)."""

    time: float
    point: Point
    outgoing: bool
    frame: bytes


def is_of_switch(seen: Seen) -> bool:
    """Whether it is LLDP that a switch has sent out of a link port. From a machine, or at one, it would be a leak."""
    source, ethertype = seen.frame[6:9], seen.frame[12:14]
    return seen.point.kind in ("trunk", "core") and source == SWITCH_PREFIX and ethertype == LLDP


class Capture:
    """Listens at points while the block runs; what was seen stays readable afterwards.

    `keep` says which frames to store, all unless given. At most `memory` bytes of frames are stored. Reading a
    capture that is short of a frame, for that reason or because the kernel's queue ran over, raises CaptureLost.
    """

    def __init__(
        self, points: Iterable[Point], keep: Callable[[Seen], bool] | None = None, memory: int = MEMORY
    ) -> None:
        self._points = tuple(points)
        self._keep = keep
        self._room = memory
        self._seen: list[Seen] = []
        self._lost = 0
        self._stopping = threading.Event()
        self._sockets: list[tuple[socket.socket, Point]] = []
        self._thread = threading.Thread(target=self._listen, name="capture", daemon=True)

    def __enter__(self) -> Capture:
        for point in self._points:
            self._sockets.append((_listener(point), point))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        close_all(listener for listener, _point in self._sockets)
        self._sockets.clear()

    @property
    def frames(self) -> tuple[Seen, ...]:
        """All that was kept so far, in the order it was read; sort by `time` to compare points. Raises
        CaptureLost."""
        if self._lost:
            raise CaptureLost(f"{self._lost} frames were seen and not kept: narrow the capture")
        return tuple(self._seen)

    def follow(self, seconds: float, start: int = 0) -> Iterator[Seen]:
        """Frames from the `start`-th on, as they come, until `seconds` have passed."""
        deadline = time.monotonic() + seconds
        index = start
        while True:
            last = time.monotonic() > deadline
            while index < len(self._seen):
                yield self._seen[index]
                index += 1
            if last:
                return
            time.sleep(POLL_SECONDS)

    def settle(self, quiet: float, seconds: float = 10.0) -> None:
        """Wait until nothing was kept for `quiet` seconds. Raises LabError where that does not come about."""
        deadline = time.monotonic() + seconds
        count, since = len(self._seen), time.monotonic()
        while time.monotonic() < since + quiet:
            if time.monotonic() > deadline:
                raise LabError(f"frames keep coming after {seconds:g} s: a loop?")
            time.sleep(POLL_SECONDS)
            if len(self._seen) != count:
                count, since = len(self._seen), time.monotonic()

    def __len__(self) -> int:
        return len(self._seen)

    def _listen(self) -> None:
        with selectors.DefaultSelector() as selector:
            for listener, point in self._sockets:
                selector.register(listener, selectors.EVENT_READ, (listener, point))
            while True:
                stopping = self._stopping.is_set()
                ready = selector.select(0 if stopping else POLL_SECONDS)
                for key, _events in ready:
                    self._drain(*key.data)
                if stopping and not ready:
                    break
        for listener, _point in self._sockets:
            statistics = listener.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
            self._lost += struct.unpack("=II", statistics)[1]

    def _drain(self, listener: socket.socket, point: Point) -> None:
        while True:
            try:
                data, control, _flags, address = listener.recvmsg(FRAME_BYTES, 256)
            except BlockingIOError:
                return
            seen = _read(data, control, address[2] == PACKET_OUTGOING, point)
            if self._keep is not None and not self._keep(seen):
                continue
            if len(data) > self._room:
                self._lost += 1
                continue
            self._room -= len(data)
            self._seen.append(seen)


def close_all(sockets: Iterable[socket.socket]) -> None:
    """Close packet sockets. The kernel lets each wait until no processor can be reading from it, some 15 ms; so they
    wait together."""
    with ThreadPoolExecutor(CLOSERS) as pool:
        for done in [pool.submit(each.close) for each in sockets]:
            done.result()


def _listener(point: Point) -> socket.socket:
    """A packet socket at a point. Made with protocol 0 and bound afterwards, so that it never hears another
    device."""
    with point.namespace.entered():
        listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    listener.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    listener.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    listener.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER)
    listener.setblocking(False)
    listener.bind((point.device, ETH_P_ALL))
    return listener


def _read(data: bytes, control: list[tuple[int, int, bytes]], outgoing: bool, point: Point) -> Seen:
    seconds = 0.0
    for level, kind, value in control:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _length, _captured, _mac, _net, tci, tpid = AUXDATA.unpack_from(value)
            if status & TP_STATUS_VLAN_VALID:
                tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else TPID_8021Q
                data = data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
        elif level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            whole, nanoseconds = TIMESPEC.unpack_from(value)
            seconds = whole + nanoseconds / 1e9
    return Seen(seconds, point, outgoing, data)
