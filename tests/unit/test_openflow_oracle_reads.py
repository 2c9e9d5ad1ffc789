"""What Ryu's parsers read from bytes is what we read from them, or put into them, wherever they can read them."""

from __future__ import annotations

import struct
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from legal_rows import random_group, random_row
from openflow_oracle import RANDOMS, VERSIONS, XID, Oracle, known_to_ryu

from ryu_vnet.compiler.rows import cookie_of
from ryu_vnet.openflow import messages, replies
from ryu_vnet.openflow.monitor import Event, monitor_updates
from ryu_vnet.openflow.rows import encode_group, encode_row
from ryu_vnet.openflow.wire import Version


@VERSIONS
@given(random=RANDOMS, foreign=st.binary(min_size=8, max_size=8))
def test_ryu_reads_from_a_flow_mod_what_we_put_in(version: Version, random: Random, foreign: bytes) -> None:
    """Also what we never write, but put back: timeouts, flags, importance."""
    oracle = Oracle(version)
    row = known_to_ryu(random_row(random, groups=(1, 2)))
    key, value = encode_row(row)
    ours = messages.flow_add(version, XID, key, foreign + value[8:])
    theirs = oracle.read("OFPFlowMod", ours)
    assert (theirs.xid, theirs.command, theirs.table_id) == (XID, oracle.ofp.OFPFC_ADD, row.table)
    assert (theirs.priority, theirs.cookie, theirs.cookie_mask) == (row.priority, cookie_of(row.origin), 0)
    idle, hard, flags, importance = struct.unpack("!HHHH", foreign)
    assert (theirs.idle_timeout, theirs.hard_timeout, theirs.flags) == (idle, hard, flags)
    assert version == Version.OF13 or theirs.importance == importance
    assert oracle.bytes_of_match(theirs.match) == key[4:]
    assert oracle.bytes_of_instructions(theirs.instructions) == value[16:]
    deletion = oracle.read("OFPFlowMod", messages.flow_delete(version, XID, key))
    assert (deletion.command, deletion.instructions) == (oracle.ofp.OFPFC_DELETE_STRICT, [])
    assert (deletion.out_port, deletion.out_group) == (oracle.ofp.OFPP_ANY, oracle.ofp.OFPG_ANY)
    assert oracle.bytes_of_match(deletion.match) == key[4:]


@VERSIONS
@given(random=RANDOMS)
def test_ryu_reads_from_a_group_what_we_put_in(version: Version, random: Random) -> None:
    """From a dump: Ryu does not read 1.3's group mods."""
    oracle = Oracle(version)
    group = random_group(random, number=random.randrange(1, 1 << 24))
    value = encode_group(group)
    entry = struct.pack("!H", 6 + len(value)) + value[:2] + struct.pack("!I", group.number) + value[2:]
    message = struct.pack("!BBHIHH4x", version, 19, 16 + len(entry), XID, 7, 0) + entry
    (theirs,) = oracle.read("OFPGroupDescStatsReply", message).body
    assert list(replies.groups(message)) == [(theirs.group_id, value)] == [(group.number, value)]
    assert theirs.type == oracle.ofp.OFPGT_ALL
    buckets = bytearray()
    for bucket in theirs.buckets:
        bucket.serialize(buckets, len(buckets))
    assert bytes(buckets) == value[2:]


@VERSIONS
@given(random=RANDOMS)
def test_a_dump_that_ryu_reads_says_what_we_read(version: Version, random: Random) -> None:
    """Ryu has no writer for flow statistics, so here Ryu reads what is then split by us."""
    oracle = Oracle(version)
    rows = [known_to_ryu(random_row(random)) for _ in range(3)]
    body = b"".join(flow_entry(*encode_row(row), packets=at, octets=at * 60) for at, row in enumerate(rows))
    message = struct.pack("!BBHIHH4x", version, 19, 16 + len(body), XID, 1, 1) + body
    assert replies.multipart(message) == (1, True)
    found = list(replies.flows(message))
    assert found == [(*encode_row(row), at, at * 60) for at, row in enumerate(rows)]
    theirs = oracle.parser.OFPFlowStatsReply.parser(oracle.datapath, version, 19, len(message), XID, message)
    for row, entry in zip(rows, theirs.body, strict=True):
        assert (entry.table_id, entry.priority, entry.cookie) == (row.table, row.priority, cookie_of(row.origin))
        assert oracle.bytes_of_match(entry.match) == encode_row(row)[0][4:]
        assert oracle.bytes_of_instructions(entry.instructions) == encode_row(row)[1][16:]


