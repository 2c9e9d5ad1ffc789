"""The placers that there are: two of our own, and those that other distributions bring as entry points.

A distribution that brings one says so in its metadata, and `VNET_PLACEMENT=coolest` then chooses it:

    [options.entry_points]
    ryu_vnet.placement =
        coolest = their_package.module:Coolest

What is named is a class, which is made without arguments, or an object or module, with `rank` as `Placer` has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nsmallest
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from ..errors import Invalid, Problem
from .placement import EXAMPLES, SETTING, Choice, Closeness, Host, Neighbourhood, Placer, Wish

GROUP = "ryu_vnet.placement"
"""The group of entry points that placers are found by."""


class Closest:
    """The host that spares most links on the way to the other members of the node's networks; of those that spare as
    many, the one with the greatest share free, then the least used, then the first by name.

    So a network fills one host, then its segment, then goes on elsewhere.
    """

    def rank(self, wish: Wish, hosts: Sequence[Host], neighbourhood: Neighbourhood) -> Choice:
        closeness = Closeness(wish, neighbourhood)
        keys = [(-closeness.of(host), -host.free_share, host.used, host.name) for host in hosts]
        return _choice(wish, hosts, keys, neighbourhood)


class Spread:
    """The least used host: that with the greatest share free, then the least used; of those that are alike in this,
    the closest to the other members of the node's networks, then the first by name.
    """

    def rank(self, wish: Wish, hosts: Sequence[Host], neighbourhood: Neighbourhood) -> Choice:
        closeness = Closeness(wish, neighbourhood)
        keys = [(-host.free_share, host.used, -closeness.of(host), host.name) for host in hosts]
        return _choice(wish, hosts, keys, neighbourhood)


BUILT_IN = tuple(EntryPoint(kind.__name__.lower(), f"{__name__}:{kind.__name__}", GROUP) for kind in (Closest, Spread))
"""Our own, which are there also where the program runs without being installed."""


def _choice(
    wish: Wish, hosts: Sequence[Host], keys: Sequence[tuple[float | str, ...]], neighbourhood: Neighbourhood
) -> Choice:
    """The host with the least key, whose last part is its name."""
    least = min(keys)
    host = hosts[keys.index(least)]
    alike = sum(key[:-1] == least[:-1] for key in keys)
    reasons = [*_company(wish, host, neighbourhood), host.room]
    if len(hosts) == 1:
        reasons.append("the only host that can take it")
    elif alike > 1:
        reasons.append(f"first by name of {alike} alike")
    return Choice(host.name, tuple(reasons))


def _company(wish: Wish, host: Host, neighbourhood: Neighbourhood) -> list[str]:
    """Where the other members of each network run, seen from a host: those with most of them near it."""

    def near(ref: str) -> int:
        return neighbourhood.by_segment.get(ref, {}).get(host.segment, 0)

    refs = {*wish.networks}
    told = [
        _members(ref, host, near(ref), neighbourhood)
        for ref in nsmallest(EXAMPLES, refs, key=lambda ref: (-near(ref), ref))
    ]
    return [*told, f"and {len(refs) - len(told)} more networks"] if len(refs) > len(told) else told


def _members(ref: str, host: Host, near: int, neighbourhood: Neighbourhood) -> str:
    total = sum(neighbourhood.by_segment.get(ref, {}).values())
    here = neighbourhood.by_host.get(ref, {}).get(host.name, 0)
    if not total:
        return f"no other member of {ref} runs"
    others = f"{near or 'none'} of the {total} other members" if total > 1 else "the only other member"
    runs = "run" if near > 1 else "runs" if near or total > 1 else "does not run"
    return f"{others} of {ref} {runs} in segment {host.segment}" + (f", {here or 'none'} on this host" if near else "")


def placer(name: str) -> Placer:
    """The placer of a name. Raises Invalid, naming the setting: for a name that nothing or more than one thing has,
    and for an entry point that does not load or that names no placer.
    """
    known = {*BUILT_IN, *entry_points(group=GROUP)}
    # An installation that is seen twice says the same twice.
    values = sorted({point.value for point in known if point.name == name})
    if not values:
        names = ", ".join(sorted({point.name for point in known}))
        raise Invalid(Problem(SETTING, f"there is no placer {name!r}", f"one of {names}"))
    if len(values) > 1:
        several = f"{len(values)} placers are called {name!r}: {', '.join(values)}"
        raise Invalid(Problem(SETTING, several, "remove the distributions of all but one"))
    return _loaded(EntryPoint(name, values[0], GROUP))


def _loaded(point: EntryPoint) -> Placer:
    what = f"placer {point.name!r} ({point.value})"
    try:
        found = point.load()
        made = found() if isinstance(found, type) else found
    except Exception as error:
        hint = "a class without arguments, an object or a module that can be imported"
        raise Invalid(Problem(SETTING, f"{what} does not load: {type(error).__name__}: {error}", hint)) from error
    if not callable(getattr(made, "rank", None)):
        raise Invalid(Problem(SETTING, f"{what} has no `rank`", "rank(wish, hosts, neighbourhood) -> Choice"))
    return cast(Placer, made)
