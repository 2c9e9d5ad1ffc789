"""The web service and the command line tell what happened: pages, filters, who asked, and the stream as it is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from figure_system import figure_system, served, web_service
from flask.testing import FlaskClient

from ryu_vnet.api import create_api
from ryu_vnet.api.events import MOST_BEHIND, MOST_LISTENERS
from ryu_vnet.cli import main
from ryu_vnet.client import Client
from ryu_vnet.errors import Invalid, Unreachable
from ryu_vnet.following import Message, follow, messages
from ryu_vnet.managers import requests
from ryu_vnet.managers.system import System

STREAM = "/v1/events/stream"


@pytest.fixture
def system(tmp_path: Path) -> System:
    """One where three things happened beside the intent itself: 2, 3 and 4."""
    system = figure_system(tmp_path)
    system.note("node", "red/vm1.1", "node red/vm1.1 is started")
    system.note("switch", "host1", "switch host1 is connected", {"state": "connected"})
    system.tick()
    system.request(lambda work: requests.stop(work, "blue", "vm1.2"))
    return system


@pytest.fixture
def web(system: System) -> FlaskClient:
    return web_service(system).test_client()


def numbers(found: Any) -> list[int]:
    return [event["sequence"] for event in found["events"]]


def test_pages_in_their_order(web: FlaskClient) -> None:
    first = web.get("/v1/events?limit=3").json
    assert numbers(first) == [1, 2, 3] and (first["next"], first["total"], first["complete_after"]) == ("3", 4, 0)
    last = web.get("/v1/events?limit=3&after=3").json
    assert numbers(last) == [4] and last["next"] is None
    newest = web.get("/v1/events?limit=3&newest=1").json
    assert numbers(newest) == [2, 3, 4] and newest["next"] is None
    assert numbers(web.get("/v1/events?after=99").json) == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("kind=request", [1, 4]),
        ("kind=drift", []),
        ("subject=red/vm1.1", [1, 2]),
        ("subject=blue", [1, 4]),
        ("subject=host1", [3]),
        ("subject=blue/vm1.2&kind=request&newest=1&limit=1", [4]),
    ],
)
def test_filters(web: FlaskClient, query: str, expected: list[int]) -> None:
    assert numbers(web.get(f"/v1/events?{query}").json) == expected


@pytest.mark.parametrize("query", ["kind=other", "after=x", "after=-1", "limit=0", "since=1"])
def test_what_makes_no_sense_is_refused(web: FlaskClient, query: str) -> None:
    assert web.get(f"/v1/events?{query}").status_code == 422
    assert query == "limit=0" or web.get(f"{STREAM}?{query}").status_code == 422


def test_who_asked_and_how(system: System, web: FlaskClient) -> None:
    headers = {"X-Vnet-Client": "alice@ops1\x7f" + "x" * 200}
    web.post("/v1/tenants/red/nodes/vm1.1/stop", headers=headers)
    event = web.get("/v1/events?newest=1&limit=1").json["events"][0]
    assert event["who"] == "alice@ops1" + "x" * 70 + " at 127.0.0.1"
    assert (event["kind"], event["subject"], event["text"]) == (
        "request",
        "red/vm1.1",
        "changed node red/vm1.1: running yes -> no",
    )
    assert event["details"]["method"] == "POST" and event["details"]["path"] == "/v1/tenants/red/nodes/vm1.1/stop"
    assert event["details"]["revision"] == system.revision


def test_every_refused_change_is_told_once_and_questions_are_not(system: System, web: FlaskClient) -> None:
    assert web.put("/v1/tenants/red/networks/X", json={"tagge": True}).status_code == 422
    assert web.delete("/v1/tenants/red").status_code == 409
    assert web.get("/v1/events?limit=0").status_code == 422
    assert web.get("/v1/tenants/none").status_code == 404
    system.tick()
    told = [(e["subject"], e["details"].get("refused")) for e in web.get("/v1/events?after=4").json["events"]]
    assert told == [("red/X", "Invalid"), ("red", "Conflict")]


# --- the stream -----------------------------------------------------------------------------------------------------


def stream(web: FlaskClient, after: int | None, query: str = "") -> Iterator[Message]:
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    response = web.get(STREAM + query, headers=headers, buffered=False)
    assert response.status_code == 200 and response.mimetype == "text/event-stream"
    lines = (line for piece in response.response for line in piece.splitlines())  # type: ignore[union-attr]
    return messages(line if isinstance(line, bytes) else line.encode() for line in lines)


def test_a_stream_resumes_and_goes_on(system: System, web: FlaskClient) -> None:
    told = stream(web, 2)
    assert next(told) == Message("", "", 2)
    events = [json.loads(message.data) for message in islice(told, 2)]
    assert events == web.get("/v1/events?after=2").json["events"]
    system.note("node", "red/vm1.1", "node red/vm1.1 is stopped")
    system.tick()
    message = next(told)
    assert message.number == 5 and json.loads(message.data)["text"] == "node red/vm1.1 is stopped"
    system.stop()
    assert [*told] == []


def test_a_stream_begins_now_and_is_narrowed(system: System, web: FlaskClient) -> None:
    told = stream(web, None, "?kind=node")
    assert next(told).number == 4
    for kind in ("switch", "node"):
        system.note(kind, "host1", "")  # type: ignore[arg-type]
        system.tick()
    assert [json.loads(message.data)["kind"] for message in islice(told, 1)] == ["node"]
    # What is not wanted is passed over for good.
    system.note("switch", "host1", "")
    system.tick()
    assert next(told) == Message("", "", 7)


def test_who_is_too_slow_is_told_where_to_resume(system: System, web: FlaskClient) -> None:
    told = stream(web, None)
    next(told)
    system.note("node", "", "the last one that is seen in time")
    system.tick()
    assert next(told).number == 5
    write(system, MOST_BEHIND + 1)
    [lagging] = told
    assert lagging == Message("lagging", '{"resume_after": 5, "behind": 1001}', 5)
    resumed = stream(web, 5)
    assert [message.number for message in islice(resumed, MOST_BEHIND + 2)] == [*range(5, MOST_BEHIND + 7)]


def write(system: System, count: int) -> None:
    for _ in range(count):
        system.note("node", "", "")
    system.tick()


def test_who_takes_what_came_at_once_is_not_too_slow(system: System) -> None:
    def wait(holds: Callable[[], bool], seconds: float) -> bool:
        write(system, 3 * MOST_BEHIND) if system.events.last < MOST_BEHIND else system.stop()
        return holds()

    told = stream(create_api(system, wait, None, "ryu").test_client(), None)
    assert [message.number for message in told] == [*range(4, 3 * MOST_BEHIND + 5)]


def test_who_is_behind_and_takes_more_than_comes_is_not_too_slow(system: System, web: FlaskClient) -> None:
    write(system, 3 * MOST_BEHIND)
    told = stream(web, 4)
    for number in range(4, 3 * MOST_BEHIND):
        assert next(told).number == number
        if number % 500 == 0:
            write(system, 50)


def test_who_comes_too_late_is_told_what_is_gone(tmp_path: Path) -> None:
    system = figure_system(tmp_path)
    system.events._kept = 100
    for _ in range(300):
        system.note("node", "", "")
        system.tick()
    told = stream(web_service(system).test_client(), 7)
    gone = system.events.dropped
    assert next(told).number == 7
    assert next(told) == Message("missed", json.dumps({"after": 7, "up_to": gone}), 7)
    assert [message.number for message in islice(told, 2)] == [gone + 1, gone + 2]
    # What is kept of what stands before it is told too: here the intent.
    told = stream(web_service(system).test_client(), 0)
    assert [(message.name, message.number) for message in islice(told, 3)][1:] == [("missed", 0), ("", 1)]


def test_only_so_many_listen(system: System, web: FlaskClient) -> None:
    listening = [stream(web, None) for _ in range(MOST_LISTENERS)]
    assert [next(told).number for told in listening] == [4] * MOST_LISTENERS
    refused = web.get(STREAM)
    assert refused.status_code == 503 and refused.headers["Retry-After"] == "15"
    assert "100 listen to events already" in refused.json["detail"]


# --- the client -----------------------------------------------------------------------------------------------------


class Lines:
    """A stream that breaks after its lines."""

    def __init__(self, text: str) -> None:
        self.text = text

    def iter_lines(self) -> Iterator[bytes]:
        yield from self.text.encode().split(b"\n")
        raise ConnectionResetError("the connection broke")

    def close(self) -> None:
        pass


def test_messages_as_the_standard_has_them() -> None:
    text = (
        ": comment\nid: 3\n\nretry: 5\n\nid:4\nevent: missed\ndata: one\ndata:two\nstrange: x\n\ndata\n\nid: 9\ndata: "
    )
    found = [*messages(line.encode() for line in text.split("\n"))]
    assert found == [Message("", "", 3), Message("missed", "one\ntwo", 4), Message("", "", 4)]


def test_following_goes_on_after_the_last_one_that_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ryu_vnet.following.FIRST_PAUSE", 0.0)
    asked: list[int | None] = []
    event = 'id: {0}\ndata: {{"sequence": {0}}}\n\n'
    pieces = iter(
        [
            "id: 7\n\n" + event.format(8) + "id: 9\ndata: {never whole",
            Unreachable("it is away"),
            event.format(9) + "id: 9\nevent: lagging\ndata: {}\n\n" + event.format(99),
            'id: 9\nevent: missed\ndata: {"after": 9, "up_to": 20}\n\n' + event.format(21),
        ]
    )

    def connect(after: int | None) -> Lines:
        asked.append(after)
        piece = next(pieces)
        if isinstance(piece, Unreachable):
            raise piece
        return Lines(piece)

    told = [*islice(follow(connect, None), 4)]
    assert [(event["sequence"], event.get("kind")) for event in told] == [
        (8, None),
        (9, None),
        (9, "missed"),
        (21, None),
    ]
    assert asked == [None, 8, 8, 9]


def test_following_what_is_not_there_says_so(system: System) -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(Unreachable):
        next(client.follow_events())


# --- the command ----------------------------------------------------------------------------------------------------


def lots(folder: Path) -> System:
    system = figure_system(folder)
    for number in range(1500):
        system.note("node", f"red/vm{number}", "is started")
    system.tick()
    return system


def test_the_command_shows_the_last_ones(tmp_path: Path) -> None:
    with served(lambda: web_service(lots(tmp_path))) as url:

        def vnet(*arguments: str) -> Result:
            result = CliRunner().invoke(main, ["--url", url, "events", *arguments])
            assert result.exit_code == 0, result.stderr
            return result

        every = json.loads(vnet("--json").stdout)
        assert [event["sequence"] for event in every] == [*range(1, 1502)]
        some = vnet("--limit", "3")
        assert re.findall(r"^ *(\d+) ", some.stdout, re.MULTILINE) == ["1499", "1500", "1501"]
        assert "These are the last ones" in some.stderr
        assert "red/vm1499" in some.stdout and "is started" in some.stdout
        narrow = vnet("--subject", "red/vm7", "--json")
        assert [event["sequence"] for event in json.loads(narrow.stdout)] == [9]
        after = vnet("--after", "1000", "--limit", "2")
        assert "go on with --after 1002" in after.stderr
        with Client(url) as client:
            assert [event["sequence"] for event in client.events(limit=1200, newest=True)] == [*range(302, 1502)]
            with pytest.raises(Invalid):
                client.events(kind="other")


def test_the_command_ends_where_nobody_answers() -> None:
    result = CliRunner().invoke(main, ["--url", "http://127.0.0.1:1", "events", "--follow"])
    assert result.exit_code == 3 and "no controller answers" in result.stderr
