"""Bandwidth: how it is written, what is refused, and which rows and meters of which switches follow from it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from drawn import all_in_step, new_system, plug_everything
from hypothesis import given
from hypothesis import strategies as st

from ryu_vnet.compiler.limits import LEAST_BURST
from ryu_vnet.compiler.pipeline import (
    FORWARD,
    LAST_PORT,
    OUTBOUND,
    PORT,
    RETURN,
    STAGE_BY_TABLE,
    UPLINK,
    Metered,
    meter_of,
    metered_by,
)
from ryu_vnet.compiler.rows import Meter, MeterBand, Row, Track
from ryu_vnet.compiler.tables import compile_tables
from ryu_vnet.errors import Invalid
from ryu_vnet.fabric.observed import PortState
from ryu_vnet.managers import requests
from ryu_vnet.managers.communication import Effects
from ryu_vnet.managers.limits import ZoneCount, commands, exit_bandwidth_spec, interface_bandwidth_spec, read_limits
from ryu_vnet.managers.system import System
from ryu_vnet.model.bandwidth import LEAST, MOST, Bandwidth, format_rate, parse_rate
from ryu_vnet.model.documents import from_document, to_document
from ryu_vnet.model.outside import LAST_ZONE
from ryu_vnet.model.values import Network, Node
from ryu_vnet.schema import ExitBandwidthSpec, Intent, InterfaceBandwidthSpec, InterfaceSpec, NetworkSpec, NodeSpec

INTERNET = Path(__file__).parents[2] / "topologies" / "internet.yaml"
MOST_METER = 0x40000
"""Open vSwitch's (`ovs-ofctl meter-features`)."""


@pytest.mark.parametrize(
    ("text", "kilobits"),
    [("64k", 64), ("500k", 500), ("100M", 100_000), ("1.5G", 1_500_000), (" 2 M", 2000), ("64000", 64), ("4T", MOST)],
)
def test_what_is_written_is_understood(text: str, kilobits: int) -> None:
    assert parse_rate(text, "here") == kilobits


@pytest.mark.parametrize(
    "text", ["", "fast", "-5M", "1e6", "100 Mbit", "10m", "63k", "0", "4.1T", "1..5G", "٣M", "100M\n5"]
)
def test_what_cannot_be_is_refused_and_said(text: str) -> None:
    with pytest.raises(Invalid, match=r"here: .*500k, 100M, 1\.5G"):
        parse_rate(text, "here")


@given(st.integers(LEAST, MOST))
def test_what_is_shown_is_read_as_the_same(kilobits: int) -> None:
    assert parse_rate(format_rate(kilobits), "here") == kilobits


def test_no_two_meters_have_one_number_and_all_have_one_that_there_is() -> None:
    ends = [(what, meter_of(what, 1), meter_of(what, last)) for what, last in LAST.items()]
    for what, first, last in ends:
        assert (metered_by(first), metered_by(last)) == ((what, 1), (what, LAST[what]))
        assert last < MOST_METER


LAST = {
    Metered.TOLD: 0xFF,
    Metered.SENT: LAST_PORT,
    Metered.RECEIVED: LAST_PORT,
    Metered.OUT: LAST_ZONE,
    Metered.IN: LAST_ZONE,
}
"""The last port or zone of each kind."""


def internet() -> System:
    """All of it is there, on its switches, with every port."""
    system = new_system()
    intent = Intent.model_validate(yaml.safe_load(INTERNET.read_text()))
    system.request(lambda work: requests.apply(work, intent))
    plug_everything(system)
    for name in ("gw1", "gw2"):
        uplinks = {uplink.port: PortState(99, True) for uplink in system.fabric.switches[name].uplinks}
        system.effect(name, Effects(ports={**system.ports[name], **uplinks}))
    all_in_step(system)
    return system


def metered(system: System, switch: str) -> set[tuple[str, int]]:
    """Stage and meter of each row of a switch that has one, but for those that bound what is told."""
    rows = (row for row in system.tables[switch].rows.values() if _meter(row) > 0xFF)
    return {(STAGE_BY_TABLE[row.table].name, _meter(row)) for row in rows}


def _meter(row: Row) -> int:
    first = row.actions[0] if row.actions else None
    return first.number if isinstance(first, Meter) else 0


