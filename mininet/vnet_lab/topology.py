"""A topology file as values: the fabric, and every interface of every tenant with its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface, ip_network
from itertools import permutations
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from .rules import given
from .traffic import Content, Term, term

Address: TypeAlias = IPv4Address | IPv6Address
Gateways: TypeAlias = dict[str | None, tuple[str, ...]]
"""The switches with an uplink to each outside network."""

PREFIX_LENGTH: Final = {4: 24, 6: 64}
"""Where nothing else is said, all nodes of all tenants believe that they share one subnet: nothing but the fabric keeps
them apart."""
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
class Outside:
    """A network that is not ours: its routers' addresses with the length of the prefix that they stand in, and the
    prefixes that are routed to our gateways."""

    name: str
    routers: tuple[IPv4Interface | IPv6Interface, ...]
    uplinks: tuple[End, ...]
    mtu: int


TUNNEL_HEADERS: Final = {"vxlan": 50, "gre": 42}
"""Bytes that a tunnel over IPv4 adds to an IP packet of a machine."""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A tunnel port of a switch, its own address in the network that tunnels cross, and that network's MTU."""

    switch: str
    port: str
    protocol: str
    address: IPv4Address
    mtu: int


@dataclass(frozen=True, slots=True)
class Site:
    """A place outside that a network of a tenant extends to, by the first switch with such a tunnel."""

    tenant: str
    name: str
    tunnel: Tunnel
    remote: IPv4Address
    key: int
    mtu: int
    """What is left for machines there, in bytes of IP."""

    @property
    def ref(self) -> str:
        """`tenant/name`."""
        return f"{self.tenant}/{self.name}"


@dataclass(frozen=True, slots=True)
class Network:
    """A network of a tenant. `tagged`: it lets its nodes send 802.1Q tags of their own; `traffic` is the class of
    frames that it is for, nothing where it is for all of them."""

    tenant: str
    name: str
    tagged: bool = False
    traffic: tuple[Term, ...] = ()
    subnets: tuple[IPv4Interface | IPv6Interface, ...] = ()
    """Its router's address in each subnet."""
    gateways: tuple[str, ...] = ()
    """The switches that may be its gateway to an outside network."""

    def subnet(self, address: Address) -> IPv4Interface | IPv6Interface | None:
        """The subnet that an address is in."""
        return next((subnet for subnet in self.subnets if address in subnet.network), None)

    @property
    def ref(self) -> str:
        """`tenant/name`."""
        return f"{self.tenant}/{self.name}"

    def takes(self, what: Content) -> bool:
        """Whether it carries such frames."""
        return not self.traffic or what.discovery or any(each.takes(what) for each in self.traffic)


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface of a node, and where it is plugged in. `mac` is in lower case; `networks` are of its own tenant, by
    its own wish or by policy."""

    tenant: str
    node: str
    name: str
    mac: str
    ips: tuple[Address, ...]
    switch: str
    port: str
    networks: tuple[Network, ...]
    running: bool
    site: Site | None = None
    """Where it is outside; `switch` is the gateway then, and `port` a device of the site's."""

    @property
    def tagged(self) -> bool:
        """Whether it may send 802.1Q tags of its own."""
        return any(network.tagged for network in self.networks)

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
    outsides: tuple[Outside, ...] = ()
    routed: frozenset[tuple[str, str]] = frozenset()
    """The networks that are routed to each other, by reference, both ways."""
    tunnels: tuple[Tunnel, ...] = ()
    sites: tuple[Site, ...] = ()

    @property
    def segment_of(self) -> dict[str, str | None]:
        """The segment of each switch, by name."""
        return {switch.name: switch.segment for switch in self.switches}

    def mtu_of(self, interface: Interface) -> int:
        """The MTU of an interface, in bytes of IP."""
        return self.mtu if interface.site is None else min(self.mtu, interface.site.mtu)

    def find(self, interface_id: str) -> Interface:
        """The interface of that id. Raises KeyError."""
        for interface in self.interfaces:
            if interface.id == interface_id:
                return interface
        raise KeyError(interface_id)


def load(path: Path | str) -> Topology:
    """Read a topology file. Raises ValueError where its switches and ports cannot all be devices of one machine."""
    return read(yaml.safe_load(Path(path).read_text()), Path(path).stem)


def read(document: dict[str, Any], name: str) -> Topology:
    """The same of what stands in such a file."""
    fabric = document["fabric"]
    outsides = tuple(_outsides(fabric))
    gateways: Gateways = {outside.name: tuple(end.switch for end in outside.uplinks) for outside in outsides}
    tunnels = tuple(_tunnels(fabric))
    sites = tuple(_sites(document.get("tenants") or {}, tunnels))
    topology = Topology(
        name,
        fabric.get("mtu", 1500),
        tuple(Switch(name, body["dpid"], body.get("segment")) for name, body in fabric["switches"].items()),
        tuple(Link(link["kind"], _end(link["a"]), _end(link["b"])) for link in fabric.get("links") or ()),
        tuple(_interfaces(document.get("tenants") or {}, document.get("policies") or {}, gateways, sites)),
        outsides,
        frozenset(_routed(document.get("tenants") or {})),
        tunnels,
        sites,
    )
    _check_devices(topology)
    return topology


