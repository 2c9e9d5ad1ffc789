"""Routers as they are asked for, and every reason to refuse them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, product

from ..errors import Conflict, Invalid, NotFound, Problem
from ..model.names import check_name
from ..model.routing import EVERYTHING, Access, Router, Rule
from ..model.state import Draft, Model
from ..model.traffic import WITH_PORTS, format_protocol, parse_ports, parse_protocol
from ..model.values import Network
from ..schema import AccessSpec, RouterSpec

_ICMP, _ICMPV6 = 1, 58


def put_router(draft: Draft, tenant: str, name: str, spec: RouterSpec) -> None:
    """Make a router, or change it. Raises Invalid."""
    where = f"tenants.{tenant}.routers.{name}"
    check_name(name, where)
    refs = tuple(
        dict.fromkeys(_ref(draft, tenant, text, f"{where}.networks[{n}]") for n, text in enumerate(spec.networks))
    )
    if len(refs) < 2:
        hint = "two networks at least: networks: [web, db]"
        raise Invalid(Problem(f"{where}.networks", f"{len(refs)} network(s) need no router", hint))
    if not any(ref.startswith(f"{tenant}/") for ref in refs):
        raise Invalid(Problem(f"{where}.networks", f"none of them is of tenant {tenant}", "one of its own at least"))
    rules = []
    for index, rule in enumerate(spec.rules):
        place = f"{where}.rules[{index}]"
        source, target = (
            _ref(draft, tenant, rule.source, f"{place}.from"),
            _ref(draft, tenant, rule.target, f"{place}.to"),
        )
        for ref, side in ((source, "from"), (target, "to")):
            if ref not in refs:
                raise Invalid(
                    Problem(f"{place}.{side}", f"{ref} is not among its networks", f"one of {', '.join(refs)}")
                )
        if source == target:
            raise Invalid(Problem(place, f"from {source} to itself nothing is routed", "two networks"))
        allowed = {_access(each, f"{place}.allow[{number}]") for number, each in enumerate(rule.allow)}
        rules.append(Rule(source, target, tuple(sorted(allowed or {EVERYTHING}))))
    draft.put(Router(tenant, name, refs, tuple(rules)))


def delete_router(draft: Draft, tenant: str, name: str) -> None:
    """Remove a router: nothing is routed any more for its sake. Raises NotFound."""
    router = draft.router(f"{tenant}/{name}")
    if router is None:
        known = ", ".join(router.name for router in draft.routers(tenant)) or "it has none"
        raise NotFound(f"tenant {tenant} has no router {name!r} ({known})")
    draft.delete(router)


def _ref(draft: Draft, tenant: str, text: str, where: str) -> str:
    """The reference of a network that is there: of the tenant by name, of others by `tenant/name`.

    Whether another tenant has such a network is not for this one to know.
    """
    ref = text if "/" in text else f"{tenant}/{text}"
    known_one = draft.network(ref) if ref.startswith(f"{tenant}/") else None
    if known_one is not None and known_one.made_by is not None:
        hint = "a network that somebody made"
        raise Invalid(Problem(where, f"network {ref} is made by a template, and goes with its last member", hint))
    if ref.startswith(f"{tenant}/") and known_one is None:
        known = ", ".join(network.name for network in draft.networks(tenant))
        hint = f"one of {known}" if known else "it has none"
        raise Invalid(Problem(where, f"tenant {tenant} has no network {text!r}", hint))
    owner, _, name = ref.partition("/")
    check_name(owner, where)
    check_name(name, where)
    return ref


def _access(spec: AccessSpec, where: str) -> Access:
    if spec.protocol is None:
        if spec.port is not None:
            raise Invalid(Problem(f"{where}.port", f"port {spec.port} of no protocol", "protocol: tcp, udp or sctp"))
        return EVERYTHING
    protocol = parse_protocol(spec.protocol, f"{where}.protocol")
    if not protocol:
        raise Invalid(
            Problem(f"{where}.protocol", "protocol 0 is none", "tcp, udp, icmp, ...; or leave it out for all")
        )
    protocol = _ICMP if protocol == _ICMPV6 else protocol
    if spec.port is None:
        return Access(protocol)
    if protocol not in WITH_PORTS:
        name = format_protocol(protocol)
        raise Invalid(Problem(f"{where}.port", f"{name} has no ports", "protocol: tcp, udp or sctp; or no port"))
    return Access(protocol, parse_ports(spec.port, f"{where}.port"))


def check_routing(draft: Draft, model: Model) -> None:
    """Refuse to route between networks with the same addresses, where a packet could be for either. Raises Conflict."""
    concerned = {
        ref
        for key, new in draft.changes.items()
        for value in (model.get(key), new)
        for ref in _named(value)
        if draft.network(ref) is not None
    }
    if not concerned:
        return
    routing = draft.routing
    # A partner's other partners may have the addresses that are new here.
    concerned |= {partner for ref in concerned for partner in routing.partners(ref)}
    for ref in sorted(concerned):
        together = [ref, *routing.partners(ref)]
        networks = [network for each in together if (network := draft.network(each)) is not None]
        _check_apart(networks)


def _named(value: object) -> Iterable[str]:
    if isinstance(value, Router):
        return value.networks
    return (value.ref,) if isinstance(value, Network) else ()


def _check_apart(networks: list[Network]) -> None:
    """Networks of which the first is routed with all others."""
    first = networks[0]
    for one, other in combinations(networks, 2):
        for subnet, another in product(one.subnets, other.subnets):
            if subnet.prefix.version != another.prefix.version or not subnet.prefix.overlaps(another.prefix):
                continue
            if first not in (one, other) and len({first.tenant, one.tenant, other.tenant}) > 1:
                # Who is routed with the same network need not know of each other.
                raise Conflict(
                    f"two of the networks that {first.ref} would be routed with have addresses that overlap: give one "
                    "of them another subnet, or no router"
                )
            raise Conflict(
                f"{one.ref} has {subnet.prefix} and {other.ref} has {another.prefix}, which overlap, and "
                f"{first.ref} is routed with both: give one of them another subnet, or no router"
            )
