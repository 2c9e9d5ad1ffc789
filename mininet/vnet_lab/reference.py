"""Who should reach whom, from the file alone: the opinion that everything else is held against."""

from __future__ import annotations

from typing import Final

from .topology import Interface, Topology

GROUP_BIT: Final = 1
"""The lowest bit of the first byte of a MAC: broadcast and multicast (IEEE 802, 8.2)."""


def network_of(interface: Interface) -> tuple[str, str] | None:
    """The (tenant, network) that an interface speaks on now: none unless its node runs."""
    return (interface.tenant, interface.network) if interface.running and interface.network else None


def reaches(one: Interface, other: Interface) -> bool:
    """Two interfaces reach each other if and only if both run and are in the same network of the same tenant."""
    return one != other and network_of(one) is not None and network_of(one) == network_of(other)


def fellows(topology: Topology, one: Interface) -> list[Interface]:
    """All that an interface reaches."""
    return [other for other in topology.interfaces if reaches(one, other)]


def receivers(topology: Topology, sender: Interface, destination: str) -> frozenset[str]:
    """The ids of those who receive a frame to a MAC: of the sender's fellows, all for a group address, else the one
    that has it; unknown unicast is never flooded."""
    group = int(destination[:2], 16) & GROUP_BIT
    return frozenset(other.id for other in fellows(topology, sender) if group or other.mac == destination)
