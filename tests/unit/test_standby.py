"""Gateways that fail: who takes over, when, and when nobody does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from drawn import all_in_step, plug_everything
from memory_store import MemoryStore

from ryu_vnet.errors import Conflict, Invalid, NotFound
from ryu_vnet.fabric.observed import PortState
from ryu_vnet.managers import requests
from ryu_vnet.managers.communication import Effects, State
from ryu_vnet.managers.standby import LOST_SECONDS, START_SECONDS, move_gateway
from ryu_vnet.managers.system import System
from ryu_vnet.model.values import Place
from ryu_vnet.schema import Intent

TOPOLOGY = Path(__file__).parents[2] / "topologies" / "internet.yaml"


class Clocked:
    """A System Manager with the fabric of the file, and a clock that a test turns."""

    def __init__(self, document: dict[str, Any] | None = None) -> None:
        self.now = 100.0
        self.store = MemoryStore()
        self.system = System(self.store, lambda name, messages: None, lambda: self.now)
        intent = Intent.model_validate(document or yaml.safe_load(TOPOLOGY.read_text()))
        self.system.request(lambda work: requests.apply(work, intent))
        self.plug()

    def plug(self) -> None:
        plug_everything(self.system)
        for name in ("gw1", "gw2"):
            self.uplink(name, up=True)
        all_in_step(self.system)
        self.look()

    def uplink(self, name: str, *, up: bool) -> None:
        port = self.system.fabric.switches[name].uplinks[0].port
        tunnels = {tunnel.port: PortState(98, True) for tunnel in self.system.fabric.switches[name].tunnels}
        ports = {**self.system.ports.get(name, {}), **tunnels, port: PortState(99, up)}
        self.system.effect(name, Effects(ports=ports))

    def away(self, name: str) -> None:
        self.system.switches[name].state = State.AWAY

    def back(self, name: str) -> None:
        self.system.switches[name].state = State.IN_STEP

    def look(self, seconds: float = 0.0) -> None:
        self.now += seconds
        self.system.standby.look()

    @property
    def serving(self) -> dict[str, str]:
        return {gateway.ref: gateway.switch for gateway in self.system.model.gateways()}

    def all_on(self, name: str) -> bool:
        return {*self.serving.values()} == {name}


@pytest.fixture
def clocked() -> Clocked:
    made = Clocked()
    assert made.all_on("gw1") and len(made.serving) == 3
    return made


def test_an_uplink_that_goes_down_is_taken_over_from_at_once(clocked: Clocked) -> None:
    before = clocked.system.standby.switchovers
    clocked.uplink("gw1", up=False)
    assert clocked.all_on("gw2")
    assert clocked.system.standby.switchovers == before + 1
    texts = [event.text for event in clocked.system.events.backwards()]
    assert "gw2 takes over 3 network(s) from gw1 (its port inet1 is down)" in texts[:2]


def test_a_switch_without_a_connection_is_waited_for(clocked: Clocked) -> None:
    clocked.away("gw1")
    clocked.look()
    clocked.look(LOST_SECONDS - 0.1)
    assert clocked.all_on("gw1")
    clocked.look(0.2)
    assert clocked.all_on("gw2")


def test_one_that_comes_back_in_time_has_lost_nothing(clocked: Clocked) -> None:
    clocked.away("gw1")
    clocked.look()
    clocked.look(LOST_SECONDS - 0.1)
    clocked.back("gw1")
    clocked.look(0.2)
    clocked.away("gw1")
    clocked.look(LOST_SECONDS - 0.1)
    assert clocked.all_on("gw1")


def test_nobody_goes_back_by_himself(clocked: Clocked) -> None:
    clocked.uplink("gw1", up=False)
    clocked.uplink("gw1", up=True)
    clocked.look(100)
    assert clocked.all_on("gw2")
    clocked.uplink("gw2", up=False)
    assert clocked.all_on("gw1")


def test_where_no_other_can_nothing_is_done(clocked: Clocked) -> None:
    clocked.uplink("gw2", up=False)
    clocked.uplink("gw1", up=False)
    assert clocked.all_on("gw1")
    clocked.uplink("gw2", up=True)
    assert clocked.all_on("gw2")


def test_a_next_router_that_does_not_answer_makes_its_gateway_unfit(
    clocked: Clocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocked.system.hops, "is_silent", lambda place: place == Place("gw1", "inet1"))
    clocked.look()
    assert clocked.all_on("gw2")
    assert clocked.system.standby.why_unfit("gw1", "internet") == "the next router does not answer on inet1"
    assert clocked.system.standby.why_unfit("host1", "internet") == "it has no uplink to internet"


def test_a_controller_that_has_just_started_waits_longer_for_those_it_has_not_seen(clocked: Clocked) -> None:
    again = System(clocked.store, lambda name, messages: None, lambda: clocked.now)
    again.standby.look()
    clocked.now += START_SECONDS - 0.1
    again.standby.look()
    assert {gateway.switch for gateway in again.model.gateways()} == {"gw1"}
    # When nobody is there, nobody can take over.
    clocked.now += 1
    again.standby.look()
    assert {gateway.switch for gateway in again.model.gateways()} == {"gw1"}
    for name in ("gw2", *(n for n in again.switches if n.startswith("host"))):
        again.switches[name].state = State.IN_STEP
    again.standby.look()
    assert {gateway.switch for gateway in again.model.gateways()} == {"gw2"}


def test_it_is_on_disk_where_the_gateways_are(clocked: Clocked) -> None:
    clocked.uplink("gw1", up=False)
    again = System(clocked.store, lambda name, messages: None, lambda: clocked.now)
    assert {gateway.switch for gateway in again.model.gateways()} == {"gw2"}


def test_all_that_share_an_address_go_together(clocked: Clocked) -> None:
    moved: list[str] = []
    clocked.system.request(lambda work: moved.extend(move_gateway(work, "red", "web", "gw2").moved))
    assert moved == ["blue/web", "red/web"]
    assert clocked.serving == {"red/web": "gw2", "blue/web": "gw2", "green/plain": "gw1"}


@pytest.mark.parametrize(
    ("tenant", "name", "to", "error", "message"),
    [
        ("red", "web", "host1", Invalid, "'host1' is no gateway of network red/web"),
        ("red", "nothing", "gw2", NotFound, "no network 'nothing'"),
        ("red", "db", "gw2", Conflict, "red/db has no way out"),
    ],
)
def test_what_cannot_be_is_refused(
    clocked: Clocked, tenant: str, name: str, to: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        clocked.system.request(lambda work: move_gateway(work, tenant, name, to))
    assert clocked.all_on("gw1")


def test_a_site_goes_to_another_of_its_gateways_with_all_who_are_there() -> None:
    document = yaml.safe_load(TOPOLOGY.read_text())
    for name, address in (("gw1", "192.0.2.1"), ("gw2", "192.0.2.2")):
        document["fabric"]["switches"][name]["tunnels"] = {f"vx-{name}": {"protocol": "vxlan", "address": address}}
    red = document["tenants"]["red"]
    red["sites"] = {"paris": {"network": "web", "remote": "198.51.100.10", "key": 5000}}
    interface = {"site": "paris", "mac": "02:00:00:00:09:01", "network": "web"}
    red["nodes"]["paris1"] = {"running": True, "interfaces": {"eth0": interface}}
    clocked = Clocked(document)
    site = clocked.system.model.site("red/paris")
    assert site is not None and (site.switch, site.port) == ("gw1", "vx-gw1")
    clocked.away("gw1")
    clocked.look()
    clocked.look(LOST_SECONDS + 0.1)
    site, node = clocked.system.model.site("red/paris"), clocked.system.model.node("red/paris1")
    assert site is not None and (site.switch, site.port) == ("gw2", "vx-gw2")
    assert node is not None and node.interfaces[0].place == Place("gw2", "vx-gw2")
    assert clocked.all_on("gw2")
