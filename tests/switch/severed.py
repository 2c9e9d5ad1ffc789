"""Something between a controller and a switch that ends the controller in the middle of a bundle, at a byte.

with Severed(controller.openflow_port, controller.kill) as between:
    fabric.redirect("host1", between.target)
    between.arm(1000)
    assert between.done.wait(60)
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Event

from interposed import is_bundle_control
from relay import Relay, end

from ryu_vnet.openflow import replies
from ryu_vnet.openflow.wire import BundleStep


class Severed(Relay):
    """Listens where a switch is told that its controller is, and connects to the controller for each that comes."""

    def __init__(self, port: int, kill: Callable[[], None]) -> None:
        self.passed = bytearray()
        """What went to the switch since `arm`."""
        self.done = Event()
        """Set when the controller is killed."""
        self._port = port
        self._kill = kill
        self._armed: int | None = None
        self._skip = 0
        self._left: int | None = None
        """How many bytes still pass, while a bundle is open."""
        super().__init__(socket.create_server(("127.0.0.1", 0)))

    @property
    def target(self) -> str:
        """What the bridge needs as its controller."""
        return f"tcp:127.0.0.1:{self._listener.getsockname()[1]}"

    def arm(self, after: int, skip: int = 0) -> None:
        """Let some bundles pass. In the next one, kill the controller when that many bytes have passed after its
        opening; where it is shorter, at some byte of its commit, before its end. The switch gets no byte after that."""
        self._armed, self._skip = after, skip

    def dial(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port))

    def carry(self, switch: socket.socket, controller: socket.socket) -> None:
        for each in (switch, controller):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.start(self._to_switch, controller, switch)
        self.start(self._to_controller, switch, controller)

    def _to_controller(self, switch: socket.socket, controller: socket.socket) -> None:
        with suppress(OSError):
            # Read to the end, also where nobody is left to hear it: what a socket that is closed has not read yet
            # would have the switch forget what it was sent.
            while data := switch.recv(1 << 16):
                with suppress(OSError):
                    controller.sendall(data)
        end(controller, socket.SHUT_WR)

    def _to_switch(self, controller: socket.socket, switch: socket.socket) -> None:
        received = b""
        with suppress(OSError):
            while not self.done.is_set() and (data := controller.recv(1 << 16)):
                whole, received = replies.split(received + data)
                passing, is_cut = self._until_cut(whole)
                switch.sendall(passing)
                if is_cut:
                    self._kill()
                    self.done.set()
        end(switch, socket.SHUT_WR)

    def _until_cut(self, messages: list[bytes]) -> tuple[bytes, bool]:
        """What of these messages passes, and whether the controller is to be killed then."""
        passing = bytearray()
        is_cut = False
        for message in messages:
            if self._left is None:
                if self._armed is not None and is_step(message, BundleStep.OPEN_REQUEST):
                    self._left = self._armed if self._skip == 0 else None
                    self._skip -= 1
                passing += message
                continue
            if is_step(message, BundleStep.COMMIT_REQUEST):
                self._left %= len(message)
            passing += message[: self._left]
            self._left -= len(message)
            if self._left < 0:
                is_cut = True
                break
        if self._armed is not None:
            self.passed += passing
        return bytes(passing), is_cut


def is_step(message: bytes, step: BundleStep) -> bool:
    """Whether a message is this step of a bundle; its type and flags are the last that it has."""
    return is_bundle_control(message) and int.from_bytes(message[-4:-2], "big") == step
