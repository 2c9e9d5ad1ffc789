"""Every store keeps its promises: one suite, run over each engine. What only SQLite can get wrong comes last."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import MemoryStore

from ryu_vnet.errors import Conflict, StoreError
from ryu_vnet.store import Document, SqliteStore, Store
from ryu_vnet.store.interface import Json

Open = Callable[[Path], Store]
"""Opens the store that lives in a folder, making it where there is none."""


def open_sqlite(folder: Path) -> Store:
    return SqliteStore(folder / "vnet.db")


@pytest.fixture(params=[open_sqlite], ids=["sqlite"])
def open_store(request: pytest.FixtureRequest) -> Open:
    opener: Open = request.param
    return opener


# --- reading and writing


def test_a_new_store_is_empty(open_store: Open, tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        assert store.revision == 0
        assert store.get("tenant/red") is None
        assert store.list().revision == 0
        assert store.list().documents == ()


def test_a_document_carries_the_revision_of_the_commit_that_wrote_it_last(open_store: Open, tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        assert store.commit({"a": {"n": 1}, "b": {"n": 1}}) == 1
        assert store.commit({"b": {"n": 2}}) == 2
        assert store.get("a") == Document("a", {"n": 1}, 1)
        assert store.get("b") == Document("b", {"n": 2}, 2)
        assert store.revision == store.list().revision == 2


def test_list_sorts_by_key_and_takes_the_prefix_literally(open_store: Open, tmp_path: Path) -> None:
    keys = ["node/red/vm1.1", "node/red/vm1_1", "node/r%", "node0", "nod", "node/réd", "node/\U0010ffff", "Node/a"]
    with closing(open_store(tmp_path)) as store:
        store.commit({key: {} for key in keys})
        assert [found.key for found in store.list().documents] == sorted(keys)
        assert [found.key for found in store.list("node/").documents] == sorted(k for k in keys if k[:5] == "node/")
        assert [found.key for found in store.list("node/red/vm1.").documents] == ["node/red/vm1.1"]
        assert [found.key for found in store.list("node/r%").documents] == ["node/r%"]
        assert [found.key for found in store.list("node/\U0010ffff").documents] == ["node/\U0010ffff"]
        assert store.list("tenant/").documents == ()


def test_list_leaves_out_what_is_not_wanted(open_store: Open, tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        store.commit({key: {} for key in ("event", "event/1", "event/2", "node/red/vm1", "a")})
        assert [found.key for found in store.list(without="event/").documents] == ["a", "event", "node/red/vm1"]
        assert [found.key for found in store.list("event", "event/1").documents] == ["event", "event/2"]


@pytest.mark.parametrize("make", [open_sqlite, lambda folder: MemoryStore()], ids=["sqlite", "memory"])
def test_the_last_ones_come_from_the_last_one_on(make: Open, tmp_path: Path) -> None:
    with closing(make(tmp_path)) as store:
        store.commit(
            {f"event/{number:03}": {"n": number} for number in range(10)} | {"event0": {}, "even": {}, "f": {}}
        )
        assert [found.value["n"] for found in store.last("event/", 3)] == [9, 8, 7]
        assert [found.value["n"] for found in store.last("event/", 3, before="event/002")] == [1, 0]
        assert store.last("event/", 3, before="event/000") == store.last("none/", 3) == ()


def test_none_deletes_and_deleting_nothing_is_no_error(open_store: Open, tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        store.commit({"a": {}, "b": {}})
        assert store.commit({"a": None, "never": None}) == 2
        assert [found.key for found in store.list().documents] == ["b"]


def test_values_come_back_as_json_has_them(open_store: Open, tmp_path: Path) -> None:
    value: Json = {"text": 'ü\n"\x00\ud800', "big": 2**70, "none": None, "deep": [{"x": [1.5, True]}], "": {}}
    with closing(open_store(tmp_path)) as store:
        store.commit({"a": {**value, "tuple": (1, 2)}})
        found = store.get("a")
        assert found is not None
        assert found.value == {**value, "tuple": [1, 2]}


def test_what_was_read_can_be_changed_without_changing_the_store(open_store: Open, tmp_path: Path) -> None:
    given_value: Json = {"list": [1]}
    with closing(open_store(tmp_path)) as store:
        store.commit({"a": given_value})
        given_value["list"].append(2)
        found = store.get("a")
        assert found is not None
        found.value["list"].append(3)
        assert store.get("a") == Document("a", {"list": [1]}, 1)


def test_everything_is_there_after_closing_and_opening(open_store: Open, tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        store.commit({"a": {"n": 1}})
        store.commit({"b": {"n": 2}})
        before = store.list()
    with closing(open_store(tmp_path)) as store:
        assert store.list() == before
        assert store.commit({"c": {}}) == 3


# --- all or nothing


def test_expected_revisions_that_hold_let_the_commit_through(open_store: Open, tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        assert store.commit({"a": {}}, expected={"a": 0}) == 1
        assert store.commit({"b": {}}, expected={"a": 1, "b": 0}) == 2
        assert store.commit({"a": None}, expected={"a": 1}) == 3
        assert store.commit({"a": {}}, expected={"a": 0}) == 4


@pytest.mark.parametrize(
    ("expected", "named"),
    [({"a": 2}, "a is at revision 1"), ({"a": 0}, "does not exist"), ({"gone": 2}, "gone does not exist")],
)
def test_a_conflict_names_the_key_and_changes_nothing(
    open_store: Open, tmp_path: Path, expected: dict[str, int], named: str
) -> None:
    with closing(open_store(tmp_path)) as store:
        store.commit({"a": {"n": 1}, "gone": {}})
        store.commit({"gone": None})
        before = store.list()
        with pytest.raises(Conflict, match=named):
            store.commit({"a": {"n": 9}, "z": {}}, expected=expected)
        assert store.list() == before
        assert store.commit({"z": {}}) == 3


def test_no_changes_write_nothing_but_expected_is_checked(open_store: Open, tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        assert store.commit({}) == 0
        store.commit({"a": {}})
        assert store.commit({}, expected={"a": 1}) == 1
        with pytest.raises(Conflict, match="document a"):
            store.commit({}, expected={"a": 0})
        assert store.revision == 1


@pytest.mark.parametrize("bad", [{"x": {1, 2}}, {"x": float("nan")}, ["no object"], "text"])
def test_a_value_that_is_no_json_object_is_refused_and_nothing_changes(
    open_store: Open, tmp_path: Path, bad: Json
) -> None:
    with closing(open_store(tmp_path)) as store:
        store.commit({"a": {}})
        with pytest.raises(StoreError, match="document b"):
            store.commit({"a": None, "b": bad})
        assert [found.key for found in store.list().documents] == ["a"]
        assert store.revision == 1


def test_a_closed_store_says_so_and_closing_twice_does_no_harm(open_store: Open, tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.close()
    store.close()
    for use in (lambda: store.revision, lambda: store.get("a"), store.list, lambda: store.commit({"a": {}})):
        with pytest.raises(StoreError, match="closed"):
            use()


KEYS = st.text(alphabet="ab/é\U0001f600", min_size=1, max_size=3)
COMMITS = st.tuples(
    st.dictionaries(KEYS, st.none() | st.dictionaries(st.text(max_size=2), st.integers(), max_size=2), max_size=4),
    st.dictionaries(KEYS, st.integers(0, 4), max_size=1),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(commits=st.lists(COMMITS, max_size=12), prefix=st.text(alphabet="ab/é\U0001f600", max_size=2))
def test_any_history_leaves_what_a_dictionary_would_hold(
    commits: list[tuple[dict[str, Json | None], dict[str, int], bool]], prefix: str
) -> None:
    """The reference is a dictionary of (value, revision); now and then the store is closed and opened again."""
    held: dict[str, Document] = {}
    revision = 0
    with tempfile.TemporaryDirectory() as folder:
        store = open_sqlite(Path(folder))
        for changes, expected, reopen in commits:
            if conflicts(held, expected):
                with pytest.raises(Conflict):
                    store.commit(changes, expected)
            else:
                revision += bool(changes)
                assert store.commit(changes, expected) == revision
                for key, value in changes.items():
                    held.pop(key, None)
                    if value is not None:
                        held[key] = Document(key, value, revision)
            if reopen:
                store.close()
                store = open_sqlite(Path(folder))
            assert store.revision == revision
            assert store.list().documents == tuple(held[key] for key in sorted(held))
            wanted = sorted(key for key in held if key.startswith(prefix))
            assert store.list(prefix).documents == tuple(held[key] for key in wanted)
        store.close()


def conflicts(held: Mapping[str, Document], expected: Mapping[str, int]) -> bool:
    return any(wanted != (held[key].revision if key in held else 0) for key, wanted in expected.items())


# --- SQLite alone: the file, its lock, its format, its errors


def python(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", code, *args]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_the_folder_and_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "made" / "vnet.db"
    with SqliteStore(path) as store:
        store.commit({"a": {}})
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        files = sorted(path.parent.iterdir())
        assert [file.name for file in files] == ["vnet.db", "vnet.db-shm", "vnet.db-wal", "vnet.db.lock"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_second_process_is_told_which_file_and_who_has_it(tmp_path: Path) -> None:
    code = "import sys; from ryu_vnet.store import SqliteStore; SqliteStore(sys.argv[1]).commit({'a': {}})"
    path = tmp_path / "vnet.db"
    with SqliteStore(path) as store:
        refused = python(code, str(path))
        assert refused.returncode != 0
        assert f"StoreError: the store {path} is in use by process {os.getpid()}:" in refused.stderr
        assert store.revision == 0
    assert python(code, str(path)).returncode == 0
    with SqliteStore(path) as store:
        assert store.revision == 1


def test_one_process_cannot_open_a_store_twice_not_even_by_another_name(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "vnet.db")
    with SqliteStore(tmp_path / "vnet.db"), pytest.raises(StoreError, match=f"process {os.getpid()}"):
        SqliteStore(tmp_path / "link.db")


def test_others_may_read_while_the_store_is_open(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "vnet.db") as store, closing(sqlite3.connect(tmp_path / "vnet.db")) as reader:
        store.commit({"a": {"n": 1}})
        assert reader.execute("SELECT key, value, revision FROM document").fetchall() == [("a", '{"n":1}', 1)]
        store.commit({"a": {"n": 2}})
        assert reader.execute("SELECT value FROM document").fetchall() == [('{"n":2}',)]


def test_a_file_that_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("these are not pages of a database, " * 100)
    foreign = tmp_path / "foreign.db"
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE mine (x)")
    for path, message in [(text, "not a database"), (foreign, "another program"), (tmp_path, "Is a directory")]:
        before = path.read_bytes() if path.is_file() else b""
        with pytest.raises(StoreError, match=message) as raised:
            SqliteStore(path)
        assert str(path) in str(raised.value)
        assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vnet.db"
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="has format 99, this version of ryu-vnet reads 1"):
        SqliteStore(path)


def test_a_store_that_could_not_be_opened_is_not_locked(tmp_path: Path) -> None:
    path = tmp_path / "vnet.db"
    path.write_bytes(b"garbage" * 100)
    with pytest.raises(StoreError):
        SqliteStore(path)
    path.unlink()
    SqliteStore(path).close()


def test_a_disk_that_is_full_costs_the_commit_and_nothing_else(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: the kernel refuses the same write in the same place."""
    with SqliteStore(tmp_path / "vnet.db") as store:
        store.commit({"a": {"n": 1}})
        before = store.list()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
        try:
            with pytest.raises(StoreError, match="cannot write the store"):
                store.commit({"a": {"n": 2}, "b": {"blob": "x" * 1_000_000}})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert store.list() == before
        assert store.commit({"a": {"n": 3}}) == 2
    with SqliteStore(tmp_path / "vnet.db") as store:
        assert store.list().documents == (Document("a", {"n": 3}, 2),)


def test_it_works_under_green_threads(tmp_path: Path) -> None:
    code = """
import eventlet
eventlet.monkey_patch()
import sys
from ryu_vnet.store import SqliteStore
store = SqliteStore(sys.argv[1])
def write(name):
    for n in range(20):
        store.commit({f"{name}/{n}": {"n": n}})
        eventlet.sleep(0)
for thread in [eventlet.spawn(write, name) for name in "abcd"]:
    thread.wait()
store.close()
"""
    done = python(code, str(tmp_path / "vnet.db"))
    assert done.returncode == 0, done.stderr
    with SqliteStore(tmp_path / "vnet.db") as store:
        documents = store.list().documents
        assert store.revision == len(documents) == 80
        assert sorted(document.revision for document in documents) == list(range(1, 81))
