"""decode(encode(x)) is x, for rows, matches and groups; and what is not ours is refused by name."""

from __future__ import annotations

import struct
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from legal_rows import random_group, random_row

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.rows import Clone, Encap, FieldMatch, Group, Origin, Output, PacketType, Row, Subject, cookie_of
from ryu_vnet.errors import WireError
from ryu_vnet.openflow.actions import decode_actions, encode_actions
from ryu_vnet.openflow.oxm import decode_match, encode_match
from ryu_vnet.openflow.rows import (
    FOREIGN,
    canonical_group,
    cookie_in,
    decode_group,
    decode_row,
    encode_group,
    encode_row,
)

ORIGIN = Origin(Subject.INTERFACE, 7)
RANDOMS = st.randoms(use_true_random=False)
DROP = Row(10, 400, (FieldMatch(f.IN_PORT, 3),), (), None, ORIGIN)


@given(RANDOMS)
def test_rows_survive(random: Random) -> None:
    row = random_row(random, groups=(1, 2))
    key, value = encode_row(row)
    assert decode_row(key, value) == (row, cookie_of(row.origin))
    assert cookie_in(value) == cookie_of(row.origin)


@given(RANDOMS)
def test_keys_are_equal_exactly_if_rows_cannot_stand_together(random: Random) -> None:
    one, two = random_row(random), random_row(random)
    assert (encode_row(one)[0] == encode_row(two)[0]) == (one.key == two.key)
    twin = Row(one.table, one.priority, one.match, two.actions, None, two.origin)
    assert encode_row(twin)[0] == encode_row(one)[0]


@given(RANDOMS)
def test_groups_survive(random: Random) -> None:
    group = random_group(random, number=5)
    value = encode_group(group)
    assert decode_group(5, value, group.origin) == group
    assert decode_group(5, value).origin == FOREIGN
    assert canonical_group(value) == value


