"""Network namespaces, entered by one thread for a moment.

A socket stays in the namespace it was opened in, and so does a program started there: one process can hold sockets
in every node (network_namespaces(7), setns(2)).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

CLONE_NEWNET: Final = 0x40000000
"""From <linux/sched.h>."""


class Namespace:
    """The network namespace of a process, held open until `close`. Raises OSError where the process is gone."""

    def __init__(self, pid: int) -> None:
        self._descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._libc = ctypes.CDLL(None, use_errno=True)

    def close(self) -> None:
        """Let go of the namespace."""
        os.close(self._descriptor)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread alone is in the namespace while the block runs, and back where it was afterwards."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._set(self._descriptor)
            try:
                yield
            finally:
                self._set(home)
        finally:
            os.close(home)

    def _set(self, descriptor: int) -> None:
        if self._libc.setns(descriptor, CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
