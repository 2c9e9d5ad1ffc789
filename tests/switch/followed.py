"""The program `following.py` as a child of a test, and what it was told so far."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from controller_process import REPOSITORY
from dummy_fabric import wait_until

WAIT_SECONDS = 60.0
Place = tuple[int, str]


class Followed:
    """Databases that a child follows. What contradicts what was told before goes to `wrong`, and fails each wait."""

    def __init__(self, *remotes: str, probe_seconds: float = 5.0, tls: tuple[str, ...] = ()) -> None:
        program = str(Path(__file__).with_name("following.py"))
        options = ["--tls", *tls] if tls else []
        self._command = [sys.executable, program, str(probe_seconds), *options, *remotes]
        self.known: list[dict[Place, dict[str, Any]]] = [{} for _ in remotes]
        """By database: what is there, by place, as told."""
        self.told: list[list[dict[str, Any]]] = [[] for _ in remotes]
        """By database: all changes."""
        self.states: list[list[tuple[bool, str]]] = [[] for _ in remotes]
        """By database: all states that it was seen in."""
        self.complaints: list[list[str]] = [[] for _ in remotes]
        self.beats = 0
        self.ended: set[int] = set()
        self.wrong: list[str] = []

    def __enter__(self) -> Followed:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        self._process = subprocess.Popen(self._command, env=environment, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Have it close all, and wait until it has ended."""
        self._process.send_signal(signal.SIGUSR1)
        self.wait(lambda: len(self.ended) == len(self.known), "the end of all")
        assert self._process.wait(WAIT_SECONDS) == 0

    def wait(self, condition: Any, what: str) -> None:
        """Wait until something is so."""
        wait_until(lambda: bool(self.wrong) or condition(), what, WAIT_SECONDS)
        assert not self.wrong

    def wait_connected(self, number: int = 0, is_connected: bool = True) -> None:
        """Wait until a database is known as of now, or is away."""
        state = f"database {number} {'connected' if is_connected else 'away'}"
        self.wait(lambda: bool(self.states[number]) and self.states[number][-1][0] is is_connected, state)

    def wait_beats(self, count: int = 10) -> None:
        """Wait until the other green thread has had so many turns from now on."""
        wanted = self.beats + count
        self.wait(lambda: self.beats >= wanted, "another green thread")

    def reasons(self, number: int = 0) -> str:
        """All reasons why a database was away."""
        return "; ".join(why for _, why in self.states[number])

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            line = json.loads(text)
            if "beat" in line:
                self.beats = line["beat"]
            elif "ended" in line:
                self.ended.add(line["ended"])
            elif "state" in line:
                self.states[line["number"]].append(tuple(line["state"]))
            else:
                self._take(line["number"], line)

    def _take(self, number: int, change: dict[str, Any]) -> None:
        known = self.known[number]
        for kind, expects in (("came", False), ("changed", True), ("went", True)):
            for sighting in change[kind]:
                place = sighting["dpid"], sighting["port"]
                if (place in known) is not expects or (kind == "changed" and known[place] == sighting):
                    self.wrong.append(f"{kind}: {sighting}, while known is {known.get(place)}")
                if kind == "went":
                    known.pop(place, None)
                else:
                    known[place] = sighting
        self.complaints[number] += change["complaints"]
        self.told[number].append(change)
