"""What `test_services` runs, each scenario in a sandbox of its own: this file as a program, with a scenario's name.

Real clients and routers ask what the controller answers: ping, TCP, udhcpc, dhclient and Linux itself.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "mininet"))

from vnet_lab import sandbox  # noqa: E402
from vnet_lab.running import RunningLab, topology_path  # noqa: E402
from vnet_lab.topology import Interface  # noqa: E402

RESULT = "result: "
PATIENCE_SECONDS = 20.0
FAR, FAR6 = "198.51.100.1", "2001:db8:feed::1"
"""Somebody on the Internet."""
UPLOAD = 2_000_000
PORT = 5001
PLUGGED_IN = {
    "networks": {
        "auto": {
            "subnets": [
                {"prefix": "192.168.7.0/24", "dns": ["9.9.9.9", "149.112.112.112"]},
                {"prefix": "fd00:7::/64", "dns": ["fd00:7::53"]},
            ],
            "outside": {"network": "internet", "prefix": "2001:db8:a:9::/64"},
        }
    },
    "nodes": {
        name: {"running": True, "interfaces": {"eth0": {"mac": mac, "at": at, "network": "auto"}}}
        for name, mac, at in (
            ("auto1", "02:00:00:00:07:01", "host1:red-auto1"),
            ("auto2", "02:00:00:00:07:02", "host3:red-auto2"),
        )
    },
}
"""A network whose nodes know nothing of themselves."""
TELLS = '#!/bin/sh\nenv >>"{seen}"\n'
"""What a DHCP client runs whenever it has something to tell."""
UDHCPC = ("udhcpc", "-n", "-f", "-i", "eth0", "-s", "{script}")
DHCLIENT = (
    "dhclient",
    "{family}",
    "-1",
    "-d",
    "-lf",
    "{folder}/leases",
    "-pf",
    "{folder}/pid",
    "-sf",
    "{script}",
    "eth0",
)


class Host(Protocol):
    """Whoever programs are started at."""

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        """Start a program there."""


class Node:
    """A node of the lab."""

    def __init__(self, running: RunningLab, ref: str) -> None:
        self.running = running
        self.interface: Interface = running.topology.find(ref)

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        return self.running.lab.popen(self.interface, command, **options)


def shown(host: Host, *command: str) -> str:
    """What a program prints."""
    process = host.popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return process.communicate(timeout=30)[0]


@contextmanager
def internet(*, fabric: int = 1500, outside: int = 1500, more: dict[str, Any] | None = None) -> Iterator[RunningLab]:
    """The lab of topologies/internet.yaml with these MTUs, and with more of the tenant red's."""
    document = yaml.safe_load(topology_path("internet").read_text())
    document["fabric"]["mtu"] = fabric
    document["fabric"]["outside"]["internet"]["mtu"] = outside
    for kind, values in (more or {}).items():
        document["tenants"]["red"][kind] |= values
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(document, file)
        file.flush()
        with RunningLab(file.name) as running:
            host = running.lab.outside["internet"]
            for address in (f"{FAR}/32", f"{FAR6}/128"):
                host.add_address(address)
            host.add_route("2001:db8:a::/48", "dev")
            yield running


