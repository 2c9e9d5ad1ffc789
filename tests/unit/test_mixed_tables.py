"""Switches do not change at the same moment, and some are away for days: with any of them still on its old table,
nobody may receive a frame of a network that he was in neither before nor after, and no frame may go round.
"""

from __future__ import annotations

import random

from drawn import Endpoint, all_in_step, applied, endpoints, intents, plug_everything, simulator
from drawn_frames import to_everybody, unicast
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ryu_vnet.errors import VnetError
from ryu_vnet.managers import requests
from ryu_vnet.managers.communication import State
from ryu_vnet.managers.system import System
from ryu_vnet.schema import FabricSpec, Intent, InterfaceSpec, LinkSpec, NetworkSpec, NodeSpec, SwitchSpec, TenantSpec

NONE: frozenset[str] = frozenset()


def networks(ends: list[Endpoint]) -> dict[tuple[str, int], frozenset[str]]:
    """The networks that each access port is in, by switch and number."""
    return {(end.switch, end.port): end.networks for end in ends}


def move_nodes(intent: Intent, chance: random.Random) -> Intent:
    """Some nodes stop, others change their network."""
    changed = intent.model_copy(deep=True)
    for tenant in changed.tenants.values():
        for node in tenant.nodes.values():
            if chance.random() < 0.4:
                node.running = not node.running
            for interface in node.interfaces.values():
                if chance.random() < 0.4:
                    interface.networks = [name for name in tenant.networks if chance.random() < 0.5]
    return changed


def rename_segments(intent: Intent, chance: random.Random) -> Intent:
    """Segments change their names, or two of them swap."""
    changed = intent.model_copy(deep=True)
    assert changed.fabric is not None
    names = sorted({switch.segment for switch in changed.fabric.switches.values() if switch.segment})
    new = chance.choice([names[::-1], [f"new{name}" for name in names]])
    for switch in changed.fabric.switches.values():
        if switch.segment:
            switch.segment = new[names.index(switch.segment)]
    return changed


def check(system: System, old: System, before: Intent, after: Intent, stale: set[str]) -> None:
    """Frames of all, over the new tables of some switches and the old ones of the `stale`."""
    tables = {name: old.tables[name] if name in stale else table for name, table in system.tables.items()}
    fabric = simulator(system, tables)
    was, is_now = networks(endpoints(old, before)), networks(endpoints(system, after))
    for source in [*endpoints(old, before), *endpoints(system, after)]:
        own = source.switch, source.port
        allowed = was.get(own, NONE) | is_now.get(own, NONE)
        for frame in [*to_everybody(source), *(f for end in endpoints(system, after) for f in unicast(source, end))]:
            trace = fabric.inject(source.switch, source.port, frame)
            assert not trace.anomalies, trace.text()
            for place in trace.delivered_to():
                assert (was.get(place, NONE) | is_now.get(place, NONE)) & allowed, trace.text()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(intents(several=True), st.integers(0, 2**32))
def test_switches_that_still_have_their_old_tables_leak_nothing(before: Intent, seed: int) -> None:
    chance = random.Random(seed)
    system, old = applied(before), applied(before)
    change = chance.choice([move_nodes, rename_segments])
    after = change(before, chance)
    away = {name for name in system.switches if chance.random() < 0.5}
    for name in away:
        system.switches[name].state = State.AWAY
    try:
        system.request(lambda work: requests.apply(work, after))
    except VnetError:
        return  # no tag is free before what was given back has rested, say: then nothing has changed
    check(system, old, before, after, set(system.switches) & set(old.tables))
    check(system, old, before, after, away)
    all_in_step(system, away)
    check(system, old, before, after, away)


