"""Who should reach whom, from the file alone: the opinion that everything else is held against."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .frames import mac_text
from .topology import Interface, Network, Topology
from .traffic import Content, content

GROUP_BIT: Final = 1
"""The lowest bit of the first byte of a MAC: broadcast and multicast (IEEE 802, 8.2)."""


def networks_of(interface: Interface) -> tuple[Network, ...]:
    """The networks that an interface speaks on now: none unless its node runs."""
    return interface.networks if interface.running else ()


def shared(one: Interface, other: Interface) -> tuple[Network, ...]:
    """The networks that two interfaces have in common."""
    return () if one == other else tuple(each for each in networks_of(one) if each in networks_of(other))


def reaches(one: Interface, other: Interface, what: Content) -> bool:
    """Two interfaces reach each other with such frames if and only if they share a network that takes them."""
    return any(network.takes(what) for network in shared(one, other))


def fellows(topology: Topology, one: Interface) -> list[Interface]:
    """All that an interface shares a network with: who find each other, whatever else they may say."""
    return [other for other in topology.interfaces if shared(one, other)]


def beside(topology: Topology, ids: Iterable[str]) -> frozenset[str]:
    """The ids, and those of all who are at the same sites: there, a switch that learns nothing lets all see what comes
    for one of them, and what one of them sends."""
    found = {*ids}
    sites = {one.site for one in topology.interfaces if one.id in found and one.site is not None}
    return frozenset(found | {one.id for one in topology.interfaces if one.site in sites})


def receivers(topology: Topology, sender: Interface, frame: bytes) -> frozenset[str]:
    """The ids of those who receive a bare frame: of those whom such frames reach, all for a group address, else the
    one that has it; unknown unicast is never flooded."""
    group, destination, what = frame[0] & GROUP_BIT, mac_text(frame[:6]), content(frame)
    reached = [other for other in fellows(topology, sender) if group or other.mac == destination]
    return frozenset(other.id for other in reached if reaches(sender, other, what))
