"""What switches send, taken apart: right where it is right, and refused where it is not."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from legal_rows import random_group, random_row

from ryu_vnet.compiler.rows import Group, Origin, Output, Subject
from ryu_vnet.errors import WireError
from ryu_vnet.openflow import messages, replies
from ryu_vnet.openflow.replies import BundleReply, Header, Port, PortReason
from ryu_vnet.openflow.rows import encode_group, encode_row
from ryu_vnet.openflow.wire import BundleStep, Version

XID = 0x99
ORIGIN = Origin(Subject.NETWORK, 16)
VERSIONS = pytest.mark.parametrize("version", list(Version), ids=lambda version: version.name)


def message(version: int, kind: int, body: bytes) -> bytes:
    return struct.pack("!BBHI", version, kind, 8 + len(body), XID) + body


def multipart(version: int, kind: int, body: bytes, more: bool = False) -> bytes:
    return message(version, 19, struct.pack("!HH4x", kind, int(more)) + body)


def flow_entry(key: bytes, value: bytes) -> bytes:
    """One entry of flow statistics (1.3.5, 7.3.5.2): 11 packets of 660 bytes in 7 seconds."""
    head = key[0:1] + bytes(1) + struct.pack("!II", 7, 42) + key[2:4] + value[0:8] + bytes(2) + value[8:16]
    rest = head + struct.pack("!QQ", 11, 660) + key[4:] + value[16:]
    return struct.pack("!H", 2 + len(rest)) + rest


def group_entry(number: int, value: bytes) -> bytes:
    return struct.pack("!H", 6 + len(value)) + value[:2] + struct.pack("!I", number) + value[2:]


def port_bytes(version: Version, number: int, name: bytes, config: int, state: int) -> bytes:
    mac = bytes.fromhex("0200000000010000")
    if version == Version.OF13:
        return struct.pack("!I4x8s16sII24x", number, mac, name, config, state)
    ethernet = struct.pack("!HH4x6I", 0, 32, 0, 0, 0, 0, 10_000, 10_000)
    return struct.pack("!IH2x8s16sII", number, 40 + len(ethernet), mac, name, config, state) + ethernet


def one_of_each(version: Version) -> list[bytes]:
    """A message of each kind that is read."""
    random = Random(3)
    rows = b"".join(flow_entry(*encode_row(random_row(random))) for _ in range(3))
    groups = b"".join(group_entry(number, encode_group(random_group(random, number))) for number in (1, 2))
    ports = port_bytes(version, 1, b"p1", 0, 4) + port_bytes(version, 2, b"p2", 1, 1)
    return [
        multipart(version, 1, rows),
        multipart(version, 7, groups),
        multipart(version, 13, ports),
        message(version, 12, bytes(8) + port_bytes(version, 1, b"p1", 0, 4)),
        message(version, 1, struct.pack("!HH", 2, 9) + bytes(64)),
        message(version, 1, struct.pack("!HHI", 0xFFFF, 2313, 0x4F4E4600) + bytes(64)),
        message(version, 33, struct.pack("!IHH", 7, 5, 3)),
        message(version, 4, struct.pack("!IIIHH", 0x4F4E4600, 2300, 7, 5, 3)),
        message(version, 21, b""),
    ]


def read_everything(data: bytes) -> None:
    """Every reader over one message. A reader of another kind of message refuses it."""
    readers: list[Callable[[bytes], object]] = [
        replies.header,
        replies.multipart,
        lambda data: list(replies.flows(data)),
        lambda data: list(replies.groups(data)),
        lambda data: list(replies.ports(data)),
        replies.port_status,
        replies.error,
        replies.bundle_reply,
        replies.barrier_reply,
        replies.split,
    ]
    for read in readers:
        try:
            read(data)
        except WireError:
            continue


@VERSIONS
@given(
    which=st.integers(0, 8),
    cut=st.integers(min_value=0),
    places=st.lists(st.tuples(st.integers(0), st.integers(0, 255))),
)
def test_damage_raises_wire_errors_and_nothing_else(
    version: Version, which: int, cut: int, places: list[tuple[int, int]]
) -> None:
    data = bytearray(one_of_each(version)[which])
    for place, byte in places:
        data[place % len(data)] = byte
    read_everything(bytes(data))
    shorter = data[: cut % len(data)]
    if len(shorter) >= 4:
        shorter[2:4] = len(shorter).to_bytes(2, "big")
    read_everything(bytes(shorter))


@given(st.binary(max_size=100))
def test_noise_raises_wire_errors_and_nothing_else(noise: bytes) -> None:
    read_everything(noise)


@VERSIONS
@given(st.randoms(use_true_random=False), st.integers(0, 5), st.booleans())
def test_flows(version: Version, random: Random, count: int, more: bool) -> None:
    rows = [encode_row(random_row(random)) for _ in range(count)]
    dump = multipart(version, 1, b"".join(flow_entry(*row) for row in rows), more)
    assert list(replies.flows(dump)) == [(*row, 11, 660) for row in rows]
    assert replies.multipart(dump) == (1, more)


@VERSIONS
def test_a_row_that_runs_over_is_refused(version: Version) -> None:
    entry = flow_entry(*encode_row(random_row(Random(1))))
    for broken in (entry[:-8], entry[:20], b"\0\0" + entry[2:], b"\0\x38" + entry[2:50] + b"\xff" + entry[51:]):
        with pytest.raises(WireError, match="row at byte 16"):
            list(replies.flows(multipart(version, 1, broken)))


@VERSIONS
def test_groups(version: Version) -> None:
    values = {number: encode_group(Group(number, ((Output(number),),) * number, ORIGIN)) for number in (1, 2, 3)}
    dump = multipart(version, 7, b"".join(group_entry(*item) for item in values.items()))
    assert dict(replies.groups(dump)) == values
    with pytest.raises(WireError, match="group at byte 16"):
        list(replies.groups(multipart(version, 7, group_entry(1, values[1])[:-8])))


@VERSIONS
def test_ports(version: Version) -> None:
    body = port_bytes(version, 1, b"p1", 0, 4) + port_bytes(version, 0xFFFFFFFE, b"exactly 16 bytes", 1, 1)
    assert list(replies.ports(multipart(version, 13, body))) == [
        Port(1, "p1", link_up=True, admin_up=True),
        Port(0xFFFFFFFE, "exactly 16 bytes", link_up=False, admin_up=False),
    ]
    with pytest.raises(WireError, match="port"):
        list(replies.ports(multipart(version, 13, body[:-30])))


@VERSIONS
def test_a_name_that_is_not_text_is_still_a_name(version: Version) -> None:
    (port,) = replies.ports(multipart(version, 13, port_bytes(version, 1, b"p\xff", 0, 0)))
    assert port.name == "p\\xff"


@VERSIONS
@pytest.mark.parametrize("reason", list(PortReason))
def test_port_status(version: Version, reason: PortReason) -> None:
    port = port_bytes(version, 3, b"p3", 0, 1)
    report = message(version, 12, struct.pack("!B7x", reason.value) + port)
    assert replies.port_status(report) == (reason, Port(3, "p3", link_up=False, admin_up=True))
    with pytest.raises(WireError, match="reason 9"):
        replies.port_status(message(version, 12, struct.pack("!B7x", 9) + port))
    with pytest.raises(WireError, match="follow"):
        replies.port_status(message(version, 12, bytes(8) + port + bytes(8)))


@VERSIONS
def test_errors(version: Version) -> None:
    refused = messages.barrier(version, XID)
    error = replies.error(message(version, 1, struct.pack("!HH", 2, 9) + refused))
    assert (error.xid, error.kind, error.code, error.data) == (XID, 2, 9, refused)
    assert str(error) == "OFPET_BAD_ACTION OFPBAC_BAD_OUT_GROUP (xid 0x99)"
    bundle = replies.error(message(version, 1, struct.pack("!HHI", 0xFFFF, 2313, 0x4F4E4600) + refused))
    assert (bundle.kind_name, bundle.code_name, bundle.data) == ("OFPET_BUNDLE_FAILED", "OFPBFC_MSG_FAILED", refused)


def test_bundle_replies() -> None:
    body = struct.pack("!IHH", 7, 5, 3)
    done = BundleReply(XID, 7, BundleStep.COMMIT_REPLY)
    onf = struct.pack("!II", 0x4F4E4600, 2300)
    assert replies.bundle_reply(message(5, 33, body)) == done
    assert replies.bundle_reply(message(4, 4, onf + body)) == done
    assert replies.bundle_reply(message(4, 4, struct.pack("!II", 0x2320, 21) + body)) is None
    with pytest.raises(WireError, match="type 99"):
        replies.bundle_reply(message(5, 33, struct.pack("!IHH", 7, 99, 3)))


@VERSIONS
def test_barrier_and_header(version: Version) -> None:
    reply = message(version, 21, b"")
    assert replies.barrier_reply(reply) == XID
    assert replies.header(reply) == Header(version, 21, 8, XID)
    with pytest.raises(WireError, match="says that it has 8 bytes"):
        replies.header(reply + b"\0")
    with pytest.raises(WireError, match="version 0x06"):
        replies.header(message(6, 21, b""))
    with pytest.raises(WireError, match="where BARRIER_REPLY"):
        replies.barrier_reply(message(version, 20, b""))


@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(min_value=0))
def test_a_stream_is_cut_into_messages_wherever_it_breaks(bodies: list[bytes], place: int) -> None:
    sent = [message(5, 19, body) for body in bodies]
    stream = b"".join(sent)
    place %= len(stream) + 1
    first, rest = replies.split(stream[:place])
    second, nothing = replies.split(rest + stream[place:])
    assert (first + second, nothing) == (sent, b"")


def test_a_stream_that_cannot_be_followed() -> None:
    with pytest.raises(WireError, match="4 bytes"):
        replies.split(bytes.fromhex("0513000400000000"))


@VERSIONS
def test_messages_that_are_too_long_are_refused(version: Version) -> None:
    key, value = encode_row(random_row(Random(1)))
    with pytest.raises(WireError, match="65535"):
        messages.flow_add(version, XID, key, value + bytes(0x10000))
    nearly = messages.flow_add(version, XID, key, value[:16] + bytes(0xFFFF - 40 - len(key) - 8))
    with pytest.raises(WireError, match="65535"):
        messages.bundle_add(version, 1, nearly)
