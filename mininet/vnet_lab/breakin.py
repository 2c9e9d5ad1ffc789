"""All attempts, made one node after another in a running lab, and what came of them.

An attempt counts for what machines see, not for what a table says: it failed as a break-in where its frame came in at
nobody's interface but those it may. That nothing was seen is only believed because each round begins and ends with
frames that must arrive, and because the frame itself was seen to leave its sender.
"""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from .attempts import Attempt, Loot, attempts, greeting, legitimate, markers
from .capture import Capture, Seen
from .lab import Lab
from .reference import beside, networks_of
from .sandbox import LabError
from .topology import Interface, Network
from .wires import Fault, faults

ARRIVAL_SECONDS: Final = 5.0
QUIET_SECONDS: Final = 0.1
"""Open vSwitch's user-space data path forwards a frame before it reads the next of that port; this long without any
frame, nothing is under way."""
PACE_SECONDS: Final = 0.001
"""Between two attempts: a packet socket's queue holds some 250 frames, and a new flow takes a switch a while."""
LABEL: Final = re.compile(r"mpls_label=(\w+)|(\w+)->mpls_label|set_mpls_label\((\w+)\)|load:(\w+)->OXM_OF_MPLS_LABEL")
"""Labels as ovs-ofctl prints them in matches and actions."""
FIRST_LABELS: Final = range(16, 20)
"""0 to 15 are reserved (RFC 3032, 2.1)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt: how often it came in where, on which links it was seen, whether it was sent."""

    attempt: Attempt
    seen: tuple[tuple[str, int], ...]
    links: tuple[str, ...]
    sent: bool

    @property
    def receivers(self) -> frozenset[str]:
        """The interfaces at which the frame came in."""
        return frozenset(name for name, _times in self.seen)

    @property
    def broke_in(self) -> frozenset[str]:
        """The interfaces at which it came in and may not."""
        return self.receivers - self.attempt.may

    @property
    def ok(self) -> bool:
        """It was sent, came in where it must, nowhere that it may not, and nowhere twice."""
        once = all(times == 1 for _name, times in self.seen)
        return self.sent and once and not self.broke_in and self.attempt.must <= self.receivers

    def __str__(self) -> str:
        expected = "must reach" if self.attempt.must else "may reach"
        seen = ", ".join(f"{name} x{times}" for name, times in self.seen) or "nobody"
        told = ", ".join(sorted(self.attempt.must or self.attempt.may)) or "nobody"
        sent = "" if self.sent else " (never left its sender)"
        return f"{self.attempt.sender.id}: {self.attempt.name}: {expected} {told}; seen by {seen}{sent}"


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was tried. `frames` is how many captured frames that rests on."""

    outcomes: tuple[Outcome, ...]
    faults: tuple[Fault, ...]
    frames: int

    @property
    def ok(self) -> bool:
        """Nobody broke in, everything due arrived, and every wire carried what it may."""
        return not self.failures and not self.faults

    @property
    def failures(self) -> list[Outcome]:
        """Attempts that did not end as they should."""
        return [outcome for outcome in self.outcomes if not outcome.ok]

    @property
    def strays(self) -> list[Outcome]:
        """Frames for nobody that all the same went over a link: no break-in, but stopped later than at the source."""
        return [outcome for outcome in self.outcomes if outcome.links and not outcome.attempt.may]


def run_all(lab: Lab, senders: Iterable[Interface] | None = None) -> Report:
    """Let each sender (all interfaces unless told) try everything.

    Raises LabError where a round's control frames do not arrive: then its silence would prove nothing.
    """
    topology = lab.topology
    with lab.capture() as capture:
        controls = _control(lab, capture)
    loot = Loot(labels_in_use(lab), _replays(controls, capture.frames))
    outcomes: list[Outcome] = []
    found: list[Fault] = []
    count = 0
    for sender in topology.interfaces if senders is None else senders:
        tried = [*legitimate(topology, sender), *attempts(topology, sender, loot)]
        there = beside(topology, [sender.id]) - {sender.id}
        tried = [replace(attempt, may=there | beside(topology, attempt.may)) for attempt in tried]
        with lab.capture() as capture:
            before = _control(lab, capture)
            for attempt in tried:
                lab.send(sender, attempt.frame)
                time.sleep(PACE_SECONDS)
            after = _control(lab, capture)
            capture.settle(QUIET_SECONDS)
        frames = capture.frames
        by_marker = {attempt.marker: attempt for attempt in (*before, *tried, *after)}
        outcomes += _outcomes(tried, by_marker, frames)
        # What machines at one site say to each other is none of our business.
        ours = [seen for seen in frames if seen.point.name not in there]
        found += faults(topology, ours, partial(_networks, by_marker))
        count += len(frames)
    return Report(tuple(outcomes), tuple(found), count)


def labels_in_use(lab: Lab) -> tuple[int, ...]:
    """Every MPLS label that a table or group of any switch names, and the first few that may be given out."""
    text = "".join(lab.flows(switch.name) + lab.groups(switch.name) for switch in lab.topology.switches)
    named = {int(number, 0) for found in LABEL.findall(text) for number in found if number}
    return tuple(sorted(named | set(FIRST_LABELS)))


def _control(lab: Lab, capture: Capture) -> list[Attempt]:
    """Broadcasts that must arrive, from the first and the last member of each network, so that whoever is in one
    with others gets at least one; returns when they all have."""
    members: dict[Network, list[Interface]] = {}
    for interface in lab.topology.interfaces:
        for network in networks_of(interface):
            members.setdefault(network, []).append(interface)
    senders = [one for group in members.values() if len(group) > 1 for one in (group[0], group[-1])]
    sent = [greeting(lab.topology, sender) for sender in dict.fromkeys(senders)]
    missing = {(attempt.marker, name) for attempt in sent for name in attempt.must}
    start = len(capture)
    for attempt in sent:
        lab.send(attempt.sender, attempt.frame)
    for seen in capture.follow(ARRIVAL_SECONDS, start):
        if seen.point.kind == "node" and not seen.outgoing:
            missing -= {(marker, seen.point.name) for marker in markers(seen.frame)}
        if not missing:
            return sent
    deaf = sorted({name for _marker, name in missing})
    raise LabError(f"control frames did not arrive within {ARRIVAL_SECONDS:g} s at {', '.join(deaf)}")


def _replays(controls: Sequence[Attempt], frames: Iterable[Seen]) -> tuple[tuple[str, bytes, bytes], ...]:
    """Of the senders in the same networks, one frame as it was on a trunk and one as it was on a core link."""
    by_marker = {attempt.marker: attempt for attempt in controls}
    found: dict[tuple[str, tuple[Network, ...]], tuple[str, bytes, bytes]] = {}
    for seen in frames:
        attempt = _attempt(by_marker, seen.frame)
        networks = networks_of(attempt.sender) if attempt else ()
        if attempt is not None and networks and seen.point.kind in ("trunk", "core"):
            name = f"a {seen.point.kind} frame of {' or '.join(network.ref for network in networks)}"
            found.setdefault((seen.point.kind, networks), (name, seen.frame, attempt.marker))
    return tuple(found.values())


def _outcomes(tried: Sequence[Attempt], by_marker: dict[bytes, Attempt], frames: Iterable[Seen]) -> list[Outcome]:
    came_in: dict[bytes, Counter[str]] = defaultdict(Counter)
    links: dict[bytes, set[str]] = defaultdict(set)
    sent: set[bytes] = set()
    for seen in frames:
        attempt = _attempt(by_marker, seen.frame)
        if attempt is None:
            continue
        match seen.point.kind:
            case "node" if not seen.outgoing:
                came_in[attempt.marker][seen.point.name] += 1
            case "access" if not seen.outgoing and seen.point.name == attempt.sender.port:
                sent.add(attempt.marker)
            case "trunk" | "core":
                links[attempt.marker].add(seen.point.name)
    return [
        Outcome(
            attempt,
            tuple(sorted(came_in[attempt.marker].items())),
            tuple(sorted(links[attempt.marker])),
            attempt.marker in sent,
        )
        for attempt in tried
    ]


def _attempt(by_marker: dict[bytes, Attempt], frame: bytes) -> Attempt | None:
    return next((by_marker[marker] for marker in markers(frame) if marker in by_marker), None)


def _networks(by_marker: dict[bytes, Attempt], frame: bytes) -> tuple[Network, ...]:
    attempt = _attempt(by_marker, frame)
    return networks_of(attempt.sender) if attempt else ()
