"""Machines that come, go and are lied about in the databases of real switches, and what the controller makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data_centre import ECHO, DataCentre
from vnet_bench.dummy_ovs import DummyOvs

Json = dict[str, Any]
NAME = "blue/vm1.2"
"""Whom ECHO comes from; it goes to vm3.1, of the same network in another segment."""
FIRST, OTHER = "host1:vm1.2", "host2:tap9"
TARGET = "host3:vm3.1"


def declared_only(centre: DataCentre, discovery: str = "start") -> None:
    """The figure, with one machine of which nobody says where it runs."""
    node = centre.intent["tenants"]["blue"]["nodes"]["vm1.2"]
    node["running"], node["discovery"] = False, discovery
    del node["interfaces"]["eth0"]["at"]
    centre.bring_up()


def say(centre: DataCentre, port: str, **ids: str) -> None:
    """Write into the database what a hypervisor would."""
    centre.ovs.vsctl("set", "interface", port, *(f"external_ids:{key}={value}" for key, value in ids.items()))


def unsay(centre: DataCentre, port: str) -> None:
    centre.ovs.vsctl("clear", "interface", port, "external_ids")


def at(centre: DataCentre) -> str | None:
    """Where it runs and everybody knows it; None where it does not run."""
    node = centre.client.node(NAME)
    place: str | None = node["interfaces"]["eth0"]["at"]
    return place if node["running"] and centre.client.status()["realised"] else None


def told(centre: DataCentre) -> list[str]:
    return [event["text"] for event in centre.client.events(kind="discovery")]


def test_a_machine_comes_and_goes_by_its_hosts_database_alone(framework: str, tmp_path: Path) -> None:
    with DataCentre(framework, tmp_path) as centre:
        declared_only(centre)
        centre.add_ports([OTHER])
        centre.fabric.capture(OTHER)
        assert centre.fabric.send(FIRST, [ECHO]) == {}

        say(centre, "vm1.2", **{"iface-id": NAME, "attached-mac": "02:00:00:00:01:02", "vm-id": "a-guest"})
        centre.wait(lambda: at(centre) == FIRST, "it runs where its port is")
        assert centre.fabric.send(FIRST, [ECHO]) == {TARGET: [ECHO]}
        centre.check_tables()
        (row,) = centre.client.discovery()["sightings"]
        assert (row["at"], row["node"], row["state"], row["vm_id"]) == (FIRST, NAME, "running", "a-guest")
        shown = centre.controller.vnet("discovery")
        assert "a-guest" not in shown.stdout and NAME in shown.stdout and "connected" in shown.stdout

        say(centre, "tap9", **{"iface-id": NAME})
        centre.wait(lambda: any("is said to be at host2:tap9 as well" in text for text in told(centre)), "it is told")
        assert at(centre) == FIRST and centre.fabric.send(OTHER, [ECHO]) == {}

        unsay(centre, "vm1.2")
        centre.wait(lambda: at(centre) == OTHER, "it is followed once its first host lets go")
        assert centre.fabric.send(OTHER, [ECHO]) == {TARGET: [ECHO]}

        centre.ovs.vsctl("del-port", "host2", "tap9")
        centre.wait(lambda: not centre.client.node(NAME)["running"], "it does not run")
        assert centre.client.node(NAME)["interfaces"]["eth0"]["at"] is None
        centre.wait(lambda: centre.client.status()["realised"], "everybody knows")
        centre.check_tables()
        assert centre.fabric.send(FIRST, [ECHO]) == {}


def test_a_kill_and_what_was_said_meanwhile(framework: str, tmp_path: Path) -> None:
    with DataCentre(framework, tmp_path) as centre:
        declared_only(centre)
        say(centre, "vm1.2", **{"iface-id": NAME})
        centre.wait(lambda: at(centre) == FIRST, "it runs")
        centre.controller.kill()
        with centre.fabric.table_changes() as changes:
            centre.controller.start()
            centre.wait_in_step()
            centre.wait(lambda: centre.client.discovery()["sightings"], "the database is read again")
        assert at(centre) == FIRST and changes == []

        centre.controller.kill()
        unsay(centre, "vm1.2")
        centre.controller.start()
        centre.wait(lambda: not centre.client.node(NAME)["running"], "it went meanwhile")
        centre.wait_in_step()
        centre.check_tables()


def test_what_was_asked_for_stands_above_what_is_said(framework: str, tmp_path: Path) -> None:
    with DataCentre(framework, tmp_path) as centre:
        declared_only(centre, "move")
        say(centre, "vm1.2", **{"iface-id": NAME})
        centre.wait(lambda: at(centre) == FIRST, "it runs")
        assert centre.client.stop(NAME, wait=10).realised
        centre.add_ports([OTHER])
        say(centre, "tap9", **{"iface-id": NAME})
        centre.wait(lambda: len(centre.client.discovery()["sightings"]) == 2, "both are known")
        states = {part["state"] for part in centre.client.discovery()["sightings"]}
        assert states == {"stopped"} and not centre.client.node(NAME)["running"]
        assert centre.client.start(NAME, wait=10).realised
        centre.wait(lambda: centre.client.node(NAME)["moving"] == {"eth0": OTHER}, "it is followed again")


def test_the_database_of_another_host_takes_nothing_over(framework: str, tmp_path: Path) -> None:
    """Two hosts with databases of their own. The second says that it has the bridge, and the machine, of the first."""
    with DataCentre(framework, tmp_path) as centre, DummyOvs(tmp_path / "liar") as liar:
        centre.intent["fabric"]["switches"]["liar"] = {"dpid": "0xbad", "segment": "L", "ovsdb": liar.database}
        liar.add_bridge("liar", 0xBAD, controller=centre.controller.target, ports=["tap0", "tap1"])
        declared_only(centre)
        liar.add_bridge("false", centre.intent["fabric"]["switches"]["host1"]["dpid"], ports=["tap2"])
        liar.vsctl("set", "interface", "tap2", f"external_ids:iface-id={NAME}")
        centre.wait(lambda: [part["state"] for part in _from(centre, liar)] == ["left out"], "it is not believed")
        assert _from(centre, liar)[0]["why"] == "switch host1 is not of this database"
        assert not centre.client.node(NAME)["running"]

        say(centre, "vm1.2", **{"iface-id": NAME})
        centre.wait(lambda: centre.client.node(NAME)["interfaces"]["eth0"]["at"] == FIRST, "it runs")
        liar.vsctl("set", "interface", "tap0", f"external_ids:iface-id={NAME}")
        centre.wait(lambda: len(_from(centre, liar)) == 2, "the lie is known")
        centre.wait(lambda: any("is said to be at liar:tap0 as well" in text for text in told(centre)), "it is told")
        assert centre.client.node(NAME)["interfaces"]["eth0"]["at"] == FIRST
        assert centre.fabric.send(FIRST, [ECHO]) == {TARGET: [ECHO]}


def _from(centre: DataCentre, database: DummyOvs) -> list[Json]:
    return [part for part in centre.client.discovery()["sightings"] if part["database"] == database.database]
