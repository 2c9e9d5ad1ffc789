"""What every store can do: versioned JSON documents under string keys, changed in transactions.

A revision counts commits. It is one number for the whole store, so it can stand for "the state of everything at that
moment", and a document carries the revision of the commit that last wrote it. etcd knows the same two numbers (its
`header.revision` and `mod_revision`), which is what makes the embedded store and the cluster two files behind one
interface. Watching a prefix and holding a lease come with the cluster: they are further methods, and change none here.

    store.commit({"tenant/red": {"name": "red"}}, expected={"tenant/red": 0})   # create, or Conflict
    store.list("tenant/").documents                                             # sorted by key
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]
"""A JSON object. What comes back is what JSON makes of what went in: a tuple comes back as a list."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document as it was when it was read. `revision` is that of the commit that last wrote it, from 1."""

    key: str
    value: Json
    revision: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Documents as they all were at one revision, sorted by key (by code point)."""

    revision: int
    documents: tuple[Document, ...]


class Store(Protocol):
    """Versioned documents. One writer at a time; every method raises StoreError where the engine fails."""

    @property
    def revision(self) -> int:
        """The revision of the last commit; 0 in a store that never had one."""
        ...

    def get(self, key: str) -> Document | None:
        """The document under this key, or None."""
        ...

    def list(self, prefix: str = "", without: str | None = None) -> Snapshot:
        """Every document whose key starts with `prefix`, with the store's revision at that moment; those whose key
        starts with `without` are left out, and are not even decoded."""
        ...

    def last(self, prefix: str, most: int, before: str | None = None) -> tuple[Document, ...]:
        """The last `most` documents, by key and the last first, of those whose key starts with `prefix` (some text) and
        comes before `before`."""
        ...

    def commit(self, changes: Mapping[str, Json | None], expected: Mapping[str, int] | None = None) -> int:
        """Write these documents, all or none, and return the new revision; it is on disk when this returns.

        None in place of a document deletes it; to delete what is not there is no error. `expected` names revisions
        that documents must have, whether they are changed or not, for the commit to happen: 0 says that there must be
        none. With no changes `expected` is checked, nothing is written and the present revision is returned, so that
        a request that asks for what is already so costs no write.

        Raises Conflict, naming the key and both revisions, where a document is not at the expected one, and StoreError
        where a value is no JSON object. The store is unchanged after either.
        """
        ...

    def close(self) -> None:
        """Let go of the engine, and let another process have it. Closing twice does no harm."""
        ...
