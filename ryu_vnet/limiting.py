"""Tells the daemons of gateways how many connections each network may have there, and asks how many there are.

Each daemon in a green thread of its own: one that does not answer makes nobody wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from .errors import Unreachable
from .framework import hub
from .managers.system import System
from .unixctl import tell_limits

LOOK_SECONDS = 1.0
"""How often it is looked whether something else is wanted of a daemon than it was told."""
ASK_SECONDS = 5.0
"""How often a daemon is asked, whether or not."""
UNKNOWN = "no control socket is known (`control` of the switch, or a database on this host)"


class Limiting:
    """All daemons that are to be told. `guarded` does a job whose errors must not end the thread that does it."""

    def __init__(
        self,
        system: System,
        database: Callable[[str], str | None],
        guarded: Callable[[Callable[[], None]], None],
    ) -> None:
        """`database` says where that of a switch is."""
        self._system = system
        self._database = database
        self._guarded = guarded
        self._busy: set[str] = set()
        self._told: dict[str, tuple[dict[int, int], float]] = {}
        """By control: what it has been told, and when."""
        self._ours: dict[str, set[int]] = {}
        """By control: the zones that it was told of."""

    def keep_limiting(self) -> None:
        """Never returns."""
        while True:
            hub.sleep(LOOK_SECONDS)
            self._guarded(self._look)

    def _look(self) -> None:
        by_control: dict[str | None, list[str]] = {}
        for name in sorted({name for names in self._system.fabric.gateways.values() for name in names}):
            by_control.setdefault(self._control(name), []).append(name)
        self._system.tracked.forget_others({gateway.switch for gateway in self._system.model.gateways()})
        for control, names in by_control.items():
            wanted = self._system.tracked.wanted(*names)
            if control is None:
                for name in names:
                    if self._system.tracked.wanted(name):
                        self._system.tracked.failed(name, UNKNOWN)
            elif control not in self._busy and self._is_due(control, wanted):
                self._busy.add(control)
                hub.spawn(self._guarded, partial(self._tell, control, names, wanted))

    def _control(self, name: str) -> str | None:
        """Where the daemon of a switch takes commands: where it is declared to, or beside its database."""
        switch = self._system.fabric.switches[name]
        if switch.control is not None:
            return switch.control
        database = self._database(name) or ""
        return database.rpartition("/")[0] if database.startswith("unix:/") else None

    def _is_due(self, control: str, wanted: dict[int, int]) -> bool:
        told, when = self._told.get(control, ({}, 0.0))
        if not wanted and not self._ours.get(control):
            return False
        return told != wanted or time.monotonic() - when >= ASK_SECONDS

    def _tell(self, control: str, names: list[str], wanted: dict[int, int]) -> None:
        tracked = self._system.tracked
        try:
            ours = self._ours.setdefault(control, set()) | tracked.left(*names)
            known = tell_limits(control, wanted, ours)
            self._ours[control] = {*wanted}
            for name in names:
                tracked.said(name, known)
        except Unreachable as error:
            for name in names:
                tracked.failed(name, str(error))
        finally:
            self._told[control] = wanted, time.monotonic()
            self._busy.discard(control)
