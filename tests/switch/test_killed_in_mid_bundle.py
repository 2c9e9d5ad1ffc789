"""The controller ended by SIGKILL in the middle of a bundle, a hundred times, and started again over the same store.

Someone stands between one switch and the controller, and kills it when some bytes of a bundle have passed: any number,
so that the last of them may be in the middle of a row, or of the commit.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from controller_process import COMMANDS
from data_centre import PATIENCE_SECONDS, DataCentre
from forked_controller import ForkedController
from interposed import is_bundle_control
from severed import Severed, is_step

from ryu_vnet.client import Answer, Client
from ryu_vnet.errors import VnetError
from ryu_vnet.managers.difference import difference
from ryu_vnet.openflow import replies
from ryu_vnet.openflow.wire import BundleStep
from ryu_vnet.schema import NodeSpec

KILLS = 100 // len(COMMANDS)
"""Under each framework."""
CROWD = "crowd"
NODES, NETWORKS, HOSTS = 90, 10, 3
FRONT = ("host1", "host2", "host3", "edgeA", "edgeB")
"""The switches of which one at a time is stood in front of: those that rows of the nodes are on."""
BYTES = (100, 10_000, 60_000)
"""Of which it is drawn how much of a bundle passes at most; they have from 4 to 76 thousand bytes."""
BUNDLES = (1, 1, 2)
"""How many bundles each switch gets at least on the way to each stage, and so in which of them it may happen."""
ROWS = 50
"""How many rows each stage changes at least on each of these switches."""

Json = dict[str, Any]


def test_killed_in_the_middle_of_bundles(framework: str, tmp_path: Path) -> None:
    draw = random.Random(framework)
    with DataCentre(framework, tmp_path) as centre:
        centre.add_ports(place(node) for node in range(NODES))
        centre.bring_up()
        centre.client.put_tenant("kept")
        assert centre.client.apply(crowd(stage=0), wait=PATIENCE_SECONDS).realised
        # From now on its place is taken by one that starts sooner.
        centre.controller.kill()
        with ForkedController(framework, tmp_path, {"VNET_OVSDB": centre.ovs.database}) as controller:
            centre.controller = controller
            controller.start()
            stage = 0
            for kill in range(KILLS):
                stage += kill_in_mid_bundle(centre, f"kept/n{kill}", stage, draw)
            come_back(centre, {})
            assert len(centre.client.nodes("kept")) == KILLS


def kill_in_mid_bundle(centre: DataCentre, kept: str, stage: int, draw: random.Random) -> bool:
    """Have a controller that was just started killed while it takes the crowd to its next stage, and start another.

    Returns whether the crowd has got there.
    """
    front, wait = draw.choice(FRONT), draw.choice((0.0, PATIENCE_SECONDS))
    after, skip = draw.randrange(draw.choice(BYTES)), draw.randrange(BUNDLES[(stage + 1) % 3])
    controller, client = centre.controller, centre.client
    with Severed(controller.openflow_port, controller.kill) as between:
        come_back(centre, {front: between.target})
        assert client.put_node(kept, {"running": False}).changed
        before, on_switch = everything(client), centre.contents(front)
        wanted = crowd(stage + 1)
        between.arm(after, skip)
        answers: list[Answer] = []
        asking = Thread(target=ask, args=(centre, wanted, wait, answers))
        asking.start()
        assert between.done.wait(PATIENCE_SECONDS), f"killed in a bundle to {front}"
        asking.join()
        assert is_mid_bundle(bytes(between.passed), after, skip)
    assert (centre.contents(front) == on_switch) is (skip == 0)
    assert not any(answer.realised for answer in answers)

    controller.start()
    found = everything(client)
    has_changed = specs((node["name"], node) for node in found[CROWD]["nodes"]) == specs(
        wanted["tenants"][CROWD]["nodes"].items()
    )
    if has_changed:
        assert len(difference(on_switch, centre.compiled()[front])) >= ROWS
        before[CROWD] = found[CROWD]
    assert found == before
    assert has_changed or not answers
    return has_changed


def come_back(centre: DataCentre, instead: dict[str, str]) -> None:
    """Tell all switches where the controller is now, or where else some are to look; all of them come into step."""
    command = []
    for name in centre.fabric.switches:
        target = instead.get(name, centre.controller.target)
        command += ["--", "set", "controller", name, f'target="{target}"']
    centre.ovs.vsctl(*command)
    centre.wait(lambda: is_in_step(centre.client.status()), "all switches in step")
    centre.check_tables()


def is_in_step(status: Json) -> bool:
    """Whether all switches are there and hold what they are to hold."""
    return bool(status["realised"]) and {switch["state"] for switch in status["switches"]} == {"in step"}


def is_mid_bundle(passed: bytes, after: int, skip: int) -> bool:
    """Whether these bytes to a switch end in a bundle that was opened and not committed: the one after `skip` others,
    no further than `after` bytes into it."""
    whole, rest = replies.split(passed)
    controls = [number for number, message in enumerate(whole) if is_bundle_control(message)]
    inside = sum(map(len, whole[controls[-1] + 1 :])) + len(rest)
    is_open = len(controls) == 2 * skip + 1 and is_step(whole[controls[-1]], BundleStep.OPEN_REQUEST)
    return is_open and inside <= after


def everything(client: Client) -> Json:
    """What the controller says of all networks and nodes, by tenant."""
    names = [tenant["name"] for tenant in client.tenants()]
    return {name: {"networks": client.networks(name), "nodes": client.nodes(name)} for name in names}


def specs(nodes: Iterable[tuple[str, Json]]) -> Json:
    """Nodes by name, as requests ask for them, whatever else is said of them and whatever is left out."""
    return {
        name: NodeSpec.model_validate({key: node[key] for key in NodeSpec.model_fields if key in node}).model_dump()
        for name, node in nodes
    }


def ask(centre: DataCentre, intent: Json, wait: float, answers: list[Answer]) -> None:
    """Apply an intent to a controller that may not live to answer."""
    with suppress(VnetError):
        answers.append(centre.client.apply(intent, wait=wait))


def crowd(stage: int) -> Json:
    """A tenant with many nodes: at first none is running; then all are; then all are in another network; and so on."""
    running, shift = stage % 3 > 0, stage % 3
    nodes = {
        f"n{node}": {
            "running": running,
            "interfaces": {
                "eth0": {
                    "mac": f"02:00:01:00:00:{node:02x}",
                    "ips": [f"10.1.0.{node}"],
                    "at": place(node),
                    "network": f"net{(node + shift) % NETWORKS}",
                }
            },
        }
        for node in range(NODES)
    }
    return {"tenants": {CROWD: {"networks": {f"net{index}": {} for index in range(NETWORKS)}, "nodes": nodes}}}


def place(node: int) -> str:
    return f"host{node % HOSTS + 1}:n{node}"
