"""What every route needs: the System Manager, a way to wait, and how an answer is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from flask import Response
from pydantic import BaseModel

from ..managers.allocation import Allocator
from ..managers.requests import Work
from ..managers.status import Pending, pending
from ..managers.system import System
from ..model.state import Draft
from .answers import Change

Wait = Callable[[Callable[[], bool], float], bool]
"""Block until a predicate holds or seconds have passed, and let others run meanwhile; whether it holds."""


@dataclass(frozen=True, slots=True)
class Service:
    """One web service."""

    system: System
    wait: Wait
    framework: str

    def change(self, edit: Callable[[Work], None], seconds: float) -> Response:
        """Do a request, wait until it is realised, and say how far it has come: 200 if realised, else 202."""
        done = self.system.request(edit)
        waiting = self.pending(done.revision, seconds)
        body = Change(revision=done.revision, changed=done.changed, realised=not waiting, pending=waiting)
        return answer(body, HTTPStatus.ACCEPTED if waiting else HTTPStatus.OK)

    def pending(self, revision: int, seconds: float) -> list[Pending]:
        """The switches on which a revision is not realised after `seconds` at most."""
        self.wait(lambda: not self.system.pending(revision), seconds)
        return pending(self.system, revision)

    def reading(self) -> Work:
        """The state as `requests` look things up in it."""
        draft = Draft(self.system.model)
        return Work(draft, self.system.fabric, Allocator(draft, self.system.revision))


def answer(body: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """A model as JSON."""
    return Response(body.model_dump_json(), status, mimetype="application/json")
