"""What databases say of machines, and what follows from it in the model."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import MemoryStore

from ryu_vnet.errors import Invalid
from ryu_vnet.managers import lifecycle, moves, requests
from ryu_vnet.managers.discovery import Discovery
from ryu_vnet.managers.requests import Work
from ryu_vnet.managers.sighted import Sighted
from ryu_vnet.managers.sightings import Change, Place, Sighting
from ryu_vnet.managers.system import System
from ryu_vnet.model.names import parse_mac
from ryu_vnet.model.values import Interface, Node
from ryu_vnet.schema import Intent

INTENT = Intent.model_validate(
    {
        "fabric": {
            "switches": {
                "h1": {"dpid": 1, "segment": "A", "ovsdb": "unix:/1"},
                "h2": {"dpid": 2, "segment": "A", "ovsdb": "unix:/2"},
                "h3": {"dpid": 3, "segment": "A", "ovsdb": "unix:/3"},
            },
            "links": [
                {"kind": "trunk", "a": "h1:up", "b": "h2:up"},
                {"kind": "trunk", "a": "h2:down", "b": "h3:up"},
            ],
        },
        "tenants": {
            "red": {
                "networks": {"X": {}},
                "nodes": {
                    "vm1": {"interfaces": {"eth0": {"network": "X"}}},
                    "vm2": {"interfaces": {"eth0": {"network": "X", "mac": "02:00:00:00:00:02"}}},
                    "vm3": {
                        "discovery": "move",
                        "interfaces": {"eth0": {"network": "X", "iface_id": "8f3c1f3e-52f4"}},
                    },
                    "two": {"interfaces": {"eth0": {"network": "X"}, "eth1": {}}},
                    "own": {"discovery": "off", "interfaces": {"eth0": {"network": "X"}}},
                },
            }
        },
    }
)


class Told:
    """A system that is told of sightings; what it does a little later is done at once, but not in the middle."""

    def __init__(self, intent: Intent = INTENT, store: MemoryStore | None = None) -> None:
        self.jobs: list[Callable[[], None]] = []
        self.store = store or MemoryStore()
        self.system = System(self.store, lambda name, chunks: None, lambda: 0.0, self.jobs.append)
        self.discovery = Discovery(self.system, lambda name: self.system.fabric.switches[name].ovsdb)
        if store is None:
            self.ask(lambda work: requests.apply(work, intent))

    def ask(self, edit: Callable[[Work], None]) -> None:
        self.system.request(edit)
        self.work()

    def work(self) -> None:
        while self.jobs:
            self.jobs.pop(0)()

    def came(self, host: int, port: str, iface_id: str | None = None, mac: str | None = None, **other: bool) -> None:
        sighting = Sighting(host, port, 5, iface_id, parse_mac(mac) if mac else None, None, **other)
        self.said(host, Change({sighting.place: sighting}, {}, {}))

    def went(self, host: int, port: str) -> None:
        place = host, port
        gone = self.discovery._sighted.by_database[f"unix:/{host}"][place]
        self.said(host, Change({}, {}, {place: gone}))

    def said(self, host: int, change: Change) -> None:
        self.discovery.said(f"unix:/{host}", change)
        self.work()

    def all_known(self) -> None:
        for host in (1, 2, 3):
            self.said(host, Change({}, {}, {}))

    def node(self, name: str) -> Node:
        node = self.system.model.node(f"red/{name}")
        assert node is not None
        return node

    def one(self, name: str) -> Interface:
        return self.node(name).interfaces[0]

    def state(self, name: str) -> tuple[bool, str | None, str | None]:
        node, one = self.node(name), self.one(name)
        return node.running, str(one.place) if one.place else None, str(one.target) if one.target else None

    @property
    def complaints(self) -> list[str]:
        self.system.tick()
        return [event.text for event in self.system.events.after(0) if event.kind == "discovery"]


@pytest.fixture
def told() -> Told:
    made = Told()
    made.all_known()
    return made


NOWHERE = False, None, None


# --- who is who -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "iface_id", "mac"),
    [
        ("vm1", "red/vm1", None),
        ("vm1", "red/vm1/eth0", None),
        ("vm2", None, "02:00:00:00:00:02"),
        ("vm2", "some uuid that nobody declared", "02:00:00:00:00:02"),
        ("vm2", "red/vm2", "02:00:00:00:00:02"),
        ("vm3", "8f3c1f3e-52f4", None),
    ],
)
def test_a_machine_that_its_host_names_runs_there(told: Told, name: str, iface_id: str | None, mac: str | None) -> None:
    told.came(1, "tap0", iface_id, mac)
    assert told.state(name) == (True, "h1:tap0", None)
    assert told.one(name).discovered
    told.went(1, "tap0")
    assert told.state(name) == NOWHERE


@pytest.mark.parametrize(
    ("iface_id", "mac"),
    [
        ("red/vm9", None),
        ("red/vm1/eth9", None),
        ("vm1", None),
        ("red/two", None),  # It has two interfaces.
        ("red/vm3", None),  # It has a name of its own.
        (None, "02:00:00:00:00:09"),
        ("red/vm2", "02:00:00:00:00:09"),  # It is declared with another address.
        ("red/own", None),  # It is not to be discovered.
    ],
)
def test_who_is_nobody_comes_nowhere(told: Told, iface_id: str | None, mac: str | None) -> None:
    revision = told.system.revision
    told.came(1, "tap0", iface_id, mac)
    assert told.system.revision == revision


def test_a_mac_address_that_two_have_is_nobodys(told: Told) -> None:
    spec = {"interfaces": {"eth0": {"mac": "02:00:00:00:00:02"}}}
    blue = Intent.model_validate({"tenants": {"blue": {"nodes": {"vm2": spec}}}})
    told.ask(lambda work: requests.apply(work, blue))
    told.came(1, "tap0", mac="02:00:00:00:00:02")
    assert told.state("vm2") == NOWHERE
    told.ask(lambda work: requests.delete_node(work, "blue", "vm2"))
    told.ask(lambda work: requests.put_node(work, "red", "vm2", _spec(mac="02:00:00:00:00:02", ips=["10.0.0.2"])))
    assert told.state("vm2") == (True, "h1:tap0", None)


def test_two_interfaces_with_one_iface_id_are_refused(told: Told) -> None:
    with pytest.raises(Invalid, match=r"'8f3c1f3e-52f4' is used twice, also by node red/vm3"):
        told.ask(lambda work: requests.put_node(work, "red", "vm1", _spec(iface_id="8f3c1f3e-52f4")))


def test_the_hosts_address_is_taken_where_nobody_declared_one(told: Told) -> None:
    told.came(1, "tap0", "red/vm1", "52:54:00:00:00:01")
    assert told.one("vm1").mac == parse_mac("52:54:00:00:00:01") and not told.one("vm1").chosen


def test_an_address_that_another_of_the_network_has_is_not_taken(told: Told) -> None:
    told.came(1, "tap0", "red/vm1", "02:00:00:00:00:02")
    assert told.state("vm1") == NOWHERE
    assert any("occurs twice in network red/X" in text for text in told.complaints)


def test_a_port_that_is_not_in_use_is_no_place(told: Told) -> None:
    told.came(1, "vif1", "red/vm1", is_active=False)
    assert told.state("vm1") == NOWHERE
    told.came(1, "tap1", "red/vm1")
    assert told.state("vm1") == (True, "h1:tap1", None)


# --- a database that lies ---------------------------------------------------------------------------------------------


def test_a_database_speaks_for_its_own_bridges_only(told: Told) -> None:
    lie = Sighting(2, "tap0", 5, "red/vm1", None, None)
    told.said(1, Change({lie.place: lie}, {}, {}))
    assert told.state("vm1") == NOWHERE
    nobody = Sighting(99, "tap0", 5, "red/vm1", None, None)
    told.said(1, Change({nobody.place: nobody}, {}, {}))
    assert told.state("vm1") == NOWHERE


def test_a_link_is_no_place(told: Told) -> None:
    told.came(1, "up", "red/vm1")
    assert told.state("vm1") == NOWHERE


def test_who_runs_elsewhere_is_not_taken_over(told: Told) -> None:
    told.came(1, "tap0", "red/vm1")
    told.came(2, "tap7", "red/vm1")
    assert told.state("vm1") == (True, "h1:tap0", None)
    assert told.complaints[-1].startswith("eth0 runs at h1:tap0, and is said to be at h2:tap7 as well")
    told.came(3, "tap8", "red/vm1")
    assert told.state("vm1") == (True, "h1:tap0", None)
    told.went(2, "tap7")
    told.went(3, "tap8")
    assert told.state("vm1") == (True, "h1:tap0", None)


def test_nor_who_was_started_by_request(told: Told) -> None:
    told.ask(lambda work: requests.start(work, "red", "vm1", {"eth0": "h1:tap0"}))
    told.came(2, "tap7", "red/vm1")
    assert told.state("vm1") == (True, "h1:tap0", None)
    assert "is said to be at h2:tap7" in told.complaints[-1]
    told.came(1, "tap0", "red/vm1")
    told.went(1, "tap0")
    assert told.state("vm1") == (True, "h1:tap0", None), "what was asked for is not undone by a database"


def test_one_machine_on_two_hosts_at_once_is_started_on_none(told: Told) -> None:
    one, other = (Sighting(host, "tap0", 5, "red/vm1", None, None) for host in (1, 2))
    told.discovery.said("unix:/1", Change({one.place: one}, {}, {}))
    told.discovery.said("unix:/2", Change({other.place: other}, {}, {}))
    told.work()
    assert told.state("vm1") == NOWHERE
    assert "at once, and is started nowhere" in told.complaints[-1]
    told.went(1, "tap0")
    assert told.state("vm1") == (True, "h2:tap0", None)


def test_a_flood_of_identities_makes_no_request(told: Told) -> None:
    revision = told.system.revision
    flood = [Sighting(1, f"tap{n}", n, f"nobody{n}", None, None) for n in range(4000)]
    told.said(1, Change({one.place: one for one in flood}, {}, {}))
    assert told.system.revision == revision
    assert [report.state for report in told.discovery.report()] == ["unknown"] * 4000


def test_one_that_cannot_be_followed_does_not_hold_up_the_others(told: Told) -> None:
    told.ask(lambda work: requests.start(work, "red", "vm2", {"eth0": "h1:tap0"}))
    taken, free = Sighting(1, "tap0", 5, "red/vm1", None, None), Sighting(1, "tap1", 5, "8f3c1f3e-52f4", None, None)
    told.said(1, Change({one.place: one for one in (taken, free)}, {}, {}))
    assert (told.state("vm1"), told.state("vm3")) == (NOWHERE, (True, "h1:tap1", None))
    assert "h1:tap0 is used twice" in told.complaints[-1]
    told.ask(lambda work: requests.delete_node(work, "red", "vm2"))
    told.discovery.retry()
    told.work()
    assert told.state("vm1") == (True, "h1:tap0", None)


# --- moves ------------------------------------------------------------------------------------------------------------


def test_a_machine_that_left_its_host_is_where_it_is_seen(told: Told) -> None:
    told.came(1, "tap0", "red/vm1")
    told.came(2, "tap7", "red/vm1")
    told.went(1, "tap0")
    assert told.state("vm1") == (True, "h2:tap7", None)
    assert str(told.one("vm1").left) == "h1:tap0"


def test_a_move_is_prepared_and_ends_when_its_old_host_lets_go(told: Told) -> None:
    told.came(1, "tap0", "8f3c1f3e-52f4")
    told.came(2, "tap7", "8f3c1f3e-52f4")
    assert told.state("vm3") == (True, "h1:tap0", "h2:tap7")
    told.went(1, "tap0")
    assert told.state("vm3") == (True, "h2:tap7", None)
    told.went(2, "tap7")
    assert told.state("vm3") == NOWHERE


def test_a_move_that_is_given_up_leaves_all_as_it_was(told: Told) -> None:
    told.came(1, "tap0", "8f3c1f3e-52f4")
    told.came(2, "tap7", "8f3c1f3e-52f4")
    told.went(2, "tap7")
    assert told.state("vm3") == (True, "h1:tap0", None)


def test_a_machine_on_three_hosts_moves_to_none(told: Told) -> None:
    for host in (1, 2):
        told.came(host, "tap0", "8f3c1f3e-52f4")
    told.came(3, "tap0", "8f3c1f3e-52f4")
    assert told.state("vm3") == (True, "h1:tap0", "h2:tap0")
    assert "at h2:tap0 and at h3:tap0 as well" in told.complaints[-1]


def test_a_move_that_was_asked_for_goes_on(told: Told) -> None:
    told.came(1, "tap0", "red/vm1")
    told.ask(lambda work: moves.move(work, "red", "vm1", {"eth0": "h2:tap7"}))
    told.came(2, "tap7", "red/vm1")
    assert told.state("vm1") == (True, "h1:tap0", "h2:tap7")
    told.ask(lambda work: moves.arrive(work, "red", "vm1"))
    told.went(1, "tap0")
    assert told.state("vm1") == (True, "h2:tap7", None)


# --- beside requests --------------------------------------------------------------------------------------------------


def test_who_was_asked_to_stop_stays_so_until_he_is_asked_to_start(told: Told) -> None:
    told.came(1, "tap0", "red/vm1")
    told.ask(lambda work: requests.stop(work, "red", "vm1"))
    told.discovery.retry()
    told.came(1, "tap0", "red/vm1")
    assert told.state("vm1") == (False, "h1:tap0", None)
    told.ask(lambda work: requests.start(work, "red", "vm1", {}))
    assert told.node("vm1").running


def test_who_failed_is_started_by_request(told: Told) -> None:
    told.came(1, "tap0", "red/vm1")
    told.ask(lambda work: lifecycle.fail(work, "red", "vm1"))
    told.came(1, "tap1", "red/vm1")
    assert not told.node("vm1").running


def test_a_node_that_is_declared_later_comes_up_where_it_is_seen(told: Told) -> None:
    told.came(1, "tap0", "red/late")
    told.ask(lambda work: requests.put_node(work, "red", "late", _spec()))
    assert told.state("late") == (True, "h1:tap0", None)


def test_what_is_declared_again_without_a_place_stays_where_it_is_seen(told: Told) -> None:
    told.came(1, "tap0", "red/vm1")
    told.ask(lambda work: requests.apply(work, INTENT))
    assert told.state("vm1") == (True, "h1:tap0", None)
    told.ask(lambda work: requests.put_node(work, "red", "vm1", _spec(running=False)))
    assert told.node("vm1").held and not told.node("vm1").running


def test_a_prepared_place_stays_prepared(told: Told) -> None:
    told.ask(lambda work: requests.put_node(work, "red", "vm1", _spec(at="h1:tap0", prepared=True)))
    assert told.state("vm1") == (False, "h1:tap0", None)
    told.came(1, "tap0", "red/vm1")
    assert told.state("vm1") == (True, "h1:tap0", None)
    told.went(1, "tap0")
    assert told.state("vm1") == (False, "h1:tap0", None)


def test_all_interfaces_of_a_node_must_be_there(told: Told) -> None:
    told.came(1, "tap0", "red/two/eth0")
    assert not told.node("two").running
    told.came(1, "tap1", "red/two/eth1")
    assert told.node("two").running
    told.went(1, "tap0")
    assert told.node("two").running, "one interface of it is still there"
    told.went(1, "tap1")
    assert not told.node("two").running


# --- restarts ---------------------------------------------------------------------------------------------------------


def test_after_a_restart_nothing_ends_before_the_databases_have_spoken(told: Told) -> None:
    told.came(1, "tap0", "red/vm1")
    told.came(2, "tap0", "8f3c1f3e-52f4")
    again = Told(store=told.store)
    assert again.state("vm1") == (True, "h1:tap0", None)
    again.said(2, Change({}, {}, {}))  # vm3 went meanwhile.
    assert again.state("vm3") == NOWHERE
    assert again.state("vm1") == (True, "h1:tap0", None), "its database has said nothing yet"
    again.came(1, "tap0", "red/vm1")
    assert again.state("vm1") == (True, "h1:tap0", None)


def test_a_database_that_is_not_asked_any_more_takes_nobody_with_it(told: Told) -> None:
    told.came(1, "tap0", "red/vm1")
    told.discovery.forget("unix:/1")
    told.discovery.retry()
    told.work()
    assert told.state("vm1") == (True, "h1:tap0", None)
    told.said(1, Change({}, {}, {}))
    assert told.state("vm1") == NOWHERE


# --- all together -----------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("came"), st.sampled_from([1, 2, 3]), st.sampled_from(["vm1", "vm3", "two/eth0", "two/eth1"])),
        st.tuples(st.just("went"), st.sampled_from([1, 2, 3]), st.sampled_from(["vm1", "vm3", "two/eth0", "two/eth1"])),
    ),
    max_size=24,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_who_is_said_to_be_in_one_place_runs_there_and_who_is_said_to_be_nowhere_does_not(
    steps: list[tuple[str, int, str]],
) -> None:
    """Whatever was said before, in whatever order."""
    told = Told()
    told.all_known()
    there: dict[str, set[str]] = {name: set() for name in ("vm1", "vm3", "two/eth0", "two/eth1")}
    for kind, host, name in steps:
        port = name.replace("/", "-")
        if kind == "came":
            there[name].add(f"h{host}:{port}")
            told.came(host, port, "8f3c1f3e-52f4" if name == "vm3" else f"red/{name}")
        elif f"h{host}:{port}" in there[name]:
            there[name].discard(f"h{host}:{port}")
            told.went(host, port)
        for known in ("vm1", "vm3"):
            running, place, target = told.state(known)
            assert running == (place is not None)
            assert place is None or place in there[known]
            assert target is None or target in there[known]
            if len(there[known]) == 1:
                assert {place} == there[known]
        if not there["two/eth0"] and not there["two/eth1"]:
            assert not told.node("two").running
    again = Told(store=told.store)
    for database, sightings in told.discovery._sighted.by_database.items():
        again.discovery.said(database, Change(dict(sightings), {}, {}))
    again.work()
    for known in ("vm1", "vm3"):
        if len(there[known]) < 2:
            assert again.state(known) == told.state(known)


def test_what_is_remembered_is_what_was_said_last() -> None:
    sighted = Sighted()
    place: Place = (1, "tap0")
    old, new = Sighting(1, "tap0", 1, "a", 7, None), Sighting(1, "tap0", 1, "b", 7, None)
    assert [*sighted.take("d", Change({place: old}, {}, {}))] == [old]
    assert [*sighted.take("d", Change({}, {place: new}, {}))] == [old, new]
    assert [*sighted.of("a")] == [] and [*sighted.of("b")] == [*sighted.of(7)] == [("d", new)]
    assert [*sighted.take("d", Change({}, {}, {place: new}))] == [new]
    assert not sighted


def _spec(*, running: bool | None = None, prepared: bool = False, **interface: object) -> requests.NodeSpec:
    parts: dict[str, object] = {"interfaces": {"eth0": {"network": "X", **interface}}, "prepared": prepared}
    return requests.NodeSpec.model_validate(parts if running is None else {**parts, "running": running})


def test_an_address_on_two_ports_is_started_on_neither(told: Told) -> None:
    two = [Sighting(1, port, 5, None, parse_mac("02:00:00:00:00:02"), None) for port in ("tap0", "tap1")]
    told.said(1, Change({one.place: one for one in two}, {}, {}))
    assert told.state("vm2") == NOWHERE
    assert "eth0 is said to be at h1:tap0 and at h1:tap1 at once" in told.complaints[-1]
