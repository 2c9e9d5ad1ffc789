"""Chunks of a network's members: never too large, told exactly when they change, and the same whatever came before."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ryu_vnet.compiler.crowd import CHUNK, DEEPEST, Crowd

NUMBERS = st.integers(1, 1 << 28)
PATTERNS = st.one_of(
    st.sets(NUMBERS, max_size=300),
    st.builds(
        lambda start, step, many: {*range(start, start + step * many, step)}, NUMBERS, NUMBERS, st.integers(0, 400)
    ),
)
"""Numbers without a pattern, and such as are granted one after the other."""


def chunks(crowd: Crowd) -> dict[int, frozenset[int]]:
    return {chunk: frozenset(members) for chunk, members in crowd.chunks.items()}


@settings(max_examples=200, deadline=None)
@given(PATTERNS, st.randoms(use_true_random=False))
def test_chunks_follow_from_the_members_alone_and_changes_are_told(numbers: set[int], chance: object) -> None:
    crowd, there = Crowd(), set[int]()
    order = sorted(numbers)
    chance.shuffle(order)  # type: ignore[attr-defined]
    gone = order[: len(order) // 2]
    for number in [*order, *gone, *gone, *order]:
        before = chunks(crowd)
        changed = crowd.remove(number) if number in there else crowd.add(number)
        there ^= {number}
        after = chunks(crowd)
        assert {c for c in before.keys() | after.keys() if before.get(c) != after.get(c)} <= changed
        assert {*crowd} == there and len(crowd) == len(there)
    assert chunks(crowd) == chunks(Crowd(there))


@given(PATTERNS)
def test_a_chunk_is_as_large_as_it_may_be_and_no_larger(numbers: set[int]) -> None:
    found = chunks(Crowd(numbers))
    assert sorted(n for members in found.values() for n in members) == sorted(numbers)
    for chunk, members in found.items():
        assert members and 0 < chunk < 1 << DEEPEST + 1
        assert len(members) <= CHUNK or chunk >= 1 << DEEPEST
        if chunk > 1:
            whole = chunk >> 1
            beside = {c for c in found if c >= whole and c >> c.bit_length() - whole.bit_length() == whole}
            assert sum(len(found[c]) for c in beside) > CHUNK, "two halves that fit into one"


def test_numbers_that_were_granted_one_after_the_other_spread_evenly() -> None:
    sizes = [len(members) for members in Crowd(range(5_000, 15_000)).chunks.values()]
    assert len(sizes) < 2.5 * 10_000 / CHUNK


def test_one_more_changes_one_chunk_however_many_there_are() -> None:
    crowd = Crowd(range(1, 20_001))
    divided = [number for number in range(20_001, 20_501) if len(crowd.add(number)) > 1]
    assert len(divided) <= 2 * 500 / (CHUNK / 2)
