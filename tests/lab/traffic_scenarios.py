"""What `test_traffic` runs, each scenario in a sandbox of its own: this file as a program, with a scenario's name."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "mininet")]

from vnet_lab import frames as f  # noqa: E402
from vnet_lab import sandbox  # noqa: E402
from vnet_lab.attempts import new_marker  # noqa: E402
from vnet_lab.lab import OPENFLOW, Lab  # noqa: E402
from vnet_lab.load import PingLoad  # noqa: E402
from vnet_lab.running import REALISED_SECONDS, MessageLog, RunningLab  # noqa: E402
from vnet_lab.sandbox import run  # noqa: E402
from vnet_lab.topology import Interface  # noqa: E402

RESULT = "result: "
WAIT = REALISED_SECONDS


def reaches(lab: Lab, one: Interface, other: Interface, size: int = 56) -> bool:
    """Whether one ping gets through, of three."""
    command = ("ping", "-n", "-M", "do", "-s", str(size), "-c", "3", "-i", "0.2", "-W", "1", str(other.address(4)))
    return lab.popen(one, command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait() == 0


def lifecycle() -> dict[str, Any]:
    """Attach, detach, start, stop, delete: vm3.2 comes and goes, vm3.1 stays."""
    found: dict[str, Any] = {}
    with RunningLab("figure") as running:
        client, lab = running.client, running.lab
        one, goes, stays = (running.topology.find(f"blue/{name}/eth0") for name in ("vm1.2", "vm3.2", "vm3.1"))

        def note(name: str, realised: bool) -> None:
            assert realised, name
            found[name] = [reaches(lab, one, goes), reaches(lab, one, stays)]

        note("at first", True)
        note("detached", client.detach("blue/vm3.2", "blue/Z", wait=WAIT).realised)
        note("attached again", client.attach("blue/vm3.2", "blue/Z", wait=WAIT).realised)
        note("stopped", client.stop("blue/vm3.2", wait=WAIT).realised)
        note("started", client.start("blue/vm3.2", wait=WAIT).realised)
        client.put_network("blue/W", wait=WAIT)
        client.detach("blue/vm3.2", "blue/Z")
        client.attach("blue/vm3.2", "blue/W", wait=WAIT)
        note("in another network", True)
        client.detach("blue/vm1.2", "blue/Z")
        answer = client.attach("blue/vm1.2", "blue/W", wait=WAIT)
        found["its tenant's new network works"] = answer.realised and reaches(lab, one, goes)
        client.detach("blue/vm1.2", "blue/W")
        client.attach("blue/vm1.2", "blue/Z", wait=WAIT)
        note("deleted", client.delete_node("blue/vm3.2", wait=WAIT).realised)
    return found


def changes_under_traffic() -> dict[str, Any]:
    """Others come and go in the same network and in new ones while two members ping each other."""
    changes = 0
    with RunningLab("figure") as running:
        client = running.client
        one, other = (running.topology.find(f"blue/{name}/eth0") for name in ("vm1.2", "vm3.1"))
        with MessageLog() as log, PingLoad(running.lab, one, other) as load:
            for turn in range(5):
                client.put_network(f"blue/N{turn}")
                client.detach("blue/vm3.2", "blue/Z", wait=WAIT)
                client.attach("blue/vm3.2", f"blue/N{turn}", wait=WAIT)
                client.detach("blue/vm3.2", f"blue/N{turn}", wait=WAIT)
                client.attach("blue/vm3.2", "blue/Z", wait=WAIT)
                client.stop("red/vm1.1", wait=WAIT)
                client.start("red/vm1.1", wait=WAIT)
                client.delete_network(f"blue/N{turn}", wait=WAIT)
                changes += 8
        count = load.count
    return {
        "changes": changes,
        "lost": len(count.lost),
        "twice": count.duplicates,
        "messages that changed a table": log.count,
    }


def tampered_tables() -> dict[str, Any]:
    """Somebody changes the tables of edgeA by ovs-ofctl, again and again, while two members of a network that passes it
    ping each other; what is changed belongs to another network, but for the last."""
    switch, wrongs = "edgeA", 0
    with RunningLab("figure") as running:
        client, lab = running.client, running.lab
        one, other = (running.topology.find(f"blue/{name}/eth0") for name in ("vm1.2", "vm3.1"))
        theirs, red = (client.network(ref)["number"] for ref in ("green/Y", "red/X"))
        rows, groups = sorted(lab.flows(switch).splitlines()), sorted(lab.groups(switch).splitlines())

        def is_right() -> bool:
            now = sorted(lab.flows(switch).splitlines()), sorted(lab.groups(switch).splitlines())
            return now == (rows, groups)

        def tamper(*command: str) -> None:
            nonlocal wrongs
            run("ovs-ofctl", "-O", OPENFLOW, *command)
            wrongs += 1
            wait_for(is_right)

        tag = next(row for row in rows if "table=40" in row and f"set_field:{theirs:#x}->reg0" in row)
        with PingLoad(lab, one, other) as load:
            for _ in range(3):
                tamper("add-flow", switch, f"table=70,priority=60000,reg0={theirs},actions=drop")
                tamper("del-flows", switch, f"table=70,reg0={theirs}")
                tamper("add-flow", switch, tag.replace(f"set_field:{theirs:#x}->reg0", f"set_field:{red:#x}->reg0"))
                tamper("mod-group", switch, f"group_id={theirs},type=all,bucket=drop")
                tamper("add-group", switch, "group_id=999,type=all,bucket=output:1")
        count = load.count
        tamper("del-flows", switch)
        told = client.drift(switch)
        after = reaches(lab, one, other)
    return {
        "tampered": wrongs,
        "told": len(told) >= wrongs,
        "all put right": all(part["put_right"] for part in told),
        "lost": len(count.lost),
        "twice": count.duplicates,
        "reached after all rows were deleted": after,
    }


def renumbered_port() -> dict[str, Any]:
    """The port of vm3.1 is taken off its switch and put back under another number."""
    with RunningLab("figure") as running:
        lab = running.lab
        one, other = (running.topology.find(f"blue/{name}/eth0") for name in ("vm1.2", "vm3.1"))
        first = run("ovs-vsctl", "get", "interface", other.port, "ofport").strip()
        reached = [reaches(lab, one, other)]
        run("ovs-vsctl", "del-port", other.switch, other.port)
        reached.append(reaches(lab, one, other))
        port = ("add-port", other.switch, other.port)
        run("ovs-vsctl", *port, "--", "set", "interface", other.port, "ofport_request=77", "mtu_request=1500")
        wait_for(lambda: "in_port=77" in lab.flows(other.switch).replace('"', ""))
        running.wait_in_step()
        reached.append(reaches(lab, one, other))
        second = run("ovs-vsctl", "get", "interface", other.port, "ofport").strip()
    return {"first number": first, "second number": second, "reached": reached}


def chosen_addresses() -> dict[str, Any]:
    """The machines of blue/Z are made anew without MAC addresses and take those that the controller chooses; then vm3.2
    moves from segment B to segment A with its own."""
    with RunningLab("figure") as running:
        client, lab = running.client, running.lab
        one, stays, moves = (running.topology.find(f"blue/{name}/eth0") for name in ("vm1.2", "vm3.1", "vm3.2"))
        for node in (one, stays, moves):
            ref = f"{node.tenant}/{node.node}"
            spec = {**client.node(ref)["interfaces"]["eth0"], "mac": None}
            client.delete_node(ref, wait=WAIT)
            answer = client.put_node(ref, {"running": True, "interfaces": {"eth0": spec}}, wait=WAIT)
            assert answer.realised and answer.raw["node"]["chosen_macs"] == ["eth0"], answer.raw
            with lab.namespace(node).entered():
                run("ip", "link", "set", node.name, "address", answer.raw["node"]["interfaces"]["eth0"]["mac"])
        found = {
            "rows for segment B at edgeA": lab.flows("edgeA").count("dl_dst=f2:00:20:00:00:00/ff:ff:f0:00:00:00"),
            "reached": [reaches(lab, a, b) for a, b in ((one, stays), (one, moves), (stays, moves))],
        }
        run("ovs-vsctl", "del-port", moves.switch, moves.port, "--", "add-port", "host2", moves.port)
        answer = client.start("blue/vm3.2", at={"eth0": f"host2:{moves.port}"}, wait=WAIT)
        assert answer.realised, answer.raw
        found["reached after the move"] = [reaches(lab, a, b) for a, b in ((one, stays), (one, moves), (stays, moves))]
    return found


def small_mtu() -> dict[str, Any]:
    """A core link whose ends have an MTU of 1500 loses frames of full size, and the controller says where."""
    with RunningLab("figure") as running:
        one, other = (running.topology.find(f"blue/{name}/eth0") for name in ("vm1.2", "vm3.1"))
        wide = reaches(running.lab, one, other, size=1472)
        for port in ("edgeA-core1", "core1-edgeA"):
            run("ovs-vsctl", "set", "interface", port, "mtu_request=1500")
        wait_for(lambda: bool(running.client.switch("edgeA")["settings"]["warnings"]))
        narrow = reaches(running.lab, one, other, size=1472)
        warning = running.client.switch("edgeA")["settings"]["warnings"][0]
    return {"reached at 1600": wide, "reached at 1500": narrow, "warning": warning}


def own_tags() -> dict[str, Any]:
    """802.1Q tags of a tenant's own, in a network that allows them and in one that does not."""
    with RunningLab("figure") as running:
        running.client.put_network("blue/Z", tagged=True, wait=WAIT)
        near, far = (running.topology.find(f"blue/{name}/eth0") for name in ("vm3.1", "vm3.2"))
        abroad = running.topology.find("blue/vm1.2/eth0")
        refused, fellow = (running.topology.find(f"red/{name}/eth0") for name in ("vm1.1", "vm2.2"))
        allowed = {
            "one tag": arrives(running.lab, near, far, 7),
            "two tags": arrives(running.lab, near, far, 7, 8),
            "across the core": arrives(running.lab, near, abroad, 7, 8),
        }
        return {
            "allowed": allowed,
            "not allowed": {
                "one tag": arrives(running.lab, refused, fellow, 7),
                "two tags": arrives(running.lab, refused, fellow, 7, 8),
            },
        }


def arrives(lab: Lab, one: Interface, other: Interface, *tags: int) -> bool:
    """Whether a frame with these tags comes in whole at another node."""
    frame = f.tagged(f.experiment(one.mac, other.mac, new_marker() * 4), *tags)
    with lab.capture([point for point in lab.points() if point.name == other.id]) as capture:
        lab.send(one, frame)
        time.sleep(0.3)
        return any(seen.frame == frame and not seen.outgoing for seen in capture.frames)


def wait_for(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until something holds. Raises LabError where it does not."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise sandbox.LabError("waited in vain")
        time.sleep(0.05)


def main() -> int:
    scenario = globals()[sys.argv[1]]
    result = scenario()
    print(RESULT + json.dumps(result))
    return 0


if __name__ == "__main__":
    sandbox.main(main)
