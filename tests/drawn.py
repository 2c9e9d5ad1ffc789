"""Hypothesis strategies for fabrics and intents of any shape, and what a test needs to run them.

Everything is drawn as a `schema.Intent`, so that tests go through the same requests as users do.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import pairwise

from hypothesis import strategies as st
from memory_store import MemoryStore

from ryu_vnet.compiler.rows import SwitchTable
from ryu_vnet.fabric.observed import PortState
from ryu_vnet.managers import requests
from ryu_vnet.managers.communication import Effects, State
from ryu_vnet.managers.system import System
from ryu_vnet.model.names import format_mac, placed_mac
from ryu_vnet.schema import (
    FabricSpec,
    Intent,
    InterfaceBandwidthSpec,
    InterfaceSpec,
    LinkSpec,
    NetworkSpec,
    NodeSpec,
    SiteSpec,
    SwitchSpec,
    TenantSpec,
    TrafficSpec,
    TunnelSpec,
)
from ryu_vnet.verify.simulate import Simulator


@st.composite
def fabrics(draw: st.DrawFn) -> FabricSpec:
    """One to three segments, each a tree of trunks; edges on a chain of core switches, or on each other."""
    segments = draw(st.integers(1, 3))
    cores = draw(st.integers(0, 2))
    switches: dict[str, SwitchSpec] = {}
    links: list[LinkSpec] = []

    def switch(name: str, segment: str | None) -> None:
        switches[name] = SwitchSpec(dpid=len(switches) + 1, segment=segment)

    def link(kind: str, a: str, b: str) -> None:
        number = len(links)
        links.append(LinkSpec.model_validate({"kind": kind, "a": f"{a}:p{number}a", "b": f"{b}:p{number}b"}))

    edges: list[str] = []
    for segment in range(segments):
        size = draw(st.integers(1, 4))
        names = [f"s{segment}{index}" for index in range(size)]
        for name in names:
            switch(name, f"seg{segment}")
        for index in range(1, size):
            link("trunk", names[index], names[draw(st.integers(0, index - 1))])
        if segments > 1:
            edges += draw(st.permutations(names))[: draw(st.integers(1, min(2, size)))]
    names = [f"core{index}" for index in range(cores)]
    for name in names:
        switch(name, None)
    for one, other in pairwise(names):
        link("core", one, other)
    for index, edge in enumerate(edges):
        if names:
            link("core", edge, names[draw(st.integers(0, len(names) - 1))])
        elif index:
            link("core", edge, edges[draw(st.integers(0, index - 1))])
    return FabricSpec(switches=switches, links=links)


@st.composite
def any_mac(draw: st.DrawFn, index: int) -> str | None:
    """What a machine may have for an address: one that is chosen for it, one that tells no place, or one of the first
    segments, where it may be or not, as if it had moved."""
    place = draw(st.sampled_from([None, None, 0, 0, 1, 2, 3]))
    if place is None:
        return None
    mac = placed_mac(place, draw(st.integers(1, 4)), index + 1)
    return f"02:00:00:00:00:{index + 1:02x}" if mac is None else format_mac(mac)


CLASSES = (
    [],
    [],
    [TrafficSpec(protocol="tcp", port="80")],
    [TrafficSpec(protocol="udp", port="5060-5070")],
    [TrafficSpec(protocol="udp", destination_port="53"), TrafficSpec(protocol="udp", source_port="1000-1100")],
    [TrafficSpec(protocol="udp")],
    [TrafficSpec(ethertype="0x88b5")],
    [TrafficSpec(dscp=46)],
    [TrafficSpec(protocol="icmp"), TrafficSpec(protocol="icmpv6")],
    [TrafficSpec(ethertype="ipv6"), TrafficSpec(ethertype="ipv4", protocol="tcp", source_port="80", dscp=46)],
)
"""Traffic classes, some of which overlap."""


BANDWIDTHS = (
    None,
    None,
    None,
    InterfaceBandwidthSpec(send="10M"),
    InterfaceBandwidthSpec(receive="1.5G"),
    InterfaceBandwidthSpec(send="500k", receive="2M"),
)


@st.composite
def intents(draw: st.DrawFn, *, several: bool = False, remote: bool = False) -> Intent:
    """A fabric, and two tenants whose nodes may have the same addresses as the other's (see `any_mac`).

    `several`: interfaces may be in several networks at once, and networks may be for some traffic only. `remote`:
    switches have tunnels, and nodes may be at remote sites.
    """
    fabric = draw(fabrics())
    if remote:
        inside = [name for name, switch in fabric.switches.items() if switch.segment is not None]
        for name in draw(st.lists(st.sampled_from(inside), min_size=1, unique=True)):
            fabric.switches[name].tunnels = some_tunnels()
    segments: dict[str, list[str]] = {}
    for name, switch in fabric.switches.items():
        if switch.segment is not None:
            segments.setdefault(switch.segment, []).append(name)
    tenants = {}
    for tenant in ("red", "blue"):
        if several:
            tagged = draw(st.sampled_from([False, False, True]))
            kinds = draw(st.lists(st.sampled_from(CLASSES), min_size=1, max_size=4))
            networks = {f"net{n}": NetworkSpec(tagged=tagged, traffic=kind) for n, kind in enumerate(kinds)}
        else:
            count = draw(st.integers(1, 2))
            networks = {f"net{index}": NetworkSpec(tagged=draw(st.booleans())) for index in range(count)}
        sites = {}
        for index in range(draw(st.integers(0, 2)) if remote else 0):
            sites[f"site{index}"] = some_site(
                draw(st.sampled_from(sorted(networks))), f"198.51.100.{len(tenants)}", index
            )
        nodes = {}
        for index in range(draw(st.integers(0, 5))):
            interface = InterfaceSpec(
                mac=draw(any_mac(index)),
                ips=[f"10.0.0.{index + 1}", f"fd00::{index + 1}"],
                # The segment first, so that networks spread over several of them.
                at=f"{draw(st.sampled_from(segments[draw(st.sampled_from(sorted(segments)))]))}:{tenant}{index}",
                networks=draw(_some(sorted(networks), several)),
                bandwidth=draw(st.sampled_from(BANDWIDTHS)),
            )
            if sites and draw(st.booleans()):
                site = draw(st.sampled_from(sorted(sites)))
                interface.at, interface.site, interface.networks = None, site, [sites[site].network]
                interface.bandwidth = None
            nodes[f"vm{index}"] = NodeSpec(
                running=draw(st.sampled_from([True, True, True, False])),
                prepared=several and draw(st.booleans()),
                interfaces={"eth0": interface},
            )
        tenants[tenant] = TenantSpec(networks=networks, nodes=nodes, sites=sites)
    return Intent(fabric=fabric, tenants=tenants)


def some_tunnels() -> dict[str, TunnelSpec]:
    """Those of a switch that has any."""
    return {name: TunnelSpec(protocol=name, address="192.0.2.1") for name in ("gre", "vxlan")}


def some_site(network: str, remote: str, kind: int, gateways: Iterable[str] = ()) -> SiteSpec:
    """One of two kinds."""
    return SiteSpec(
        network=network, protocol=("vxlan", "gre")[kind % 2], remote=remote, key=kind + 1, gateways=[*gateways]
    )


def _some(networks: list[str], several: bool) -> st.SearchStrategy[list[str]]:
    one = st.sampled_from([[], *([network] for network in networks)])
    return st.one_of(one, st.lists(st.sampled_from(networks), unique=True)) if several else one


@dataclass(frozen=True)
class Endpoint:
    """A running interface as the intent has it, with its MAC address, and with the last byte of its IP address.

    `networks` are the references of those that it is in."""

    ref: str
    networks: frozenset[str]
    mac: int
    number: int
    switch: str
    port: int

    @property
    def network(self) -> str | None:
        """The one that it is in, where it is in one."""
        return next(iter(self.networks), None)


def new_system() -> System:
    """A System Manager with an empty store in memory, whose switches are all away."""
    return System(MemoryStore(), lambda name, messages: None, time.monotonic)


def applied(intent: Intent) -> System:
    """A System Manager that has this intent, on switches that have every port that is named."""
    system = new_system()
    system.request(lambda work: requests.apply(work, intent))
    plug_everything(system)
    return system


def plug_everything(system: System, away: Collection[str] = ()) -> None:
    """Let every switch that is not away have the ports that the fabric and the nodes name, numbered by name."""
    for switch in sorted(set(system.fabric.switches) - set(away)):
        names = {place.port for place in (*system.fabric.wires, *system.fabric.tunnels) if place.switch == switch}
        names |= {
            interface.place.port
            for node in system.model.nodes()
            for interface in node.interfaces
            if interface.place and interface.place.switch == switch
        }
        ports = {name: PortState(number, True) for number, name in enumerate(sorted(names), start=1)}
        system.effect(switch, Effects(ports=ports))
    all_in_step(system, away)


def all_in_step(system: System, away: Collection[str] = ()) -> None:
    """As if every switch that is not away had acknowledged all that it is to hold, also what follows from others being
    admitted."""
    for _ in range(2):
        for name in sorted(set(system.switches) - set(away)):
            manager = system.switches[name]
            manager.off.clear()
            manager.state = State.IN_STEP
            system.effect(name, Effects(progress=True))


def simulator(
    system: System, tables: Mapping[str, SwitchTable] | None = None, absent: Iterable[tuple[str, int]] = ()
) -> Simulator:
    """The simulator over the tables that the switches are to have, or over others; ports `absent` are gone since."""
    number = {(name, port): state.number for name, ports in system.ports.items() for port, state in ports.items()}
    wires = {
        (near.switch, number[near.switch, near.port]): (far.switch, number[far.switch, far.port])
        for near, (_, far) in system.fabric.wires.items()
    }
    return Simulator(system.tables if tables is None else tables, wires, absent)


def endpoints(system: System, intent: Intent) -> list[Endpoint]:
    """The running interfaces, from the intent; MACs that were chosen from the model, ports from what was reported."""
    found = []
    for tenant, spec in intent.tenants.items():
        for node, node_spec in spec.nodes.items():
            known = system.model.node(f"{tenant}/{node}")
            for name, interface in node_spec.interfaces.items() if node_spec.running else ():
                switch, _, port = (interface.at or "").partition(":")
                number = system.ports[switch][port].number
                mac = known.interface(name).mac  # type: ignore[union-attr]
                networks = frozenset(f"{tenant}/{name}" for name in interface.networks)
                last = int(ip_address(interface.ips[0])) & 0xFF
                found.append(Endpoint(f"{tenant}/{node}", networks, mac, last, switch, number))
    return found
