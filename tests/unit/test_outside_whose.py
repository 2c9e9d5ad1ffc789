"""Whose an outside address is, in whatever order that is asked for: at one gateway alone, and of one alone."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

import pytest
from test_outside_bands import Document, Scene, document

from ryu_vnet.errors import VnetError
from ryu_vnet.managers import requests
from ryu_vnet.managers.outside import put_forward
from ryu_vnet.managers.questions import Questions
from ryu_vnet.managers.requests import Work
from ryu_vnet.managers.standby import move_gateway
from ryu_vnet.managers.system import System
from ryu_vnet.model.outside import ZONES, Forward
from ryu_vnet.model.values import Resting
from ryu_vnet.openflow.messages import Connections
from ryu_vnet.openflow.wire import Version
from ryu_vnet.schema import ForwardSpec, Intent, NetworkSpec


def forward(tenant: str, **spec: Any) -> Callable[[Work], object]:
    asked = ForwardSpec.model_validate({"network": "web", "protocol": "tcp", "port": 80, "inside": "10.0.0.11", **spec})
    return lambda work: put_forward(work.draft, work.fabric, tenant, asked, "forward")


def network(tenant: str, name: str, *subnets: Any, **way_out: Any) -> Callable[[Work], None]:
    spec = NetworkSpec.model_validate({"subnets": subnets, "outside": {"network": "net", **way_out}})
    return lambda work: requests.put_network(work, tenant, name, spec)


def request(system: System, edit: Callable[[Work], object]) -> None:
    system.request(lambda work: edit(work) and None)


def refuses(system: System, edit: Callable[[Work], object], says: str) -> None:
    before = system.revision
    with pytest.raises(VnetError, match=says):
        request(system, edit)
    assert system.revision == before


def apply(change: Callable[[Document], None]) -> Callable[[Work], None]:
    known = document()
    change(known)
    return lambda work: requests.apply(work, Intent.model_validate(known))


def at(system: System, ref: str) -> str:
    gateway = system.model.gateway(ref)
    assert gateway is not None
    return gateway.switch


def blue_has_an_address(known: Document) -> None:
    known["tenants"]["blue"]["networks"]["web"]["outside"]["address"] = "203.0.113.78"


# --- one gateway for an address ---------------------------------------------------------------------------------------


def test_who_forwards_a_port_of_an_address_stays_where_it_is() -> None:
    system = Scene(blue_has_an_address).world.system
    request(system, forward("red", address="203.0.113.78"))
    for gateways, says in ((["gw2"], "shares an outside address"), (["gw2", "gw1"], "in another order")):
        subnets, prefix = ("10.0.0.0/24", "fd00::/64"), "2001:db8:1::/64"
        refuses(system, network("red", "web", *subnets, gateways=gateways, prefix=prefix), says)


def test_who_takes_an_address_comes_to_where_a_port_of_it_is_forwarded() -> None:
    system = Scene().world.system
    request(system, forward("blue", address="203.0.113.60"))
    request(system, lambda work: move_gateway(work, "blue", "web", "gw2", lambda *where: None))
    taken = network("red", "other", "10.7.0.0/24", gateways=["gw1", "gw2"], address="203.0.113.60")
    request(system, taken)
    assert at(system, "blue/web") == at(system, "red/other") == "gw2"


# --- fabrics that cannot work -----------------------------------------------------------------------------------------


def pools_overlap(known: Document) -> None:
    known["fabric"]["outside"]["lab"]["addresses"] = ["203.0.113.128/25"]


def pool_of_stand_ins(known: Document) -> None:
    known["fabric"]["outside"]["lab"]["addresses"] = ["100.64.0.0/24"]


def hop_of_stand_ins(known: Document) -> None:
    known["fabric"]["outside"]["lab"]["next_hops"] = ["100.64.3.1"]


def own_of_stand_ins(known: Document) -> None:
    known["fabric"]["switches"]["gw1"]["uplinks"]["up1"]["addresses"] = ["100.64.3.2"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (pools_overlap, "203.0.113.128/25 is of lab and of net|203.0.113.0/24 is of net and of lab"),
        (pool_of_stand_ins, "100.64.0.0/24 cannot be used outside"),
        (hop_of_stand_ins, "100.64.3.1 cannot be used outside"),
        (own_of_stand_ins, "100.64.3.2 cannot be used outside"),
    ],
)
def test_outside_networks_that_no_gateway_could_tell_apart(change: Callable[[Document], None], says: str) -> None:
    refuses(Scene().world.system, apply(change), says)


def test_pools_of_different_gateways_may_overlap() -> None:
    def apart(known: Document) -> None:
        pools_overlap(known)
        switches = known["fabric"]["switches"]
        switches["gw3"] = {"dpid": 9, "segment": "C", "uplinks": {"up1": switches["gw1"]["uplinks"].pop("up1")}}
        known["fabric"]["links"].append({"kind": "core", "a": "gw3:c1", "b": "gw1:c3"})

    assert at(Scene(apart).world.system, "blue/lab") == "gw3"


def own(*addresses: str) -> Callable[[Document], None]:
    def change(known: Document) -> None:
        known["fabric"]["switches"]["gw1"]["uplinks"]["up0"]["addresses"] = [*addresses]

    return change


def hops(*addresses: str) -> Callable[[Document], None]:
    def change(known: Document) -> None:
        known["fabric"]["outside"]["net"]["next_hops"] = [*addresses]

    return change


def pool(*prefixes: str) -> Callable[[Document], None]:
    def change(known: Document) -> None:
        known["fabric"]["outside"]["net"]["addresses"] = [*prefixes]

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (own("203.0.113.50", "2001:db8:ff::2"), "203.0.113.50 is that of a router or gateway"),
        (own("203.0.113.2", "2001:db8:f::1"), "2001:db8:f::1 is that of a router or gateway"),
        (own("203.0.113.60", "2001:db8:ff::2"), "port 80 of 203.0.113.60 cannot be forwarded"),
        (hops("203.0.113.50", "2001:db8:ff::1"), "203.0.113.50 is the next router's own"),
        (hops("203.0.113.60", "2001:db8:ff::1"), "203.0.113.60 is the next router's own"),
        (pool("203.0.113.0/27", "2001:db8::/32"), "203.0.113.5. is not for networks of tenants"),
        (pool("203.0.113.32/28", "203.0.113.48/30", "2001:db8::/32"), "203.0.113.60 is not for networks of tenants"),
        (pool("203.0.113.0/24", "2001:db8:1::/48", "2001:db8:2::/48"), "2001:db8:f::. is not for networks of tenants"),
    ],
)
def test_a_fabric_that_is_declared_anew_takes_nobody_s_address(change: Callable[[Document], None], says: str) -> None:
    system = Scene().world.system
    request(system, forward("red", address="203.0.113.60"))
    known = document()
    change(known)
    fabric = Intent.model_validate({"fabric": known["fabric"]})
    refuses(system, lambda work: requests.apply(work, fabric), says)


# --- documents that say it again --------------------------------------------------------------------------------------


def red_at(address: str) -> Callable[[Document], None]:
    def change(known: Document) -> None:
        known["tenants"]["red"]["networks"]["web"]["outside"]["address"] = address
        known["tenants"]["red"]["forwards"] = [{"network": "web", "protocol": "tcp", "port": 80, "inside": "10.0.0.11"}]

    return change


def test_forwarded_ports_go_with_the_address_of_their_network() -> None:
    system = Scene(red_at("203.0.113.77")).world.system

    def forwarded() -> list[str]:
        return [str(value.address) for value in system.model.let_in("red/web") if isinstance(value, Forward)]

    assert forwarded() == ["203.0.113.77"]
    assert system.request(apply(red_at("203.0.113.78"))).changed
    assert forwarded() == ["203.0.113.78"]
    assert not system.request(apply(red_at("203.0.113.78"))).changed
    left = {(str(one.address), one.port) for one in system.model.unflushed() if one.address}
    assert left == {("203.0.113.77", 0), ("203.0.113.77", 80)}


def test_a_port_of_a_network_is_forwarded_from_one_address() -> None:
    system = Scene().world.system
    request(system, forward("red", address="203.0.113.60"))
    request(system, forward("red", address="203.0.113.61"))
    assert [str(one.address) for one in system.model.let_in("red/web") if isinstance(one, Forward)] == ["203.0.113.61"]


# --- what is forgotten ------------------------------------------------------------------------------------------------


def test_notes_of_what_is_forgotten_by_ipv6() -> None:
    system = Scene().world.system

    def noted() -> list[tuple[str, str, bool]]:
        return [(one.switch, str(one.address), one.is_source) for one in system.model.unflushed() if one.address]

    same = network("red", "web", "10.0.0.0/24", "fd00::/64", gateways=["gw1", "gw2"], prefix="2001:db8:1::/64")
    request(system, same)
    assert noted() == []
    request(
        system, network("red", "web", "10.0.0.0/24", "fd00::/64", gateways=["gw1", "gw2"], prefix="2001:db8:3::/64")
    )
    assert noted() == [("gw1", "::", True)]


@pytest.mark.parametrize(
    ("which", "is_done"), [(Connections(3), False), (Connections(3, destination=IPv4Address("203.0.113.4")), True)]
)
def test_a_switch_that_cannot_forget_some_connections_is_not_asked_for_ever(which: Connections, is_done: bool) -> None:
    questions = Questions()
    questions.begin(Version.OF14)
    asked = questions.flushed(Version.OF14, "note", [which, Connections(4, destination=IPv4Address("203.0.113.4"))])
    xids = [int.from_bytes(message[4:8], "big") for message in asked]
    questions.flush_refused(xids[0])
    questions.flush_refused(xids[1])
    assert questions.flush_done(xids[-1]) == ("note" if is_done else None)


def test_a_zone_is_held_by_a_switch_once_however_much_it_is_to_forget() -> None:
    system = Scene(red_at("203.0.113.77")).world.system
    system.request(apply(red_at("203.0.113.78")))
    gateway = system.model.gateway("red/web")
    assert gateway is not None
    switches = [left.switch for left in system.model.unflushed() if left.zone == gateway.zone]
    assert len(switches) > len({*switches})
    assert system.holders(Resting(ZONES, gateway.zone, gateway.network, 1)) == sorted({*switches})
