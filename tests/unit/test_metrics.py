"""Metrics: what they count is what there is, each time it is asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from figure_system import figure_system, web_service
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from ryu_vnet.api.metrics import Metrics
from ryu_vnet.compiler.pipeline import STAGE_BY_TABLE, STAGES
from ryu_vnet.managers import requests
from ryu_vnet.managers.drift import Drift
from ryu_vnet.managers.system import System
from ryu_vnet.openflow.wire import Version

Found = dict[str, dict[frozenset[tuple[str, str]], float]]


@pytest.fixture
def system(tmp_path: Path) -> System:
    return figure_system(tmp_path)


@pytest.fixture
def web(system: System) -> FlaskClient:
    return web_service(system).test_client()


def read(web: FlaskClient) -> Found:
    """All samples, by name and labels."""
    answer = web.get("/metrics")
    assert answer.status_code == 200 and answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    return parsed(answer.text)


def parsed(text: str) -> Found:
    found: Found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation.endswith("."), family.name
        for sample in family.samples:
            labels = frozenset(sample.labels.items())
            assert labels not in found.setdefault(sample.name, {}), f"{sample.name} twice for {sample.labels}"
            found[sample.name][labels] = sample.value
    return found


def value(found: Found, name: str, **labels: str) -> float:
    return found[name][frozenset(labels.items())]


def tables(system: System) -> dict[str, float]:
    """Rows by the name of their table, counted one by one."""
    counted = dict.fromkeys((stage.name for stage in STAGES), 0.0)
    for table in system.tables.values():
        for row in table.rows.values():
            counted[STAGE_BY_TABLE[row.table].name] += 1
    return counted


def by_table(found: Found) -> dict[str, float]:
    return {dict(labels)["table"]: number for labels, number in found["vnet_table_rows"].items()}


def test_rows_are_those_that_are_wanted_after_every_change(system: System, web: FlaskClient) -> None:
    def check() -> None:
        found = read(web)
        assert by_table(found) == tables(system)
        for name, manager in system.switches.items():
            assert value(found, "vnet_switch_rows", switch=name) == len(manager.wanted.rows)
        assert value(found, "vnet_groups") == sum(len(table.groups) for table in system.tables.values())

    check()
    for node in ("vm1.1", "vm2.2"):
        system.request(lambda work, node=node: requests.stop(work, "red", node))
        check()
    system.request(lambda work: requests.start(work, "red", "vm1.1", {}))
    check()
    system.request(lambda work: requests.stop(work, "red", "vm1.1"))
    system.request(lambda work: requests.start(work, "red", "vm2.2", {}))
    check()


def test_as_many_rows_but_others(system: System, web: FlaskClient) -> None:
    """A count that is kept is not kept for what has only the same size."""
    read(web)
    manager = system.switches["host1"]
    before = tables(system)
    key, row = next((key, row) for key, row in manager.wanted.rows.items() if key[0] == 10)
    other = bytes([70]) + key[1:]
    manager.wanted.put(key, None)
    manager.wanted.put(other, row)
    manager.want({key: row, other: None}, system.revision)
    changed = {**before, "SOURCE": before["SOURCE"] - 1, "FORWARD": before["FORWARD"] + 1}
    assert by_table(read(web)) == changed


def test_switches_by_state(system: System, web: FlaskClient) -> None:
    found = read(web)
    assert value(found, "vnet_switches", state="away") == len(system.switches)
    assert value(found, "vnet_switches", state="in step") == 0
    assert set(found["vnet_switch_in_step"].values()) == {0.0}
    system.switch_connected("host1", Version.OF14)
    system.switch_refused("host2", "fail_mode is standalone")
    found = read(web)
    assert value(found, "vnet_switches", state="away") == len(system.switches) - 2
    assert value(found, "vnet_switches", state="reading") == value(found, "vnet_switches", state="refused") == 1
    assert sum(found["vnet_switches"].values()) == len(system.switches)
    assert value(found, "vnet_switch_to_send", switch="host2") == len(system.switches["host2"].wanted)


def test_what_was_sent_never_goes_down(system: System, web: FlaskClient) -> None:
    """Also not when a switch leaves the fabric, whose own series ends."""
    for number, manager in enumerate(system.switches.values(), 1):
        manager.messages_sent, manager.changes_sent = 10 * number, number
    count = len(system.switches)
    whole = count * (count + 1) // 2
    found = read(web)
    assert value(found, "vnet_messages_sent_total") == 10 * whole and value(found, "vnet_bundles_sent_total") == whole
    assert value(found, "vnet_switch_messages_sent_total", switch="core1") == 10
    del system.switches["core1"]
    system.switches["core2"].messages_sent += 1
    found = read(web)
    assert value(found, "vnet_messages_sent_total") == 10 * whole + 1
    assert frozenset({("switch", "core1")}) not in found["vnet_switch_messages_sent_total"]


def test_requests_by_route_and_status(web: FlaskClient) -> None:
    web.get("/v1/switches/host1")
    web.get("/v1/switches/host9")
    web.put("/v1/tenants/red?wait=5")
    web.put("/v1/tenants/grey/networks/X", data=b"{")
    web.get("/v1/nothing/of/the/kind")
    web.open("/v1/fabric", method="BREW")
    web.get("/v1/status", headers={"Host": "evil.example"})
    found = read(web)
    counted = {
        (dict(labels)["method"], dict(labels)["route"], dict(labels)["status"]): number
        for labels, number in found["vnet_http_requests_total"].items()
    }
    assert counted == {
        ("GET", "/v1/switches/<switch>", "200"): 1,
        ("GET", "/v1/switches/<switch>", "404"): 1,
        ("PUT", "/v1/tenants/<tenant>", "202"): 1,
        ("PUT", "/v1/tenants/<tenant>/networks/<network>", "415"): 1,
        ("GET", "none", "404"): 1,
        ("other", "none", "405"): 1,
        ("GET", "/v1/status", "403"): 1,
    }
    seconds = found["vnet_http_request_duration_seconds_count"]
    assert sum(seconds.values()) == sum(counted.values())
    assert value(found, "vnet_http_requests_waiting") == 0


def test_a_request_that_waits_is_seen_waiting(system: System) -> None:
    seen: list[float] = []
    app = web_service(system)
    metrics = Metrics(system, lambda: 7, lambda: None)
    with metrics.waiting(), metrics.waiting():
        seen.append(value(parsed(metrics.text()), "vnet_http_requests_waiting"))
    seen.append(value(parsed(metrics.text()), "vnet_http_requests_waiting"))
    assert seen == [2, 0] and value(parsed(metrics.text()), "vnet_http_requests_queued") == 7
    # Another one of the same system, and of its own: nothing is shared.
    assert value(read(app.test_client()), "vnet_http_requests_queued") == 0


def test_latency_and_drift_are_counted_and_passed_on(system: System) -> None:
    passed: list[tuple[int, float]] = []
    system.delivery.on_realised = lambda revision, seconds: passed.append((revision, seconds))
    web = web_service(system).test_client()
    for seconds in (0.0005, 0.0035, 0.0035, 40.0):
        system.delivery.on_realised(3, seconds)
    drift = Drift("host1", b"\x00" * 8, None, b"", "audit")
    system.delivery.on_drift(drift)
    found = read(web)
    buckets = found["vnet_realised_seconds_bucket"]
    assert [buckets[frozenset({("le", le)})] for le in ("0.001", "0.003", "0.004", "30.0", "+Inf")] == [1, 1, 3, 3, 4]
    assert len(passed) == 4 and passed[0] == (3, 0.0005)
    assert value(found, "vnet_drift_total", what="added", by="audit") == 1
    assert sum(found["vnet_drift_total"].values()) == 1 and [kept for _, kept in system.drifts] == [drift]


def test_identifiers_that_rest(system: System, web: FlaskClient) -> None:
    assert value(read(web), "vnet_identifiers_resting", kind="tag") == 0
    for node in ("vm1.1", "vm2.2"):
        system.request(lambda work, node=node: requests.delete_node(work, "red", node))
    system.request(lambda work: requests.delete_network(work, "red", "X"))
    found = read(web)
    assert value(found, "vnet_identifiers_resting", kind="tag") == 1
    assert value(found, "vnet_identifiers_resting", kind="label") == 1
    assert value(found, "vnet_revision") == system.revision
    # Whom a network without members is taken from: nobody.
    assert value(found, "vnet_revisions_unacknowledged") == 2


def test_the_process_itself(web: FlaskClient) -> None:
    found = read(web)
    assert value(found, "process_resident_memory_bytes") > 1 << 20
    assert value(found, "process_cpu_seconds_total") > 0
    assert not [name for name in found if name.endswith("_created")]


def test_others_run_in_the_middle_of_a_long_answer(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ryu_vnet.api.gauges.ROWS_AT_ONCE", 60)
    monkeypatch.setattr("ryu_vnet.api.metrics.SAMPLES_AT_ONCE", 7)
    pauses: list[int] = []
    metrics = Metrics(system, lambda: 0, lambda: pauses.append(1))
    first = parsed(metrics.text())
    counting = len(pauses)
    pauses.clear()
    again = parsed(metrics.text())
    assert counting > len(pauses) > 3
    assert first["vnet_table_rows"] == again["vnet_table_rows"]


def test_the_token_is_wanted_for_metrics_too(system: System) -> None:
    web = web_service(system, "s3cret").test_client()
    assert web.get("/metrics").status_code == 401
    answer = web.get("/metrics", headers={"Authorization": "Bearer s3cret"})
    assert answer.status_code == 200
    assert re.search(r'vnet_http_requests_total{method="GET",route="/metrics",status="401"} 1.0', answer.text)
