"""Errors as problem documents (RFC 9457): what was wrong, where, with which value, and what would be right."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any, NoReturn, get_args, get_origin

from flask import Flask, Response, current_app, request
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from werkzeug.exceptions import HTTPException

from ..errors import Conflict, Exhausted, Invalid, NotFound, PlacerFailed, Problem, StoreError, VnetError
from ..policy_schema import PoliciesSpec, PolicySpec
from ..schema import (
    FabricSpec,
    FloatingSpec,
    ForwardSpec,
    GatewayMoveSpec,
    Intent,
    NetworkSpec,
    NodeSpec,
    RouterSpec,
)
from .queries import ForwardBody, StartBody

MEDIA_TYPE = "application/problem+json"
TYPES = "urn:ryu-vnet:problem:"
"""What the `type` of every problem starts with; the rest is the name of the error: `not-found`, `exhausted`."""

_STATUS: dict[type[VnetError], HTTPStatus] = {
    Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    Exhausted: HTTPStatus.INSUFFICIENT_STORAGE,
    PlacerFailed: HTTPStatus.BAD_GATEWAY,
}
_BODIES: tuple[type[BaseModel], ...] = (
    FabricSpec,
    FloatingSpec,
    ForwardBody,
    ForwardSpec,
    GatewayMoveSpec,
    Intent,
    NetworkSpec,
    NodeSpec,
    PoliciesSpec,
    PolicySpec,
    RouterSpec,
    StartBody,
)
_LONGEST = 80
"""Characters of a wrong value that are shown."""


def install(app: Flask) -> None:
    """Have every error of an application answered as a problem document."""
    app.register_error_handler(VnetError, _of_error)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _of_bug)


def documented(model: type[BaseModel]) -> dict[str, Any]:
    """The response of the OpenAPI document that stands for every problem."""
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"description": "A problem document", "content": {MEDIA_TYPE: {"schema": reference}}}


def _document(
    kind: str, status: HTTPStatus, detail: str, parts: tuple[Problem, ...] = (), headers: dict[str, str] | None = None
) -> Response:
    body: dict[str, Any] = {
        "type": TYPES + kind.lower(),
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
    }
    if parts:
        body["problems"] = [{"where": part.where, "message": part.message, "hint": part.hint} for part in parts]
    return Response(json.dumps(body), status, headers, mimetype=MEDIA_TYPE)


def _of_error(error: VnetError) -> Response:
    kind = re.sub("(?<=[a-z])(?=[A-Z])", "-", type(error).__name__)
    if isinstance(error, Invalid):
        return _document(kind, _STATUS[Invalid], str(error), error.problems)
    if isinstance(error, Exhausted) and error.retry_after is not None:
        retry = {"Retry-After": str(error.retry_after)}
        return _document(kind, HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers=retry)
    if isinstance(error, StoreError):
        current_app.logger.error("%s", error)
    return _document(kind, _STATUS.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR), str(error))


def _of_http(error: HTTPException) -> HTTPException | Response:
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return error
    status = HTTPStatus(error.code)
    detail = error.description or status.phrase
    if status is HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {request.path}: /v1/openapi.json lists what there is"
    elif status is HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        detail = f"{request.method} does not go with {request.path}: it takes {allowed}"
    headers = {name: value for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")}
    return _document(status.name.replace("_", "-"), status, detail, headers=headers)


def _of_bug(error: Exception) -> Response:
    current_app.logger.error("%s %s failed", request.method, request.path, exc_info=error)
    detail = "this is a fault of the controller, and nothing was changed by it on purpose: its log says more"
    return _document("internal", HTTPStatus.INTERNAL_SERVER_ERROR, detail)


# --- shapes ---------------------------------------------------------------------------------------------------------


def refuse_shape(error: ValidationError) -> NoReturn:
    """A request that does not have the shape of its model. Raises Invalid with a problem for each fault."""
    model = next((body for body in _BODIES if body.__name__ == error.title), None)
    base = _base(error.title)
    raise Invalid([_problem(model, base, fault) for fault in error.errors(include_url=False)])


def _base(title: str) -> str:
    """Where the body of a request stands in a whole intent, so that places look the same whatever was asked."""
    path = request.view_args or {}
    match title:
        case "FabricSpec":
            return "fabric"
        case "NetworkSpec":
            return f"tenants.{path.get('tenant')}.networks.{path.get('network')}"
        case "NodeSpec":
            return f"tenants.{path.get('tenant')}.nodes.{path.get('node')}"
        case "FloatingSpec":
            return f"tenants.{path.get('tenant')}.floating.{path.get('address')}"
        case "ForwardSpec" | "ForwardBody":
            return f"tenants.{path.get('tenant')}.forwards"
        case "RouterSpec":
            return f"tenants.{path.get('tenant')}.routers.{path.get('router')}"
        case "PolicySpec":
            return f"policies.{path.get('policy')}"
        case _:
            return ""


def _problem(model: type[BaseModel] | None, base: str, fault: Any) -> Problem:
    where = base
    for part in fault["loc"]:
        where += f"[{part}]" if isinstance(part, int) else f".{part}" if where else str(part)
    owner, field = _walk(model, fault["loc"])
    example = f", as {json.dumps(field.examples[0])}" if field and field.examples else ""
    name = fault["loc"][-1] if fault["loc"] else ""
    value = _shown(fault["input"])
    match fault["type"]:
        case "missing":
            purpose = field.description if field and field.description else "it is required"
            return Problem(where, f"{name} is missing", purpose[:1].lower() + purpose[1:] + example)
        case "extra_forbidden":
            fields = owner.model_fields.items() if owner else ()
            known = ", ".join(sorted(field.alias or name for name, field in fields))
            return Problem(where, f"unknown field {str(name)!r}", f"one of {known}" if known else "leave it out")
        case "literal_error":
            return Problem(where, f"{value} is not possible", f"one of {fault['ctx']['expected']}")
        case "value_error":
            message, _, hint = str(fault["ctx"]["error"]).partition("; ")
            return Problem(where, message, hint)
        case "string_type":
            return Problem(where, f"{value} is not text", f"a text in quotes{example}")
        case _:
            hint = fault["msg"].removeprefix("Input should be ").replace("dictionary", "object")
            return Problem(where, f"{value} is not possible", hint + example)


def _walk(model: Any, place: tuple[int | str, ...]) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """The model that the last part of a place belongs to, and that part's field in it."""
    owner: type[BaseModel] | None = None
    field: FieldInfo | None = None
    for part in place:
        owner = field = None
        if isinstance(model, type) and issubclass(model, BaseModel):
            fields = {known.alias or name: known for name, known in model.model_fields.items()}
            owner, field = model, fields.get(str(part))
            model = field.annotation if field else None
        elif get_origin(model) in (dict, list):
            model = get_args(model)[-1]
        if get_origin(model) is not None and type(None) in get_args(model):
            model = get_args(model)[0]
    return owner, field


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
