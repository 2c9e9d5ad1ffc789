"""Every action and every way for a frame to end, on tables made by hand."""

from __future__ import annotations

import pytest

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.fields import Field
from ryu_vnet.compiler.pipeline import EGRESS, FORWARD, LABEL, NETWORK, PORT, REGISTERS, SERVICE, SOURCE, TAG, TO_EGRESS
from ryu_vnet.compiler.rows import (
    IN_PORT_PORT,
    Action,
    Clone,
    Decap,
    DecMplsTtl,
    Encap,
    FieldMatch,
    Group,
    Match,
    Move,
    Origin,
    Output,
    PacketType,
    PopVlan,
    PushVlan,
    Resubmit,
    Row,
    SetField,
    SetMplsTtl,
    Subject,
    SwitchTable,
    ToGroup,
    match,
)
from ryu_vnet.errors import Invalid, NotFound
from ryu_vnet.verify import frames
from ryu_vnet.verify.frames import Link
from ryu_vnet.verify.packet import Label, Packet, Tag, parse
from ryu_vnet.verify.simulate import Simulator
from ryu_vnet.verify.trace import Trace

ORIGIN = Origin(Subject.SWITCH, 1)
ALICE, BOB = 0x02_00_00_00_00_0A, 0x02_00_00_00_00_0B
LINK = Link(ALICE, BOB)
ARP = frames.arp_request(ALICE, "10.0.0.1", "10.0.0.2")
UDP = frames.ipv4_udp(LINK, "10.0.0.1", "10.0.0.2", (67, 68))
MPLS = FieldMatch(f.ETH_TYPE, 0x8847)
TO_MPLS, TO_ETHERNET = PacketType.MPLS, PacketType.ETHERNET
LABELS = Label(17, 64, 0).to_bytes() + Label(77, 64, 1).to_bytes()
LABELLED = frames.raw(LINK, 0x8847, LABELS + ARP.to_bytes())
ENCAPSULATE = (Encap(TO_MPLS), SetField(f.MPLS_LABEL, 77), Encap(TO_ETHERNET))


def row(table: int, conditions: Match, *actions: Action, goto: int | None = None, priority: int = 1) -> Row:
    return Row(table, priority, conditions, actions, goto, ORIGIN)


def run(packet: Packet, *rows: Row, groups: tuple[Group, ...] = (), absent: tuple[tuple[str, int], ...] = ()) -> Trace:
    """Put a packet into port 1 of a switch that holds the rows."""
    table = SwitchTable()
    for each in rows:
        table.add(each)
    for group in groups:
        table.add_group(group)
    return Simulator({"s": table}, {}, absent).inject("s", 1, packet)


def delivered(trace: Trace) -> list[tuple[int, Packet]]:
    assert not trace.anomalies
    return [(delivery.port, delivery.frame) for delivery in trace.deliveries]


def reasons(trace: Trace) -> list[str]:
    assert not trace.deliveries
    return [drop.reason for drop in trace.drops]


def anomaly(trace: Trace) -> str:
    assert not trace.deliveries
    (found,) = trace.anomalies
    return found.reason


def test_highest_priority_wins_over_shapes_of_match() -> None:
    rows = (
        row(0, (), Output(2), priority=1),
        row(0, match(FieldMatch(f.ETH_SRC, ALICE)), Output(3), priority=2),
        row(0, match(FieldMatch(f.ETH_SRC, 0x02 << 40, 0xFF << 40)), Output(4), priority=3),
        row(0, match(FieldMatch(f.ETH_SRC, BOB)), Output(5), priority=4),
    )
    assert delivered(run(ARP, *rows)) == [(4, ARP)]
    assert delivered(run(ARP, *rows[:2])) == [(3, ARP)]


@pytest.mark.parametrize(
    ("packet", "port"), [(ARP, 2), (frames.tagged(ARP, 5), 3), (frames.tagged(ARP, 6), 4), (frames.tagged(ARP, 0), 4)]
)
def test_matches_on_tags(packet: Packet, port: int) -> None:
    rows = (
        row(0, match(FieldMatch(f.VLAN_VID, 0)), Output(2)),
        row(0, match(FieldMatch(f.VLAN_VID, 0x1005)), Output(3), priority=2),
        row(0, match(FieldMatch(f.VLAN_VID, 0x1000, 0x1000)), Output(4)),
    )
    assert delivered(run(packet, *rows)) == [(port, packet)]


