"""A whole data centre: cold start, restart, and what one attach or detach takes, beside the floor.

The same thousand switches are used with few nodes and with many; what is compared is only what was measured on the
same switches in the same run.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from ryu_vnet.managers import requests
from ryu_vnet.managers.system import System
from ryu_vnet.schema import Intent
from ryu_vnet.store.sqlite import SqliteStore

from .bridges import bridges_of, probes
from .channels import Channels
from .controller import Controller
from .fabrics import located, sized
from .fleet import Fleet
from .floor import Floor, floor, together
from .results import Figure, Results, milliseconds, p99
from .tenants import tenants

SECTION = "a data centre"
MEMBERS = 50
"""Nodes in one network."""
PROBES = 100
CONCERNED = 3
"""Switches that an attach concerns here: host, rack switch, edge."""
ROUNDS = 10
READ_SECONDS = 120.0
"""How long the controller may take to read the databases of all hosts, which it does when switches are calm."""
LOOK_SECONDS = 1.0
"""From one look at the metrics to the next while switches come: each look counts all rows, and takes time itself."""
MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Attached:
    """Seconds that each attach and each detach took, the floor of the same minutes; processor seconds a request, and
    how many of a request's seconds went into its commit to the disk, on average."""

    attach: list[float]
    detach: list[float]
    floor: Floor
    cpu: float
    disk: float


