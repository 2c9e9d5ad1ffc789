"""What follows from where a node is seen: it starts, moves, arrives, stops, or somebody must look.

A node runs where it was asked to, or where it was seen first. That a second host says that it is there moves it only
where its `discovery` says so: else any host could take over what runs elsewhere, by saying so in its own database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field

from ..model.values import Interface, Node, Place

Seen = Mapping[str, Set[Place]]
"""By interface: the switch ports that it is said to be on now."""


@dataclass(slots=True)
class Decision:
    """What to do about a node. `starts`, `moves` have places by interface; `arrives` and `stays` are interfaces that
    move. `complaint` says what somebody must decide, for people."""

    starts: dict[str, Place] = field(default_factory=dict)
    moves: dict[str, Place] = field(default_factory=dict)
    arrives: dict[str, Place | None] = field(default_factory=dict)
    """Where it is now, if that is not where it was to move."""
    stays: list[str] = field(default_factory=list)
    stops: bool = False
    complaint: str = ""

    @property
    def changes(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.starts or self.moves or self.arrives or self.stays or self.stops)


def decide(node: Node, seen: Seen, is_known: Callable[[Place], bool]) -> Decision:
    """What follows for a node. `is_known`: the database of a place's switch has said all that it has, so that who is
    not seen there is not there."""
    if node.discovery == "off":
        return Decision()
    if not node.running:
        return _appears(node, seen)
    found, gone = Decision(), set[str]()
    for one in node.interfaces:
        if one.place is not None:
            _follow(node, one, one.place, seen.get(one.name, frozenset()), is_known, found, gone)
    if gone and gone == {one.name for one in node.interfaces}:
        found.stops = True
    return found


def _appears(node: Node, seen: Seen) -> Decision:
    """A node that does not run, and is seen."""
    if node.held or node.failed:
        return Decision()
    found = Decision()
    for one in node.interfaces:
        places = seen.get(one.name, frozenset())
        if len(places) > 1 and one.place not in places:
            return Decision(complaint=f"{one.name} is said to be {_listed(places)} at once, and is started nowhere")
        if not places:
            return Decision()  # It runs when all that it has is there.
        found.starts[one.name] = one.place if one.place is not None and one.place in places else _only(places)
    return found


def _follow(
    node: Node,
    one: Interface,
    place: Place,
    places: Set[Place],
    is_known: Callable[[Place], bool],
    found: Decision,
    gone: set[str],
) -> None:
    """An interface that runs at a place."""
    others = places - {place}
    if one.discovered and place not in places and is_known(place):
        if len(others) > 1 and one.target not in others:
            found.complaint = f"{one.name} is not at {place} any more, and is said to be {_listed(others)} at once"
        elif others:
            # Its old host says that it has left: nobody is robbed.
            found.arrives[one.name] = None if one.target in others else _only(others)
        elif one.target is None or is_known(one.target):
            gone.add(one.name)
    elif not others:
        if one.target is not None and one.discovered and is_known(one.target):
            found.stays.append(one.name)
    elif one.target in others and len(others) == 1:
        pass  # It is on its way there.
    elif node.discovery == "move" and len(others) == 1:
        found.moves[one.name] = _only(others)
    else:
        where = f"{one.name} runs at {place}, and is said to be {_listed(others)} as well"
        hint = "move it there by a request, or let its discovery be `move`" if len(others) == 1 else "one host is wrong"
        found.complaint = f"{where}: {hint}"


def _only(places: Set[Place]) -> Place:
    (place,) = places
    return place


def _listed(places: Set[Place]) -> str:
    texts = sorted(f"at {place}" for place in places)
    return " and ".join(texts[:3]) + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")