def test_a_row_about_the_frame_is_about_ethernet_and_one_about_registers_is_not() -> None:
    decap = (row(0, (), Decap(), goto=1),)
    ethernet = row(1, match(FieldMatch(f.ETH_TYPE, 0x8847)), Output(2))
    registers = row(1, match(FieldMatch(f.REG0, 0)), SetField(f.REG0, 1), goto=2)
    assert reasons(run(LABELLED, *decap, ethernet)) == [
        f"no row in table 1 for {' '.join(f'{register.name}=0' for register in REGISTERS)}"
    ]
    assert run(LABELLED, *decap, registers).steps[1].row == registers


def test_output_leaves_the_way_in_alone_unless_asked() -> None:
    trace = run(ARP, row(0, (), Output(1), Output(2), Output(IN_PORT_PORT)))
    assert delivered(trace) == [(2, ARP), (1, ARP)]
    assert [drop.reason for drop in trace.drops] == ["would go back out of the port it came in by (1)"]


def test_output_by_a_port_that_is_not_there() -> None:
    assert reasons(run(ARP, row(0, (), Output(2)), absent=(("s", 2),))) == ["there is no port 2"]


def test_fields_are_told_by_value() -> None:
    """A row that was decoded or copied has fields that are equal to ours, not the same objects."""
    port = Field(f.IN_PORT.name, f.IN_PORT.bits)
    assert delivered(run(ARP, row(0, match(FieldMatch(port, 1)), Output(2)))) == [(2, ARP)]


def test_registers() -> None:
    rows = (
        row(0, (), SetField(f.REG0, 0xABCDE), Move(f.REG0, f.REG3, 8, 4, 16), goto=1),
        row(1, match(FieldMatch(f.REG3, 0xCD << 16)), Output(2)),
    )
    assert delivered(run(ARP, *rows)) == [(2, ARP)]


def test_a_move_overwrites_only_its_bits() -> None:
    rows = (
        row(0, (), SetField(f.REG0, 0), SetField(f.REG1, 0xFFFF), Move(f.REG0, f.REG1, 4, 0, 4), goto=1),
        row(1, match(FieldMatch(f.REG1, 0xFF0F)), Output(2)),
    )
    assert delivered(run(ARP, *rows)) == [(2, ARP)]


def test_a_move_from_a_header_that_is_not_there_does_nothing() -> None:
    assert delivered(run(ARP, row(0, (), Move(f.MPLS_LABEL, f.REG0, 20), Output(2)))) == [(2, ARP)]


def test_addresses() -> None:
    trace = run(ARP, row(0, (), SetField(f.ETH_SRC, 1), SetField(f.ETH_DST, 2), Output(2)))
    ((_, frame),) = delivered(trace)
    assert (frame.eth_src, frame.eth_dst, frame.payload) == (1, 2, ARP.payload)


def test_tags_on_and_off() -> None:
    push = row(0, (), SetField(f.REG2, 5), PushVlan(), Move(f.REG2, f.VLAN_TCI, 12), Output(2))
    assert delivered(run(ARP, push)) == [(2, frames.tagged(ARP, 5))]
    push = row(0, (), PushVlan(), SetField(f.VLAN_VID, 0x1000 | 5), Output(2))
    assert delivered(run(ARP, push)) == [(2, frames.tagged(ARP, 5))]
    assert delivered(run(frames.tagged(ARP, 9), push)) == [(2, frames.tagged(frames.tagged(ARP, 9), 5))]
    assert delivered(run(frames.tagged(ARP, 9), row(0, (), PopVlan(), Output(2)))) == [(2, ARP)]


def test_an_inner_tag_stays_unseen_until_the_next_switch() -> None:
    twice = frames.tagged(frames.tagged(ARP, 9), 5)
    rows = (
        row(0, match(FieldMatch(f.VLAN_VID, 0x1005)), PopVlan(), goto=1),
        row(1, match(FieldMatch(f.VLAN_VID, 0), FieldMatch(f.ETH_TYPE, 0x8100)), Output(2)),
    )
    ((_, frame),) = delivered(run(twice, *rows))
    assert frame.tags == (Tag(9),)


def test_encapsulation() -> None:
    actions = (
        *(Encap(TO_MPLS), SetField(f.MPLS_LABEL, 77), SetMplsTtl(9)),
        *(Encap(TO_MPLS), SetField(f.MPLS_LABEL, 17), Encap(TO_ETHERNET)),
        *(SetField(f.ETH_DST, BOB), Output(2)),
    )
    ((_, frame),) = delivered(run(UDP, row(0, (), Clone(actions))))
    assert (frame.eth_dst, frame.eth_src, frame.eth_type) == (BOB, 0, 0x8847)
    assert frame.labels == (Label(17, 9, 0), Label(77, 9, 1))
    assert frame.innermost == UDP


