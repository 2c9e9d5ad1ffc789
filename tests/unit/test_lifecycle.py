"""What a node goes through: which switches each step touches, what it is afterwards, and that asking twice is once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from drawn import new_system, plug_everything
from hypothesis import given, settings
from hypothesis import strategies as st

from ryu_vnet.errors import Conflict, Invalid
from ryu_vnet.fabric.observed import PortState
from ryu_vnet.managers import lifecycle, requests
from ryu_vnet.managers.communication import Effects
from ryu_vnet.managers.difference import Contents
from ryu_vnet.managers.hosting import Hosting
from ryu_vnet.managers.requests import Work
from ryu_vnet.managers.system import Answer, System
from ryu_vnet.model.documents import from_document, to_document
from ryu_vnet.model.values import Node, TagGrant, key_of
from ryu_vnet.schema import Intent, InterfaceSpec, NetworkSpec, NodeSpec

Held = dict[str, Contents]
Edit = Callable[[Work], object]

RACKS = {
    "switches": {
        **{f"h{n}": {"dpid": n, "segment": "A" if n < 3 else "B"} for n in range(1, 5)},
        "eA": {"dpid": 10, "segment": "A"},
        "eB": {"dpid": 11, "segment": "B"},
        "core": {"dpid": 12},
    },
    "links": [
        *({"kind": "trunk", "a": f"h{n}:up", "b": f"{'eA' if n < 3 else 'eB'}:h{n}"} for n in range(1, 5)),
        {"kind": "core", "a": "eA:c", "b": "core:a"},
        {"kind": "core", "a": "eB:c", "b": "core:b"},
    ],
}


def on(place: str | None, networks: tuple[str, ...] = ("X",), **attributes: Any) -> dict[str, Any]:
    return {"interfaces": {"eth0": {"at": place, "networks": [*networks]}}, **attributes}


NODES = {
    "here": on("h1:here", running=True),
    "near": on("h2:near", running=True),
    "vm": on("h3:vm"),
    "moved": {"interfaces": {"eth0": {"mac": "02:00:00:00:00:01", "at": "h3:moved", "networks": ["X"]}}},
    "both": on("h3:both", ("X", "Y")),
    "alone": on("h4:alone", ("Z",)),
}


@pytest.fixture
def system() -> System:
    made = new_system()
    networks = {name: {} for name in "XYZ"}
    made.request(
        lambda work: requests.apply(
            work, Intent.model_validate({"fabric": RACKS, "tenants": {"red": {"networks": networks, "nodes": NODES}}})
        )
    )
    plug_everything(made)
    return made


def held(system: System) -> Held:
    return {
        name: Contents({**m.wanted.rows}, {**m.wanted.groups}, {**m.wanted.meters})
        for name, m in system.switches.items()
    }


def touched(before: Held, after: Held) -> dict[str, int]:
    """How many rows and groups of each switch are others."""
    found = {}
    for name, now in after.items():
        rows = before[name].rows.items() ^ now.rows.items()
        groups = before[name].groups.items() ^ now.groups.items()
        count = len({key for key, _ in rows}) + len({key for key, _ in groups})
        if count:
            found[name] = count
    return found


def done(system: System, edit: Edit) -> tuple[Answer, dict[str, int]]:
    before = held(system)
    answer = system.request(lambda work: edit(work) and None)
    return answer, touched(before, held(system))


def node(system: System, name: str) -> Node:
    known = system.model.node(f"red/{name}")
    assert known is not None
    return known


def state(system: System, name: str) -> str:
    known = node(system, name)
    return " ".join(word for word in ("running", "prepared", "failed") if getattr(known, word)) or "stopped"


def start(system: System, name: str, **at: str) -> Edit:
    return lambda work: lifecycle.start(work, Hosting(system), "red", name, at)


def restart(system: System, name: str, **at: str) -> Edit:
    return lambda work: lifecycle.restart(work, Hosting(system), "red", name, at)


def prepare(system: System, name: str, **at: str) -> Edit:
    return lambda work: lifecycle.prepare(work, Hosting(system), "red", name, at)


def stop(name: str) -> Edit:
    return lambda work: requests.stop(work, "red", name)


def fail(name: str) -> Edit:
    return lambda work: lifecycle.fail(work, "red", name)


def undo(name: str) -> Edit:
    return lambda work: lifecycle.unprepare(work, "red", name)


# --- preparing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vm", "moved", "both", "alone"])
def test_once_prepared_a_node_starts_stops_and_fails_on_its_own_switch_alone(system: System, name: str) -> None:
    empty = held(system)
    cold, everywhere = done(system, start(system, name))
    running = held(system)
    assert cold.changed and (len(everywhere) > 1) == (name != "alone")
    done(system, stop(name))
    assert touched(empty, held(system)) == {}

    _, ahead = done(system, prepare(system, name))
    place = node(system, name).interfaces[0].place
    assert place is not None
    host = place.switch
    assert set(everywhere) - {host} == set(ahead) - {host}
    assert all(ahead[switch] == count for switch, count in everywhere.items() if switch != host)
    grants = system.model.grants()
    for step in (start(system, name), stop(name), start(system, name), fail(name), restart(system, name)):
        _, few = done(system, step)
        assert {*few} == {host} and few[host] + ahead.get(host, 0) >= everywhere[host]
        assert system.model.grants() == grants
    assert touched(running, held(system)) == {}  # The same rows as if it had never been prepared.
    _, nothing = done(system, undo(name))
    assert nothing == {} and state(system, name) == "running"
    done(system, stop(name))
    assert touched(empty, held(system)) == {}


def test_preparing_is_told_from_running_at_every_turn(system: System) -> None:
    steps: list[tuple[Edit, str, bool]] = [
        (prepare(system, "vm"), "prepared", True),
        (prepare(system, "vm"), "prepared", False),
        (stop("vm"), "prepared", True),  # Nothing but a request starts it now.
        (stop("vm"), "prepared", False),
        (fail("vm"), "prepared", False),
        (start(system, "vm"), "running prepared", True),
        (prepare(system, "vm"), "running prepared", False),
        (fail("vm"), "prepared failed", True),
        (fail("vm"), "prepared failed", False),
        (prepare(system, "vm"), "prepared failed", False),
        (stop("vm"), "prepared", True),
        (undo("vm"), "stopped", True),
        (undo("vm"), "stopped", False),
        (start(system, "vm"), "running", True),
        (prepare(system, "vm"), "running prepared", True),
        (undo("vm"), "running", True),
    ]
    for edit, expected, changes in steps:
        answer, _ = done(system, edit)
        assert (state(system, "vm"), answer.changed) == (expected, changes)
        stored = node(system, "vm")
        assert from_document(key_of(stored), to_document(stored)) == stored
    done(system, prepare(system, "vm"))
    empty = done(system, lambda work: requests.delete_node(work, "red", "vm"))[1]
    assert {*empty} == {"eA", "eB", "h3"} and system.model.node("red/vm") is None


def test_preparing_chooses_a_place_as_starting_does_and_may_change_it_while_it_does_not_run(system: System) -> None:
    spec = NodeSpec(interfaces={"eth0": InterfaceSpec(networks=["X"])})
    system.request(lambda work: requests.put_node(work, "red", "new", spec))
    done(system, prepare(system, "new"))
    chosen = node(system, "new").interfaces[0]
    assert chosen.place is not None and chosen.place.switch in ("h1", "h2") and chosen.chosen
    done(system, prepare(system, "new", eth0="h4"))
    moved = node(system, "new").interfaces[0]
    assert moved.place is not None and (moved.place.switch, moved.known_mac) == ("h4", chosen.known_mac)
    done(system, start(system, "new"))
    before = held(system)
    with pytest.raises(Conflict, match="node red/new runs, and cannot be prepared for another place"):
        done(system, prepare(system, "new", eth0="h1"))
    assert touched(before, held(system)) == {}
    done(system, prepare(system, "new", eth0=str(moved.place)))
    assert state(system, "new") == "running prepared"


# --- failing, restarting --------------------------------------------------------------------------------------------


def test_who_fails_keeps_place_and_memberships_and_a_start_makes_him_well(system: System) -> None:
    before, was = held(system), node(system, "here")
    answer, changed = done(system, fail("here"))
    assert answer.changed and "h1" in changed and state(system, "here") == "failed"
    assert node(system, "here").interfaces == was.interfaces
    assert not done(system, fail("here"))[0].changed
    # What is set of it otherwise leaves it failed; only a start or a stop is an answer to that.
    spec = NodeSpec(function="web", interfaces={"eth0": InterfaceSpec(at="h1:here", networks=["X"])})
    done(system, lambda work: requests.put_node(work, "red", "here", spec))
    assert state(system, "here") == "failed" and node(system, "here").function == "web"
    done(system, start(system, "here"))
    assert state(system, "here") == "running" and touched(before, held(system)) == {}
    done(system, fail("here"))
    done(system, stop("here"))
    assert state(system, "here") == "stopped"


def test_a_failure_that_is_told_of_a_stopped_node_is_no_news(system: System) -> None:
    done(system, stop("here"))
    revision = system.revision
    answer, _ = done(system, fail("here"))
    assert not answer.changed and answer.revision == revision and state(system, "here") == "stopped"


def test_a_restart_is_one_revision_and_changes_no_row_where_the_place_stays(system: System) -> None:
    revision = system.revision
    answer, changed = done(system, restart(system, "here"))
    assert not answer.changed and changed == {} and system.revision == revision
    answer, changed = done(system, restart(system, "here", eth0="h4"))
    assert answer.changed and system.revision == revision + 1 and {"h1", "h4"} <= {*changed}
    for edit in (stop("here"), fail("here")):
        done(system, edit)
        done(system, restart(system, "here"))
        assert state(system, "here") == "running"


def test_a_port_that_goes_and_comes_back_takes_its_rows_with_it(system: System) -> None:
    """Why a restart need not remove rows: the machine's port does."""
    before, ports = held(system), system.ports["h1"]
    there = {port: known for port, known in ports.items() if port != "here"}
    system.effect("h1", Effects(ports=there))
    gone = touched(before, held(system))
    assert {*gone} == {"h1"} and gone["h1"] > 3
    system.effect("h1", Effects(ports={**there, "here": PortState(77, True)}))
    other = touched(before, held(system))
    assert {*other} == {"h1"}
    system.effect("h1", Effects(ports=ports))
    assert touched(before, held(system)) == {}


