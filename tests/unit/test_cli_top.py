"""`vnet top`: what it makes of two readings of the metrics, and what it shows of that."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from figure_system import empty_system, figure_system, served, web_service
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from rich.console import Console

from ryu_vnet.api.metrics import REALISED_BUCKETS
from ryu_vnet.cli import main
from ryu_vnet.cli.interval import Interval, Reading
from ryu_vnet.cli.top import screen
from ryu_vnet.client import Client
from ryu_vnet.errors import Unreachable
from ryu_vnet.managers.system import System

BEFORE = """\
vnet_http_requests_total{method="GET",route="/metrics",status="200"} 5
vnet_http_requests_total{method="PUT",route="/v1/fabric",status="200"} 100
vnet_messages_sent_total 1000
vnet_switch_messages_sent_total{switch="s1"} 900
vnet_switch_messages_sent_total{switch="s2"} 100
"""
AFTER = """\
vnet_http_requests_total{method="GET",route="/metrics",status="200"} 6
vnet_http_requests_total{method="PUT",route="/v1/fabric",status="200"} 110
vnet_http_requests_total{method="GET",route="/v1/status",status="401"} 10
vnet_messages_sent_total 30
vnet_switch_messages_sent_total{switch="s1"} 901
vnet_switch_messages_sent_total{switch="s2"} 140
vnet_switch_messages_sent_total{switch="s3"} 8
vnet_switch_in_step{switch="s1"} 1
vnet_switch_in_step{switch="s2"} 1
vnet_switch_in_step{switch="s3"} 1
vnet_switch_in_step{switch="s4"} 0
vnet_switch_rows{switch="s1"} 40
vnet_switch_rows{switch="s4"} 2
vnet_switch_to_send{switch="s4"} 2
vnet_switches{state="in step"} 3
vnet_switches{state="away"} 1
process_resident_memory_bytes 2097152
"""


def interval(before: str, after: str, seconds: float = 2.0) -> Interval:
    return Interval(Reading.of(before, 10.0), Reading.of(after, 10.0 + seconds))


def test_rates() -> None:
    found = interval(BEFORE, AFTER).summary()
    # Ten of one kind, ten of a kind that was never seen before; whoever asks for metrics is left out.
    assert found["requests_per_second"] == 10.0
    # It has shrunk: the controller began anew, and has sent this many since.
    assert found["messages_per_second"] == 15.0
    assert found["switches"] == {"in step": 3, "away": 1} and found["rows"] == 42
    assert found["realised_ms"] == {"median": None, "p99": None}
    assert found["memory_bytes"] == 2 << 20


def test_troubled_switches_come_first_then_the_busiest_then_the_fullest() -> None:
    found = [*interval(BEFORE, AFTER).busiest()]
    assert [part["switch"] for part in found] == ["s4", "s2", "s3", "s1"]
    assert found[1]["messages_per_second"] == 20.0 and found[0]["to_send"] == 2 and not found[0]["in_step"]
    equals = AFTER.replace("901", "948").replace("140", "100").replace('{switch="s3"} 8', '{switch="s3"} 48')
    assert [part["switch"] for part in interval(BEFORE, equals).busiest()] == ["s4", "s1", "s3", "s2"]


def histogram(*observed: float) -> str:
    registry = CollectorRegistry()
    made = Histogram("h", "For a test.", buckets=REALISED_BUCKETS, registry=registry)
    for value in observed:
        made.observe(value)
    return generate_latest(registry).decode()


@given(
    old=st.lists(st.floats(0, 60), max_size=20),
    new=st.lists(st.floats(0, 60), min_size=1, max_size=60),
    part=st.sampled_from([0.01, 0.5, 0.99]),
)
def test_a_quantile_is_in_the_bucket_of_the_true_one(old: list[float], new: list[float], part: float) -> None:
    """Of what was observed in the interval alone."""
    found = interval(histogram(*old), histogram(*old, *new)).quantile("h", part)
    assert found is not None
    # The least value that at least this part of all is not above.
    true = next(value for value in sorted(new) if sum(other <= value for other in new) >= part * len(new))
    upper = min([bound for bound in REALISED_BUCKETS if bound >= true], default=REALISED_BUCKETS[-1])
    lower = max([bound for bound in REALISED_BUCKETS if bound < true], default=0.0)
    assert lower <= found <= upper


def test_a_quantile_of_nothing() -> None:
    assert interval(histogram(1.0), histogram(1.0)).quantile("h", 0.5) is None
    assert interval("", "").quantile("h", 0.5) is None


# --- the screen -----------------------------------------------------------------------------------------------------

FULL: dict[str, Any] = {
    **interval(BEFORE, AFTER).summary(),
    "switches": {"away": 112, "refused": 3, "reading": 32, "changing": 118, "in step": 735},
    "requests_per_second": 12345.6,
    "realised_per_second": 12345.6,
    "realised_ms": {"median": 1234.5, "p99": 29999.9},
    "bundles_per_second": 98765.4,
    "messages_per_second": 198765.4,
    "rows": 2_000_000,
    "revision": 123_456_789,
    "drift": {"interval": 12, "all": 123_456},
    "refused": 123,
    "queue": {"revisions": 10_000, "requests": 1000, "waiting": 9, "switches": 1000, "ports": 1000},
    "memory_bytes": 1_500_000_000,
    "cpu_percent": 100.0,
    "busiest": [
        {
            "switch": "rack-17-host-23",
            "in_step": False,
            "rows": 123_456,
            "to_send": 123_456,
            "messages_per_second": 123_456.0,
            "state": "changing",
            "why": "it refused 12 row(s) or group(s): OFPFMFC_TABLE_FULL, and [more] of that kind",
        }
    ],
}


def shown(found: dict[str, Any], width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(screen(found))
    return out.getvalue().splitlines()


def test_the_screen_fits_into_80_columns() -> None:
    lines = shown(FULL, 80)
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for part in ("112 away", "735 in step", "12345.6", "median 1234.5 ms", "29999.9 ms", "2000000 rows", "1431 MiB"):
        assert part in text
    assert any("rack-17-host-23" in line and "123456" in line and "changing" in line for line in lines)
    # One for each thing, then the head of the table, its line, and the switch.
    assert len([line for line in lines if line.strip()]) == 8 + 3


def test_a_reason_is_shown_as_it_is_where_there_is_room() -> None:
    assert any("and [more] of that kind" in line for line in shown(FULL, 160))


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with served(lambda: web_service(figure_system(tmp_path))) as address:
        yield address


def run(url: str, *arguments: str) -> Any:
    return CliRunner().invoke(main, ["--url", url, "top", "--interval", "0.1", *arguments])


def test_once(url: str) -> None:
    result = run(url, "--once")
    assert result.exit_code == 0, result.output
    assert "8 away" in result.stdout and "median -, 99th percentile -" in result.stdout
    assert sum("it is not connected" in line for line in result.stdout.splitlines()) == 8


def test_once_for_programs(url: str) -> None:
    result = run(url, "--once", "--json")
    (line,) = result.stdout.splitlines()
    found = json.loads(line)
    assert found["switches"]["away"] == 8 and found["rows"] == 372 and found["seconds"] >= 0.1
    host = next(part for part in found["busiest"] if part["switch"] == "host1")
    assert (host["state"], host["why"], host["to_send"]) == ("away", "it is not connected", host["to_send"])
    assert host["to_send"] > host["rows"] > 0


def test_it_sees_what_happens_meanwhile(url: str) -> None:
    """Requests of the interval, though it begins after most of them: only these are counted."""
    stop = threading.Event()

    def ask() -> None:
        with Client(url) as client:
            while not stop.is_set():
                client.tenants()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        found = json.loads(run(url, "--once", "--json").stdout)
    finally:
        stop.set()
        thread.join()
    assert found["requests_per_second"] > 0


def test_no_controller(tmp_path: Path) -> None:
    assert run("http://127.0.0.1:1", "--once").exit_code == 3
    with served(lambda: Flask("another")) as address:
        refused = run(address, "--once")
        assert refused.exit_code == 3 and "is no ryu-vnet controller" in refused.stderr
    with served(lambda: web_service(empty_system(tmp_path), "s3cret")) as address:
        refused = run(address, "--once")
        assert refused.exit_code == 1 and "--token or VNET_TOKEN" in refused.stderr
        assert "none is declared" in run(address, "--once", "--token", "s3cret").stdout


def test_a_controller_that_goes_away_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says meanwhile is why; the next interval goes back to the last reading there was."""
    asked: list[int] = []
    metrics = Client.metrics

    def sometimes(client: Client) -> str:
        asked.append(1)
        if len(asked) in (2, 3):
            raise Unreachable("no controller answers")
        if len(asked) == 6:
            raise KeyboardInterrupt
        return metrics(client)

    monkeypatch.setattr(Client, "metrics", sometimes)
    system: list[System] = []

    def make() -> Flask:
        system.append(empty_system(tmp_path))
        return web_service(system[0])

    with served(make) as address:
        result = run(address, "--json")
        text = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [part.get("error") for part in text] == ["no controller answers", "no controller answers", None, None]
    assert text[2]["seconds"] >= 0.3
    assert shown(text[0], 80) == ["no controller answers"]
