"""Our bytes against those of Ryu's classes, wherever Ryu has the class, in both versions."""

from __future__ import annotations

import struct
import sys
from importlib import import_module
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from legal_rows import random_group, random_row

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.fields import Field
from ryu_vnet.compiler.rows import (
    Action,
    Clone,
    Decap,
    DecMplsTtl,
    Encap,
    FieldMatch,
    Group,
    Move,
    Output,
    PopVlan,
    PushVlan,
    Resubmit,
    Row,
    SetField,
    SetMplsTtl,
    ToGroup,
    cookie_of,
)
from ryu_vnet.compiler.text import row_text
from ryu_vnet.openflow import messages, replies
from ryu_vnet.openflow.error_names import error_names
from ryu_vnet.openflow.rows import FOREIGN, encode_group, encode_row
from ryu_vnet.openflow.wire import BundleStep, Version

FRAMEWORK = "ryu" if sys.version_info < (3, 12) else "os_ken"
ProtocolDesc: Any = import_module(f"{FRAMEWORK}.ofproto.ofproto_protocol").ProtocolDesc

XID = 0x1234_5678
BUNDLE = 77
VERSIONS = pytest.mark.parametrize("version", list(Version), ids=lambda version: version.name)
RANDOMS = st.randoms(use_true_random=False)


class Oracle:
    """Ryu's classes for one version."""

    def __init__(self, version: Version) -> None:
        self.datapath = ProtocolDesc(version=version)
        self.ofp: Any = self.datapath.ofproto
        self.parser: Any = self.datapath.ofproto_parser

    def bytes_of(self, message: Any, xid: int = XID) -> bytes:
        message.set_xid(xid)
        message.serialize()
        return bytes(message.buf)

    def match(self, row: Row) -> Any:
        return self.parser.OFPMatch(_ordered_fields=[(ryu_name(c.field), value_and_mask(c)) for c in row.match])

    def action(self, action: Action) -> Any:
        parser = self.parser
        match action:
            case Output(port):
                return parser.OFPActionOutput(port, 0)
            case ToGroup(group):
                return parser.OFPActionGroup(group)
            case SetField(field, value):
                return parser.OFPActionSetField(**{field.name: user_value(field, value)})
            case Move(source, target, bits, source_offset, target_offset):
                return parser.NXActionRegMove(source.name, target.name, bits, source_offset, target_offset)
            case PushVlan():
                return parser.OFPActionPushVlan(0x8100)
            case PopVlan():
                return parser.OFPActionPopVlan()
            case SetMplsTtl(ttl):
                return parser.OFPActionSetMplsTtl(ttl)
            case DecMplsTtl():
                return parser.OFPActionDecMplsTtl()
            case Resubmit(table):
                return parser.NXActionResubmitTable(0xFFF8, table)
            case _:
                raise AssertionError(f"Ryu has no class for {action}")

    def instructions(self, row: Row) -> list[Any]:
        made: list[Any] = []
        if row.actions:
            actions = [self.action(action) for action in row.actions]
            made.append(self.parser.OFPInstructionActions(self.ofp.OFPIT_APPLY_ACTIONS, actions))
        if row.goto is not None:
            made.append(self.parser.OFPInstructionGotoTable(row.goto))
        return made

    def flow_mod(self, row: Row, **overrides: Any) -> Any:
        settings = {
            "cookie": cookie_of(row.origin),
            "table_id": row.table,
            "command": self.ofp.OFPFC_ADD,
            "priority": row.priority,
            "buffer_id": self.ofp.OFP_NO_BUFFER,
            "out_port": self.ofp.OFPP_ANY,
            "out_group": self.ofp.OFPG_ANY,
            "match": self.match(row),
            "instructions": self.instructions(row),
        }
        return self.parser.OFPFlowMod(self.datapath, **{**settings, **overrides})

    def group_mod(self, command: int, group: Group) -> Any:
        buckets = [self.parser.OFPBucket(actions=[self.action(a) for a in actions]) for actions in group.buckets]
        return self.parser.OFPGroupMod(self.datapath, command, self.ofp.OFPGT_ALL, group.number, buckets)


def ryu_name(field: Field) -> str:
    """Ryu calls Open vSwitch's older headers nd_target, nd_sll and nd_tll, and the standard ones so."""
    return f"ipv6_{field.name}" if field.name.startswith("nd_") else field.name