# --- reserving tags -------------------------------------------------------------------------------------------------


def tags(system: System, network: str) -> dict[str, int]:
    known = system.model.network(f"red/{network}")
    assert known is not None
    return {grant.segment: grant.tag for grant in system.model.grants() if grant.network == known.number}


def put_network(system: System, name: str, *reserve: str) -> tuple[Answer, dict[str, int]]:
    spec = NetworkSpec(reserve=[*reserve])
    return done(system, lambda work: requests.put_network(work, "red", name, spec))


def test_a_first_start_in_a_reserved_segment_grants_nothing(system: System) -> None:
    answer, changed = put_network(system, "X", "B", "B")
    assert answer.changed and changed == {} and {*tags(system, "X")} == {"A", "B"}
    assert not put_network(system, "X", "B")[0].changed
    grants = system.model.grants()
    for edit in (start(system, "vm"), stop("vm"), prepare(system, "moved"), undo("moved")):
        done(system, edit)
        assert system.model.grants() == grants
    done(system, start(system, "both"))  # In X and Y at once, which is one more network, and Y.
    assert {grant for grant in system.model.grants() if grant not in grants} and system.model.combinations()
    done(system, stop("both"))
    put_network(system, "X")
    assert {*tags(system, "X")} == {"A"}
    stored = system.model.network("red/X")
    assert stored is not None and from_document(key_of(stored), to_document(stored)) == stored


