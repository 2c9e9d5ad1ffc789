"""What happened, as a list with a bound: numbered without a hole, kept on disk, and told to nobody before it is there.

An event is noted in memory and written with the next commit of whatever kind, a second later at most. A request's own
event is in the very transaction of the request: whatever was acknowledged is also told, whenever the process is killed.
What a kill can lose is what was noted in the last second beside that: that something was realised or refused, that a
switch came or went. Since readers are shown only what is on disk, no number that somebody has seen is ever given to
another event, and whoever goes on after the last one he saw misses none and gets none twice.

Beyond the bound the oldest event goes of those kinds of which there are most, so that a switch that comes and goes
every second, or a client that asks for the impossible in a loop, does not push out who asked for what.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from itertools import islice, pairwise
from typing import Any, Literal, TypeAlias

from ..errors import StoreError

Json = dict[str, Any]

EVENT_PREFIX = "event/"
EVENTS_KEPT = 10_000
"""How many events are kept where the settings say no other number."""

Kind: TypeAlias = Literal["request", "realised", "node", "switch", "drift", "discovery", "fabric", "gateway"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    `sequence` only ever grows, from 1. `time` is UTC in ISO 8601 with milliseconds. `subject` is `tenant/node`,
    `tenant/network`, a tenant, a switch, a link or a policy, whatever it is about; empty where it is about many. `who`
    asked for it, empty where nobody did. `details` is a JSON object, other for each kind.
    """

    sequence: int
    time: str
    kind: Kind
    subject: str
    who: str
    text: str
    details: Json = field(default_factory=dict)

    @property
    def is_refusal(self) -> bool:
        """Whether it is a request that was refused."""
        return self.kind == "request" and "refused" in self.details

    def concerns(self, name: str) -> bool:
        """Whether it is about something: its subject, what belongs to that tenant, or what it changed."""
        changes = self.details.get("changes", ())
        subjects = [self.subject, *(change["key"].partition("/")[2] for change in changes)]
        subjects += [change["of"] for change in changes if "of" in change]
        return any(subject == name or subject.startswith(f"{name}/") for subject in subjects)

    def document(self) -> Json:
        """All but the number, for the store."""
        return {
            "time": self.time,
            "kind": self.kind,
            "subject": self.subject,
            "who": self.who,
            "text": self.text,
            "details": self.details,
        }


def event_key(sequence: int) -> str:
    """The key under which an event is stored; keys sort by number."""
    return f"{EVENT_PREFIX}{sequence:015d}"


def event_number(key: str) -> int:
    """The number of the event that is stored under a key. Raises StoreError."""
    try:
        return int(key.removeprefix(EVENT_PREFIX))
    except ValueError:
        raise StoreError(f"document {key} is no event: the store was changed by another program") from None


def event_from(key: str, document: Json) -> Event:
    """The event that was stored under a key. Raises StoreError."""
    try:
        return Event(event_number(key), **document)
    except TypeError as error:
        raise StoreError(f"document {key} cannot be read: {error!r}") from error


