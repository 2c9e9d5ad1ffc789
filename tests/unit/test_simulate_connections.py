"""Connection tracking in the simulator: connections, translations, passes."""

from __future__ import annotations

import pytest

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.pipeline import INTERFACE_REG
from ryu_vnet.compiler.rows import (
    Action,
    Clone,
    CtState,
    FieldMatch,
    Group,
    Nat,
    Origin,
    Output,
    Resubmit,
    Row,
    SetField,
    Subject,
    SwitchTable,
    ToGroup,
    Track,
    Untrack,
    match,
)
from ryu_vnet.verify import frames
from ryu_vnet.verify.frames import Link
from ryu_vnet.verify.packet import Packet
from ryu_vnet.verify.simulate import Simulator
from ryu_vnet.verify.trace import Trace
from ryu_vnet.verify.tracking import Connection, Connections, Ends

ORIGIN = Origin(Subject.SWITCH, 1)
LINK = Link(0x02_00_00_00_00_0A, 0x02_00_00_00_00_0B)
INSIDE, PUBLIC, FAR = 0x0A000005, 0xC0000209, 0xC6336407
OUT = frames.ipv4_udp(LINK, INSIDE, FAR, (5000, 53), b"ask")
TRANSLATED = frames.ipv4_udp(LINK, PUBLIC, FAR, (5000, 53), b"ask")
BACK = frames.ipv4_udp(LINK, FAR, PUBLIC, (53, 5000), b"told")
RESTORED = frames.ipv4_udp(LINK, FAR, INSIDE, (53, 5000), b"told")
NEW, EST, RPL = CtState.NEW, CtState.ESTABLISHED, CtState.REPLY
TRK, SNAT, DNAT = CtState.TRACKED, CtState.SOURCE_TRANSLATED, CtState.DESTINATION_TRANSLATED


def row(table: int, *actions: Action, on: tuple[FieldMatch, ...] = (), goto: int | None = None, high: int = 0) -> Row:
    return Row(table, 1 + high, match(*on), actions, goto, ORIGIN)


def simulator(*rows: Row, known: Connections | None = None, groups: tuple[Group, ...] = ()) -> Simulator:
    table = SwitchTable()
    for each in rows:
        table.add(each)
    for group in groups:
        table.add_group(group)
    return Simulator({"s": table}, {}, connections=known)


def states(trace: Trace) -> list[str]:
    """What was said of the packet, whenever it was tracked."""
    return [word.split()[3].rstrip(",") for step in trace.steps for word in step.happened if word.startswith("zone ")]


def sent(trace: Trace) -> list[tuple[int, Packet]]:
    assert not trace.anomalies, trace.text()
    return [(delivery.port, delivery.frame) for delivery in trace.deliveries]


def gateway(known: Connections | None, ports: tuple[int, int] | None = None) -> Simulator:
    outward, inward = FieldMatch(f.IN_PORT, 1), FieldMatch(f.IN_PORT, 2)
    replies = FieldMatch(f.CT_STATE, TRK | EST | RPL, TRK | EST | RPL)
    return simulator(
        row(0, Track(5, 1, True, Nat(PUBLIC, ports=ports)), on=(outward,)),
        row(0, Track(5, 2, nat=Nat()), on=(inward,)),
        row(1, Output(2)),
        row(2, Output(1), on=(replies,)),
        known=known,
    )


def test_out_and_back() -> None:
    known = Connections()
    nat = gateway(known)
    out = nat.inject("s", 1, OUT)
    assert (sent(out), states(out)) == ([(2, TRANSLATED)], ["+new+trk+snat"])
    first = Ends(4, 17, INSIDE, FAR, 5000, 53)
    assert known.of("s", 5) == (Connection(first, Ends(4, 17, PUBLIC, FAR, 5000, 53)),)
    assert states(nat.inject("s", 1, OUT)) == ["+new+trk+snat"]
    back = nat.inject("s", 2, BACK)
    assert (sent(back), states(back)) == ([(1, RESTORED)], ["+est+rpl+trk+dnat"])
    assert states(nat.inject("s", 1, OUT)) == ["+est+trk+snat"]
    known.flush("s", 5)
    assert not nat.inject("s", 2, BACK).deliveries


def test_without_connections_each_packet_is_the_first() -> None:
    nat = gateway(None)
    assert sent(nat.inject("s", 1, OUT)) == [(2, TRANSLATED)]
    assert not nat.inject("s", 2, BACK).deliveries
    assert nat.inject("s", 1, OUT) == nat.inject("s", 1, OUT)


@pytest.mark.parametrize(("ports", "port"), [((4000, 6000), 5000), ((6000, 7000), 6000), ((80, 80), 80)])
def test_a_port_is_kept_if_it_may_be(ports: tuple[int, int], port: int) -> None:
    known = Connections()
    nat = gateway(known, ports)
    assert sent(nat.inject("s", 1, OUT)) == [(2, frames.ipv4_udp(LINK, PUBLIC, FAR, (port, 53), b"ask"))]
    back = frames.ipv4_udp(LINK, FAR, PUBLIC, (53, port), b"told")
    assert sent(nat.inject("s", 2, back)) == [(1, RESTORED)]


def test_echoes_are_told_by_their_identifier() -> None:
    known = Connections()
    nat = gateway(known)
    assert sent(nat.inject("s", 1, frames.ipv4_echo(LINK, INSIDE, FAR))) == [(2, frames.ipv4_echo(LINK, PUBLIC, FAR))]
    reply = bytes.fromhex("0000 fffd 0001 0001")
    other = bytes.fromhex("0000 fffc 0002 0001")
    assert not nat.inject("s", 2, frames.ipv4(LINK, FAR, PUBLIC, 1, other)).deliveries
    back = frames.ipv4(LINK, FAR, INSIDE, 1, reply)
    assert sent(nat.inject("s", 2, frames.ipv4(LINK, FAR, PUBLIC, 1, reply))) == [(1, back)]


