"""What policies do about a node, interface by interface, and why.

Values for people and programs to read, taken from a `System` without changing it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..model.policy import Step, explain
from ..model.values import Interface, Node
from .rulebook import Rulebook, traits_of
from .system import System


@dataclass(frozen=True, slots=True)
class PolicyStep:
    """What one policy does about an interface.

    `why` says why it does not match, nothing where it does. `gives` has all networks that it gives, also those that
    others gave before it; `by_template` those of them whose name a template makes. `withheld` says of each template
    that gives nothing why. `ends`: no later policy is asked.
    """

    policy: str
    order: int
    matches: bool
    why: str
    gives: list[str]
    by_template: list[str]
    withheld: list[str]
    ends: bool


@dataclass(frozen=True, slots=True)
class InterfacePolicies:
    """An interface: all networks that it is in, those of them that it was asked to be in, of each other one the policy
    that gave it first, and what each policy does, in the order in which they are asked."""

    interface: str
    networks: list[str]
    asked: list[str]
    given_by: dict[str, str]
    steps: list[PolicyStep]


def node_policies(system: System, node: Node) -> list[InterfacePolicies]:
    """What policies do about each interface of a node, by its name."""
    rules = Rulebook(system.model.policies())
    return [_interface_policies(system, rules, node, interface) for interface in node.interfaces]


def _interface_policies(system: System, rules: Rulebook, node: Node, interface: Interface) -> InterfacePolicies:
    steps = explain(rules.policies, traits_of(node, interface, system.fabric))
    givers: dict[str, str] = {}
    for step in steps:
        for grant in step.yielded:
            givers.setdefault(grant.network, grant.policy)
    return InterfacePolicies(
        interface=interface.name,
        networks=[*interface.networks],
        asked=[*interface.asked],
        given_by={name: givers[name] for name in interface.by_policy},
        steps=[_step(step) for step in steps],
    )


def _step(step: Step) -> PolicyStep:
    return PolicyStep(
        policy=step.policy,
        order=step.order,
        matches=step.matched,
        why=step.reason,
        gives=[grant.network for grant in step.yielded],
        by_template=[grant.network for grant in step.yielded if grant.is_template],
        withheld=[*step.withheld],
        ends=step.ended,
    )
