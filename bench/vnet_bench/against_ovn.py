"""Ours and OVN's at equal size: two hosts, as many networks of as many members, sources checked, the same ports."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from ryu_vnet.schema import Intent

from .bridges import access_port, bridges_of
from .channels import Channels
from .controller import Controller
from .fabrics import located, two_hosts
from .fleet import Fleet
from .floor import floor
from .ovn import OvnPeer
from .ovn_layout import Layout
from .results import Figure, Results, milliseconds, spread
from .scale import in_step

SECTION = "against OVN, two hosts"
MEMBERS = 50
BULK_WAIT = 60
SIZE_OF_TARGETS = 5000
CONCERNED = 1
"""Switches that an attach concerns here: the host alone, as the address tells the other one where the machine is."""

Times = dict[str, list[float]]


def measure(results: Results, sizes: list[int], repetitions: int, *, with_ovn: bool) -> None:
    """At each number of ports: all at once, then single ones that come and go, ours and OVN's one after the other."""
    for ports in sizes:
        print(f"ours with {ports:,} ports", flush=True)
        ours = _ours(ports, repetitions)
        theirs: Times = {}
        if with_ovn:
            print(f"OVN with {ports:,} ports", flush=True)
            theirs = _theirs(ports, repetitions)
        _report(results, ports, ours, theirs)


def _ours(ports: int, repetitions: int) -> Times:
    intent = two_hosts(ports, max(1, ports // MEMBERS))
    assert intent.fabric is not None
    with tempfile.TemporaryDirectory(prefix="vnet-bench-") as name:
        folder = Path(name)
        # One daemon a host, with ports of the same kind as OVN's chassis have here.
        bridges = bridges_of(intent, access=-(-ports // 2) + repetitions)
        with Fleet(folder / "ovs", bridges, per_daemon=1) as fleet, Controller(folder) as controller:
            fleet.connect(controller.target)
            fabric = Intent.model_construct(fabric=located(intent.fabric, fleet.databases), tenants={})
            controller.ask("POST", "/v1/apply?wait=30", _bytes(fabric))
            controller.wait(lambda: in_step(controller, 2), "both hosts are in step")
            body = _bytes(Intent.model_construct(fabric=None, tenants=intent.tenants))
            started = time.perf_counter()
            answer = controller.ask("POST", f"/v1/apply?wait={BULK_WAIT}", body)
            found: Times = {"bulk": [time.perf_counter() - started], "attach": [], "detach": []}
            if not answer["realised"]:
                raise RuntimeError(f"{ports} ports are not realised after {BULK_WAIT} s: {answer}")
            tables = controller.metrics()
            rows = [value for key, value in tables.items() if key.startswith("vnet_switch_rows")]
            groups = tables["vnet_groups"]
            found["rows"] = [*rows, groups]
            tenant, spec = next(iter(intent.tenants.items()))
            network = next(iter(spec.networks))
            for number in range(repetitions):
                host = ("h1", "h2")[number % 2]
                place = f"{host}:{access_port(host, -(-ports // 2) + number // 2)}"
                address = f"10.9.{number >> 8}.{(number & 255) + 1}"
                body = {"running": True, "interfaces": {"eth0": {"ips": [address], "at": place, "network": network}}}
                for method, what, content in (("PUT", "attach", body), ("DELETE", "detach", None)):
                    started = time.perf_counter()
                    answer = controller.ask(method, f"/v1/tenants/{tenant}/nodes/spare{number}?wait=30", content)
                    found[what].append(time.perf_counter() - started)
                    if not answer["realised"]:
                        raise RuntimeError(f"{method} of spare{number}: {answer}")
            # Without the controller, which would take a row that is not its own away. The tables stay.
            controller.kill()
            with Channels.dialled([fleet.management(bridge.name) for bridge in fleet.bridges]) as channels:
                found["floor"] = [*floor(channels, CONCERNED, repetitions).seconds]
            return found


def _theirs(ports: int, repetitions: int) -> Times:
    with tempfile.TemporaryDirectory(prefix="ovn-peer-") as folder, OvnPeer(Path(folder), Layout(MEMBERS)) as peer:
        bulk = peer.bulk(ports)
        found: Times = {"bulk": [bulk.seconds], "attach": [], "detach": [], "rows": [float(rows) for rows in bulk.rows]}
        for _ in range(repetitions):
            found["attach"] += peer.attach(1)
            found["detach"] += peer.detach(1)
        return found


def _report(results: Results, ports: int, ours: Times, theirs: Times) -> None:
    is_last = ports == SIZE_OF_TARGETS
    for what, limit in (("attach", 100), ("detach", 100), ("bulk", 20)):
        mine = median(ours[what])
        results.point(f"{what} at two hosts, ms, against ports", "ryu-vnet", ports, mine * 1000)
        shown = milliseconds(ours[what]) if what != "bulk" else f"{mine:.2f} s"
        least = f"; floor {milliseconds(ours['floor'])}" if what != "bulk" else ""
        title = f"{ports:,} ports in bulk" if what == "bulk" else f"{what} at {ports:,} ports: median / 99th percentile"
        if not theirs:
            results.add(Figure(SECTION, title, shown, f"1/{limit} of OVN's", None, f"OVN is not installed{least}"))
            continue
        other = median(theirs[what])
        results.point(f"{what} at two hosts, ms, against ports", "OVN", ports, other * 1000)
        slow = f"{other:.1f} s" if what == "bulk" else f"{other * 1000:.0f} ms"
        times = f" ({spread([one * 1000 for one in theirs[what]])})" if what != "bulk" else ""
        beside = f"OVN {slow}{times}, {other / mine:.0f} x ours{least}"
        met = other / mine >= limit if is_last else None
        values = {"ours": mine, "theirs": other, "ratio": other / mine, "floor": median(ours["floor"])}
        results.add(Figure(SECTION, title, shown, f"1/{limit} of OVN's" if is_last else "", met, beside, values))
    rows, groups = ours["rows"][:-1], ours["rows"][-1]
    shown = " and ".join(f"{one:,.0f}" for one in rows) + f", and {groups:,.0f} groups together"
    beside = "OVN " + " and ".join(f"{one:,.0f}" for one in theirs.get("rows", [])) if theirs else ""
    results.point("rows on a host against ports", "ryu-vnet", ports, max(rows))
    if theirs:
        results.point("rows on a host against ports", "OVN", ports, max(theirs["rows"]))
    results.add(Figure(SECTION, f"rows on each host at {ports:,} ports", shown, beside=beside))
    whole = sum(ours["rows"])
    speed = whole / ours["bulk"][0]
    target = "50,000 rows a second" if is_last else ""
    results.add(
        Figure(
            SECTION,
            f"model to rows on the switches, everything included, {ports:,} ports",
            f"{speed:,.0f} rows and groups a second",
            target,
            speed >= 50_000 if is_last else None,
            values={"rows a second": speed},
        )
    )


def _bytes(intent: Intent) -> bytes:
    return intent.model_dump_json(exclude_none=True).encode()
