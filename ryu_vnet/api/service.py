"""What every route needs: the System Manager, a way to wait, and how an answer is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http import HTTPStatus
from time import monotonic
from typing import TypeVar

from flask import Response, request
from pydantic import BaseModel

from ..managers.allocation import Allocator
from ..managers.drift_report import Moment
from ..managers.explain import Names
from ..managers.requests import Work
from ..managers.status import Pending, pending
from ..managers.system import System
from ..managers.tables import names_of
from ..model.state import Draft, Model
from .answers import Change
from .metrics import Metrics
from .queries import PageQuery

V = TypeVar("V")

TURN, END_OF_TURN = "vnet.turn", "vnet.end_of_turn"
"""Under these names a request's environment has what waits for its turn, and what lets the next one be done, where
requests take turns."""

AS_STREAM = "vnet.as_stream"
"""Under this name it has what makes the answer one that is sent piece by piece, as its parts are made; given are the
seconds for which a peer may take nothing of it."""

Wait = Callable[[Callable[[], bool], float], bool]
"""Block until a predicate holds or seconds have passed, and let others run meanwhile; whether it holds."""


@dataclass(frozen=True, slots=True)
class Service:
    """One web service."""

    system: System
    wait: Wait
    framework: str
    metrics: Metrics
    clock: Callable[[], float] = monotonic
    _names: dict[int, Names] = field(default_factory=dict)
    """At most one, by the revision for which it was made."""

    def change(self, edit: Callable[[Work], None], seconds: float) -> Response:
        """Do a request, wait until it is realised, and say how far it has come: 200 if realised, else 202."""
        done = self.system.request(edit)
        waiting = self.pending(done.revision, seconds)
        body = Change(revision=done.revision, changed=done.changed, realised=not waiting, pending=waiting)
        return answer(body, HTTPStatus.ACCEPTED if waiting else HTTPStatus.OK)

    def pending(self, revision: int, seconds: float) -> list[Pending]:
        """The switches on which a revision is not realised after `seconds` at most."""
        self.end_turn()
        with self.metrics.waiting():
            self.wait(lambda: not self.system.pending(revision), seconds)
        return pending(self.system, revision)

    def begin_turn(self) -> None:
        """Wait until others' requests are done that are before this one."""
        if TURN in request.environ:
            request.environ[TURN]()
            self.metrics.begin()

    def end_turn(self) -> None:
        """Let others' requests go on, though this one is not done yet."""
        request.environ.get(END_OF_TURN, _nothing)()

    def stream(self, seconds: float) -> None:
        """Have what is answered sent as it is made, for as long as it is taken: see `AS_STREAM`."""
        request.environ.get(AS_STREAM, _whatever)(seconds)

    def now(self) -> Moment:
        """Now, by the clock that the System Manager is run with and by the calendar."""
        return Moment(self.clock(), datetime.now(timezone.utc))

    def names(self) -> Names:
        """Names for the numbers in rows; the pages of one list share them unless something is changed meanwhile."""
        revision = self.system.revision
        if revision not in self._names:
            self._names.clear()
            self._names[revision] = names_of(self.system)
        return self._names[revision]

    def reading(self) -> Work:
        """The state as `requests` look things up in it."""
        draft = Draft(self.system.model)
        return Work(draft, self.system.fabric, Allocator(draft, self.system.revision))


def page_of(found: Sequence[V], query: PageQuery, name: Callable[[V], str]) -> tuple[Sequence[V], str | None]:
    """What a page has, and after what the next one begins, if there is one: `found` is one entry more, if there is."""
    if len(found) <= query.limit:
        return found, None
    return found[: query.limit], name(found[query.limit - 1])


def names_on_page(model: Model, folder: str, query: PageQuery) -> tuple[Sequence[str], str | None]:
    """The names on a page of what a folder of the model has, and after which the next one begins."""
    keys = model.following(folder, f"{folder}/{query.after or ''}", query.limit + 1)
    return page_of(names_in(keys), query, str)


def names_in(keys: Iterable[str]) -> list[str]:
    """The names that keys of the model end with."""
    return [key.rpartition("/")[2] for key in keys]


def _nothing() -> None:
    """Where requests take no turns, none ends."""


def _whatever(seconds: float) -> None:
    """Where nobody said how answers are sent, they are sent anyhow."""


def answer(body: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """A model as JSON."""
    return Response(body.model_dump_json(), status, mimetype="application/json")