def test_decapsulation_and_what_is_seen_after_it() -> None:
    rows = (
        row(0, match(MPLS, FieldMatch(f.MPLS_LABEL, 17)), SetField(f.REG1, 3), Decap(), Decap(TO_MPLS), goto=1),
        row(1, match(FieldMatch(f.PACKET_TYPE, 0x18847), FieldMatch(f.MPLS_BOS, 1)), Decap(TO_ETHERNET), goto=2),
        row(2, match(FieldMatch(f.ETH_TYPE, 0x0806), FieldMatch(f.ARP_OP, 1), FieldMatch(f.REG1, 3)), Output(2)),
    )
    trace = run(LABELLED, *rows)
    assert delivered(trace) == [(2, ARP)]
    assert trace.steps[1].packet.labels == (Label(77, 64, 1),)
    assert trace.steps[2].packet == ARP


@pytest.mark.parametrize(
    ("packet", "actions", "why"),
    [
        (ARP, (Encap(TO_ETHERNET), Output(2)), r"encap\(ethernet\) on an Ethernet frame"),
        (LABELLED, (Encap(TO_MPLS), Output(2)), "EtherType MPLS"),
        (ARP, (Encap(TO_MPLS),) * 4, "on 3 labels"),
        (frames.tagged(LABELLED, 5), (Decap(),), "has a VLAN tag"),
        (ARP, (Decap(), Decap()), "packet type 0x10806"),
        (LABELLED, (Decap(), Decap()), "does not say what follows"),
        (LABELLED, (Decap(), Decap(TO_ETHERNET)), "only the last one has Ethernet below"),
        (parse(LABELLED.to_bytes()[:16]), (Decap(), Decap(TO_MPLS)), "cut off"),
        (LABELLED, (Decap(), PushVlan()), "takes no VLAN tag"),
        (LABELLED, (Decap(), Decap(TO_MPLS), Decap(TO_ETHERNET)), "first table again"),
        (LABELLED, (Clone((Decap(),)), Output(2)), "in a clone or bucket"),
        (ARP, (PushVlan(), SetField(f.VLAN_VID, 5)), "present bit"),
        (ARP, (SetField(f.CT_STATE, 2),), "ct_state is not to be set"),
        (LABELLED, (SetMplsTtl(0), SetField(f.MPLS_LABEL, 0)), "every bit is zero"),
    ],
)
def test_what_open_vswitch_gives_up(packet: Packet, actions: tuple[Action, ...], why: str) -> None:
    """All of the packet is lost, what was sent before included."""
    trace = run(packet, row(0, (), Output(3), *actions))
    with pytest.raises(Invalid, match=why):
        raise Invalid(anomaly(trace))


def test_a_packet_without_ethernet_header_cannot_leave() -> None:
    assert reasons(run(LABELLED, row(0, (), Decap(), Output(2)))) == ["has no Ethernet header to leave by port 2 with"]


def test_a_copy_that_is_encapsulated_and_not_sent() -> None:
    """As when a core port has just gone: the next copy would have two headers, and ovs-vswitchd 3.1 aborts."""
    fan_out = row(0, (), Clone((*ENCAPSULATE, Output(2))), Output(3))
    assert [port for port, _ in delivered(run(ARP, fan_out))] == [2, 3]
    assert "this ends ovs-vswitchd" in anomaly(run(ARP, fan_out, absent=(("s", 2),)))
    back = row(0, (), Clone((*ENCAPSULATE, Output(1))), Output(3))
    assert "this ends ovs-vswitchd" in anomaly(run(ARP, back))
    last = row(0, (), Output(3), Clone((*ENCAPSULATE, Output(2))))
    assert delivered(run(ARP, last, absent=(("s", 2),))) == [(3, ARP)]


@pytest.mark.parametrize(("ttl", "left"), [(64, 63), (2, 1), (1, None), (0, None)])
def test_ttl(ttl: int, left: int | None) -> None:
    packet = frames.raw(LINK, 0x8847, Label(17, ttl, 1).to_bytes() + ARP.to_bytes())
    trace = run(packet, row(0, match(MPLS), DecMplsTtl(), Output(2), goto=1), row(1, (), Output(3)))
    if left is None:
        assert reasons(trace) == ["the label's TTL is spent"]
    else:
        assert [frame.labels[0].ttl for _, frame in delivered(trace)] == [left, left]


def test_ttl_of_what_has_no_label() -> None:
    assert delivered(run(ARP, row(0, (), DecMplsTtl(), SetMplsTtl(5), Output(2)))) == [(2, ARP)]


