"""The floor: how long the switches themselves take for the least that a change can be, a row and a barrier.

No controller can be quicker, whatever it is written in. What one adds is what it takes longer, on the same switches
in the same minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import median, quantiles

from ryu_vnet.compiler.fields import ETH_DST
from ryu_vnet.compiler.rows import FieldMatch, Origin, Row, Subject, match
from ryu_vnet.openflow import messages
from ryu_vnet.openflow.rows import encode_row

from .channels import VERSION, Channel, Channels

TABLE = 200
"""A table that no frame comes to: rows there change nothing."""
PRIORITY = 0x7FFF
FIRST_MAC = 0x02_FF_00_00_00_00
WARM_UP = 5
"""Repetitions at the start that do not count."""


@dataclass(frozen=True, slots=True)
class Floor:
    """Times of all repetitions, in seconds, in their order: from the first byte sent to the last barrier answered."""

    switches: int
    at_once: int
    rows: int
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def p99(self) -> float:
        """The 99th percentile; of fewer than a hundred repetitions, nearly the longest."""
        return quantiles(self.seconds, n=100, method="inclusive")[98]

    def __str__(self) -> str:
        return (
            f"{self.rows} row(s) and a barrier to {self.at_once} of {self.switches} switches: "
            f"median {self.median * 1000:.2f} ms, 99th percentile {self.p99 * 1000:.2f} ms, "
            f"{len(self.seconds)} times"
        )


def floor(channels: Channels, at_once: int, repetitions: int, *, rows: int = 1, seed: int = 0) -> Floor:
    """Measure it on `at_once` switches at a time, chosen at random each time, with `rows` new rows for each.

    The rows are taken out again after each time, which is not measured. Raises ValueError where there are not so many
    switches or fewer than two repetitions; else what `Channels.exchange` raises.
    """
    if not 0 < at_once <= len(channels.all) or repetitions < 2:
        raise ValueError(f"{at_once} of {len(channels.all)} switches, {repetitions} times")
    random = Random(seed)
    encoded = [_row(number) for number in range(rows)]
    seconds = [_once(channels, random.sample(channels.all, at_once), encoded) for _ in range(WARM_UP + repetitions)]
    return Floor(len(channels.all), at_once, rows, tuple(seconds[WARM_UP:]))


def together(parts: Sequence[Floor]) -> Floor:
    """One measurement from several of the same kind, such as were taken in turns with something else."""
    first = parts[0]
    seconds = tuple(second for part in parts for second in part.seconds)
    return Floor(first.switches, first.at_once, first.rows, seconds)


def _once(channels: Channels, chosen: Sequence[Channel], rows: Sequence[tuple[bytes, bytes]]) -> float:
    added = {one: [messages.flow_add(VERSION, channels.xid(), *row) for row in rows] for one in chosen}
    seconds = channels.exchange(added)
    channels.exchange({one: [messages.flow_delete(VERSION, channels.xid(), key) for key, _ in rows] for one in chosen})
    return seconds


def _row(number: int) -> tuple[bytes, bytes]:
    """Key and value of a row that drops frames to one MAC address."""
    row = Row(TABLE, PRIORITY, match(FieldMatch(ETH_DST, FIRST_MAC + number)), (), None, Origin(Subject.SWITCH, 0))
    return encode_row(row)
