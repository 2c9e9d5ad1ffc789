"""The simulator and a real ovs-vswitchd send the same bytes out of the same ports, in the same order.

Where the simulator reports an anomaly it predicts nothing, and nothing is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from header_probes import OUT, answer_in_frame, answer_in_trace, catalogue, damaged, probes
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from small_tables import ORIGIN, random_frame, random_table
from trial_switch import PORTS, TrialSwitch
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.pipeline import EGRESS, FORWARD, LABEL, PORT, SERVICE, TAG, TO_EGRESS
from ryu_vnet.compiler.rows import (
    IN_PORT_PORT,
    Action,
    Clone,
    Decap,
    DecMplsTtl,
    Encap,
    FieldMatch,
    Group,
    Move,
    Output,
    PacketType,
    PopVlan,
    PushVlan,
    Resubmit,
    Row,
    SetField,
    SetMplsTtl,
    SwitchTable,
    ToGroup,
    match,
)
from ryu_vnet.verify import frames
from ryu_vnet.verify.packet import parse
from ryu_vnet.verify.simulate import Simulator
from ryu_vnet.verify.trace import Trace

FRAMES_PER_PORT = 3
MPLS = FieldMatch(f.ETH_TYPE, 0x8847)
BARE = FieldMatch(f.PACKET_TYPE, PacketType.MPLS.value)
BOTTOM = FieldMatch(f.MPLS_BOS, 1)
ALICE, BOB, EDGE_A, EDGE_B = 0x02_00_00_00_00_0A, 0x02_00_00_00_00_0B, 0x02_00_00_00_0E_0A, 0x02_00_00_00_0E_0B
LINK = frames.Link(ALICE, BOB)
NETWORK, TAG_OF_NETWORK, TRANSPORT = 77, 5, 17
HOST, TRUNK, CORE = 1, 2, 3


@pytest.fixture(scope="module")
def ovs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DummyOvs]:
    with DummyOvs(tmp_path_factory.mktemp("agrees")) as instance:
        yield instance


@pytest.fixture(scope="module")
def chain(ovs: DummyOvs) -> dict[str, TrialSwitch]:
    """Three more bridges: an edge, a core switch, an edge."""
    return {name: TrialSwitch(ovs, name, dpid) for dpid, name in enumerate(("near", "core", "far"), 2)}


@pytest.fixture(scope="module")
def switch(ovs: DummyOvs) -> TrialSwitch:
    return TrialSwitch(ovs)


def table_of(*rows: Row, groups: tuple[Group, ...] = ()) -> SwitchTable:
    table = SwitchTable()
    for row in rows:
        table.add(row)
    for group in groups:
        table.add_group(group)
    return table


def simulate(table: SwitchTable, port: int, frame: bytes) -> Trace:
    return Simulator({"s": table}, {}).inject("s", port, parse(frame))


def sent_in(trace: Trace, switch: str = "s") -> dict[int, list[bytes]]:
    """What left a switch by ports without a wire, in the form of `TrialSwitch.send`."""
    sent: dict[int, list[bytes]] = {}
    for delivery in trace.deliveries:
        if delivery.switch == switch:
            sent.setdefault(delivery.port, []).append(delivery.frame.to_bytes())
    return sent


def is_predicted(trace: Trace) -> bool:
    """Whether a real switch does the same: no anomaly, and no spent TTL.

    A spent TTL makes Open vSwitch 3.1 tell its controller, after which copies of the same frame that were still to be
    made can have the TTL of an earlier one.
    """
    return not trace.anomalies and not any("TTL is spent" in drop.reason for drop in trace.drops)


@settings(max_examples=40, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(seed=st.integers(0, 2**32))
def test_random_small_tables(switch: TrialSwitch, seed: int) -> None:
    random = Random(seed)
    table = random_table(random)
    switch.load(table)
    for port in range(1, PORTS + 1):
        for _ in range(FRAMES_PER_PORT):
            frame = random_frame(random)
            trace = simulate(table, port, frame)
            if is_predicted(trace):
                assert switch.send(port, frame) == sent_in(trace), trace.text()


@pytest.mark.parametrize("probe", range(len(probes())))
def test_headers(switch: TrialSwitch, probe: int) -> None:
    """Whole and broken headers, each asked for every field of IP and above; and every condition holds for some."""
    table = probes()[probe]
    switch.load(table)
    held = 0
    for name, frame in catalogue().items():
        (told,) = sent_in(simulate(table, 1, frame))[OUT]
        assert switch.send(1, frame) == {OUT: [told]}, name
        assert answer_in_trace(switch.trace(1, frame)) == answer_in_frame(told), name
        held |= answer_in_frame(told)
    assert held.bit_count() == len(table.rows) - 1


@settings(max_examples=40, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(seed=st.integers(0, 2**32))
def test_damaged_headers(switch: TrialSwitch, seed: int) -> None:
    random = Random(seed)
    for table in probes():
        switch.load(table)
        frame = damaged(random)
        assert switch.send(1, frame) == sent_in(simulate(table, 1, frame)), frame.hex()


def encapsulate(transport: int, toward: int, port: int) -> Clone:
    """Service label, transport label, and the Ethernet header of the interconnect."""
    service = (Encap(PacketType.MPLS), Move(f.REG0, f.MPLS_LABEL, 20), SetMplsTtl(64))
    outer = (Encap(PacketType.MPLS), SetField(f.MPLS_LABEL, transport), SetMplsTtl(64))
    ethernet = (Encap(PacketType.ETHERNET), SetField(f.ETH_SRC, EDGE_A), SetField(f.ETH_DST, toward), Output(port))
    return Clone((*service, *outer, *ethernet))


def edge() -> SwitchTable:
    """A node at port HOST, a trunk at TRUNK, the interconnect at CORE; broadcasts go to all three."""
    network = SetField(f.REG0, NETWORK)
    in_network = FieldMatch(f.REG0, NETWORK)

    def adjacency(number: int, *actions: Action) -> Row:
        return EGRESS.row("adjacency", [FieldMatch(f.REG3, number)], actions, None, ORIGIN)

    def port(number: int, source: int, *actions: Action) -> Row:
        goto = {HOST: FORWARD, TRUNK: TAG, CORE: LABEL}[number]
        row = PORT.row("port", [FieldMatch(f.IN_PORT, number)], (SetField(f.REG4, source), *actions), None, ORIGIN)
        return Row(row.table, row.priority, row.match, row.actions, goto.table, ORIGIN)

    to_all = tuple((SetField(f.REG3, number), TO_EGRESS) for number in (CORE, HOST, TRUNK))
    untagged = FieldMatch(f.VLAN_VID, 0)
    tagged = FieldMatch(f.VLAN_VID, 0x1000 | TAG_OF_NETWORK)
    to_bob = [in_network, FieldMatch(f.ETH_DST, BOB)]
    to_alice = [in_network, FieldMatch(f.ETH_DST, ALICE)]
    group_bit = FieldMatch(f.ETH_DST, 1 << 40, 1 << 40)
    label = [MPLS, untagged, FieldMatch(f.MPLS_LABEL, TRANSPORT)]
    service = [BARE, FieldMatch(f.MPLS_LABEL, NETWORK), BOTTOM]
    trunk = (PushVlan(), SetField(f.VLAN_VID, 0x1000 | TAG_OF_NETWORK), Output(TRUNK))
    split = [FieldMatch(f.REG3, CORE), FieldMatch(f.REG4, CORE)]
    return table_of(
        port(HOST, HOST, network),
        port(TRUNK, TRUNK),
        port(CORE, CORE),
        TAG.row("tag", [tagged], [PopVlan(), network], FORWARD, ORIGIN),
        LABEL.row("label", label, [Decap(), Decap(PacketType.MPLS)], SERVICE, ORIGIN),
        SERVICE.row("label", service, [Decap(PacketType.ETHERNET), network], FORWARD, ORIGIN),
        FORWARD.row("address", to_bob, [SetField(f.REG3, CORE)], EGRESS, ORIGIN),
        FORWARD.row("address", to_alice, [SetField(f.REG3, HOST)], EGRESS, ORIGIN),
        FORWARD.row("group", [in_network, group_bit], [ToGroup(NETWORK)], None, ORIGIN),
        EGRESS.row("split", split, (), None, ORIGIN),
        adjacency(CORE, encapsulate(TRANSPORT, EDGE_B, CORE)),
        adjacency(HOST, Output(HOST)),
        adjacency(TRUNK, *trunk),
        groups=(Group(NETWORK, to_all, ORIGIN),),
    )


def core() -> SwitchTable:
    """Forwards one transport label from port 1 to port 2."""
    conditions = [MPLS, FieldMatch(f.VLAN_VID, 0), FieldMatch(f.MPLS_LABEL, TRANSPORT)]
    return table_of(Row(0, 1, match(*conditions), (DecMplsTtl(), Output(2)), None, ORIGIN))


def across(frame: bytes, labels: tuple[tuple[int, int, int], ...]) -> bytes:
    """A frame under labels, each label, bottom of stack, TTL; as it stands on the interconnect."""
    stack = b"".join((label << 12 | bos << 8 | ttl).to_bytes(4, "big") for label, bos, ttl in labels)
    return EDGE_A.to_bytes(6, "big") + EDGE_B.to_bytes(6, "big") + b"\x88\x47" + stack + frame


WHOLE = ((TRANSPORT, 0, 64), (NETWORK, 1, 64))
REQUEST = frames.arp_request(ALICE, "10.0.0.1", "10.0.0.2").to_bytes()
UNICAST = frames.ipv6_udp(LINK, "fd00::1", "fd00::2", (1, 2), b"hello").to_bytes()
REPLY = frames.arp_reply(frames.Link(BOB, ALICE), "10.0.0.2", "10.0.0.1").to_bytes()
OWN_TAG = frames.tagged(parse(REQUEST), 9).to_bytes()

EDGE_FRAMES = {
    "broadcast from the node": (HOST, REQUEST, {TRUNK: 1, CORE: 1}),
    "unicast to the core": (HOST, UNICAST, {CORE: 1}),
    "unknown destination": (HOST, frames.raw(frames.Link(ALICE, 7), 0x88B5).to_bytes(), {}),
    "a tag of the node's own": (HOST, OWN_TAG, {TRUNK: 1, CORE: 1}),
    "broadcast from the trunk": (TRUNK, frames.tagged(parse(REQUEST), TAG_OF_NETWORK).to_bytes(), {HOST: 1, CORE: 1}),
    "two tags from the trunk": (TRUNK, frames.tagged(parse(OWN_TAG), TAG_OF_NETWORK).to_bytes(), {HOST: 1, CORE: 1}),
    "a tag of no network": (TRUNK, frames.tagged(parse(REQUEST), 6).to_bytes(), {}),
    "no tag from the trunk": (TRUNK, REQUEST, {}),
    "broadcast from the core": (CORE, across(REQUEST, WHOLE), {HOST: 1, TRUNK: 1}),
    "unicast from the core": (CORE, across(REPLY, WHOLE), {HOST: 1}),
    "a foreign service label": (CORE, across(REPLY, ((TRANSPORT, 0, 64), (78, 1, 64))), {}),
    "a foreign transport label": (CORE, across(REPLY, ((18, 0, 64), (NETWORK, 1, 64))), {}),
    "one label alone": (CORE, across(REPLY, ((TRANSPORT, 1, 64),)), {}),
    "a label too many": (CORE, across(REPLY, (*WHOLE[:1], (NETWORK, 0, 64), (NETWORK, 1, 64))), {}),
    "labels without a bottom": (CORE, across(REPLY, ((TRANSPORT, 0, 64), (NETWORK, 0, 64))), {}),
    "nothing under the labels": (CORE, across(b"", WHOLE), {}),
    "labels cut off": (CORE, across(b"", WHOLE)[:16], {}),
    "a frame cut off under the labels": (CORE, across(REPLY[:13], WHOLE), {}),
    "a tag before the labels": (CORE, frames.tagged(parse(across(REPLY, WHOLE)), 5).to_bytes(), {}),
    "no label": (CORE, REPLY, {}),
}


@pytest.mark.parametrize("name", EDGE_FRAMES)
def test_edge(switch: TrialSwitch, name: str) -> None:
    port, frame, counts = EDGE_FRAMES[name]
    table = edge()
    switch.load(table)
    trace = simulate(table, port, frame)
    sent = sent_in(trace)
    assert {out: len(copies) for out, copies in sent.items()} == counts, trace.text()
    assert switch.send(port, frame) == sent, trace.text()


@pytest.mark.parametrize("name", [name for name, (port, _, _) in EDGE_FRAMES.items() if port != CORE])
def test_ofproto_trace_names_the_same_ports(switch: TrialSwitch, name: str) -> None:
    """Up to a decapsulation, where ofproto/trace stops."""
    port, frame, _ = EDGE_FRAMES[name]
    table = edge()
    switch.load(table)
    expected = [delivery.port for delivery in simulate(table, port, frame).deliveries]
    assert switch.traced_ports(port, frame) == expected


@pytest.mark.parametrize(("ttl", "arrives"), [(64, True), (2, True), (1, False), (0, False)])
def test_ttl(switch: TrialSwitch, ttl: int, arrives: bool) -> None:
    table = core()
    frame = across(REQUEST, ((TRANSPORT, 0, ttl), (NETWORK, 1, 64)))
    switch.load(table)
    expected = {2: [across(REQUEST, ((TRANSPORT, 0, ttl - 1), (NETWORK, 1, 64)))]} if arrives else {}
    assert sent_in(simulate(table, 1, frame)) == expected
    assert switch.send(1, frame) == expected


@pytest.mark.parametrize(("resubmits", "arrives"), [(4096, True), (4097, False)])
def test_resubmits_run_out_together_with_all_that_was_sent(switch: TrialSwitch, resubmits: int, arrives: bool) -> None:
    """64 rows of 64 resubmits each: 64 + 64 * 63 = 4096 with the outer ones, and then perhaps one more."""
    outer = tuple(Resubmit(1) for _ in range(64))
    extra = tuple(Resubmit(2) for _ in range(resubmits - 4096))
    table = table_of(
        Row(0, 1, (), (Output(2), *outer, *extra), None, ORIGIN),
        Row(1, 1, (), tuple(Resubmit(2) for _ in range(63)), None, ORIGIN),
        Row(2, 1, (), (SetField(f.REG0, 1),), None, ORIGIN),
    )
    switch.load(table)
    trace = simulate(table, 1, REQUEST)
    assert sent_in(trace) == ({2: [REQUEST]} if arrives else {})
    assert switch.send(1, REQUEST) == sent_in(trace)
    assert bool(trace.anomalies) is not arrives


@pytest.mark.parametrize("depth", [64, 65])
def test_resubmits_nest_only_so_deep(switch: TrialSwitch, depth: int) -> None:
    """Each time round the register counts up by shifting a bit: 32 values of REG0, then of REG1, then of REG2."""
    rows = [Row(0, 1, (), (Output(2), SetField(f.REG0, 1), Resubmit(0)), None, ORIGIN)]
    for number in range(1, depth):
        conditions = match(FieldMatch(f.REG0, number))
        rows.append(Row(0, 1 + number, conditions, (SetField(f.REG0, number + 1), Resubmit(0)), None, ORIGIN))
    rows.append(Row(0, 1 + depth, match(FieldMatch(f.REG0, depth)), (), None, ORIGIN))
    table = table_of(*rows)
    switch.load(table)
    trace = simulate(table, 1, REQUEST)
    assert switch.send(1, REQUEST) == sent_in(trace), trace.text()
    assert bool(trace.anomalies) is (depth == 65)


def test_way_back_needs_its_own_name(switch: TrialSwitch) -> None:
    table = table_of(Row(0, 1, (), (Output(1), Output(IN_PORT_PORT), Output(2)), None, ORIGIN))
    switch.load(table)
    assert switch.send(1, REQUEST) == sent_in(simulate(table, 1, REQUEST)) == {1: [REQUEST], 2: [REQUEST]}


@pytest.mark.parametrize("frame", [REQUEST, UNICAST, OWN_TAG], ids=["broadcast", "unicast", "a tag of its own"])
def test_chain_of_three_bridges(chain: dict[str, TrialSwitch], frame: bytes) -> None:
    """Node, edge, core, far edge, node: the same bytes on each wire, and at the end the frame as it was sent."""
    tables = {"near": edge(), "core": core(), "far": far_edge()}
    wires = {("near", CORE): ("core", 1), ("core", 1): ("near", CORE)}
    wires |= {("core", 2): ("far", CORE), ("far", CORE): ("core", 2)}
    trace = Simulator(tables, wires).inject("near", HOST, parse(frame))
    for name, real in chain.items():
        real.load(tables[name])

    (labelled,) = chain["near"].send(HOST, frame)[CORE]
    (forwarded,) = chain["core"].send(1, labelled)[2]
    arrived = chain["far"].send(CORE, forwarded)

    assert [crossing.frame.to_bytes() for crossing in trace.crossings] == [labelled, forwarded]
    assert [label.label for label in trace.crossings[0].labels] == [TRANSPORT, NETWORK]
    assert trace.crossings[0].payload.to_bytes() == frame
    assert labelled == across_edges(frame, 64) and forwarded == across_edges(frame, 63)
    assert arrived[HOST] == [frame]
    assert arrived == sent_in(trace, "far")


def across_edges(frame: bytes, ttl: int) -> bytes:
    stack = (TRANSPORT << 12 | ttl).to_bytes(4, "big") + (NETWORK << 12 | 1 << 8 | 64).to_bytes(4, "big")
    return EDGE_B.to_bytes(6, "big") + EDGE_A.to_bytes(6, "big") + b"\x88\x47" + stack + frame


def far_edge() -> SwitchTable:
    """The edge at the other end: Bob is its node."""
    table = edge()
    to_bob = FORWARD.row(
        "address", [FieldMatch(f.REG0, NETWORK), FieldMatch(f.ETH_DST, BOB)], [SetField(f.REG3, HOST)], EGRESS, ORIGIN
    )
    table.rows[to_bob.key] = to_bob
    return table
