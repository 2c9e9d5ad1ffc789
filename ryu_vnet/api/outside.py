"""Routes of what is let in to networks from outside, of gateways, and of outside networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, TypeVar

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from flask_openapi3.types import ResponseDict
from pydantic import BaseModel, RootModel

from ..errors import Invalid, NotFound, Problem
from ..managers import outside, requests
from ..managers.gateway_status import GatewayStatus, gateway_status, gateway_statuses
from ..managers.outside_status import (
    AddressUse,
    FloatingStatus,
    ForwardStatus,
    OutsideStatus,
    address_uses,
    floating_statuses,
    forward_statuses,
    let_in_of,
    outside_status,
    outside_statuses,
)
from ..managers.requests import Work
from ..model.outside import Floating, Forward
from ..model.traffic import format_protocol
from ..schema import FloatingSpec, ForwardSpec
from .answers import Change, Page
from .queries import (
    PAGE,
    FloatingPath,
    ForwardBody,
    ForwardPath,
    GatewayPath,
    OutsidePath,
    PageQuery,
    TenantPath,
    WaitQuery,
)
from .service import Service, answer

OUTSIDE = Tag(name="outside", description="What comes from and goes to networks that are not ours")

E = TypeVar("E", Floating, Forward, AddressUse)


class FloatingAnswer(RootModel[FloatingStatus]):
    """An outside address that is one member's own."""


class FloatingList(Page):
    """The outside addresses of a tenant's members, by address."""

    floating: list[FloatingStatus]


class ForwardAnswer(RootModel[ForwardStatus]):
    """A forwarded port."""


class ForwardList(Page):
    """The forwarded ports of a tenant, by address, protocol and port."""

    forwards: list[ForwardStatus]


class ForwardChange(Change):
    """What a change of a forwarded port came to, and the port with the address that it is of."""

    forward: ForwardStatus


class Gateways(BaseModel):
    """Switches with uplinks, by name, each with the first networks that it serves."""

    gateways: list[GatewayStatus]


class GatewayAnswer(RootModel[GatewayStatus]):
    """A switch with uplinks, with all networks that it serves."""


class Outsides(BaseModel):
    """Outside networks, by name."""

    outside: list[OutsideStatus]


class OutsideAnswer(RootModel[OutsideStatus]):
    """An outside network."""


class AddressUses(Page):
    """What addresses of an outside network are used for, by address."""

    addresses: list[AddressUse]


CHANGES: ResponseDict = {200: Change, 202: Change}
FORWARD_CHANGES: ResponseDict = {200: ForwardChange, 202: ForwardChange}


def install(app: OpenAPI, service: Service) -> None:
    """Add the routes to an application."""
    _floating(app, service)
    _forwards(app, service)
    _gateways(app, service)


def _floating(app: OpenAPI, service: Service) -> None:
    one = "/v1/tenants/<tenant>/floating/<address>"

    @app.get("/v1/tenants/<tenant>/floating", tags=[OUTSIDE], responses={200: FloatingList})
    def list_floating(path: TenantPath, query: PageQuery) -> Response:
        """The outside addresses that are a member's own, of a tenant, by address."""
        requests.require_tenant(service.reading(), path.tenant)
        everyone = (v for v in let_in_of(service.system.model, path.tenant) if isinstance(v, Floating))
        found, following, total = _page(everyone, query, lambda value: str(value.address))
        return answer(FloatingList(next=following, total=total, floating=floating_statuses(service.system, found)))

    @app.get(one, tags=[OUTSIDE], responses={200: FloatingAnswer})
    def get_floating(path: FloatingPath) -> Response:
        """An outside address, and whose own it is."""
        requests.require_tenant(service.reading(), path.tenant)
        address = outside.parse_address(path.address, "address")
        for value in let_in_of(service.system.model, path.tenant):
            if isinstance(value, Floating) and value.address == address:
                return answer(FloatingAnswer(floating_statuses(service.system, [value])[0]))
        raise NotFound(f"tenant {path.tenant} has no floating address {address}")

    @app.put(one, tags=[OUTSIDE], responses=CHANGES)
    def put_floating(path: FloatingPath, query: WaitQuery, body: FloatingSpec) -> Response:
        """Give a member an outside address of its own, in both directions, or give it to another one."""

        def edit(work: Work) -> None:
            requests.require_tenant(work, path.tenant)
            outside.put_floating(work.draft, work.fabric, path.tenant, path.address, body)

        return service.change(edit, query.wait)

    @app.delete(one, tags=[OUTSIDE], responses=CHANGES)
    def delete_floating(path: FloatingPath, query: WaitQuery) -> Response:
        """Give an outside address up."""

        def edit(work: Work) -> None:
            requests.require_tenant(work, path.tenant)
            outside.delete_floating(work.draft, path.tenant, path.address)

        return service.change(edit, query.wait)


