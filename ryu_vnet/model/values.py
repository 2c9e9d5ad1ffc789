"""Tenants, networks, nodes and interfaces as values.

A reference is `tenant/name`: names are the tenant's own, and two tenants may use the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .bandwidth import NO_LIMIT, Bandwidth
from .names import Prefix
from .outside import Exit, Floating, Forward, Gateway, NextHop, Subnet, Unflushed
from .policy.rules import Policy
from .routing import Router
from .sites import Site
from .traffic import Term


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who owns networks and nodes."""

    name: str


@dataclass(frozen=True, slots=True)
class Network:
    """A private layer-2 broadcast domain.

    `number` (16 to 1048575) is granted when the network is made; it is the MPLS service label once the network has
    members in several segments. `tagged` says whether its nodes may send 802.1Q tags of their own. `traffic` is the
    class of frames that it is for, nothing where it is for all of them. `reserve` has the segments, sorted, in which it
    keeps a tag whether or not a member is there. `made_by` is the template of policies that makes it, and None where
    somebody asked for it: what a template makes is there as long as it has members.

    With `subnets`, IPv4 and IPv6 each one at most, its members have addresses of theirs. `exit` is its way out.
    """

    tenant: str
    name: str
    number: int
    tagged: bool = False
    traffic: tuple[Term, ...] = ()
    reserve: tuple[str, ...] = ()
    made_by: str | None = None
    subnets: tuple[Subnet, ...] = ()
    exit: Exit | None = None

    @property
    def ref(self) -> str:
        """`tenant/name`."""
        return f"{self.tenant}/{self.name}"

    @property
    def rank(self) -> tuple[bool, int]:
        """What networks are ordered by: where two interfaces share several, a frame goes on the first of them that
        takes it. Networks with a class come before those without, and lower numbers before higher ones."""
        return not self.traffic, self.number


@dataclass(frozen=True, slots=True)
class Combination:
    """Several networks, in their order, that some interface is in at once.

    `number` is granted with it from the same space as those of networks. What such an interface sends to everybody
    goes out once for each network that it is in, and in each to those only who are in none of the former: they are
    a broadcast domain of its own, which has this number, and tags, as a network has.
    """

    tenant: str
    networks: tuple[str, ...]
    number: int

    @property
    def ref(self) -> str:
        """`tenant/X+Y`."""
        return combination_ref(self.tenant, self.networks)

    @property
    def last(self) -> str:
        """The reference of the last of its networks, whose members its own are."""
        return f"{self.tenant}/{self.networks[-1]}"

    @property
    def former(self) -> str:
        """The reference of all but the last of its networks: a combination, or a network."""
        return combination_ref(self.tenant, self.networks[:-1])


