"""Who really reaches whom: ping from everybody to everybody, with proof of who answered.

Where two tenants use the same addresses, that a ping was answered does not say by whom. So every pair is judged by
what its two ends saw: the source's own echo request came in at the destination, the destination sent the reply, and
the source's ping took it. A ping process is known on the wire by its ICMP identifier, which for fping is its
process id.
"""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from .capture import Seen
from .frames import IPV4, IPV6
from .lab import Lab
from .reference import reaches
from .sandbox import LabError
from .topology import Interface, Topology
from .traffic import ICMP, ICMPV6, Content

Pair = tuple[str, str, int]
"""Source and destination by id, and IP version."""
Matrix = dict[Pair, bool]
Job = tuple[Interface, int]
"""A source and an IP version."""
Answer = tuple[int, set[str]]
"""The identifier that a ping process had, and the addresses that answered it."""

PARALLEL: Final = 8
"""Sources at a time. Every unreachable address keeps an entry in the kernel's neighbour table, which all namespaces
of a machine share and which holds 1,024; entries are flushed after each such round."""
TIMEOUT_MS: Final = 1000
SPACING_MS: Final = 2
PING: Final = {4: Content(IPV4, ICMP), 6: Content(IPV6, ICMPV6)}
"""What a network must take for its members to ping each other, by IP version."""
ECHO: Final = {IPV4: (8, 0), IPV6: (128, 129)}
"""ICMP types of echo request and reply (RFC 792; RFC 4443, 4.1)."""


@dataclass(frozen=True, slots=True)
class Echo:
    """An ICMP echo message on the wire. A reply has the `body` of its request: identifier, sequence number, data."""

    request: bool
    body: bytes

    @property
    def identifier(self) -> int:
        """Which process asked."""
        return int.from_bytes(self.body[:2], "big")


def expected(topology: Topology) -> Matrix:
    """The matrix as it should be."""
    return {(one.id, other.id, family): reaches(one, other, PING[family]) for one, other, family in pairs(topology)}


def pairs(topology: Topology) -> Iterator[tuple[Interface, Interface, int]]:
    """All ordered pairs with an address of the family at both ends. A pair with one and the same address cannot
    ping, nor can two interfaces of one node: the source's kernel would answer itself. For those, see what `breakin`
    sends by MAC."""
    for one in topology.interfaces:
        for other in topology.interfaces:
            for family in (4, 6):
                source, destination = one.address(family), other.address(family)
                if one.owner != other.owner and source and destination and source != destination:
                    yield one, other, family


def measure(lab: Lab) -> Matrix:
    """The matrix as it is. Each source pings each address once, after a first ping that is not counted and that
    lets both ends resolve addresses; there is no second chance, so a lost packet is a False.

    Raises CaptureLost where the capture is not complete.
    """
    targets: dict[tuple[str, int], list[Interface]] = defaultdict(list)
    for one, other, family in pairs(lab.topology):
        targets[(one.id, family)].append(other)
    interfaces = [one for one in lab.topology.interfaces if (one.id, 4) in targets or (one.id, 6) in targets]
    points = [point for point in lab.points() if point.kind == "node"]
    matrix: Matrix = {}
    for batch in _batches(interfaces, PARALLEL):
        jobs = [(one, family) for one in batch for family in (4, 6) if (one.id, family) in targets]
        # Both families of a source at once: their neighbour tables are two.
        _ping_all(lab, jobs, targets)
        with lab.capture(points, keep=lambda seen: echo(seen.frame) is not None) as capture:
            answers = _ping_all(lab, jobs, targets)
        arrived, answered = _ends(capture.frames)
        for (one, family), (identifier, alive) in zip(jobs, answers, strict=True):
            for other in targets[(one.id, family)]:
                proof = (other.id, identifier, family)
                heard = str(other.address(family)) in alive
                matrix[(one.id, other.id, family)] = heard and proof in arrived and proof in answered
        _forget_neighbours(lab, batch)
    return matrix


def echo(frame: bytes) -> Echo | None:
    """What kind of echo a bare frame is, or None where it is none. IPv6 without extension headers, as ping sends."""
    ethertype = int.from_bytes(frame[12:14], "big")
    if ethertype == IPV4 and len(frame) >= 34 and frame[23] == 1:
        start = 14 + 4 * (frame[14] & 0xF)
    elif ethertype == IPV6 and len(frame) >= 54 and frame[20] == 58:
        start = 54
    else:
        return None
    message = frame[start:]
    if len(message) < 8 or message[0] not in ECHO[ethertype]:
        return None
    return Echo(message[0] == ECHO[ethertype][0], message[4:])


def _ends(frames: Iterable[Seen]) -> tuple[set[tuple[str, int, int]], set[tuple[str, int, int]]]:
    """Requests that came in and replies that went out, as (interface, identifier, family)."""
    arrived: set[tuple[str, int, int]] = set()
    answered: set[tuple[str, int, int]] = set()
    for seen in frames:
        message = echo(seen.frame)
        if message is None:
            continue
        family = 4 if seen.frame[12:14] == IPV4.to_bytes(2, "big") else 6
        if message.request and not seen.outgoing:
            arrived.add((seen.point.name, message.identifier, family))
        elif not message.request and seen.outgoing:
            answered.add((seen.point.name, message.identifier, family))
    return arrived, answered


def _ping_all(lab: Lab, jobs: Sequence[Job], targets: Mapping[tuple[str, int], list[Interface]]) -> list[Answer]:
    with ThreadPoolExecutor(2 * PARALLEL) as pool:
        return list(pool.map(lambda job: _ping(lab, job[0], job[1], targets[job[0].id, job[1]]), jobs))


def _ping(lab: Lab, one: Interface, family: int, others: Iterable[Interface]) -> Answer:
    """One echo request to each address."""
    addresses = sorted({str(other.address(family)) for other in others})
    source = ("-S", str(one.address(family)), "-I", one.name)
    timing = ("-c", "1", "-t", str(TIMEOUT_MS), "-i", str(SPACING_MS))
    command = ("fping", f"-{family}", "-q", *timing, *source, *addresses)
    process = lab.popen(one, command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _output, report = process.communicate()
    # With -q -c a line an address on stderr: `10.0.0.22 : xmt/rcv/%loss = 1/1/0%, min/avg/max = …`.
    lines = [line.split() for line in report.splitlines() if " xmt/rcv/" in line]
    if {line[0] for line in lines} != set(addresses):
        raise LabError(f"fping in {one.owner} did not report on all of its addresses: {report.strip()[-500:]}")
    return process.pid & 0xFFFF, {line[0] for line in lines if line[4].startswith("1/1/")}


def _forget_neighbours(lab: Lab, interfaces: Iterable[Interface]) -> None:
    for one in interfaces:
        for family in ("-4", "-6"):
            lab.popen(one, ("ip", family, "neigh", "flush", "dev", one.name), stderr=subprocess.DEVNULL).wait()


def _batches(interfaces: Sequence[Interface], size: int) -> Iterator[Sequence[Interface]]:
    for start in range(0, len(interfaces), size):
        yield interfaces[start : start + size]
