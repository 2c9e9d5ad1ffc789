"""The Flask application, put together: guards, routes, the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flask import Flask
from flask_openapi3.models.info import Info
from flask_openapi3.models.security_scheme import SecurityScheme
from flask_openapi3.openapi import OpenAPI

from ..managers.system import System
from . import (
    checking,
    discovery,
    events,
    fabric,
    gateways,
    guard,
    lifecycle,
    outside,
    plans,
    policies,
    problems,
    routers,
    sites,
    tenants,
    watching,
)
from .answers import ProblemDocument
from .discovery import Discovered
from .metrics import Metrics
from .service import Service, Wait

VERSION = "1"
"""Of the API: the `/v1` in its paths."""
PAUSE_SECONDS = 0.001
"""How long others may run in the middle of a long answer."""


def create_api(
    system: System,
    wait: Wait,
    token: str | None,
    framework: str,
    queued: Callable[[], int] = lambda: 0,
    discovered: Discovered = lambda: (False, (), ()),
) -> Flask:
    """The web service, as a WSGI application.

    `token` is what every request must carry as bearer token; without one, only requests to a loopback address are
    served. `framework` is shown in the status; `queued` says how many requests wait for their turn, `discovered` what
    the databases of hosts say.
    """
    service = Service(system, wait, framework, Metrics(system, queued, lambda: _pause(wait)))
    app = OpenAPI(
        __name__,
        info=Info(title="ryu-vnet", version=VERSION, description=guard.DESCRIPTION),
        doc_ui=False,
        static_folder=None,
        security_schemes={"token": SecurityScheme(type="http", scheme="bearer")},
        responses={"4XX": problems.documented(ProblemDocument), "5XX": problems.documented(ProblemDocument)},
        validation_error_callback=partial(events.refuse_shape, service),
        validation_error_status="4XX",
        validation_error_model=ProblemDocument,
        operation_id_callback=lambda *, name, path, method: name,
        openapi_extensions={"security": [{"token": []}, {}]},
    )
    service.metrics.watch(app)
    guard.install(app, token, lambda: _pause(wait))
    app.before_request(service.begin_turn)
    problems.install(app)
    tenants.install(app, service)
    lifecycle.install(app, service)
    policies.install(app, service)
    outside.install(app, service)
    sites.install(app, service)
    gateways.install(app, service)
    routers.install(app, service)
    fabric.install(app, service)
    plans.install(app, service)
    watching.install(app, service)
    checking.install(app, service)
    discovery.install(app, service, discovered)
    events.install(app, service)

    @app.get("/v1/openapi.json", summary="This description", operation_id="openapi", responses={200: None})
    def document() -> dict[str, object]:
        return dict(app.api_doc)

    return app


def _pause(wait: Wait) -> None:
    wait(lambda: False, PAUSE_SECONDS)
