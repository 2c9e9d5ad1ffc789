"""What a switch is known to have against what is wanted, what a dump shows of it, and what it has acknowledged."""

from __future__ import annotations

import struct
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from ryu_vnet.compiler.rows import Group, MeterBand, Origin, Output, Row, Subject, ToGroup
from ryu_vnet.managers.agenda import UNKNOWN
from ryu_vnet.managers.backlog import Unacknowledged
from ryu_vnet.managers.difference import Before, Contents, Key, difference, steps
from ryu_vnet.managers.standing import Reading, Standing
from ryu_vnet.openflow.changes import Kind, Step
from ryu_vnet.openflow.meters import MeterKey, encode_meter
from ryu_vnet.openflow.rows import encode_group, encode_row

ORIGIN = Origin(Subject.NETWORK, 16)
DURATION_AND_PAD = bytes(8)


def row(number: int, port: int = 1) -> tuple[bytes, bytes]:
    return encode_row(Row(1, number, (), (Output(port),), None, ORIGIN))


def to_group(number: int, group: int) -> tuple[bytes, bytes]:
    return encode_row(Row(1, number, (), (ToGroup(group),), None, ORIGIN))


def group(number: int, port: int) -> tuple[int, bytes]:
    return number, encode_group(Group(number, ((Output(port),),), ORIGIN))


def meter(number: int, rate: int) -> tuple[MeterKey, bytes]:
    return MeterKey(number), encode_meter(MeterBand(number, rate, 2 * rate))


@st.composite
def contents(draw: st.DrawFn) -> Contents:
    """A few rows, groups and meters out of few, so that they often meet."""
    numbers = st.dictionaries(st.integers(1, 8), st.integers(1, 3))
    rows = dict(row(*item) for item in draw(numbers).items())
    groups = dict(group(*item) for item in draw(numbers).items())
    return Contents(rows, groups, dict(meter(*item) for item in draw(numbers).items()))


def rows_reply(rows: dict[bytes, bytes], xid: int, parts: int) -> list[bytes]:
    """A dump of rows in so many messages (OpenFlow 1.4.1, 7.3.5.2)."""
    bodies = [b""] * parts
    for index, (key, value) in enumerate(rows.items()):
        entry = key[:1] + b"\0" + DURATION_AND_PAD + key[2:4] + value[:8] + bytes(2) + value[8:16]
        entry += struct.pack("!QQ", index, 100 * index) + key[4:] + value[16:]
        bodies[index % parts] += struct.pack("!H", len(entry) + 2) + entry
    return [multipart(1, body, xid, more=body is not bodies[-1]) for body in bodies]


def groups_reply(groups: dict[int, bytes], xid: int) -> bytes:
    body = b"".join(
        struct.pack("!H", len(value) + 6) + value[:2] + struct.pack("!I", number) + value[2:]
        for number, value in groups.items()
    )
    return multipart(7, body, xid, more=False)


def meters_reply(meters: dict[MeterKey, bytes], xid: int) -> bytes:
    """OpenFlow 1.4.1, 7.3.5.14."""
    entries = ((len(value) + 6, value[:2], key.number, value[2:]) for key, value in meters.items())
    return multipart(10, b"".join(struct.pack("!H2sI", *head) + bands for *head, bands in entries), xid, more=False)


def multipart(kind: int, body: bytes, xid: int, *, more: bool) -> bytes:
    return struct.pack("!BBHIHH4x", 5, 19, len(body) + 16, xid, kind, more) + body


def read(standing: Standing, there: Contents, parts: int = 2) -> Before:
    """What a reading finds that was not known."""
    reading = Reading(3, 1, 2, counting=True)
    reading.meters(meters_reply(there.meters, 3), standing)
    others = reading.end_of_meters(standing)
    reading.groups(groups_reply(there.groups, 1), standing)
    found = reading.end_of_groups(standing)
    for message in rows_reply(there.rows, 2, parts):
        reading.rows(message, standing)
    assert reading.counts == {key: (index, 100 * index) for index, key in enumerate(there.rows)}
    return {**others, **found, **reading.end_of_rows(standing)}


def wished(standing: Standing, new: Contents) -> None:
    """Want something else, in place, as the owner of a table does."""
    before = difference(standing.wanted, new)
    for key in before:
        standing.wanted.put(key, new.get(key))
    standing.wish(before)


def copied(original: Contents) -> Contents:
    return Contents(dict(original.rows), dict(original.groups), dict(original.meters))


@given(contents(), contents(), contents(), contents())
def test_a_reading_finds_just_what_was_not_known(
    wanted: Contents, known: Contents, later: Contents, there: Contents
) -> None:
    """Whatever was known before, and whatever else is wanted meanwhile."""
    standing = Standing(copied(wanted))
    for key, value in difference(known, wanted).items():
        standing.found(key, value)
    assert standing.contents() == known
    wished(standing, later)
    assert standing.contents() == known and standing.off == difference(known, later)
    found = read(standing, there)
    assert found == difference(there, known)
    for key, value in found.items():
        standing.found(key, value)
    assert standing.contents() == there and standing.off == difference(there, later)


