"""Bandwidth of an interface and of a network, and connections of a network: nobody has more, and nobody else has less.

    python mininet/limits.py             the demonstration; exit code 0 only if observed equals expected
    python mininet/limits.py --tamper    what is to be limited is not: must end with exit code 1

On the fabric of topologies/internet.yaml. A machine that may send and be sent so much sends by TCP for some seconds,
and so does one without a limit; bytes are counted where they arrive. Then a tenant's machine opens ten times as many
connections to the outside as its network may have, and another tenant's fetches a page by the same gateway.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any
from urllib.request import urlopen

from rich.console import Console
from vnet_lab import sandbox
from vnet_lab.demonstration import Demonstration, is_tampered
from vnet_lab.running import REALISED_SECONDS, RunningLab
from vnet_lab.sandbox import LabError
from vnet_lab.topology import Interface

Json = dict[str, Any]

SECONDS = 4.0
"""How long each sends."""
LIMIT = 8_000_000
"""Bits a second that limited ones may send, be sent, or send outside."""
LEAST, MOST = 0.4, 2.0
"""Of what arrives in that time, as parts of the limit: a second's worth may go at once."""
TIMES_MORE = 3.0
"""At least as much more comes of one without a limit."""
CONNECTIONS = 30
EVENT_SECONDS = 8.0
SERVER = "198.51.100.1"
PORT = 5201

SINK = """
import json, socket, time
listener = socket.create_server(("", {port}))
print("listening", flush=True)
connection, _ = listener.accept()
began, count = time.monotonic(), 0
while data := connection.recv(1 << 16):
    count += len(data)
print(json.dumps([count, time.monotonic() - began]), flush=True)
"""
SOURCE = """
import socket, time
connection = socket.create_connection(("{address}", {port}), 5)
until = time.monotonic() + {seconds}
connection.settimeout(0.2)
while time.monotonic() < until:
    try:
        connection.send(bytes(1 << 14))
    except TimeoutError:
        pass
"""
OPENER = """
import socket
for port in range(20000, 20000 + {count}):
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind(("", port))
    opened.sendto(b"x", ("{address}", 9))
"""


