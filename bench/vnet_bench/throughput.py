"""What one TCP connection gets through our fabric, through a chain of bridges that only forward, and through OVN's
tunnel.

    node ── h1 ── e1 ──── c1 ──── e2 ── h2 ── node  ours: host, edge, core, edge, host, in one ovs-vswitchd
              tag   labels  labels  tag             what a frame carries: the tag of its segment, or two labels
    node ── p1 ── p2 ──── p3 ──── p4 ── p5 ── node  plain: in one ovs-vswitchd, `in_port=1 -> 2` and back

    node ── x1 ──── x2 ── node                      ours, as OVN has it: two hosts, each with an ovs-vswitchd of its
              labels                                own, and one wire between them; each is its segment's edge

All run the userspace data path (`datapath_type=netdev`), all wires are veth pairs, and the rows of ours are those of
the controller, which runs beside as its users run it. No chain shares an ovs-vswitchd with another: it looks at every
port in turn, so what others do there would take time from both sides of a comparison and hide how they differ. Each
ovs-vswitchd and each node is in a network namespace of its own.
"""

from __future__ import annotations

import re
import socket
import socketserver
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from threading import Thread
from typing import Any

from .controller import Controller
from .dummy_ovs import PROTOCOLS, SCHEMA
from .ovn_children import Children, check_programs, wait_until
from .ovn_tunnel import OvnTunnel
from .results import Figure, Results, spread
from .traffic import Namespace, join, tcp_throughput

SECTION = "throughput"
PICTURE = "TCP throughput in Mbit a second against repetition"
NODE_MTU = 1500
WIRE_MTU = 1600
"""Between bridges: the nodes' and 22 bytes of labels and inner Ethernet header, with room; as OVN's wire has it."""
PLAIN_TARGET, OVN_TARGET = 0.95, 1.0
REALISED_SECONDS = 60
LEFT, RIGHT = 1, 2
"""The two ports that each bridge has."""
MISSED = re.compile(r"miss with success upcall: *(\d+)")


