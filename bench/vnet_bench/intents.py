"""Policies over thousands of nodes, and what single requests of others wait for them; and machines that move.

A tenant's policy gives every unit a network of its own, by template. It is made, changed and removed by one request
each. Another tenant's nodes are attached and detached one by one all the time.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from ryu_vnet.schema import FabricSpec, Intent, NodeSpec, TenantSpec

from . import discovering, moves
from .bridges import bridges_of, probes
from .channels import Channels
from .controller import Controller
from .fabrics import located, sized
from .fleet import Fleet
from .floor import Floor, floor
from .results import Figure, Results, milliseconds, p99
from .scale import CONCERNED, fill, in_step
from .steady import Member, Steady
from .tenants import tenants

SECTION = "intents"
MEMBERS = 50
"""Nodes of one unit, and so of one network."""
OTHERS = 500
"""Nodes of the tenant whose requests are single ones."""
PROBES = 20
MANY, FEW = "t1", "t2"
POLICY = "/v1/policies/units"
CALM_SECONDS = 5.0
"""How long single requests are measured with nothing beside them, and go on between one change and the next."""
REST_SECONDS = 0.5
"""What is due in the last of that may be late because of the first change."""
REALISED_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Change:
    """One request for a policy: seconds until it was answered and until all switches had it, and those that single
    requests of others took which were due meanwhile."""

    answered: float
    realised: float
    beside: list[float]


def measure(results: Results, switches: int, nodes: int, repetitions: int) -> None:
    """`nodes` of one tenant under a policy, and `repetitions` moves of each kind."""
    fabric = sized(switches)
    intent = Intent.model_construct(fabric=fabric, tenants=_tenants(fabric, nodes))
    spare = moves.ports_needed(fabric, intent, 4 * repetitions)
    with tempfile.TemporaryDirectory(prefix="vnet-bench-") as name:
        folder = Path(name)
        bridges = bridges_of(intent, access=spare) + probes(PROBES)
        print(f"starting {len(bridges)} switches", flush=True)
        with Fleet(folder / "ovs", bridges) as fleet:
            whole = Intent.model_construct(fabric=located(fabric, fleet.databases), tenants=intent.tenants)
            controller = Controller(folder)
            fill(controller.store, whole)
            fleet.connect(controller.target)
            with controller:
                controller.wait(lambda: in_step(controller, switches), "all switches are in step", between=0.5)
                own = [fleet.management(bridge.name) for bridge in bridges if not bridge.controlled]
                with Channels.dialled(own) as channels:
                    least = floor(channels, CONCERNED, 100)
                _policies(results, controller, intent.tenants[FEW], nodes, least)
                moves.measure(results, controller, fleet, fabric, intent, repetitions, least)
                discovering.measure(results, controller, fleet, fabric, intent, repetitions, least)


def _tenants(fabric: FabricSpec, nodes: int) -> dict[str, TenantSpec]:
    """A tenant whose nodes are in units and in no network, and one whose nodes are in networks."""
    networks = nodes // MEMBERS
    found = tenants(fabric, nodes + OTHERS, networks + OTHERS // MEMBERS, networks_per_tenant=networks)
    found[MANY].networks.clear()
    for node in found[MANY].nodes.values():
        (interface,) = node.interfaces.values()
        node.unit, interface.networks = interface.networks[0], []
    return found


def members_of(tenant: str, nodes: dict[str, NodeSpec]) -> list[Member]:
    """Who is in which network, by request."""
    return [
        (tenant, network, name)
        for name, node in nodes.items()
        for interface in node.interfaces.values()
        for network in interface.networks
    ]


def _policies(results: Results, controller: Controller, others: TenantSpec, nodes: int, least: Floor) -> None:
    """Make, change and remove the policy; single requests go on before, meanwhile and after."""
    with Steady(controller.api_port, members_of(FEW, others.nodes), seed=1) as steady:
        start = time.perf_counter()
        time.sleep(CALM_SECONDS)
        end = time.perf_counter()
        time.sleep(REST_SECONDS)
        changes = {}
        for what, method, template in (
            ("made", "PUT", "{unit}"),
            ("changed", "PUT", "u-{unit}"),
            ("gone", "DELETE", ""),
        ):
            print(f"a policy over {nodes:,} nodes is {what}", flush=True)
            changes[what] = _change(controller, method, template)
            time.sleep(CALM_SECONDS)
    calm = steady.between(start, end)
    _single(results, "nothing beside it", calm, least)
    for what, (since, answered, realised) in changes.items():
        one = Change(answered - since, realised - since, steady.between(since, realised))
        _report(results, what, nodes, one, least)


def _change(controller: Controller, method: str, template: str) -> tuple[float, float, float]:
    """Ask for it: when it was asked for, answered and realised, by the clock `time.perf_counter`."""
    body = {"match": {"tenant": MANY}, "templates": [template]} if template else None
    since = time.perf_counter()
    answer = controller.ask(method, POLICY, body)
    answered = time.perf_counter()
    if not controller.ask("GET", f"/v1/revisions/{answer['revision']}?wait={REALISED_SECONDS}")["realised"]:
        raise RuntimeError(f"revision {answer['revision']} is not realised after {REALISED_SECONDS} s")
    return since, answered, time.perf_counter()


def _report(results: Results, what: str, nodes: int, one: Change, least: Floor) -> None:
    results.add(
        Figure(
            SECTION,
            f"a policy over {nodes:,} nodes is {what}, one request: answered / realised by all switches",
            f"{one.answered:.2f} / {one.realised:.2f} s",
            beside=f"{nodes / one.realised:,.0f} nodes a second; floor {milliseconds(least.seconds)}",
            values={"answered": one.answered, "realised": one.realised, "floor": least.median},
        )
    )
    _single(results, f"that policy being {what}", one.beside, least)


def _single(results: Results, beside: str, seconds: list[float], least: Floor) -> None:
    if not seconds:
        raise RuntimeError(f"no single request was due with {beside}")
    results.add(
        Figure(
            SECTION,
            f"attach or detach of another tenant's node, {beside}: median / 99th percentile / longest",
            f"{milliseconds(seconds).removesuffix(' ms')} / {max(seconds) * 1000:.2f} ms",
            beside=f"{len(seconds)} requests, 20 a second; floor {milliseconds(least.seconds)}",
            values={"median": median(seconds), "p99": p99(seconds), "max": max(seconds), "floor": least.median},
        )
    )
