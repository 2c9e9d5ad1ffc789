"""Policies change under traffic: who shares a network all along loses nothing, who shares one no more hears no more.

    python mininet/policy.py             the demonstration; exit code 0 only if observed equals expected
    python mininet/policy.py --tamper    another change is asked for than is expected: must end with exit code 1

Builds the fabric of topologies/policy.yaml, where policies say who is in which network. Datagrams go from machine to
machine, 200 a second for each pair, while a policy is changed, the order of the policies, and what a machine is for.
All that comes to any machine is captured; who should have it follows from the file alone.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from vnet_lab import sandbox, show
from vnet_lab.demonstration import Demonstration, is_tampered
from vnet_lab.reference import shared
from vnet_lab.running import REALISED_SECONDS, RunningLab
from vnet_lab.sandbox import LabError
from vnet_lab.streams import Datagram, Streams
from vnet_lab.tampering import SETS, alter, sets
from vnet_lab.topology import Topology, read

from ryu_vnet.client import Answer

Json = dict[str, Any]

RATE = 200
PAIRS = (
    ("shop/lb1", "shop/lb2"), ("shop/db1", "shop/db2"), ("shop/admin", "shop/web2"), ("shop/web1", "shop/web2"),
    ("shop/lb1", "shop/web2"), ("shop/lb2", "shop/web1"), ("shop/db1", "shop/web2"), ("shop/db2", "shop/web1"),
    ("rival/spy1", "rival/spy2"), ("rival/spy1", "shop/web1"),
)  # fmt: skip
"""Who sends to whom, all the time."""
SHARES = {(True, True): "always", (True, False): "no more", (False, True): "only now", (False, False): "never"}
"""In words: whether two share a network before a change, and after it."""
STEADY_SECONDS = 0.5
"""How long it goes on before a change, and after it."""
UNDER_WAY_SECONDS = 0.05
"""What was sent so shortly before the request may still be under way when switches change."""
CACHE_SECONDS = 0.1
"""A switch that has acknowledged a change may go on for some milliseconds as before, until Open vSwitch has gone
through what it has cached."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change: in words, what it makes of the file, and what `vnet policy explain` says of a node afterwards."""

    title: str
    edit: Callable[[Json], None]
    node: str
    explained: str


def web_moves(document: Json) -> None:
    document["policies"]["web"]["networks"] = ["back"]


def repair_comes_first(document: Json) -> None:
    document["policies"]["repair"]["order"] = 5


def web1_balances(document: Json) -> None:
    document["tenants"]["shop"]["nodes"]["web1"]["function"] = "balancer"


STEPS = (
    Step(
        "policy web gives network back, no more front", web_moves,
        "shop/web1", "shop/web1 eth0 is in back (policy web)",
    ),
    Step(
        "policy repair, which is final, is asked before all others", repair_comes_first,
        "shop/web2", "shop/web2 eth0 is in ops (policy repair)",
    ),
    Step(
        "web1 is a balancer, no more a web server", web1_balances,
        "shop/web1", "shop/web1 eth0 is in front (policy balancers)",
    ),
)  # fmt: skip


def other_than_expected(document: Json) -> None:
    """What is asked for in the place of the first step, to see that it is noticed."""
    document["policies"]["web"]["networks"] = ["ops"]


