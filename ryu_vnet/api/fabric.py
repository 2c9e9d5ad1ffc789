"""Routes of the fabric, whole intents, status, switches, revisions and traces."""

from __future__ import annotations

from collections import Counter
from heapq import nsmallest

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from flask_openapi3.types import ResponseDict

from ..errors import NotFound
from ..fabric.declared import Fabric
from ..managers import pruning, requests
from ..managers.cabling_report import difference_counts, difference_statuses
from ..managers.communication import State
from ..managers.drift_report import drift_summary
from ..managers.gateway_status import gateway_statuses
from ..managers.outside_status import outside_statuses
from ..managers.specs import outside_spec, tunnel_spec, uplink_spec
from ..managers.status import (
    link_statuses,
    pending,
    port_statuses,
    resting_statuses,
    switch_status,
    switch_statuses,
)
from ..managers.system import System
from ..managers.tables import groups_said, piece, require_switch, rows_said, why
from ..managers.trace import trace
from ..model.values import Network, Node, Tenant, Value
from ..schema import FabricSpec, Intent, LearnSpec, LinkSpec, SwitchSpec
from .answers import (
    Change,
    FabricAnswer,
    Flows,
    Ports,
    Revision,
    SegmentAnswer,
    Status,
    Stranger,
    SwitchAnswer,
    Switches,
    TraceAnswer,
)
from .queries import PAGE, ApplyQuery, FlowsQuery, PageQuery, RevisionPath, SwitchPath, TraceQuery, WaitQuery
from .service import Service, answer, page_of

COUNTERS_SECONDS = 10
"""How long a switch may take to send its counters: 100,000 rows take it a second or two."""

CHANGES: ResponseDict = {200: Change, 202: Change}
FABRIC = Tag(name="fabric", description="Segments, switches, links, and whole intents")
STATUS = Tag(name="status", description="How things stand, and why")


def install(app: OpenAPI, service: Service) -> None:
    """Add the routes to an application."""
    _declared(app, service)
    _status(app, service)
    _switches(app, service)
    _trace(app, service)


def _declared(app: OpenAPI, service: Service) -> None:
    @app.get("/v1/fabric", tags=[FABRIC], responses={200: FabricAnswer})
    def get_fabric() -> Response:
        """The fabric as it was declared, with its segments, its links as the switches see them, and what differs."""
        system = service.system
        return answer(
            FabricAnswer(
                declared=_declared_spec(system.fabric),
                segments=_segments(system),
                links=link_statuses(system),
                gateways=gateway_statuses(system, PAGE),
                outside=outside_statuses(system),
                taken=dict(sorted(system.model.taken().items())),
                differences=difference_statuses(system, service.now()),
            )
        )

    @app.put("/v1/fabric", tags=[FABRIC], responses=CHANGES)
    def put_fabric(query: WaitQuery, body: FabricSpec) -> Response:
        """Declare the whole fabric. It replaces what was declared before."""
        return service.change(lambda work: requests.put_fabric(work, body), query.wait)

    @app.post("/v1/apply", tags=[FABRIC], responses=CHANGES)
    def apply(query: ApplyQuery, body: Intent) -> Response:
        """Apply a whole intent, wholly or not at all. What it does not name stays as it is, unless `prune` says that
        it is to be removed."""
        return service.change(lambda work: pruning.apply(work, body, query.prune, query.removal), query.wait)


def _declared_spec(fabric: Fabric) -> FabricSpec:
    return FabricSpec(
        mtu=fabric.mtu,
        switches={
            name: SwitchSpec(
                dpid=switch.dpid,
                segment=switch.segment,
                ovsdb=switch.ovsdb,
                control=switch.control,
                capacity=fabric.capacities.get(name),
                learn={learn.port: LearnSpec(tenant=learn.tenant, most=learn.most) for learn in switch.learn},
                uplinks={uplink.port: uplink_spec(uplink) for uplink in switch.uplinks},
                tunnels={tunnel.port: tunnel_spec(tunnel) for tunnel in switch.tunnels},
            )
            for name, switch in sorted(fabric.switches.items())
        },
        links=[LinkSpec(kind=link.kind.value, a=str(link.a), b=str(link.b)) for link in fabric.links],
        outside={name: outside_spec(outside) for name, outside in sorted(fabric.outsides.items())},
    )


def _segments(system: System) -> list[SegmentAnswer]:
    fabric = system.fabric
    return [
        SegmentAnswer(
            name=name,
            number=number,
            switches=sorted(fabric.inside[name]),
            edges=[*fabric.edges[name]],
            edge_in_charge=system.topology.edges_in_charge.get(name),
        )
        for name, number in sorted(fabric.segments.items())
    ]


