"""What the web service answers, as models: they make up the responses of the OpenAPI document."""

from __future__ import annotations

from pydantic import BaseModel, Field, RootModel

from ..managers.account import Account
from ..managers.cabling_report import DifferenceStatus
from ..managers.discovery import Outcome
from ..managers.drift_report import DriftStatus, DriftSummary
from ..managers.fsck.finding import Report
from ..managers.gateway_status import GatewayStatus
from ..managers.outside_status import OutsideStatus
from ..managers.route import Route
from ..managers.status import (
    LinkStatus,
    MemberStatus,
    NetworkStatus,
    Pending,
    PortStatus,
    RestingStatus,
    SwitchStatus,
)
from ..managers.tables import GroupStatus, RowStatus
from ..schema import FabricSpec, NodeSpec


class Change(BaseModel):
    """What a changing request came to.

    `revision` holds what was asked for. It is realised once every switch concerned has acknowledged it; until then
    `pending` says which have not, and why.
    """

    revision: int
    changed: bool = Field(description="Whether anything was different before")
    realised: bool
    pending: list[Pending]


class Revision(BaseModel):
    """Where a revision stands."""

    revision: int
    realised: bool
    pending: list[Pending]


class ProblemPart(BaseModel):
    """One thing that is wrong with a request: where, what, and what would be right."""

    where: str = Field(description="Dotted path into the request", examples=["fabric.links[2].a"])
    message: str
    hint: str


class ProblemDocument(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    problems: list[ProblemPart] = Field(default_factory=list)


class Page(BaseModel):
    """Some of a list, in its order."""

    next: str | None = Field(description="What `after` of the request for the next page is; null at the end")
    total: int = Field(description="How many entries the whole list has now")


class TenantAnswer(BaseModel):
    """A tenant, and the first names of what it has; the lists of networks and nodes have all."""

    name: str
    network_count: int
    networks: list[str]
    node_count: int
    nodes: list[str]


class Tenants(Page):
    """Tenants, by name."""

    tenants: list[TenantAnswer]


class NetworkAnswer(RootModel[NetworkStatus]):
    """A network as it is on the wire, with its first members; the list of members has all."""


class Members(BaseModel):
    """Members of a network, by node and interface."""

    next: str | None = Field(description="What `after` of the request for the next page is; null at the end")
    members: list[MemberStatus]


class Networks(Page):
    """The networks of a tenant, by name."""

    networks: list[NetworkStatus]


class NodeAnswer(NodeSpec):
    """A node: what a PUT takes, and what has become of it."""

    tenant: str
    name: str
    failed: bool = Field(description="Whether it does not run, and was not asked to stop")
    held: bool = Field(description="Whether it was asked to stop, and is not started by what databases say")
    discovered: list[str] = Field(description="The interfaces whose place is known from a database, and not by request")
    chosen_macs: list[str] = Field(description="The interfaces whose MAC address was chosen by the controller")
    moving: dict[str, str] = Field(description="By interface: the switch port that it moves to, and is not at yet")
    policy_networks: dict[str, list[str]] = Field(
        description="By interface: the networks that it is in because of policies, beside those that it was asked to be"
    )


class PlacedInterface(BaseModel):
    """Where an interface is, or would be, and why there."""

    at: str = Field(description="The switch port: whoever runs the machine creates it", examples=["host1:vn7"])
    reasons: list[str]


class NodeChange(Change):
    """What a change of a node came to, and the node with the MAC addresses that its interfaces are to have."""

    node: NodeAnswer
    placed: dict[str, PlacedInterface] = Field(
        default_factory=dict, description="By interface: the places that the controller chose or named, and why"
    )


class PlaceAnswer(BaseModel):
    """Where a node would start, or where it is."""

    interfaces: dict[str, PlacedInterface]
    refused: dict[str, str] = Field(
        description="The hosts that could not be chosen, if one was chosen, with the reason: the first by name"
    )
    refused_count: int = Field(description="How many they are")


class Nodes(Page):
    """The nodes of a tenant, by name."""

    nodes: list[NodeAnswer]


class SegmentAnswer(BaseModel):
    """A segment: its switches, its edges, and which of these carries its traffic now."""

    name: str
    number: int
    switches: list[str]
    edges: list[str]
    edge_in_charge: str | None


class FabricAnswer(BaseModel):
    """The fabric. `declared` is what a PUT takes; the rest follows from it and from what the switches report."""

    declared: FabricSpec
    segments: list[SegmentAnswer]
    links: list[LinkStatus]
    gateways: list[GatewayStatus] = Field(description="Switches with uplinks, with the first networks that each serves")
    outside: list[OutsideStatus]
    taken: dict[str, int] = Field(
        description="By switch: how much of its capacity the nodes take that have a place there, running or not"
    )
    differences: list[DifferenceStatus] = Field(
        description="Cables that lead elsewhere than declared, by what link ports hear; ports that nobody declared"
    )


class SwitchAnswer(RootModel[SwitchStatus]):
    """How a switch stands."""


class Switches(Page):
    """Switches, by name."""

    switches: list[SwitchStatus]


class Ports(Page):
    """What a switch has reported of its ports, by name."""

    ports: list[PortStatus]


class Stranger(BaseModel):
    """A switch that is connected and not declared."""

    dpid: str
    address: str


class Status(BaseModel):
    """How everything stands."""

    framework: str
    revision: int
    realised: bool
    pending: list[Pending]
    tenants: int
    networks: int
    nodes: int
    running: int
    switches: list[SwitchStatus]
    resting: list[RestingStatus]
    gateways: list[GatewayStatus] = Field(description="Switches with uplinks, without the networks that they serve")
    strangers: list[Stranger]
    drift: DriftSummary
    differences: dict[str, int] = Field(
        description="How many link ports hear something else than declared, by kind; the fabric has them one by one"
    )


class Drifts(Page):
    """What others changed on switches lately, the oldest first."""

    drifts: list[DriftStatus]


class DatabaseAnswer(BaseModel):
    """The database of a host, and whether what it says is known as of now."""

    remote: str = Field(examples=["ssl:10.0.0.1:6640"])
    connected: bool
    seconds: float = Field(description="Since when")
    why: str = Field(description="Why it is not, of the last try")


class SightingAnswer(BaseModel):
    """What a database says of a port, and what has come of it."""

    database: str
    dpid: str
    port: str
    at: str | None = Field(description="The switch port, where it is one of a declared switch")
    iface_id: str | None
    mac: str | None
    vm_id: str | None
    node: str | None = Field(description="Whose it is")
    interface: str | None
    state: Outcome
    why: str


class Sightings(Page):
    """What the databases of hosts say of machines, by database, switch and port."""

    followed: bool = Field(description="Whether nodes start, stop and move by it: setting VNET_DISCOVERY")
    databases: list[DatabaseAnswer]
    sightings: list[SightingAnswer]


class Flows(Page):
    """What a switch is to hold, as one list: rows by table, priority and match, and then groups by number.

    `counted` is null where counters were not asked for, false where the switch did not answer.
    """

    switch: str
    state: str
    why: str
    counted: bool | None
    rows: list[RowStatus]
    groups: list[GroupStatus]


class ExplainAnswer(RootModel[Account]):
    """What something is, and why it is there."""


class FsckAnswer(RootModel[Report]):
    """What a check came to."""


class TraceAnswer(RootModel[Route]):
    """The whole way of one frame."""
