"""What requests carry beside the shapes of `schema`: paths, parameters, bodies that may be left out."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..schema import StartSpec

LONGEST_WAIT = 60
"""Seconds that a request may wait for switches."""


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


class WaitQuery(_Query):
    """How long to wait."""

    wait: float = Field(0, ge=0, le=LONGEST_WAIT, description="Seconds to wait for the switches concerned")


class MemberQuery(WaitQuery):
    """Which interface of the node."""

    interface: str | None = Field(None, description="May be left out where the node has only one")


class FlowsQuery(_Query):
    """What to show with the rows."""

    counters: bool = Field(False, description="Ask the switch for packets and bytes of each row")


class DriftQuery(_Query):
    """Of which switch."""

    switch: str | None = Field(None, description="Only what was changed on this one")


class TraceQuery(_Query):
    """Which frame to follow."""

    source: str = Field(alias="from", description="tenant/node or tenant/node:interface")
    target: str | None = Field(None, alias="to", description="The same, or a MAC address; not needed for a broadcast")
    kind: Literal["icmp", "ipv6", "arp", "broadcast", "ethertype"] | None = Field(
        None, description="Which frame; by default an echo over IPv4 or IPv6, whichever both have, else `ethertype`"
    )


class StartBody(StartSpec):
    """Where a node starts. The whole body may be left out."""

    model_config = ConfigDict(extra="forbid", openapi_extra={"required": False})  # type: ignore[typeddict-unknown-key]

    @model_validator(mode="before")
    @classmethod
    def _absent_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value
