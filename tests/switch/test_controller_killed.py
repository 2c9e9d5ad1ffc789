"""The controller ended by SIGKILL, at rest and in the middle of a change, and started again over the same store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from data_centre import ECHO, PATIENCE_SECONDS, DataCentre
from dummy_fabric import wait_until

from ryu_vnet.errors import VnetError

NODES = 600
"""How many nodes there are in each intent during whose application the controller is killed."""


def test_a_restart_changes_nothing_on_the_switches(framework: str, tmp_path: Path) -> None:
    with DataCentre(framework, tmp_path) as centre:
        centre.bring_up()
        with centre.fabric.table_changes() as changes:
            centre.controller.kill()
            assert centre.fabric.send("host1:vm1.2", [ECHO]) == {"host3:vm3.1": [ECHO]}
            centre.controller.start()
            centre.wait_in_step()
        assert changes == []
        status = centre.client.status()
        assert status["realised"] and {switch["state"] for switch in status["switches"]} == {"in step"}
        centre.check_tables()
        with centre.fabric.table_changes() as changes:
            assert centre.client.stop("blue/vm1.2", wait=PATIENCE_SECONDS).realised
        assert changes


def test_killed_in_the_middle_of_a_large_intent(framework: str, tmp_path: Path) -> None:
    """As soon as it is on disk, or as soon as some switch has more rows; then started and asked again."""
    with DataCentre(framework, tmp_path) as centre:
        one, two = large_intent("one", 1), large_intent("two", 2)
        centre.add_ports(place for intent in (one, two) for place in places_of(intent))
        centre.bring_up()
        written = Path(f"{centre.controller.store}-wal")
        size = written.stat().st_size
        kill_in_the_middle(centre, one, lambda: written.stat().st_size > size)
        rows = {name: centre.fabric.rows(name) for name in ("edgeA", "host2", "host1")}
        kill_in_the_middle(centre, two, lambda: any(centre.fabric.rows(name) > rows[name] for name in rows))
        assert [len(centre.client.nodes(tenant)) for tenant in ("one", "two")] == [NODES, NODES]


def kill_in_the_middle(centre: DataCentre, intent: dict[str, Any], moment: Callable[[], bool]) -> None:
    """Kill the controller at some moment after it was asked to apply an intent, start it, and ask it again."""
    asking = threading.Thread(target=ask_in_vain, args=(centre, intent))
    asking.start()
    wait_until(moment, "the intent is under way", PATIENCE_SECONDS)
    centre.controller.kill()
    asking.join()

    centre.controller.start()
    answer = centre.client.apply(intent, wait=PATIENCE_SECONDS)
    assert answer.realised, answer.pending
    centre.wait_in_step()
    centre.check_tables()


def large_intent(tenant: str, number: int) -> dict[str, Any]:
    """One more tenant with ten networks and many nodes on the hosts. Tenants differ by their number."""
    nodes = {
        f"n{node}": {
            "running": True,
            "interfaces": {
                "eth0": {
                    "mac": f"02:00:{number:02x}:00:{node >> 8:02x}:{node & 0xFF:02x}",
                    "ips": [f"10.{number}.{node >> 8}.{node & 0xFF}"],
                    "at": f"host{node % 3 + 1}:{tenant}{node}",
                    "network": f"net{node % 10}",
                }
            },
        }
        for node in range(NODES)
    }
    return {"tenants": {tenant: {"networks": {f"net{index}": {} for index in range(10)}, "nodes": nodes}}}


def places_of(intent: dict[str, Any]) -> Iterator[str]:
    for tenant in intent["tenants"].values():
        for node in tenant["nodes"].values():
            yield node["interfaces"]["eth0"]["at"]


def ask_in_vain(centre: DataCentre, intent: dict[str, Any]) -> None:
    """Apply an intent to a controller that will not live to answer."""
    with pytest.raises(VnetError):
        centre.client.apply(intent, wait=PATIENCE_SECONDS)
