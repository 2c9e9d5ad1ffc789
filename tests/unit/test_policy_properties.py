"""Policies for whatever may be drawn: against a reference written in the obvious way, against fnmatch, and back again.

Small alphabets, so that rules and interfaces meet often.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations, product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ryu_vnet.errors import Invalid, Problem
from ryu_vnet.model.names import format_mac, parse_prefix
from ryu_vnet.model.policy import (
    Match,
    Policy,
    Traits,
    check,
    evaluate,
    explain,
    in_order,
    policy_document,
    policy_from,
)
from ryu_vnet.model.policy.patterns import check_pattern, covers, fits, overlap, pieces
from ryu_vnet.policy_schema import PolicySpec, policy_from_spec, spec_of

MANY = settings(max_examples=300, deadline=None)

WORDS = ["a", "b", "ab", "a-b", "b-a"]
TEXTS = st.sampled_from([*WORDS, "a b", "B"])
PATTERNS = st.sampled_from([*WORDS, "*", "a*", "*b", "?", "[!a]", "[ab]-?"])
PREFIXES = [parse_prefix(text) for text in ("10.1.0.1", "10.2.0.1", "10.1.0.0/16", "10.0.0.0/8", "fd00::1", "::/0")]
MACS = [0x525400000001, 0x525401000001, 0x020000000001]
TEMPLATES = ["{unit}", "{tenant}-{unit}", "{unit}-{function}", "f.{function}", "{label:k}_{segment}", "{host}{tenant}"]


def maybe(values: st.SearchStrategy[str]) -> st.SearchStrategy[str | None]:
    return st.none() | values


def some(values: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)


@st.composite
def traits(draw: st.DrawFn) -> Traits:
    words = st.sampled_from(WORDS)
    placed = draw(st.booleans())
    return Traits(
        tenant=draw(words),
        node=draw(words),
        interface=draw(words),
        unit=draw(maybe(TEXTS)),
        function=draw(maybe(TEXTS)),
        labels=tuple(sorted(draw(st.dictionaries(st.sampled_from("kl"), TEXTS)).items())),
        mac=draw(st.none() | st.sampled_from(MACS)),
        ips=tuple(draw(st.lists(st.sampled_from(PREFIXES), max_size=2))),
        segment=draw(maybe(words)) if placed else None,
        host=draw(words) if placed else None,
        port=draw(words) if placed else None,
        networks=frozenset(draw(some(WORDS))),
    )


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(
        ("tenant", "unit", "function", "node", "interface", "segment", "host", "port", "network"), PATTERNS
    ),
    "labels": st.dictionaries(st.sampled_from("kl"), PATTERNS | st.just(""), max_size=2).map(
        lambda labels: tuple(labels.items())
    ),
    "mac": st.sampled_from(["52", "52:54:00", "02-00-00", "52:54:01:00:00:01"]),
    "ip": st.sampled_from(PREFIXES),
}


@st.composite
def matches(draw: st.DrawFn) -> Match:
    """At most three fields, so that some of them match."""
    names = draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=3, unique=True))
    return Match(**{name: draw(FIELDS[name]) for name in names})


@st.composite
def policies(draw: st.DrawFn, most: int = 5) -> list[Policy]:
    """Any policies, in any order; that orders are the same or names clash is not kept from them."""
    return [
        Policy(
            f"p{number}",
            draw(st.integers(0, 5)),
            draw(matches()),
            draw(some([*WORDS, "N", "M"])),
            draw(some(TEMPLATES)),
            draw(st.sampled_from([False, False, True])),
        )
        for number in range(draw(st.integers(0, most)))
    ]


# --- evaluation -----------------------------------------------------------------------------------------------------


def obviously_matches(match: Match, one: Traits, networks: Iterable[str]) -> bool:
    texts = [
        (getattr(match, name), getattr(one, name)) for name in FIELDS if name not in ("labels", "mac", "ip", "network")
    ]
    texts += [(pattern, dict(one.labels).get(key)) for key, pattern in match.labels]
    return (
        all(value is not None and fnmatch.fnmatchcase(value, wish) for wish, value in texts if wish is not None)
        and (match.mac is None or (one.mac is not None and format_mac(one.mac).startswith(match.mac)))
        and (match.ip is None or any(ip.version == match.ip.version and ip.subnet_of(match.ip) for ip in one.ips))  # type: ignore[arg-type]
        and (match.network is None or any(fnmatch.fnmatchcase(name, match.network) for name in networks))
    )


def obviously_granted(rules: list[Policy], one: Traits) -> list[str]:
    granted: list[str] = []
    for rule in sorted(rules, key=lambda rule: (rule.order, rule.name)):
        if obviously_matches(rule.match, one, {*one.networks, *granted}):
            made = [maker.fill(one)[0] for maker in rule.makers]
            granted += [*rule.networks, *(name for name in made if name)]
            if rule.final:
                break
    return list(dict.fromkeys(granted))


@MANY
@given(policies(), traits())
def test_evaluate_agrees_with_the_obvious_way(rules: list[Policy], one: Traits) -> None:
    assert [grant.network for grant in evaluate(rules, one).granted] == obviously_granted(rules, one)


@MANY
@given(policies(), traits())
def test_explain_agrees_with_evaluate(rules: list[Policy], one: Traits) -> None:
    verdict, steps = evaluate(rules, one), explain(rules, one)
    assert [step.policy for step in steps] == [rule.name for rule in in_order(rules)]
    first = {grant.network: grant for step in reversed(steps) for grant in reversed(step.yielded)}
    assert set(verdict.granted) == set(first.values()) and len(verdict.granted) == len(first)
    assert [step.policy for step in steps if step.ended] == ([verdict.ended_by] if verdict.ended_by else [])
    assert all(step.matched == (not step.reason) and step.matched >= bool(step.yielded) for step in steps)


@MANY
@given(st.sampled_from(TEMPLATES), traits(), traits())
def test_interfaces_that_differ_in_what_a_template_asks_for_get_different_names(
    text: str, one: Traits, other: Traits
) -> None:
    (maker,) = Policy("p", 0, Match(), (), (text,)).makers
    asked = [part.value for part in maker.parts if not isinstance(part, str)]
    name = maker.fill(one)[0]
    if one.tenant == other.tenant and name is not None and name == maker.fill(other)[0]:
        assert [value(one) for value in asked] == [value(other) for value in asked]


# --- requests and documents -----------------------------------------------------------------------------------------


@MANY
@given(policies())
def test_a_policy_comes_back_from_its_document_and_from_its_request(rules: list[Policy]) -> None:
    for rule in rules:
        assert policy_from(policy_document(rule)) == rule
        spec = PolicySpec.model_validate(spec_of(rule).model_dump(exclude_defaults=True))
        assert policy_from_spec(rule.name, 99, spec) == rule


# --- patterns -------------------------------------------------------------------------------------------------------

SHAPES = st.text("ab*?[]!-", max_size=6).filter(lambda text: not check_pattern(text, ""))
ALL_TEXTS = ["".join(letters) for length in range(4) for letters in product("ab[]", repeat=length)]


@MANY
@given(SHAPES)
def test_pieces_mean_what_fnmatch_means(pattern: str) -> None:
    for text in ALL_TEXTS:
        wanted = fnmatch.fnmatchcase(text, pattern)
        assert bool(fits(pattern)(text)) == wanted
        assert overlap(pieces(pattern), tuple(pieces(char)[0] for char in text)) == wanted


# Of the shortest text that two patterns share, each character is a fixed piece of one of them, or it could be left out.
SHORT = st.text("ab*?", min_size=1, max_size=4)
ENOUGH = ["".join(letters) for length in range(7) for letters in product("ab", repeat=length)]


@MANY
@given(SHORT, SHORT)
def test_two_patterns_overlap_if_and_only_if_some_text_matches_both(one: str, other: str) -> None:
    shared = any(fnmatch.fnmatchcase(text, one) and fnmatch.fnmatchcase(text, other) for text in ENOUGH)
    assert overlap(pieces(one), pieces(other)) == overlap(pieces(other), pieces(one)) == shared


@MANY
@given(SHAPES, SHAPES)
def test_a_pattern_that_covers_another_matches_all_that_it_does(wide: str, narrow: str) -> None:
    if covers(pieces(wide), pieces(narrow)):
        assert all(fnmatch.fnmatchcase(text, wide) for text in ALL_TEXTS if fnmatch.fnmatchcase(text, narrow))
    if not set(narrow) & set("*?["):
        assert covers(pieces(wide), pieces(narrow)) == fnmatch.fnmatchcase(narrow, wide)


@MANY
@given(matches(), matches(), traits())
def test_what_is_said_of_two_matches_is_true_of_every_interface(one: Match, other: Match, each: Traits) -> None:
    mine, theirs = (obviously_matches(match, each, each.networks) for match in (one, other))
    assert not (mine and theirs) or (one.meets(other) and other.meets(one))
    assert not (one.covers(other) and theirs) or mine


# --- policies together ----------------------------------------------------------------------------------------------


def in_turn(rules: list[Policy]) -> list[Policy]:
    """The same, each with an order of its own."""
    return [replace(rule, order=order) for order, rule in enumerate(rules)]


def problems_of(rules: Iterable[Policy]) -> list[Problem]:
    try:
        check(rules)
    except Invalid as error:
        return list(error.problems)
    return []


@MANY
@given(policies().map(in_turn), st.lists(traits(), min_size=1, max_size=5))
def test_what_the_check_calls_useless_has_no_effect_on_anyone(rules: list[Policy], crowd: list[Traits]) -> None:
    useless = {
        problem.where.split(".")[1]
        for problem in problems_of(rules)
        if "never matches" in problem.message or "yields nothing" in problem.message
    }
    rest = [rule for rule in rules if rule.name not in useless]
    for one in crowd:
        assert evaluate(rules, one).granted == evaluate(rest, one).granted


@MANY
@given(policies(most=6))
def test_the_check_says_the_same_whatever_the_order_of_its_input(rules: list[Policy]) -> None:
    assert problems_of(rules) == problems_of(reversed(rules))


@MANY
@given(policies().map(in_turn), st.lists(traits(), min_size=1, max_size=4))
def test_one_name_for_two_reasons_is_always_found(rules: list[Policy], crowd: list[Traits]) -> None:
    reasons: dict[tuple[str, str], set[tuple[str, str | None]]] = {}
    for one in crowd:
        for rule in rules:
            if rule.match.tenant is None or fnmatch.fnmatchcase(one.tenant, rule.match.tenant):
                for maker in rule.makers:
                    reasons.setdefault((one.tenant, maker.fill(one)[0] or ""), set()).add((rule.name, maker.text))
                for name in rule.networks:
                    reasons.setdefault((one.tenant, name), set()).add((rule.name, None))
    two_reasons = any(
        name and one[1] != other[1] and not (one[0] == other[0] and None in (one[1], other[1]))
        for (_, name), found in reasons.items()
        for one, other in combinations(found, 2)
    )
    if two_reasons:
        assert any("could give the same name" in problem.message for problem in problems_of(rules))


@MANY
@given(policies().map(in_turn), traits())
def test_a_rule_that_is_said_to_need_later_ones_matches_by_request_alone(rules: list[Policy], one: Traits) -> None:
    late = {problem.where.split(".")[1] for problem in problems_of(rules) if "is yielded by" in problem.message}
    steps = explain(rules, replace(one, networks=frozenset()))
    assert not [step.policy for step in steps if step.matched and step.policy in late]
