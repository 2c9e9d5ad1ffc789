"""The fabric as it is: declared links whose ports exist and are up, and the paths over them.

A port that its switch reports as missing or down takes its link out. A switch that is not admitted is sent nothing,
and nothing is taken from it: nobody has seen yet that it holds what it is to hold and nothing else, so what it sends
may carry the tags of others, and what it is sent it may give to others. Paths over the interconnect go around it. The
trunks inside a segment are a tree, which goes around nothing: paths there do not depend on who is admitted, and are as
declared where nobody has said otherwise, so that a thousand new switches change little when they come and are let in.
What switches last said, and which were admitted, is kept on disk by the System Manager, so that neither a restart nor
a switch that is away changes any path.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ..model.values import Place
from .core import Core
from .declared import Fabric, LinkKind
from .segment import Trunks


@dataclass(frozen=True, slots=True)
class PortState:
    """A port as its switch reports it: OpenFlow number, and whether link and administrator have it up."""

    number: int
    up: bool


Ports = Mapping[str, Mapping[str, PortState]]
"""What each switch said of its ports, by switch and port name."""


class Topology:
    """Paths and trees over the live links of a fabric. A value: when a port changes, or a switch is admitted, make a
    new one with `after`, which keeps what is still true of the old one.

    Every choice between equals is made by name or by the destination's number, so that the same fabric gives the
    same paths anywhere.
    """

    def __init__(self, fabric: Fabric, ports: Ports, admitted: Collection[str] = ()) -> None:
        self.fabric = fabric
        self.admitted = frozenset(admitted)
        self._ports = ports
        self._numbers: dict[str, dict[str, int]] = {}
        self._trunks: dict[str, Trunks] = {}
        self._core: Core | None = None
        self._in_charge: dict[str, str] = {}

    def after(self, ports: Ports, admitted: Collection[str], switches: Iterable[str]) -> Topology:
        """The topology once these switches have reported other ports, or have been admitted or not.

        What has not changed of its parts is the same object as before.
        """
        new = Topology(self.fabric, ports, admitted)
        changed = [*switches]
        new._numbers, new._trunks = self._numbers.copy(), self._trunks.copy()
        for name in changed:
            new._numbers.pop(name, None)
        ends: dict[LinkKind, set[str]] = {LinkKind.TRUNK: set(), LinkKind.CORE: set()}
        for name in changed:
            for near, (kind, far) in self.fabric.wires_of.get(name, {}).items():
                if self._is_live(kind, near, far) != new._is_live(kind, near, far):
                    ends[kind] |= {near.switch, far.switch}
        by_segment: dict[str, set[str]] = {}
        for name in ends[LinkKind.TRUNK]:
            by_segment.setdefault(self.fabric.switches[name].segment or "", set()).add(name)
        for segment, names in by_segment.items():
            new._trunks[segment] = Trunks(new._live_ports(LinkKind.TRUNK, names, self.trunks(segment).ports))
        if ends[LinkKind.CORE]:
            names = ends[LinkKind.CORE]
            new._core = self.core.after(new._live_ports(LinkKind.CORE, names, self.core.ports), names)
        else:
            new._core, new._in_charge = self._core, self._in_charge
        return new

    def numbers(self, switch: str) -> Mapping[str, int]:
        """The OpenFlow number of each port that a switch has; none where it was never heard of.

        Two ports with one number, as may be reported while ports are renumbered, have none until that is over.
        """
        known = self._numbers.get(switch)
        if known is None:
            known = {name: state.number for name, state in self._ports.get(switch, {}).items()}
            if len({*known.values()}) < len(known):
                times = Counter(known.values())
                known = {name: number for name, number in known.items() if times[number] == 1}
            self._numbers[switch] = known
        return known

    def port_number(self, place: Place) -> int | None:
        """The OpenFlow number of a port, or None where its switch has no such port: see `numbers`."""
        return self.numbers(place.switch).get(place.port)

    def port_up(self, place: Place) -> bool:
        """Whether a port is there and up."""
        state = self._ports.get(place.switch, {}).get(place.port)
        return state is not None and state.up and self.port_number(place) is not None

    def trusted(self, link_end: Place, far: Place) -> bool:
        """Whether frames may pass a link: both its switches are admitted."""
        return link_end.switch in self.admitted and far.switch in self.admitted

    def _is_live(self, kind: LinkKind, near: Place, far: Place) -> bool:
        if kind is LinkKind.TRUNK:
            return not self._is_out(near) and not self._is_out(far)
        return self.trusted(near, far) and self.port_up(near) and self.port_up(far)

    def _is_out(self, place: Place) -> bool:
        """Whether a switch has said that a port is missing or down."""
        return place.switch in self._ports and not self.port_up(place)

    def trunks(self, segment: str) -> Trunks:
        """The live trunks of a segment."""
        known = self._trunks.get(segment)
        if known is None:
            known = Trunks(self._live_ports(LinkKind.TRUNK, self.fabric.inside.get(segment, ()), {}))
            self._trunks[segment] = known
        return known

    @property
    def core(self) -> Core:
        """The live core links."""
        if self._core is None:
            self._core = Core(self.fabric, self._live_ports(LinkKind.CORE, self.fabric.core_switches, {}))
        return self._core

    def _live_ports(
        self, wanted: LinkKind, switches: Iterable[str], known: Mapping[str, Mapping[str, Place]]
    ) -> dict[str, Mapping[str, Place]]:
        """The own ends of live links of a kind, by switch and neighbour: looked up for these switches, and as they are
        `known` for others. Of several links between the same two switches one is used: the first by name."""
        found = {**known}
        for name in switches:
            ends: dict[str, tuple[str, Place]] = {}
            for near, (kind, far) in self.fabric.wires_of[name].items():
                if kind is wanted and self._is_live(kind, near, far):
                    link_name = min(f"{near} - {far}", f"{far} - {near}")
                    ends[far.switch] = min(ends.get(far.switch, (link_name, near)), (link_name, near), key=_first)
            found.pop(name, None)
            if ends:
                found[name] = {neighbour: end for neighbour, (_, end) in ends.items()}
        return found

    @property
    def edges_in_charge(self) -> Mapping[str, str]:
        """For each segment, the edge that carries its traffic: the first by name with a live core link, else the
        first by name. Segments without an edge are left out."""
        if not self._in_charge:
            for segment, edges in self.fabric.edges.items():
                if edges:
                    live = (edge for edge in edges if self.core.is_connected(edge))
                    self._in_charge[segment] = next(live, edges[0])
        return self._in_charge

    def out_port(self, kind: LinkKind, at: str, target: str) -> Place | None:
        """The port by which `at` sends towards `target` over links of a kind, or None where there is no way."""
        if kind is LinkKind.CORE:
            return self.core.out_port(at, target)
        segment = self.fabric.switches[at].segment
        if segment is None or segment != self.fabric.switches[target].segment:
            return None
        trunks = self.trunks(segment)
        hop = trunks.hop(at, target)
        return trunks.ports[at][hop] if hop is not None else None


def _first(named: tuple[str, Place]) -> str:
    return named[0]
