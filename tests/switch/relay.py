"""What stands between two that talk to each other: listens for one, and connects to the other for each that comes."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import TypeVar

R = TypeVar("R", bound="Relay")


class Relay:
    """Whoever inherits says how the other end is reached (`dial`) and what passes (`carry`)."""

    def __init__(self, listener: socket.socket) -> None:
        """`listener` listens already. To be called last: from then on connections are taken."""
        self._listener = listener
        self._sockets: list[socket.socket] = []
        self._threads: list[Thread] = []
        self.start(self._accept)

    def __enter__(self: R) -> R:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # One that is shut down wakes up who waits for it; one that is only closed does not. The listener first: when
        # its thread has ended, no further connection is made.
        end(self._listener)
        self._threads[0].join()
        for each in self._sockets:
            end(each)
        self.let_go()
        for thread in self._threads:
            thread.join()
        for each in (self._listener, *self._sockets):
            each.close()

    def dial(self) -> socket.socket:
        """A connection to the other end. Raises OSError where nobody is there; who came then comes in vain."""
        raise NotImplementedError

    def carry(self, here: socket.socket, there: socket.socket) -> None:
        """Start what carries between who came and the other end, both ways."""
        raise NotImplementedError

    def let_go(self) -> None:
        """Wake up threads that wait for something else than their sockets, which are shut down by now."""

    def start(self, target: Callable[..., None], *args: object) -> None:
        """Do something in a thread that is waited for at the end."""
        thread = Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(here)
            try:
                there = self.dial()
            except OSError:
                end(here)
                continue
            self._sockets.append(there)
            self.carry(here, there)


def end(connection: socket.socket, ways: int = socket.SHUT_RDWR) -> None:
    """End a connection both ways, which wakes up who waits for it; or say that nothing more comes (SHUT_WR): what was
    sent before still arrives."""
    # Where the other end has closed it already, there is nothing left to end.
    with suppress(OSError):
        connection.shutdown(ways)
