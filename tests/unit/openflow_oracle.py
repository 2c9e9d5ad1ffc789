"""Ryu's classes as an oracle: from rows and groups to their messages, and from bytes to what Ryu reads."""

from __future__ import annotations

import struct
import sys
from importlib import import_module
from typing import Any

import pytest
from hypothesis import strategies as st

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
    Meter,
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
from ryu_vnet.openflow.wire import Version

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
            case Output(port, most):
                return parser.OFPActionOutput(port, most)
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
        meters = [action for action in row.actions if isinstance(action, Meter)]
        made += [self.parser.OFPInstructionMeter(meter.number) for meter in meters]
        if len(row.actions) > len(meters):
            actions = [self.action(action) for action in row.actions[len(meters) :]]
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
        watched = group.watch or (self.ofp.OFPP_ANY,) * len(group.buckets)
        buckets = [
            self.parser.OFPBucket(watch_port=port, actions=[self.action(a) for a in actions])
            for actions, port in zip(group.buckets, watched, strict=True)
        ]
        kind = self.ofp.OFPGT_FF if group.watch else self.ofp.OFPGT_ALL
        return self.parser.OFPGroupMod(self.datapath, command, kind, group.number, buckets)

    def read(self, name: str, message: bytes) -> Any:
        """A message as Ryu's parser understands it, whichever side sends it."""
        version, kind, length, xid = struct.unpack_from("!BBHI", message)
        return getattr(self.parser, name).parser(self.datapath, version, kind, length, xid, message)

    def bytes_of_match(self, match: Any) -> bytes:
        buffer = bytearray()
        match.serialize(buffer, 0)
        return bytes(buffer)

    def bytes_of_instructions(self, instructions: list[Any]) -> bytes:
        buffer = bytearray()
        for instruction in instructions:
            instruction.serialize(buffer, len(buffer))
        return bytes(buffer)


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
