"""Three tenants share one data centre and see nothing of each other: shown with real frames, and checked.

    python mininet/demo.py             the demonstration; exit code 0 only if observed equals expected
    python mininet/demo.py --tamper    one row on one switch is altered first: must end with exit code 1

Builds the fabric of topologies/figure-vxlan.yaml in Mininet over a private Open vSwitch: that of the patent's figure,
whose outside system joins network Y from beyond an IP network, over Linux's own VXLAN device. Starts the controller
(`ryu-manager ryu_vnet.app`, or os-ken where Ryu does not run), applies the intent and shows what comes of it.
"""

from __future__ import annotations

import subprocess

from vnet_lab import attempts, breakin, reachability, sandbox, show
from vnet_lab.capture import Capture, Seen
from vnet_lab.demonstration import Demonstration, is_tampered
from vnet_lab.frames import describe, layers
from vnet_lab.reachability import echo
from vnet_lab.running import RunningLab, framework
from vnet_lab.sandbox import LabError
from vnet_lab.tunnelled import carried

PICTURE = """\
  host1 (vm1.1, vm1.2) ─┐                                  ┌─ host3 (vm3.1, vm3.2)
                        ├─ edgeA ── core1 ── core2 ── edgeB
  host2 (vm2.1, vm2.2) ─┘                     │                X = vm1.1 vm2.2
                                            edgeC              Y = vm2.1 outside
        segment A                             ┊ VXLAN          Z = vm1.2 vm3.1 vm3.2
                                           outside          A: tags   core: labels"""

SWITCH, STRAYED, INTO = "edgeA", "green/Y", "red/X"
"""The negative control: on this switch, what carries the tag of one network is taken for another network's."""


class Demo(Demonstration):
    """The demonstration, part by part."""

    def identifiers(self) -> None:
        """Tags and labels, and what the patent's figure says of them."""
        super().identifiers()
        by_name = {network["name"]: network for network in self.networks.values()}
        if by_name["X"]["label"] is not None:
            self.wrong.append("X never leaves segment A and yet has a label")
        if by_name["Z"]["tags"]["A"] == by_name["Z"]["tags"]["B"]:
            self.wrong.append("Z has the same tag in A and in B")

    def matrix(self) -> None:
        """Who reaches whom, with real ping."""
        observed, expected = reachability.measure(self.lab), reachability.expected(self.topology)
        self.console.print(show.matrix_table(self.topology, observed, expected))
        wrong = show.wrong_pairs(observed, expected)
        self.wrong += wrong
        should, did = sum(expected.values()), sum(observed.values())
        self.say(f"{len(expected)} pairs, {should} should reach, {did} did; {len(wrong)} wrong")

    def on_the_wire(self) -> None:
        """One ping of Z followed from rack to rack."""
        one, other = self.topology.find("blue/vm1.2/eth0"), self.topology.find("blue/vm3.1/eth0")
        with self.lab.capture() as capture:
            command = ("ping", "-n", "-c", "1", "-W", "2", str(other.address(4)))
            self.lab.popen(one, command, stdout=subprocess.DEVNULL).wait()
            capture.settle(0.2)
        requests = [seen for seen in capture.frames if _is_request(seen.frame)]
        self.say("\none frame of Z (an echo request from vm1.2 to vm3.1) as it was on each link it crossed:")
        found: dict[str, Seen] = {}
        for seen in sorted(requests, key=lambda seen: seen.time):
            found.setdefault(seen.point.name, seen)
        for name, seen in found.items():
            self.say(f"  {seen.point.kind:<6} {name:<16} {describe(seen.frame)}")
        shapes = {name: (layers(seen.frame).tags, layers(seen.frame).labels) for name, seen in found.items()}
        for name in ("host1-edgeA", "edgeA-core1", "host3-edgeB"):
            if name not in shapes:
                self.wrong.append(f"the frame of Z was not seen on {name}")
        if not self.wrong:
            tag_a, tag_b = shapes["host1-edgeA"][0], shapes["host3-edgeB"][0]
            if len(tag_a) != 1 or len(tag_b) != 1 or tag_a == tag_b or len(shapes["edgeA-core1"][1]) != 2:
                self.wrong.append(f"tags and labels of Z on the way: {shapes}")

    def between(self) -> None:
        """One ping of Y, on the network between the data centre and the outside system."""
        one, other = self.topology.find("green/vm2.1/eth0"), self.topology.find("green/outside/eth0")
        if self.lab.underlay is None:
            raise LabError("the topology has no tunnels")
        with Capture([self.lab.underlay.point]) as capture:
            command = ("ping", "-n", "-c", "1", "-W", "2", str(other.address(4)))
            self.lab.popen(one, command, stdout=subprocess.DEVNULL).wait()
            capture.settle(0.2)
        found = [inside for seen in capture.frames if (inside := carried(seen.frame)) and echo(inside.frame)]
        self.say("\nan echo request of Y and its reply, on the network between edgeC and the outside system:")
        for inside in found:
            ends = f"{inside.source}→{inside.destination} {inside.protocol} {inside.key}"
            self.say(f"  {ends} | {describe(inside.frame)}")
        if len(found) != 2:
            self.wrong.append(f"{len(found)} echo messages of Y crossed the network between, should 2")

    def break_ins(self) -> None:
        """Everything a node could send that it should not, and what became of it."""
        report = breakin.run_all(self.lab)
        self.console.print(show.attempts_table(report))
        self.say(
            f"{report.frames} frames captured at every VM port, trunk and core link; "
            f"{len(report.failures)} break-ins or losses, {len(report.faults)} frames where they have no business"
        )
        self.wrong += [str(failure) for failure in report.failures[:10]]
        self.wrong += [str(fault) for fault in report.faults[:10]]

    def negative_control(self) -> None:
        """The check must notice one altered row; otherwise it proves nothing."""
        self.say(f"\nnegative control: {tamper(self.running)}")
        observed, expected = reachability.measure(self.lab), reachability.expected(self.topology)
        noticed = [*show.wrong_pairs(observed, expected), *self._overheard()]
        self.must_notice(noticed)

    def _overheard(self) -> list[str]:
        """Who hears a broadcast of each node and should not."""
        found = []
        for sender in self.topology.interfaces:
            greeting = attempts.greeting(self.topology, sender)
            with self.lab.capture() as capture:
                self.lab.send(sender, greeting.frame)
                capture.settle(breakin.QUIET_SECONDS)
            heard = {
                seen.point.name
                for seen in capture.frames
                if seen.point.kind == "node" and not seen.outgoing and greeting.marker in seen.frame
            }
            found += [f"{name} heard a broadcast of {sender.owner}" for name in sorted(heard - greeting.may)]
        return found


