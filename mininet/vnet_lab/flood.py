"""A site that sends into its tunnel as much as it is let, of any kind."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from .frames import BROADCAST, EXPERIMENT, ethernet, mac_text
from .sites import SiteHost

RATE: Final = 1000
"""Frames a second. Each is of a flow of its own, which Open vSwitch's user-space data path has to make up its mind
about: a machine of two cores decides some thousands a second."""
KEYS: Final = 64
FRAME_BYTES: Final = 200


class Flood:
    """How much was sent."""

    def __init__(self) -> None:
        self.sent = 0
        self.seconds = 0.0

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.sent / self.seconds if self.seconds else 0.0


@contextmanager
def flood(host: SiteHost) -> Iterator[Flood]:
    """While the block runs, a site sends frames from MAC addresses that nobody has, half of them under its own key."""
    found, stopping = Flood(), threading.Event()

    def run() -> None:
        started = time.monotonic()
        for number in itertools.count():
            if stopping.is_set():
                break
            source = mac_text(b"\x02\xff" + os.urandom(4))
            frame = ethernet(source, BROADCAST, EXPERIMENT, bytes(FRAME_BYTES))
            host.inject(frame, None if number % 2 else 1 + number % KEYS)
            found.sent, found.seconds = number + 1, time.monotonic() - started
            time.sleep(max(0.0, (number + 1) / RATE - found.seconds))

    thread = threading.Thread(target=run, name="flood", daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stopping.set()
        thread.join()
