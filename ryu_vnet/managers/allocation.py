"""Granting and reclaiming identifiers: network numbers (which are service labels) and VLAN tags.

Nothing that was given back is granted to another network while it rests; see `System.rest` for when rest ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..compiler.pipeline import FIRST_LABEL, LAST_LABEL
from ..errors import Exhausted
from ..model.outside import FIRST_ZONE, LAST_ZONE, ZONES, Gateway
from ..model.state import Draft
from ..model.values import LABELS, Combination, Network, Resting, TagGrant, tag_space

FIRST_TAG, LAST_TAG = 1, 4094
"""VLAN identifiers 0 and 4095 are reserved (IEEE 802.1Q, table 9-2)."""
REST_SECONDS = 10
"""How long an identifier rests after every switch has acknowledged the removal of its rules. A barrier's reply is
not yet the data path: flows cached there have been seen to forward 28 ms longer."""


class Allocator:
    """Grants identifiers in one draft. `revision` is that which the draft will have once it is kept."""

    def __init__(self, draft: Draft, revision: int) -> None:
        self._draft = draft
        self.revision = revision
        self._lowest: dict[str, int] = {}

    def interface_number(self) -> int:
        """The next number for an interface."""
        counters = self._draft.counters()
        self._draft.put(replace(counters, interface=counters.interface + 1))
        return counters.interface

    def network_number(self, name: str) -> int:
        """A free number for a new network or combination. Raises Exhausted."""
        what = f"{name} cannot be made: all {LAST_LABEL - FIRST_LABEL + 1} labels are"
        return self._lowest_free(LABELS, FIRST_LABEL, LAST_LABEL, what)

    def return_number(self, network: Network | Combination) -> None:
        """Let the number of a network or combination rest that is gone."""
        self._draft.put(Resting(LABELS, network.number, network.number, self.revision))

    def zone(self, network: Network) -> int:
        """A free conntrack zone for a network. Raises Exhausted."""
        own = self._draft.resting_of(ZONES, network.number)
        if own is not None:
            self._draft.delete(own)
            return own.identifier
        what = f"network {network.ref} cannot have a way out: all {LAST_ZONE - FIRST_ZONE + 1} conntrack zones are"
        return self._lowest_free(ZONES, FIRST_ZONE, LAST_ZONE, what)

    def return_zone(self, gateway: Gateway) -> None:
        """Let the conntrack zone of a gateway rest that is gone."""
        self._draft.put(Resting(ZONES, gateway.zone, gateway.network, self.revision))

    def settle_tags(self, network: Network | Combination, needed: set[str], segments: Iterable[str]) -> None:
        """Of all `segments`, grant tags in those that need one, and let those of the others rest. Raises Exhausted."""
        for segment in sorted(segments):
            grant = self._draft.grant(segment, network.number)
            if grant is None and segment in needed:
                self._draft.put(TagGrant(segment, network.number, self._tag(segment, network)))
            elif grant is not None and segment not in needed:
                self._draft.delete(grant)
                self._draft.put(Resting(tag_space(segment), grant.tag, network.number, self.revision))

    def _tag(self, segment: str, network: Network | Combination) -> int:
        space = tag_space(segment)
        own = self._draft.resting_of(space, network.number)
        if own is not None:
            # A rule left behind on some switch would be its own as well.
            self._draft.delete(own)
            return own.identifier
        what = f"network {network.ref} cannot have a tag in segment {segment}: all {LAST_TAG} are"
        return self._lowest_free(space, FIRST_TAG, LAST_TAG, what)

    def _lowest_free(self, space: str, first: int, last: int, what: str) -> int:
        candidate = self._draft.first_free(space, self._lowest.get(space, first))
        if candidate > last:
            resting = len(self._draft.resting(space))
            if resting:
                hint = f"{what} in use or resting ({resting} rest until every switch has let go of them)"
                raise Exhausted(f"{hint}; try again, and see `vnet status` for switches that are away", REST_SECONDS)
            raise Exhausted(f"{what} in use; detach or delete another network there first")
        self._lowest[space] = candidate + 1
        return candidate
