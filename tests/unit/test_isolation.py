"""Delivered if and only if a network is shared: for any fabric, any intent, and any kind of frame.

The reference is the intent itself: two running interfaces with the same network.
"""

from __future__ import annotations

import pytest
from drawn import Endpoint, applied, endpoints, intents, simulator
from hypothesis import HealthCheck, given, settings

from ryu_vnet.fabric.declared import LinkKind
from ryu_vnet.managers.system import System
from ryu_vnet.schema import Intent
from ryu_vnet.verify import frames
from ryu_vnet.verify.frames import Link
from ryu_vnet.verify.packet import Packet
from ryu_vnet.verify.trace import Trace

BROADCAST = 0xFFFFFFFFFFFF
ANY_SHAPE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def ip(end: Endpoint) -> str:
    return f"10.0.0.{end.number}"


def ip6(end: Endpoint) -> str:
    return f"fd00::{end.number:x}"


def unicast(source: Endpoint, to: Endpoint) -> list[Packet]:
    link = Link(source.mac, to.mac)
    return [
        frames.ipv4_echo(link, ip(source), ip(to)),
        frames.ipv6_echo(link, ip6(source), ip6(to)),
        frames.arp_reply(link, ip(source), ip(to)),
        frames.neighbour_advertisement(link, ip6(source), ip6(source), ip6(to), source.mac),
        frames.raw(link, 0x88B5, b"an ethertype of its own"),
    ]


def to_everybody(source: Endpoint) -> list[Packet]:
    return [
        frames.arp_request(source.mac, ip(source), "10.0.0.200"),
        frames.neighbour_solicitation(source.mac, ip6(source), "fd00::200", source.mac),
        frames.raw(Link(source.mac, BROADCAST), 0x88B5, b"to all"),
        frames.raw(Link(source.mac, 0x0180C2000000), 0x88B5, b"to a group"),
    ]


def forged(source: Endpoint, victim: Endpoint) -> list[Packet]:
    """What `source` may not send: as `victim`, or as the fabric itself."""
    mine, stolen = Link(source.mac, victim.mac), Link(victim.mac, source.mac)
    whole = frames.raw(mine, 0x88B5, b"x" * 46)
    attempts = [
        frames.ipv4_echo(mine, "10.0.0.77", ip(victim)),
        frames.ipv6_echo(mine, "fd00::77", ip6(victim)),
        frames.arp_reply(mine, "10.0.0.77", ip(victim)),
        frames.arp(mine, 2, (0x02FFFFFFFFFF, ip(source)), (victim.mac, ip(victim))),
        frames.neighbour_advertisement(mine, ip6(source), "fd00::77", ip6(victim), source.mac),
        frames.neighbour_advertisement(mine, ip6(source), ip6(source), ip6(victim), 0x02FFFFFFFFFF),
        frames.neighbour_solicitation(source.mac, ip6(source), ip6(victim), 0x02FFFFFFFFFF),
        frames.raw(mine, 0x8847, bytes.fromhex("00011140") + whole.to_bytes()),
        frames.raw(mine, 0x8848, bytes.fromhex("00011140") + whole.to_bytes()),
    ]
    if victim.mac != source.mac:
        attempts += [frames.raw(stolen, 0x88B5, b"stolen"), frames.ipv4_echo(stolen, ip(victim), ip(source))]
    return attempts


def check_wires(system: System, source: Endpoint, trace: Trace) -> None:
    """On trunks one tag, on the core two labels, and no frame where the network has no member."""
    ports = {(s, state.number): name for s, known in system.ports.items() for name, state in known.items()}
    kinds = {(near.switch, near.port): kind for near, (kind, _) in system.fabric.wires().items()}
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
        for vid in (1, 2, 3, 77):
            frame = frames.tagged(frames.raw(Link(source.mac, BROADCAST), 0x88B5, b"own tag"), vid)
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
    for near, (link, _) in system.fabric.wires().items():
        if link.value == kind:
            for end in ends:
                for frame in unicast(end, end) + to_everybody(end):
                    trace = fabric.inject(near.switch, system.ports[near.switch][near.port].number, frame)
                    assert trace.deliveries == (), trace.text()
