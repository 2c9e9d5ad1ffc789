"""Connections a second and round trip times from a member to a server: `connecting.py`, run in their namespaces."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .gateway_sides import Side, Translation
from .traffic import GRACE_SECONDS, inside

PORT = 7007
CLIENTS = 8
"""How many connections are made at a time."""
EXCHANGES = 1000
PROGRAM = [sys.executable, "-I", str(Path(__file__).with_name("connecting.py"))]


@dataclass(frozen=True, slots=True)
class Connections:
    """How many a second, and the seconds that each of them took from connect to close."""

    rate: float
    taken: list[float]


@contextmanager
def serving(side: Side) -> Iterator[None]:
    """The server of a side answers while the block runs."""
    command = inside(side.server.path, "setpriv", "--pdeathsig", "KILL", *PROGRAM, "serve", str(PORT))
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise RuntimeError("the server of connections did not start")
            yield
        finally:
            process.kill()


def connections(side: Side, translation: Translation, seconds: int) -> Connections:
    """Connect, ask, take the answer and close, for so long."""
    asked = ("connect", str(PORT), str(seconds), str(CLIENTS), translation.source, *translation.servers)
    taken = _run(side, seconds, *asked)
    return Connections(len(taken) / seconds, taken)


def round_trips(side: Side, translation: Translation) -> list[float]:
    """The seconds from question to answer of many, one after the other on one connection."""
    return _run(side, 0, "exchange", str(PORT), str(EXCHANGES), translation.source, translation.servers[0])


def _run(side: Side, seconds: int, *arguments: str) -> list[float]:
    command = inside(side.member.path, "setpriv", "--pdeathsig", "KILL", *PROGRAM, *arguments)
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds + GRACE_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"connections to {arguments[-1]} got stuck") from error
    if done.returncode:
        raise RuntimeError(f"connections to {arguments[-1]}: {done.stderr.strip()}")
    found: list[float] = json.loads(done.stdout)
    return found
