"""A whole fabric of real bridges on one dummy data path: links are unix sockets between dummy ports, machines are
frames put into access ports and read back from captures.

    with DummyOvs(tmp_path) as ovs:
        fabric = DummyFabric(ovs, intent)
        fabric.connect("tcp:127.0.0.1:6653")
        arrived = fabric.send("host1:vm1.1", [frame])

The data path forwards in one thread, which also answers ovs-appctl: what it says of its counters was true of all
ports at one moment. Frames are still on their way as long as some link's end has sent what the other has not received.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tx_capture import TxCapture
from vnet_bench.dummy_ovs import START_SECONDS, DummyOvs

from ryu_vnet.schema import Intent, LinkSpec

MTU = 1600
"""Bytes; enough for any link of a fabric whose nodes have 1500."""
QUEUE_FRAMES = 40
"""How many frames are put in at once; a dummy port drops what comes when 100 wait."""

_PORT = re.compile(r"^  port \d+: (\S+) .*\n    RX packets:(\d+) .*\n    TX packets:(\d+) ", re.MULTILINE)
_CHANGE = re.compile(r"\|vconn\|DBG\|.*: received: OFPT_(?:FLOW_MOD|GROUP_MOD|METER_MOD|BUNDLE_ADD_MESSAGE|TABLE_MOD)")


class DummyFabric:
    """The bridges of an intent, with every port that it names; each bridge's ports are numbered from 1, by name.

    Places are `switch:port`, as in the intent. Ports in `absent` are left out. No bridge has a controller yet.
    """

    def __init__(self, ovs: DummyOvs, intent: Intent, absent: tuple[str, ...] = ()) -> None:
        assert intent.fabric is not None
        self.ovs = ovs
        self.switches = intent.fabric.switches
        self.links = intent.fabric.links
        nodes = [node for tenant in intent.tenants.values() for node in tenant.nodes.values()]
        places = {interface.at for node in nodes for interface in node.interfaces.values() if interface.at}
        self.access = sorted(places - set(absent))
        self._captures: dict[str, TxCapture] = {}
        ports: dict[str, list[str]] = {name: [] for name in self.switches}
        for place in [*self.access, *(end for link in self.links for end in (link.a, link.b))]:
            switch, _, port = place.partition(":")
            ports[switch].append(port)
        for name, switch_spec in self.switches.items():
            ovs.add_bridge(name, switch_spec.dpid, ports=sorted(ports[name]))
        for number, link in enumerate(self.links):
            self._wire(link, number)
        for place in self.access:
            self.capture(place)

    def _wire(self, link: LinkSpec, number: int) -> None:
        """Join two ports. Who listens comes first: the other tries again only after a second."""
        a, b = port_of(link.a), port_of(link.b)
        socket = self.ovs.folder / f"link{number}"
        listen, connect = f"options:pstream=punix:{socket}", f"options:stream=unix:{socket}"
        self.ovs.vsctl("set", "interface", a, listen, f"mtu_request={MTU}")
        self.ovs.vsctl("set", "interface", b, connect, f"mtu_request={MTU}")
        wait_until(lambda: f"{b}: connected" in self.ovs.appctl("netdev-dummy/conn-state", b), f"link {link}")

    def capture(self, place: str) -> None:
        """Keep what an access port sends; needed for ports that were added later."""
        port = port_of(place)
        path = self.ovs.folder / f"{port}.pcap"
        self.ovs.vsctl("set", "interface", port, f"options:tx_pcap={path}")
        self._captures[place] = TxCapture(path)

    def connect(self, target: str, *switches: str) -> None:
        """Give switches their first controller, out of band. All of them where none is named."""
        command: list[str] = []
        for name in switches or self.switches:
            command += ["--", "set-controller", name, target]
            command += ["--", "set", "controller", name, "connection_mode=out-of-band", "max_backoff=1000"]
        self.ovs.vsctl(*command)

    def redirect(self, switch: str, target: str) -> None:
        """Have a switch look for its controller elsewhere; its tables stay."""
        self.ovs.vsctl("set", "controller", switch, f'target="{target}"')

    def rows(self, switch: str) -> int:
        """How many rows a switch has."""
        return int(re.findall(r"flow_count=(\d+)", self.ovs.ofctl("dump-aggregate", switch))[0])

    # --- frames -----------------------------------------------------------------------------------------------------

    def send(self, place: str, frames: list[bytes]) -> dict[str, list[bytes]]:
        """Put frames into an access port, and wait until all came to an end: what left by which access port. Ports
        that nothing left are absent.

        What switches have acknowledged is in their tables at once, but flows that they cached before serve until they
        have been gone through, on a busy machine for tens of milliseconds. They are dropped first: frames are held
        against the tables.
        """
        self.ovs.appctl("revalidator/purge")
        port = port_of(place)
        received = self._counters()[port][0]
        for start in range(0, len(frames), QUEUE_FRAMES):
            some = frames[start : start + QUEUE_FRAMES]
            received += len(some)
            self.ovs.appctl("netdev-dummy/receive", port, *(frame.hex() for frame in some))
            self._wait_quiet(port, received)
        found = {place: capture.new_frames() for place, capture in self._captures.items()}
        return {place: sent for place, sent in found.items() if sent}

    def _counters(self) -> dict[str, tuple[int, int]]:
        """Frames received and sent by each port."""
        shown = self.ovs.appctl("dpctl/show", "--statistics")
        return {name: (int(received), int(sent)) for name, received, sent in _PORT.findall(shown)}

    def _wait_quiet(self, port: str, received: int) -> None:
        wait_until(lambda: self._is_quiet(port, received), f"frames put into {port}")

    def _is_quiet(self, port: str, received: int) -> bool:
        counters = self._counters()
        ends = [(counters[port_of(link.a)], counters[port_of(link.b)]) for link in self.links]
        return counters[port][0] == received and all(a[0] == b[1] and a[1] == b[0] for a, b in ends)

    # --- messages ---------------------------------------------------------------------------------------------------

    @contextmanager
    def table_changes(self) -> Iterator[list[str]]:
        """The messages that changed a table or group of any switch while the block ran, one line of Open vSwitch's
        own log each; filled in when it ends. Raises AssertionError where nothing at all was logged."""
        log = self.ovs.folder / "ovs-vswitchd.log"
        found: list[str] = []
        self.ovs.appctl("vlog/disable-rate-limit", "vconn")
        self.ovs.appctl("vlog/set", "vconn:file:dbg")
        start = log.stat().st_size
        try:
            yield found
        finally:
            self.ovs.appctl("vlog/set", "vconn:file:info")
        with log.open(errors="replace") as file:
            file.seek(start)
            lines = file.read().splitlines()
        assert any("received: OFPT_" in line for line in lines)
        found += [line for line in lines if _CHANGE.search(line)]


def port_of(place: str) -> str:
    """The port's name in `switch:port`."""
    return place.partition(":")[2]


def wait_until(holds: Callable[[], object], what: str, seconds: float = START_SECONDS, pause: float = 0.005) -> None:
    """Wait until something holds, and look every `pause` seconds. Raises TimeoutError, saying what did not come."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(pause)