def test_zones_and_switches_know_nothing_of_each_other() -> None:
    known = Connections()
    gateway(known).inject("s", 1, OUT)
    assert known.of("s", 6) == known.of("t", 5) == ()
    other = simulator(row(0, Track(6, 1)), row(1, Output(1)), known=known)
    assert states(other.inject("s", 2, BACK)) == ["+new+trk"]
    assert known.of("s", 6) == ()


def test_what_a_row_does_after_tracking_is_done_to_an_untracked_packet() -> None:
    new, none = FieldMatch(f.CT_STATE, TRK | NEW, TRK | NEW), FieldMatch(f.CT_STATE, 0, TRK)
    kept = FieldMatch(INTERFACE_REG.field, 7)
    trace = simulator(
        row(0, SetField(INTERFACE_REG.field, 7), Track(5, 1), SetField(INTERFACE_REG.field, 8), Resubmit(1), Output(4)),
        row(1, Output(2), on=(new, kept)),
        row(1, Output(3), on=(none,)),
    ).inject("s", 1, OUT)
    assert sent(trace) == [(2, OUT), (3, OUT), (4, OUT)]


def test_what_tracking_said_is_forgotten() -> None:
    rows = (
        row(0, Track(5, 1, True)),
        row(1, Untrack(), goto=2),
        row(2, Output(2), on=(FieldMatch(f.CT_STATE, 0, 0xFF),)),
    )
    assert sent(simulator(*rows).inject("s", 1, OUT)) == [(2, OUT)]


def test_the_first_packet_is_remembered_as_it_was() -> None:
    eth, udp = FieldMatch(f.ETH_TYPE, 0x0800), FieldMatch(f.CT_NW_PROTO, 17)
    first = FieldMatch(f.CT_NW_DST, PUBLIC), FieldMatch(f.CT_TP_DST, 53)
    state = FieldMatch(f.CT_STATE, TRK | DNAT, TRK | DNAT)
    inside = Nat(INSIDE, source=False, ports=(8080, 8080))
    rows = row(0, Track(5, 1, True, inside)), row(1, Output(2), on=(eth, udp, state, *first))
    asked = frames.ipv4_udp(LINK, FAR, PUBLIC, (5000, 53))
    assert sent(simulator(*rows).inject("s", 1, asked)) == [(2, frames.ipv4_udp(LINK, FAR, INSIDE, (5000, 8080)))]


def test_a_pass_that_is_given_up_tracks_nothing() -> None:
    known = Connections()
    trace = simulator(row(0, Track(5, 1, True), SetField(f.CT_STATE, 1)), row(1, Output(2)), known=known).inject(
        "s", 1, OUT
    )
    assert not trace.deliveries and trace.anomalies and known.of("s", 5) == ()


def test_a_pass_after_tracking_that_is_given_up_leaves_the_others() -> None:
    known = Connections()
    rows = row(0, Output(3), Track(5, 1, True), Output(4)), row(1, Output(2), SetField(f.CT_STATE, 1))
    trace = simulator(*rows, known=known).inject("s", 1, OUT)
    assert [delivery.port for delivery in trace.deliveries] == [3, 4] and len(trace.anomalies) == 1
    assert len(known.of("s", 5)) == 1


def test_what_is_sent_after_a_translation_in_place_is_an_anomaly() -> None:
    nat = Track(5, 1, True, Nat(PUBLIC))
    said = "translated as well"
    assert said in simulator(row(0, nat, Output(3)), row(1, Output(2))).inject("s", 1, OUT).anomalies[0].reason
    group = Group(1, ((nat,), (Output(3),)), ORIGIN)
    trace = simulator(row(0, ToGroup(1)), row(1, Output(2)), groups=(group,)).inject("s", 1, OUT)
    assert said in trace.anomalies[0].reason
    cloned = simulator(row(0, Clone((nat,)), Output(3)), row(1, Output(2))).inject("s", 1, OUT)
    assert sent(cloned) == [(2, TRANSLATED), (3, OUT)]


@pytest.mark.parametrize(("passes", "arrives"), [(6, True), (7, False)])
def test_passes_are_limited(passes: int, arrives: bool) -> None:
    rows = [row(table, Track(5, table + 1)) for table in range(passes)]
    trace = simulator(*rows, row(passes, Output(2))).inject("s", 1, OUT)
    assert bool(trace.deliveries) == arrives and bool(trace.anomalies) != arrives


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (frames.fragments(OUT)[0], "fragments"),
        (frames.ipv4(LINK, FAR, INSIDE, 1, bytes((3, 1, *[0] * 30))), "ICMP type 3"),
        (frames.neighbour_solicitation(LINK.src, "fd00::1", "fd00::2", LINK.src), "ICMP type 135"),
        (frames.arp_request(LINK.src, INSIDE, FAR), "not IP"),
    ],
)
def test_what_is_not_tracked_ends(packet: Packet, why: str) -> None:
    trace = simulator(row(0, Track(5, 1, True)), row(1, Output(2))).inject("s", 1, packet)
    assert not trace.deliveries and why in trace.drops[0].reason


def test_other_protocols_are_told_by_their_addresses() -> None:
    known = Connections()
    nat = gateway(known)
    out, translated = (frames.ipv4(LINK, source, FAR, 47, b"data") for source in (INSIDE, PUBLIC))
    back, restored = (frames.ipv4(LINK, FAR, target, 47, b"data") for target in (PUBLIC, INSIDE))
    assert sent(nat.inject("s", 1, out)) == [(2, translated)]
    assert sent(nat.inject("s", 2, back)) == [(1, restored)]
