"""What gateways know of connections, on real switches: it is forgotten where a network's router leaves, and nowhere
else; and no zone is another network's before."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from dummy_fabric import wait_until
from gateway_pair import HOP_MAC, SERVER, GatewayPair

from ryu_vnet.managers import requests
from ryu_vnet.managers.allocation import REST_SECONDS
from ryu_vnet.managers.flushing import FLUSH_AFTER_SECONDS
from ryu_vnet.managers.outside import delete_floating, delete_forward, put_floating, put_forward
from ryu_vnet.managers.requests import Work
from ryu_vnet.model.outside import SHARED_ZONE, ZONES, Floating, Forward, address_mac, router_mac
from ryu_vnet.openflow.wire import Version
from ryu_vnet.schema import FloatingSpec, ForwardSpec


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[GatewayPair]:
    with GatewayPair(tmp_path) as pair:
        pair.settle()
        yield pair


def both_send(pair: GatewayPair) -> None:
    """Each tenant's machine on gw1 opens two connections."""
    for tenant in ("blue", "red"):
        pair.send(tenant, 1, 1001, 1002)
    known = {pair.zone("blue"): 2, pair.zone("red"): 2, SHARED_ZONE: 4}
    wait_until(lambda: pair.connections("gw1") == known, f"connections {known}: {pair.connections('gw1')}")


def delete_red(work: Work) -> None:
    for number in (1, 2):
        requests.delete_node(work, "red", f"vm{number}")
    requests.delete_network(work, "red", "web")


@pytest.mark.parametrize("version", list(Version), ids=lambda version: version.name)
def test_a_network_that_is_gone_leaves_no_connection_behind(tmp_path: Path, version: Version) -> None:
    with GatewayPair(tmp_path, version) as pair:
        pair.settle()
        both_send(pair)
        red, blue = pair.zone("red"), pair.zone("blue")
        pair.system.request(delete_red)
        pair.follow()
        pair.tick(0)
        (rests,) = pair.system.model.resting(ZONES)
        assert pair.system.holders(rests) == ["gw1"]
        assert pair.connections("gw1")[red] == 2
        pair.tick(FLUSH_AFTER_SECONDS)
        assert pair.connections("gw1") == {blue: 2, SHARED_ZONE: 2}
        assert pair.system.model.unflushed() == [] and pair.system.holders(rests) == []
        assert pair.system.model.resting(ZONES) == [rests]
        pair.tick(0)
        pair.tick(REST_SECONDS)
        assert pair.system.model.resting(ZONES) == []


def test_a_zone_is_nobodys_while_a_gateway_that_is_away_knows_it(pair: GatewayPair) -> None:
    both_send(pair)
    red = pair.zone("red")
    pair.peers["gw1"].hang_up()
    pair.system.switch_disconnected("gw1")
    pair.system.request(delete_red)
    for _ in range(4):
        pair.skipped += REST_SECONDS
        pair.system.tick()
    (rests,) = pair.system.model.resting(ZONES)
    assert (rests.identifier, pair.system.holders(rests)) == (red, ["gw1"])
    pair.come_again("gw1")
    assert pair.connections("gw1")[red] == 2
    pair.tick(0)
    pair.tick(FLUSH_AFTER_SECONDS)
    assert red not in pair.connections("gw1")
    pair.tick(REST_SECONDS)
    pair.tick(REST_SECONDS)
    assert pair.system.model.resting(ZONES) == []


def test_a_router_that_comes_back_finds_nothing_of_then(pair: GatewayPair) -> None:
    """Back before the switch was told to forget: then it is told ahead of the rows."""
    both_send(pair)
    red, blue = pair.zone("red"), pair.zone("blue")
    pair.route_by("red", "gw2")
    assert [(left.switch, left.zone) for left in pair.system.model.unflushed()] == [("gw1", red)]
    pair.send("red", 2, 1003)
    wait_until(lambda: pair.connections("gw2") == {red: 1, SHARED_ZONE: 1}, "a connection at the other gateway")
    assert pair.connections("gw1")[red] == 2
    pair.route_by("red", "gw1")
    pair.barrier()
    assert pair.connections("gw1") == {blue: 2, SHARED_ZONE: 2}
    pair.send("red", 1, 1004)
    wait_until(lambda: pair.connections("gw1").get(red) == 1, "a connection at the first gateway again")
    pair.tick(0)
    pair.tick(FLUSH_AFTER_SECONDS)
    # What is known since is kept, and the other gateway forgets.
    assert pair.connections("gw1")[red] == 1
    assert pair.connections("gw2") == {}
    assert pair.system.model.unflushed() == []


