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

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

import requests

from .client_outside import OutsideClient
from .connection import (
    LONGEST_PAGE,
    Answer,
    Json,
    Pending,
    Sent,
    answer_of,
    member_path,
    name_part,
    ref_path,
    result_of,
    split_ref,
)
from .errors import Unreachable
from .following import follow

__all__ = ["LONGEST_PAGE", "Answer", "Client", "Pending", "answer_of", "split_ref"]


@final
class Client(OutsideClient):
    """A connection to one controller.

    `url`, `token` and `ca` (a file of certificates to trust) default to VNET_URL, VNET_TOKEN and VNET_CA. `wait` of
    every changing method is in seconds: how long to wait until all switches concerned have acknowledged the change.

    Each method raises Invalid, NotFound, Conflict, Exhausted or PlacerFailed where the controller refuses, and
    Unreachable where it does not answer.
    """

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
        return self._whole_tenant(self._get(f"/v1/tenants/{name_part(name)}"))

    def _whole_tenant(self, tenant: Json) -> Json:
        """With all names, where the controller gave the first of them alone."""
        for kind, count in (("networks", "network_count"), ("nodes", "node_count")):
            if tenant[count] > len(tenant[kind]):
                path = f"/v1/tenants/{name_part(tenant['name'])}/{kind}"
                tenant[kind] += [part["name"] for part in self._each(path, kind, after=tenant[kind][-1])]
        return tenant

    def put_tenant(self, name: str, *, wait: float = 0) -> Answer:
        """Make a tenant."""
        return self._change("PUT", f"/v1/tenants/{name_part(name)}", wait)

    def delete_tenant(self, name: str, *, wait: float = 0) -> Answer:
        """Remove a tenant that has nothing any more."""
        return self._change("DELETE", f"/v1/tenants/{name_part(name)}", wait)

    def networks(
        self, tenant: str, *, limit: int | None = None, after: str | None = None, whole: bool = True
    ) -> list[Json]:
        """The networks of a tenant; where they need not be `whole`, with the first of their members."""
        found = self._list(f"/v1/tenants/{name_part(tenant)}/networks", "networks", limit, after)
        return [self._whole_network(network) for network in found] if whole else found

    def network(self, ref: str) -> Json:
        """One network, with its tags, its label and its members."""
        return self._whole_network(self._get(ref_path(ref, "networks")))

    def _whole_network(self, network: Json) -> Json:
        """With all members, where the controller gave the first of them alone."""
        if network["members_next"] is not None:
            path = ref_path(f"{network['tenant']}/{network['name']}", "networks")
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
        subnets: Sequence[str | Json] = (),
        outside: str | Json | None = None,
        wait: float = 0,
    ) -> Answer:
        """Make a network, or change it. `tagged`: its nodes may send 802.1Q tags of their own. `traffic` is the class
        of frames that it is for, as in an intent: `[{"protocol": "tcp", "port": "80"}]`; none: all frames. `reserve`:
        segments in which it keeps a tag whether or not a node of it is there. `subnets` are prefixes, or as in an
        intent: `["10.0.0.0/24", {"prefix": "fd00:1::/64", "dns": ["fd00:1::53"]}]`. `outside` is its way out: the name
        of an outside network, or as in an intent. What is left out is not kept, but as if it never was."""
        body = {"tagged": tagged, "traffic": [*traffic], "reserve": [*reserve], "subnets": [*subnets]}
        body["outside"] = outside
        return self._change("PUT", ref_path(ref, "networks"), wait, body)

    def delete_network(self, ref: str, *, wait: float = 0) -> Answer:
        """Remove a network that has no member any more."""
        return self._change("DELETE", ref_path(ref, "networks"), wait)

    def sites(self, tenant: str) -> list[Json]:
        """The remote sites of a tenant."""
        return self._list(f"/v1/tenants/{name_part(tenant)}/sites", "sites", None, None)

    def site(self, ref: str) -> Json:
        """One remote site."""
        return self._get(ref_path(ref, "sites"))

    def put_site(self, ref: str, spec: Mapping[str, Any], *, wait: float = 0) -> Answer:
        """Have a network extend to a site, or change how: `{"network": ..., "remote": ..., "key": ...}`."""
        return self._change("PUT", ref_path(ref, "sites"), wait, dict(spec))

    def delete_site(self, ref: str, *, wait: float = 0) -> Answer:
        """Remove a site at which no node is any more."""
        return self._change("DELETE", ref_path(ref, "sites"), wait)

    def each_network(self, tenant: str) -> Iterator[Json]:
        """The networks of a tenant one after the other, with the first of their members."""
        return self._each(f"/v1/tenants/{name_part(tenant)}/networks", "networks")

    def each_node(self, tenant: str) -> Iterator[Json]:
        """The nodes of a tenant one after the other, of which not many more are asked for than are taken."""
        return self._each(f"/v1/tenants/{name_part(tenant)}/nodes", "nodes")

    def nodes(self, tenant: str, *, limit: int | None = None, after: str | None = None) -> list[Json]:
        """The nodes of a tenant."""
        return self._list(f"/v1/tenants/{name_part(tenant)}/nodes", "nodes", limit, after)

    def node(self, ref: str) -> Json:
        """One node, with its interfaces."""
        return self._get(ref_path(ref, "nodes"))

    def put_node(self, ref: str, spec: Mapping[str, Any], *, wait: float = 0) -> Answer:
        """Make a node, or replace it as a whole: `{"running": ..., "interfaces": {"eth0": {"mac": ...}}}`."""
        return self._change("PUT", ref_path(ref, "nodes"), wait, dict(spec))

    def delete_node(self, ref: str, *, wait: float = 0) -> Answer:
        """Remove a node, running or not."""
        return self._change("DELETE", ref_path(ref, "nodes"), wait)

    def attach(self, node: str, network: str, interface: str | None = None, *, wait: float = 0) -> Answer:
        """Put an interface of a node into a network of the same tenant."""
        return self._change("PUT", member_path(node, network), wait, interface=interface)

    def detach(self, node: str, network: str, interface: str | None = None, *, wait: float = 0) -> Answer:
        """Take a node, or one interface of it, out of a network."""
        return self._change("DELETE", member_path(node, network), wait, interface=interface)

    def start(self, node: str, at: Mapping[str, str] | None = None, *, wait: float = 0) -> Answer:
        """Let a node run; `at` has the switch port, or the switch, of each interface whose place is to be set or new.

        A node without a place is put on a host that is chosen. Where ports are named for it, `raw["placed"]` of the
        answer has them by interface, with the reasons: `{"eth0": {"at": "host1:vn7", "reasons": [...]}}`.
        """
        return self._change("POST", f"{ref_path(node, 'nodes')}/start", wait, {"at": dict(at or {})})

    def move(self, node: str, to: Mapping[str, str] | None = None, *, now: bool = False, wait: float = 0) -> Answer:
        """Prepare other switch ports for interfaces of a node that runs. At the first sign of it there, or with `now`,
        everybody sends there."""
        return self._change("POST", f"{ref_path(node, 'nodes')}/move", wait, {"to": dict(to or {}), "now": now})

    def stay(self, node: str, *, wait: float = 0) -> Answer:
        """Give up a move of a node before it has arrived."""
        return self._change("DELETE", f"{ref_path(node, 'nodes')}/move", wait)

    def stop(self, node: str, *, wait: float = 0) -> Answer:
        """Let a node run no more."""
        return self._change("POST", f"{ref_path(node, 'nodes')}/stop", wait)

    def restart(self, node: str, at: Mapping[str, str] | None = None, *, wait: float = 0) -> Answer:
        """Stop a node, if it runs, and start it as `start` does."""
        return self._change("POST", f"{ref_path(node, 'nodes')}/restart", wait, {"at": dict(at or {})})

    def fail(self, node: str, *, wait: float = 0) -> Answer:
        """A node does not run any more, and was not asked to stop."""
        return self._change("POST", f"{ref_path(node, 'nodes')}/fail", wait)

    def prepare(self, node: str, at: Mapping[str, str] | None = None, *, wait: float = 0) -> Answer:
        """Set everything up for a node but its own switch, at a place as for `start`."""
        return self._change("POST", f"{ref_path(node, 'nodes')}/prepare", wait, {"at": dict(at or {})})

    def unprepare(self, node: str, *, wait: float = 0) -> Answer:
        """A node is not prepared any more."""
        return self._change("DELETE", f"{ref_path(node, 'nodes')}/prepare", wait)

    def place(self, node: str) -> Json:
        """Where a node would start, and why there; nothing is changed."""
        return self._get(f"{ref_path(node, 'nodes')}/place")

    # --- policies ---------------------------------------------------------------------------------------------------

    def policies(self, *, limit: int | None = None, after: int | None = None) -> list[Json]:
        """The policies in the order in which they are asked; `after`: those of a higher order than this."""
        return self._list("/v1/policies", "policies", limit, None if after is None else str(after))

    def policy(self, name: str) -> Json:
        """One policy."""
        return self._get(f"/v1/policies/{name_part(name)}")

    def put_policy(self, name: str, spec: Mapping[str, Any], *, wait: float = 0) -> Answer:
        """Make a policy, or change it: `{"match": {"function": "web"}, "networks": ["X"]}`."""
        return self._change("PUT", f"/v1/policies/{name_part(name)}", wait, dict(spec))

    def put_policies(self, specs: Mapping[str, Any], *, wait: float = 0) -> Answer:
        """Make or change several, by name, in one change; others stay. To have these and no others, `apply` them."""
        return self._change("POST", "/v1/policies", wait, {"policies": dict(specs)})

    def delete_policy(self, name: str, *, wait: float = 0) -> Answer:
        """Remove a policy; whom it has put into a network leaves that."""
        return self._change("DELETE", f"/v1/policies/{name_part(name)}", wait)

    def explain_policies(self, node: str) -> Json:
        """What each policy does about each interface of a node, and why."""
        return self._get(f"{ref_path(node, 'nodes')}/policies")

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

        `prune` says what becomes of that which it does not name: `none` of it is removed, networks, nodes, routers,
        floating addresses and forwarded ports of the tenants that are `named`, or `all` other tenants too. With the
        `removal` of a plan, these are removed and nothing else: Conflict where that has changed.
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
        return self._get(f"/v1/switches/{name_part(name)}")

    def ports(self, switch: str, *, limit: int | None = None, after: str | None = None) -> list[Json]:
        """The ports that a switch has reported, and what each is for."""
        return self._list(f"/v1/switches/{name_part(switch)}/ports", "ports", limit, after)

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
        path, asked, after = f"/v1/switches/{name_part(switch)}/flows", int(counters), None
        while True:
            page = self._get(path, limit=LONGEST_PAGE, after=after, counters=asked)
            yield page
            after, asked = page["next"], int(page["counted"] is True)
            if after is None:
                return

    def trace(
        self,
        source: str,
        target: str | None = None,
        kind: str | None = None,
        *,
        port: int | None = None,
        source_port: int | None = None,
    ) -> Json:
        """Follow one frame from `tenant/node[:interface]` to another, to a MAC address or an IP address; or from an IP
        address outside to one that networks have there. `port` is that which a `kind` of tcp or udp is for. Where it is
        delivered, `answer` of what is returned has the way of the answer."""
        asked = {"from": source, "to": target, "kind": kind, "port": port, "source_port": source_port}
        return self._get("/v1/trace", **asked)

    def explain(self, kind: str, name: str, switch: str | None = None) -> Json:
        """What something is, and why it is there: `tag` A:3, `label` 18, `zone` 3, `mac` 02:00:00:00:01:01, `address`
        203.0.113.10, `port` host1:vnet0, `router` red/core, `cookie` 0x766e..., and of a switch a `row`, by its text,
        or a `group`, by its number."""
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
                result_of(response, self.url)
                raise Unreachable(f"what answers at {self.url} has no events: is it a ryu-vnet controller?")
            return response

        return follow(connect, after)

    def metrics(self) -> str:
        """The controller's metrics, in the text format of Prometheus."""
        response = self._respond("GET", "/metrics", {})
        if response.ok and response.headers.get("Content-Type", "").startswith("text/plain"):
            return response.text
        result_of(response, self.url)
        raise Unreachable(f"what answers at {self.url} has no metrics: is it a ryu-vnet controller?")
