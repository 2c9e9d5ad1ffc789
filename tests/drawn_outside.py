"""Hypothesis strategies for fabrics with uplinks, and for intents whose networks have subnets, ways out and routers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from drawn import all_in_step, fabrics, new_system, plug_everything
from hypothesis import strategies as st

from ryu_vnet.errors import VnetError
from ryu_vnet.fabric.observed import PortState
from ryu_vnet.managers import requests
from ryu_vnet.managers.communication import Effects
from ryu_vnet.managers.outside import put_floating, put_forward
from ryu_vnet.managers.requests import Work
from ryu_vnet.managers.routers import put_router
from ryu_vnet.managers.system import System
from ryu_vnet.model.outside import Address, NextHop
from ryu_vnet.model.values import Interface
from ryu_vnet.schema import FabricSpec, FloatingSpec, ForwardSpec, InterfaceSpec, NetworkSpec, NodeSpec, RouterSpec

OUTSIDES = {
    "net": {
        "addresses": ["203.0.113.0/24", "2001:db8::/32"],
        "next_hops": ["203.0.113.1", "2001:db8:ff::1"],
    },
    "lab": {"addresses": ["192.0.2.0/24"], "next_hops": ["192.0.2.1"]},
}
HOP_MAC = 0x02_AA_00_00_00_00
"""Those of next routers: one more for each uplink."""
TENANTS = {"red": 1, "blue": 2}


@dataclass(frozen=True)
class Member:
    """A running interface, where it is, and which of its addresses it has in which of its networks."""

    ref: str
    interface: Interface
    networks: tuple[str, ...]
    switch: str
    port: int

    @property
    def mac(self) -> int:
        return self.interface.mac

    @property
    def addresses(self) -> list[Address]:
        return [prefix[0] for prefix in self.interface.sources]


@dataclass(frozen=True)
class Way:
    """An uplink: where it is, and where the next routers are."""

    switch: str
    port: int
    outside: str
    hop: int
    own: tuple[Address, ...]


@dataclass(frozen=True)
class World:
    """A system in which everything is there."""

    system: System
    members: tuple[Member, ...]
    ways: tuple[Way, ...]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Fabrics with uplinks, two tenants with the same IPv4 addresses, and what they ask for that is granted."""
    system, fabric = new_system(), draw(_with_uplinks())
    system.request(lambda work: requests.put_fabric(work, fabric))
    for tenant in TENANTS:
        _ask(system, lambda work, tenant=tenant: requests.put_tenant(work, tenant))
        for number in range(draw(st.integers(1, 3))):
            spec = draw(_networks(tenant, number))
            _ask(system, lambda work, t=tenant, n=f"net{number}", spec=spec: requests.put_network(work, t, n, spec))
        for index in range(draw(st.integers(1, 4))):
            node = draw(_nodes(system, tenant, index))
            _ask(system, lambda work, t=tenant, n=f"vm{index}", node=node: requests.put_node(work, t, n, node))
    for _ in range(draw(st.integers(0, 3))):
        tenant, spec = draw(_routers(system))
        name = f"r{draw(st.integers(0, 1))}"
        _ask(system, lambda work, t=tenant, n=name, spec=spec: put_router(work.draft, t, n, spec))
    for number in range(draw(st.integers(0, 5))):
        _ask(system, draw(_let_in(system, number)))
    return plugged(system)


def _ask(system: System, edit: Callable[[Work], Any]) -> None:
    with suppress(VnetError):
        system.request(edit)


@st.composite
def _with_uplinks(draw: st.DrawFn) -> FabricSpec:
    document = draw(fabrics()).model_dump(by_alias=True)
    inside = sorted(name for name, switch in document["switches"].items() if switch["segment"] is not None)
    document["outside"] = OUTSIDES
    for number, name in enumerate(draw(st.lists(st.sampled_from(inside), min_size=1, max_size=3, unique=True)), 100):
        uplinks = document["switches"][name]["uplinks"] = {}
        kinds = draw(st.sampled_from([("net",), ("net", "lab"), ("net",), ("lab",)]))
        if "net" in kinds:
            own = [f"203.0.113.{number}", f"2001:db8:ff::{number}"]
            uplinks["up0"] = {"outside": "net", "addresses": own}
        if "lab" in kinds:
            uplinks["up1"] = {"outside": "lab", "addresses": [f"192.0.2.{number}"]}
    return FabricSpec.model_validate(document)


