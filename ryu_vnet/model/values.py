"""Tenants, networks, nodes and interfaces as values.

A reference is `tenant/name`: names are the tenant's own, and two tenants may use the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from .names import Prefix


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who owns networks and nodes."""

    name: str


@dataclass(frozen=True, slots=True)
class Network:
    """A private layer-2 broadcast domain.

    `number` (16 to 1048575) is granted when the network is made; it is the MPLS service label once the network has
    members in several segments. `tagged` says whether its nodes may send 802.1Q tags of their own.
    """

    tenant: str
    name: str
    number: int
    tagged: bool = False

    @property
    def ref(self) -> str:
        """`tenant/name`."""
        return f"{self.tenant}/{self.name}"


@dataclass(frozen=True, slots=True)
class Place:
    """A switch port, by names."""

    switch: str
    port: str

    def __str__(self) -> str:
        return f"{self.switch}:{self.port}"


@dataclass(frozen=True, slots=True)
class Interface:
    """One vNIC or NIC of a node.

    `number` is granted with it and never used again for another. `known_mac` is None only until it has a place for
    the first time, where the choice was left to us; `chosen` says that we made it. `ips` are what it may send from;
    none means that its IP addresses are not known and not checked (its MAC always is). `network` is the name of a
    network of the same tenant, or None.

    Raises ValueError where it has a place and no MAC: it could run, and its frames be told from nobody's.
    """

    name: str
    number: int
    known_mac: int | None
    ips: tuple[Prefix, ...] = ()
    place: Place | None = None
    network: str | None = None
    chosen: bool = False

    def __post_init__(self) -> None:
        if self.place is not None and self.known_mac is None:
            raise ValueError(f"interface {self.name} is at {self.place} and has no MAC address")

    @property
    def mac(self) -> int:
        """Its MAC address, which it has if it has a place. Raises ValueError where it has none yet."""
        if self.known_mac is None:
            raise ValueError(f"interface {self.name} has no MAC address yet")
        return self.known_mac


@dataclass(frozen=True, slots=True)
class Node:
    """What communicates: a virtual machine, or a physical system. Interfaces are sorted by name."""

    tenant: str
    name: str
    running: bool
    interfaces: tuple[Interface, ...]

    @property
    def ref(self) -> str:
        """`tenant/name`."""
        return f"{self.tenant}/{self.name}"

    def network_of(self, interface: Interface) -> str | None:
        """The reference of the network that an interface of this node is in."""
        return f"{self.tenant}/{interface.network}" if interface.network is not None else None

    def interface(self, name: str) -> Interface | None:
        """The interface of that name."""
        return next((interface for interface in self.interfaces if interface.name == name), None)


@dataclass(frozen=True, slots=True)
class TagGrant:
    """The VLAN tag (1 to 4094) that a network, by number, has in a segment."""

    segment: str
    network: int
    tag: int


LABELS = "label"
"""The space of network numbers, beside the spaces of tags, each of which is named after its segment."""


@dataclass(frozen=True, slots=True)
class Resting:
    """An identifier that was given back and may still stand in a rule on some switch.

    `space` is `LABELS` or `tag:SEGMENT`. `network` is the number of the network that had it: that one may have it
    again at once, since a rule left behind would be its own. `revision` is that of the change that gave it back.
    """

    space: str
    identifier: int
    network: int
    revision: int


@dataclass(frozen=True, slots=True)
class Counters:
    """The next number of each kind that is never used twice."""

    interface: int = 1
    switch: int = 1
    segment: int = 1


Value: TypeAlias = Tenant | Network | Node | TagGrant | Resting | Counters


def tag_space(segment: str) -> str:
    """The name of a segment's tag space."""
    return f"tag:{segment}"


def key_of(value: Value) -> str:
    """The key under which a value is stored; keys of one kind share a prefix and sort by name."""
    match value:
        case Tenant():
            return f"tenant/{value.name}"
        case Network():
            return f"network/{value.ref}"
        case Node():
            return f"node/{value.ref}"
        case TagGrant():
            return f"grant/{value.segment}/{value.network:07d}"
        case Resting():
            return f"resting/{value.space}/{value.identifier:07d}"
        case Counters():
            return "counters"
