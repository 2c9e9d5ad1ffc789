"""What addresses by place save in rows, and that machines away from their address's place are reached all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from drawn import Endpoint, new_system, plug_everything, simulator
from drawn_frames import to_everybody, unicast
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.pipeline import FORWARD, NETWORK_REG, STAGE_BY_TABLE
from ryu_vnet.compiler.rows import Row, SwitchTable
from ryu_vnet.compiler.source import IPV6
from ryu_vnet.managers import requests
from ryu_vnet.managers.explain import Meanings, Names
from ryu_vnet.managers.system import System
from ryu_vnet.model.names import PLACED_MAC_MASK, placed_mac
from ryu_vnet.schema import FabricSpec, Intent, InterfaceSpec, LinkSpec, NetworkSpec, NodeSpec, SwitchSpec, TenantSpec

SHAPES = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NETWORKS = ("X", "Y")


@dataclass(frozen=True)
class Shape:
    """A leaf-spine fabric. `apart`: the edge of a rack is a switch beside its rack switch, else it is that switch."""

    racks: int
    hosts: int
    spines: int
    apart: bool

    def edge(self, rack: int) -> str:
        return f"edge{rack}" if self.apart else f"leaf{rack}"

    def fabric(self) -> FabricSpec:
        switches: dict[str, SwitchSpec] = {}
        links: list[LinkSpec] = []

        def add(name: str, segment: str | None) -> None:
            switches[name] = SwitchSpec(dpid=len(switches) + 1, segment=segment)

        for spine in range(self.spines):
            add(f"spine{spine}", None)
        for rack in range(self.racks):
            leaf, edge = f"leaf{rack}", self.edge(rack)
            for name in dict.fromkeys((leaf, edge)):
                add(name, f"rack{rack}")
            if self.apart:
                links.append(LinkSpec(kind="trunk", a=f"{leaf}:{edge}", b=f"{edge}:{leaf}"))
            for host in range(self.hosts):
                add(f"host{rack}{host}", f"rack{rack}")
                links.append(LinkSpec(kind="trunk", a=f"host{rack}{host}:up", b=f"{leaf}:h{host}"))
            for spine in range(self.spines):
                links.append(LinkSpec(kind="core", a=f"{edge}:s{spine}", b=f"spine{spine}:r{rack}"))
        return FabricSpec(switches=switches, links=links)


shapes = st.builds(Shape, st.integers(2, 4), st.integers(1, 3), st.integers(1, 2), st.booleans())


@dataclass(frozen=True)
class Machine:
    """A node of network `network`, first on a host of one rack and in the end on one of another or the same."""

    network: str
    given: bool
    first: tuple[int, int]
    last: tuple[int, int]

    @property
    def is_native(self) -> bool:
        """Whether its address tells the rack that it is in."""
        return not self.given and self.first[0] == self.last[0]


@st.composite
def populated(draw: st.DrawFn) -> tuple[Shape, list[Machine]]:
    """A fabric, and machines that have stayed where they were first, or moved, or have an address of their own."""
    shape = draw(shapes)
    place = st.tuples(st.integers(0, shape.racks - 1), st.integers(0, shape.hosts - 1))
    machine = st.builds(Machine, st.sampled_from(NETWORKS), st.booleans(), place, place)
    return shape, draw(st.lists(machine, min_size=2, max_size=6))


def host(place: tuple[int, int]) -> str:
    return f"host{place[0]}{place[1]}"


def spec(machine: Machine, number: int, place: tuple[int, int]) -> NodeSpec:
    interface = InterfaceSpec(
        mac=f"02:00:00:00:00:{number:02x}" if machine.given else None,
        ips=[f"10.0.0.{number}", f"fd00::{number:x}"],
        at=f"{host(place)}:vm{number}",
        networks=[machine.network],
    )
    return NodeSpec(running=True, interfaces={"eth0": interface})


def built(shape: Shape, machines: list[Machine]) -> System:
    """All machines started where they are first, and then moved to where they are last."""
    system = new_system()
    nodes = {f"vm{number}": spec(machine, number, machine.first) for number, machine in enumerate(machines, 1)}
    tenant = TenantSpec(networks={name: NetworkSpec() for name in NETWORKS}, nodes=nodes)
    system.request(lambda work: requests.apply(work, Intent(fabric=shape.fabric(), tenants={"t": tenant})))
    for number, machine in enumerate(machines, 1):
        at = {"eth0": f"{host(machine.last)}:vm{number}"}
        system.request(lambda work, number=number, at=at: requests.start(work, "t", f"vm{number}", at))  # type: ignore[misc]
    plug_everything(system)
    return system


def endpoints(system: System, machines: list[Machine]) -> list[Endpoint]:
    found = []
    for number, machine in enumerate(machines, 1):
        switch = host(machine.last)
        port = system.ports[switch][f"vm{number}"].number
        networks = frozenset((f"t/{machine.network}",))
        found.append(Endpoint(f"t/vm{number}", networks, address(system, number), number, switch, port))
    return found


def address(system: System, number: int) -> int:
    node = system.model.node(f"t/vm{number}")
    assert node is not None
    return node.interfaces[0].mac


@SHAPES
@given(populated())
def test_everybody_is_reached_wherever_he_has_moved(drawn: tuple[Shape, list[Machine]]) -> None:
    shape, machines = drawn
    system = built(shape, machines)
    fabric, ends = simulator(system), endpoints(system, machines)
    for source in ends:
        fellows = [end for end in ends if end is not source and end.networks == source.networks]
        for to in ends:
            meant = [(to.switch, to.port)] if to in fellows else []
            trace = fabric.inject(source.switch, source.port, unicast(source, to)[0])
            assert list(trace.delivered_to()) == meant, trace.text()
        trace = fabric.inject(source.switch, source.port, to_everybody(source)[0])
        assert sorted(trace.delivered_to()) == sorted((end.switch, end.port) for end in fellows), trace.text()


def unicast_rows(system: System, edge: str, network: str) -> set[tuple[int, int | None]]:
    """The destinations, each with its mask, that an edge has rows for in a network."""
    known = system.model.network(f"t/{network}")
    assert known is not None
    found = set()
    for row in system.tables[edge].rows.values():
        conditions = {condition.field: condition for condition in row.match}
        if row.table == FORWARD.table and conditions[NETWORK_REG.field].value == known.number:
            destination = conditions[f.ETH_DST]
            found.add((destination.value, destination.mask))
    return found - {(f.GROUP_BIT, f.GROUP_BIT)}


@SHAPES
@given(populated())
def test_an_edge_has_one_row_for_all_who_are_where_their_address_says(drawn: tuple[Shape, list[Machine]]) -> None:
    shape, machines = drawn
    system = built(shape, machines)
    for network in NETWORKS:
        members = [(number, one) for number, one in enumerate(machines, 1) if one.network == network]
        racks = {one.last[0] for _, one in members}
        for rack in racks if len(racks) > 1 else ():
            own_or_strange = {
                (address(system, n), None) for n, one in members if one.last[0] == rack or not one.is_native
            }
            far = {system.fabric.segments[f"rack{one.last[0]}"] for _, one in members if one.is_native}
            told = {(placed_mac(segment), PLACED_MAC_MASK) for segment in far - {system.fabric.segments[f"rack{rack}"]}}
            assert unicast_rows(system, shape.edge(rack), network) == own_or_strange | told


def new_rows(before: Mapping[str, SwitchTable], after: Mapping[str, SwitchTable]) -> dict[str, Counter[str]]:
    """How many rows have come to which stage of which switch; nothing must be gone."""
    found: dict[str, Counter[str]] = {}
    for name, table in after.items():
        assert before[name].rows.keys() <= table.rows.keys()
        new = [row for key, row in table.rows.items() if key not in before[name].rows]
        found.update({name: Counter(map(kind, new))} if new else {})
    return found


def kind(row: Row) -> str:
    """The stage of a row; for those that say who may send what, also which family of addresses they are about."""
    name = STAGE_BY_TABLE[row.table].name
    (family,) = [condition.value for condition in row.match if condition.field == f.ETH_TYPE] or [None]
    return name if family is None else f"{name} {'IPv6' if family == IPV6 else 'IPv4'}"


@SHAPES
@given(populated(), st.data())
def test_one_more_machine_beside_another_of_its_network_costs_six_rows(
    drawn: tuple[Shape, list[Machine]], data: st.DataObject
) -> None:
    """Those that say who may send what are counted apart: they depend on its IP addresses, one of each family here."""
    shape, others = drawn
    place = data.draw(st.sampled_from(others)).last
    beside = Machine(data.draw(st.sampled_from(NETWORKS)), False, place, place)
    machines = [*others, beside]
    system = built(shape, machines)
    core = {name: table for name, table in system.tables.items() if name.startswith("spine")}
    before = dict(system.tables)
    number = len(machines) + 1
    system.request(lambda work: requests.put_node(work, "t", f"vm{number}", spec(beside, number, beside.last)))
    plug_everything(system)

    home, (rack, _) = host(beside.last), beside.last
    found = new_rows(before, system.tables)
    at_home = found.pop(home)
    source = {"SOURCE": 1, "SOURCE IPv4": 5, "SOURCE IPv6": 3, "NEIGHBOUR IPv6": 8}
    assert at_home == {**source, "PORT": 1, "NETWORK": 1, "FORWARD": 1, "EGRESS": 1}
    everywhere = {one.last for one in machines if one.network == beside.network}
    away = len({r for r, _ in everywhere}) > 1
    told = {f"leaf{rack}"} if away or len(everywhere) > 1 else set()
    told |= {shape.edge(rack)} if away else set()
    assert found == {name: {"FORWARD": 1} for name in told}
    assert 4 + len(told) <= 6
    assert {name: table for name, table in system.tables.items() if name.startswith("spine")} == core


def test_the_core_knows_no_networks_and_no_machines() -> None:
    shape = Shape(3, 2, 2, apart=True)
    bare = built(shape, [])
    machines = [
        Machine(network, given, (rack, 0), (2 - rack, 1))
        for network in NETWORKS
        for given in (False, True)
        for rack in range(3)
    ]
    full = built(shape, machines)
    for spine in ("spine0", "spine1"):
        assert bare.tables[spine] == full.tables[spine] and len(full.tables[spine].rows) > 0


def test_a_row_about_a_place_is_explained() -> None:
    system = built(
        Shape(2, 1, 1, apart=False), [Machine("X", False, (0, 0), (0, 0)), Machine("X", False, (1, 0), (1, 0))]
    )
    table = system.tables["leaf0"]
    meanings = Meanings(Names(system.model, system.fabric), "leaf0", system.ports["leaf0"], table.groups)
    (place,) = (
        row for row in table.rows.values() if row.priority == FORWARD.priorities["place"] and row.table == FORWARD.table
    )
    assert meanings.row(place) == "in t/X, whoever is not known here and has a MAC of segment rack1 is towards it"
