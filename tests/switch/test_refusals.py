"""What a switch refuses is named, holds up nothing else, and is tried again; with bundles and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import pytest
from driven_switch import Driven, group, row, row_to_group, rows, some_contents
from dummy_fabric import wait_until
from interposed import Interposed, is_bundle_add, is_bundle_control
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.managers.changing import ROUNDS
from ryu_vnet.managers.communication import MOST_PATIENCE, Effects
from ryu_vnet.managers.difference import Contents
from ryu_vnet.openflow.wire import MessageType, Version

NO_SUCH_GROUP = 99


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
def between(ovs: DummyOvs, driven: Driven) -> Iterator[Interposed]:
    """What the connection goes through."""
    with Interposed(ovs.folder / "s1.mgmt") as between:
        driven.path = between.path
        yield between


def reasons(driven: Driven) -> set[str]:
    return {refusal.reason for refusal in driven.manager.rejected.values()}


def without(contents: Contents, refused: set[bytes]) -> Contents:
    return Contents({key: value for key, value in contents.rows.items() if key not in refused}, contents.groups)


def test_the_one_that_is_refused_is_named_and_taken_out(driven: Driven) -> None:
    """At the commit: no such group."""
    contents = rows(50)
    culprit = row_to_group(20, NO_SUCH_GROUP)
    contents.put(*culprit)
    driven.connect()
    sent = driven.manager.changes_sent
    driven.want(contents)
    assert driven.manager.rejected.keys() == {culprit[0]}
    assert driven.manager.changes_sent - sent == 2
    assert driven.manager.off == {culprit[0]: None} and not driven.manager.in_step
    driven.check(without(contents, {culprit[0]}))


def test_one_that_is_refused_when_it_is_put_into_the_bundle(driven: Driven) -> None:
    """A match without what it takes for granted: the switch commits what is left."""
    key, value = row(20)
    # An IPv4 source (OXM class 0x8000, field 11) without an ethertype.
    culprit = key[:4] + bytes.fromhex("0001 000c 8000 1604 0a000001 00000000"), value
    contents = rows(50)
    contents.put(*culprit)
    driven.connect()
    driven.want(contents)
    assert driven.manager.rejected.keys() == {culprit[0]}
    assert reasons(driven) == {"OFPET_BAD_MATCH OFPBMC_BAD_PREREQ"}
    driven.check(without(contents, {culprit[0]}))


@pytest.mark.parametrize("knows_bundles", [True, False], ids=["bundles", "no bundles"])
def test_many_that_are_refused_are_found_in_a_few_rounds(
    driven: Driven, between: Interposed, knows_bundles: bool
) -> None:
    between.knows_bundles = knows_bundles
    contents = rows(200)
    culprits = dict(row_to_group(number, NO_SUCH_GROUP) for number in Random(1).sample(range(200), 40))
    contents.rows.update(culprits)
    driven.connect()
    sent = driven.manager.changes_sent
    driven.want(contents)
    assert driven.manager.rejected.keys() == culprits.keys()
    assert driven.manager.changes_sent - sent == (ROUNDS + 1 if knows_bundles else 1)
    driven.check(without(contents, {*culprits}))


def test_what_needs_nothing_that_is_refused_is_acknowledged(driven: Driven) -> None:
    contents = rows(10)
    contents.put(*row_to_group(3, NO_SUCH_GROUP))
    driven.connect()
    driven.want(contents, 1)
    driven.want(Contents({**contents.rows, **dict([row(50)])}), 2)
    assert list(driven.manager.unacknowledged) == [1] and driven.manager.done == driven.manager.serial
    assert not driven.manager.holds(1) and not driven.manager.holds(2)
    driven.want(rows(10), 3)
    assert driven.manager.in_step and not driven.manager.unacknowledged and not driven.manager.rejected
    driven.check()


def test_after_a_reconnection_what_is_refused_may_be_needed_by_any(driven: Driven) -> None:
    """Which of the wishes since is not known any more; those that come later are."""
    contents = rows(10)
    contents.put(*row_to_group(3, NO_SUCH_GROUP))
    driven.do(driven.wish(rows(5), 1))
    driven.do(driven.wish(contents, 2))
    driven.connect()
    assert list(driven.manager.unacknowledged) == [1, 2]
    driven.want(Contents({**contents.rows, **dict([row(50)])}), 3)
    assert list(driven.manager.unacknowledged) == [1, 2]
    driven.want(rows(10), 4)
    assert not driven.manager.unacknowledged


def test_a_row_that_was_refused_for_want_of_its_group_comes_with_it(driven: Driven) -> None:
    driven.connect()
    contents = rows(5)
    contents.put(*row_to_group(3, 7))
    driven.want(contents, 1)
    assert driven.manager.rejected.keys() == {row_to_group(3, 7)[0]}
    driven.do(driven.wish(Contents(contents.rows, dict([group(7, 1)])), 2))
    driven.catch_up()
    assert driven.manager.in_step and not driven.manager.unacknowledged
    driven.check()


@pytest.mark.parametrize("again", [lambda driven: driven.manager.retry(), lambda driven: driven.manager.audit()])
def test_a_group_that_is_there_without_our_knowing(driven: Driven, again: Callable[[Driven], Effects]) -> None:
    """In 1.3 nobody tells: adding it is refused. Before it is tried again the switch is read; when it is read it is
    tried again."""
    driven.connect()
    driven.ofctl("add-group", "group_id=7,type=all,bucket=output:1")
    contents = Contents({}, dict([group(7, 2)]))
    driven.do(driven.wish(contents, 1))
    driven.catch_up()
    assert reasons(driven) == (
        {"OFPET_GROUP_MOD_FAILED OFPGMFC_GROUP_EXISTS"} if driven.version == Version.OF13 else set()
    )
    driven.do(again(driven))
    driven.catch_up()
    assert driven.manager.in_step
    driven.check(contents)


def test_trying_again_backs_off_and_succeeds_when_the_reason_has_gone(ovs: DummyOvs, driven: Driven) -> None:
    ovs.vsctl(
        *("--id=@small", "create", "Flow_Table", "flow_limit=2", "overflow_policy=refuse"),
        *("--", "set", "bridge", "s1", "flow_tables:1=@small"),
    )
    driven.wish(rows(4))
    driven.connect()
    assert len(driven.manager.rejected) == 2
    assert all("TABLE_FULL" in reason for reason in reasons(driven))
    sent = driven.manager.changes_sent
    tries = [retried(driven) for _ in range(4 * MOST_PATIENCE)]
    assert tries[0] and any(tries[-MOST_PATIENCE:-1]) is not all(tries)
    assert sum(tries) == driven.manager.changes_sent - sent < 12
    assert len(driven.manager.rejected) == 2
    ovs.vsctl("clear", "bridge", "s1", "flow_tables")
    assert any(retried(driven) for _ in range(MOST_PATIENCE))
    assert driven.manager.in_step and not driven.manager.unacknowledged
    driven.check()
    # The next refusal is tried again at once.
    contents = rows(4)
    contents.put(*row_to_group(9, NO_SUCH_GROUP))
    driven.want(contents, 2)
    assert retried(driven)


def retried(driven: Driven) -> bool:
    """Whether something was tried again."""
    sent = driven.manager.changes_sent
    driven.do(driven.manager.retry())
    driven.catch_up()
    return driven.manager.changes_sent > sent


def test_a_switch_without_bundles(driven: Driven, between: Interposed) -> None:
    """Gets single messages, in an order in which no row comes before its group, and a barrier."""
    random = Random(2)
    between.knows_bundles = False
    driven.connect()
    for revision in range(1, 20):
        driven.want(some_contents(random), revision)
        assert driven.manager.in_step and not driven.manager.unacknowledged
        driven.check()
    assert not any(is_bundle_add(message) or is_bundle_control(message) for message in between.passed)
    assert {MessageType.FLOW_MOD, MessageType.GROUP_MOD} < {message[1] for message in between.passed}


def test_a_bundle_that_comes_too_slowly_is_not_taken_for_done(
    ovs: DummyOvs, driven: Driven, between: Interposed
) -> None:
    """The switch throws away what it has of a bundle that is idle, takes the rest for another, and commits that."""
    driven.connect()
    ovs.vsctl("set", "Open_vSwitch", ".", "other_config:bundle-idle-timeout=1")
    added = 0

    def hold_up_once(message: bytes) -> None:
        nonlocal added
        added += is_bundle_add(message)
        if added == 50 and is_bundle_add(message):
            wait_until(lambda: any(said[1] == MessageType.ERROR for said in between.said), "it throws it away")

    between.before = hold_up_once
    driven.do(driven.wish(rows(100), 1))
    driven.catch_up()
    ovs.vsctl("remove", "Open_vSwitch", ".", "other_config", "bundle-idle-timeout")
    assert driven.manager.changes_sent == 2
    assert driven.manager.in_step and not driven.manager.unacknowledged
    driven.check()
