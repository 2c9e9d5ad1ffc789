"""Policies: what each field of a match asks, what templates make, what explanations and refusals say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from ryu_vnet.errors import Invalid, StoreError
from ryu_vnet.model.names import parse_mac, parse_prefix
from ryu_vnet.model.policy import (
    Grant,
    Match,
    Policy,
    Traits,
    check,
    evaluate,
    explain,
    policy_document,
    policy_from,
)
from ryu_vnet.policy_schema import PolicySpec, policy_from_spec

WEB = Traits(
    tenant="red",
    node="web-1",
    interface="eth0",
    unit="dev",
    function="web server",
    labels=(("env", "prod"), ("note", "")),
    mac=parse_mac("52:54:00:12:34:56"),
    ips=(parse_prefix("10.1.2.3"), parse_prefix("fd00:1::/64")),
    segment="A",
    host="host1",
    port="vnet0",
    networks=frozenset({"X"}),
)
BARE = Traits("red", "web-1", "eth0")
"""An interface of which nothing is known but its names."""


def rule(name: str, order: int, *networks: str, **fields: Any) -> Policy:
    """A policy with networks; `templates` and `final` beside the fields of its match."""
    templates = tuple(fields.pop("templates", ()))
    final = fields.pop("final", False)
    if "ip" in fields:
        fields["ip"] = parse_prefix(fields["ip"])
    return Policy(name, order, Match(**fields), networks, templates, final)


def networks_of(*policies: Policy, traits: Traits = WEB) -> list[str]:
    return [grant.network for grant in evaluate(policies, traits).granted]


def refused(*policies: Policy) -> str:
    with pytest.raises(Invalid) as caught:
        check(policies)
    return str(caught.value)


# --- matching -------------------------------------------------------------------------------------------------------

HOLD = [
    {},
    {"tenant": "r?d"},
    {"unit": "d*"},
    {"function": "web *"},
    {"labels": (("env", "pr[aeiou]d"), ("note", ""))},
    {"node": "web-*"},
    {"interface": "eth[0-9]"},
    {"mac": "52:54:00"},
    {"mac": "52-54-00-12-34-56"},
    {"ip": "10.0.0.0/8"},
    {"ip": "10.1.2.3"},
    {"ip": "fd00::/16"},
    {"ip": "0.0.0.0/0"},
    {"segment": "A"},
    {"host": "host[!2]"},
    {"port": "vnet*"},
    {"network": "X"},
]

FAIL = [
    ({"tenant": "Red"}, "tenant is 'red', not 'Red'"),
    ({"unit": "sales"}, "unit is 'dev', not 'sales'"),
    ({"function": "web"}, "function is 'web server', not 'web'"),
    ({"labels": (("env", "test"),)}, "label env is 'prod', not 'test'"),
    ({"labels": (("owner", "*"),)}, "it has no label owner, so not '*'"),
    ({"node": "db-*"}, "node is 'web-1', not 'db-*'"),
    ({"interface": "eth1"}, "interface is 'eth0', not 'eth1'"),
    ({"mac": "52:54:01"}, "MAC is 52:54:00:12:34:56, which does not begin with 52:54:01"),
    ({"ip": "10.2.0.0/16"}, "IP is 10.1.2.3, fd00:1::/64, not in 10.2.0.0/16"),
    # A prefix that it may send from must lie in the rule's as a whole.
    ({"ip": "fd00:1::/96"}, "not in fd00:1::/96"),
    ({"segment": "B"}, "segment is 'A', not 'B'"),
    ({"host": "host2"}, "host is 'host1', not 'host2'"),
    ({"port": "tap*"}, "port is 'vnet0', not 'tap*'"),
    ({"network": "Y*"}, "network is 'X', not 'Y*'"),
]

FAIL_BARE = [
    ({"unit": "*"}, "it has no unit, so not '*'"),
    ({"mac": "02"}, "it has no MAC yet, so none that begins with 02"),
    ({"ip": "::/0"}, "it has no IP address, so none in ::/0"),
    ({"segment": "*"}, "it has no place, so no segment '*'"),
    ({"host": "*"}, "it has no place, so no host '*'"),
    ({"port": "*"}, "it has no place, so no port '*'"),
    ({"network": "*"}, "it is in no network yet, so not in '*'"),
]


@pytest.mark.parametrize("fields", HOLD, ids=str)
def test_a_condition_holds(fields: dict[str, Any]) -> None:
    assert networks_of(rule("a", 1, "N", **fields)) == ["N"]


@pytest.mark.parametrize(
    ("traits", "fields", "words"),
    [(WEB, *case) for case in FAIL] + [(BARE, *case) for case in FAIL_BARE],
    ids=str,
)
def test_a_condition_fails_and_says_why(traits: Traits, fields: dict[str, Any], words: str) -> None:
    policy = rule("a", 1, "N", **fields)
    assert networks_of(policy, traits=traits) == []
    (step,) = explain([policy], traits)
    assert not step.matched and step.reason.endswith(words)


def test_a_core_switch_is_a_place_without_a_segment() -> None:
    (step,) = explain([rule("a", 1, "N", segment="*")], replace(WEB, segment=None))
    assert step.reason == "it has no segment, so not '*'"


def test_all_conditions_must_hold_and_the_first_that_fails_is_told() -> None:
    policy = rule("a", 1, "N", tenant="red", unit="sales", node="db-*")
    (step,) = explain([policy], WEB)
    assert step.reason == "unit is 'dev', not 'sales'"


def test_an_address_of_one_family_lies_in_no_prefix_of_the_other() -> None:
    traits = replace(WEB, ips=(parse_prefix("10.0.0.1"),))
    assert networks_of(rule("a", 1, "N", ip="::/0"), traits=traits) == []


def test_of_many_addresses_a_few_are_shown() -> None:
    ips = tuple(parse_prefix(f"10.0.0.{last}") for last in range(1, 9))
    (step,) = explain([rule("a", 1, "N", ip="10.1.0.0/16")], replace(WEB, ips=ips))
    assert step.reason == "IP is 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5 and 3 more, not in 10.1.0.0/16"


# --- evaluation -----------------------------------------------------------------------------------------------------


def test_every_rule_that_matches_adds_and_the_first_to_give_a_network_is_named() -> None:
    rules = [rule("late", 20, "B", "A"), rule("early", 10, "A", templates=["u-{unit}"]), rule("not", 15, "C", unit="x")]
    assert evaluate(rules, WEB).granted == (
        Grant("A", "early", False),
        Grant("u-dev", "early", True),
        Grant("B", "late", False),
    )


def test_a_final_rule_ends_the_evaluation_where_it_matches_alone() -> None:
    stop, more = rule("stop", 1, unit="dev", final=True), rule("more", 2, "N")
    assert evaluate([stop, more], WEB).ended_by == "stop" and networks_of(stop, more) == []
    assert networks_of(stop, more, traits=BARE) == ["N"]
    first, second = explain([stop, more], WEB)
    assert first.matched and first.ended and not second.matched
    assert second.reason == "not asked: 'stop' is final and matched"


def test_a_rule_sees_the_networks_of_rules_before_it_and_not_of_those_after() -> None:
    sees = rule("sees", 2, "Q", network="w-*")
    assert networks_of(rule("gives", 1, templates=["w-{unit}"]), sees) == ["w-dev", "Q"]
    assert networks_of(rule("gives", 3, templates=["w-{unit}"]), sees) == ["w-dev"]
    # Nor its own.
    assert networks_of(rule("own", 1, "W", network="W")) == []


def test_a_network_that_it_is_in_by_request_is_granted_too() -> None:
    assert networks_of(rule("a", 1, "X", network="X")) == ["X"]


# --- templates ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{tenant}-{unit}", "red-dev"),
        ("{label:env}", "prod"),
        ("in.{segment}_{host}", "in.A_host1"),
        ("{unit}{tenant}-{host}", "devred-host1"),
    ],
)
def test_a_template_makes_a_name(template: str, name: str) -> None:
    assert networks_of(rule("a", 1, templates=[template])) == [name]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{function}", "function is 'web server', and no name has ' ' in it"),
        ("{label:note}", "it has no label note"),
        ("{label:owner}", "it has no label owner"),
        ("{host}-{segment}", "host is 'h-1': as '-' ends it"),
        ("a" * 60 + "{host}x", "is longer than the 63 characters of a name"),
        ("{label:odd}x", "'-yx' is not a name: it begins with '-'"),
    ],
)
def test_a_template_that_yields_nothing_says_why(template: str, words: str) -> None:
    traits = replace(WEB, host="h-1", labels=(*WEB.labels, ("odd", "-y")))
    policy = rule("a", 1, "N", templates=[template])
    assert networks_of(policy, traits=traits) == ["N"]
    (step,) = explain([policy], traits)
    assert step.matched and [grant.network for grant in step.yielded] == ["N"]
    (why,) = step.withheld
    assert why.startswith(f"{template!r} yields nothing: ") and words in why


@pytest.mark.parametrize("field", ["unit", "segment", "host"])
def test_a_template_yields_nothing_where_its_value_is_missing(field: str) -> None:
    (step,) = explain([rule("a", 1, templates=[f"{{{field}}}"])], BARE)
    assert step.withheld == (f"'{{{field}}}' yields nothing: it has no {field}",)


def test_a_mark_in_the_tenants_name_is_no_hindrance() -> None:
    traits = replace(WEB, tenant="red-team")
    assert networks_of(rule("a", 1, templates=["{tenant}-{unit}"]), traits=traits) == ["red-team-dev"]


# --- what a policy may be -------------------------------------------------------------------------------------------

ILLEGAL = [
    ({"unit": ""}, "match.unit", "an empty pattern"),
    ({"unit": "a" * 256}, "match.unit", "a pattern of 256 characters"),
    ({"node": "vm[z-a]"}, "match.node", "[z-a] has z-a, an empty range (write a-z)"),
    ({"host": "host1:eth0"}, "match.host", "matches no name"),
    ({"labels": (("a b", "x"),)}, "match.labels.a b", "is not a name"),
    ({"labels": (("a", "x"), ("a", "y"))}, "match.labels.a", "stands twice"),
    ({"mac": "52:5"}, "match.mac", "one to six pairs of hex digits"),
    ({"mac": "525400"}, "match.mac", "one to six pairs of hex digits"),
    ({"mac": "02:00/8"}, "match.mac", "one to six pairs of hex digits"),
    ({"mac": "33:33"}, "match.mac", "even first byte"),
    ({"mac": "00:00:00:00:00:00"}, "match.mac", "is not an address"),
]


@pytest.mark.parametrize(("fields", "where", "words"), ILLEGAL, ids=str)
def test_an_illegal_match_is_refused(fields: dict[str, Any], where: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        Match(**fields)
    (problem,) = caught.value.problems
    assert problem.where == where and words in str(problem)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("web", "has no placeholder"),
        ("{unti}", "unknown placeholder {unti} (one of {tenant}, {unit}, {function}, {segment}, {host}, {label:KEY})"),
        ("{label:}", "unknown placeholder {label:}"),
        ("{unit", "has '{' outside"),
        ("{{unit}}", "has '{' outside"),
        ("{unit} x", "has ' ' outside"),
        ("{unit}{host}", "nothing tells where {unit} ends and {host} begins"),
        ("{unit}x{host}", "nothing tells where {unit} ends"),
        ("-{unit}", "no name can come of"),
        ("a" * 63 + "{unit}", "no name can come of"),
    ],
)
def test_an_illegal_template_is_refused(template: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        Policy("a", 1, Match(), (), ("{tenant}", template))
    (problem,) = caught.value.problems
    assert problem.where == "templates[1]" and words in str(problem)


def test_a_policy_tells_all_that_is_wrong_with_it() -> None:
    with pytest.raises(Invalid) as caught:
        Policy("a b", -1, Match(), ("N", "?", "N"), ("{unit}", "{unit}"))
    assert [problem.where for problem in caught.value.problems] == [
        "order",
        "name",
        "networks[1]",
        "networks[2]",
        "templates[1]",
    ]


def test_a_match_is_the_same_however_it_is_written() -> None:
    one = Match(mac="52-54-0A", labels=(("b", "1"), ("a", "2")))
    assert one == Match(mac="52:54:0a", labels=(("a", "2"), ("b", "1")))


# --- requests and documents -----------------------------------------------------------------------------------------


def test_a_request_is_refused_with_every_place_that_is_wrong() -> None:
    match = {"mac": "zz", "ip": "10.0.0.1/8", "unit": "", "labels": {"?": "x"}}
    spec = PolicySpec.model_validate({"match": match, "networks": ["N", "a b"], "templates": ["{x}"]})
    with pytest.raises(Invalid) as caught:
        policy_from_spec("web", 1, spec)
    assert [problem.where for problem in caught.value.problems] == [
        "policies.web.match.ip",
        "policies.web.match.unit",
        "policies.web.match.labels.?",
        "policies.web.match.mac",
        "policies.web.networks[1]",
        "policies.web.templates[0]",
    ]


def test_a_bad_name_is_wrong_at_the_policy_itself() -> None:
    with pytest.raises(Invalid, match=r"^policies\.a b: 'a b' is not a name"):
        policy_from_spec("a b", 1, PolicySpec(networks=["N"]))


def test_an_order_in_the_request_goes_before_the_place_in_the_list() -> None:
    assert policy_from_spec("a", 7, PolicySpec(networks=["N"])).order == 7
    assert policy_from_spec("a", 7, PolicySpec(order=3, networks=["N"])).order == 3


@pytest.mark.parametrize(
    "request_", [{"match": {"units": "x"}}, {"network": "N"}, {"order": -1}, {"match": {"labels": {"a": 1}}}], ids=str
)
def test_a_request_of_another_shape_is_refused(request_: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PolicySpec.model_validate(request_)


def test_a_document_says_what_is_given_and_no_more() -> None:
    policy = rule("a", 1, "N", labels=(("env", "prod"),), ip="10.0.0.0/8", mac="52:54:00", final=True)
    assert policy_document(policy) == {
        "name": "a",
        "order": 1,
        "match": {"mac": "52:54:00", "labels": {"env": "prod"}, "ip": "10.0.0.0/8"},
        "networks": ["N"],
        "templates": [],
        "final": True,
    }


@pytest.mark.parametrize(
    "change", [{"match": {"units": "x"}}, {"match": {"ip": 1.5}}, {"order": "x"}, {"networks": ["?"]}, {"match": None}]
)
def test_a_document_that_is_none_of_ours_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match="policy 'a' cannot be read"):
        policy_from({**policy_document(rule("a", 1, "N")), **change})


# --- policies together ----------------------------------------------------------------------------------------------


def test_names_and_orders_must_differ() -> None:
    said = refused(rule("a", 1, "N"), rule("a", 2, "M"), rule("b", 2, "M"))
    assert "policies.a: 2 policies have the name 'a' (a name for each)" in said
    assert "policies.b.order: 'a', 'b' have the same order 2" in said


def test_a_rule_must_yield_or_end() -> None:
    assert refused(rule("a", 1)) == (
        "policies.a: 'a' yields nothing "
        "(name networks or templates, or make it final, so that no later policy adds any)"
    )
    assert "yields 'X' alone, to those who are in it already" in refused(rule("a", 1, "X", network="X"))
    check([rule("a", 1, final=True)])
    check([rule("a", 1, "Y", network="X")])


def test_a_rule_that_needs_what_a_later_one_yields_is_refused() -> None:
    said = refused(rule("sees", 10, "Q", network="web"), rule("gives", 20, "web"))
    assert said == (
        "policies.sees.match.network: 'web' is yielded by 'gives' alone, which comes later (order 20) than 'sees' "
        "(order 10) (give 'sees' an order after 20)"
    )
    for wanted, template in (("w-*", "w-{unit}"), ("web", "{unit}"), ("*-web", "w-{unit}")):
        said = refused(rule("sees", 10, "Q", network=wanted), rule("gives", 20, templates=[template]))
        assert f"{wanted!r} is yielded by 'gives' alone" in said


def test_a_rule_that_needs_what_a_final_one_yields_is_refused() -> None:
    said = refused(rule("gives", 1, "web", unit="dev", final=True), rule("sees", 2, "Q", network="web"))
    assert "after 'gives', which is final, 'sees' is not asked (let 'gives' not be final)" in said
    said = refused(rule("sees", 1, "Q", network="web"), rule("gives", 2, "web", unit="dev", final=True))
    assert "(let 'gives' not be final, and give 'sees' an order after 2)" in said


def test_a_rule_may_need_what_an_earlier_one_may_yield_or_nobody_does() -> None:
    check([rule("a", 1, "web"), rule("b", 2, "Q", network="web"), rule("c", 3, "web", unit="x")])
    check([rule("a", 1, templates=["w-{unit}"]), rule("b", 2, "Q", network="w-dev")])
    check([rule("b", 2, "Q", network="given-by-hand")])
    # What goes to others is nothing to it.
    check([rule("b", 2, "Q", network="web", tenant="red"), rule("c", 3, "web", tenant="blue")])


def test_a_loop_is_refused_and_told_from_its_first_rule_on() -> None:
    said = refused(
        rule("a", 1, "A", network="C"),
        rule("b", 2, "B", network="A"),
        rule("c", 3, "C", network="B"),
        rule("d", 4, "D", network="C"),
    )
    assert said == (
        "policies.a.match.network: a loop: 'a' matches on network 'C', which 'c' yields; 'c' matches on network 'B', "
        "which 'b' yields; 'b' matches on network 'A', which 'a' yields "
        "(no order serves them all: one of them must not match on a network)"
    )


def test_a_loop_through_patterns_and_templates_is_refused() -> None:
    rules = [rule("a", 1, templates=["w-{unit}"], network="x?"), rule("b", 2, "x1", network="w-*")]
    assert "a loop: 'a' matches on network 'x?', which 'b' yields" in refused(*rules)
    assert refused(*rules).count("policies.") == 1
    # Cut by whom they are about: what `a` yields goes to no one whom `b` means.
    check([replace(rules[0], match=Match(unit="dev", network="y?")), replace(rules[1], match=Match(unit="ops"))])


def test_a_final_rule_closes_no_loop_as_nobody_sees_what_it_yields() -> None:
    said = refused(rule("a", 1, "A", network="B"), rule("b", 2, "B", network="A", final=True))
    assert "loop" not in said and "policies.a.match.network: 'B' is yielded by 'b' alone" in said


def test_each_of_two_loops_is_told() -> None:
    said = refused(
        rule("a", 1, "A", network="B"),
        rule("b", 2, "B", network="A"),
        rule("c", 3, "C", network="D"),
        rule("d", 4, "D", network="C"),
    )
    assert said.count("a loop:") == 2


def test_a_rule_may_match_on_a_pattern_that_its_own_network_fits() -> None:
    check([rule("a", 1, "web"), rule("watch", 2, "monitor", network="*")])


COVERED = [
    ({}, {"unit": "dev"}),
    ({"unit": "d*"}, {"unit": "dev*", "node": "a"}),
    ({"unit": "[a-z]*"}, {"unit": "dev"}),
    ({"unit": "[bca]"}, {"unit": "[a-c]"}),
    ({"mac": "52:54"}, {"mac": "52:54:00"}),
    ({"ip": "10.0.0.0/8"}, {"ip": "10.1.0.0/16"}),
    ({"labels": (("env", "p*"),)}, {"labels": (("env", "prod"), ("b", "x"))}),
    ({"host": "*"}, {"host": "h1", "network": "X"}),
]
NOT_COVERED = [
    ({"unit": "d*"}, {"unit": "*"}),
    ({"unit": "?"}, {"unit": "*"}),
    ({"unit": "*"}, {}),
    ({"unit": "*"}, {"function": "*"}),
    ({"mac": "52:54:00"}, {"mac": "52:54"}),
    ({"mac": "52:54:00"}, {"mac": "52:54:01"}),
    ({"ip": "10.1.0.0/16"}, {"ip": "10.0.0.0/8"}),
    ({"ip": "10.1.0.0/16"}, {"ip": "fd00::/16"}),
    ({"ip": "0.0.0.0/0"}, {"ip": "::/0"}),
    ({"labels": (("env", "p*"),)}, {"labels": (("b", "prod"),)}),
    # The interface may get into X by a rule between the two.
    ({"network": "X"}, {"network": "X"}),
]


@pytest.mark.parametrize(("wide", "narrow"), COVERED, ids=str)
def test_a_rule_behind_a_final_one_that_takes_all_of_its_is_refused(wide: Any, narrow: Any) -> None:
    said = refused(rule("stop", 1, final=True, **wide), rule("never", 2, "N", **narrow))
    assert "policies.never: 'never' never matches: 'stop' (order 1) is final and takes all of its" in said
    assert "(give 'never' an order before 1, or match less in 'stop')" in said


@pytest.mark.parametrize(("one", "other"), NOT_COVERED, ids=str)
def test_a_rule_behind_a_final_one_that_may_leave_it_some_is_allowed(one: Any, other: Any) -> None:
    check([rule("stop", 1, final=True, **one), rule("after", 2, "N", **other)])


def test_a_rule_behind_one_that_is_not_final_is_allowed() -> None:
    check([rule("a", 1, "M"), rule("b", 2, "N")])


def test_a_template_that_could_give_another_rules_network_is_refused() -> None:
    said = refused(rule("fixed", 1, "web-dev"), rule("made", 2, templates=["web-{unit}"]))
    assert said == (
        "policies.made.templates[0]: 'web-{unit}' of 'made' could give the same name as network 'web-dev' of 'fixed' "
        "(begin the template with a word that no other network begins with: unit-{unit})"
    )
    check([rule("fixed", 1, "web-dev"), rule("made", 2, templates=["unit-{unit}"])])
    # A rule's own network: whoever gets the one gets the other.
    check([rule("both", 1, "web-dev", templates=["web-{unit}"])])


def test_two_templates_that_could_give_one_name_are_refused_and_the_same_twice_is_not() -> None:
    said = refused(rule("a", 1, templates=["{unit}"]), rule("b", 2, templates=["{function}"]))
    assert "'{unit}' of 'a' could give the same name as the template '{function}' of 'b'" in said
    assert "of 'a'" in refused(rule("a", 1, templates=["{unit}", "{function}"]))
    check([rule("a", 1, templates=["{unit}"], node="a*"), rule("b", 2, templates=["{unit}"], node="b*")])
    check([rule("a", 1, templates=["u-{unit}"]), rule("b", 2, templates=["f-{function}"])])


def test_rules_of_different_tenants_may_give_one_name() -> None:
    check([rule("a", 1, templates=["{unit}"], tenant="red"), rule("b", 2, "web", tenant="blue")])
    check([rule("a", 1, templates=["{tenant}-{unit}"], tenant="red"), rule("b", 2, "blue-web")])
    assert "network 'red-web'" in refused(
        rule("a", 1, templates=["{tenant}-{unit}"], tenant="red"), rule("b", 2, "red-web")
    )


def test_all_that_is_wrong_is_told_at_once() -> None:
    said = refused(
        rule("idle", 1),
        rule("stop", 2, final=True, unit="x"),
        rule("never", 3, "N", unit="x"),
        rule("sees", 4, "Q", network="web"),
        rule("gives", 5, "web"),
    )
    assert "'idle' yields nothing" in said and "'never' never matches" in said and "'gives' alone" in said
