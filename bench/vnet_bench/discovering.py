"""How long a machine takes that nobody asks for: from the word in its host's database until all switches have it."""

from __future__ import annotations

import time
from statistics import median

from ryu_vnet.schema import FabricSpec, Intent

from . import ovsdb
from .controller import Controller
from .fleet import Fleet
from .floor import Floor
from .moves import free_places, ports_needed, realised
from .results import Figure, Results, milliseconds, p99
from .scale import READ_SECONDS, are_read

SECTION = "intents"
PATIENCE_SECONDS = 10.0


def measure(
    results: Results,
    controller: Controller,
    fleet: Fleet,
    fabric: FabricSpec,
    intent: Intent,
    repetitions: int,
    least: Floor,
) -> None:
    """Machines of the last tenant come up, one after the other, each on a port that is there."""
    tenant, spec = [*intent.tenants.items()][-1]
    free = free_places(fabric, intent, ports_needed(fabric, intent, 4 * repetitions))[-repetitions:]
    network = next(name for node in spec.nodes.values() for name in node.interfaces["eth0"].networks)
    print("machines come by themselves", flush=True)
    controller.wait(lambda: are_read(controller), "all databases are read", READ_SECONDS, 0.2)
    seconds = [_came(controller, fleet, tenant, network, f"new{number}", at) for number, at in enumerate(free)]
    results.add(
        Figure(
            SECTION,
            "a machine comes, from the word in its host's database to realised: median / 99th percentile",
            milliseconds(seconds),
            beside=f"{len(seconds)} machines; floor {milliseconds(least.seconds)}",
            values={"median": median(seconds), "p99": p99(seconds), "floor": least.median},
        )
    )


def _came(controller: Controller, fleet: Fleet, tenant: str, network: str, name: str, at: str) -> float:
    """Declare a node, then say in a database where it is: seconds from then until all switches had it."""
    path = f"/v1/tenants/{tenant}/nodes/{name}"
    declared = controller.ask("PUT", path, {"interfaces": {"eth0": {"networks": [network]}}})["revision"]
    host, _, port = at.partition(":")
    socket = fleet.daemon(host).folder / "db.sock"
    start = time.time()
    ovsdb.transact(socket, ovsdb.said_of(port, iface_id=f"{tenant}/{name}"))
    found: dict[int, float] = {}
    controller.wait(
        lambda: found.update(realised(controller, f"{tenant}/{name}")) or max(found, default=0) > declared,
        "it is told",
        PATIENCE_SECONDS,
        0.1,
    )
    return found[max(found)] - start
