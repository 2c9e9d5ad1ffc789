"""Delivered if and only if a network is shared: for any fabric, any intent, and any kind of frame.

The reference is the intent itself (`reference`): two running interfaces that share a network which takes the frame.
"""

from __future__ import annotations

import pytest
from drawn import Endpoint, applied, endpoints, intents, simulator
from drawn_frames import BROADCAST, classed, forged, to_everybody, unicast, with_own_tag
from hypothesis import HealthCheck, given, settings
from reference import in_order, receivers

from ryu_vnet.fabric.declared import LinkKind
from ryu_vnet.managers.system import System
from ryu_vnet.schema import Intent
from ryu_vnet.verify.trace import Trace

ANY_SHAPE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check_wires(system: System, source: Endpoint, trace: Trace) -> None:
    """On trunks one tag, on the core two labels, of networks that the sender is in and that have members there."""
    ports = {(s, state.number): name for s, known in system.ports.items() for name, state in known.items()}
    kinds = {(near.switch, near.port): kind for near, (kind, _) in system.fabric.wires.items()}
    spoken = carried(system, source)
    assert not trace.anomalies
    for crossing in trace.crossings:
        kind = kinds[crossing.from_switch, ports[crossing.from_switch, crossing.from_port]]
        segment = system.fabric.switches[crossing.to_switch].segment
        if kind is LinkKind.TRUNK:
            assert len(crossing.labels) == 0
            tags = {grant.tag for n in spoken if (grant := system.model.grant(segment or "", n)) is not None}
            assert {tag.vid for tag in crossing.tags[:1]} <= tags, trace.text()
            assert any(segment in inside for inside in spoken.values())
        else:
            (number,) = (label.label for label in crossing.labels[1:])
            assert len(spoken[number]) > 1, trace.text()


def carried(system: System, source: Endpoint) -> dict[int, set[str | None]]:
    """The numbers that what an endpoint sends may have on the wire, of its networks and of what these are combined to,
    each with the segments where the network, or the last of several, has members."""
    found = {network.number: network.ref for network in in_order(system, source.networks)}
    for combination in system.model.combinations():
        if source.networks.issuperset(f"{combination.tenant}/{name}" for name in combination.networks):
            found[combination.number] = combination.last
    return {
        number: {
            system.fabric.switches[member.interface.place.switch].segment
            for member in system.model.members(ref)
            if member.node.present and member.interface.place
        }
        for number, ref in found.items()
    }


@ANY_SHAPE
@given(intents(several=True))
def test_unicast_reaches_the_one_member_and_nobody_else(intent: Intent) -> None:
    system = applied(intent)
    fabric, ends = simulator(system), endpoints(system, intent)
    for source in ends:
        for to in ends:
            for frame in [*unicast(source, to), *classed(source, to.mac)] if to is not source else []:
                trace = fabric.inject(source.switch, source.port, frame)
                assert sorted(trace.delivered_to()) == receivers(system, ends, source, frame), trace.text()
                assert all(delivery.frame == frame for delivery in trace.deliveries)
                check_wires(system, source, trace)


@ANY_SHAPE
@given(intents(several=True))
def test_broadcast_reaches_all_members_once_and_nobody_else(intent: Intent) -> None:
    system = applied(intent)
    fabric, ends = simulator(system), endpoints(system, intent)
    for source in ends:
        for frame in [*to_everybody(source), *classed(source, BROADCAST)]:
            trace = fabric.inject(source.switch, source.port, frame)
            assert sorted(trace.delivered_to()) == receivers(system, ends, source, frame), trace.text()
            assert all(delivery.frame == frame for delivery in trace.deliveries)
            check_wires(system, source, trace)
            useful = {step.switch for step in trace.deliveries} | {crossing.from_switch for crossing in trace.crossings}
            useful |= {
                i.place.switch for node in system.model.nodes() for i in node.interfaces if node.prepared and i.place
            }
            assert {crossing.to_switch for crossing in trace.crossings} <= useful, trace.text()


@settings(ANY_SHAPE, max_examples=60)
@given(intents(several=True))
def test_a_port_that_vanishes_does_no_harm_before_the_controller_knows(intent: Intent) -> None:
    """Rows name a port that is no longer there: fewer may be reached, never others, and no switch is harmed."""
    system = applied(intent)
    ends = endpoints(system, intent)
    for near in system.fabric.wires:
        fabric = simulator(system, absent=[(near.switch, system.ports[near.switch][near.port].number)])
        for source in ends:
            for frame in to_everybody(source)[1:3]:
                trace = fabric.inject(source.switch, source.port, frame)
                assert not trace.anomalies, trace.text()
                assert {*trace.delivered_to()} <= {*receivers(system, ends, source, frame)}, trace.text()


@ANY_SHAPE
@given(intents(several=True))
def test_forged_frames_go_nowhere(intent: Intent) -> None:
    system = applied(intent)
    fabric, ends = simulator(system), endpoints(system, intent)
    for source in ends:
        for victim in ends:
            for frame in forged(source, victim) if victim is not source else ():
                trace = fabric.inject(source.switch, source.port, frame)
                assert trace.deliveries == (), trace.text()
                assert trace.crossings == (), trace.text()


@ANY_SHAPE
@given(intents(several=True))
def test_tagged_frames_pass_where_the_network_allows_them_and_nowhere_else(intent: Intent) -> None:
    system = applied(intent)
    fabric, ends = simulator(system), endpoints(system, intent)
    for source in ends:
        allowed = any(network.tagged for network in in_order(system, source.networks))
        for frame in with_own_tag(source):
            trace = fabric.inject(source.switch, source.port, frame)
            meant = receivers(system, ends, source, frame) if allowed else []
            assert sorted(trace.delivered_to()) == meant, trace.text()
            assert all(delivery.frame == frame for delivery in trace.deliveries)


@pytest.mark.parametrize("kind", ["trunk", "core"])
@ANY_SHAPE
@given(intent=intents(several=True))
def test_nothing_bare_comes_in_from_a_wire(kind: str, intent: Intent) -> None:
    """A frame on a trunk without a tag of that segment, or on the core without labels, goes nowhere."""
    system = applied(intent)
    fabric, ends = simulator(system), endpoints(system, intent)
    for near, (link, _) in system.fabric.wires.items():
        if link.value == kind:
            for end in ends:
                for frame in unicast(end, end) + to_everybody(end):
                    trace = fabric.inject(near.switch, system.ports[near.switch][near.port].number, frame)
                    assert trace.deliveries == (), trace.text()
