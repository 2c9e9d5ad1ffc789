"""Who moves, and the signs by which it is known that he has arrived: a port that comes, or goes, or a frame."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from ..fabric.observed import PortState
from ..model.values import Interface, Node, Place, Value

Ports = Mapping[str, PortState]


class Moving(NamedTuple):
    """An interface of a node."""

    tenant: str
    node: str
    interface: str


class Moves:
    """All interfaces that move, by where they are and will be; and those that have arrived, by where they were."""

    def __init__(self) -> None:
        self._coming: dict[Place, Moving] = {}
        self._going: dict[Place, tuple[Moving, Place]] = {}
        """By where they are: who, and where to."""
        self._numbers: dict[int, Moving] = {}
        self._left: dict[Moving, tuple[Place, int, float | None]] = {}
        """Where it was, the revision by which everybody is to know, and since when everybody does."""

    def changed(self, old: Value | None, new: Value | None, revision: int) -> None:
        """A value is another now."""
        if not (_is_moving(old) or _is_moving(new)):
            return  # As nearly all are, of which there are a hundred thousand when a controller starts.
        left: dict[Moving, Place] = {}
        for who, interface in _interfaces(old):
            self._numbers.pop(interface.number, None)
            if interface.target is not None and interface.place is not None:
                if self._coming.get(interface.target) == who:
                    del self._coming[interface.target]
                if self._going.get(interface.place) == (who, interface.target):
                    del self._going[interface.place]
        for who, interface in _interfaces(new):
            if interface.target is not None and interface.place is not None:
                if not interface.discovered:
                    self._coming[interface.target] = who
                self._going[interface.place] = who, interface.target
                self._numbers[interface.number] = who
            if interface.left is not None:
                left[who] = interface.left
        for who, _ in (*_interfaces(old), *_interfaces(new)):
            if who not in left:
                self._left.pop(who, None)
        for who, place in left.items():
            if who not in self._left or self._left[who][0] != place:
                self._left[who] = place, revision, None

    def arrived(self, switch: str, before: Ports, now: Ports, is_there: Callable[[Place], bool]) -> Iterator[Moving]:
        """Those who are where they were moving to, or soon will be, to judge by what a switch says of its ports: the
        new port has come up (a hypervisor has it up long before the machine is there: where the database tells of it,
        that is no sign); or the old one is gone, or is down while the new one `is_there`."""
        for port in before.keys() | now.keys():
            place = Place(switch, port)
            if place in self._coming and _is_up(now, port) and not _is_up(before, port):
                yield self._coming[place]
            if place in self._going and not _is_up(now, port):
                who, target = self._going[place]
                if port not in now or is_there(target):
                    yield who

    def of_interface(self, number: int) -> Moving | None:
        """Who moves that has this interface, by its number."""
        return self._numbers.get(number)

    @property
    def revisions(self) -> set[int]:
        """The revisions by which those have arrived who have left somewhere."""
        return {revision for _, revision, _ in self._left.values()}

    def settled(self, now: float, pending: Collection[int], seconds: float) -> dict[Moving, Place]:
        """Those whom everybody has known for so long to have arrived, each with where it was. `pending` has the
        revisions of which some switch does not know yet."""
        found = {}
        for who, (place, revision, since) in [*self._left.items()]:
            if since is None and revision not in pending:
                self._left[who] = place, revision, now
            elif since is not None and now - since >= seconds:
                found[who] = place
        return found


def _is_up(ports: Ports, port: str) -> bool:
    state = ports.get(port)
    return state is not None and state.up


def _is_moving(value: Value | None) -> bool:
    """Whether a node moves, or has just moved."""
    return isinstance(value, Node) and any(one.target is not None or one.left is not None for one in value.interfaces)


def _interfaces(value: Value | None) -> Iterator[tuple[Moving, Interface]]:
    if isinstance(value, Node):
        for interface in value.interfaces:
            yield Moving(value.tenant, value.name, interface.name), interface
