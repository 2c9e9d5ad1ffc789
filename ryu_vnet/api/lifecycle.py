"""Routes of what a node's life has beside start and stop: restart, fail, prepare, and where it would be put."""

from __future__ import annotations

from functools import partial
from itertools import islice

from flask import Response
from flask_openapi3.openapi import OpenAPI

from ..managers import lifecycle, requests
from ..managers.hosting import Hosting
from .answers import PlaceAnswer, PlacedInterface
from .queries import PAGE, NodePath, StartBody, WaitQuery
from .service import Service, answer
from .tenants import NODE_CHANGES, NODES, changed, placed, placed_change

HAS_PLACE = "it has this place, and starts there"


def install(app: OpenAPI, service: Service) -> None:
    """Add the routes to an application."""
    one = "/v1/tenants/<tenant>/nodes/<node>"

    @app.post(f"{one}/restart", tags=[NODES], responses=NODE_CHANGES)
    def restart_node(path: NodePath, query: WaitQuery, body: StartBody) -> Response:
        """Stop a node, if it runs, and start it, in one revision. At the same place nothing need be changed."""
        return placed_change(service, path, partial(lifecycle.restart, at=body.at), query.wait)

    @app.post(f"{one}/fail", tags=[NODES], responses=NODE_CHANGES)
    def fail_node(path: NodePath, query: WaitQuery) -> Response:
        """A node does not run any more, and was not asked to stop; its place and memberships stay."""
        return changed(service, path, lambda work: lifecycle.fail(work, path.tenant, path.node), query.wait)

    @app.post(f"{one}/prepare", tags=[NODES], responses=NODE_CHANGES)
    def prepare_node(path: NodePath, query: WaitQuery, body: StartBody) -> Response:
        """Set everything up for a node but its own switch, at places as for its start: that touches one switch then."""
        return placed_change(service, path, partial(lifecycle.prepare, at=body.at), query.wait)

    @app.delete(f"{one}/prepare", tags=[NODES], responses=NODE_CHANGES)
    def unprepare_node(path: NodePath, query: WaitQuery) -> Response:
        """A node is not prepared any more; its place and memberships stay."""
        return changed(service, path, lambda work: lifecycle.unprepare(work, path.tenant, path.node), query.wait)

    @app.get(f"{one}/place", tags=[NODES], responses={200: PlaceAnswer})
    def get_place(path: NodePath) -> Response:
        """Where a node would start if it were started now, and why there; nothing is changed."""
        work = service.reading()
        node = requests.require_node(work, path.tenant, path.node)
        placing = lifecycle.place(work, Hosting(service.system), node, {})
        has = {
            one.name: PlacedInterface(at=str(one.place), reasons=[HAS_PLACE])
            for one in node.interfaces
            if one.place is not None
        }
        refused = islice(sorted(placing.refused.items()), PAGE)
        return answer(
            PlaceAnswer(interfaces=has | placed(placing), refused=dict(refused), refused_count=len(placing.refused))
        )
