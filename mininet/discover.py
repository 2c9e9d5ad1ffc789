"""Machines come, move and go by what is written into the database of their host alone: nothing is asked of us.

    python mininet/discover.py             the demonstration; exit code 0 only if observed equals expected
    python mininet/discover.py --tamper    the hypervisor writes another name than the machine has: must end with 1

Builds the fabric of topologies/figure.yaml. Of two machines that share a network, one sends the other 1,000 datagrams a
second all the time. Of the other it is declared who it is and in which network, not where it runs. Then a hypervisor is
played: it writes `external_ids` of ports into the database, with ovs-vsctl, as libvirt and OpenStack do. The machine
comes up, moves to another host and to another segment, is claimed by a host that does not have it, and goes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from vnet_lab import sandbox
from vnet_lab.capture import Capture
from vnet_lab.moving import RATE, Mover, Stream, is_of_stream, pair
from vnet_lab.running import REALISED_SECONDS, RunningLab
from vnet_lab.sandbox import LabError, run
from vnet_lab.topology import Interface

from ryu_vnet.schema import NodeSpec

STEADY_SECONDS = 0.5
PATIENCE_SECONDS = 10.0
LEAST = RATE // 4
"""Datagrams that arrive in STEADY_SECONDS where a machine is reached, on a machine that is busy with other things."""
Json = dict[str, Any]


class Hypervisor:
    """Plays the one of each host. It knows ports and databases, and never speaks to the controller."""

    def __init__(self, running: RunningLab, machine: Interface, *, tampered: bool) -> None:
        self._database = f"--db={running.lab.database}"
        self._ids = {"iface_id": machine.owner, "attached_mac": machine.mac}
        if tampered:
            self._ids = {"iface_id": f"{machine.owner}-other"}
        self.mover = Mover(running, machine)

    def plug(self, port: str) -> None:
        """A machine starts behind a port that is there."""
        ids = (f"external_ids:{key.replace('_', '-')}={text}" for key, text in self._ids.items())
        run("ovs-vsctl", self._database, "set", "interface", port, *ids)

    def announce(self, switch: str) -> str:
        """A port on another host, to which a machine is going to move. Returns its name."""
        return self.mover.prepare(switch, **self._ids)

    def unplug(self, switch: str, port: str) -> None:
        """A machine is not there any more, and nor is its port."""
        run("ovs-vsctl", self._database, "del-port", switch, port)


class Demo:
    """The demonstration, step by step; `wrong` has what is not as it should be."""

    def __init__(self, running: RunningLab, tampered: bool) -> None:
        self.running = running
        self.source, self.machine = pair(running.topology)
        self.hypervisor = Hypervisor(running, self.machine, tampered=tampered)
        known = (self.source.id, self.machine.id)
        self.others = [point for point in running.lab.points() if point.kind == "node" and point.name not in known]
        self.wrong: list[str] = []
        with running.lab.namespace(self.source).entered():
            # Else the kernel would ask for the machine only once a second, and send nothing meanwhile.
            address, mac = str(self.machine.address(4)), self.machine.mac
            run("ip", "neigh", "replace", "to", address, "lladdr", mac, "dev", self.source.name, "nud", "permanent")

    def declare(self) -> None:
        """The intent of the file, but for where the machine is."""
        document = self.running.document()
        tenant, _, name = self.machine.owner.partition("/")
        node = document["tenants"][tenant]["nodes"][name]
        del node["running"], node["interfaces"][self.machine.name]["at"]
        node["discovery"] = "move"
        answer = self.running.client.apply(document, wait=REALISED_SECONDS)
        if not answer.realised:
            raise LabError(f"the intent was not realised in {REALISED_SECONDS:g} s: {answer.pending}")

    @contextmanager
    def stream(self) -> Iterator[Stream]:
        """Datagrams while the block runs; none of them may come to anybody else."""
        strangers, stream = Capture(self.others, keep=is_of_stream), Stream(self.running, self.source, self.machine)
        with strangers, stream:
            yield stream
        if strangers.frames:
            self.wrong.append(f"{len(strangers.frames)} datagrams came to others")
        if len({*stream.received}) != len(stream.received):
            self.wrong.append("datagrams came twice")

    def node(self) -> Json:
        """What the controller says of the machine."""
        return self.running.client.node(self.machine.owner)

    def wait(self, holds: Callable[[], object], what: str) -> bool:
        """Wait until something holds; whether it did."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                self.wrong.append(f"not in {PATIENCE_SECONDS:g} s: {what}")
                return False
            time.sleep(0.01)
        return True

    def is_at(self, place: str | None) -> Callable[[], bool]:
        """Whether the machine runs there; nowhere where there is no place."""
        return lambda: (
            (node := self.node())["interfaces"][self.machine.name]["at"] == place
            and node["running"] == (place is not None)
        )

    # --- the steps --------------------------------------------------------------------------------------------------

    def nobody_said_where(self) -> None:
        with self.stream() as stream:
            time.sleep(STEADY_SECONDS)
        if stream.received:
            self.wrong.append(f"{len(stream.received)} datagrams came to a machine that does not run")
        print(f"  declared, and seen nowhere: {len(stream.sent)} sent, {len(stream.received)} arrived")

    def it_comes(self) -> None:
        place = f"{self.machine.switch}:{self.machine.port}"
        with self.stream() as stream:
            time.sleep(STEADY_SECONDS / 2)
            self.hypervisor.plug(self.machine.port)
            written = time.time()
            if not self.wait(self.is_at(place), f"{self.machine.owner} runs at {place}"):
                return
            self.wait(lambda: stream.received, "the first datagram")
            time.sleep(STEADY_SECONDS)
        first = min(stream.received, default=0)
        lost = {*range(first, len(stream.sent))} - {*stream.received}
        took = (min(stream.came, default=written) - written) * 1000
        print(
            f"  written into the database of {self.machine.switch}: the first datagram arrives {took:.0f} ms later; "
            f"of the {len(stream.sent) - first} from there on {len(lost)} are lost"
        )
        if len(stream.received) < LEAST or lost:
            self.wrong.append("a machine that has come up is not reached all the time")

    def it_moves(self, switch: str, old: tuple[str, str]) -> tuple[str, str]:
        with self.stream() as stream:
            time.sleep(STEADY_SECONDS / 2)
            port = self.hypervisor.announce(switch)
            new = f"{switch}:{port}"
            self.wait(lambda: self.node()["moving"] == {self.machine.name: new}, f"{new} is prepared")
            time.sleep(STEADY_SECONDS / 2)
            away_from, away_until = self.hypervisor.mover.go(port)
            self.wait(self.is_at(new), f"{self.machine.owner} is followed to {new}")
            self.hypervisor.unplug(*old)
            time.sleep(STEADY_SECONDS)
        outage = stream.outage(away_from, away_until)
        print(
            f"  seen at {switch} too, and then only there: away for {(away_until - away_from) * 1000:.0f} ms; "
            f"{len(stream.sent)} sent, {outage}"
        )
        if outage.besides or len(stream.received) < LEAST:
            self.wrong.append(f"{len(outage.besides)} datagrams were lost while the machine was there")
        return switch, port

    def it_is_claimed(self, here: tuple[str, str]) -> None:
        """Another tenant's port gets the name of the machine, which may not be followed any more."""
        spec = {name: part for name, part in self.node().items() if name in NodeSpec.model_fields}
        self.running.client.put_node(self.machine.owner, {**spec, "discovery": "start"})
        thief = next(i for i in self.running.topology.interfaces if i.owner.partition("/")[0] not in self.machine.owner)
        with self.stream() as stream:
            self.hypervisor.plug(thief.port)
            self.wait(lambda: any("as well" in event["text"] for event in self._told()), "the claim is told")
            time.sleep(STEADY_SECONDS)
        lost = len(stream.sent) - len({*stream.received})
        print(f"  claimed by {thief.switch} too: {len(stream.sent)} sent, {lost} lost")
        print(f"    told: {self._told()[-1]['text']}")
        if lost or not self.is_at(":".join(here))():
            self.wrong.append("a machine was taken over")
        run("ovs-vsctl", f"--db={self.running.lab.database}", "clear", "interface", thief.port, "external_ids")

    def it_goes(self, here: tuple[str, str]) -> None:
        self.hypervisor.unplug(*here)
        self.wait(self.is_at(None), f"{self.machine.owner} does not run")
        with self.stream() as stream:
            time.sleep(STEADY_SECONDS)
        if stream.received:
            self.wrong.append("datagrams came to a machine that is gone")
        print(f"  its port is gone: it does not run; {len(stream.sent)} sent, {len(stream.received)} arrived")

    def _told(self) -> list[Json]:
        return self.running.client.events(kind="discovery", subject=self.machine.owner)


