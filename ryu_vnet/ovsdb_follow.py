"""Follows the database of a host and tells which identities appear on its ports, change and go.

follower = Follower("ssl:10.0.0.1:6640", on_change)
hub.spawn(follower.run)
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from .errors import Unreachable
from .managers.sightings import Change, Complaint, Place, Sighting, read, shortened
from .ovsdb_connection import Connection, Pace
from .ovsdb_replica import COLUMNS, CONDITIONS, Replica

LOG = logging.getLogger(__name__)

DATABASE = "Open_vSwitch"
MONITOR = "sightings"
"""How our one monitor is called, and the request for it."""

TELL_SECONDS = 0.2
"""From one telling to the next: of a database that changes more often, what it says then."""
PROBE_SECONDS = 5.0
"""How long a database may say nothing until it is asked for a sign of life, and then until it is given up; also how
long a connection may take. As Open vSwitch's own probes."""
ANSWER_SECONDS = 30.0
"""How long all rows, or any one message, may take to be there whole."""
IDLE_SECONDS = 3600.0
"""How long one waits where nothing is due, as the connection's probes come by themselves."""
REST = 3
"""How much longer than the work the rest is: a database that never stops changing has a quarter of the time at most."""
FIRST_BACKOFF, MOST_BACKOFF = 0.25, 8.0
"""Seconds until a database is tried again; each failure doubles them."""


@dataclass(frozen=True, slots=True)
class State:
    """Whether what a database says is known as of now, since when (`time.monotonic()`), and if not, why.

    A database whose rows are not all there yet is away. `why` is of the last try, `since` of the first that failed.
    """

    is_connected: bool
    since: float
    why: str = ""


class Follower:
    """Keeps a copy of what is asked of one database (`unix:PATH`, `tcp:HOST:PORT`, `ssl:HOST:PORT`; HOST is an
    address, and for TLS `ovsdb.use_tls` comes first), and tells what differs since it told last.

    `on_change` is called from the thread of `run`, at most every TELL_SECONDS; it must not take long. The first time it
    gets all that there is, be it nothing. While a database is away, what it said stays known; when it is back, what
    differs is told.
    """

    def __init__(
        self,
        remote: str,
        on_change: Callable[[Change], None],
        *,
        probe_seconds: float = PROBE_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.remote = remote
        self.state = State(False, time.monotonic(), "it has not been tried yet")
        self.sightings: Mapping[Place, Sighting] = {}
        """As told last."""
        self.complaints: tuple[Complaint, ...] = ()
        """All that hold now, as told last."""
        self._on_change = on_change
        self._probe_seconds, self._answer_seconds = probe_seconds, answer_seconds
        self._closed = threading.Event()
        self._connection: Connection | None = None
        self._pace = Pace(REST)
        self._next_telling = 0.0
        self._has_told = False

    def close(self) -> None:
        """Let `run` end, at once or, where it waits to be connected, when it is; nothing is told any more. From
        whichever thread."""
        self._closed.set()
        if self._connection is not None:
            self._connection.cut()

    def run(self) -> None:
        """Follow, until `close`. In a thread of its own, green or not."""
        backoff = FIRST_BACKOFF
        while not self._closed.is_set():
            try:
                self._follow()
            except Unreachable as error:
                why = str(error)
            except Exception as error:
                LOG.exception("database %s: this is a mistake in ryu-vnet", self.remote)
                why = f"it cannot be followed: {error!r}"
            if self.state.is_connected and time.monotonic() - self.state.since > MOST_BACKOFF:
                # Who says all and goes at once, again and again, is not let in more often than who says nothing.
                backoff = FIRST_BACKOFF
            since = time.monotonic() if self.state.is_connected else self.state.since
            self.state = State(False, since, "it is not followed any more" if self._closed.is_set() else why)
            self._closed.wait(backoff)
            backoff = min(2 * backoff, MOST_BACKOFF)

    def _follow(self) -> None:
        """One connection, from its beginning to its end, which is Unreachable."""
        self._pace.begin()
        connection = Connection(self.remote, self._pace, self._probe_seconds, self._answer_seconds)
        with closing(connection):
            self._connection = connection
            try:
                self._copy(connection)
            finally:
                self._connection = None

    def _copy(self, connection: Connection) -> None:
        # What it said on an earlier connection is worth nothing now; what was told of it is.
        replica, has_news = Replica(), False
        wanted = {
            table: [{"columns": columns, "where": CONDITIONS.get(table, [True])}] for table, columns in COLUMNS.items()
        }
        connection.ask("monitor_cond", [DATABASE, MONITOR, wanted], MONITOR)
        due, is_whole = time.monotonic() + self._answer_seconds, False
        while not self._closed.is_set():
            for message in connection.receive(self._next_telling if has_news else due):
                for updates in _updates(message):
                    for _ in replica.apply(updates):
                        self._pace.breathe()
                    has_news = True
                is_whole = is_whole or message.get("id") == MONITOR
            now = time.monotonic()
            if not is_whole and now >= due:
                raise Unreachable(f"it has not told its rows for {self._answer_seconds:.0f} s")
            if is_whole:
                due = now + IDLE_SECONDS
            if is_whole and has_news and now >= self._next_telling:
                self._tell(replica)
                has_news = False

    def _tell(self, replica: Replica) -> None:
        began, pace = time.monotonic(), Pace()
        before, sightings = self.sightings, dict[Place, Sighting]()
        came, changed = dict[Place, Sighting](), dict[Place, Sighting]()
        complaints: dict[Complaint, None] = {}
        for found in read(replica.rows):
            if isinstance(found, Sighting):
                sightings[found.place] = found
                if found.place not in before:
                    came[found.place] = found
                elif found != before[found.place]:
                    changed[found.place] = found
            elif found is not None:
                complaints[found] = None
            # What is new is told without a rest; the rest comes after it.
            pace.breathe()
        if self._closed.is_set():
            return
        went = {place: before[place] for place in before.keys() - sightings.keys()}
        change = Change(came, changed, went, tuple(new for new in complaints if new not in self.complaints))
        self.sightings, self.complaints = sightings, tuple(complaints)
        if not self.state.is_connected:
            self.state = State(True, time.monotonic())
        if change or not self._has_told:
            self._has_told = True
            self._on_change(change)
        now = time.monotonic()
        self._next_telling = now + max(TELL_SECONDS, REST * (now - began))
        self._pace.begin()


def _updates(message: dict[str, Any]) -> Iterator[Any]:
    """What a message says of rows: the answer to our request, or what changed since. Raises Unreachable."""
    match message:
        case {"id": asked, "error": error} if asked == MONITOR and error is not None:
            raise Unreachable(f"it refuses to tell its rows: {shortened(error)}")
        case {"id": asked, "result": rows} if asked == MONITOR:
            yield rows
        case {"method": "update2", "params": [monitor, changes]} if monitor == MONITOR:
            yield changes
        case {"method": "monitor_canceled"}:
            raise Unreachable("its database was taken away")
