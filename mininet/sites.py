"""Networks that extend to remote sites over VXLAN and GRE: who is there reaches his own network, and nobody else.

    python mininet/sites.py             the demonstration; exit code 0 only if observed equals expected
    python mininet/sites.py --tamper    two rows are altered first: must end with exit code 1

Builds the fabric of topologies/sites.yaml: machines in a rack and behind a gateway, and four sites beyond an ordinary
IP network, three of one network and one of another tenant's that has the same addresses. The other end of each tunnel
has nothing of ours: Linux's VXLAN device and bridge, or for GRE another Open vSwitch.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

from rich.table import Table
from vnet_lab import attempts as a
from vnet_lab import frames as f
from vnet_lab import reachability, sandbox, show
from vnet_lab.breakin import PACE_SECONDS, QUIET_SECONDS
from vnet_lab.capture import Capture, Seen
from vnet_lab.conversations import WebServer, fetch
from vnet_lab.demonstration import Demonstration, is_tampered
from vnet_lab.flood import flood
from vnet_lab.protected import INSIDE, IPSEC_MTU, WIREGUARD_MTU, ProtectedSite, protocols
from vnet_lab.reference import beside
from vnet_lab.running import REALISED_SECONDS, RunningLab
from vnet_lab.sandbox import LabError
from vnet_lab.sites import SiteHost
from vnet_lab.tampering import alter
from vnet_lab.topology import Interface, Site
from vnet_lab.tunnelled import carried, copies, strangers

WEB_PORT, FETCH_SECONDS = 8000, 5.0
LABELS = tuple(range(16, 22))
"""Those that are in use, and some more."""
FAR_MAC, FAR_IPS, FAR_KEY = "02:00:00:00:06:01", ("10.0.0.41", "fd00::41"), 5004
VXLAN_BYTES = 50
BULK_PORT, BULK_BYTES = 9000, 8_000_000
STRANGE = "198.51.100.99"
"""An address that no site has."""
BACK_SECONDS = 20.0
PROBES, PROBE_SECONDS = 60, 0.05


class Demo(Demonstration):
    """The demonstration, part by part."""

    def __init__(self, running: RunningLab, console: object) -> None:
        super().__init__(running, console)  # type: ignore[arg-type]
        if self.lab.underlay is None:
            raise LabError("the topology has no tunnels")
        self.underlay = self.lab.underlay

    def sites(self) -> None:
        """Where networks extend to."""
        table = Table(title="remote sites, at gateway gw1", title_justify="left")
        for heading in ("site", "tunnel", "other end", "key", "machines", "MTU left"):
            table.add_column(heading)
        for site in self.topology.sites:
            there = ", ".join(show.short_name(self.topology, one) for one in self.machines(site))
            table.add_row(site.ref, site.tunnel.protocol, str(site.remote), str(site.key), there, str(site.mtu))
        self.console.print(table)

    def machines(self, site: Site) -> list[Interface]:
        """Who is at a site."""
        return [one for one in self.topology.interfaces if one.site == site]

    def listen(self) -> Capture:
        """A capture of all that crosses the network between."""
        return Capture([self.underlay.point])

    # --- what must work ---------------------------------------------------------------------------------------------

    def matrix(self, brief: bool = False) -> list[str]:
        """Who reaches whom, with real ping, and what of it went to sites; what is wrong. `brief`: without the table."""
        with self.listen() as capture:
            observed, expected = reachability.measure(self.lab), reachability.expected(self.topology)
        wrong = show.wrong_pairs(observed, expected)
        if not brief:
            self.console.print(show.reach_table(self.topology, observed, expected))
        found = [*strangers(self.topology, capture.frames)]
        count = sum(carried(seen.frame) is not None for seen in capture.frames)
        self.say(f"{len(expected)} pairs, {sum(expected.values())} should reach, {sum(observed.values())} did; "
                 f"{len(wrong)} wrong")  # fmt: skip
        self.say(f"{count} frames crossed the network between in tunnels; {len(found)} had no business there")
        return [*wrong, *found]

    def pages(self) -> None:
        """Web pages, from the data centre to sites and back, and between sites."""
        one = [machines[0] for site in self.topology.sites if (machines := self.machines(site))]
        pairs = [(self.topology.find(f"{server.tenant}/vm1/eth0"), server) for server in one]
        pairs += [(server, client) for client, server in pairs]
        pairs += [(client, server) for client in one for server in one if client.tenant == server.tenant]
        pairs = [(client, server) for client, server in pairs if client != server]
        failed = []
        with ExitStack() as stack:
            nodes = {server: None for _, server in pairs}
            servers = {node: stack.enter_context(WebServer(self.lab, node, WEB_PORT)) for node in nodes}
            for server in servers.values():
                server.wait()
            for client, node in pairs:
                for family in (4, 6):
                    if fetch(self.lab, client, node, family, WEB_PORT, FETCH_SECONDS) != servers[node].page:
                        failed.append(f"{client.id} got no page of {node.id} over IPv{family}")
        self.say(f"{2 * len(pairs)} pages fetched over TCP, IPv4 and IPv6; {len(failed)} not")
        self.wrong += failed

    def broadcasts(self) -> list[str]:
        """Everybody says something to everybody; who heard it other than once, which site got other than one copy."""
        wrong: list[str] = []
        due = heard = 0
        for sender in self.topology.interfaces:
            greeting = a.greeting(self.topology, sender)
            with self.lab.capture() as capture, self.listen() as underlay:
                self.lab.send(sender, greeting.frame)
                capture.settle(QUIET_SECONDS)
            times = _times(capture, greeting.marker)
            due, heard = due + len(greeting.must), heard + sum(times.values())
            for name in sorted(greeting.must | times.keys()):
                if times[name] != (name in greeting.must):
                    wrong.append(f"{name} heard a broadcast of {sender.id} {times[name]} times")
            for site in self.topology.sites:
                count = copies(underlay.frames, site, greeting.marker)
                mine = sender.tenant == site.tenant and sender.site != site
                if count != mine:
                    wrong.append(
                        f"site {site.ref} got {count} copies of a broadcast of {sender.id}, should {int(mine)}"
                    )
        self.say(f"{len(self.topology.interfaces)} broadcasts, due {due} times, heard {heard} times, one copy to each "
                 f"other site of the network; {len(wrong)} wrong")  # fmt: skip
        return wrong

    def sizes(self) -> None:
        """The largest packet that a site takes, and one that is a byte larger."""
        for site in self.topology.sites:
            target = self.machines(site)[0]
            source = self.topology.find(f"{site.tenant}/vm1/eth0")
            fits, larger = (self.pings(source, target, "-M", "do", "-s", str(site.mtu - 28 + more)) for more in (0, 1))
            self.say(f"to {site.ref}: {site.mtu} bytes of IP {_verb(fits)}, {site.mtu + 1} {_verb(larger)}")
            if not fits or larger:
                self.wrong.append(f"the MTU of site {site.ref} is not {site.mtu}")

    def pings(self, source: Interface, target: Interface, *options: str, count: int = 1) -> int:
        """How many of so many pings are answered."""
        command = ("ping", "-n", "-q", "-c", str(count), "-W", "1", "-i", "0.05", *options, str(target.address(4)))
        done = self.lab.popen(source, command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        output, _ = done.communicate()
        line = next((line for line in output.splitlines() if " received" in line), "0 sent, 0 received")
        return int(line.split(",")[1].split()[0])

    # --- what must not ----------------------------------------------------------------------------------------------

    def intrusions(self) -> None:
        """What a site could send that it should not: past its own switch, straight into the tunnel."""
        count, before = 0, len(self.wrong)
        for site in self.topology.sites:
            host, machine = self.lab.sites[site.ref], self.machines(site)[0]
            tried = [*a.legitimate(self.topology, machine), *a.attempts(self.topology, machine, a.Loot(LABELS))]
            with self.lab.capture() as capture, self.listen() as underlay:
                for attempt in tried:
                    host.inject(attempt.frame)
                    time.sleep(PACE_SECONDS)
                forged = [*self.forged(host, machine)]
                capture.settle(QUIET_SECONDS)
            frames = capture.frames
            count += len(tried) + len(forged)
            same = {one.id for one in self.machines(site)}
            for attempt in tried:
                may = beside(self.topology, attempt.may) - same
                self.wrong += self._judged(frames, attempt, may, attempt.must - same)
                if copies(underlay.frames, site, attempt.marker) > 1:
                    self.wrong.append(f"{site.ref} got back what it sent: {attempt.name}")
            for attempt in forged:
                self.wrong += self._judged(frames, attempt, frozenset(), frozenset())
                if any(attempt.marker in seen.frame for seen in frames):
                    self.wrong.append(f"{attempt.name} of {site.ref} was seen inside")
        self.say(f"\n{count} frames sent into tunnels by sites: others' addresses, tags, labels, keys and ends; "
                 f"{len(self.wrong) - before} came where they may not, or did not where they must")  # fmt: skip

    def _judged(
        self, frames: tuple[Seen, ...], attempt: a.Attempt, may: frozenset[str], must: frozenset[str]
    ) -> Iterator[str]:
        seen = Counter(one.point.name for one in frames if _came_in(one) and attempt.marker in one.frame)
        if not must <= seen.keys() <= may | must or any(times > 1 for times in seen.values()):
            heard = ", ".join(f"{name} x{times}" for name, times in sorted(seen.items())) or "nobody"
            yield f"from site {attempt.sender.site.ref if attempt.sender.site else ''}: {attempt.name}: seen by {heard}"

    def forged(self, host: SiteHost, machine: Interface) -> Iterator[a.Attempt]:
        """Frames under keys that are not the site's, and from an address that is no site's."""
        host.add_address(STRANGE)
        keys = {site.key for site in self.topology.sites} | {0, 1, host.site.key - 1, host.site.key + 1}
        ends = [(key, None) for key in sorted(keys - {host.site.key})] + [(key, STRANGE) for key in sorted(keys)]
        for key, source in ends:
            marker = a.new_marker()
            frame = f.experiment(machine.mac, f.BROADCAST, marker)
            host.inject(frame, key, source)
            time.sleep(PACE_SECONDS)
            yield a.Attempt(f"key {key} from {source or 'its own address'}", machine, frame, marker, a.NOBODY, a.NOBODY)

    def unknown(self) -> None:
        """What is for nobody goes to no site."""
        sender, markers = self.topology.find("red/vm1/eth0"), [a.new_marker() for _ in range(5)]
        with self.listen() as capture:
            for marker in markers:
                self.lab.send(sender, f.experiment(sender.mac, a.UNKNOWN, marker))
            capture.settle(QUIET_SECONDS)
        strayed = sum(any(marker in seen.frame for marker in markers) for seen in capture.frames)
        self.say(f"{len(markers)} frames for a MAC address that nobody has: {strayed} went to a site")
        self.wrong += [f"{strayed} frames for nobody went to a site"] if strayed else []

    def flooded(self) -> None:
        """A site sends what it can, under its own key and others: the others go on."""
        host = self.lab.sites["red/paris"]
        here, near, far = (self.topology.find(f"red/{name}/eth0") for name in ("vm1", "vm2", "oslo1"))
        with flood(host) as sender:
            answered = [self.pings(here, other, count=PROBES) for other in (near, far)]
        self.say(f"while {host.site.ref} sends {sender.rate:.0f} frames a second: {answered[0]} of {PROBES} "
                 f"pings between members answered, {answered[1]} of {PROBES} to another site")  # fmt: skip
        self.wrong += [f"a flood took {2 * PROBES - sum(answered)} pings"] if sum(answered) < 2 * PROBES else []

    def vanishes(self) -> None:
        """A site is gone, and comes back."""
        host = self.lab.sites["red/paris"]
        here, there, near, far = (self.topology.find(f"red/{n}/eth0") for n in ("vm1", "paris1", "vm2", "oslo1"))
        host.cut()
        gone = self.pings(here, there, count=3)
        others = [self.pings(here, other, count=PROBES) for other in (near, far)]
        host.mend()
        started = time.monotonic()
        while not (back := self.pings(here, there)) and time.monotonic() < started + BACK_SECONDS:
            pass
        took = time.monotonic() - started
        name = host.site.ref
        self.say(f"{name} vanishes: {gone} of 3 pings to it answered, {sum(others)} of {2 * PROBES} to others; it "
                 f"returns and is reached {took:.1f} s later")  # fmt: skip
        if gone or sum(others) < 2 * PROBES or not back:
            self.wrong.append("a site that vanishes took others with it, or did not come back")

    # --- through protection -------------------------------------------------------------------------------------------

    def protected(self, kind: str, wire: str, way: int) -> None:
        """A site whose tunnel is inside WireGuard or IPsec, by the configuration that is generated. `wire` is all that
        may be seen on the network between, `way` what the protection leaves."""
        client, mtu = self.running.client, way - VXLAN_BYTES
        spec = {"network": "web", "remote": INSIDE, "key": FAR_KEY, "mtu": way}
        there = {"mac": FAR_MAC, "ips": [*FAR_IPS], "site": "far", "network": "web"}
        client.put_site("red/far", spec, wait=REALISED_SECONDS)
        client.put_node("red/far1", {"running": True, "interfaces": {"eth0": there}}, wait=REALISED_SECONDS)
        with ProtectedSite(self.lab, kind, FAR_MAC, FAR_IPS, FAR_KEY, mtu) as far:
            getattr(far, kind)("red/far")
            with Capture([far.point]) as capture:
                near = [self.topology.find(f"red/{name}/eth0") for name in ("vm1", "vm3", "paris1", "oslo1")]
                far.ping(str(near[0].address(4)))
                reached = [far.ping(str(one.address(family))) for one in near for family in (4, 6)]
                foreign = far.ping(str(self.topology.find("blue/vm2/eth0").address(4)))
                sizes = [far.ping(str(near[0].address(4)), "-M", "do", "-s", str(mtu - 28 + more)) for more in (0, 1)]
                speed = self.speed(far, near[0]) if all(reached) else 0.0
            seen = protocols([one.frame for one in capture.frames])
        self.say(f"{kind}: {sum(reached)} of {len(reached)} members reached over IPv4 and IPv6; {mtu} bytes of IP "
                 f"{_verb(sizes[0])}, {mtu + 1} {_verb(sizes[1])}; {speed:.0f} Mbit/s of TCP; on the wire: "
                 f"{', '.join(sorted(seen))}")  # fmt: skip
        if not all(reached) or foreign or sizes != [True, False] or seen != {wire}:
            self.wrong.append(f"{kind}: {reached}, another tenant {foreign}, sizes {sizes}, on the wire {seen}")
        client.delete_node("red/far1", wait=REALISED_SECONDS)
        client.delete_site("red/far", wait=REALISED_SECONDS)

    def speed(self, far: ProtectedSite, near: Interface) -> float:
        """Mbit/s of TCP from the machine at a protected site to a member."""
        receive = f"import socket; s = socket.create_server(('', {BULK_PORT})); print(flush=True); c, _ = s.accept()\n"
        receive += "import sys\nn = 0\nwhile d := c.recv(1 << 20): n += len(d)\nprint(n)"
        send = (
            f"import socket; socket.create_connection(('{near.address(4)}', {BULK_PORT})).sendall(bytes({BULK_BYTES}))"
        )
        server = self.lab.popen(near, (sys.executable, "-c", receive), stdout=subprocess.PIPE)
        if server.stdout is None:
            return 0.0
        server.stdout.readline()
        started = time.monotonic()
        client = far.popen(sys.executable, "-c", send)
        got, _ = server.communicate(timeout=60)
        client.wait()
        return int(got) * 8 / (time.monotonic() - started) / 1e6

    # --- negative controls ------------------------------------------------------------------------------------------

    def controls(self) -> None:
        """Each check must notice an altered row; otherwise it proves nothing."""
        self.say(f"\nnegative control: {self.alter_split()}")
        self.must_notice(self.broadcasts())
        self.say(f"\nnegative control: {self.alter_site()}")
        self.must_notice(self.matrix(brief=True))

    def number(self, ref: str) -> int:
        """That of a site, as its gateway's rows have it."""
        site = next(site for site in self.topology.sites if site.ref == ref)
        row = next(line for line in self.lab.flows("gw1").splitlines() if f"tun_src={site.remote}" in line)
        return int(row.partition("->reg8")[0].rpartition(":")[2], 0)

    def alter_split(self) -> str:
        """Let frames go back to the site that they came from."""
        number = self.number("red/paris")
        self.running.controller.stop()
        row = rf"table=80.*reg3={0x10000000 | number:#x},reg8={number:#x}\b"
        alter(self.lab, "gw1", row, "actions=drop", "actions=goto_table:92")
        return "on gw1, what red/paris sends to all now goes back to red/paris as well"

    def alter_site(self) -> str:
        """Let gw1 take for rome's what comes from lima, whose machine has the addresses of the one in rome."""
        rome, lima = self.number("red/rome"), self.number("blue/lima")
        self.running.controller.stop()
        alter(self.lab, "gw1", "tun_src=198.51.100.30", f"set_field:{lima:#x}->reg8", f"set_field:{rome:#x}->reg8")
        return "on gw1, what comes from blue/lima is now taken for red/rome's"


