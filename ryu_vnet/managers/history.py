"""What becomes an event of all that a System Manager hears and does: requests, switches, what others change, links."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from ..compiler.pipeline import STAGE_BY_TABLE
from ..compiler.text import Style, match_text
from ..errors import Invalid, VnetError, WireError
from ..fabric.declared import Fabric
from ..fabric.observed import Ports, PortState
from ..openflow.meters import MeterKey
from ..openflow.rows import decode_row
from .drift import Drift
from .events import Event, EventLog, Json, Kind
from .summary import Account

LONGEST_REASON = 500
"""Characters of the reason why something was refused; a client was told all of it."""
DRIFTS_TOLD = 10
"""Of what others changed on one switch in a second, how much is told one by one."""
UNREALISED_KEPT = 10_000
"""How many requests are remembered that are not realised yet; of an older one it is not told when it was."""
LOOKED_AT = 100
"""How many of these are looked at in a second, in case nobody said that they are realised."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who makes a request, and how it was made: `PUT /v1/tenants/red`, and what that names."""

    who: str
    method: str
    path: str
    subject: str = ""
    insists: bool = False
    """Whether he asks again and again, and tells himself that he was refused."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that is not realised yet: its event, subject and asker, and when it was made, by the clock."""

    sequence: int
    subject: str
    who: str
    since: float


