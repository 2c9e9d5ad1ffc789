"""Nodes in several networks at once: who shares a network reaches, and hears a broadcast exactly once; nobody else.

    python mininet/shared.py             the demonstration; exit code 0 only if observed equals expected
    python mininet/shared.py --tamper    two rows are altered first: must end with exit code 1

Builds the fabric of topologies/shared.yaml: two file servers in different racks that two networks share, one of them
also with a third; a node in both beside them; one with an interface in each; and another tenant's network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.table import Table
from vnet_lab import frames as f
from vnet_lab import reachability, sandbox, show
from vnet_lab.attempts import NO_MAC, new_marker
from vnet_lab.breakin import QUIET_SECONDS
from vnet_lab.capture import Capture, Seen
from vnet_lab.demonstration import Demonstration, is_tampered
from vnet_lab.reference import fellows, networks_of, receivers
from vnet_lab.running import RunningLab
from vnet_lab.tampering import SETS, alter, sets
from vnet_lab.topology import Interface

SERVER = "acme/files1/eth0"
"""In two networks: it says everything that is for everybody twice, to different people."""
ARRIVAL_SECONDS = 3.0
"""A broadcast is waited for that long at those who should hear it."""


class Demo(Demonstration):
    """The demonstration, part by part."""

    def matrix(self, brief: bool = False) -> list[str]:
        """Who reaches whom, with real ping; the pairs that are wrong. `brief`: without the table."""
        observed, expected = reachability.measure(self.lab), reachability.expected(self.topology)
        wrong = show.wrong_pairs(observed, expected)
        if not brief:
            self.console.print(show.reach_table(self.topology, observed, expected))
        self.say(f"{len(expected)} pairs, {sum(expected.values())} should reach, {sum(observed.values())} did; "
                 f"{len(wrong)} wrong")  # fmt: skip
        return wrong

    def broadcasts(self, brief: bool = False) -> list[str]:
        """Everybody says something to everybody; who heard it other than once, or should not have. `brief`: without the
        table."""
        table = Table(title="who heard a broadcast and an ARP request, each exactly once", title_justify="left")
        for heading in ("from", "in networks", "heard by"):
            table.add_column(heading)
        wrong: list[str] = []
        due = heard = 0
        for sender in self.topology.interfaces:
            names: set[str] = set()
            for kind, expected, found in self._said(sender):
                due, heard = due + len(expected), heard + sum(found.values())
                wrong += differences(f"{kind} of {sender.id}", expected, found)
                names |= found.keys()
            hearers = [show.short_name(self.topology, one) for one in self.topology.interfaces if one.id in names]
            networks = ", ".join(network.name for network in networks_of(sender))
            table.add_row(show.short_name(self.topology, sender), networks, ", ".join(hearers))
        if not brief:
            self.console.print(table)
        count = 2 * len(self.topology.interfaces)
        self.say(f"{count} broadcasts, due {due} times, heard {heard} times; {len(wrong)} wrong")
        return wrong

    def _said(self, sender: Interface) -> Iterator[tuple[str, frozenset[str], Counter[str]]]:
        """A frame with a marker and an ARP request: who should hear each, and how often everybody did."""
        sent = list(said_to_all(sender, fellows(self.topology, sender)[0]))
        with self.lab.capture() as capture:
            for _kind, frame, _marker in sent:
                self.lab.send(sender, frame)
            settled(capture, {(m, name) for _, frame, m in sent for name in receivers(self.topology, sender, frame)})
        for kind, frame, marker in sent:
            heard = Counter(seen.point.name for seen in capture.frames if came_in(seen) and marker in seen.frame)
            yield kind, receivers(self.topology, sender, frame), heard

    def on_the_wire(self) -> None:
        """One broadcast of a shared server on every link: a copy for each network, with its own identifiers."""
        sender = self.topology.find(SERVER)
        _kind, frame, marker = next(said_to_all(sender, sender))
        with self.lab.capture() as capture:
            self.lab.send(sender, frame)
            settled(capture, {(marker, name) for name in receivers(self.topology, sender, frame)})
        names = " and ".join(network.name for network in networks_of(sender))
        self.say(f"\none broadcast of {sender.node}, which is in {names}, on each link that it crossed:")
        copies = Counter[str]()
        for seen in sorted(capture.frames, key=lambda seen: seen.time):
            if seen.point.kind in ("trunk", "core") and marker in seen.frame:
                copies[seen.point.name] += 1
                self.say(f"  {seen.point.kind:<6} {seen.point.name:<12} {f.describe(seen.frame)}")
        if copies["host1-edgeA"] != 2:
            self.wrong.append(f"{copies['host1-edgeA']} copies of a broadcast in two networks left its host")

    def controls(self) -> None:
        """Each check must notice an altered row; otherwise it proves nothing."""
        self.say(f"\nnegative control: {self.alter_choice()}")
        self.must_notice(self.broadcasts(brief=True))
        self.say(f"\nnegative control: {self.alter_tag()}")
        self.must_notice(self.matrix(brief=True))

    def alter_choice(self) -> str:
        """Let files1 say in plant what it has said in sales, to all instead of only those who are not in sales."""
        plant = self.networks["acme/plant"]
        self.running.controller.stop()
        row, into = "table=35.*dl_dst=01:00:00:00:00:00", f"resubmit(,70),{sets(plant['number'], plant['tags']['A'])}"
        alter(self.lab, "host1", row, rf"resubmit\(,70\),{SETS}", into)
        return "on host1, broadcasts of files1 now go out on all of sales and on all of plant"

    def alter_tag(self) -> str:
        """Let host2 take for plant what comes with the tag of sales."""
        sales, plant = self.networks["acme/sales"], self.networks["acme/plant"]
        self.running.controller.stop()
        into = sets(plant["number"], plant["tags"]["A"])
        alter(self.lab, "host2", rf"table=40.*dl_vlan={sales['tags']['A']} ", SETS, into)
        return "on host2, what comes with the tag of sales is now taken for plant's"


def said_to_all(sender: Interface, target: Interface) -> Iterator[tuple[str, bytes, bytes]]:
    """A broadcast of an ethertype that no kernel answers and an ARP request, as (what it is, frame, marker); the marker
    stands behind the ARP request, where a short frame has padding."""
    marker = new_marker()
    yield "a broadcast", f.experiment(sender.mac, f.BROADCAST, marker), marker
    marker = new_marker()
    asked = (sender.mac, str(sender.address(4))), (NO_MAC, str(target.address(4)))
    yield "an ARP request", f.arp(sender.mac, f.BROADCAST, f.ARP_REQUEST, *asked) + marker, marker


def settled(capture: Capture, missing: set[tuple[bytes, str]]) -> None:
    """Wait until each marker has come in at each interface where it must, or could have; then until all is quiet."""
    for seen in capture.follow(ARRIVAL_SECONDS):
        if came_in(seen):
            missing = {
                (marker, name) for marker, name in missing if name != seen.point.name or marker not in seen.frame
            }
        if not missing:
            break
    capture.settle(QUIET_SECONDS)


def came_in(seen: Seen) -> bool:
    """Whether a node received it."""
    return seen.point.kind == "node" and not seen.outgoing


def differences(what: str, expected: frozenset[str], found: Counter[str]) -> Iterator[str]:
    """Where something was heard other than once each by those who should, in words."""
    for name in sorted(expected | found.keys()):
        times, due = found[name], int(name in expected)
        if times != due:
            yield f"{name} heard {what} {times} times, should {due}"


def main() -> int:
    tampered = is_tampered(__doc__, "alter two rows first")
    console = show.console()
    console.print("ryu-vnet: services that several networks share\n", style="bold")
    with RunningLab("shared") as running:
        demo = Demo(running, console)
        demo.identifiers()
        if tampered:
            demo.say(f"\ntampered: {demo.alter_choice()}; {demo.alter_tag()}")
        demo.wrong += [*demo.matrix(), *demo.broadcasts()]
        if not tampered:
            demo.on_the_wire()
            demo.controls()
    return show.verdict(console, demo.wrong, "" if tampered else ", and both controls were noticed")


sandbox.main(main)