def test_resubmit_goes_on_afterwards_with_what_became_of_the_packet() -> None:
    rows = (
        row(0, (), Resubmit(1), Output(2), goto=2),
        row(1, (), SetField(f.ETH_DST, 9), SetField(f.REG0, 7)),
        row(2, match(FieldMatch(f.REG0, 7)), Output(3)),
    )
    assert [(port, frame.eth_dst) for port, frame in delivered(run(ARP, *rows))] == [(2, 9), (3, 9)]


def test_clone_is_forgotten_afterwards() -> None:
    rows = (
        row(0, (), Clone((SetField(f.ETH_DST, 9), SetField(f.REG0, 7), Output(2))), Output(3), goto=1),
        row(1, match(FieldMatch(f.REG0, 0)), Output(4)),
    )
    assert [(port, frame.eth_dst) for port, frame in delivered(run(ARP, *rows))] == [
        (2, 9),
        (3, ARP.eth_dst),
        (4, ARP.eth_dst),
    ]


def test_each_bucket_has_a_copy_of_its_own() -> None:
    buckets = ((SetField(f.REG3, 2), TO_EGRESS), (SetField(f.ETH_DST, 9), SetField(f.REG3, 3), TO_EGRESS))
    rows = (
        row(0, (), ToGroup(1), goto=70),
        row(EGRESS.table, match(FieldMatch(f.REG3, 2)), Output(2)),
        row(EGRESS.table, match(FieldMatch(f.REG3, 3)), Output(3)),
        row(70, match(FieldMatch(f.REG3, 0)), Output(4)),
    )
    trace = run(ARP, *rows, groups=(Group(1, buckets, ORIGIN),))
    assert [(port, frame.eth_dst) for port, frame in delivered(trace)] == [(2, ARP.eth_dst), (3, 9), (4, ARP.eth_dst)]


def test_a_bucket_is_an_action_set() -> None:
    """Pushes come first, of several ways out the strongest is taken, and without one nothing happens."""
    tag = (Output(2), SetField(f.VLAN_VID, 0x1005), PushVlan(), Resubmit(1))
    trace = run(ARP, row(0, (), ToGroup(1)), groups=(Group(1, (tag, (SetField(f.REG0, 1),)), ORIGIN),))
    assert delivered(trace) == [(2, frames.tagged(ARP, 5))]


def test_a_group_that_is_not_there() -> None:
    assert "no group 0x5" in anomaly(run(ARP, row(0, (), ToGroup(5), goto=1)))


def test_why_frames_are_dropped() -> None:
    refuse = SOURCE.row("refuse", [MPLS], (), None, ORIGIN)
    family = SOURCE.row("family", [FieldMatch(f.ETH_TYPE, 0x0806)], (), None, ORIGIN)
    port = PORT.row("port", [FieldMatch(f.IN_PORT, 1)], (), SOURCE, ORIGIN)
    assert reasons(run(LABELLED, port, refuse)) == ["refused: MPLS from a node"]
    assert reasons(run(ARP, port, family)) == ["refused: the source is not an address of an interface on this port"]
    assert reasons(run(ARP, row(0, match(FieldMatch(f.IN_PORT, 2))))) == [
        "no row in PORT for in_port=1 tun_id=0 tun_src=0.0.0.0 tun_ipv6_src=::"
    ]
    forward = PORT.row("port", [FieldMatch(f.IN_PORT, 1)], [SetField(f.REG0, 16)], None, ORIGIN)
    forward = Row(forward.table, forward.priority, forward.match, forward.actions, FORWARD.table, ORIGIN)
    (reason,) = reasons(run(UDP, forward))
    assert reason.startswith("no row in FORWARD for network=16")
    assert "eth_dst=02:00:00:00:00:0b" in reason
    assert reasons(run(ARP, row(0, (), SetField(f.REG0, 1)))) == ["nothing sends it on"]
    assert reasons(run(parse(b"short"), port)) == ["shorter than 14 bytes"]


def test_less_than_a_frame_under_the_labels() -> None:
    rows = (row(0, (), Decap(), Decap(TO_MPLS), Decap(TO_ETHERNET), Output(2)),)
    assert reasons(run(frames.raw(LINK, 0x8847, LABELS + b"short"), *rows)) == ["less than 14 bytes are left"]


def test_too_many_resubmits() -> None:
    assert "more than 4096" in anomaly(run(ARP, row(0, (), Output(2), *[Resubmit(1)] * 4097), row(1, (), Output(3))))
    assert len(run(ARP, row(0, (), *[Resubmit(1)] * 4096), row(1, (), Output(3))).deliveries) == 4096


