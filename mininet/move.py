"""Moves a machine to another host under 1,000 packets a second, and back: what is lost is lost while it is away itself.

    python mininet/move.py [TOPOLOGY]

TOPOLOGY is a file, or the name of one in topologies/ (figure, unless told). Of two machines that share a network, as
far apart as there are, one sends the other 1,000 datagrams a second. The other moves as a hypervisor moves one: its new
port is there before, and the move is announced; then it stops, and goes on behind the new port with the same addresses,
and says so by a gratuitous ARP. Once to another host of its segment, once to another segment where there is one, and
back. Exit code 0 only if every datagram arrived but those that were sent, or under way, while it was away and until it
was followed, none twice, and none came to anybody else.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from vnet_lab import sandbox
from vnet_lab.capture import Capture
from vnet_lab.moving import RATE, Mover, Stream, is_of_stream, pair
from vnet_lab.running import RunningLab
from vnet_lab.sandbox import LabError
from vnet_lab.topology import Interface, Topology

BEFORE_SECONDS, AFTER_SECONDS = 0.3, 0.5
ARRIVAL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Leg:
    """One move: which switch it went to, and from when to when (seconds since 1970) it was away."""

    to: str
    away_from: float
    away_until: float


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
    outage, arrived = stream.outage(leg.away_from, leg.away_until), len({*stream.received})
    twice = len(stream.received) - arrived
    away = leg.away_until - leg.away_from
    print(
        f"  to {leg.to}: away for {away * 1000:.0f} ms; {len(stream.sent)} sent, {outage}, "
        f"{twice} came twice, {strange} came to others"
    )
    for when in outage.besides[:5]:
        print(f"    lost {1000 * (when - leg.away_until):.1f} ms after it was back")
    return arrived > RATE // 2 and not outage.besides and not twice and not strange


def stations(topology: Topology, machine: Interface) -> list[str]:
    """Where it moves, one after the other: on in its segment, to another one, and back."""
    hosts = sorted({interface.switch for interface in topology.interfaces})
    segment = topology.segment_of
    near = [host for host in hosts if segment[host] == segment[machine.switch] and host != machine.switch]
    far = [host for host in hosts if segment[host] != segment[machine.switch]]
    return [*near[:1], *far[:1], machine.switch]


sandbox.main(main)
