"""What placement looks at, taken from a `System` and a request's draft: hosts, what they have taken, who runs where.

Sums and counts are indexes that are kept up to date change by change. A request costs a look at each host, and at
those of the networks concerned.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from ..compiler.presence import home_of
from ..fabric.declared import Fabric
from ..model.state import Member
from ..model.values import Node
from .placement import Choice, Host, Neighbourhood, Wish, choose, sift
from .requests import Work
from .system import System

NOBODY_THERE = "no host is there yet: it is set up when its switch connects"


@dataclass(frozen=True, slots=True)
class Hosting:
    """Chooses hosts with the placer of a system.

    Hosts are switches of segments, never core switches. Where any that takes nodes is there, those that are away are
    left out: what was put there would not be realised, and nobody knows when. Where none is (as before the first
    switch connects), they are taken as if they were.
    """

    system: System

    def choose(self, work: Work, node: Node) -> Choice:
        """The host for a node that has no place. Raises Exhausted, Conflict or PlacerFailed."""
        wish = self._wish(work, node)
        hosts = self._hosts(work)
        nobody = not any(host.is_open and not host.away for host in hosts)
        if nobody:
            hosts = [replace(host, away=False) for host in hosts]
        choice = choose(self.system.placer, wish, hosts, self._neighbourhood(work, wish))
        return replace(choice, reasons=(*choice.reasons, NOBODY_THERE)) if nobody else choice

    def against(self, work: Work, node: Node, switch: str) -> str | None:
        """Which capacity or anti-affinity group placement would break by putting a node on a switch that it has no
        place on yet; None where it would break none. A rack switch may be meant, and one that is away is no secret."""
        wish = replace(self._wish(work, node), segments=None)
        hosts = [replace(host, passed=False, away=False) for host in self._hosts(work) if host.name == switch]
        _, refused = sift(wish, hosts, Neighbourhood(apart=_apart(work, wish)))
        return refused[0].text if refused else None

    def _wish(self, work: Work, node: Node) -> Wish:
        refs = tuple(sorted({ref for interface in node.interfaces for ref in node.networks_of(interface)}))
        return Wish(node.size, refs, frozenset(node.apart_groups), _reachable(work, refs))

    def _hosts(self, work: Work) -> list[Host]:
        fabric, taken = work.fabric, work.draft.taken()
        there = {name for name, manager in self.system.switches.items() if manager.is_answering}
        capacities, passed = fabric.capacities, fabric.passed
        return [
            Host(name, segment, capacities.get(name), taken.get(name, 0), name in passed, name not in there)
            for segment, names in fabric.inside.items()
            for name in names
        ]

    def _neighbourhood(self, work: Work, wish: Wish) -> Neighbourhood:
        """As the compiler has counted it for what is kept, and as the draft changes it."""
        by_host, by_segment = {}, {}
        for ref in wish.networks:
            presence = self.system.presence(ref)
            at = {name: len(crowd) for name, crowd in presence.at.items()} if presence else {}
            inside = {name: presence.count(name) for name in presence.extent.switches} if presence else {}
            by_host[ref], by_segment[ref] = Counter(at), Counter(inside)
        for key, new in work.draft.changes.items():
            for value, by in ((self.system.model.get(key), -1), (new, 1)):
                for ref, switch, segment in _members(value, work.fabric) if isinstance(value, Node) else ():
                    if ref in by_host:
                        by_host[ref][switch] += by
                        by_segment[ref][segment] += by
        return Neighbourhood(by_host, by_segment, _apart(work, wish))


def _apart(work: Work, wish: Wish) -> dict[str, set[str]]:
    return {group: {*work.draft.kept_apart(group)} for group in wish.apart}


def _members(node: Node, fabric: Fabric) -> list[tuple[str, str, str]]:
    """The networks that the present interfaces of a node are in, each with switch and segment."""
    homes = ((interface, home_of(Member(node, interface), fabric)) for interface in node.interfaces)
    return [
        (ref, home.name, home.segment)
        for interface, home in homes
        if home is not None and home.segment is not None
        for ref in node.networks_of(interface)
    ]


def _reachable(work: Work, refs: tuple[str, ...]) -> frozenset[str] | None:
    """The segments from which those can be reached where members of these networks have a place; None for all."""
    fabric = work.fabric
    if fabric.is_joined:
        return None
    places = (member.interface.place for ref in refs for member in work.draft.members(ref))
    switches = (fabric.switches.get(place.switch) for place in places if place is not None)
    there = {switch.segment for switch in switches if switch is not None and switch.segment is not None}
    islands = fabric.islands
    return frozenset(
        one for one in fabric.inside if all(one == other or islands[one] & islands[other] for other in there)
    )
