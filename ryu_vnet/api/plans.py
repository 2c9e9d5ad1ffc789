"""The route that says what an intent would change."""

from __future__ import annotations

from flask import Response
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from ..managers import pruning
from ..managers.plan import Plan
from ..managers.requests import Work
from ..schema import Intent
from .fabric import FABRIC
from .queries import PlanQuery
from .service import Service, answer


class PlanAnswer(BaseModel):
    """What an intent would change."""

    revision: int = Field(description="The revision that it would change")
    removal: str = Field(
        description="Stands for all tenants, networks and nodes that would be removed. An apply that carries it as "
        "`?removal=` removes just these, or is refused"
    )
    plan: Plan


def install(app: OpenAPI, service: Service) -> None:
    """Add the route to an application."""

    @app.post("/v1/plan", tags=[FABRIC], responses={200: PlanAnswer})
    def plan(query: PlanQuery, body: Intent) -> Response:
        """Say what applying an intent would change, without doing it: networks, memberships, tags, labels, rows.

        It is refused where applying it would be. Nothing has changed afterwards, and nothing is reserved: what others
        change until it is applied may make a difference.
        """
        removal = ""

        def edit(work: Work) -> None:
            nonlocal removal
            pruning.apply(work, body, query.prune)
            removal = pruning.removal_of(work)

        found = service.system.plan(edit, query.limit)
        return answer(PlanAnswer(revision=service.system.revision, removal=removal, plan=found))
