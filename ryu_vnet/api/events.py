"""Routes of what happened: as a list, and as a stream of server-sent events (HTML Living Standard, section 9.2)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from flask import Response, has_request_context, request
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from flask_openapi3.types import ResponseDict
from pydantic import BaseModel, Field, ValidationError

from ..errors import Exhausted, Invalid, Problem
from ..managers.events import Event, EventLog, Kind
from ..managers.history import Asker
from . import problems
from .answers import Page
from .queries import EventsQuery, StreamQuery
from .service import Service, Wait, answer, page_of

EVENTS = Tag(name="events", description="What happened")
STREAM_TYPE = "text/event-stream"
MOST_LISTENERS = 100
RECALL_SECONDS = 10.0
"""How long to wait at most for the events of earlier lives."""
HEARTBEAT_SECONDS = 15.0
"""How often somebody is told that he still listens. Only by sending him something is it found out that he does not."""
PATIENCE_SECONDS = 60.0
"""How long a listener may take nothing of what he is sent."""
RETRY_MILLISECONDS = 1000
"""How soon a browser comes again whose stream was broken off."""
MOST_BEHIND = 1000
"""How many events a listener may be behind while there come more than he takes. No copy of them is held for him: they
are read from the log, which is bounded, when he takes them."""
AT_ONCE = 100
"""How many events are sent in one piece."""
LONGEST_NAME = 80
"""Characters of what a client says who it is."""
CLIENT_HEADER = "X-Vnet-Client"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class EventAnswer(BaseModel):
    """One thing that happened."""

    sequence: int = Field(description="Only ever grows")
    time: str = Field(description="UTC, ISO 8601 with milliseconds", examples=["2026-01-31T12:00:00.000Z"])
    kind: Kind
    subject: str = Field(description="tenant/node, tenant/network, switch, ...; empty where it is about many")
    who: str = Field(description="Who asked for it; empty where nobody did")
    text: str
    details: dict[str, Any] = Field(description="Of a request: method, path, revision, changes with old and new, ...")


class Events(Page):
    """Events, the oldest first."""

    events: list[EventAnswer]
    complete_after: int = Field(description="Of the events up to this number some are not kept any more")


def install(app: OpenAPI, service: Service) -> None:
    """Add the routes to an application, and have whoever makes a request known to the System Manager."""
    log = service.system.events
    listeners = _Listeners()
    service.system.history.asker = _asker

    @app.get("/v1/events", tags=[EVENTS], responses={200: Events})
    def list_events(query: EventsQuery) -> Response:
        """What happened, the oldest first; `newest` gives the last ones instead of the first."""
        _whole(service)
        found = [event for event in log.after(0) if _is_wanted(event, query)]
        if query.newest:
            shown: Sequence[Event] = found[-query.limit :]
            following = None
        else:
            after = _number(query.after, "after")
            rest = [*islice((event for event in found if event.sequence > after), query.limit + 1)]
            shown, following = page_of(rest, query, lambda event: str(event.sequence))
        events = [EventAnswer(sequence=event.sequence, **event.document()) for event in shown]
        return answer(Events(next=following, total=len(found), events=events, complete_after=log.dropped))

    stream: ResponseDict = {200: {"description": "Events as they happen", "content": {STREAM_TYPE: {}}}}

    @app.get("/v1/events/stream", tags=[EVENTS], responses=stream)
    def stream_events(query: StreamQuery) -> Response:
        """What happens from now on, or goes on after an event that was seen, as server-sent events.

        `id` is the sequence number; `Last-Event-ID` (or `after`) resumes. Each event is as in the list. `event: missed`
        says up to where some are not kept any more; those of them that are kept follow. `event: lagging` says after
        which to resume, and ends the stream of a listener that is too slow.
        """
        _whole(service)
        given = request.headers.get("Last-Event-ID") or query.after
        after = _number(given, "Last-Event-ID") if given is not None else log.last
        listeners.check()
        service.end_turn()
        service.stream(PATIENCE_SECONDS)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return Response(listeners.listen(service.wait, log, after, query), headers=headers, content_type=STREAM_TYPE)


def _whole(service: Service) -> None:
    """Wait until the events of earlier lives are there: a moment after the start."""
    log = service.system.events
    if not log.is_whole:
        service.end_turn()
        service.wait(lambda: log.is_whole, RECALL_SECONDS)


class _Listeners:
    """Those who listen now."""

    def __init__(self) -> None:
        self._count = 0
        self._said: dict[int, str] = {}
        """What they are told lately, by number: made once for all of them."""

    def check(self) -> None:
        """Raises Exhausted where nobody else may."""
        if self._count >= MOST_LISTENERS:
            raise Exhausted(f"{MOST_LISTENERS} listen to events already, which is as many as may", retry_after=15)

    def listen(self, wait: Wait, log: EventLog, after: int, query: StreamQuery) -> Iterator[str]:
        """The stream of one of them."""
        self._count += 1
        try:
            # From here on he can resume, though nothing may happen before he has to.
            yield f"retry: {RETRY_MILLISECONDS}\nid: {after}\n\n"
            yield from self._stream(wait, log, after, query)
        finally:
            self._count -= 1

    def _say(self, event: Event) -> str:
        said = self._said.get(event.sequence)
        if said is None:
            said = _message(event.sequence, {"sequence": event.sequence, **event.document()})
            if len(self._said) >= MOST_BEHIND:
                self._said.clear()
            self._said[event.sequence] = said
        return said

    def _stream(self, wait: Wait, log: EventLog, after: int, query: StreamQuery) -> Iterator[str]:
        """Events after a number, until the log is closed or whoever takes them is too slow."""
        if after > log.last:
            # He has seen what another store told.
            after = 0
        before, told = log.last - after, after
        while True:
            if log.dropped > max(told, after):
                told = log.dropped
                yield _message(after, {"after": after, "up_to": told}, name="missed")
            behind = log.last - after
            if behind > MOST_BEHIND and behind > before:
                yield _message(after, {"resume_after": after, "behind": behind}, name="lagging")
                return
            before = behind
            if behind:
                piece = [*islice(log.after(after), AT_ONCE)]
                after = piece[-1].sequence
                wanted = [self._say(event) for event in piece if _is_wanted(event, query)]
                # Who wants none of them goes on after them all the same.
                yield "".join(wanted) or f"id: {after}\n\n"
            elif log.closed:
                return
            elif wait(lambda seen=after: log.last > seen or log.closed, HEARTBEAT_SECONDS):  # type: ignore[misc]
                # However many came at once, he is to have the time to take them.
                before = log.last - after
            else:
                yield ": still here\n\n"


def _message(sequence: int, data: dict[str, Any], name: str | None = None) -> str:
    kind = f"event: {name}\n" if name is not None else ""
    return f"id: {sequence}\n{kind}data: {json.dumps(data)}\n\n"


def _is_wanted(event: Event, query: StreamQuery | EventsQuery) -> bool:
    return query.kind in (None, event.kind) and (query.subject is None or event.concerns(query.subject))


def _number(text: str | None, where: str) -> int:
    """The number of an event. Raises Invalid."""
    if text is None:
        return 0
    if not text.isascii() or not text.isdigit():
        raise Invalid(Problem(where, f"{text!r} is not the number of an event", "its `sequence`, or its `id`"))
    return int(text)


# --- who asks -------------------------------------------------------------------------------------------------------


def _asker() -> Asker | None:
    """Who makes the request that this thread serves. What a client says who it is nobody has checked."""
    if not has_request_context():
        return None
    said = "".join(filter(str.isprintable, request.headers.get(CLIENT_HEADER, "")))[:LONGEST_NAME]
    who = f"{said} at {request.remote_addr}" if said else f"{request.remote_addr}"
    return Asker(who, request.method, request.path, _subject(request.view_args or {}))


def _subject(path: dict[str, Any]) -> str:
    """What a path is about: the most particular of what it names."""
    tenant = path.get("tenant")
    if tenant is None:
        return str(next(iter(path.values()), ""))
    part = path.get("node") or path.get("network")
    return f"{tenant}/{part}" if part else str(tenant)


def refuse_shape(service: Service, error: ValidationError) -> None:
    """A request that does not have the shape of its model: raises Invalid, as `problems.refuse_shape`, and where it was
    to change something notes that."""
    try:
        problems.refuse_shape(error)
    except Invalid as refusal:
        if request.method not in _READING:
            service.system.history.refused(refusal)
        raise