@given(RANDOMS, st.integers(min_value=0), st.integers(0, 255))
def test_damaged_rows_raise_wire_errors_and_nothing_else(random: Random, place: int, byte: int) -> None:
    key, value = (bytearray(part) for part in encode_row(random_row(random, groups=(1,))))
    part = (key, value)[place % 2]
    part[place // 2 % len(part)] = byte
    try:
        row, cookie = decode_row(bytes(key), bytes(value))
    except WireError:
        return
    again = encode_row(row)
    # What was understood must be all there is: timeouts, flags, a foreign cookie and the order of fields apart.
    assert (len(again[0]), again[1][16:]) == (len(key), bytes(value[16:]))
    assert cookie == cookie_in(bytes(value))


@given(RANDOMS, st.integers(min_value=0))
def test_cut_rows_and_groups_raise_wire_errors(random: Random, length: int) -> None:
    key, value = encode_row(random_row(random))
    with pytest.raises(WireError):
        decode_row(key[: length % len(key)], value)
    if length % len(value) < 16:
        with pytest.raises(WireError):
            decode_row(key, value[: length % len(value)])
    group = encode_group(Group(1, ((Output(1),), (Output(2),)), ORIGIN))
    if (length % len(group) - 2) % 32:
        with pytest.raises(WireError):
            decode_group(1, group[: length % len(group)])


@given(st.binary(max_size=200))
def test_noise_raises_wire_errors(noise: bytes) -> None:
    for decode in (decode_match, decode_actions, canonical_group, lambda data: decode_row(DROP_KEY, data)):
        try:
            decode(noise)
        except WireError:
            continue


DROP_KEY = encode_row(DROP)[0]


def test_layout() -> None:
    key, value = encode_row(Row(10, 0x0190, (FieldMatch(f.MPLS_LABEL, 16), FieldMatch(f.REG1, 7)), (), 20, ORIGIN))
    assert key.hex(" ", 4) == "0a000190 00010014 80004404 00000010 00010204 00000007 00000000"
    assert value.hex(" ", 4) == "00000000 00000000 766e0300 00000007 00010008 14000000"


def test_an_all_ones_mask_is_no_mask_and_a_zero_mask_is_nothing() -> None:
    assert encode_match((FieldMatch(f.REG0, 5, 0xFFFFFFFF),)) == encode_match((FieldMatch(f.REG0, 5),))
    with pytest.raises(WireError, match="mask"):
        decode_match(bytes.fromhex("0001000c 00010108 00000000 00000000".replace("000c", "0010")))


def test_foreign_rows_have_no_origin_of_ours() -> None:
    key, value = encode_row(DROP)
    row, cookie = decode_row(key, value[:8] + bytes(7) + b"\x05" + value[16:])
    assert (row.origin, cookie) == (FOREIGN, 5)


@pytest.mark.parametrize(
    ("match", "named"),
    [
        ("0001000a 80005402 00020000 00000000", "tcp_flags"),
        ("0001000c 00011204 00000001 00000000", "reg9"),
        ("00010009 00013401 04000000 00000000", "ip_frag"),
        ("0001000c 12345604 00000001 00000000", "number 43 of class 0x1234"),
        ("00010010 80000108 00000001 ffffffff", "in_port .*masked"),
        ("00010014 00010004 00000001 00010004 00000001 00000000", "reg0 twice"),
        ("0001000a 80000c02 2fff0000 00000000", "vlan_vid"),
        ("00010010 00010108 00000003 00000001", "reg0=0x3/0x1"),
        ("00000004 00000000", "type 0"),
        ("00010004 00000001", "padded"),
        ("00010006 80000000", "cut short|ends|length"),
    ],
)
def test_refused_matches(match: str, named: str) -> None:
    with pytest.raises(WireError, match=named):
        decode_match(bytes.fromhex(match))


@pytest.mark.parametrize(
    ("actions", "named"),
    [
        ("00000010 00000001 ffff0000 00000000", "Output"),
        ("00130008 88470000", "push_mpls"),
        ("00630008 00000000", "unknown .type 99"),
        ("00110008 88a80000", "PushVlan"),
        ("00190010 80000601 00000000 00010000", "unmasked|eth_dst"),
        ("ffff0010 00002320 000efff7 50000000", "Resubmit"),
        ("ffff0010 00002320 002e0000 00018848", "packet type .1, 0x8848"),
        ("ffff0010 00002320 00220000 00000000", "conjunction"),
        ("ffff0010 12345678 00000000 00000000", "0x12345678"),
        ("00000008 00000001", "bytes wanted"),
        ("00000007 00000001", "7 bytes"),
        ("0000", "bytes wanted"),
    ],
)
def test_refused_actions(actions: str, named: str) -> None:
    with pytest.raises(WireError, match=named):
        decode_actions(bytes.fromhex(actions))


@pytest.mark.parametrize(
    ("instructions", "named"),
    [
        ("00030008 00000000", "write_actions"),
        ("00050008 00000000", "clear_actions"),
        ("00060010 00000001 00000000 00000000", "type 6"),
        ("00040018 00000000 00000010 00000001 0000 000000000000 00060008 00000001", "do not say all"),
        ("00010008 14000000 00010008 15000000", "two instructions"),
        ("00010010 14000000 00000000 00000000", "goto_table|type 1"),
        ("00040010 00000000", "16 bytes"),
    ],
)
def test_refused_instructions(instructions: str, named: str) -> None:
    key, value = encode_row(DROP)
    with pytest.raises(WireError, match=named):
        decode_row(key, value + bytes.fromhex(instructions))


def test_clones_within_clones_end_somewhere() -> None:
    actions = encode_actions((Clone((Clone((Output(1),)),)),))
    assert decode_actions(actions) == (Clone((Clone((Output(1),)),)),)
    deep = b""
    for _ in range(2000):
        deep = struct.pack("!HHIH6x", 0xFFFF, 16 + len(deep), 0x2320, 42) + deep
    with pytest.raises(WireError, match="clones"):
        decode_actions(deep)


def test_what_says_nothing_in_a_group_of_type_all_is_no_difference() -> None:
    ours = encode_group(Group(1, ((Output(1),), (Encap(PacketType.MPLS),)), ORIGIN))
    bucket = bytearray(ours)
    bucket[4:6] = b"\0\7"
    bucket[6:10] = b"\0\0\0\1"
    assert bytes(bucket) != ours
    assert canonical_group(bytes(bucket)) == ours
    select = b"\1" + bytes(bucket)[1:]
    assert canonical_group(select) == select
    with pytest.raises(WireError, match="select"):
        decode_group(1, select)


@pytest.mark.parametrize(
    "row",
    [
        Row(256, 1, (), (), None, ORIGIN),
        Row(1, 1 << 16, (), (), None, ORIGIN),
        Row(1, 1, (), (Output(1 << 32),), None, ORIGIN),
        Row(1, 1, (), (Output(1),) * 5000, None, ORIGIN),
        Row(1, 1, (), (), None, Origin(Subject.NETWORK, 1 << 64)),
    ],
    ids=["table", "priority", "port", "actions", "origin"],
)
def test_rows_that_do_not_fit_are_refused(row: Row) -> None:
    with pytest.raises(WireError, match="does not fit"):
        encode_row(row)


def test_groups_that_do_not_fit_are_refused() -> None:
    with pytest.raises(WireError, match="does not fit"):
        encode_group(Group(1, ((Output(1 << 32),),), ORIGIN))
