"""What a real switch tells of changes to its rows, in both versions, and that it is enough to keep a copy of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from random import Random

import pytest
from legal_rows import random_row
from openflow_peer import OpenFlowPeer
from told_copy import Copy
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.compiler.rows import Group, Origin, Output, Row, Subject, ToGroup, cookie_of
from ryu_vnet.openflow import changes, messages, replies
from ryu_vnet.openflow.changes import Kind, Step
from ryu_vnet.openflow.monitor import Event, FlowUpdate, Removal, monitor_updates, told
from ryu_vnet.openflow.rows import cookie_in, encode_group, encode_row
from ryu_vnet.openflow.wire import BundleStep, MessageType, Multipart, Version

ORIGIN = Origin(Subject.NETWORK, 16)
MANY = 50_000
"""Rows whose report overflows what a switch lets wait for a controller that does not read."""


@pytest.fixture(scope="module")
def ovs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DummyOvs]:
    with DummyOvs(tmp_path_factory.mktemp("ovs")) as switch:
        yield switch


@pytest.fixture(params=list(Version), ids=lambda version: version.name)
def peer(ovs: DummyOvs, request: pytest.FixtureRequest) -> Iterator[OpenFlowPeer]:
    """A fresh bridge with two ports, connected."""
    with OpenFlowPeer(request.param) as peer:
        ovs.add_bridge("s1", dpid=1, controller=peer.address, ports=("p1", "p2"))
        try:
            peer.accept()
            yield peer
        finally:
            ovs.vsctl("del-br", "s1")


@pytest.fixture
def copy(peer: OpenFlowPeer) -> Copy:
    return Copy(peer)


@pytest.fixture
def somebody(ovs: DummyOvs, peer: OpenFlowPeer) -> Iterator[OpenFlowPeer]:
    """Another connection to the same bridge."""
    with OpenFlowPeer(peer.version) as somebody:
        somebody.dial(ovs.folder / "s1.mgmt")
        yield somebody


@pytest.fixture
def ofctl(ovs: DummyOvs) -> Callable[..., str]:
    """Another program: options and command of ovs-ofctl, then what stands after the bridge."""

    def run(command: str, *args: str) -> str:
        return ovs.ofctl(*command.split(), str(ovs.folder / "s1.mgmt"), *args)

    return run


def events(log: list[FlowUpdate | BundleStep]) -> list[Event | BundleStep]:
    return [entry.event if isinstance(entry, FlowUpdate) else entry for entry in log]


def row(number: int, port: int = 1) -> tuple[bytes, bytes]:
    return encode_row(Row(1, number, (), (Output(port),), None, ORIGIN))


def to_group(number: int, group: int) -> tuple[bytes, bytes]:
    return encode_row(Row(1, number, (), (ToGroup(group),), None, ORIGIN))


def rows_file(ovs: DummyOvs, numbers: range, actions: str) -> str:
    file = ovs.folder / "rows.txt"
    file.write_text("".join(f"table=1,reg0={number},actions={actions}\n" for number in numbers))
    return str(file)


OPEN, COMMITTED = BundleStep.OPEN_REPLY, BundleStep.COMMIT_REPLY


def test_what_others_do_is_told_in_full(ovs: DummyOvs, copy: Copy, ofctl: Callable[..., str]) -> None:
    def after(command: str, argument: str = "") -> Counter[Event | BundleStep]:
        ofctl(command, *([argument] if argument else []))
        happened = Counter(events(copy.follow()))
        copy.check()
        return happened

    limits = "idle_timeout=90,hard_timeout=80,importance=4"
    assert after("add-flow", f"cookie=5,table=3,{limits},reg0=1,actions=output:2,goto_table:7") == {Event.ADDED: 1}
    ((key, value),) = copy.rows.items()
    assert (value[:8].hex(), cookie_in(value)) == ("005a005000000000", 5)
    assert after("add-flow", "cookie=6,table=3,reg0=1,actions=output:1") == {Event.ADDED: 1}
    assert cookie_in(copy.rows[key]) == 6
    assert after("mod-flows", "table=3,reg0=1,actions=output:2") == {Event.MODIFIED: 1}
    assert after("mod-flows", "table=3,reg0=77,actions=output:2") == {}
    assert after("--bundle add-flows", rows_file(ovs, range(5), "output:2")) == {Event.ADDED: 5}
    replaced = after("--bundle replace-flows", rows_file(ovs, range(3, 7), "output:1"))
    assert replaced == {Event.REMOVED: 4, Event.ADDED: 4}
    assert after("--strict del-flows", "table=1,priority=32768,reg0=3") == {Event.REMOVED: 1}
    assert after("del-flows", "table=9") == {}
    assert after("del-flows") == {Event.REMOVED: 3}
    assert copy.rows == {}


def test_rows_that_end_by_themselves_say_why(copy: Copy, ofctl: Callable[..., str]) -> None:
    """Our own as well, in full: no message of ours ended them."""
    (hard, value), (idle, _), (stays, _) = row(1), row(2), row(3)
    copy.commit(
        (Kind.ROW_ADD, hard, bytes.fromhex("00000001") + value[4:]),
        (Kind.ROW_ADD, idle, bytes.fromhex("00010000") + value[4:]),
        (Kind.ROW_ADD, stays, value),
    )
    while len(copy.rows) != 1:
        copy.follow()
    copy.check()
    ofctl("del-flows")
    copy.follow()
    removed = {entry.key: entry.removal for entry in copy.log if isinstance(entry, FlowUpdate) and entry.key}
    assert removed == {hard: Removal.HARD_TIMEOUT, idle: Removal.IDLE_TIMEOUT, stays: Removal.DELETE}


@pytest.mark.parametrize("seed", range(2))
def test_what_is_told_is_what_a_dump_says(copy: Copy, somebody: OpenFlowPeer, seed: int) -> None:
    """Rows of every kind, a third of them with timeouts and flags, put and removed by another connection."""
    random = Random(seed)
    steps: list[Step] = []
    for number in range(300):
        key, value = encode_row(random_row(random))
        limits = bytes.fromhex("7000 6000 0001 0000") if number % 3 == 0 else bytes(8)
        steps.append((Kind.ROW_ADD, key, limits + value[8:]))
    somebody.send(b"".join(changes.plain(somebody.version, steps, 1000)))
    assert somebody.until_barrier() == []
    assert events(copy.follow()) == [Event.ADDED] * 300
    copy.check()
    assert any(value != told(value) for value in somebody.dump_rows().values())
    was = dict(copy.rows)
    somebody.send(messages.all_flows_delete(somebody.version, 1))
    somebody.until_barrier()
    assert {entry.key: entry.value for entry in copy.follow() if isinstance(entry, FlowUpdate)} == was


def test_our_own_bundle_is_one_abbreviation_before_its_commit(copy: Copy) -> None:
    first = copy.commit(*((Kind.ROW_ADD, *row(number)) for number in range(100)))
    assert copy.follow() == [OPEN, FlowUpdate(Event.ABBREVIATED, xid=first), COMMITTED]
    copy.check()
    first = copy.commit((Kind.ROW_DELETE, row(200)[0], b""), (Kind.ROW_DELETE, row(1)[0], b""))
    assert copy.follow() == [OPEN, FlowUpdate(Event.ABBREVIATED, xid=first + 1), COMMITTED]
    copy.commit((Kind.ROW_DELETE, row(200)[0], b""), (Kind.GROUP_ADD, 5, encode_group(Group(5, (), ORIGIN))))
    assert copy.follow() == [OPEN, COMMITTED]
    copy.commit((Kind.ROW_ADD, *row(300)), (Kind.ROW_ADD, *to_group(301, 99)))
    assert copy.follow() == [OPEN]
    copy.check()


def test_our_own_messages_without_a_bundle_are_abbreviated_each(peer: OpenFlowPeer, copy: Copy) -> None:
    steps = [(Kind.ROW_ADD, *row(number)) for number in range(3)]
    peer.send(b"".join(changes.plain(peer.version, steps, 0x70000000)))
    assert [entry.xid for entry in copy.follow() if isinstance(entry, FlowUpdate)] == [
        0x70000000 + number for number in range(3)
    ]


def test_rows_that_go_with_a_group_are_told_whoever_deleted_it(copy: Copy, ofctl: Callable[..., str]) -> None:
    def with_group(entry: FlowUpdate | BundleStep) -> bytes | None:
        return entry.key if isinstance(entry, FlowUpdate) and entry.removal is Removal.GROUP_DELETE else None

    group, named = (Kind.GROUP_ADD, 5, encode_group(Group(5, (), ORIGIN))), to_group(7, 5)
    copy.commit(group, (Kind.ROW_ADD, *named))
    copy.follow()
    ofctl("del-groups")
    assert [with_group(entry) for entry in copy.follow()] == [named[0]]
    copy.commit(group, (Kind.ROW_ADD, *named), (Kind.ROW_ADD, *row(6)))
    copy.follow()
    # As a group of another type is replaced: first the group, then the rows.
    first = copy.commit((Kind.GROUP_DELETE, 5, b""), group, (Kind.ROW_ADD, *row(8)), (Kind.ROW_ADD, *named))
    opened, gone, abbreviated, committed = copy.follow()
    assert (opened, with_group(gone), committed) == (OPEN, named[0], COMMITTED)
    assert abbreviated == FlowUpdate(Event.ABBREVIATED, xid=first + 2)
    copy.check()
    copy.commit((Kind.ROW_ADD, *row(9)), (Kind.GROUP_DELETE, 5, b""), (Kind.ROW_ADD, *row(10)))
    assert events(copy.follow()) == [OPEN, Event.ABBREVIATED, Event.REMOVED, COMMITTED]
    copy.check()
    assert copy.rows == dict([row(6), row(8), row(9), row(10)])


@pytest.mark.parametrize("seed", range(3))
def test_a_copy_is_right_whoever_changes_what_when(copy: Copy, somebody: OpenFlowPeer, seed: int) -> None:
    """Two write the same few rows at the same time, and neither waits for the other."""
    random = Random(seed)

    def step() -> Step:
        key, value = row(random.randrange(10), random.randrange(1, 3))
        return (Kind.ROW_ADD, key, value) if random.randrange(3) else (Kind.ROW_DELETE, key, b"")

    for _ in range(60):
        copy.commit(*(step() for _ in range(random.randrange(1, 5))))
        foreign = [step() for _ in range(random.randrange(4))]
        somebody.send(b"".join(changes.plain(somebody.version, foreign, 1)))
        if random.randrange(4) == 0:
            copy.follow()
    somebody.until_barrier()
    copy.follow()
    copy.check()


def test_a_dump_stands_at_one_place_among_the_changes(copy: Copy, somebody: OpenFlowPeer) -> None:
    """While another changes row after row: the dump, with what is told after it, is the table; its parts are one."""
    peer = copy.peer
    known = [(Kind.ROW_ADD, *row(number)) for number in range(20_000)]
    copy.commit(*known)
    copy.follow()
    storm = [
        (Kind.ROW_DELETE, *row(number)) if number % 2 else (Kind.ROW_ADD, *row(number, 2)) for number in range(4000)
    ]
    somebody.send(b"".join(changes.plain(somebody.version, storm, 1)))
    request = messages.all_flows(peer.version, peer.xid())
    peer.send(request)
    copy.rows = {}
    kinds = []
    for message in peer.until_barrier():
        if replies.header(message).xid == replies.header(request).xid:
            kinds.append("dump")
            copy.rows.update((key, told(value)) for key, value, _, _ in replies.flows(message))
        else:
            kinds.append("change")
            for update in monitor_updates(message) if "dump" in kinds else ():
                copy.note(update)
    first, parts = kinds.index("dump"), kinds.count("dump")
    assert parts > 10 and kinds[first : first + parts] == ["dump"] * parts
    somebody.until_barrier()
    copy.follow()
    assert len(copy.rows) == 18_000
    copy.check()


def test_who_reads_too_slowly_is_told_the_rest_later(
    ovs: DummyOvs, peer: OpenFlowPeer, ofctl: Callable[..., str]
) -> None:
    """The copy is complete after RESUMED, although much came and went unsaid, and our own bundle among it."""
    with OpenFlowPeer(peer.version) as slow:
        slow.dial(ovs.folder / "s1.mgmt")
        copy = Copy(slow)
        ofctl("--bundle add-flows", rows_file(ovs, range(MANY), "output:2"))
        ofctl("mod-flows", "table=1,reg0=0/1,actions=drop")
        copy.commit((Kind.ROW_ADD, *row(7)), (Kind.ROW_ADD, *row(8)))
        ofctl("del-flows", "table=1,reg0=1/3")
        copy.commit((Kind.ROW_DELETE, row(8)[0], b""))
        while Event.RESUMED not in events(copy.log):
            copy.follow()
        happened = Counter(events(copy.log))
        assert (happened[Event.PAUSED], happened[Event.RESUMED], happened[COMMITTED]) == (1, 1, 2)
        assert happened[Event.ABBREVIATED] == 0
        assert len(copy.rows) == MANY - MANY // 4 + 1
        copy.check()
        copy.commit((Kind.ROW_ADD, *row(9)))
        assert Event.ABBREVIATED in events(copy.follow())


def test_a_row_of_ours_that_another_deletes_in_a_pause_is_not_told(
    ovs: DummyOvs, peer: OpenFlowPeer, ofctl: Callable[..., str]
) -> None:
    """So who has committed anything during a pause reads the table when it is over."""
    with OpenFlowPeer(peer.version) as slow:
        slow.dial(ovs.folder / "s1.mgmt")
        copy = Copy(slow)
        ofctl("--bundle add-flows", rows_file(ovs, range(MANY), "output:2"))
        copy.commit((Kind.ROW_ADD, *row(7)), (Kind.ROW_ADD, *row(8)))
        wait_for_row(peer, row(7)[0])
        ofctl("--strict del-flows", "table=1,priority=7")
        while Event.RESUMED not in events(copy.log):
            copy.follow()
        there = peer.dump_rows()
        assert copy.rows.keys() - there.keys() == {row(7)[0]}
        assert row(8)[0] in there


def wait_for_row(peer: OpenFlowPeer, key: bytes) -> None:
    """Until another connection's bundle has been done."""
    for _ in range(1000):
        if key in rows_in(peer, messages.flow_exactly(peer.version, peer.xid(), key, cookie_of(ORIGIN))):
            return
    raise AssertionError("the row did not come")


