"""Single attaches and detaches that go on whatever else the controller has to do."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from .controller import Connection

EVERY_SECONDS = 0.05
"""From one request to the next: a tenth of what one after the other would be."""
Member = tuple[str, str, str]
"""Tenant, network, node."""


@dataclass(frozen=True, slots=True)
class Taken:
    """When a request was due, by the clock `time.perf_counter`, and the seconds from then until it was realised."""

    due: float
    seconds: float


class Steady:
    """While the block runs, one of `members` leaves its network or comes back every `EVERY_SECONDS`.

    A request counts from when it was due, not from when it could be sent: those that wait behind a slow one have been
    kept waiting as well. What went wrong in the meantime is raised at the end of the block.
    """

    def __init__(self, port: int, members: Sequence[Member], seed: int) -> None:
        self._connection = Connection(port)
        self._members = members
        self._chance = random.Random(seed)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="steady", daemon=True)
        self._error: BaseException | None = None
        self.taken: list[Taken] = []

    def __enter__(self) -> Steady:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._connection.close()
        if self._error is not None and error is None:
            raise self._error

    def between(self, start: float, end: float) -> list[float]:
        """The seconds that those took that were due between two moments."""
        return [one.seconds for one in self.taken if start <= one.due < end]

    def _run(self) -> None:
        try:
            due = time.perf_counter()
            while not self._ended.is_set():
                member = self._chance.choice(self._members)
                for method in ("DELETE", "PUT"):
                    time.sleep(max(0.0, due - time.perf_counter()))
                    answer = self._connection.member(method, *member)
                    self.taken.append(Taken(due, time.perf_counter() - due))
                    if not answer["realised"] or not answer["changed"]:
                        raise RuntimeError(f"{method} of {member}: {answer}")
                    due += EVERY_SECONDS
        except Exception as error:
            self._error = error