def tamper(running: RunningLab) -> str:
    """Alter one row on one switch; what was done, in words. Raises LabError where the row is not there.

    The controller, which would put it right at once, is ended before: the switches go on without it.
    """
    strayed, into = (running.client.network(name) for name in (STRAYED, INTO))
    rows = [row for row in running.lab.flows(SWITCH).splitlines() if "table=40" in row]
    row = next((row for row in rows if f"set_field:{strayed['number']:#x}->reg0" in row), None)
    if row is None:
        raise LabError(f"switch {SWITCH} has no row for the tag of {STRAYED}")
    altered = row.replace(f"set_field:{strayed['number']:#x}->reg0", f"set_field:{into['number']:#x}->reg0")
    altered = altered.replace(f"set_field:{strayed['tags']['A']:#x}->reg2", f"set_field:{into['tags']['A']:#x}->reg2")
    running.controller.stop()
    running.lab.add_flows(SWITCH, [altered])
    return f"on {SWITCH}, the row for the tag of {STRAYED} now says {INTO}"


def _is_request(frame: bytes) -> bool:
    echo = reachability.echo(layers(frame).inner)
    return echo is not None and echo.request


def main() -> int:
    tampered = is_tampered(__doc__, "alter one row on one switch first")
    console = show.console()
    console.print("ryu-vnet: three tenants, one fabric\n", style="bold")
    console.print(PICTURE + "\n", markup=False)
    if framework() != "ryu":
        console.print("Ryu does not run on this Python: the controller runs on os-ken, its continuation")
    with RunningLab("figure-vxlan") as running:
        demo = Demo(running, console)
        demo.say(f"{len(demo.topology.switches)} Open vSwitch bridges, {len(demo.topology.interfaces)} nodes and "
                 f"{' '.join(running.controller.command)} up in {running.built_seconds:.1f} s; "
                 f"intent realised on all switches in {running.realised_seconds:.2f} s\n")  # fmt: skip
        demo.identifiers()
        if tampered:
            demo.say(f"\ntampered: {tamper(running)}")
        demo.matrix()
        if not tampered:
            demo.on_the_wire()
            demo.between()
            demo.break_ins()
            demo.negative_control()
    return show.verdict(console, demo.wrong, "" if tampered else ", and the control was noticed")


sandbox.main(main)
