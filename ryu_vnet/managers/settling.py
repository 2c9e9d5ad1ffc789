"""Granting what a request needs, and letting that rest which nobody needs any more: numbers of combinations, tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from ..compiler.facts import shadows
from ..compiler.presence import Presence, home_of
from ..compiler.traffic import combinations, in_order
from ..fabric.declared import Fabric
from ..model.outside import Gateway
from ..model.routing import Router, Routing
from ..model.sites import Site
from ..model.state import Draft, Member, Model, Shared
from ..model.values import Combination, Network, Node, Value, combination_ref
from .requests import Work


def settle(work: Work, model: Model, fabric: Fabric, presences: Mapping[str, Presence]) -> None:
    """Grant and return in the work's draft. `model`, `fabric` and `presences` are as they were before it.

    Networks have a combination where somebody is in them at once. A network has a tag in each segment that has trunks
    and where a member of it runs, or where one is reserved for it; a combination wherever the last of its networks has
    one. Raises Exhausted.
    """
    formed = _combine(work, model)
    _tag(work, model, fabric, presences, formed)


# --- combinations -----------------------------------------------------------------------------------------------------


def affected(draft: Draft, model: Model) -> set[Shared]:
    """The sets of networks that somebody is or was in at once, and of which a draft may need other combinations."""
    found: set[Shared] = set()
    for key, new in draft.changes.items():
        old = model.get(key)
        if isinstance(old, Node) or isinstance(new, Node):
            found |= _shared(old) ^ _shared(new)
        elif (
            isinstance(old, Network)
            and isinstance(new, Network)
            and (old.number, old.traffic) != (new.number, new.traffic)
        ):
            found |= draft.shared_with(new.ref)
    return found


def _shared(value: Value | None) -> set[Shared]:
    if not isinstance(value, Node):
        return set()
    return {tuple(refs) for interface in value.interfaces if len(refs := value.networks_of(interface)) > 1}


def _combine(work: Work, model: Model) -> list[Combination]:
    """Grant the combinations that are new, give those back that nobody needs. Returns the new ones."""
    draft = work.draft
    needed: dict[str, None] = {}
    had: set[str] = set()
    for shared in sorted(affected(draft, model)):
        had |= _combinations(model, shared).keys()
        if draft.sharing(shared):
            needed.update(_combinations(draft, shared))
    for ref in sorted(had - needed.keys()):
        known = draft.combination(ref)
        if known is not None and not _is_needed(draft, model, known):
            draft.delete(known)
            work.allocator.return_number(known)
    formed = []
    for ref in needed:
        if draft.combination(ref) is None:
            tenant, _, names = ref.partition("/")
            number = work.allocator.network_number(f"combination {ref}")
            formed.append(Combination(tenant, tuple(names.split("+")), number))
            draft.put(formed[-1])
    return formed


def _combinations(model: Model, shared: Shared) -> dict[str, None]:
    """The combinations, by reference, that those need who are in these networks at once; in a fixed order."""
    networks = [network for ref in shared if (network := model.network(ref)) is not None]
    if len(networks) < len(shared):
        return {}  # One of them is not there any more, or not yet.
    tenant = networks[0].tenant
    found = combinations(in_order(networks))
    return {combination_ref(tenant, (network.name for network in some)): None for some in found}


def _is_needed(draft: Draft, model: Model, combination: Combination) -> bool:
    refs = {f"{combination.tenant}/{name}" for name in combination.networks}
    # Whoever needs it is in each of its networks; one of them may be shared with a thousand others.
    least = min(sorted(refs), key=lambda ref: len(model.shared_with(ref)))
    return any(
        combination.ref in _combinations(draft, shared) for shared in draft.shared_with(least) if refs.issubset(shared)
    )


# --- tags -------------------------------------------------------------------------------------------------------------


def _tag(
    work: Work, model: Model, fabric: Fabric, presences: Mapping[str, Presence], formed: Iterable[Combination]
) -> None:
    draft = work.draft
    routing = draft.routing
    moved = _moved(draft, model, fabric, routing)
    for key in [*draft.changes]:
        old = model.get(key)
        if not isinstance(old, Network | Combination):
            continue
        new = draft.get(key)
        if not isinstance(new, Network | Combination) or new.number != old.number:
            ref = old.last if isinstance(old, Combination) else old.ref
            segments = [*_tagged(ref, model, presences)]
            work.allocator.settle_tags(old, set(), segments)
            if isinstance(old, Network):
                moved.setdefault(old.ref, Counter()).update(dict.fromkeys(segments, 0))
    for combination in formed:
        everywhere = dict.fromkeys(_tagged(combination.last, model, presences), 0)
        moved.setdefault(combination.last, Counter()).update(everywhere)
    if work.fabric != fabric:
        segments = [*{*work.fabric.segments, *fabric.segments}]
        for network in sorted(draft.networks(), key=_number):
            homes = _homes(draft, network.ref, work.fabric, routing)
            _settle_tags(work, network, _with_trunks(homes.union(network.reserve), work.fabric), segments)
        return
    for ref in sorted(_routed_else(draft, model)):
        named = draft.network(ref)
        moved.pop(ref, None)
        if named is not None:
            homes = _homes(draft, ref, fabric, routing)
            _settle_tags(work, named, _with_trunks(homes.union(named.reserve), fabric), [*fabric.segments])
    for network in sorted(filter(None, map(draft.network, moved)), key=_number):
        presence = presences.get(network.ref)
        needed = {segment for segment, by in moved[network.ref].items() if _count(presence, segment) + by > 0}
        _settle_tags(work, network, _with_trunks(needed.union(network.reserve), fabric), moved[network.ref])


def _homes(draft: Draft, ref: str, fabric: Fabric, routing: Routing) -> set[str]:
    """The segments in which a network has members, its router, or those who may be routed into it."""
    members = (member for each in (ref, *routing.partners(ref)) for member in draft.members(each))
    homes = {segment for member in members for segment in segments_of(member, fabric)}
    for value in (draft.gateway(ref), *draft.sites_of(ref)):
        homes |= {segment for _, segment in memberships(value, fabric, routing)}
    return homes


def _routed_else(draft: Draft, model: Model) -> set[str]:
    """The networks that routers name which a draft changes."""
    routers = (each for key, new in draft.changes.items() for each in (model.get(key), new))
    return {ref for router in routers if isinstance(router, Router) for ref in router.networks}


def _tagged(ref: str, model: Model, presences: Mapping[str, Presence]) -> set[str]:
    """The segments in which a network, by reference, may have had a tag."""
    network, presence = model.network(ref), presences.get(ref)
    return {*(network.reserve if network else ()), *(presence.extent.switches if presence else ())}


def _settle_tags(work: Work, network: Network, needed: set[str], segments: Iterable[str]) -> None:
    """Those of a network, and of the combinations of which it is the last."""
    everyone: list[Network | Combination] = [network, *work.draft.combinations_ending(network.ref)]
    for each in everyone:
        work.allocator.settle_tags(each, needed, segments)


def _moved(draft: Draft, model: Model, fabric: Fabric, routing: Routing) -> dict[str, Counter[str]]:
    """How many running members each network, by reference, has more or less in each segment; and 0 for those segments
    that are reserved for it or no more."""
    found: dict[str, Counter[str]] = {}
    for key, new in draft.changes.items():
        old = model.get(key)
        for value, by in ((old, -1), (new, 1)):
            for ref, segment in memberships(value, fabric, routing):
                found.setdefault(ref, Counter())[segment] += by
        if isinstance(new, Network):
            reserved = {*new.reserve} ^ {*(old.reserve if isinstance(old, Network) else ())}
            if reserved:
                found.setdefault(new.ref, Counter()).update(dict.fromkeys(reserved, 0))
    return found


def memberships(value: Value | None, fabric: Fabric, routing: Routing) -> Iterable[tuple[str, str]]:
    """The networks, by reference, and segments where a value makes one of them have a member, or need a tag."""
    if isinstance(value, Gateway | Site):
        segment = fabric.switches[value.switch].segment if value.switch in fabric.switches else None
        ref = value.network_ref if isinstance(value, Site) else value.ref
        yield from ((ref, each) for each in (segment,) if each is not None)
    if isinstance(value, Node):
        for interface in value.interfaces:
            segments = [*segments_of(Member(value, interface), fabric)]
            refs = value.networks_of(interface)
            # Who is in a network may be routed into its partners from where he is.
            reached = [partner for ref in refs for partner in routing.partners(ref)]
            yield from ((ref, segment) for ref in (*refs, *reached) for segment in segments)


def segments_of(member: Member, fabric: Fabric) -> Iterator[str]:
    """Where a member runs, and where it is moving to, or was."""
    home = home_of(member, fabric)
    if home is not None and home.segment is not None:
        yield home.segment
        yield from (segment for _, segment in shadows(member, fabric))


def _count(presence: Presence | None, segment: str) -> int:
    return presence.count(segment) if presence is not None else 0


def _number(network: Network) -> int:
    return network.number


def _with_trunks(segments: Iterable[str | None], fabric: Fabric) -> set[str]:
    return {segment for segment in segments if segment is not None and segment in fabric.with_trunks}
