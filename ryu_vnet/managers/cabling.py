"""How the cables differ from the declared fabric, to judge by what link ports have heard of each other.

Pure: what was heard comes in with its time, and what differs comes out. Nothing follows from a difference but that it
is told; paths go on along declared links.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from ..fabric.declared import LinkKind
from ..model.values import Place

Wires = Mapping[Place, tuple[LinkKind, Place]]
"""Kind and far end of the declared link at each link port, as `Fabric.wires`."""


class Kind(Enum):
    """What may be wrong at a link port."""

    ELSEWHERE = "elsewhere"
    """It hears another link port than the one that it is declared to lead to."""
    UNLINKED = "unlinked"
    """It hears a port of ours that is declared on no link."""
    SILENT = "silent"
    """It hears none of ours, though both ends of its link are up."""
    FOREIGN = "foreign"
    """It hears equipment that is none of ours."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What is wrong at one link port, and since when, by the clock. `declared` is where it is declared to lead to,
    `heard` what it hears instead: empty where that is nothing."""

    kind: Kind
    at: Place
    declared: Place
    heard: str
    since: float

    def __str__(self) -> str:
        match self.kind:
            case Kind.SILENT:
                return f"{self.at} hears nothing from {self.declared}, where it is declared to lead to"
            case Kind.FOREIGN:
                return f"{self.at} hears equipment that is not in the fabric: {self.heard}"
            case Kind.UNLINKED:
                return f"{self.at} hears {self.heard}, which is declared on no link, and not {self.declared}"
            case _:
                return f"{self.at} hears {self.heard}, and is declared to lead to {self.declared}"


@dataclass(frozen=True, slots=True)
class Change:
    """What has begun to be different at a link port, and what is no more."""

    begun: list[Difference]
    ended: list[Difference]


@dataclass(frozen=True, slots=True)
class _Heard:
    """Since when somebody is heard, and until when that holds."""

    since: float
    until: float


@dataclass(slots=True)
class _End:
    """What is known of a link port. `quiet_since`: since when it could hear its link's far end, or when it last heard
    one of ours; None while it cannot be heard."""

    heard: dict[Place | str, _Heard] = field(default_factory=dict)
    quiet_since: float | None = None
    differences: list[Difference] = field(default_factory=list)


class Cabling:
    """All link ports that were ever judged and are still declared."""

    def __init__(self) -> None:
        self._ends: dict[Place, _End] = {}

    @property
    def differences(self) -> list[Difference]:
        """All that differs, by port."""
        ends = sorted((end for end in self._ends.items() if end[1].differences), key=lambda end: str(end[0]))
        return [difference for _, end in ends for difference in end.differences]

    def heard(self, at: Place, who: Place | str, now: float, seconds: float) -> None:
        """A link port has heard a port of ours, or other equipment (by what it calls itself), which holds for so long.

        Of other equipment one is remembered: it may call itself something else in every frame.
        """
        end = self._ends.setdefault(at, _End())
        if isinstance(who, Place):
            end.quiet_since = now if end.quiet_since is None else max(end.quiet_since, now)
            known = end.heard.get(who)
        else:
            known = next((end.heard.pop(other) for other in [*end.heard] if isinstance(other, str)), None)
        end.heard[who] = _Heard(known.since if known is not None else now, now + seconds)

    def forget(self, at: Place) -> None:
        """What a link port has heard holds no more: its cable may be another."""
        end = self._ends.get(at)
        if end is not None:
            end.heard, end.quiet_since = {}, None

    def judge(self, at: Place, wires: Wires, now: float, patience: float, *, listens: bool) -> Change:
        """Look at a link port anew. `listens`: its link's far end says who it is now, as far as is known, and it could
        hear that; then it may hear nothing for `patience` seconds."""
        end, wire = self._ends.setdefault(at, _End()), wires.get(at)
        end.heard = {who: heard for who, heard in end.heard.items() if now < heard.until}
        before, end.differences = end.differences, []
        if wire is None:
            del self._ends[at]
        else:
            end.quiet_since = (now if end.quiet_since is None else end.quiet_since) if listens else None
            end.differences = _differences(at, wire[1], end, wires, now - patience)
        was, now_so = ({_identity(difference) for difference in found} for found in (before, end.differences))
        begun = [difference for difference in end.differences if _identity(difference) not in was]
        return Change(begun, [difference for difference in before if _identity(difference) not in now_so])


def _identity(difference: Difference) -> tuple[Kind, str]:
    """What is the same difference: of other equipment, whatever it calls itself."""
    return difference.kind, "" if difference.kind is Kind.FOREIGN else difference.heard


def _differences(at: Place, declared: Place, end: _End, wires: Wires, long_ago: float) -> list[Difference]:
    found = []
    for who, heard in end.heard.items():
        if isinstance(who, str):
            found.append(Difference(Kind.FOREIGN, at, declared, who, heard.since))
        elif who != declared:
            kind = Kind.ELSEWHERE if who in wires else Kind.UNLINKED
            found.append(Difference(kind, at, declared, str(who), heard.since))
    hears_ours = any(isinstance(who, Place) for who in end.heard)
    if end.quiet_since is not None and end.quiet_since <= long_ago and not hears_ours:
        found.append(Difference(Kind.SILENT, at, declared, "", end.quiet_since))
    return sorted(found, key=lambda difference: (difference.kind.value, difference.heard))
