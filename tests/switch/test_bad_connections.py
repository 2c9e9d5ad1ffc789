"""Switches that are slow, silent or gone, that restart or are cut off at any moment: in the end all is as wanted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from driven_switch import Driven, rows, some_contents
from interposed import Interposed
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.managers.communication import State
from ryu_vnet.openflow.wire import Version

CUTS = 300


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


def test_a_connection_that_is_cut_hundreds_of_times(driven: Driven) -> None:
    """In the middle of a message, between any two, before an answer and after it; and wishes go on meanwhile."""
    random = Random(1)
    in_the_middle = 0
    for revision in range(1, CUTS + 1):
        driven.meet()
        driven.do(driven.manager.connected(driven.version))
        driven.do(driven.manager.read())
        if random.randrange(4):
            driven.settle(lambda: driven.manager.state is not State.READING)
            for _ in range(random.randrange(30)):
                if driven.manager.state is State.CHANGING:
                    driven.do(driven.manager.received(driven.peer.receive()))
        for chunks in driven.wish(some_contents(random), 2 * revision - 1).send:
            data = b"".join(chunks)
            in_the_middle += 1
            driven.peer.send(data[: random.randrange(len(data) + 1)])
        driven.cut()
        if random.randrange(3) == 0:
            driven.wish(some_contents(random), 2 * revision)
        if random.randrange(20) == 0:
            driven.ofctl("del-flows")
    assert in_the_middle > CUTS // 4
    driven.connect()
    driven.catch_up()
    assert driven.manager.in_step and not driven.manager.unacknowledged
    driven.check()
    sent = driven.manager.messages_sent
    driven.cut()
    driven.connect()
    assert driven.manager.messages_sent == sent


def test_a_switch_that_restarts_empty(tmp_path: Path) -> None:
    with DummyOvs(tmp_path) as ovs:
        driven = Driven(ovs, Version.OF14, dialled=False)
        with driven.peer:
            driven.wish(some_contents(Random(1), groups=4), 1)
            driven.connect()
            driven.check()
            ovs.stop()
            driven.cut()
            wanted = some_contents(Random(2), groups=4)
            driven.wish(wanted, 2)
            ovs.start()
            sent = driven.manager.messages_sent
            driven.connect()
            assert driven.manager.messages_sent - sent == len(wanted)
            assert driven.manager.in_step and not driven.manager.unacknowledged and driven.drift == []
            driven.check()


def test_a_switch_that_is_emptied_while_it_is_away(driven: Driven) -> None:
    driven.wish(some_contents(Random(1), groups=4), 1)
    driven.connect()
    driven.cut()
    driven.ofctl("del-flows")
    driven.ofctl("del-groups")
    driven.connect()
    driven.check()
    assert driven.manager.in_step and driven.drift == []


@pytest.mark.parametrize("knows_bundles", [True, False], ids=["bundles", "no bundles"])
def test_a_switch_that_is_slow(ovs: DummyOvs, driven: Driven, knows_bundles: bool) -> None:
    """Every message to it takes its time, and wishes come faster than that."""
    random = Random(3)
    with Interposed(ovs.folder / "s1.mgmt") as between:
        between.knows_bundles = knows_bundles
        driven.path = between.path
        between.before = lambda message: time.sleep(random.random() / 2000)
        driven.connect()
        sent = driven.manager.changes_sent
        for revision in range(1, 100):
            driven.do(driven.wish(some_contents(random), revision))
            if random.randrange(10) == 0:
                driven.take_in()
        driven.catch_up()
        assert driven.manager.changes_sent - sent < 50
        assert driven.manager.in_step and not driven.manager.unacknowledged and driven.drift == []
        driven.check()


def test_a_switch_that_does_not_answer_is_sent_nothing_more(ovs: DummyOvs, driven: Driven) -> None:
    """Whatever is wanted meanwhile; when it answers, all of that comes as one change."""
    random = Random(4)
    with Interposed(ovs.folder / "s1.mgmt") as between:
        driven.path = between.path
        driven.connect()
        between.to_controller.clear()
        sent = driven.manager.changes_sent
        driven.do(driven.wish(rows(40), 1))
        driven.do(driven.manager.audit())
        for revision in range(2, 500):
            effects = [driven.wish(some_contents(random), revision), driven.manager.audit(), driven.manager.retry()]
            assert not any(effect.send for effect in effects)
        assert driven.manager.changes_sent == sent + 1
        between.to_controller.set()
        driven.catch_up()
        assert driven.manager.changes_sent == sent + 2
        assert driven.manager.in_step and not driven.manager.unacknowledged and driven.drift == []
        driven.check()
