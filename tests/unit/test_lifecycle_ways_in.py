"""Placement, preparation and failure through the web service, the client and the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from figure_system import figure_system, served, web_service
from flask import Flask
from flask.testing import FlaskClient

from ryu_vnet.api import application
from ryu_vnet.cli import main
from ryu_vnet.client import Client
from ryu_vnet.errors import Exhausted, PlacerFailed
from ryu_vnet.managers.placement import Choice, Host, Neighbourhood, Wish
from ryu_vnet.managers.system import System

NODE = "/v1/tenants/red/nodes/vm9"
BODY = {"size": 2, "interfaces": {"eth0": {"network": "X"}}}
Run = Callable[..., Result]


@pytest.fixture
def system(tmp_path: Path) -> System:
    return figure_system(tmp_path)


@pytest.fixture
def web(system: System) -> FlaskClient:
    web = web_service(system).test_client()
    assert web.put(NODE, json=BODY).status_code in (200, 202)
    return web


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with served(lambda: web_service(figure_system(tmp_path))) as url:
        yield url


@pytest.fixture
def vnet(url: str) -> Run:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["--url", url, "--wait", "0", *arguments])

    assert run("node", "create", "red/vm9", "--network", "X").exit_code == 0
    return run


class Astray:
    """A placer that chooses what nobody offered."""

    def rank(self, wish: Wish, hosts: Sequence[Host], neighbourhood: Neighbourhood) -> Choice:
        return Choice("moon", ())


# --- the web service ------------------------------------------------------------------------------------------------


def test_a_start_without_a_host_answers_with_host_port_and_reasons(system: System, web: FlaskClient) -> None:
    revision = system.revision
    told = web.get(f"{NODE}/place").json
    assert system.revision == revision and web.get(NODE).json["interfaces"]["eth0"]["at"] is None
    answer = web.post(f"{NODE}/start").json
    (place,) = answer["placed"].values()
    assert place == told["interfaces"]["eth0"] and place["at"] == answer["node"]["interfaces"]["eth0"]["at"]
    assert place["at"] == "host1:vn8" and "1 of the 2 other members of red/X runs" not in place["reasons"][0]
    assert place["reasons"][0] == "2 of the 2 other members of red/X run in segment A, 1 on this host"
    assert told["refused_count"] == 2 and sorted(told["refused"]) == ["edgeA", "edgeB"]
    again = web.post(f"{NODE}/start").json
    assert again["changed"] is False and again["placed"] == {}
    there = web.get(f"{NODE}/place").json
    assert there["interfaces"]["eth0"] == {"at": "host1:vn8", "reasons": ["it has this place, and starts there"]}
    assert web.get("/v1/fabric").json["taken"] == {"edgeC": 1, "host1": 4, "host2": 2, "host3": 2}


def test_a_capacity_is_declared_and_given_back(web: FlaskClient) -> None:
    declared = web.get("/v1/fabric").json["declared"]
    declared["switches"]["host1"]["capacity"] = 3
    assert web.put("/v1/fabric", json=declared).json["changed"] is True
    assert web.get("/v1/fabric").json["declared"] == declared
    assert web.put("/v1/fabric", json=declared).json["changed"] is False
    assert web.post(f"{NODE}/start").json["placed"]["eth0"]["at"] == "host2:vn8"
    declared["switches"]["host1"]["capacity"] = -1
    assert web.put("/v1/fabric", json=declared).status_code == 422


def test_each_step_may_be_asked_for_twice(web: FlaskClient) -> None:
    def step(method: str, path: str, **expected: bool) -> None:
        first = web.open(f"{NODE}/{path}", method=method).json
        assert {name: first["node"][name] for name in expected} == expected and first["changed"] is True
        again = web.open(f"{NODE}/{path}", method=method).json
        assert again == {**first, "changed": False, "placed": {}}

    step("POST", "prepare", running=False, prepared=True)
    step("POST", "start", running=True, prepared=True)
    step("POST", "fail", running=False, failed=True)
    step("POST", "restart", running=True, failed=False)
    step("DELETE", "prepare", running=True, prepared=False)
    moved = web.post(f"{NODE}/prepare", json={"at": {"eth0": "host2"}})
    assert moved.status_code == 409 and "cannot be prepared for another place" in moved.json["detail"]


def test_a_placer_that_fails_is_told_from_one_that_finds_no_room(system: System, web: FlaskClient) -> None:
    before = system.revision
    system.placer = Astray()
    failed = web.post(f"{NODE}/start")
    assert failed.status_code == 502 and failed.json["type"] == "urn:ryu-vnet:problem:placer-failed"
    assert "chose host 'moon', which it was not offered" in failed.json["detail"]
    declared = web.get("/v1/fabric").json["declared"]
    for name in ("host1", "host2", "host3", "edgeC"):
        declared["switches"][name]["capacity"] = 1
    web.put("/v1/fabric", json=declared)
    full = web.post(f"{NODE}/start")
    assert full.status_code == 507 and "4 too full" in full.json["detail"]
    assert web.get(f"{NODE}/place").status_code == 507 and system.revision == before + 1


def test_the_first_hundred_hosts_that_were_refused_are_told(
    system: System, web: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application.lifecycle, "PAGE", 1)
    told = web.get(f"{NODE}/place").json
    assert [*told["refused"]] == ["edgeA"] and told["refused_count"] == 2


def test_the_client(url: str) -> None:
    with Client(url) as client:
        client.put_network("red/W", reserve=["A", "B"])
        assert client.network("red/W")["tags"].keys() == {"A", "B"} and client.network("red/W")["reserve"] == ["A", "B"]
        client.put_node("red/vm9", BODY)
        assert client.prepare("red/vm9", {"eth0": "host3"}).raw["placed"]["eth0"]["at"] == "host3:vn8"
        assert client.start("red/vm9").raw["placed"] == {}
        assert client.fail("red/vm9").raw["node"]["failed"]
        assert client.restart("red/vm9").raw["node"]["running"]
        assert not client.unprepare("red/vm9").raw["node"]["prepared"]
        assert client.place("red/vm9")["interfaces"]["eth0"]["at"] == "host3:vn8"
        declared = client.fabric()["declared"]
        for switch in declared["switches"].values():
            switch["capacity"] = 0 if switch["segment"] else None
        client.put_fabric(declared)
        client.put_node("red/vm8", {**BODY, "apart": ["db"]})
        with pytest.raises(Exception, match="6 closed") as refused:
            client.start("red/vm8")
        assert not isinstance(refused.value, Exhausted)


def test_the_client_tells_a_placer_that_fails(tmp_path: Path) -> None:
    def astray() -> Flask:
        system = figure_system(tmp_path)
        system.placer = Astray()
        return web_service(system)

    with served(astray) as url, Client(url) as client:
        client.put_node("red/vm9", BODY)
        with pytest.raises(PlacerFailed, match="moon"):
            client.start("red/vm9")


# --- the command line -----------------------------------------------------------------------------------------------


def test_place_tells_and_changes_nothing_and_start_does_it(vnet: Run) -> None:
    line = "red/vm9 eth0 {} at host1:vn8: 2 of the 2 other members of red/X run in segment A, 1 on this host; "
    told = vnet("place", "red/vm9")
    assert told.exit_code == 0 and told.stdout.startswith(line.format("would be"))
    assert "  not edgeA: takes no nodes: others' frames pass it, and it has no capacity\n" in told.stdout
    assert json.loads(vnet("place", "red/vm9", "--json").stdout)["refused_count"] == 2
    assert json.loads(vnet("node", "show", "red/vm9", "--json").stdout)["interfaces"]["eth0"]["at"] is None
    started = vnet("start", "red/vm9")
    assert started.exit_code == 4 and started.stdout.startswith(line.format("is put"))
    assert "red/vm9 eth0 is to have MAC address f2:" in started.stdout
    assert "it has this place, and starts there" in vnet("place", "red/vm9").stdout


def test_the_state_of_nodes_is_shown(vnet: Run) -> None:
    def state() -> str:
        (line,) = [line for line in vnet("node", "list", "red").stdout.splitlines() if "red/vm9" in line]
        return line[: line.index("eth0")].split("red/vm9")[1].strip()

    assert state() == "stopped"
    for arguments, expected in (
        (("prepare", "red/vm9", "--at", "host2"), "prepared"),
        (("start", "red/vm9"), "running, prepared"),
        (("fail", "red/vm9"), "failed, prepared"),
        (("prepare", "red/vm9", "--undo"), "failed"),
        (("restart", "red/vm9"), "running"),
        (("stop", "red/vm9"), "stopped"),
    ):
        assert vnet(*arguments).exit_code in (0, 4)
        assert state() == expected
    assert vnet("node", "set", "red/vm9", "--no-at").exit_code in (0, 4)
    assert json.loads(vnet("node", "show", "red/vm9", "--json").stdout)["interfaces"]["eth0"]["at"] is None
    assert vnet("prepare", "red/vm9", "--undo", "--at", "host1").exit_code == 2
    assert vnet("fail", "red/nobody").exit_code == 1


def test_reserved_segments_and_capacities_are_shown(vnet: Run, url: str) -> None:
    assert vnet("network", "create", "red/W", "--reserve", "B", "--reserve", "A").exit_code in (0, 4)
    assert "keeps a tag in A, B, whoever is there" in vnet("network", "show", "red/W").stdout
    assert "no segment 'Q' (one of A, B, C)" in vnet("network", "create", "red/W", "--reserve", "Q").stderr
    with Client(url) as client:
        declared = client.fabric()["declared"]
        declared["switches"]["host1"]["capacity"] = 64
        client.put_fabric(declared)
    (line,) = [line for line in vnet("fabric").stdout.splitlines() if line.strip().startswith("host1 ")]
    assert line.split()[-2:] == ["64", "2"]
