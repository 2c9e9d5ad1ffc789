"""Routes of tenants, their networks and nodes, memberships, start and stop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from flask_openapi3.types import ResponseDict

from ..managers import lifecycle, moves, requests
from ..managers.hosting import Hosting
from ..managers.limits import interface_bandwidth_spec
from ..managers.requests import Work
from ..managers.status import member_statuses, network_status
from ..model.names import format_mac, format_prefix
from ..model.state import Model
from ..model.values import Interface, Node
from ..schema import InterfaceSpec, MoveSpec, NetworkSpec, NodeSpec
from .answers import (
    Change,
    Members,
    NetworkAnswer,
    Networks,
    NodeAnswer,
    NodeChange,
    Nodes,
    PlacedInterface,
    TenantAnswer,
    Tenants,
)
from .queries import (
    PAGE,
    MemberPath,
    MemberQuery,
    NetworkPath,
    NodePath,
    PageQuery,
    StartBody,
    TenantPath,
    WaitQuery,
)
from .service import Service, answer, names_in, names_on_page

CHANGES: ResponseDict = {200: Change, 202: Change}
NODE_CHANGES: ResponseDict = {200: NodeChange, 202: NodeChange}
TENANTS = Tag(name="tenants", description="Who owns networks and nodes")
NETWORKS = Tag(name="networks", description="Private layer-2 broadcast domains")
NODES = Tag(name="nodes", description="Virtual machines and physical systems")

PlacingEdit = Callable[[Work, Hosting, str, str], lifecycle.Placing]
"""A request that may choose or name places, of a node by tenant and name."""


def install(app: OpenAPI, service: Service) -> None:
    """Add the routes to an application."""
    _tenants(app, service)
    _networks(app, service)
    _members(app, service)
    _nodes(app, service)
    _running(app, service)


def _tenants(app: OpenAPI, service: Service) -> None:
    @app.get("/v1/tenants", tags=[TENANTS], responses={200: Tenants})
    def list_tenants(query: PageQuery) -> Response:
        """Tenants, by name."""
        model = service.system.model
        names, following = names_on_page(model, "tenant", query)
        tenants = [_tenant_answer(model, name) for name in names]
        return answer(Tenants(next=following, total=model.count("tenant"), tenants=tenants))

    @app.get("/v1/tenants/<tenant>", tags=[TENANTS], responses={200: TenantAnswer})
    def get_tenant(path: TenantPath) -> Response:
        """One tenant."""
        requests.require_tenant(service.reading(), path.tenant)
        return answer(_tenant_answer(service.system.model, path.tenant))

    @app.put("/v1/tenants/<tenant>", tags=[TENANTS], responses=CHANGES)
    def put_tenant(path: TenantPath, query: WaitQuery) -> Response:
        """Make a tenant."""
        return service.change(lambda work: requests.put_tenant(work, path.tenant), query.wait)

    @app.delete("/v1/tenants/<tenant>", tags=[TENANTS], responses=CHANGES)
    def delete_tenant(path: TenantPath, query: WaitQuery) -> Response:
        """Remove a tenant that has no network and no node any more."""
        return service.change(lambda work: requests.delete_tenant(work, path.tenant), query.wait)


def _tenant_answer(model: Model, name: str) -> TenantAnswer:
    networks, nodes = f"network/{name}", f"node/{name}"
    return TenantAnswer(
        name=name,
        network_count=model.count(networks),
        networks=names_in(model.following(networks, "", PAGE)),
        node_count=model.count(nodes),
        nodes=names_in(model.following(nodes, "", PAGE)),
    )


def _networks(app: OpenAPI, service: Service) -> None:
    one = "/v1/tenants/<tenant>/networks/<network>"

    @app.get("/v1/tenants/<tenant>/networks", tags=[NETWORKS], responses={200: Networks})
    def list_networks(path: TenantPath, query: PageQuery) -> Response:
        """The networks of a tenant, by name."""
        requests.require_tenant(service.reading(), path.tenant)
        model, folder = service.system.model, f"network/{path.tenant}"
        names, following = names_on_page(model, folder, query)
        found = (model.network(f"{path.tenant}/{name}") for name in names)
        networks = [network_status(service.system, network, PAGE) for network in found if network is not None]
        return answer(Networks(next=following, total=model.count(folder), networks=networks))

    @app.get(one, tags=[NETWORKS], responses={200: NetworkAnswer})
    def get_network(path: NetworkPath) -> Response:
        """One network, with its tags, its label and its members."""
        network = requests.require_network(service.reading(), path.tenant, path.network)
        return answer(NetworkAnswer(network_status(service.system, network, PAGE)))

    @app.put(one, tags=[NETWORKS], responses=CHANGES)
    def put_network(path: NetworkPath, query: WaitQuery, body: NetworkSpec) -> Response:
        """Make a network, or change it."""
        return service.change(lambda work: requests.put_network(work, path.tenant, path.network, body), query.wait)

    @app.delete(one, tags=[NETWORKS], responses=CHANGES)
    def delete_network(path: NetworkPath, query: WaitQuery) -> Response:
        """Remove a network that has no member any more."""
        return service.change(lambda work: requests.delete_network(work, path.tenant, path.network), query.wait)


def _members(app: OpenAPI, service: Service) -> None:
    every = "/v1/tenants/<tenant>/networks/<network>/members"
    member = f"{every}/<node>"

    @app.get(every, tags=[NETWORKS], responses={200: Members})
    def list_members(path: NetworkPath, query: PageQuery) -> Response:
        """The members of a network, by node and interface; it goes on after NODE or NODE:INTERFACE."""
        network = requests.require_network(service.reading(), path.tenant, path.network)
        members, following = member_statuses(service.system, network, query.after, query.limit)
        return answer(Members(next=following, members=members))

    @app.put(member, tags=[NETWORKS], responses=CHANGES)
    def attach(path: MemberPath, query: MemberQuery) -> Response:
        """Put an interface of a node into a network."""
        return service.change(
            lambda work: requests.attach(work, path.tenant, path.network, path.node, query.interface), query.wait
        )

    @app.delete(member, tags=[NETWORKS], responses=CHANGES)
    def detach(path: MemberPath, query: MemberQuery) -> Response:
        """Take a node, or one interface of it, out of a network."""
        return service.change(
            lambda work: requests.detach(work, path.tenant, path.network, path.node, query.interface), query.wait
        )


def _nodes(app: OpenAPI, service: Service) -> None:
    one = "/v1/tenants/<tenant>/nodes/<node>"

    @app.get("/v1/tenants/<tenant>/nodes", tags=[NODES], responses={200: Nodes})
    def list_nodes(path: TenantPath, query: PageQuery) -> Response:
        """The nodes of a tenant, by name."""
        requests.require_tenant(service.reading(), path.tenant)
        model, folder = service.system.model, f"node/{path.tenant}"
        names, following = names_on_page(model, folder, query)
        found = (model.node(f"{path.tenant}/{name}") for name in names)
        nodes = [_node_answer(node) for node in found if node is not None]
        return answer(Nodes(next=following, total=model.count(folder), nodes=nodes))

    @app.get(one, tags=[NODES], responses={200: NodeAnswer})
    def get_node(path: NodePath) -> Response:
        """One node, with its interfaces."""
        return answer(_node_answer(requests.require_node(service.reading(), path.tenant, path.node)))

    @app.put(one, tags=[NODES], responses=NODE_CHANGES)
    def put_node(path: NodePath, query: WaitQuery, body: NodeSpec) -> Response:
        """Make a node, or replace it as a whole; an interface put again without a MAC address keeps what it has."""
        return changed(service, path, lambda work: requests.put_node(work, path.tenant, path.node, body), query.wait)

    @app.delete(one, tags=[NODES], responses=CHANGES)
    def delete_node(path: NodePath, query: WaitQuery) -> Response:
        """Remove a node, running or not, with its memberships."""
        return service.change(lambda work: requests.delete_node(work, path.tenant, path.node), query.wait)


def _running(app: OpenAPI, service: Service) -> None:
    one = "/v1/tenants/<tenant>/nodes/<node>"

    @app.post(f"{one}/start", tags=[NODES], responses=NODE_CHANGES)
    def start_node(path: NodePath, query: WaitQuery, body: StartBody) -> Response:
        """Let a node run, at the switch ports or switches given, where it was, or on a host that is chosen; says which
        MAC addresses it is to have, and which ports were named for it."""
        return placed_change(service, path, partial(lifecycle.start, at=body.at), query.wait)

    @app.post(f"{one}/move", tags=[NODES], responses=NODE_CHANGES)
    def move_node(path: NodePath, query: WaitQuery, body: MoveSpec) -> Response:
        """Prepare another place for a node that runs. At the first sign of it there (its port, a frame of its own), or
        with `now`, everybody sends there. `now` without places ends moves that are prepared."""

        def edit(work: Work) -> None:
            if body.to or not body.now:
                moves.move(work, path.tenant, path.node, body.to)
            if body.now:
                moves.arrive(work, path.tenant, path.node)

        return changed(service, path, edit, query.wait)

    @app.delete(f"{one}/move", tags=[NODES], responses=NODE_CHANGES)
    def stay_node(path: NodePath, query: WaitQuery) -> Response:
        """Give up a move before the node has arrived: it stays where it is."""
        return changed(service, path, lambda work: moves.stay(work, path.tenant, path.node), query.wait)

    @app.post(f"{one}/stop", tags=[NODES], responses=CHANGES)
    def stop_node(path: NodePath, query: WaitQuery) -> Response:
        """Let a node run no more; its place and memberships stay."""
        return service.change(lambda work: requests.stop(work, path.tenant, path.node), query.wait)


def placed_change(service: Service, path: NodePath, edit: PlacingEdit, seconds: float) -> Response:
    """The same for a request that may choose or name places: the answer has them too, and why."""
    placing = lifecycle.Placing()

    def place(work: Work) -> None:
        nonlocal placing
        placing = edit(work, Hosting(service.system), path.tenant, path.node)

    return changed(service, path, place, seconds, lambda: placed(placing))


def placed(placing: lifecycle.Placing) -> dict[str, PlacedInterface]:
    """What is told of places."""
    return {name: PlacedInterface(at=str(one.at), reasons=[*one.reasons]) for name, one in placing.told.items()}


def changed(
    service: Service,
    path: NodePath,
    edit: Callable[[Work], None],
    seconds: float,
    told: Callable[[], dict[str, PlacedInterface]] = dict,
) -> Response:
    """Do a request about a node, as `Service.change`, and answer with the node too, as the request has left it."""
    done = service.system.request(edit)
    node = _node_answer(requests.require_node(service.reading(), path.tenant, path.node))
    waiting = service.pending(done.revision, seconds)
    body = NodeChange(
        revision=done.revision, changed=done.changed, realised=not waiting, pending=waiting, node=node, placed=told()
    )
    return answer(body, HTTPStatus.ACCEPTED if waiting else HTTPStatus.OK)


def _node_answer(node: Node) -> NodeAnswer:
    return NodeAnswer(
        tenant=node.tenant,
        name=node.name,
        running=node.running,
        prepared=node.prepared,
        failed=node.failed,
        interfaces={interface.name: _interface_spec(interface) for interface in node.interfaces},
        unit=node.unit,
        function=node.function,
        labels=dict(node.labels),
        size=node.size,
        apart=[*node.apart],
        discovery=node.discovery,
        held=node.held,
        chosen_macs=[interface.name for interface in node.interfaces if interface.chosen],
        moving={one.name: str(one.target) for one in node.interfaces if one.target is not None},
        discovered=[one.name for one in node.interfaces if one.discovered],
        policy_networks={one.name: [*one.by_policy] for one in node.interfaces if one.by_policy},
    )


def _interface_spec(interface: Interface) -> InterfaceSpec:
    return InterfaceSpec(
        mac=format_mac(interface.known_mac) if interface.known_mac is not None else None,
        ips=[format_prefix(prefix) for prefix in interface.ips],
        leases=[format_prefix(prefix) for prefix in interface.leases],
        at=str(interface.place) if interface.place and interface.site is None else None,
        site=interface.site,
        iface_id=interface.iface_id,
        bandwidth=interface_bandwidth_spec(interface.bandwidth),
        networks=[*interface.asked],
    )
