"""What to say of places that the controller chooses or names: whoever boots a machine has to create that port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from . import addresses

if TYPE_CHECKING:
    from ..client import Answer
    from .session import Session


def remarks(node: str, placed: dict[str, Any], verb: str = "is put") -> Iterator[str]:
    """A line for each interface of a node, by reference, of whose place there is something to say."""
    for name, place in sorted(placed.items()):
        yield f"{node} {name} {verb} at {place['at']}: {'; '.join(place['reasons'])}"


def change(session: Session, node: str, request: Callable[[float], Answer], done: str) -> None:
    """Do a change of a node, and say which places and addresses its interfaces are to have."""

    def remarked(wait: float) -> Answer:
        answer = request(wait)
        for line in remarks(node, answer.raw["placed"]):
            session.say(line)
        return answer

    addresses.change(session, remarked, done)