class Limits(Demonstration):
    """Measures one thing after the other."""

    def __init__(self, running: RunningLab, console: Console, *, tampered: bool) -> None:
        super().__init__(running, console)
        self._tampered = tampered
        self._machines = {one.owner: one for one in self.topology.interfaces}
        self._outside = self.lab.outside["internet"]
        self._outside.add_address(f"{SERVER}/32")

    def apply(self, node: Json | None = None, way_out: Json | None = None) -> None:
        """Have these limits for red/web1 and for red's network, and no others."""
        document = deepcopy(self.running.document())
        if not self._tampered:
            red = document["tenants"]["red"]
            red["nodes"]["web1"]["interfaces"]["eth0"].update({"bandwidth": node} if node else {})
            red["networks"]["web"]["outside"].update(way_out or {})
        if not self.running.client.apply(document, wait=REALISED_SECONDS).realised:
            raise LabError("limits were not realised")

    def rates(self) -> None:
        """Who is limited gets about that, and nobody else is."""
        free = self.measure("without a limit", "red/web1", "red/web2")
        limited = {"send": f"{LIMIT}", "receive": f"{LIMIT}"}
        self.apply(node=limited)
        for what, pair in (("may send 8M", ("red/web1", "red/web2")), ("may be sent 8M", ("red/web2", "red/web1"))):
            self.check(what, self.measure(what, *pair), free)
        beside = self.measure("another's, meanwhile", "blue/web1", "blue/web2")
        if beside < TIMES_MORE * LIMIT:
            self.wrong.append(f"another tenant's had {beside / 1e6:.1f} Mbit/s though nobody limits it")
        self.apply(way_out={"bandwidth": {"out": f"{LIMIT}"}})
        self.check("network out 8M", self.measure("its network may send 8M outside", "red/web1", None), free)
        inside = self.measure("inside that network", "red/web1", "red/web2")
        if inside < TIMES_MORE * LIMIT:
            self.wrong.append(f"inside the network there were {inside / 1e6:.1f} Mbit/s though nothing limits them")

    def check(self, what: str, rate: float, free: float) -> None:
        if not LEAST * LIMIT <= rate <= MOST * LIMIT:
            self.wrong.append(f"{what}: {rate / 1e6:.1f} Mbit/s")
        if free < TIMES_MORE * rate:
            self.wrong.append(f"{what}: {rate / 1e6:.1f} Mbit/s is no limit where {free / 1e6:.1f} are possible")

    def measure(self, what: str, source: str, target: str | None) -> float:
        """Bits a second of payload that arrive; `target` is None for the outside."""
        sink_text = SINK.format(port=PORT)
        if target is None:
            sink, address = self._outside.popen([sys.executable, "-c", sink_text], stdout=subprocess.PIPE), SERVER
        else:
            sink = self.lab.popen(self._machines[target], [sys.executable, "-c", sink_text], stdout=subprocess.PIPE)
            address = str(self._machines[target].address(4))
        assert sink.stdout is not None
        sink.stdout.readline()
        text = SOURCE.format(address=address, port=PORT, seconds=SECONDS)
        sent = self._run(self._machines[source], text)
        try:
            said, _ = sink.communicate(timeout=10 * SECONDS)
            count, _ = json.loads(said)
        except (subprocess.TimeoutExpired, ValueError):
            sink.kill()
            raise LabError(f"{what}: nothing arrived ({sent})") from None
        rate = 8 * float(count) / SECONDS
        self.say(f"  {what:32} {rate / 1e6:8.1f} Mbit/s")
        return rate

    def _run(self, machine: Interface, text: str) -> str:
        process = self.lab.popen(
            machine, [sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        said, _ = process.communicate(timeout=60)
        return str(said).strip()

    def connections(self) -> None:
        """One opens far more than it may, the other's page comes all the same."""
        self.apply(way_out={"connections": CONNECTIONS})
        self.wait_for(lambda found: found.get("limit") == (CONNECTIONS if not self._tampered else 65_536))
        server = [sys.executable, "-m", "http.server", "80", "--bind", "::", "--directory", "/usr/share/openvswitch"]
        web = self._outside.popen(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._run(self._machines["red/web1"], OPENER.format(count=10 * CONNECTIONS, address=SERVER))
            found = self.wait_for(lambda found: found.get("there", 0) >= CONNECTIONS)
            self.say(f"  red opened {10 * CONNECTIONS} connections, may have {found['limit']:g}: {found['there']:g}")
            if found["there"] > CONNECTIONS:
                self.wrong.append(f"red has {found['there']:g} connections; {CONNECTIONS} are allowed")
            fetched = self._run(
                self._machines["blue/web1"],
                f"from urllib.request import urlopen; print(urlopen('http://{SERVER}/', timeout=5).status)",
            )
            self.say(f"  blue fetches a page by the same gateway: {fetched}")
            if fetched != "200":
                self.wrong.append(f"blue got no page: {fetched}")
            told = self.told()
            self.say(f"  told: {told[-1]['text'] if told else 'nothing'}")
            if [event["subject"] for event in told] != ["red/web"]:
                self.wrong.append(f"{len(told)} events tell of it; one is to tell of red/web")
        finally:
            web.kill()

    def told(self) -> list[Json]:
        """The events of somebody who has used something up, as soon as there are any, or after some seconds."""
        deadline = time.monotonic() + EVENT_SECONDS
        while True:
            events = self.running.client.events(kind="gateway")
            found = [event for event in events if event["details"].get("exhausted")]
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.2)

    def wait_for(self, holds: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        """What metrics say of red's connections, as soon as it is so. Raises LabError if it never is."""
        deadline = time.monotonic() + 20
        while True:
            with urlopen("http://127.0.0.1:8080/metrics", timeout=5) as answer:
                text = answer.read().decode()
            pattern = r'^vnet_network_connections(_limit)?\{network="red/web",switch="gw1"\} (\S+)$'
            said = re.findall(pattern, text, re.MULTILINE)
            found = {"limit" if kind else "there": float(number) for kind, number in said}
            if holds(found):
                return found
            if time.monotonic() > deadline:
                raise LabError(f"metrics say {found} of red's connections")
            time.sleep(0.2)


def main() -> int:
    tampered = is_tampered(__doc__, "nothing is limited")
    console = Console(highlight=False, width=120)
    with RunningLab("internet") as running:
        limits = Limits(running, console, tampered=tampered)
        limits.say("Bandwidth")
        limits.rates()
        limits.say("Connections")
        limits.connections()
        for line in limits.wrong:
            limits.say(f"WRONG: {line}")
        limits.say("observed differs from expected" if limits.wrong else "observed equals expected")
        return 1 if limits.wrong else 0


sandbox.main(main)
