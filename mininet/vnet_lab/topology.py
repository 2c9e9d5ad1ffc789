"""A topology file as values: the fabric, and every interface of every tenant with its place."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

Address: TypeAlias = IPv4Address | IPv6Address

DEVICE_NAME: Final = 15
"""Longest name of a Linux network device: IFNAMSIZ less the closing NUL. Bridges and ports share one name space."""


@dataclass(frozen=True, slots=True)
class Switch:
    """A bridge; `segment` is None for a core switch."""

    name: str
    dpid: int
    segment: str | None


@dataclass(frozen=True, slots=True)
class End:
    """One end of a link."""

    switch: str
    port: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link between two switches; `kind` is trunk or core."""

    kind: str
    a: End
    b: End


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface of a node, and where it is plugged in. `mac` is in lower case.

    `network` is the name of a network of the same tenant or None; `tagged` whether that network lets its nodes send
    802.1Q tags of their own.
    """

    tenant: str
    node: str
    name: str
    mac: str
    ips: tuple[Address, ...]
    switch: str
    port: str
    network: str | None
    running: bool
    tagged: bool = False

    @property
    def owner(self) -> str:
        """`tenant/node`: names of nodes are a tenant's own, and may come twice in a file."""
        return f"{self.tenant}/{self.node}"

    @property
    def id(self) -> str:
        """`tenant/node/interface`."""
        return f"{self.owner}/{self.name}"

    def address(self, family: int) -> Address | None:
        """Its first address of IP version 4 or 6."""
        return next((ip for ip in self.ips if ip.version == family), None)


@dataclass(frozen=True, slots=True)
class Topology:
    """A whole file. Switches, links and interfaces stand in the file's order."""

    name: str
    mtu: int
    switches: tuple[Switch, ...]
    links: tuple[Link, ...]
    interfaces: tuple[Interface, ...]

    @property
    def segment_of(self) -> dict[str, str | None]:
        """The segment of each switch, by name."""
        return {switch.name: switch.segment for switch in self.switches}

    def find(self, interface_id: str) -> Interface:
        """The interface of that id. Raises KeyError."""
        for interface in self.interfaces:
            if interface.id == interface_id:
                return interface
        raise KeyError(interface_id)


def load(path: Path | str) -> Topology:
    """Read a topology file. Raises ValueError where its switches and ports cannot all be devices of one machine."""
    document: dict[str, Any] = yaml.safe_load(Path(path).read_text())
    fabric = document["fabric"]
    topology = Topology(
        Path(path).stem,
        fabric.get("mtu", 1500),
        tuple(Switch(name, body["dpid"], body.get("segment")) for name, body in fabric["switches"].items()),
        tuple(Link(link["kind"], _end(link["a"]), _end(link["b"])) for link in fabric.get("links") or ()),
        tuple(_interfaces(document.get("tenants") or {})),
    )
    _check_devices(topology)
    return topology


def _end(text: str) -> End:
    switch, _, port = text.partition(":")
    return End(switch, port)


def _interfaces(tenants: dict[str, Any]) -> list[Interface]:
    """All interfaces that have a place; one without a place is plugged in nowhere, so there is nothing to build."""
    found: list[Interface] = []
    for tenant, owned in tenants.items():
        networks = owned.get("networks") or {}
        for node, body in (owned.get("nodes") or {}).items():
            for name, parts in body["interfaces"].items():
                if not parts.get("at"):
                    continue
                place, network = _end(parts["at"]), parts.get("network")
                tagged = bool(network and (networks.get(network) or {}).get("tagged", False))
                ips = tuple(ip_address(ip) for ip in parts.get("ips", ()) if "/" not in str(ip))
                found.append(
                    Interface(
                        tenant, node, name, parts["mac"].lower(), ips, place.switch, place.port, network,
                        body.get("running", False), tagged,
                    )
                )  # fmt: skip
    return found


def _check_devices(topology: Topology) -> None:
    names = [switch.name for switch in topology.switches]
    names += [end.port for link in topology.links for end in (link.a, link.b)]
    names += [interface.port for interface in topology.interfaces]
    for name, times in Counter(names).items():
        if len(name) > DEVICE_NAME:
            raise ValueError(f"{topology.name}: {name!r} has {len(name)} characters, a device at most {DEVICE_NAME}")
        if times > 1:
            raise ValueError(
                f"{topology.name}: {name!r} names {times} switches or ports, devices need names of their own"
            )
