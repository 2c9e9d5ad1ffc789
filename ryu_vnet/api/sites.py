"""Routes of remote sites."""

from __future__ import annotations

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from flask_openapi3.types import ResponseDict
from pydantic import Field

from ..managers import requests, sites
from ..managers.system import System
from ..model.sites import Site
from ..model.values import Place
from ..schema import SiteSpec
from .answers import Change, Page
from .queries import PageQuery, TenantPath, WaitQuery
from .service import Service, answer, page_of

CHANGES: ResponseDict = {200: Change, 202: Change}
SITES = Tag(name="sites", description="Places outside the data centre that networks extend to")


class SitePath(TenantPath):
    """A site of a tenant."""

    site: str


class SiteAnswer(SiteSpec):
    """A site: what a PUT takes, and what was granted."""

    tenant: str
    name: str
    gateway: str = Field(description="The switch that it is on now")
    port: str = Field(description="The tunnel port there")
    address: str | None = Field(description="The gateway's own address in the network between; null where unknown")
    way_mtu: int | None = Field(description="What the way to it takes, in bytes of IP")
    inner_mtu: int | None = Field(description="What is left for machines there, in bytes of IP")
    nodes: list[str] = Field(description="Who is there")


class SitesAnswer(Page):
    """The sites of a tenant."""

    sites: list[SiteAnswer]


def install(app: OpenAPI, service: Service) -> None:
    """Add the routes to an application."""
    one = "/v1/tenants/<tenant>/sites/<site>"

    @app.get("/v1/tenants/<tenant>/sites", tags=[SITES], responses={200: SitesAnswer})
    def list_sites(path: TenantPath, query: PageQuery) -> Response:
        """The sites of a tenant, by name."""
        requests.require_tenant(service.reading(), path.tenant)
        everyone = service.system.model.sites(path.tenant)
        found = [site for site in everyone if site.name > (query.after or "")][: query.limit + 1]
        shown, following = page_of(found, query, lambda site: site.name)
        answers = [site_answer(service.system, site) for site in shown]
        return answer(SitesAnswer(next=following, total=len(everyone), sites=answers))

    @app.get(one, tags=[SITES], responses={200: SiteAnswer})
    def get_site(path: SitePath) -> Response:
        """One site."""
        return answer(site_answer(service.system, sites.require_site(service.system.model, path.tenant, path.site)))

    @app.put(one, tags=[SITES], responses=CHANGES)
    def put_site(path: SitePath, query: WaitQuery, body: SiteSpec) -> Response:
        """Have a network extend to a site, or change how; nodes there stay there."""
        return service.change(
            lambda work: sites.put_site(work.draft, work.fabric, work.allocator, path.tenant, path.site, body),
            query.wait,
        )

    @app.delete(one, tags=[SITES], responses=CHANGES)
    def delete_site(path: SitePath, query: WaitQuery) -> Response:
        """Remove a site at which no node is any more."""
        return service.change(lambda work: sites.delete_site(work.draft, path.tenant, path.site), query.wait)


def site_spec(site: Site) -> SiteSpec:
    """What `put_site` makes this site of."""
    return SiteSpec(
        network=site.network,
        protocol=site.protocol.value,
        remote=str(site.remote),
        key=site.key,
        gateways=[*site.gateways],
        mtu=site.mtu,
    )


def site_answer(system: System, site: Site) -> SiteAnswer:
    """A site as it is told of."""
    tunnel = system.fabric.tunnels.get(Place(site.switch, site.port))
    way = min(tunnel.mtu, site.mtu or tunnel.mtu) if tunnel is not None else None
    return SiteAnswer(
        **site_spec(site).model_dump(),
        tenant=site.tenant,
        name=site.name,
        gateway=site.switch,
        port=site.port,
        address=str(tunnel.address) if tunnel is not None else None,
        way_mtu=way,
        inner_mtu=site.inner_mtu(tunnel.mtu) if tunnel is not None else None,
        nodes=sorted(key.rpartition("/")[2] for key in system.model.nodes_at(site.ref)),
    )
