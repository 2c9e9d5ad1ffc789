"""Rows that differ in a few numbers only, stamped out as bytes.

Most rows of a data centre are those of its interfaces, and the rows of one interface are those of another with other
numbers in the same places. So the bytes of one are learned once, from rows as values, and from then on the numbers
are put into them: twenty times as fast as making the values and encoding each.

A stamp is learned, not written by hand, so there is one place that says what rows an interface has: the compiler. It
is learned from one sample, whose numbers are looked for in the bytes, and is used only if it reproduces further
samples with all other numbers, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from struct import Struct
from typing import TypeAlias

Encoded: TypeAlias = list[tuple[bytes, bytes]]
"""Rows as keys and values (`rows`)."""


class Stamp:
    """The bytes of a list of rows, with slots for numbers."""

    def __init__(self, rows: Encoded, slots: Sequence[bytes]) -> None:
        """Learn from one sample: its rows, and the bytes of its numbers, which are looked for in them."""
        keys, values = [key for key, _ in rows], [*dict.fromkeys(value for _, value in rows)]
        whole, at = b"".join([*keys, *values]), 0
        fixed: list[bytes] = []
        order: list[int] = []
        for place, slot in _find(whole, slots):
            order += [len(slots) + len(fixed), slot]
            fixed.append(whole[at:place])
            at = place + len(slots[slot])
        self._fixed = [*fixed, whole[at:]]
        self._in_order = _taker([*order, len(slots) + len(fixed)])
        self._cut = Struct("".join([f"{len(piece)}s" for piece in (*keys, *values)])).unpack
        self._keys = _taker(range(len(keys)))
        self._values = _taker([len(keys) + values.index(value) for _, value in rows])

    def __call__(self, slots: Sequence[bytes]) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """Keys and values of the rows with these numbers in the slots, each in as many bytes as in the sample."""
        pieces = self._cut(b"".join(self._in_order((*slots, *self._fixed))))
        return self._keys(pieces), self._values(pieces)


class Buckets:
    """The value of a group whose buckets differ in one number each."""

    def __init__(self, empty: bytes, one: bytes, number: bytes) -> None:
        """Learn from two samples: a group without buckets, and one with one bucket and this number, which is looked
        for in it."""
        before, _, self._after = one[len(empty) :].partition(number)
        self._start, self._between = empty + before, self._after + before
        self._empty = empty

    def __call__(self, numbers: Sequence[bytes]) -> bytes:
        """The group with a bucket for each number, in as many bytes as in the sample."""
        return self._start + self._between.join(numbers) + self._after if numbers else self._empty


def learn(slots: Sequence[Sequence[bytes]], samples: Sequence[Encoded]) -> Stamp | None:
    """The stamp learned from the first sample, or None where it does not reproduce the others, which have the same
    bytes but for numbers. `slots` has the numbers of each."""
    stamp = Stamp(samples[0], slots[0])
    for numbers, wanted in zip(slots, samples, strict=True):
        keys, values = stamp(numbers)
        if [*zip(keys, values, strict=True)] != wanted:
            return None
    return stamp


def learn_buckets(numbers: Sequence[Sequence[bytes]], samples: Sequence[bytes]) -> Buckets | None:
    """The same for the buckets of groups: the first sample is of no number, the second of one."""
    buckets = Buckets(samples[0], samples[1], numbers[1][0])
    return buckets if all(buckets(n) == wanted for n, wanted in zip(numbers, samples, strict=True)) else None


def _taker(indices: Sequence[int]) -> Callable[[Sequence[bytes]], tuple[bytes, ...]]:
    """A function that takes the things at these places out of a tuple, as a tuple."""
    if len(indices) == 1:
        # `itemgetter` of one thing gives that thing, of a slice what the slice gives.
        return itemgetter(slice(indices[0], indices[0] + 1))
    return itemgetter(*indices) if indices else itemgetter(slice(0, 0))


def _find(whole: bytes, slots: Sequence[bytes]) -> list[tuple[int, int]]:
    """Where which slot's bytes stand, in the order of places; of those that overlap, the first and longest."""
    found: list[tuple[int, int]] = []
    for slot, sample in enumerate(slots):
        at = whole.find(sample) if sample else -1
        while at >= 0:
            found.append((at, slot))
            at = whole.find(sample, at + 1)
    kept: list[tuple[int, int]] = []
    end = 0
    for at, slot in sorted(found, key=lambda hit: (hit[0], -len(slots[hit[1]]))):
        if at >= end:
            kept.append((at, slot))
            end = at + len(slots[slot])
    return kept
