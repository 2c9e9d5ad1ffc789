"""Headers that rows rewrite: what leaves has the fields that were set, and right checksums."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.fields import Field
from ryu_vnet.compiler.rows import (
    IN_PORT_PORT,
    Action,
    CheckLarger,
    DecTtl,
    FieldMatch,
    Move,
    Origin,
    Output,
    Resubmit,
    Row,
    SetField,
    Subject,
    SwitchTable,
    match,
)
from ryu_vnet.errors import Invalid
from ryu_vnet.verify import frames
from ryu_vnet.verify.frames import Link
from ryu_vnet.verify.header_fields import field_value, with_field
from ryu_vnet.verify.packet import Packet, parse
from ryu_vnet.verify.simulate import Simulator
from ryu_vnet.verify.trace import Trace

ORIGIN = Origin(Subject.SWITCH, 1)
ALICE, BOB, ROUTER = 0x02_00_00_00_00_0A, 0x02_00_00_00_00_0B, 0x02_00_00_00_00_01
LINK = Link(ALICE, BOB)
IPV4, IPV6 = st.integers(0, 2**32 - 1), st.integers(0, 2**128 - 1)
PORT, DSCP, TTL = st.integers(1, 0xFFFF), st.integers(0, 63), st.integers(0, 255)
DATA = st.binary(max_size=30)


def set_all(packet: Packet, values: dict[Field, int]) -> Packet:
    for field, value in values.items():
        packet = with_field(packet, field, value)
        assert field_value(packet, field) == value
    return parse(packet.to_bytes())


@given(src=IPV4, dst=IPV4, sport=PORT, dport=PORT, dscp=DSCP, data=DATA)
def test_udp_is_as_if_made_so(src: int, dst: int, sport: int, dport: int, dscp: int, data: bytes) -> None:
    made = frames.ipv4_udp(LINK, src, dst, (sport, dport), data, dscp)
    values = {f.IPV4_SRC: src, f.IPV4_DST: dst, f.UDP_SRC: sport, f.UDP_DST: dport, f.IP_DSCP: dscp}
    assert set_all(frames.ipv4_udp(LINK, "10.0.0.1", "10.0.0.2", (1, 2), data), values) == made


@given(src=IPV6, dst=IPV6, sport=PORT, dport=PORT, dscp=DSCP, data=DATA)
def test_udp_over_ipv6_is_as_if_made_so(src: int, dst: int, sport: int, dport: int, dscp: int, data: bytes) -> None:
    made = frames.ipv6_udp(LINK, src, dst, (sport, dport), data, dscp)
    values = {f.IPV6_SRC: src, f.IPV6_DST: dst, f.UDP_SRC: sport, f.UDP_DST: dport, f.IP_DSCP: dscp}
    assert set_all(frames.ipv6_udp(LINK, "fd00::1", "fd00::2", (1, 2), data), values) == made


@given(src=IPV4, dst=IPV4, sport=PORT, dport=PORT)
def test_tcp_and_sctp_are_as_if_made_so(src: int, dst: int, sport: int, dport: int) -> None:
    addresses = {f.IPV4_SRC: src, f.IPV4_DST: dst}
    tcp = set_all(frames.ipv4_tcp(LINK, 1, 2, (3, 4)), {**addresses, f.TCP_SRC: sport, f.TCP_DST: dport})
    assert tcp == frames.ipv4_tcp(LINK, src, dst, (sport, dport))
    sctp = set_all(frames.ipv4_sctp(LINK, 1, 2, (3, 4)), {**addresses, f.SCTP_SRC: sport, f.SCTP_DST: dport})
    assert sctp == frames.ipv4_sctp(LINK, src, dst, (sport, dport))


@given(ttl=TTL, src=IPV4)
def test_hops_are_as_if_made_so(ttl: int, src: int) -> None:
    values = {f.IP_TTL: ttl}
    assert set_all(frames.ipv4(LINK, src, 2, 99, b"data"), values) == frames.ipv4(LINK, src, 2, 99, b"data", ttl=ttl)
    assert set_all(frames.ipv6(LINK, 1, 2, 99, b"data"), values) == frames.ipv6(LINK, 1, 2, 99, b"data", ttl)


@given(sha=st.integers(0, 2**48 - 1), spa=IPV4, tha=st.integers(0, 2**48 - 1), tpa=IPV4)
def test_arp_is_as_if_made_so(sha: int, spa: int, tha: int, tpa: int) -> None:
    values = {f.ARP_OP: 2, f.ARP_SHA: sha, f.ARP_SPA: spa, f.ARP_THA: tha, f.ARP_TPA: tpa}
    made = frames.arp(LINK, 2, (sha, spa), (tha, tpa))
    assert set_all(frames.arp(LINK, 1, (ALICE, "10.0.0.1"), (0, "10.0.0.2")), values) == made


@given(target=IPV6, mac=st.integers(1, 2**48 - 1))
def test_an_advertisement_is_as_if_made_so(target: int, mac: int) -> None:
    values = {f.ND_TARGET: target, f.ND_TLL: mac, f.ND_RESERVED: 3 << 29}
    start = frames.neighbour_advertisement(LINK, "fd00::1", "fd00::9", "fd00::2", ALICE)
    assert set_all(start, values) == frames.neighbour_advertisement(LINK, "fd00::1", target, "fd00::2", mac)


def test_an_answer_to_a_solicitation() -> None:
    """Its option changes from source to target only as the row of the advertisement sets it."""
    asked = frames.neighbour_solicitation(ALICE, "fd00::1", "fd00::2", ALICE)
    values = {f.ICMPV6_TYPE: 136, f.ND_OPTIONS_TYPE: 2, f.ND_RESERVED: 3 << 29, f.ND_TLL: BOB}
    values |= {f.ETH_SRC: BOB, f.ETH_DST: ALICE, f.IPV6_SRC: 0xFD << 120 | 2, f.IPV6_DST: 0xFD << 120 | 1}
    made = frames.neighbour_advertisement(Link(BOB, ALICE), "fd00::2", "fd00::2", "fd00::1", BOB)
    assert set_all(asked, values) == made


@pytest.mark.parametrize("name", ["nd_sll", "nd_tll"])
def test_an_address_that_the_message_does_not_have_is_not_set(name: str) -> None:
    asked = frames.neighbour_solicitation(ALICE, "fd00::1", "fd00::2", ALICE)
    field = {"nd_sll": f.ND_SLL, "nd_tll": f.ND_TLL}[name]
    assert (with_field(asked, field, BOB).to_bytes() != asked.to_bytes()) == (name == "nd_sll")


def test_a_datagram_without_checksum_stays_without() -> None:
    plain = frames.ipv4(LINK, "10.0.0.1", "10.0.0.2", 17, bytes.fromhex("0001 0002 0009 0000 41"))
    changed = set_all(plain, {f.IPV4_DST: 7, f.UDP_DST: 9})
    assert changed == frames.ipv4(LINK, "10.0.0.1", 7, 17, bytes.fromhex("0001 0009 0009 0000 41"))


def test_a_wrong_checksum_stays_wrong() -> None:
    wrong = bytearray(frames.ipv4_tcp(LINK, 1, 2, (3, 4)).to_bytes())
    wrong[51] ^= 1
    repaired = bytearray(set_all(parse(bytes(wrong)), {f.IPV4_SRC: 77}).to_bytes())
    assert repaired != (right := frames.ipv4_tcp(LINK, 77, 2, (3, 4)).to_bytes())
    assert repaired[:50] == right[:50]


def test_padding_is_neither_changed_nor_summed() -> None:
    for packet, value in (
        (frames.ipv4_sctp(LINK, 1, 2, (3, 4)), f.SCTP_DST),
        (frames.ipv6_echo(LINK, 1, 2), f.IPV6_SRC),
    ):
        padded = parse(packet.to_bytes() + b"padding")
        assert set_all(padded, {value: 9}).to_bytes() == set_all(packet, {value: 9}).to_bytes() + b"padding"


FRAGMENT = frames.fragments(frames.ipv4_udp(LINK, 1, 2, (3, 4), b"x" * 40), 16)[0]
BARE_QUESTION = frames.neighbour_solicitation(ALICE, "::", "fd00::2")


@pytest.mark.parametrize(
    ("packet", "field", "why"),
    [
        (FRAGMENT, f.IPV4_SRC, "fragment"),
        (FRAGMENT, f.UDP_SRC, "fragment"),
        (frames.ipv4(LINK, 1, 2, 6, b"cut"), f.IPV4_DST, "not modelled"),
        (frames.ipv4(LINK, 1, 2, 6, b"cut"), f.TCP_DST, "broken"),
        (BARE_QUESTION, f.ND_OPTIONS_TYPE, "behind the packet"),
        (frames.arp(LINK, 300, (1, 1), (2, 2)), f.ARP_SPA, "can end ovs-vswitchd"),
    ],
)
def test_what_is_not_modelled_is_said(packet: Packet, field: Field, why: str) -> None:
    """And not sent: as if the switch gave it up."""
    trace = run(packet, row(0, SetField(field, 9), Output(2)))
    assert not trace.deliveries and why in trace.anomalies[0].reason


def row(table: int, *actions: Action, goto: int | None = None, on: FieldMatch | None = None) -> Row:
    return Row(table, 2 if on else 1, match(*([on] if on else [])), actions, goto, ORIGIN)


def run(packet: Packet, *rows: Row) -> Trace:
    table = SwitchTable()
    for each in rows:
        table.add(each)
    return Simulator({"s": table}, {}).inject("s", 1, packet)


def delivered(trace: Trace) -> list[tuple[int, Packet]]:
    assert not trace.anomalies
    return [(delivery.port, delivery.frame) for delivery in trace.deliveries]


@pytest.mark.parametrize(("ttl", "arrives"), [(255, True), (2, True), (1, False), (0, False)])
def test_a_hop_less(ttl: int, arrives: bool) -> None:
    rows = row(0, Resubmit(1), Output(3)), row(1, DecTtl(), Output(2))
    for make in (
        lambda left: frames.ipv4(LINK, 1, 2, 99, b"", ttl=left),
        lambda left: frames.ipv6(LINK, 1, 2, 99, b"", left),
    ):
        trace = run(make(ttl), *rows)
        assert delivered(trace)[:1] == ([(2, make(ttl - 1))] if arrives else [(3, make(ttl))])
        assert [drop.reason for drop in trace.drops] == ([] if arrives else ["its TTL is spent"])


def test_the_way_out_is_the_way_in_once_it_is_forgotten() -> None:
    arp = frames.arp_request(ALICE, "10.0.0.1", "10.0.0.2")
    assert delivered(run(arp, row(0, SetField(f.IN_PORT, 0), Output(1)))) == [(1, arp)]
    assert not delivered(run(arp, row(0, SetField(f.IN_PORT, 0), Output(IN_PORT_PORT))))[1:]


@pytest.mark.parametrize(("size", "port"), [(45, 3), (46, 2), (47, 2)])
def test_sizes_count_the_ethernet_header(size: int, port: int) -> None:
    """The bit is known to the rest of the row alone."""
    frame = frames.ipv4(LINK, 1, 2, 99, b"x" * 12)
    larger = FieldMatch(f.REG7, 1 << 4, 1 << 4)
    rows = row(0, Resubmit(1), Resubmit(2)), row(1, CheckLarger(size, f.REG7, 4), Resubmit(2))
    trace = run(frame, *rows, row(2, Output(2)), row(2, Output(3), on=larger))
    assert delivered(trace) == [(port, frame), (2, frame)]


def test_what_is_known_beside_the_packet() -> None:
    frame = frames.ipv4(LINK, 1, 2, 99, b"data")
    seen = [FieldMatch(f.TUN_ID, 5), FieldMatch(f.TUN_DST, 7), FieldMatch(f.REG7, 9), FieldMatch(f.CT_STATE, 0, 0x20)]
    told = SetField(f.REG7, 9), SetField(f.TUN_DST, 7), Move(f.REG7, f.TUN_ID, 2, 0, 0), Move(f.REG7, f.TUN_ID, 1, 0, 2)
    rows = row(0, *told, goto=1), Row(1, 5, match(*seen), (Output(2),), None, ORIGIN)
    assert delivered(run(frame, *rows)) == [(2, frame)]
    assert not run(frame, row(0, *told[:2], goto=1), rows[1]).deliveries


def test_bytes_that_cannot_be_written_are_not() -> None:
    with pytest.raises(Invalid, match="not modelled"):
        with_field(FRAGMENT, f.IPV4_SRC, 9).to_bytes()
