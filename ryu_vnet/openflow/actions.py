"""Actions as bytes, in the form in which Open vSwitch 3.1 gives them back in a dump, and back.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-------------------------------+-------------------------------+
    |             type              |            length             |  length: a multiple of 8, all included
    +-------------------------------+-------------------------------+
    |                 type 0xffff: experimenter                     |
    +-------------------------------+-------------------------------+
    |   experimenter's own type     |             ...               |
    +-------------------------------+-------------------------------+

Standard actions are those of OpenFlow 1.3.5, 7.2.5, the same in 1.4. The others are Open vSwitch's (NXAST_*:
ovs-actions(7), and the comments in its lib/ofp-actions.c), which have the experimenter number 0x00002320.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from ..compiler.rows import (
    CONTROLLER_PORT,
    IN_PORT_PORT,
    Action,
    Clone,
    Decap,
    DecMplsTtl,
    Encap,
    Meter,
    Move,
    Output,
    PacketType,
    PopVlan,
    PushVlan,
    Resubmit,
    SetField,
    SetMplsTtl,
    ToGroup,
)
from ..errors import WireError
from .oxm import decode_field, encode_field, field_header, field_of_header
from .wire import NICIRA, unpack

_OUTPUT, _SET_MPLS_TTL, _DEC_MPLS_TTL, _PUSH_VLAN, _POP_VLAN, _GROUP, _SET_FIELD = 0, 15, 16, 17, 18, 22, 25
_EXPERIMENTER = 0xFFFF
_NX_REG_MOVE, _NX_RESUBMIT_TABLE, _NX_CLONE, _NX_ENCAP, _NX_DECAP = 6, 14, 42, 46, 47

_VLAN_TPID = 0x8100
_NEXT_PROTOCOL = 0x0000FFFE
"""The packet type by which a decapsulation leaves it to the header to say what follows (OFPHTN_ONF, 0xfffe)."""
_SAME_PORT = IN_PORT_PORT & 0xFFFF
"""OFPP_IN_PORT in the 16 bits of a resubmit: look up with the port that the packet came in by."""
_DEEPEST = 16
"""Clones within clones that we decode; our own rows have one."""

_HEAD = struct.Struct("!HH")
_NX_HEAD = struct.Struct("!HHIH")
_LAYOUT_OUTPUT = struct.Struct("!HHIH6x")
_LAYOUT_GROUP = struct.Struct("!HHI")
_LAYOUT_PUSH = struct.Struct("!HHH2x")
_LAYOUT_TTL = struct.Struct("!HHB3x")
_LAYOUT_PLAIN = struct.Struct("!HH4x")
_LAYOUT_MOVE = struct.Struct("!HHIHHHH4s4s")
_LAYOUT_RESUBMIT = struct.Struct("!HHIHHB3x")
_LAYOUT_CLONE = struct.Struct("!HHIH6x")
_LAYOUT_ENCAP = struct.Struct("!HHIHHI")
_LAYOUT_DECAP = struct.Struct("!HHIH2xI")

_POP_VLAN_BYTES = _LAYOUT_PLAIN.pack(_POP_VLAN, 8)
_PUSH_VLAN_BYTES = _LAYOUT_PUSH.pack(_PUSH_VLAN, 8, _VLAN_TPID)
_DEC_MPLS_TTL_BYTES = _LAYOUT_PLAIN.pack(_DEC_MPLS_TTL, 8)

_STANDARD_NAMES = {
    11: "copy_ttl_out",
    12: "copy_ttl_in",
    19: "push_mpls",
    20: "pop_mpls",
    21: "set_queue",
    23: "set_nw_ttl",
    24: "dec_nw_ttl",
    26: "push_pbb",
    27: "pop_pbb",
}
_NX_NAMES = {
    1: "resubmit to this table",
    7: "load",
    8: "note",
    10: "multipath",
    12: "bundle",
    15: "output to register",
    16: "learn",
    17: "exit",
    18: "dec_ttl",
    19: "fin_timeout",
    20: "controller",
    21: "dec_ttl with identifiers",
    27: "stack push",
    28: "stack pop",
    29: "sample",
    33: "masked load",
    34: "conjunction",
    35: "ct",
    36: "nat",
    43: "ct_clear",
    44: "resubmit with conntrack",
    45: "learn with limits",
    49: "check_pkt_larger",
}
"""Names of actions that other programs use and we do not, so that an error can say what was found."""


def encode_actions(actions: tuple[Action, ...]) -> bytes:
    """A list of actions, one after the other. Raises struct.error or OverflowError for values that do not fit, and
    WireError for a meter, which is none on the wire."""
    return b"".join([_ENCODERS[type(action)](action) for action in actions])


def _encode_output(action: Output) -> bytes:
    return _LAYOUT_OUTPUT.pack(_OUTPUT, 16, action.port, action.max_len)


def _encode_meter(action: Meter) -> bytes:
    # Before 1.5 there is no action for it, only an instruction of the whole row.
    raise WireError(f"meter {action.number} stands behind other actions, or in a group or clone: it can be first only")


def _encode_group(action: ToGroup) -> bytes:
    return _LAYOUT_GROUP.pack(_GROUP, 8, action.group)


def _encode_set_field(action: SetField) -> bytes:
    field = encode_field(action.field, action.value)
    padding = -(4 + len(field)) % 8
    return _HEAD.pack(_SET_FIELD, 4 + len(field) + padding) + field + bytes(padding)


def _encode_move(action: Move) -> bytes:
    source, target = field_header(action.source), field_header(action.target)
    offsets = (action.bits, action.source_offset, action.target_offset)
    return _LAYOUT_MOVE.pack(_EXPERIMENTER, 24, NICIRA, _NX_REG_MOVE, *offsets, source, target)


def _encode_push_vlan(action: PushVlan) -> bytes:
    return _PUSH_VLAN_BYTES


def _encode_pop_vlan(action: PopVlan) -> bytes:
    return _POP_VLAN_BYTES


def _encode_encap(action: Encap) -> bytes:
    return _LAYOUT_ENCAP.pack(_EXPERIMENTER, 16, NICIRA, _NX_ENCAP, 0, action.header.value)


def _encode_decap(action: Decap) -> bytes:
    becomes = _NEXT_PROTOCOL if action.becomes is None else action.becomes.value
    return _LAYOUT_DECAP.pack(_EXPERIMENTER, 16, NICIRA, _NX_DECAP, becomes)


def _encode_set_mpls_ttl(action: SetMplsTtl) -> bytes:
    return _LAYOUT_TTL.pack(_SET_MPLS_TTL, 8, action.ttl)


def _encode_dec_mpls_ttl(action: DecMplsTtl) -> bytes:
    return _DEC_MPLS_TTL_BYTES


def _encode_resubmit(action: Resubmit) -> bytes:
    return _LAYOUT_RESUBMIT.pack(_EXPERIMENTER, 16, NICIRA, _NX_RESUBMIT_TABLE, _SAME_PORT, action.table)


def _encode_clone(action: Clone) -> bytes:
    inner = encode_actions(action.actions)
    return _LAYOUT_CLONE.pack(_EXPERIMENTER, _LAYOUT_CLONE.size + len(inner), NICIRA, _NX_CLONE) + inner


_ENCODERS: dict[type[Any], Callable[[Any], bytes]] = {
    Output: _encode_output,
    Meter: _encode_meter,
    ToGroup: _encode_group,
    SetField: _encode_set_field,
    Move: _encode_move,
    PushVlan: _encode_push_vlan,
    PopVlan: _encode_pop_vlan,
    Encap: _encode_encap,
    Decap: _encode_decap,
    SetMplsTtl: _encode_set_mpls_ttl,
    DecMplsTtl: _encode_dec_mpls_ttl,
    Resubmit: _encode_resubmit,
    Clone: _encode_clone,
}


def decode_actions(data: bytes) -> tuple[Action, ...]:
    """The actions that fill `data`.

    Raises WireError for an action that we do not write ourselves, or one of ours with anything in it that we never
    write: what is not fully understood must not be taken for something harmless.
    """
    return _decode_actions(data, 0)


def _decode_actions(data: bytes, depth: int) -> tuple[Action, ...]:
    if depth > _DEEPEST:
        raise WireError(f"more than {_DEEPEST} clones within each other")
    actions = []
    at = 0
    while at < len(data):
        _, length = unpack(_HEAD, data, at, "action")
        if length < 8 or length % 8 or at + length > len(data):
            raise WireError(f"action of {length} bytes where {len(data) - at} are left; wanted: a multiple of 8")
        actions.append(_decode_action(data[at : at + length], depth))
        at += length
    return tuple(actions)


def _decode_action(data: bytes, depth: int) -> Action:
    kind = int.from_bytes(data[:2], "big")
    action = _decode_experimenter(data, depth) if kind == _EXPERIMENTER else _decode_standard(kind, data)
    if _ENCODERS[type(action)](action) != data:
        raise WireError(f"{action} does not say all that is in {data.hex()}")
    return action


def _decode_standard(kind: int, data: bytes) -> Action:
    if kind == _OUTPUT:
        _, _, port, most = unpack(_LAYOUT_OUTPUT, data, 0, "output")
        return Output(port, most if port == CONTROLLER_PORT else 0)
    if kind == _GROUP:
        return ToGroup(unpack(_LAYOUT_GROUP, data, 0, "group")[2])
    if kind == _SET_FIELD:
        return SetField(*decode_field(data[_HEAD.size :]))
    if kind == _PUSH_VLAN:
        return PushVlan()
    if kind == _POP_VLAN:
        return PopVlan()
    if kind == _SET_MPLS_TTL:
        return SetMplsTtl(unpack(_LAYOUT_TTL, data, 0, "set_mpls_ttl")[2])
    if kind == _DEC_MPLS_TTL:
        return DecMplsTtl()
    raise WireError(f"action {_STANDARD_NAMES.get(kind, 'unknown')} (type {kind}) is not one that rows use")


def _decode_experimenter(data: bytes, depth: int) -> Action:
    _, _, experimenter, kind = unpack(_NX_HEAD, data, 0, "experimenter action")
    if experimenter != NICIRA:
        raise WireError(f"action of experimenter {experimenter:#010x} is not one that rows use")
    if kind == _NX_REG_MOVE:
        *_, bits, source_offset, target_offset, source, target = unpack(_LAYOUT_MOVE, data, 0, "move")
        return Move(field_of_header(source), field_of_header(target), bits, source_offset, target_offset)
    if kind == _NX_RESUBMIT_TABLE:
        return Resubmit(unpack(_LAYOUT_RESUBMIT, data, 0, "resubmit")[5])
    if kind == _NX_CLONE:
        return Clone(_decode_actions(data[_LAYOUT_CLONE.size :], depth + 1))
    if kind == _NX_ENCAP:
        return Encap(_packet_type(unpack(_LAYOUT_ENCAP, data, 0, "encap")[5]))
    if kind == _NX_DECAP:
        becomes = unpack(_LAYOUT_DECAP, data, 0, "decap")[4]
        return Decap(None if becomes == _NEXT_PROTOCOL else _packet_type(becomes))
    raise WireError(f"Open vSwitch action {_NX_NAMES.get(kind, 'unknown')} (type {kind}) is not one that rows use")


def _packet_type(number: int) -> PacketType:
    try:
        return PacketType(number)
    except ValueError as error:
        raise WireError(f"packet type ({number >> 16}, {number & 0xFFFF:#06x}) is not one that rows use") from error
