"""Rows of gateways and routers one by one: what is spent or too large, which uplink, hairpins, what is not forwarded.

Two gateways, of which the first has uplinks to two outside networks; red and blue have the same addresses inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from drawn import new_system, simulator
from drawn_outside import Member, Way, World, plugged
from outside_reference import Datagram, answered_outside
from test_incremental import from_nothing

from ryu_vnet.errors import VnetError
from ryu_vnet.managers import requests
from ryu_vnet.managers.outside import put_floating
from ryu_vnet.model.outside import Address, router_mac
from ryu_vnet.schema import FloatingSpec, Intent, NetworkSpec
from ryu_vnet.verify import frames
from ryu_vnet.verify.frames import Link
from ryu_vnet.verify.packet import Packet
from ryu_vnet.verify.simulate import Simulator
from ryu_vnet.verify.trace import Trace
from ryu_vnet.verify.tracking import Connections

Document = dict[str, Any]
FAR, FAR6 = ip_address("198.51.100.9"), ip_address("2001:db8:feed::9")


def document() -> Document:
    def node(switch: str, port: str, network: str, *ips: str) -> Document:
        return {"running": True, "interfaces": {"eth0": {"at": f"{switch}:{port}", "network": network, "ips": ips}}}

    web = {"subnets": ["10.0.0.0/24", "fd00::/64"], "outside": {"network": "net", "gateways": ["gw1", "gw2"]}}
    return {
        "fabric": {
            "outside": {
                "net": {
                    "addresses": ["203.0.113.0/24", "2001:db8::/32"],
                    "next_hops": ["203.0.113.1", "2001:db8:ff::1"],
                },
                "lab": {"addresses": ["192.0.2.0/24"], "next_hops": ["192.0.2.1"]},
            },
            "switches": {
                "host": {"dpid": 1, "segment": "A"},
                "gw1": {
                    "dpid": 2,
                    "segment": "A",
                    "uplinks": {
                        "up0": {"outside": "net", "addresses": ["203.0.113.2", "2001:db8:ff::2"]},
                        "up1": {"outside": "lab", "addresses": ["192.0.2.2"]},
                    },
                },
                "gw2": {
                    "dpid": 3,
                    "segment": "B",
                    "uplinks": {"up0": {"outside": "net", "addresses": ["203.0.113.3", "2001:db8:ff::3"]}},
                },
            },
            "links": [{"kind": "trunk", "a": "host:g", "b": "gw1:h"}, {"kind": "core", "a": "gw1:c", "b": "gw2:c"}],
        },
        "tenants": {
            "red": {
                "networks": {
                    "web": {**web, "outside": {**web["outside"], "prefix": "2001:db8:1::/64"}},
                    "db": {"subnets": ["10.0.1.0/24", "fd00:1::/64"]},
                },
                "nodes": {
                    "vm": node("host", "red", "web", "10.0.0.11", "fd00::11"),
                    "db": node("gw2", "db", "db", "10.0.1.11", "fd00:1::11"),
                },
                "routers": {"r": {"networks": ["web", "db"]}},
                "floating": {
                    "203.0.113.50": {"network": "web", "inside": "10.0.0.11"},
                    "2001:db8:f::1": {"network": "web", "inside": "fd00::11"},
                },
            },
            "blue": {
                "networks": {
                    "web": {**web, "outside": {**web["outside"], "prefix": "2001:db8:2::/64"}},
                    "lab": {"subnets": ["10.0.0.0/24"], "outside": "lab"},
                },
                "nodes": {
                    "vm": node("host", "blue", "web", "10.0.0.11", "fd00::11"),
                    "lab": node("host", "lab", "lab", "10.0.0.11"),
                },
                "floating": {
                    "203.0.113.51": {"network": "web", "inside": "10.0.0.11"},
                    "2001:db8:f::2": {"network": "web", "inside": "fd00::11"},
                },
            },
        },
    }


class Scene:
    """All that is up, and what a machine or anybody outside sends there."""

    def __init__(self, change: Callable[[Document], None] = lambda known: None) -> None:
        known = document()
        change(known)
        system = new_system()
        system.request(lambda work: requests.apply(work, Intent.model_validate(known)))
        self.world: World = plugged(system)
        plain = simulator(system)
        self.fabric = Simulator(plain._tables, plain._wires, connections=Connections())

    def member(self, ref: str) -> Member:
        return next(member for member in self.world.members if member.ref == ref)

    def way(self, switch: str, outside: str = "net") -> Way:
        return next(way for way in self.world.ways if (way.switch, way.outside) == (switch, outside))

    def router(self, ref: str) -> int:
        network = self.world.system.model.network(ref)
        assert network is not None
        return router_mac(network.number)

    def from_member(self, ref: str, dst: Address) -> Datagram:
        """To the router of the only network that it is in."""
        member = self.member(ref)
        own = next(one for one in member.addresses if one.version == dst.version)
        return Datagram(Link(member.mac, self.router(member.networks[0])), own, dst)

    def put(self, where: Member | Way, frame: Packet) -> Trace:
        trace = self.fabric.inject(where.switch, where.port, frame)
        assert not trace.anomalies, trace.text()
        return trace

    def sent(self, where: Member | Way, datagram: Datagram) -> list[tuple[str, int, Packet]]:
        trace = self.put(where, datagram.frame())
        return [(each.switch, each.port, each.frame) for each in trace.deliveries]


def is_told(trace: Trace) -> bool:
    return any("tell the controller" in step.happened for step in trace.steps)


@pytest.mark.parametrize("far", [FAR, FAR6])
def test_what_is_spent_on_the_way_out_is_told_and_goes_nowhere(far: Address) -> None:
    scene = Scene()
    member, datagram = scene.member("red/vm"), scene.from_member("red/vm", far)
    for ttl, leaves in ((0, False), (1, False), (2, True)):
        trace = scene.put(member, replace(datagram, ttl=ttl).frame())
        assert (bool(trace.deliveries), is_told(trace)) == (leaves, not leaves)
    inside = ip_address("10.0.1.11" if far.version == 4 else "fd00:1::11")
    for ttl, arrives in ((0, False), (1, False), (2, True)):
        trace = scene.put(member, replace(datagram, dst=inside, ttl=ttl).frame())
        assert (bool(trace.deliveries), is_told(trace)) == (arrives, not arrives)


def large(link: Link, src: Address, dst: Address, size: int) -> Packet:
    """A datagram of so many bytes of IP."""
    if src.version == 4:
        return frames.ipv4_udp(link, int(src), int(dst), (40000, 9), bytes(size - 28))
    return frames.ipv6_udp(link, int(src), int(dst), (40000, 9), bytes(size - 48))


@pytest.mark.parametrize("far", [FAR, FAR6])
def test_what_is_too_large_for_the_outside_is_told(far: Address) -> None:
    def narrow(known: Document) -> None:
        known["fabric"]["outside"]["net"]["mtu"] = 1400

    scene = Scene(narrow)
    datagram, member = scene.from_member("red/vm", far), scene.member("red/vm")
    for size, leaves in ((1400, True), (1401, False)):
        trace = scene.put(member, large(datagram.link, datagram.src, far, size))
        assert (bool(trace.deliveries), is_told(trace)) == (leaves, not leaves)


@pytest.mark.parametrize(("far", "outer"), [(FAR, "203.0.113.50"), (FAR6, "2001:db8:f::1")])
def test_what_is_too_large_for_the_inside_is_told(far: Address, outer: str) -> None:
    def wide(known: Document) -> None:
        known["fabric"]["outside"]["net"]["mtu"] = 9000

    scene = Scene(wide)
    way = scene.way("gw1")
    link = Link(way.hop, scene.router("red/web"))
    for size, arrives in ((1500, True), (1501, False)):
        trace = scene.put(way, large(link, far, ip_address(outer), size))
        assert (bool(trace.deliveries), is_told(trace)) == (arrives, not arrives)


def test_of_two_uplinks_each_network_has_its_own() -> None:
    scene = Scene()
    for ref, outside in (("red/vm", "net"), ("blue/lab", "lab")):
        ((switch, port, frame),) = scene.sent(scene.member(ref), scene.from_member(ref, FAR))
        way = scene.way("gw1", outside)
        assert (switch, port, frame.eth_dst) == (way.switch, way.port, way.hop)
    # What is for an address of the one comes in by the other's uplink for nobody.
    stray = Datagram(Link(scene.way("gw1", "lab").hop, scene.router("red/web")), FAR, ip_address("203.0.113.50"))
    assert scene.sent(scene.way("gw1", "lab"), stray) == []
    assert len(scene.sent(scene.way("gw1"), stray)) == 1


@pytest.mark.parametrize(("target", "source"), [("203.0.113.51", "203.0.113.50"), ("2001:db8:f::2", "2001:db8:f::1")])
def test_floating_addresses_of_two_tenants_reach_each_other_on_one_gateway_without_the_outside(
    target: str, source: str
) -> None:
    scene = Scene()
    red, blue = scene.member("red/vm"), scene.member("blue/vm")
    asked = scene.from_member("red/vm", ip_address(target))
    inner = asked.src
    came = replace(asked, src=ip_address(source), dst=inner, ttl=62, link=Link(scene.router("blue/web"), blue.mac))
    assert scene.sent(red, asked) == [(blue.switch, blue.port, came.frame())]
    answer = came.answer(Link(blue.mac, scene.router("blue/web")))
    back = replace(asked.answer(Link(scene.router("red/web"), red.mac)), ttl=62)
    assert scene.sent(blue, answer) == [(red.switch, red.port, back.frame())]


def test_and_on_two_gateways_by_the_outside() -> None:
    def apart(known: Document) -> None:
        known["tenants"]["blue"]["networks"]["web"]["outside"]["gateways"] = ["gw2"]

    scene = Scene(apart)
    red, blue, one, other = scene.member("red/vm"), scene.member("blue/vm"), scene.way("gw1"), scene.way("gw2")
    asked = scene.from_member("red/vm", ip_address("203.0.113.51"))
    ((switch, port, frame),) = scene.sent(red, asked)
    assert (switch, port, frame.eth_dst) == (one.switch, one.port, one.hop)
    onward = replace(asked, src=ip_address("203.0.113.50"), link=Link(one.hop, scene.router("blue/web")), ttl=62)
    ((switch, port, frame),) = scene.sent(other, onward)
    assert (switch, port) == (blue.switch, blue.port)
    answer = replace(onward, dst=ip_address("10.0.0.11")).answer(Link(blue.mac, scene.router("blue/web")))
    ((switch, port, frame),) = scene.sent(blue, answer)
    assert (switch, port, frame.eth_dst) == (other.switch, other.port, other.hop)


@pytest.mark.parametrize(
    "address",
    ["0.0.0.1", "127.0.0.1", "169.254.1.1", "224.0.0.1", "239.1.1.1", "255.255.255.255", "::1", "fe80::1", "ff02::1"],
)
def test_a_gateway_forwards_nothing_that_is_for_its_link_for_groups_or_for_itself(address: str) -> None:
    scene = Scene()
    assert scene.sent(scene.member("red/vm"), scene.from_member("red/vm", ip_address(address))) == []


def test_a_subnet_without_a_router_has_no_way_out_and_takes_nobody_s_addresses_outside() -> None:
    """Nobody has checked whether it may have these addresses there: they are the next router's own."""

    def claim(known: Document) -> None:
        stolen = {"prefix": "2001:db8:ff::/64", "gateway": None}
        known["tenants"]["red"]["networks"]["thief"] = {"subnets": ["10.0.2.0/24", stolen], "outside": "net"}
        ips = ["10.0.2.11", "2001:db8:ff::11"]
        interface = {"at": "host:thief", "network": "thief", "ips": ips}
        known["tenants"]["red"]["nodes"]["thief"] = {"running": True, "interfaces": {"eth0": interface}}

    scene = Scene(claim)
    way = scene.way("gw1")
    for target in ("2001:db8:ff::1", "2001:db8:ff::11", "2001:db8:ff::77"):
        question = frames.neighbour_solicitation(way.hop, "2001:db8:ff::9", target, way.hop)
        assert scene.put(way, question).deliveries == ()
        assert answered_outside(scene.world, way, ip_address(target)) is None
    member = scene.member("red/thief")
    datagram = Datagram(Link(member.mac, scene.router("red/thief")), ip_address("2001:db8:ff::11"), FAR6)
    assert scene.sent(member, datagram) == []
    assert len(scene.sent(member, replace(datagram, src=ip_address("10.0.2.11"), dst=FAR))) == 1


