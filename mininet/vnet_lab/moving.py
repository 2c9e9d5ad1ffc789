"""A machine that moves as a hypervisor moves one, and datagrams to it, a thousand a second."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ryu_vnet.model.names import parse_mac
from ryu_vnet.verify import frames

from .capture import Seen
from .lab import DEVICE_GROUP
from .reference import fellows
from .running import RunningLab
from .sandbox import LabError, run
from .topology import Interface, Topology

RATE = 1000
STREAM_PORT = 7077
MARK = b"vnet move "
"""What each datagram of a stream begins with."""
PATIENCE_SECONDS = 0.5
"""How long the receiver waits for the next datagram once there are no more to be sent."""
AWAY_SECONDS = 0.05
"""While its memory is brought over: QEMU aims at 0.3 s at most."""
PREFIX_LENGTH = {4: 24, 6: 64}


class Mover:
    """A machine that moves: its interface is a device that another takes the place of, as behind another tap."""

    def __init__(self, running: RunningLab, machine: Interface) -> None:
        self._running, self._machine = running, machine
        self._count = 0

    def prepare(self, switch: str, **ids: str) -> str:
        """Have a port for it on a switch, with nobody behind it yet, and say `ids` of it in the database. Returns the
        port's name."""
        self._count += 1
        port, lab = f"move{self._count}", self._running.lab
        pid = lab.net[lab.host_name(self._machine)].pid
        run("ip", "link", "add", port, "group", DEVICE_GROUP, "type", "veth", "peer", "name", "next", "netns", str(pid))
        run("ip", "link", "set", port, "mtu", str(lab.topology.mtu), "up")
        run("ethtool", "-K", port, "tx", "off")
        with lab.namespace(self._machine).entered():
            run("ip", "link", "set", "next", "address", self._machine.mac, "mtu", str(lab.topology.mtu))
            run("ethtool", "-K", "next", "tx", "off")
        said = [f"external_ids:{key.replace('_', '-')}={text}" for key, text in ids.items()]
        told = ["--", "set", "interface", port, *said] if said else []
        run("ovs-vsctl", f"--db={lab.database}", "add-port", switch, port, *told)
        return port

    def go(self, port: str) -> tuple[float, float]:
        """Stop behind the old port, and go on behind the new one. Returns from when to when it was away."""
        name, addresses = self._machine.name, []
        for ip in self._machine.ips:
            nodad = " nodad" if ip.version == 6 else ""
            addresses.append(f"addr add {ip}/{PREFIX_LENGTH[ip.version]} dev {name}{nodad}")
        with self._running.lab.namespace(self._machine).entered():
            start = time.time()
            lines = [f"link set {name} down", f"link set {name} name old{self._count}", f"link set next name {name}"]
            run("ip", "-batch", "-", text="\n".join([*lines, *addresses]) + "\n")
            time.sleep(AWAY_SECONDS)
            run("ip", "link", "set", name, "up")
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as announcing:
                announcing.bind((name, 0))
                announcing.send(self._announcement())
        # The kernel lets frames through to it only when it has noticed that both ends of the pair are up.
        while Path(f"/sys/class/net/{port}/operstate").read_text().strip() != "up":
            time.sleep(0.0005)
        return start, time.time()

    def _announcement(self) -> bytes:
        """A gratuitous ARP (RFC 5227, 3), as a hypervisor sends it for a machine that has come."""
        mac, ip = parse_mac(self._machine.mac), str(self._machine.address(4))
        return frames.arp_request(mac, ip, ip).to_bytes()


@dataclass(frozen=True, slots=True)
class Outage:
    """Datagrams that were lost because a machine moved. Those that are `late` were sent when it was back, and before
    everybody sent there: in the `seconds` after it was. `besides` has when others were sent: there should be none."""

    lost: int
    late: int
    seconds: float
    besides: list[float]

    def __str__(self) -> str:
        late = f"{self.late} of them in the {1000 * self.seconds:.1f} ms after it was back, " if self.late else ""
        return f"{self.lost} lost, {late}{len(self.besides)} of them while it was there"


class Stream:
    """Datagrams from one machine to another while the block runs, `RATE` a second whatever becomes of them."""

    def __init__(self, running: RunningLab, source: Interface, machine: Interface) -> None:
        self.sent: list[float] = []
        """When each was sent, in seconds since 1970; a datagram holds its place in this list."""
        self.received: list[int] = []
        self.came: list[float] = []
        """When each of these was received, in seconds since 1970."""
        self._ended = threading.Event()
        lab = running.lab
        with lab.namespace(machine).entered():
            self._to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to.bind(("", STREAM_PORT))
        self._to.settimeout(PATIENCE_SECONDS)
        with lab.namespace(source).entered():
            self._from = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._from.connect((str(machine.address(4)), STREAM_PORT))
        self._threads = [threading.Thread(target=self._send), threading.Thread(target=self._receive)]

    def outage(self, start: float, end: float) -> Outage:
        """What it has cost that the receiver was away from one time to another."""
        arrived = {*self.received}
        # What was sent just before it went was still under way.
        whole = zip(self.received, self.came, strict=True)
        start -= max((when - self.sent[place] for place, when in whole if when <= start), default=0.0)
        again = min((self.sent[place] for place in arrived if self.sent[place] >= end), default=end)
        lost = [when for place, when in enumerate(self.sent) if place not in arrived]
        besides = [when for when in lost if not start <= when <= again]
        late = [when for when in lost if end < when <= again]
        return Outage(len(lost), len(late), max(late, default=end) - end, besides)

    def __enter__(self) -> Stream:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._from.close()
        self._to.close()

    def _send(self) -> None:
        start = time.monotonic()
        while not self._ended.is_set():
            place = len(self.sent)
            self.sent.append(time.time())
            self._from.send(MARK + place.to_bytes(8, "big"))
            time.sleep(max(0.0, start + (place + 1) / RATE - time.monotonic()))

    def _receive(self) -> None:
        while True:
            try:
                datagram = self._to.recv(100)
            except TimeoutError:
                if self._ended.is_set():
                    return
                continue
            self.came.append(time.time())
            self.received.append(int.from_bytes(datagram[len(MARK) :], "big"))


def is_of_stream(seen: Seen) -> bool:
    """Whether a frame is one of a stream."""
    return MARK in seen.frame


def pair(topology: Topology) -> tuple[Interface, Interface]:
    """Two members of one network, on different switches, the second on a host that has a neighbour in its segment."""
    segments = topology.segment_of
    pairs = [(one, other) for one in topology.interfaces for other in fellows(topology, one)]
    if not pairs:
        raise LabError(f"{topology.name}: no two nodes share a network")

    def distance(two: tuple[Interface, Interface]) -> tuple[bool, bool]:
        here, there = two[0].switch, two[1].switch
        return segments[here] != segments[there], here != there

    return max(pairs, key=distance)
