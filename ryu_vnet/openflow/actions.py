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

from ..compiler.fields import IN_PORT
from ..compiler.rows import (
    CONTROLLER_PORT,
    IN_PORT_PORT,
    Action,
    CheckLarger,
    Clone,
    Decap,
    DecMplsTtl,
    DecTtl,
    Encap,
    Meter,
    Move,
    Nat,
    Output,
    PacketType,
    PopVlan,
    PushVlan,
    Resubmit,
    SetField,
    SetMplsTtl,
    ToGroup,
    Track,
    Untrack,
)
from ..errors import WireError
from .oxm import decode_field, encode_field, field_header, field_of_header
from .wire import NICIRA, unpack

_OUTPUT, _SET_MPLS_TTL, _DEC_MPLS_TTL, _PUSH_VLAN, _POP_VLAN, _GROUP, _DEC_TTL, _SET_FIELD = (
    0,
    15,
    16,
    17,
    18,
    22,
    24,
    25,
)
_EXPERIMENTER = 0xFFFF
_NX_REG_MOVE, _NX_REG_LOAD, _NX_RESUBMIT_TABLE, _NX_CLONE, _NX_ENCAP, _NX_DECAP = 6, 7, 14, 42, 46, 47
_NX_CT, _NX_NAT, _NX_CT_CLEAR, _NX_CHECK_LARGER = 35, 36, 43, 49

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
_LAYOUT_LOAD = struct.Struct("!HHIHH4sQ")
_LAYOUT_RESUBMIT = struct.Struct("!HHIHHB3x")
_LAYOUT_CLONE = struct.Struct("!HHIH6x")
_LAYOUT_ENCAP = struct.Struct("!HHIHHI")
_LAYOUT_DECAP = struct.Struct("!HHIH2xI")

_LAYOUT_CT = struct.Struct("!HHIHHIHB3xH")
_LAYOUT_NAT = struct.Struct("!HHIH2xHH")
_LAYOUT_CT_CLEAR = struct.Struct("!HHIH6x")
_LAYOUT_CHECK_LARGER = struct.Struct("!HHIHHH4s6x")
_PORT_BITS = 16
"""Bits of a port's number in actions of Open vSwitch; a load names them as offset << 6 | bits - 1."""
_CT_COMMIT = 1
_NAT_SOURCE, _NAT_DESTINATION = 1, 2
_NAT_FOUR, _NAT_SIX, _NAT_FIRST_PORT, _NAT_LAST_PORT = 1, 4, 16, 32
"""What of a range is said: the first or only address, the first port, the last port (NX_NAT_RANGE_*)."""

_POP_VLAN_BYTES = _LAYOUT_PLAIN.pack(_POP_VLAN, 8)
_PUSH_VLAN_BYTES = _LAYOUT_PUSH.pack(_PUSH_VLAN, 8, _VLAN_TPID)
_DEC_MPLS_TTL_BYTES = _LAYOUT_PLAIN.pack(_DEC_MPLS_TTL, 8)
_DEC_TTL_BYTES = _LAYOUT_PLAIN.pack(_DEC_TTL, 8)
_CT_CLEAR_BYTES = _LAYOUT_CT_CLEAR.pack(_EXPERIMENTER, 16, NICIRA, _NX_CT_CLEAR)