def _end(text: str) -> End:
    switch, _, port = text.partition(":")
    return End(switch, port)


def _routed(tenants: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Routers between a tenant's own networks."""
    for tenant, owned in tenants.items():
        for router in (owned.get("routers") or {}).values():
            refs = [f"{tenant}/{name}" for name in router["networks"] if "/" not in name]
            yield from permutations(refs, 2)


def _outsides(fabric: dict[str, Any]) -> Iterator[Outside]:
    for name, body in (fabric.get("outside") or {}).items():
        uplinks = [
            End(switch, port)
            for switch, parts in fabric["switches"].items()
            for port, uplink in (parts.get("uplinks") or {}).items()
            if uplink["outside"] == name
        ]
        prefixes = [ip_network(text) for text in body.get("addresses", ())]
        routers = []
        for text in body.get("next_hops", ()):
            hop = ip_address(text)
            length = next((one.prefixlen for one in prefixes if hop in one), PREFIX_LENGTH[hop.version])
            routers.append(ip_interface(f"{hop}/{length}"))
        yield Outside(name, tuple(routers), tuple(uplinks), body.get("mtu", 1500))


def _tunnels(fabric: dict[str, Any]) -> Iterator[Tunnel]:
    for switch, parts in fabric["switches"].items():
        for port, body in (parts.get("tunnels") or {}).items():
            yield Tunnel(switch, port, body["protocol"], IPv4Address(body["address"]), body.get("mtu", 1500))


def _sites(tenants: dict[str, Any], tunnels: tuple[Tunnel, ...]) -> Iterator[Site]:
    for tenant, owned in tenants.items():
        for name, body in (owned.get("sites") or {}).items():
            protocol = body.get("protocol", "vxlan")
            able = [one for one in sorted(tunnels, key=lambda one: one.switch) if one.protocol == protocol]
            tunnel = next(one for one in able if one.switch == (body.get("gateways") or [one.switch])[0])
            mtu = min(tunnel.mtu, body.get("mtu", tunnel.mtu)) - TUNNEL_HEADERS[protocol]
            yield Site(tenant, name, tunnel, IPv4Address(body["remote"]), body["key"], mtu)


def _interfaces(
    tenants: dict[str, Any], policies: dict[str, Any], gateways: Gateways, sites: tuple[Site, ...]
) -> list[Interface]:
    """All interfaces that have a place; one without a place is plugged in nowhere, so there is nothing to build."""
    found: list[Interface] = []
    for tenant, owned in tenants.items():
        known = (owned.get("networks") or {}).items()
        networks = {name: _network(tenant, name, body or {}, gateways) for name, body in known}
        for node, body in (owned.get("nodes") or {}).items():
            for name, parts in body["interfaces"].items():
                site = next((one for one in sites if one.ref == f"{tenant}/{parts.get('site')}"), None)
                if not parts.get("at") and site is None:
                    continue
                place = _end(parts["at"]) if site is None else End(site.tunnel.switch, f"{node}-{name}"[:DEVICE_NAME])
                asked = parts.get("networks") or filter(None, [parts.get("network")])
                names = dict.fromkeys([*asked, *given(policies, tenant, node, body)])
                ips = tuple(ip_address(ip) for ip in parts.get("ips", ()) if "/" not in str(ip))
                found.append(
                    Interface(
                        tenant, node, name, parts["mac"].lower(), ips, place.switch, place.port,
                        tuple(networks[each] for each in names), body.get("running", False), site,
                    )
                )  # fmt: skip
    return found


def _network(tenant: str, name: str, body: dict[str, Any], gateways: Gateways) -> Network:
    subnets = []
    for subnet in body.get("subnets") or ():
        parts = subnet if isinstance(subnet, dict) else {"prefix": subnet}
        prefix = ip_network(parts["prefix"])
        subnets.append(ip_interface(f"{parts.get('gateway', prefix[1])}/{prefix.prefixlen}"))
    classes = tuple(map(term, body.get("traffic") or ()))
    way_out = body.get("outside")
    outside = way_out["network"] if isinstance(way_out, dict) else way_out
    return Network(tenant, name, body.get("tagged", False), classes, tuple(subnets), gateways.get(outside, ()))


def _check_devices(topology: Topology) -> None:
    names = [switch.name for switch in topology.switches]
    names += [end.port for link in topology.links for end in (link.a, link.b)]
    names += [interface.port for interface in topology.interfaces if interface.site is None]
    names += [uplink.port for outside in topology.outsides for uplink in outside.uplinks]
    for name, times in Counter(names).items():
        if len(name) > DEVICE_NAME:
            raise ValueError(f"{topology.name}: {name!r} has {len(name)} characters, a device at most {DEVICE_NAME}")
        if times > 1:
            raise ValueError(
                f"{topology.name}: {name!r} names {times} switches or ports, devices need names of their own"
            )
