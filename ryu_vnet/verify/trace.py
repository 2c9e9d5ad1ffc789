"""What became of one frame, as values: every lookup, every link crossed, every delivery, and why copies ended.

    Trace ── steps        one a table lookup, in the order of execution
          ├─ crossings    one a frame on a wire between two switches
          ├─ deliveries   one a frame out of a port that no wire is on: to a node
          ├─ drops        one a copy that ended, with the reason in words
          └─ anomalies    what must never happen: a loop, a limit of Open vSwitch, an action it cannot execute

All of it is frozen and compares by value.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..compiler.pipeline import REGISTERS, STAGE_BY_TABLE
from ..compiler.rows import Row
from .packet import MPLS_ETH_TYPES, Label, Packet, Tag
from .text import field_name, match_text, packet_text, stage_name, value_text

_REFUSALS = {
    ("SOURCE", "family"): "the source is not an address of an interface on this port",
    ("EGRESS", "split"): "what came from the core does not go back to it",
}
"""What rows without actions say, by stage and band of priorities; others are told by their match."""


@dataclass(frozen=True, slots=True)
class Step:
    """One lookup in one table.

    `row` is the row that matched, or None. `packet` and `registers` (in the order of `pipeline.REGISTERS`) are as
    the lookup saw them. `happened` says in words what the row's actions did. `depth` is 0 for the way of the frame
    itself, more inside resubmits, clones and group buckets.
    """

    switch: str
    table: int
    row: Row | None
    packet: Packet
    registers: tuple[int, ...]
    happened: tuple[str, ...]
    depth: int

    @property
    def stage(self) -> str:
        """The name of the table in the pipeline."""
        return stage_name(self.table)

    def text(self) -> str:
        """One line: where, on what match, and what was done."""
        matched = "no row" if self.row is None else f"{self.row.priority} [{match_text(self.row.match)}]"
        goto = "" if self.row is None or self.row.goto is None else f"goto {stage_name(self.row.goto)}"
        done = ", ".join([*self.happened, goto] if goto else self.happened) or "drop"
        return f"{'  ' * self.depth}{self.switch} {self.stage} {matched}: {done}"


@dataclass(frozen=True, slots=True)
class Crossing:
    """A frame on a wire, from one switch's port to another's."""

    from_switch: str
    from_port: int
    to_switch: str
    to_port: int
    frame: Packet

    @property
    def tags(self) -> tuple[Tag, ...]:
        """The VLAN tags on the wire that the fabric put there, outermost first; none beside labels."""
        return self.frame.tags

    @property
    def labels(self) -> tuple[Label, ...]:
        """The label entries on the wire, outermost first."""
        return self.frame.labels

    @property
    def payload(self) -> Packet:
        """The frame under the labels, or the frame itself: what a node sent, still tagged if it is on a trunk."""
        return self.frame.innermost

    def text(self) -> str:
        """One line: from where to where, and the frame."""
        ends = f"{self.from_switch}:{self.from_port} -> {self.to_switch}:{self.to_port}"
        return f"{ends}  {packet_text(self.frame)}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A frame that left by a port without a wire."""

    switch: str
    port: int
    frame: Packet

    def text(self) -> str:
        """One line: where, and the frame."""
        return f"delivered at {self.switch}:{self.port}  {packet_text(self.frame)}"


@dataclass(frozen=True, slots=True)
class Drop:
    """A copy that went no further, in which stage, and why."""

    switch: str
    stage: str
    reason: str

    def text(self) -> str:
        """One line: where and why."""
        return f"dropped at {self.switch} {self.stage}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that no frame may ever cause."""

    switch: str
    reason: str

    def text(self) -> str:
        """One line: where and what."""
        return f"anomaly at {self.switch}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Trace:
    """All that one frame caused, from the port it came in by."""

    switch: str
    port: int
    frame: Packet
    steps: tuple[Step, ...]
    crossings: tuple[Crossing, ...]
    deliveries: tuple[Delivery, ...]
    drops: tuple[Drop, ...]
    anomalies: tuple[Anomaly, ...]

    def delivered_to(self) -> tuple[tuple[str, int], ...]:
        """Switch and port of each delivery, sorted; a port twice where it got two frames."""
        return tuple(sorted((delivery.switch, delivery.port) for delivery in self.deliveries))

    def text(self) -> str:
        """The whole trace, one line a fact."""
        facts: tuple[Step | Crossing | Delivery | Drop | Anomaly, ...] = (
            *self.steps,
            *self.crossings,
            *self.deliveries,
            *self.drops,
            *self.anomalies,
        )
        start = f"into {self.switch}:{self.port}  {packet_text(self.frame)}"
        return "\n".join([start, *(fact.text() for fact in facts)])


def why_missed(table: int, seen: dict[str, int]) -> str:
    """Why no row matched: what the stage could look at, and what it saw. `seen` has fields by name."""
    stage = STAGE_BY_TABLE.get(table)
    fields = stage.matches if stage else [register.field for register in REGISTERS]
    words = [f"{field_name(field)}={value_text(field, seen[field.name])}" for field in fields if field.name in seen]
    return f"no row in {stage_name(table)}" + (f" for {' '.join(words)}" if words else "")


def why_refused(row: Row) -> str:
    """Why a row that does nothing is there."""
    stage = STAGE_BY_TABLE.get(row.table)
    if stage is not None:
        bands = [band for band, priority in stage.priorities.items() if priority == row.priority]
        told = [_REFUSALS[stage.name, band] for band in bands if (stage.name, band) in _REFUSALS]
        if told:
            return f"refused: {told[0]}"
    values = {condition.field.name: condition.value for condition in row.match}
    if stage is not None and stage.name == "SOURCE" and values.get("eth_type") in MPLS_ETH_TYPES:
        return "refused: MPLS from a node"
    return f"refused by {stage_name(row.table)} {row.priority} [{match_text(row.match)}]"
