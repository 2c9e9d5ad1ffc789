"""Every kind of damage to a store, done by hand: found, mended, found clean, and all else left as it was."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from drawn import plug_everything
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import MemoryStore
from test_incremental import from_nothing

from ryu_vnet.errors import NotFound, StoreError
from ryu_vnet.managers import requests
from ryu_vnet.managers.fsck.checks import faults_of, mend
from ryu_vnet.managers.fsck.documents import READERS, is_of_model
from ryu_vnet.managers.fsck.finding import Case, findings
from ryu_vnet.managers.fsck.offline import ASIDE, case_of, check_file
from ryu_vnet.managers.fsck.online import faults, mend_all, store_faults, switch_findings, waiting
from ryu_vnet.managers.system import System
from ryu_vnet.model.documents import to_document
from ryu_vnet.model.values import key_of
from ryu_vnet.schema import FabricSpec, Intent, InterfaceSpec, LinkSpec, NetworkSpec, NodeSpec, SwitchSpec, TenantSpec
from ryu_vnet.store.sqlite import SqliteStore

Documents = dict[str, Any]

FABRIC = FabricSpec(
    switches={
        "h1": SwitchSpec(dpid=1, segment="A"),
        "h2": SwitchSpec(dpid=2, segment="A"),
        "h3": SwitchSpec(dpid=3, segment="B"),
        "h4": SwitchSpec(dpid=4, segment="B"),
        "core": SwitchSpec(dpid=5),
    },
    links=[
        LinkSpec(kind="trunk", a="h1:up", b="h2:up"),
        LinkSpec(kind="trunk", a="h3:up", b="h4:up"),
        LinkSpec(kind="core", a="h1:c", b="core:a"),
        LinkSpec(kind="core", a="h3:c", b="core:b"),
    ],
)


def node(at: str, *networks: str, mac: str | None = None, running: bool = True) -> NodeSpec:
    interface = InterfaceSpec(mac=mac, ips=["10.0.0.1"], at=at, networks=[*networks])
    return NodeSpec(running=running, interfaces={"eth0": interface})


INTENT = Intent(
    fabric=FABRIC,
    tenants={
        "red": TenantSpec(
            networks={"X": NetworkSpec(), "Y": NetworkSpec(), "idle": NetworkSpec()},
            nodes={
                "a": node("h1:a", "X"),
                "b": node("h2:b", "X", "Y", mac="02:00:00:00:00:0b"),
                "c": node("h3:c1", "Y"),
                "off": node("h4:off", "Y", running=False),
            },
        ),
        "blue": TenantSpec(networks={"Z": NetworkSpec()}, nodes={"z": node("h4:z", "Z"), "y": node("h1:y", "Z")}),
    },
)


def sound() -> MemoryStore:
    """A store as it is after some life, with something that rests."""
    store = MemoryStore()
    system = System(store, lambda name, messages: None, lambda: 0.0)
    system.request(lambda work: requests.apply(work, INTENT))
    plug_everything(system)
    system.request(lambda work: requests.stop(work, "blue", "y"))
    system.tick()
    return store


def documents_of(store: MemoryStore) -> Documents:
    return {document.key: document.value for document in store.list().documents}


def network(documents: Documents, ref: str) -> Any:
    return documents[f"network/{ref}"]


def grant(documents: Documents, segment: str, ref: str) -> Any:
    kind = "combination" if "+" in ref else "network"
    return documents[f"grant/{segment}/{documents[f'{kind}/{ref}']['number']:07d}"]


def eth0(documents: Documents, ref: str) -> Any:
    return documents[f"node/{ref}"]["interfaces"][0]


# --- kinds of damage ---------------------------------------------------------------------------------------------


def counter_behind(documents: Documents) -> None:
    documents["counters"]["interface"] = 3


def counters_gone(documents: Documents) -> None:
    del documents["counters"]


def no_tenant(documents: Documents) -> None:
    del documents["tenant/red"]


def interface_number_twice(documents: Documents) -> None:
    eth0(documents, "red/a")["number"] = eth0(documents, "blue/z")["number"]


def no_network(documents: Documents) -> None:
    eth0(documents, "red/c")["networks"] = ["Y", "nowhere"]


def networks_in_disorder(documents: Documents) -> None:
    eth0(documents, "red/b")["networks"] = ["Y", "X", "X"]
    eth0(documents, "red/b")["by_policy"] = ["idle"]


def switch_gone(documents: Documents) -> None:
    eth0(documents, "red/a")["place"] = ["h9", "a"]


def on_a_core_switch(documents: Documents) -> None:
    eth0(documents, "red/off")["place"] = ["core", "x"]


def on_a_link(documents: Documents) -> None:
    eth0(documents, "red/a")["place"] = ["h1", "up"]


def port_twice(documents: Documents) -> None:
    eth0(documents, "red/off")["place"] = ["h4", "z"]


def no_place(documents: Documents) -> None:
    eth0(documents, "red/a")["place"] = None


def mac_twice(documents: Documents) -> None:
    eth0(documents, "red/c")["mac"] = "02:00:00:00:00:0b"
    eth0(documents, "red/c")["chosen"] = False


def not_a_chosen_mac(documents: Documents) -> None:
    eth0(documents, "red/b")["chosen"] = True


def number_twice(documents: Documents) -> None:
    network(documents, "blue/Z")["number"] = network(documents, "red/X")["number"]


def number_of_a_combination(documents: Documents) -> None:
    network(documents, "red/idle")["number"] = documents["combination/red/X+Y"]["number"]


def impossible_number(documents: Documents) -> None:
    network(documents, "red/idle")["number"] = 7


def number_rests(documents: Documents) -> None:
    number = network(documents, "red/X")["number"]
    documents[f"resting/label/{number:07d}"] = {
        "space": "label",
        "identifier": number,
        "network": number,
        "revision": 1,
    }


def combination_missing(documents: Documents) -> None:
    del documents["combination/red/X+Y"]


def combination_not_needed(documents: Documents) -> None:
    documents["combination/red/Y+idle"] = {"tenant": "red", "networks": ["Y", "idle"], "number": 900}


def tag_of_nobody(documents: Documents) -> None:
    documents["grant/A/0000999"] = {"segment": "A", "network": 999, "tag": 77}


def tag_where_nobody_runs(documents: Documents) -> None:
    number = network(documents, "red/X")["number"]
    documents[f"grant/B/{number:07d}"] = {"segment": "B", "network": number, "tag": 77}


def tag_in_no_segment(documents: Documents) -> None:
    number = network(documents, "red/X")["number"]
    documents[f"grant/gone/{number:07d}"] = {"segment": "gone", "network": number, "tag": 77}


def tag_missing(documents: Documents) -> None:
    del documents[f"grant/A/{network(documents, 'red/X')['number']:07d}"]


def tag_twice(documents: Documents) -> None:
    grant(documents, "A", "red/Y")["tag"] = grant(documents, "A", "red/X")["tag"]


def impossible_tag(documents: Documents) -> None:
    grant(documents, "A", "red/X")["tag"] = 4095


def resting(documents: Documents, space: str, identifier: int, number: int) -> None:
    key = f"resting/{space}/{identifier:07d}"
    documents[key] = {"space": space, "identifier": identifier, "network": number, "revision": 1}


def tag_rests(documents: Documents) -> None:
    resting(documents, "tag:A", grant(documents, "A", "red/X")["tag"], 12345)


def rests_in_use(documents: Documents) -> None:
    own = grant(documents, "A", "red/X")
    resting(documents, "tag:A", own["tag"], own["network"])


def impossible_rest(documents: Documents) -> None:
    resting(documents, "tag:A", 5000, 17)


def ports_of_nobody(documents: Documents) -> None:
    documents["observed/h9"] = {"a": [1, True]}


def let_in_as_another(documents: Documents) -> None:
    documents["admitted/h1"] = {"number": documents["admitted/h1"]["number"], "segment": "B"}


def let_in_and_gone(documents: Documents) -> None:
    documents["admitted/h9"] = {"number": 99, "segment": "B"}


DAMAGE: dict[Callable[[Documents], None], str] = {
    counter_behind: "counter behind",
    counters_gone: "counter behind",
    no_tenant: "no tenant",
    interface_number_twice: "interface number twice",
    no_network: "no network",
    networks_in_disorder: "networks in disorder",
    switch_gone: "impossible place",
    on_a_core_switch: "impossible place",
    on_a_link: "impossible place",
    port_twice: "port twice",
    no_place: "no place",
    mac_twice: "MAC twice",
    not_a_chosen_mac: "not a chosen MAC",
    number_twice: "number twice",
    number_of_a_combination: "number twice",
    impossible_number: "impossible number",
    number_rests: "number rests",
    combination_missing: "combination missing",
    combination_not_needed: "combination not needed",
    tag_of_nobody: "tag not needed",
    tag_where_nobody_runs: "tag not needed",
    tag_in_no_segment: "tag not needed",
    tag_missing: "tag missing",
    tag_twice: "tag twice",
    impossible_tag: "impossible tag",
    tag_rests: "tag rests",
    rests_in_use: "rests in use",
    impossible_rest: "impossible rest",
    ports_of_nobody: "ports of nobody",
    let_in_as_another: "let in as another",
    let_in_and_gone: "let in as another",
}
CASES = [pytest.param(damage, kind, id=damage.__name__) for damage, kind in DAMAGE.items()]

UNTOUCHED = ("node/red/off", "node/blue/y", "tenant/blue", "observed/h1", "admitted/core", "fabric")
"""Documents with which no damage but their own has to do."""


def stored(path: Path) -> Documents:
    with SqliteStore(path) as store:
        return {document.key: document.value for document in store.list().documents}


def file_with(path: Path, documents: Documents) -> None:
    with SqliteStore(path) as store:
        store.commit(documents)


def restarted(documents: Documents) -> System:
    store = MemoryStore()
    store.commit(documents)
    return System(store, lambda name, messages: None, lambda: 0.0)


def check_tables(system: System) -> None:
    """What switches are to hold is what follows from the model, from nothing."""
    held = {name: manager.wanted for name, manager in system.switches.items()}
    assert held == from_nothing(system.model, system.topology)


@pytest.mark.parametrize(("damage", "kind"), CASES)
def test_damage_is_found_and_mended_in_a_file(tmp_path: Path, damage: Callable[[Documents], None], kind: str) -> None:
    documents = documents_of(sound())
    damage(documents)
    path = tmp_path / "store.db"
    file_with(path, documents)

    found = check_file(path, mending=False)
    assert kind in {finding.kind for finding in found.findings}
    assert all(finding.what and finding.why and finding.mending for finding in found.findings)
    assert stored(path) == documents, "looking changes nothing"

    mended = check_file(path, mending=True)
    assert kind in {finding.kind for finding in mended.mended} and mended.findings == []
    assert mended.revision == found.revision + 1, "one transaction"
    assert check_file(path, mending=False).findings == []
    after = stored(path)
    touched = {finding.where for finding in mended.mended}
    assert {key: after.get(key) for key in UNTOUCHED if key not in touched} == {
        key: documents.get(key) for key in UNTOUCHED if key not in touched
    }
    system = restarted(after)
    check_tables(system)
    assert faults(system) == []
    assert check_file(path, mending=True).revision == mended.revision, "mending again changes nothing"


CANNOT_BE_COMPILED = {no_network, networks_in_disorder, on_a_link, mac_twice, combination_missing, tag_twice}
"""Damage with which no controller starts, so that it is for `--store FILE` alone."""


@pytest.mark.parametrize(("damage", "kind"), CASES)
def test_damage_is_found_and_mended_under_a_running_controller(damage: Callable[[Documents], None], kind: str) -> None:
    documents = documents_of(sound())
    damage(documents)
    if damage in CANNOT_BE_COMPILED:
        with pytest.raises((KeyError, ValueError)):
            restarted(documents)
        return
    system = restarted(documents)
    before = system.revision
    assert kind in {finding.kind for finding in findings(faults(system))}
    revision, mended = mend_all(system)
    assert revision == system.revision == before + 1
    assert kind in {finding.kind for finding in mended}
    assert faults(system) == []
    check_tables(system)
    again = restarted(documents_of(system.store))  # type: ignore[arg-type]
    assert faults(again) == []
    assert {name: manager.wanted for name, manager in again.switches.items()} == {
        name: manager.wanted for name, manager in system.switches.items()
    }
    assert mend_all(system) == (revision, [])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(list(DAMAGE)), min_size=2, max_size=6, unique=True))
def test_several_kinds_of_damage_at_once_are_mended_together(damages: list[Callable[[Documents], None]]) -> None:
    documents = documents_of(sound())
    for damage in damages:
        with suppress(KeyError):  # One has taken away what another would have damaged.
            damage(documents)
    case = case_of(documents, 100)
    assert mend(case)
    assert [*faults_of(case)] == []
    check_tables(restarted({**{key: documents[key] for key in documents if not is_of_model(key)}, **changed(case)}))


def changed(case: Case) -> Documents:
    """The documents of a model as it is after mending."""
    values = (case.draft.get(key) for key in case.draft.keys(""))
    return {key_of(value): to_document(value) for value in values if value is not None}


# --- what is not to be mended ------------------------------------------------------------------------------------


def link_to_nowhere(documents: Documents) -> None:
    documents["fabric"]["links"][0]["a"] = ["h9", "up"]


def switch_number_twice(documents: Documents) -> None:
    documents["fabric"]["switches"][0]["number"] = documents["fabric"]["switches"][1]["number"]


def segment_without_number(documents: Documents) -> None:
    del documents["fabric"]["segments"]["B"]


def no_fabric(documents: Documents) -> None:
    del documents["fabric"]


@pytest.mark.parametrize("damage", [link_to_nowhere, switch_number_twice, segment_without_number, no_fabric])
def test_by_a_wrong_fabric_nothing_is_judged(tmp_path: Path, damage: Callable[[Documents], None]) -> None:
    documents = documents_of(sound())
    damage(documents)
    path = tmp_path / "store.db"
    file_with(path, documents)
    report = check_file(path, mending=True)
    assert {finding.kind for finding in report.findings} == {"wrong fabric"}
    assert all(finding.mending is None for finding in report.findings)
    assert report.mended == [] and stored(path) == documents


# --- documents that cannot be read -------------------------------------------------------------------------------

BROKEN = {
    "node/red/a": b'{"tenant": "red", "na',
    "node/red/b": b'{"tenant": "red"}',
    "tenant/red": b'["red"]',
    "network/red/X": b"\xff\xfe",
    "grant/A/0000016": b'{"segment": "A", "network": 17, "tag": 1}',
    "resting/label/0000900": b'{"space": "label", "identifier": 900}',
    "observed/h1": b'{"a": 1}',
    "admitted/h1": b'{"number": 1}',
    "fabric": b'{"switches": {}}',
    "counters": b'{"interface": 1, "other": 2}',
    "spell/red": b'{"of": "a kind that nobody knows"}',
    "policy/p": b'{"name": "p"}',
}
NOT_LOOKED_AT = {"grant/A/0000016", "admitted/h1", "policy/p"}
"""What a controller takes for something else, or for nothing, without noticing."""


@pytest.fixture
def sound_file(tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    file_with(path, documents_of(sound()))
    return path


def overwrite(path: Path, key: str, text: bytes) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        statement = "INSERT OR REPLACE INTO document (key, value, revision) VALUES (?, ?, 1)"
        try:
            connection.execute(statement, (key, text.decode()))
        except UnicodeDecodeError:
            connection.execute(statement, (key, text))


@pytest.mark.parametrize("key", BROKEN)
def test_a_document_that_cannot_be_read_stops_the_controller_and_is_set_aside(sound_file: Path, key: str) -> None:
    overwrite(sound_file, key, BROKEN[key])
    with SqliteStore(sound_file) as store:
        before = dict(store.texts())
        if key not in NOT_LOOKED_AT:
            with pytest.raises(StoreError) as refused:
                System(store, lambda name, messages: None, lambda: 0.0)
            assert key in str(refused.value) and "vnet fsck --store" in str(refused.value)
    found = check_file(sound_file, mending=False)
    assert ("unreadable document", key) in {(finding.kind, finding.where) for finding in found.findings}

    report = check_file(sound_file, mending=True)
    assert [finding.where for finding in report.mended] == [key] and report.notes
    (line,) = sound_file.with_name(sound_file.name + ASIDE).read_text().splitlines()
    assert json.loads(line)["key"] == key
    with SqliteStore(sound_file) as store:
        assert dict(store.texts()) == {other: text for other, text in before.items() if other != key}
    again = check_file(sound_file, mending=True)
    if key == "fabric":
        assert [finding.kind for finding in again.findings] == ["wrong fabric"]
    else:
        assert check_file(sound_file, mending=False).findings == again.findings == []
        check_tables(restarted(stored(sound_file)))


def test_text_that_was_set_aside_is_whole(sound_file: Path) -> None:
    overwrite(sound_file, "node/red/a", BROKEN["node/red/a"])
    overwrite(sound_file, "node/red/b", BROKEN["node/red/b"])
    check_file(sound_file, mending=True)
    lines = sound_file.with_name(sound_file.name + ASIDE).read_text().splitlines()
    assert {json.loads(line)["key"]: json.loads(line)["text"].encode() for line in lines} == {
        key: BROKEN[key] for key in ("node/red/a", "node/red/b")
    }


def test_a_store_in_use_or_not_there_or_damaged_is_not_touched(sound_file: Path) -> None:
    with SqliteStore(sound_file), pytest.raises(StoreError, match="in use by process"):
        check_file(sound_file, mending=True)
    with pytest.raises(NotFound, match="there is no store"):
        check_file(sound_file.with_name("other.db"), mending=True)
    assert not sound_file.with_name("other.db").exists()
    with closing(sqlite3.connect(sound_file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = bytearray(sound_file.read_bytes())
    for page in range(4096, len(whole), 4096):
        whole[page : page + 100] = b"\xa5" * 100
    sound_file.write_bytes(whole)
    report = check_file(sound_file, mending=True)
    assert {finding.kind for finding in report.findings} == {"damaged file"}


# --- store and memory --------------------------------------------------------------------------------------------


def test_what_somebody_wrote_into_the_store_of_a_running_controller_is_put_right() -> None:
    store = sound()
    system = System(store, lambda name, messages: None, lambda: 0.0)
    before = documents_of(store)
    store.commit(
        {
            "node/red/a": None,
            "node/red/b": {**before["node/red/b"], "running": False},
            "node/red/c": {"tenant": "red"},
            "tenant/green": {"name": "green"},
            "observed/h1": {},
            "admitted/h2": None,
            "spell/red": {},
        }
    )
    found = {fault.finding.where: fault.finding for fault in store_faults(system)}
    assert {where: finding.kind for where, finding in found.items()} == {
        "node/red/a": "document missing",
        "node/red/b": "document differs",
        "node/red/c": "document differs",
        "tenant/green": "document of nobody",
        "observed/h1": "document differs",
        "admitted/h2": "document missing",
        "spell/red": "unreadable document",
    }
    mend_all(system)
    assert documents_of(store) == {**before, "spell/red": {}}, "of what it does not know it keeps its hands off"
    assert [fault.finding.where for fault in store_faults(system)] == ["spell/red"]


def test_a_store_that_cannot_be_read_while_it_is_in_use_is_told(sound_file: Path) -> None:
    with SqliteStore(sound_file) as store:
        system = System(store, lambda name, messages: None, lambda: 0.0)
        overwrite(sound_file, "node/red/a", b"{")
        (fault,) = store_faults(system)
        assert fault.finding.kind == "unreadable store" and "node/red/a" in fault.finding.what


def test_mending_that_cannot_be_kept_changes_nothing() -> None:
    documents = documents_of(sound())
    tag_where_nobody_runs(documents)
    system = restarted(documents)
    held = {name: {**manager.wanted.rows} for name, manager in system.switches.items()}

    def fail(*arguments: object) -> int:
        raise StoreError("no space left on device")

    commit = system.store.commit
    system.store.commit = fail  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="no space"):
        mend_all(system)
    assert {name: manager.wanted.rows for name, manager in system.switches.items()} == held
    assert [finding.kind for finding in findings(faults(system))] == ["tag not needed"]
    system.store.commit = commit  # type: ignore[method-assign]
    mend_all(system)
    assert faults(system) == []


def test_what_waits_is_told_with_its_reason() -> None:
    system = System(sound(), lambda name, messages: None, lambda: 0.0)
    told = [*waiting(system)]
    assert {finding.where for finding in told if finding.kind == "not realised"} == {"h1", "h2", "h3", "h4", "core"}
    assert all("it is not connected" in finding.what for finding in told if finding.kind == "not realised")
    (held,) = [finding for finding in told if finding.kind == "held"]
    assert held.where == "h1, h2" and "of segment A" in held.what
    assert [*switch_findings(system, -1.0)] == []


def test_every_kind_of_document_that_is_written_is_listed() -> None:
    kinds = {key.partition("/")[0] for key in documents_of(sound())}
    model = {"tenant", "network", "combination", "node", "grant", "resting", "counters"}
    assert kinds == model | {"fabric", "observed", "admitted", "event"}
    assert {"fabric", "observed", "admitted", "event"} <= READERS.keys()