def test_each_parse_begins_a_new_count() -> None:
    decap = (Decap(), Decap(TO_MPLS), Decap(TO_ETHERNET))
    trace = run(LABELLED, row(0, (), *[Resubmit(1)] * 4000, *decap, *[Resubmit(1)] * 4000), row(1, (), SetMplsTtl(9)))
    assert not trace.anomalies


def test_a_table_that_calls_itself() -> None:
    assert "more than 64 deep" in anomaly(run(ARP, row(0, (), Output(2), Resubmit(0))))


def test_wires_and_their_loops() -> None:
    through = SwitchTable()
    through.add(row(0, match(FieldMatch(f.IN_PORT, 1)), Output(2)))
    through.add(row(0, match(FieldMatch(f.IN_PORT, 2)), Output(1)))
    wires = {("a", 2): ("b", 1), ("b", 1): ("a", 2)}
    trace = Simulator({"a": through, "b": through}, wires).inject("a", 1, frames.tagged(ARP, 5))
    (crossing,) = trace.crossings
    assert (crossing.from_switch, crossing.from_port, crossing.to_switch, crossing.to_port) == ("a", 2, "b", 1)
    assert crossing.tags == (Tag(5),) and crossing.labels == ()
    assert trace.delivered_to() == (("b", 2),)

    ring = wires | {("b", 2): ("a", 1), ("a", 1): ("b", 2)}
    trace = Simulator({"a": through, "b": through}, ring, max_crossings=50).inject("a", 1, ARP)
    assert len(trace.crossings) == 51
    assert "a loop" in anomaly(trace)


def test_registers_do_not_cross_wires() -> None:
    first, second = SwitchTable(), SwitchTable()
    first.add(row(0, (), SetField(f.REG0, 7), Output(2)))
    second.add(row(0, match(FieldMatch(f.REG0, 0)), Output(2)))
    assert Simulator({"a": first, "b": second}, {("a", 2): ("b", 1)}).inject("a", 1, ARP).delivered_to() == (("b", 2),)


def test_what_does_not_exist() -> None:
    with pytest.raises(Invalid, match="switch 'b' has no table"):
        Simulator({"a": SwitchTable()}, {("a", 1): ("b", 1)})
    with pytest.raises(NotFound, match="no switch 'b'"):
        Simulator({"a": SwitchTable()}, {}).inject("b", 1, ARP)


def test_a_whole_trace_in_words() -> None:
    rows = (
        PORT.row("port", [FieldMatch(f.IN_PORT, 1)], [SetField(f.REG4, 2)], TAG, ORIGIN),
        TAG.row("tag", [FieldMatch(f.VLAN_VID, 0x1005)], [PopVlan(), SetField(f.REG0, 77)], FORWARD, ORIGIN),
        FORWARD.row("group", [FieldMatch(f.REG0, 77)], [ToGroup(77)], None, ORIGIN),
        EGRESS.row("adjacency", [FieldMatch(f.REG3, 1)], [Output(1)], None, ORIGIN),
        EGRESS.row("adjacency", [FieldMatch(f.REG3, 2)], [Output(2)], None, ORIGIN),
    )
    buckets = ((SetField(f.REG3, 1), TO_EGRESS), (SetField(f.REG3, 2), TO_EGRESS))
    trace = run(frames.tagged(ARP, 5), *rows, groups=(Group(77, buckets, ORIGIN),))
    arp = "02:00:00:00:00:0a > ff:ff:ff:ff:ff:ff"
    assert trace.text().splitlines() == [
        f"into s:1  {arp} vlan 5 arp request 10.0.0.1 > 10.0.0.2",
        "s PORT 100 [in_port=1]: from=2, goto TAG",
        "s TAG 100 [vlan_vid=5]: pop VLAN, network=77, goto FORWARD",
        "s FORWARD 200 [network=77]: group 0x4d, adjacency=1, resubmit EGRESS, adjacency=2, resubmit EGRESS",
        "    s EGRESS 100 [adjacency=1]: drop",
        "    s EGRESS 100 [adjacency=2]: output 2",
        f"delivered at s:2  {arp} arp request 10.0.0.1 > 10.0.0.2",
        "dropped at s EGRESS: would go back out of the port it came in by (1)",
    ]


def test_the_same_frame_gives_the_same_trace() -> None:
    rows = (
        NETWORK.row("member", [FieldMatch(f.REG1, 0)], [Output(2)], FORWARD, ORIGIN),
        LABEL.row("label", [MPLS, FieldMatch(f.MPLS_LABEL, 17)], [Decap(), Decap(TO_MPLS)], SERVICE, ORIGIN),
        row(0, (), goto=LABEL.table),
    )
    assert run(LABELLED, *rows) == run(LABELLED, *reversed(rows))
