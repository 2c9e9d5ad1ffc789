"""Routes of tenants, their networks and nodes, memberships, start and stop."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from flask_openapi3.types import ResponseDict

from ..managers import requests
from ..managers.requests import Work
from ..managers.status import network_status
from ..model.names import format_mac, format_prefix
from ..model.state import Model
from ..model.values import Interface, Node
from ..schema import InterfaceSpec, NetworkSpec, NodeSpec
from .answers import Change, NetworkAnswer, Networks, NodeAnswer, NodeChange, Nodes, TenantAnswer, Tenants
from .queries import MemberPath, MemberQuery, NetworkPath, NodePath, StartBody, TenantPath, WaitQuery
from .service import Service, answer

CHANGES: ResponseDict = {200: Change, 202: Change}
NODE_CHANGES: ResponseDict = {200: NodeChange, 202: NodeChange}
TENANTS = Tag(name="tenants", description="Who owns networks and nodes")
NETWORKS = Tag(name="networks", description="Private layer-2 broadcast domains")
NODES = Tag(name="nodes", description="Virtual machines and physical systems")


def install(app: OpenAPI, service: Service) -> None:
    """Add the routes to an application."""
    _tenants(app, service)
    _networks(app, service)
    _members(app, service)
    _nodes(app, service)
    _running(app, service)


def _tenants(app: OpenAPI, service: Service) -> None:
    @app.get("/v1/tenants", tags=[TENANTS], responses={200: Tenants})
    def list_tenants() -> Response:
        """All tenants."""
        model = service.system.model
        return answer(Tenants(tenants=[_tenant_answer(model, tenant.name) for tenant in model.tenants()]))

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
    networks, nodes = model.networks(name), model.nodes(name)
    return TenantAnswer(name=name, networks=[part.name for part in networks], nodes=[part.name for part in nodes])


def _networks(app: OpenAPI, service: Service) -> None:
    one = "/v1/tenants/<tenant>/networks/<network>"

    @app.get("/v1/tenants/<tenant>/networks", tags=[NETWORKS], responses={200: Networks})
    def list_networks(path: TenantPath) -> Response:
        """The networks of a tenant."""
        requests.require_tenant(service.reading(), path.tenant)
        found = service.system.model.networks(path.tenant)
        return answer(Networks(networks=[network_status(service.system, network) for network in found]))

    @app.get(one, tags=[NETWORKS], responses={200: NetworkAnswer})
    def get_network(path: NetworkPath) -> Response:
        """One network, with its tags, its label and its members."""
        network = requests.require_network(service.reading(), path.tenant, path.network)
        return answer(NetworkAnswer(network_status(service.system, network)))

    @app.put(one, tags=[NETWORKS], responses=CHANGES)
    def put_network(path: NetworkPath, query: WaitQuery, body: NetworkSpec) -> Response:
        """Make a network, or change it."""
        return service.change(lambda work: requests.put_network(work, path.tenant, path.network, body), query.wait)

    @app.delete(one, tags=[NETWORKS], responses=CHANGES)
    def delete_network(path: NetworkPath, query: WaitQuery) -> Response:
        """Remove a network that has no member any more."""
        return service.change(lambda work: requests.delete_network(work, path.tenant, path.network), query.wait)


def _members(app: OpenAPI, service: Service) -> None:
    member = "/v1/tenants/<tenant>/networks/<network>/members/<node>"

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
    def list_nodes(path: TenantPath) -> Response:
        """The nodes of a tenant."""
        requests.require_tenant(service.reading(), path.tenant)
        return answer(Nodes(nodes=[_node_answer(node) for node in service.system.model.nodes(path.tenant)]))

    @app.get(one, tags=[NODES], responses={200: NodeAnswer})
    def get_node(path: NodePath) -> Response:
        """One node, with its interfaces."""
        return answer(_node_answer(requests.require_node(service.reading(), path.tenant, path.node)))

    @app.put(one, tags=[NODES], responses=NODE_CHANGES)
    def put_node(path: NodePath, query: WaitQuery, body: NodeSpec) -> Response:
        """Make a node, or replace it as a whole; an interface put again without a MAC address keeps what it has."""
        return _change(service, path, lambda work: requests.put_node(work, path.tenant, path.node, body), query.wait)

    @app.delete(one, tags=[NODES], responses=CHANGES)
    def delete_node(path: NodePath, query: WaitQuery) -> Response:
        """Remove a node, running or not, with its memberships."""
        return service.change(lambda work: requests.delete_node(work, path.tenant, path.node), query.wait)


def _running(app: OpenAPI, service: Service) -> None:
    one = "/v1/tenants/<tenant>/nodes/<node>"

    @app.post(f"{one}/start", tags=[NODES], responses=NODE_CHANGES)
    def start_node(path: NodePath, query: WaitQuery, body: StartBody) -> Response:
        """Let a node run, at the switch ports given or those that it has; says which MAC addresses it is to have."""
        return _change(service, path, lambda work: requests.start(work, path.tenant, path.node, body.at), query.wait)

    @app.post(f"{one}/stop", tags=[NODES], responses=CHANGES)
    def stop_node(path: NodePath, query: WaitQuery) -> Response:
        """Let a node run no more; its place and memberships stay."""
        return service.change(lambda work: requests.stop(work, path.tenant, path.node), query.wait)


def _change(service: Service, path: NodePath, edit: Callable[[Work], None], seconds: float) -> Response:
    """Do a request about a node, as `Service.change`, and answer with the node too, as the request has left it."""
    done = service.system.request(edit)
    node = _node_answer(requests.require_node(service.reading(), path.tenant, path.node))
    waiting = service.pending(done.revision, seconds)
    body = NodeChange(revision=done.revision, changed=done.changed, realised=not waiting, pending=waiting, node=node)
    return answer(body, HTTPStatus.ACCEPTED if waiting else HTTPStatus.OK)


def _node_answer(node: Node) -> NodeAnswer:
    return NodeAnswer(
        tenant=node.tenant,
        name=node.name,
        running=node.running,
        interfaces={interface.name: _interface_spec(interface) for interface in node.interfaces},
        chosen_macs=[interface.name for interface in node.interfaces if interface.chosen],
    )


def _interface_spec(interface: Interface) -> InterfaceSpec:
    return InterfaceSpec(
        mac=format_mac(interface.known_mac) if interface.known_mac is not None else None,
        ips=[format_prefix(prefix) for prefix in interface.ips],
        at=str(interface.place) if interface.place else None,
        networks=[*interface.networks],
    )
