"""Every error the program raises on purpose, as one tree.

    VnetError
    ├── Invalid          what was asked for is wrong in itself, or does not fit what is there
    ├── NotFound         it names something that does not exist
    ├── Conflict         it contradicts what exists: delete or change that first
    ├── Exhausted        no identifier is free (tags of a segment, numbers of the data centre)
    ├── PlacerFailed     what chooses hosts broke off, or chose what it was not offered
    ├── StoreError       the store could not be read or written
    ├── WireError        bytes that are not what OpenFlow says they should be
    └── Unreachable      the controller, a switch or its database did not answer

A message says what was wrong, with which value, and what would be right. `Problem` carries the same three things
apart, with the place in the request, so that an API client or an editor can point at it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a request.

    `where` is a dotted path into the request (`fabric.links[2].a`), `message` names the value, `hint` says what
    would be right.
    """

    where: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.message}{hint}"


MOST_PROBLEMS = 100
"""How many problems of one request are told; nobody reads more, and an answer must not grow with the request."""


class VnetError(Exception):
    """The root of the tree; never raised itself."""


class Invalid(VnetError):
    """A request that is wrong in itself. Carries every problem that was found, not the first alone."""

    def __init__(self, problems: Iterable[Problem] | Problem | str) -> None:
        if isinstance(problems, str):
            problems = Problem("", problems)
        if isinstance(problems, Problem):
            problems = [problems]
        found = tuple(problems)
        if len(found) > MOST_PROBLEMS:
            more = Problem("", f"and {len(found) - MOST_PROBLEMS} more", "mend these first")
            found = (*found[:MOST_PROBLEMS], more)
        self.problems = found
        super().__init__("; ".join(str(problem) for problem in self.problems))


class NotFound(VnetError):
    """A name that nothing has."""


class Conflict(VnetError):
    """A request that contradicts what exists."""


class Exhausted(VnetError):
    """No identifier is free. `retry_after` is in seconds where waiting helps, else None."""

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class PlacerFailed(VnetError):
    """A placer, which may be somebody else's, broke off, or answered with none of the hosts that it was offered."""


class StoreError(VnetError):
    """The store could not be read or written."""


class WireError(VnetError):
    """Bytes that do not follow the OpenFlow specification, or use what this program does not know."""


class Unreachable(VnetError):
    """A peer did not answer."""
