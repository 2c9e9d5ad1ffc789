"""The controller's web service from Python.

    from ryu_vnet.client import Client

    client = Client()                                # http://127.0.0.1:8080, or VNET_URL, VNET_TOKEN, VNET_CA
    client.put_tenant("red")
    client.put_network("red/X")
    client.put_node("red/vm1", {"interfaces": {"eth0": {"mac": "02:00:00:00:01:01", "ips": ["10.0.0.11"]}}})
    client.attach("red/vm1", "red/X")
    answer = client.start("red/vm1", at={"eth0": "host1:vnet0"}, wait=10)
    print(answer.realised, answer.pending)

Networks and nodes are named by reference, `tenant/name`. Every change may be asked for twice, and is then one change.
A list is all there is, read page by page, unless `limit` says how much of it and `after` where it begins: behind an
entry of that name, which need not be there.
Errors are those of `ryu_vnet.errors`. The controller notes who asks for a change: VNET_CLIENT, else user and machine.
"""

from __future__ import annotations

import getpass
import io
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Any, final
from urllib.parse import quote

import requests

from .errors import Conflict, Exhausted, Invalid, NotFound, PlacerFailed, Problem, StoreError, Unreachable
from .following import follow

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


@final
class Client:
    """A connection to one controller.

    `url`, `token` and `ca` (a file of certificates to trust) default to VNET_URL, VNET_TOKEN and VNET_CA. `wait` of
    every changing method is in seconds: how long to wait until all switches concerned have acknowledged the change.

    Each method raises Invalid, NotFound, Conflict, Exhausted or PlacerFailed where the controller refuses, and
    Unreachable where it does not answer.
    """

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

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._session.close()

    # --- tenants, networks, nodes -----------------------------------------------------------------------------------

    def tenants(self, *, limit: int | None = None, after: str | None = None, whole: bool = True) -> list[Json]:
        """The tenants, with the names of their networks and nodes; where they need not be `whole`, with the first of
        these names and how many there are."""
        found = self._list("/v1/tenants", "tenants", limit, after)
        return [self._whole_tenant(tenant) for tenant in found] if whole else found

    def each_tenant(self, *, after: str | None = None) -> Iterator[Json]:
        """The tenants one after the other, of which not many more are asked for than are taken; not `whole`."""
        return self._each("/v1/tenants", "tenants", after=after)

    def tenant(self, name: str) -> Json:
        """One tenant, with the names of its networks and nodes."""
        return self._whole_tenant(self._get(f"/v1/tenants/{_part(name)}"))

    def _whole_tenant(self, tenant: Json) -> Json:
        """With all names, where the controller gave the first of them alone."""
        for kind, count in (("networks", "network_count"), ("nodes", "node_count")):
            if tenant[count] > len(tenant[kind]):
                path = f"/v1/tenants/{_part(tenant['name'])}/{kind}"
                tenant[kind] += [part["name"] for part in self._each(path, kind, after=tenant[kind][-1])]
        return tenant

    def put_tenant(self, name: str, *, wait: float = 0) -> Answer:
        """Make a tenant."""
        return self._change("PUT", f"/v1/tenants/{_part(name)}", wait)

    def delete_tenant(self, name: str, *, wait: float = 0) -> Answer:
        """Remove a tenant that has nothing any more."""
        return self._change("DELETE", f"/v1/tenants/{_part(name)}", wait)

    def networks(
        self, tenant: str, *, limit: int | None = None, after: str | None = None, whole: bool = True
    ) -> list[Json]:
        """The networks of a tenant; where they need not be `whole`, with the first of their members."""
        found = self._list(f"/v1/tenants/{_part(tenant)}/networks", "networks", limit, after)
        return [self._whole_network(network) for network in found] if whole else found

    def network(self, ref: str) -> Json:
        """One network, with its tags, its label and its members."""
        return self._whole_network(self._get(_path(ref, "networks")))

    def _whole_network(self, network: Json) -> Json:
        """With all members, where the controller gave the first of them alone."""
        if network["members_next"] is not None:
            path = _path(f"{network['tenant']}/{network['name']}", "networks")
            network["members"] += self._each(f"{path}/members", "members", after=network["members_next"])
            network["members_next"] = None
        return network

    def put_network(
        self,
        ref: str,
        *,
        tagged: bool = False,
        traffic: Sequence[Json] = (),
        reserve: Sequence[str] = (),
        wait: float = 0,
    ) -> Answer:
        """Make a network, or change it. `tagged`: its nodes may send 802.1Q tags of their own. `traffic` is the class
        of frames that it is for, as in an intent: `[{"protocol": "tcp", "port": "80"}]`; none: all frames. `reserve`:
        segments in which it keeps a tag whether or not a node of it is there."""
        body = {"tagged": tagged, "traffic": [*traffic], "reserve": [*reserve]}
        return self._change("PUT", _path(ref, "networks"), wait, body)

    def delete_network(self, ref: str, *, wait: float = 0) -> Answer:
        """Remove a network that has no member any more."""
        return self._change("DELETE", _path(ref, "networks"), wait)

    def each_network(self, tenant: str) -> Iterator[Json]:
        """The networks of a tenant one after the other, with the first of their members."""
        return self._each(f"/v1/tenants/{_part(tenant)}/networks", "networks")

    def each_node(self, tenant: str) -> Iterator[Json]:
        """The nodes of a tenant one after the other, of which not many more are asked for than are taken."""
        return self._each(f"/v1/tenants/{_part(tenant)}/nodes", "nodes")

    def nodes(self, tenant: str, *, limit: int | None = None, after: str | None = None) -> list[Json]:
        """The nodes of a tenant."""
        return self._list(f"/v1/tenants/{_part(tenant)}/nodes", "nodes", limit, after)

    def node(self, ref: str) -> Json:
        """One node, with its interfaces."""
        return self._get(_path(ref, "nodes"))

    def put_node(self, ref: str, spec: Mapping[str, Any], *, wait: float = 0) -> Answer:
        """Make a node, or replace it as a whole: `{"running": ..., "interfaces": {"eth0": {"mac": ...}}}`."""
        return self._change("PUT", _path(ref, "nodes"), wait, dict(spec))

    def delete_node(self, ref: str, *, wait: float = 0) -> Answer:
        """Remove a node, running or not."""
        return self._change("DELETE", _path(ref, "nodes"), wait)

    def attach(self, node: str, network: str, interface: str | None = None, *, wait: float = 0) -> Answer:
        """Put an interface of a node into a network of the same tenant."""
        return self._change("PUT", _member_path(node, network), wait, interface=interface)

    def detach(self, node: str, network: str, interface: str | None = None, *, wait: float = 0) -> Answer:
        """Take a node, or one interface of it, out of a network."""
        return self._change("DELETE", _member_path(node, network), wait, interface=interface)

    def start(self, node: str, at: Mapping[str, str] | None = None, *, wait: float = 0) -> Answer:
        """Let a node run; `at` has the switch port, or the switch, of each interface whose place is to be set or new.

        A node without a place is put on a host that is chosen. Where ports are named for it, `raw["placed"]` of the
        answer has them by interface, with the reasons: `{"eth0": {"at": "host1:vn7", "reasons": [...]}}`.
        """
        return self._change("POST", f"{_path(node, 'nodes')}/start", wait, {"at": dict(at or {})})

    def move(self, node: str, to: Mapping[str, str] | None = None, *, now: bool = False, wait: float = 0) -> Answer:
        """Prepare other switch ports for interfaces of a node that runs. At the first sign of it there, or with `now`,
        everybody sends there."""
        return self._change("POST", f"{_path(node, 'nodes')}/move", wait, {"to": dict(to or {}), "now": now})

    def stay(self, node: str, *, wait: float = 0) -> Answer:
        """Give up a move of a node before it has arrived."""
        return self._change("DELETE", f"{_path(node, 'nodes')}/move", wait)

    def stop(self, node: str, *, wait: float = 0) -> Answer:
        """Let a node run no more."""
        return self._change("POST", f"{_path(node, 'nodes')}/stop", wait)

    def restart(self, node: str, at: Mapping[str, str] | None = None, *, wait: float = 0) -> Answer:
        """Stop a node, if it runs, and start it as `start` does."""
        return self._change("POST", f"{_path(node, 'nodes')}/restart", wait, {"at": dict(at or {})})

    def fail(self, node: str, *, wait: float = 0) -> Answer:
        """A node does not run any more, and was not asked to stop."""
        return self._change("POST", f"{_path(node, 'nodes')}/fail", wait)

    def prepare(self, node: str, at: Mapping[str, str] | None = None, *, wait: float = 0) -> Answer:
        """Set everything up for a node but its own switch, at a place as for `start`."""
        return self._change("POST", f"{_path(node, 'nodes')}/prepare", wait, {"at": dict(at or {})})

    def unprepare(self, node: str, *, wait: float = 0) -> Answer:
        """A node is not prepared any more."""
        return self._change("DELETE", f"{_path(node, 'nodes')}/prepare", wait)

    def place(self, node: str) -> Json:
        """Where a node would start, and why there; nothing is changed."""
        return self._get(f"{_path(node, 'nodes')}/place")

    # --- policies ---------------------------------------------------------------------------------------------------

    def policies(self, *, limit: int | None = None, after: int | None = None) -> list[Json]:
        """The policies in the order in which they are asked; `after`: those of a higher order than this."""
        return self._list("/v1/policies", "policies", limit, None if after is None else str(after))

    def policy(self, name: str) -> Json:
        """One policy."""
        return self._get(f"/v1/policies/{_part(name)}")

    def put_policy(self, name: str, spec: Mapping[str, Any], *, wait: float = 0) -> Answer:
        """Make a policy, or change it: `{"match": {"function": "web"}, "networks": ["X"]}`."""
        return self._change("PUT", f"/v1/policies/{_part(name)}", wait, dict(spec))

    def put_policies(self, specs: Mapping[str, Any], *, wait: float = 0) -> Answer:
        """Make or change several, by name, in one change; others stay. To have these and no others, `apply` them."""
        return self._change("POST", "/v1/policies", wait, {"policies": dict(specs)})

    def delete_policy(self, name: str, *, wait: float = 0) -> Answer:
        """Remove a policy; whom it has put into a network leaves that."""
        return self._change("DELETE", f"/v1/policies/{_part(name)}", wait)

    def explain_policies(self, node: str) -> Json:
        """What each policy does about each interface of a node, and why."""
        return self._get(f"{_path(node, 'nodes')}/policies")

    # --- the fabric, and how things stand ---------------------------------------------------------------------------

    def fabric(self) -> Json:
        """The fabric: `declared`, `segments`, and `links` as the switches see them."""
        return self._get("/v1/fabric")

    def put_fabric(self, spec: Mapping[str, Any], *, wait: float = 0) -> Answer:
        """Declare the whole fabric."""
        return self._change("PUT", "/v1/fabric", wait, dict(spec))

    def apply(
        self,
        intent: Mapping[str, Any],
        *,
        wait: float = 0,
        prune: str | None = None,
        removal: str | None = None,
        sent: Sent | None = None,
    ) -> Answer:
        """Apply a whole intent (the shape of a file in topologies/), wholly or not at all.

        `prune` says what becomes of that which it does not name: `none` of it is removed, networks and nodes of the
        tenants that are `named`, or `all` other tenants too. With the `removal` of a plan, these are removed and
        nothing else: Conflict where that has changed.
        """
        return self._change("POST", "/v1/apply", wait, dict(intent), sent, prune=prune, removal=removal)

    def plan(
        self, intent: Mapping[str, Any], *, prune: str | None = None, limit: int | None = None, sent: Sent | None = None
    ) -> Json:
        """What `apply` would change, as `plan`, with `limit` entries of each list; and `removal`, for `apply`."""
        return self._ask("POST", "/v1/plan", {"prune": prune, "limit": limit}, dict(intent), sent)

    def status(self) -> Json:
        """How everything stands."""
        return self._get("/v1/status")

    def switches(self, *, limit: int | None = None, after: str | None = None) -> list[Json]:
        """How each switch stands."""
        return self._list("/v1/switches", "switches", limit, after)

    def switch(self, name: str) -> Json:
        """How one switch stands."""
        return self._get(f"/v1/switches/{_part(name)}")

    def ports(self, switch: str, *, limit: int | None = None, after: str | None = None) -> list[Json]:
        """The ports that a switch has reported, and what each is for."""
        return self._list(f"/v1/switches/{_part(switch)}/ports", "ports", limit, after)

    def flows(self, switch: str, *, counters: bool = False) -> Json:
        """The rows that a switch is to hold, each with its meaning, its origin and what has become of it."""
        first, *others = self.flow_pages(switch, counters=counters)
        for page in others:
            first["rows"] += page["rows"]
            first["groups"] += page["groups"]
        del first["next"]
        return first

    def flow_pages(self, switch: str, *, counters: bool = False) -> Iterator[Json]:
        """The same in pieces, of which only so many are asked for as are taken: rows first, then groups."""
        path, asked, after = f"/v1/switches/{_part(switch)}/flows", int(counters), None
        while True:
            page = self._get(path, limit=LONGEST_PAGE, after=after, counters=asked)
            yield page
            after, asked = page["next"], int(page["counted"] is True)
            if after is None:
                return

    def revision(self, number: int, *, wait: float = 0) -> Json:
        """Whether a revision is realised, after `wait` seconds at most."""
        deadline = time.monotonic() + wait
        while True:
            left = max(deadline - time.monotonic(), 0)
            found = self._get(f"/v1/revisions/{number}", wait=min(left, LONGEST_WAIT))
            if found["realised"] or time.monotonic() + POLL_SECONDS >= deadline:
                return found
            time.sleep(POLL_SECONDS)

    def trace(self, source: str, target: str | None = None, kind: str | None = None) -> Json:
        """Follow one frame from `tenant/node[:interface]` to another, or to a MAC address."""
        return self._get("/v1/trace", **{"from": source, "to": target, "kind": kind})

    def explain(self, kind: str, name: str, switch: str | None = None) -> Json:
        """What something is, and why it is there: `tag` A:3, `label` 18, `mac` 02:00:00:00:01:01, `port` host1:vnet0,
        `cookie` 0x766e..., and of a switch a `row`, by its text, or a `group`, by its number."""
        return self._get("/v1/explain", kind=kind, name=name, switch=switch)

    def fsck(self, *, mend: bool = False, switches: bool = True) -> Json:
        """Check the model, the store and, if so wanted, all `switches`; and `mend` what can be mended."""
        return self._ask("POST" if mend else "GET", "/v1/fsck", {"switches": int(switches)})

    def drift(self, switch: str | None = None) -> list[Json]:
        """What others changed on switches lately, or on one: the oldest first."""
        return self._list("/v1/drift", "drifts", switch=switch)

    def discovery(self) -> Json:
        """What the databases of hosts say of machines, and what has come of it: `followed`, `databases`, and all
        `sightings`."""
        page = self._get("/v1/discovery", limit=LONGEST_PAGE)
        sightings = [*page["sightings"]]
        while page["next"] is not None:
            page = self._get("/v1/discovery", limit=LONGEST_PAGE, after=page["next"])
            sightings += page["sightings"]
        return {"followed": page["followed"], "databases": page["databases"], "sightings": sightings}

    def events(
        self,
        *,
        limit: int | None = None,
        after: int | None = None,
        kind: str | None = None,
        subject: str | None = None,
        newest: bool = False,
    ) -> list[Json]:
        """What happened, the oldest first; `newest`: the last ones, where `limit` leaves some out."""
        if newest and limit is not None and limit <= LONGEST_PAGE:
            page = self._get("/v1/events", limit=limit, newest=1, kind=kind, subject=subject)
            return [*page["events"]]
        start = None if after is None else str(after)
        found = self._list("/v1/events", "events", None if newest else limit, start, kind=kind, subject=subject)
        return found[-limit:] if newest and limit is not None else found

    def follow_events(
        self, *, after: int | None = None, kind: str | None = None, subject: str | None = None
    ) -> Iterator[Json]:
        """What happens after an event, by its `sequence`, or from now on; without an end. Where the connection breaks
        or the controller is restarted, it goes on after the last event that was given.

        Where some are not kept any more, an entry of kind `missed` says so. Raises Unreachable if it cannot begin.
        """

        def connect(last: int | None) -> requests.Response:
            parameters = {"after": last, "kind": kind, "subject": subject}
            response = self._respond("GET", "/v1/events/stream", parameters, stream=True)
            if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
                _result(response, self.url)
                raise Unreachable(f"what answers at {self.url} has no events: is it a ryu-vnet controller?")
            return response

        return follow(connect, after)

    def metrics(self) -> str:
        """The controller's metrics, in the text format of Prometheus."""
        response = self._respond("GET", "/metrics", {})
        if response.ok and response.headers.get("Content-Type", "").startswith("text/plain"):
            return response.text
        _result(response, self.url)
        raise Unreachable(f"what answers at {self.url} has no metrics: is it a ryu-vnet controller?")

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
        return _result(self._respond(method, path, parameters, body, sent), self.url)

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


def _result(response: requests.Response, url: str) -> Json:
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


def _path(ref: str, kind: str) -> str:
    tenant, name = split_ref(ref)
    return f"/v1/tenants/{_part(tenant)}/{kind}/{_part(name)}"


def _member_path(node: str, network: str) -> str:
    (tenant, name), (owner, _) = split_ref(node), split_ref(network)
    if tenant != owner:
        hint = "a node joins networks of its own tenant alone"
        raise Invalid(Problem("", f"node {node} belongs to tenant {tenant}, network {network} to {owner}", hint))
    return f"{_path(network, 'networks')}/members/{_part(name)}"


def _part(name: str) -> str:
    """A name as one part of a path. Raises Invalid for one that a path cannot hold."""
    if name in ("", ".", ".."):
        raise Invalid(
            Problem("", f"{name!r} is not a name", "a letter or digit, then letters, digits, '.', '_' or '-'")
        )
    return quote(name, safe="")
