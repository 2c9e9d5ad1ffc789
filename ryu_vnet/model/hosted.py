"""What nodes take of the switches that they have a place on, kept up to date node by node."""

from __future__ import annotations

from .values import Node


class Hosted:
    """By switch. A node counts wherever an interface of it has a place, whether or not it runs: it can start there at
    any time. On a switch where several of its interfaces are it counts once. Who is at a site takes nothing of its
    gateway."""

    def __init__(self) -> None:
        self.taken: dict[str, int] = {}
        """Their sizes together."""
        self.apart: dict[str, dict[str, int]] = {}
        """By anti-affinity group, `tenant/group`, and switch: how many of them are in it."""

    def count(self, node: Node, by: int) -> None:
        """Count a node in (1), or out (-1)."""
        here = (interface.place for interface in node.interfaces if interface.site is None)
        switches = {place.switch for place in here if place is not None}
        for switch in switches:
            _add(self.taken, switch, by * node.size)
        for group in node.apart_groups if switches else ():
            counts = self.apart.setdefault(group, {})
            for switch in switches:
                _add(counts, switch, by)
            if not counts:
                del self.apart[group]


def _add(counts: dict[str, int], switch: str, by: int) -> None:
    counts[switch] = counts.get(switch, 0) + by
    if not counts[switch]:
        del counts[switch]
