"""The route that tells what the databases of hosts say of machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask import Response
from flask_openapi3.openapi import OpenAPI

from ..managers.discovery import Report
from ..model.names import format_mac
from .answers import DatabaseAnswer, SightingAnswer, Sightings
from .fabric import STATUS
from .queries import PageQuery
from .service import Service, answer, page_of

Discovered = Callable[[], tuple[bool, Sequence[DatabaseAnswer], Sequence[Report]]]
"""Whether databases are followed, how it stands with each, and what they say."""


def install(app: OpenAPI, service: Service, discovered: Discovered) -> None:
    """Add the route to an application."""

    @app.get("/v1/discovery", tags=[STATUS], responses={200: Sightings})
    def list_sightings(query: PageQuery) -> Response:
        """What the databases of hosts say of machines behind their ports, and what has come of it."""
        followed, databases, reports = discovered()
        service.end_turn()
        found = [report for report in reports if query.after is None or _key(report) > query.after]
        shown, following = page_of(found, query, _key)
        sightings = [*map(_sighting, shown)]
        total = len(reports)
        return answer(
            Sightings(next=following, total=total, followed=followed, databases=[*databases], sightings=sightings)
        )


def _key(report: Report) -> str:
    return f"{report.database} {report.sighting.dpid:016x} {report.sighting.port}"


def _sighting(report: Report) -> SightingAnswer:
    said, owner = report.sighting, report.owner
    return SightingAnswer(
        database=report.database,
        dpid=f"{said.dpid:016x}",
        port=said.port,
        at=str(report.place) if report.place is not None else None,
        iface_id=said.iface_id,
        mac=format_mac(said.mac) if said.mac is not None else None,
        vm_id=said.vm_id,
        node=owner.node if owner is not None else None,
        interface=owner.interface if owner is not None else None,
        state=report.state,
        why=report.why,
    )
