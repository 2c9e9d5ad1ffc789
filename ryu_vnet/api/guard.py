"""Who may ask, and in what form: checked before any route is reached."""

from __future__ import annotations

import hmac
import inspect
import json
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Request, abort, current_app, g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from ..errors import Invalid, Problem
from ..schema import Intent
from .pieces import in_pieces

MAX_BODY = 16 << 20
"""Bytes of a request's body; an intent of 100,000 nodes has about as many. To make JSON of so many takes half a second,
in which nothing else is done."""

DESCRIPTION = """Private networks for the tenants of a data centre.

A changing request answers with the revision that holds it, and whether every switch concerned has acknowledged that
revision: 200 if so, 202 if it is accepted and still pending. `?wait=SECONDS` waits for that. PUT is idempotent.

A list comes in pages of 100 entries, or of as many as `?limit=` says, up to 1000. `next` of an answer is what `?after=`
of the request for the next page is; it is null at the end. What is there all the time while a list is read page by page
comes once; what comes or goes meanwhile may or may not be in it. A list inside of an entry has its first 100 alone.

Errors are problem documents (RFC 9457) with one entry for each thing that is wrong."""


class _JsonRequest(Request):
    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body as `_read_body` found it."""
        return g.get("body")


def install(app: Flask, token: str | None, pause: Callable[[], None] = lambda: None) -> None:
    """Have every request of an application checked. In the middle of a long one `pause` is called every now and then:
    others may run."""
    app.request_class = _JsonRequest
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.before_request(_check_loopback if token is None else lambda: _check_token(token))
    app.before_request(partial(_read_body, pause))


def _check_token(token: str) -> None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    same = hmac.compare_digest(given.strip().encode(errors="replace"), token.encode())
    if scheme.lower() != "bearer" or not same:
        what = "the token is wrong" if given else "the request carries no token"
        raise Unauthorized(f"{what}: send `Authorization: Bearer TOKEN`", www_authenticate=WWWAuthenticate("bearer"))


def _check_loopback() -> None:
    """Without a token, a web page that somebody has open must not reach us by a name that it made point here, nor
    by a form that it posts."""
    origin = request.headers.get("Origin")
    hosts = {"Host": f"//{request.headers.get('Host', '')}", **({"Origin": origin} if origin else {})}
    for header, url in hosts.items():
        if not _is_loopback(url):
            abort(
                403,
                f"{header} is {url.removeprefix('//')!r}: without a token only localhost, 127.0.0.1, ::1 are served",
            )


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _read_body(pause: Callable[[], None]) -> None:
    """Read the body into `g.body`, a large intent checked already, and refuse a body or parameters that the route would
    not look at."""
    data = request.get_data()
    view = current_app.view_functions.get(request.endpoint or "")
    if view is None:
        return
    takes = inspect.signature(view).parameters
    if request.args and "query" not in takes:
        name = next(iter(request.args))
        raise Invalid(Problem(name, f"unknown parameter {name!r}", "this request takes none"))
    if not data:
        return
    if "body" not in takes:
        raise Invalid(Problem("", f"this request takes no body, and has one of {len(data)} bytes", "leave it out"))
    if not request.is_json:
        abort(415, f"the body is {request.mimetype or 'of no stated type'}: send Content-Type: application/json")
    try:
        body = json.loads(data, object_pairs_hook=_no_duplicates)
    except RecursionError:
        abort(400, "the body is nested too deeply")
    except ValueError as error:
        abort(400, f"the body is not JSON: {error}")
    if not isinstance(body, dict):
        abort(400, f"the body is {json.dumps(body)[:80]}: send a JSON object")
    g.body = in_pieces(body, pause) if takes["body"].annotation in ("Intent", Intent) else body


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} occurs twice in one object; each name once")
    return found
