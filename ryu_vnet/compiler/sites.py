"""Remote sites: their rows at the gateway, and the facts that these follow from.

A site is a member of its network at its gateway: it hears what is said to everybody, once, however many machines are
there. A frame from a site is told by the tunnel port, the other end's address and the key; who of the site sent it is
then found out as of any frame from a port, with the site in the port's place. So what a site sends is confined to its
network, whatever it claims, and what goes to a site has passed the network's own rows, as for any member.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import NamedTuple

from ..fabric.observed import Topology
from ..model.sites import ETHERNET_HEADER, Site
from ..model.state import Member
from ..model.values import Interface, Node, Place, Value
from . import fields as f
from .pipeline import (
    ADJACENCY_REG,
    EGRESS,
    FROM_REG,
    LARGE_REG,
    PORT,
    REMOTE,
    SITE_REG,
    SOURCE,
    From,
    Toward,
    adjacency,
)
from .rows import Action, CheckLarger, FieldMatch, Origin, Output, Row, SetField, Subject
from .units import Kind, Unit

_NO_MAC = 0x03_76_6E << 24 | 1 << 47
"""Where members have a MAC address, a site has a group address, which is nobody's."""


class Reached(NamedTuple):
    """All that the rows of a site at its gateway follow from."""

    site: Site
    port: int
    """The OpenFlow port of the tunnel."""
    mtu: int
    """What is left for machines, in bytes of IP."""


def site_member(site: Site) -> Node:
    """A site as a node: what is said to everybody in its network comes to its gateway for its sake."""
    place = Place(site.switch, f"site:{site.number}")
    itself = Interface("site", site.number, _NO_MAC | site.number, (), place, (site.network,))
    return Node(site.tenant, "", running=True, interfaces=(itself,))


def is_site(member: Member) -> bool:
    """Whether a member is a site itself, and no machine."""
    return not member.node.name and bool(member.interface.mac & f.GROUP_BIT)


class Sites:
    """The facts about sites. They change by `changed` alone, called from `Compilation.update`."""

    def __init__(self) -> None:
        self.known: dict[str, Site] = {}
        """By reference."""
        self._at: dict[str, set[str]] = {}
        """Their references by switch."""

    def changed(self, old: Value | None, new: Value | None) -> Iterator[Unit]:
        """A site is another now, or comes or goes."""
        if isinstance(old, Site):
            del self.known[old.ref]
            self._at[old.switch].discard(old.ref)
            yield site_unit(old.ref)
        if isinstance(new, Site):
            self.known[new.ref] = new
            self._at.setdefault(new.switch, set()).add(new.ref)
            yield site_unit(new.ref)

    def units(self) -> Iterator[Unit]:
        """All units about sites."""
        return map(site_unit, self.known)

    def units_at(self, switch: str) -> Iterator[Unit]:
        """Those about the sites that are on a switch."""
        return map(site_unit, self._at.get(switch, ()))

    def reached(self, ref: str, topology: Topology) -> Reached | None:
        """What the rows of a site follow from; None where there is none, or its tunnel port is not there."""
        site = self.known.get(ref)
        place = Place(site.switch, site.port) if site is not None else None
        tunnel = topology.fabric.tunnels.get(place) if place is not None else None
        port = topology.port_number(place) if place is not None else None
        if site is None or tunnel is None or port is None:
            return None
        return Reached(site, port, site.inner_mtu(tunnel.mtu))


def site_unit(ref: str) -> Unit:
    """What is about a site, at its gateway."""
    return Unit(Kind.SITE, ref, "", 0)


def site_rows(reached: Reached) -> Iterator[Row]:
    """What a gateway needs for a site, whoever is there."""
    site, port, mtu = reached
    origin = Origin(Subject.INTERFACE, site.number)
    came = [FieldMatch(f.IN_PORT, port), FieldMatch(f.TUN_ID, site.key)]
    is_four = isinstance(site.remote, IPv4Address)
    came.append(FieldMatch(f.TUN_SRC if is_four else f.TUN_IPV6_SRC, int(site.remote)))
    known: list[Action] = [SetField(FROM_REG.field, From.ACCESS), SetField(SITE_REG.field, site.number)]
    # What is answered here goes back by the port that it came in by, to the end that it came from.
    yield PORT.row("port", came, [*known, *_to(site)], SOURCE, origin)
    toward = FieldMatch(ADJACENCY_REG.field, adjacency(Toward.INTERFACE, site.number))
    yield EGRESS.row("split", [toward, FieldMatch(SITE_REG.field, site.number)], (), None, origin)
    measured = CheckLarger(mtu + ETHERNET_HEADER, LARGE_REG.field, 0)
    yield EGRESS.row("adjacency", [toward], [measured], REMOTE, origin)
    yield REMOTE.row("large", [toward, FieldMatch(LARGE_REG.field, 1)], (), None, origin)
    # Of a frame that came by a tunnel its own is still there, and its port, by which Open vSwitch would not send it.
    leaves: list[Action] = [SetField(f.TUN_ID, site.key), *_to(site)]
    yield REMOTE.row("adjacency", [toward], [*leaves, SetField(f.IN_PORT, 0), Output(port)], None, origin)


def _to(site: Site) -> list[Action]:
    """Where a frame goes that leaves by the tunnel's port, whatever a received one has left there."""
    if isinstance(site.remote, IPv4Address):
        return [SetField(f.TUN_SRC, 0), SetField(f.TUN_DST, int(site.remote))]
    six = [SetField(f.TUN_IPV6_SRC, 0), SetField(f.TUN_IPV6_DST, int(site.remote))]
    return [SetField(f.TUN_SRC, 0), SetField(f.TUN_DST, 0), *six]
