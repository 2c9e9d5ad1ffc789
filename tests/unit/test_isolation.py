"""Delivered if and only if a network is shared: for any fabric, any intent, and any kind of frame.

The reference is the intent itself: two running interfaces with the same network.
"""

from __future__ import annotations

import pytest
from drawn import Endpoint, applied, endpoints, intents, simulator
from drawn_frames import forged, to_everybody, unicast, with_own_tag
from hypothesis import HealthCheck, given, settings

from ryu_vnet.fabric.declared import LinkKind
from ryu_vnet.managers.system import System
from ryu_vnet.schema import Intent
from ryu_vnet.verify.trace import Trace

ANY_SHAPE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check_wires(system: System, source: Endpoint, trace: Trace) -> None:
    """On trunks one tag, on the core two labels, and no frame where the network has no member."""
    ports = {(s, state.number): name for s, known in system.ports.items() for name, state in known.items()}
    kinds = {(near.switch, near.port): kind for near, (kind, _) in system.fabric.wires.items()}
    inside = {
        system.fabric.switches[member.interface.place.switch].segment
        for member in system.model.members(source.network or "")
        if member.node.running and member.interface.place
    }
    assert not trace.anomalies
    for crossing in trace.crossings:
        kind = kinds[crossing.from_switch, ports[crossing.from_switch, crossing.from_port]]
        segment = system.fabric.switches[crossing.to_switch].segment
        if kind is LinkKind.TRUNK:
            assert segment in inside
            assert len(crossing.labels) == 0
            grant = system.model.grant(segment or "", system.model.network(source.network or "").number)  # type: ignore[union-attr]
            assert [tag.vid for tag in crossing.tags][:1] == [grant.tag if grant else None]
        else:
            assert len(inside) > 1
            assert [label.label for label in crossing.labels][1:] == [
                system.model.network(source.network or "").number  # type: ignore[union-attr]
            ]


@ANY_SHAPE
@given(intents())
def test_unicast_reaches_the_one_member_and_nobody_else(intent: Intent) -> None:
    system = applied(intent)
    fabric, ends = simulator(system), endpoints(system, intent)
    for source in ends:
        for to in ends:
            if to is source:
                continue
            # Whoever has the destination's MAC in the sender's network; the sender itself is nobody to send to.
            meant = {
                (end.switch, end.port)
                for end in ends
                if end is not source and end.mac == to.mac and end.network is not None and end.network == source.network
            }
            for frame in unicast(source, to):
                trace = fabric.inject(source.switch, source.port, frame)
                assert sorted(trace.delivered_to()) == sorted(meant), trace.text()
                assert all(delivery.frame == frame for delivery in trace.deliveries)
                check_wires(system, source, trace)


@ANY_SHAPE
@given(intents())
def test_broadcast_reaches_all_members_once_and_nobody_else(intent: Intent) -> None:
    system = applied(intent)
    fabric, ends = simulator(system), endpoints(system, intent)
    for source in ends:
        meant = [
            (end.switch, end.port)
            for end in ends
            if end is not source and end.network is not None and end.network == source.network
        ]
        for frame in to_everybody(source):
            trace = fabric.inject(source.switch, source.port, frame)
            assert sorted(trace.delivered_to()) == sorted(meant), trace.text()
            assert all(delivery.frame == frame for delivery in trace.deliveries)
            check_wires(system, source, trace)
            useful = {step.switch for step in trace.deliveries} | {crossing.from_switch for crossing in trace.crossings}
            assert {crossing.to_switch for crossing in trace.crossings} <= useful, trace.text()


@settings(ANY_SHAPE, max_examples=60)
@given(intents())
def test_a_port_that_vanishes_does_no_harm_before_the_controller_knows(intent: Intent) -> None:
    """Rows name a port that is no longer there: fewer may be reached, never others, and no switch is harmed."""
    system = applied(intent)
    ends = endpoints(system, intent)
    for near in system.fabric.wires:
        fabric = simulator(system, absent=[(near.switch, system.ports[near.switch][near.port].number)])
        for source in ends:
            meant = {(end.switch, end.port) for end in ends if end is not source and end.network == source.network}
            trace = fabric.inject(source.switch, source.port, to_everybody(source)[2])
            assert not trace.anomalies, trace.text()
            assert set(trace.delivered_to()) <= (meant if source.network else set()), trace.text()


@ANY_SHAPE
@given(intents())
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
@given(intents())
def test_tagged_frames_pass_where_the_network_allows_them_and_nowhere_else(intent: Intent) -> None:
    system = applied(intent)
    fabric, ends = simulator(system), endpoints(system, intent)
    for source in ends:
        network = system.model.network(source.network or "")
        meant = [
            (end.switch, end.port)
            for end in ends
            if network and network.tagged and end is not source and end.network == source.network
        ]
        for frame in with_own_tag(source):
            trace = fabric.inject(source.switch, source.port, frame)
            assert sorted(trace.delivered_to()) == sorted(meant), trace.text()
            assert all(delivery.frame == frame for delivery in trace.deliveries)


@pytest.mark.parametrize("kind", ["trunk", "core"])
@ANY_SHAPE
@given(intent=intents())
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
