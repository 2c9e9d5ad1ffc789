"""Remote sites, and the network that tunnels to them cross: machines that have nothing of ours.

A site's other end is Linux's own VXLAN device, or for GRE, which not every kernel has, an Open vSwitch with a daemon of
its own. Behind it is a switch that learns nothing, so that whatever machines send there comes to the tunnel too.
"""

from __future__ import annotations

import re
import socket
import struct
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any, Final

from .capture import Point
from .namespaces import Namespace
from .openvswitch import OpenVSwitch
from .sandbox import run
from .topology import Interface, Site, Tunnel

UNDER: Final = "under"
"""The bridge by which tunnels leave the gateways, and in a site whose other end is an Open vSwitch, that one's."""
UPLINK: Final = "net0"
"""A site's device to the network between."""
VXLAN_PORT: Final = 4789
GRE_PROTOCOL: Final = 47
PREFIX: Final = 24
"""Of all addresses in the network between. The first of each prefix is the router's."""


def site_host(site: Site) -> str:
    """The name of its host in Mininet."""
    return "site_" + re.sub(r"\W", "_", site.ref)


def router_of(address: IPv4Address) -> IPv4Address:
    """The router next to an address."""
    return IPv4Interface(f"{address}/{PREFIX}").network[1]


class Underlay:
    """An ordinary IP network: one router, to which the gateways are on a shared link and each site on one of its own.

    The bridge has the two rows that an operator gives it once; no controller knows it.
    """

    def __init__(self, tunnels: Sequence[Tunnel], router: int) -> None:
        self.tunnels = tunnels
        self.mtu = max(tunnel.mtu for tunnel in tunnels)
        self.router = Namespace(router)
        self._pid = router
        self._links = 0
        run("ip", "link", "add", "under0", "type", "veth", "peer", "name", "gateways", "netns", str(router))
        run("ip", "link", "set", "under0", "mtu", str(self.mtu), "up")
        run("ethtool", "-K", "under0", "tx", "off")
        with self.router.entered():
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            lines = ["link set lo up", f"link set gateways mtu {self.mtu} up"]
            lines.append(f"addr add {router_of(tunnels[0].address)}/{PREFIX} dev gateways")
            run("ip", "-batch", "-", text="\n".join(lines) + "\n")
            run("ethtool", "-K", "gateways", "tx", "off")

    def add_tunnels(self) -> None:
        """What the operator of the gateways does: a bridge to the network between, addresses, routes, tunnel ports."""
        options = ("datapath_type=netdev", "fail_mode=secure")
        run("ovs-vsctl", "add-br", UNDER, "--", "set", "bridge", UNDER, *options,
            "--", "add-port", UNDER, "under0", "--", "set", "interface", "under0", "ofport_request=1",
            f"mtu_request={self.mtu}")  # fmt: skip
        run("ovs-ofctl", "add-flow", UNDER, "in_port=1 actions=LOCAL")
        run("ovs-ofctl", "add-flow", UNDER, "in_port=LOCAL actions=output:1")
        lines = [f"addr add {own}/{PREFIX} dev {UNDER}" for own in {tunnel.address for tunnel in self.tunnels}]
        lines += [f"link set {UNDER} up", f"route add default via {router_of(self.tunnels[0].address)}"]
        run("ip", "-batch", "-", text="\n".join(lines) + "\n")
        for tunnel in self.tunnels:
            options = ["options:remote_ip=flow", "options:key=flow"]
            if sum(tunnel.protocol == other.protocol for other in self.tunnels) > 1:
                # In one daemon, several ports of a protocol must differ by something.
                options.append(f"options:local_ip={tunnel.address}")
            run("ovs-vsctl", "add-port", tunnel.switch, tunnel.port, "--", "set", "interface", tunnel.port,
                f"type={tunnel.protocol}", *options)  # fmt: skip

    def connect(self, site: Site, pid: int) -> None:
        """A cable between the router and a site."""
        device, self._links = f"site{self._links}", self._links + 1
        with self.router.entered():
            run("ip", "link", "add", device, "type", "veth", "peer", "name", UPLINK, "netns", str(pid))
            run("ip", "link", "set", device, "mtu", str(self.mtu), "up")
            # Sites may be of one prefix, though not on one link: the router has its address there on none of them.
            run("ip", "addr", "replace", f"{router_of(site.remote)}/32", "dev", "lo")
            run("ip", "route", "add", f"{site.remote}/32", "dev", device)
            run("ethtool", "-K", device, "tx", "off")

    @property
    def point(self) -> Point:
        """Where all that crosses the network between can be heard."""
        return Point("underlay", "underlay", "gateways", self.router)

    def close(self) -> None:
        """Take the bridge away, whose device and addresses would outlive Open vSwitch, and let go of the router."""
        run("ovs-vsctl", "--if-exists", "del-br", UNDER)
        self.router.close()