class Demo(Demonstration):
    """The demonstration, step by step."""

    def __init__(self, running: RunningLab, console: Console) -> None:
        super().__init__(running, console)
        self.document: Json = running.document()

    def step(self, step: Step, asked: Callable[[Json], None] | None = None) -> None:
        """Make a change under traffic; `asked` is what the controller is asked for, where that is another."""
        self.say(f"\n{step.title}")
        before, last = read(self.document, ""), self._last_event()
        wanted, expected = deepcopy(self.document), deepcopy(self.document)
        step.edit(expected)
        (asked or step.edit)(wanted)
        after = read(expected, "")
        with self._streams() as streams:
            time.sleep(STEADY_SECONDS)
            start = time.time()
            answer = self._ask(wanted)
            end = time.time()
            time.sleep(CACHE_SECONDS + STEADY_SECONDS)
        if not answer.realised:
            raise LabError(f"{step.title}: not realised in {REALISED_SECONDS:g} s: {answer.pending}")
        self.say(f"asked for and on all switches in {(end - start) * 1000:.1f} ms")
        times = (start - UNDER_WAY_SECONDS, end + CACHE_SECONDS, end)
        self.wrong += self.judge(streams, (before, after), times)
        self._look_at_nodes(before, after, last)
        self._explain(step)
        self.document = expected

    def _streams(self) -> Streams:
        nodes = {one.owner: one for one in self.topology.interfaces}
        return Streams(self.lab, [(nodes[one], nodes[other]) for one, other in PAIRS], RATE)

    def _ask(self, wanted: Json) -> Answer:
        """Ask for what is other than before: policies, or a node."""
        client, policies = self.running.client, self.document["policies"]
        changed = {name: spec for name, spec in wanted["policies"].items() if spec != policies[name]}
        if changed:
            return client.put_policies(changed, wait=REALISED_SECONDS)
        nodes = self.document["tenants"]["shop"]["nodes"]
        ((name, spec),) = [(n, s) for n, s in wanted["tenants"]["shop"]["nodes"].items() if s != nodes[n]]
        return client.put_node(f"shop/{name}", spec, wait=REALISED_SECONDS)

    def _last_event(self) -> int:
        found = self.running.client.events(limit=1, newest=True)
        return found[-1]["sequence"] if found else 0

    def judge(
        self,
        streams: Streams,
        topologies: tuple[Topology, Topology],
        times: tuple[float, float, float],
        brief: bool = False,
    ) -> list[str]:
        """Show what became of each pair's datagrams, and return what is wrong with it. `times` are from when to when
        either of two states may hold, and when the change was answered. `brief`: without the table."""
        table = Table(title="datagrams that came, of those sent", title_justify="left")
        for heading in ("from", "to", "share a network", "before", "meanwhile", "after", "elsewhere", "the last came"):
            table.add_column(heading, justify="right" if heading in ("before", "meanwhile", "after") else "left")
        wrong: list[str] = []
        for (one, other), datagrams in zip(PAIRS, streams.datagrams(), strict=True):
            share = _shared(topologies[0], one, other), _shared(topologies[1], one, other)
            tally = Tally(f"{other}/eth0", datagrams, times[:2])
            counts = [f"{came}/{sent}" for came, sent in tally.counts]
            late = (tally.last - times[2]) * 1000
            last = f"{abs(late):.1f} ms {'after' if late > 0 else 'before'} the answer"
            last = last if share == (True, False) else ""
            table.add_row(one, other, SHARES[share], *counts, str(tally.astray), last)
            wrong += [f"{one} to {other} {fault}" for fault in tally.faults(*share)]
        if not brief:
            self.console.print(table)
        return wrong

    def _look_at_nodes(self, before: Topology, after: Topology, last: int) -> None:
        """Who is where now, and whom the change has touched: those alone who are in other networks."""
        due = {}
        for old, new in zip(before.interfaces, after.interfaces, strict=True):
            node = self.running.client.node(new.owner)
            found = {*node["interfaces"][new.name]["networks"], *node["policy_networks"].get(new.name, [])}
            expected = {network.name for network in new.networks}
            if found != expected:
                self.wrong.append(f"{new.id} is in {sorted(found)}, should be in {sorted(expected)}")
            if set(old.networks) != set(new.networks):
                due[f"node/{new.owner}"] = new.owner
        events = self.running.client.events(after=last, kind="request")
        touched = {change["key"] for event in events for change in event["details"]["changes"]}
        nodes = {key for key in touched if key.startswith("node/")}
        self.say(f"of {len(after.interfaces)} nodes, the request has changed {', '.join(sorted(nodes)) or 'none'}")
        if nodes != due.keys():
            self.wrong.append(f"changed were {sorted(nodes)}, should be {sorted(due)}")

    def _explain(self, step: Step) -> None:
        """Which policy did it, as the command says it."""
        command = ("vnet", "policy", "explain", step.node)
        done = subprocess.run([sys.executable, "-m", "ryu_vnet", *command[1:]], capture_output=True, text=True)
        self.say(f"$ {' '.join(command)}\n{done.stdout.rstrip() or done.stderr}")
        if step.explained not in done.stdout.splitlines():
            self.wrong.append(f"`{' '.join(command)}` does not say: {step.explained}")

    def control(self) -> None:
        """The check must notice an altered row; otherwise it proves nothing."""
        front, ops = self.networks["shop/front"], self.networks["shop/ops"]
        self.running.controller.stop()
        row = f"table=30.*{sets(front['number'], front['tags']['A'])}"
        alter(self.lab, "host2", row, SETS, sets(ops["number"], ops["tags"]["A"]))
        self.say("\nnegative control: on host2, what web1 sends goes on ops now, not on front")
        with self._streams() as streams:
            time.sleep(STEADY_SECONDS)
        topology, now = read(self.document, ""), time.time()
        self.must_notice(self.judge(streams, (topology, topology), (now, now, now), brief=True))


