"""Watching a controller over real switches: what others change there is told, and what it does is counted."""

from __future__ import annotations

import json
from pathlib import Path

from data_centre import DataCentre

from ryu_vnet.cli.interval import Interval, Reading


def test_what_others_change_is_told_and_put_right(framework: str, tmp_path: Path) -> None:
    with DataCentre(framework, tmp_path) as centre:
        centre.bring_up()
        before = Reading.of(centre.client.metrics(), 0.0)
        assert before.by("vnet_switches", "state")["in step"] == len(centre.fabric.switches)
        assert before.total("vnet_table_rows") == sum(map(centre.fabric.rows, centre.fabric.switches))
        assert before.by("vnet_drift_total", "what") == {"added": 0, "changed": 0, "removed": 0}

        centre.ovs.ofctl("-O", "OpenFlow14", "add-flow", "host1", "table=70,priority=60000,in_port=1,actions=output:2")
        centre.ovs.ofctl("-O", "OpenFlow14", "mod-flows", "edgeB", "table=40,dl_vlan=1,actions=drop")
        centre.ovs.ofctl("-O", "OpenFlow14", "del-flows", "host3", "table=30")
        centre.wait(lambda: len(centre.client.drift()) >= 4, "all four are told")
        centre.wait(lambda: all(part["put_right"] for part in centre.client.drift()), "all is put right")

        told = {(part["switch"], part["what"], part["meaning"] or part["match"]) for part in centre.client.drift()}
        assert told == {
            ("host1", "added", "in_port=1"),
            ("edgeB", "changed", "tag 1 is network blue/Z"),
            ("host3", "removed", "blue/vm3.1 eth0 speaks on network blue/Z"),
            ("host3", "removed", "blue/vm3.2 eth0 speaks on network blue/Z"),
        }
        assert {part["by"] for part in centre.client.drift()} == {"monitor"}
        centre.check_tables()

        after = Reading.of(centre.client.metrics(), 1.0)
        assert after.by("vnet_drift_total", "what") == {"added": 1, "changed": 1, "removed": 2}
        assert Interval(before, after).grown("vnet_messages_sent_total") == 4
        shown = centre.controller.vnet("status")
        assert "4 time(s) in the last hour others changed a row or group, all put right" in shown.stdout


def test_changes_are_counted_and_their_latency(framework: str, tmp_path: Path) -> None:
    with DataCentre(framework, tmp_path) as centre:
        centre.bring_up()
        before = Reading.of(centre.client.metrics(), 0.0)
        for _ in range(5):
            assert centre.client.stop("red/vm1.1", wait=10).realised
            assert centre.client.start("red/vm1.1", wait=10).realised
        during = Interval(before, Reading.of(centre.client.metrics(), 1.0))
        assert during.grown("vnet_realised_seconds_count") == 10
        assert during.quantile("vnet_realised_seconds", 0.5) is not None
        assert during.grown("vnet_bundles_sent_total") >= 10
        assert during.after.total("vnet_revisions_unacknowledged") == 0

        centre.switch_off("host2")
        shown = centre.controller.vnet("top", "--once", "--json", "--interval", "0.2")
        first = json.loads(shown.stdout)["busiest"][0]
        assert (first["switch"], first["state"], first["why"]) == ("host2", "away", "it is not connected")