_STANDARD_NAMES = {
    11: "copy_ttl_out",
    12: "copy_ttl_in",
    19: "push_mpls",
    20: "pop_mpls",
    21: "set_queue",
    23: "set_nw_ttl",
    26: "push_pbb",
    27: "pop_pbb",
}
_NX_NAMES = {
    1: "resubmit to this table",
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
    44: "resubmit with conntrack",
    45: "learn with limits",
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
    if action.field == IN_PORT:
        # A switch refuses the standard action for this field alone (OpenFlow 1.5.1, 7.2.6.7).
        header = field_header(IN_PORT)
        return _LAYOUT_LOAD.pack(_EXPERIMENTER, 24, NICIRA, _NX_REG_LOAD, _PORT_BITS - 1, header, action.value)
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


def _encode_dec_ttl(action: DecTtl) -> bytes:
    return _DEC_TTL_BYTES


def _encode_track(action: Track) -> bytes:
    nat = _encode_nat(action.nat) if action.nat is not None else b""
    flags = _CT_COMMIT if action.commit else 0
    length = _LAYOUT_CT.size + len(nat)
    return _LAYOUT_CT.pack(_EXPERIMENTER, length, NICIRA, _NX_CT, flags, 0, action.zone, action.table, 0) + nat


def _encode_nat(nat: Nat) -> bytes:
    flags, said, values = 0, 0, b""
    if nat.address is not None:
        flags = _NAT_SOURCE if nat.source else _NAT_DESTINATION
        said = _NAT_SIX if nat.is_six else _NAT_FOUR
        values = nat.address.to_bytes(16 if nat.is_six else 4, "big")
    if nat.ports is not None:
        said |= _NAT_FIRST_PORT | _NAT_LAST_PORT
        values += b"".join(port.to_bytes(2, "big") for port in nat.ports)
    length = _LAYOUT_NAT.size + len(values)
    padding = -length % 8
    return _LAYOUT_NAT.pack(_EXPERIMENTER, length + padding, NICIRA, _NX_NAT, flags, said) + values + bytes(padding)


def _encode_untrack(action: Untrack) -> bytes:
    return _CT_CLEAR_BYTES


def _encode_check_larger(action: CheckLarger) -> bytes:
    where = action.size, action.bit, field_header(action.target)
    return _LAYOUT_CHECK_LARGER.pack(_EXPERIMENTER, 24, NICIRA, _NX_CHECK_LARGER, *where)


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
    DecTtl: _encode_dec_ttl,
    Track: _encode_track,
    Untrack: _encode_untrack,
    CheckLarger: _encode_check_larger,
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
    if kind == _DEC_TTL:
        return DecTtl()
    raise WireError(f"action {_STANDARD_NAMES.get(kind, 'unknown')} (type {kind}) is not one that rows use")


def _decode_experimenter(data: bytes, depth: int) -> Action:
    _, _, experimenter, kind = unpack(_NX_HEAD, data, 0, "experimenter action")
    if experimenter != NICIRA:
        raise WireError(f"action of experimenter {experimenter:#010x} is not one that rows use")
    if kind == _NX_REG_MOVE:
        *_, bits, source_offset, target_offset, source, target = unpack(_LAYOUT_MOVE, data, 0, "move")
        return Move(field_of_header(source), field_of_header(target), bits, source_offset, target_offset)
    if kind == _NX_REG_LOAD:
        return _decode_load(data)
    if kind == _NX_RESUBMIT_TABLE:
        return Resubmit(unpack(_LAYOUT_RESUBMIT, data, 0, "resubmit")[5])
    if kind == _NX_CLONE:
        return Clone(_decode_actions(data[_LAYOUT_CLONE.size :], depth + 1))
    if kind == _NX_CT:
        return _decode_track(data)
    if kind == _NX_CT_CLEAR:
        return Untrack()
    if kind == _NX_CHECK_LARGER:
        *_, size, bit, target = unpack(_LAYOUT_CHECK_LARGER, data, 0, "check_pkt_larger")
        return CheckLarger(size, field_of_header(target), bit)
    if kind == _NX_ENCAP:
        return Encap(_packet_type(unpack(_LAYOUT_ENCAP, data, 0, "encap")[5]))
    if kind == _NX_DECAP:
        becomes = unpack(_LAYOUT_DECAP, data, 0, "decap")[4]
        return Decap(None if becomes == _NEXT_PROTOCOL else _packet_type(becomes))
    raise WireError(f"Open vSwitch action {_NX_NAMES.get(kind, 'unknown')} (type {kind}) is not one that rows use")


def _decode_load(data: bytes) -> SetField:
    *_, header, value = unpack(_LAYOUT_LOAD, data, 0, "load")
    if header != field_header(IN_PORT):
        raise WireError(f"Open vSwitch action load (type {_NX_REG_LOAD}) of another field than in_port")
    return SetField(IN_PORT, value)


def _decode_track(data: bytes) -> Track:
    *_, flags, _, zone, table, _ = unpack(_LAYOUT_CT, data, 0, "ct")
    nested = data[_LAYOUT_CT.size :]
    nat = _decode_nat(nested) if nested else None
    return Track(zone, table, bool(flags & _CT_COMMIT), nat)


def _decode_nat(data: bytes) -> Nat:
    kind, _, experimenter, subtype, flags, said = unpack(_LAYOUT_NAT, data, 0, "nat")
    if (kind, experimenter, subtype) != (_EXPERIMENTER, NICIRA, _NX_NAT):
        raise WireError(f"{data.hex()} inside ct is no nat action, which is the only one that rows use there")
    at, address, ports = _LAYOUT_NAT.size, None, None
    is_six = bool(said & _NAT_SIX)
    if said & (_NAT_FOUR | _NAT_SIX):
        size = 16 if is_six else 4
        address = int.from_bytes(data[at : at + size], "big")
        at += size
    if said & _NAT_FIRST_PORT:
        ports = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
    return Nat(address, is_six, address is None or bool(flags & _NAT_SOURCE), ports)


def _packet_type(number: int) -> PacketType:
    try:
        return PacketType(number)
    except ValueError as error:
        raise WireError(f"packet type ({number >> 16}, {number & 0xFFFF:#06x}) is not one that rows use") from error
