"""What a controller has as an intent: in pieces, in a fixed order, and as text that people can read.

The text is YAML, of which one line is an interface, a switch or a link, as in the files of `topologies/`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..client import Client

Json = dict[str, Any]

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]*(:[A-Za-z0-9][A-Za-z0-9._+-]*)?")
"""Texts that YAML takes for themselves wherever they stand, unless it takes them for a number or the like."""
_INDENT = "  "


def _declared_fabric(client: Client) -> Json:
    """The fabric as it was declared, without what goes without saying."""
    from ..schema import FabricSpec

    return FabricSpec.model_validate(client.fabric()["declared"]).model_dump(exclude_defaults=True)


def _tenants(client: Client, names: Iterable[str]) -> Iterator[tuple[str, Iterator[tuple[str, Json]], Iterator[Any]]]:
    """Tenants by name (those with these names, else all), each with its networks and its nodes by name. What comes is
    asked for as it is taken, and so is to be taken in order."""
    wanted = [*names]
    found = map(client.tenant, sorted({*wanted})) if wanted else client.each_tenant()
    for tenant in found:
        name = tenant["name"]
        yield name, _networks(client, name), _nodes(client, name)


def _networks(client: Client, tenant: str) -> Iterator[tuple[str, Json]]:
    from ..schema import NetworkSpec

    for network in client.each_network(tenant):
        if network["made_by"] is not None:
            continue  # Policies make it anew.
        spec = NetworkSpec.model_validate(network["declared"]).model_dump(exclude_defaults=True)
        for name in ("subnets", "outside"):
            spec |= {name: _shortened(spec[name])} if name in spec else {}
        yield network["name"], spec


def _shortened(part: Any) -> Any:
    """Subnets, or a way out, with what goes without saying left out: a prefix, a name alone."""
    if isinstance(part, list):
        return [_shortened(one) for one in part]
    return next(iter(part.values())) if [*part] in (["prefix"], ["network"]) else part


def _let_in(client: Client, tenant: str) -> Json:
    """Floating addresses and forwarded ports of a tenant, where it has any."""
    from ..schema import FloatingSpec, ForwardSpec

    found: Json = {}
    for one in client.each_floating(tenant):
        spec = FloatingSpec(network=one["network"], inside=one["inside"], outside=None)
        found.setdefault("floating", {})[one["address"]] = spec.model_dump(exclude_defaults=True)
    for one in client.each_forward(tenant):
        parts = {name: one[name] for name in ForwardSpec.model_fields}
        parts["inside_port"] = one["inside_port"] if one["inside_port"] != one["port"] else None
        found.setdefault("forwards", []).append(ForwardSpec(**parts).model_dump(exclude_defaults=True))
    return found


def _sites(client: Client, tenant: str) -> Json:
    """The remote sites of a tenant by name, where it has any."""
    from ..schema import SiteSpec

    found = {}
    for site in client.sites(tenant):
        spec = SiteSpec.model_validate({name: site[name] for name in SiteSpec.model_fields})
        found[site["name"]] = spec.model_dump(exclude_defaults=True)
    return {"sites": found} if found else {}


def _routers(client: Client, tenant: str) -> Json:
    """The routers of a tenant by name, where it has any."""
    from ..schema import RouterSpec

    found = {}
    for router in client.each_router(tenant):
        spec = RouterSpec.model_validate(router["declared"]).model_dump(exclude_defaults=True)
        for rule in spec.get("rules", ()):
            rule |= {"allow": [_number(access) for access in rule["allow"]]} if "allow" in rule else {}
        found[router["name"]] = spec
    return {"routers": found} if found else {}


def _number(access: Json) -> Json:
    """A port as a number, where it is one."""
    port = access.get("port", "")
    return {**access, "port": int(port)} if port.isdecimal() else access


def _nodes(client: Client, tenant: str) -> Iterator[tuple[str, Json]]:
    from ..schema import NodeSpec

    for node in client.each_node(tenant):
        # What a request takes: the answer says more.
        spec = NodeSpec.model_validate({name: node[name] for name in NodeSpec.model_fields if name in node})
        yield node["name"], spec.model_dump(exclude_defaults=True)


def _policies(client: Client) -> Json:
    """All policies by name, in the order in which they are asked."""
    from ..policy_schema import PolicySpec

    found = {}
    for policy in client.policies():
        spec = PolicySpec.model_validate({name: policy[name] for name in PolicySpec.model_fields if name in policy})
        found[policy["name"]] = spec.model_dump(exclude_defaults=True)
    return found


def intent(client: Client, names: Iterable[str], *, fabric: bool) -> Json:
    """All of it as plain values. Policies belong to the whole, as the fabric does."""
    found: Json = {"fabric": _declared_fabric(client)} if fabric else {}
    policies = _policies(client) if fabric else {}
    found |= {"policies": policies} if policies else {}
    found["tenants"] = {
        name: {
            "networks": dict(networks),
            **_sites(client, name),
            "nodes": dict(nodes),
            **_routers(client, name),
            **_let_in(client, name),
        }
        for name, networks, nodes in _tenants(client, names)
    }
    return found


# --- as text ----------------------------------------------------------------------------------------------------------


def lines(client: Client, names: Iterable[str], *, fabric: bool) -> Iterator[str]:
    """The same as lines of YAML, of which no more is held at a time than the controller gives in one answer."""
    if fabric:
        yield from _fabric_lines(_declared_fabric(client))
        policies = _policies(client)
        if policies:
            yield from _block("policies", ((key, _flow(spec)) for key, spec in policies.items()), 0)
    empty = True
    for name, networks, nodes in _tenants(client, names):
        if empty:
            yield "tenants:"
            empty = False
        yield f"{_INDENT}{_scalar(name)}:"
        yield from _block("networks", ((key, _flow(spec)) for key, spec in networks), 2)
        for key, sites in _sites(client, name).items():
            yield from _block(key, ((site, _flow(spec)) for site, spec in sites.items()), 2)
        yield from _node_lines(nodes)
        for key, routers in _routers(client, name).items():
            yield from _block(key, ((router, _flow(spec)) for router, spec in routers.items()), 2)
        yield from _let_in_lines(_let_in(client, name))
    if empty:
        yield "tenants: {}"


def _let_in_lines(let_in: Json) -> Iterator[str]:
    """One line an address and one a port."""
    if "floating" in let_in:
        yield from _block("floating", ((key, _flow(spec)) for key, spec in let_in["floating"].items()), 2)
    if "forwards" in let_in:
        yield f"{_INDENT * 2}forwards:"
        yield from (f"{_INDENT * 3}- {_flow(spec)}" for spec in let_in["forwards"])


def _fabric_lines(fabric: Json) -> Iterator[str]:
    """One line a switch, a link and an outside network."""
    yield "fabric:" if fabric else "fabric: {}"
    for name, value in fabric.items():
        if name == "outside":
            yield from _block(name, ((key, _flow(part)) for key, part in value.items()), 1)
        elif name == "switches":
            yield from _block(name, ((key, _switch(part)) for key, part in value.items()), 1)
        elif name == "links":
            yield f"{_INDENT}links:"
            yield from (f"{_INDENT * 2}- {_flow(link)}" for link in value)
        else:
            yield f"{_INDENT}{name}: {_flow(value)}"


def _switch(spec: Json) -> str:
    return _flow({**spec, "dpid": _Raw(f"{spec['dpid']:#x}")})


class _Raw(str):
    """What is written as it is."""


def _node_lines(nodes: Iterable[tuple[str, Json]]) -> Iterator[str]:
    """One line an interface, and one for each other thing that there is to say of a node."""
    indent, empty = _INDENT * 2, True
    for name, spec in nodes:
        if empty:
            yield f"{indent}nodes:"
            empty = False
        if not spec:
            yield f"{indent}{_INDENT}{_scalar(name)}: {{}}"
            continue
        yield f"{indent}{_INDENT}{_scalar(name)}:"
        for field, value in spec.items():
            if field == "interfaces":
                yield from _block(field, ((key, _interface(part)) for key, part in value.items()), 4)
            else:
                yield f"{indent}{_INDENT * 2}{field}: {_flow(value)}"
    if empty:
        yield f"{indent}nodes: {{}}"


def _interface(spec: Json) -> str:
    networks = spec.get("networks", ())
    if len(networks) == 1:
        spec = {**{name: value for name, value in spec.items() if name != "networks"}, "network": networks[0]}
    return _flow(spec)


def _block(name: str, lines: Iterable[tuple[str, str]], depth: int) -> Iterator[str]:
    indent, empty = _INDENT * depth, True
    for key, text in lines:
        if empty:
            yield f"{indent}{name}:"
            empty = False
        yield f"{indent}{_INDENT}{_scalar(key)}: {text}"
    if empty:
        yield f"{indent}{name}: {{}}"


def _flow(value: Any) -> str:
    """A value in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """A text as it is where YAML takes it for one, else in quotes."""
    if isinstance(value, _Raw):
        return value
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and _is_text(value):
        return value
    # What nobody could see stands there as numbers: some of it YAML would refuse, or take for the end of a line.
    text = json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in text)


def _is_text(value: str) -> bool:
    import yaml

    resolver = yaml.SafeLoader.yaml_implicit_resolvers
    return not any(pattern.match(value) for _, pattern in resolver.get(value[0], ()))
