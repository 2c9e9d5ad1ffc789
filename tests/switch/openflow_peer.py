"""The controller's end of one OpenFlow connection, over a plain socket, for tests that look at single messages.

with OpenFlowPeer(Version.OF14) as peer:
    ovs.add_bridge("s1", dpid=1, controller=peer.address)
    peer.accept()
    rows = peer.dump_rows()
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from types import TracebackType

from ryu_vnet.openflow import messages, replies
from ryu_vnet.openflow.meters import MeterKey, meters
from ryu_vnet.openflow.wire import MessageType, Version

PATIENCE_SECONDS = 20.0
_HELLO, _ECHO_REQUEST, _ECHO_REPLY, _FEATURES_REQUEST, _FEATURES_REPLY = 0, 2, 3, 5, 6


class OpenFlowPeer:
    """Waits for one switch, speaks one version with it, and answers its echo requests while it waits."""

    def __init__(self, version: Version) -> None:
        self.version = version
        self.dpid = 0
        self.last_bundle = 0
        self._next_xid = 1
        self._received = b""
        self._pending: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE_SECONDS)
        self._socket: socket.socket | None = None

    @property
    def address(self) -> str:
        """What a bridge needs as its controller to connect here."""
        return f"tcp:127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> OpenFlowPeer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._socket.close()
        self._listener.close()

    def greet(self) -> None:
        """Wait for the switch and say hello. Open vSwitch may read that half a second later, so greet many at once."""
        self._socket, _ = self._listener.accept()
        self._socket.settimeout(PATIENCE_SECONDS)
        self.send(struct.pack("!BBHI", self.version, _HELLO, 8, self.xid()))

    def accept(self) -> None:
        """Wait for the switch, agree on the version (OpenFlow 1.3.5, 6.3.1) and ask for its datapath id."""
        if self._socket is None:
            self.greet()
        self._meet()

    def dial(self, bridge: Path) -> None:
        """Connect to the socket that a bridge has for ovs-ofctl and its like (`BRIDGE.mgmt`)."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE_SECONDS)
        self._socket.connect(str(bridge))
        self.send(struct.pack("!BBHI", self.version, _HELLO, 8, self.xid()))
        self._meet()

    def _meet(self) -> None:
        while self.receive()[1] != _HELLO:
            pass
        self.send(struct.pack("!BBHI", self.version, _FEATURES_REQUEST, 8, self.xid()))
        while (message := self.receive())[1] != _FEATURES_REPLY:
            pass
        assert message[0] == self.version
        (self.dpid,) = struct.unpack_from("!Q", message, 8)

    def hang_up(self) -> None:
        """Close the connection from this end; the switch will come again."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._received, self._pending = None, b"", []

    def xid(self, count: int = 1) -> int:
        """A transaction identifier that was not used before; for several in a row, the first of them."""
        first = self._next_xid
        self._next_xid += count
        return first

    def send(self, data: bytes) -> None:
        """Send one or more messages."""
        assert self._socket is not None
        self._socket.sendall(data)

    def receive(self) -> bytes:
        """The next message that is not an echo request. Raises TimeoutError if none comes."""
        assert self._socket is not None
        while True:
            while not self._pending:
                data = self._socket.recv(1 << 20)
                if not data:
                    raise ConnectionError("the switch closed the connection")
                self._pending, self._received = replies.split(self._received + data)
            message = self._pending.pop(0)
            if message[1] != _ECHO_REQUEST:
                return message
            self.send(message[:1] + bytes([_ECHO_REPLY]) + message[2:])

    def fileno(self) -> int:
        """For `select`."""
        assert self._socket is not None
        return self._socket.fileno()

    def arrived(self) -> list[bytes]:
        """The messages that have come, without waiting for more; echo requests apart, which are answered."""
        assert self._socket is not None
        data = self._socket.recv(1 << 20)
        if not data:
            raise ConnectionError("the switch closed the connection")
        whole, self._received = replies.split(self._received + data)
        found, self._pending = [*self._pending, *whole], []
        for message in found:
            if message[1] == _ECHO_REQUEST:
                self.send(message[:1] + bytes([_ECHO_REPLY]) + message[2:])
        return [message for message in found if message[1] != _ECHO_REQUEST]

    def until_barrier(self) -> list[bytes]:
        """Send a barrier, and return all that came until it was answered, without the answer."""
        xid = self.xid()
        self.send(messages.barrier(self.version, xid))
        received: list[bytes] = []
        while True:
            message = self.receive()
            if message[1] == MessageType.BARRIER_REPLY and replies.barrier_reply(message) == xid:
                return received
            received.append(message)

    def commit(self, inner: list[bytes]) -> list[bytes]:
        """Send messages as one bundle, and return what the switch answered."""
        self.last_bundle = self.xid()
        self.send(messages.in_bundle(self.version, self.last_bundle, inner, self.xid(), self.xid()))
        return self.until_barrier()

    def dump_rows(self) -> dict[bytes, bytes]:
        """Key and value of every row on the switch."""
        parts = self.ask(messages.all_flows(self.version, self.xid()))
        return {key: value for part in parts for key, value, _, _ in replies.flows(part)}

    def dump_groups(self) -> dict[int, bytes]:
        """Number and value of every group on the switch."""
        parts = self.ask(messages.all_groups(self.version, self.xid()))
        return dict(group for part in parts for group in replies.groups(part))

    def dump_meters(self) -> dict[MeterKey, bytes]:
        """Every meter on the switch, and what it is set to."""
        parts = self.ask(messages.all_meters(self.version, self.xid()))
        return dict(meter for part in parts for meter in meters(part))

    def dump_ports(self) -> list[replies.Port]:
        """Every port of the switch."""
        parts = self.ask(messages.all_ports(self.version, self.xid()))
        return [port for part in parts for port in replies.ports(part)]

    def ask(self, request: bytes) -> list[bytes]:
        """Send a multipart request, and return the parts of its answer."""
        self.send(request)
        xid = replies.header(request).xid
        parts = []
        more = True
        while more:
            message = self.receive()
            if replies.header(message).xid == xid:
                if message[1] == MessageType.ERROR:
                    raise AssertionError(str(replies.error(message)))
                _, more = replies.multipart(message)
                parts.append(message)
        return parts
