"""The whole controller, as a process under each framework, against real switches that come, go and refuse."""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path
from typing import Any

import pytest
from data_centre import ECHO, PATIENCE_SECONDS, DataCentre, figure

from ryu_vnet.managers.allocation import REST_SECONDS

ROUNDS = 60
"""How often networks are deleted and made again."""
FORWARD_TABLE = 70
SMALL = 2
"""Rows that a table holds which is too small."""


def test_switches_before_and_after_the_fabric(framework: str, tmp_path: Path) -> None:
    with DataCentre(framework, tmp_path) as centre:
        early, late = ("host1", "edgeA", "core1", "core2"), ("host2", "host3", "edgeB", "edgeC")
        centre.fabric.connect(centre.controller.target, *early)
        dpids = {f"{centre.fabric.switches[name].dpid:#x}" for name in early}
        centre.wait(lambda: dpids == {one["dpid"] for one in centre.client.status()["strangers"]}, "all are strangers")
        assert [centre.fabric.rows(name) for name in early] == [0, 0, 0, 0]

        answer = centre.client.apply(centre.intent)
        centre.wait_in_step(*early)
        status = centre.client.status()
        assert status["strangers"] == [] and status["framework"] == framework.replace("-", "_")
        assert not status["realised"] and {pending["switch"] for pending in status["pending"]} == set(late)
        assert centre.fabric.send("host1:vm1.2", [ECHO]) == {}

        centre.fabric.connect(centre.controller.target, *late)
        assert centre.client.revision(answer.revision, wait=PATIENCE_SECONDS)["realised"]
        centre.wait_in_step()
        centre.check_tables()
        assert centre.fabric.send("host1:vm1.2", [ECHO]) == {"host3:vm3.1": [ECHO]}


def test_a_switch_is_away_while_networks_change(framework: str, tmp_path: Path) -> None:
    """Only what concerns it is pending, on it alone; and nothing that it may still have a rule for is handed on."""
    with DataCentre(framework, tmp_path) as centre:
        centre.bring_up()
        old = centre.client.network("blue/Z")
        centre.switch_off("host3")

        for node in ("blue/vm1.2", "blue/vm3.1", "blue/vm3.2"):
            answer = centre.client.detach(node, "blue/Z")
        assert {pending.switch for pending in answer.pending} >= {"host3"}
        answer = centre.client.delete_network("blue/Z")
        others = set(centre.fabric.switches) - {"host3"}
        centre.wait_in_step(*others)
        assert [pending["switch"] for pending in centre.client.status()["pending"]] == ["host3"]
        centre.check_tables("host3")
        assert centre.contents("host3") != centre.compiled()["host3"]
        elsewhere = centre.client.put_network("red/other", wait=PATIENCE_SECONDS)
        assert elsewhere.realised and elsewhere.pending == ()

        # The tag of segment A rests as long as any that nobody holds; when it is free, its time is over.
        centre.wait(lambda: "A" not in {one["segment"] for one in resting(centre)}, "the tag in A is free")
        held = [(one["kind"], one["segment"], one["identifier"], one["held_by"]) for one in resting(centre)]
        assert held == [("label", None, old["number"], ["host3"]), ("tag", "B", old["tags"]["B"], ["host3"])]
        centre.client.put_network("blue/new")
        centre.client.attach("blue/vm3.1", "blue/new")
        changed = centre.client.attach("blue/vm1.2", "blue/new")
        assert not changed.realised
        new = centre.client.network("blue/new")
        assert new["number"] != old["number"] and new["tags"]["B"] != old["tags"]["B"]

        centre.switch_on("host3")
        assert centre.client.revision(changed.revision, wait=PATIENCE_SECONDS)["realised"]
        centre.wait_in_step()
        assert [one["held_by"] for one in resting(centre)] == [[], []]
        centre.check_tables()
        assert centre.fabric.send("host1:vm1.2", [ECHO]) == {"host3:vm3.1": [ECHO]}


def resting(centre: DataCentre) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = centre.client.status()["resting"]
    return found


