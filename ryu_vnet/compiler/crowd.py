"""The members of a network on one switch, in chunks: one fan-out group each.

A group that held all of them would be sent whole for each one that comes or goes. So they are divided: a chunk that
grows beyond `CHUNK` falls into two by one bit of the members' hashes, and the two become one again when they fit. What
chunks there are, and who is in which, follows from the members alone, not from the order in which they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

CHUNK = 64
"""Members in a chunk at most: 3 KB of buckets."""
DEEPEST = 10
"""Bits by which chunks are divided at most, which keeps their numbers below 2,048. A chunk so deep takes any number."""
WHOLE = 1
"""The number of the chunk that has all members. Chunk n falls into 2n and 2n + 1."""

_SPREAD = 0x9E37_79B1
"""Odd multiplier (2^32 divided by the golden ratio) whose high bits differ even for numbers that follow a pattern."""


class Crowd:
    """The interface numbers of a network's members on a switch, by chunk."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._counts: dict[int, int] = {}
        """How many are in each chunk and in all that it fell into."""
        self._chunks: dict[int, set[int]] = {}
        for number in numbers:
            self.add(number)

    @property
    def chunks(self) -> Mapping[int, set[int]]:
        """The members of each chunk, by its number."""
        return self._chunks

    def __len__(self) -> int:
        return self._counts.get(WHOLE, 0)

    def __iter__(self) -> Iterator[int]:
        for members in self._chunks.values():
            yield from members

    def __contains__(self, number: object) -> bool:
        chunk = WHOLE
        while isinstance(number, int) and chunk in self._counts:
            if chunk in self._chunks:
                return number in self._chunks[chunk]
            chunk = _half(chunk, number)
        return False

    def add(self, number: int) -> set[int]:
        """Add a member. Returns the chunks that changed, those that are gone included."""
        chunk = WHOLE
        while chunk in self._counts and chunk not in self._chunks:
            self._counts[chunk] += 1
            chunk = _half(chunk, number)
        changed = {chunk}
        self._put(chunk, number, changed)
        return changed

    def _put(self, chunk: int, number: int, changed: set[int]) -> None:
        """Put a member into a chunk that is whole or new, and divide it where it has become too large."""
        members = self._chunks.setdefault(chunk, set())
        members.add(number)
        self._counts[chunk] = len(members)
        if len(members) > CHUNK and chunk.bit_length() <= DEEPEST:
            del self._chunks[chunk]
            for member in members:
                half = _half(chunk, member)
                changed.add(half)
                self._put(half, member, changed)

    def remove(self, number: int) -> set[int]:
        """Remove a member. Returns the chunks that changed, those that are gone included."""
        chunk, above = WHOLE, []
        while chunk not in self._chunks:
            above.append(chunk)
            chunk = _half(chunk, number)
        changed = {chunk}
        self._chunks[chunk].discard(number)
        for ancestor in (*above, chunk):
            self._counts[ancestor] -= 1
        if not self._chunks[chunk]:
            del self._chunks[chunk], self._counts[chunk]
        small = next((ancestor for ancestor in above if self._counts[ancestor] <= CHUNK), None)
        if small is not None:
            self._chunks[small] = {*self._gather(2 * small, changed), *self._gather(2 * small + 1, changed)}
            changed.add(small)
        return changed

    def _gather(self, chunk: int, changed: set[int]) -> set[int]:
        """Take all members out of a chunk and what it fell into."""
        if self._counts.pop(chunk, None) is None:
            return set()
        whole = self._chunks.pop(chunk, None)
        if whole is not None:
            changed.add(chunk)
            return whole
        return self._gather(2 * chunk, changed) | self._gather(2 * chunk + 1, changed)


def _half(chunk: int, number: int) -> int:
    """Into which half of a chunk a member goes: the next bit of its hash, from the highest on."""
    return chunk << 1 | number * _SPREAD >> 32 - chunk.bit_length() & 1
