"""The live trunks of one segment, which form a tree, or several where the segment has fallen apart.

Loops of trunks are refused when a fabric is declared, so there is one way at most between any two switches, and every
broadcast follows these trees as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from ..model.values import Place


class Trunks:
    """A value: build a new one when a trunk comes or goes. `ports` has the own end of each live trunk, by switch and
    neighbour; a switch without live trunks may be left out."""

    def __init__(self, ports: Mapping[str, Mapping[str, Place]]) -> None:
        self.ports = ports
        self._parts: dict[str, frozenset[str]] = {}
        self._behind: dict[str, dict[str, frozenset[str]]] = {}
        self._hops: dict[str, dict[str, str]] = {}

    def neighbours(self, switch: str) -> list[str]:
        """The switches at the other ends of a switch's live trunks, by name."""
        return sorted(self.ports.get(switch, ()))

    def part(self, switch: str) -> frozenset[str]:
        """All switches that frames from `switch` may come to over trunks, itself included. Switches of the same part
        get the same object."""
        found = self._parts.get(switch)
        if found is None:
            found = frozenset(self._reached(switch, switch) | {switch})
            self._parts.update(dict.fromkeys(found, found))
        return found

    def behind(self, switch: str) -> Mapping[str, frozenset[str]]:
        """The switches that a broadcast reaches through each neighbour of a switch."""
        found = self._behind.get(switch)
        if found is None:
            near = self.ports.get(switch, ())
            found = {neighbour: frozenset(self._reached(neighbour, switch) | {neighbour}) for neighbour in near}
            self._behind[switch] = found
        return found

    def leads_to(self, switch: str, neighbour: str, wanted: Set[str]) -> bool:
        """Whether any of these switches, which `switch` may be among, is reached through a neighbour of it."""
        if len(self.ports[switch]) > 1:
            return not self.behind(switch)[neighbour].isdisjoint(wanted)
        # Of a leaf no set of its own is kept: all that is in its part is behind its one neighbour.
        others = len(wanted) - (switch in wanted)
        part = self.part(switch)
        return others > 0 and any(name != switch and name in part for name in wanted)

    def hops(self, switch: str) -> Mapping[str, str]:
        """For each switch that `switch` reaches, itself left out: through which neighbour."""
        found = self._hops.get(switch)
        if found is None:
            found = self._hops[switch] = {
                target: neighbour for neighbour, targets in self.behind(switch).items() for target in targets
            }
        return found

    def hop(self, switch: str, target: str) -> str | None:
        """The neighbour through which `switch` reaches `target`; None where there is no way, or none is needed."""
        near = self.ports.get(switch, {})
        if len(near) == 1:
            return next(iter(near)) if target != switch and target in self.part(switch) else None
        return self.hops(switch).get(target)

    def _reached(self, start: str, without: str) -> set[str]:
        """What is reached from `start` and not through `without`, but for both."""
        seen, open_ends = {start, without}, [start]
        while open_ends:
            for name in self.ports.get(open_ends.pop(), ()):
                if name not in seen:
                    seen.add(name)
                    open_ends.append(name)
        return seen - {start, without}
