"""A change as a stream of chunks is, byte for byte, the messages that it is made of, one by one."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from legal_rows import random_group, random_row

from ryu_vnet.compiler.rows import MeterBand, Origin, Output, Row, Subject
from ryu_vnet.errors import WireError
from ryu_vnet.openflow import messages, replies
from ryu_vnet.openflow.changes import CHUNK, Kind, Step, bundle, message, plain
from ryu_vnet.openflow.meters import MeterKey, encode_meter
from ryu_vnet.openflow.rows import encode_group, encode_row
from ryu_vnet.openflow.wire import BundleStep, Version

VERSIONS = pytest.mark.parametrize("version", list(Version), ids=lambda version: version.name)
FIRST, OPEN, COMMIT, NUMBER = 0x80000100, 0x80000001, 0x80000002, 7


def random_step(random: Random) -> Step:
    kind = random.choice(list(Kind))
    number = random.randrange(1, 1 << 24)
    key, value = encode_row(random_row(random, groups=(1, 2)))
    if random.randrange(4) == 0:
        # A foreign row that is put back: timeouts, flags, importance and instructions that we do not write.
        value = random.randbytes(8) + value[8:] + random.randbytes(8 * random.randrange(4))
    buckets = encode_group(random_group(random, number))
    bands = encode_meter(MeterBand(number, random.randrange(1 << 32), random.randrange(1 << 32), random.random() < 0.5))
    steps: dict[Kind, Step] = {
        Kind.GROUP_ADD: (kind, number, buckets),
        Kind.GROUP_MODIFY: (kind, number, buckets),
        Kind.ROW_ADD: (kind, key, value),
        Kind.ROW_DELETE: (kind, key, b""),
        Kind.GROUP_DELETE: (kind, number, b""),
        Kind.METER_ADD: (kind, MeterKey(number), bands),
        Kind.METER_MODIFY: (kind, MeterKey(number), bands),
        Kind.METER_DELETE: (kind, MeterKey(number), b""),
    }
    return steps[kind]


def one_by_one(version: Version, steps: list[Step]) -> list[bytes]:
    """The messages, each by the function that is compared with Ryu's class elsewhere."""
    made = []
    for xid, (kind, key, value) in enumerate(steps, FIRST):
        if isinstance(key, MeterKey):
            meter = {Kind.METER_ADD: messages.meter_add, Kind.METER_MODIFY: messages.meter_modify}
            other = meter.get(kind)
            named = version, xid, key.number
            made.append(messages.meter_delete(*named) if other is None else other(*named, value))
        elif isinstance(key, int):
            group = {
                Kind.GROUP_ADD: lambda xid=xid, key=key, value=value: messages.group_add(version, xid, key, value),
                Kind.GROUP_MODIFY: lambda xid=xid, key=key, value=value: messages.group_modify(
                    version, xid, key, value
                ),
                Kind.GROUP_DELETE: lambda xid=xid, key=key: messages.group_delete(version, xid, key),
            }
            made.append(group[kind]())
        elif kind is Kind.ROW_ADD:
            made.append(messages.flow_add(version, xid, key, value))
        else:
            made.append(messages.flow_delete(version, xid, key))
    return made


@VERSIONS
@given(random=st.randoms(use_true_random=False), count=st.integers(0, 8))
def test_a_bundle_is_what_its_messages_make(version: Version, random: Random, count: int) -> None:
    steps = [random_step(random) for _ in range(count)]
    inner = one_by_one(version, steps)
    found = b"".join(bundle(version, NUMBER, iter(steps), FIRST, OPEN, COMMIT))
    assert found == messages.in_bundle(version, NUMBER, inner, OPEN, COMMIT)
    assert b"".join(plain(version, iter(steps), FIRST)) == b"".join(inner)
    assert [message(version, xid, step) for xid, step in enumerate(steps, FIRST)] == inner


@VERSIONS
def test_xids_count_up_in_the_order_of_steps(version: Version) -> None:
    random = Random(1)
    steps = [random_step(random) for _ in range(3000)]
    sent, rest = replies.split(b"".join(bundle(version, NUMBER, steps, FIRST, OPEN, COMMIT)))
    assert rest == b""
    assert [replies.header(one).xid for one in sent] == [OPEN, *range(FIRST, FIRST + 3000), COMMIT]


@VERSIONS
def test_chunks_are_handed_out_before_the_steps_are_all_there(version: Version) -> None:
    random = Random(2)
    steps = [random_step(random) for _ in range(5000)]
    longest = 200 + max(map(len, one_by_one(version, steps)))
    for chunks in (bundle(version, NUMBER, steps, FIRST, OPEN, COMMIT), plain(version, steps, FIRST)):
        *full, last = chunks
        assert len(full) > 5
        assert all(CHUNK <= len(chunk) < CHUNK + longest for chunk in full)
        assert len(last) < CHUNK + longest
    waiting = iter(steps)
    next(bundle(version, NUMBER, waiting, FIRST, OPEN, COMMIT))
    assert len(list(waiting)) > 4000


@VERSIONS
def test_nothing_to_do(version: Version) -> None:
    assert list(plain(version, [], FIRST)) == []
    assert b"".join(bundle(version, NUMBER, [], FIRST, OPEN, COMMIT)) == messages.in_bundle(
        version, NUMBER, [], OPEN, COMMIT
    )


@VERSIONS
def test_what_fits_no_message_is_refused(version: Version) -> None:
    key, value = encode_row(Row(1, 1, (), (Output(1),), None, Origin(Subject.NETWORK, 16)))
    long: Step = (Kind.ROW_ADD, key, value + bytes(0x10000))
    nearly: Step = (Kind.ROW_ADD, key, value[:16] + bytes(0xFFFF - 44 - len(key)))
    assert len(message(version, 1, nearly)) > 0xFFF0
    with pytest.raises(WireError, match="possible"):
        list(plain(version, [long], FIRST))
    for step in (long, nearly):
        with pytest.raises(WireError, match="fits no bundle"):
            list(bundle(version, NUMBER, [step], FIRST, OPEN, COMMIT))
    with pytest.raises(WireError, match="fits no bundle"):
        list(bundle(version, NUMBER, [(Kind.ROW_ADD, key, value)] * 2, 0xFFFFFFFF, OPEN, COMMIT))
    for wrong in ((Kind.GROUP_ADD, key, value), (Kind.ROW_ADD, 5, value)):
        for stream in (plain(version, [wrong], FIRST), bundle(version, NUMBER, [wrong], FIRST, OPEN, COMMIT)):
            with pytest.raises(WireError, match="with the key"):
                list(stream)


@VERSIONS
def test_a_probe_opens_a_bundle_and_throws_it_away(version: Version) -> None:
    opened, discarded = replies.split(messages.bundle_probe(version, NUMBER, OPEN, COMMIT))[0]
    assert opened == messages.bundle_control(version, OPEN, NUMBER, BundleStep.OPEN_REQUEST)
    assert discarded == messages.bundle_control(version, COMMIT, NUMBER, BundleStep.DISCARD_REQUEST)