def is_as_from_nothing(system: System) -> bool:
    whole = compile_tables(system.model, system.topology)
    return all(
        (table.rows, table.groups, table.meters) == (whole[name].rows, whole[name].groups, whole[name].meters)
        for name, table in system.tables.items()
    )


def put_web1(system: System, *, at: str = "host1:red-web1", **bandwidth: str) -> None:
    limit = InterfaceBandwidthSpec.model_validate(bandwidth) if bandwidth else None
    interface = InterfaceSpec(ips=["10.0.0.11"], at=at, networks=["web"], bandwidth=limit)
    spec = NodeSpec(running=True, interfaces={"eth0": interface})
    system.request(lambda work: requests.put_node(work, "red", "web1", spec))
    plug_everything(system, away=["gw1", "gw2"])


def test_an_interface_is_counted_at_its_own_switch_alone() -> None:
    system = internet()
    put_web1(system, send="20M", receive="1M")
    port = system.ports["host1"]["red-web1"].number
    sent, received = meter_of(Metered.SENT, port), meter_of(Metered.RECEIVED, port)
    assert metered(system, "host1") == {(PORT.name, sent), (FORWARD.name, received)}
    assert system.tables["host1"].meters.items() >= {
        (sent, MeterBand(sent, 20_000, 20_000, counts_bits=True)),
        (received, MeterBand(received, 1000, 1000, counts_bits=True)),
    }
    assert all(not metered(system, name) for name in system.fabric.switches if name != "host1")
    assert is_as_from_nothing(system)
    # It goes elsewhere, and they with it.
    put_web1(system, at="host2:elsewhere", send="100k")
    port = system.ports["host2"]["elsewhere"].number
    assert metered(system, "host1") == set() and metered(system, "host2") == {(PORT.name, meter_of(Metered.SENT, port))}
    assert system.tables["host2"].meters[meter_of(Metered.SENT, port)].burst == LEAST_BURST
    assert is_as_from_nothing(system)


def test_a_port_with_another_number_has_other_meters() -> None:
    system = internet()
    put_web1(system, send="20M", receive="1M")
    system.effect("host1", Effects(ports={**system.ports["host1"], "red-web1": PortState(77, True)}))
    assert {number for _, number in metered(system, "host1")} == {
        meter_of(Metered.SENT, 77),
        meter_of(Metered.RECEIVED, 77),
    }
    assert is_as_from_nothing(system)
    # No meter has such a number: then nothing goes in, rather than all of it.
    system.effect("host1", Effects(ports={**system.ports["host1"], "red-web1": PortState(LAST_PORT + 1, True)}))
    assert metered(system, "host1") == set()
    rows = system.tables["host1"].rows.values()
    assert not any(row.table == PORT.table and row.match[0].value == LAST_PORT + 1 for row in rows)
    assert is_as_from_nothing(system)


def put_web(system: System, **way_out: object) -> None:
    spec = NetworkSpec.model_validate(
        {
            "subnets": ["10.0.0.0/24", "fd00:1::/64"],
            "outside": {"network": "internet", "prefix": "2001:db8:a:1::/64", **way_out},
        }
    )
    system.request(lambda work: requests.put_network(work, "red", "web", spec))


def test_a_network_is_counted_at_its_gateway_where_it_is_translated() -> None:
    system = internet()
    gateway = system.model.gateway("red/web")
    assert gateway is not None
    put_web(system, bandwidth={"out": "50M", "in": "1.5G"})
    out, into = meter_of(Metered.OUT, gateway.zone), meter_of(Metered.IN, gateway.zone)
    # Not where frames for the router leave the network, which those for everybody do as well.
    assert metered(system, gateway.switch) == {(OUTBOUND.name, out), (UPLINK.name, into), (RETURN.name, into)}
    meters = system.tables[gateway.switch].meters
    assert meters[out] == MeterBand(out, 50_000, 50_000, counts_bits=True)
    assert meters[into] == MeterBand(into, 1_500_000, 1_500_000, counts_bits=True)
    assert is_as_from_nothing(system)
    # All ways out of it and into it have one, floating addresses and members' own IPv6 included.
    own = [row for row in system.tables[gateway.switch].rows.values() if row.origin.number == gateway.network]
    tracked = [row for row in own if any(isinstance(action, Track) for action in row.actions)]
    ways = {OUTBOUND.table: out, UPLINK.table: into, RETURN.table: into}
    assert {(row.table, _meter(row)) for row in tracked if row.table in ways} == {*ways.items()}
    put_web(system, bandwidth={"out": "60M"})
    assert {number for _, number in metered(system, gateway.switch)} == {out}
    assert system.tables[gateway.switch].meters[out].rate == 60_000
    assert is_as_from_nothing(system)
    put_web(system)
    assert metered(system, gateway.switch) == set()
    assert is_as_from_nothing(system)


