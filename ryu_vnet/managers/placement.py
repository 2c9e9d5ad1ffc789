"""Where a node runs that starts without a host: what a host must have to take it, and which of those that may is best.

Values in, values out. `choose` applies the hard conditions (the host takes nodes, is asked for, keeps the anti-affinity
groups of the node apart, has room) and lets a placer rank the hosts that are left, so that no placer can break them.

    choose(Closest(), Wish(2, ("red/X",)), hosts, neighbourhood)
    # host2: 3 of the 4 other members of red/X run in segment A, 1 on this host; 5 of 8 units free
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from enum import Enum
from fnmatch import translate
from heapq import nsmallest
from operator import attrgetter
from types import ModuleType
from typing import Protocol

from ..errors import Conflict, Exhausted, Invalid, PlacerFailed, Problem

SETTING = "VNET_PLACEMENT"
"""The option of the controller that names the placer."""
EXAMPLES = 3
"""How many hosts of thousands a refusal tells of one by one, and how many networks of a node a choice does."""
LINKS_SPARED_ON_HOST, LINKS_SPARED_IN_SEGMENT = 4, 2
"""What closeness is worth, as links that a frame between two members does not pass. To another segment it passes at
least four: from the host to an edge, into the core, out of it, from an edge to the host. Within a segment it passes
two, by the rack switch, and on one host none."""
LONGEST = 200
"""Characters that are repeated of what a placer says of itself when it fails."""


@dataclass(frozen=True, slots=True)
class Host:
    """A switch that nodes can be put on. `capacity` and `used` are in units of size.

    A capacity of None is no limit; with one of 0 the host takes nobody, as a host that is being emptied. `used` may be
    above a capacity that was lowered later. `passed` is a switch that others' frames pass, as a rack switch or an edge:
    it takes nodes where it has a capacity. One that is `away` cannot be set up now.
    """

    name: str
    segment: str
    capacity: int | None
    used: int
    passed: bool = False
    away: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it takes nodes at all."""
        return not self.passed if self.capacity is None else self.capacity > 0

    @property
    def free_share(self) -> float:
        """How much of its capacity is free: 1 for all of it, or where there is no limit."""
        return 1.0 if self.capacity is None else (self.capacity - self.used) / max(self.capacity, 1)

    @property
    def room(self) -> str:
        """What is free, in words."""
        if self.capacity is None:
            return f"{self.used} units used, no limit"
        return f"{max(self.capacity - self.used, 0)} of {self.capacity} units free"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be placed: its size in units, its networks by reference, the anti-affinity groups that it is in.

    `segments` and `hosts` restrict where, if not None; hosts are names or patterns of names (`gpu-*`, `r[12]h?`).
    Raises Invalid for a size below 0.
    """

    size: int
    networks: tuple[str, ...] = ()
    apart: frozenset[str] = frozenset()
    segments: frozenset[str] | None = None
    hosts: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.size < 0:
            raise Invalid(Problem("size", f"{self.size} is not a size", "0 or more units"))


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """Who runs where, without the node that is to be placed.

    For each network, by reference, its running members by host and by segment (those on hosts are among those of the
    segment); for each anti-affinity group the hosts that have a member of it.
    """

    by_host: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    by_segment: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    apart: Mapping[str, Set[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """A host, the reasons for it, and for each host that could not be chosen the reason against it: for people."""

    host: str
    reasons: tuple[str, ...]
    refused: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.host}: {'; '.join(self.reasons)}" if self.reasons else self.host


class Placer(Protocol):
    """What ranks hosts. A plug-in is one: an entry point of the group `ryu_vnet.placement`.

    It should be a pure function, and quick: the System Manager, which is one writer, waits for it.
    """

    def rank(self, wish: Wish, hosts: Sequence[Host], neighbourhood: Neighbourhood) -> Choice:
        """The best of `hosts`: all that may take what is wished, at least one, sorted by name.

        It need not look at hard conditions, and changes nothing that it is given. Raises Exhausted where, for reasons
        of its own, it would take none.
        """
        ...


def choose(placer: Placer, wish: Wish, hosts: Iterable[Host], neighbourhood: Neighbourhood) -> Choice:
    """The host for what is wished, by the placer, among those that may take it. The order of `hosts` is of no concern.

    Raises Exhausted where room on some host would have helped, Conflict where it would not, and PlacerFailed, which
    names the placer, where that breaks off or answers with anything but one of the hosts that it was offered.
    """
    allowed, refused = sift(wish, hosts, neighbourhood)
    if not allowed:
        raise _nowhere(wish, refused, neighbourhood)
    # A placer gets a list of its own: it may change that, not what its answer is held against.
    choice = _asked(placer, wish, [*allowed], neighbourhood)
    against = {obstacle.host.name: obstacle.text for obstacle in refused}
    if choice.host not in {host.name for host in allowed}:
        reason = f" ({against[choice.host]})" if choice.host in against else ""
        raise _failed(placer, f"chose host {choice.host!r:.{LONGEST}}, which it was not offered{reason}")
    return replace(choice, refused={**choice.refused, **against})


# --- hard conditions ------------------------------------------------------------------------------------------------


class Bar(Enum):
    """Why a host may not take a node: how such hosts are counted, and what would help."""

    NOT_ASKED_FOR = "not asked for", "ask for other hosts or segments"
    CLOSED = "closed", "give a host a capacity"
    AWAY = "away", "bring switches that are away back"
    APART = "with a node to be kept apart from", "take the node out of its anti-affinity group"
    FULL = "too full", "make room on a host"

    def __init__(self, counted: str, remedy: str) -> None:
        self.counted = counted
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What keeps a node from a host."""

    host: Host
    bar: Bar
    text: str


