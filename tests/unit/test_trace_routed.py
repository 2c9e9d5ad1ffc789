"""The way of frames through routers and gateways, of what answers them, and of what switches answer themselves."""

from __future__ import annotations

import pytest
from internet_system import internet_system

from ryu_vnet.errors import Invalid
from ryu_vnet.managers.requests import Work
from ryu_vnet.managers.route import Route
from ryu_vnet.managers.routers import delete_router, put_router
from ryu_vnet.managers.system import System
from ryu_vnet.managers.trace import trace
from ryu_vnet.schema import RouterSpec
from ryu_vnet.verify import frames
from ryu_vnet.verify.text import packet_text

OUTER = "198.51.100.7"


@pytest.fixture(scope="module")
def system() -> System:
    return internet_system()


def arrived(route: Route) -> str:
    """The frame as it came to somebody."""
    (frame,) = (arrival.frame for hop in route.hops for arrival in hop.arrivals)
    return frame.partition(" ipv")[2]


def by(route: Route) -> list[str]:
    return [hop.switch for hop in route.hops]


def back(route: Route) -> Route:
    assert route.answer is not None
    return route.answer


# --- out and in by gateways -------------------------------------------------------------------------------------------


def test_out_it_is_translated_and_the_answer_finds_back(system: System) -> None:
    route = trace(system, "red/web1", OUTER, "tcp", 443)
    assert route.delivered and route.verdict == "delivered to internet outside"
    assert by(route) == ["host1", "edgeA", "core", "gw1"]
    assert arrived(route) == f"4 203.0.113.4 > {OUTER} tcp 20480 > 443", "with one of the network's ports"
    answer = back(route)
    assert answer.source == f"{OUTER} outside" and answer.frame.endswith(f"{OUTER} > 203.0.113.4 tcp 443 > 20480")
    assert answer.delivered and answer.verdict == "delivered to red/web1 eth0"
    assert arrived(answer) == f"4 {OUTER} > 10.0.0.11 tcp 443 > 49152"
    assert by(answer) == ["gw1", "core", "edgeA", "host1"] and answer.answer is None


def test_two_tenants_with_one_subnet_are_told_apart(system: System) -> None:
    red, blue = (trace(system, f"{tenant}/web1", OUTER, "udp", 53, 5353) for tenant in ("red", "blue"))
    assert (arrived(red), arrived(blue)) == (
        f"4 203.0.113.4 > {OUTER} udp 20480 > 53",
        f"4 203.0.113.4 > {OUTER} udp 16384 > 53",
    )
    assert back(red).verdict == "delivered to red/web1 eth0" and back(blue).verdict == "delivered to blue/web1 eth0"
    assert arrived(back(red)) == arrived(back(blue)) == f"4 {OUTER} > 10.0.0.11 udp 53 > 5353"


def test_who_has_a_floating_address_comes_from_it(system: System) -> None:
    route = trace(system, "red/web2", OUTER, None)
    assert arrived(route) == f"4 203.0.113.50 > {OUTER} icmp type 8"
    assert arrived(back(route)) == f"4 {OUTER} > 10.0.0.12 icmp type 0"


def test_from_outside_to_a_floating_address(system: System) -> None:
    route = trace(system, OUTER, "203.0.113.50", "tcp", 22)
    assert route.delivered and arrived(route) == f"4 {OUTER} > 10.0.0.12 tcp 49152 > 22"
    assert back(route).verdict == "delivered to internet outside"
    assert arrived(back(route)) == f"4 203.0.113.50 > {OUTER} tcp 22 > 49152"


def test_from_outside_to_a_forwarded_port(system: System) -> None:
    route = trace(system, OUTER, "203.0.113.60", "tcp", 8022)
    assert route.verdict == "delivered to red/web1 eth0"
    assert arrived(route) == f"4 {OUTER} > 10.0.0.11 tcp 49152 > 22"
    assert arrived(back(route)) == f"4 203.0.113.60 > {OUTER} tcp 8022 > 49152"
    for kind, port in (("tcp", 8023), ("udp", 8022), ("icmp", None)):
        other = trace(system, OUTER, "203.0.113.60", kind, port)
        assert not other.delivered and other.answer is None
        assert (
            "gw1 in RETURN: it is part of no connection that is known, and its port is not forwarded" in other.verdict
        )


def test_from_a_member_to_what_is_let_in_elsewhere(system: System) -> None:
    """By the gateway, which takes it back in; and the answer comes the same way."""
    route = trace(system, "blue/web1", "203.0.113.50", "tcp", 80)
    assert route.verdict == "delivered to red/web2 eth0" and arrived(route).startswith("4 203.0.113.4 > 10.0.0.12 ")
    assert back(route).source == "red/web2 eth0" and back(route).verdict == "delivered to blue/web1 eth0"
    assert arrived(back(route)) == "4 203.0.113.50 > 10.0.0.11 tcp 80 > 49152"


def test_what_ends_at_a_gateway(system: System) -> None:
    for source, target, said in (
        ("green/vm1", "2001:db8:ffff::1", "gw1 in DEPART: the next router outside has not said yet where it is"),
        ("2001:db8:ffff::1", "2001:db8:a:7::11", "nothing new is let in to it in green/plain"),
        (OUTER, "203.0.113.4", "its port is not forwarded"),
        (OUTER, "203.0.113.2", "gw1 in UPLINK: no network of ours has the address that it is for"),
    ):
        route = trace(system, source, target, None)
        assert not route.delivered and said in route.verdict, route.verdict
        assert route.answer is None


