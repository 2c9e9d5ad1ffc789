"""The embedded store: one SQLite file, and one process that has it.

SQLite writes ahead (WAL) and syncs at each commit (synchronous=FULL), so a commit that returned survives a `kill -9`
and a power cut, and one that did not return is there whole or not at all. See "Write-Ahead Logging" and "PRAGMA
synchronous" in SQLite's documentation. WAL needs a local file system.

The file belongs to the process that opened it. SQLite's own locks would let two controllers take turns, each with its
own idea of what is granted; so a lock file beside the database is held with flock(2) for as long as the store is
open. The kernel drops that lock when the process ends, however it ends: there is nothing to clean up after a crash.
Other programs may still read the database (`sqlite3 FILE .dump`).

A store is used from the thread that opened it. Under eventlet that is every green thread; no call yields.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType

from ..errors import Conflict, StoreError
from .interface import Document, Json, Snapshot

APPLICATION_ID = 0x766E6574
"""Marks a file as ours ("vnet" in ASCII), in the place of SQLite's header that file(1) reads."""

SCHEMA_VERSION = 1
"""Grows with every change of the tables that an older version of this program could not read."""

SCHEMA = (
    "CREATE TABLE document (key TEXT PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE counter (revision INTEGER NOT NULL)",
    "INSERT INTO counter (revision) VALUES (0)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

SYNCHRONOUS_FULL = 2
"""What `PRAGMA synchronous` answers where each commit is synced."""

BUSY_SECONDS = 1.0
"""How long a call waits for another program that reads the file at a moment when SQLite needs it alone."""


class SqliteStore:
    """A Store in the SQLite file at `path`.

    A file that is missing is made, readable by its owner alone, and so is its folder. Raises StoreError if another
    process has the store open (naming it), or if the file is not a store that this version can read.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).resolve()
        self._lock: int | None = None
        self._connection: sqlite3.Connection | None = None
        self._revision: int | None = None
        """The last revision, once it was read: nobody else writes."""
        try:
            with _translated("open", self.path):
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._lock = _lock(self.path)
                # SQLite gives its other two files (-wal, -shm) the mode of this one.
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
                self._connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
                _prepare(self._connection, self.path)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def revision(self) -> int:
        """The revision of the last commit; 0 in a store that never had one."""
        if self._revision is None:
            with self._use("read") as connection:
                self._revision = _revision(connection)
        return self._revision

    def get(self, key: str) -> Document | None:
        """The document under this key, or None."""
        with self._use("read") as connection:
            row = connection.execute("SELECT key, value, revision FROM document WHERE key = ?", (key,)).fetchone()
            return _document(row) if row else None

    def list(self, prefix: str = "", without: str | None = None) -> Snapshot:
        """Every document whose key starts with `prefix` and not with `without`, with the store's revision."""
        # SQLite compares keys as bytes of UTF-8, which is the order of code points: those with a prefix are neighbours.
        query = "SELECT key, value, revision FROM document WHERE key >= ? ORDER BY key"
        with self._use("read") as connection, closing(connection.execute(query, (prefix,))) as rows:
            found = itertools.takewhile(lambda row: row[0].startswith(prefix), rows)
            wanted = (row for row in found if without is None or not row[0].startswith(without))
            return Snapshot(_revision(connection), tuple(_document(row) for row in wanted))

    def texts(self) -> Sequence[tuple[str, bytes]]:
        """Key and text of every document as it is stored, whether or not it can be read, sorted by key."""
        with self._use("read") as connection:
            return connection.execute("SELECT key, CAST(value AS BLOB) FROM document ORDER BY key").fetchall()

    def damage(self) -> Sequence[str]:
        """What SQLite finds wrong with the file in itself (PRAGMA integrity_check); nothing where it is whole."""
        try:
            with self._use("check") as connection:
                told = [str(line) for (line,) in connection.execute("PRAGMA integrity_check")]
        except StoreError as error:
            told = [str(error)]
        return [] if told == ["ok"] else told

    def last(self, prefix: str, most: int, before: str | None = None) -> tuple[Document, ...]:
        """The last documents whose key starts with `prefix` and comes before `before`; see `Store.last`."""
        end = before if before is not None else prefix[:-1] + chr(ord(prefix[-1]) + 1)
        query = "SELECT key, value, revision FROM document WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT ?"
        with self._use("read") as connection:
            return tuple(map(_document, connection.execute(query, (prefix, end, most))))

    def commit(self, changes: Mapping[str, Json | None], expected: Mapping[str, int] | None = None) -> int:
        """Write these documents, all or none, and return the new revision; see `Store.commit`."""
        written = [(key, _encode(key, value)) for key, value in changes.items() if value is not None]
        deleted = [(key,) for key, value in changes.items() if value is None]
        with self._use("write") as connection, _transaction(connection):
            for key, wanted in sorted((expected or {}).items()):
                _expect(connection, key, wanted)
            revision = _revision(connection)
            self._revision = None
            if changes:
                revision += 1
                connection.execute("UPDATE counter SET revision = ?", (revision,))
                connection.executemany("DELETE FROM document WHERE key = ?", deleted)
                connection.executemany(
                    "INSERT OR REPLACE INTO document (key, value, revision) VALUES (?, ?, ?)",
                    [(key, text, revision) for key, text in written],
                )
        self._revision = revision
        return revision

    def close(self) -> None:
        """Let go of the file, and let another process have it. Closing twice does no harm."""
        connection, self._connection = self._connection, None
        lock, self._lock = self._lock, None
        try:
            if connection is not None:
                with _translated("close", self.path):
                    connection.close()
        finally:
            if lock is not None:
                os.close(lock)

    @contextmanager
    def _use(self, doing: str) -> Iterator[sqlite3.Connection]:
        if self._connection is None:
            raise StoreError(f"the store {self.path} is closed")
        with _translated(doing, self.path):
            yield self._connection


@contextmanager
def _translated(doing: str, path: Path) -> Iterator[None]:
    """Turn what SQLite, the file system or the decoding of a text raise into StoreError."""
    try:
        yield
    except (sqlite3.Error, OSError, ValueError) as error:
        raise StoreError(f"cannot {doing} the store {path}: {error}") from error


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _lock(path: Path) -> int:
    """Take the store's lock file and write our process number into it, for the message that the next one gets."""
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode() or "that is just starting"
        os.close(lock)
        message = f"the store {path} is in use by process {holder}: stop that one, or give this one a file of its own"
        raise StoreError(message) from None
    except BaseException:
        os.close(lock)
        raise
    return lock


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make commits safe on this connection; make the tables in an empty file, and refuse one that is not ours."""
    application, version = _pragma(connection, "application_id"), _pragma(connection, "user_version")
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise StoreError(f"{path} is the SQLite file of another program: give the store a file of its own")
    if tables and version != SCHEMA_VERSION:
        raise StoreError(f"the store {path} has format {version}, this version of ryu-vnet reads {SCHEMA_VERSION}")
    journal = _pragma(connection, "journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS_FULL}")
    if journal != "wal" or _pragma(connection, "synchronous") != SYNCHRONOUS_FULL:
        raise StoreError(f"the store {path} cannot be written safely there: put it on a local file system")
    if not tables:
        with _transaction(connection):
            for statement in SCHEMA:
                connection.execute(statement)


def _pragma(connection: sqlite3.Connection, text: str) -> object:
    (answer,) = connection.execute(f"PRAGMA {text}").fetchone()
    return answer


def _revision(connection: sqlite3.Connection) -> int:
    (revision,) = connection.execute("SELECT revision FROM counter").fetchone()
    return int(revision)


def _expect(connection: sqlite3.Connection, key: str, wanted: int) -> None:
    row = connection.execute("SELECT revision FROM document WHERE key = ?", (key,)).fetchone()
    found = row[0] if row else 0
    if found != wanted:
        raise Conflict(f"document {key} {_at(found)}; the request was made for one that {_at(wanted)}")


def _at(revision: int) -> str:
    return f"is at revision {revision}" if revision else "does not exist"


def _encode(key: str, value: Json) -> str:
    if not isinstance(value, dict):
        raise StoreError(f"document {key} is a {type(value).__name__}: a document is a JSON object")
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"), sort_keys=True)
    except (TypeError, ValueError) as error:
        raise StoreError(f"document {key} is no JSON object: {error}") from error


def _document(row: tuple[str, str, int]) -> Document:
    key, text, revision = row
    try:
        value = json.loads(text)
    except (TypeError, ValueError) as error:
        raise StoreError(f"document {key} is no JSON any more: {error}") from error
    if not isinstance(value, dict):
        raise StoreError(f"document {key} is not a JSON object any more: the store was changed by another program")
    return Document(key, value, revision)
