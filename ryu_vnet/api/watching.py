"""Routes that tell what goes on: metrics, and what others changed on switches."""

from __future__ import annotations

from flask import Response
from flask_openapi3.openapi import OpenAPI

from ..managers.drift_report import drift_statuses
from ..managers.tables import require_switch
from .answers import Drifts
from .fabric import STATUS
from .metrics import MEDIA_TYPE
from .queries import DriftQuery
from .service import Service, answer


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
        if query.switch is not None:
            require_switch(service.system, query.switch)
        return answer(Drifts(drifts=drift_statuses(service.system, service.now(), query.switch)))
