"""Subnets of networks, and what a network has towards what is not ours: its gateway, addresses, translations.

What was asked for (`Subnet`, `Exit`, `Floating`, `Forward`) and what was granted for it (`Gateway`) are values of their
own, so that a gateway that fails changes nothing of what was asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

from .bandwidth import NO_LIMIT, Bandwidth
from .names import Prefix

Address: TypeAlias = IPv4Address | IPv6Address

ROUTER_MAC = 0x02_76_6F_00_00_00
"""MAC addresses of routers: locally administered, 02:76:6f, then the network's number (20 bits)."""
ADDRESS_MAC = 0x06_76_00_00_00_00
"""MAC addresses of outside addresses that networks share: locally administered, 06:76, then the IPv4 address."""
SHARED_SPACE = int(IPv4Address("100.64.0.0"))
"""Where the addresses are from that stand for a whole network between its own translation and that of an outside
address which several networks share (RFC 6598). They are on no wire."""
STAND_INS = IPv4Network((SHARED_SPACE, 16))
"""All of those addresses: one for each conntrack zone."""
ZONES = "zone"
"""The space of conntrack zones, beside those of labels and tags."""
FIRST_ZONE, LAST_ZONE = 1, 0xFFFE
SHARED_ZONE = 0xFFFF
"""The conntrack zone in which outside addresses are translated, whichever network it is for."""


@dataclass(frozen=True, slots=True)
class Subnet:
    """IP addresses that members of a network have.

    `gateway` is the address of its router, None where it has none. `dns` are the servers that members are told of.
    `dhcp`: members are told their addresses (RFC 2131, RFC 8415, RFC 4861).
    """

    prefix: IPv4Network | IPv6Network
    gateway: Address | None = None
    dns: tuple[Address, ...] = ()
    dhcp: bool = True

    def __contains__(self, address: object) -> bool:
        return isinstance(address, IPv4Address | IPv6Address) and address in self.prefix


@dataclass(frozen=True, slots=True)
class Exit:
    """A network's way to an outside network.

    `gateways` are the switches that may be its gateway, the preferred one first; none means: any that has an uplink.
    `address` is what IPv4 sources become, with one of `ports`; None where that is left to us. `prefix` is what an IPv6
    prefix becomes, host by host; None where IPv6 is routed as it is. `bandwidth` is what all of it may send there, and
    be sent from there. `connections` is how many of its connections the gateway tracks at once; None where that is what
    the outside network says.
    """

    outside: str
    gateways: tuple[str, ...] = ()
    address: IPv4Address | None = None
    ports: tuple[int, int] | None = None
    prefix: IPv6Network | None = None
    bandwidth: Bandwidth = NO_LIMIT
    connections: int | None = None


@dataclass(frozen=True, slots=True)
class Gateway:
    """What was granted to a network, by number, that has an exit: its router, on a switch.

    `interface` is the router's number among interfaces, `zone` its conntrack zone. `address` and `ports` are what IPv4
    sources become; None where the network has no IPv4.
    """

    tenant: str
    name: str
    network: int
    interface: int
    zone: int
    switch: str
    outside: str
    address: IPv4Address | None = None
    ports: tuple[int, int] | None = None

    @property
    def ref(self) -> str:
        """`tenant/name`, as that of its network."""
        return f"{self.tenant}/{self.name}"

    @property
    def mac(self) -> int:
        """The MAC address of its router."""
        return router_mac(self.network)

    @property
    def port(self) -> str:
        """What stands for a port of its switch, where members have one."""
        return f"router:{self.interface}"

    @property
    def stand_in(self) -> int:
        """The address that stands for all of its network between its two translations."""
        return SHARED_SPACE | self.zone


def router_mac(network: int) -> int:
    """The MAC address of a network's router, by the network's number. It is the same on every switch."""
    return ROUTER_MAC | network


def address_mac(address: IPv4Address) -> int:
    """The MAC address by which an outside address is reached that networks share. It is the same on every gateway: when
    another takes over, its neighbours need not learn more than which way it is."""
    return ADDRESS_MAC | int(address)


@dataclass(frozen=True, slots=True)
class Floating:
    """An outside address that is one member's own: what comes for it goes to `inside`, and what that sends has it."""

    outside: str
    address: Address
    tenant: str
    network: str
    inside: Address

    @property
    def ref(self) -> str:
        """The network's: `tenant/network`."""
        return f"{self.tenant}/{self.network}"


@dataclass(frozen=True, slots=True)
class Forward:
    """A port of an outside address: what comes for it goes to a port of `inside`. `protocol` is an IP protocol."""

    outside: str
    address: IPv4Address
    protocol: int
    port: int
    tenant: str
    network: str
    inside: IPv4Address
    inside_port: int

    @property
    def ref(self) -> str:
        """The network's: `tenant/network`."""
        return f"{self.tenant}/{self.network}"


@dataclass(frozen=True, slots=True)
class NextHop:
    """The MAC address of an outside router, as it said itself on an uplink."""

    switch: str
    port: str
    address: Address
    mac: int


@dataclass(frozen=True, slots=True)
class Unflushed:
    """A conntrack zone of a switch in which connections are to be forgotten.

    Without an address, those of a network whose router has left the switch, or is to leave: all of them, before the
    router, or another network's with the zone, comes there again. With one, those alone that go by an address, or by a
    port of it, which let something in to somebody and does no more; with `::` whatever the network was known by in
    IPv6. `is_source`: also those that have left by it.

    `network` is the network's number; `revision` is that of the change from which on this holds.
    """

    switch: str
    zone: int
    network: int
    revision: int
    address: Address | None = None
    protocol: int = 0
    port: int = 0
    is_source: bool = True


def host_part(address: Address, prefix: Prefix) -> int:
    """The bits of an address behind a prefix."""
    return int(address) & int(prefix.hostmask)
