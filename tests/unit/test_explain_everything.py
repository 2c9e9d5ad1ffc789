"""Rows of all stages in words, on a system that has one of everything."""

from __future__ import annotations

import time
from typing import Any

import pytest
from figure_system import ports_of
from internet_system import internet
from memory_store import MemoryStore

from ryu_vnet.compiler.pipeline import STAGE_BY_TABLE, STAGES
from ryu_vnet.fabric.documents import ADMITTED_PREFIX, OBSERVED_PREFIX, admission
from ryu_vnet.managers import requests
from ryu_vnet.managers.explain import Meanings, Names
from ryu_vnet.managers.system import System
from ryu_vnet.managers.tables import row_statuses
from ryu_vnet.model.outside import NextHop
from ryu_vnet.schema import Intent


def everything() -> dict[str, Any]:
    """The Internet's intent, and all that it does not have: networks for some traffic, somebody in several of them,
    routers of two tenants, addresses and ports of all kinds let in, ports where machines are learned, narrow and wide
    uplinks, a remote site."""
    found = internet()
    fabric, tenants = found["fabric"], found["tenants"]
    fabric["switches"]["host1"]["learn"] = {"learned": {"tenant": "red", "most": 2}}
    fabric["outside"]["internet"] |= {"mtu": 1400}
    fabric["outside"]["wide"] = {"addresses": ["192.0.2.0/24"], "next_hops": ["192.0.2.1"], "mtu": 9000}
    fabric["switches"]["gw2"]["uplinks"]["wide2"] = {"outside": "wide", "addresses": ["192.0.2.2"]}
    red, blue, green = tenants["red"], tenants["blue"], tenants["green"]
    red["networks"]["voice"] = {"traffic": [{"protocol": "udp", "port": "5060-5070"}], "subnets": ["10.2.0.0/24"]}
    red["networks"]["mail"] = {"traffic": [{"protocol": "tcp", "port": 25}, {"dscp": 46, "ethertype": "ipv6"}]}
    both = {"mac": "02:00:00:00:04:01", "ips": ["10.0.0.31"], "at": "host1:red-both"}
    red["nodes"]["both"] = {"running": True, "interfaces": {"eth0": {**both, "networks": ["voice", "mail", "web"]}}}
    other = {"mac": "02:00:00:00:04:02", "ips": ["10.0.0.32"], "at": "host2:red-also"}
    red["nodes"]["also"] = {"running": True, "interfaces": {"eth0": {**other, "networks": ["voice", "web"]}}}
    red["networks"]["wide"] = {"subnets": ["10.6.0.0/24"], "outside": "wide"}
    wide = {"mac": "02:00:00:00:04:03", "ips": ["10.6.0.11"], "at": "host2:red-wide", "network": "wide"}
    red["nodes"]["wide"] = {"running": True, "interfaces": {"eth0": wide}}
    allowed = [{"protocol": "udp", "port": 53}, {"protocol": "icmp"}, {"protocol": "sctp", "port": 9}, {"protocol": 47}]
    red["routers"]["core"]["rules"].append({"from": "db", "to": "web", "allow": allowed})
    red["routers"]["shop"] = {"networks": ["db", "green/alone"]}
    green["routers"] = {"shop": {"networks": ["alone", "red/db"]}}
    red["floating"]["2001:db8:a:5::5"] = {"network": "web", "inside": "fd00:1::11"}
    green["networks"]["alone"] = {"subnets": ["10.4.0.0/24"]}
    green["nodes"]["vm2"]["interfaces"]["eth0"]["ips"] = ["10.4.0.12"]
    green["floating"] = {"2001:db8:a:7::11": {"network": "plain", "inside": "2001:db8:a:7::11"}}
    blue["forwards"] = [
        {"network": "web", "address": "203.0.113.60", "port": 53, "protocol": "udp", "inside": "10.0.0.11"}
    ]
    fabric["switches"]["gw1"]["tunnels"] = {"vxlan0": {"protocol": "vxlan", "address": "192.0.2.10"}}
    red["sites"] = {"paris": {"network": "mail", "remote": "198.51.100.10", "key": 5000}}
    there = {"mac": "02:00:00:00:05:01", "site": "paris", "network": "mail"}
    red["nodes"]["paris1"] = {"running": True, "interfaces": {"eth0": there}}
    return found


