"""The language of policies in requests, and policies from it.

Shapes as in `schema`: unknown fields are refused, so that a misspelt one is not silently ignored.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from .errors import Invalid, Problem
from .model.names import Prefix, format_prefix, parse_prefix
from .model.policy import Match, Policy


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MatchSpec(_Shape):
    """Which interfaces a policy is about: all that is given must hold. Patterns are the shell's: `*`, `?`, `[a-z]`."""

    tenant: str | None = Field(None, description="Pattern for the tenant's name", examples=["red"])
    unit: str | None = Field(None, description="Pattern for the node's organisational unit", examples=["dev*"])
    function: str | None = Field(None, description="Pattern for the node's function", examples=["web server"])
    labels: dict[str, str] = Field(
        default_factory=dict, description="A pattern for the value of each label", examples=[{"env": "prod"}]
    )
    node: str | None = Field(None, description="Pattern for the node's name", examples=["db-*"])
    interface: str | None = Field(None, description="Pattern for the interface's name", examples=["eth0"])
    mac: str | None = Field(
        None, description="How the MAC address begins: one to six pairs of hex digits", examples=["52:54:00"]
    )
    ip: str | None = Field(
        None, description="A prefix that some address of the interface lies in", examples=["10.1.0.0/16", "fd00::/48"]
    )
    segment: str | None = Field(None, description="Pattern for the segment it is in", examples=["A"])
    host: str | None = Field(None, description="Pattern for the switch it sits on", examples=["host1"])
    port: str | None = Field(None, description="Pattern for the switch port it sits on", examples=["vnet*"])
    network: str | None = Field(
        None,
        description="Pattern for a network that it is in by request, or by a policy before this one",
        examples=["X"],
    )


class PolicySpec(_Shape):
    """A rule that puts interfaces into networks of their own tenant."""

    order: int | None = Field(
        None,
        ge=0,
        description="Which policy is asked first: the least. Left out, it keeps its own or comes after all others; "
        "in a whole intent those come in the order in which they are written",
        examples=[10],
    )
    match: MatchSpec = Field(default_factory=MatchSpec)
    networks: list[str] = Field(default_factory=list, description="Networks by name", examples=[["X"]])
    templates: list[str] = Field(
        default_factory=list,
        description="Networks by what the interface is: {tenant}, {unit}, {function}, {label:KEY}, {segment}, {host}",
        examples=[["{tenant}-{unit}"]],
    )
    final: bool = Field(False, description="Whether no later policy is asked where this one matches")


class PoliciesSpec(_Shape):
    """Policies to make or change. Others stay as they are."""

    policies: dict[str, PolicySpec] = Field(
        description="Each by its name", examples=[{"web": {"match": {"function": "web"}, "networks": ["X"]}}]
    )


def policy_from_spec(name: str, order: int, spec: PolicySpec) -> Policy:
    """The policy that a request asks for; `order` is the one it has if it says none itself.

    Raises Invalid with every problem, each with its place in the request: policies.web.match.mac.
    """
    problems: list[Problem] = []
    match = Match()
    try:
        match = _match(spec.match)
    except Invalid as error:
        problems += error.problems
    try:
        chosen = order if spec.order is None else spec.order
        policy = Policy(name, chosen, match, tuple(spec.networks), tuple(spec.templates), spec.final)
    except Invalid as error:
        problems += error.problems
    if problems:
        raise Invalid(Problem(_place(name, problem.where), problem.message, problem.hint) for problem in problems)
    return policy


def _place(name: str, where: str) -> str:
    # What is wrong with the name is wrong with the key, which stands for the whole policy.
    return f"policies.{name}" if where == "name" else f"policies.{name}.{where}"


def _match(spec: MatchSpec) -> Match:
    """Raises Invalid with every problem, each with its place from `match` on."""
    problems: list[Problem] = []
    prefix: Prefix | None = None
    if spec.ip is not None:
        try:
            prefix = parse_prefix(spec.ip, "match.ip")
        except Invalid as error:
            problems += error.problems
    fields = spec.model_dump(exclude={"labels", "ip"})
    try:
        match = Match(**fields, labels=tuple(spec.labels.items()), ip=prefix)
    except Invalid as error:
        problems += error.problems
    if problems:
        raise Invalid(problems)
    return match


def spec_of(policy: Policy) -> PolicySpec:
    """The request that asks for a policy as it is."""
    match = policy.match
    texts = {name: getattr(match, name) for name in MatchSpec.model_fields if name not in ("labels", "ip")}
    ip = format_prefix(match.ip) if match.ip is not None else None
    return PolicySpec(
        order=policy.order,
        match=MatchSpec(**texts, labels=dict(match.labels), ip=ip),
        networks=list(policy.networks),
        templates=list(policy.templates),
        final=policy.final,
    )
