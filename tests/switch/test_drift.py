"""What others change on a switch is put right at once, without being looked for, and told; what we change is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import pytest
from driven_switch import Driven, group, row, row_to_group, rows, some_contents
from dummy_fabric import wait_until
from interposed import Interposed
from openflow_peer import OpenFlowPeer
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.managers.communication import Effects, State
from ryu_vnet.managers.difference import Contents
from ryu_vnet.openflow import changes, messages, replies
from ryu_vnet.openflow.changes import Kind, Step
from ryu_vnet.openflow.wire import MessageType, Version

MANY = 50_000
"""Rows whose report overflows what a switch lets wait for a controller that does not read."""


@pytest.fixture(scope="module")
def ovs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DummyOvs]:
    with DummyOvs(tmp_path_factory.mktemp("ovs")) as switch:
        yield switch


@pytest.fixture(params=list(Version), ids=lambda version: version.name)
def driven(ovs: DummyOvs, request: pytest.FixtureRequest) -> Iterator[Driven]:
    driven = Driven(ovs, request.param)
    with driven.peer:
        try:
            yield driven
        finally:
            ovs.vsctl("del-br", "s1")


@pytest.fixture
def somebody(ovs: DummyOvs, driven: Driven) -> Iterator[OpenFlowPeer]:
    """Another connection to the same bridge."""
    with OpenFlowPeer(driven.version) as somebody:
        somebody.dial(ovs.folder / "s1.mgmt")
        yield somebody


def mixed() -> Contents:
    """Rows 0 to 9, of which the last three hand frames to group 5, and group 6, which no row names."""
    return Contents(
        dict([*(row(number) for number in range(7)), *(row_to_group(number, 5) for number in range(7, 10))]),
        dict([group(5, 1, 2), group(6, 3)]),
    )


def told(driven: Driven) -> list[tuple[str, bytes | int, str]]:
    """What was told since this was last asked."""
    found = [(drift.what, drift.key, drift.by) for drift in driven.drift]
    driven.seen.clear()
    return found


def rows_file(ovs: DummyOvs, lines: list[str]) -> str:
    file = ovs.folder / "rows.txt"
    file.write_text("\n".join([*lines, ""]))
    return str(file)


ROW_3 = "table=1,priority=10,reg0=3"
FOREIGN = "table=7,priority=9,reg0=1,actions=output:2"


def test_a_single_row(driven: Driven) -> None:
    driven.wish(mixed())
    driven.connect()
    assert told(driven) == []
    key = row(3)[0]

    driven.ofctl("--strict del-flows", ROW_3)
    driven.catch_up()
    assert told(driven) == [("removed", key, "monitor")]
    driven.check()
    driven.ofctl("add-flow", f"{ROW_3},cookie=5,actions=drop")
    driven.catch_up()
    assert told(driven) == [("changed", key, "monitor")]
    driven.check()
    driven.ofctl("mod-flows", f"{ROW_3},actions=output:2")
    driven.catch_up()
    assert told(driven) == [("changed", key, "monitor")]
    driven.check()
    driven.ofctl("add-flow", FOREIGN)
    driven.catch_up()
    ((what, foreign, by),) = told(driven)
    assert (what, by) == ("added", "monitor") and foreign not in driven.wanted.rows
    driven.check()
    assert driven.manager.in_step


def test_what_it_was_and_what_it_has_become(driven: Driven) -> None:
    driven.wish(mixed())
    driven.connect()
    _, value = row(3)
    driven.ofctl("mod-flows", f"{ROW_3},actions=output:2")
    driven.catch_up()
    (drift,) = driven.drift
    assert (drift.switch, drift.was, drift.found) == ("s1", value, row(3, 2)[1])


def test_everything_is_deleted(driven: Driven) -> None:
    driven.wish(mixed())
    driven.connect()
    driven.ofctl("del-flows")
    driven.catch_up()
    assert sorted(told(driven)) == sorted(("removed", key, "monitor") for key in driven.wanted.rows)
    driven.check()


def test_many_rows_at_once(ovs: DummyOvs, driven: Driven) -> None:
    """A bundle, and everything replaced by something else."""
    driven.wish(rows(500))
    driven.connect()
    lines = [f"table=1,priority=10,reg0={number},actions=output:3" for number in range(400, 600)]
    driven.ofctl("--bundle add-flows", rows_file(ovs, lines))
    driven.catch_up()
    found = told(driven)
    assert ([what for what, _, _ in found].count("changed"), len(found)) == (100, 200)
    driven.check()
    driven.ofctl("--bundle replace-flows", rows_file(ovs, lines[:150]))
    driven.catch_up()
    assert {by for _, _, by in told(driven)} == {"monitor"}
    driven.check()
    assert driven.manager.in_step


def test_a_row_that_ends_by_itself(ovs: DummyOvs, driven: Driven) -> None:
    """While we do not listen; then it is gone already, and before, too soon for that."""
    driven.wish(mixed())
    driven.connect()
    driven.ofctl("add-flow", f"hard_timeout=1,{FOREIGN}")
    wait_until(lambda: ovs.ofctl("dump-flows", "s1", "table=7").count("reg0") == 0, "the row ends", pause=0.05)
    driven.catch_up()
    assert [what for what, _, _ in told(driven)] == ["added"]
    driven.ofctl("add-flow", f"hard_timeout=900,{FOREIGN}")
    driven.catch_up()
    assert [what for what, _, _ in told(driven)] == ["added"]
    driven.ofctl("add-flow", f"hard_timeout=900,{ROW_3},actions=output:1")
    driven.catch_up()
    assert [what for what, _, _ in told(driven)] == ["changed"]
    driven.check()


def in_1_4(driven: Driven) -> str:
    """By whom it is found what others do to groups; in 1.3, have them looked for."""
    if driven.version == Version.OF13:
        driven.do(driven.manager.audit())
    driven.catch_up()
    return "audit" if driven.version == Version.OF13 else "monitor"


def test_groups(driven: Driven) -> None:
    driven.wish(mixed())
    driven.connect()
    driven.ofctl("add-group", "group_id=9,type=all,bucket=output:1")
    assert told_after(driven) == [("added", 9)]
    driven.ofctl("mod-group", "group_id=6,type=all,bucket=output:1")
    assert told_after(driven) == [("changed", 6)]
    driven.ofctl("mod-group", "group_id=5,type=select,bucket=output:1")
    assert told_after(driven) == [("changed", 5)]
    driven.ofctl("del-groups", "group_id=6")
    assert told_after(driven) == [("removed", 6)]
    assert driven.manager.in_step and not driven.manager.rejected


def told_after(driven: Driven) -> list[tuple[str, bytes | int]]:
    by = in_1_4(driven)
    found = told(driven)
    driven.check()
    assert {how for _, _, how in found} == {by}
    return [(what, key) for what, key, _ in found]


def test_buckets_put_in_and_taken_out(ovs: DummyOvs, driven: Driven) -> None:
    ovs.vsctl("set", "bridge", "s1", "protocols=OpenFlow13,OpenFlow14,OpenFlow15")
    driven.wish(mixed())
    driven.connect()
    bridge = str(ovs.folder / "s1.mgmt")
    added = "group_id=6,command_bucket_id=last,bucket=bucket_id:7,output:2"
    ovs.ofctl("--protocols=OpenFlow15", "insert-buckets", bridge, added)
    assert told_after(driven) == [("changed", 6)]
    ovs.ofctl("--protocols=OpenFlow15", "remove-buckets", bridge, "group_id=6,command_bucket_id=all")
    assert told_after(driven) == [("changed", 6)]


def test_a_group_is_deleted_with_the_rows_that_name_it(driven: Driven) -> None:
    """In 1.3 too at once: the rows tell that there must be something with groups."""
    driven.wish(mixed())
    driven.connect()
    driven.ofctl("del-groups")
    driven.catch_up()
    named = {row_to_group(number, 5)[0] for number in range(7, 10)}
    assert {(what, key) for what, key, _ in told(driven)} == {("removed", key) for key in {5, 6, *named}}
    assert driven.manager.in_step and not driven.manager.rejected
    driven.check()


def test_an_audit_finds_what_is_not_told(driven: Driven, somebody: OpenFlowPeer) -> None:
    """Flags, which the flow monitor leaves out."""
    driven.wish(mixed())
    driven.connect()
    key, value = row(3)
    step: Step = Kind.ROW_ADD, key, value[:4] + b"\x00\x01" + value[6:]
    somebody.send(changes.message(somebody.version, somebody.xid(), step))
    assert somebody.until_barrier() == []
    driven.catch_up()
    assert told(driven) == []
    driven.do(driven.manager.audit())
    driven.catch_up()
    assert told(driven) == [("changed", key, "audit")]
    driven.check()


def test_a_group_that_others_replace_comes_back_with_its_rows_in_one_bundle(driven: Driven) -> None:
    driven.wish(mixed())
    driven.connect()
    driven.ofctl("mod-group", "group_id=5,type=select,bucket=output:1")
    sent = driven.manager.changes_sent
    in_1_4(driven)
    assert driven.manager.changes_sent == sent + 1
    driven.check()


@pytest.mark.parametrize("knows_bundles", [True, False], ids=["bundles", "no bundles"])
@pytest.mark.parametrize("seed", range(3))
def test_what_we_change_ourselves_is_never_told(ovs: DummyOvs, driven: Driven, seed: int, knows_bundles: bool) -> None:
    """Wish after wish, none of which waits for the one before, with audits at any time."""
    random = Random(seed)
    with Interposed(ovs.folder / "s1.mgmt") as between:
        between.knows_bundles = knows_bundles
        driven.path = between.path
        driven.connect()
        for revision in range(1, 100):
            driven.do(driven.wish(some_contents(random), revision))
            if random.randrange(3) == 0:
                driven.do(driven.manager.audit())
            for _ in range(random.randrange(3)):
                if driven.manager.state is not State.IN_STEP:
                    driven.do(driven.manager.received(driven.peer.receive()))
        driven.do(driven.manager.audit())
        driven.catch_up()
        assert driven.drift == []
        assert driven.manager.in_step and not driven.manager.unacknowledged
        driven.check()


@pytest.mark.parametrize("knows_bundles", [True, False], ids=["bundles", "no bundles"])
@pytest.mark.parametrize("seed", range(3))
def test_two_change_the_same_at_the_same_time(
    ovs: DummyOvs, driven: Driven, somebody: OpenFlowPeer, seed: int, knows_bundles: bool
) -> None:
    """Neither waits for the other; in the end the switch has what is wanted, without having been looked at."""
    random = Random(seed)
    with Interposed(ovs.folder / "s1.mgmt") as between:
        between.knows_bundles = knows_bundles
        driven.path = between.path
        driven.connect()
        for revision in range(1, 80):
            driven.do(driven.wish(some_contents(random, groups=0), revision))
            somebody.send(b"".join(changes.plain(somebody.version, [*foreign(random)], 1)))
            for _ in range(random.randrange(4)):
                if driven.manager.state is not State.IN_STEP:
                    driven.do(driven.manager.received(driven.peer.receive()))
        somebody.until_barrier()
        driven.catch_up()
        assert driven.drift
        assert driven.manager.in_step
        driven.check()


def test_somebody_puts_back_what_was_gone_when_we_deleted_it(
    ovs: DummyOvs, driven: Driven, somebody: OpenFlowPeer
) -> None:
    """Without bundles: our message changes nothing, so nothing is told of it, and it must not count as the last."""
    with Interposed(ovs.folder / "s1.mgmt") as between:
        between.knows_bundles = False
        driven.path = between.path
        driven.wish(Contents(rows(3).rows, dict([group(6, 1)])))
        driven.connect()
        key, value = row(1)

        def interfere(message: bytes) -> None:
            if message[1] == MessageType.FLOW_MOD:
                somebody.send(messages.flow_delete(somebody.version, somebody.xid(), key))
                assert somebody.until_barrier() == []
            elif message[1] == MessageType.BARRIER_REQUEST:
                # The group goes after the row, and it can be seen that it has gone.
                wait_until(lambda: somebody.dump_groups() == {}, "our messages before the barrier are done")
                somebody.send(messages.flow_add(somebody.version, somebody.xid(), key, value))
                assert somebody.until_barrier() == []

        between.passed.clear()
        between.before = interfere
        driven.do(driven.wish(Contents({k: v for k, v in rows(3).rows.items() if k != key}), 2))
        wait_until(lambda: len(between.passed) == 3, "all is on its way")
        between.before = lambda message: None
        driven.catch_up()
        assert [(drift.what, drift.key) for drift in driven.drift] == [("added", key)]
        driven.check()


def foreign(random: Random) -> Iterator[Step]:
    for _ in range(random.randrange(4)):
        key, value = row(random.randrange(45), random.randrange(1, 4))
        yield (Kind.ROW_ADD, key, value) if random.randrange(2) else (Kind.ROW_DELETE, key, b"")


def test_who_reads_too_slowly_misses_nothing(ovs: DummyOvs, driven: Driven, somebody: OpenFlowPeer) -> None:
    """While the switch keeps silent we change rows, and somebody undoes that: which is not told, but looked for. And it
    tells what we delete as if somebody else did."""
    driven.wish(rows(5))
    driven.connect()
    driven.ofctl("--bundle add-flows", rows_file(ovs, [f"table=2,reg0={n},actions=output:2" for n in range(MANY)]))
    driven.do(driven.wish(Contents({key: value for key, value in rows(10).rows.items() if key != row(3)[0]}), 2))
    driven.wish(rows(10), 3)
    key = row(8)[0]
    wait_until(lambda: key in table_of(somebody), "our row is there", pause=0.05)
    driven.ofctl("--strict del-flows", "table=1,priority=10,reg0=8")
    driven.ofctl("del-flows", "table=2")
    driven.catch_up()
    assert driven.manager.in_step
    driven.check()
    own = {row(number)[0] for number in range(10)}
    assert {(drift.what, drift.key, drift.by) for drift in driven.drift if drift.key in own} == {
        ("removed", key, "audit")
    }


def table_of(peer: OpenFlowPeer) -> set[bytes]:
    """The keys of the rows of table 1."""
    request = bytearray(messages.all_flows(peer.version, peer.xid()))
    request[16] = 1
    return {key for part in peer.ask(bytes(request)) for key, _, _, _ in replies.flows(part)}


def test_what_is_told_before_the_switch_is_read_is_no_drift(driven: Driven) -> None:
    """Nobody knows yet what was there before."""
    driven.wish(mixed())
    driven.meet()
    driven.do(driven.manager.connected(driven.version))
    driven.ofctl("add-flow", FOREIGN)
    driven.ofctl("add-group", "group_id=9,type=all,bucket=output:1")
    driven.take_in()
    assert driven.drift == [] and driven.manager.state is State.READING
    driven.do(driven.manager.read())
    driven.catch_up()
    assert driven.drift == [] and driven.manager.in_step
    driven.check()


def test_a_look_while_one_is_under_way_asks_once(driven: Driven) -> None:
    driven.wish(mixed())
    driven.connect()
    asks: list[Callable[[], Effects]] = [driven.manager.audit, driven.manager.look, driven.manager.look]
    sent = [len(ask().send) for ask in asks]
    assert sent == [1, 1, 0]
