"""The bridges that a fabric and its tenants need: which ports each is to have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ryu_vnet.schema import FabricSpec, Intent

PROBE_DPIDS = 0xFFFF_0000_0000_0000
"""Datapath identifiers of probes start here, far from those of any fabric."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge to be made. Its ports are numbered from 1, those of links first.

    Names of bridges and ports are unique in one daemon, because dummy devices are. A bridge that is not `controlled`
    is given no controller.
    """

    name: str
    dpid: int
    links: tuple[str, ...] = ()
    access: tuple[str, ...] = ()
    controlled: bool = True

    @property
    def ports(self) -> tuple[str, ...]:
        return self.links + self.access


def bridges_of(intent: Intent, access: int = 0) -> list[Bridge]:
    """The bridges of an intent, with every port that its links and nodes name.

    Each host has at least `access` access ports, so that there is room for nodes to come; they are called as
    `access_port` says.
    """
    fabric = intent.fabric or FabricSpec()
    links: dict[str, list[str]] = {name: [] for name in fabric.switches}
    # Dictionaries for their order: ports as they are first named.
    plugged: dict[str, dict[str, None]] = {name: {} for name in fabric.switches}
    for link in fabric.links:
        for switch, port in (_split(link.a), _split(link.b)):
            links[switch].append(port)
    for tenant in intent.tenants.values():
        for node in tenant.nodes.values():
            for interface in node.interfaces.values():
                if interface.at is not None:
                    switch, port = _split(interface.at)
                    plugged[switch][port] = None
    for host in (name for names in hosts_of(fabric).values() for name in names):
        plugged[host].update(dict.fromkeys(access_port(host, number) for number in range(access)))
    return [
        Bridge(name, switch.dpid, tuple(links[name]), tuple(plugged[name])) for name, switch in fabric.switches.items()
    ]


def probes(count: int) -> list[Bridge]:
    """Bridges that belong to nobody, for measuring beside a controller that looks after all others: rows put into
    them are no drift to it. A fleet spreads them evenly over its daemons when they follow the others."""
    return [Bridge(f"probe{number}", PROBE_DPIDS + number, controlled=False) for number in range(1, count + 1)]


def hosts_of(fabric: FabricSpec) -> dict[str, list[str]]:
    """The hosts of each segment, in the fabric's order: switches at the end of one trunk, or of none, that no core
    link reaches. Segments without hosts are absent."""
    trunks = dict.fromkeys(fabric.switches, 0)
    edges: set[str] = set()
    for link in fabric.links:
        for switch, _ in (_split(link.a), _split(link.b)):
            if link.kind == "core":
                edges.add(switch)
            else:
                trunks[switch] += 1
    found: dict[str, list[str]] = {}
    for name, switch_spec in fabric.switches.items():
        if switch_spec.segment is not None and name not in edges and trunks[name] <= 1:
            found.setdefault(switch_spec.segment, []).append(name)
    return found


def access_port(host: str, number: int) -> str:
    """The name of a host's access port, numbered from 0."""
    return f"{host}v{number}"


def port_count(bridges: Iterable[Bridge]) -> int:
    """How many ports bridges have together."""
    return sum(len(bridge.ports) for bridge in bridges)


def _split(place: str) -> tuple[str, str]:
    switch, _, port = place.partition(":")
    return switch, port