def two_hosts(segment: str, *order: str) -> Intent:
    """Two hosts joined by a trunk, and networks red/net0 and blue/net0 with a node on each, made in this order."""
    fabric = FabricSpec(
        switches={name: SwitchSpec(dpid=number, segment=segment) for number, name in enumerate(("h1", "h2"), 1)},
        links=[LinkSpec(kind="trunk", a="h1:up", b="h2:up")],
    )
    tenants = {}
    for tenant in order:
        nodes = {}
        for number, host in enumerate(("h1", "h2"), 1):
            address = {"mac": f"02:00:00:00:00:{number:02x}", "ips": [f"10.0.0.{number}", f"fd00::{number}"]}
            interface = InterfaceSpec.model_validate({**address, "at": f"{host}:{tenant}{number}", "network": "net0"})
            nodes[f"vm{number}"] = NodeSpec(running=True, interfaces={"eth0": interface})
        tenants[tenant] = TenantSpec(networks={"net0": NetworkSpec()}, nodes=nodes)
    return Intent(fabric=fabric, tenants=tenants)


def with_tags_the_other_way_round() -> System:
    """Red's network was made first and has the lower number, blue's was used first and has the lower tag."""
    system = applied(two_hosts("A", "red", "blue"))
    for tenant in ("red", "blue"):
        for node in ("vm1", "vm2"):
            system.request(lambda work, t=tenant, n=node: requests.detach(work, t, "net0", n, None))
    for resting in system.model.resting():
        system.model.keep({f"resting/{resting.space}/{resting.identifier:07d}": None})
    for tenant in ("blue", "red"):
        for node in ("vm1", "vm2"):
            system.request(lambda work, t=tenant, n=node: requests.attach(work, t, "net0", n, None))
    all_in_step(system)
    return system


def test_a_renamed_segment_with_a_switch_away() -> None:
    """The new name is a new tag space, in which the two networks have each other's tags."""
    system, old = with_tags_the_other_way_round(), with_tags_the_other_way_round()
    before, after = two_hosts("A", "red", "blue"), two_hosts("B", "red", "blue")
    system.request(lambda work: requests.apply(work, after))
    assert [grant.tag for grant in system.model.grants("B")] != [grant.tag for grant in old.model.grants("A")]
    for stale in ({"h2"}, {"h1"}):
        check(system, old, before, after, stale)
    all_in_step(system, away={"h2"})
    check(system, old, before, after, {"h2"})
    all_in_step(system)
    source, other = (end for end in endpoints(system, after) if end.ref.startswith("red/"))
    trace = simulator(system).inject(source.switch, source.port, to_everybody(source)[2])
    assert trace.delivered_to() == ((other.switch, other.port),)


def test_a_switch_taken_out_while_away_and_declared_again() -> None:
    """Its tags and numbers are others' meanwhile."""
    system, old = applied(two_hosts("A", "red", "blue")), applied(two_hosts("A", "red", "blue"))
    before, after = two_hosts("A", "red", "blue"), two_hosts("A", "blue", "red")
    for node in system.model.nodes():
        system.request(lambda work, node=node: requests.delete_node(work, node.tenant, node.name))
    for network in system.model.networks():
        system.request(lambda work, n=network: requests.delete_network(work, n.tenant, n.name))
    alone = FabricSpec(switches={"h1": SwitchSpec(dpid=1, segment="A")})
    system.request(lambda work: requests.apply(work, Intent(fabric=alone)))
    all_in_step(system)
    for resting in system.model.resting():
        # Nobody in the fabric holds it any more, and ten seconds have passed.
        assert system.holders(resting) == []
        system.model.keep({f"resting/{resting.space}/{resting.identifier:07d}": None})
    system.request(lambda work: requests.apply(work, after))
    plug_everything(system, away={"h2"})
    system.ports["h2"] = old.ports["h2"]  # for the numbers of its ports alone: nothing is compiled any more
    numbers = {network.ref: network.number for network in system.model.networks()}
    assert numbers != {network.ref: network.number for network in old.model.networks()}
    check(system, old, before, after, {"h2"})