@given(contents(), contents(), contents())
def test_the_steps_lead_to_what_is_wanted(there: Contents, wanted: Contents, later: Contents) -> None:
    """Done by a switch, and taken over from its answer, though something else is wanted by then."""
    standing = Standing(copied(wanted))
    for key, value in difference(there, wanted).items():
        standing.found(key, value)
    todo = steps(standing.off, standing.wanted)
    first = executed(there, todo)
    assert (first.rows, first.groups) == (wanted.rows, wanted.groups)
    assert wanted.meters.items() <= first.meters.items()
    standing.did(todo)
    assert standing.contents() == first
    # Meters that nobody needs go when all else is done.
    last = steps(standing.off, standing.wanted)
    assert executed(first, last) == wanted and {kind for kind, _, _ in last} <= {Kind.METER_DELETE}
    wished(standing, later)
    standing.did(last)
    assert standing.contents() == wanted and standing.off == difference(wanted, later)


def executed(there: Contents, todo: list[Step]) -> Contents:
    """What a switch has after these steps, each of which it must be able to do."""
    after = copied(there)
    for kind, key, value in todo:
        present = after.get(key)
        assert (present is None) is (kind in (Kind.GROUP_ADD, Kind.METER_ADD)) or kind is Kind.ROW_ADD
        after.put(key, value or None)
    return after


def test_a_group_of_another_type_is_replaced_with_the_rows_that_name_it() -> None:
    number, value = group(5, 1)
    named, other = to_group(1, 5), to_group(2, 6)
    wanted = Contents(dict([named, other]), {number: value})
    off: Before = {number: b"\x01\x00" + value[2:]}
    assert steps(off, wanted) == [
        (Kind.GROUP_DELETE, number, b""),
        (Kind.GROUP_ADD, number, value),
        (Kind.ROW_ADD, *named),
    ]


def test_steps_come_in_an_order_in_which_no_row_names_what_is_not_there() -> None:
    random = Random(1)
    wanted = Contents(
        dict(row(number) for number in range(5)),
        dict(group(number, 1) for number in range(5)),
        dict(meter(number, 1) for number in range(5)),
    )
    keys: list[Key] = [*(row(number)[0] for number in range(10)), *range(10), *(MeterKey(n) for n in range(10))]
    random.shuffle(keys)
    off: Before = dict.fromkeys(keys)
    off |= {number: group(1, 2)[1] for number in range(1, 10, 2)}
    off |= {MeterKey(number): meter(1, 2)[1] for number in range(1, 10, 2)}
    kinds = [kind for kind, _, _ in steps(off, wanted)]
    assert kinds == sorted(kinds) and set(kinds) == set(Kind) - {Kind.METER_DELETE}


def test_a_meter_goes_alone_when_no_row_is_known_to_name_it() -> None:
    key, value = meter(7, 1)
    named, _ = row(1)
    both: Before = {key: value, named: row(1)[1]}
    assert steps(both, Contents()) == [(Kind.ROW_DELETE, named, b"")]
    assert steps({key: value}, Contents()) == [(Kind.METER_DELETE, key, b"")]


# --- which revisions are acknowledged -------------------------------------------------------------------------------


def test_what_needs_what_is_not_there_waits_and_nothing_else() -> None:
    backlog = Unacknowledged()
    for revision, serial in ((10, 1), (20, 2), (30, 3)):
        backlog.add(revision, serial)
    backlog.acknowledge(2, {1}, read_from=0)
    assert [*backlog] == [10, 30] and backlog.drain() == [20] and backlog.drain() == []
    backlog.acknowledge(3, (), read_from=0)
    assert not backlog and backlog.drain() == [10, 30]


def test_an_older_revision_may_need_what_was_wanted_later() -> None:
    backlog = Unacknowledged()
    backlog.add(10, 1)
    backlog.add(10, 4)
    backlog.add(20, 4)
    backlog.acknowledge(3, (), read_from=0)
    assert [*backlog] == [10, 20]
    backlog.acknowledge(4, {4}, read_from=0)
    assert [*backlog] == [10, 20]
    backlog.acknowledge(4, (), read_from=0)
    assert not backlog


def test_what_was_wanted_before_the_connection_may_need_anything() -> None:
    backlog = Unacknowledged()
    for revision in range(1, 6):
        backlog.add(revision, revision)
    backlog.acknowledge(5, {UNKNOWN}, read_from=3)
    assert [*backlog] == [1, 2, 3]
    backlog.acknowledge(5, {5}, read_from=3)
    assert not backlog


def test_after_a_restart_all_revisions_count_until_the_switch_is_as_it_is_to_be() -> None:
    backlog = Unacknowledged()
    backlog.forget_up_to(7)
    backlog.add(8, 1)
    backlog.acknowledge(1, {UNKNOWN}, read_from=0)
    assert 5 in backlog and 7 in backlog and 8 not in backlog and bool(backlog)
    backlog.acknowledge(1, {1}, read_from=0)
    assert not backlog and 7 not in backlog


def test_the_list_of_a_switch_that_is_away_is_cut() -> None:
    backlog = Unacknowledged()
    most = 3 * Unacknowledged.KEPT
    for revision in range(most):
        backlog.add(revision, revision + 1)
        assert revision in backlog and len([*backlog]) <= Unacknowledged.KEPT
    assert set(backlog.drain()) == set(range(backlog.floor + 1))
    backlog.acknowledge(most, {1}, read_from=0)
    assert 1 in backlog and backlog.floor + 1 not in backlog
    backlog.acknowledge(most, (), read_from=0)
    assert not backlog