def stations(demo: Demo) -> list[str]:
    """Where the machine moves: to another segment where there is one, and back to where it began."""
    segment, began = demo.running.topology.segment_of, demo.machine.switch
    hosts = sorted({interface.switch for interface in demo.running.topology.interfaces})
    far = [host for host in hosts if segment[host] != segment[began]]
    near = [host for host in hosts if segment[host] == segment[began] and host != began]
    return [*near[:1], *far[:1], began]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tamper", action="store_true", help="write another name into the database; must end with 1")
    tampered: bool = parser.parse_args().tamper
    with RunningLab("figure", applied=False) as running:
        demo = Demo(running, tampered)
        print(
            f"{running.framework}: {demo.source.owner} sends {demo.machine.owner} {RATE:,} datagrams a second",
            flush=True,
        )
        demo.declare()
        demo.nobody_said_where()
        demo.it_comes()
        if not demo.wrong:
            here = demo.machine.switch, demo.machine.port
            for switch in stations(demo):
                here = demo.it_moves(switch, here)
            demo.it_is_claimed(here)
            demo.it_goes(here)
        for line in demo.wrong:
            print(f"  WRONG: {line}")
        print("observed equals expected" if not demo.wrong else "observed differs from expected")
        return 1 if demo.wrong else 0


sandbox.main(main)
