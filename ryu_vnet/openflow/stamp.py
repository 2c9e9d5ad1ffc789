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
from typing import TypeAlias

Encoded: TypeAlias = list[tuple[bytes, bytes]]
"""Rows as keys and values (`rows`)."""


class Stamp:
    """The bytes of a list of rows, with slots for numbers."""

    def __init__(self, rows: Encoded, slots: Sequence[bytes]) -> None:
        """Learn from one sample: its rows, and the bytes of its numbers, which are looked for in them."""
        values = [*dict.fromkeys(value for _, value in rows)]
        pieces = [*(key for key, _ in rows), *values]
        whole, ends = b"".join(pieces), _ends(pieces)
        cuts = [*zip([0, *ends], ends, strict=False)]
        self._keys = [slice(*cut) for cut in cuts[: len(rows)]]
        self._values = [slice(*cut) for cut in cuts[len(rows) :]]
        self._value_of = [values.index(value) for _, value in rows]
        self._parts: list[bytes] = []
        self._places: list[tuple[int, int]] = []
        at = 0
        for place, slot in _find(whole, slots):
            self._parts += [whole[at:place], b""]
            self._places.append((len(self._parts) - 1, slot))
            at = place + len(slots[slot])
        self._parts.append(whole[at:])

    def __call__(self, slots: Sequence[bytes]) -> Encoded:
        """The rows with these numbers in the slots, each in as many bytes as in the sample."""
        parts = self._parts.copy()
        for place, slot in self._places:
            parts[place] = slots[slot]
        whole = b"".join(parts)
        values = [whole[cut] for cut in self._values]
        return [(whole[cut], values[index]) for cut, index in zip(self._keys, self._value_of, strict=True)]


def learn(samples: Sequence[Sequence[bytes]], encode: Callable[[int], Encoded]) -> Stamp | None:
    """The stamp learned from the first sample, or None where it does not reproduce the others.

    `samples` has the numbers of each, `encode` makes the rows of the sample at an index.
    """
    stamp = Stamp(encode(0), samples[0])
    if all(stamp(samples[index]) == encode(index) for index in range(1, len(samples))):
        return stamp
    return None


def _ends(pieces: Sequence[bytes]) -> list[int]:
    found, at = [], 0
    for piece in pieces:
        at += len(piece)
        found.append(at)
    return found


def _find(whole: bytes, slots: Sequence[bytes]) -> list[tuple[int, int]]:
    """Where which slot's bytes stand, in the order of places; of those that overlap, the first and longest."""
    found: list[tuple[int, int]] = []
    for slot, sample in enumerate(slots):
        at = whole.find(sample)
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
