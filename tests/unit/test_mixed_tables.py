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
from ryu_vnet.schema import FabricSpec, Intent


def networks(ends: list[Endpoint]) -> dict[tuple[str, int], str | None]:
    """The network that each access port is in, by switch and number."""
    return {(end.switch, end.port): end.network for end in ends}


def move_nodes(intent: Intent, chance: random.Random) -> Intent:
    """Some nodes stop, others change their network."""
    changed = intent.model_copy(deep=True)
    for tenant in changed.tenants.values():
        for node in tenant.nodes.values():
            if chance.random() < 0.4:
                node.running = not node.running
            for interface in node.interfaces.values():
                if chance.random() < 0.4:
                    interface.network = chance.choice([None, *tenant.networks])
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
        allowed = {was.get((source.switch, source.port)), is_now.get((source.switch, source.port))} - {None}
        for frame in [*to_everybody(source), *(f for end in endpoints(system, after) for f in unicast(source, end))]:
            trace = fabric.inject(source.switch, source.port, frame)
            assert not trace.anomalies, trace.text()
            for place in trace.delivered_to():
                assert {was.get(place), is_now.get(place)} & allowed, trace.text()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(intents(), st.integers(0, 2**32))
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


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(intents(), st.integers(0, 2**32))
def test_a_switch_taken_out_while_away_and_declared_again_leaks_nothing(before: Intent, seed: int) -> None:
    """Its tags and numbers were others' meanwhile."""
    chance = random.Random(seed)
    system, old = applied(before), applied(before)
    assert before.fabric is not None
    gone = chance.choice(sorted(before.fabric.switches))
    system.switches[gone].state = State.AWAY
    links = [link for link in before.fabric.links if gone not in (link.a.split(":")[0], link.b.split(":")[0])]
    switches = {name: switch for name, switch in before.fabric.switches.items() if name != gone}
    without = Intent(fabric=FabricSpec(switches=switches, links=links))
    try:
        for node in system.model.nodes():
            system.request(lambda work, node=node: requests.delete_node(work, node.tenant, node.name))
        for network in system.model.networks():
            system.request(lambda work, n=network: requests.delete_network(work, n.tenant, n.name))
        system.request(lambda work: requests.apply(work, without))
        all_in_step(system)
        for resting in system.model.resting():
            # As if it had rested: nobody in the fabric holds it any more.
            system.model.keep({f"resting/{resting.space}/{resting.identifier:07d}": None})
        after = Intent(fabric=before.fabric, tenants=dict(reversed(before.tenants.items())))
        system.request(lambda work: requests.apply(work, after))
    except VnetError:
        return  # the fabric falls apart without that switch
    plug_everything(system, away={gone})
    system.ports[gone] = old.ports[gone]  # for the numbers of its ports alone: nothing is compiled any more
    check(system, old, before, after, {gone})
