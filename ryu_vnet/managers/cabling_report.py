"""How what is there differs from the declared fabric, for people.

What a link or a node needs and a switch lacks is told with the links and switches themselves (see `status`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from ..model.values import Place
from .cabling import Kind
from .drift_report import Moment
from .system import System

UNDECLARED = "undeclared"
"""The kind of what is no cable: ports that a switch has and nobody declared."""
_LISTED = 6
"""How many ports of a switch are named before the rest is counted."""


@dataclass(frozen=True, slots=True)
class DifferenceStatus:
    """Something that is not as it was declared.

    `kind` is `elsewhere`, `unlinked`, `silent` or `foreign`, about the cable at a link port, or `undeclared`, about
    ports of a switch. `at` is that port, or the switch; `declared` and `heard` are where the port is declared to lead
    to, and what it hears instead. `since` is when it was first so.
    """

    kind: str
    at: str
    declared: str | None
    heard: str | None
    since: str | None
    text: str


def difference_counts(system: System) -> dict[str, int]:
    """How many there are of each kind that is about cables."""
    found = Counter(difference.kind for difference in system.announcing.cabling.differences)
    return {kind.value: found[kind] for kind in Kind}


def difference_statuses(system: System, now: Moment) -> list[DifferenceStatus]:
    """All of them: those of cables by port, then undeclared ports by switch."""
    cables = [
        DifferenceStatus(
            kind=difference.kind.value,
            at=str(difference.at),
            declared=str(difference.declared),
            heard=difference.heard or None,
            since=(now.calendar - timedelta(seconds=now.clock - difference.since)).isoformat(timespec="milliseconds"),
            text=str(difference),
        )
        for difference in system.announcing.cabling.differences
    ]
    return [*cables, *_undeclared(system)]


def _undeclared(system: System) -> Iterator[DifferenceStatus]:
    for name, ports in sorted(system.ports.items()):
        places = (Place(name, port) for port in sorted(ports))
        found = [place.port for place in places if not _is_declared(system, place)]
        if found:
            more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
            listed = ", ".join(found[:_LISTED])
            text = f"{name} has {len(found)} port(s) that nobody has declared: {listed}{more}"
            yield DifferenceStatus(UNDECLARED, name, None, None, None, text)


def _is_declared(system: System, place: Place) -> bool:
    fabric = system.fabric
    return place in fabric.wires or place in fabric.learns or system.model.at(place) is not None
