"""A move on real switches: what is installed, the sign of a frame, and what arrives where meanwhile."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from driven_system import DrivenSystem
from dummy_fabric import DummyFabric
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.managers import moves, requests
from ryu_vnet.model.values import Place
from ryu_vnet.openflow.wire import Version
from ryu_vnet.schema import FabricSpec, Intent, InterfaceSpec, LinkSpec, NetworkSpec, NodeSpec, SwitchSpec, TenantSpec
from ryu_vnet.verify import frames
from ryu_vnet.verify.packet import Packet

PLACES = {"vm1": "h1:vm1", "f1": "h1:f1", "f2": "h2:f2", "f3": "h3:f3"}
SPARE = {"h2": "h2:new2", "h3": "h3:new3"}


def two_racks() -> Intent:
    """h1 and h2 in rack a, h3 in rack b; vm1 on h1, a fellow on each host, and a port for whoever comes on two."""
    switches = {
        name: SwitchSpec(dpid=number, segment=segment)
        for number, (name, segment) in enumerate((("h1", "a"), ("h2", "a"), ("ra", "a"), ("h3", "b"), ("rb", "b")), 1)
    }
    links = [
        LinkSpec(kind="trunk", a="h1:up1", b="ra:d1"),
        LinkSpec(kind="trunk", a="h2:up2", b="ra:d2"),
        LinkSpec(kind="trunk", a="h3:up3", b="rb:d3"),
        LinkSpec(kind="core", a="ra:corea", b="rb:coreb"),
    ]
    nodes = {
        name: NodeSpec(running=True, interfaces={"eth0": InterfaceSpec(ips=[f"10.0.0.{n}"], at=at, networks=["net"])})
        for n, (name, at) in enumerate(PLACES.items(), 1)
    }
    spare = {f"on{host}": NodeSpec(interfaces={"eth0": InterfaceSpec(at=at)}) for host, at in SPARE.items()}
    return Intent(
        fabric=FabricSpec(switches=switches, links=links),
        tenants={"t": TenantSpec(networks={"net": NetworkSpec()}, nodes={**nodes, **spare})},
    )


@pytest.mark.parametrize("version", [Version.OF13, Version.OF14])
@pytest.mark.parametrize("host", ["h2", "h3"])
def test_a_node_that_moves(host: str, version: Version) -> None:
    intent = two_racks()
    with TemporaryDirectory() as folder, DummyOvs(Path(folder)) as ovs:
        fabric = DummyFabric(ovs, intent)
        with DrivenSystem(fabric, intent, version) as driven:
            driven.settle()
            system = driven.system
            for spare in SPARE:
                system.request(lambda work, spare=spare: requests.delete_node(work, "t", f"on{spare}"))  # type: ignore[misc]
            system.request(lambda work: moves.move(work, "t", "vm1", {"eth0": SPARE[host]}))
            driven.follow()

            macs = {node.name: node.interfaces[0].mac for node in system.model.nodes()}

            def arrived(sender: str, place: str, frame: Packet) -> list[str]:
                return sorted(at for at, got in fabric.send(place, [frame.to_bytes()]).items() for _ in got)

            def echo(sender: str, to: str) -> Packet:
                link = frames.Link(macs[sender], macs[to])
                numbers = {name: n for n, name in enumerate(PLACES, 1)}
                return frames.ipv4_echo(link, f"10.0.0.{numbers[sender]}", f"10.0.0.{numbers[to]}")

            # Everybody still reaches it where it is; nothing of others comes in where it will be.
            for fellow in ("f1", "f2", "f3"):
                assert arrived(fellow, PLACES[fellow], echo(fellow, "vm1")) == ["h1:vm1"]
            assert arrived("f1", SPARE[host], echo("f1", "f2")) == []
            driven.follow()
            assert system.model.at(Place("h1", "vm1")) is not None

            # Its first frame from there arrives, and is the sign.
            assert arrived("vm1", SPARE[host], echo("vm1", "f1")) == ["h1:f1"]
            driven.follow(lambda: system.model.at(Place("h1", "vm1")) is None)
            moved = system.model.node("t/vm1")
            assert moved is not None and str(moved.interfaces[0].place) == SPARE[host]
            assert str(moved.interfaces[0].left) == "h1:vm1"
            for fellow in ("f1", "f2", "f3"):
                assert arrived(fellow, PLACES[fellow], echo(fellow, "vm1")) == [SPARE[host]]
            assert arrived("vm1", "h1:vm1", echo("vm1", "f1")) == []

            left = {"eth0": Place("h1", "vm1")}
            system.request(lambda work: moves.settle_down(work, "t", "vm1", left))
            driven.follow()
            for fellow in ("f1", "f2", "f3"):
                assert arrived(fellow, PLACES[fellow], echo(fellow, "vm1")) == [SPARE[host]]
            for name, peer in driven.peers.items():
                assert peer.dump_rows() == system.switches[name].wanted.rows
