"""Traffic classes as matches: which of the networks that an interface is in take a frame, by its headers alone.

A class is a union of matches. Those of several networks may overlap: then the rows of what they have in common come
first. So the frames of each row are taken by the same networks, and the rows of one set of networks are few where
their classes have nothing in common.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from ..model.traffic import Ports, Term
from ..model.values import Network
from . import fields as f
from .rows import FieldMatch, Match, match
from .source import ARP, ICMPV6, IPV6, RARP

Networks: TypeAlias = tuple[Network, ...]
"""Networks in their order (`Network.rank`)."""

DISCOVERY = (133, 134, 135, 136)
"""ICMPv6 types of router and neighbour discovery (RFC 4861, 4.1 to 4.4)."""
_PORTS = {6: (f.TCP_SRC, f.TCP_DST), 17: (f.UDP_SRC, f.UDP_DST), 132: (f.SCTP_SRC, f.SCTP_DST)}
_PORT_NAMES = {field.name for fields in _PORTS.values() for field in fields}
_FRAGMENT_HEADER = 44
"""What stands for the protocol of a later fragment over IPv6, whose own it does not say (ovs-fields(7), `nw_proto`)."""

_ANY_FRAGMENT, _LATER_FRAGMENT = FieldMatch(f.IP_FRAG, 1, 1), FieldMatch(f.IP_FRAG, 3)


class Region(NamedTuple):
    """Frames that match, and have no better match, are for these networks. `depth`: a deeper match is a better one."""

    match: Match
    depth: int
    networks: Networks


def in_order(networks: Iterable[Network]) -> Networks:
    """Networks in their order."""
    return tuple(sorted(networks, key=lambda network: network.rank))


def for_everybody() -> Iterator[Match]:
    """What belongs to every class."""
    for family in (ARP, RARP):
        yield match(FieldMatch(f.ETH_TYPE, family))
    for kind in DISCOVERY:
        yield match(FieldMatch(f.ETH_TYPE, IPV6), FieldMatch(f.IP_PROTO, ICMPV6), FieldMatch(f.ICMPV6_TYPE, kind))


MOST_REGIONS = 1024
"""Rows that the classes of one set of networks may come to on a switch."""


class TooManyRegions(ValueError):
    """The classes of some networks overlap in too many ways, or have too many ranges; says with which this is so."""

    def __init__(self, network: Network) -> None:
        super().__init__(f"with network {network.ref} their classes come to more than {MOST_REGIONS} rows on a switch")
        self.network = network


@lru_cache(maxsize=4096)
def regions(networks: Networks) -> tuple[Region, ...]:
    """All frames but those `for_everybody`, divided by which of the networks they are for. Raises TooManyRegions."""
    plain = tuple(network for network in networks if not network.traffic)
    found: dict[Match, set[int]] = {(): set()}
    for index, network in enumerate(networks):
        before = [(present, {*takers}) for present, takers in found.items()] if network.traffic else []
        for part in dict.fromkeys(_matches(network.traffic)):
            for present, takers in before:
                common = intersection(present, part)
                if common is not None:
                    found.setdefault(common, set()).update(takers, (index,))
            if len(found) > MOST_REGIONS:
                raise TooManyRegions(network)
    return tuple(
        Region(conditions, len(takers), tuple(n for i, n in enumerate(networks) if i in takers or n in plain))
        for conditions, takers in found.items()
    )


@lru_cache(maxsize=4096)
def combinations(networks: Networks) -> tuple[Networks, ...]:
    """The combinations that whoever is in these networks needs: of those that some frames are for, and of what they
    begin with. The shorter come first."""
    found: dict[Networks, None] = {}
    for whole in (networks, *(region.networks for region in regions(networks))):
        for length in range(2, len(whole) + 1):
            found.setdefault(whole[:length])
    return tuple(sorted(found, key=len))


def intersection(one: Match, other: Match) -> Match | None:
    """What two matches have in common, None where that is nothing."""
    found = {condition.field.name: condition for condition in one}
    for condition in other:
        present = found.get(condition.field.name)
        if present is not None:
            masks = _mask(present), _mask(condition)
            if (present.value ^ condition.value) & masks[0] & masks[1]:
                return None
            mask = masks[0] | masks[1]
            exact = mask == condition.field.ones
            condition = FieldMatch(condition.field, present.value | condition.value, None if exact else mask)
        found[condition.field.name] = condition
    if f.IP_FRAG.name in found and not _PORT_NAMES.isdisjoint(found):
        return None  # A switch sees no ports in a fragment, and refuses to look for them.
    return match(*found.values())


def _mask(condition: FieldMatch) -> int:
    return condition.field.ones if condition.mask is None else condition.mask


def _matches(traffic: tuple[Term, ...]) -> Iterator[Match]:
    """A class as a union of matches, some of which may be the same.

    A switch sees no ports in fragments, not even in the first: they are taken where their protocol is, and later ones
    over IPv6, which say no protocol, where any is.
    """
    for term in traffic:
        for family in term.families:
            base = [FieldMatch(f.ETH_TYPE, family)] if family is not None else []
            base += [FieldMatch(f.IP_DSCP, term.dscp)] if term.dscp is not None else []
            if term.protocol is None:
                yield match(*base)
                continue
            if family == IPV6:
                yield match(*base, FieldMatch(f.IP_PROTO, _FRAGMENT_HEADER), _LATER_FRAGMENT)
            base.append(FieldMatch(f.IP_PROTO, term.protocol))
            ports = [*_port_matches(term)]
            yield from (match(*base, *one) for one in ports)
            yield match(*base, *([_ANY_FRAGMENT] if ports else []))


def _port_matches(term: Term) -> Iterator[tuple[FieldMatch, ...]]:
    source, destination = _PORTS.get(term.protocol or 0, (f.TCP_SRC, f.TCP_DST))
    if term.ports is not None:
        yield from ((one,) for field in (source, destination) for one in port_range(field, term.ports))
    elif term.source_ports is not None or term.destination_ports is not None:
        froms = [*port_range(source, term.source_ports)] if term.source_ports else [None]
        tos = [*port_range(destination, term.destination_ports)] if term.destination_ports else [None]
        yield from (tuple(one for one in (start, end) if one is not None) for start in froms for end in tos)


def port_range(field: f.Field, ports: Ports) -> Iterator[FieldMatch]:
    """A range of ports as masked matches: the fewest blocks of two to some power that begin at a multiple of it."""
    first, last = ports
    while first <= last:
        size = first & -first
        while first + size - 1 > last:
            size >>= 1
        yield FieldMatch(field, first, 0xFFFF & ~(size - 1))
        first += size
