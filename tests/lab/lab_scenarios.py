"""What `test_lab_itself` runs, each scenario in a sandbox of its own: this file as a program, with a scenario's name.

Fabrics that are open to all, and one that is shut by hand.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TOPOLOGIES = ROOT / "topologies"
sys.path.insert(0, str(ROOT / "mininet"))

from vnet_lab import breakin, reachability, reference, sandbox  # noqa: E402
from vnet_lab import frames as f  # noqa: E402
from vnet_lab.capture import CaptureLost  # noqa: E402
from vnet_lab.controller import ControllerProcess  # noqa: E402
from vnet_lab.lab import Lab  # noqa: E402
from vnet_lab.load import PingLoad  # noqa: E402
from vnet_lab.topology import Interface, Topology  # noqa: E402

RESULT = "result: "

ONE_BRIDGE = """
fabric:
  switches: {bridge: {dpid: 0x1, segment: A}}
tenants:
  red:
    networks: {X: {}}
    nodes:
      pc1:
        running: true
        interfaces: {eth0: {mac: "02:00:00:00:00:01", ips: [10.0.0.1, "fd00::1"], at: "bridge:r1", network: X}}
      pc2:
        running: true
        interfaces: {eth0: {mac: "02:00:00:00:00:02", ips: [10.0.0.2, "fd00::2"], at: "bridge:r2", network: X}}
      off:
        running: false
        interfaces: {eth0: {mac: "02:00:00:00:00:03", ips: [10.0.0.3, "fd00::3"], at: "bridge:r3", network: X}}
  green:
    networks: {X: {}}
    nodes:
      pc1:
        running: true
        interfaces: {eth0: {mac: "02:00:00:00:00:01", ips: [10.0.0.1, "fd00::1"], at: "bridge:g1", network: X}}
      pc2:
        running: true
        interfaces: {eth0: {mac: "02:00:00:00:00:02", ips: [10.0.0.2, "fd00::2"], at: "bridge:g2", network: X}}
  grey:
    nodes:
      loose:
        running: true
        interfaces: {eth0: {mac: "02:00:00:00:00:04", ips: [10.0.0.4, "fd00::4"], at: "bridge:loose"}}
"""
"""Two tenants with the very same names and addresses, a node that does not run, and one in no network."""


def shut(topology: Topology) -> Iterator[str]:
    """Rows that keep the networks of a single bridge apart, in ovs-ofctl's notation: table 0 who sends, table 1 what
    neighbour discovery claims, table 2 who may get it."""
    yield from (f"priority=400,dl_type={kind:#06x} actions=drop" for kind in (f.MPLS, f.MPLS_MULTICAST))
    yield from (f"priority=290,{kind} actions=drop" for kind in ("arp", "ip", "ipv6"))
    for one in topology.interfaces:
        if not reference.networks_of(one):
            continue
        port = f"in_port={one.port}"
        source = f"{port},dl_src={one.mac},vlan_tci=0"
        local = f.link_local(one.mac)
        yield f"priority=100,{source} actions=goto_table:2"
        yield f"priority=300,{source},arp,arp_spa={one.address(4)},arp_sha={one.mac} actions=goto_table:2"
        yield f"priority=300,{source},ip,nw_src={one.address(4)} actions=goto_table:2"
        for address in (one.address(6), local):
            yield f"priority=300,{source},ipv6,ipv6_src={address} actions=goto_table:2"
            for kind in (135, 136):
                yield f"priority=310,{source},icmp6,icmp_type={kind},ipv6_src={address} actions=goto_table:1"
            for link_layer in (one.mac, "00:00:00:00:00:00"):
                advertisement = f"icmp6,icmp_type=136,nd_target={address},nd_tll={link_layer}"
                yield f"table=1,{port},{advertisement} actions=goto_table:2"
        for link_layer in (one.mac, "00:00:00:00:00:00"):
            yield f"table=1,{port},icmp6,icmp_type=135,nd_sll={link_layer} actions=goto_table:2"
        fellows = reference.fellows(topology, one)
        yield from (f"table=2,{port},dl_dst={other.mac} actions=output:{other.port}" for other in fellows)
        everyone = ",".join(f"output:{other.port}" for other in fellows) or "drop"
        yield f"table=2,{port},dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions={everyone}"


def open_to_all(lab: Lab) -> None:
    """Every switch a plain learning bridge."""
    for switch in lab.topology.switches:
        lab.add_flows(switch.name, ["actions=NORMAL"])


# Scenarios: run in a sandbox, their result goes back as JSON.


def build() -> Any:
    """Every file is built as it says, more than once in one sandbox."""
    found: dict[str, Any] = {}
    for path in sorted(TOPOLOGIES.glob("*.yaml")):
        with Lab(path) as lab:
            node = lab.topology.interfaces[0]
            with lab.namespace(node).entered():
                device = json.loads(sandbox.run("ip", "-json", "address", "show", node.name))[0]
            bridge = lab.topology.switches[0]
            database = ("ovs-vsctl", "--bare", "--columns")
            link = lab.topology.links[0] if lab.topology.links else None
            found[path.stem] = {
                "mac": device["address"],
                "mtu": device["mtu"],
                "ips": [f"{address['local']}/{address['prefixlen']}" for address in device["addr_info"]],
                "tentative": [a["local"] for a in device["addr_info"] if a.get("tentative")],
                "dpid": sandbox.run("ovs-vsctl", "get", "bridge", bridge.name, "datapath_id").strip(' "\n'),
                "modes": sandbox.run(*database, "connection_mode", "list", "Controller").split(),
                "fail": sandbox.run(*database, "fail_mode", "list", "Bridge").split(),
                "link_mtu": [
                    int(sandbox.run("ovs-vsctl", "get", "Interface", end.port, "mtu"))
                    for end in ((link.a, link.b) if link else ())
                ],
                "ofports": len(sandbox.run("ovs-vsctl", "--bare", "find", "Interface", "ofport=-1").split()),
                "checksums": _checksums_in_hardware(lab, node),
                "quiet": _frames_without_nodes(lab),
            }
    return found


def _checksums_in_hardware(lab: Lab, node: Interface) -> list[str]:
    """Devices that leave checksums undone, at both ends of a node's cable."""
    with lab.namespace(node).entered():
        features = {node.id: sandbox.run("ethtool", "-k", node.name)}
    features[node.port] = sandbox.run("ethtool", "-k", node.port)
    return [device for device, text in features.items() if "tx-checksumming: off" not in text]


