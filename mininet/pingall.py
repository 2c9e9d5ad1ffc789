"""Ping from everybody to everybody: who shares a network must be reached, nobody else.

    python mininet/pingall.py [TOPOLOGY ...]

TOPOLOGY is a file, or the name of one in topologies/ (all of them unless told). Every ordered pair is tried over IPv4
and IPv6, and full-sized packets (1,500 bytes of IP, or what is left at a remote site, not to be fragmented) between one
pair of each network. Exit code 0 only if observed equals expected everywhere.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from rich.console import Console
from vnet_lab import reachability, sandbox, show
from vnet_lab.lab import Lab
from vnet_lab.reference import reaches, shared
from vnet_lab.running import TOPOLOGIES, RunningLab
from vnet_lab.topology import Interface, Network, Topology

SMALL = 12
"""A matrix of more machines than this is not printed, only counted."""
HEADERS = {4: 28, 6: 48}
"""Bytes of IP and ICMP headers around what ping is told to send."""


def main() -> int:
    console = show.console()
    names = sys.argv[1:] or sorted(path.stem for path in TOPOLOGIES.glob("*.yaml"))
    wrong = [line for name in names for line in check(name, console)]
    console.print("observed differs from expected" if wrong else "observed equals expected")
    return 1 if wrong else 0


def check(name: str, console: Console) -> list[str]:
    """What is wrong with one topology, shown as it is found."""
    with RunningLab(name) as running:
        observed, expected = reachability.measure(running.lab), reachability.expected(running.topology)
        wrong = show.wrong_pairs(observed, expected) + list(too_small(running.lab))
        if len(running.topology.interfaces) <= SMALL:
            console.print(show.matrix_table(running.topology, observed, expected))
        console.print(
            f"{running.topology.name} ({running.framework}): {len(expected)} pairs, {sum(expected.values())} should "
            f"reach, {sum(observed.values())} did; {len(wrong)} wrong"
        )
    for line in wrong[:20]:
        console.print(f"WRONG: {line}", markup=False)
    return wrong


def too_small(lab: Lab) -> Iterator[str]:
    """Pairs between which a packet of the full MTU does not get through."""
    for one, other in one_pair_per_network(lab.topology):
        for family in (4, 6):
            if one.address(family) is None or other.address(family) is None:
                continue
            mtu = min(lab.topology.mtu_of(end) for end in (one, other))
            size = mtu - HEADERS[family]
            command = ("ping", "-n", "-M", "do", "-s", str(size), "-c", "3", "-i", "0.2", "-W", "2")
            if lab.popen(one, (*command, str(other.address(family))), stdout=subprocess.DEVNULL).wait():
                yield f"{mtu} bytes of IPv{family} from {one.id} did not get through to {other.id}"


def one_pair_per_network(topology: Topology) -> list[tuple[Interface, Interface]]:
    """Two members of each network that has two, as far apart as the file has them."""
    found: dict[tuple[Network, ...], tuple[Interface, Interface]] = {}
    for one in topology.interfaces:
        others = [other for other in topology.interfaces if reaches(one, other, reachability.PING[4])]
        if others:
            found.setdefault(shared(one, others[-1]), (one, others[-1]))
    return list(found.values())


sandbox.main(main)
