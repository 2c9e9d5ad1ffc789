"""Subnets, ways out, floating addresses and forwarded ports by the web service, the client and the command line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result
from figure_system import served, web_service
from flask.testing import FlaskClient
from in_process import client_of
from internet_system import HOP_MAC, internet, internet_system
from memory_store import MemoryStore

from ryu_vnet.cli import exported, main
from ryu_vnet.client import Client
from ryu_vnet.errors import Conflict, Invalid, NotFound
from ryu_vnet.managers.system import System
from ryu_vnet.model.names import format_mac

Run = Callable[..., Result]


@pytest.fixture
def system() -> System:
    return internet_system()


@pytest.fixture
def web(system: System) -> FlaskClient:
    return web_service(system).test_client()


@pytest.fixture
def client(system: System) -> Iterator[Client]:
    with client_of(system) as client:
        yield client


@pytest.fixture
def vnet() -> Iterator[Run]:
    with served(lambda: web_service(internet_system())) as url:
        yield lambda *arguments, code=(0, 4): _run(url, arguments, code)


def _run(url: str, arguments: tuple[str, ...], code: tuple[int, ...]) -> Result:
    result = CliRunner().invoke(main, ["--url", url, "--wait", "0", *arguments])
    assert result.exit_code in code, result.output
    return result


# --- networks ---------------------------------------------------------------------------------------------------------


def test_a_network_shows_what_it_asked_for_and_what_it_was_granted(client: Client) -> None:
    found = client.network("red/web")
    assert [one["prefix"] for one in found["subnets"]] == ["10.0.0.0/24", "fd00:1::/64"]
    assert found["subnets"][0] == {"prefix": "10.0.0.0/24", "gateway": "10.0.0.1", "dns": [], "dhcp": True}
    assert found["declared"]["outside"]["network"] == "internet" and found["declared"]["outside"]["address"] is None
    assert found["router_mac"] == format_mac(0x02_76_6F_00_00_00 | found["number"])
    granted = found["exit"]
    assert (granted["outside"], granted["gateway"], granted["up"]) == ("internet", "gw1", True)
    assert granted["address"] == "203.0.113.4" and granted["prefix"] == "2001:db8:a:1::/64"
    assert granted["router_mac"] == found["router_mac"] and granted["ports"] == "20480-24575"
    alone = client.network("green/alone")
    assert alone["exit"] is None and alone["router_mac"] is not None


def test_what_is_put_again_as_it_is_declared_is_no_change(client: Client) -> None:
    for ref in ("red/web", "blue/web", "green/plain", "green/alone"):
        assert not client.put_network(ref, **client.network(ref)["declared"]).changed
    odd = {"prefix": "10.9.0.0/24", "gateway": None, "dns": ["10.9.0.53"], "dhcp": False}
    assert client.put_network("red/odd", subnets=[odd]).changed
    assert client.network("red/odd")["declared"]["subnets"] == [odd]
    assert client.network("red/odd")["router_mac"] is None
    assert not client.put_network("red/odd", **client.network("red/odd")["declared"]).changed


REFUSED: list[tuple[str, str, Any, int, str, str]] = [
    # method, path below the tenant, body, status, where the problem is, what it must name
    ("PUT", "networks/n", {"subnets": ["10.0.0.1/24"]}, 422, "networks.n.subnets[0].prefix", "has host bits set"),
    ("PUT", "networks/n", {"subnets": ["nonsense"]}, 422, "networks.n.subnets[0].prefix", "'nonsense' is not a prefix"),
    ("PUT", "networks/n", {"subnets": ["10.0.0.0/31"]}, 422, "networks.n.subnets[0].prefix", "no subnet for machines"),
    ("PUT", "networks/n", {"subnets": ["224.0.0.0/24"]}, 422, "networks.n.subnets[0].prefix", "nobody's prefix"),
    ("PUT", "networks/n", {"subnets": ["10.0.0.0/24", "10.1.0.0/24"]}, 422, "networks.n.subnets[1]", "a second subnet"),
    ("PUT", "networks/n", {"subnets": [{"prefix": "10.0.0.0/24", "gateway": "10.0.1.1"}]}, 422,
     "networks.n.subnets[0].gateway", "one of 10.0.0.1 to 10.0.0.254"),
    ("PUT", "networks/n", {"subnets": [{"prefix": "10.0.0.0/24", "dns": ["fd00::1"]}]}, 422,
     "networks.n.subnets[0].dns", "fd00::1 is no IPv4 address"),
    ("PUT", "networks/n", {"subnets": [{"prefix": "10.0.0.0/24", "gate": "10.0.0.1"}]}, 422,
     "networks.n.subnets[0].gate", "unknown field 'gate'"),
    ("PUT", "networks/n", {"subnets": ["10.0.0.0/24"], "outside": "moon"}, 422, "networks.n.outside.network",
     "no outside network 'moon' (one of internet)"),
    ("PUT", "networks/n", {"outside": "internet"}, 422, "networks.n.outside", "has no way out"),
    ("PUT", "networks/n", {"subnets": ["10.0.0.0/24"], "outside": {"network": "internet", "gateways": ["host1"]}}, 422,
     "networks.n.outside.gateways[0]", "'host1' has no uplink to internet"),
    ("PUT", "networks/n", {"subnets": ["10.0.0.0/24"], "outside": {"network": "internet", "address": "8.8.8.8"}}, 422,
     "networks.n.outside.address", "8.8.8.8 is not for networks of tenants"),
    ("PUT", "networks/n", {"subnets": ["10.0.0.0/24"], "outside": {"network": "internet", "address": "203.0.113.50"}},
     409, "", "is a member's own"),
    ("PUT", "networks/n", {"subnets": ["10.0.0.0/24"], "outside": {"network": "internet", "address": "203.0.113.4",
     "ports": "20000-21000"}}, 409, "", "are not free"),
    ("PUT", "networks/n", {"subnets": ["fd00:9::/64"], "outside": {"network": "internet", "prefix": "fd00:7::/64"}},
     422, "networks.n.outside.prefix", "is not for networks of tenants"),
    ("PUT", "networks/web", {"subnets": ["10.0.1.0/24"], "outside": "internet"}, 409, "", "203.0.113.50 is for 10.0.0"),
    ("PUT", "networks/web", {"subnets": ["10.0.0.0/24"]}, 409, "", "without a way out to internet"),
    ("DELETE", "networks/web", None, 409, "", "detach them first"),
    ("PUT", "floating/203.0.113.66", {"network": "web", "inside": "10.0.1.9"}, 422, "floating.203.0.113.66.inside",
     "no member's address"),
    ("PUT", "floating/203.0.113.66", {"network": "web", "inside": "10.0.0.1"}, 422, "floating.203.0.113.66.inside",
     "no member's address"),
    ("PUT", "floating/203.0.113.66", {"network": "web", "inside": "fd00:1::11"}, 422, "floating.203.0.113.66.inside",
     "cannot stand for"),
    ("PUT", "floating/203.0.113.66", {"network": "web", "inside": "10.0.0.12"}, 409, "", "has the outside address 203"),
    ("PUT", "floating/203.0.113.66", {"network": "web"}, 422, "floating.203.0.113.66.inside", "inside is missing"),
    ("PUT", "floating/198.51.100.1", {"network": "web", "inside": "10.0.0.11"}, 422, "floating.198.51.100.1",
     "not for networks of tenants (one of 203.0.113.0/24"),
    ("PUT", "floating/203.0.113.1", {"network": "web", "inside": "10.0.0.11"}, 422, "floating.203.0.113.1",
     "the next router's own"),
    ("PUT", "floating/203.0.113.2", {"network": "web", "inside": "10.0.0.11"}, 409, "", "that of a router or gateway"),
    ("PUT", "floating/203.0.113.4", {"network": "web", "inside": "10.0.0.11"}, 409, "", "what sources of a network"),
    ("PUT", "floating/nonsense", {"network": "web", "inside": "10.0.0.11"}, 422, "floating.nonsense", "not an IP"),
    ("PUT", "floating/203.0.113.66", {"network": "nix", "inside": "10.0.0.11"}, 404, "", "no network 'nix'"),
    ("DELETE", "floating/203.0.113.66", None, 404, "", "has no floating address 203.0.113.66"),
    ("POST", "forwards", {"network": "web", "port": 20500, "inside": "10.0.0.11"}, 409, "", "of those that sources"),
    ("POST", "forwards", {"network": "web", "port": 80, "inside": "fd00:1::11"}, 422, "forwards.inside", "a floating"),
    ("POST", "forwards", {"network": "web", "port": 0, "inside": "10.0.0.11"}, 422, "forwards.port", "greater than or"),
    ("POST", "forwards", {"network": "web", "port": 80, "inside": "10.0.0.11", "address": "203.0.113.50"}, 409, "",
     "is a member's own"),
    ("POST", "forwards", {"network": "web", "port": 80, "inside": "10.0.0.11", "protocol": "sctp"}, 422,
     "forwards.protocol", "one of 'tcp' or 'udp'"),
    ("PUT", "forwards/203.0.113.4/icmp/80", {"network": "web", "inside": "10.0.0.11"}, 422, "protocol", "tcp or udp"),
    ("DELETE", "forwards/203.0.113.4/tcp/80", None, 404, "", "forwards no tcp port 80 of 203.0.113.4"),
    ("GET", "floating?after=x", None, 422, "after", "'x' is no entry of the list"),
    ("PUT", "nodes/new", {"interfaces": {"eth0": {"network": "web", "ips": ["10.0.0.11"]}}}, 422,
     "nodes.new.interfaces.eth0.ips", "10.0.0.11 in red/web is that of red/web1 eth0 already"),
    ("PUT", "nodes/new", {"interfaces": {"eth0": {"network": "web", "ips": ["10.0.0.1"]}}}, 422,
     "nodes.new.interfaces.eth0.ips", "has the address of the router of red/web, 10.0.0.1"),
    ("PUT", "nodes/new", {"interfaces": {"eth0": {"network": "web", "ips": ["10.0.0.255"]}}}, 422,
     "nodes.new.interfaces.eth0.ips", "no machine's address"),
    ("PUT", "nodes/new", {"running": True, "interfaces": {"eth0": {"at": "gw1:inet1", "mac": "02:00:00:00:09:01"}}},
     422, "nodes.new.interfaces.eth0.at", "port gw1:inet1 is an uplink of the fabric"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "where", "named"), REFUSED)
def test_refusals(
    system: System, web: FlaskClient, method: str, path: str, body: Any, status: int, where: str, named: str
) -> None:
    before = system.revision, {*map(repr, system.model.values())}
    answer: Any = web.open(f"/v1/tenants/red/{path}", method=method, json=body)
    assert answer.status_code == status, answer.json
    assert named in answer.json["detail"], answer.json["detail"]
    places = [part["where"].removeprefix("tenants.red.") for part in answer.json.get("problems", [{"where": ""}])]
    assert where in places, answer.json
    assert (system.revision, {*map(repr, system.model.values())}) == before


def test_nobody_gets_or_gives_up_what_is_another_tenants(client: Client) -> None:
    with pytest.raises(Conflict, match=r"203\.0\.113\.50 is another tenant's: take another one"):
        client.put_floating("blue", "203.0.113.50", "web", "10.0.0.11")
    with pytest.raises(NotFound):
        client.delete_floating("blue", "203.0.113.50")
    address = client.put_forward("red", "web", 8080, "10.0.0.11").raw["forward"]["address"]
    with pytest.raises(Conflict, match="tcp port 8080 of 203.0.113.4 is another tenant's"):
        client.put_forward("blue", "web", 8080, "10.0.0.11", address=address)
    with pytest.raises(NotFound):
        client.delete_forward("blue", address, "tcp", 8080)
    assert client.floating("blue") == client.forwards("blue") == []


# --- what is let in ---------------------------------------------------------------------------------------------------


def test_floating_addresses_from_birth_to_death(client: Client) -> None:
    assert client.put_floating("red", "203.0.113.66", "web", "10.0.0.11").changed
    assert not client.put_floating("red", "203.0.113.66", "web", "10.0.0.11").changed
    assert client.put_floating("red", "2001:db8:a:5::5", "web", "fd00:1::11").changed
    listed = client.floating("red")
    assert [one["address"] for one in listed] == ["203.0.113.50", "203.0.113.66", "2001:db8:a:5::5"]
    assert client.floating("red", limit=1, after="203.0.113.50") == [listed[1]]
    assert (
        listed[1]
        == client.floating_address("red", "203.0.113.66")
        == {
            "address": "203.0.113.66",
            "outside": "internet",
            "tenant": "red",
            "network": "web",
            "inside": "10.0.0.11",
            "member": "red/web1 eth0",
            "gateway": "gw1",
        }
    )
    assert client.put_floating("red", "203.0.113.66", "web", "10.0.0.99").changed
    assert client.floating_address("red", "203.0.113.66")["member"] is None
    assert client.delete_floating("red", "203.0.113.66").changed
    with pytest.raises(NotFound, match=r"tenant red has no floating address 203\.0\.113\.66"):
        client.floating_address("red", "203.0.113.66")
    with pytest.raises(NotFound, match="there is no tenant 'grey'"):
        client.floating("grey")


def test_forwarded_ports_from_birth_to_death(client: Client, web: FlaskClient) -> None:
    made = client.put_forward("blue", "web", 8080, "10.0.0.11", 80)
    assert made.changed and made.raw["forward"]["address"] == "203.0.113.4"
    assert not client.put_forward("blue", "web", 8080, "10.0.0.11", 80).changed
    assert client.put_forward("blue", "web", 53, "10.0.0.12", protocol="udp").changed
    one = client.forward("blue", "203.0.113.4", "tcp", 8080)
    assert (one["inside"], one["inside_port"], one["member"]) == ("10.0.0.11", 80, "blue/web1 eth0")
    listed = client.forwards("blue")
    assert [(part["protocol"], part["port"]) for part in listed] == [("tcp", 8080), ("udp", 53)]
    assert client.forwards("blue", limit=1, after="203.0.113.4/tcp/8080") == [listed[1]]
    body = {"network": "web", "inside": "10.0.0.12"}
    moved: Any = web.put("/v1/tenants/blue/forwards/203.0.113.4/tcp/8080", json=body).json
    assert moved["changed"] and (moved["forward"]["inside"], moved["forward"]["inside_port"]) == ("10.0.0.12", 8080)
    assert client.delete_forward("blue", "203.0.113.4", "udp", 53).changed and len(client.forwards("blue")) == 1
    with pytest.raises(NotFound, match="forwards no udp port 53"):
        client.forward("blue", "203.0.113.4", "udp", 53)


def test_what_happened_is_told_in_words(client: Client) -> None:
    client.put_floating("red", "203.0.113.66", "web", "10.0.0.11")
    client.put_network("red/new", subnets=["10.7.0.0/24"], outside="internet")
    client.put_network("red/new", subnets=[{"prefix": "10.7.0.0/24", "dns": ["9.9.9.9"]}], outside="internet")
    first, second, third = [event for event in client.events() if event["kind"] == "request"][-3:]
    assert first["text"] == "made floating address 203.0.113.66 of internet for red/web"
    assert second["text"] == "made network red/new"
    (label, zone) = second["details"]["granted"]
    assert label["network"] == zone["network"] == "red/new" and zone["gateway"] == "gw1" and zone["zone"] == 4
    assert "10.7.0.0/24, router 10.7.0.1 -> 10.7.0.0/24, router 10.7.0.1, DNS 9.9.9.9" in third["text"]
    assert first in client.events(subject="red/web") and first in client.events(subject="red")
    client.put_network("red/new")
    last = client.events()[-1]
    assert "exit.outside internet -> -" in last["text"] and last["details"]["given_back"][0]["zone"] == 4
    assert [part["identifier"] for part in client.status()["resting"] if part["kind"] == "zone"] == [4]
    assert client.explain("zone", "4")["answer"].startswith("rests, given back of red/new at revision")


# --- addresses of members ---------------------------------------------------------------------------------------------


def leases(client: Client, ref: str, interface: str = "eth0") -> list[str]:
    return [*client.node(ref)["interfaces"][interface]["leases"]]


def test_members_are_given_addresses_and_keep_them() -> None:
    store = MemoryStore()
    system = internet_system(store)
    with client_of(system) as client:
        for name in ("a", "b"):
            client.put_node(f"blue/{name}", {"interfaces": {"eth0": {"network": "web"}}})
        assert [leases(client, f"blue/{name}") for name in ("a", "b")] == [["10.0.0.2"], ["10.0.0.3"]]
        assert leases(client, "blue/web1") == []
        client.put_node("red/six", {"interfaces": {"eth0": {"network": "web", "mac": "02:00:00:00:09:01"}}})
        assert leases(client, "red/six") == ["10.0.0.2", "fd00:1::ff:fe00:901"]
        client.delete_node("blue/a")
        assert leases(client, "blue/b") == ["10.0.0.3"]
        client.put_node("blue/c", {"interfaces": {"eth0": {"network": "web"}}})
        assert leases(client, "blue/c") == ["10.0.0.2"]
        client.put_node("blue/b", {"interfaces": {"eth0": {"network": "web"}}, "unit": "sales"})
        assert leases(client, "blue/b") == ["10.0.0.3"]
    again = System(store, lambda name, messages: None, time.monotonic)
    with client_of(again) as client:
        assert leases(client, "blue/b") == ["10.0.0.3"]
        client.put_node("blue/d", {"interfaces": {"eth0": {"network": "web"}}})
        assert leases(client, "blue/d") == ["10.0.0.4"]
        client.put_node("blue/b", {"interfaces": {"eth0": {"network": "web", "ips": ["10.0.0.30"]}}})
        assert leases(client, "blue/b") == []
        client.detach("blue/d", "blue/web")
        assert leases(client, "blue/d") == []
        client.put_network("blue/web", subnets=["10.1.0.0/24"], outside="internet")
        assert [leases(client, f"blue/{name}") for name in ("b", "c")] == [["10.1.0.2"], ["10.1.0.3"]]
        assert client.explain("mac", "02:00:00:00:09:01")["reasons"][0].endswith(
            "addresses given to it: 10.0.0.2, fd00:1::ff:fe00:901"
        )


def test_a_subnet_that_is_full_gives_no_more(client: Client) -> None:
    client.put_network("red/tiny", subnets=["10.9.0.0/30"])
    client.put_node("red/one", {"interfaces": {"eth0": {"network": "tiny"}}})
    with pytest.raises(Exception, match="network red/tiny has no address left in 10.9.0.0/30: give it a larger"):
        client.put_node("red/two", {"interfaces": {"eth0": {"network": "tiny"}}})


# --- gateways and outside networks ------------------------------------------------------------------------------------


def test_gateways_are_shown(client: Client, system: System) -> None:
    one, two = client.gateways()
    assert (one["name"], one["segment"], one["fit"], one["why"], one["network_count"]) == ("gw1", "G", True, "", 3)
    (uplink,) = one["uplinks"]
    assert (uplink["port"], uplink["outside"], uplink["up"]) == ("inet1", "internet", True)
    assert uplink["addresses"] == ["203.0.113.2", "2001:db8:ff::2"]
    assert uplink["next_hops"][0] == {"address": "203.0.113.1", "mac": format_mac(HOP_MAC), "answers": None}
    assert uplink["next_hops"][1] == {"address": "2001:db8:ff::1", "mac": None, "answers": None}
    assert [served["network"] for served in one["networks"]] == ["blue/web", "green/plain", "red/web"]
    assert two["networks"] == [] and client.gateway("gw1") == one
    with pytest.raises(NotFound, match=r"no gateway 'host1' \(there are: gw1, gw2\)"):
        client.gateway("host1")
    fabric = client.fabric()
    assert fabric["gateways"] == [one, two] and fabric["outside"] == client.outsides()
    assert fabric["declared"]["switches"]["gw1"]["uplinks"] == internet()["fabric"]["switches"]["gw1"]["uplinks"]
    assert not client.put_fabric(fabric["declared"]).changed
    ports = {port["name"]: port["used_by"] for port in client.ports("gw1")}
    assert ports["inet1"] == "the uplink to internet"
    assert client.explain("port", "gw1:inet1")["answer"] == "the uplink to internet"


def test_outside_networks_are_shown(client: Client) -> None:
    client.put_forward("blue", "web", 8080, "10.0.0.11", 80)
    (found,) = client.outsides()
    assert (found["name"], found["gateways"], found["used"], found["network_count"]) == (
        "internet", ["gw1", "gw2"], 3, 3,
    )  # fmt: skip
    assert client.outside("internet") == found
    uses = client.outside_addresses("internet")
    told = [
        (one["address"], one["use"], one["network"], one["ports"]) for one in uses if one["address"] >= "203.0.113.4"
    ]
    assert told == [
        ("203.0.113.4", "forward", "blue/web", "tcp 8080"),
        ("203.0.113.4", "translation", "blue/web", "16384-20479"),
        ("203.0.113.4", "translation", "red/web", "20480-24575"),
        ("203.0.113.50", "floating", "red/web", None),
        ("203.0.113.60", "forward", "red/web", "tcp 8022"),
    ]
    assert {one["use"] for one in uses} == {"forward", "translation", "floating", "gateway", "next router"}
    assert client.outside_addresses("internet", limit=2, after="3") == uses[3:5]
    with pytest.raises(NotFound, match=r"no outside network 'moon' \(there are: internet\)"):
        client.outside("moon")
    with pytest.raises(Invalid, match="'x' is no number"):
        client.outside_addresses("internet", after="x")


# --- whole intents ----------------------------------------------------------------------------------------------------


def test_what_is_exported_gives_the_same_and_changes_nothing(client: Client) -> None:
    client.put_forward("blue", "web", 8080, "10.0.0.11", 80)
    client.put_forward("blue", "web", 53, "10.0.0.12", protocol="udp")
    client.put_node("red/given", {"interfaces": {"eth0": {"network": "web"}}})
    odd = {"prefix": "10.9.0.0/24", "gateway": "10.9.0.254", "dns": ["9.9.9.9"], "dhcp": False}
    way_out = {"network": "internet", "gateways": ["gw2"], "address": "203.0.113.77", "ports": "20000-20999"}
    client.put_network("red/odd", subnets=[odd], outside=way_out)
    text = "\n".join(exported.lines(client, (), fabric=True))
    whole = exported.intent(client, (), fabric=True)
    planned = client.plan(whole, prune="all")["plan"]
    assert not planned["changed"], planned
    assert "web: {subnets: [10.0.0.0/24], outside: internet}" in text
    empty = System(MemoryStore(), lambda name, messages: None, time.monotonic)
    with client_of(empty) as other:
        other.apply(whole)
        assert "\n".join(exported.lines(other, (), fabric=True)) == text
        assert not other.plan(whole, prune="all")["plan"]["changed"]
        assert other.node("red/given") == client.node("red/given")


def test_a_plan_says_what_would_be_granted(client: Client) -> None:
    intent = internet()
    red = intent["tenants"]["red"]
    red["networks"]["new"] = {"subnets": ["10.5.0.0/24"], "outside": "internet"}
    red["networks"]["web"]["subnets"][0] = {"prefix": "10.0.0.0/24", "dns": ["9.9.9.9"]}
    red["floating"]["203.0.113.61"] = {"network": "web", "inside": "10.0.0.11"}
    red["floating"]["203.0.113.50"]["inside"] = "10.0.0.99"
    red["forwards"] = [{"network": "web", "port": 80, "inside": "10.0.0.11"}]
    intent["fabric"]["outside"]["internet"]["mtu"] = 1400
    found = client.plan(intent)["plan"]
    assert found["gateways"]["new"]["first"] == ["red/new on gw1 to internet as 203.0.113.4, ports 24576-28671"]
    assert found["floating"]["new"]["first"] == ["203.0.113.61 of internet for 10.0.0.11 in red/web"]
    (changed,) = found["floating"]["changed"]["first"]
    assert changed["name"] == "203.0.113.50 of internet"
    assert changed["fields"] == [{"field": "inside", "old": "10.0.0.12", "new": "10.0.0.99"}]
    assert found["forwards"]["new"]["first"] == ["tcp 80 of 203.0.113.4 of internet for 10.0.0.11:80 in red/web"]
    (network,) = found["networks"]["changed"]["first"]
    assert network["fields"][0]["field"] == "subnets" and "DNS 9.9.9.9" in network["fields"][0]["new"]
    assert found["outside"]["changed"]["first"][0]["fields"] == [{"field": "mtu", "old": "1500", "new": "1400"}]


def test_pruning_takes_what_is_let_in(client: Client) -> None:
    client.put_forward("blue", "web", 8080, "10.0.0.11", 80)
    client.put_forward("blue", "web", 53, "10.0.0.12", protocol="udp")
    named = {"tenants": {"red": {}, "blue": {"forwards": [{"network": "web", "port": 8080, "inside": "10.0.0.11"}]}}}
    named["tenants"]["blue"]["forwards"][0]["inside_port"] = 80  # type: ignore[index]
    planned = client.plan(named, prune="named")
    assert planned["plan"]["forwards"]["gone"]["count"] == 1 and planned["plan"]["floating"]["gone"]["count"] == 0
    assert client.apply(named, prune="named", removal=planned["removal"]).changed
    assert [one["port"] for one in client.forwards("blue")] == [8080] and len(client.floating("red")) == 1
    assert client.apply({"tenants": {"red": {"floating": {}}}}, prune="named").changed
    assert client.floating("red") == []
    client.put_floating("red", "203.0.113.50", "web", "10.0.0.12")
    with pytest.raises(Invalid, match=r"203\.0\.113\.50, 203\.0\.113\.60 would still lead to it"):
        client.apply({"tenants": {"red": {"networks": {}, "nodes": {}}}}, prune="named")
    assert client.apply({"tenants": {}}, prune="all").changed and client.tenants() == []


# --- the command line -------------------------------------------------------------------------------------------------


def test_networks_by_command(vnet: Run) -> None:
    def declared(ref: str) -> Any:
        return json.loads(vnet("network", "show", ref, "--json").stdout)["declared"]

    subnets = ("--subnet", "10.5.0.0/24", "--subnet", "fd00:5::/64")
    vnet("network", "create", "red/n", *subnets, "--outside", "internet", "--outside-prefix", "2001:db8:a:5::/64")
    assert [one["prefix"] for one in declared("red/n")["subnets"]] == ["10.5.0.0/24", "fd00:5::/64"]
    vnet("network", "create", "red/n", "--dns", "9.9.9.9", "--dns", "fd00:5::53", "--gateway", "10.5.0.254")
    four, six = declared("red/n")["subnets"]
    assert (four["gateway"], four["dns"], six["gateway"], six["dns"]) == (
        "10.5.0.254", ["9.9.9.9"], "first", ["fd00:5::53"],
    )  # fmt: skip
    vnet("network", "create", "red/n", "--tagged", "--reserve", "A")
    now = declared("red/n")
    assert now["tagged"] and now["reserve"] == ["A"] and now["subnets"] == [four, six]
    assert now["outside"]["network"] == "internet"
    vnet("network", "set", "red/n", "--via", "gw2", "--outside-address", "203.0.113.70", "--outside-ports", "1024-2047")
    shown = vnet("network", "show", "red/n").stdout
    for text in ("10.5.0.0/24", "10.5.0.254", "gw2", "203.0.113.70", "1024-2047", "way out"):
        assert text in shown
    vnet("network", "set", "red/n", "--no-dhcp", "--dns", "none", "--any-gateway", "--any-address", "--no-tagged")
    now = declared("red/n")
    assert not now["tagged"] and [one["dhcp"] for one in now["subnets"]] == [False, False]
    assert [one["dns"] for one in now["subnets"]] == [[], []]
    asked = {name: now["outside"][name] for name in ("network", "gateways", "address", "ports", "prefix")}
    assert asked == {
        "network": "internet", "gateways": [], "address": None, "ports": None, "prefix": "2001:db8:a:5::/64",
    }  # fmt: skip
    vnet("network", "set", "red/n", "--remove-subnet", "fd00:5::/64", "--no-outside-prefix", "--no-reserve")
    assert [one["prefix"] for one in declared("red/n")["subnets"]] == ["10.5.0.0/24"]
    vnet("network", "set", "red/n", "--no-outside", "--gateway", "none")
    now = declared("red/n")
    assert now["outside"] is None and now["subnets"][0]["gateway"] is None and now["reserve"] == []
    assert "way out" not in vnet("network", "show", "red/n").stdout
    vnet("network", "delete", "red/n")


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        ("network create red/n --subnet 10.0.0.0/24 --subnet 10.1.0.0/24", 2, "10.1.0.0/24 is a second one of IPv4"),
        ("network create red/n --subnet 10.0.0.1/24", 2, "has host bits set"),
        ("network create red/n --gateway 10.0.0.1", 2, "no subnet of IPv4"),
        ("network create red/n --no-dhcp", 2, "give it one by --subnet"),
        ("network create red/n --subnet 10.0.0.0/24 --gateway x", 2, "'x' is not an IP address, nor none"),
        ("network create red/n --subnet 10.0.0.0/24 --gateway 10.9.0.1", 1, "no machine's address in 10.0.0.0/24"),
        ("network create red/n --via gw1", 2, "say where to: --outside NAME"),
        ("network create red/n --subnet 10.0.0.0/24 --outside moon", 1, "no outside network 'moon'"),
        ("network set red/n --tagged", 1, "tenant red has no network 'n'"),
        ("network set red/web --remove-subnet 10.1.0.0/24", 2, "it has 10.0.0.0/24, fd00:1::/64"),
        ("network set red/web --no-outside", 1, "203.0.113.50 is for 10.0.0.12 in it: give that up first"),
        ("floating add red/web 203.0.113.50 10.0.0.300", 1, "'10.0.0.300' is not an IP address"),
        ("floating add web 203.0.113.50 10.0.0.12", 1, "'web' is not a reference"),
        ("floating remove red 203.0.113.51", 1, "tenant red has no floating address 203.0.113.51"),
        ("forward add red/web 80 10.0.0.11:http", 2, "is not ADDRESS or ADDRESS:PORT"),
        ("forward add red/web 99999 10.0.0.11", 2, "99999 is not in the range"),
        ("forward add red/web 20500 10.0.0.11", 1, "is one of those that sources become (20480 to 24575)"),
        ("forward remove red 203.0.113.4 80", 1, "tenant red forwards no tcp port 80 of 203.0.113.4"),
        ("gateway show host1", 1, "there is no gateway 'host1' (there are: gw1, gw2)"),
        ("outside show moon", 1, "there is no outside network 'moon'"),
        ("explain address x", 1, "'x' is not an IP address"),
        ("trace 198.51.100.7 203.0.113.99", 1, "no gateway takes in what comes from outside for 203.0.113.99"),
        ("trace 198.51.100.7 red/web1", 1, "no address to send to from outside"),
        ("trace green/vm1 198.51.100.7", 1, "has no IPv4 router to send to 198.51.100.7"),
        ("trace red/web1 10.0.0.77", 1, "nobody in red/web has the address 10.0.0.77"),
    ],
)
def test_refusals_by_command(vnet: Run, arguments: str, code: int, named: str) -> None:
    result = vnet(*arguments.split(), code=(code,))
    assert named in " ".join(result.stderr.split()), result.stderr


def test_what_is_let_in_by_command(vnet: Run) -> None:
    vnet("floating", "add", "red/web", "203.0.113.66", "10.0.0.11")
    assert (
        "203.0.113.66" in vnet("floating", "list").stdout and "red/web1 eth0" in vnet("floating", "list", "red").stdout
    )
    assert [one["address"] for one in json.loads(vnet("floating", "list", "--json").stdout)] == [
        "203.0.113.50", "203.0.113.66",
    ]  # fmt: skip
    part = vnet("floating", "list", "--limit", "1")
    assert "go on with --after red/203.0.113.50" in part.stderr and "203.0.113.66" not in part.stdout
    assert "203.0.113.50" not in vnet("floating", "list", "--after", "red/203.0.113.50").stdout
    vnet("floating", "remove", "red", "203.0.113.66")
    vnet("forward", "add", "blue/web", "8080", "10.0.0.11:80")
    vnet("forward", "add", "blue/web", "53", "10.0.0.12", "--protocol", "udp", "--address", "203.0.113.4")
    shown = vnet("forward", "list", "blue").stdout
    assert "8080" in shown and "blue/web1 eth0" in shown and "udp" in shown
    vnet("forward", "remove", "blue", "203.0.113.4", "53", "--protocol", "udp")
    assert [one["port"] for one in json.loads(vnet("forward", "list", "--json").stdout)] == [8080, 8022]


def test_looking_by_command(vnet: Run) -> None:
    for arguments, shown in (
        ("gateway list", ["gw1", "inet1", "203.0.113.1 02:00:00:00:ff:01 not heard yet", "(MAC not known)"]),
        ("gateway show gw1", ["blue/web", "16384-20479"]),
        ("outside list", ["internet", "203.0.113.0/24", "gw1, gw2"]),
        ("outside show internet", ["translation", "20480-24575", "next router", "floating"]),
        ("fabric", ["outside networks", "internet", "gateways", "inet2"]),
        ("node show red/web1", ["10.0.0.11"]),
        ("explain address 203.0.113.50", ["an address of internet outside", "floating of red/web, for 10.0.0.12"]),
        ("explain zone 1", ["of network blue/web", "the way out to internet by gateway gw1"]),
        ("explain zone 65535", ["whichever network it is for"]),
        ("explain mac 02:76:6f:00:00:10", ["of the router of red/web, on every switch"]),
        ("explain mac 02:00:00:00:ff:01", ["of a next router outside", "203.0.113.1 on gw1:inet1"]),
        ("flows gw1 --table OUTBOUND", ["what 10.0.0.12 of red/web sends outside comes from its own address"]),
    ):
        told = vnet(*arguments.split()).stdout
        for text in shown:
            assert text in told, told
        assert json.loads(vnet(*arguments.split(), "--json").stdout) is not None
    some = vnet("outside", "show", "internet", "--limit", "2")
    assert "go on with --after 2" in some.stderr
    assert "203.0.113.1 " not in vnet("outside", "show", "internet", "--after", "1").stdout.split("addresses\n")[-1]


def test_names_are_completed() -> None:
    with served(lambda: web_service(internet_system())) as url:

        def offered(arguments: str, typed: str) -> list[str]:
            shell = ShellComplete(main, {}, "vnet", "_VNET_COMPLETE")
            return [item.value for item in shell.get_completions(["--url", url, *arguments.split()], typed)]

        assert offered("network create red/n --outside", "in") == ["internet"]
        assert offered("network set red/web --via", "") == ["gw1", "gw2"]
        assert offered("gateway show", "gw2") == ["gw2"]
        assert offered("outside show", "") == ["internet"]
        assert offered("floating remove red", "203") == ["203.0.113.50"]
        assert offered("floating add", "red/") == ["red/db", "red/web"]