def test_only_what_is_asked_for_is_another() -> None:
    """A rate is no row's: nothing else is sent to any switch."""
    system = internet()
    put_web(system, bandwidth={"out": "50M"})
    before = {name: dict(manager.wanted.rows) for name, manager in system.switches.items()}
    put_web(system, bandwidth={"out": "51M"})
    assert {name: manager.wanted.rows for name, manager in system.switches.items()} == before


@pytest.mark.parametrize(
    ("way_out", "where"),
    [
        ({"bandwidth": {"out": "plenty"}}, "bandwidth.out"),
        ({"bandwidth": {"in": "1k"}}, "bandwidth.in"),
        ({"connections": 65_537}, "connections"),
    ],
)
def test_what_no_network_may_have_is_refused(way_out: dict[str, object], where: str) -> None:
    system = internet()
    with pytest.raises(Invalid, match=f"tenants.red.networks.web.outside.{where}: "):
        put_web(system, **way_out)


def test_what_no_interface_may_have_is_refused() -> None:
    with pytest.raises(Invalid, match=r"tenants\.red\.nodes\.web1\.interfaces\.eth0\.bandwidth\.receive: '5 fast'"):
        put_web1(internet(), receive="5 fast")


def test_a_machine_at_a_remote_site_has_none() -> None:
    """It has no port of its own: limits of two would be one meter."""
    limited = InterfaceSpec(site="paris", networks=["web"], bandwidth=InterfaceBandwidthSpec(send="5M"))
    spec = NodeSpec(running=True, interfaces={"eth0": limited})
    with pytest.raises(Invalid, match=r"eth0\.bandwidth: it is at site 'paris'"):
        internet().request(lambda work: requests.put_node(work, "red", "far", spec))


def test_it_is_kept_and_said_as_it_was_asked_for() -> None:
    system = internet()
    put_web1(system, send="20M", receive="1.5G")
    put_web(system, bandwidth={"out": "50M"}, connections=17)
    for key in ("node/red/web1", "network/red/web"):
        value = system.model.get(key)
        assert value is not None and from_document(key, to_document(value)) == value
    node, network = system.model.get("node/red/web1"), system.model.get("network/red/web")
    assert isinstance(node, Node) and isinstance(network, Network) and network.exit is not None
    assert node.interfaces[0].bandwidth == Bandwidth(20_000, 1_500_000)
    assert interface_bandwidth_spec(node.interfaces[0].bandwidth) == InterfaceBandwidthSpec(send="20M", receive="1500M")
    assert exit_bandwidth_spec(network.exit.bandwidth) == ExitBandwidthSpec(out="50M")
    assert network.exit.connections == 17


# --- connections ------------------------------------------------------------------------------------------------------


def test_what_daemons_say_of_zones_is_read() -> None:
    said = "default limit=0\nzone=11,limit=50,count=3\nzone=12,limit=0,count=0\nzone=x,limit=1,count=1\nnonsense\n"
    assert read_limits(said) == {11: ZoneCount(50, 3)}


def test_a_daemon_is_told_what_differs_and_no_more() -> None:
    wanted = {1: 10, 2: 20, 3: 30}
    known = {1: ZoneCount(10, 9), 2: ZoneCount(19, 1), 7: ZoneCount(5, 0), 8: ZoneCount(5, 0)}
    assert commands(wanted, known, {2, 7}) == [
        ("dpctl/ct-set-limits", ["zone=2,limit=20", "zone=3,limit=30"]),
        ("dpctl/ct-del-limits", ["zone=7"]),
    ]
    assert commands(wanted, {zone: ZoneCount(limit, 0) for zone, limit in wanted.items()}, wanted) == []


def test_many_zones_are_told_of_in_pieces() -> None:
    wanted = dict.fromkeys(range(1, 1201), 10)
    assert [len(parameters) for _, parameters in commands(wanted, {}, ())] == [500, 500, 200]
