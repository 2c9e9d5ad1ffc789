"""What gateways know of connections, on real switches: it is forgotten where a network's router leaves, and nowhere
else; and no zone is another network's before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dummy_fabric import wait_until
from gateway_pair import GatewayPair

from ryu_vnet.managers import requests
from ryu_vnet.managers.allocation import REST_SECONDS
from ryu_vnet.managers.flushing import FLUSH_AFTER_SECONDS
from ryu_vnet.managers.requests import Work
from ryu_vnet.model.outside import SHARED_ZONE, ZONES
from ryu_vnet.openflow.wire import Version


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
    assert pair.system.model.unflushed() == []
    pair.tick(FLUSH_AFTER_SECONDS)
    assert pair.connections("gw1")[pair.zone("red")] == 2
