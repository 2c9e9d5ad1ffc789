"""Routes of policies, and of what they do about a node."""

from __future__ import annotations

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from flask_openapi3.types import ResponseDict
from pydantic import BaseModel, Field

from ..errors import Invalid, Problem
from ..managers import policies, requests
from ..managers.policy_report import InterfacePolicies, node_policies
from ..model.policy import Policy
from ..policy_schema import PoliciesSpec, PolicySpec, spec_of
from .answers import Change, Page
from .queries import NodePath, PageQuery, WaitQuery
from .service import Service, answer, page_of

CHANGES: ResponseDict = {200: Change, 202: Change}
POLICIES = Tag(name="policies", description="Rules that put interfaces into networks")


class PolicyPath(BaseModel):
    """A policy."""

    policy: str


class PolicyAnswer(PolicySpec):
    """A policy: what a PUT takes, and its name."""

    name: str


class PoliciesAnswer(Page):
    """Policies, in the order in which they are asked."""

    policies: list[PolicyAnswer]


class NodePolicies(BaseModel):
    """What policies do about a node."""

    node: str = Field(description="tenant/node")
    interfaces: list[InterfacePolicies]


def install(app: OpenAPI, service: Service) -> None:
    """Add the routes to an application."""
    _reading(app, service)
    _changing(app, service)


def _reading(app: OpenAPI, service: Service) -> None:
    @app.get("/v1/policies", tags=[POLICIES], responses={200: PoliciesAnswer})
    def list_policies(query: PageQuery) -> Response:
        """Policies, in the order in which they are asked; it goes on after the order of one."""
        everyone, after = service.system.model.policies(), _order(query.after)
        found = [policy for policy in everyone if policy.order > after][: query.limit + 1]
        shown, following = page_of(found, query, lambda policy: str(policy.order))
        answers = [*map(_answer, shown)]
        return answer(PoliciesAnswer(next=following, total=len(everyone), policies=answers))

    @app.get("/v1/policies/<policy>", tags=[POLICIES], responses={200: PolicyAnswer})
    def get_policy(path: PolicyPath) -> Response:
        """One policy."""
        return answer(_answer(policies.require_policy(service.system.model, path.policy)))

    @app.get("/v1/tenants/<tenant>/nodes/<node>/policies", tags=[POLICIES], responses={200: NodePolicies})
    def explain_policies(path: NodePath) -> Response:
        """Which policy puts which interface of a node where, and why the others do not."""
        node = requests.require_node(service.reading(), path.tenant, path.node)
        return answer(NodePolicies(node=node.ref, interfaces=node_policies(service.system, node)))


def _changing(app: OpenAPI, service: Service) -> None:
    @app.post("/v1/policies", tags=[POLICIES], responses=CHANGES)
    def post_policies(query: WaitQuery, body: PoliciesSpec) -> Response:
        """Make or change several policies in one change. Others stay as they are."""
        return service.change(lambda work: policies.put_policies(work.draft, body.policies), query.wait)

    @app.put("/v1/policies/<policy>", tags=[POLICIES], responses=CHANGES)
    def put_policy(path: PolicyPath, query: WaitQuery, body: PolicySpec) -> Response:
        """Make a policy, or change it; whom it concerns is in other networks from then on."""
        return service.change(lambda work: policies.put_policies(work.draft, {path.policy: body}), query.wait)

    @app.delete("/v1/policies/<policy>", tags=[POLICIES], responses=CHANGES)
    def delete_policy(path: PolicyPath, query: WaitQuery) -> Response:
        """Remove a policy; whom it has put into a network leaves that, unless another one gives it too."""
        return service.change(lambda work: policies.delete_policy(work.draft, path.policy), query.wait)


def _order(after: str | None) -> int:
    if after is None:
        return -1
    if not after.isdecimal():
        raise Invalid(Problem("after", f"{after!r} is no order", "what `next` of the answer before says, as 10"))
    return int(after)


def _answer(policy: Policy) -> PolicyAnswer:
    return PolicyAnswer(name=policy.name, **spec_of(policy).model_dump())