class SiteHost:
    """The other end of a site's tunnel, and the switch behind it, with a cable to each of the machines (`pids`)."""

    def __init__(self, site: Site, pid: int, underlay: Underlay, pids: Mapping[Interface, int]) -> None:
        self.site = site
        self.namespace = Namespace(pid)
        self._stack = ExitStack()
        self._underlay = underlay
        underlay.connect(site, pid)
        with self.namespace.entered():
            for machine, inside in pids.items():
                run("ip", "link", "add", machine.port, "type", "veth", "peer", "name", machine.name,
                    "address", machine.mac, "netns", str(inside))  # fmt: skip
                run("ip", "link", "set", machine.port, "mtu", str(site.mtu), "up")
                run("ethtool", "-K", machine.port, "tx", "off")
            run("ip", "link", "set", UPLINK, "mtu", str(underlay.mtu), "up")
            run("ethtool", "-K", UPLINK, "tx", "off")
            run("ip", "link", "set", "lo", "up")
            ports = [machine.port for machine in pids]
            if site.tunnel.protocol == "vxlan":
                self._address(UPLINK)
                self.add_vxlan(str(site.remote), ports)
            else:
                self._gre(ports)

    def _address(self, device: str) -> None:
        own = self.site.remote
        lines = [f"addr add {own}/{PREFIX} dev {device}", f"route add default via {router_of(own)} dev {device}"]
        run("ip", "-batch", "-", text="\n".join(lines) + "\n")

    def add_vxlan(self, own: str, ports: Sequence[str]) -> None:
        """Linux's own VXLAN device and bridge."""
        site = self.site
        lines = [
            "link add br0 type bridge",
            f"link add vx0 type vxlan id {site.key} local {own} remote {site.tunnel.address} dstport {VXLAN_PORT}",
        ]
        for port in ("vx0", *ports):
            lines.append(f"link set {port} mtu {site.mtu} master br0 up")
            lines.append(f"link set {port} type bridge_slave learning off")
        lines.append("link set br0 up")
        run("ip", "-batch", "-", text="\n".join(lines) + "\n")

    def _gre(self, ports: Sequence[str]) -> None:
        """An Open vSwitch of the site's own."""
        site = self.site
        ovs = self._stack.enter_context(OpenVSwitch(is_own=False))
        ovs.ctl("add-br", UNDER, "--", "set", "bridge", UNDER, "datapath_type=netdev", "--", "add-port", UNDER, UPLINK)
        run("ip", "link", "set", UNDER, "mtu", str(self._underlay.mtu), "up")
        self._address(UNDER)
        ovs.ctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=secure")
        for port in ports:
            ovs.ctl("add-port", "br0", port)
        ovs.ctl("add-port", "br0", "gre0", "--", "set", "interface", "gre0", "type=gre",
                f"options:remote_ip={site.tunnel.address}", f"options:key={site.key}")  # fmt: skip
        ovs.ofctl("add-flow", "br0", "actions=flood")

    # --- what a site may do -----------------------------------------------------------------------------------------

    def cut(self) -> None:
        """The site is gone."""
        with self.namespace.entered():
            run("ip", "link", "set", UPLINK, "down")

    def mend(self) -> None:
        """It is back."""
        with self.namespace.entered():
            run("ip", "link", "set", UPLINK, "up")
            if self.site.tunnel.protocol == "vxlan":
                # Linux forgets the routes of a device that goes down.
                run("ip", "route", "replace", "default", "via", str(router_of(self.site.remote)), "dev", UPLINK)

    def inject(self, frame: bytes, key: int | None = None, source: str | None = None) -> None:
        """Send a frame into the tunnel past everything that the site has, with any key and from any address that was
        added with `add_address`."""
        key, target = self.site.key if key is None else key, str(self.site.tunnel.address)
        with self.namespace.entered():
            if self.site.tunnel.protocol == "vxlan":
                sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                packet = struct.pack("!II", 1 << 27, key << 8) + frame
            else:
                sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, GRE_PROTOCOL)
                packet = struct.pack("!HHI", 1 << 13, 0x6558, key) + frame
        with sender:
            sender.bind((source or str(self.site.remote), 0))
            sender.sendto(packet, (target, VXLAN_PORT if self.site.tunnel.protocol == "vxlan" else 0))

    def add_address(self, address: str) -> None:
        """Give the site one more address to send from."""
        with self.namespace.entered():
            run("ip", "addr", "add", f"{address}/32", "dev", "lo")

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Start a program there."""
        with self.namespace.entered():
            return subprocess.Popen(command, text=True, **options)

    def close(self) -> None:
        """End what is its own."""
        self._stack.close()
        self.namespace.close()
