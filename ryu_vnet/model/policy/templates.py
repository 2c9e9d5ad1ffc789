"""Names of networks that are made from what an interface is: `{tenant}-{unit}`.

The same name means the same network, so a template must not give it to interfaces that differ in what it asks for.
Therefore a value is never changed to make a name of it: of `dev ops` and `dev-ops` one is refused, not both put into
one network. And a value before another placeholder must not contain the mark that ends it there: from `{unit}.{host}`
unit `a.b` yields nothing, as unit `a` on host `b.c` would get the name of `a.b` on `c`. The tenant is exempt, since
networks of different tenants differ whatever their names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from operator import attrgetter
from typing import TypeAlias

from ...errors import Invalid, Problem
from ..names import NAME
from .conditions import Traits
from .patterns import MARKS, NAME_PIECES, PART_PIECES, Pieces, overlap, pieces

ATTRIBUTES = ("tenant", "unit", "function", "segment", "host")
"""What a placeholder may ask for, beside `label:KEY`."""
NAME_LENGTH = 63
_NAME = re.compile(NAME)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_ODD = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A part that each interface fills with its own value. `end` is the mark that ends it, "" where nothing has to."""

    what: str
    value: Callable[[Traits], str | None]
    end: str = ""


Part: TypeAlias = str | Placeholder


@dataclass(frozen=True, slots=True)
class Template:
    """A name with placeholders in braces, as its literal and its other parts in turn."""

    text: str
    parts: tuple[Part, ...]

    def fill(self, traits: Traits) -> tuple[str | None, str]:
        """The name for an interface and "", or None and why there is none, in words."""
        name = ""
        for part in self.parts:
            if isinstance(part, str):
                name += part
                continue
            value = part.value(traits)
            if not value:
                return None, f"it has no {part.what}"
            if part.end and part.end in value:
                return None, (
                    f"{part.what} is {value!r}: as {part.end!r} ends it in {self.text!r}, "
                    "an interface with another one could get the same name"
                )
            name += value
        return (name, "") if _NAME.fullmatch(name) else (None, self._why_illegal(name, traits))

    def _why_illegal(self, name: str, traits: Traits) -> str:
        for part in self.parts:
            value = part.value(traits) or "" if isinstance(part, Placeholder) else ""
            odd = _ODD.search(value)
            if odd and isinstance(part, Placeholder):
                return f"{part.what} is {value!r}, and no name has {odd[0]!r} in it"
        if len(name) > NAME_LENGTH:
            return f"{name!r} is longer than the {NAME_LENGTH} characters of a name"
        return f"{name!r} is not a name: it begins with {name[0]!r}"

    def pieces(self, tenant: str | None = None) -> Pieces:
        """All names that it can give, and some more, where the tenant matches a pattern: each value is any text."""
        return tuple(piece for part in self.parts for piece in self._pieces_of(part, tenant))

    def _pieces_of(self, part: Part, tenant: str | None) -> Pieces:
        if isinstance(part, str):
            return pieces(part)
        return pieces(tenant) if tenant is not None and part.what == "tenant" else PART_PIECES


@lru_cache(maxsize=1 << 12)
def parse_template(text: str) -> Template:
    """The template that is written so. Raises Invalid, with no place."""
    words = _PLACEHOLDER.split(text)
    problems = [*_wrong_words(text, words)]
    if not problems:
        template = Template(text, tuple(_parts(words)))
        shortest = sum(len(part) if isinstance(part, str) else 1 for part in template.parts)
        if shortest > NAME_LENGTH or not overlap(template.pieces(), NAME_PIECES):
            hint = f"begin with a letter, a digit or a placeholder, and stay within {NAME_LENGTH} characters"
            problems.append(Problem("", f"no name can come of {text!r}", hint))
    if problems:
        raise Invalid(problems)
    return template


def _wrong_words(text: str, words: list[str]) -> Iterator[Problem]:
    if len(words) == 1 and not set(text) & set("{}"):
        yield Problem("", f"{text!r} has no placeholder", "a fixed name stands under networks; a template has {unit}")
        return
    odd = _ODD.search("".join(words[::2]))
    if odd:
        hint = "placeholders in single braces, and between them letters, digits, '.', '_' and '-'"
        yield Problem("", f"{text!r} has {odd[0]!r} outside of a placeholder", hint)
    for word in words[1::2]:
        key = word.removeprefix("label:")
        if word not in ATTRIBUTES and (key == word or not _NAME.fullmatch(key)):
            known = ", ".join(f"{{{attribute}}}" for attribute in ATTRIBUTES)
            yield Problem("", f"{text!r} has the unknown placeholder {{{word}}}", f"one of {known}, {{label:KEY}}")
    asked = [at for at in range(1, len(words), 2) if words[at] != "tenant"]
    for at, following in pairwise(asked):
        if not _mark(words, at, following):
            message = f"in {text!r} nothing tells where {{{words[at]}}} ends and {{{words[following]}}} begins"
            yield Problem("", message, f"'.', '_' or '-' between them: {{{words[at]}}}-{{{words[following]}}}")


def _parts(words: list[str]) -> Iterator[Part]:
    asked = [at for at in range(1, len(words), 2) if words[at] != "tenant"]
    ends = {at: _mark(words, at, following) for at, following in pairwise(asked)}
    for at, word in enumerate(words):
        if at % 2:
            yield _placeholder(word, ends.get(at, ""))
        elif word:
            yield word


def _mark(words: list[str], at: int, following: int) -> str:
    """The first mark between two placeholders, in the literal words there, or ""."""
    return next((char for word in words[at + 1 : following : 2] for char in word if char in MARKS), "")


def _placeholder(word: str, end: str) -> Placeholder:
    if word in ATTRIBUTES:
        return Placeholder(word, attrgetter(word), end)
    key = word.removeprefix("label:")
    return Placeholder(f"label {key}", lambda traits: traits.label(key), end)
