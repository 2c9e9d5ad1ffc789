"""What happened is noted, numbered without a hole, kept with a bound, and there again after a restart."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, get_args

import pytest
from figure_system import empty_system, figure, figure_system, ports_of
from hypothesis import given
from hypothesis import strategies as st
from memory_store import MemoryStore

from ryu_vnet.cli.events import KINDS
from ryu_vnet.errors import Conflict, Invalid, NotFound, StoreError
from ryu_vnet.fabric.observed import PortState
from ryu_vnet.managers import requests
from ryu_vnet.managers.drift import Drift
from ryu_vnet.managers.events import EVENTS_KEPT, Event, EventLog, Kind, event_from
from ryu_vnet.managers.history import DRIFTS_TOLD, Asker
from ryu_vnet.managers.requests import Work
from ryu_vnet.managers.summary import MOST_CHANGES
from ryu_vnet.managers.system import System
from ryu_vnet.openflow.wire import Version
from ryu_vnet.schema import Intent, NodeSpec
from ryu_vnet.settings import Settings
from ryu_vnet.store.interface import Json
from ryu_vnet.store.sqlite import SqliteStore

NOON = 1_700_000_000.25


def system_over(store: Any, kept: int = EVENTS_KEPT) -> System:
    return System(store, lambda name, messages: None, time.monotonic, calendar=lambda: NOON, events_kept=kept)


def events(system: System, kind: str | None = None) -> list[Event]:
    """All that is on disk, or what is of a kind."""
    return [event for event in system.events.after(0) if kind in (None, event.kind)]


def make_tenant(system: System, name: str) -> None:
    system.request(lambda work: requests.put_tenant(work, name))


# --- the log --------------------------------------------------------------------------------------------------------


def test_nobody_is_told_what_is_not_on_disk() -> None:
    system = system_over(MemoryStore())
    system.note("node", "red/vm1", "node red/vm1 is started", {"at": "host1"})
    assert events(system) == [] and system.events.last == 0
    system.tick()
    told = Event(1, "2023-11-14T22:13:20.250Z", "node", "red/vm1", "", "node red/vm1 is started", {"at": "host1"})
    assert events(system) == [told] and system.events.last == 1


def test_a_tick_with_nothing_to_tell_commits_nothing() -> None:
    system = system_over(MemoryStore())
    system.tick()
    assert system.revision == 0


def test_the_kinds_that_the_command_line_knows_are_those_that_there_are() -> None:
    assert get_args(Kind) == KINDS
    assert Settings.model_fields["events_kept"].default == EVENTS_KEPT


def test_what_is_beyond_the_bound_goes_from_memory_and_from_disk() -> None:
    store = MemoryStore()
    system = system_over(store, kept=10)
    for number in range(25):
        system.note("node", f"red/vm{number}", "is started")
        system.tick()
    assert [event.sequence for event in events(system)] == [*range(16, 26)]
    assert [event_from(d.key, d.value) for d in store.list("event/").documents] == events(system)
    assert system.events.dropped == 15


def test_a_flood_of_one_kind_does_not_push_out_the_others() -> None:
    system = system_over(MemoryStore(), kept=20)
    for name in ("red", "green", "blue"):
        make_tenant(system, name)
    for _ in range(200):
        system.note("switch", "host1", "switch host1 is connected")
        with pytest.raises(NotFound):
            system.request(lambda work: requests.delete_tenant(work, "none"))
        system.tick()
    made = [event.text for event in events(system, "request") if not event.is_refusal]
    assert made == ["made tenant red", "made tenant green", "made tenant blue"]
    assert len(events(system)) == 20 and len(events(system, "switch")) == 7


KIND = st.sampled_from(["request", "realised", "switch", "drift"])


@given(lives=st.lists(st.lists(st.lists(KIND, max_size=4), max_size=6), min_size=1, max_size=4), kept=st.integers(4, 9))
def test_whoever_reads_again_and_again_sees_every_number_once_and_in_order(lives: list[Any], kept: int) -> None:
    """Whatever is noted, in whatever pieces it is written, and though what was not yet written is lost at the end of
    each life: up to `dropped` there may be gaps, and nowhere else."""
    store, seen = MemoryStore(), 0
    for pieces in lives:
        system = system_over(store, kept)
        for piece in pieces:
            for kind in piece:
                system.note(kind, "", "")
            system.tick()
            assert len(events(system)) <= kept
            for event in system.events.after(seen):
                assert event.sequence == seen + 1 or event.sequence <= system.events.dropped + 1
                assert event.sequence > seen
                seen = event.sequence
            assert seen == system.events.last
        system.note("node", "", "lost")
    again = system_over(store, kept)
    assert again.events.last == seen and [*again.events.after(0)] == events(system)
    assert again.events.dropped == system.events.dropped


def test_events_are_recalled_beside_those_that_come_meanwhile(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "store.db") as store:
        system = system_over(store)
        for number in range(500):
            make_tenant(system, f"t{number}")
        before = events(system)
    with SqliteStore(tmp_path / "store.db") as store:
        again = System(store, lambda name, messages: None, time.monotonic, compiled=False)
        again.compile()
        assert not again.events.is_whole and again.events.last == before[-1].sequence
        again.recall(lambda: make_tenant(again, f"new{again.events.last}"))
        assert again.events.is_whole
        assert events(again)[: len(before)] == before
        assert [event.sequence for event in events(again)] == [*range(1, again.events.last + 1)]
        assert again.events.last > before[-1].sequence and again.events.dropped == 0


def test_what_is_no_event_is_refused() -> None:
    with pytest.raises(StoreError, match="event/7"):
        event_from("event/7", {"text": "?"})
    store = MemoryStore()
    store.commit({"event/seven": {}})
    with pytest.raises(StoreError, match="event/seven"):
        system_over(store)


def test_an_event_concerns_its_subject_and_what_it_changed() -> None:
    event = Event(1, "", "request", "red/vm1", "", "", {"changes": [{"key": "network/blue/Z", "old": None, "new": {}}]})
    assert all(map(event.concerns, ("red/vm1", "red", "blue/Z", "blue")))
    assert not any(map(event.concerns, ("red/vm", "re", "network/blue", "")))


# --- requests -------------------------------------------------------------------------------------------------------


def test_a_request_tells_who_asked_for_what_and_what_it_changed(tmp_path: Path) -> None:
    system = figure_system(tmp_path)
    asker = Asker("alice at 10.0.0.1", "DELETE", "/v1/tenants/blue/networks/Z/members/vm3.1", "blue/vm3.1")
    system.history.asker = lambda: asker
    answer = system.request(lambda work: requests.detach(work, "blue", "Z", "vm3.1", None))
    event = events(system)[-1]
    assert (event.kind, event.subject, event.who) == ("request", "blue/vm3.1", "alice at 10.0.0.1")
    assert event.text == "changed node blue/vm3.1: eth0.networks Z -> -"
    assert event.details == {
        "method": "DELETE",
        "path": "/v1/tenants/blue/networks/Z/members/vm3.1",
        "revision": answer.revision,
        "changes": [{"key": "node/blue/vm3.1", "old": {"eth0.networks": ["Z"]}, "new": {"eth0.networks": None}}],
    }


def test_identifiers_are_told_that_are_granted_and_given_back(tmp_path: Path) -> None:
    system = figure_system(tmp_path)
    network = system.model.network("red/X")
    assert network is not None
    [tag] = [grant.tag for grant in system.model.grants("B") if grant.network == network.number] or [None]
    members = [member.node for member in system.model.members("red/X")]
    for node in members:
        system.request(lambda work, node=node: requests.delete_node(work, "red", node.name))
    system.request(lambda work: requests.delete_network(work, "red", "X"))
    returned = [part for event in events(system, "request") for part in event.details.get("given_back", [])]
    assert {"label": network.number, "network": "red/X"} in returned
    assert tag is None or {"tag": tag, "segment": "B", "network": "red/X"} in returned
    applied = events(system, "request")[0].details["granted"]
    assert {"label": network.number, "network": "red/X"} in applied
    assert all(part in applied for part in returned)
    assert events(system, "request")[-1].text == "deleted network red/X"


def test_a_whole_intent_is_told_in_short(tmp_path: Path) -> None:
    system = empty_system(tmp_path)
    nodes = {
        f"vm{number:03}": {"interfaces": {"eth0": {"mac": f"02:00:00:00:00:{number:02x}"}}} for number in range(60)
    }
    intent = figure()
    intent["tenants"]["red"]["nodes"] |= nodes
    system.request(lambda work: requests.apply(work, Intent.model_validate(intent)))
    [event] = events(system, "request")
    assert event.subject == "" and event.text.startswith("declared the fabric; made 3 networks, ")
    changes, more = event.details["changes"], event.details["more"]
    assert len(changes) == MOST_CHANGES + 1 and changes[0]["key"] == "fabric"
    assert changes[0]["new"]["switches"] == [*sorted(intent["fabric"]["switches"])]
    made = sum(1 + len(tenant["networks"]) + len(tenant["nodes"]) for tenant in intent["tenants"].values())
    assert len(changes) + more == made + 1


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    system = figure_system(tmp_path)
    ips = [f"10.0.1.{number}" for number in range(1, 30)]
    spec = NodeSpec.model_validate({"interfaces": {"eth0": {"mac": "02:00:00:00:09:09", "ips": ips}}})
    system.request(lambda work: requests.put_node(work, "red", "vm9", spec))
    [change] = events(system)[-1].details["changes"]
    assert change["key"] == "node/red/vm9" and change["old"] is None
    assert change["new"]["eth0.ips"][-1] == "..." and len(change["new"]["eth0.ips"]) == 9


def test_what_was_so_already_is_no_event() -> None:
    system = system_over(MemoryStore())
    make_tenant(system, "red")
    system.tick()
    before = events(system)
    make_tenant(system, "red")
    system.tick()
    assert events(system) == before


def test_what_concerns_no_switch_is_realised_at_once() -> None:
    system = system_over(MemoryStore())
    make_tenant(system, "red")
    system.tick()
    asked, realised = events(system)
    assert (realised.kind, realised.subject, realised.details["request"]) == ("realised", "red", asked.sequence)
    assert realised.details["revision"] == asked.details["revision"] == 1
    assert 0 <= realised.details["seconds"] < 60


def test_a_refusal_tells_the_reason() -> None:
    system = system_over(MemoryStore())
    system.history.asker = lambda: Asker("bob", "DELETE", "/v1/tenants/none", "none")
    with pytest.raises(NotFound) as refused:
        system.request(lambda work: requests.delete_tenant(work, "none"))
    system.tick()
    [event] = events(system)
    assert event.is_refusal and (event.subject, event.who) == ("none", "bob")
    assert event.text == f"refused: {refused.value}"
    assert event.details["refused"] == "NotFound" and "revision" not in event.details


class FailingStore(MemoryStore):
    """One whose disk is full, for a while."""

    is_full = False

    def commit(self, changes: Any, expected: Any = None) -> int:
        if self.is_full:
            raise StoreError("the disk is full")
        return super().commit(changes, expected)


def test_what_cannot_be_stored_was_refused_and_nothing_else_is_lost() -> None:
    store = FailingStore()
    system = system_over(store)
    make_tenant(system, "red")
    store.is_full = True
    for _ in range(3):
        with pytest.raises(StoreError):
            make_tenant(system, "blue")
        with pytest.raises(StoreError):
            system.tick()
    store.is_full = False
    make_tenant(system, "green")
    told = [(event.sequence, event.text) for event in events(system, "request")]
    refused = "refused: the disk is full"
    assert told == [(1, "made tenant red"), (3, refused), (4, refused), (5, refused), (6, "made tenant green")]


def test_a_mistake_of_ours_leaves_no_event() -> None:
    def broken(work: Work) -> None:
        requests.put_tenant(work, "red")
        raise RuntimeError("a mistake")

    system = system_over(MemoryStore())
    with pytest.raises(RuntimeError):
        system.request(broken)
    make_tenant(system, "blue")
    assert [event.text for event in events(system)] == ["made tenant blue"]


def test_a_request_that_was_acknowledged_is_told_after_any_crash(tmp_path: Path) -> None:
    """Its event is in the same commit: nothing else is written between."""
    with SqliteStore(tmp_path / "store.db") as store:
        system = system_over(store)
        revision = system.request(lambda work: requests.put_tenant(work, "red")).revision
    with SqliteStore(tmp_path / "store.db") as store:
        again = system_over(store)
        assert [event.details["revision"] for event in events(again)] == [revision]
        # That it was realised was lost; it is told when it is known again.
        again.tick()
        assert [event.kind for event in events(again)] == ["request", "realised"]
        assert events(again)[1].details["request"] == 1


# --- switches, drift, links -----------------------------------------------------------------------------------------


@pytest.fixture
def system(tmp_path: Path) -> System:
    system = figure_system(tmp_path)
    system.tick()
    return system


def states(system: System, name: str) -> list[str]:
    system.tick()
    return [event.details["state"] for event in events(system, "switch") if event.subject == name]


def test_a_switch_comes_is_refused_and_goes(system: System) -> None:
    system.switch_connected("host1", Version.OF14)
    system.switch_disconnected("host1")
    system.switch_disconnected("host1")
    for _ in range(3):
        system.switch_refused("host1", "fail_mode is standalone")
    system.switch_refused("host1", "vlan-limit is 2")
    system.switch_connected("host1", Version.OF14)
    expected = ["connected", "disconnected", "refused", "refused", "readmitted"]
    assert states(system, "host1") == expected and states(system, "host2") == []
    reasons = [event.details.get("reason") for event in events(system, "switch")]
    assert reasons == [None, None, "fail_mode is standalone", "vlan-limit is 2", None]


def test_drift_is_one_event_a_switch_and_second(system: System) -> None:
    row = next(iter(system.switches["host1"].wanted.rows.items()))
    for _ in range(DRIFTS_TOLD * 3):
        system.delivery.on_drift(Drift("host1", row[0], row[1], None, "monitor"))
    system.delivery.on_drift(Drift("host1", row[0], None, row[1], "audit"))
    system.delivery.on_drift(Drift("host2", 0x10, b"", None, "audit"))
    system.delivery.on_drift(Drift("host2", b"\x63" + bytes(40), None, b"?", "audit"))
    system.tick()
    one, other = events(system, "drift")
    assert (one.subject, other.subject) == ("host1", "host2")
    assert (one.details["added"], one.details["removed"]) == (1, DRIFTS_TOLD * 3)
    assert len(one.details["rows"]) == DRIFTS_TOLD and one.details["rows"][0]["table"] == "PORT"
    assert other.details["rows"][0] == {"what": "removed", "by": "audit", "group": 0x10}
    assert other.details["rows"][1]["table"] == "99"


def test_links_are_told_that_lose_a_port_or_get_it_back(system: System) -> None:
    known = {name: PortState(number, up) for name, (number, up) in ports_of(figure())["core1"].items()}
    port = next(place.port for place in system.fabric.wires_of["core1"])
    down = {**known, port: PortState(known[port].number, False)}
    gone = {name: state for name, state in known.items() if name != port}
    for ports in (down, gone, known, known):
        system.delivery.on_ports("core1", ports)
    system.tick()
    told = [(event.subject, event.details["was"], event.details["now"]) for event in events(system, "fabric")]
    assert told == [("core1", "up", "down"), ("core1", "down", "missing"), ("core1", "missing", "up")]
    assert f"port core1:{port} of the core link to " in events(system, "fabric")[0].text


def test_the_end_writes_what_was_noted_and_tells_who_listens() -> None:
    called = []
    system = system_over(MemoryStore())
    system.listeners.append(lambda: called.append(system.events.closed))
    system.note("node", "red/vm1", "is started")
    system.stop()
    assert len(events(system)) == 1 and system.events.closed and called[-1] is True


def test_the_log_needs_no_system() -> None:
    log = EventLog(3, lambda: NOON)
    first = log.note("node", "a", "")
    log.note("node", "b", "")
    log.withdraw(first)
    written: dict[str, Json | None] = log.documents()
    log.written()
    assert [event.subject for event in log.after(0)] == ["b"] and [*written] == ["event/000000000000001"]
    assert log.documents() == {}
    log.withdraw(first)
    assert log.last == 1


def test_what_can_never_be_written_is_given_up_from_its_beginning() -> None:
    log = EventLog(10, lambda: NOON)
    for number in range(100):
        log.note("node", f"n{number}", "")
    written = [event_from(key, document) for key, document in log.documents().items() if document is not None]
    assert [event.sequence for event in written] == [*range(1, len(written) + 1)] and 5 <= len(written) <= 10
    assert [event.subject for event in written] == [f"n{number}" for number in range(100 - len(written), 100)]


def test_conflicts_and_shapes_are_told_alike(system: System) -> None:
    with pytest.raises(Conflict):
        system.request(lambda work: requests.delete_tenant(work, "red"))
    with pytest.raises(Invalid):
        system.request(lambda work: requests.put_tenant(work, "no name"))
    system.tick()
    refusals = [event.details["refused"] for event in events(system, "request") if event.is_refusal]
    assert refusals == ["Conflict", "Invalid"]