def test_a_controller_that_starts_anew_remembers_who_has_to_forget(pair: GatewayPair) -> None:
    both_send(pair)
    red, blue = pair.zone("red"), pair.zone("blue")
    pair.route_by("red", "gw2")
    pair.start_anew()
    pair.tick(0)
    pair.tick(FLUSH_AFTER_SECONDS)
    assert pair.connections("gw1") == {blue: 2, SHARED_ZONE: 2}
    assert pair.zone("red") == red and pair.system.model.unflushed() == []


def test_bridges_of_one_daemon_leave_nothing_behind(pair: GatewayPair) -> None:
    """They know each other's connections: what one would forget, the other has in use."""
    pair.system.flushing.daemon = lambda switch: "the same"
    both_send(pair)
    pair.route_by("red", "gw2")
    # By the other gateway its sources become another address: only what went by the first is over.
    (left,) = pair.system.model.unflushed()
    assert str(left.address) == "203.0.113.4"
    wait_for_flush(pair)
    assert pair.connections("gw1") == {pair.zone("red"): 2, pair.zone("blue"): 2, SHARED_ZONE: 2}


# --- what lets nothing in any more ------------------------------------------------------------------------------------


def ask(pair: GatewayPair, outer: str, own_mac: int, *ports: int, to: int = 8080) -> None:
    """Somebody outside sends one datagram from each port to an address of ours, by the first gateway."""
    frames = [pair.frame(own_mac, HOP_MAC, SERVER, IPv4Address(outer), port, to).hex() for port in ports]
    pair.bridges.ovs["gw1"].appctl("netdev-dummy/receive", "inet1", *frames)


def knows(pair: GatewayPair, expected: dict[int, int]) -> None:
    wait_until(lambda: pair.connections("gw1") == expected, f"connections {expected}: {pair.connections('gw1')}")


def let_in(pair: GatewayPair) -> tuple[int, int, Floating, Forward]:
    """Red's machine has an outside address of its own, and a port of that of its network; by each somebody is
    connected, and it has connections out. Blue's has as well. Returns the two zones."""
    both_send(pair)
    red, blue = pair.zone("red"), pair.zone("blue")

    def put(work: Work) -> None:
        put_floating(work.draft, work.fabric, "red", "203.0.113.77", FloatingSpec(network="web", inside="10.0.0.12"))
        spec = ForwardSpec(network="web", protocol="udp", port=8080, inside="10.0.0.11")
        put_forward(work.draft, work.fabric, "red", spec, "forward")

    pair.system.request(put)
    pair.follow()
    own, port = (value for value in pair.system.model.let_in("red/web"))
    assert isinstance(own, Floating) and isinstance(port, Forward)
    ask(pair, "203.0.113.77", router_mac(network_number(pair, "red")), 5001)
    ask(pair, str(port.address), address_mac(port.address), 5002)
    knows(pair, {red: 4, blue: 2, SHARED_ZONE: 5})
    return red, blue, own, port


def network_number(pair: GatewayPair, tenant: str) -> int:
    network = pair.system.model.network(f"{tenant}/web")
    assert network is not None
    return network.number


def wait_for_flush(pair: GatewayPair) -> None:
    pair.tick(0)
    pair.tick(FLUSH_AFTER_SECONDS)
    assert pair.system.model.unflushed() == []


def test_what_came_in_by_a_port_that_is_forwarded_no_more_is_over_and_nothing_else(pair: GatewayPair) -> None:
    red, blue, _, port = let_in(pair)
    pair.system.request(lambda work: delete_forward(work.draft, "red", str(port.address), "udp", 8080))
    pair.follow()
    assert pair.connections("gw1")[red] == 4
    wait_for_flush(pair)
    assert pair.connections("gw1") == {red: 3, blue: 2, SHARED_ZONE: 4}
    ask(pair, str(port.address), address_mac(port.address), 5002)
    assert pair.connections("gw1") == {red: 3, blue: 2, SHARED_ZONE: 4}


