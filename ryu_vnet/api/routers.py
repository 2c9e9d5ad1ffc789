"""Routes of routers between networks of tenants."""

from __future__ import annotations

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from flask_openapi3.types import ResponseDict
from pydantic import RootModel

from ..managers import requests, routers
from ..managers.requests import Work
from ..managers.router_status import RouterStatus, router_status, router_statuses
from ..schema import RouterSpec
from .answers import Change, Page
from .queries import PageQuery, RouterPath, TenantPath, WaitQuery
from .service import Service, answer, names_on_page

ROUTERS = Tag(name="routers", description="Routes between networks of a tenant, and to those of tenants who ask for it")


class RouterAnswer(RootModel[RouterStatus]):
    """A router, and what it lets pass."""


class Routers(Page):
    """The routers of a tenant, by name."""

    routers: list[RouterStatus]


CHANGES: ResponseDict = {200: Change, 202: Change}


def install(app: OpenAPI, service: Service) -> None:
    """Add the routes to an application."""
    one = "/v1/tenants/<tenant>/routers/<router>"

    @app.get("/v1/tenants/<tenant>/routers", tags=[ROUTERS], responses={200: Routers})
    def list_routers(path: TenantPath, query: PageQuery) -> Response:
        """The routers of a tenant, by name."""
        requests.require_tenant(service.reading(), path.tenant)
        model, folder = service.system.model, f"router/{path.tenant}"
        names, following = names_on_page(model, folder, query)
        found = (model.router(f"{path.tenant}/{name}") for name in names)
        told = router_statuses(model, (router for router in found if router is not None))
        return answer(Routers(next=following, total=model.count(folder), routers=told))

    @app.get(one, tags=[ROUTERS], responses={200: RouterAnswer})
    def get_router(path: RouterPath) -> Response:
        """A router: from which network to which it lets what begin, and whether another tenant has asked too."""
        requests.require_tenant(service.reading(), path.tenant)
        return answer(RouterAnswer(router_status(service.system.model, path.tenant, path.router)))

    @app.put(one, tags=[ROUTERS], responses=CHANGES)
    def put_router(path: RouterPath, query: WaitQuery, body: RouterSpec) -> Response:
        """Route between networks, or change what is let pass. A network of another tenant (tenant/name) is routed with
        once that tenant has a router which names both as well."""

        def edit(work: Work) -> None:
            requests.require_tenant(work, path.tenant)
            routers.put_router(work.draft, path.tenant, path.router, body)

        return service.change(edit, query.wait)

    @app.delete(one, tags=[ROUTERS], responses=CHANGES)
    def delete_router(path: RouterPath, query: WaitQuery) -> Response:
        """Route no more between networks for the sake of this router."""

        def edit(work: Work) -> None:
            requests.require_tenant(work, path.tenant)
            routers.delete_router(work.draft, path.tenant, path.router)

        return service.change(edit, query.wait)
