"""OpenFlow connections to many switches at once, on plain sockets in one thread: the least that a controller can be.

    with Channels.dialled([fleet.management(bridge.name) for bridge in fleet.bridges]) as channels:
        seconds = channels.exchange({channel: [row] for channel in channels.all[:4]})

Connections are either those that bridges make to their controller (`accepted`), or those that we make to the sockets
that bridges have for ovs-ofctl and its like (`dialled`), beside whatever controller there is.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from pathlib import Path
from types import TracebackType

from ryu_vnet.openflow import messages, replies
from ryu_vnet.openflow.wire import MessageType, Version

PATIENCE_SECONDS = 60.0
VERSION = Version.OF14
_HELLO, _ECHO_REQUEST, _ECHO_REPLY, _FEATURES_REQUEST, _FEATURES_REPLY = 0, 2, 3, 5, 6


class Channel:
    """One connection. `dpid` is None until the switch has said it; `open` says whether the connection is there."""

    __slots__ = ("dpid", "open", "received", "socket")

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.open = True
        self.dpid: int | None = None
        self.received = b""

    def send(self, data: bytes) -> None:
        """Send one or more messages, and wait until they are on their way."""
        self.socket.sendall(data)


class Channels:
    """Connections whose switches are known. Echo requests are answered whenever answers are waited for; a switch
    gives up a controller that does not answer it for five seconds, and never one of those that dialled it."""

    def __init__(self) -> None:
        self.all: list[Channel] = []
        self._selector = selectors.DefaultSelector()
        self._xids = count(1)

    def __enter__(self) -> Channels:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @classmethod
    def dialled(cls, bridges: Iterable[Path]) -> Channels:
        """Connect to bridges. Raises OSError where one is not there."""
        channels, paths = cls(), list(bridges)
        try:
            for bridge in paths:
                connection = socket.socket(socket.AF_UNIX)
                try:
                    connection.connect(str(bridge))
                except OSError:
                    connection.close()
                    raise
                channels._add(connection)
            channels._wait(lambda: channels._settled(len(paths)), f"{len(paths)} switches say who they are")
        except BaseException:
            channels.close()
            raise
        return channels

    @classmethod
    def accepted(cls, listener: socket.socket, number: int) -> Channels:
        """Wait until `number` different switches have connected to a listening socket.

        A switch that is busy may give up a connection before it is through with it, and come again. Raises
        TimeoutError where they do not come.
        """
        channels = cls()
        listener.setblocking(False)
        channels._selector.register(listener, selectors.EVENT_READ, None)
        try:
            channels._wait(lambda: channels._settled(number), f"{number} switches connect")
            channels._selector.unregister(listener)
        except BaseException:
            channels.close()
            raise
        return channels

    def close(self) -> None:
        """Close all connections."""
        for channel in self.all:
            channel.socket.close()
        self._selector.close()

    def xid(self) -> int:
        """A transaction identifier that was not used before."""
        return next(self._xids)

    def exchange(
        self, sent: Mapping[Channel, Iterable[bytes]], heard: Callable[[bytes], None] = lambda message: None
    ) -> float:
        """Send messages and a barrier to each of some switches, and wait until all have answered the barriers.

        How long that took, in seconds, from the first byte sent to the last answer read. `heard` is given every
        message that comes meanwhile. Raises RuntimeError for a
        message that a switch refuses, ConnectionError for a switch that goes away, and TimeoutError for an answer that
        does not come.
        """
        barriers = {channel: self.xid() for channel in sent}
        ready = {
            channel: b"".join([*parts, messages.barrier(VERSION, barriers[channel])]) for channel, parts in sent.items()
        }
        waiting = set(barriers.items())
        started = time.perf_counter()
        for channel, data in ready.items():
            channel.send(data)
        deadline = started + PATIENCE_SECONDS
        while waiting:
            for channel, message in self._receive(0.1):
                heard(message)
                if message[1] == MessageType.BARRIER_REPLY:
                    waiting.discard((channel, replies.barrier_reply(message)))
            if gone := [channel for channel, _ in waiting if not channel.open]:
                raise ConnectionError(f"switch {gone[0].dpid or 0:#x} closed the connection")
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{len(waiting)} switches did not answer in {PATIENCE_SECONDS:.0f} s")
        return time.perf_counter() - started

    def _settled(self, number: int) -> bool:
        """Whether at least so many switches are here, each by one connection, and all have said who they are."""
        dpids = {channel.dpid for channel in self.all}
        return None not in dpids and len(dpids) == len(self.all) >= number

    def _wait(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            self._receive(0.1)
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {PATIENCE_SECONDS:.0f} s in vain: {what}")

    def _add(self, connection: socket.socket) -> None:
        channel = Channel(connection)
        self.all.append(channel)
        self._selector.register(connection, selectors.EVENT_READ, channel)
        try:
            channel.send(struct.pack("!BBHI", VERSION, _HELLO, 8, self.xid()))
        except ConnectionError:
            self._drop(channel)

    def _receive(self, seconds: float) -> list[tuple[Channel, bytes]]:
        """What has come when something does, or after some seconds, but for greetings and the like."""
        found = []
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                assert isinstance(key.fileobj, socket.socket)
                connection, _ = key.fileobj.accept()
                connection.setblocking(True)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._add(connection)
            else:
                found += self._read(key.data)
        return found

    def _read(self, channel: Channel) -> list[tuple[Channel, bytes]]:
        try:
            data = channel.socket.recv(1 << 16)
            if not data:
                raise ConnectionResetError
            whole, channel.received = replies.split(channel.received + data)
            return [(channel, message) for message in whole if not self._answered(channel, message)]
        except ConnectionError:
            self._drop(channel)
            return []

    def _drop(self, channel: Channel) -> None:
        self._selector.unregister(channel.socket)
        self.all.remove(channel)
        channel.socket.close()
        channel.open = False

    def _answered(self, channel: Channel, message: bytes) -> bool:
        """Whether a message is one that concerns the connection alone, and was seen to."""
        kind = message[1]
        if kind == _ECHO_REQUEST:
            channel.send(message[:1] + bytes([_ECHO_REPLY]) + message[2:])
        elif kind == _HELLO:
            channel.send(struct.pack("!BBHI", VERSION, _FEATURES_REQUEST, 8, self.xid()))
        elif kind == _FEATURES_REPLY:
            (channel.dpid,) = struct.unpack_from("!Q", message, 8)
        elif kind == MessageType.ERROR:
            raise RuntimeError(f"switch {channel.dpid or 0:#x} refused: {replies.error(message)}")
        else:
            return False
        return True
