"""What is wrong with policies together, though each is right in itself.

Two kinds of answers: that a rule *may* give a name or meet another rule errs towards yes, so that no clash is missed;
that a rule can *never* do anything is said only where it is certain.
"""

from __future__ import annotations

import graphlib
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple, TypeVar

from ...errors import Invalid, Problem
from .patterns import Pieces, beginning, is_literal, overlap, pieces
from .rules import Policy, in_order

K = TypeVar("K", bound=Hashable)


def check(policies: Iterable[Policy]) -> None:
    """Raises Invalid where policies contradict each other, or where one could never do anything."""
    rules = in_order(policies)
    # What follows speaks of rules by name and by order, and makes no sense where these are not told apart.
    problems = [*_same_names(rules), *_same_orders(rules)]
    if not problems:
        index = _Index(rules)
        problems = [*_idle(rules), *_circles_and_late(rules, index), *_never_asked(rules), *_same_names_given(index)]
    if problems:
        raise Invalid(problems)


def _same_names(rules: list[Policy]) -> Iterator[Problem]:
    for name, same in _groups((rule.name, rule) for rule in rules):
        if len(same) > 1:
            yield Problem(f"policies.{name}", f"{len(same)} policies have the name {name!r}", "a name for each")


def _same_orders(rules: list[Policy]) -> Iterator[Problem]:
    """Order by name would be defined as well, but renaming a rule would then change who is in which network."""
    for order, same in _groups((rule.order, rule) for rule in rules):
        names = list(dict.fromkeys(rule.name for rule in same))
        if len(names) > 1:
            hint = "an order for each, so that it is told which is asked first"
            yield Problem(f"policies.{names[1]}.order", f"{_quoted(names)} have the same order {order}", hint)


def _idle(rules: list[Policy]) -> Iterator[Problem]:
    for rule in rules:
        if rule.final or rule.templates:
            continue
        if not rule.networks:
            hint = "name networks or templates, or make it final, so that no later policy adds any"
            yield Problem(f"policies.{rule.name}", f"{rule.name!r} yields nothing", hint)
        elif rule.networks == (rule.match.network,):
            message = f"{rule.name!r} yields {rule.match.network!r} alone, to those who are in it already"
            yield Problem(f"policies.{rule.name}.match.network", message, "match on another network, or leave it out")


class _Given(NamedTuple):
    """What a rule yields: the names that may come of it, how it is written, and where."""

    rule: Policy
    names: Pieces
    text: str
    where: str
    is_template: bool


class _Index:
    """All that rules yield, in their order, found by whom they are about and by what the names begin with: rules may
    be thousands, a few for each of a thousand tenants."""

    def __init__(self, rules: Iterable[Policy]) -> None:
        self.given = [given for rule in rules for given in _given(rule)]
        self._by_tenant: dict[str | None, _Names] = defaultdict(_Names)
        """Those of rules for one tenant, and under None those of rules for several."""
        self._all = _Names()
        for number, given in enumerate(self.given):
            self._by_tenant[_only_tenant(given.rule)].add(number, given)
            self._all.add(number, given)

    def like(self, names: Pieces, rule: Policy) -> list[_Given]:
        """What may give one of these names to nodes of a tenant that a rule is about."""
        tenant = _only_tenant(rule)
        if tenant is None:
            numbers = self._all.like(names)
        else:
            numbers = [
                number
                for key in (tenant, None)
                if key in self._by_tenant
                for number in self._by_tenant[key].like(names)
            ]
        found = (self.given[number] for number in sorted(numbers))
        return [given for given in found if _one_tenant(rule, given.rule) and overlap(given.names, names)]


def _only_tenant(rule: Policy) -> str | None:
    """The tenant that a rule is about, if it is about one alone."""
    tenant = rule.match.tenant
    return tenant if tenant is not None and is_literal(tenant) else None


class _Names:
    """Numbers of names, found by what these begin with."""

    def __init__(self) -> None:
        self._numbers: dict[str, list[int]] = defaultdict(list)
        self._beginnings: list[str] = []

    def add(self, number: int, given: _Given) -> None:
        start = beginning(given.names)
        if start not in self._numbers:
            insort(self._beginnings, start)
        self._numbers[start].append(number)

    def like(self, names: Pieces) -> list[int]:
        """Those that may be one of these: of the two beginnings, one begins with the other."""
        start = beginning(names)
        keys = [start[:length] for length in range(len(start)) if start[:length] in self._numbers]
        at = bisect_left(self._beginnings, start)
        while at < len(self._beginnings) and self._beginnings[at].startswith(start):
            keys.append(self._beginnings[at])
            at += 1
        return [number for key in keys for number in self._numbers[key]]


def _given(rule: Policy) -> Iterator[_Given]:
    for at, network in enumerate(rule.networks):
        yield _Given(rule, pieces(network), network, f"networks[{at}]", False)
    for at, maker in enumerate(rule.makers):
        yield _Given(rule, maker.pieces(rule.match.tenant), maker.text, f"templates[{at}]", True)


# --- rules that ask for what other rules yield ----------------------------------------------------------------------


class _Need(NamedTuple):
    """A rule that matches on networks, and the other rules that yield such a network to whom it may match."""

    rule: Policy
    givers: list[Policy]


