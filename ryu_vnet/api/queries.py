"""What requests carry beside the shapes of `schema`: paths, parameters, bodies that may be left out."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..managers.events import Kind
from ..managers.pruning import Prune
from ..schema import StartSpec

LONGEST_WAIT = 60
"""Seconds that a request may wait for switches."""
PAGE, LONGEST_PAGE = 100, 1000
"""How much of a list an answer has, unless the request says another number, and the highest it may say."""


class TenantPath(BaseModel):
    """A tenant."""

    tenant: str


class NetworkPath(TenantPath):
    """A network of a tenant."""

    network: str


class NodePath(TenantPath):
    """A node of a tenant."""

    node: str


class MemberPath(NetworkPath):
    """A node as member of a network of the same tenant."""

    node: str


class SwitchPath(BaseModel):
    """A switch."""

    switch: str


class RevisionPath(BaseModel):
    """A revision."""

    revision: int = Field(ge=0)


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @classmethod
    @cache
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:  # type: ignore[override]
        """Made once: flask-openapi3 looks into it at every request, which took a tenth of one."""
        return super().model_json_schema(*args, **options)


class PageQuery(_Query):
    """Which part of a list."""

    limit: int = Field(PAGE, ge=1, le=LONGEST_PAGE, description="How many entries the answer may have")
    after: str | None = Field(
        None, description="Only what comes after this: `next` of the answer before, or any name in a list of names"
    )


class WaitQuery(_Query):
    """How long to wait."""

    wait: float = Field(0, ge=0, le=LONGEST_WAIT, description="Seconds to wait for the switches concerned")


class ApplyQuery(WaitQuery):
    """What becomes of that which an intent does not name."""

    prune: Prune = Field(
        Prune.NONE,
        description="What to remove that the intent does not name: nothing, what the tenants that it names have of "
        "networks, nodes, routers, floating addresses and forwarded ports, or all other tenants too",
    )
    removal: str | None = Field(
        None, description="`removal` of a plan: the request is refused where anything else would be removed"
    )


class PlanQuery(_Query):
    """The same, and how much to say."""

    prune: Prune = Field(Prune.NONE, description="What to remove that the intent does not name")
    limit: int = Field(PAGE, ge=1, le=LONGEST_PAGE, description="How many entries each list may have")


class MemberQuery(WaitQuery):
    """Which interface of the node."""

    interface: str | None = Field(None, description="May be left out where the node has only one")


class FlowsQuery(PageQuery):
    """What to show with the rows."""

    counters: bool = Field(
        False, description="With packets and bytes of each row. The switch is asked for the first page of them"
    )


class DriftQuery(PageQuery):
    """Of which switch."""

    switch: str | None = Field(None, description="Only what was changed on this one")


class EventFilter(_Query):
    """Which events."""

    kind: Kind | None = Field(None, description="Only those of this kind")
    subject: str | None = Field(
        None, description="Only those about this node, network or switch, or about what this tenant has"
    )


class EventsQuery(PageQuery, EventFilter):
    """Which events, and which part of their list."""

    newest: bool = Field(False, description="The last ones instead of the first; `after` does not go with it")


class StreamQuery(EventFilter):
    """Which events, and from where on."""

    after: str | None = Field(None, description="The number of the last one that was seen; without it, from now on")


class TraceQuery(_Query):
    """Which frame to follow."""

    source: str = Field(alias="from", description="tenant/node or tenant/node:interface, or an IP address outside")
    target: str | None = Field(
        None, alias="to", description="The same, a MAC address or an IP address; not needed for a broadcast"
    )
    kind: Literal["icmp", "ipv6", "arp", "tcp", "udp", "broadcast", "ethertype"] | None = Field(
        None, description="Which frame; by default an echo over IPv4 or IPv6, whichever both have, else `ethertype`"
    )
    port: int | None = Field(None, ge=1, le=65535, description="To which port: of `tcp` and `udp`")
    source_port: int | None = Field(None, ge=1, le=65535, description="From which port; any, if it is left out")


class ExplainQuery(_Query):
    """What to explain."""

    kind: Literal["tag", "label", "zone", "mac", "address", "port", "router", "cookie", "row", "group"] = Field(
        description="What kind of thing"
    )
    name: str = Field(
        description="As A:3, 18, 3, f2:00:10:00:60:08, 203.0.113.10, host1:vnet0, red/core; a cookie, the text of a "
        "row, the number of a group"
    )
    switch: str | None = Field(None, description="Of which switch: for a row or a group, and if wanted for a cookie")

    @model_validator(mode="after")
    def _has_switch(self) -> ExplainQuery:
        if self.switch is None and self.kind in ("row", "group"):
            raise ValueError(f"a {self.kind} is one of a switch; say of which: switch=host1")
        return self


class FsckQuery(_Query):
    """What to check beside the model and the store."""

    switches: bool = Field(True, description="Whether every switch that is there is read and compared")


class RouterPath(TenantPath):
    """A router of a tenant."""

    router: str


class FloatingPath(TenantPath):
    """An outside address of a tenant."""

    address: str


class ForwardPath(TenantPath):
    """A port of an outside address of a tenant."""

    address: str
    protocol: str
    port: int = Field(ge=1, le=65535)


class GatewayPath(BaseModel):
    """A switch with uplinks."""

    gateway: str


class OutsidePath(BaseModel):
    """An outside network."""

    outside: str


class ForwardBody(BaseModel):
    """Where a forwarded port leads."""

    model_config = ConfigDict(extra="forbid")

    network: str = Field(description="A network of the tenant's with a way out", examples=["web"])
    inside: str = Field(description="The member's address", examples=["10.0.0.11"])
    inside_port: int | None = Field(None, ge=1, le=65535, description="Its port; absent: the same")


class StartBody(StartSpec):
    """Where a node starts. The whole body may be left out."""

    model_config = ConfigDict(extra="forbid", openapi_extra={"required": False})  # type: ignore[typeddict-unknown-key]

    @model_validator(mode="before")
    @classmethod
    def _absent_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value
