"""The scripts of mininet/, run as people run them; VNET_FRAMEWORK says under which framework.

Each ends with 0 only if what was observed with real frames equals what was expected. The negative control proves that
the same check can fail.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from vnet_lab.running import framework, frameworks

ROOT = Path(__file__).resolve().parents[2]
TOPOLOGIES = sorted(path.stem for path in (ROOT / "topologies").glob("*.yaml"))
TOPOLOGIES.remove("figure-vxlan")  # The demonstration goes through that one.
if framework() != frameworks()[0]:
    # What is compiled is the same under each framework: under the others one fabric is gone through whole.
    TOPOLOGIES = ["figure"]
PATIENCE_SECONDS = 400


def script(name: str, *arguments: str, code: int = 0, given: str = "") -> str:
    """Run a script; what it printed. It must end with `code`."""
    command = [sys.executable, str(ROOT / "mininet" / f"{name}.py"), *arguments]
    done = subprocess.run(command, input=given, text=True, capture_output=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == code, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_demo_shows_what_it_should() -> None:
    shown = script("demo")
    manager = {"ryu": "ryu-manager ryu_vnet.app", "os-ken": "vnet controller"}[framework()]
    for line in (
        manager,
        "84 pairs, 20 should reach, 20 did; 0 wrong",
        "none: it never leaves its segment",
        "192.0.2.10→198.51.100.10 vxlan 5000 | 02:00:00:00:02:01→02:00:00:00:0c:01 IP / ICMP 10.0.0.21 > 10.0.0.99",
        "0 break-ins or losses, 0 frames where they have no business",
        "noticed: red/vm1.1/eth0 heard a broadcast of green/vm2.1",
        "observed equals expected, and the control was noticed",
    ):
        assert line in shown, shown
    on_the_wire = [line for line in shown.splitlines() if line.startswith(("  trunk", "  core"))]
    assert [line.split()[1] for line in on_the_wire] == [
        *("host1-edgeA", "edgeA-core1", "core1-core2", "edgeB-core2", "host3-edgeB")
    ]
    assert "VLAN 3 |" in on_the_wire[0] and "VLAN 1 |" in on_the_wire[-1]
    assert all(line.count("MPLS label") == 2 for line in on_the_wire[1:-1])


def test_demo_fails_where_one_row_on_one_switch_is_altered() -> None:
    shown = script("demo", "--tamper", code=1)
    assert "WRONG: green/vm2.1/eth0 did not reach green/outside/eth0 over IPv4" in shown
    assert "observed differs from expected" in shown


@pytest.mark.parametrize("topology", ["figure", "leaf-spine"])
def test_a_machine_moves_under_traffic(topology: str) -> None:
    shown = script("move", topology)
    assert shown.count("0 of them while it was there, 0 came twice, 0 came to others") >= 2, shown


def test_machines_come_move_and_go_by_the_databases_of_their_hosts_alone() -> None:
    shown = script("discover")
    for line in (
        "declared, and seen nowhere:",
        "from there on 0 are lost",
        "is said to be at host1:vm1.1 as well",
        "its port is gone: it does not run;",
        "observed equals expected",
    ):
        assert line in shown, shown
    assert shown.count("0 of them while it was there") == 2, shown


def test_a_machine_of_another_name_does_not_come() -> None:
    shown = script("discover", "--tamper", code=1)
    assert "WRONG: not in 10 s: green/outside runs at edgeC:outside" in shown
    assert "observed differs from expected" in shown


def test_services_are_shared_and_a_broadcast_is_heard_once() -> None:
    shown = script("shared")
    for line in (
        "260 pairs, 116 should reach, 116 did; 0 wrong",
        "24 broadcasts, due 116 times, heard 116 times; 0 wrong",
        "noticed: acme/boss/eth0 heard a broadcast of acme/files1/eth0 2 times, should 1",
        "noticed: acme/boss/eth0 did not reach acme/gate/eth0 over IPv4",
        "observed equals expected, and both controls were noticed",
    ):
        assert line in shown, shown


def test_shared_services_fail_where_rows_are_altered() -> None:
    shown = script("shared", "--tamper", code=1)
    assert "WRONG: acme/till1/eth0 did not reach acme/gate/eth0 over IPv6" in shown
    assert "WRONG: acme/files2/eth0 heard an ARP request of acme/files1/eth0 2 times, should 1" in shown
    assert "observed differs from expected" in shown


def test_protocols_have_networks_of_their_own() -> None:
    shown = script("protocols")
    rows = [[part.strip() for part in line.split("│")[1:-1]] for line in shown.splitlines() if "│" in line]
    through = {row[0]: row[2:] for row in rows if len(row) == 4}
    wires = {row[0]: [re.sub(": .*", "", cell) for cell in row[1:3]] for row in rows if "-" in row[0]}
    assert through == {
        **{name: ["14/14", "14/14"] for name in ("HTTP, TCP port 80", "VoIP, UDP ports from 20000 on")},
        "VoIP, datagrams of 4,000 bytes": ["14/14", "14/14"],
        **{name: ["2/2", "2/2"] for name in ("TCP, ports from 8080 on", "UDP, ports from 5000 on", "ping")},
    }
    assert wires == {
        **{link: ["VLAN 1", "VLAN 2"] for link in ("host1-edgeA", "host2-edgeA")},
        "host3-edgeB": ["VLAN 2", "VLAN 3"],
        **{link: ["label 17", "label 18"] for link in ("edgeA-core", "edgeB-core")},
    }
    for line in (
        "40 addresses of others found by ARP and neighbour discovery; 0 too few or too many",
        "; 0 under a tag or label that is not theirs",
        "noticed: HTTP, TCP port 80: office/desk1/eth0 did not get through to office/web/eth0 over IPv4",
        "should have VLAN 1, being of office/http",
        "observed equals expected, and the control was noticed",
    ):
        assert line in shown, shown


def test_protocols_fail_where_rows_are_altered() -> None:
    shown = script("protocols", "--tamper", code=1)
    assert "WRONG: HTTP, TCP port 80: office/desk1/eth0 did not get through to office/web/eth0 over IPv6" in shown
    assert "WRONG: host1-edgeA: HTTP under VLAN 1, VLAN 2" in shown
    assert "observed differs from expected" in shown


def test_policies_change_under_traffic_and_who_shares_a_network_all_along_loses_nothing() -> None:
    shown = script("policy")
    rows = [[part.strip() for part in line.split("│")[1:-1]] for line in shown.splitlines() if line.startswith("│ ")]
    rows = [row for row in rows if len(row) == 8]
    assert Counter(row[2] for row in rows) == {"always": 14, "no more": 5, "only now": 3, "never": 8}
    for row in rows:
        (came, sent), (came_between, sent_between), (came_then, sent_then) = (cell.split("/") for cell in row[3:6])
        assert min(int(sent), int(sent_then)) > 50 and int(sent_between) > 10, row
        assert came == (sent if row[2] in ("always", "no more") else "0"), row
        assert came_then == (sent_then if row[2] in ("always", "only now") else "0"), row
        assert row[2] != "always" or came_between == sent_between, row
        assert row[2] != "never" or came_between == "0", row
        assert row[6] == "0", row
    for line in (
        "of 9 nodes, the request has changed node/shop/web1, node/shop/web2\n",
        "of 9 nodes, the request has changed node/shop/web2\n",
        "of 9 nodes, the request has changed node/shop/web1\n",
        "shop/web1 eth0 is in back (policy web)",
        "shop/web2 eth0 is in ops (policy repair)",
        "shop/web1 eth0 is in front (policy balancers)",
        "noticed: shop/web1 to shop/web2 before the change: ",
        "observed equals expected, and the control was noticed",
    ):
        assert line in shown, shown


def test_a_change_of_policy_that_is_not_the_expected_one_is_noticed() -> None:
    shown = script("policy", "--tamper", code=1)
    assert "WRONG: shop/web1/eth0 is in ['ops'], should be in ['back']" in shown
    assert re.search("WRONG: shop/db1 to shop/web2 after the change: ([0-9]+) of \\1 were lost", shown), shown
    assert "observed differs from expected" in shown


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_everybody_reaches_whom_they_should_and_nobody_else(topology: str) -> None:
    assert "observed equals expected" in script("pingall", topology)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_nobody_breaks_in(topology: str) -> None:
    every = "5" if topology == "leaf-spine" else "1"
    shown = script("breakin", "--every", every, topology)
    assert "0 wrong, 0 where they have no business" in shown and "nobody got in" in shown


@pytest.mark.parametrize("topology", ["figure", "leaf-spine"])
def test_a_controller_killed_under_traffic_loses_no_packet_and_sends_no_rule(topology: str) -> None:
    shown = script("restart", topology, "2")
    assert " 0 lost, 0 twice" in shown and " 0 of them change a table" in shown


def test_switches_connect_over_tls_and_strangers_do_not() -> None:
    shown = script("tls")
    assert "in step over TLS" in shown and "none of them is let in" in shown


def test_the_prompt_of_the_lab() -> None:
    shown = script(
        "lab", given="vnet status\nreach\nvnet trace blue/vm1.2 blue/vm3.1\ncontroller kill\nvnet status\nexit\n"
    )
    assert "realised on every switch" in shown
    assert "vm3.1 (blue/Z)" in shown
    assert "delivered to blue/vm3.1 eth0" in shown