def test_what_came_in_by_an_outside_address_is_over_when_it_is_somebody_elses(pair: GatewayPair) -> None:
    red, blue, _, _ = let_in(pair)
    spec = FloatingSpec(network="web", inside="10.0.0.11")
    pair.system.request(lambda work: put_floating(work.draft, work.fabric, "red", "203.0.113.77", spec))
    pair.follow()
    wait_for_flush(pair)
    assert pair.connections("gw1") == {red: 3, blue: 2, SHARED_ZONE: 5}
    ask(pair, "203.0.113.77", router_mac(network_number(pair, "red")), 5001)
    knows(pair, {red: 4, blue: 2, SHARED_ZONE: 5})
    assert "203.0.113.77" in pair.bridges.ovs["gw1"].appctl("dpctl/dump-conntrack", f"zone={red}")


def test_what_left_by_ports_that_are_others_now_is_over(pair: GatewayPair) -> None:
    red, blue, _, port = let_in(pair)
    pair.route_by("red", "gw1", ports="60000-60099")
    wait_for_flush(pair)
    # Within its own zone what it sends is still known; it gets new ports. So it is of the forwarded port.
    assert pair.connections("gw1") == {red: 4, blue: 2, SHARED_ZONE: 3}
    pair.send("red", 1, 1001)
    knows(pair, {red: 4, blue: 2, SHARED_ZONE: 4})
    assert f"dst={port.address},sport=53,dport=600" in pair.bridges.ovs["gw1"].appctl("dpctl/dump-conntrack")


def test_what_is_over_is_remembered_by_a_controller_that_starts_anew(pair: GatewayPair) -> None:
    red, blue, own, port = let_in(pair)
    pair.system.request(lambda work: delete_forward(work.draft, "red", str(port.address), "udp", 8080))
    pair.system.request(lambda work: delete_floating(work.draft, "red", str(own.address)))
    pair.start_anew()
    wait_for_flush(pair)
    assert pair.connections("gw1") == {red: 2, blue: 2, SHARED_ZONE: 4}


def send_both_ways(pair: GatewayPair) -> tuple[int, int]:
    """Each tenant's machine has two connections by IPv4 and two by IPv6, as it is. Returns the two zones."""
    both_send(pair)
    for tenant in ("blue", "red"):
        pair.send_six(tenant, 1, 1001, 1002)
    red, blue = pair.zone("red"), pair.zone("blue")
    knows(pair, {red: 4, blue: 4, SHARED_ZONE: 4})
    return red, blue


def told(pair: GatewayPair, zone: int) -> str:
    return pair.bridges.ovs["gw1"].appctl("dpctl/dump-conntrack", f"zone={zone}")


def test_what_a_network_has_by_ipv6_ends_with_its_prefix_outside(pair: GatewayPair) -> None:
    red, blue = send_both_ways(pair)
    pair.route_by("red", "gw1", prefix="2001:db8:b:1::/64")
    wait_for_flush(pair)
    assert pair.connections("gw1") == {blue: 4, SHARED_ZONE: 4}
    pair.send_six("red", 1, 1001)
    knows(pair, {red: 1, blue: 4, SHARED_ZONE: 4})
    assert "dst=2001:db8:b:1::11" in told(pair, red)


def test_what_a_member_has_by_its_own_address_ends_when_it_is_given_another(pair: GatewayPair) -> None:
    red, blue = send_both_ways(pair)
    spec = FloatingSpec(network="web", inside="2001:db8:a:1::11")
    pair.system.request(lambda work: put_floating(work.draft, work.fabric, "red", "2001:db8:b::77", spec))
    pair.follow()
    wait_for_flush(pair)
    assert pair.connections("gw1") == {red: 2, blue: 4, SHARED_ZONE: 4}
    pair.send_six("red", 1, 1001)
    knows(pair, {red: 3, blue: 4, SHARED_ZONE: 4})
    assert "dst=2001:db8:b::77" in told(pair, red)