@given(random=RANDOMS)
def test_a_monitor_that_ryu_reads_says_what_we_read(random: Random) -> None:
    """In 1.4. The layout is that of all full updates; Ryu reads those of rows that were there before, and stumbles over
    every other."""
    oracle = Oracle(Version.OF14)
    row = known_to_ryu(random_row(random, groups=(1,)))
    key, value = encode_row(row)
    full = b"\0\0" + key[:1] + b"\0\0\7\0\10" + key[2:4] + bytes(4) + value[8:16] + key[4:] + value[16:]
    body = struct.pack("!H", 2 + len(full)) + full + struct.pack("!HHI", 8, 4, XID)
    message = struct.pack("!BBHIHH4x", Version.OF14, 19, 16 + len(body), 0, 16, 0) + body
    initial, abbreviated = monitor_updates(message)
    theirs, their_abbreviation = oracle.read("OFPFlowMonitorReply", message).body
    assert (initial.event, theirs.event) == (Event.ADDED, oracle.ofp.OFPFME_INITIAL)
    assert (theirs.table_id, theirs.priority, theirs.cookie) == (row.table, row.priority, cookie_of(row.origin))
    assert initial.value[:8] == struct.pack("!HHI", theirs.idle_timeout, theirs.hard_timeout, 0)
    assert initial.key == key == struct.pack("!BxH", row.table, row.priority) + oracle.bytes_of_match(theirs.match)
    assert initial.value[8:] == value[8:]
    assert initial.value[16:] == oracle.bytes_of_instructions(theirs.instructions)
    assert abbreviated.xid == their_abbreviation.xid == XID


@given(random=RANDOMS)
def test_a_forwarded_request_that_ryu_reads_says_what_we_read(random: Random) -> None:
    oracle = Oracle(Version.OF14)
    group = random_group(random, number=random.randrange(1, 1 << 24))
    request = oracle.bytes_of(oracle.group_mod(oracle.ofp.OFPGC_MODIFY, group))
    message = struct.pack("!BBHI", Version.OF14, 32, 8 + len(request), 0) + request
    theirs = oracle.read("OFPRequestForward", message).request
    change = replies.request_forward(message)
    assert change == replies.GroupChange(replies.GroupCommand.MODIFY, group.number, encode_group(group))
    assert (theirs.command, theirs.group_id, len(theirs.buckets)) == (1, group.number, len(group.buckets))


def flow_entry(key: bytes, value: bytes, packets: int, octets: int) -> bytes:
    """One entry of flow statistics (OpenFlow 1.4.1, 7.3.5.2), up for seven seconds."""
    table, priority, match, instructions = key[:1], key[2:4], key[4:], value[16:]
    counters = struct.pack("!QQ", packets, octets)
    head = table + b"\0" + struct.pack("!II", 7, 42) + priority + value[:8] + b"\0\0" + value[8:16]
    rest = head + counters + match + instructions
    return struct.pack("!H", 2 + len(rest)) + rest


@VERSIONS
@given(
    cookie=st.integers(0, (1 << 64) - 1), port=st.integers(1, 0xFFFFFEFF), tag=st.integers(0, 4094), data=st.binary()
)
def test_a_packet_in_is_read_as_ryu_reads_it(version: Version, cookie: int, port: int, tag: int, data: bytes) -> None:
    """The port stands among the other fields that a switch sends, registers of ours too."""
    oracle = Oracle(version)
    register = struct.pack("!II", 0x00010204, 7)
    fields = struct.pack("!II", 0x80000C02, tag)[:6] + register + struct.pack("!II", 0x80000004, port) + register
    match = struct.pack("!HH", 1, 4 + len(fields)) + fields + bytes(-(4 + len(fields)) % 8)
    body = struct.pack("!IHBBQ", 0xFFFFFFFF, len(data), 1, 16, cookie) + match + bytes(2) + data
    message = struct.pack("!BBHI", version, 10, 8 + len(body), XID) + body
    theirs = oracle.read("OFPPacketIn", message)
    ours = replies.packet_in(message)
    assert (
        (ours.cookie, ours.in_port, ours.table)
        == (theirs.cookie, theirs.match["in_port"], theirs.table_id)
        == (cookie, port, 16)
    )
    assert ours.data == data