def test_what_is_reserved_ends_with_the_network_and_with_the_segment(system: System) -> None:
    put_network(system, "V", "A", "B")
    assert {*tags(system, "V")} == {"A", "B"}
    number = system.model.network("red/V").number  # type: ignore[union-attr]
    done(system, lambda work: requests.delete_network(work, "red", "V"))
    assert not [grant for grant in system.model.grants() if grant.network == number]
    with pytest.raises(Invalid, match=r"tenants.red.networks.V.reserve: there is no segment 'C' \(one of A, B\)"):
        put_network(system, "V", "A", "C")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("XYZV"), st.sets(st.sampled_from("AB"))), max_size=8), st.data())
def test_reserved_tags_stay_the_same_whoever_comes_and_goes(
    kept: list[tuple[str, set[str]]], data: st.DataObject
) -> None:
    made = new_system()
    networks = {name: {} for name in "XYZ"}
    whole = {"fabric": RACKS, "tenants": {"red": {"networks": networks, "nodes": NODES}}}
    made.request(lambda work: requests.apply(work, Intent.model_validate(whole)))
    for name, segments in kept:
        put_network(made, name, *segments)
        before = {key: tags(made, key) for key, _ in kept if made.model.network(f"red/{key}")}
        who = data.draw(st.sampled_from(sorted(NODES)))
        for edit in data.draw(st.permutations([start(made, who), stop(who), prepare(made, who), undo(who)])):
            done(made, edit)
        for key, known in before.items():
            network = made.model.network(f"red/{key}")
            assert network is not None
            now = tags(made, key)
            assert {s: now.get(s) for s in network.reserve} == {s: known[s] for s in network.reserve}
    assert all(isinstance(grant, TagGrant) for grant in made.model.grants())
