"""Every row and group of a real switch, as ovs-ofctl prints it, is explained; the check of the state reads switches."""

from __future__ import annotations

import re
import select
from pathlib import Path

import pytest
from data_centre import DataCentre
from driven_system import DrivenSystem
from dummy_fabric import DummyFabric
from openflow_peer import PATIENCE_SECONDS
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.managers.account_rows import account_of_cookie, account_of_group, account_of_row
from ryu_vnet.managers.fsck.online import faults, switch_findings
from ryu_vnet.managers.tables import names_of
from ryu_vnet.openflow.wire import Version
from ryu_vnet.schema import Intent

INTENT = Intent.model_validate(
    {
        "fabric": {
            "switches": {
                "h1": {"dpid": 1, "segment": "A"},
                "r1": {"dpid": 2, "segment": "A"},
                "h2": {"dpid": 3, "segment": "B"},
            },
            "links": [
                {"kind": "trunk", "a": "h1:up", "b": "r1:down"},
                {"kind": "core", "a": "r1:core", "b": "h2:core2"},
            ],
        },
        "tenants": {
            "red": {
                "networks": {
                    "all": {},
                    "web": {"traffic": [{"protocol": "tcp", "port": "80"}, {"dscp": 46, "protocol": "sctp"}]},
                    "voice": {"traffic": [{"protocol": "udp", "port": "16384-16500"}, {"ethertype": "0x88b5"}]},
                },
                "nodes": {
                    "a": {
                        "running": True,
                        "interfaces": {
                            "eth0": {
                                "ips": ["10.0.0.1", "10.1.0.0/16", "fd00::1", "fd01::/64"],
                                "at": "h1:a",
                                "networks": ["all", "web", "voice"],
                            }
                        },
                    },
                    "b": {
                        "running": True,
                        "interfaces": {"eth0": {"at": "h2:b", "networks": ["all", "web"]}},
                    },
                    "c": {
                        "running": True,
                        "interfaces": {
                            "eth0": {
                                "mac": "02:00:00:00:00:0c",
                                "ips": ["10.0.0.3"],
                                "at": "r1:c",
                                "networks": ["voice"],
                            }
                        },
                    },
                },
            }
        },
    }
)


@pytest.mark.parametrize("how", ["--no-names", "--names", "--no-names -O OpenFlow14"])
def test_every_row_that_ovs_ofctl_prints_is_explained(tmp_path: Path, how: str) -> None:
    with DummyOvs(tmp_path) as ovs, DrivenSystem(DummyFabric(ovs, INTENT), INTENT, Version.OF14) as driven:
        driven.settle()
        system = driven.system
        names = names_of(system)
        for switch, manager in system.switches.items():
            lines = [line for line in ovs.ofctl(*how.split(), "dump-flows", switch).splitlines() if "cookie=" in line]
            assert len(lines) == len(manager.wanted.rows) > 20
            found = [account_of_row(system, switch, line, names) for line in lines]
            strange = [line for line, account in zip(lines, found, strict=True) if not account.known]
            assert strange == []
            assert {account.state for account in found} == {"installed"}
            assert len({account.subject for account in found}) == len(lines), "each is another row"
            for line, account in zip(lines, found, strict=True):
                cookie = re.findall(r"cookie=(0x[0-9a-f]+)", line)[0]
                told = account_of_cookie(system, cookie, switch, names)
                assert told.known and told.answer.removeprefix("rows that exist for ") in account.answer
            numbers = re.findall(r"group_id=(\d+)", ovs.ofctl("-O", "OpenFlow14", "dump-groups", switch))
            assert {int(number) for number in numbers} == manager.wanted.groups.keys()
            for number in numbers:
                account = account_of_group(system, switch, number, names)
                assert account.known and account.state == "installed" and account.reasons


def test_what_only_an_audit_can_find_is_told_once(tmp_path: Path) -> None:
    """OpenFlow 1.3 does not tell of others' changes of groups."""
    with DummyOvs(tmp_path) as ovs, DrivenSystem(DummyFabric(ovs, INTENT), INTENT, Version.OF13) as driven:
        driven.settle()
        system = driven.system
        number = min(system.switches["h1"].wanted.groups)
        ovs.ofctl("-O", "OpenFlow13", "mod-group", "h1", f"group_id={number},type=all,bucket=output:1")
        assert [*switch_findings(system, -1.0)] == []
        for expected in ([("not what it is to hold", "h1")], []):
            began = driven.system._clock()
            readings = system.switches["h1"].readings
            system.audit("h1")
            while system.switches["h1"].readings == readings or not system.switches["h1"].in_step:
                ready, _, _ = select.select([driven.peers["h1"]], [], [], PATIENCE_SECONDS)
                assert ready
                for message in driven.peers["h1"].arrived():
                    system.switch_message("h1", message)
            found = [*switch_findings(system, began)]
            assert [(finding.kind, finding.where) for finding in found] == expected
        assert faults(system) == []


def test_a_controller_checks_itself_and_its_switches(framework: str, tmp_path: Path) -> None:
    with DataCentre(framework, tmp_path) as centre:
        centre.bring_up()
        report = centre.client.fsck()
        assert (report["findings"], report["waiting"], report["notes"]) == ([], [], [])
        assert report["switches"] == len(centre.fabric.switches)
        centre.switch_off("host3")
        report = centre.client.fsck(mend=True)
        assert (report["findings"], report["mended"]) == ([], [])
        assert report["switches"] == len(centre.fabric.switches) - 1
        assert report["notes"] == ["host3 was not read: it is not connected"]
        assert centre.client.explain("port", "host1:vm1.1")["answer"] == "of red/vm1.1 eth0"
        line = centre.ovs.ofctl("--no-stats", "dump-flows", "host1", "table=40").splitlines()[-1]
        assert centre.client.explain("row", line, "host1")["state"] == "installed"
