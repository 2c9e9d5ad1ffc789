"""What a flow monitor and forwarded requests say, taken apart: right where it is right, refused where it is not."""

from __future__ import annotations

import struct
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from legal_rows import random_group, random_row

from ryu_vnet.errors import WireError
from ryu_vnet.openflow import messages
from ryu_vnet.openflow.monitor import Event, FlowUpdate, Removal, monitor_updates, told
from ryu_vnet.openflow.replies import GroupChange, GroupCommand, request_forward
from ryu_vnet.openflow.rows import encode_group, encode_row
from ryu_vnet.openflow.wire import Version

VERSIONS = pytest.mark.parametrize("version", list(Version), ids=lambda version: version.name)
ONF = 0x4F4E4600
NUMBERS = {
    Version.OF13: {Event.ADDED: 0, Event.REMOVED: 1, Event.MODIFIED: 2, Event.ABBREVIATED: 3},
    Version.OF14: {Event.ADDED: 1, Event.REMOVED: 2, Event.MODIFIED: 3, Event.ABBREVIATED: 4},
}
FULL = (Event.ADDED, Event.REMOVED, Event.MODIFIED)


def message(version: Version, kind: int, body: bytes) -> bytes:
    return struct.pack("!BBHI", version, kind, 8 + len(body), 0) + body


def report(version: Version, body: bytes) -> bytes:
    """A message of the flow monitor."""
    if version == Version.OF13:
        return message(version, 19, struct.pack("!HH4xII", 0xFFFF, 0, ONF, 1870) + body)
    return message(version, 19, struct.pack("!HH4x", 16, 0) + body)


def encoded(version: Version, update: FlowUpdate) -> bytes:
    """An update as the switch writes it (1.4.1, "Flow monitoring"; in 1.3 as Open vSwitch does)."""
    number = NUMBERS[version][update.event]
    if update.event is Event.ABBREVIATED:
        return struct.pack("!HHI", 8, number, update.xid)
    key, value, reason = update.key, update.value, update.removal or 0
    if version == Version.OF13:
        head = struct.pack("!H", reason) + key[2:4] + value[:4] + key[6:8] + key[:1] + b"\0"
    else:
        head = key[:1] + bytes([reason]) + value[:4] + key[2:4] + bytes(4)
    body = struct.pack("!H", number) + head + value[8:16] + key[4:] + value[16:]
    return struct.pack("!H", 2 + len(body)) + body


def random_update(random: Random) -> FlowUpdate:
    event = random.choice([*FULL, Event.ABBREVIATED])
    if event is Event.ABBREVIATED:
        return FlowUpdate(event, xid=random.getrandbits(32))
    key, value = encode_row(random_row(random, groups=(1,)))
    value = random.randbytes(4) + bytes(4) + random.randbytes(8) + value[16:]
    removal = random.choice(list(Removal)) if event is Event.REMOVED else None
    return FlowUpdate(event, key, value, removal=removal)


@VERSIONS
@given(random=st.randoms(use_true_random=False), count=st.integers(0, 6))
def test_updates(version: Version, random: Random, count: int) -> None:
    updates = [random_update(random) for _ in range(count)]
    body = b"".join(encoded(version, update) for update in updates)
    assert list(monitor_updates(report(version, body))) == updates


@VERSIONS
@given(random=st.randoms(use_true_random=False))
def test_all_but_flags_and_importance_is_told(version: Version, random: Random) -> None:
    key, value = encode_row(random_row(random))
    foreign = random.randbytes(16) + value[16:]
    (update,) = monitor_updates(report(version, encoded(version, FlowUpdate(Event.ADDED, key, foreign))))
    assert (update.key, update.value) == (key, told(foreign))
    assert told(value) == value
    assert told(foreign) == foreign[:4] + bytes(4) + foreign[8:]


def test_pauses() -> None:
    for event, number in ((Event.PAUSED, 5), (Event.RESUMED, 6)):
        assert list(monitor_updates(report(Version.OF14, struct.pack("!HH4x", 8, number)))) == [FlowUpdate(event)]
    for event, number in ((Event.PAUSED, 1871), (Event.RESUMED, 1872)):
        assert list(monitor_updates(message(Version.OF13, 4, struct.pack("!II", ONF, number)))) == [FlowUpdate(event)]