def test_who_has_a_floating_address_is_not_let_in_to_by_the_other_that_he_has() -> None:
    def plain(known: Document) -> None:
        web = known["tenants"]["red"]["networks"]["web"]
        web["subnets"], web["outside"] = ["10.0.0.0/24", "2001:db8:1::/64"], {"network": "net", "gateways": ["gw1"]}
        known["tenants"]["red"]["nodes"]["vm"]["interfaces"]["eth0"]["ips"] = ["10.0.0.11", "2001:db8:1::11"]
        known["tenants"]["red"]["floating"] = {"2001:db8:f::1": {"network": "web", "inside": "2001:db8:1::11"}}

    scene = Scene(plain)
    way, link = scene.way("gw1"), Link(scene.way("gw1").hop, scene.router("red/web"))
    assert len(scene.sent(way, Datagram(link, FAR6, ip_address("2001:db8:f::1")))) == 1
    assert scene.sent(way, Datagram(link, FAR6, ip_address("2001:db8:1::11"))) == []


def test_a_gateway_moves_to_where_others_are_routed_into_its_network() -> None:
    """There it is known already where members are; but not yet that IPv6 is translated."""

    def apart(known: Document) -> None:
        known["tenants"]["blue"]["networks"]["web"]["outside"]["address"] = "203.0.113.78"

    scene = Scene(apart)
    system = scene.world.system
    assert system.model.gateway("red/web").switch == "gw1"  # type: ignore[union-attr]

    def move(work: requests.Work) -> None:
        for gateway in work.draft.gateways():
            if gateway.outside == "net":
                work.draft.put(replace(gateway, switch="gw2"))

    for each in (move, lambda work: work.draft.put(replace(work.draft.gateway("red/web"), switch="gw1"))):
        system.request(each)
        wanted = from_nothing(system.model, system.topology)
        assert {name: contents.rows for name, contents in system._programme.contents.items()} == {
            name: contents.rows for name, contents in wanted.items()
        }


