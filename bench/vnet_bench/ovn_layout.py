"""Which ports there are: networks of so many members, one half of each network on either chassis.

What is compared with OVN must have the same: as many networks of as many members, spread alike, sources checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

FIRST_MAC = 0x02_00_00_00_00_00
FIRST_IPV4 = int(IPv4Address("10.0.0.1"))
FIRST_IPV6 = int(IPv6Address("fd00::1"))


@dataclass(frozen=True, slots=True)
class PortPlan:
    """One port: its name, which is OVN's iface-id and the interface's name as well, its network and its chassis.

    `addresses` is what OVN's columns `addresses` and `port_security` both say (ovn-nb(5)): the MAC and the IP
    addresses, so that nothing else may be sent from it, nor said of itself in ARP or neighbour discovery.
    """

    name: str
    network: int
    chassis: int
    addresses: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Ports in networks of `members` each, on `chassis` chassis; each has an IPv4 and, if asked, an IPv6 address."""

    members: int = 50
    ipv6: bool = False
    chassis: int = 2

    def port(self, number: int, network: int | None = None) -> PortPlan:
        """The port of this number, from 0. Networks fill up one after another, unless the network is given, and
        neighbours alternate in chassis."""
        addresses = [(FIRST_MAC + number).to_bytes(6, "big").hex(":"), str(IPv4Address(FIRST_IPV4 + number))]
        if self.ipv6:
            addresses.append(str(IPv6Address(FIRST_IPV6 + number)))
        place = number // self.members if network is None else network
        return PortPlan(f"p{number}", place, number % self.chassis, " ".join(addresses))

    def ports(self, count: int) -> list[PortPlan]:
        """The first so many ports."""
        return [self.port(number) for number in range(count)]

    def spares(self, count: int, taken: int) -> list[PortPlan]:
        """So many ports more for when `taken` are there, one for each network of these in turn."""
        networks = max(1, taken // self.members)
        return [self.port(taken + number, number % networks) for number in range(count)]