def _circles_and_late(rules: list[Policy], index: _Index) -> Iterator[Problem]:
    needs = [need for rule in rules if rule.match.network is not None and (need := _need(rule, index)).givers]
    circles = list(_circles(needs))
    for circle in circles:
        yield _circle_problem(circle)
    for need in needs:
        if not any(need.rule in circle for circle in circles):
            yield from _late(need)


def _need(rule: Policy, index: _Index) -> _Need:
    found = {given.rule.name: given.rule for given in index.like(pieces(rule.match.network or ""), rule)}
    return _Need(rule, [giver for giver in found.values() if giver is not rule and giver.match.meets(rule.match)])


def _circles(needs: list[_Need]) -> Iterator[list[Policy]]:
    """Circles of rules in which each needs what the next one yields, no rule in two of them.

    What a final rule yields nobody sees, before it or after it, so it closes no circle.
    """
    asking = {need.rule.name for need in needs}
    rules = {need.rule.name: need.rule for need in needs}
    graph = {
        need.rule.name: [giver.name for giver in need.givers if giver.name in asking and not giver.final]
        for need in needs
    }
    while True:
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            # Told from giver to asker, and the first again at the end; turned round, each needs the next one.
            names: list[str] = error.args[1][:0:-1]
            least = names.index(min(names, key=lambda name: rules[name].order))
            yield [rules[name] for name in (*names[least:], *names[:least])]
            graph = {
                name: [giver for giver in givers if giver not in names]
                for name, givers in graph.items()
                if name not in names
            }
        else:
            return


def _circle_problem(circle: list[Policy]) -> Problem:
    first = circle[0]
    told = [
        f"{rule.name!r} matches on network {rule.match.network!r}, which {giver.name!r} yields"
        for rule, giver in pairwise((*circle, first))
    ]
    hint = "no order serves them all: one of them must not match on a network"
    return Problem(f"policies.{first.name}.match.network", "a loop: " + "; ".join(told), hint)


def _late(need: _Need) -> Iterator[Problem]:
    """A rule that needs what only later ones yield, or those after which nobody is asked."""
    rule, givers = need
    if any(giver.order < rule.order and not giver.final for giver in givers):
        return
    giver = givers[0]
    yields = f"{rule.match.network!r} is yielded by {_quoted([each.name for each in givers])} alone"
    if giver.order < rule.order:
        message = f"{yields}, and after {giver.name!r}, which is final, {rule.name!r} is not asked"
        hint = f"let {giver.name!r} not be final"
    else:
        message = f"{yields}, which comes later (order {giver.order}) than {rule.name!r} (order {rule.order})"
        hint = f"give {rule.name!r} an order after {giver.order}"
        if giver.final:
            hint = f"let {giver.name!r} not be final, and {hint}"
    yield Problem(f"policies.{rule.name}.match.network", message, hint)


# --- rules that others leave nothing to do ---------------------------------------------------------------------------


def _never_asked(rules: list[Policy]) -> Iterator[Problem]:
    """Rules all of whose interfaces an earlier, final rule takes.

    A final rule that asks for a network takes none for certain: the interface may get into that network only after
    it was asked.
    """
    finals: dict[str | None, list[Policy]] = defaultdict(list)
    for rule in rules:
        tenant = _only_tenant(rule)
        # One that is about one tenant alone takes nothing of a rule that is about others.
        before = sorted([*finals[None], *(finals[tenant] if tenant else ())], key=attrgetter("order"))
        taker = next((final for final in before if final.match.covers(rule.match)), None)
        if taker is not None:
            message = f"{rule.name!r} never matches: {taker.name!r} (order {taker.order}) is final and takes all of its"
            hint = f"give {rule.name!r} an order before {taker.order}, or match less in {taker.name!r}"
            yield Problem(f"policies.{rule.name}", message, hint)
        elif rule.final and rule.match.network is None:
            finals[tenant].append(rule)


# --- one name for two things -----------------------------------------------------------------------------------------


def _same_names_given(index: _Index) -> Iterator[Problem]:
    """Templates whose name may be that of another rule's network, or of what another template means.

    Nobody asked for these to be one network, and whoever is in it could reach the others. Told once for each two
    texts. In one rule a network beside a template is harmless: who gets the one gets the other.
    """
    told: set[frozenset[str]] = set()
    for mine in index.given:
        if not mine.is_template:
            continue
        for theirs in index.like(mine.names, mine.rule):
            both = frozenset((mine.text, theirs.text))
            harmless = theirs.rule is mine.rule and not theirs.is_template
            if harmless or len(both) == 1 or both in told:
                continue
            told.add(both)
            what = f"the template {theirs.text!r}" if theirs.is_template else f"network {theirs.text!r}"
            message = f"{mine.text!r} of {mine.rule.name!r} could give the same name as {what} of {theirs.rule.name!r}"
            hint = "begin the template with a word that no other network begins with: unit-{unit}"
            yield Problem(f"policies.{mine.rule.name}.{mine.where}", message, hint)


def _one_tenant(one: Policy, other: Policy) -> bool:
    """Whether both may be about interfaces of one tenant; networks of different tenants never are the same."""
    mine, theirs = one.match.about("tenant"), other.match.about("tenant")
    return mine is None or theirs is None or mine.meets(theirs)


def _groups(pairs: Iterable[tuple[K, Policy]]) -> list[tuple[K, list[Policy]]]:
    found: dict[K, list[Policy]] = defaultdict(list)
    for key, rule in pairs:
        found[key].append(rule)
    return list(found.items())


def _quoted(names: list[str]) -> str:
    return ", ".join(map(repr, names))
