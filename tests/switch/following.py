"""Follows databases as the controller does, in green threads beside another one, and prints what it is told.

    python following.py PROBE_SECONDS [--tls KEY CERTIFICATE AUTHORITY] REMOTE...

A line of JSON for each: {"number": N, "came": [...], "changed": [...], "went": [...], "complaints": [...]} as told,
{"number": N, "state": [is_connected, why]} when it differs, {"beat": N} from the other green thread, {"ended": N} when
one has ended. SIGUSR1 closes all.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from ryu_vnet.framework import hub
from ryu_vnet.managers.sightings import Change, Place, Sighting
from ryu_vnet.ovsdb import use_tls
from ryu_vnet.ovsdb_follow import Follower


def main(arguments: list[str]) -> None:
    probe_seconds, *remotes = arguments
    if remotes[0] == "--tls":
        use_tls(*remotes[1:4])
        remotes = remotes[4:]
    followers = [
        Follower(remote, partial(tell, number), probe_seconds=float(probe_seconds), answer_seconds=5.0)
        for number, remote in enumerate(remotes)
    ]
    signal.signal(signal.SIGUSR1, lambda *_: hub.spawn(close, followers))
    hub.spawn(beat)
    hub.spawn(watch, followers)
    threads = [hub.spawn(run, number, follower.run) for number, follower in enumerate(followers)]
    for thread in threads:
        thread.wait()


def run(number: int, follow: Callable[[], None]) -> None:
    follow()
    put({"ended": number})


def close(followers: list[Follower]) -> None:
    for follower in followers:
        follower.close()


def beat() -> None:
    count = 0
    while True:
        hub.sleep(0.02)
        count += 1
        put({"beat": count})


def watch(followers: list[Follower]) -> None:
    known: dict[int, list[Any]] = {}
    while True:
        for number, follower in enumerate(followers):
            state = [follower.state.is_connected, follower.state.why]
            if known.get(number) != state:
                known[number] = state
                put({"number": number, "state": state})
        hub.sleep(0.005)


def tell(number: int, change: Change) -> None:
    put(
        {
            "number": number,
            "came": listed(change.came),
            "changed": listed(change.changed),
            "went": listed(change.went),
            "complaints": [str(complaint) for complaint in change.complaints],
        }
    )


def listed(sightings: Mapping[Place, Sighting]) -> list[dict[str, Any]]:
    return [asdict(sighting) for _, sighting in sorted(sightings.items())]


def put(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


main(sys.argv[1:])
