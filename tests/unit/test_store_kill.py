"""A controller that is killed at any moment loses nothing that it acknowledged.

The writer is this file, run as a program of its own and killed with SIGKILL. It acknowledges as the controller does:
after `commit` has returned, and never before.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from ryu_vnet.store import SqliteStore
from ryu_vnet.store.interface import Json

KILLS = 40
KEPT = 6
"""Documents that every commit writes again; their values together fill a dozen pages of the file."""


def state(revision: int) -> dict[str, Json]:
    """What the store holds after so many commits: a few documents that all tell the revision, and one that moves."""
    if revision == 0:
        return {}
    kept = {f"kept/{n}": {"revision": revision, "blob": str(revision) * (n * 400)} for n in range(KEPT)}
    return {**kept, f"moving/{revision}": {"revision": revision}}


def write(path: str) -> None:
    """Commit for ever, and acknowledge each commit on standard output."""
    store = SqliteStore(path)
    while True:
        before = store.revision
        after = store.commit({f"moving/{before}": None, **state(before + 1)})
        os.write(sys.stdout.fileno(), b"%d\n" % after)


def acknowledged_before_kill(path: Path, chance: random.Random) -> int:
    """Run a writer, kill it somewhere in the work after its first few commits; return the last one it acknowledged."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, __file__, str(path)], stdout=subprocess.PIPE, env=environment) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(chance.randrange(12))]
        time.sleep(chance.uniform(0, 0.02))
        writer.kill()
        lines += writer.stdout.readlines()
    whole = [int(line) for line in lines if line.endswith(b"\n")]
    return whole[-1] if whole else 0


def test_nothing_acknowledged_is_lost_and_nothing_is_there_by_half(tmp_path: Path) -> None:
    chance = random.Random(8055789)
    path = tmp_path / "vnet.db"
    known = 0
    for kill in range(KILLS):
        acknowledged = max(known, acknowledged_before_kill(path, chance))
        with SqliteStore(path) as store:
            snapshot = store.list()
        assert snapshot.revision in (acknowledged, acknowledged + 1), f"after kill {kill}"
        assert {document.key: document.value for document in snapshot.documents} == state(snapshot.revision)
        assert {document.revision for document in snapshot.documents} <= {snapshot.revision}
        known = snapshot.revision
    assert known >= KILLS, "the writers did not get to write"


if __name__ == "__main__":
    write(sys.argv[1])
