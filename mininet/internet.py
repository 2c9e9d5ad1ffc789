"""Tenants with the same addresses reach the Internet by gateways that translate them, and it reaches those they let in.

    python mininet/internet.py             the demonstration; exit code 0 only if observed equals expected
    python mininet/internet.py --tamper    one row is altered first: must end with exit code 1

Builds the fabric of topologies/internet.yaml: three tenants, two of them with the subnet 10.0.0.0/24, two gateways with
uplinks to one outside network, in which a web server says what address it sees. Then one gateway's uplink is cut.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from ipaddress import ip_address

from rich.table import Table
from vnet_lab import frames as f
from vnet_lab import sandbox, show
from vnet_lab.attempts import NO_MAC
from vnet_lab.demonstration import Demonstration, is_tampered
from vnet_lab.namespaces import Namespace
from vnet_lab.outside import OutsideHost
from vnet_lab.pages import Page, Server, Talk, fetch
from vnet_lab.running import RunningLab
from vnet_lab.sandbox import LabError, run
from vnet_lab.tampering import SETS, alter, sets

from ryu_vnet.errors import VnetError

SERVER, SERVER6 = "198.51.100.1", "2001:db8:feed::1"
FLOATING, FORWARDED = "203.0.113.50", "203.0.113.60"
PREFIXES = "2001:db8:a::/48"
SAME_PORT = 40000
"""Two tenants fetch a page from the same address and port of their own at once."""
DATABASE, ECHO = 5432, 7
TAKEN_OVER_SECONDS = 10.0


class Demo(Demonstration):
    """The demonstration, part by part."""

    def __init__(self, running: RunningLab, console: show.Console) -> None:
        super().__init__(running, console)
        self.outside: OutsideHost = running.lab.outside["internet"]
        self.table = Table("from", "to", "expected", "found", title_justify="left")
        self._checks = self._failed = 0

    def node(self, name: str) -> Namespace:
        """The namespace of a node."""
        return self.lab.namespace(self.topology.find(f"{name}/eth0"))

    def check(self, source: str, target: str, expected: str, found: object, right: bool) -> None:
        """Note one thing that was tried."""
        self._checks += 1
        self.table.add_row(source, target, expected, str(found), style=None if right else "bold red")
        if not right:
            self._failed += 1
            self.wrong.append(f"{source} to {target}: expected {expected}, found {found}")

    def end_table(self, title: str) -> None:
        """Show what was tried since the last time."""
        self.table.title = title
        self.console.print(self.table)
        self.say(f"{self._checks} tried, {self._failed} wrong\n")
        self.table = Table("from", "to", "expected", "found", title_justify="left")
        self._checks = self._failed = 0

    # --- out --------------------------------------------------------------------------------------------------------

    def out(self) -> None:
        """Who reaches the web server, and with what address."""
        for name in ("red/web1", "blue/web1", "blue/web2"):
            self._fetch(name, SERVER, source_port=SAME_PORT)
        self._fetch("red/web2", SERVER, expected=FLOATING)
        self._fetch("red/web1", SERVER6, expected="2001:db8:a:1::11")
        self._fetch("red/web2", SERVER6, expected="2001:db8:a:1::12")
        self._fetch("green/vm1", SERVER6, expected="2001:db8:a:7::11")
        self._fetch("green/vm2", SERVER, expected=None)
        self._fetch("red/db1", SERVER, expected=None)
        self.end_table("pages of a web server on the Internet, and whom it saw")

    def _fetch(self, name: str, address: str, *, expected: str | None = "", source_port: int = 0) -> None:
        page = fetch(self.node(name), address, source_port=source_port)
        if expected != "":
            self.check(name, address, expected or "nothing", _said(page), (page.address if page else None) == expected)
            return
        granted = self.networks[f"{name.split('/')[0]}/web"]["exit"]
        first, last = map(int, granted["ports"].split("-"))
        right = page is not None and page.address == granted["address"] and first <= page.port <= last
        self.check(name, address, f"{granted['address']}, port {first} to {last}", _said(page), right)

    # --- in ---------------------------------------------------------------------------------------------------------

    def let_in(self) -> None:
        """Whom the Internet reaches."""
        here = self.outside.namespace
        with ExitStack() as servers:
            for name, port in (
                ("red/web1", 80),
                ("red/web1", 22),
                ("red/web2", 80),
                ("blue/web2", 80),
                ("green/vm1", 80),
            ):
                servers.enter_context(Server(self.node(name), f"{name}:{port}", port))
            tried: tuple[tuple[str, int, str | None], ...] = (
                (FLOATING, 80, "red/web2:80"),
                (FORWARDED, 8022, "red/web1:22"),
                (FORWARDED, 80, None),
                (self.networks["blue/web"]["exit"]["address"], 80, None),
                ("2001:db8:a:1::11", 80, None),
                ("2001:db8:a:7::11", 80, None),
            )
            for address, port, expected in tried:
                page = fetch(here, address, port, seconds=1.5)
                found = page.server if page is not None else None
                self.check(
                    "the Internet", f"{address} port {port}", expected or "nothing", _said(page), found == expected
                )
            page = fetch(self.node("blue/web1"), FLOATING)
            self.check(
                "blue/web1", FLOATING, "red/web2:80", _said(page), page is not None and page.server == "red/web2:80"
            )
        self.end_table("what is let in: a floating address, a forwarded port, and nothing else")

    # --- between networks of a tenant -------------------------------------------------------------------------------

    def routed(self) -> None:
        """Red routes between web and db, and lets one port of db be reached from web."""
        with (
            Server(self.node("red/db1"), "db1", DATABASE),
            Server(self.node("red/db1"), "db1", 80),
            Server(self.node("red/web1"), "web1", DATABASE),
        ):
            for address in ("10.0.1.21", "fd00:2::21"):
                for port, expected in ((DATABASE, "db1"), (80, None)):
                    page = fetch(self.node("red/web1"), address, port, seconds=1.5)
                    found = page.server if page is not None else None
                    self.check(
                        "red/web1", f"{address} port {port}", expected or "nothing", _said(page), found == expected
                    )
            page = fetch(self.node("red/db1"), "10.0.0.11", DATABASE, seconds=1.5)
            self.check("red/db1", f"10.0.0.11 port {DATABASE}", "nothing", _said(page), page is None)
            page = fetch(self.node("red/db1"), "10.0.0.11", DATABASE, source_port=DATABASE, seconds=1.5)
            self.check("red/db1", "the same, from port 5432", "nothing", _said(page), page is None)
            page = fetch(self.node("blue/web1"), "10.0.1.21", DATABASE, seconds=1.5)
            self.check("blue/web1", f"10.0.1.21 port {DATABASE}", "nothing", _said(page), page is None)
        self.end_table("from network web of red to its network db: TCP port 5432, and what answers")

    # --- what must not work -----------------------------------------------------------------------------------------

    def spoofed(self) -> None:
        """Nobody is the router but the router."""
        attacker, victim = self.topology.find("blue/web1/eth0"), self.topology.find("blue/web2/eth0")
        gateway = "10.0.0.1"
        self._fetch("blue/web2", SERVER)
        for operation in (f.ARP_REQUEST, f.ARP_REPLY):
            claim = f.arp(attacker.mac, f.BROADCAST, operation, (attacker.mac, gateway), (NO_MAC, gateway))
            self.lab.send(attacker, claim)
        time.sleep(0.1)
        known = self._known(victim.owner, gateway)
        self.check("blue/web1", "claims to be 10.0.0.1", "not believed", known, attacker.mac not in known)
        self._fetch("blue/web2", SERVER)
        try:
            self.running.client.put_floating("blue", FLOATING, "web", "10.0.0.12")
            self.check("blue", f"asks for {FLOATING}, which is red's", "refused", "granted", False)
        except VnetError as error:
            self.check("blue", f"asks for {FLOATING}, which is red's", "refused", error, "another tenant" in str(error))
        self.end_table("who claims what is another's")

    def _known(self, owner: str, address: str) -> str:
        with self.node(owner).entered():
            return run("ip", "neigh", "show", address).strip() or "nobody"

    # --- switch-over ------------------------------------------------------------------------------------------------

    def switch_over(self) -> None:
        """The uplink of the gateway is cut under traffic: the other one takes over."""
        self.say(f"gateways of the networks before: {', '.join(self._serving())}")
        here = self.outside.namespace
        with ExitStack() as stack:
            for name in ("red/web2", "green/vm1"):
                stack.enter_context(Server(self.node(name), name, ECHO, echo=True))
            stack.enter_context(Server(here, "echo", ECHO, echo=True))
            talks = {
                "the Internet to a floating address": Talk(here, FLOATING, ECHO),
                "from the floating address out": Talk(self.node("red/web2"), SERVER, ECHO),
                "IPv6 as it is": Talk(self.node("green/vm1"), SERVER6, ECHO),
                "IPv6 with another prefix": Talk(self.node("red/web1"), SERVER6, ECHO),
                "IPv4 by a shared address": Talk(self.node("blue/web1"), SERVER, ECHO),
            }
            for talk in talks.values():
                stack.enter_context(talk)
            pings = self._pings()
            time.sleep(2.0)
            cut = time.monotonic()
            run("ip", "link", "set", "inet1", "down")
            # All bridges of the laboratory stand on one data path; those of two machines would not know each other's
            # connections.
            run("ovs-appctl", "dpctl/flush-conntrack")
            self._wait(lambda: all(name != "gw1" for name in self._serving()), "gw2 takes over")
            decided = time.monotonic() - cut
            time.sleep(5.0)
            until = time.monotonic()
        self.say(f"after: {', '.join(self._serving())}")
        table = Table("connection (TCP)", "must go on", "longest silence", title_justify="left",
                      title=f"the uplink of gw1 was cut; gw2 had taken over {1000 * decided:.0f} ms later")  # fmt: skip
        for name, talk in talks.items():
            gap = talk.gap_after(cut, until)
            survives = "shared" not in name
            right = gap is not None or not survives
            text = f"{1000 * gap:.0f} ms" if gap is not None else f"ended ({talk.broken or 'no answer any more'})"
            table.add_row(name, "yes" if survives else "no", text, style=None if right else "bold red")
            if not right:
                self.wrong.append(f"{name}: the connection did not survive that the gateway failed")
        for name, process in pings.items():
            sent, came = _counts(process.communicate()[0])
            table.add_row(
                f"ping, 100 a second: {name}", "yes", f"{sent - came} of {sent} lost, {10 * (sent - came)} ms"
            )
            if sent - came > sent / 2:
                self.wrong.append(f"{name}: {sent - came} of {sent} pings were lost")
        self.console.print(table)
        for name in ("red/web1", "blue/web1", "blue/web2"):
            self._fetch(name, SERVER)
        self._fetch("red/web2", SERVER, expected=FLOATING)
        self.end_table("pages by the other gateway")

    def _serving(self) -> list[str]:
        """The gateways of the networks that have one."""
        networks = [self.running.client.network(ref) for ref in ("red/web", "blue/web", "green/plain")]
        return [network["exit"]["gateway"] for network in networks]

    def wait_for_routers(self) -> None:
        """Wait until both gateways know the next routers."""

        def known() -> bool:
            hops = [hop for each in self.running.client.gateways() for up in each["uplinks"] for hop in up["next_hops"]]
            return all(hop["answers"] for hop in hops)

        self._wait(known, "the next routers answer")

    def _pings(self) -> dict[str, subprocess.Popen[str]]:
        options = ("ping", "-n", "-q", "-i", "0.01", "-c", "600", "-W", "1")
        return {
            "blue/web2 by a shared address": self.lab.popen(
                self.topology.find("blue/web2/eth0"), (*options, SERVER), stdout=subprocess.PIPE
            ),
            "the Internet to a floating address": self.outside.popen((*options, FLOATING), stdout=subprocess.PIPE),
        }

    def _wait(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + TAKEN_OVER_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                raise LabError(f"{what}: not within {TAKEN_OVER_SECONDS:g} s")
            time.sleep(0.005)

    # --- the control ------------------------------------------------------------------------------------------------

    def tamper(self) -> str:
        """Take for red's what comes back for blue, on the gateway. The controller would put it right: it ends."""
        red, blue = (self.running.client.network(ref) for ref in ("red/web", "blue/web"))
        switch, stand_in = blue["exit"]["gateway"], ip_address("100.64.0.0") + blue["exit"]["zone"]
        self.running.controller.stop()
        into = sets(red["number"], 0)
        alter(self.lab, switch, rf"table=54.*nw_dst={stand_in}", SETS, into)
        return f"on {switch}, what comes back from the Internet for blue is now taken for red's"