def _status(app: OpenAPI, service: Service) -> None:
    @app.get("/v1/status", tags=[STATUS], responses={200: Status})
    def get_status() -> Response:
        """How everything stands."""
        system = service.system
        waiting, counted = pending(system), Counter(map(_sort, system.model.values()))
        return answer(
            Status(
                framework=service.framework,
                revision=system.revision,
                realised=not waiting,
                pending=waiting,
                tenants=counted["tenant"],
                networks=counted["network"],
                nodes=counted["running"] + counted["stopped"],
                running=counted["running"],
                switches=switch_statuses(system),
                resting=resting_statuses(system),
                gateways=gateway_statuses(system, 0),
                strangers=[
                    Stranger(dpid=f"{d:#x}", address=address) for d, address in sorted(system.strangers.items())
                ],
                drift=drift_summary(system, service.now()),
                differences=difference_counts(system),
            )
        )

    @app.get("/v1/revisions/<int:revision>", tags=[STATUS], responses={200: Revision})
    def get_revision(path: RevisionPath, query: WaitQuery) -> Response:
        """Whether a revision is realised, and if not, on which switches it is pending and why."""
        if path.revision > service.system.revision:
            raise NotFound(f"there is no revision {path.revision} yet; the last is {service.system.revision}")
        waiting = service.pending(path.revision, query.wait)
        return answer(Revision(revision=path.revision, realised=not waiting, pending=waiting))


def _sort(value: Value) -> str:
    """As what a value of the model is counted: in no order, as there may be hundreds of thousands."""
    match value:
        case Node(running=running):
            return "running" if running else "stopped"
        case Network():
            return "network"
        case Tenant():
            return "tenant"
        case _:
            return ""


def _switches(app: OpenAPI, service: Service) -> None:
    @app.get("/v1/switches", tags=[STATUS], responses={200: Switches})
    def list_switches(query: PageQuery) -> Response:
        """How each switch stands, by name."""
        there = service.system.switches
        found = nsmallest(query.limit + 1, (name for name in there if name > (query.after or "")))
        names, following = page_of(found, query, str)
        switches = switch_statuses(service.system, names)
        return answer(Switches(next=following, total=len(there), switches=switches))

    @app.get("/v1/switches/<switch>", tags=[STATUS], responses={200: SwitchAnswer})
    def get_switch(path: SwitchPath) -> Response:
        """How one switch stands."""
        return answer(SwitchAnswer(switch_status(service.system, path.switch)))

    @app.get("/v1/switches/<switch>/ports", tags=[STATUS], responses={200: Ports})
    def list_ports(path: SwitchPath, query: PageQuery) -> Response:
        """The ports that a switch has reported, by name, and what each is for."""
        found = port_statuses(service.system, path.switch, query.after or "", query.limit + 1)
        ports, following = page_of(found, query, lambda port: port.name)
        total = len(service.system.ports.get(path.switch, {}))
        return answer(Ports(next=following, total=total, ports=ports))

    @app.get("/v1/switches/<switch>/flows", tags=[STATUS], responses={200: Flows})
    def get_flows(path: SwitchPath, query: FlowsQuery) -> Response:
        """The rows that a switch is to hold, each with its meaning, its origin and what has become of it."""
        system, manager = service.system, require_switch(service.system, path.switch)
        counted = _count(service, path.switch, anew=query.after is None) if query.counters else None
        part, names = piece(system, path.switch, query.after, query.limit), service.names()
        return answer(
            Flows(
                next=part.next,
                total=part.total,
                switch=path.switch,
                state=manager.state.value,
                why=why(manager),
                counted=counted,
                rows=rows_said(system, names, path.switch, part.rows, counted=counted is True),
                groups=groups_said(system, names, path.switch, part.groups),
            )
        )


def _count(service: Service, switch: str, *, anew: bool) -> bool:
    """Have a switch's counters read, if they are to be read anew; whether there are any."""
    manager = service.system.switches[switch]
    if not anew:
        return bool(manager.counts)
    away = (State.AWAY, State.REFUSED)
    if manager.state in away:
        return False
    before = manager.counts
    service.system.look(switch)
    service.wait(lambda: manager.counts is not before or manager.state in away, COUNTERS_SECONDS)
    return manager.counts is not before


def _trace(app: OpenAPI, service: Service) -> None:
    @app.get("/v1/trace", tags=[STATUS], responses={200: TraceAnswer})
    def follow(query: TraceQuery) -> Response:
        """Follow one frame through the tables as they are to be: each table, each link, and where it ends."""
        found = trace(service.system, query.source, query.target, query.kind, query.port, query.source_port)
        return answer(TraceAnswer(found))
