"""The route that moves networks from one gateway to another."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response
from flask_openapi3.openapi import OpenAPI
from flask_openapi3.types import ResponseDict
from pydantic import Field

from ..managers import requests
from ..managers.standby import Move, move_gateway
from ..schema import GatewayMoveSpec
from .answers import Change
from .outside import OUTSIDE
from .queries import NetworkPath, WaitQuery
from .service import Service, answer


class GatewayChange(Change):
    """What moving a network to another gateway came to."""

    gateway: str = Field(description="The gateway that it has now")
    left: str = Field(description="The one that it had; the same where it was there already")
    moved: list[str] = Field(description="The networks that go out by another gateway now, by reference")
    together: list[str] = Field(description="Of these, those that went with it, as they share its outside address")


CHANGES: ResponseDict = {200: GatewayChange, 202: GatewayChange}


def install(app: OpenAPI, service: Service) -> None:
    """Add the route to an application."""

    @app.post("/v1/tenants/<tenant>/networks/<network>/gateway", tags=[OUTSIDE], responses=CHANGES)
    def move(path: NetworkPath, query: WaitQuery, body: GatewayMoveSpec) -> Response:
        """Have a network go out by another one of its gateways, with all networks that share its outside address.
        Connections that are translated by ports end; others go on."""
        system = service.system
        moves: list[Move] = []

        def edit(work: requests.Work) -> None:
            requests.require_network(work, path.tenant, path.network)
            why_unfit = system.standby.why_unfit
            moves.append(move_gateway(work, path.tenant, path.network, body.to, why_unfit))

        done = system.request(edit)
        move = moves[-1]
        system.standby.moved(move)
        waiting = service.pending(done.revision, query.wait)
        told = GatewayChange(
            revision=done.revision, changed=done.changed, realised=not waiting, pending=waiting,
            gateway=move.to, left=move.left, moved=[*move.moved], together=[*move.together],
        )  # fmt: skip
        return answer(told, HTTPStatus.ACCEPTED if waiting else HTTPStatus.OK)