def test_one_row_read_again(peer: OpenFlowPeer, copy: Copy, ofctl: Callable[..., str]) -> None:
    """Flags and importance, which a monitor does not tell, for one row; and what else comes with it."""
    ofctl("add-flow", "cookie=6,table=3,importance=9,send_flow_rem,reg0=1,actions=output:2")
    ofctl("add-flow", "cookie=7,table=3,priority=9,reg0=1,reg1=5,actions=output:2")
    ofctl("add-flow", "cookie=7,table=3,reg0=2,actions=output:2")
    ofctl("add-flow", "cookie=7,table=4,reg0=1,actions=output:2")
    wanted = next(entry for entry in copy.follow() if isinstance(entry, FlowUpdate))
    assert (wanted.event, cookie_in(wanted.value)) == (Event.ADDED, 6)
    key, cookie = wanted.key, cookie_in(wanted.value)
    wide = rows_in(peer, messages.flow_exactly(peer.version, peer.xid(), key))
    narrow = rows_in(peer, messages.flow_exactly(peer.version, peer.xid(), key, cookie))
    assert sorted(cookie_in(value) for value in wide.values()) == [6, 7]
    assert [*narrow] == [key] and narrow[key] == wide[key] == peer.dump_rows()[key]
    importance = 9 if peer.version == Version.OF14 else 0
    assert narrow[key][4:8] == bytes([0, 1, 0, importance])
    assert told(narrow[key]) == wanted.value
    ofctl("del-flows")
    assert rows_in(peer, messages.flow_exactly(peer.version, peer.xid(), key)) == {}


