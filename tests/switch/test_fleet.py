"""Fleets of real bridges, and the fabrics and tenants that are generated for them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from dummy_fabric import wait_until
from memory_store import MemoryStore
from openflow_peer import OpenFlowPeer
from vnet_bench.bridges import Bridge, bridges_of, hosts_of, probes
from vnet_bench.channels import Channels
from vnet_bench.fabrics import leaf_spine, located, sized, two_hosts
from vnet_bench.fleet import Fleet
from vnet_bench.floor import floor, together
from vnet_bench.ovsdb import carried_out, one_port, transact
from vnet_bench.tenants import TAGS, tenants

from ryu_vnet.fabric.declared import Fabric, problems
from ryu_vnet.managers import requests
from ryu_vnet.managers.system import System
from ryu_vnet.openflow.wire import Version
from ryu_vnet.ovsdb import read_bridges
from ryu_vnet.schema import FabricSpec, Intent, TenantSpec

SCRIPT = Path(__file__).parents[2] / "bench" / "fleet.py"
SEGMENTS, HOSTS, CORES = 5, 4, 2


def small_intent() -> Intent:
    """Five switches: a core switch, and two racks of a host behind a rack switch that is the edge."""
    fabric = sized(5, separate_edge=False)
    return Intent(fabric=fabric, tenants=tenants(fabric, 8, 2))


def small_bridges() -> list[Bridge]:
    return bridges_of(small_intent(), access=5) + probes(1)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Six bridges in two daemons."""
    with Fleet(tmp_path / "fleet", small_bridges(), per_daemon=3) as running:
        yield running


