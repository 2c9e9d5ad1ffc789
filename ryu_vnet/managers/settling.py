"""Granting the tags that a request needs, and letting those rest that nobody needs any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from ..compiler.presence import Presence, home_of
from ..fabric.declared import Fabric
from ..model.state import Draft, Member, Model
from ..model.values import Network, Node, Value
from .requests import Work


def settle(work: Work, model: Model, fabric: Fabric, presences: Mapping[str, Presence]) -> None:
    """Grant and return tags in the work's draft. `model`, `fabric` and `presences` are as they were before it.

    A network has a tag in each segment that has trunks and where a member of it runs. Raises Exhausted.
    """
    draft = work.draft
    moved = _moved(draft, model, fabric)
    for key in [*draft.changes]:
        old = model.get(key)
        if isinstance(old, Network):
            new = draft.network(old.ref)
            if new is None or new.number != old.number:
                segments = [*presences[old.ref].extent.switches]
                work.allocator.settle_tags(old, set(), segments)
                moved.setdefault(old.ref, Counter()).update(dict.fromkeys(segments, 0))
    if work.fabric != fabric:
        segments = [*{*work.fabric.segments, *fabric.segments}]
        for network in sorted(draft.networks(), key=_number):
            homes = {home.segment for member in draft.members(network.ref) if (home := home_of(member, work.fabric))}
            work.allocator.settle_tags(network, _with_trunks(homes, work.fabric), segments)
        return
    for network in sorted(filter(None, map(draft.network, moved)), key=_number):
        presence = presences.get(network.ref)
        needed = {segment for segment, by in moved[network.ref].items() if _count(presence, segment) + by > 0}
        work.allocator.settle_tags(network, _with_trunks(needed, fabric), moved[network.ref])


def _moved(draft: Draft, model: Model, fabric: Fabric) -> dict[str, Counter[str]]:
    """How many running members each network, by reference, has more or less in each segment."""
    found: dict[str, Counter[str]] = {}
    for key, new in draft.changes.items():
        for value, by in ((model.get(key), -1), (new, 1)):
            for ref, segment in _memberships(value, fabric):
                found.setdefault(ref, Counter())[segment] += by
    return found


def _memberships(value: Value | None, fabric: Fabric) -> Iterable[tuple[str, str]]:
    if isinstance(value, Node):
        for interface in value.interfaces:
            ref, home = value.network_of(interface), home_of(Member(value, interface), fabric)
            if ref is not None and home is not None and home.segment is not None:
                yield ref, home.segment


def _count(presence: Presence | None, segment: str) -> int:
    return presence.count(segment) if presence is not None else 0


def _number(network: Network) -> int:
    return network.number


def _with_trunks(segments: Iterable[str | None], fabric: Fabric) -> set[str]:
    return {segment for segment in segments if segment is not None and segment in fabric.with_trunks}