def measure(results: Results, switches: int, sizes: list[int], repetitions: int) -> None:
    """Take all figures with each number of nodes, the last of which is the one that the targets are about."""
    fabric = sized(switches)
    most = max(sizes)
    intents = {
        nodes: Intent.model_construct(fabric=fabric, tenants=tenants(fabric, nodes, max(1, nodes // MEMBERS)))
        for nodes in sizes
    }
    with tempfile.TemporaryDirectory(prefix="vnet-bench-") as name:
        folder = Path(name)
        bridges = bridges_of(intents[most]) + probes(PROBES)
        print(f"starting {len(bridges)} switches", flush=True)
        with Fleet(folder / "ovs", bridges) as fleet:
            found: dict[int, Attached] = {}
            for nodes in sizes:
                here = folder / str(nodes)
                here.mkdir()
                whole = Intent.model_construct(fabric=located(fabric, fleet.databases), tenants=intents[nodes].tenants)
                with _filled(here, whole) as controller:
                    _start(results, controller, fleet, nodes, most)
                    controller.wait(lambda: are_read(controller), "all databases are read", READ_SECONDS, 0.5)
                    # Dialled anew each time: a connection on which nothing is said for two minutes is given up.
                    with _probes(fleet) as channels:
                        found[nodes] = _attach(controller, whole, channels, repetitions)
                    _restart(results, controller, switches, nodes, most)
                    _empty(fleet)
            _report(results, found)


def fill(store: Path, intent: Intent) -> None:
    """Make a store that holds an intent, as if it had been applied while all switches were away."""
    with SqliteStore(store) as opened:
        system = System(opened, lambda name, chunks: None, time.monotonic)
        system.request(lambda work: requests.apply(work, intent))


@contextmanager
def _probes(fleet: Fleet) -> Iterator[Channels]:
    own = [bridge.name for bridge in fleet.bridges if not bridge.controlled]
    with Channels.dialled([fleet.management(name) for name in own]) as channels:
        yield channels


@contextmanager
def _filled(folder: Path, intent: Intent) -> Iterator[Controller]:
    print("filling the store", flush=True)
    controller = Controller(folder)
    fill(controller.store, intent)
    try:
        yield controller
    finally:
        controller.kill()


def in_step(controller: Controller, count: int) -> bool:
    """Whether so many switches are in step, and all that was asked for is realised."""
    found = controller.metrics()
    return found.get('vnet_switches{state="in step"}', 0) == count and found["vnet_revisions_unacknowledged"] == 0


def are_read(controller: Controller) -> bool:
    """Whether the controller has read the databases of all switches, which it does after all else."""
    databases = controller.ask("GET", "/v1/discovery?limit=1")["databases"]
    return bool(databases) and all(database["connected"] for database in databases)


def _start(results: Results, controller: Controller, fleet: Fleet, nodes: int, most: int) -> None:
    print(f"cold start with {nodes:,} nodes", flush=True)
    count = sum(bridge.controlled for bridge in fleet.bridges)
    fleet.connect(controller.target)
    busy = fleet.cpu_seconds()
    started = time.monotonic()
    controller.start()
    controller.wait(lambda: in_step(controller, count), "all switches are in step", between=LOOK_SECONDS)
    seconds, memory = time.monotonic() - started, controller.memory() / MB
    ours, theirs = controller.cpu_seconds(), fleet.cpu_seconds() - busy
    found = controller.metrics()
    rows = sum(value for name, value in found.items() if name.startswith("vnet_table_rows"))
    sent = found["vnet_messages_sent_total"]
    results.point("cold start, seconds, against nodes", "cold start", nodes, seconds)
    results.point("controller memory in MB against nodes", "resident", nodes, memory)
    results.add(
        Figure(
            SECTION,
            f"cold start of {nodes:,} nodes on {count:,} empty switches",
            f"{seconds:.1f} s, {memory:,.0f} MB",
            "40 s, 1,500 MB" if nodes == most else "",
            (seconds <= 40 and memory <= 1500) if nodes == most else None,
            f"{rows:,.0f} rows ({sent / seconds:,.0f} messages a second); processor time: controller {ours:.0f} s, "
            f"switches {theirs:.0f} s",
            {"seconds": seconds, "megabytes": memory, "messages": sent, "controller": ours, "switches": theirs},
        )
    )


def _attach(controller: Controller, intent: Intent, channels: Channels, repetitions: int) -> Attached:
    """Detach and attach nodes that run, chosen at random, one after the other; in turns with the floor."""
    chance = random.Random(1)
    members = [
        (tenant, network, name)
        for tenant, spec in intent.tenants.items()
        for name, node in spec.nodes.items()
        for interface in node.interfaces.values()
        for network in interface.networks
    ]
    attach: list[float] = []
    detach: list[float] = []
    floors = []
    used = 0.0
    first = controller.metrics()
    for turn in range(ROUNDS):
        floors.append(floor(channels, CONCERNED, max(2, repetitions // ROUNDS), seed=turn))
        before = controller.cpu_seconds()
        for tenant, network, node in chance.sample(members, repetitions // ROUNDS):
            for method, seconds in (("DELETE", detach), ("PUT", attach)):
                started = time.perf_counter()
                answer = controller.member(method, tenant, network, node)
                seconds.append(time.perf_counter() - started)
                if not answer["realised"] or not answer["changed"]:
                    raise RuntimeError(f"{method} of {tenant}/{node}: {answer}")
        used += controller.cpu_seconds() - before
    last = controller.metrics()
    disk = last["vnet_store_commit_seconds_sum"] - first["vnet_store_commit_seconds_sum"]
    commits = last["vnet_store_commit_seconds_count"] - first["vnet_store_commit_seconds_count"]
    return Attached(attach, detach, together(floors), used / (len(attach) + len(detach)), disk / commits)


def _restart(results: Results, controller: Controller, switches: int, nodes: int, most: int) -> None:
    print(f"restart over {nodes:,} nodes", flush=True)
    controller.kill()
    started = time.monotonic()
    controller.start()
    controller.wait(lambda: in_step(controller, switches), "all switches are in step again", between=LOOK_SECONDS)
    seconds = time.monotonic() - started
    sent = controller.metrics()["vnet_messages_sent_total"]
    results.add(
        Figure(
            SECTION,
            f"restart over {nodes:,} nodes on {switches:,} switches: rows and groups sent, ready again",
            f"{sent:.0f}, {seconds:.1f} s",
            "0, 30 s" if nodes == most else "",
            (sent == 0 and seconds <= 30) if nodes == most else None,
            "",
            {"messages": sent, "seconds": seconds},
        )
    )


def _empty(fleet: Fleet) -> None:
    """Take all rows and groups out of all switches that have a controller, as if they were new."""
    for bridge in fleet.bridges:
        if bridge.controlled:
            daemon = fleet.daemon(bridge.name)
            daemon.ofctl("del-flows", bridge.name)
            daemon.ofctl("-OOpenFlow14", "del-groups", bridge.name)


def _report(results: Results, found: dict[int, Attached]) -> None:
    sizes = sorted(found)
    least, most = sizes[0], sizes[-1]
    for nodes in sizes:
        one = found[nodes]
        is_last = nodes == most
        for what, seconds in (("attach", one.attach), ("detach", one.detach)):
            # The disk is told apart: its commit comes before anything is sent, and takes what the disk takes.
            over = median(seconds) - one.floor.median - one.disk, p99(seconds) - one.floor.p99
            results.point("latency in ms against nodes", f"{what}, median", nodes, median(seconds) * 1000)
            results.add(
                Figure(
                    SECTION,
                    f"{what}, request to realised, {nodes:,} nodes: median / 99th percentile",
                    milliseconds(seconds),
                    "floor + disk + 3 / floor + 15 ms" if is_last else "",
                    (over[0] <= 0.003 and over[1] <= 0.015) if is_last else None,
                    f"floor {milliseconds(one.floor.seconds)}, disk {one.disk * 1000:.2f} ms; over that "
                    f"{over[0] * 1000:.2f} / {over[1] * 1000:.2f} ms",
                    {"median": median(seconds), "p99": p99(seconds), "floor": one.floor.median, "disk": one.disk},
                )
            )
        results.point("latency in ms against nodes", "floor, median", nodes, one.floor.median * 1000)
    if most != least:
        ratio = found[most].cpu / found[least].cpu
        results.add(
            Figure(
                SECTION,
                f"processor time a request, {most:,} nodes against {least:,}",
                f"{ratio:.2f} x",
                "1.3 x",
                ratio <= 1.3,
                f"{found[most].cpu * 1000:.2f} ms against {found[least].cpu * 1000:.2f} ms",
                {"ratio": ratio},
            )
        )
