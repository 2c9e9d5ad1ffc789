"""A site whose tunnel crosses the network between inside WireGuard or IPsec, by the configuration that `vnet site
config` prints: both ends in user space, so that no kernel module is needed.

    gateway ── 10.255.0.0/30 ── guard ═══ network between ═══ site ── machine
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from .capture import Point
from .lab import Lab
from .namespaces import Namespace
from .sandbox import LabError, run
from .sites import PREFIX, router_of
from .topology import Address

OWN: Final = "10.255.0.1/30"
GUARD: Final = "10.255.0.2"
INSIDE: Final = "10.254.0.2"
"""The site's address, which exists inside the protection alone."""
ENDPOINT: Final = "203.0.113.10"
PEER: Final = "198.51.100.40"
BRIDGE: Final = "guarded"
READY_SECONDS: Final = 20.0
WIREGUARD_MTU: Final = 1420
IPSEC_MTU: Final = 1400
IGMP: Final = 2
UDP: Final = 17


class ProtectedSite:
    """What is outside of the data centre, and what protects on the inside, while the block runs. `name` is for
    its hosts; `mac` and `ips` are the machine's there, `key` the tunnel's, `mtu` what is left for it."""

    def __init__(self, lab: Lab, name: str, mac: str, ips: tuple[str, ...], key: int, mtu: int) -> None:
        if lab.underlay is None:
            raise LabError("the topology has no tunnels")
        self._lab = lab
        self._router = lab.underlay.router
        self._stack = ExitStack()
        self._folder = Path("/run/vnet-lab/protected")
        self._folder.mkdir(exist_ok=True)
        self._mac, self._ips, self._key, self._mtu = mac, ips, key, mtu
        self._programs: list[subprocess.Popen[str]] = []
        self._names = f"guard_{name}", f"site_{name}", f"machine_{name}"
        self.guard, self.site, self.machine = map(self._host, self._names)

    def _host(self, name: str) -> Namespace:
        namespace = Namespace(self._lab.net.addHost(name, ip=None).pid)
        self._stack.callback(namespace.close)
        return namespace

    def __enter__(self) -> ProtectedSite:
        self._cable(self._names[0], self.guard, "to_guard", ENDPOINT)
        self._cable(self._names[1], self.site, "to_site", PEER)
        self._gateway()
        with self.site.entered():
            pid = str(self._lab.net[self._names[2]].pid)
            run("ip", "link", "add", "far1", "type", "veth", "peer", "name", "eth0", "address", self._mac, "netns", pid)
            run("ip", "link", "set", "far1", "up")
            run("ethtool", "-K", "far1", "tx", "off")
        with self.machine.entered():
            Path("/proc/sys/net/ipv6/conf/eth0/disable_ipv6").write_text("0")
            lines = [
                f"addr add {ip}/{64 if ':' in ip else 24} dev eth0{' nodad' if ':' in ip else ''}" for ip in self._ips
            ]
            run("ip", "-batch", "-", text="\n".join([*lines, f"link set eth0 mtu {self._mtu} up"]) + "\n")
            run("ethtool", "-K", "eth0", "tx", "off")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in self._programs:
            program.kill()
            program.wait()
        run("ip", "route", "del", f"{INSIDE}/32")
        run("ovs-vsctl", "del-br", BRIDGE)
        run("ip", "link", "del", "guard0")
        for namespace, devices in ((self._router, ("to_guard", "to_site")), (self.site, ("far1",))):
            with namespace.entered():
                for device in devices:
                    run("ip", "link", "del", device)
        self._stack.close()

    def _cable(self, host: str, namespace: Namespace, device: str, address: str) -> None:
        """Between the router, by this device there, and a host, which has this address."""
        router = router_of(IPv4Address(address))
        with self._router.entered():
            pid = str(self._lab.net[host].pid)
            run("ip", "link", "add", device, "type", "veth", "peer", "name", "net0", "netns", pid)
            run("ip", "link", "set", device, "up")
            run("ethtool", "-K", device, "tx", "off")
            run("ip", "addr", "replace", f"{router}/32", "dev", "lo")
            run("ip", "route", "replace", f"{address}/32", "dev", device)
        with namespace.entered():
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            lines = [f"addr add {address}/{PREFIX} dev net0", "link set lo up", "link set net0 up"]
            run("ip", "-batch", "-", text="\n".join([*lines, f"route add default via {router} dev net0"]) + "\n")
            run("ethtool", "-K", "net0", "tx", "off")

    def _gateway(self) -> None:
        """A bridge of its own on the gateway, by which it reaches what protects."""
        pid = str(self._lab.net[self._names[0]].pid)
        run("ip", "link", "add", "guard0", "type", "veth", "peer", "name", "w0", "netns", pid)
        run("ip", "link", "set", "guard0", "up")
        run("ethtool", "-K", "guard0", "tx", "off")
        run("ovs-vsctl", "add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev", "fail_mode=secure",
            "--", "add-port", BRIDGE, "guard0", "--", "set", "interface", "guard0", "ofport_request=1")  # fmt: skip
        run("ovs-ofctl", "add-flow", BRIDGE, "in_port=1 actions=LOCAL")
        run("ovs-ofctl", "add-flow", BRIDGE, "in_port=LOCAL actions=output:1")
        run("ip", "addr", "add", OWN, "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        run("ip", "route", "add", f"{INSIDE}/32", "via", GUARD)
        with self.guard.entered():
            run("ip", "addr", "add", f"{GUARD}/30", "dev", "w0")
            run("ip", "link", "set", "w0", "up")
            run("ethtool", "-K", "w0", "tx", "off")

    def config(self, site: str, kind: str, end: str, **files: Path) -> str:
        """What `vnet site config` prints for an end."""
        vnet = str(Path(sys.executable).with_name("vnet"))
        options = [f"--{kind}", "--own", OWN, "--endpoint", ENDPOINT, "--peer", PEER, "--end", end]
        for name, path in files.items():
            options += [f"--{name}", str(path)]
        return run(vnet, "site", "config", site, *options)

    def _tunnel(self) -> None:
        """The site's end: Linux's VXLAN device and a bridge, once its address inside is there."""
        own = OWN.partition("/")[0]
        with self.site.entered():
            lines = [
                "link add br0 type bridge",
                f"link add vx0 type vxlan id {self._key} local {INSIDE} remote {own} dstport 4789",
                f"link set vx0 mtu {self._mtu} master br0 up",
                f"link set far1 mtu {self._mtu} master br0 up",
                "link set br0 up",
            ]
            run("ip", "-batch", "-", text="\n".join(lines) + "\n")

    # --- WireGuard --------------------------------------------------------------------------------------------------

    def wireguard(self, site: str) -> None:
        """Bring it up at both ends, with fresh keys and what is generated. Raises LabError where that fails."""
        for end in ("gateway", "site"):
            private = run("wg", "genkey")
            self._file(f"{end}.key", private)
            self._file(f"{end}.pub", run("wg", "pubkey", text=private))
        for end, other, namespace in (("gateway", "site", self.guard), ("site", "gateway", self.site)):
            keys = {"private": self._folder / f"{end}.key", "public": self._folder / f"{other}.pub"}
            # On one machine, devices of all namespaces need names of their own.
            path = self._file(f"wg-{end}.conf", self.config(site, "wireguard", end, **keys))
            with namespace.entered():
                environment = {**os.environ, "WG_QUICK_USERSPACE_IMPLEMENTATION": "wireguard-go"}
                run("wg-quick", "up", str(path), environment=environment)
        self._tunnel()

    # --- IPsec ------------------------------------------------------------------------------------------------------

    def ipsec(self, site: str) -> str:
        """The same with strongSwan in user space; what it says of the connection."""
        secret = self._file("secret", os.urandom(24).hex())
        with self.site.entered():
            run("ip", "addr", "add", f"{INSIDE}/32", "dev", "lo")
        for end, namespace in (("gateway", self.guard), ("site", self.site)):
            folder = self._folder / end
            (folder / "conf.d").mkdir(parents=True, exist_ok=True)
            text = self.config(site, "ipsec", end, secret=secret)
            self._file(f"{end}/swanctl.conf", text)
            settings = self._file(f"{end}.strongswan.conf", _STRONGSWAN.format(folder=self._folder, end=end))
            environment = {**os.environ, "STRONGSWAN_CONF": str(settings), "SWANCTL_DIR": str(folder)}
            charon = shutil.which("charon-systemd") or "/usr/sbin/charon-systemd"
            with namespace.entered():
                quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
                self._programs.append(subprocess.Popen([charon], text=True, env=environment, **quiet))
                said = self._swanctl(end, environment, "--load-all", "--noprompt")
            if "successfully loaded 1 connections" not in said:
                raise LabError(f"strongSwan did not take the {end}'s configuration: {said}")
        self._tunnel()
        environment = {**os.environ, "STRONGSWAN_CONF": str(self._folder / "site.strongswan.conf")}
        deadline = time.monotonic() + READY_SECONDS
        while "INSTALLED" not in (said := self._swanctl("site", environment, "--list-sas")):
            if time.monotonic() > deadline:
                raise LabError(f"the connection did not come up in {READY_SECONDS:g} s: {said}")
            time.sleep(0.1)
        return said

    def _swanctl(self, end: str, environment: dict[str, str], *options: str) -> str:
        socket = self._folder / f"{end}.vici"
        deadline = time.monotonic() + READY_SECONDS
        while not socket.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        return run("swanctl", *options, "--uri", f"unix://{socket}", environment=environment)

    def _file(self, name: str, text: str) -> Path:
        path = self._folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    # --- what is seen -----------------------------------------------------------------------------------------------

    @property
    def point(self) -> Point:
        """The network between, next to the site."""
        return Point("to_site", "underlay", "to_site", self._router)

    def ping(self, target: Address | str, *options: str) -> bool:
        """Whether the machine there reaches an address."""
        with self.machine.entered():
            command = ("ping", "-n", "-q", "-c", "1", "-W", "2", *options, str(target))
            return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def popen(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start a program in the machine there."""
        with self.machine.entered():
            return subprocess.Popen(command, text=True, **options)


def protocols(frames: list[bytes]) -> set[str]:
    """Of which kinds packets of the network between are, in words. What hosts say of ARP, of IPv6 and of groups (IGMP)
    on their links is left out."""
    found = set()
    for frame in frames:
        if frame[12:14] == b"\x08\x00" and frame[23] != IGMP:
            header = 14 + 4 * (frame[14] & 0xF)
            ports = [int.from_bytes(frame[header + at : header + at + 2], "big") for at in (0, 2)]
            found.add(f"UDP {min(ports)}" if frame[23] == UDP else f"IP protocol {frame[23]}")
        elif frame[12:14] not in (b"\x08\x00", b"\x08\x06", b"\x86\xdd"):
            found.add(f"type {frame[12:14].hex()}")
    return found


_STRONGSWAN: Final = """\
charon-systemd {{
  install_routes = yes
  filelog {{
    log {{
      path = {folder}/{end}.log
      default = 1
      flush_line = yes
    }}
  }}
  load_modular = yes
  plugins {{
    include /etc/strongswan.d/charon/*.conf
    vici {{
      socket = unix://{folder}/{end}.vici
    }}
    kernel-libipsec {{
      load = 10
    }}
    stroke {{
      load = no
    }}
    dhcp {{
      load = no
    }}
    farp {{
      load = no
    }}
    bypass-lan {{
      load = no
    }}
    resolve {{
      load = no
    }}
    ha {{
      load = no
    }}
  }}
}}
swanctl {{
  load = pem pkcs1 x509 revocation constraints pubkey openssl random
}}
"""
"""Plugins in user space alone: ESP is carried by the daemon itself, in UDP."""
