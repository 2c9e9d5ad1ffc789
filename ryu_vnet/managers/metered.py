"""What meters of switches have counted, and of whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..compiler.pipeline import NEXT_HOPS_METER, SERVICES_METER, TELLING_METER, TROUBLE_METER, Metered, metered_by
from ..model.values import Place
from ..openflow.meters import MeterCounts

if TYPE_CHECKING:
    from .system import System

_TOLD = {
    TELLING_METER: "learning",
    SERVICES_METER: "services",
    TROUBLE_METER: "trouble",
    NEXT_HOPS_METER: "next hops",
}
_WAYS = {Metered.SENT: "sent", Metered.RECEIVED: "received", Metered.OUT: "out", Metered.IN: "in"}


class MeterCount(NamedTuple):
    """What one meter of a switch has counted.

    `of` is `tenant/node/interface` or `tenant/network`; or what the controller is told for. `way` is what of it is
    counted: `sent`, `received`, `out`, `in`, or `told`.
    """

    switch: str
    of: str
    way: str
    counts: MeterCounts


def meter_counts_of(system: System, switch: str) -> Iterator[MeterCount]:
    """What the meters of a switch have counted as of when it was asked last, by number; without those that it is not to
    have, or of which it is not known any more whose they are."""
    manager = system.switches[switch]
    ports = {state.number: name for name, state in system.ports.get(switch, {}).items()}
    zones: dict[int, str] | None = None
    for number, counts in sorted(manager.meter_counts.items()):
        what, own = metered_by(number)
        if what is Metered.TOLD:
            of, way = _TOLD.get(number), "told"
        elif what in (Metered.SENT, Metered.RECEIVED):
            of, way = _interface(system, Place(switch, ports.get(own, ""))), _WAYS[what]
        else:
            if zones is None:
                zones = {gateway.zone: gateway.ref for gateway in system.model.gateways() if gateway.switch == switch}
            of, way = zones.get(own), _WAYS[what]
        if of is not None:
            yield MeterCount(switch, of, way, counts)


def _interface(system: System, place: Place) -> str | None:
    there = system.model.at(place)
    return f"{there.node.ref}/{there.interface.name}" if there is not None else None