class EventLog:
    """The events of one controller. Public attributes are for reading."""

    def __init__(self, kept: int, calendar: Callable[[], float]) -> None:
        """At most `kept` are kept; `calendar` gives seconds since 1970."""
        self._kept = kept
        self._calendar = calendar
        self.dropped = 0
        """The highest number of an event that is not kept any more: from there on, all are there."""
        self.closed = False
        """Whether the controller stops: there will be no more."""
        self._events: list[Event] = []
        self._by_share: dict[str, deque[int]] = {}
        """The numbers of the events of each share, in ascending order."""
        self._unwritten: list[Event] = []
        self.last = 0
        """The number of the last event that is on disk; 0 where there was none."""
        self.is_whole = True
        """Whether all are here that are on disk."""

    def begin(self, last: int) -> None:
        """Go on after an event of an earlier life. It, and what came before it, is to be recalled."""
        self.last, self.dropped, self.is_whole = last, last, False

    def recall(self, events: Sequence[Event]) -> None:
        """Take in what there was of earlier lives, in ascending order; there may be new events meanwhile."""
        for share, numbers in _by_share(events).items():
            self._by_share.setdefault(share, deque()).extendleft(reversed(numbers))
        self._events[:0] = events
        whole = ((one.sequence, other.sequence) for one, other in pairwise(reversed(self._events)))
        gap = next((later for later, earlier in whole if later != earlier + 1), None)
        first = self._events[0].sequence if self._events else self.last + 1
        self.dropped = (gap if gap is not None else first) - 1
        self.is_whole = True

    def close(self) -> None:
        """Let everybody who listens know that there will be no more."""
        self.closed = True

    # --- writing ----------------------------------------------------------------------------------------------------

    def note(self, kind: Kind, subject: str, text: str, details: Json | None = None, who: str = "") -> Event:
        """Something happened. It is written, and told, with the next commit."""
        if len(self._unwritten) >= self._kept:
            # Nothing could be written for very long.
            self._unwritten = self._numbered(self._unwritten[self._kept // 2 :])
        now = datetime.fromtimestamp(self._calendar(), timezone.utc).isoformat(timespec="milliseconds")
        number = self.last + len(self._unwritten) + 1
        event = Event(number, f"{now.removesuffix('+00:00')}Z", kind, subject, who, text, details or {})
        self._unwritten.append(event)
        return event

    def withdraw(self, event: Event) -> None:
        """It did not happen after all. Does nothing where it is on disk already."""
        if event in self._unwritten:
            self._unwritten = self._numbered(other for other in self._unwritten if other is not event)

    def _numbered(self, events: Iterable[Event]) -> list[Event]:
        return [replace(event, sequence=self.last + n) for n, event in enumerate(events, start=1)]

    def documents(self) -> dict[str, Json | None]:
        """What a commit has to write for all that was noted to be on disk, and nothing beyond the bound."""
        if not self._unwritten:
            return {}
        changes: dict[str, Json | None] = {event_key(number): None for number in self._surplus()}
        changes.update((event_key(event.sequence), event.document()) for event in self._unwritten)
        return changes

    def written(self) -> None:
        """What `documents` gave is on disk."""
        for number in self._surplus():
            self._drop(number)
        written, self._unwritten = self._unwritten, []
        for event in written:
            self._keep(event)

    def _surplus(self) -> list[int]:
        """The events on disk that go when what was noted is written."""
        surplus = min(len(self._events) + len(self._unwritten) - self._kept, len(self._events))
        if surplus <= 0:
            return []
        going = dict.fromkeys(self._by_share, 0)
        for _ in range(surplus):
            most = max(going, key=lambda share: len(self._by_share[share]) - going[share])
            going[most] += 1
        return [number for share, count in going.items() for number in islice(self._by_share[share], count)]

    def _drop(self, number: int) -> None:
        index = self._index_after(number) - 1
        self._by_share[_share(self._events.pop(index))].popleft()
        self.dropped = max(self.dropped, number)

    def _keep(self, event: Event) -> None:
        self.last = event.sequence
        self._events.append(event)
        self._by_share.setdefault(_share(event), deque()).append(event.sequence)

    # --- reading ----------------------------------------------------------------------------------------------------

    def after(self, sequence: int) -> Iterator[Event]:
        """The events after a number, the oldest first. To be taken before anything else is noted."""
        return islice(self._events, self._index_after(sequence), None)

    def backwards(self) -> Iterator[Event]:
        """All events, the newest first."""
        return reversed(self._events)

    def _index_after(self, sequence: int) -> int:
        return bisect_right(self._events, sequence, key=lambda event: event.sequence)


def _by_share(events: Iterable[Event]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for event in events:
        found.setdefault(_share(event), []).append(event.sequence)
    return found


def _share(event: Event) -> str:
    """What an event is counted with where there are too many."""
    return "refusal" if event.is_refusal else event.kind