def _forwards(app: OpenAPI, service: Service) -> None:
    every = "/v1/tenants/<tenant>/forwards"
    one = f"{every}/<address>/<protocol>/<int:port>"

    @app.get(every, tags=[OUTSIDE], responses={200: ForwardList})
    def list_forwards(path: TenantPath, query: PageQuery) -> Response:
        """The forwarded ports of a tenant, by address, protocol and port; it goes on after ADDRESS/PROTOCOL/PORT."""
        requests.require_tenant(service.reading(), path.tenant)
        everyone = (v for v in let_in_of(service.system.model, path.tenant) if isinstance(v, Forward))
        found, following, total = _page(everyone, query, _name)
        return answer(ForwardList(next=following, total=total, forwards=forward_statuses(service.system, found)))

    @app.post(every, tags=[OUTSIDE], responses=FORWARD_CHANGES)
    def post_forward(path: TenantPath, query: WaitQuery, body: ForwardSpec) -> Response:
        """Let what comes for a port in to a member. Without an address it is that which the network's sources become;
        the answer has it."""
        return _put_forward(service, path.tenant, body, query.wait)

    @app.get(one, tags=[OUTSIDE], responses={200: ForwardAnswer})
    def get_forward(path: ForwardPath) -> Response:
        """A forwarded port."""
        requests.require_tenant(service.reading(), path.tenant)
        for value in let_in_of(service.system.model, path.tenant):
            if isinstance(value, Forward) and _name(value) == f"{path.address}/{path.protocol}/{path.port}":
                return answer(ForwardAnswer(forward_statuses(service.system, [value])[0]))
        raise NotFound(f"tenant {path.tenant} forwards no {path.protocol} port {path.port} of {path.address}")

    @app.put(one, tags=[OUTSIDE], responses=FORWARD_CHANGES)
    def put_forward(path: ForwardPath, query: WaitQuery, body: ForwardBody) -> Response:
        """Let what comes for a port in to a member, or to another one."""
        parts: dict[str, Any] = {**body.model_dump(), **path.model_dump(exclude={"tenant"})}
        if path.protocol not in ("tcp", "udp"):
            raise Invalid(Problem("protocol", f"{path.protocol!r} has no ports that are forwarded", "tcp or udp"))
        return _put_forward(service, path.tenant, ForwardSpec(**parts), query.wait)

    @app.delete(one, tags=[OUTSIDE], responses=CHANGES)
    def delete_forward(path: ForwardPath, query: WaitQuery) -> Response:
        """Let nothing in for a port any more."""

        def edit(work: Work) -> None:
            requests.require_tenant(work, path.tenant)
            outside.delete_forward(work.draft, path.tenant, path.address, path.protocol, path.port)

        return service.change(edit, query.wait)


def _put_forward(service: Service, tenant: str, spec: ForwardSpec, seconds: float) -> Response:
    put: Forward | None = None

    def edit(work: Work) -> None:
        nonlocal put
        requests.require_tenant(work, tenant)
        put = outside.put_forward(work.draft, work.fabric, tenant, spec, f"tenants.{tenant}.forwards")

    done = service.system.request(edit)
    (told,) = forward_statuses(service.system, [put] if put is not None else [])
    waiting = service.pending(done.revision, seconds)
    body = ForwardChange(
        revision=done.revision, changed=done.changed, realised=not waiting, pending=waiting, forward=told
    )
    return answer(body, HTTPStatus.ACCEPTED if waiting else HTTPStatus.OK)


def _gateways(app: OpenAPI, service: Service) -> None:
    @app.get("/v1/gateways", tags=[OUTSIDE], responses={200: Gateways})
    def list_gateways() -> Response:
        """Switches with uplinks: their next routers, whether these answer, and the networks that each serves."""
        return answer(Gateways(gateways=gateway_statuses(service.system, PAGE)))

    @app.get("/v1/gateways/<gateway>", tags=[OUTSIDE], responses={200: GatewayAnswer})
    def get_gateway(path: GatewayPath) -> Response:
        """One switch with uplinks, and all networks that it serves."""
        return answer(GatewayAnswer(gateway_status(service.system, path.gateway)))

    @app.get("/v1/outside", tags=[OUTSIDE], responses={200: Outsides})
    def list_outside() -> Response:
        """Outside networks: which addresses networks may have there, and how many they have."""
        return answer(Outsides(outside=outside_statuses(service.system)))

    @app.get("/v1/outside/<outside>", tags=[OUTSIDE], responses={200: OutsideAnswer})
    def get_outside(path: OutsidePath) -> Response:
        """One outside network."""
        return answer(OutsideAnswer(outside_status(service.system, path.outside)))

    @app.get("/v1/outside/<outside>/addresses", tags=[OUTSIDE], responses={200: AddressUses})
    def list_addresses(path: OutsidePath, query: PageQuery) -> Response:
        """What the addresses of an outside network are used for, and by whom; it goes on after a number of them."""
        uses, start = address_uses(service.system, path.outside), _count(query.after)
        more = len(uses) > start + query.limit
        page = uses[start : start + query.limit]
        return answer(AddressUses(next=str(start + query.limit) if more else None, total=len(uses), addresses=page))


# --- pages ------------------------------------------------------------------------------------------------------------


def _page(values: Iterable[E], query: PageQuery, name: Callable[[E], str]) -> tuple[list[E], str | None, int]:
    """A page of what is let in, by address and number, after what the next one begins, and how many there are."""
    everyone = sorted(values, key=lambda value: _order(name(value)))
    after = _order(query.after) if query.after is not None else None
    found = [value for value in everyone if after is None or _order(name(value)) > after]
    following = name(found[query.limit - 1]) if len(found) > query.limit else None
    return found[: query.limit], following, len(everyone)


def _order(name: str) -> tuple[int, int, str, int]:
    """What `203.0.113.10` and `203.0.113.10/tcp/8080` are ordered by."""
    address, _, rest = name.partition("/")
    protocol, _, port = rest.partition("/")
    try:
        parsed = ip_address(address)
        return parsed.version, int(parsed), protocol, int(port or 0)
    except ValueError:
        hint = "what `next` of the answer before says: 203.0.113.10, 203.0.113.10/tcp/8080"
        raise Invalid(Problem("after", f"{name!r} is no entry of the list", hint)) from None


def _name(value: Forward) -> str:
    return f"{value.address}/{format_protocol(value.protocol)}/{value.port}"


def _count(after: str | None) -> int:
    if after is None:
        return 0
    if not after.isdecimal():
        raise Invalid(Problem("after", f"{after!r} is no number", "what `next` of the answer before says, as 100"))
    return int(after)
