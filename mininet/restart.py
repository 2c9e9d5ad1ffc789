"""Kills the controller with -9 under traffic and starts it again: nothing may be lost, no rule sent.

    python mininet/restart.py [TOPOLOGY] [TIMES]

TOPOLOGY is a file, or the name of one in topologies/ (figure, unless told). Exit code 0 only if not one of the pings,
100 a second between two members of a network as far apart as there are, was lost, and Open vSwitch's own log shows
that no switch received a single message that changes a table.
"""

from __future__ import annotations

import sys
import time

from vnet_lab import sandbox
from vnet_lab.load import PingLoad
from vnet_lab.reachability import PING
from vnet_lab.reference import reaches
from vnet_lab.running import MessageLog, RunningLab
from vnet_lab.topology import Interface, Topology

TIMES = 3


def main() -> int:
    name = sys.argv[1] if len(sys.argv) > 1 else "figure"
    times = int(sys.argv[2]) if len(sys.argv) > 2 else TIMES
    with RunningLab(name) as running:
        source, destination = far_apart(running.topology)
        print(f"{running.framework}: {source.owner} pings {destination.owner} 100 times a second", flush=True)
        with MessageLog() as log, PingLoad(running.lab, source, destination) as load:
            for turn in range(times):
                running.controller.kill()
                time.sleep(0.5)
                running.controller.start()
                ready = running.controller.wait_ready()
                running.wait_in_step()
                print(
                    f"  killed and started, {turn + 1} of {times}: answers after {ready:.1f} s, all in step", flush=True
                )
            time.sleep(0.5)
        count = load.count
        lost, twice = len(count.lost), count.duplicates
        print(f"  pings: {count.sent} sent, {count.received} answered, {lost} lost, {twice} twice")
        print(f"  messages to switches: {log.received} received, {log.count} of them change a table")
        good = count.sent == count.received and not count.duplicates and log.count == 0
        print("ok" if good else "FAILED")
        return 0 if good else 1


def far_apart(topology: Topology) -> tuple[Interface, Interface]:
    """Two members of one network, in different segments if there are such, else on different switches, else any."""

    def distance(one: Interface, other: Interface) -> int:
        segments = {topology.segment_of[end.switch] for end in (one, other)}
        return 2 * (len(segments) > 1) + (one.switch != other.switch)

    ones = topology.interfaces
    pairs = [(one, other) for one in ones for other in ones if reaches(one, other, PING[4])]
    if not pairs:
        raise sandbox.LabError(f"{topology.name}: no two nodes can ping each other")
    return max(pairs, key=lambda pair: distance(*pair))


sandbox.main(main)
