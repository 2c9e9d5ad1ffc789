"""Tables are a function of the model: whatever order things happened in, and after any restart.

A random sequence of requests and port changes is done one by one; then everything is compiled anew from what is on
disk, and must be the same, row by row.
"""

from __future__ import annotations

import random
from contextlib import suppress

from drawn import intents, plug_everything
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_store import MemoryStore

from ryu_vnet.compiler.tables import compile_tables
from ryu_vnet.errors import VnetError
from ryu_vnet.fabric.observed import PortState
from ryu_vnet.managers import requests
from ryu_vnet.managers.communication import Effects
from ryu_vnet.managers.system import System
from ryu_vnet.model.documents import from_document
from ryu_vnet.model.state import Model
from ryu_vnet.schema import Intent


def build_up(system: System, intent: Intent, chance: random.Random) -> None:
    """The intent in single requests: what must come first first, the rest in any order, with detours."""
    assert intent.fabric is not None
    system.request(lambda work: requests.put_fabric(work, intent.fabric))  # type: ignore[arg-type]
    edits = []
    for tenant, spec in intent.tenants.items():
        system.request(lambda work, tenant=tenant: requests.put_tenant(work, tenant))  # type: ignore[misc]
        for name, network in chance.sample(sorted(spec.networks.items()), len(spec.networks)):
            system.request(
                lambda work, t=tenant, n=name, s=network: requests.put_network(work, t, n, s)  # type: ignore[misc]
            )
        edits += [(tenant, name, node) for name, node in spec.nodes.items()]
    chance.shuffle(edits)
    for tenant, name, node in edits:
        idle = node.model_copy(update={"running": False})
        steps = [
            lambda work, t=tenant, n=name, s=idle: requests.put_node(work, t, n, s),
            lambda work, t=tenant, n=name: requests.start(work, t, n, {}),
            lambda work, t=tenant, n=name: requests.stop(work, t, n),
            lambda work, t=tenant, n=name: requests.delete_node(work, t, n),
            lambda work, t=tenant, n=name, s=node: requests.put_node(work, t, n, s),
        ]
        for step in steps[chance.randint(0, 4) :]:
            with suppress(VnetError):  # a detour that leads nowhere: a node that is not there cannot be started
                system.request(step)
    for switch in sorted(system.fabric.switches):
        if chance.random() < 0.3:
            report_ports(system, switch, chance)


def report_ports(system: System, switch: str, chance: random.Random) -> None:
    """The switch says that a port is gone, down, or has another number."""
    ports = dict(system.ports.get(switch, {}))
    for name in [*ports]:
        fate = chance.choice(["gone", "down", "renumbered", "stays", "stays"])
        if fate == "gone":
            del ports[name]
        elif fate == "down":
            ports[name] = PortState(ports[name].number, False)
        elif fate == "renumbered":
            ports[name] = PortState(ports[name].number + 100, True)
    system.effect(switch, Effects(ports=ports))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(intents(), st.integers(0, 2**32))
def test_any_order_of_requests_and_a_restart_give_the_same_tables(intent: Intent, seed: int) -> None:
    store, chance = MemoryStore(), random.Random(seed)
    system = System(store, lambda name, messages: None, lambda: 0.0)
    build_up(system, intent, chance)
    plug_everything(system)
    build_up(system, intent, chance)

    values = [
        from_document(document.key, document.value)
        for document in store.list().documents
        if document.key != "fabric" and not document.key.startswith(("observed/", "admitted/", "event/"))
    ]
    chance.shuffle(values)
    assert compile_tables(Model(values), system.topology) == dict(system.tables)

    restarted = System(store, lambda name, messages: None, lambda: 0.0)
    assert dict(restarted.tables) == dict(system.tables)
    assert {name: manager.wanted for name, manager in restarted.switches.items()} == {
        name: manager.wanted for name, manager in system.switches.items()
    }