def until(holds: Callable[[], Any]) -> Any:
    """Wait until something holds; what it gave at last."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := holds()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def ping(host: Host, target: str, *options: str) -> list[str]:
    """The lines of ping that say what came, once each without numbers that differ from time to time."""
    lines = shown(host, "ping", "-n", "-c", "2", "-W", "2", "-i", "0.3", *options, target).splitlines()
    told = (line for line in lines if line.startswith("From ") or " bytes from " in line or "local error" in line)
    return sorted({re.sub(r" ?(icmp_seq=\d+|time=.*|ttl=\d+)", "", line) for line in told})


# --- scenarios --------------------------------------------------------------------------------------------------------


def errors() -> dict[str, Any]:
    """Where the outside takes less than the nodes send."""
    with internet(outside=1400) as running:
        node, found = Node(running, "red/web1/eth0"), {}
        for name, target in (("IPv4", FAR), ("IPv6", FAR6)):
            found[f"{name}, at first"] = until(lambda target=target: ping(node, target))
        for name, target in (("IPv4", FAR), ("IPv6", FAR6)):
            found[f"{name}, one hop"] = ping(node, target, "-t", "1")
            found[f"{name}, two hops"] = ping(node, target, "-t", "2")
            # The second time, Linux itself knows.
            found[f"{name}, too large"] = ping(node, target, "-M", "do", "-s", "1450", "-c", "1")
        found["blue, one hop"] = ping(Node(running, "blue/web2/eth0"), FAR, "-t", "1")
        found["uploaded"] = [upload(running, node, FAR), upload(running, Node(running, "blue/web1/eth0"), FAR)]
        found["larger ones may be taken apart"] = ping(Node(running, "blue/web2/eth0"), FAR, "-M", "dont", "-s", "1450")
        found["counted"] = [served(running, what) > 0 for what in ("spent", "large", "prohibited")]
        return found


def upload(running: RunningLab, node: Node, target: str) -> int:
    """How many bytes come when so many are sent to somebody whose own host says that it takes 1,500 at a time."""
    host = running.lab.outside["internet"]
    shown(host, "ip", "route", "replace", "203.0.113.0/24", "dev", "net0", "advmss", "1460")
    with host.namespace.entered():
        listener = socket.create_server((target, 0))
    listener.settimeout(PATIENCE_SECONDS)
    counts: list[int] = []

    def take() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE_SECONDS)
            total = 0
            while some := connection.recv(1 << 16):
                total += len(some)
            counts.append(total)

    thread = Thread(target=take)
    thread.start()
    with running.lab.namespace(node.interface).entered():
        sender = socket.create_connection((target, listener.getsockname()[1]), timeout=PATIENCE_SECONDS)
    with sender:
        sender.sendall(bytes(UPLOAD))
    thread.join(PATIENCE_SECONDS)
    listener.close()
    return sum(counts)


def errors_outside() -> dict[str, Any]:
    """Where the outside sends larger packets than the nodes take."""
    with internet(fabric=1400) as running:
        host = running.lab.outside["internet"]
        until(lambda: ping(host, "203.0.113.50"))
        return {
            "small": ping(host, "203.0.113.50"),
            "too large": ping(host, "203.0.113.50", "-M", "do", "-s", "1450", "-c", "1"),
            "too large, IPv6": ping(host, "2001:db8:a:7::11", "-M", "do", "-s", "1450", "-c", "1"),
        }


def addresses() -> dict[str, Any]:
    """What clients learn of themselves."""
    with internet(more=PLUGGED_IN) as running:
        node, other = Node(running, "red/auto1/eth0"), Node(running, "red/auto2/eth0")
        found: dict[str, Any] = {}
        # Nobody has to ask: it was announced when the network came to be.
        found["announced"] = until(lambda: own(other))
        for command in ("down", "up"):
            shown(node, "ip", "link", "set", "eth0", command)
        until(lambda: served(running, "router"))
        found["asked routers"] = [until(lambda: own(node)), served(running, "router") > 0]
        found["way by router"] = re.findall(r"default via (\S+) .*proto ra", shown(node, "ip", "-6", "route"))
        found["reaches outside, IPv6"] = until(lambda: ping(node, FAR6))
        with client(node, UDHCPC) as (process, seen):
            names = ("ip", "mask", "router", "dns", "mtu", "lease", "serverid")
            found["udhcpc"] = until(lambda: told(seen, names))
            shown(node, "ip", "addr", "add", f"{found['udhcpc']['ip']}/24", "dev", "eth0")
            shown(node, "ip", "route", "add", "default", "via", found["udhcpc"]["router"])
            before = served(running, "dhcp")
            process.send_signal(signal.SIGUSR1)  # to ask for the same again, of its server alone
            found["asked again"] = until(lambda: served(running, "dhcp") - before)
        found["reaches outside"] = ping(node, FAR)
        four = ("ip_address", "subnet_mask", "routers", "domain_name_servers", "interface_mtu")
        for family, wanted in (("-4", four), ("-6", ("ip6_address", "dhcp6_name_servers", "max_life"))):
            with client(node, DHCLIENT, family) as (_, seen):
                found[f"dhclient {family}"] = until(lambda s=seen, w=wanted: told(s, [f"new_{name}" for name in w]))
        found["of all errors"] = served(running, "form")
        return found


def own(node: Node) -> list[str]:
    """The IPv6 addresses that Linux has formed itself, but for that of its link."""
    return re.findall(r"inet6 (\S+) scope global", shown(node, "ip", "-6", "addr", "show", "dev", "eth0"))


def served(running: RunningLab, what: str) -> int:
    """How often something was answered, or not answered for a reason."""
    return int(
        float(re.findall(rf'^vnet_served\w*_total{{\w+="{what}"}} (\S+)', running.client.metrics(), re.MULTILINE)[0])
    )


@contextmanager
def client(node: Node, command: Sequence[str], family: str = "") -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A DHCP client while the block runs, and the file where all is that it has told."""
    with tempfile.TemporaryDirectory() as name:
        script, seen = Path(name) / "script", Path(name) / "seen"
        script.write_text(TELLS.format(seen=seen))
        script.chmod(0o755)
        words = [word.format(script=script, folder=name, family=family) for word in command]
        process = node.popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield process, seen
        finally:
            process.kill()
            process.wait()


def told(seen: Path, names: Sequence[str]) -> dict[str, str]:
    """What a client has told of these variables; nothing as long as it is not all."""
    lines = seen.read_text().splitlines() if seen.exists() else []
    variables = dict(line.partition("=")[::2] for line in lines)
    return {name: variables[name] for name in names} if all(name in variables for name in names) else {}


def main() -> int:
    scenarios: dict[str, Callable[[], Any]] = {one.__name__: one for one in (errors, errors_outside, addresses)}
    print(RESULT + json.dumps(scenarios[sys.argv[1]]()))
    return 0


if __name__ == "__main__":
    sandbox.main(main)
