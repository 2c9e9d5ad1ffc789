"""What we write is what Open vSwitch gives back: rows and groups, byte for byte, in both versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from random import Random

import pytest
from legal_rows import random_group, random_row
from openflow_peer import OpenFlowPeer
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.pipeline import (
    ADJACENCY_KIND_MASK,
    ADJACENCY_REG,
    EGRESS,
    FANOUT_BUCKETS,
    FORWARD,
    FROM_REG,
    INTERFACE_REG,
    LABEL,
    MPLS_TTL,
    NETWORK,
    NETWORK_REG,
    PORT,
    SERVICE,
    TAG,
    TAG_REG,
    TO_EGRESS,
    From,
    Stage,
    Toward,
    adjacency,
    switch_mac,
    transport_label,
    wire_group,
)
from ryu_vnet.compiler.read_text import read_row
from ryu_vnet.compiler.rows import (
    Action,
    Clone,
    CtState,
    Decap,
    DecMplsTtl,
    DecTtl,
    Encap,
    FieldMatch,
    Group,
    Move,
    Nat,
    Origin,
    Output,
    PacketType,
    PopVlan,
    PushVlan,
    Row,
    SetField,
    SetMplsTtl,
    Subject,
    ToGroup,
    Track,
    cookie_of,
    match,
)
from ryu_vnet.compiler.source import neighbour_rows, source_rows, standing_rows
from ryu_vnet.compiler.text import group_text, match_text, row_text
from ryu_vnet.errors import WireError
from ryu_vnet.model.values import Interface
from ryu_vnet.openflow import changes, messages, replies
from ryu_vnet.openflow.replies import ErrorReply, Port, PortReason
from ryu_vnet.openflow.rows import FOREIGN, decode_group, decode_row, encode_group, encode_row
from ryu_vnet.openflow.wire import BundleStep, MessageType, Version

ORIGIN = Origin(Subject.NETWORK, 16)
MULTICAST = 0x010000000000


@pytest.fixture(scope="module")
def ovs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DummyOvs]:
    with DummyOvs(tmp_path_factory.mktemp("ovs")) as switch:
        yield switch


@pytest.fixture(params=list(Version), ids=lambda version: version.name)
def peer(ovs: DummyOvs, request: pytest.FixtureRequest) -> Iterator[OpenFlowPeer]:
    """A fresh bridge with three ports, connected."""
    with OpenFlowPeer(request.param) as peer:
        ovs.add_bridge("s1", dpid=0x1234, controller=peer.address, ports=("p1", "p2", "p3"))
        try:
            peer.accept()
            yield peer
        finally:
            ovs.vsctl("del-br", "s1")


def pipeline_groups() -> list[Group]:
    """A fan-out of a network to a local interface and another switch, each by registers and a second look."""
    buckets = tuple(
        (SetField(ADJACENCY_REG.field, adjacency(kind, number)), SetField(TAG_REG.field, tag), TO_EGRESS)
        for kind, number, tag in [(Toward.INTERFACE, 7, 0), (Toward.SWITCH, 3, 101), (Toward.SEGMENT, 2, 0)]
    )
    return [Group(wire_group(16, 0), buckets, ORIGIN), Group(wire_group(16, 1), buckets[:1], ORIGIN)]


def rows_of_sources() -> list[Row]:
    """What one interface may send, with addresses and without, and what holds for all."""
    addresses = (ip_network("10.0.0.11/32"), ip_network("10.9.0.0/16"), ip_network("fd00::11/128"))
    known = Interface("eth0", 7, 0x020000000101, addresses)
    unknown = Interface("eth1", 8, 0x020000000102)
    return [
        *standing_rows(ORIGIN),
        *source_rows(known, 3, tagged=False, is_told=True),
        *source_rows(unknown, 2, tagged=True, is_told=False),
        *neighbour_rows(known),
        *neighbour_rows(unknown),
    ]


def transit_rows() -> list[Row]:
    """The rest of the pipeline: in from each kind of port, forwarding, and out by each kind of adjacency."""
    network, tag, toward, came = (register.field for register in (NETWORK_REG, TAG_REG, ADJACENCY_REG, FROM_REG))
    load_network = SetField(network, 16)
    mpls = [FieldMatch(f.ETH_TYPE, 0x8847), FieldMatch(f.VLAN_VID, 0)]
    mine, other = (FieldMatch(f.MPLS_LABEL, transport_label(edge)) for edge in (10, 12))
    bare, last = FieldMatch(f.PACKET_TYPE, PacketType.MPLS.value), FieldMatch(f.MPLS_BOS, 1)
    member = [FieldMatch(network, 16), FieldMatch(f.ETH_DST, 0x020000000101)]
    broadcast = [FieldMatch(network, 16), FieldMatch(came, From.ACCESS), FieldMatch(f.ETH_DST, MULTICAST, MULTICAST)]
    to_group = [ToGroup(wire_group(16, 0)), ToGroup(wire_group(16, 1))]
    to_switch, to_segment = (FieldMatch(toward, adjacency(kind, 3)) for kind in (Toward.SWITCH, Toward.SEGMENT))
    split = [FieldMatch(toward, Toward.SEGMENT << 28, ADJACENCY_KIND_MASK), FieldMatch(came, From.CORE)]
    encapsulate = Clone(
        (
            Encap(PacketType.MPLS),
            Move(network, f.MPLS_LABEL, 20),
            SetMplsTtl(MPLS_TTL),
            Encap(PacketType.MPLS),
            SetField(f.MPLS_LABEL, transport_label(11)),
            SetMplsTtl(MPLS_TTL),
            Encap(PacketType.ETHERNET),
            SetField(f.ETH_SRC, switch_mac(10)),
            SetField(f.ETH_DST, switch_mac(11)),
            Output(2),
        )
    )
    return [
        row(PORT, [FieldMatch(f.IN_PORT, 1)], [SetField(came, From.TRUNK)], TAG),
        row(NETWORK, [FieldMatch(INTERFACE_REG.field, 7)], [load_network], FORWARD),
        row(TAG, [FieldMatch(f.VLAN_VID, 0x1065)], [PopVlan(), load_network], FORWARD),
        row(LABEL, [*mpls, mine], [Decap(), Decap(PacketType.MPLS)], SERVICE),
        row(LABEL, [*mpls, other], [DecMplsTtl(), SetField(toward, adjacency(Toward.EDGE, 12))], EGRESS),
        row(SERVICE, [bare, FieldMatch(f.MPLS_LABEL, 16), last], [load_network, Decap(PacketType.ETHERNET)], FORWARD),
        row(FORWARD, member, [SetField(toward, adjacency(Toward.INTERFACE, 7))], EGRESS),
        row(FORWARD, broadcast, to_group, None),
        row(EGRESS, [to_switch], [PushVlan(), Move(tag, f.VLAN_TCI, 12), Output(1)], None),
        row(EGRESS, split, [], None),
        row(EGRESS, [to_segment], [encapsulate], None),
    ]


def row(stage: Stage, conditions: list[FieldMatch], actions: Sequence[Action], goto: Stage | None) -> Row:
    return Row(stage.table, 100, match(*conditions), tuple(actions), goto.table if goto else None, ORIGIN)


def push(peer: OpenFlowPeer, rows: list[Row], groups: list[Group]) -> tuple[dict[bytes, bytes], dict[int, bytes]]:
    """Bring rows and groups onto the switch in one bundle; return what it should hold then."""
    wanted_rows = dict(encode_row(row) for row in rows)
    wanted_groups = {group.number: encode_group(group) for group in groups}
    inner = [messages.group_add(peer.version, peer.xid(), *item) for item in wanted_groups.items()]
    inner += [messages.flow_add(peer.version, peer.xid(), *item) for item in wanted_rows.items()]
    assert refusals(answers := peer.commit(inner)) == []
    assert steps(answers) == [BundleStep.OPEN_REPLY, BundleStep.COMMIT_REPLY]
    return wanted_rows, wanted_groups


def refusals(answers: list[bytes]) -> list[ErrorReply]:
    return [replies.error(answer) for answer in answers if answer[1] == MessageType.ERROR]


def steps(answers: list[bytes]) -> list[BundleStep]:
    done = [replies.bundle_reply(answer) for answer in answers if answer[1] != MessageType.ERROR]
    return [reply.step for reply in done if reply]


def explained(rows: dict[bytes, bytes]) -> list[str]:
    """Rows as text, so that a difference can be read."""
    return sorted(row_text(decode_row(key, value)[0]) for key, value in rows.items())


def test_the_pipeline_comes_back_as_it_was_sent(peer: OpenFlowPeer) -> None:
    rows, groups = push(peer, rows_of_sources() + transit_rows(), pipeline_groups())
    found = peer.dump_rows()
    assert explained(found) == explained(rows)
    assert found == rows
    assert peer.dump_groups() == groups


@pytest.mark.parametrize("seed", range(4))
def test_random_rows_come_back_as_they_were_sent(peer: OpenFlowPeer, seed: int) -> None:
    random = Random(seed)
    groups = [random_group(random, number) for number in range(1, 41)]
    drawn = [random_row(random, tuple(group.number for group in groups)) for _ in range(400)]
    wanted_rows, wanted_groups = push(peer, drawn, groups)
    found_rows, found_groups = peer.dump_rows(), peer.dump_groups()
    assert explained(found_rows) == explained(wanted_rows)
    assert found_rows == wanted_rows
    assert found_groups == wanted_groups
    for group in groups:
        assert decode_group(group.number, found_groups[group.number], group.origin) == group


def test_a_message_filled_with_buckets_comes_back(peer: OpenFlowPeer) -> None:
    buckets = [(SetField(f.REG3, number), SetField(f.REG2, 101), TO_EGRESS) for number in range(FANOUT_BUCKETS)]
    _, groups = push(peer, [], [Group(1, tuple(buckets), ORIGIN)])
    assert peer.dump_groups() == groups


def misread(condition: FieldMatch) -> bool:
    """ovs-ofctl takes the first digits of an IPv6 mask for the length of a prefix, and has few words for fragments."""
    if condition.field is f.IP_FRAG:
        return "=0x" in match_text((condition,))
    return condition.field.bits == 128 and condition.mask is not None and ":" in match_text((condition,)).split("/")[1]


def test_ovs_ofctl_reads_our_text_as_the_same_rows(ovs: DummyOvs, peer: OpenFlowPeer) -> None:
    random = Random(5)
    drawn = [random_row(random) for _ in range(200)]
    rows = rows_of_sources() + transit_rows() + [row for row in drawn if not any(map(misread, row.match))]
    wanted = dict(encode_row(row) for row in rows)
    text = [f"cookie={cookie_of(row.origin):#x},{row_text(row)}" for row in rows]
    flows = ovs.folder / f"rows-{peer.version.name}.txt"
    flows.write_text("\n".join(text))
    for group in pipeline_groups():
        ovs.ofctl("add-group", "s1", group_text(group))
    ovs.ofctl("add-flows", "s1", str(flows))
    assert explained(peer.dump_rows()) == explained(wanted)
    assert peer.dump_rows() == wanted
    assert peer.dump_groups() == {group.number: encode_group(group) for group in pipeline_groups()}


def test_what_ovs_ofctl_prints_is_read_as_the_same_rows(ovs: DummyOvs, peer: OpenFlowPeer) -> None:
    random = Random(6)
    drawn = [random_row(random) for _ in range(400)]
    rows = {row.key: row for row in drawn if not any(map(misread, row.match))}
    push(peer, [*rows.values()], [])
    lines = [line for line in ovs.ofctl("dump-flows", "s1").splitlines() if "cookie=" in line]
    read = {(text.table, text.priority, text.match): text.cookie for text in (read_row(line, {}) for line in lines)}
    assert read == {key: cookie_of(row.origin) for key, row in rows.items()}


IPV4, IPV6, ARP = (FieldMatch(f.ETH_TYPE, eth_type) for eth_type in (0x0800, 0x86DD, 0x0806))
TRACKED = FieldMatch(f.CT_STATE, CtState.TRACKED, CtState.TRACKED)
VALID = FieldMatch(f.CT_STATE, CtState.TRACKED, CtState.TRACKED | CtState.INVALID)
INVALID = FieldMatch(f.CT_STATE, CtState.INVALID, CtState.INVALID)
REFUSED: dict[str, tuple[str, list[FieldMatch], tuple[Action, ...]]] = {
    "the connection of what may have none": ("OFPBMC_BAD_PREREQ", [IPV4, TRACKED, FieldMatch(f.CT_NW_PROTO, 6)], ()),
    "its IPv4 address in IPv6": ("OFPBAC_MATCH_INCONSISTENT", [IPV6, VALID, FieldMatch(f.CT_NW_DST, 1)], ()),
    "setting what tracking says": ("OFPBAC_BAD_SET_ARGUMENT", [], (SetField(f.CT_STATE, 0),)),
    "tracking ARP": ("OFPBAC_MATCH_INCONSISTENT", [ARP], (Track(1, 5),)),
    "committing what is invalid": ("OFPBAC_MATCH_INCONSISTENT", [IPV4, INVALID], (Track(1, 5, True),)),
    "an address without commit": ("OFPBAC_BAD_ARGUMENT", [IPV4], (Track(1, 5, nat=Nat(1)),)),
    "an IPv6 address for IPv4": ("OFPBAC_MATCH_INCONSISTENT", [IPV4], (Track(1, 5, True, Nat(1, is_six=True)),)),
    "the TTL of what has none": ("OFPBAC_MATCH_INCONSISTENT", [ARP], (DecTtl(),)),
    "an ARP operation of two bytes": ("OFPBAC_BAD_SET_ARGUMENT", [ARP], (SetField(f.ARP_OP, 256),)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_switch_refuses(peer: OpenFlowPeer, name: str) -> None:
    """The conditions that are documented with fields and actions are those of the switch."""
    code, conditions, actions = REFUSED[name]
    key, value = encode_row(Row(1, 1, match(*conditions), actions, None, ORIGIN))
    peer.send(messages.flow_add(peer.version, peer.xid(), key, value))
    assert [reply.code_name for reply in refusals(peer.until_barrier())] == [code]


def test_a_port_of_a_connection_without_its_protocol_is_left_out(peer: OpenFlowPeer) -> None:
    told = Row(1, 1, match(IPV4, VALID, FieldMatch(f.CT_TP_DST, 80)), (), None, ORIGIN)
    kept = Row(1, 1, match(IPV4, VALID), (), None, ORIGIN)
    peer.send(messages.flow_add(peer.version, peer.xid(), *encode_row(told)))
    assert peer.dump_rows() == dict([encode_row(kept)])


def test_ct_state_without_a_mask_comes_back_with_one(peer: OpenFlowPeer) -> None:
    told, kept = (Row(1, 1, match(FieldMatch(f.CT_STATE, 33, mask)), (), None, ORIGIN) for mask in (None, 0xFF))
    peer.send(messages.flow_add(peer.version, peer.xid(), *encode_row(told)))
    assert peer.dump_rows() == dict([encode_row(kept)])


def test_replacing_and_deleting(peer: OpenFlowPeer) -> None:
    kept, replaced, deleted = (Row(1, 100 + n, (), (Output(n),), None, ORIGIN) for n in (1, 2, 3))
    changed, gone = (Group(number, ((TO_EGRESS,),), ORIGIN) for number in (1, 2))
    push(peer, [kept, replaced, deleted], [changed, gone])
    key, value = encode_row(Row(1, 102, (), (PopVlan(),), 7, Origin(Subject.SWITCH, 3)))
    buckets = encode_group(Group(1, ((Output(1),), (Output(2),)), ORIGIN))
    inner = [
        messages.group_modify(peer.version, peer.xid(), 1, buckets),
        messages.flow_delete(peer.version, peer.xid(), encode_row(deleted)[0]),
        messages.group_delete(peer.version, peer.xid(), 2),
    ]
    assert refusals(peer.commit(inner)) == []
    assert peer.dump_groups() == {1: buckets}
    peer.send(messages.flow_add(peer.version, peer.xid(), key, value))
    assert [reply.code_name for reply in refusals(peer.until_barrier())] == ["OFPBAC_MATCH_INCONSISTENT"]
    value = encode_row(Row(1, 102, (), (), 7, Origin(Subject.SWITCH, 3)))[1]
    peer.send(messages.flow_add(peer.version, peer.xid(), key, value))
    assert refusals(peer.until_barrier()) == []
    assert peer.dump_rows() == dict([encode_row(kept), (key, value)])


def test_a_bundle_with_a_bad_row_installs_nothing_and_names_it(peer: OpenFlowPeer) -> None:
    good, bad = (encode_row(Row(1, 1, (), (action,), None, ORIGIN)) for action in (Output(1), ToGroup(99)))
    inner = [messages.flow_add(peer.version, peer.xid(), *item) for item in (good, bad)]
    bad_xid = replies.header(inner[1]).xid
    named, commit = refusals(peer.commit(inner))
    assert (named.xid, named.kind_name, named.code_name) == (bad_xid, "OFPET_BAD_ACTION", "OFPBAC_BAD_OUT_GROUP")
    assert messages.bundle_add(peer.version, peer.last_bundle, inner[1]).startswith(named.data)
    assert (commit.kind_name, commit.code_name) == ("OFPET_BUNDLE_FAILED", "OFPBFC_MSG_FAILED")
    assert peer.dump_rows() == {}


def test_a_discarded_bundle_installs_nothing(peer: OpenFlowPeer) -> None:
    row = encode_row(Row(1, 1, (), (Output(1),), None, ORIGIN))
    peer.send(messages.bundle_control(peer.version, peer.xid(), 5, BundleStep.OPEN_REQUEST))
    peer.send(messages.bundle_add(peer.version, 5, messages.flow_add(peer.version, peer.xid(), *row)))
    peer.send(messages.bundle_control(peer.version, peer.xid(), 5, BundleStep.DISCARD_REQUEST))
    assert steps(peer.until_barrier()) == [BundleStep.OPEN_REPLY, BundleStep.DISCARD_REPLY]
    assert peer.dump_rows() == {}


def test_a_foreign_row_is_seen_and_explained(ovs: DummyOvs, peer: OpenFlowPeer) -> None:
    ovs.ofctl("add-flow", "s1", "cookie=0x5,table=3,idle_timeout=600,importance=4,reg0=1,actions=output:2")
    ((key, value),) = peer.dump_rows().items()
    row, cookie = decode_row(key, value)
    assert (row_text(row), row.origin, cookie) == ("table=3,priority=32768,reg0=0x1,actions=output:2", FOREIGN, 5)
    assert encode_row(row)[1] != value
    ovs.ofctl("add-flow", "s1", "table=3,reg0=1,actions=NORMAL")
    ovs.ofctl("add-flow", "s1", "table=4,ip,nw_ecn=2,actions=drop")
    ovs.ofctl("add-flow", "s1", "table=5,actions=load:1->NXM_NX_REG0[0..3]")
    normal, congested, load = sorted(peer.dump_rows().items())
    assert decode_row(*normal)[0].actions == (Output(0xFFFFFFFA),)
    with pytest.raises(WireError, match="ip_ecn"):
        decode_row(*congested)
    with pytest.raises(WireError, match="load"):
        decode_row(*load)


def test_a_foreign_group_is_seen(ovs: DummyOvs, peer: OpenFlowPeer) -> None:
    ovs.ofctl("add-group", "s1", "group_id=3,type=all,bucket=actions=output:2,bucket=bucket_id:9,actions=output:3")
    ovs.ofctl("add-group", "s1", "group_id=4,type=select,bucket=weight:7,actions=output:2")
    found = peer.dump_groups()
    assert found[3] == encode_group(Group(3, ((Output(2),), (Output(3),)), ORIGIN))
    assert found[4] != encode_group(Group(4, ((Output(2),),), ORIGIN))
    with pytest.raises(WireError, match="select"):
        decode_group(4, found[4])


def test_ports_and_what_happens_to_them(ovs: DummyOvs, peer: OpenFlowPeer) -> None:
    assert Port(1, "p1", link_up=True, admin_up=True) in peer.dump_ports()
    ovs.ofctl("mod-port", "s1", "p2", "down")
    down = Port(2, "p2", link_up=False, admin_up=False)
    until_told(peer, PortReason.MODIFIED, down)
    assert down in peer.dump_ports()
    ovs.vsctl("del-port", "s1", "p2")
    until_told(peer, PortReason.DELETED, down)
    ovs.vsctl("add-port", "s1", "p4", "--", "set", "interface", "p4", "type=dummy", "ofport_request=9")
    until_told(peer, PortReason.ADDED, Port(9, "p4", link_up=True, admin_up=True))


def until_told(peer: OpenFlowPeer, reason: PortReason, port: Port) -> None:
    """Read reports until this one comes; `receive` gives up if it does not."""
    while replies.port_status(peer.receive()) != (reason, port):
        pass


def test_a_switch_that_knows_bundles_says_so(peer: OpenFlowPeer) -> None:
    peer.send(messages.bundle_probe(peer.version, 5, peer.xid(), peer.xid()))
    assert steps(peer.until_barrier()) == [BundleStep.OPEN_REPLY, BundleStep.DISCARD_REPLY]


def test_a_large_change_in_chunks(peer: OpenFlowPeer) -> None:
    """As one bundle, and as plain messages; both end at the same table."""
    wanted = [
        encode_row(Row(1, 7, match(FieldMatch(f.REG0, number)), (Output(1),), None, ORIGIN)) for number in range(9000)
    ]
    adds: list[changes.Step] = [(changes.Kind.ROW_ADD, *item) for item in wanted]
    deletes: list[changes.Step] = [(changes.Kind.ROW_DELETE, key, b"") for key, _ in wanted]
    for chunk in changes.bundle(peer.version, 5, adds, peer.xid(len(adds)), peer.xid(), peer.xid()):
        peer.send(chunk)
    assert steps(peer.until_barrier()) == [BundleStep.OPEN_REPLY, BundleStep.COMMIT_REPLY]
    assert peer.dump_rows() == dict(wanted)
    for chunk in changes.plain(peer.version, deletes[:-1], peer.xid(len(deletes))):
        peer.send(chunk)
    assert peer.until_barrier() == []
    assert peer.dump_rows() == dict(wanted[-1:])