# --- addresses outside that are whose --------------------------------------------------------------------------------


def floating(address: str, inside: str, network: str = "web") -> Callable[[requests.Work], None]:
    spec = FloatingSpec(network=network, inside=inside)
    return lambda work: put_floating(work.draft, work.fabric, "blue", address, spec)


def network(*subnets: Any, **way_out: Any) -> Callable[[requests.Work], None]:
    spec = NetworkSpec.model_validate({"subnets": subnets, "outside": {"network": "net", **way_out}})
    return lambda work: requests.put_network(work, "blue", "other", spec)


def without_router(known: Document) -> None:
    web = known["tenants"]["blue"]["networks"]["web"]
    web["subnets"] = ["10.0.0.0/24", {"prefix": "fd00::/64", "gateway": None}]
    del web["outside"]["prefix"]
    del known["tenants"]["blue"]["floating"]["2001:db8:f::2"]


def as_it_is(known: Document) -> None:
    """blue/web has its own addresses of IPv6 outside, and lets in to one."""
    web = known["tenants"]["blue"]["networks"]["web"]
    web["subnets"], web["outside"] = ["10.0.0.0/24", "2001:db8:2::/64"], {"network": "net"}
    known["tenants"]["blue"]["nodes"]["vm"]["interfaces"]["eth0"]["ips"] = ["10.0.0.11", "2001:db8:2::11"]
    known["tenants"]["blue"]["floating"]["2001:db8:2::11"] = known["tenants"]["blue"]["floating"].pop("2001:db8:f::2")
    known["tenants"]["blue"]["floating"]["2001:db8:2::11"]["inside"] = "2001:db8:2::11"