def rows_in(peer: OpenFlowPeer, request: bytes) -> dict[bytes, bytes]:
    return {key: value for part in peer.ask(request) for key, value, _, _ in replies.flows(part)}


def test_a_monitor_asked_for_twice_is_refused_in_another_version(peer: OpenFlowPeer, copy: Copy) -> None:
    """Open vSwitch 3.1 does so; the monitor that was there goes on."""
    peer.send(messages.flow_monitor(peer.version, peer.xid()))
    (refusal,) = peer.until_barrier()
    assert (refusal[0], refusal[1]) == (1, MessageType.ERROR)
    copy.commit((Kind.ROW_ADD, *row(1)))
    assert events(copy.follow()) == [OPEN, Event.ABBREVIATED, COMMITTED]


def test_the_answer_to_the_request_is_empty_even_if_there_are_rows(peer: OpenFlowPeer) -> None:
    peer.commit([messages.flow_add(peer.version, peer.xid(), *row(1))])
    request = messages.flow_monitor(peer.version, peer.xid())
    peer.send(request)
    (answer,) = peer.until_barrier()
    assert replies.header(answer).xid == replies.header(request).xid
    expected = Multipart.FLOW_MONITOR if peer.version == Version.OF14 else Multipart.EXPERIMENTER
    assert replies.multipart(answer) == (expected, False)
    assert list(monitor_updates(answer)) == []
