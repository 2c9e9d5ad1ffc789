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
    CheckLarger,
    Clone,
    Decap,
    DecMplsTtl,
    DecTtl,
    Encap,
    FieldMatch,
    Group,
    Meter,
    Move,
    Nat,
    Output,
    PopVlan,
    PushVlan,
    Resubmit,
    Row,
    SetField,
    SetMplsTtl,
    ToGroup,
    Track,
    Untrack,
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
            case SetField(field, value) if field is f.IN_PORT:
                return parser.NXActionRegLoad(15, "in_port_nxm", value)
            case SetField(field, value):
                return parser.OFPActionSetField(**{ryu_name(field): user_value(field, value)})
            case Move(source, target, bits, source_offset, target_offset):
                names = (ryu_name_in_moves(field) for field in (source, target))
                return parser.NXActionRegMove(*names, bits, source_offset, target_offset)
            case PushVlan():
                return parser.OFPActionPushVlan(0x8100)
            case PopVlan():
                return parser.OFPActionPopVlan()
            case SetMplsTtl(ttl):
                return parser.OFPActionSetMplsTtl(ttl)
            case DecMplsTtl():
                return parser.OFPActionDecMplsTtl()
            case DecTtl():
                return parser.OFPActionDecNwTtl()
            case Untrack():
                return parser.NXActionCTClear()
            case Track(zone, table, commit, nat):
                nested = [] if nat is None else [self.nat(nat)]
                return parser.NXActionCT(int(commit), "", zone, table, 0, nested)
            case Resubmit(table):
                return parser.NXActionResubmitTable(0xFFF8, table)
            case _:
                raise AssertionError(f"Ryu has no class for {action}")

    def nat(self, nat: Nat) -> Any:
        given: dict[str, Any] = {}
        if nat.address is not None:
            field = f.IPV6_SRC if nat.is_six else f.IPV4_SRC
            given[f"range_ipv{6 if nat.is_six else 4}_min"] = user_value(field, nat.address)
        if nat.ports is not None:
            given["range_proto_min"], given["range_proto_max"] = nat.ports
        flags = 0 if nat.address is None else 1 if nat.source else 2
        return self.parser.NXActionNAT(flags, **given)

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


_RYU_NAMES = {
    **{name: f"ipv6_{name}" for name in ("nd_target", "nd_sll", "nd_tll")},
    "ip_ttl": "nw_ttl",
    "tun_id": "tunnel_id",
    "tun_src": "tun_ipv4_src",
    "tun_dst": "tun_ipv4_dst",
}
_RYU_NAMES_IN_MOVES = {
    **{f"nd_{name}": f"nd_{name}" for name in ("target", "sll", "tll")},
    "tun_id": "tunnel_id_nxm",
    **{f"{name}_src": f"{name}_src_nxm" for name in ("eth", "ipv4", "ipv6")},
    **{f"{name}_dst": f"{name}_dst_nxm" for name in ("eth", "ipv4", "ipv6")},
    **{name: f"{name}_nxm" for name in ("arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha")},
}


def ryu_name(field: Field) -> str:
    """Ryu calls Open vSwitch's older headers nd_target, nd_sll and nd_tll, and the standard ones otherwise."""
    return _RYU_NAMES.get(field.name, field.name)


def ryu_name_in_moves(field: Field) -> str:
    """In moves a dump has the older headers."""
    return _RYU_NAMES_IN_MOVES.get(field.name) or ryu_name(field)


def user_value(field: Field, value: int) -> Any:
    """A value as Ryu wants to be told it: addresses as text."""
    if field.bits == 48:
        return value.to_bytes(6, "big").hex(":")
    if field.name in ("ipv4_src", "ipv4_dst", "arp_spa", "arp_tpa", "tun_src", "tun_dst"):
        return ".".join(str(byte) for byte in value.to_bytes(4, "big"))
    if field.bits == 128:
        digits = value.to_bytes(16, "big").hex()
        return ":".join(digits[at : at + 4] for at in range(0, 32, 4))
    return value


def value_and_mask(condition: FieldMatch) -> Any:
    value = user_value(condition.field, condition.value)
    return value if condition.mask is None else (value, user_value(condition.field, condition.mask))


_UNKNOWN_FIELDS = (f.PACKET_TYPE, f.ND_RESERVED, f.ND_OPTIONS_TYPE, f.CT_NW_DST, f.CT_NW_PROTO, f.CT_TP_DST)


def known_to_ryu(row: Row) -> Row:
    """The row without what Ryu has no class for: encapsulation, clones, sizes, packet types, and some other fields."""
    actions = tuple(
        action
        for action in row.actions
        if not isinstance(action, Encap | Decap | Clone | CheckLarger)
        and not (isinstance(action, SetField) and action.field in _UNKNOWN_FIELDS)
    )
    conditions = tuple(condition for condition in row.match if condition.field not in _UNKNOWN_FIELDS)
    return Row(row.table, row.priority, conditions, actions, row.goto, row.origin)
