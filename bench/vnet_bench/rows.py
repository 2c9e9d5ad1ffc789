"""How many rows a machine costs, and where: nothing is timed, and no switch is needed.

A data centre of a hundred switches is compiled, and then one node more is attached beside others of its network, which
has members in three segments. What is counted are the rows that come.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from ryu_vnet.compiler.pipeline import NEIGHBOUR, SOURCE
from ryu_vnet.fabric.observed import PortState
from ryu_vnet.managers import requests
from ryu_vnet.managers.effects import Effects, State
from ryu_vnet.managers.system import System
from ryu_vnet.schema import FabricSpec, Intent, InterfaceSpec, NodeSpec
from ryu_vnet.store.sqlite import SqliteStore

from .bridges import bridges_of
from .fabrics import sized
from .results import Figure, Results
from .tenants import tenants

SECTION = "rows"
SWITCHES = 100
NODES = (500, 5_000)
MEMBERS = 50
"""Nodes in one network."""
SPARE = "spare"
"""The access port for the node that is added."""
WHO_MAY_SEND = (SOURCE.table, NEIGHBOUR.table)


def measure(results: Results) -> None:
    """Count what one more node costs on each kind of switch, and what core switches have at two sizes."""
    fabric = sized(SWITCHES)
    core = {}
    with tempfile.TemporaryDirectory(prefix="vnet-bench-") as folder:
        for nodes in NODES:
            with SqliteStore(Path(folder) / f"{nodes}.db") as store:
                system = _data_centre(store, fabric, nodes)
                core[nodes] = {
                    name: len(manager.wanted.rows) for name, manager in system.switches.items() if name.startswith("c")
                }
                if nodes == NODES[0]:
                    _one_more(results, system)
    few, many = (core[nodes] for nodes in NODES)
    results.add(
        Figure(
            SECTION,
            f"rows on a core switch with {NODES[0]:,} and with {NODES[1]:,} nodes",
            f"{max(few.values())}, {max(many.values())}",
            "independent of networks and nodes",
            few == many and min(few.values()) > 0,
            f"{SWITCHES} switches, {MEMBERS} nodes in a network",
            {"few": max(few.values()), "many": max(many.values())},
        )
    )


def _data_centre(store: SqliteStore, fabric: FabricSpec, nodes: int) -> System:
    """All of it compiled: all ports there, one more on every switch, and all switches let in."""
    intent = Intent.model_construct(fabric=fabric, tenants=tenants(fabric, nodes, nodes // MEMBERS, ipv6=True))
    system = System(store, lambda name, chunks: None, lambda: 0.0)
    system.request(lambda work: requests.apply(work, intent))
    for bridge in bridges_of(intent):
        ports = [*bridge.ports, SPARE]
        system.delivery.on_ports(bridge.name, {name: PortState(at, True) for at, name in enumerate(ports, 1)})
    for name, manager in system.switches.items():
        manager.state = State.IN_STEP
        system.effect(name, Effects(progress=True))
    return system


def _one_more(results: Results, system: System) -> None:
    node = next(iter(system.model.nodes()))
    (interface,) = node.interfaces
    assert interface.place is not None
    host = interface.place.switch
    spec = NodeSpec(
        running=True,
        interfaces={
            "eth0": InterfaceSpec(ips=["10.9.0.1", "fd00:9::1"], at=f"{host}:{SPARE}", networks=interface.networks)
        },
    )
    before = {name: {*manager.wanted.rows} for name, manager in system.switches.items()}
    system.request(lambda work: requests.put_node(work, node.tenant, "one-more", spec))
    found: Counter[str] = Counter()
    source: Counter[int] = Counter()
    segment = system.fabric.switches[host].segment
    for name, manager in system.switches.items():
        for key in manager.wanted.rows.keys() - before[name]:
            if key[0] in WHO_MAY_SEND:
                source[key[0]] += 1
            else:
                found[_kind(name, host, system.fabric.switches[name].segment == segment)] += 1
    kinds = ("host", "rack switch", "own edge", "far edges", "core")
    results.add(
        Figure(
            SECTION,
            f"rows for one more node: {', '.join(kinds)}",
            ", ".join(str(found[kind]) for kind in kinds),
            "6 in all",
            found.total() <= 6,
            f"beside them {source.total()} on its host that say what it may send, with one IPv4 and one IPv6 address",
            {**{kind: float(found[kind]) for kind in kinds}, "source": float(source.total())},
        )
    )


def _kind(name: str, host: str, is_own: bool) -> str:
    """What a switch of `fabrics.sized` is to a machine on a host, by its name and whether it is of its segment."""
    if name == host:
        return "host"
    if name.startswith("c"):
        return "core"
    if name.endswith("e"):
        return "own edge" if is_own else "far edges"
    return "rack switch" if is_own else "others"