@dataclass(frozen=True, slots=True)
class Chain:
    """Bridges from left to right, each with its segment (None for a core switch), and a node at either end.

    `number`, from 1, makes what has to be unlike that of other chains: datapath identifiers and addresses. `apart`
    says that each bridge has an ovs-vswitchd of its own.
    """

    number: int
    bridges: tuple[tuple[str, str | None], ...]
    apart: bool = False

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.bridges]

    @property
    def addresses(self) -> tuple[str, str]:
        """The IP addresses of the two nodes."""
        return f"10.0.{self.number}.1", f"10.0.{self.number}.2"

    @property
    def macs(self) -> tuple[str, str]:
        return f"02:00:00:00:{self.number:02x}:01", f"02:00:00:00:{self.number:02x}:02"

    @property
    def places(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Bridge and port of the two nodes."""
        first, last = self.names[0], self.names[-1]
        return (first, _port(first, LEFT)), (last, _port(last, RIGHT))

    def dpid(self, name: str) -> int:
        return 100 * self.number + self.names.index(name)


OURS = Chain(1, (("h1", "A"), ("e1", "A"), ("c1", None), ("e2", "B"), ("h2", "B")))
PLAIN = Chain(2, (("p1", None), ("p2", None), ("p3", None), ("p4", None), ("p5", None)))
PAIR = Chain(3, (("x1", "C"), ("x2", "D")), apart=True)
TITLES = {
    "ours": f"ours, {len(OURS.names)} bridges",
    "plain": f"plain forwarding, {len(PLAIN.names)} bridges",
    "pair": "ours, two hosts",
    "ovn": "OVN's Geneve tunnel, two hosts",
}
"""What is measured, by a short name."""


class UserspaceOvs:
    """ovsdb-server and ovs-vswitchd over the userspace data path, in a folder and a network namespace of their own.

    Two of them cannot share a namespace: each makes a device `ovs-netdev` there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self.database = f"unix:{folder / 'db.sock'}"

    def __enter__(self) -> UserspaceOvs:
        self._folder.mkdir(parents=True)
        database, listening = self._folder / "conf.db", self._folder / "db.sock"
        with ExitStack() as stack:
            self.namespace = stack.enter_context(Namespace())
            self._children = Children(self._folder, self.namespace.path)
            stack.callback(self._children.stop)
            self._children.run("ovsdb-tool", "create", str(database), str(SCHEMA))
            self._children.spawn("ovsdb-server", str(database), f"--remote=punix:{listening}", ready=listening)
            self._vsctl("--no-wait", "init")
            self._switch = self._children.spawn("ovs-vswitchd", self.database, "--disable-system")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add_bridge(self, name: str, dpid: int, mtus: Sequence[int], controller: Path | None) -> None:
        """Add a bridge with its two ports, set up as a bridge of a fabric has to be, and its controller if any."""
        settings = ["datapath_type=netdev", "fail_mode=secure", f"protocols={PROTOCOLS}"]
        command = ["add-br", name, "--", "set", "bridge", name, *settings, f"other-config:datapath-id={dpid:016x}"]
        for side, mtu in zip((LEFT, RIGHT), mtus, strict=True):
            port = _port(name, side)
            # The device has its MTU already; Open vSwitch sets it again whenever it opens the port.
            command += ["--", "add-port", name, port, "--", "set", "interface", port, f"ofport_request={side}"]
            command += [f"mtu_request={mtu}"]
        if controller is not None:
            # A switch opens no socket file but in its own folder.
            here = self._folder / f"{name}.controller"
            here.symlink_to(controller)
            command += ["--", "set-controller", name, f"unix:{here}", "--", "set", "controller", name]
            command += ["connection_mode=out-of-band", "max_backoff=1000"]
        self._vsctl(*command)

    def forward(self, name: str) -> None:
        """Have a bridge send out of each port what came in by the other, and nothing else."""
        for came_in, goes_out in ((LEFT, RIGHT), (RIGHT, LEFT)):
            row = f"in_port={came_in},actions=output:{goes_out}"
            self._children.run("ovs-ofctl", f"--protocols={PROTOCOLS}", "add-flow", name, row)

    def missed(self) -> int:
        """For how many packets the data path has had no flow so far, so that the tables were gone through
        ("upcalls")."""
        shown = self._children.appctl(self._switch, "dpif-netdev/pmd-stats-show")
        return sum(map(int, MISSED.findall(shown)))

    def _vsctl(self, *arguments: str) -> None:
        self._children.run("ovs-vsctl", f"--db={self.database}", *arguments)


class Line:
    """A chain that is set up, from entering the context until leaving it.

    `controller` is the socket file of its bridges' controller; without one they only forward.
    """

    def __init__(self, chain: Chain, folder: Path, controller: Path | None = None) -> None:
        self.chain = chain
        self._folder = folder
        self._controller = controller
        self._stack = ExitStack()

    def __enter__(self) -> Line:
        chain = self.chain
        with ExitStack() as stack:
            if chain.apart:
                self._daemons = [stack.enter_context(UserspaceOvs(self._folder / name)) for name in chain.names]
            else:
                self._daemons = [stack.enter_context(UserspaceOvs(self._folder))] * len(chain.names)
            self._nodes = [stack.enter_context(Namespace()) for _ in chain.places]
            self._wire()
            ends = {port for _, port in chain.places}
            for name, daemon in zip(chain.names, self._daemons, strict=True):
                mtus = [NODE_MTU if _port(name, side) in ends else WIRE_MTU for side in (LEFT, RIGHT)]
                daemon.add_bridge(name, chain.dpid(name), mtus, self._controller)
                if self._controller is None:
                    daemon.forward(name)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def databases(self) -> dict[str, str]:
        """Where the database of each bridge listens."""
        return {name: daemon.database for name, daemon in zip(self.chain.names, self._daemons, strict=True)}

    @property
    def nodes(self) -> tuple[Namespace, Namespace]:
        """The namespaces of the left node and the right one."""
        left, right = self._nodes
        return left, right

    def missed(self) -> int:
        """For how many packets its data paths have had no flow so far."""
        return sum(daemon.missed() for daemon in dict.fromkeys(self._daemons))

    def throughput(self, seconds: int) -> float:
        """What one TCP connection carries from the left node to the right one, in Mbit/s."""
        left, right = self._nodes
        return tcp_throughput(left.path, right.path, self.chain.addresses[1], seconds)

    def answers(self) -> bool:
        """Whether a ping from the left node is answered by the right one."""
        try:
            self._nodes[0].run("ping", "-q", "-c", "1", "-W", "1", self.chain.addresses[1])
        except RuntimeError:
            return False
        return True

    def _wire(self) -> None:
        """Make the wires between bridges and to the nodes, and bring them up."""
        places = zip(self.chain.names, self._daemons, strict=True)
        for (left, here), (right, there) in pairwise(places):
            join(here.namespace, _port(left, RIGHT), there.namespace, _port(right, LEFT))
            here.namespace.set_up(_port(left, RIGHT), mtu=WIRE_MTU)
            there.namespace.set_up(_port(right, LEFT), mtu=WIRE_MTU)
        for end, node in zip((0, -1), self._nodes, strict=True):
            (_, port), host = self.chain.places[end], self._daemons[end].namespace
            join(host, port, node, "eth0")
            host.set_up(port, mtu=NODE_MTU)
            address = f"{self.chain.addresses[end]}/24"
            node.set_up("eth0", mtu=NODE_MTU, address=address, mac=self.chain.macs[end])


@contextmanager
def laboratory(folder: Path) -> Iterator[dict[str, Line]]:
    """The picture above, but for OVN, under the keys of `TITLES`; every ping gets through."""
    path = folder / "openflow.sock"
    with ExitStack() as stack:
        controller = stack.enter_context(Controller(folder))
        stack.enter_context(relay(path, controller.openflow_port))
        lines = {
            "ours": stack.enter_context(Line(OURS, folder / "ours", path)),
            "pair": stack.enter_context(Line(PAIR, folder / "pair", path)),
            "plain": stack.enter_context(Line(PLAIN, folder / "plain")),
        }
        answer = controller.ask("POST", f"/v1/apply?wait={REALISED_SECONDS}", _intent(lines["ours"], lines["pair"]))
        if not answer["realised"]:
            raise RuntimeError(f"the fabric is not ready after {REALISED_SECONDS} s: {answer['pending']}")
        for line in lines.values():
            wait_until(line.answers, f"a ping gets through {line.chain.names}")
        yield lines


class _Carrier(socketserver.BaseRequestHandler):
    """Takes what a bridge says to the controller, and back."""

    def handle(self) -> None:
        assert isinstance(self.server, _Relay)
        # A controller that does not listen yet: the bridge tries again.
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.server.port)) as controller:
            Thread(target=_carry, args=(controller, self.request), daemon=True).start()
            _carry(self.request, controller)


