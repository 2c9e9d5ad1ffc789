"""What the web service answers, as models: they make up the responses of the OpenAPI document."""

from __future__ import annotations

from pydantic import BaseModel, Field, RootModel

from ..managers.drift_report import DriftStatus, DriftSummary
from ..managers.route import Route
from ..managers.status import LinkStatus, NetworkStatus, Pending, RestingStatus, SwitchStatus
from ..managers.tables import GroupStatus, RowStatus
from ..schema import FabricSpec, InterfaceSpec


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


class TenantAnswer(BaseModel):
    """A tenant, and the names of what it has."""

    name: str
    networks: list[str]
    nodes: list[str]


class Tenants(BaseModel):
    """All tenants, by name."""

    tenants: list[TenantAnswer]


class NetworkAnswer(RootModel[NetworkStatus]):
    """A network as it is on the wire."""


class Networks(BaseModel):
    """The networks of a tenant, by name."""

    networks: list[NetworkStatus]


class NodeAnswer(BaseModel):
    """A node. `running` and `interfaces` are what a PUT takes."""

    tenant: str
    name: str
    running: bool
    interfaces: dict[str, InterfaceSpec]
    chosen_macs: list[str] = Field(description="The interfaces whose MAC address was chosen by the controller")


class NodeChange(Change):
    """What a change of a node came to, and the node with the MAC addresses that its interfaces are to have."""

    node: NodeAnswer


class Nodes(BaseModel):
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


class SwitchAnswer(RootModel[SwitchStatus]):
    """How a switch stands."""


class Switches(BaseModel):
    """All switches, by name."""

    switches: list[SwitchStatus]


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
    strangers: list[Stranger]
    drift: DriftSummary


class Drifts(BaseModel):
    """What others changed on switches lately, the oldest first."""

    drifts: list[DriftStatus]


class Flows(BaseModel):
    """What a switch is to hold. `counted` is null where counters were not asked for, false where it did not answer."""

    switch: str
    state: str
    why: str
    counted: bool | None
    rows: list[RowStatus]
    groups: list[GroupStatus]


class TraceAnswer(RootModel[Route]):
    """The whole way of one frame."""