def _frames_without_nodes(lab: Lab) -> int:
    """Frames on links while no node's frame may pass: the fabric itself should make none."""
    links = [point for point in lab.points() if point.kind in ("trunk", "core")]
    with lab.capture(links) as capture:
        time.sleep(0.3)
    return len(capture.frames)


def open_fabric() -> Any:
    """Where every switch is a learning bridge, everybody is reached, and every kind of break-in is noticed."""
    with Lab(TOPOLOGIES / "figure.yaml", controller=None) as lab:
        open_to_all(lab)
        lab.add_flows("core1", ["table=9,mpls,mpls_label=700 actions=set_field:701->mpls_label,output:core1-core2"])
        lab.add_flows("core1", ["table=9,ip actions=encap(mpls),load:0x2be->OXM_OF_MPLS_LABEL[],output:core1-core2"])
        labels = breakin.labels_in_use(lab)
        matrix = reachability.measure(lab)
        sender = lab.topology.find("red/vm1.1/eth0")
        report = breakin.run_all(lab, [sender])
    return {
        "unreached": [pair for pair, reached in matrix.items() if not reached],
        "pairs": len(matrix),
        "labels": labels,
        "unsent": [str(outcome) for outcome in report.outcomes if not outcome.sent],
        "broke_in": sorted({outcome.attempt.name for outcome in report.outcomes if outcome.broke_in}),
        "legitimate": [outcome.ok for outcome in report.outcomes if outcome.attempt.must],
        "reasons": sorted({fault.reason for fault in report.faults}),
    }


def shut_bridge() -> Any:
    """Where rows by hand keep networks apart, nobody gets in, and twins with equal addresses are told apart."""
    path = Path("/run/vnet-lab/one-bridge.yaml")
    sandbox.prepare()
    path.write_text(ONE_BRIDGE)
    with Lab(path, controller=None) as lab:
        lab.add_flows("bridge", shut(lab.topology))
        matrix = reachability.measure(lab)
        report = breakin.run_all(lab)
        expected = reachability.expected(lab.topology)
    return {
        "wrong": [pair for pair in expected if matrix[pair] != expected[pair]],
        "reached": sum(matrix.values()),
        "failures": [str(outcome) for outcome in report.failures],
        "faults": [str(fault) for fault in report.faults],
        "tried": len(report.outcomes),
    }


