"""The way of one frame through the fabric, as values in names: what `trace` answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TableHit:
    """One table that the frame was looked up in. Without a row that matched, `meaning` says what was looked for."""

    stage: str
    depth: int
    priority: int | None
    meaning: str
    origin: str | None
    did: list[str]


@dataclass(frozen=True, slots=True)
class LinkPassed:
    """The frame on a link, as `switch:port` to `switch:port`. `carries` says what tag and labels mean."""

    kind: str
    from_port: str
    to_port: str
    tag: int | None
    labels: list[int]
    carries: str
    frame: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """The frame at a port that no link is on."""

    port: str
    to: str
    frame: str


@dataclass(frozen=True, slots=True)
class Ending:
    """A copy that went no further."""

    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class Hop:
    """The frame in one switch."""

    switch: str
    segment: str | None
    state: str
    port: str
    tables: list[TableHit]
    links: list[LinkPassed]
    arrivals: list[Arrival]
    drops: list[Ending]


@dataclass(frozen=True, slots=True)
class Route:
    """The whole way of one frame. `verdict` says in a sentence where it came to, or why it did not. `answer` is the
    way of what is answered, where it is delivered to somebody who would."""

    source: str
    target: str
    kind: str
    frame: str
    delivered: bool
    verdict: str
    notes: list[str]
    hops: list[Hop]
    answer: Route | None = None
