"""Something between a switch and its controller that lets through, holds up or refuses what the controller says.

with Interposed(ovs.folder / "s1.mgmt") as between:
    peer.dial(between.path)
    between.to_switch.clear()
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event
from types import TracebackType

from relay import Relay, end

from ryu_vnet.openflow import replies
from ryu_vnet.openflow.wire import ONF_BUNDLE_ADD_MESSAGE, ONF_BUNDLE_CONTROL, ONF_EXPERIMENTER, MessageType, Version

_ERROR = struct.Struct("!BBHIHH")
_BAD_REQUEST, _BAD_TYPE, _BAD_EXPERIMENTER = 1, 1, 3
_EXPERIMENTER = struct.Struct("!II")


class Interposed(Relay):
    """Listens on a socket of its own, and has a connection to a bridge's for each that comes."""

    def __init__(self, bridge: Path) -> None:
        self.path = bridge.with_suffix(".between")
        self.to_switch, self.to_controller = Event(), Event()
        """Whether messages pass, each way."""
        self.let_go()
        self.knows_bundles = True
        self.passed: list[bytes] = []
        """The messages that the controller has sent and that were let through."""
        self.said: list[bytes] = []
        """The messages that the switch has sent."""
        self.before: Callable[[bytes], None] = lambda message: None
        """Called for each message on its way to the switch."""
        self._bridge = bridge
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen()
        super().__init__(listener)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self.path.unlink()

    def let_go(self) -> None:
        self.to_switch.set()
        self.to_controller.set()

    def dial(self) -> socket.socket:
        switch = socket.socket(socket.AF_UNIX)
        switch.connect(str(self._bridge))
        return switch

    def carry(self, controller: socket.socket, switch: socket.socket) -> None:
        self.start(self._carry, controller, switch, self.to_switch, self._let_through)
        self.start(self._carry, switch, controller, self.to_controller, self._hear)

    def _carry(
        self,
        source: socket.socket,
        target: socket.socket,
        passes: Event,
        let_through: Callable[[bytes, socket.socket], bool],
    ) -> None:
        received = b""
        with suppress(OSError):
            while data := source.recv(1 << 16):
                whole, received = replies.split(received + data)
                for message in whole:
                    passes.wait()
                    if let_through(message, source):
                        target.sendall(message)
        end(source)
        end(target)

    def _hear(self, message: bytes, switch: socket.socket) -> bool:
        self.said.append(message)
        return True

    def _let_through(self, message: bytes, controller: socket.socket) -> bool:
        self.before(message)
        if not self.knows_bundles and (is_bundle_control(message) or is_bundle_add(message)):
            code = _BAD_EXPERIMENTER if message[0] == Version.OF13 else _BAD_TYPE
            length = _ERROR.size + min(len(message), 64)
            head = replies.header(message)
            error = _ERROR.pack(head.version, MessageType.ERROR, length, head.xid, _BAD_REQUEST, code)
            controller.sendall(error + message[:64])
            return False
        self.passed.append(message)
        return True


def is_bundle_control(message: bytes) -> bool:
    """Whether a message opens, commits or discards a bundle."""
    return _is(message, MessageType.BUNDLE_CONTROL, ONF_BUNDLE_CONTROL)


def is_bundle_add(message: bytes) -> bool:
    """Whether a message puts another into a bundle."""
    return _is(message, MessageType.BUNDLE_ADD_MESSAGE, ONF_BUNDLE_ADD_MESSAGE)


def _is(message: bytes, kind: MessageType, onf_kind: int) -> bool:
    if message[1] == MessageType.EXPERIMENTER and message[0] == Version.OF13:
        found: tuple[int, int] = _EXPERIMENTER.unpack_from(message, 8)
        return found == (ONF_EXPERIMENTER, onf_kind)
    return message[1] == kind
