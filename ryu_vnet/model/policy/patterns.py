"""Shell patterns: what a text must look like, and whether two patterns can mean the same text.

`*` is any text, `?` any character, `[a-z_]` one of those, `[!a-z]` any other; everything else is itself, and case
counts. `fits` is the language of Python's fnmatch.fnmatchcase; `overlap` and `covers` decide over the same language.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from ...errors import Invalid, Problem

PATTERN_LENGTH = 255
"""Most characters of a pattern: comparing two takes a time that grows with the product of their lengths."""

Chars: TypeAlias = tuple[tuple[int, int], ...]
"""A set of characters as ranges of code points, both ends included, sorted and with gaps between them."""

LAST = 0x10FFFF
ANY: Chars = ((0, LAST),)


class Piece(NamedTuple):
    """One character out of a set or, if it `repeats`, any number of them."""

    chars: Chars
    repeats: bool = False


Pieces: TypeAlias = tuple[Piece, ...]

MARKS = "-._"
"""What names may contain besides letters and digits, but not begin with."""
FIRST_OF_NAME: Chars = tuple((ord(first), ord(last)) for first, last in ("09", "AZ", "az"))
IN_NAME: Chars = tuple((ord(first), ord(last)) for first, last in ("-.", "09", "AZ", "__", "az"))
NAME_PIECES: Pieces = (Piece(FIRST_OF_NAME), Piece(IN_NAME, True))
"""Any name, as `names.NAME` has it, but of any length."""
PART_PIECES: Pieces = (Piece(IN_NAME), Piece(IN_NAME, True))
"""Any part of a name."""


@lru_cache(maxsize=1 << 12)
def fits(pattern: str) -> Callable[[str], object]:
    """A predicate over texts: true where the whole text matches."""
    return pattern.__eq__ if is_literal(pattern) else re.compile(fnmatch.translate(pattern)).match


def is_literal(pattern: str) -> bool:
    """Whether it matches itself alone."""
    return not set(pattern) & set("*?[")


@lru_cache(maxsize=1 << 12)
def pieces(pattern: str) -> Pieces:
    """A pattern taken apart. Raises Invalid for a range that ends before it begins, which is an oversight."""
    found: list[Piece] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        # What stands first between brackets belongs to the set, even if it is the closing one.
        end = pattern.find("]", at + 2 if pattern.startswith("!", at) else at + 1) if char == "[" else -1
        if end >= 0:
            found.append(Piece(_char_set(pattern[at:end])))
            at = end + 1
        elif char in "*?":
            found.append(Piece(ANY, char == "*"))
        else:
            found.append(Piece(((ord(char), ord(char)),)))
    return tuple(found)


def _char_set(inside: str) -> Chars:
    """The characters that are meant by what stands between two brackets."""
    negated = inside.startswith("!")
    ranges = [(part[0], part[-1]) for part in re.findall("(?s).-.|.", inside[negated:])]
    for first, last in ranges:
        if first > last:
            raise Invalid(Problem("", f"[{inside}] has {first}-{last}, an empty range", f"write {last}-{first}"))
    chars = _joined((ord(first), ord(last)) for first, last in ranges)
    if not negated:
        return chars
    gaps = ((before[1] + 1, after[0] - 1) for before, after in pairwise([(-1, -1), *chars, (LAST + 1, LAST + 1)]))
    return tuple(gap for gap in gaps if gap[0] <= gap[1])


def _joined(ranges: Iterable[tuple[int, int]]) -> Chars:
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


def beginning(parsed: Pieces) -> str:
    """What every text that matches begins with, as far as that is one text."""
    found = ""
    for piece in parsed:
        first, last = piece.chars[0] if piece.chars else (0, LAST)
        if piece.repeats or len(piece.chars) != 1 or first != last:
            break
        found += chr(first)
    return found


@lru_cache(maxsize=1 << 14)
def overlap(one: Pieces, other: Pieces) -> bool:
    """Whether some text matches both: a walk through both at once, from the start to the end of each."""
    seen = {(0, 0)}
    open_ends = [(0, 0)]
    while open_ends:
        i, j = open_ends.pop()
        if i == len(one) and j == len(other):
            return True
        steps: list[tuple[int, int]] = []
        if i < len(one) and one[i].repeats:
            steps.append((i + 1, j))
        if j < len(other) and other[j].repeats:
            steps.append((i, j + 1))
        if i < len(one) and j < len(other) and _share(one[i].chars, other[j].chars):
            steps.append((i if one[i].repeats else i + 1, j if other[j].repeats else j + 1))
        fresh = [step for step in steps if step not in seen]
        seen.update(fresh)
        open_ends += fresh
    return False


@lru_cache(maxsize=1 << 14)
def covers(wide: Pieces, narrow: Pieces) -> bool:
    """Whether every text that matches `narrow` certainly matches `wide`.

    Each piece of `narrow` must lie in one of `wide`, so `*?` is not seen to cover `?*`. That is the price of a time
    which grows with the product of the lengths; the exact answer takes one that is exponential.
    """
    reached = _with_skips(wide, {0})
    for piece in narrow:
        stay = {i for i in reached if i < len(wide) and wide[i].repeats and _within(piece.chars, wide[i].chars)}
        step = {i + 1 for i in reached if i < len(wide) and _takes(wide[i], piece)}
        reached = _with_skips(wide, stay | step)
    return len(wide) in reached


def _with_skips(wide: Pieces, reached: set[int]) -> set[int]:
    """The places reached, and those behind pieces that may repeat zero times."""
    for i, piece in enumerate(wide):
        if i in reached and piece.repeats:
            reached.add(i + 1)
    return reached


def _takes(wide: Piece, narrow: Piece) -> bool:
    """Whether one character of the wide piece is all that the narrow one is."""
    return not wide.repeats and not narrow.repeats and _within(narrow.chars, wide.chars)


def _share(one: Chars, other: Chars) -> bool:
    return any(max(a, c) <= min(b, d) for a, b in one for c, d in other)


def _within(narrow: Chars, wide: Chars) -> bool:
    return all(any(c <= a and b <= d for c, d in wide) for a, b in narrow)


def check_pattern(text: str, where: str, of_names: bool = False) -> list[Problem]:
    """What is wrong with a pattern; one `of_names` must be able to match a name."""
    if not text:
        return [Problem(where, "an empty pattern matches nothing", "leave it out where anything goes")]
    if len(text) > PATTERN_LENGTH:
        return [Problem(where, f"a pattern of {len(text)} characters", f"at most {PATTERN_LENGTH}")]
    try:
        parsed = pieces(text)
    except Invalid as error:
        return [Problem(where, problem.message, problem.hint) for problem in error.problems]
    if of_names and not overlap(parsed, NAME_PIECES):
        hint = "names are letters, digits, '.', '_' and '-'; '*' is any of them"
        return [Problem(where, f"{text!r} matches no name", hint)]
    return []