def nothing(known: Document) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "act", "says"),
    [
        (nothing, floating("10.0.0.12", "10.0.0.12"), "10.0.0.12 is not known in net as it is inside"),
        (nothing, floating("fd00::12", "fd00::12"), "fd00::12 is not known in net as it is inside"),
        (without_router, floating("2001:db8:f::9", "fd00::11"), "fd00::11 is in a subnet that has no router"),
        (nothing, network("10.5.0.0/24", "2001:db8:f::/64"), "2001:db8:f::1, which is another tenant's"),
        (nothing, network("fd05::/64", prefix="2001:db8:f::/64"), "2001:db8:f::1, which is another tenant's"),
        (as_it_is, network("2001:db8:2::/64"), "cannot be two networks'"),
        (as_it_is, floating("2001:db8:2::99", "2001:db8:2::11"), "in a network that goes as it is"),
    ],
)
def test_nobody_lets_in_by_addresses_that_are_another_s_or_nobody_s(
    change: Callable[[Document], None], act: Callable[[requests.Work], None], says: str
) -> None:
    system = Scene(change).world.system
    before = system.revision
    with pytest.raises(VnetError, match=says):
        system.request(act)
    assert system.revision == before


@pytest.mark.parametrize(
    ("subnet", "more", "says"),
    [
        ("2001:db8:2::/64", {"prefix": "2001:db8:3::/64"}, "would have 2001:db8:3::/64 outside"),
        ({"prefix": "2001:db8:2::/64", "gateway": None}, {}, "would be without a router for 2001:db8:2::11"),
    ],
)
def test_what_lets_in_is_given_up_before_the_network_is_another(subnet: Any, more: Document, says: str) -> None:
    system = Scene(as_it_is).world.system
    spec = NetworkSpec.model_validate({"subnets": ["10.0.0.0/24", subnet], "outside": {"network": "net", **more}})
    with pytest.raises(VnetError, match=says):
        system.request(lambda work: requests.put_network(work, "blue", "web", spec))
