"""What captured frames travelled as: which network's tag or label each had, and which it should have had.

A frame between two nodes is to travel on the first network that they share and that takes it: networks for some traffic
before those for all, older before newer. One that no network takes that they share may all the same get as far as the
next switch, on the first network of its sender's that takes it: a host bridge sends there what is for nobody of its
own, and the next switch can tell.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from . import frames as f
from .capture import Seen
from .reference import GROUP_BIT, networks_of, reaches, shared
from .topology import Network, Topology
from .traffic import TCP, UDP, Content, content

HTTP, VOIP, REST, FINDING, OTHER = "HTTP", "VoIP", "later IPv6 fragments", "ARP and ND", "other"
KINDS: Final = (HTTP, VOIP, REST, FINDING, OTHER)
HTTP_PORT: Final = 80


def kind(what: Content) -> str:
    """What people would call such a frame. A later fragment over IPv6 does not say what it belongs to."""
    if what.discovery:
        return FINDING
    if what.protocol == TCP and what.ports and HTTP_PORT in what.ports:
        return HTTP
    if what.protocol == UDP and (what.fragment or what.ports):
        return VOIP
    return REST if what.protocol is None and what.fragment else OTHER


class Links:
    """Knows the tag and label of each network: `granted` is what the controller says of each, by reference."""

    def __init__(self, topology: Topology, granted: Mapping[str, Mapping[str, Any]]) -> None:
        self._granted = granted
        self._owners = {one.mac: one for one in topology.interfaces}
        segment_of = topology.segment_of
        self._trunks = {link.a.port: segment_of[link.a.switch] for link in topology.links if link.kind == "trunk"}

    def called(self, ref: str, point: str) -> str:
        """What a network is called on a link: `VLAN 3` on a trunk of a segment, `label 17` on a core link."""
        network = self._granted[ref]
        if point in self._trunks:
            return f"VLAN {network['tags'].get(self._trunks[point])}"
        return f"label {network['label']}"

    def mark(self, seen: Seen) -> str:
        """The tag or service label that a frame had on a link, in the same words."""
        parts = f.layers(seen.frame)
        return f"label {parts.labels[-1]}" if parts.labels else f"VLAN {parts.tags[0]}" if parts.tags else "nothing"

    def marks(self, seen: Iterable[Seen]) -> dict[tuple[str, str], Counter[str]]:
        """By link and kind of frame: which tags or labels there were, and how often."""
        found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for one in seen:
            if one.point.kind in ("trunk", "core"):
                found[one.point.name, kind(content(f.layers(one.frame).inner))][self.mark(one)] += 1
        return found

    def fault(self, seen: Seen) -> str | None:
        """What is wrong with a frame where it was seen, in words."""
        inner = f.layers(seen.frame).inner
        source, what = self._owners.get(f.mac_text(inner[6:12])), content(inner)
        line = f"{seen.point.name}: {f.describe(seen.frame)}"
        if source is None:
            return f"{line}: from nobody"
        if seen.point.kind == "node":
            own = next(one for one in self._owners.values() if one.id == seen.point.name)
            return None if seen.outgoing or reaches(source, own, what) else f"{line}: not for {own.id}"
        if inner[0] & GROUP_BIT:
            taken = any(network.takes(what) for network in networks_of(source))
            return None if taken else f"{line}: no network of {source.id} takes it"
        destination = self._owners.get(f.mac_text(inner[:6]))
        common = self._first(shared(source, destination), what) if destination else None
        due = common or (self._first(networks_of(source), what) if seen.point.kind == "trunk" else None)
        if due is None:
            return f"{line}: no network takes it there"
        mark = self.called(due.ref, seen.point.name)
        return None if self.mark(seen) == mark else f"{line}: should have {mark}, being of {due.ref}"

    def is_stray(self, seen: Seen) -> bool:
        """Whether it is a frame on a link for one whom its sender shares no network with that takes it."""
        inner = f.layers(seen.frame).inner
        source, destination = (self._owners.get(f.mac_text(mac)) for mac in (inner[6:12], inner[:6]))
        if source is None or destination is None or seen.point.kind not in ("trunk", "core"):
            return False
        return self._first(shared(source, destination), content(inner)) is None

    def _first(self, networks: Iterable[Network], what: Content) -> Network | None:
        taking = [network for network in networks if network.takes(what)]
        return min(
            taking, key=lambda network: (not network.traffic, self._granted[network.ref]["number"]), default=None
        )
