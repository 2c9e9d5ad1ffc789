"""Routing between networks that are changed under it, and fragments, in which no switch sees what they are."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from drawn import new_system, simulator
from internet_system import internet_system
from test_sites import BASE, Json, apply, plug_everything

from ryu_vnet.errors import Conflict, Invalid
from ryu_vnet.managers import requests
from ryu_vnet.managers.routers import put_router
from ryu_vnet.managers.system import System
from ryu_vnet.model.outside import router_mac
from ryu_vnet.schema import NetworkSpec, RouterSpec
from ryu_vnet.verify import frames
from ryu_vnet.verify.frames import Link
from ryu_vnet.verify.packet import Packet
from ryu_vnet.verify.simulate import Simulator

WEB1, DB1 = ip_address("10.0.0.11"), ip_address("10.0.1.21")


# --- two that a third is routed with ----------------------------------------------------------------------------------


def third(*, is_running: bool) -> System:
    """red/db is routed with red/x, and with blue/web, of which it does not know more than that."""
    interface = {"mac": "02:00:00:00:00:01", "at": "host1:d", "network": "db"}
    red: Json = {
        "networks": {"db": {"subnets": ["10.0.1.0/24"]}, "x": {"subnets": ["10.0.9.0/24"]}},
        "routers": {"a": {"networks": ["db", "x"]}, "b": {"networks": ["db", "blue/web"]}},
        "nodes": {"d": {"running": is_running, "interfaces": {"eth0": interface}}},
    }
    blue = {
        "networks": {"web": {"subnets": ["10.0.5.0/24"]}},
        "routers": {"r": {"networks": ["web", "red/db"]}},
    }
    system = new_system()
    apply(system, {"fabric": BASE["fabric"], "tenants": {"red": red, "blue": blue}})
    plug_everything(system)
    return system


@pytest.mark.parametrize("is_running", [True, False])
@pytest.mark.parametrize("subnet", ["10.0.9.0/24", "10.0.9.128/25", "10.0.0.0/20"])
def test_nobody_draws_to_himself_what_others_are_routed(is_running: bool, subnet: str) -> None:
    system = third(is_running=is_running)
    before = system.revision
    spec = NetworkSpec.model_validate({"subnets": [subnet]})
    with pytest.raises(Conflict, match="overlap"):
        system.request(lambda work: requests.put_network(work, "blue", "web", spec))
    assert system.revision == before
    other = NetworkSpec.model_validate({"subnets": ["10.0.6.0/24"]})
    assert system.request(lambda work: requests.put_network(work, "blue", "web", other)).changed


# --- what a rule lets begin, and what answers -------------------------------------------------------------------------


class Ruled:
    """red/web and red/db, of which one may begin what rules say."""

    def __init__(self, *allow: Json) -> None:
        rule: Json = {"from": "web", "to": "db", **({"allow": [*allow]} if allow else {})}
        spec = RouterSpec.model_validate({"networks": ["web", "db"], "rules": [rule]})
        self.system = internet_system()
        self.system.request(lambda work: put_router(work.draft, "red", "core", spec) and None)
        plain = simulator(self.system)
        self.simulator = Simulator(plain._tables, plain._wires)

    def link(self, place: str) -> Link:
        """From who is at a port to the router of his network."""
        there = next(one for one in self.system.model.nodes() if str(one.interfaces[0].place) == place)
        network = self.system.model.network(there.networks_of(there.interfaces[0])[0])
        assert network is not None
        return Link(there.interfaces[0].mac, router_mac(network.number))

    def arrives(self, place: str, frame: Packet) -> bool:
        switch, _, port = place.partition(":")
        number = self.system.topology.numbers(switch)[port]
        return bool(self.simulator.inject(switch, number, frame).deliveries)

    def all_arrive(self, place: str, pieces: list[Packet]) -> bool:
        arrived = [self.arrives(place, piece) for piece in pieces]
        assert len({*arrived}) == 1
        return arrived[0]


WEB, DB = "host1:red-web1", "host3:red-db1"


@pytest.mark.parametrize("allow", [[{"protocol": "icmp"}], []])
def test_who_may_only_answer_does_not_begin_in_fragments(allow: list[Any]) -> None:
    ruled = Ruled(*allow)
    there, back = frames.ipv4_echo(ruled.link(WEB), WEB1, DB1), frames.ipv4_echo(ruled.link(DB), DB1, WEB1, b"x" * 40)
    assert ruled.arrives(WEB, there) and not ruled.arrives(DB, back)
    assert not ruled.all_arrive(DB, frames.fragments(back, 24))
    ask = frames.ipv4_echo(ruled.link(WEB), WEB1, DB1, b"x" * 40)
    assert ruled.all_arrive(WEB, frames.fragments(ask, 24))


def test_a_rule_of_no_protocol_is_not_one_of_all() -> None:
    with pytest.raises(Invalid, match="protocol 0 is none"):
        Ruled({"protocol": "0"})
