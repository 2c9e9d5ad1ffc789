"""How long a move takes: from the moment that everybody is to know it until all switches do."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from statistics import median

from ryu_vnet.schema import FabricSpec, Intent

from . import ovsdb
from .bridges import access_port, hosts_of
from .controller import Controller
from .fleet import Fleet
from .floor import Floor
from .results import Figure, Results, milliseconds, p99

SECTION = "intents"
PATIENCE_SECONDS = 10.0
PORT = "mv{}"
"""The ports that are added, by number."""
EVENTS = 1000


def hosts(fabric: FabricSpec) -> list[str]:
    """Hosts, in turns one of each segment, as many of each as the smallest has."""
    return [name for group in zip(*hosts_of(fabric).values(), strict=False) for name in group]


def ports_needed(fabric: FabricSpec, intent: Intent, count: int) -> int:
    """How many access ports a host is to have so that there are `count` for machines that come."""
    used = Counter(
        interface.at.partition(":")[0]
        for tenant in intent.tenants.values()
        for node in tenant.nodes.values()
        for interface in node.interfaces.values()
        if interface.at is not None
    )
    return max(used.values()) + -(-count // len(hosts(fabric)))


def measure(
    results: Results,
    controller: Controller,
    fleet: Fleet,
    fabric: FabricSpec,
    intent: Intent,
    repetitions: int,
    least: Floor,
) -> None:
    """Machines of the last tenant move to other hosts, one after the other."""
    tenant, spec = [*intent.tenants.items()][-1]
    places = {name: node.interfaces["eth0"].at or "" for name, node in spec.nodes.items()}
    free = free_places(fabric, intent, ports_needed(fabric, intent, 2 * repetitions))
    who = iter(places.items())
    print("machines move", flush=True)
    now = []
    for _ in range(repetitions):
        node, place = next(who)
        now.append(_moved_now(controller, tenant, node, _elsewhere(free, place)))
    signs, followed = [], []
    for number in range(repetitions):
        node, place = next(who)
        host = _elsewhere(free, place).partition(":")[0]
        sign, seconds = _followed(controller, fleet, tenant, node, host, PORT.format(number))
        signs.append(sign)
        followed.append(seconds)
    _report(results, "asked for with --now, to realised", now, least, "")
    alone = [_alone(fleet, number) for number in range(repetitions)]
    beside = (
        f"; until the controller knows of the port {milliseconds(signs)}; a port more on a bridge without controller "
    )
    beside += f"keeps its Open vSwitch busy for {milliseconds(alone)}"
    _report(results, "from its new port being added to its host, to realised", followed, least, beside)


def free_places(fabric: FabricSpec, intent: Intent, ports: int) -> list[str]:
    """Free places, in turns one of each host."""
    used = {
        interface.at
        for tenant in intent.tenants.values()
        for node in tenant.nodes.values()
        for interface in node.interfaces.values()
    }
    every = [f"{host}:{access_port(host, number)}" for number in range(ports) for host in hosts(fabric)]
    return [place for place in every if place not in used]


def _elsewhere(free: list[str], place: str) -> str:
    """The first free place on another host, which is free no more."""
    host = place.partition(":")[0]
    index = next(index for index, one in enumerate(free) if one.partition(":")[0] != host)
    return free.pop(index)


def _moved_now(controller: Controller, tenant: str, node: str, to: str) -> float:
    body = {"to": {"eth0": to}, "now": True}
    start = time.perf_counter()
    answer = controller.ask("POST", f"/v1/tenants/{tenant}/nodes/{node}/move?wait={PATIENCE_SECONDS:g}", body)
    seconds = time.perf_counter() - start
    if not answer["realised"]:
        raise RuntimeError(f"the move of {node} to {to}: {answer}")
    return seconds


def _followed(
    controller: Controller, fleet: Fleet, tenant: str, node: str, host: str, port: str
) -> tuple[float, float]:
    """Announce a move, then add the port: seconds from then until the controller knew of the port, and until all
    switches knew of the move."""
    path = f"/v1/tenants/{tenant}/nodes/{node}"
    place = f"{host}:{port}"
    prepared = controller.ask("POST", f"{path}/move", {"to": {"eth0": place}})["revision"]
    # It is not realised before that port is there; what else it needs is.
    controller.wait(lambda: _waits_for_port(controller, prepared, host), "the move is prepared", 10, 0.02)
    start = time.time()
    ovsdb.transact(fleet.daemon(host).folder / "db.sock", ovsdb.one_port(host, port))
    controller.wait(
        lambda: controller.ask("GET", path)["interfaces"]["eth0"]["at"] == place, "it is followed", 10, 0.02
    )
    found: dict[int, float] = {}
    controller.wait(
        lambda: found.update(realised(controller, f"{tenant}/{node}")) or max(found, default=0) > prepared,
        "it is told",
        10,
        0.1,
    )
    arrived = min(revision for revision in found if revision > prepared)
    return found[prepared] - start, found[arrived] - start


def _alone(fleet: Fleet, number: int) -> float:
    """How long an Open vSwitch takes for one port more, on a bridge that has no controller."""
    strangers = [bridge.name for bridge in fleet.bridges if not bridge.controlled]
    bridge = strangers[number % len(strangers)]
    database = fleet.daemon(bridge).folder / "db.sock"
    start = time.perf_counter()
    ovsdb.transact(database, ovsdb.one_port(bridge, f"alone{number}"))
    while not ovsdb.carried_out(database):
        time.sleep(0.0005)
    return time.perf_counter() - start


def _waits_for_port(controller: Controller, revision: int, host: str) -> bool:
    answer = controller.ask("GET", f"/v1/revisions/{revision}")
    return {part["switch"] for part in answer["pending"]} <= {host}


def realised(controller: Controller, subject: str) -> Iterator[tuple[int, float]]:
    """The revisions of a node that are realised, and since when, in seconds since 1970: to the millisecond, as the
    controller's events say it. Asking for each again and again would make the controller slower."""
    path = f"/v1/events?kind=realised&newest=1&limit={EVENTS}&subject={subject}"
    for event in controller.ask("GET", path)["events"]:
        when = datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()
        yield event["details"]["revision"], when


def _report(results: Results, what: str, seconds: list[float], least: Floor, beside: str) -> None:
    results.add(
        Figure(
            SECTION,
            f"a machine moves, {what}: median / 99th percentile",
            milliseconds(seconds),
            beside=f"{len(seconds)} moves; floor {milliseconds(least.seconds)}{beside}",
            values={"median": median(seconds), "p99": p99(seconds), "floor": least.median},
        )
    )
