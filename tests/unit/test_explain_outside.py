"""Rows of gateways in words, and the way of frames that go out or come in."""

from __future__ import annotations

import pytest
from internet_system import internet_system

from ryu_vnet.compiler.pipeline import STAGES
from ryu_vnet.compiler.rows import Origin, Subject
from ryu_vnet.errors import Invalid, NotFound
from ryu_vnet.managers import outside
from ryu_vnet.managers.explain import Names
from ryu_vnet.managers.system import System
from ryu_vnet.managers.tables import row_statuses
from ryu_vnet.managers.trace import trace
from ryu_vnet.schema import ForwardSpec


@pytest.fixture
def system() -> System:
    system = internet_system()
    spec = ForwardSpec(network="web", port=8080, inside="10.0.0.11", inside_port=80)
    system.request(lambda work: outside.put_forward(work.draft, work.fabric, "blue", spec, "") and None)
    return system


def test_routers_have_names(system: System) -> None:
    names, gateway = Names(system.model, system.fabric), system.model.gateway("red/web")
    assert gateway is not None
    assert names.interface(gateway.interface) == "the router of red/web"
    assert names.origin(Origin(Subject.INTERFACE, gateway.interface)) == "router of red/web"
    assert names.zone(gateway.zone) == "the zone of red/web" and names.zone(0xFFFF) == "the zone that networks share"


def test_every_row_has_a_meaning_of_its_own_kind(system: System) -> None:
    purposes = {stage.purpose for stage in STAGES}
    for name in system.switches:
        rows = row_statuses(system, name)
        assert len(rows) == len(system.tables[name].rows) > 0
        for row in rows:
            assert row.meaning and row.meaning not in purposes, row
            assert "number " not in row.meaning and "any address" not in row.meaning, row


SAID = {
    "PORT": ["port 2 (inet1) is the uplink to internet"],
    "UPLINK": [
        "whoever asks for the MAC address of 203.0.113.2 is told ours, at once",
        "what next router 2001:db8:ff::1 says of itself (ARP, neighbour discovery): the controller is told",
        "for 203.0.113.4, which sources of networks become: back to whose it is",
        "for 203.0.113.50, which is the own address of 10.0.0.12 in red/web",
        "for 2001:db8:a:7::/64, into green/plain",
    ],
    "RETURN": ["what is new for tcp port 8080 of 203.0.113.4 is for blue/web"],
    "PORTS": ["tcp port 8080 of blue/web is port 80 of 10.0.0.11"],
    "INBOUND": ["in red/web, new connections to 10.0.0.12 are let in"],
    "RESOLVE": ["in red/web, fd00:1::12 is red/web2 eth0"],
    "EGRESS": ["to the router of red/web, which is here: outside by port 2 (inet1)"],
    "OUTBOUND": [
        "what red/web sends to its own subnet 10.0.0.0/24 needs no router, and is refused",
        "IPv4 of red/web whose TTL is spent: the controller is told",
        "what 10.0.0.0/24 of red/web sends outside becomes 100.64.0.3, known in the zone of red/web",
        "what 2001:db8:a:7::/64 of green/plain sends outside goes as it is, known in the zone of green/plain",
    ],
    "TRANSLATE": ["what stands for red/web (100.64.0.3) becomes 203.0.113.4, ports 20480-24575"],
    "SHARE": ["no port is free for red/web any more: the controller is told"],
    "DEPART": ["IPv4 goes to the next router, 02:00:00:00:ff:01, by port 2 (inet1)"],
}


@pytest.mark.parametrize("stage", SAID)
def test_rows_of_a_gateway(system: System, stage: str) -> None:
    meanings = [row.meaning for row in row_statuses(system, "gw1") if row.stage == stage]
    for said in SAID[stage]:
        assert said in meanings, meanings


def test_out_to_an_address_it_comes_as_far_as_its_gateway(system: System) -> None:
    found = trace(system, "red/web1", "198.51.100.7", None)
    assert found.kind == "icmp" and [hop.switch for hop in found.hops][-1] == "gw1"
    assert [hit.stage for hit in found.hops[-1].tables][-2:] == ["EGRESS", "OUTBOUND"] or found.delivered
    six = trace(system, "green/vm1", "2001:db8:ffff::1", None)
    assert six.kind == "ipv6" and six.hops[-1].switch == "gw1"


def test_in_from_an_address(system: System) -> None:
    found = trace(system, "198.51.100.7", "203.0.113.50", None)
    assert (found.source, found.target, found.kind) == ("198.51.100.7 outside", "203.0.113.50", "icmp")
    assert found.hops[0].switch == "gw1" and [hit.stage for hit in found.hops[0].tables][:2] == ["PORT", "UPLINK"]
    assert "red/web" in found.hops[0].tables[1].meaning
    assert trace(system, "2001:db8:ffff::1", "2001:db8:a:1::12", None).hops[0].switch == "gw1"
    assert trace(system, "2001:db8:ffff::1", "2001:db8:a:7::11", None).hops[0].switch == "gw1"
    nobodys = trace(system, "198.51.100.7", "203.0.113.4", None)
    assert not nobodys.delivered


def test_an_address_of_a_neighbour_is_the_neighbour(system: System) -> None:
    found = trace(system, "red/web1", "10.0.0.12", None)
    assert found.delivered and found.verdict == "delivered to red/web2 eth0"
    assert not trace(system, "red/web1", "10.0.0.1", "ethertype").delivered


@pytest.mark.parametrize(
    ("source", "target", "kind", "error", "named"),
    [
        (
            "198.51.100.7",
            "203.0.113.99",
            None,
            NotFound,
            "no gateway takes in what comes from outside for 203.0.113.99",
        ),
        ("198.51.100.7", "red/web1", None, Invalid, "an IPv4 address that one of our networks has there"),
        ("198.51.100.7", None, None, Invalid, "no address to send to from outside"),
        ("198.51.100.7", "2001:db8:a:7::11", None, Invalid, "no address to send to from outside"),
        ("green/vm1", "198.51.100.7", None, Invalid, "has no IPv4 router"),
        ("red/web1", "10.0.0.77", None, Invalid, "nobody in red/web has the address 10.0.0.77"),
        ("red/web1", "198.51.100.7", "ipv6", Invalid, "has no IPv6 address"),
    ],
)
def test_what_cannot_be_traced(
    system: System, source: str, target: str | None, kind: str | None, error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        trace(system, source, target, kind)
