"""A core port vanishes, and a broadcast comes before the controller knows: the switch must live, the others be served.

Open vSwitch 3.1 aborts where an encapsulated copy cannot be sent and another copy follows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from driven_switch import Driven
from dummy_fabric import wait_until
from test_communication import PORTS, SWITCH, contents_of, figure_switch
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.managers.difference import Contents
from ryu_vnet.openflow.wire import Version
from ryu_vnet.schema import Intent
from ryu_vnet.verify import frames

FIGURE = Path(__file__).parents[2] / "topologies" / "figure.yaml"
CORE_PORT = PORTS[2]


def one_network_for_all() -> tuple[Contents, int]:
    """What edgeA is to hold if all nodes of the figure share one network over three segments, and its tag there."""
    document = yaml.safe_load(FIGURE.read_text())
    nodes = {name: node for tenant in document["tenants"].values() for name, node in tenant["nodes"].items()}
    for node in nodes.values():
        node["interfaces"]["eth0"]["network"] = "Z"
    intent = Intent.model_validate({**document, "tenants": {"blue": {"networks": {"Z": {}}, "nodes": nodes}}})
    contents, system = contents_of(intent)
    return contents, system.model.grants("A")[0].tag


@pytest.fixture
def driven(tmp_path: Path) -> Iterator[Driven]:
    with DummyOvs(tmp_path) as ovs:
        driven = figure_switch(ovs, Version.OF14)
        with driven.peer:
            yield driven


@pytest.mark.parametrize("how", ["deleted", "down"])
def test_a_broadcast_after_the_core_port_vanished(driven: Driven, how: str) -> None:
    wanted, tag = one_network_for_all()
    driven.wish(wanted, 1)
    driven.connect()
    driven.check(wanted)
    assert len(wanted.groups) == 2

    frame = frames.tagged(frames.arp_request(0x020000000101, "10.0.0.11", "10.0.0.99"), tag).to_bytes()
    before = sent(driven.ovs)
    driven.ovs.appctl("netdev-dummy/receive", "edgeA-host1", frame.hex())
    wait_until(lambda: sent(driven.ovs)["edgeA-host2"] == before["edgeA-host2"] + 1, "the copy for host2")
    both = sent(driven.ovs)
    assert both[CORE_PORT] == before[CORE_PORT] + 2, "one copy for each far segment"

    if how == "deleted":
        driven.ovs.vsctl("del-port", SWITCH, CORE_PORT)
    else:
        driven.ovs.ofctl("mod-port", SWITCH, CORE_PORT, "down")
    for _ in range(3):
        driven.ovs.appctl("netdev-dummy/receive", "edgeA-host1", frame.hex())
    wait_until(lambda: sent(driven.ovs)["edgeA-host2"] == both["edgeA-host2"] + 3, "the copies for host2")
    assert sent(driven.ovs).get(CORE_PORT, both[CORE_PORT]) == both[CORE_PORT]


def sent(ovs: DummyOvs) -> dict[str, int]:
    """How many frames have left by each port that is there."""
    shown = ovs.appctl("dpctl/show", "--statistics")
    found = re.findall(r"^  port \d+: (\S+) .*\n    RX .*\n    TX packets:(\d+) ", shown, re.MULTILINE)
    return {name: int(packets) for name, packets in found if name in PORTS}