def twins_crossed() -> Any:
    """A bridge that gives one tenant's frames to the other's node of the same address: the matrix must show it."""
    path = Path("/run/vnet-lab/one-bridge.yaml")
    sandbox.prepare()
    path.write_text(ONE_BRIDGE)
    crossed = {"r1": "g2", "g2": "r1", "g1": "r2", "r2": "g1"}
    with Lab(path, controller=None) as lab:
        lab.add_flows("bridge", [f"in_port={one} actions=output:{other}" for one, other in crossed.items()])
        matrix = reachability.measure(lab)
    return sorted(pair for pair, reached in matrix.items() if reached)


def captures() -> Any:
    """Tags and directions are kept, and a capture that is short of frames refuses to speak."""
    with Lab(TOPOLOGIES / "two-hosts.yaml", controller=None) as lab:
        open_to_all(lab)
        one, other = lab.topology.find("red/vm1.1/eth0"), lab.topology.find("red/vm2.1/eth0")
        frame = f.tagged(f.experiment(one.mac, f.BROADCAST, b"marker"), 5, 6)
        with lab.capture(keep=lambda seen: b"marker" in seen.frame) as capture:
            lab.send(one, frame)
            capture.settle(0.2)
        with lab.capture(memory=100) as small:
            for _ in range(10):
                lab.send(one, frame)
            small.settle(0.2)
        try:
            refused = not small.frames
        except CaptureLost:
            refused = True
        with PingLoad(lab, one, other) as load:
            time.sleep(0.5)
        with PingLoad(lab, one, other) as broken:
            time.sleep(0.2)
            lab.add_flows("rack", ["priority=65535 actions=drop"])
            time.sleep(0.2)
    order = sorted(capture.frames, key=lambda seen: seen.time)
    return {
        "whole": all(seen.frame == frame for seen in order),
        "seen": sorted((seen.point.name, seen.outgoing) for seen in order),
        "first": order[0].point.name,
        "refused": refused,
        "load": [load.count.sent, load.count.received, load.count.duplicates],
        "broken": [broken.count.sent, broken.count.received, len(broken.count.lost)],
    }


def controllers() -> Any:
    """A program with an API is started, waited for, killed and started again; one that fails says why; and switches
    find a real controller, twice."""
    sandbox.prepare()
    log = Path("/run/vnet-lab/controller.log")
    server = ControllerProcess(["python", "-m", "http.server", "8080", "--bind", "127.0.0.1"], log)
    with server:
        server.wait_ready()
        server.kill()
        killed = server.running
        server.start()
        again = server.restart() > 0 and server.running
    with ControllerProcess(["python", "-c", "raise SystemExit('no such store')"], log) as failing:
        try:
            failing.wait_ready()
            message = ""
        except sandbox.LabError as error:
            message = str(error)
    with Lab(TOPOLOGIES / "two-hosts.yaml") as lab:
        one, other = lab.topology.find("red/vm1.1/eth0"), lab.topology.find("red/vm2.1/eth0")
        try:
            lab.wait_connected(0.2)
            alone = False
        except sandbox.LabError as error:
            alone = str(error).startswith("3 switches")
        with ControllerProcess(["ryu-manager", "ryu.app.simple_switch_13"], log) as ryu:
            lab.wait_connected()
            ryu.kill()
            ryu.start()
            lab.wait_connected()
            with PingLoad(lab, one, other) as load:
                time.sleep(0.5)
    return {
        "killed": killed, "again": again, "stopped": server.running, "message": message,
        "alone": alone, "replies": load.count.received > 0,
    }  # fmt: skip


def wait_for_ever() -> Any:
    """A lab that is never ended in an orderly way."""
    with Lab(TOPOLOGIES / "single-bridge.yaml", controller=None):
        print(RESULT + "null", flush=True)
        time.sleep(60)


SCENARIOS: dict[str, Callable[[], Any]] = {
    scenario.__name__: scenario
    for scenario in (build, open_fabric, shut_bridge, twins_crossed, captures, controllers, wait_for_ever)
}


def main() -> int:
    print(RESULT + json.dumps(SCENARIOS[sys.argv[1]]()), flush=True)
    return 0


if __name__ == "__main__":
    sandbox.main(main)