# --- between networks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["red/db1", "10.0.1.21", "fd00:2::21"])
def test_between_networks_what_a_rule_lets_pass(system: System, target: str) -> None:
    route = trace(system, "red/web1", target, "tcp", 5432)
    assert route.verdict == "delivered to red/db1 eth0" and by(route) == ["host1", "edgeA", "core", "edgeB", "host3"]
    (hit,) = (hit for hit in route.hops[0].tables if hit.stage == "ROUTE")
    assert hit.meaning == "from red/web to red/db, tcp to port 5432 may begin, by router red/core"
    assert route.notes == ["from red/web to red/db may begin: tcp/5432 (router red/core)"]
    answer = back(route)
    assert answer.verdict == "delivered to red/web1 eth0"
    (hit,) = (hit for hit in answer.hops[0].tables if hit.stage == "ROUTE")
    assert "tcp from port 5432 that acknowledges comes back" in hit.meaning


@pytest.mark.parametrize(("kind", "port"), [(None, None), ("tcp", 5433), ("udp", 5432), ("ipv6", None)])
def test_between_networks_what_no_rule_lets_pass(system: System, kind: str | None, port: int | None) -> None:
    route = trace(system, "red/web1", "red/db1", kind, port)
    assert not route.delivered and by(route) == ["host1"] and route.answer is None
    assert "host1 in ROUTE: from red/web to red/db (" in route.verdict
    assert "what no rule lets pass is refused" in route.verdict
    assert route.notes == ["from red/web to red/db may begin: tcp/5432 (router red/core)"]


def test_the_other_way_nothing_begins(system: System) -> None:
    route = trace(system, "red/db1", "red/web1", "tcp", 5432)
    assert not route.delivered and route.notes == ["from red/db to red/web may begin: nothing (router red/core)"]


def test_nobody_has_an_address_that_is_routed_to(system: System) -> None:
    route = trace(system, "red/web1", "10.0.1.77", "tcp", 5432)
    assert route.target == "10.0.1.77 in red/db"
    assert "host1 in RESOLVE: nobody in red/db has the address that it is for" in route.verdict


def test_between_tenants_who_both_ask() -> None:
    system = internet_system()
    alone = trace(system, "red/db1", "green/vm2", None)
    assert not alone.delivered
    assert alone.notes == [
        "red/db1 eth0 and green/vm2 eth0 are in no network together, and no router routes between theirs"
    ]

    def ask(work: Work) -> None:
        # Green has the subnet of red/web, with which red/db is routed no more then.
        delete_router(work.draft, "red", "core")
        put_router(work.draft, "red", "r", RouterSpec(networks=["db", "green/alone"]))
        put_router(work.draft, "green", "r", RouterSpec(networks=["alone", "red/db"]))

    system.request(ask)
    routed = trace(system, "red/db1", "green/vm2", "udp", 53)
    assert routed.verdict == "delivered to green/vm2 eth0" and back(routed).delivered
    assert routed.notes == ["from red/db to green/alone may begin: everything (router green/r, red/r)"]


# --- what switches answer ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target", "kind", "said"),
    [
        ("red/web1", "red/web2", "arp", "answered by the switch host1 for red/web2 eth0"),
        ("red/web1", "10.0.0.1", "arp", "answered by the switch host1 for the router of red/web"),
        ("red/web1", "10.0.0.1", None, "answered by the switch host1 for the router of red/web"),
        ("red/web1", "fd00:1::1", None, "answered by the switch host1 for the router of red/web"),
        (OUTER, "203.0.113.50", "arp", "answered by the switch gw1 for 203.0.113.50"),
        (OUTER, "203.0.113.4", "arp", "answered by the switch gw1 for 203.0.113.4"),
        (OUTER, "203.0.113.3", "arp", "answered by the switch gw2 for 203.0.113.3"),
    ],
)
def test_who_answers(system: System, source: str, target: str, kind: str | None, said: str) -> None:
    route = trace(system, source, target, kind)
    assert route.verdict == said and route.delivered
    assert len(route.hops) == 1 and route.answer is None


def test_on_one_network_it_is_answered_too(system: System) -> None:
    route = trace(system, "red/web1", "red/web2", "udp", 53, 1000)
    assert arrived(route) == "4 10.0.0.11 > 10.0.0.12 udp 1000 > 53"
    assert arrived(back(route)) == "4 10.0.0.12 > 10.0.0.11 udp 53 > 1000"
    assert trace(system, "red/web1", "red/web2", "ethertype").answer is None
    assert trace(system, "red/web1", None, "broadcast").answer is None


@pytest.mark.parametrize(
    ("kind", "port", "source_port", "named"),
    [
        ("tcp", None, None, "tcp is for some port"),
        ("udp", None, 53, "udp is for some port"),
        ("arp", 80, None, "arp has no ports"),
        (None, 80, None, "an echo has no ports"),
        (None, None, 80, "an echo has no ports"),
        ("sctp", 80, None, "'sctp' is not a kind of frame"),
    ],
)
def test_ports_go_with_tcp_and_udp(
    system: System, kind: str | None, port: int | None, source_port: int | None, named: str
) -> None:
    with pytest.raises(Invalid, match=named):
        trace(system, "red/web1", "red/web2", kind, port, source_port)


def test_ports_stand_in_frames() -> None:
    link = frames.Link(1, 2)
    assert packet_text(frames.ipv4_tcp(link, "10.0.0.1", "10.0.0.2", (5, 6))).endswith("10.0.0.2 tcp 5 > 6")
    assert packet_text(frames.ipv6_sctp(link, "fd00::1", "fd00::2", (5, 6))).endswith("fd00::2 sctp 5 > 6")
