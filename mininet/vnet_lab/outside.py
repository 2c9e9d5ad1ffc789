"""A network that is not ours: a Linux host that bridges its ends of all uplinks and is the next router there."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from ipaddress import ip_interface
from pathlib import Path
from typing import Any, Final

from .namespaces import Namespace
from .sandbox import run
from .topology import Outside

BRIDGE: Final = "net0"


class OutsideHost:
    """The host, with its routers' addresses, and others that it is given: whoever is on the Internet."""

    def __init__(self, outside: Outside, namespace: Namespace) -> None:
        self.outside = outside
        self.namespace = namespace
        with namespace.entered():
            self._configure()

    def _configure(self) -> None:
        settings = Path("/proc/sys/net")
        (settings / "ipv4/ip_forward").write_text("1")
        (settings / "ipv6/conf/all/forwarding").write_text("1")
        (settings / "ipv6/conf/default/accept_dad").write_text("0")
        lines = [f"link add {BRIDGE} type bridge", "link set lo up"]
        for number, _ in enumerate(self.outside.uplinks):
            lines.append(f"link set up{number} mtu {self.outside.mtu} master {BRIDGE} up")
        lines.append(f"link set {BRIDGE} mtu {self.outside.mtu} up")
        for router in self.outside.routers:
            nodad = " nodad" if router.version == 6 else ""
            lines.append(f"addr add {router} dev {BRIDGE}{nodad}")
        run("ip", "-batch", "-", text="\n".join(lines) + "\n")
        for number, _ in enumerate(self.outside.uplinks):
            run("ethtool", "-K", f"up{number}", "tx", "off")
        run("ethtool", "-K", BRIDGE, "tx", "off")

    def add_address(self, text: str) -> None:
        """Give it one more address, of somebody far away."""
        address = ip_interface(text)
        with self.namespace.entered():
            run("ip", "addr", "add", str(address), "dev", "lo", *(["nodad"] if address.version == 6 else []))

    def add_route(self, prefix: str, via: str) -> None:
        """Have it send what is for a prefix to a gateway, or (`dev`) take it for on its own link."""
        with self.namespace.entered():
            run("ip", "route", "replace", prefix, *(("dev", BRIDGE) if via == "dev" else ("via", via)))

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Start a program there."""
        with self.namespace.entered():
            return subprocess.Popen(command, text=True, **options)
