"""What every route needs: the System Manager, a way to wait, and how an answer is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from http import HTTPStatus
from time import monotonic

from flask import Response, request
from pydantic import BaseModel

from ..managers.allocation import Allocator
from ..managers.drift_report import Moment
from ..managers.requests import Work
from ..managers.status import Pending, pending
from ..managers.system import System
from ..model.state import Draft
from .answers import Change
from .metrics import Metrics

END_OF_TURN = "vnet.end_of_turn"
"""Under this name a request's environment has what lets the next request be done, where requests take turns."""

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

    def end_turn(self) -> None:
        """Let others' requests go on, though this one is not done yet."""
        request.environ.get(END_OF_TURN, _nothing)()

    def now(self) -> Moment:
        """Now, by the clock that the System Manager is run with and by the calendar."""
        return Moment(self.clock(), datetime.now(timezone.utc))

    def reading(self) -> Work:
        """The state as `requests` look things up in it."""
        draft = Draft(self.system.model)
        return Work(draft, self.system.fabric, Allocator(draft, self.system.revision))


def _nothing() -> None:
    """Where requests take no turns, none ends."""


def answer(body: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """A model as JSON."""
    return Response(body.model_dump_json(), status, mimetype="application/json")