def _said(page: Page | None) -> str:
    return f"{page.server} saw {page.address} port {page.port}" if page is not None else "nothing"


def _counts(report: str) -> tuple[int, int]:
    """How many pings were sent, and answered, as ping says at its end."""
    line = next(line for line in report.splitlines() if "packets transmitted" in line)
    words = line.split()
    return int(words[0]), int(words[3])


def main() -> int:
    tampered = is_tampered(__doc__, "alter one row on a gateway first")
    console = show.console()
    console.print("ryu-vnet: the Internet through gateways\n", style="bold")
    with RunningLab("internet") as running:
        outside = running.lab.outside["internet"]
        for address in (f"{SERVER}/32", f"{SERVER6}/128"):
            outside.add_address(address)
        outside.add_route(PREFIXES, "dev")
        demo = Demo(running, console)
        demo.wait_for_routers()
        with Server(outside.namespace, "server"):
            if tampered:
                demo.say(f"tampered: {demo.tamper()}")
            demo.out()
            if not tampered:
                demo.let_in()
                demo.routed()
                demo.spoofed()
                demo.switch_over()
                demo.say(f"negative control: {demo.tamper()}")
                wrong, demo.wrong = demo.wrong, []
                demo.out()
                noticed, demo.wrong = demo.wrong, wrong
                demo.must_notice(noticed)
    return show.verdict(console, demo.wrong, "" if tampered else ", and the control was noticed")


sandbox.main(main)
