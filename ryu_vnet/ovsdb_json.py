"""JSON values that come one after the other on a connection, parsed as the bytes arrive, each piece in bounded time.

JSON-RPC over a stream has no lengths and no separators (RFC 7047, section 4): where a message ends is known when it is
parsed. Here whatever is there whole goes to the standard library's scanner, which is in C, and only what is larger
than what has arrived is taken apart level by level. (The `ovs` library goes through each character in Python, and does
not stop before the message ends: 0.7 s for the 2.1 MB of 5,000 interfaces.)
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from json import JSONDecoder
from typing import Any

from .errors import Unreachable

MOST_CHARACTERS = 4 << 20
"""Of a message. 5,000 interfaces are 2.1 million in one. As Python's objects they may take twenty times that."""
MOST_PENDING = 1 << 16
"""Characters of a text or a number that has not ended yet: every time that more of it arrives it is looked at again."""
DEEPEST = 32
"""Levels that are taken apart here. Messages of OVSDB have eight."""

_SPACE = re.compile(r"[ \t\r\n]*")
_CLOSING = {"{": "}", "[": "]"}
_AFTER_NUMBER = " \t\r\n,]}"


class _Incomplete(Exception):
    """What has arrived does not suffice to go on."""


@dataclass(slots=True)
class _Open:
    """An array or object that is taken apart."""

    container: Any
    closing: str
    key: str | None = None
    """Of an object: the key whose value comes next."""
    after_value: bool = False
    """Whether a comma or the end must follow."""

    def put(self, value: Any) -> None:
        if isinstance(self.container, dict):
            self.container[self.key] = value
        else:
            self.container.append(value)
        self.key, self.after_value = None, True


class JsonStream:
    """Feed it bytes; it gives the messages that are whole.

    Bytes that are not UTF-8 become U+FFFD: they spoil the text that they are in, and nothing else.
    """

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._scan = JSONDecoder().raw_decode
        self._text = ""
        self._at = 0
        """Up to where the text is used."""
        self._begin = 0
        """Where the message that is not whole began; before the text, where that is used up."""
        self._open: list[_Open] = []

    @property
    def is_between(self) -> bool:
        """Whether no message has begun."""
        return not self._open and _skip(self._text, self._at) == len(self._text)

    def feed(self, data: bytes) -> Iterator[Any]:
        """The messages that are whole with these bytes; to be read to its end before more is fed.

        Raises Unreachable where it is not JSON, or is too large.
        """
        self._text = self._text[self._at :] + self._decode(data)
        self._begin -= self._at
        self._at = 0
        try:
            while True:
                whole = self._step()
                if whole:
                    self._begin = self._at
                    yield whole[0]
                elif self._at - self._begin > MOST_CHARACTERS:
                    break
        except _Incomplete:
            if len(self._text) - self._at > MOST_PENDING:
                raise Unreachable(f"it sends a text of more than {MOST_PENDING} characters, or no JSON") from None
        except RecursionError:
            raise Unreachable("it sends a message of too many levels") from None
        if self._at - self._begin > MOST_CHARACTERS:
            raise Unreachable(f"it sends a message of more than {MOST_CHARACTERS} characters")

    def _step(self) -> tuple[Any] | None:
        """Take the next value, or the beginning or the end of one. A message that is whole with it, if one is."""
        char = self._peek()
        if not self._open:
            if char not in _CLOSING:
                raise Unreachable(f"it sends {char!a} where a message must begin")
            return self._value(char)
        inner = self._open[-1]
        if char == inner.closing and (inner.after_value or not inner.container):
            self._at += 1
            self._open.pop()
            return self._put(inner.container)
        if inner.after_value:
            if char != ",":
                raise Unreachable(f"it sends {char!a} where a comma must stand")
            self._at += 1
            inner.after_value = False
        elif inner.key is None and inner.closing == "}":
            inner.key = self._key(char)
        else:
            return self._value(char)
        return None

    def _key(self, char: str) -> str:
        if char != '"':
            raise Unreachable(f"it sends {char!a} where a key must begin")
        key, end = self._scanned()
        colon = _skip(self._text, end)
        if colon == len(self._text):
            raise _Incomplete
        if self._text[colon] != ":":
            raise Unreachable(f"it sends {self._text[colon]!a} where a colon must stand")
        self._at = colon + 1
        return str(key)

    def _value(self, char: str) -> tuple[Any] | None:
        try:
            value, end = self._scanned()
        except _Incomplete:
            if char not in _CLOSING:
                raise
            if len(self._open) == DEEPEST:
                raise Unreachable("it sends a message of too many levels") from None
            self._at += 1
            self._open.append(_Open({} if char == "{" else [], _CLOSING[char]))
            return None
        if char in "-0123456789" and (end == len(self._text) or self._text[end] not in _AFTER_NUMBER):
            # It may go on.
            raise _Incomplete
        self._at = end
        return self._put(value)

    def _put(self, value: Any) -> tuple[Any] | None:
        if not self._open:
            return (value,)
        self._open[-1].put(value)
        return None

    def _scanned(self) -> tuple[Any, int]:
        """The value that stands next, and where it ends."""
        try:
            return self._scan(self._text, self._at)
        except ValueError:
            raise _Incomplete from None

    def _peek(self) -> str:
        self._at = _skip(self._text, self._at)
        if self._at == len(self._text):
            raise _Incomplete
        return self._text[self._at]


def _skip(text: str, at: int) -> int:
    """Past white space."""
    found = _SPACE.match(text, at)
    return found.end() if found else at
