"""Requests about policies: what they do to a draft. What follows for nodes is `policing`'s."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count

from ..errors import Conflict, Invalid, NotFound, Problem
from ..model.policy import Policy
from ..model.state import Draft, Model
from ..model.values import Network
from ..policy_schema import PolicySpec, policy_from_spec

STEP = 10
"""Between the orders of policies that say none themselves, so that others fit between them."""


def put_policies(draft: Draft, specs: Mapping[str, PolicySpec]) -> None:
    """Make policies, or change them. Where no order is given, one that is there keeps its own, and others come after
    all that are there, in the order of the request. Raises Invalid."""
    orders = {policy.name: policy.order for policy in draft.policies()}
    orders |= {name: spec.order for name, spec in specs.items() if spec.order is not None}
    free = count(max(orders.values(), default=0) + STEP, STEP)
    orders |= {name: next(free) for name in specs if name not in orders}
    _put(draft, ((name, orders[name], spec) for name, spec in specs.items()))


def replace_policies(draft: Draft, specs: Mapping[str, PolicySpec]) -> None:
    """Have these policies, and no others. Where no order is given, it is ten times the place in the list. Raises
    Invalid."""
    for policy in draft.policies():
        if policy.name not in specs:
            draft.delete(policy)
    _put(draft, ((name, STEP * place, spec) for place, (name, spec) in enumerate(specs.items(), start=1)))


def _put(draft: Draft, specs: Iterator[tuple[str, int, PolicySpec]]) -> None:
    found: list[Problem] = []
    for name, order, spec in specs:
        try:
            draft.put(policy_from_spec(name, order, spec))
        except Invalid as error:
            found.extend(error.problems)
    if found:
        raise Invalid(found)


def delete_policy(draft: Draft, name: str) -> None:
    """Remove a policy; whom it has put into a network leaves that. Raises NotFound."""
    draft.delete(require_policy(draft, name))


def require_policy(model: Model, name: str) -> Policy:
    """A policy that must exist. Raises NotFound, naming those that do."""
    policy = model.policy(name)
    if policy is None:
        names = [known.name for known in model.policies()]
        listed = f"one of {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}" if names else "there is none"
        raise NotFound(f"there is no policy {name!r} ({listed})")
    return policy


def made(model: Model, network: Network) -> str:
    """Who makes a network that a template makes, in words."""
    names = [repr(policy.name) for policy in model.policies() if network.made_by in policy.templates]
    by = f" of policy {', '.join(names)}" if names else ""
    return f"network {network.ref} is made by the template {network.made_by!r}{by}, which alone decides who is in it"


def refuse_made(model: Model, network: Network) -> None:
    """Raises Conflict for a network that a template makes: nobody else changes it, or who is in it."""
    if network.made_by is not None:
        raise Conflict(f"{made(model, network)}: change the policy, or what it matches; it goes with its last member")
