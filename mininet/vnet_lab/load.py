"""A steady ping between two nodes while something else happens, counted to the packet.

`ping` itself loses count of a packet that is under way when it is stopped; so what is counted is the source's own
interface: requests that it sent, replies that it got.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from .capture import Capture, Seen
from .lab import Lab
from .reachability import echo
from .sandbox import LabError
from .topology import Interface

FIRST_REPLY_SECONDS: Final = 10
LAST_REPLY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Count:
    """What a ping came to. `lost` are the times, in seconds since 1970, at which unanswered requests were sent."""

    sent: int
    received: int
    duplicates: int
    lost: tuple[float, ...]


class PingLoad:
    """Pings from one interface to another while the block runs, `rate` times a second; `count` afterwards.

    The block begins once a first ping, which does not count, was answered. Raises LabError where none is.

    with PingLoad(lab, source, destination) as load:
        controller.restart()
    assert load.count.sent == load.count.received
    """

    def __init__(self, lab: Lab, source: Interface, destination: Interface, family: int = 4, rate: int = 100) -> None:
        address = destination.address(family)
        if address is None:
            raise LabError(f"{destination.id} has no IPv{family} address")
        self._lab, self._source = lab, source
        timing = ("-i", f"{1 / rate:g}", "-W", "1")
        ping = ("ping", f"-{family}", "-n", "-q", "-I", source.name, str(address))
        self._first = (*ping, "-c", "1", "-w", str(FIRST_REPLY_SECONDS))
        self._command = (*ping, *timing)
        self._process: subprocess.Popen[str] | None = None
        points = [point for point in lab.points() if point.name == source.id]
        self._capture = Capture(points, keep=lambda seen: echo(seen.frame) is not None)
        self._count: Count | None = None

    def __enter__(self) -> PingLoad:
        if self._lab.popen(self._source, self._first, stdout=subprocess.DEVNULL).wait():
            raise LabError(f"{' '.join(self._first)} in {self._source.owner}: no answer")
        self._capture.__enter__()
        self._process = self._lab.popen(self._source, self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.communicate()
        deadline = time.monotonic() + LAST_REPLY_SECONDS
        while tally(self._capture.frames).lost and time.monotonic() < deadline:
            time.sleep(0.02)
        self._capture.__exit__(kind, error, trace)
        self._count = tally(self._capture.frames)

    @property
    def count(self) -> Count:
        """Sent and received, once the block has ended. Raises LabError before, or where nothing was sent."""
        if self._count is None or not self._count.sent:
            raise LabError(f"{' '.join(self._command)} has sent nothing" if self._count else "the ping still runs")
        return self._count


def tally(frames: Sequence[Seen]) -> Count:
    """Count what one interface saw of its own ping. A request is known by its body, since ping puts the time into
    it: sequence numbers come again after 65,536."""
    sent: dict[bytes, float] = {}
    answers: list[bytes] = []
    for seen in frames:
        message = echo(seen.frame)
        if message is not None and message.request and seen.outgoing:
            sent[message.body] = seen.time
        elif message is not None and not message.request and not seen.outgoing:
            answers.append(message.body)
    received = sent.keys() & set(answers)
    lost = tuple(sorted(when for body, when in sent.items() if body not in received))
    return Count(len(sent), len(received), len(answers) - len(set(answers)), lost)