def sift(wish: Wish, hosts: Iterable[Host], neighbourhood: Neighbourhood) -> tuple[list[Host], list[Obstacle]]:
    """The hosts that may take what is wished, and what keeps it from each of the others; both sorted by name.

    Where several things do, the one that is told is the one that more room would help least.
    """
    pattern = re.compile("|".join(map(translate, wish.hosts))) if wish.hosts else None
    taken = {host: group for group in sorted(wish.apart) for host in neighbourhood.apart.get(group, ())}

    def obstacle(host: Host) -> tuple[Bar, str] | None:
        if wish.segments is not None and host.segment not in wish.segments:
            return Bar.NOT_ASKED_FOR, f"segment {host.segment} is not one of those asked for"
        if wish.hosts is not None and (pattern is None or not pattern.match(host.name)):
            return Bar.NOT_ASKED_FOR, "not one of the hosts asked for"
        if not host.is_open:
            because = "others' frames pass it, and it has no capacity" if host.capacity is None else "its capacity is 0"
            return Bar.CLOSED, f"takes no nodes: {because}"
        if host.away:
            return Bar.AWAY, "is away, or is not programmed"
        if host.name in taken:
            return Bar.APART, f"has a member of anti-affinity group {taken[host.name]}"
        if host.capacity is not None and host.used + wish.size > host.capacity:
            return Bar.FULL, f"{host.room}, {wish.size} needed"
        return None

    allowed, refused = [], []
    for host in sorted(hosts, key=attrgetter("name")):
        found = obstacle(host)
        if found is None:
            allowed.append(host)
        else:
            refused.append(Obstacle(host, *found))
    return allowed, refused


def _nowhere(wish: Wish, refused: Sequence[Obstacle], neighbourhood: Neighbourhood) -> Exhausted | Conflict:
    """That nobody can take it: how many hosts for which reason, and those that come nearest to being chosen."""
    start = f"no host can take a node of size {wish.size}"
    if not refused:
        return Conflict(f"{start}: there is no host; declare a fabric with switches in segments first")
    counts = Counter(obstacle.bar for obstacle in refused)
    closeness = Closeness(wish, neighbourhood)

    def distance(obstacle: Obstacle) -> tuple[bool, int, float, str]:
        host = obstacle.host
        return obstacle.bar in (Bar.NOT_ASKED_FOR, Bar.CLOSED), -closeness.of(host), -host.free_share, host.name

    counted = ", ".join(f"{counts[bar]} {bar.counted}" for bar in Bar if counts[bar])
    nearest = ", ".join(f"{near.host.name} ({near.text})" for near in nsmallest(EXAMPLES, refused, key=distance))
    helps = ", ".join(bar.remedy for bar in reversed(Bar) if counts[bar])
    message = f"{start}: of {len(refused)} host(s) {counted}; nearest: {nearest}; {helps}, or add a host"
    return Exhausted(message) if counts[Bar.FULL] else Conflict(message)


class Closeness:
    """How close hosts are to the running members of the networks of what is wished."""

    def __init__(self, wish: Wish, neighbourhood: Neighbourhood) -> None:
        self._near: Counter[str] = Counter()
        self._here: Counter[str] = Counter()
        for ref in wish.networks:
            self._near.update(neighbourhood.by_segment.get(ref, {}))
            self._here.update(neighbourhood.by_host.get(ref, {}))

    def of(self, host: Host) -> int:
        """The links that frames are spared, if each member gets one; a member of two of the networks gets two."""
        near, here = self._near.get(host.segment, 0), self._here.get(host.name, 0)
        return LINKS_SPARED_IN_SEGMENT * (near - here) + LINKS_SPARED_ON_HOST * here


# --- what is not to be relied on ------------------------------------------------------------------------------------


def _asked(placer: Placer, wish: Wish, hosts: list[Host], neighbourhood: Neighbourhood) -> Choice:
    """A placer's answer, if it has the form of one. Whatever its annotations say, it is code of others."""
    try:
        answer: object = placer.rank(wish, hosts, neighbourhood)
    except Exhausted as error:
        raise Exhausted(f"placer {placer_name(placer)}: {error}", error.retry_after) from error
    except Exception as error:
        raise _failed(placer, f"broke off with {type(error).__name__}: {str(error)[:LONGEST]}") from error
    match answer:
        case Choice(str(), tuple(reasons), Mapping() as refused):
            if all(isinstance(text, str) for text in (*reasons, *refused, *refused.values())):
                return answer
    shape = "a Choice of a host's name, a tuple of reasons and a mapping of host to reason"
    raise _failed(placer, f"answered {answer!r:.{LONGEST}}, which is not {shape}, all of them text")


def _failed(placer: Placer, what: str) -> PlacerFailed:
    hint = f"name a host in the request, or set {SETTING} to another placer"
    return PlacerFailed(f"placer {placer_name(placer)} {what}; {hint}")


def placer_name(placer: object) -> str:
    """What a placer is called in an error: its class, or the module that it is, as one imports it."""
    of = type(placer)
    return placer.__name__ if isinstance(placer, ModuleType) else f"{of.__module__}.{of.__qualname__}"