def combination_ref(tenant: str, networks: Iterable[str]) -> str:
    """The reference of networks in their order: `red/X+Y`; of a single one just its own."""
    return f"{tenant}/{'+'.join(networks)}"


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
    none means that its IP addresses are not known and not checked (its MAC always is). `networks` are the names of
    networks of the same tenant, sorted; `by_policy` those of them that it is in by policies alone.

    While its node moves, `target` is where it will be: what comes from there is taken as its own already. Once it is
    there, `left` is where it was, for some seconds: what still comes there is sent after it.

    `iface_id` is what the database of its host calls it (`external_ids:iface-id`); None where that has no name of its
    own for it. `discovered`: where it is, or moves to, is known from there, and nobody asked for it.

    `leases` are the addresses that it was given in the subnets of its networks, where it was asked to have none there.
    `bandwidth` is what it may send and be sent.

    `site` is the name of the tenant's site that it is at, and `site_number` the site's number (0: none); its place is
    the tunnel port then, which it shares with all who are there.

    Raises ValueError where it has a place and no MAC: it could run, and its frames be told from nobody's.
    """

    name: str
    number: int
    known_mac: int | None
    ips: tuple[Prefix, ...] = ()
    place: Place | None = None
    networks: tuple[str, ...] = ()
    chosen: bool = False
    by_policy: tuple[str, ...] = ()
    target: Place | None = None
    left: Place | None = None
    iface_id: str | None = None
    discovered: bool = False
    leases: tuple[Prefix, ...] = ()
    site: str | None = None
    site_number: int = 0
    bandwidth: Bandwidth = NO_LIMIT

    def __post_init__(self) -> None:
        if self.place is not None and self.known_mac is None:
            raise ValueError(f"interface {self.name} is at {self.place} and has no MAC address")

    @property
    def mac(self) -> int:
        """Its MAC address, which it has if it has a place. Raises ValueError where it has none yet."""
        if self.known_mac is None:
            raise ValueError(f"interface {self.name} has no MAC address yet")
        return self.known_mac

    @property
    def sources(self) -> tuple[Prefix, ...]:
        """What it may send from, as it was asked or given; none means that this is not checked."""
        return self.ips + self.leases if self.leases else self.ips

    @property
    def asked(self) -> tuple[str, ...]:
        """The networks that it was asked to be in, sorted."""
        return tuple(name for name in self.networks if name not in self.by_policy) if self.by_policy else self.networks


Discovery: TypeAlias = Literal["off", "start", "move"]


@dataclass(frozen=True, slots=True)
class Node:
    """What communicates: a virtual machine, or a physical system. Interfaces are sorted by name.

    `prepared`: everything is set up for it but at its own switch, where starting it is the last step. `failed`: it
    does not run, and was not asked to stop. `unit`, `function` and `labels` (sorted pairs of key and value) are for
    policies. `size` says how much of its host it takes, in the units of the hosts' capacity; no two nodes of a tenant
    that are in the same group of `apart` (sorted) are put on one host.

    `discovery` is what may follow from where databases say that it is: nothing (`off`), that it runs there unless it
    runs elsewhere (`start`), or that it moves there too (`move`). `held`: it was asked to stop, and runs again when it
    is asked to.
    """

    tenant: str
    name: str
    running: bool
    interfaces: tuple[Interface, ...]
    prepared: bool = False
    failed: bool = False
    unit: str | None = None
    function: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    size: int = 1
    apart: tuple[str, ...] = ()
    discovery: Discovery = "start"
    held: bool = False

    @property
    def present(self) -> bool:
        """Whether other switches than its own are set up for it."""
        return self.running or self.prepared

    @property
    def ref(self) -> str:
        """`tenant/name`."""
        return f"{self.tenant}/{self.name}"

    @property
    def apart_groups(self) -> list[str]:
        """The anti-affinity groups that it is in as `tenant/group`, sorted."""
        return [f"{self.tenant}/{group}" for group in self.apart]

    def networks_of(self, interface: Interface) -> list[str]:
        """The references of the networks that an interface of this node is in, sorted."""
        if len(interface.networks) == 1:  # Nearly all are, and this is asked for often.
            return [f"{self.tenant}/{interface.networks[0]}"]
        return [f"{self.tenant}/{name}" for name in interface.networks]

    def interface(self, name: str) -> Interface | None:
        """The interface of that name."""
        return next((interface for interface in self.interfaces if interface.name == name), None)


@dataclass(frozen=True, slots=True)
class TagGrant:
    """The VLAN tag (1 to 4094) that a network or combination, by number, has in a segment."""

    segment: str
    network: int
    tag: int


LABELS = "label"
"""The space of network numbers, beside the spaces of tags, each of which is named after its segment."""


@dataclass(frozen=True, slots=True)
class Resting:
    """An identifier that was given back and may still stand in a rule on some switch.

    `space` is `LABELS`, `ZONES` or `tag:SEGMENT`. `network` is the number of the network that had it: that one may have
    it again at once, since a rule left behind would be its own. `revision` is that of the change that gave it back.
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


Value: TypeAlias = (
    Tenant
    | Network
    | Combination
    | Node
    | Policy
    | TagGrant
    | Resting
    | Counters
    | Gateway
    | Floating
    | Forward
    | NextHop
    | Router
    | Site
    | Unflushed
)


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
        case Combination():
            return f"combination/{value.ref}"
        case Node():
            return f"node/{value.ref}"
        case Policy():
            return f"policy/{value.name}"
        case TagGrant():
            return f"grant/{value.segment}/{value.network:07d}"
        case Resting():
            return f"resting/{value.space}/{value.identifier:07d}"
        case Counters():
            return "counters"
        case Router():
            return f"router/{value.ref}"
        case Gateway():
            return f"gateway/{value.ref}"
        case Floating():
            return f"floating/{value.outside}/{value.address}"
        case Forward():
            return f"forward/{value.outside}/{value.address}/{value.protocol}-{value.port}"
        case NextHop():
            return f"nexthop/{value.switch}/{value.port}/{value.address}"
        case Site():
            return f"site/{value.ref}"
        case Unflushed():
            by = f"/{value.address}/{value.protocol}-{value.port}" if value.address is not None else ""
            return f"unflushed/{value.switch}/{value.zone:07d}{by}"
