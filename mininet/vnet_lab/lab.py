"""A topology file, running: Mininet nodes in namespaces, bridges on a private Open vSwitch, veth pairs between them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from ipaddress import ip_network
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from . import sandbox
from .capture import Capture, Point, close_all, is_of_switch
from .emulation import VnetNet, VnetSwitch
from .namespaces import Namespace
from .openvswitch import OpenVSwitch
from .outside import OutsideHost
from .sandbox import LabError, run
from .sites import SiteHost, Underlay, site_host
from .topology import PREFIX_LENGTH, Address, Interface, Topology, load

CONTROLLER: Final = "tcp:127.0.0.1:6653"
OPENFLOW: Final = "OpenFlow14"
FIRST_TABLE: Final = 1000
"""Routing tables from this number on are for single interfaces (ip-route(8): 253 to 255 are the kernel's)."""
TCP_ESTABLISHED: Final = "01"
DEVICE_GROUP: Final = "118"
"""Any number: the switch ports are deleted together by it."""
WIRE_EXTRA: Final = 100
"""What trunks and core links carry beyond the nodes' MTU: 22 bytes of encapsulation, 4 per tag of a tenant's own."""


class Lab:
    """What a topology file says, for as long as the block runs. Only inside a sandbox.

    Switch ports have the file's names and are in the sandbox's own namespace; each node has a namespace, with
    interfaces called as in the file. A node's Mininet name is `tenant_node` in letters, digits and underscores
    (Mininet's command line knows no others), see `host_name`.

        with Lab(load("topologies/figure.yaml")) as lab:
            lab.wait_connected()
            with lab.capture() as capture:
                lab.send(sender, frame)
    """

    def __init__(self, topology: Topology | Path | str, controller: str | None = CONTROLLER) -> None:
        self.topology = topology if isinstance(topology, Topology) else load(topology)
        self.net: Any = None
        self._controller = controller
        self._stack = ExitStack()
        self._namespaces: dict[str, Namespace] = {}
        self._senders: dict[str, socket.socket] = {}
        self.outside: dict[str, OutsideHost] = {}
        """The networks that are not ours, by name, each a host with an interface at every uplink to it."""
        self.sites: dict[str, SiteHost] = {}
        """The remote sites, by reference."""
        self.underlay: Underlay | None = None
        """The network that tunnels cross, where there are any."""

    def __enter__(self) -> Lab:
        sandbox.prepare()
        try:
            self._stack.enter_context(OpenVSwitch())
            self._root = Namespace(os.getpid())
            self._stack.callback(self._root.close)
            self.net = VnetNet()
            self._stack.callback(self._stop)
            self._build()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def database(self) -> str:
        """Where the Open vSwitch database listens, as its clients write it."""
        return f"unix:{os.environ['OVS_RUNDIR']}/db.sock"

    def host_name(self, interface: Interface) -> str:
        """The Mininet name of the node that an interface belongs to."""
        return re.sub(r"\W", "_", interface.owner)

    def namespace(self, interface: Interface) -> Namespace:
        """The namespace of the node that an interface belongs to."""
        return self._namespaces[interface.owner]

    def popen(self, interface: Interface, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Start a program in an interface's node. The process id is that of the program itself."""
        with self.namespace(interface).entered():
            return subprocess.Popen(command, text=True, **options)

    def points(self) -> list[Point]:
        """Every place to listen at: each node's interface, the switch port it is plugged into, one end of each
        link."""
        own, root = self._namespaces, self._root
        found = [Point(one.id, "node", one.name, own[one.owner]) for one in self.topology.interfaces]
        for one in self.topology.interfaces:
            namespace = root if one.site is None else self.sites[one.site.ref].namespace
            found.append(Point(one.port, "access", one.port, namespace))
        found += [Point(link.a.port, link.kind, link.a.port, root) for link in self.topology.links]
        return found

    def capture(self, points: Iterable[Point] | None = None, **options: Any) -> Capture:
        """A capture at `points` (all of them unless told), to be used as a context manager. Unless `keep` says
        otherwise, what switches say of themselves on links is left out."""
        options.setdefault("keep", lambda seen: not is_of_switch(seen))
        return Capture(self.points() if points is None else points, **options)

    def send(self, interface: Interface, frame: bytes) -> None:
        """Let a node send a frame as it is, from its first to its last byte (no less than a header's 14)."""
        self._senders[interface.id].send(frame)

    def flows(self, switch: str) -> str:
        """The flow tables of a switch, a row a line, as ovs-ofctl prints them."""
        return run("ovs-ofctl", "-O", OPENFLOW, "--no-stats", "dump-flows", switch)

    def groups(self, switch: str) -> str:
        """The groups of a switch as ovs-ofctl prints them."""
        return run("ovs-ofctl", "-O", OPENFLOW, "dump-groups", switch)

    def add_flows(self, switch: str, flows: Iterable[str]) -> None:
        """Add rows to a switch by hand, in ovs-ofctl's notation; ports may be named."""
        run("ovs-ofctl", "-O", OPENFLOW, "--bundle", "add-flows", switch, "-", text="\n".join(flows) + "\n")

    def wait_connected(self, seconds: float = 30.0) -> None:
        """Wait until every switch has a connection to its controller; whether the controller has taken it over, it
        must say itself. Raises LabError with how many have none.

        Open vSwitch's own `is_connected` is written every five seconds only, and says true of a controller that was
        killed since.
        """
        wanted = len(self.topology.switches)
        deadline = time.monotonic() + seconds
        while (connected := self._connections()) < wanted:
            if time.monotonic() > deadline:
                raise LabError(f"{wanted - connected} switches have no controller after {seconds:g} s")
            time.sleep(0.02)

    def _connections(self) -> int:
        port = int((self._controller or CONTROLLER).rpartition(":")[2])
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        # Fields of proc(5): slot, local address, remote address (both hexadecimal, port last), state.
        ends = [line.split()[2:4] for line in lines]
        return sum(remote.endswith(f":{port:04X}") and state == TCP_ESTABLISHED for remote, state in ends)

    def _build(self) -> None:
        self._add_nodes()
        self._add_links()
        self._add_sites()
        self._configure()
        self.net.start()
        if self.underlay is not None:
            self.underlay.add_tunnels()
        self._open()

    def _add_nodes(self) -> None:
        for switch in self.topology.switches:
            self.net.addSwitch(switch.name, dpid=f"{switch.dpid:016x}", target=self._controller)
        owners: dict[str, str] = {}
        for interface in self.topology.interfaces:
            name = self.host_name(interface)
            if owners.setdefault(name, interface.owner) != interface.owner:
                raise LabError(f"{owners[name]} and {interface.owner} would both be {name} in Mininet: rename one")
            if name not in self.net:
                self.net.addHost(name, ip=None)
        for outside in self.topology.outsides:
            self.net.addHost(outside.name, ip=None)
        for name in [site_host(site) for site in self.topology.sites] + (["between"] if self.topology.tunnels else []):
            self.net.addHost(name, ip=None)

    def _add_links(self) -> None:
        for link in self.topology.links:
            ends = [self.net[link.a.switch], self.net[link.b.switch]]
            for switch, end in zip(ends, (link.a, link.b), strict=True):
                switch.mtus[end.port] = self.topology.mtu + WIRE_EXTRA
            self.net.addLink(*ends, intfName1=link.a.port, intfName2=link.b.port)
        for interface in self.topology.interfaces:
            if interface.site is not None:
                continue
            bridge: VnetSwitch = self.net[interface.switch]
            bridge.mtus[interface.port] = self.topology.mtu
            self.net.addLink(
                self.net[self.host_name(interface)], bridge,
                intfName1=interface.name, intfName2=interface.port, addr1=interface.mac,
            )  # fmt: skip

        for outside in self.topology.outsides:
            for number, uplink in enumerate(outside.uplinks):
                bridge = self.net[uplink.switch]
                bridge.mtus[uplink.port] = outside.mtu
                ends = {"intfName1": f"up{number}", "intfName2": uplink.port}
                self.net.addLink(self.net[outside.name], bridge, **ends)

    def _add_sites(self) -> None:
        """The network that tunnels cross, and the sites, with a cable to each machine there."""
        if not self.topology.tunnels:
            return
        self.underlay = Underlay(self.topology.tunnels, self.net["between"].pid)
        self._stack.callback(self.underlay.close)
        for site in self.topology.sites:
            there = [one for one in self.topology.interfaces if one.site == site]
            pids = {one: self.net[self.host_name(one)].pid for one in there}
            self.sites[site.ref] = SiteHost(site, self.net[site_host(site)].pid, self.underlay, pids)
            self._stack.callback(self.sites[site.ref].close)

    def _configure(self) -> None:
        """Addresses, MTU, checksums in software (the user-space data path passes frames on as they are, and a
        checksum that was left to the hardware would never be right), and up: switch ports first."""
        mtus = {port: mtu for switch in self.net.switches for port, mtu in switch.mtus.items()}
        run(
            "ip",
            "-batch",
            "-",
            text="".join(f"link set {port} mtu {mtu} group {DEVICE_GROUP} up\n" for port, mtu in mtus.items()),
        )
        for port in mtus:
            run("ethtool", "-K", port, "tx", "off")
        for outside in self.topology.outsides:
            self.outside[outside.name] = OutsideHost(outside, Namespace(self.net[outside.name].pid))
        interfaces = Counter(interface.owner for interface in self.topology.interfaces)
        for interface in self.topology.interfaces:
            pid = self.net[self.host_name(interface)].pid
            if interface.owner not in self._namespaces:
                self._namespaces[interface.owner] = Namespace(pid)
            with self.namespace(interface).entered():
                self._configure_node(interface)
                if interfaces[interface.owner] > 1:
                    self._route_by_source(interface)

    def _configure_node(self, interface: Interface) -> None:
        settings = Path("/proc/sys/net")
        (settings / "ipv4/ip_forward").write_text("0")
        own = settings / "ipv6/conf" / interface.name
        # A namespace takes its IPv4 settings from the machine's, so a machine that routes would make routers. A
        # node must have its addresses at once: duplicate address detection would hold them back for a second.
        (own / "disable_ipv6").write_text("0")
        (own / "accept_dad").write_text("0")
        lines = [f"link set {interface.name} mtu {self.topology.mtu_of(interface)}"]
        for ip in interface.ips:
            nodad = " nodad" if ip.version == 6 else ""
            lines.append(f"addr add {ip}/{self._length(interface, ip)} dev {interface.name}{nodad}")
        lines.append(f"link set {interface.name} up")
        for ip in interface.ips:
            # The first network with a subnet is the way to everywhere else.
            router = next((subnet for network in interface.networks if (subnet := network.subnet(ip))), None)
            if router is not None:
                lines.append(f"route add default via {router.ip} dev {interface.name}")
        run("ip", "-batch", "-", text="\n".join(lines) + "\n")
        run("ethtool", "-K", interface.name, "tx", "off")

    def _length(self, interface: Interface, ip: Address) -> int:
        subnets = (subnet for network in interface.networks if (subnet := network.subnet(ip)))
        return next((subnet.network.prefixlen for subnet in subnets), PREFIX_LENGTH[ip.version])

    def _route_by_source(self, interface: Interface) -> None:
        """Let what a node with several interfaces sends from this one's addresses go out of this one, and let it alone
        answer ARP for them: left to itself, Linux sends all of a subnet out of one interface, and answers on any."""
        settings = Path("/proc/sys/net/ipv4/conf") / interface.name
        (settings / "arp_ignore").write_text("1")
        (settings / "arp_announce").write_text("2")
        table = FIRST_TABLE + socket.if_nametoindex(interface.name)
        for ip in interface.ips:
            subnet = ip_network(f"{ip}/{PREFIX_LENGTH[ip.version]}", strict=False)
            run("ip", f"-{ip.version}", "route", "replace", str(subnet), "dev", interface.name, "table", str(table))
            run("ip", f"-{ip.version}", "rule", "add", "from", str(ip), "table", str(table))

    def _open(self) -> None:
        for interface in self.topology.interfaces:
            with self.namespace(interface).entered():
                sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sender.bind((interface.name, 0))
            self._senders[interface.id] = sender

    def _stop(self) -> None:
        """Delete all veth pairs in one go, where Mininet runs a command for each and the kernel waits a while for
        each; then end every node."""
        close_all(self._senders.values())
        for namespace in (*self._namespaces.values(), *(host.namespace for host in self.outside.values())):
            namespace.close()
        subprocess.run(("ip", "link", "delete", "group", DEVICE_GROUP), capture_output=True, check=False)
        nodes = (*self.net.hosts, *self.net.switches)
        for node in nodes:
            os.killpg(node.pid, signal.SIGHUP)  # all at once; Mininet then waits for each
        for node in nodes:
            node.terminate()
