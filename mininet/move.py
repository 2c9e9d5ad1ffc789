"""Moves a machine to another host under 1,000 packets a second, and back: what is lost is lost while it is away itself.

    python mininet/move.py [TOPOLOGY]

TOPOLOGY is a file, or the name of one in topologies/ (figure, unless told). Of two machines that share a network, as
far apart as there are, one sends the other 1,000 datagrams a second. The other moves as a hypervisor moves one: its new
port is there before, and the move is announced; then it stops, and goes on behind the new port with the same addresses,
and says so by a gratuitous ARP. Once to another host of its segment, once to another segment where there is one, and
back. Exit code 0 only if every datagram arrived but those that were sent while it was away, none twice, and none came
to anybody else.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from vnet_lab import sandbox
from vnet_lab.capture import Capture, Seen
from vnet_lab.lab import DEVICE_GROUP
from vnet_lab.reference import fellows
from vnet_lab.running import RunningLab
from vnet_lab.sandbox import LabError, run
from vnet_lab.topology import Interface, Topology

from ryu_vnet.model.names import parse_mac
from ryu_vnet.verify import frames

RATE = 1000
STREAM_PORT = 7077
MARK = b"vnet move "
"""What each datagram of a stream begins with."""
BEFORE_SECONDS, AFTER_SECONDS = 0.3, 0.5
AWAY_SECONDS = 0.05
"""While its memory is brought over: QEMU aims at 0.3 s at most."""
ARRIVAL_SECONDS = 5.0
PREFIX_LENGTH = {4: 24, 6: 64}


@dataclass(frozen=True, slots=True)
class Leg:
    """One move: which switch it went to, and from when to when (seconds since 1970) it was away."""

    to: str
    away_from: float
    away_until: float


class Mover:
    """A machine that moves: its interface is a device that another takes the place of, as behind another tap."""

    def __init__(self, running: RunningLab, machine: Interface) -> None:
        self._running, self._machine = running, machine
        self._count = 0

    def prepare(self, switch: str) -> str:
        """Have a port for it on a switch, with nobody behind it yet. Returns the port's name."""
        self._count += 1
        port, lab = f"move{self._count}", self._running.lab
        pid = lab.net[lab.host_name(self._machine)].pid
        run("ip", "link", "add", port, "group", DEVICE_GROUP, "type", "veth", "peer", "name", "next", "netns", str(pid))
        run("ip", "link", "set", port, "mtu", str(lab.topology.mtu), "up")
        run("ethtool", "-K", port, "tx", "off")
        with lab.namespace(self._machine).entered():
            run("ip", "link", "set", "next", "address", self._machine.mac, "mtu", str(lab.topology.mtu))
            run("ethtool", "-K", "next", "tx", "off")
        run("ovs-vsctl", f"--db={lab.database}", "add-port", switch, port)
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


def main() -> int:
    name = sys.argv[1] if len(sys.argv) > 1 else "figure"
    with RunningLab(name) as running:
        source, machine = pair(running.topology)
        others = [p for p in running.lab.points() if p.kind == "node" and p.name not in (source.id, machine.id)]
        print(f"{running.framework}: {source.owner} sends {machine.owner} {RATE:,} datagrams a second", flush=True)
        good = True
        mover = Mover(running, machine)
        for switch in stations(running.topology, machine):
            strangers, stream = Capture(others, keep=is_of_stream), Stream(running, source, machine)
            with strangers, stream:
                leg = move(running, mover, machine, switch)
            good &= report(stream, leg, len(strangers.frames))
        print("ok" if good else "FAILED")
        return 0 if good else 1


class Stream:
    """Datagrams from one machine to another while the block runs, `RATE` a second whatever becomes of them."""

    def __init__(self, running: RunningLab, source: Interface, machine: Interface) -> None:
        self.sent: list[float] = []
        """When each was sent, in seconds since 1970; a datagram holds its place in this list."""
        self.received: list[int] = []
        self._ended = threading.Event()
        lab = running.lab
        with lab.namespace(machine).entered():
            self._to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._to.bind(("", STREAM_PORT))
        self._to.settimeout(AFTER_SECONDS)
        with lab.namespace(source).entered():
            self._from = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._from.connect((str(machine.address(4)), STREAM_PORT))
        self._threads = [threading.Thread(target=self._send), threading.Thread(target=self._receive)]

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
            self.received.append(int.from_bytes(datagram[len(MARK) :], "big"))


def is_of_stream(seen: Seen) -> bool:
    """Whether a frame is one of a stream."""
    return MARK in seen.frame


def move(running: RunningLab, mover: Mover, machine: Interface, switch: str) -> Leg:
    """Announce it, wait until it is prepared, go, and wait until everybody knows."""
    time.sleep(BEFORE_SECONDS)
    port = mover.prepare(switch)
    answer = running.client.move(machine.owner, {machine.name: f"{switch}:{port}"}, wait=ARRIVAL_SECONDS)
    if not answer.realised:
        raise LabError(f"the move to {switch} was not prepared in {ARRIVAL_SECONDS:g} s: {answer.pending}")
    time.sleep(BEFORE_SECONDS)
    away = mover.go(port)
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while running.client.node(machine.owner)["interfaces"][machine.name]["at"] != f"{switch}:{port}":
        if time.monotonic() > deadline:
            raise LabError(f"{machine.owner} was not followed to {switch} in {ARRIVAL_SECONDS:g} s")
        time.sleep(0.005)
    time.sleep(AFTER_SECONDS)
    return Leg(switch, *away)


def report(stream: Stream, leg: Leg, strange: int) -> bool:
    """Say what a move has cost, and whether it is no more than it may."""
    arrived = {*stream.received}
    lost = [when for place, when in enumerate(stream.sent) if place not in arrived]
    beyond = [when for when in lost if not leg.away_from <= when <= leg.away_until]
    twice = len(stream.received) - len(arrived)
    away = leg.away_until - leg.away_from
    print(
        f"  to {leg.to}: away for {away * 1000:.0f} ms; {len(stream.sent)} sent, {len(lost)} lost, "
        f"{len(beyond)} of them while it was not away, {twice} came twice, {strange} came to others"
    )
    for when in beyond[:5]:
        print(f"    lost {1000 * (when - leg.away_until):.1f} ms after it was back")
    return len(arrived) > RATE // 2 and not beyond and not twice and not strange


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


def stations(topology: Topology, machine: Interface) -> list[str]:
    """Where it moves, one after the other: on in its segment, to another one, and back."""
    hosts = sorted({interface.switch for interface in topology.interfaces})
    segment = topology.segment_of
    near = [host for host in hosts if segment[host] == segment[machine.switch] and host != machine.switch]
    far = [host for host in hosts if segment[host] != segment[machine.switch]]
    return [*near[:1], *far[:1], machine.switch]


sandbox.main(main)
