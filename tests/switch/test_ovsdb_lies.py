"""Databases that hang, break off, flood and lie are followed in green threads beside another one, which must go on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from followed import Followed
from lying_database import BRIDGE, INTERFACE, PORT, ROWS, LyingDatabase, Peer, Way, honest

HONEST = (0xAA, "tap1")


def answered(rows: Any) -> Way:
    """All rows, and then nothing but echoes."""

    def way(peer: Peer) -> None:
        peer.answer(rows)
        peer.serve_on()

    return way


def told(update: Any) -> Way:
    """The honest rows, and then a change."""

    def way(peer: Peer) -> None:
        peer.answer(ROWS)
        peer.put({"method": "update2", "params": ["sightings", update], "id": None})
        peer.serve_on()

    return way


def said(text: str | bytes, then: Callable[[Peer], None] = Peer.serve_on) -> Way:
    """Something instead of an answer."""

    def way(peer: Peer) -> None:
        peer.request()
        peer.send_bytes(text.encode() if isinstance(text, str) else text)
        then(peer)

    return way


def endless(start: str, more: str) -> Way:
    """A message without an end, as fast as it is taken."""

    def way(peer: Peer) -> None:
        peer.request()
        peer.send(start)
        while True:
            peer.send(more * 1000)

    return way


def dripping(peer: Peer) -> None:
    """A message of which there is always a little more."""
    peer.answer(ROWS)
    peer.send('{"method":"update2",')
    while True:
        peer.send(" ")
        time.sleep(0.05)


def deaf(peer: Peer) -> None:
    """Asks for echoes, and reads none."""
    ask = json.dumps({"method": "echo", "params": ["x" * 50_000], "id": "e"})
    while True:
        peer.send(ask)


HALF = json.dumps({"id": "sightings", "result": ROWS, "error": None})[:120]
NOTHING_THERE = "99999999-0000-4000-8000-000000000000"
LIES: dict[str, tuple[Way, str]] = {
    "hangs": (Peer.hang, "said nothing"),
    "hangs in mid message": (said(HALF, Peer.hang), "in the middle of a message"),
    "hangs after its rows": (lambda peer: (peer.answer(ROWS), peer.hang())[1], "said nothing"),
    "ends in mid message": (said(HALF, lambda peer: None), "ended the connection"),
    "drips": (dripping, "not ended a message"),
    "never tells its rows": (Peer.serve_on, "not told its rows"),
    "does not read": (deaf, "does not read"),
    "endless rows": (
        endless('{"id":"sightings","result":{"Interface":{"x":1', f',"{NOTHING_THERE}":{{"initial":{{}}}}'),
        "more than 4194304 characters",
    ),
    "endless text": (endless('{"id":"', "xxxx"), "a text of more than 65536"),
    "endless white space": (endless("", "    "), "more than"),
    "endless depth": (endless('{"id":', "[" * 100), "too many levels"),
    "no JSON": (said("HTTP/1.1 400 Bad Request\r\n\r\n"), "where a message must begin"),
    "broken JSON": (said('{"id" "sightings"}' + " " * 100), "colon"),
    "no object": (said("[1,2]"), "no object"),
    "refuses": (said('{"id":"sightings","result":null,"error":"no"}'), "refuses"),
    "rows are a number": (answered(5), "where an object must stand"),
    "rows are a list": (answered({"Interface": []}), "where an object must stand"),
    "a table not asked for": (answered({"Manager": {INTERFACE: {"initial": {}}}}), "not asked for"),
    "no UUID": (answered({"Interface": {"one": {"initial": {}}}}), "no UUID"),
    "an unknown change": (answered({"Interface": {INTERFACE: {"renamed": {}}}}), "does not exist"),
    "a change of nothing": (told({"Interface": {NOTHING_THERE: {"modify": {}}}}), "not there"),
    "a row twice": (told(ROWS), "is there"),
    "a database taken away": (said('{"method":"monitor_canceled","params":["sightings"],"id":null}'), "taken away"),
    "too many rows": (
        answered({"Port": {f"{number:036d}": {"initial": {}} for number in range(66_000)}}),
        "more than 65536 rows",
    ),
}


def test_whoever_lies_hangs_or_floods_is_left_and_found_again_when_honest() -> None:
    with ExitStack() as open_ones:
        liars = [open_ones.enter_context(LyingDatabase(lie, honest)) for lie, _ in LIES.values()]
        remotes = [liar.remote for liar in liars]
        followed = open_ones.enter_context(Followed(*remotes, probe_seconds=1.0))
        followed.wait_beats(50)
        for number, (name, (_, why)) in enumerate(LIES.items()):
            followed.wait(lambda n=number, w=why: w in followed.reasons(n), f"{name}: {why}")
            followed.wait_connected(number)
        followed.wait_beats()
        assert all(set(known) == {HONEST} for known in followed.known)
        followed.close()


def test_what_cannot_be_connected_to_is_away_and_says_why() -> None:
    remotes = {
        "tcp:localhost:6640": "must be an address",
        "tcp:127.0.0.1:x": "must be a port",
        "ptcp:6640": "must be unix:PATH",
        "unix:/nowhere/db.sock": "No such file",
        "ssl:127.0.0.1:6640": "cannot be connected to",
    }
    with Followed(*remotes) as followed:
        for number, why in enumerate(remotes.values()):
            followed.wait(lambda n=number, w=why: w in followed.reasons(n), why)
        followed.close()
        assert not any(is_connected for states in followed.states for is_connected, _ in states)


def test_of_a_flood_the_last_state_counts() -> None:
    changes = 20_000

    def flood(peer: Peer) -> None:
        peer.answer(ROWS)
        for number in range(changes):
            row = {"external_ids": ["map", [["iface-id", f"flood-{number}"]]]}
            update = {"Interface": {INTERFACE: {"modify": row}}}
            peer.put({"method": "update2", "params": ["sightings", update], "id": None})
        peer.serve_on()

    with LyingDatabase(flood) as database, Followed(database.remote) as followed:
        followed.wait(lambda: len(followed.told[0]) > 1, "a first change")
        followed.wait_beats()
        last = f"flood-{changes - 1}"
        followed.wait(lambda: followed.known[0].get(HONEST, {}).get("iface_id") == last, last)
        assert len(followed.told[0]) < changes / 10
        assert followed.states[0][-1] == (True, "")


def test_a_database_that_floods_for_ever_is_closed_all_the_same() -> None:
    def flood(peer: Peer) -> None:
        peer.answer(ROWS)
        update = {"Interface": {INTERFACE: {"modify": {"ofport": 2}}}}
        text = json.dumps({"method": "update2", "params": ["sightings", update], "id": None})
        while True:
            peer.send(text * 1000)

    with LyingDatabase(flood) as database, Followed(database.remote) as followed:
        followed.wait(lambda: followed.known[0].get(HONEST, {}).get("ofport") == 2, "the change")
        followed.wait_beats()
        followed.close()


def test_values_that_do_not_fit_are_complained_of_and_the_others_told() -> None:
    def uuid(number: int) -> str:
        return f"{number:036d}"

    odd: list[Any] = [5, None, ["set", []], ["map", [["iface-id", 7]]], ["map", [["iface-id", "x" * 256]]], ["map", 3]]
    odd += [["map", [["iface-id", "a\u0000b"]]], ["map", [["attached-mac", "01:00:00:00:00:01"]]], {"a": {}}]
    interfaces = {
        uuid(n): {"initial": {"name": f"odd{n}", "ofport": 1, "external_ids": ids}} for n, ids in enumerate(odd)
    }
    ports = {uuid(100 + n): {"initial": {"interfaces": ["uuid", uuid(n)]}} for n in range(len(odd))}
    bridge_ports = ["set", [["uuid", PORT], *(["uuid", port] for port in ports)]]
    rows = {
        "Bridge": {
            BRIDGE: {"initial": {"datapath_id": "00000000000000aa", "ports": bridge_ports}},
            uuid(900): {"initial": {"ports": 5}},
        },
        "Port": {**ROWS["Port"], **ports, uuid(901): {"initial": {"interfaces": ["set", [["uuid"], 5]]}}},
        "Interface": {**ROWS["Interface"], **interfaces},
    }
    with LyingDatabase(answered(rows)) as database, Followed(database.remote) as followed:
        followed.wait_connected()
        assert set(followed.known[0]) == {HONEST}
        text = "\n".join(followed.complaints[0])
        for expected in ("odd0", "odd3", "odd4", "odd5", "odd6", "odd7", "odd8", "datapath_id"):
            assert expected in text, expected
        followed.wait_beats()
