"""Says how far something is that takes more than a moment."""

from __future__ import annotations

import sys
import time

PATIENCE_SECONDS = 2.0


class Progress:
    """Counts steps, and from two seconds on says every two seconds how many are done, on standard error.

    progress = Progress("switches", 1000)
    progress.at(50)
    """

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._started = self._said = time.monotonic()

    def at(self, done: int) -> None:
        """So many steps are done."""
        now = time.monotonic()
        if now - self._said >= PATIENCE_SECONDS:
            self._said = now
            seconds = now - self._started
            print(f"{done:,} of {self._total:,} {self._what} after {seconds:.0f} s", file=sys.stderr, flush=True)