def _came_in(seen: Seen) -> bool:
    return seen.point.kind == "node" and not seen.outgoing


def _times(capture: Capture, marker: bytes) -> Counter[str]:
    """How often each interface received a marked frame."""
    return Counter(seen.point.name for seen in capture.frames if _came_in(seen) and marker in seen.frame)


def _verb(passed: int) -> str:
    return "pass" if passed else "do not"


def main() -> int:
    tampered = is_tampered(__doc__, "alter two rows first")
    console = show.console()
    console.print("ryu-vnet: networks that extend to remote sites\n", style="bold")
    with RunningLab("sites") as running:
        demo = Demo(running, console)
        demo.sites()
        if tampered:
            demo.say(f"\ntampered: {demo.alter_site()}; {demo.alter_split()}")
        demo.wrong += [*demo.matrix(), *demo.broadcasts()]
        if not tampered:
            demo.pages()
            demo.sizes()
            demo.unknown()
            demo.intrusions()
            demo.flooded()
            demo.vanishes()
            demo.protected("wireguard", "UDP 51820", WIREGUARD_MTU)
            demo.protected("ipsec", "UDP 4500", IPSEC_MTU)
            demo.controls()
    return show.verdict(console, demo.wrong, "" if tampered else ", and both controls were noticed")


sandbox.main(main)
