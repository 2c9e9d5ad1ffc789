"""One connection to the controller's web service: HTTP requests, their answers as values, their errors as ours."""

from __future__ import annotations

import getpass
import io
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import requests

from .errors import Conflict, Exhausted, Invalid, NotFound, PlacerFailed, Problem, StoreError, Unreachable

Json = dict[str, Any]

DEFAULT_URL = "http://127.0.0.1:8080"
LONGEST_WAIT = 60.0
"""Seconds that the controller waits in one request; a longer wait asks again."""
INTENT_PATHS = ("/v1/apply", "/v1/plan")
POLL_SECONDS = 0.1
"""Pause between two such requests."""
LONGEST_PAGE = 1000
"""Entries of a list that the controller gives in one answer."""
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 60.0
"""How long to wait for a connection, and for an answer where nothing is waited for."""
SILENCE_SECONDS = 45.0
"""How long a stream may be silent: the controller says every fifteen seconds that it is there."""
INTENT_SECONDS = 600.0
"""The same for an answer about a whole intent, of which fifty thousand nodes may take the controller ten seconds."""

Sent = Callable[[int, int], None]
"""Told how much of a request is sent: bytes, and of how many."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A switch that has not acknowledged a revision, and why."""

    switch: str
    why: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a change came to. `raw` is the answer as the controller gave it."""

    revision: int
    changed: bool
    realised: bool
    pending: tuple[Pending, ...]
    raw: Json


C = TypeVar("C", bound="Connection")


class Connection:
    """A connection to one controller, by which `Client` asks. See there."""

    def __init__(self, url: str | None = None, token: str | None = None, ca: str | None = None) -> None:
        self.url = (url or os.environ.get("VNET_URL") or DEFAULT_URL).rstrip("/")
        token = token or os.environ.get("VNET_TOKEN")
        self._session = requests.Session()
        # Proxies and .netrc of the environment are for the Internet, and would take our token's place.
        self._session.trust_env = False
        self._session.verify = ca or os.environ.get("VNET_CA") or True
        self._session.headers["X-Vnet-Client"] = os.environ.get("VNET_CLIENT") or _user()
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def __enter__(self: C) -> C:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._session.close()

    def revision(self, number: int, *, wait: float = 0) -> Json:
        """Whether a revision is realised, after `wait` seconds at most."""
        deadline = time.monotonic() + wait
        while True:
            left = max(deadline - time.monotonic(), 0)
            found = self._get(f"/v1/revisions/{number}", wait=min(left, LONGEST_WAIT))
            if found["realised"] or time.monotonic() + POLL_SECONDS >= deadline:
                return found
            time.sleep(POLL_SECONDS)

    # --- HTTP -------------------------------------------------------------------------------------------------------

    def _get(self, path: str, **parameters: Any) -> Json:
        return self._ask("GET", path, parameters)

    def _list(
        self, path: str, name: str, limit: int | None = None, after: str | None = None, **parameters: Any
    ) -> list[Json]:
        return [*islice(self._each(path, name, limit, after, **parameters), limit)]

    def _each(
        self, path: str, name: str, limit: int | None = None, after: str | None = None, **parameters: Any
    ) -> Iterator[Json]:
        """The entries of a list, page by page; `limit` is how many of them will be taken, where that is known."""
        while True:
            # Whoever takes few of them is given no more.
            size = LONGEST_PAGE if limit is None else min(limit, LONGEST_PAGE)
            page = self._get(path, limit=size, after=after, **parameters)
            yield from page[name]
            after = page["next"]
            if after is None:
                return

    def _change(
        self,
        method: str,
        path: str,
        wait: float,
        body: Json | None = None,
        sent: Sent | None = None,
        **parameters: str | None,
    ) -> Answer:
        started = time.monotonic()
        asked = {"wait": min(wait, LONGEST_WAIT), **parameters}
        raw = self._ask(method, path, asked, body, sent)
        left = wait - (time.monotonic() - started)
        if not raw["realised"] and left > 0:
            later = self.revision(raw["revision"], wait=left)
            raw = {**raw, "realised": later["realised"], "pending": later["pending"]}
        return answer_of(raw)

    def _ask(
        self, method: str, path: str, parameters: Mapping[str, Any], body: Json | None = None, sent: Sent | None = None
    ) -> Json:
        return result_of(self._respond(method, path, parameters, body, sent), self.url)

    def _respond(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, Any],
        body: Json | None = None,
        sent: Sent | None = None,
        *,
        stream: bool = False,
    ) -> requests.Response:
        given = {name: value for name, value in parameters.items() if value is not None}
        patience = INTENT_SECONDS if path in INTENT_PATHS else ANSWER_SECONDS
        silence = SILENCE_SECONDS if stream else patience + float(given.get("wait", 0))
        told: Json = {"json": body}
        if body is not None and sent is not None:
            told = {"data": _Upload(json.dumps(body).encode(), sent), "headers": {"Content-Type": "application/json"}}
        try:
            return self._session.request(
                method,
                self.url + path,
                params=given,
                timeout=(CONNECT_SECONDS, silence),
                allow_redirects=False,
                stream=stream,
                **told,
            )
        except requests.exceptions.SSLError as error:
            hint = "name the file of the authority that signed it in VNET_CA"
            raise Unreachable(f"the certificate of {self.url} is not trusted ({error}): {hint}") from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
            raise Invalid(Problem("url", f"{self.url!r} is no address of a controller", f"as {DEFAULT_URL}")) from None
        except requests.exceptions.Timeout:
            raise Unreachable(f"the controller at {self.url} did not answer in time: see its log") from None
        except requests.exceptions.RequestException:
            hint = "is it running? Start it with `vnet controller` or `ryu-manager ryu_vnet.app`, or say where it is"
            raise Unreachable(f"no controller answers at {self.url}: {hint} (--url, VNET_URL)") from None


def _user() -> str:
    """Who runs this program, for the controller's events."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        # Nobody has this number, as in many a container.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}".encode("ascii", "replace").decode()


