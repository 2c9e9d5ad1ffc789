"""What addresses tell of places saves rows and proves nothing: isolation and delivery hold whatever they tell.

`test_isolation` draws machines with addresses of where they are, of elsewhere and of nowhere, and holds for all of
them. Here are frames for addresses that look as if somebody had them, and rows at far edges.
"""

from __future__ import annotations

from itertools import product

from drawn import Endpoint, applied, endpoints, intents, simulator
from hypothesis import HealthCheck, given, settings

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.pipeline import FORWARD, NETWORK_REG, transport_label
from ryu_vnet.fabric.declared import Fabric, Link, LinkKind, Switch
from ryu_vnet.fabric.observed import PortState, Topology
from ryu_vnet.managers.programme import Programme, Tables
from ryu_vnet.managers.system import System
from ryu_vnet.model.names import placed_mac, segment_of_mac
from ryu_vnet.model.state import Model
from ryu_vnet.model.values import Interface, Network, Node, Place, TagGrant, Value
from ryu_vnet.schema import Intent
from ryu_vnet.verify import frames
from ryu_vnet.verify.trace import Trace

ANY_SHAPE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def segments_of(system: System, network: str | None) -> dict[str, set[int]]:
    """Where a network has running members, and what their addresses tell of the segment."""
    found: dict[str, set[int]] = {}
    for member in system.model.members(network or ""):
        place = member.interface.place
        if member.node.running and place is not None:
            segment = system.fabric.switches[place.switch].segment
            found.setdefault(str(segment), set()).add(segment_of_mac(member.interface.mac) or 0)
    return found


def check_core(system: System, source: Endpoint, trace: Trace) -> None:
    """What crosses the core is addressed to segments that have a member of the sender's network."""
    labels = {transport_label(s.number): s.segment for s in system.fabric.switches.values() if s.segment is not None}
    for crossing in trace.crossings:
        for label in crossing.labels[:1]:
            assert labels[label.label] in segments_of(system, source.network), trace.text()


@ANY_SHAPE
@given(intents())
def test_an_address_that_looks_like_somebodys_and_is_nobodys_leads_nowhere(intent: Intent) -> None:
    system = applied(intent)
    fabric, ends = simulator(system), endpoints(system, intent)
    for source, segment in product(ends, range(5)):
        nobody = placed_mac(segment, 3, 0x0EE)
        if nobody is None:
            continue
        trace = fabric.inject(source.switch, source.port, frames.raw(frames.Link(source.mac, nobody), 0x88B5, b"?"))
        assert trace.deliveries == () and not trace.anomalies, trace.text()
        check_core(system, source, trace)
        inside = segments_of(system, source.network)
        native = {name for name, told in inside.items() if system.fabric.segments[name] in told}
        if any(crossing.labels for crossing in trace.crossings):
            assert {name for name, number in system.fabric.segments.items() if number == segment} <= native


@ANY_SHAPE
@given(intents())
def test_nothing_is_sent_into_a_segment_without_a_member(intent: Intent) -> None:
    system = applied(intent)
    fabric, ends = simulator(system), endpoints(system, intent)
    for source, to in product(ends, ends):
        trace = fabric.inject(
            source.switch, source.port, frames.raw(frames.Link(source.mac, to.mac), 0x88B5, b"to you")
        )
        meant = [
            (end.switch, end.port)
            for end in ends
            if end is not source and source.network is not None and (end.network, end.mac) == (source.network, to.mac)
        ]
        assert sorted(trace.delivered_to()) == sorted(meant if to is not source else []), trace.text()
        check_core(system, source, trace)


# --- rows at a far edge -----------------------------------------------------------------------------------------------

EDGES = Fabric(
    {"a": Switch("a", 1, 1, "left"), "b": Switch("b", 2, 2, "right")},
    (Link(LinkKind.CORE, Place("a", "core"), Place("b", "core")),),
    {"left": 1, "right": 2},
)


def rows_at_the_far_edge(native: int, foreign: int) -> int:
    """FORWARD rows of a network at `a` that are not about its one machine there, with so many machines at `b`."""
    values: list[Value] = [Network("t", "net", 16), TagGrant("left", 16, 1), TagGrant("right", 16, 1)]
    macs = [
        placed_mac(1, 1, 1),
        *(placed_mac(2, 2, n) for n in range(native)),
        *(placed_mac(3, 3, n) for n in range(foreign)),
    ]
    ports = {"a": {"core": PortState(1, True)}, "b": {"core": PortState(1, True)}}
    for number, mac in enumerate(macs, 1):
        at = "b" if number > 1 else "a"
        ports[at][f"v{number}"] = PortState(number + 1, True)
        interface = Interface("eth0", number, mac, (), Place(at, f"v{number}"), ("net",))
        values.append(Node("t", f"vm{number}", True, (interface,)))
    programme = Programme()
    programme.load(Model(values), Topology(EDGES, ports, EDGES.switches))
    rows = [row for row in Tables(programme)["a"].rows.values() if row.table == FORWARD.table]
    of_network = [row for row in rows if any(c.field is NETWORK_REG.field and c.value == 16 for c in row.match)]
    own = [
        row
        for row in of_network
        if any(c.field is f.ETH_DST and c.value == macs[0] and c.mask is None for c in row.match)
    ]
    return len(of_network) - len(own)


def test_an_edge_has_no_more_rows_for_a_thousand_machines_than_for_one() -> None:
    assert rows_at_the_far_edge(1000, 0) == rows_at_the_far_edge(1, 0)
    assert rows_at_the_far_edge(1, 7) == rows_at_the_far_edge(1, 0) + 7
    assert rows_at_the_far_edge(0, 7) == rows_at_the_far_edge(1, 7) - 1
