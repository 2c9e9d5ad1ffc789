"""Choosing MAC addresses by place, for interfaces whose address is left to us.

Such an address tells the segment and the switch of an interface's first place. Edges then need one row for all of a
network's machines in a far segment. It stays when the machine moves, which makes it an exception with rows of its own:
nothing that keeps networks apart rests on what an address tells.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from itertools import chain, count

from ..errors import Invalid
from ..fabric.declared import Fabric
from ..model.names import PLACED_MAC, SERIALS, parse_mac, placed_mac, unplaced_mac
from ..model.state import Draft
from ..model.values import Place
from ..schema import NodeSpec


def choose_mac(draft: Draft, fabric: Fabric, place: Place, interface: int, taken: Container[int]) -> int:
    """A MAC address for an interface, by its number, that no other has and that is not `taken`.

    It tells the place, unless the numbers of segment or switch are too large for that, or all 4,096 of the switch are
    in use. The search starts at the interface's own number, not at the lowest: so it ends at once, and an address
    that was given up is not soon another machine's, while its neighbours' caches still have it.
    """
    candidates = chain(_placed(fabric, place, interface), map(unplaced_mac, count(interface)))
    return next(mac for mac in candidates if mac not in taken and not draft.has_mac(mac))


def _placed(fabric: Fabric, place: Place, first: int) -> Iterator[int]:
    switch = fabric.switches.get(place.switch)
    if switch is None or switch.segment is None:
        return  # There is no such place, which `checks` refuses.
    for serial in range(first, first + SERIALS):
        mac = placed_mac(fabric.segments[switch.segment], switch.number, serial)
        if mac is None:
            return
        yield mac


def asked_for(nodes: Iterable[NodeSpec]) -> Iterator[int]:
    """Those MAC addresses of the kind that we choose which nodes ask for, and which must not go to another first."""
    for node in nodes:
        for interface in node.interfaces.values():
            if interface.mac is not None and interface.mac.lower().startswith(f"{PLACED_MAC:02x}"):
                with suppress(Invalid):  # What is no address is refused with its place, when its node is put.
                    yield parse_mac(interface.mac)
