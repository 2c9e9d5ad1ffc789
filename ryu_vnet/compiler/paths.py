"""Which units about paths follow from what of a fabric: those of switches, ways inside segments, routes between them.

Nothing here knows networks or machines.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..fabric.declared import Fabric
from ..fabric.observed import Topology
from ..fabric.segment import Trunks
from .switch import way_targets
from .units import Kind, Unit


def all_units(fabric: Fabric) -> Iterator[Unit]:
    """All units about paths."""
    for name in fabric.switches:
        yield from _units_of(fabric, name)


def _units_of(fabric: Fabric, name: str) -> Iterator[Unit]:
    """All that are about the paths of one switch."""
    yield from _switch_units(fabric, name)
    yield from route_units(fabric, name)


def _switch_units(fabric: Fabric, name: str) -> Iterator[Unit]:
    yield Unit(Kind.SWITCH, "", name, 0)
    for target in way_targets(fabric.switches[name], fabric):
        yield Unit(Kind.WAY, target, name, 0)
    for uplink in fabric.switches[name].uplinks:
        yield Unit(Kind.UPLINK, uplink.port, name, 0)


def route_units(fabric: Fabric, name: str) -> Iterator[Unit]:
    """How a switch sends over the interconnect, if it has core links."""
    if name in fabric.core_switches:
        for segment in fabric.segments:
            yield Unit(Kind.ROUTE, segment, name, 0)


# --- another declaration ----------------------------------------------------------------------------------------------


def redeclared(old: Fabric, new: Fabric) -> set[str]:
    """The segments of which anything is declared otherwise that rows inside them follow from."""
    return {s for s in old.inside.keys() | new.inside.keys() if _declared(old, s) != _declared(new, s)}


def redeclared_units(old: Fabric, new: Fabric, segments: set[str]) -> Iterator[Unit]:
    """What is stale in another fabric, of which these segments are declared otherwise."""
    another_core = _is_another_core(old, new)
    for fabric in (old, new):
        for segment in segments:
            for name in fabric.inside.get(segment, ()):
                yield from _units_of(fabric, name)
        if another_core:
            for name in fabric.core_switches:
                yield Unit(Kind.SWITCH, "", name, 0)
                yield from route_units(fabric, name)


def _declared(fabric: Fabric, segment: str) -> object:
    inside = fabric.inside.get(segment, ())
    return (
        fabric.segments.get(segment),
        [fabric.switches[name] for name in inside],
        [fabric.wires_of[name] for name in inside],
    )


def _is_another_core(old: Fabric, new: Fabric) -> bool:
    return old is not new and (_core(old) != _core(new) or old.segments != new.segments)


def _core(fabric: Fabric) -> object:
    names = sorted(fabric.core_switches)
    return [fabric.switches[name] for name in names], [fabric.wires_of[name] for name in names]


# --- the same declaration, other ports and links ----------------------------------------------------------------------


def port_units(old: Topology, new: Topology, name: str, ports: set[str]) -> Iterator[Unit]:
    """What is stale because a switch has other numbers for these ports, or is admitted or not."""
    fabric = new.fabric
    wires = fabric.wires_of[name]
    learns = {learn.port for learn in fabric.switches[name].learn}
    concerned = {name} if any(place.port in ports for place in wires) or learns & ports else set()
    if (name in old.admitted) != (name in new.admitted):
        # Whether frames may pass a link is for both its ends to know.
        concerned |= {name, *(far.switch for _, far in wires.values())}
    for each in concerned:
        yield from _units_of(fabric, each)


def trunk_units(old: Topology, new: Topology, segment: str) -> Iterator[Unit]:
    """What is stale because other trunks of a segment are live."""
    fabric, edge = new.fabric, new.edges_in_charge.get(segment)
    was, now = old.trunks(segment), new.trunks(segment)
    for name in fabric.inside[segment]:
        if name in fabric.leaves:
            if was.ports.get(name) != now.ports.get(name):
                yield from _switch_units(fabric, name)
            continue
        turned = {target for target, _ in was.hops(name).items() ^ now.hops(name).items()}
        for target in turned:
            yield Unit(Kind.WAY, target, name, 0)
        if edge in turned:
            yield Unit(Kind.SWITCH, "", name, 0)
            yield from route_units(fabric, name)


def core_units(old: Topology, new: Topology) -> Iterator[Unit]:
    """What is stale because other core links are live."""
    fabric = new.fabric
    if not _is_another_core(old.fabric, fabric):
        for name, edge in new.core.turned(old.core):
            yield Unit(Kind.ROUTE, fabric.switches[edge].segment or "", name, 0)
    for segment in other_edges(old, new):
        for name in fabric.inside[segment]:
            yield Unit(Kind.SWITCH, "", name, 0)
            yield from route_units(fabric, name)
        for name in fabric.core_switches:
            yield Unit(Kind.ROUTE, segment, name, 0)


def other_edges(old: Topology, new: Topology) -> list[str]:
    """The segments that have another edge in charge."""
    if old.core is new.core:
        return []
    was, now = old.edges_in_charge, new.edges_in_charge
    return [segment for segment in new.fabric.inside if was.get(segment) != now.get(segment)]


def severed(was: Trunks, now: Trunks, switches: tuple[str, ...]) -> set[str]:
    """Some of the switches of a segment such that of any two that can reach each other now and could not before, or
    the other way round, one is among them: as few as can easily be found."""
    pieces: dict[tuple[frozenset[str], frozenset[str]], set[str]] = {}
    for name in switches:
        pieces.setdefault((was.part(name), now.part(name)), set()).add(name)
    changed = sorted((piece for (before, after), piece in pieces.items() if before != after), key=len)
    return {name for piece in changed[:-1] for name in piece}
