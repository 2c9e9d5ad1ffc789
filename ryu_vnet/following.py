"""Following the events of a controller through whatever becomes of the connection: server-sent events, as lines that
begin with `id:`, `event:` or `data:`, an empty one behind each message (HTML Living Standard, section 9.2)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

from .errors import Exhausted, Unreachable

Json = dict[str, Any]

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds until a controller is tried again that cannot be reached; the pause doubles each time."""


class Stream(Protocol):
    """An answer that is read as it comes, as `requests.Response` is."""

    def iter_lines(self) -> Iterator[Any]:
        """Its lines, in bytes. Raises OSError where the connection breaks."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a stream. `number` is its `id`, which a later message without one keeps."""

    name: str
    data: str
    number: int | None


def messages(lines: Iterable[bytes]) -> Iterator[Message]:
    """The messages of a stream; one that only has a number is given too, with no data."""
    name, anything = "", False
    data: list[str] = []
    number: int | None = None
    for line in lines:
        if not line:
            if anything:
                yield Message(name, "\n".join(data), number)
            name, data, anything = "", [], False
            continue
        field, _, value = line.decode().partition(":")
        value = value.removeprefix(" ")
        match field:
            case "id":
                number, anything = int(value), True
            case "event":
                name, anything = value, True
            case "data":
                data, anything = [*data, value], True


def follow(connect: Callable[[int | None], Stream], after: int | None) -> Iterator[Json]:
    """Events after a number, or from now on, without an end: `connect` opens a stream that begins after one.

    Where some are not kept any more, what is given in their place has `missed` as its kind. Raises Unreachable (and
    what else `connect` raises) where the very first stream cannot be opened.
    """
    pause, has_connected = FIRST_PAUSE, False
    while True:
        try:
            with closing(connect(after)) as stream:
                has_connected, pause = True, FIRST_PAUSE
                for message in messages(stream.iter_lines()):
                    after = message.number if message.number is not None else after
                    if message.name == "lagging":
                        break
                    if message.data:
                        yield _event(message)
        except (Unreachable, Exhausted, OSError):
            if not has_connected:
                raise
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _event(message: Message) -> Json:
    data: Json = json.loads(message.data)
    if message.name != "missed":
        return data
    text = f"some events up to number {data['up_to']} are not kept any more"
    return {
        "sequence": data["after"],
        "time": "",
        "kind": "missed",
        "subject": "",
        "who": "",
        "text": text,
        "details": data,
    }