class Tally:
    """One pair's datagrams, those sent before, while and after a change: how many came to whom."""

    def __init__(self, receiver: str, datagrams: list[Datagram], change: tuple[float, float]) -> None:
        self._receiver = receiver
        parts: list[list[Datagram]] = [[], [], []]
        for datagram in datagrams:
            parts[sum(datagram.sent >= when for when in change)].append(datagram)
        self._end = change[1]
        self.counts = [(sum(map(self._came, part)), len(part)) for part in parts]
        arrivals = [arrival for datagram in datagrams for arrival in datagram.came]
        mine = [when for when, name in arrivals if name == receiver]
        self.last = max(mine, default=0.0)
        """When the last one came, in seconds since 1970; 0 where none did."""
        self.astray = len(arrivals) - len(mine)
        """How many came to somebody else."""
        self.twice = len(mine) - sum(came for came, _sent in self.counts)

    def _came(self, datagram: Datagram) -> bool:
        return any(name == self._receiver for _when, name in datagram.came)

    def faults(self, before: bool, after: bool) -> Iterator[str]:
        """What is other than it must be, where two share a network before and after, or do not."""
        meanwhile = before if before == after else None
        for what, share, (came, sent) in zip(
            ("before the change", "meanwhile", "after the change"), (before, meanwhile, after), self.counts, strict=True
        ):
            if share is True and came != sent:
                yield f"{what}: {sent - came} of {sent} were lost"
            if share is False and came:
                yield f"{what}: {came} of {sent} came"
        if not after and self.last > self._end:
            yield f"came {(self.last - self._end) * 1000:.1f} ms after nothing should"
        if self.astray:
            yield f"came to others {self.astray} times"
        if self.twice:
            yield f"came twice {self.twice} times"


def _shared(topology: Topology, one: str, other: str) -> bool:
    return bool(shared(topology.find(f"{one}/eth0"), topology.find(f"{other}/eth0")))


def main() -> int:
    tampered = is_tampered(__doc__, "ask for another change than is expected")
    console = show.console()
    console.print("ryu-vnet: policies change under traffic\n", style="bold")
    with RunningLab("policy") as running:
        demo = Demo(running, console)
        demo.identifiers()
        if tampered:
            demo.say("\ntampered: asked for is that policy web gives network ops")
            demo.step(STEPS[0], asked=other_than_expected)
        else:
            for step in STEPS:
                demo.step(step)
            demo.control()
    return show.verdict(console, demo.wrong, "" if tampered else ", and the control was noticed", most=20)


sandbox.main(main)
