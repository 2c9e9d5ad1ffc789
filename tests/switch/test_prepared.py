"""On real switches: who is prepared starts, fails and starts again by changing one switch, as counted in rows.

The others have the rows already, which are those that they have when he is started without being prepared.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dialled_system import DialledSystem
from dummy_fabric import DummyFabric
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.managers import lifecycle, requests
from ryu_vnet.managers.hosting import Hosting
from ryu_vnet.managers.requests import Work
from ryu_vnet.schema import Intent

INTENT = Intent.model_validate(
    {
        "fabric": {
            "switches": {
                "host1": {"dpid": 1, "segment": "A"},
                "edgeA": {"dpid": 2, "segment": "A"},
                "core1": {"dpid": 3},
                "edgeB": {"dpid": 4, "segment": "B"},
                "host3": {"dpid": 5, "segment": "B"},
            },
            "links": [
                {"kind": "trunk", "a": "host1:h1e", "b": "edgeA:eh1"},
                {"kind": "core", "a": "edgeA:eAc", "b": "core1:ceA"},
                {"kind": "core", "a": "edgeB:eBc", "b": "core1:ceB"},
                {"kind": "trunk", "a": "host3:h3e", "b": "edgeB:eh3"},
            ],
        },
        "tenants": {
            "red": {
                "networks": {"X": {}},
                "nodes": {
                    "near": {"running": True, "interfaces": {"eth0": {"at": "host1:near", "network": "X"}}},
                    "far": {"interfaces": {"eth0": {"at": "host3:far", "network": "X"}}},
                },
            }
        },
    }
)
FAR = ("red", "far")


def test_whoever_is_prepared_starts_by_changing_one_switch(tmp_path: Path) -> None:
    with DummyOvs(tmp_path) as ovs:
        fabric = DummyFabric(ovs, INTENT)
        with DialledSystem(fabric, INTENT) as dialled:
            dialled.connect()
            hosting = Hosting(dialled.system)
            rows = Rows(dialled, fabric)

            asleep = rows.now()
            cold = rows.after(lambda work: lifecycle.start(work, hosting, *FAR, {}))
            running = rows.now()
            assert {"edgeA", "edgeB", "host3"} <= {*cold} and "core1" not in cold
            rows.after(lambda work: requests.stop(work, *FAR))
            assert rows.now() == asleep

            ahead = rows.after(lambda work: lifecycle.prepare(work, hosting, *FAR, {}))
            assert {name: ahead.get(name) for name in cold if name != "host3"} == {
                name: count for name, count in cold.items() if name != "host3"
            }
            for edit in (
                lambda work: lifecycle.start(work, hosting, *FAR, {}),
                lambda work: lifecycle.fail(work, *FAR),
                lambda work: lifecycle.restart(work, hosting, *FAR, {}),
            ):
                assert {*rows.after(edit)} == {"host3"} == {event.switch for event in dialled.log}
            assert rows.now() == running
            assert rows.after(lambda work: lifecycle.restart(work, hosting, *FAR, {})) == {} and not dialled.log
            assert rows.after(lambda work: lifecycle.unprepare(work, *FAR)) == {} and not dialled.log


class Rows:
    """How many rows the switches have, as they say themselves."""

    def __init__(self, dialled: DialledSystem, fabric: DummyFabric) -> None:
        self._dialled = dialled
        self._fabric = fabric

    def now(self) -> dict[str, int]:
        return {name: self._fabric.rows(name) for name in self._fabric.switches}

    def after(self, edit: Callable[[Work], object]) -> dict[str, int]:
        """By how many a request changes them, once it is realised."""
        before = self.now()

        def do(work: Work) -> None:
            edit(work)

        answer = self._dialled.request(do)
        self._dialled.pump(lambda: not self._dialled.system.pending(answer.revision))
        self._dialled.pump_until_quiet()
        now = self.now()
        return {name: now[name] - before[name] for name in now if now[name] != before[name]}
