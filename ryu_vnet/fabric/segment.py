"""The live trunks of one segment, which form a tree, or several where the segment has fallen apart.

Loops of trunks are refused when a fabric is declared, so there is one way at most between any two switches, and every
broadcast follows these trees as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..model.values import Place


class Trunks:
    """A value: build a new one when a trunk comes or goes. `ports` has the own end of each live trunk, by switch and
    neighbour; a switch without live trunks may be left out."""

    def __init__(self, ports: Mapping[str, Mapping[str, Place]]) -> None:
        self.ports = ports
        self._parts: dict[str, frozenset[str]] = {}
        self._behind: dict[tuple[str, str], frozenset[str]] = {}
        self._hops: dict[str, dict[str, str]] = {}

    def neighbours(self, switch: str) -> list[str]:
        """The switches at the other ends of a switch's live trunks, by name."""
        return sorted(self.ports.get(switch, ()))

    def part(self, switch: str) -> frozenset[str]:
        """All switches that frames from `switch` may come to over trunks, itself included."""
        found = self._parts.get(switch)
        if found is None:
            found = self._reached(switch, switch) | {switch}
            self._parts.update(dict.fromkeys(found, found))
        return found

    def behind(self, switch: str, neighbour: str) -> frozenset[str]:
        """The switches that a broadcast reaches through a neighbour of a switch."""
        if len(self.ports[switch]) == 1:
            return self.part(switch) - {switch}
        known = self._behind.get((switch, neighbour))
        if known is None:
            known = self._behind[switch, neighbour] = self._reached(neighbour, switch) | {neighbour}
        return known

    def leads_to(self, switch: str, neighbour: str, wanted: Collection[str]) -> bool:
        """Whether any of these switches, which `switch` may be among, is reached through a neighbour of it."""
        if len(self.ports[switch]) > 1:
            return not self.behind(switch, neighbour).isdisjoint(wanted)
        part = self.part(switch)
        return any(name != switch and name in part for name in wanted)

    def hop(self, switch: str, target: str) -> str | None:
        """The neighbour through which `switch` reaches `target`; None where there is no way, or none is needed."""
        return self.hops_towards(target).get(switch)

    def hops_towards(self, target: str) -> dict[str, str]:
        """For each other switch that reaches `target`: through which neighbour."""
        known = self._hops.get(target)
        if known is None:
            known, open_ends = {}, [target]
            while open_ends:
                near = open_ends.pop()
                for name in self.ports.get(near, ()):
                    if name != target and name not in known:
                        known[name] = near
                        open_ends.append(name)
            self._hops[target] = known
        return known

    def _reached(self, start: str, without: str) -> frozenset[str]:
        """What is reached from `start` and not through `without`, but for both."""
        seen, open_ends = {start, without}, [start]
        while open_ends:
            for name in self.ports.get(open_ends.pop(), ()):
                if name not in seen:
                    seen.add(name)
                    open_ends.append(name)
        return frozenset(seen - {start, without})
