"""Policies, and what they give to an interface.

They are asked by order. Every one that matches gives its networks, beside those of the others, until one that is
final has matched.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from ...errors import Invalid, Problem
from ..names import check_name
from .conditions import Traits
from .match import Match
from .templates import Template, parse_template


class Grant(NamedTuple):
    """A network that an interface gets, by name, and the first policy that gave it."""

    network: str
    policy: str
    is_template: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """A rule: whom it is about, and what those get.

    `order` (not negative) says which rule is asked first. `networks` are names of networks of the node's own tenant,
    `templates` make such names from what the interface is (see `templates`). Where a `final` rule matches, no later
    one is asked; without networks of its own it says that nobody after it adds any.

    Raises Invalid with paths from the policy on: `networks[0]`.
    """

    name: str
    order: int
    match: Match
    networks: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    final: bool = False
    makers: tuple[Template, ...] = field(init=False, repr=False, compare=False)
    """The templates, parsed."""
    fixed: tuple[Grant, ...] = field(init=False, repr=False, compare=False)
    """The networks, as they are granted."""

    def __post_init__(self) -> None:
        problems: list[Problem] = []
        makers: list[Template] = []
        if self.order < 0:
            problems.append(Problem("order", f"{self.order} is negative", "0 or more; the least is asked first"))
        for field_name, text in (("name", self.name), *_numbered("networks", self.networks)):
            try:
                check_name(text, field_name)
            except Invalid as error:
                problems += error.problems
        for where, text in _numbered("templates", self.templates):
            try:
                makers.append(parse_template(text))
            except Invalid as error:
                problems += [Problem(where, problem.message, problem.hint) for problem in error.problems]
        for what, texts in (("networks", self.networks), ("templates", self.templates)):
            problems += [
                Problem(where, f"{text!r} stands there twice", "each once")
                for at, (where, text) in enumerate(_numbered(what, texts))
                if text in texts[:at]
            ]
        if problems:
            raise Invalid(problems)
        object.__setattr__(self, "makers", tuple(makers))
        object.__setattr__(self, "fixed", tuple(Grant(network, self.name, False) for network in self.networks))


def _numbered(what: str, texts: tuple[str, ...]) -> list[tuple[str, str]]:
    """Each text with its dotted path."""
    return [(f"{what}[{at}]", text) for at, text in enumerate(texts)]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policies give to an interface, each network once, in the order in which they gave it.

    A network that the interface is in by request is among them if a policy gives it too. `ended_by` is the final
    policy that matched.
    """

    granted: tuple[Grant, ...]
    ended_by: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What one policy did about an interface.

    `reason` says why it did not match, in words; "" where it did. `yielded` are all networks that it gave, also those
    that another had given before it. `withheld` says of each template that gave nothing why, in words.
    """

    policy: str
    order: int
    matched: bool
    reason: str = ""
    yielded: tuple[Grant, ...] = ()
    withheld: tuple[str, ...] = ()
    ended: bool = False


_BY_ORDER = attrgetter("order", "name")


def in_order(policies: Iterable[Policy]) -> list[Policy]:
    """Policies as they are asked: by order and name."""
    return sorted(policies, key=_BY_ORDER)


def evaluate(policies: Iterable[Policy], traits: Traits) -> Verdict:
    """What an interface gets."""
    granted: dict[str, Grant] = {}
    for policy in in_order(policies):
        if not policy.match.holds(traits, granted):
            continue
        for grant in policy.fixed:
            granted.setdefault(grant.network, grant)
        for maker in policy.makers:
            made, _ = maker.fill(traits)
            if made is not None and made not in granted:
                granted[made] = Grant(made, policy.name, True)
        if policy.final:
            return Verdict(tuple(granted.values()), policy.name)
    return Verdict(tuple(granted.values()))


def explain(policies: Iterable[Policy], traits: Traits) -> tuple[Step, ...]:
    """What each policy did about an interface, and why; also of those that were not asked any more."""
    steps: list[Step] = []
    granted: set[str] = set()
    ended_by: str | None = None
    for policy in in_order(policies):
        if ended_by is not None:
            reason: str | None = f"not asked: {ended_by!r} is final and matched"
        else:
            reason = policy.match.failure(traits, granted)
        if reason is not None:
            steps.append(Step(policy.name, policy.order, False, reason))
            continue
        step = _step(policy, traits)
        steps.append(step)
        granted.update(grant.network for grant in step.yielded)
        ended_by = policy.name if policy.final else None
    return tuple(steps)


def _step(policy: Policy, traits: Traits) -> Step:
    """What a policy does about an interface that it matches."""
    yielded = {grant.network: grant for grant in policy.fixed}
    withheld: list[str] = []
    for maker in policy.makers:
        made, why = maker.fill(traits)
        if made is not None:
            yielded.setdefault(made, Grant(made, policy.name, True))
        else:
            withheld.append(f"{maker.text!r} yields nothing: {why}")
    return Step(policy.name, policy.order, True, "", tuple(yielded.values()), tuple(withheld), policy.final)