def test_networks_deleted_and_made_again_in_a_tight_loop(framework: str, tmp_path: Path) -> None:
    with DataCentre(framework, tmp_path) as centre:
        centre.bring_up()
        centre.client.delete_node("blue/vm3.2")
        members = ("blue/vm1.2", "blue/vm3.1")
        gone: dict[tuple[str, int], float] = {}
        for _ in range(ROUNDS):
            old = centre.client.network("blue/Z")
            for node in members:
                centre.client.detach(node, "blue/Z")
            centre.client.delete_network("blue/Z")
            gone.update(dict.fromkeys(identifiers(old), time.monotonic()))
            centre.client.put_network("blue/Z")
            for node in members:
                last = centre.client.attach(node, "blue/Z")
            handed_on = {one: gone[one] for one in identifiers(centre.client.network("blue/Z")) if one in gone}
            assert all(time.monotonic() - since >= REST_SECONDS for since in handed_on.values()), handed_on
        assert centre.client.revision(last.revision, wait=PATIENCE_SECONDS)["realised"]
        centre.wait_in_step()
        centre.check_tables()
        known = {key for kind in ("red/X", "green/Y", "blue/Z") for key in identifiers(centre.client.network(kind))}
        held = {(one["segment"] or "", one["identifier"]) for one in resting(centre)}
        assert len(gone) > ROUNDS and not held & known
        assert centre.fabric.send("host1:vm1.2", [ECHO]) == {"host3:vm3.1": [ECHO]}


def identifiers(network: dict[str, Any]) -> set[tuple[str, int]]:
    """The number and the tags of a network, each with its segment."""
    return {("", network["number"]), *network["tags"].items()}


def test_a_switch_that_refuses_rows(framework: str, tmp_path: Path) -> None:
    with DataCentre(framework, tmp_path) as centre:
        too_small = ("--id=@small", "create", "Flow_Table", f"flow_limit={SMALL}", "overflow_policy=refuse")
        centre.ovs.vsctl(*too_small, "--", "set", "bridge", "host3", f"flow_tables:{FORWARD_TABLE}=@small")
        centre.fabric.connect(centre.controller.target)
        answer = centre.client.apply(centre.intent)
        centre.wait_in_step(*set(centre.fabric.switches) - {"host3"})
        centre.wait(lambda: centre.client.switch("host3")["rejected"], "host3 refuses rows")

        def pending() -> list[Any]:
            return centre.client.revision(answer.revision)["pending"]  # type: ignore[no-any-return]

        centre.wait(lambda: [one["switch"] for one in pending()] == ["host3"], "host3 alone is waited for")
        centre.check_tables("host3")
        centre.wait(lambda: rejected_rows(centre) == centre.client.switch("host3")["to_send"] > 0, "all is tried")
        for refused in centre.client.switch("host3")["rejected"]:
            assert refused["what"].startswith("FORWARD: ") and "blue" in refused["origin"]
            assert "TABLE_FULL" in refused["reason"]
        assert "refused" in centre.client.switch("host3")["why"]
        seen = centre.client.flows("host3")["rows"]
        assert {row["state"] for row in seen if row["stage"] != "FORWARD"} == {"installed"}

        centre.ovs.vsctl("clear", "bridge", "host3", "flow_tables")
        assert centre.client.revision(answer.revision, wait=PATIENCE_SECONDS)["realised"]
        centre.wait_in_step()
        centre.check_tables()


def rejected_rows(centre: DataCentre) -> int:
    return len(centre.client.switch("host3")["rejected"])


def test_ports_appear_vanish_and_are_renumbered(framework: str, tmp_path: Path) -> None:
    with DataCentre(framework, tmp_path, absent=("host3:vm3.1",)) as centre:
        centre.fabric.connect(centre.controller.target)
        centre.client.apply(centre.intent)
        centre.wait_in_step()
        trouble = {"port": "vm3.1", "trouble": "missing", "needed_by": "node blue/vm3.1, interface eth0"}
        assert centre.client.switch("host3")["ports"] == [trouble]
        assert centre.fabric.send("host1:vm1.2", [ECHO]) == {}

        add = ("add-port", "host3", "vm3.1", "--", "set", "interface", "vm3.1", "type=dummy")
        centre.ovs.vsctl(*add, "ofport_request=7")
        centre.fabric.capture("host3:vm3.1")
        for number in (7, 9, 1007):
            centre.ovs.vsctl("set", "interface", "vm3.1", f"ofport_request={number}")
            wait_for_number(centre, number)
            assert centre.fabric.send("host1:vm1.2", [ECHO]) == {"host3:vm3.1": [ECHO]}
        # Two ports change places: neither may receive what is the other's.
        centre.ovs.vsctl("set", "interface", "vm3.1", "ofport_request=2000")
        centre.ovs.vsctl("set", "interface", "vm3.2", "ofport_request=1007")
        wait_for_number(centre, 2000)
        assert centre.fabric.send("host1:vm1.2", [ECHO]) == {"host3:vm3.1": [ECHO]}

        centre.ovs.vsctl("del-port", "host3", "vm3.1")
        centre.wait(lambda: centre.client.switch("host3")["ports"] == [trouble], "the port is missing again")
        centre.wait_in_step()
        centre.check_tables()
        assert centre.fabric.send("host1:vm1.2", [ECHO]) == {}


