"""Routers: who is routed to whom, what may pass, and every reason to refuse one."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from drawn import new_system
from hypothesis import given
from hypothesis import strategies as st

from ryu_vnet.errors import Conflict, Invalid, NotFound
from ryu_vnet.managers import requests
from ryu_vnet.managers.routers import delete_router, put_router
from ryu_vnet.managers.system import System
from ryu_vnet.model.routing import EVERYTHING, Access, Router, Routing, Rule
from ryu_vnet.schema import NetworkSpec, RouterSpec

TCP, UDP = 6, 17
WEB, DB, OTHER = "red/web", "red/db", "blue/db"


def routers(*wanted: Router) -> Routing:
    return Routing(wanted)


def test_networks_of_one_tenant_are_routed_when_a_router_names_both() -> None:
    routing = routers(Router("red", "r", (WEB, DB)))
    assert routing.partners(WEB) == (DB,)
    assert routing.access(WEB, DB) == routing.access(DB, WEB) == (EVERYTHING,)
    assert routing.partners("red/else") == ()


def test_networks_of_two_tenants_are_routed_when_both_ask() -> None:
    one, other = Router("red", "r", (WEB, OTHER)), Router("blue", "r", (OTHER, WEB))
    assert routers(one).partners(WEB) == ()
    assert routers(one).access(WEB, OTHER) == ()
    assert routers(one, other).partners(WEB) == (OTHER,)


def test_a_router_of_a_third_tenant_joins_nobody() -> None:
    assert routers(Router("green", "r", (WEB, OTHER))).partners(WEB) == ()


def test_rules_say_what_may_begin_and_nothing_else_may() -> None:
    routing = routers(Router("red", "r", (WEB, DB), (Rule(WEB, DB, (Access(TCP, (5432, 5432)),)),)))
    assert routing.access(WEB, DB) == (Access(TCP, (5432, 5432)),)
    assert routing.access(DB, WEB) == ()
    assert routing.partners(DB) == (WEB,)


def test_between_tenants_passes_what_both_let_pass() -> None:
    one = Router("red", "r", (WEB, OTHER), (Rule(WEB, OTHER, (Access(TCP, (80, 90)), Access(UDP))),))
    other = Router("blue", "r", (WEB, OTHER), (Rule(WEB, OTHER, (Access(TCP, (85, 100)),)),))
    assert routers(one, other).access(WEB, OTHER) == (Access(TCP, (85, 90)),)


def test_several_routers_of_a_tenant_let_pass_what_any_of_them_does() -> None:
    one = Router("red", "a", (WEB, DB), (Rule(WEB, DB, (Access(TCP, (80, 80)),)),))
    other = Router("red", "b", (WEB, DB), (Rule(WEB, DB, (Access(UDP),)),))
    assert routers(one, other).access(WEB, DB) == (Access(TCP, (80, 80)), Access(UDP))


NAMES = (WEB, DB, OTHER, "blue/web")
ACCESS = st.sampled_from([EVERYTHING, Access(TCP), Access(TCP, (80, 90)), Access(UDP, (53, 53)), Access(1)])
DRAWN = st.builds(
    lambda tenant, name, networks, rules: Router(
        tenant, name, networks, tuple(rule for rule in rules if {rule.source, rule.target} <= {*networks})
    ),
    st.sampled_from(["red", "blue", "green"]),
    st.sampled_from(["a", "b"]),
    st.lists(st.sampled_from(NAMES), unique=True, max_size=4).map(tuple),
    st.lists(st.builds(Rule, st.sampled_from(NAMES), st.sampled_from(NAMES), st.tuples(ACCESS)), max_size=4),
)
PACKETS = [(protocol, port) for protocol in (1, TCP, UDP, 47) for port in (53, 79, 80, 90, 91)]


def lets_pass(router: Router, source: str, target: str, packet: tuple[int, int]) -> bool:
    """A router by itself, said once more in few words."""
    if not {source, target} <= {*router.networks}:
        return False
    rules = [rule for rule in router.rules if (rule.source, rule.target) == (source, target)]
    return not router.rules or any(passes(each, packet) for rule in rules for each in rule.access)


def passes(access: Access, packet: tuple[int, int]) -> bool:
    protocol, port = packet
    return access.protocol in (0, protocol) and access.ports[0] <= port <= access.ports[1]


@given(st.lists(DRAWN, max_size=5))
def test_a_packet_passes_if_and_only_if_each_tenant_has_a_router_that_lets_it(drawn: list[Router]) -> None:
    known = {router.ref: router for router in drawn}
    routing = Routing()
    for router in drawn:
        routing.change(known.get(router.ref) if router.ref in {r.ref for r in routing.routers} else None, router)
        known[router.ref] = router
    known = {router.ref: router for router in routing.routers}
    for source, target in product(NAMES, NAMES):
        owners = {source.partition("/")[0], target.partition("/")[0]}
        for packet in PACKETS:
            expected = source != target and all(
                any(r.tenant == owner and lets_pass(r, source, target, packet) for r in known.values())
                for owner in owners
            )
            assert any(passes(each, packet) for each in routing.access(source, target)) == expected or source == target


# --- requests ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def system() -> System:
    made = new_system()

    def edit(work: requests.Work) -> None:
        for tenant in ("red", "blue"):
            requests.put_tenant(work, tenant)
            for name, subnet in (("web", "10.0.0.0/24"), ("db", "10.0.1.0/24"), ("same", "10.0.0.128/25")):
                requests.put_network(work, tenant, name, NetworkSpec.model_validate({"subnets": [subnet]}))

    made.request(edit)
    return made


def put(system: System, tenant: str = "red", name: str = "r", **spec: Any) -> None:
    parsed = RouterSpec.model_validate(spec)
    system.request(lambda work: put_router(work.draft, tenant, name, parsed))


def test_a_router_is_kept_and_deleted(system: System) -> None:
    put(
        system,
        networks=["web", "db"],
        rules=[{"from": "web", "to": "db", "allow": [{"protocol": "tcp", "port": 5432}]}],
    )
    assert system.model.router("red/r") == Router("red", "r", (WEB, DB), (Rule(WEB, DB, (Access(TCP, (5432, 5432)),)),))
    with pytest.raises(Conflict, match="routed by red/r"):
        system.request(lambda work: requests.delete_network(work, "red", "db"))
    system.request(lambda work: delete_router(work.draft, "red", "r"))
    assert system.model.routers() == []
    with pytest.raises(NotFound, match="no router 'r'"):
        system.request(lambda work: delete_router(work.draft, "red", "r"))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"networks": ["web"]}, "1 network.s. need no router"),
        ({"networks": ["web", "nothing"]}, "no network 'nothing'"),
        ({"networks": ["blue/web", "blue/db"]}, "none of them is of tenant red"),
        ({"networks": ["web", "db"], "rules": [{"from": "web", "to": "same"}]}, "red/same is not among its networks"),
        ({"networks": ["web", "db"], "rules": [{"from": "web", "to": "web"}]}, "nothing is routed"),
        ({"networks": ["web", "db"], "rules": [{"from": "web", "to": "db", "allow": [{"port": "80"}]}]}, "no protocol"),
        (
            {
                "networks": ["web", "db"],
                "rules": [{"from": "web", "to": "db", "allow": [{"protocol": "icmp", "port": "8"}]}],
            },
            "icmp has no ports",
        ),
    ],
)
def test_what_cannot_be_is_refused(system: System, spec: dict[str, Any], message: str) -> None:
    before = system.revision
    with pytest.raises(Invalid, match=message):
        put(system, **spec)
    assert system.revision == before


def test_networks_with_the_same_addresses_are_not_routed(system: System) -> None:
    with pytest.raises(Conflict, match="red/same has 10.0.0.128/25 and red/web has 10.0.0.0/24, which overlap"):
        put(system, networks=["web", "same"])


def test_nor_two_that_a_third_is_routed_with(system: System) -> None:
    put(system, networks=["db", "web"])
    with pytest.raises(Conflict, match="overlap"):
        put(system, name="other", networks=["db", "same"])


def test_nor_may_a_routed_network_get_such_addresses(system: System) -> None:
    put(system, networks=["db", "web"])
    spec = NetworkSpec.model_validate({"subnets": ["10.0.1.0/25"]})
    with pytest.raises(Conflict, match="overlap"):
        system.request(lambda work: requests.put_network(work, "red", "web", spec))


def test_two_tenants_with_the_same_addresses_are_told_when_the_second_asks(system: System) -> None:
    put(system, networks=["web", "blue/web"])
    with pytest.raises(Conflict, match="overlap"):
        put(system, tenant="blue", networks=["web", "red/web"])
