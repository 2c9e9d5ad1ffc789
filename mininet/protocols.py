"""Networks by protocol: the same nodes speak HTTP on one network and VoIP on another, and nothing else on any.

    python mininet/protocols.py             the demonstration; exit code 0 only if observed equals expected
    python mininet/protocols.py --tamper    rows on one switch are altered first: must end with exit code 1

Builds the fabric of topologies/protocols.yaml. Real web servers (`python -m http.server`) and clients, real UDP sockets
and pings, from everybody to everybody, over IPv4 and IPv6; all trunks and core links are captured meanwhile.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack

from rich.console import Console
from rich.table import Table
from vnet_lab import frames as f
from vnet_lab import reachability, sandbox, show
from vnet_lab.capture import Seen
from vnet_lab.conversations import WebServer
from vnet_lab.demonstration import Demonstration, is_tampered
from vnet_lab.links import HTTP, KINDS, OTHER, VOIP, Links, kind
from vnet_lab.reference import fellows
from vnet_lab.running import RunningLab
from vnet_lab.speeches import HTTP_PORT, SPEECHES, WEB, Outcome, attempts
from vnet_lab.tampering import SETS, alter, sets
from vnet_lab.topology import Interface
from vnet_lab.traffic import content

NETWORK_FOR = {HTTP: "office/http", VOIP: "office/voip"}
CALLER, CALLED = "office/desk1/eth0", "office/desk3/eth0"
"""In different segments, and in both networks."""
QUIET_SECONDS = 0.2


class Demo(Demonstration):
    """The demonstration, part by part."""

    def __init__(self, running: RunningLab, console: Console) -> None:
        super().__init__(running, console)
        self.links = Links(self.topology, self.networks)

    def identifiers(self) -> None:
        """Also what each network takes."""
        super().identifiers()
        takes = [f"{name} takes {', '.join(network['traffic']) or 'all'}" for name, network in self.networks.items()]
        self.say("; ".join(takes) + "\n")

    def conversations(self) -> tuple[Seen, ...]:
        """Everybody tries to talk to everybody in every way; what was captured of it on links and at nodes."""
        with self.lab.capture([point for point in self.lab.points() if point.kind != "access"]) as capture:
            outcomes = {speech.name: attempts(self.lab, speech, self.topology.interfaces) for speech in SPEECHES}
            unfound = self._unfound()
            observed, expected = reachability.measure(self.lab), reachability.expected(self.topology)
            outcomes["ping"] = [Outcome(*pair, expected[pair], did) for pair, did in observed.items()]
            capture.settle(QUIET_SECONDS)
        table = Table(title="who got through to whom, of all ordered pairs: did/should", title_justify="left")
        for heading in ("with", "tried", "over IPv4", "over IPv6"):
            table.add_column(heading, justify="left" if heading == "with" else "right")
        for name, found in outcomes.items():
            counts = [f"{did}/{should}" for did, should in (counted(found, family) for family in (4, 6))]
            table.add_row(name, str(len(found)), *counts)
            self.wrong += [f"{name}: {outcome}" for outcome in found if not outcome.ok]
        self.console.print(table)
        self.wrong += unfound
        return capture.frames

    def _unfound(self) -> list[str]:
        """Whose kernel does not know just those whom it shares a network with, by address and MAC."""
        wrong: list[str] = []
        found = 0
        for one in self.topology.interfaces:
            with self.lab.namespace(one).entered():
                entries = json.loads(sandbox.run("ip", "-json", "neigh", "show", "dev", one.name))
            known = {(entry["dst"], entry["lladdr"]) for entry in entries if "lladdr" in entry}
            known = {(ip, mac) for ip, mac in known if not ip.startswith("fe80:")}
            due = {(str(ip), other.mac) for other in fellows(self.topology, one) for ip in other.ips}
            found += len(known)
            wrong += [f"{one.id} has not found {ip}" for ip, _mac in sorted(due - known)]
            wrong += [f"{one.id} has found {ip} at {mac}" for ip, mac in sorted(known - due)]
        self.say(f"{found} addresses of others found by ARP and neighbour discovery; {len(wrong)} too few or too many")
        return wrong

    def on_the_wire(self, frames: Iterable[Seen]) -> list[str]:
        """Which tags and labels which kinds of frames had on each link; what is wrong with that."""
        found = self.links.marks(frames)
        kinds = [each for each in KINDS if each != OTHER]
        table = Table(title="what the frames on each link had on them, and how many they were", title_justify="left")
        for heading in ("link", *kinds):
            table.add_column(heading)
        wrong = []
        for link in self.topology.links:
            name = link.a.port
            table.add_row(name, *(", ".join(f"{m}: {n}" for m, n in sorted(found[name, k].items())) for k in kinds))
            for each, ref in NETWORK_FOR.items():
                if found[name, each].keys() != {self.links.called(ref, name)}:
                    wrong.append(f"{name}: {each} under {', '.join(sorted(found[name, each])) or 'nothing'}")
        self.console.print(table)
        faults = [fault for fault in map(self.links.fault, frames) if fault]
        count, strays = sum(sum(marks.values()) for marks in found.values()), sum(map(self.links.is_stray, frames))
        self.say(
            f"{count} frames on links; {len(faults)} under a tag or label that is not theirs, or where they have no "
            f"business; {strays} for nobody, stopped before the core"
        )
        return [*wrong, *faults]

    def followed(self, frames: Iterable[Seen]) -> None:
        """One frame of each kind on every link that it crossed."""
        one, other = self.topology.find(CALLER), self.topology.find(CALLED)
        for each, ref in NETWORK_FOR.items():
            self.say(f"\nthe first frame of {each} over IPv4 from {one.node} to {other.node}, which is of {ref}:")
            shown: set[str] = set()
            for seen in sorted(frames, key=lambda seen: seen.time):
                if (
                    seen.point.kind in ("trunk", "core")
                    and seen.point.name not in shown
                    and first(seen, each, one, other)
                ):
                    shown.add(seen.point.name)
                    self.say(f"  {seen.point.kind:<6} {seen.point.name:<12} {f.describe(seen.frame)}")

    def control(self) -> None:
        """The check must notice altered rows; otherwise it proves nothing."""
        self.say(f"\nnegative control: {self.tamper()}")
        with self.lab.capture([point for point in self.lab.points() if point.kind != "access"]) as capture:
            outcomes = attempts(self.lab, WEB, self.topology.interfaces, [self.topology.find(CALLER)])
            capture.settle(QUIET_SECONDS)
        noticed = [f"{WEB.name}: {outcome}" for outcome in outcomes if not outcome.ok]
        noticed += dict.fromkeys(filter(None, map(self.links.fault, capture.frames)))
        self.must_notice(noticed)

    def tamper(self) -> str:
        """Let host1 send requests of HTTP, of those who are in both networks, on that for VoIP."""
        http, voip = (self.networks[NETWORK_FOR[each]] for each in (HTTP, VOIP))
        self.running.controller.stop()
        row = f"table=32.*tp_dst={HTTP_PORT} .*{sets(http['number'], http['tags']['A'])}"
        alter(self.lab, "host1", row, SETS, sets(voip["number"], voip["tags"]["A"]))
        return "on host1, frames to TCP port 80 now go on office/voip"


def counted(outcomes: Iterable[Outcome], family: int) -> tuple[int, int]:
    """How many got through over an IP version, and how many should."""
    counts = Counter[str]()
    for outcome in outcomes:
        if outcome.family == family:
            counts["did"] += outcome.did
            counts["should"] += outcome.should
    return counts["did"], counts["should"]


def first(seen: Seen, each: str, one: Interface, other: Interface) -> bool:
    """Whether it is a whole frame of that kind from one node to another over IPv4."""
    inner = f.layers(seen.frame).inner
    what = content(inner)
    ends = (f.mac_text(inner[6:12]), f.mac_text(inner[:6]))
    return ends == (one.mac, other.mac) and what.ethertype == f.IPV4 and kind(what) == each and not what.fragment


def main() -> int:
    tampered = is_tampered(__doc__, "alter rows on one switch first")
    console = show.console()
    console.print("ryu-vnet: networks by protocol\n", style="bold")
    with RunningLab("protocols") as running, ExitStack() as stack:
        demo = Demo(running, console)
        ones = running.topology.interfaces
        servers = [stack.enter_context(WebServer(running.lab, one, HTTP_PORT)) for one in ones]
        for server in servers:
            server.wait()
        demo.identifiers()
        if tampered:
            demo.say(f"tampered: {demo.tamper()}\n")
        frames = demo.conversations()
        demo.wrong += demo.on_the_wire(frames)
        if not tampered:
            demo.followed(frames)
            demo.control()
    return show.verdict(console, demo.wrong, "" if tampered else ", and the control was noticed", most=20)


sandbox.main(main)