class _Upload(io.BytesIO):
    """The body of a request, which tells how much of it has been read."""

    def __init__(self, body: bytes, sent: Sent) -> None:
        super().__init__(body)
        self._size = len(body)
        self._sent = sent

    def __len__(self) -> int:
        return self._size

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self._sent(self.tell(), self._size)
        return found


def answer_of(raw: Json) -> Answer:
    """What a change came to, from the answer as the controller gave it."""
    pending = tuple(Pending(part["switch"], part["why"]) for part in raw["pending"])
    return Answer(raw["revision"], raw["changed"], raw["realised"], pending, raw)


def result_of(response: requests.Response, url: str) -> Json:
    """The answer of a request that went well. Raises what the problem document of any other says."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Unreachable(f"what answers at {url} is no ryu-vnet controller: HTTP {response.status_code}, and no JSON")
    if response.ok:
        return body
    detail = str(body.get("detail") or body.get("title") or f"HTTP {response.status_code}")
    match str(body.get("type", "")).rpartition(":")[2]:
        case "not-found":
            raise NotFound(detail)
        case "conflict":
            raise Conflict(detail)
        case "exhausted":
            after = response.headers.get("Retry-After", "")
            raise Exhausted(detail, int(after) if after.isdigit() else None)
        case "placer-failed":
            raise PlacerFailed(detail)
        case "store-error":
            raise StoreError(detail)
        case "unauthorized":
            raise Invalid(Problem("token", detail, "give it with --token or VNET_TOKEN"))
        case _ if response.status_code >= requests.codes.internal_server_error:
            raise Unreachable(f"the controller at {url} failed: {detail}")
        case _:
            parts = body.get("problems") or [{"message": detail}]
            raise Invalid(Problem(part.get("where", ""), part["message"], part.get("hint", "")) for part in parts)


def split_ref(ref: str) -> tuple[str, str]:
    """`tenant/name` taken apart. Raises Invalid."""
    tenant, slash, name = ref.partition("/")
    if not slash or not tenant or not name or "/" in name:
        raise Invalid(Problem("", f"{ref!r} is not a reference", "write it as tenant/name: red/vm1.1"))
    return tenant, name


def ref_path(ref: str, kind: str) -> str:
    tenant, name = split_ref(ref)
    return f"/v1/tenants/{name_part(tenant)}/{kind}/{name_part(name)}"


def member_path(node: str, network: str) -> str:
    (tenant, name), (owner, _) = split_ref(node), split_ref(network)
    if tenant != owner:
        hint = "a node joins networks of its own tenant alone"
        raise Invalid(Problem("", f"node {node} belongs to tenant {tenant}, network {network} to {owner}", hint))
    return f"{ref_path(network, 'networks')}/members/{name_part(name)}"


def name_part(name: str) -> str:
    """A name as one part of a path. Raises Invalid for one that a path cannot hold."""
    if name in ("", ".", "..") or "/" in name:
        raise Invalid(
            Problem("", f"{name!r} is not a name", "a letter or digit, then letters, digits, '.', '_' or '-'")
        )
    return quote(name, safe="")
