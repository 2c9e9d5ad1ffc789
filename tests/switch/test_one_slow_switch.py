"""Many switches at once: nobody waits for one that is slow or dead, and what turns traffic comes in phases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dialled_system import DialledSystem, Event
from dummy_fabric import DummyFabric
from interposed import Interposed
from openflow_peer import OpenFlowPeer
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.managers import requests
from ryu_vnet.managers.delivery import PHASE_SECONDS, SETTLE_SECONDS
from ryu_vnet.managers.requests import Work
from ryu_vnet.openflow.wire import Version
from ryu_vnet.schema import Intent

NEW_PLACE = {"eth0": "host2:spare2"}
FIGURE = Path(__file__).parents[2] / "topologies" / "figure.yaml"


def intent(*, spare: bool = False) -> Intent:
    """The figure, with nodes that do not run yet on each host; and one that keeps a port for others, if wanted."""
    document: dict[str, Any] = yaml.safe_load(FIGURE.read_text())
    tenants = document["tenants"]
    for number in (1, 2, 3):
        for tenant, network in (("blue", "Z"), ("red", "X"), *([("green", "Y")] if spare else [])):
            name, mac = f"{tenant}{number}", f"02:00:00:{len(tenant):02x}:09:0{number}"
            port = f"spare{number}" if tenant == "green" else name
            interface = {"mac": mac, "at": f"host{number}:{port}", "network": network}
            tenants[tenant]["nodes"][name] = {"interfaces": {"eth0": interface}}
    return Intent.model_validate(document)


@pytest.fixture(scope="module")
def fabric(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DummyFabric]:
    with DummyOvs(tmp_path_factory.mktemp("ovs")) as ovs:
        yield DummyFabric(ovs, intent(spare=True))


@pytest.fixture
def stalled(fabric: DummyFabric) -> Iterator[Interposed]:
    """What stands between the controller and host2; it lets everything through at first."""
    with Interposed(fabric.ovs.folder / "host2.mgmt") as between:
        yield between


@pytest.fixture
def dialled(fabric: DummyFabric, stalled: Interposed) -> Iterator[DialledSystem]:
    """All switches are in step."""
    with DialledSystem(fabric, intent(), through={"host2": stalled.path}) as dialled:
        dialled.connect()
        dialled.log.clear()
        yield dialled


def start(tenant: str, node: str) -> Callable[[Work], None]:
    return lambda work: requests.start(work, tenant, node, {})


def stop(tenant: str, node: str) -> Callable[[Work], None]:
    return lambda work: requests.stop(work, tenant, node)


def sends(dialled: DialledSystem) -> dict[str, list[set[str]]]:
    """What each change that was sent does, by switch."""
    found: dict[str, list[set[str]]] = {}
    for event in dialled.log:
        if event.does:
            found.setdefault(event.switch, []).append(set(event.does))
    return found


def check_tables(dialled: DialledSystem, fabric: DummyFabric) -> None:
    for name, manager in dialled.system.switches.items():
        with OpenFlowPeer(Version.OF14) as reader:
            reader.dial(fabric.ovs.folder / f"{name}.mgmt")
            assert reader.dump_rows() == manager.wanted.rows, name
            assert reader.dump_groups() == manager.wanted.groups, name


def test_a_plain_attach_is_one_change_on_each_switch_concerned(dialled: DialledSystem, fabric: DummyFabric) -> None:
    answer = dialled.request(start("blue", "blue1"))
    concerned = dialled.system.pending(answer.revision)
    dialled.pump(lambda: not dialled.system.pending(answer.revision))
    dialled.pump_until_quiet()
    assert {name: len(changes) for name, changes in sends(dialled).items()} == dict.fromkeys(concerned, 1)
    assert {"host1", "edgeA"} <= set(concerned)
    check_tables(dialled, fabric)
    answer = dialled.request(stop("blue", "blue1"))
    dialled.pump(lambda: not dialled.system.pending(answer.revision))
    assert all(len(changes) == 1 for changes in sends(dialled).values())
    check_tables(dialled, fabric)


def test_a_move_comes_in_phases(dialled: DialledSystem, fabric: DummyFabric) -> None:
    """All that is added is acknowledged before anything is changed, and that before anything is removed."""
    dialled.request(lambda work: requests.start(work, "red", "vm1.1", NEW_PLACE))
    dialled.pump(lambda: not dialled.system.pending())
    dialled.pump_until_quiet()
    check_phases(dialled.log)
    assert {"host1", "host2", "edgeA"} <= sends(dialled).keys()
    check_tables(dialled, fabric)


def test_what_receives_is_kept_while_senders_may_have_something_cached(
    dialled: DialledSystem, fabric: DummyFabric
) -> None:
    """A switch that has acknowledged another row goes on by the old one for some milliseconds."""
    due: list[tuple[float, Callable[[], None]]] = []
    dialled.system.delivery.later = lambda seconds, job: due.append((seconds, job))
    answer = dialled.request(lambda work: requests.start(work, "red", "vm1.1", NEW_PLACE))
    dialled.pump(lambda: due)
    dialled.pump_until_quiet()
    assert {what for event in dialled.log for what in event.does} == {"add", "change"}
    assert dialled.system.pending(answer.revision)
    ((seconds, job),) = due
    assert seconds == SETTLE_SECONDS
    job()
    dialled.pump(lambda: not dialled.system.pending(answer.revision))
    job()
    dialled.pump_until_quiet()
    assert len(due) == 1
    check_phases(dialled.log)
    check_tables(dialled, fabric)


def check_phases(log: list[Event]) -> None:
    phases = {"add": 1, "change": 2, "remove": 3}
    current, unanswered = 1, set()
    seen = set()
    for event in log:
        if not event.does:
            unanswered.discard(event.switch)
            continue
        (phase,) = {phases[what] for what in event.does}
        seen.add(phase)
        assert phase >= current, log
        assert phase == current or not unanswered, log
        current = phase
        unanswered.add(event.switch)
    assert seen == {1, 2, 3}, log


def test_a_move_to_a_dead_switch(dialled: DialledSystem, stalled: Interposed, fabric: DummyFabric) -> None:
    """The others wait for it once, and not for ever."""
    stalled.to_controller.clear()
    dialled.now = 0.0
    dialled.request(lambda work: requests.start(work, "red", "vm1.1", NEW_PLACE))
    dialled.pump_until_quiet()
    assert sends(dialled) == {"host2": [{"add"}]}
    assert not_in_step(dialled) == {"host1", "host2", "edgeA"}
    dialled.now = PHASE_SECONDS / 2
    dialled.system.tick()
    dialled.pump_until_quiet()
    assert not_in_step(dialled) == {"host1", "host2", "edgeA"}
    dialled.now = PHASE_SECONDS
    dialled.system.tick()
    dialled.pump_until_quiet()
    assert not_in_step(dialled) == {"host2"}
    assert sends(dialled)["host2"] == [{"add"}]
    stalled.to_controller.set()
    dialled.pump(lambda: not dialled.system.pending())
    assert not_in_step(dialled) == set() and len(sends(dialled)["host2"]) == 2
    check_tables(dialled, fabric)


def not_in_step(dialled: DialledSystem) -> set[str]:
    return {name for name, manager in dialled.system.switches.items() if not manager.in_step}


def test_others_do_not_wait_for_a_switch_that_is_stalled(
    dialled: DialledSystem, stalled: Interposed, fabric: DummyFabric
) -> None:
    stalled.to_switch.clear()
    first = dialled.request(start("blue", "blue2"))
    for _ in range(20):
        for tenant, node in (("red", "red1"), ("blue", "blue1"), ("red", "red3"), ("blue", "blue3")):
            for edit in (start(tenant, node), stop(tenant, node)):
                answer = dialled.system.request(edit)
                dialled.pump(lambda answer=answer: not dialled.system.pending(answer.revision))
        # What concerns the stalled one as well waits for it, and for it alone.
        for edit in (stop("blue", "blue2"), start("blue", "blue2")):
            answer = dialled.system.request(edit)
            dialled.pump(lambda answer=answer: dialled.system.pending(answer.revision) == ["host2"])
    assert dialled.system.pending(first.revision) == ["host2"]
    assert len(sends(dialled)["host2"]) == 1
    stalled.to_switch.set()
    dialled.pump(lambda: not dialled.system.pending())
    assert not_in_step(dialled) == set() and len(sends(dialled)["host2"]) == 1
    check_tables(dialled, fabric)


def test_a_switch_that_goes_away_in_the_middle_of_a_rollout(
    dialled: DialledSystem, stalled: Interposed, fabric: DummyFabric
) -> None:
    """Nobody waits for it; when it is back it gets all at once."""
    stalled.to_controller.clear()
    dialled.request(lambda work: requests.start(work, "red", "vm1.1", NEW_PLACE))
    dialled.pump_until_quiet()
    peer = dialled.peers.pop("host2")
    peer.hang_up()
    dialled.system.switch_disconnected("host2")
    dialled.pump_until_quiet()
    assert not_in_step(dialled) == {"host2"}
    dialled.peers["host2"] = peer
    peer.dial(fabric.ovs.folder / "host2.mgmt")
    dialled.system.switch_connected("host2", Version.OF14)
    dialled.pump(lambda: not dialled.system.pending())
    check_tables(dialled, fabric)


def test_a_switch_that_is_taken_out_in_the_middle_of_a_rollout(
    dialled: DialledSystem, stalled: Interposed, fabric: DummyFabric
) -> None:
    """With the nodes on it; the others finish, and it is emptied."""
    stalled.to_controller.clear()
    dialled.request(lambda work: requests.start(work, "red", "vm1.1", NEW_PLACE))
    smaller = intent().fabric
    assert smaller is not None
    del smaller.switches["host2"]
    smaller.links[:] = [link for link in smaller.links if "host2" not in f"{link.a} {link.b}"]

    def take_out(work: Work) -> None:
        for tenant, nodes in {"red": ("vm1.1", "vm2.2", "red2"), "green": ("vm2.1",), "blue": ("blue2",)}.items():
            for node in nodes:
                requests.delete_node(work, tenant, node)
        requests.put_fabric(work, smaller)

    dialled.system.request(take_out)
    dialled.system.tick()
    stalled.to_controller.set()
    dialled.pump(lambda: not dialled.system.pending())
    dialled.pump_until_quiet()
    assert "host2" not in dialled.system.switches
    assert not_in_step(dialled) == set()
    check_tables(dialled, fabric)
    with OpenFlowPeer(Version.OF14) as reader:
        reader.dial(fabric.ovs.folder / "host2.mgmt")
        assert reader.dump_rows() == {} and reader.dump_groups() == {}