def user_value(field: Field, value: int) -> Any:
    """A value as Ryu wants to be told it: addresses as text."""
    if field.bits == 48:
        return value.to_bytes(6, "big").hex(":")
    if field.name in ("ipv4_src", "ipv4_dst", "arp_spa"):
        return ".".join(str(byte) for byte in value.to_bytes(4, "big"))
    if field.bits == 128:
        digits = value.to_bytes(16, "big").hex()
        return ":".join(digits[at : at + 4] for at in range(0, 32, 4))
    return value


def value_and_mask(condition: FieldMatch) -> Any:
    value = user_value(condition.field, condition.value)
    return value if condition.mask is None else (value, user_value(condition.field, condition.mask))


def known_to_ryu(row: Row) -> Row:
    """The row without what Ryu has no class for: encapsulation, clones, packet types."""
    actions = tuple(action for action in row.actions if not isinstance(action, Encap | Decap | Clone))
    conditions = tuple(condition for condition in row.match if condition.field is not f.PACKET_TYPE)
    return Row(row.table, row.priority, conditions, actions, row.goto, row.origin)


@VERSIONS
@given(random=RANDOMS)
def test_flow_mods(version: Version, random: Random) -> None:
    oracle = Oracle(version)
    row = known_to_ryu(random_row(random, groups=(1, 2)))
    key, value = encode_row(row)
    assert messages.flow_add(version, XID, key, value) == oracle.bytes_of(oracle.flow_mod(row)), row_text(row)
    deletion = oracle.flow_mod(row, command=oracle.ofp.OFPFC_DELETE_STRICT, cookie=0, instructions=[])
    assert messages.flow_delete(version, XID, key) == oracle.bytes_of(deletion)


@VERSIONS
@given(random=RANDOMS)
def test_group_mods(version: Version, random: Random) -> None:
    oracle = Oracle(version)
    group = random_group(random, number=random.randrange(1, 1 << 24))
    value = encode_group(group)
    for command, ours in ((oracle.ofp.OFPGC_ADD, messages.group_add), (oracle.ofp.OFPGC_MODIFY, messages.group_modify)):
        assert ours(version, XID, group.number, value) == oracle.bytes_of(oracle.group_mod(command, group))
    deletion = oracle.group_mod(oracle.ofp.OFPGC_DELETE, Group(group.number, (), group.origin))
    assert messages.group_delete(version, XID, group.number) == oracle.bytes_of(deletion)


@VERSIONS
def test_emptying_a_switch(version: Version) -> None:
    oracle = Oracle(version)
    everything = Row(oracle.ofp.OFPTT_ALL, 0, (), (), None, FOREIGN)
    rows = oracle.flow_mod(everything, command=oracle.ofp.OFPFC_DELETE, cookie=0, instructions=[])
    assert messages.all_flows_delete(version, XID) == oracle.bytes_of(rows)
    groups = oracle.group_mod(oracle.ofp.OFPGC_DELETE, Group(oracle.ofp.OFPG_ALL, (), FOREIGN))
    assert messages.all_groups_delete(version, XID) == oracle.bytes_of(groups)


@VERSIONS
def test_requests(version: Version) -> None:
    oracle = Oracle(version)
    parser, ofp, datapath = oracle.parser, oracle.ofp, oracle.datapath
    flows = parser.OFPFlowStatsRequest(datapath, 0, ofp.OFPTT_ALL, ofp.OFPP_ANY, ofp.OFPG_ANY, 0, 0, parser.OFPMatch())
    assert messages.barrier(version, XID) == oracle.bytes_of(parser.OFPBarrierRequest(datapath))
    assert messages.all_flows(version, XID) == oracle.bytes_of(flows)
    assert messages.all_groups(version, XID) == oracle.bytes_of(parser.OFPGroupDescStatsRequest(datapath, 0))
    assert messages.all_ports(version, XID) == oracle.bytes_of(parser.OFPPortDescStatsRequest(datapath, 0))