def processes_in(folder: Path) -> list[str]:
    """The command lines of all processes that name a folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = file.read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(folder) in command:
            found.append(command)
    return found


# --- the fleet ------------------------------------------------------------------------------------------------------


def test_bridges_have_the_ports_declared_and_all_are_up(fleet: Fleet) -> None:
    assert len(fleet.daemons) == 2
    for bridge in fleet.bridges:
        with OpenFlowPeer(Version.OF14) as peer:
            peer.dial(fleet.management(bridge.name))
            ports = [port for port in peer.dump_ports() if port.name != bridge.name]
        assert peer.dpid == bridge.dpid
        assert {port.name: port.number for port in ports} == {name: n for n, name in enumerate(bridge.ports, 1)}
        assert all(port.link_up and port.admin_up for port in ports)


def test_a_bridge_gets_one_port_more(fleet: Fleet) -> None:
    name = fleet.bridges[0].name
    database = fleet.daemon(name).folder / "db.sock"
    transact(database, one_port(name, "late"))
    wait_until(lambda: carried_out(database), "the port is there")
    ports = fleet.daemon(name).ofctl("show", name)
    assert re.search(r"^ \d+\(late\): ", ports, re.MULTILINE), ports
    assert all(f"({port}): " in ports for port in fleet.bridges[0].ports)


def test_neighbours_are_in_different_daemons(tmp_path: Path) -> None:
    bridges = [Bridge(f"s{number}", number, access=(f"p{number}",)) for number in range(1, 8)]
    fleet = Fleet(tmp_path / "fleet", bridges, per_daemon=3)
    assert len(fleet.daemons) == 3
    homes = [fleet.databases[bridge.name] for bridge in bridges]
    assert all(one != other for one, other in pairwise(homes))
    assert max(Counter(homes).values()) == 3


def test_many_ports_make_more_daemons(tmp_path: Path) -> None:
    bridges = [Bridge(f"s{n}", n, access=tuple(f"s{n}v{m}" for m in range(10))) for n in range(1, 5)]
    assert len(Fleet(tmp_path, bridges, ports_per_daemon=20).daemons) == 2
    assert len(Fleet(tmp_path, bridges, ports_per_daemon=5).daemons) == 4


def test_bridges_are_set_up_as_the_controller_wants_them(fleet: Fleet) -> None:
    fleet.connect("tcp:127.0.0.1:1")
    intent = small_intent()
    assert intent.fabric is not None
    links = {port for bridge in fleet.bridges for port in bridge.links}
    reports = {
        report.bridge: report
        for switch in located(intent.fabric, fleet.databases).switches.values()
        for report in read_bridges(str(switch.ovsdb), sorted(links)).values()
    }
    assert sorted(reports) == sorted(bridge.name for bridge in fleet.bridges)
    for bridge in fleet.bridges:
        report = reports[bridge.name]
        assert report.fail_mode == "secure" and report.vlan_limit is None
        assert report.connection_modes == ({"tcp:127.0.0.1:1": "out-of-band"} if bridge.controlled else {})
        assert all(report.mtus[port] >= 1522 for port in bridge.links)


def test_controllers_are_replaced_in_place(fleet: Fleet) -> None:
    controlled = [bridge for bridge in fleet.bridges if bridge.controlled]
    with listening() as first, listening() as second:
        fleet.connect(target(first))
        with Channels.accepted(first, len(controlled)) as channels:
            assert {channel.dpid for channel in channels.all} == {bridge.dpid for bridge in controlled}
        for bridge in controlled:
            fleet.daemon(bridge.name).ofctl("add-flow", str(fleet.management(bridge.name)), "table=9,actions=drop")
        fleet.connect(target(second))
        with Channels.accepted(second, len(controlled)) as channels:
            assert {channel.dpid for channel in channels.all} == {bridge.dpid for bridge in controlled}
        for bridge in controlled:
            shown = fleet.daemon(bridge.name).ofctl("dump-flows", str(fleet.management(bridge.name)))
            assert "table=9" in shown, bridge.name


def test_a_fleet_can_have_its_controller_from_the_start(tmp_path: Path) -> None:
    with listening() as listener, Fleet(tmp_path / "fleet", small_bridges(), controller=target(listener)) as fleet:
        with Channels.accepted(listener, 5) as channels:
            assert len({channel.dpid for channel in channels.all}) == 5
        assert fleet.memory() > 1_000_000


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=64)


def target(listener: socket.socket) -> str:
    return f"tcp:127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_behind(tmp_path: Path, error: type[BaseException] | None) -> None:
    folder = tmp_path / "fleet"

    def body() -> None:
        with Fleet(folder, small_bridges(), per_daemon=3) as fleet:
            assert len(processes_in(folder)) == len(fleet.pids) == 4
            if error is not None:
                raise error

    if error is None:
        body()
    else:
        with pytest.raises(error):
            body()
    assert processes_in(folder) == []
    assert not folder.exists()


def test_nothing_is_left_behind_where_the_start_fails(tmp_path: Path) -> None:
    bridges = [Bridge("s1", 1, access=("same",)), Bridge("s2", 2, access=("same",))]
    with pytest.raises(RuntimeError, match="same"):
        Fleet(tmp_path / "fleet", bridges).start()
    assert processes_in(tmp_path / "fleet") == []
    assert not (tmp_path / "fleet").exists()


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(FileExistsError):
        Fleet(tmp_path, small_bridges()).start()
    assert (tmp_path / "precious").exists()


def test_a_refused_operation_says_why(fleet: Fleet) -> None:
    select = {"op": "select", "table": "Bridge", "where": [], "columns": ["colour"]}
    with pytest.raises(RuntimeError, match="colour"):
        transact(fleet.daemons[0].folder / "db.sock", [select])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_script_stays_up_until_it_is_ended(how: signal.Signals) -> None:
    command = [sys.executable, str(SCRIPT), "--switches", "7", "--nodes", "40", "--per-daemon", "4"]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[1])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as script:
        assert script.stdout is not None
        shown = ""
        while "Ctrl-C" not in shown:
            line = script.stdout.readline()
            assert line, shown
            shown += line
        folder = Path(re.findall(r"VNET_STORE=(\S+)/store\.db", shown)[0])
        assert len(processes_in(folder)) == 4
        intent = Intent.model_validate_json((folder / "intent.json").read_text())
        script.send_signal(how)
        assert script.wait(20) == 0
    assert "7 switches" in shown
    assert intent.fabric is not None and len(intent.fabric.switches) == 7
    assert sum(len(tenant.nodes) for tenant in intent.tenants.values()) == 40
    assert processes_in(folder) == []
    assert not folder.exists()


# --- the floor ------------------------------------------------------------------------------------------------------


def test_the_floor_is_measured_and_leaves_tables_as_they_were(fleet: Fleet) -> None:
    paths = [fleet.management(bridge.name) for bridge in fleet.bridges]
    with Channels.dialled(paths) as channels:
        found = together([floor(channels, 4, 6, rows=3), floor(channels, 4, 4, rows=3)])
    assert (found.switches, found.at_once, found.rows, len(found.seconds)) == (6, 4, 3, 10)
    assert 0 < min(found.seconds) <= found.median <= found.p99 <= max(found.seconds)
    for bridge in fleet.bridges:
        assert "table=" not in fleet.daemon(bridge.name).ofctl("dump-flows", str(fleet.management(bridge.name)))


def test_answers_come_after_what_was_asked_has_been_done(fleet: Fleet) -> None:
    paths = [fleet.management(bridge.name) for bridge in fleet.bridges]
    with Channels.dialled(paths) as channels, Channels.dialled(paths[:1]) as other:
        assert sorted(channel.dpid or 0 for channel in channels.all) == sorted(b.dpid for b in fleet.bridges)
        assert channels.exchange({channel: [] for channel in channels.all}) > 0
        fleet.daemons[0].stop()
        with pytest.raises((ConnectionError, BrokenPipeError)):
            other.exchange({other.all[0]: []})


def test_what_a_switch_refuses_is_said(fleet: Fleet) -> None:
    unknown = bytes([Version.OF14, 99, 0, 8, 0, 0, 0, 7])
    with Channels.dialled([fleet.management("probe1")]) as channels, pytest.raises(RuntimeError, match="BAD_TYPE"):
        channels.exchange({channels.all[0]: [unknown]})


def test_the_script_measures_the_floor_both_ways() -> None:
    command = [sys.executable, str(SCRIPT), "--switches", "7", "--measure-floor"]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[1])}
    shown = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=True).stdout
    assert re.findall(
        r"^(\w+): +1 row\(s\) and a barrier to 4 of 7 switches: median \d+\.\d+ ms", shown, re.MULTILINE
    ) == [
        "accepted",
        "dialled",
    ]


# --- fabrics and tenants --------------------------------------------------------------------------------------------


def declared(intent: Intent) -> System:
    """A System Manager that has taken an intent up."""
    system = System(MemoryStore(), lambda name, messages: None, lambda: 0.0)
    system.request(lambda work: requests.apply(work, intent))
    return system


def test_generated_values_are_what_a_file_could_say() -> None:
    for separate_edge in (False, True):
        fabric = leaf_spine(SEGMENTS, HOSTS, CORES, separate_edge=separate_edge, more_hosts=2)
        intent = Intent.model_construct(fabric=fabric, tenants=tenants(fabric, 60, 12, ipv6=True))
        assert Intent.model_validate(intent.model_dump()) == intent
    assert Intent.model_validate(two_hosts(30).model_dump()) == two_hosts(30)


@pytest.mark.parametrize("separate_edge", [False, True])
def test_generated_intents_are_accepted_whole(separate_edge: bool) -> None:
    fabric = leaf_spine(SEGMENTS, HOSTS, CORES, separate_edge=separate_edge, more_hosts=2)
    assert len(fabric.switches) == SEGMENTS * (1 + separate_edge + HOSTS) + 2 + CORES
    system = declared(Intent(fabric=fabric, tenants=tenants(fabric, 60, 12, ipv6=True)))
    taken: Fabric = system.fabric
    assert list(problems(taken)) == []
    assert sorted(taken.switches) == sorted(fabric.switches)
    assert len(system.model.nodes()) == 60 and len(system.model.networks()) == 12
    for segment in taken.segments:
        assert taken.edges[segment] == (f"{segment}{'e' if separate_edge else 't'}",)


def test_two_hosts_are_accepted_whole() -> None:
    intent = two_hosts(30, networks=4)
    system = declared(intent)
    assert list(problems(system.fabric)) == []
    assert len(system.model.nodes()) == 30 and len(system.model.networks()) == 4
    assert Counter(place_of(node)[0] for node in all_nodes(intent.tenants)) == {"h1": 15, "h2": 15}


@pytest.mark.parametrize("switches", [7, 8, 53, 54, 100, 300, 1000])
def test_a_fabric_has_exactly_as_many_switches_as_asked(switches: int) -> None:
    fabric = sized(switches)
    assert len(fabric.switches) == switches
    assert len({switch.dpid for switch in fabric.switches.values()}) == switches
    hosts = [len(names) for names in hosts_of(fabric).values()]
    assert max(hosts) - min(hosts) <= 1 and min(hosts) >= 1


def test_a_thousand_switches_are_forty_racks() -> None:
    fabric = sized(1000)
    assert len(hosts_of(fabric)) == 40
    assert {len(names) for names in hosts_of(fabric).values()} == {22, 23}
    assert sum(switch.segment is None for switch in fabric.switches.values()) == 4


@pytest.mark.parametrize("ipv6", [False, True])
def test_tenants_are_spread(ipv6: bool) -> None:
    fabric = leaf_spine(SEGMENTS, HOSTS, CORES)
    found = tenants(fabric, 200, 25, seed=3, ipv6=ipv6)
    nodes = all_nodes(found)
    assert len(nodes) == 200 and {mac for _, mac, _, _ in nodes} == {None}
    own = all_nodes(tenants(fabric, 200, 25, seed=3, ipv6=ipv6, own_macs=True))
    assert len({mac for _, mac, _, _ in own}) == 200
    assert all(len(ips) == 1 + ipv6 for _, _, ips, _ in nodes)
    assert len({place for place, _, _, _ in nodes}) == 200
    members: dict[str, list[str]] = {}
    for place, _, _, network in nodes:
        segment = fabric.switches[place.partition(":")[0]].segment
        members.setdefault(network, []).append(str(segment))
    assert len(members) == 25
    assert all(len(segments) == 8 and len(set(segments)) == 3 for segments in members.values())
    hosts = Counter(place_of(node)[0] for node in nodes)
    assert len(hosts) == SEGMENTS * HOSTS
    # Ten for each; a network's eight members are three, three and two in its segments, and so not quite even.
    assert max(hosts.values()) - min(hosts.values()) <= 4


def test_the_same_seed_gives_the_same_tenants() -> None:
    fabric = leaf_spine(SEGMENTS, HOSTS, CORES)
    assert leaf_spine(SEGMENTS, HOSTS, CORES) == fabric
    assert tenants(fabric, 100, 10, seed=1) == tenants(fabric, 100, 10, seed=1)
    assert tenants(fabric, 100, 10, seed=1) != tenants(fabric, 100, 10, seed=2)


def test_every_port_that_an_intent_names_is_in_its_bridges() -> None:
    intent = small_intent()
    assert intent.fabric is not None
    bridges = {bridge.name: bridge for bridge in bridges_of(intent, access=6)}
    for place in (place_of(node) for node in all_nodes(intent.tenants)):
        assert place[1] in bridges[place[0]].access
    for link in intent.fabric.links:
        for switch, port in (end.split(":") for end in (link.a, link.b)):
            assert port in bridges[switch].links
    names = [name for bridge in bridges.values() for name in (bridge.name, *bridge.ports)]
    assert len(set(names)) == len(names)
    assert all(len(bridges[host].access) == 6 for hosts in hosts_of(intent.fabric).values() for host in hosts)


def test_sizes_that_make_no_sense_are_refused() -> None:
    for switches in (0, 6):
        with pytest.raises(ValueError, match="at least 7"):
            sized(switches)
    with pytest.raises(ValueError, match="core switch"):
        leaf_spine(2, 1, 0)
    with pytest.raises(ValueError, match="0 hosts"):
        tenants(FabricSpec(), 1, 1)
    with pytest.raises(ValueError, match=f"has tags for {TAGS}"):
        two_hosts(TAGS + 1, networks=TAGS + 1)


def all_nodes(found: dict[str, TenantSpec]) -> list[tuple[str, str, tuple[str, ...], str]]:
    """Place, MAC, IP addresses and network of every node's one interface."""
    return [
        (str(interface.at), interface.mac, tuple(interface.ips), f"{name}/{interface.networks[0]}")
        for name, tenant in found.items()
        for node in tenant.nodes.values()
        for interface in node.interfaces.values()
    ]


def place_of(node: tuple[str, str, tuple[str, ...], str]) -> tuple[str, str]:
    switch, _, port = node[0].partition(":")
    return switch, port
