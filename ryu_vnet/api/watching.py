"""Routes that tell what goes on: metrics, and what others changed on switches."""

from __future__ import annotations

from math import inf, isnan, nan

from flask import Response
from flask_openapi3.openapi import OpenAPI

from ..errors import Invalid, Problem
from ..managers.drift import Drift
from ..managers.drift_report import drift_statuses, drifts_after
from ..managers.tables import require_switch
from .answers import Drifts
from .fabric import STATUS
from .metrics import MEDIA_TYPE
from .queries import DriftQuery
from .service import Service, answer, page_of


def install(app: OpenAPI, service: Service) -> None:
    """Add the routes to an application."""

    @app.get("/metrics", tags=[STATUS], responses={200: {"description": "Metrics", "content": {MEDIA_TYPE: {}}}})
    def metrics() -> Response:
        """Metrics in the text format of Prometheus; asked for like everything else, with the token if there is one."""
        service.end_turn()
        return Response(service.metrics.text(), content_type=MEDIA_TYPE)

    @app.get("/v1/drift", tags=[STATUS], responses={200: Drifts})
    def list_drift(query: DriftQuery) -> Response:
        """What others changed on switches lately, the oldest first, and whether it has been put right."""
        system = service.system
        if query.switch is not None:
            require_switch(system, query.switch)
        moment, found = _moment(query), drifts_after(system, query.switch)
        shown, following = page_of([part for part in found if part[0] > moment], query, _told)
        drifts = drift_statuses(system, service.now(), query.switch, shown)
        return answer(Drifts(next=following, total=len(found), drifts=drifts))


def _told(part: tuple[float, Drift]) -> str:
    return repr(part[0])


def _moment(query: DriftQuery) -> float:
    """After which time of the System's clock a page begins. Raises Invalid."""
    try:
        moment = float(query.after) if query.after is not None else -inf
    except ValueError:
        moment = nan
    if isnan(moment):
        raise Invalid(
            Problem("after", f"no list goes on after {query.after!r}", "what `next` of the answer before says")
        )
    return moment