@VERSIONS
def test_a_bundle(version: Version) -> None:
    oracle = Oracle(version)
    control, add = {
        Version.OF13: ("ONFBundleCtrlMsg", "ONFBundleAddMsg"),
        Version.OF14: ("OFPBundleCtrlMsg", "OFPBundleAddMsg"),
    }[version]

    def step(kind: BundleStep, xid: int) -> bytes:
        message = getattr(oracle.parser, control)(oracle.datapath, BUNDLE, kind, 3, [])
        return oracle.bytes_of(message, xid)

    random = Random(1)
    rows = [known_to_ryu(random_row(random)) for _ in range(3)]
    inner = [messages.flow_add(version, XID + at, *encode_row(row)) for at, row in enumerate(rows)]
    wrapped = [
        oracle.bytes_of(getattr(oracle.parser, add)(oracle.datapath, BUNDLE, 3, oracle.flow_mod(row), []), XID + at)
        for at, row in enumerate(rows)
    ]
    expected = step(BundleStep.OPEN_REQUEST, 8) + b"".join(wrapped) + step(BundleStep.COMMIT_REQUEST, 9)
    assert messages.in_bundle(version, BUNDLE, inner, open_xid=8, commit_xid=9) == expected
    discard = messages.bundle_control(version, 10, BUNDLE, BundleStep.DISCARD_REQUEST)
    assert discard == step(BundleStep.DISCARD_REQUEST, 10)


@VERSIONS
@given(random=RANDOMS)
def test_a_dump_that_ryu_reads_says_what_we_read(version: Version, random: Random) -> None:
    """Ryu has no writer for flow statistics, so here Ryu reads what is then split by us."""
    oracle = Oracle(version)
    rows = [known_to_ryu(random_row(random)) for _ in range(3)]
    body = b"".join(flow_entry(*encode_row(row), packets=at, octets=at * 60) for at, row in enumerate(rows))
    message = struct.pack("!BBHIHH4x", version, 19, 16 + len(body), XID, 1, 1) + body
    assert replies.multipart(message) == (1, True)
    found = list(replies.flows(message))
    assert found == [(*encode_row(row), at, at * 60) for at, row in enumerate(rows)]
    theirs = oracle.parser.OFPFlowStatsReply.parser(oracle.datapath, version, 19, len(message), XID, message)
    for row, entry in zip(rows, theirs.body, strict=True):
        assert (entry.table_id, entry.priority, entry.cookie) == (row.table, row.priority, cookie_of(row.origin))
        assert [type(i) for i in entry.instructions] == [type(i) for i in oracle.instructions(row)]


def flow_entry(key: bytes, value: bytes, packets: int, octets: int) -> bytes:
    """One entry of flow statistics (OpenFlow 1.4.1, 7.3.5.2), up for seven seconds."""
    table, priority, match, instructions = key[:1], key[2:4], key[4:], value[16:]
    counters = struct.pack("!QQ", packets, octets)
    head = table + b"\0" + struct.pack("!II", 7, 42) + priority + value[:8] + b"\0\0" + value[8:16]
    rest = head + counters + match + instructions
    return struct.pack("!H", 2 + len(rest)) + rest


@VERSIONS
def test_names_of_errors(version: Version) -> None:
    ofp = Oracle(version).ofp
    kinds = {value: name for name, value in vars(ofp).items() if name.startswith("OFPET_")}
    codes_by_prefix: dict[str, dict[str, int]] = {}
    for name, value in vars(ofp).items():
        codes_by_prefix.setdefault(name.partition("_")[0], {})[name] = value
    checked = 0
    for kind in range(18 if version == Version.OF14 else 14):
        kind_name, first_code = error_names(kind, 0)
        assert kind_name == kinds[kind]
        for code_name, code in codes_by_prefix[first_code.partition("_")[0]].items():
            assert error_names(kind, code) == (kind_name, code_name)
            checked += 1
    assert checked > 90


def test_names_of_bundle_errors_in_of13() -> None:
    names = {name: value for name, value in vars(Oracle(Version.OF13).ofp).items() if name.startswith("ONFERR_ET_")}
    assert error_names(0xFFFF, names["ONFERR_ET_BUNDLE_IN_PROGRESS"], 0x4F4E4600)[1] == "OFPBFC_BUNDLE_IN_PROGRESS"
    assert error_names(0xFFFF, names["ONFERR_ET_BAD_ID"], 0x4F4E4600) == ("OFPET_BUNDLE_FAILED", "OFPBFC_BAD_ID")
    assert error_names(0xFFFF, 5, 0x2320) == ("OFPET_EXPERIMENTER", "error 5 of Open vSwitch")
    assert error_names(99, 5) == ("type 99", "code 5")