class _Relay(socketserver.ThreadingUnixStreamServer):
    daemon_threads, block_on_close = True, False
    port: int


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def relay(path: Path, port: int) -> Iterator[None]:
    """A socket file that leads to the controller: bridges have only loopback in their namespaces, and not ours."""
    with _Relay(str(path), _Carrier) as relay:
        relay.port = port
        Thread(target=relay.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            relay.shutdown()


def measure(results: Results, seconds: int = 5, repetitions: int = 3) -> None:
    """Take all figures, each way for `seconds` in each repetition. Without OVN, the comparison with it says so."""
    found: dict[str, list[float]] = {way: [] for way in TITLES}
    missing = _missing()
    with tempfile.TemporaryDirectory(prefix="vnet-bench-") as name, ExitStack() as stack:
        lines = stack.enter_context(laboratory(Path(name)))
        ways: dict[str, Callable[[int], float]] = {way: line.throughput for way, line in lines.items()}
        if not missing:
            ways["ovn"] = stack.enter_context(OvnTunnel(Path(name) / "ovn")).throughput
        for turn in range(1, repetitions + 1):
            for way, rate in _in_turns(ways, seconds).items():
                found[way].append(rate)
                results.point(PICTURE, TITLES[way], turn, rate)
    _report_plain(results, found)
    _report_ovn(results, found, missing)


def _in_turns(ways: Mapping[str, Callable[[int], float]], seconds: int) -> dict[str, float]:
    """The mean rate of each way over `seconds`, which it has one at a time, in turns with the others: what else the
    machine does for a while then concerns all of them alike."""
    rates: dict[str, list[float]] = {way: [] for way in ways}
    order = [way for way in TITLES if way in ways]
    for second in range(seconds):
        for way in order if second % 2 else reversed(order):
            rates[way].append(ways[way](1))
    return {way: mean(one) for way, one in rates.items()}


def _report_plain(results: Results, found: dict[str, list[float]]) -> None:
    ratios = _ratios(found["ours"], found["plain"])
    results.add(
        Figure(
            SECTION,
            f"TCP through {len(OURS.names)} bridges (tag, two labels, tag) against as many that only forward, "
            "userspace data path",
            f"{median(ratios):.3f} x ({spread(ratios)})",
            f"{PLAIN_TARGET:g} x",
            median(ratios) >= PLAIN_TARGET,
            f"{_rate(found['ours'])} against {_rate(found['plain'])}",
            {"ratio": median(ratios), "ours": median(found["ours"]), "plain": median(found["plain"])},
        )
    )


def _report_ovn(results: Results, found: dict[str, list[float]], missing: str) -> None:
    what = "TCP from host to host over one wire (two labels) against OVN's Geneve tunnel, userspace data path"
    if missing:
        ours = {"ours": median(found["pair"])}
        results.add(Figure(SECTION, what, "OVN IS NOT INSTALLED: not compared", "ahead", None, missing, ours))
        return
    ratios = _ratios(found["pair"], found["ovn"])
    results.add(
        Figure(
            SECTION,
            what,
            f"{median(ratios):.3f} x ({spread(ratios)})",
            "ahead",
            median(ratios) > OVN_TARGET,
            f"{_rate(found['pair'])} against {_rate(found['ovn'])}; two bridges with a daemon each on either side",
            {"ratio": median(ratios), "ours": median(found["pair"]), "ovn": median(found["ovn"])},
        )
    )


def _missing() -> str:
    """Which programs of OVN's are not here, with their packages; empty where all are."""
    try:
        check_programs()
    except RuntimeError as error:
        return str(error)
    return ""


def _intent(*lines: Line) -> dict[str, Any]:
    """The chains as one fabric, and of each its two nodes in a network of their own."""
    switches: dict[str, Any] = {}
    networks: dict[str, Any] = {}
    nodes: dict[str, Any] = {}
    links = []
    for line in lines:
        chain, network = line.chain, f"net{line.chain.number}"
        for name, segment in chain.bridges:
            switches[name] = {"dpid": chain.dpid(name), "segment": segment, "ovsdb": line.databases[name]}
        for (left, segment), (right, other) in pairwise(chain.bridges):
            kind = "trunk" if segment is not None and segment == other else "core"
            links.append({"kind": kind, "a": f"{left}:{_port(left, RIGHT)}", "b": f"{right}:{_port(right, LEFT)}"})
        networks[network] = {}
        for (switch, port), address, mac in zip(chain.places, chain.addresses, chain.macs, strict=True):
            eth0 = {"mac": mac, "ips": [address], "at": f"{switch}:{port}", "network": network}
            nodes[f"at-{switch}"] = {"running": True, "interfaces": {"eth0": eth0}}
    fabric = {"mtu": NODE_MTU, "switches": switches, "links": links}
    return {"fabric": fabric, "tenants": {"red": {"networks": networks, "nodes": nodes}}}


def _port(bridge: str, side: int) -> str:
    return f"{bridge}-{side}"


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [our / their for our, their in zip(ours, theirs, strict=True)]


def _rate(found: Sequence[float]) -> str:
    return f"{median(found):,.0f} Mbit/s ({min(found):,.0f} to {max(found):,.0f})"
