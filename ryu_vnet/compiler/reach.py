"""Which units are stale where a network has come to other switches or segments, or has left some."""

from __future__ import annotations

from collections.abc import Iterator, Set

from ..fabric.observed import Topology
from .presence import Extent, Presence
from .units import Kind, Unit


def reach_units(ref: str, presence: Presence, was: Extent, topology: Topology) -> Iterator[Unit]:
    """The stale units of a network that was there, other than those of the members that have come or gone."""
    now, fabric = presence.extent, topology.fabric
    elsewhere = was.switches.keys() ^ now.switches.keys()
    are_others_reached = elsewhere or was.heard.keys() != now.heard.keys()
    for segment in elsewhere:
        for number in presence.far():
            yield Unit(Kind.ADDRESS, ref, segment, number)
    if are_others_reached or was.native != now.native:
        for segment in now.switches:
            for edge in fabric.edges[segment]:
                yield Unit(Kind.NETWORK, ref, edge, 0)
    for segment in was.switches.keys() | now.switches.keys():
        is_moved = was.switches.get(segment) is not now.switches.get(segment) or _hears_else(segment, was, now)
        if segment in fabric.inside and (is_moved or was.labelled != now.labelled or _leaves_else(segment, was, now)):
            yield from _units_inside(ref, segment, presence, was, topology)


def _units_inside(ref: str, segment: str, presence: Presence, was: Extent, topology: Topology) -> Iterator[Unit]:
    now, fabric = presence.extent, topology.fabric
    nobody: frozenset[str] = frozenset()
    moved = was.switches.get(segment, nobody) ^ now.switches.get(segment, nobody)
    moved |= was.heard.get(segment, nobody) ^ now.heard.get(segment, nobody)
    concerned: Set[str] | None = None
    is_labelled_else = was.labelled != now.labelled or _leaves_else(segment, was, now)
    if was.wired(segment) and now.wired(segment) and not is_labelled_else:
        if not moved:
            return
        concerned = _concerned(segment, was, now, moved, topology)
        are_tellers_known = moved <= fabric.leaves
    else:
        are_tellers_known = False
    if concerned is None:
        concerned = was.carriers(segment, fabric) | now.carriers(segment, fabric)
    for name in concerned:
        yield Unit(Kind.NETWORK, ref, name, 0)
    if not are_tellers_known and was.tellers(segment, fabric) != now.tellers(segment, fabric):
        for number in presence.addressed(segment):
            yield Unit(Kind.ADDRESS, ref, segment, number)


def _hears_else(segment: str, was: Extent, now: Extent) -> bool:
    """Whether a broadcast must come to other switches of a segment."""
    before, after = was.heard.get(segment), now.heard.get(segment)
    return before is not after and before != after


def _leaves_else(segment: str, was: Extent, now: Extent) -> bool:
    """Whether broadcasts from a segment must come to others, and must not before, or the other way round."""
    return was.leaves(segment) != now.leaves(segment)


def _concerned(segment: str, was: Extent, now: Extent, moved: Set[str], topology: Topology) -> set[str] | None:
    """The switches of a segment with other fan-outs where members have come to or gone from some switches, and
    nothing else has changed; None where that is hard to say.

    Others copy what they did to there for everybody else who is wanted behind the same neighbour, if there is
    anybody: so only those on the way from there to the nearest switch with somebody have others.
    """
    edge, trunks = topology.edges_in_charge.get(segment), topology.trunks(segment)
    wanted = was.wanted(segment, edge) & now.wanted(segment, edge)
    found = {*moved}
    for start in moved - wanted:
        end = next((name for name in wanted if name in trunks.part(start)), None)
        if end is None:
            return None
        near = start
        while near != end and (far := trunks.hop(near, end)) and not trunks.leads_to(far, near, wanted):
            found.add(far)
            near = far
    return found