class History:
    """Notes events in a log. `clock` is in seconds, as the System Manager's."""

    def __init__(self, log: EventLog, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock
        self.asker: Callable[[], Asker | None] = lambda: None
        """Who makes the request that is being done now, where somebody does."""
        self._under_way: Event | None = None
        self._asked: OrderedDict[int, _Asked] = OrderedDict()
        """By revision, the requests that are not realised yet."""
        self._coming: set[str] = set()
        """Switches that have connected and were not in step since."""
        self._here: set[str] = set()
        self._refused: dict[str, str] = {}
        """Why switches are not programmed."""
        self._drifts: dict[str, list[Drift]] = {}
        """What others have changed on switches since this was last told."""

    def resume(self, events: Iterable[Event], now: float) -> None:
        """Go on after a restart: requests of which nobody has told that they are realised may still become so.
        `events` are those of earlier lives, the oldest first; `now` is in seconds since 1970."""
        left: dict[int, Event] = {}
        for event in events:
            revision = event.details.get("revision", 0)
            if event.kind == "realised":
                left.pop(revision, None)
            elif event.kind == "request" and revision and event.sequence > self._log.dropped:
                left[revision] = event
        for revision, event in left.items():
            ago = now - datetime.fromisoformat(event.time.replace("Z", "+00:00")).timestamp()
            asked = _Asked(event.sequence, event.subject, event.who, self._clock() - max(ago, 0.0))
            self._asked[revision] = asked

    def note(self, kind: Kind, subject: str, text: str, details: Json | None = None) -> Event:
        """Something happened; it was done by whoever makes a request now, if anybody does."""
        asker = self.asker()
        return self._log.note(kind, subject, text, details, asker.who if asker is not None else "")

    @contextmanager
    def asked_by(self, asker: Asker) -> Iterator[None]:
        """What is done meanwhile, somebody does who is no client."""
        before, self.asker = self.asker, lambda: asker
        try:
            yield
        finally:
            self.asker = before

    # --- requests -----------------------------------------------------------------------------------------------------

    @contextmanager
    def of_request(self) -> Iterator[None]:
        """A request is being done. Where it ends in an error, that is noted in the place of what it would have done."""
        try:
            yield
        except BaseException as error:
            event, self._under_way = self._under_way, None
            if event is not None:
                self._log.withdraw(event)
            if isinstance(error, VnetError):
                self.refused(error)
            raise

    def asked(self, told: Account, revision: int) -> None:
        """A request is about to be committed, with this."""
        asker = self.asker()
        who, how = (asker.who, _how(asker)) if asker is not None else ("", {})
        subject = (asker.subject if asker is not None else "") or told.subject
        details = {**how, "revision": revision, **told.details}
        self._under_way = self._log.note("request", subject, told.text, details, who)

    def committed(self, revision: int) -> None:
        """It is on disk, as this revision."""
        event, self._under_way = self._under_way, None
        if event is not None:
            self._asked[revision] = _Asked(event.sequence, event.subject, event.who, self._clock())
            if len(self._asked) > UNREALISED_KEPT:
                self._asked.popitem(last=False)

    def refused(self, error: VnetError) -> None:
        """A request was refused, or could not be done."""
        asker = self.asker()
        if asker is not None and asker.insists:
            return
        reason = str(error)
        reason = reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}..."
        details: Json = {
            **(_how(asker) if asker is not None else {}),
            "refused": type(error).__name__,
            "reason": reason,
        }
        if isinstance(error, Invalid):
            details["problems"] = len(error.problems)
        who, subject = (asker.who, asker.subject) if asker is not None else ("", "")
        self._log.note("request", subject, f"refused: {reason}", details, who)

    def realised(self, revision: int) -> None:
        """Every switch that a revision concerns has it."""
        asked = self._asked.pop(revision, None)
        if asked is not None:
            seconds = round(self._clock() - asked.since, 6)
            details = {"revision": revision, "request": asked.sequence, "seconds": seconds}
            text = f"revision {revision} is on every switch concerned, after {_spoken(seconds)}"
            self._log.note("realised", asked.subject, text, details, asked.who)

    def look(self, is_pending: Callable[[int], bool]) -> None:
        """Find out which requests are realised though nobody said so: a restart lay between, or what they waited for
        is not needed any more."""
        for revision in [*islice(self._asked, LOOKED_AT)]:
            if is_pending(revision):
                # To the end, so that each comes to its turn.
                self._asked.move_to_end(revision)
            else:
                self.realised(revision)

    # --- switches -----------------------------------------------------------------------------------------------------

    def connected(self, name: str) -> None:
        """A switch is there and is programmed from now on."""
        self._here.add(name)
        self._coming.add(name)
        if self._refused.pop(name, None) is not None:
            self._switch(name, "readmitted", "is set up as it must be, and is programmed again")
        else:
            self._switch(name, "connected", "is connected")

    def progress(self, name: str, is_in_step: bool) -> None:
        """A switch has acknowledged something."""
        if is_in_step and name in self._coming:
            self._coming.discard(name)
            self._switch(name, "in step", "has exactly what it is to have")

    def switch_refused(self, name: str, reason: str) -> None:
        """A switch is there and must not be programmed; this may be said again and again."""
        self._here.add(name)
        self._coming.discard(name)
        if self._refused.get(name) != reason:
            self._refused[name] = reason
            self._switch(name, "refused", f"is not programmed: {reason}", reason=reason)

    def disconnected(self, name: str) -> None:
        """A switch is gone."""
        if name in self._here:
            self._here.discard(name)
            self._coming.discard(name)
            self._refused.pop(name, None)
            self._switch(name, "disconnected", "is not connected any more")

    def _switch(self, name: str, state: str, text: str, **details: str) -> None:
        self._log.note("switch", name, f"switch {name} {text}", {"state": state, **details})

    # --- what others do -----------------------------------------------------------------------------------------------

    def drifted(self, drift: Drift) -> None:
        """Somebody else changed a row or group."""
        self._drifts.setdefault(drift.switch, []).append(drift)

    def tell_drift(self) -> None:
        """Note what others have changed since this was last done, an event a switch: rows may go by the thousand."""
        drifts, self._drifts = self._drifts, {}
        for switch, found in sorted(drifts.items()):
            counts = {what: sum(drift.what == what for drift in found) for what in ("added", "changed", "removed")}
            counts = {what: count for what, count in counts.items() if count}
            text = ", ".join(f"{what} {count}" for what, count in counts.items())
            rows = [{"what": drift.what, "by": drift.by, **_row(drift)} for drift in found[:DRIFTS_TOLD]]
            details = {**counts, "rows": rows}
            self._log.note("drift", switch, f"others have changed switch {switch}: {text} rows or groups", details)

    def ports(self, fabric: Fabric, before: Ports, after: Mapping[str, Mapping[str, PortState]]) -> None:
        """Switches have said something else of their ports than before; noted is what becomes of links by that."""
        for name, ports in sorted(after.items()):
            known = before.get(name)
            if known is None:
                continue
            for near, (kind, far) in fabric.wires_of.get(name, {}).items():
                was, now = (_port_state(states.get(near.port)) for states in (known, ports))
                if was != now:
                    details = {"port": str(near), "far": str(far), "link": kind.value, "was": was, "now": now}
                    text = f"port {near} of the {kind.value} link to {far} is {now}"
                    self._log.note("fabric", name, text, details)


def _how(asker: Asker) -> Json:
    return {"method": asker.method, "path": asker.path}


def _row(drift: Drift) -> Json:
    """Where a row or group is; `vnet drift` says what it was."""
    if isinstance(drift.key, int):
        return {"group": drift.key}
    if isinstance(drift.key, MeterKey):
        return {"meter": drift.key.number}
    value = drift.was if drift.was is not None else drift.found
    table, priority = drift.key[0], int.from_bytes(drift.key[2:4], "big")
    stage = STAGE_BY_TABLE.get(table)
    place: Json = {"table": stage.name if stage is not None else str(table), "priority": priority}
    try:
        match = match_text(decode_row(drift.key, value or b"")[0].match, Style.MEANING)
    except WireError:
        # It says what only another version of this program could know.
        match = drift.key.hex()
    return {**place, "match": match or "anything"}


def _port_state(state: PortState | None) -> str:
    return "missing" if state is None else "up" if state.up else "down"


def _spoken(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"
