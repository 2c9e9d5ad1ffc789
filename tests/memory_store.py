"""A store that keeps nothing: for tests that make thousands of System Managers and restart none of them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ryu_vnet.errors import Conflict
from ryu_vnet.store.interface import Document, Json, Snapshot


class MemoryStore:
    """`ryu_vnet.store.interface.Store` in a dictionary."""

    def __init__(self) -> None:
        self._documents: dict[str, Document] = {}
        self.revision = 0

    def get(self, key: str) -> Document | None:
        return self._documents.get(key)

    def list(self, prefix: str = "", without: str | None = None) -> Snapshot:
        keys = (key for key in sorted(self._documents) if without is None or not key.startswith(without))
        return Snapshot(self.revision, tuple(self._documents[key] for key in keys if key.startswith(prefix)))

    def last(self, prefix: str, most: int, before: str | None = None) -> tuple[Document, ...]:
        keys = sorted((key for key in self._documents if key.startswith(prefix)), reverse=True)
        return tuple(self._documents[key] for key in keys if before is None or key < before)[:most]

    def commit(self, changes: Mapping[str, Json | None], expected: Mapping[str, int] | None = None) -> int:
        for key, revision in (expected or {}).items():
            present = self._documents.get(key)
            if (present.revision if present else 0) != revision:
                raise Conflict(f"{key} is not at revision {revision}")
        if not changes:
            return self.revision
        self.revision += 1
        for key, value in changes.items():
            if value is None:
                self._documents.pop(key, None)
            else:
                self._documents[key] = Document(key, json.loads(json.dumps(value)), self.revision)
        return self.revision

    def close(self) -> None:
        pass
