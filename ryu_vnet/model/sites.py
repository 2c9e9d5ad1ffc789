"""Remote sites: systems outside the data centre that a network extends to, over a tunnel across somebody else's
network.

What was asked for and what was granted stand in one value: the number and the switch are granted, the rest is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Any

from .outside import Address

Json = dict[str, Any]

ETHERNET_HEADER = 14
"""Bytes of the frame's own header, which a tunnel carries as well."""
_IP_HEADER = {4: 20, 6: 40}


class Protocol(Enum):
    """How frames are carried to a site, each whole with its Ethernet header."""

    VXLAN = "vxlan"
    """In UDP, port 4789, with a network identifier of 24 bits (RFC 7348)."""
    GRE = "gre"
    """With a key of 32 bits (RFC 2784, RFC 2890), as transparent Ethernet bridging (ethertype 0x6558)."""

    @property
    def last_key(self) -> int:
        """The highest identifier or key."""
        return 0xFF_FFFF if self is Protocol.VXLAN else 0xFFFF_FFFF

    def overhead(self, version: int) -> int:
        """Bytes that an IP packet of a machine grows by until it is one of the network between: of its version of IP
        is the outer header."""
        header = 16 if self is Protocol.VXLAN else 8  # UDP and VXLAN; GRE with a key
        return _IP_HEADER[version] + header + ETHERNET_HEADER


@dataclass(frozen=True, slots=True)
class Site:
    """A place that a network extends to.

    `network` is the name of the one network of the tenant that it extends. `remote` is the other end's address and
    `key` the VXLAN network identifier or GRE key, which both ends use. `gateways` are the switches that may have the
    tunnel, the preferred one first; none means: any that has one of the protocol. `mtu` is what the way to it takes, in
    bytes of IP of the network between, where that is less than the tunnel says; None where it is not.

    `number` is granted with it from those of interfaces. `switch` is the gateway that it is on now, and `port` the
    tunnel port there; both are granted.
    """

    tenant: str
    name: str
    network: str
    number: int
    protocol: Protocol
    remote: Address
    key: int
    switch: str
    port: str
    gateways: tuple[str, ...] = ()
    mtu: int | None = None

    @property
    def ref(self) -> str:
        """`tenant/name`."""
        return f"{self.tenant}/{self.name}"

    @property
    def network_ref(self) -> str:
        """The reference of its network."""
        return f"{self.tenant}/{self.network}"

    @property
    def end(self) -> tuple[Protocol, Address, int]:
        """What frames from it are told by: on a gateway only one site may have it."""
        return self.protocol, self.remote, self.key

    def inner_mtu(self, underlay: int) -> int:
        """What is left for machines, in bytes of IP, of the MTU that the tunnel's underlay has."""
        way = underlay if self.mtu is None else min(underlay, self.mtu)
        return way - self.protocol.overhead(self.remote.version)


def site_document(site: Site) -> Json:
    """A site as a JSON object."""
    return {
        "tenant": site.tenant,
        "name": site.name,
        "network": site.network,
        "number": site.number,
        "protocol": site.protocol.value,
        "remote": str(site.remote),
        "key": site.key,
        "switch": site.switch,
        "port": site.port,
        "gateways": list(site.gateways),
        "mtu": site.mtu,
    }


def site_from(document: Json) -> Site:
    """The site that `site_document` made this from. Raises KeyError, TypeError, ValueError."""
    parts = {
        "protocol": Protocol(document["protocol"]),
        "remote": ip_address(document["remote"]),
        "gateways": tuple(document["gateways"]),
    }
    return Site(**{**document, **parts})