@pytest.fixture(scope="module")
def system() -> System:
    intent, store = everything(), MemoryStore()
    system = System(store, lambda name, messages: None, time.monotonic)
    system.request(lambda work: requests.apply(work, Intent.model_validate(intent)))
    for name, port, outside in (("gw1", "inet1", "internet"), ("gw2", "inet2", "internet"), ("gw2", "wide2", "wide")):
        for hop in system.fabric.outsides[outside].next_hops:
            mac = 0x02_00_00_00_FF_00 | hop.version
            system.request(lambda work, at=(name, port, hop), mac=mac: work.draft.put(NextHop(*at, mac)))  # type: ignore
    ports = ports_of(intent)
    for name, switch in intent["fabric"]["switches"].items():
        known = ports.setdefault(name, {})
        for port in [*switch.get("uplinks", {}), *switch.get("learn", {}), *switch.get("tunnels", {})]:
            known[port] = [len(known) + 1, True]
    store.commit({OBSERVED_PREFIX + name: known for name, known in ports.items()})
    store.commit({ADMITTED_PREFIX + name: admission(switch) for name, switch in system.fabric.switches.items()})
    return System(store, lambda name, messages: None, time.monotonic)


def test_every_stage_has_words(system: System) -> None:
    meanings = Meanings(Names(system.model, system.fabric), "gw1", {}, {})
    assert {*meanings._stages} == {stage.name for stage in STAGES}


def test_every_row_is_told_in_words_of_its_own(system: System) -> None:
    purposes = {stage.purpose for stage in STAGES}
    seen = set()
    for name in system.switches:
        rows = row_statuses(system, name)
        assert len(rows) == len(system.tables[name].rows) > 0
        for row in rows:
            assert row.meaning and row.meaning not in purposes, row
            for vague in ("number ", "any address", "a network ", "None", "anything else", "that are gone"):
                assert vague not in row.meaning or (vague, row.stage) == ("anything else", "CLASS"), row
            seen.add(row.stage)
    assert seen == {stage.name for stage in STAGES}


def test_every_band_of_what_answers_routes_and_leaves_is_there(system: System) -> None:
    """So that the words for it were looked at."""
    bands = {
        (STAGE_BY_TABLE[row.table].name, name)
        for table in system.tables.values()
        for row in table.rows.values()
        for name, priority in STAGE_BY_TABLE[row.table].priorities.items()
        if priority == row.priority
    }
    for stage in STAGES[STAGES.index(STAGE_BY_TABLE[52]) :]:
        missing = {name for name in stage.priorities if (stage.name, name) not in bands}
        assert not missing - ({"place"} if stage.name == "FORWARD" else set()), stage.name


SAID = {
    "ANSWER": [
        "what has a VLAN tag of a member's own is no question, and is not routed",
        "what red/web1 eth0 says of its own address 10.0.0.11 is for everybody in red/web",
        "whoever asks for the router of red/web, 10.0.0.1, is answered here",
        "whoever pings the router of red/web, fd00:1::1, is answered here",
        "whoever asks for 10.0.0.12 in red/web, red/web2 eth0, is answered here",
        "in red/web, whoever asks for routers: the controller is told, which answers",
        "in red/web, DHCP requests to 255.255.255.255: the controller is told, which answers",
        "in red/web, DHCPv6 requests to ff02::1:2: the controller is told, which answers",
        "in red/web, router advertisements of members are refused",
        "in red/web, DHCP answers of members are refused",
        "whatever else is sent in red/web is for whom it is",
    ],
    "ROUTE": [
        "IPv4 of red/web to red/db (10.0.1.0/24) whose TTL is spent: the controller is told",
        "from red/web to red/db, tcp to port 5432 may begin, by router red/core",
        "from red/web to red/db, udp from port 53 comes back, as router red/core lets it be asked for",
        "from red/web to red/db (fd00:2::/64), what no rule lets pass is refused",
        "what is not for the router of red/web, or not for where that routes to, goes on",
    ],
}


@pytest.mark.parametrize("stage", SAID)
def test_rows_that_answer_and_route(system: System, stage: str) -> None:
    meanings = [row.meaning for row in row_statuses(system, "host1") if row.stage == stage]
    for said in SAID[stage]:
        assert said in meanings, meanings


def test_rows_between_tenants_name_the_routers_of_both(system: System) -> None:
    meanings = [row.meaning for row in row_statuses(system, "host3") if row.stage == "ROUTE"]
    assert "from red/db to green/alone, everything may begin, by routers green/shop, red/shop" in meanings
    assert "from green/alone to red/db, everything may begin, by routers green/shop, red/shop" in meanings