def wait_for_number(centre: DataCentre, number: int) -> None:
    """Wait until host3 has rows for its port vm3.1 under this OpenFlow number, and is in step."""

    def holds() -> bool:
        rows = centre.ovs.ofctl("--no-stats", "dump-flows", "host3", f"in_port={number}")
        return f"in_port={number}" in rows and centre.client.switch("host3")["realised"]

    centre.wait(holds, f"vm3.1 is port {number}")


def test_bridges_that_are_set_up_wrongly_are_not_programmed(framework: str, tmp_path: Path) -> None:
    with DataCentre(framework, tmp_path) as centre:
        centre.fabric.connect(centre.controller.target)
        centre.ovs.vsctl("set-fail-mode", "host1", "standalone")
        centre.ovs.vsctl("clear", "bridge", "core1", "fail_mode")
        centre.ovs.vsctl("set", "controller", "host2", "connection_mode=in-band")
        centre.ovs.vsctl("clear", "controller", "edgeB", "connection_mode")
        centre.ovs.vsctl("set", "open_vswitch", ".", "other_config:vlan-limit=2")
        for port in ("edgeA-core1", "core1-edgeA"):
            centre.ovs.vsctl("set", "interface", port, "mtu_request=1500")
        before = {name: centre.contents(name) for name in centre.fabric.switches}
        answer = centre.client.apply(centre.intent)
        centre.wait(lambda: {one["state"] for one in centre.client.switches()} == {"refused"}, "all are refused")
        assert {one["switch"] for one in centre.client.revision(answer.revision)["pending"]} == set(before)
        assert {name: centre.contents(name) for name in before} == before

        status = {one["name"]: one["settings"] for one in centre.client.switches()}
        wrong = {name: [text.partition(" is ")[0] for text in one["refusals"]] for name, one in status.items()}
        target = centre.controller.target
        assert wrong["host1"] == wrong["core1"] == ["fail_mode", "vlan-limit"]
        assert wrong["host2"] == wrong["edgeB"] == [f"connection_mode of {target}", "vlan-limit"]
        assert wrong["host3"] == ["vlan-limit"]
        advice = {text for one in status.values() for text in one["warnings"]}
        assert {text.partition(" is ")[0] for text in advice} == {"MTU of edgeA-core1", "MTU of core1-edgeA"}
        run_all(centre, advice | {text for one in status.values() for text in one["refusals"]})
        assert centre.client.revision(answer.revision, wait=PATIENCE_SECONDS)["realised"]
        centre.wait_in_step()
        centre.check_tables()
        settings = [one["settings"] for one in centre.client.switches()]
        assert all(one == {"unknown": None, "refusals": [], "warnings": []} for one in settings)
        assert all("NORMAL" not in centre.ovs.appctl("bridge/dump-flows", name) for name in before)


def run_all(centre: DataCentre, advice: set[str]) -> None:
    """Run the very commands that the status gives."""
    for command in {command for text in advice for command in re.findall(r"`ovs-vsctl ([^`]+)`", text)}:
        centre.ovs.vsctl(*shlex.split(command))


@pytest.mark.parametrize("settled", [True, False], ids=["in step", "in the middle of a change"])
def test_a_switch_that_is_removed_is_emptied(framework: str, tmp_path: Path, settled: bool) -> None:
    with DataCentre(framework, tmp_path) as centre:
        centre.bring_up()
        assert centre.fabric.rows("edgeC") > 0
        smaller = figure()["fabric"]
        del smaller["switches"]["edgeC"]
        smaller["links"] = [link for link in smaller["links"] if "edgeC" not in link["a"] + link["b"]]
        centre.client.detach("green/outside", "green/Y", wait=PATIENCE_SECONDS)
        centre.client.delete_node("green/outside", wait=PATIENCE_SECONDS if settled else 0)
        assert centre.client.put_fabric(smaller, wait=PATIENCE_SECONDS).realised
        centre.wait(lambda: centre.fabric.rows("edgeC") == 0, "edgeC is empty")
        assert centre.contents("edgeC").groups == {}
        # It is sent away with what it had, and comes again as a stranger.
        strangers = lambda: [one["dpid"] for one in centre.client.status()["strangers"]]  # noqa: E731
        centre.wait(lambda: strangers() == ["0xc"], "edgeC is a stranger")
        centre.wait_in_step(*smaller["switches"])
        centre.check_tables()
