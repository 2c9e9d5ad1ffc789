"""What tunnels carry over the network between: captured packets taken apart, and held against who may be in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from .capture import Seen
from .frames import IPV4, describe, mac_text
from .reference import GROUP_BIT, networks_of
from .sites import GRE_PROTOCOL, VXLAN_PORT
from .topology import Site, Topology

UDP: Final = 17


@dataclass(frozen=True, slots=True)
class Carried:
    """A frame inside a tunnel: between which addresses of the network between, under which key."""

    protocol: str
    source: IPv4Address
    destination: IPv4Address
    key: int
    frame: bytes


def carried(packet: bytes) -> Carried | None:
    """What a captured packet carries; None where it is of no tunnel."""
    if int.from_bytes(packet[12:14], "big") != IPV4:
        return None
    ip = packet[14:]
    payload = ip[4 * (ip[0] & 0xF) :]
    ends = IPv4Address(ip[12:16]), IPv4Address(ip[16:20])
    if ip[9] == UDP and int.from_bytes(payload[2:4], "big") == VXLAN_PORT:
        return Carried("vxlan", *ends, int.from_bytes(payload[12:15], "big"), payload[16:])
    if ip[9] == GRE_PROTOCOL:
        return Carried("gre", *ends, int.from_bytes(payload[4:8], "big"), payload[8:])
    return None


def copies(seen: Iterable[Seen], site: Site, marker: bytes) -> int:
    """How often a marked frame went to a site."""
    found = (carried(one.frame) for one in seen)
    return sum(one is not None and one.destination == site.remote and marker in one.frame for one in found)


def strangers(topology: Topology, seen: Iterable[Seen]) -> Iterator[str]:
    """What went to a site and is of no business there: not for its key, not from a member of its network who is
    elsewhere, or for nobody there."""
    own = {tunnel.address for tunnel in topology.tunnels}
    members = {site: _members(topology, site) for site in topology.sites}
    for one in seen:
        found = carried(one.frame)
        if found is None or found.source not in own:
            continue
        site = next((s for s in topology.sites if (s.remote, s.key) == (found.destination, found.key)), None)
        if site is None or site.tunnel.protocol != found.protocol:
            yield f"to {found.destination} under key {found.key}: {describe(found.frame)}"
            continue
        there, elsewhere = members[site]
        destination, source = mac_text(found.frame[:6]), mac_text(found.frame[6:12])
        if source not in elsewhere or not (destination in there or found.frame[0] & GROUP_BIT):
            yield f"to site {site.ref}: {describe(found.frame)}"


def _members(topology: Topology, site: Site) -> tuple[set[str], set[str]]:
    """The MAC addresses of the machines at a site, and of the others in its network."""
    there = [one for one in topology.interfaces if one.site == site]
    networks = {network for one in there for network in networks_of(one)}
    others = [one for one in topology.interfaces if one.site != site and networks.intersection(networks_of(one))]
    return {one.mac for one in there}, {one.mac for one in others}