def test_what_is_about_something_else_has_no_updates() -> None:
    for other in (
        messages.bundle_control(Version.OF13, 1, 1, 1),
        message(Version.OF14, 4, struct.pack("!II", ONF, 2300)),
        message(Version.OF14, 4, struct.pack("!II", 0x2320, 1871)),
        *(message(version, 19, struct.pack("!HH4x", 1, 0)) for version in Version),
        message(Version.OF13, 19, struct.pack("!HH4x", 16, 0) + bytes(8)),
        message(Version.OF13, 19, struct.pack("!HH4xII", 0xFFFF, 0, ONF, 1) + bytes(8)),
        message(Version.OF14, 19, struct.pack("!HH4xII", 0xFFFF, 0, ONF, 1870) + bytes(8)),
    ):
        assert list(monitor_updates(other)) == []


def test_a_reason_that_nobody_knows_is_none() -> None:
    key, value = encode_row(random_row(Random(1)))
    update = bytearray(encoded(Version.OF14, FlowUpdate(Event.REMOVED, key, value)))
    update[5] = 99
    (read,) = monitor_updates(report(Version.OF14, bytes(update)))
    assert (read.event, read.removal) == (Event.REMOVED, None)


@VERSIONS
@given(
    random=st.randoms(use_true_random=False),
    cut=st.integers(min_value=0),
    places=st.lists(st.tuples(st.integers(0), st.integers(0, 255))),
)
def test_damage_raises_wire_errors_and_nothing_else(
    version: Version, random: Random, cut: int, places: list[tuple[int, int]]
) -> None:
    data = bytearray(report(version, b"".join(encoded(version, random_update(random)) for _ in range(3))))
    for place, byte in places:
        data[place % len(data)] = byte
    for piece in (data, data[: cut % len(data)]):
        if len(piece) >= 4:
            piece[2:4] = len(piece).to_bytes(2, "big")
        try:
            list(monitor_updates(bytes(piece)))
        except WireError:
            continue


@VERSIONS
@pytest.mark.parametrize(
    "broken",
    ["0000", "00080004", "00100004 00000000", "0008 0063 00000000", "0004 0001"],
    ids=["cut head", "cut body", "runs over", "unknown event", "too short"],
)
def test_broken_updates(version: Version, broken: str) -> None:
    with pytest.raises(WireError, match="flow update"):
        list(monitor_updates(report(version, bytes.fromhex(broken))))


@VERSIONS
def test_a_match_that_runs_over(version: Version) -> None:
    update = bytearray(encoded(version, FlowUpdate(Event.ADDED, *encode_row(random_row(Random(2))))))
    update[26:28] = b"\x0f\xff"
    with pytest.raises(WireError, match="match of 4095"):
        list(monitor_updates(report(version, bytes(update))))
    if version == Version.OF13:
        update[26:28] = b"\x00\x04"
        with pytest.raises(WireError, match="says it has 0004"):
            list(monitor_updates(report(version, bytes(update))))


@given(st.randoms(use_true_random=False))
def test_forwarded_group_changes(random: Random) -> None:
    number = random.randrange(1, 1 << 24)
    value = encode_group(random_group(random, number))
    for command, request in (
        (GroupCommand.ADD, messages.group_add(Version.OF14, 9, number, value)),
        (GroupCommand.MODIFY, messages.group_modify(Version.OF14, 9, number, value)),
    ):
        assert request_forward(message(Version.OF14, 32, request)) == GroupChange(command, number, value)
    gone = message(Version.OF14, 32, messages.group_delete(Version.OF14, 9, number))
    assert request_forward(gone) == GroupChange(GroupCommand.DELETE, number, b"")


def test_all_groups_deleted_has_no_number() -> None:
    gone = message(Version.OF14, 32, messages.all_groups_delete(Version.OF14, 9))
    assert request_forward(gone) == GroupChange(GroupCommand.DELETE, None, b"")


def test_forwarded_meters_are_none_and_broken_requests_are_refused() -> None:
    assert request_forward(message(Version.OF14, 32, message(Version.OF14, 29, bytes(8)))) is None
    for broken in (b"", bytes(7), message(Version.OF14, 15, bytes(4)), message(Version.OF14, 15, b"\0\7" + bytes(6))):
        with pytest.raises(WireError):
            request_forward(message(Version.OF14, 32, broken))
    with pytest.raises(WireError, match="where REQUEST_FORWARD"):
        request_forward(messages.barrier(Version.OF14, 1))
