"""Looks at how bridges are set up in the OVSDB of their hosts: when a switch connects, and again and again."""

from __future__ import annotations

from collections.abc import Callable, Collection

from . import framework
from .errors import Unreachable
from .framework import hub
from .managers.bridge import BridgeReport
from .managers.system import System
from .ovsdb import read_bridges

OVSDB_SECONDS = 5
"""How long a database may take to say what is asked of it."""
LEAST_SECONDS_BETWEEN = 0.25
"""From one database's turn to the next one's: with many, each has its turn more rarely."""

Found = dict[int, BridgeReport] | str
"""What a database says of its bridges by datapath identifier, or why that is not known."""


class Databases:
    """All databases of a fabric's switches."""

    def __init__(self, system: System, default: str | None) -> None:
        self._system = system
        self._default = default
        self._next: dict[str, tuple[framework.Event, list[Found]]] = {}
        """By remote: who waits for a reading that has not begun yet, and where its outcome will be."""
        self._busy: set[str] = set()

    def remote(self, switch: str) -> str | None:
        """Where the database of a switch is, if that is known."""
        return self._system.fabric.switches[switch].ovsdb or self._default

    def read(self, remote: str | None) -> Found:
        """What a database says now. Several who ask at once share one reading that begins after they asked."""
        if remote is None:
            return "not checked: no database is known (`ovsdb` of the switch, or VNET_OVSDB)"
        if remote not in self._next:
            self._next[remote] = hub.Event(), []
            hub.spawn(self._read_next, remote)
        done, outcome = self._next[remote]
        done.wait()
        return outcome[0]

    def _read_next(self, remote: str) -> None:
        while remote in self._busy:
            hub.sleep(0.005)
        done, outcome = self._next.pop(remote)
        self._busy.add(remote)
        try:
            outcome.append(self._read(remote))
        finally:
            self._busy.discard(remote)
            done.set()

    def _read(self, remote: str) -> Found:
        try:
            with hub.Timeout(OVSDB_SECONDS, Unreachable(f"the database at {remote} does not answer")):
                return read_bridges(remote, self._link_ports(remote))
        except Unreachable as error:
            return f"not checked: {error}"

    def _link_ports(self, remote: str) -> list[str]:
        wires = self._system.fabric.wires_of
        return sorted({place.port for name in wires if self.remote(name) == remote for place in wires[name]})

    def _tell(self, remote: str, found: Callable[[str, Found], None]) -> None:
        found(remote, self.read(remote))

    def keep_looking(
        self, seconds: float, connected: Callable[[], Collection[str]], found: Callable[[str, Found], None]
    ) -> None:
        """Read the databases of connected switches in turn, about every `seconds` each. Never returns.

        One that does not answer makes no other wait. `found` is called with a remote and what it says.
        """
        while True:
            remotes = sorted({remote for name in connected() if (remote := self.remote(name)) is not None})
            pause = max(LEAST_SECONDS_BETWEEN, seconds / max(1, len(remotes)))
            for remote in remotes:
                hub.sleep(pause)
                hub.spawn(self._tell, remote, found)
            if not remotes:
                hub.sleep(seconds)