@st.composite
def _networks(draw: st.DrawFn, tenant: str, number: int) -> NetworkSpec:
    """Both tenants have the same IPv4 subnets, and the same IPv6 ones where these are private."""
    four, plain = f"10.0.{number}.0/24", f"2001:db8:{TENANTS[tenant]}:{number}::/64"
    six = draw(st.sampled_from([f"fd00:{number}::/64", plain]))
    subnets = draw(st.sampled_from([[], [four], [four, six], [four, six], [six], [{"prefix": four, "gateway": None}]]))
    name = draw(st.sampled_from([None, "net", "net", "net", "lab"])) if subnets else None
    way_out = None if name is None else {"network": name}
    if way_out is not None and six in subnets and six != plain:
        way_out["prefix"] = plain
    return NetworkSpec.model_validate({"subnets": subnets, "outside": way_out})


@st.composite
def _nodes(draw: st.DrawFn, system: System, tenant: str, index: int) -> NodeSpec:
    inside = sorted(name for name, switch in system.fabric.switches.items() if switch.segment is not None)
    names = [network.name for network in system.model.networks(tenant)]
    networks = draw(st.lists(st.sampled_from(names), max_size=2, unique=True)) if names else []
    interface = InterfaceSpec(
        mac=draw(st.sampled_from([None, f"02:00:00:00:00:{index + 1:02x}"])),
        at=f"{draw(st.sampled_from(inside))}:{tenant}{index}",
        networks=networks,
        ips=["192.168.7.7"] if draw(st.booleans()) else [],
    )
    return NodeSpec(running=True, interfaces={"eth0": interface})


@st.composite
def _routers(draw: st.DrawFn, system: System) -> tuple[str, RouterSpec]:
    tenant = draw(st.sampled_from(sorted(TENANTS)))
    refs = [network.ref for network in system.model.networks()]
    named = draw(st.lists(st.sampled_from(refs), min_size=2, unique=True)) if len(refs) > 1 else refs
    allow = draw(st.sampled_from([[], [{"protocol": "tcp", "port": "80-90"}], [{"protocol": "icmp"}]]))
    pairs = [(one, other) for one in named for other in named if one != other]
    rules = [{"from": one, "to": other, "allow": allow} for one, other in pairs if draw(st.booleans())]
    return tenant, RouterSpec.model_validate({"networks": named, "rules": rules if draw(st.booleans()) else []})


@st.composite
def _let_in(draw: st.DrawFn, system: System, number: int) -> Callable[[Work], Any]:
    members = [member for network in system.model.networks() for member in system.model.members(network.ref)]
    if not members:
        return lambda work: None
    member = draw(st.sampled_from(members))
    inside = draw(st.sampled_from([str(prefix[0]) for prefix in member.interface.sources] or ["10.0.0.2"]))
    tenant, name = draw(st.sampled_from([ref.split("/") for ref in member.node.networks_of(member.interface)]))
    network = system.model.network(f"{tenant}/{name}")
    outside = "192.0.2" if network is not None and network.exit and network.exit.outside == "lab" else "203.0.113"
    outer = f"2001:db8:f::{number}" if ":" in inside else f"{outside}.{10 + number}"
    if ":" in inside or draw(st.booleans()):
        spec = FloatingSpec(network=name, inside=inside)
        return lambda work: put_floating(work.draft, work.fabric, tenant, outer, spec)
    address = draw(st.sampled_from([None, f"{outside}.60"]))
    protocol = draw(st.sampled_from(["tcp", "udp"]))
    forward = ForwardSpec(
        network=name, address=address, protocol=protocol, port=8000 + number, inside=inside, inside_port=80
    )
    return lambda work: put_forward(work.draft, work.fabric, tenant, forward, "forward")


def plugged(system: System) -> World:
    """Let every switch have its ports, uplinks too, and the next routers be known."""
    plug_everything(system)
    ways = []
    for name, switch in sorted(system.fabric.switches.items()):
        ports = dict(system.ports.get(name, {}))
        for uplink in switch.uplinks:
            ports[uplink.port] = PortState(100 + len(ports), True)
            way = Way(name, ports[uplink.port].number, uplink.outside, HOP_MAC + len(ways), uplink.addresses)
            ways.append(way)
            for hop in system.fabric.outsides[uplink.outside].next_hops:
                known = NextHop(name, uplink.port, hop, way.hop)
                system.request(lambda work, known=known: work.draft.put(known))
        system.effect(name, Effects(ports=ports))
    all_in_step(system)
    return World(system, tuple(_members(system)), tuple(ways))


def _members(system: System) -> Iterator[Member]:
    for node in system.model.nodes():
        for interface in node.interfaces:
            place = interface.place
            if place is not None and node.running:
                number = system.ports[place.switch][place.port].number
                yield Member(node.ref, interface, tuple(node.networks_of(interface)), place.switch, number)
