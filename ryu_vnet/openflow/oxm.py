"""Matches and single fields as OXM, the OpenFlow Extensible Match (1.3.5, 7.2.3.2).

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-------------------------------+-------------+-+---------------+
    |             class             |    field    |M|    length     |  then the value and, where M is 1, the mask
    +-------------------------------+-------------+-+---------------+

Class 0x8000 holds the fields of the specification, class 1 Open vSwitch's own, registers above all, class 0 what was
in Open vSwitch before OXM, class 0x1000 some of Ericsson's (nicira-ext.h, meta-flow.h; ovs-fields(7)).
`length` counts value and mask, in bytes.

A match is `type` (16 bits, 1 = OXM), `length` (16 bits, without the padding), the fields, and zeros up to the next
multiple of 8 bytes (7.2.3.1).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ..compiler.fields import FIELDS, Field
from ..compiler.rows import FieldMatch, Match, match
from ..errors import WireError
from .wire import unpack

_BASIC_CLASS = 0x8000
_EXTENDED_CLASS = 0x0001
_OLD_CLASS = 0x0000
_ERICSSON_CLASS = 0x1000

_BASIC_NAMES = (
    "in_port in_phy_port metadata eth_dst eth_src eth_type vlan_vid vlan_pcp ip_dscp ip_ecn ip_proto ipv4_src ipv4_dst "
    "tcp_src tcp_dst udp_src udp_dst sctp_src sctp_dst icmpv4_type icmpv4_code arp_op arp_spa arp_tpa arp_sha arp_tha "
    "ipv6_src ipv6_dst ipv6_flabel icmpv6_type icmpv6_code nd_target nd_sll nd_tll mpls_label mpls_tc mpls_bos "
    "pbb_isid tun_id ipv6_exthdr unassigned pbb_uca tcp_flags actset_output packet_type"
)
"""The fields of class 0x8000 by their numbers, counted from 0 (1.3.5 table 11, 1.4.1 table 15, 1.5.1 table 13)."""

_PLACES = {
    **{name: (_BASIC_CLASS, number) for number, name in enumerate(_BASIC_NAMES.split())},
    **{f"reg{number}": (_EXTENDED_CLASS, number) for number in range(16)},
    "ip_frag": (_EXTENDED_CLASS, 26),
    "ip_ttl": (_EXTENDED_CLASS, 29),
    "tun_src": (_EXTENDED_CLASS, 31),
    "tun_dst": (_EXTENDED_CLASS, 32),
    "ct_state": (_EXTENDED_CLASS, 105),
    "tun_ipv6_src": (_EXTENDED_CLASS, 109),
    "tun_ipv6_dst": (_EXTENDED_CLASS, 110),
    "ct_nw_proto": (_EXTENDED_CLASS, 119),
    "ct_nw_dst": (_EXTENDED_CLASS, 121),
    "ct_tp_dst": (_EXTENDED_CLASS, 125),
    "vlan_tci": (_OLD_CLASS, 4),
    "nd_reserved": (_ERICSSON_CLASS, 1),
    "nd_options_type": (_ERICSSON_CLASS, 2),
}
"""Class and number of each field; those that we do not use are here so that an error can name them."""

_OLD_NAMES = (
    "in_port eth_dst eth_src eth_type vlan_tci ip_tos ip_proto ipv4_src ipv4_dst tcp_src tcp_dst udp_src udp_dst "
    "icmpv4_type icmpv4_code arp_op arp_spa arp_tpa"
)
"""The fields of class 0 by their numbers, counted from 0 (nicira-ext.h; NXM_OF_* in ovs-fields(7))."""
_EXTENDED_NAMES = "tun_id arp_sha arp_tha ipv6_src ipv6_dst icmpv6_type icmpv6_code nd_target nd_sll nd_tll"
"""The same of class 1, counted from 16."""
_PLACES_IN_ACTIONS = {
    **_PLACES,
    **{name: (_OLD_CLASS, number) for number, name in enumerate(_OLD_NAMES.split())},
    **{name: (_EXTENDED_CLASS, number) for number, name in enumerate(_EXTENDED_NAMES.split(), 16)},
}
"""Class and number by which Open vSwitch names a field in actions of its own: the oldest that it has."""
_NAMES = {place: name for name, place in (*_PLACES_IN_ACTIONS.items(), *_PLACES.items())}
_EXPERIMENTER_CLASS = 0xFFFF
_ONF = b"ONF\0"
"""The experimenter number of the Open Networking Foundation, which stands behind the header of its fields."""
_ONF_FIELDS = {"tcp_flags": 42}


@dataclass(frozen=True, slots=True)
class _Codec:
    """How one field is written: its two headers, and the bytes of its value."""

    field: Field
    exact: bytes
    masked: bytes
    size: int


_HEADER = struct.Struct("!HBB")
_SIZES = (1, 2, 4, 6, 8, 16)
"""Bytes that a value may have: that of a narrower field stands in the low bits of the next of these."""
_MATCH_HEAD = struct.Struct("!HH")
_OXM_MATCH = 1


def _size(field: Field) -> int:
    return next(size for size in _SIZES if size * 8 >= field.bits)


def _codec(field: Field) -> _Codec:
    size = _size(field)
    onf = _ONF_FIELDS.get(field.name)
    if onf is not None:
        exact = _HEADER.pack(_EXPERIMENTER_CLASS, onf << 1, len(_ONF) + size) + _ONF
        masked = _HEADER.pack(_EXPERIMENTER_CLASS, onf << 1 | 1, len(_ONF) + 2 * size) + _ONF
        return _Codec(field, exact, masked, size)
    oxm_class, number = _PLACES[field.name]
    exact = _HEADER.pack(oxm_class, number << 1, size)
    masked = _HEADER.pack(oxm_class, number << 1 | 1, 2 * size)
    return _Codec(field, exact, masked, size)


_BY_NAME = {field.name: _codec(field) for field in FIELDS}
_BY_HEADER = {codec.exact: codec for codec in _BY_NAME.values()}
_BY_MASKED_HEADER = {codec.masked: codec for codec in _BY_NAME.values()}
_SIZES_IN_ACTIONS = {"in_port": 2}
"""Where the older form of a field has another number of bytes: a port has 16 bits there, as in OpenFlow 1.0."""


def _header_in_actions(field: Field) -> bytes:
    field_class, number = _PLACES_IN_ACTIONS[field.name]
    return _HEADER.pack(field_class, number << 1, _SIZES_IN_ACTIONS.get(field.name) or _size(field))


_HEADERS_IN_ACTIONS = {field.name: _header_in_actions(field) for field in FIELDS}
_BY_HEADER_IN_ACTIONS = {_HEADERS_IN_ACTIONS[field.name]: field for field in FIELDS}


def field_header(field: Field) -> bytes:
    """The 4-byte header that names a whole field in Open vSwitch's own actions, where a dump has the oldest one that
    there is: NXM_OF_IP_SRC, though a match and a standard action have OXM_OF_IPV4_SRC."""
    return _HEADERS_IN_ACTIONS[field.name]


def field_of_header(header: bytes) -> Field:
    """The field that such a header names. Raises WireError, with its name, for one we do not use."""
    field = _BY_HEADER_IN_ACTIONS.get(header)
    if field is None:
        raise WireError(f"field {_name(header)} is not one that rows use")
    return field


def encode_field(field: Field, value: int) -> bytes:
    """Header and value of one field, without padding."""
    codec = _BY_NAME[field.name]
    return codec.exact + value.to_bytes(codec.size, "big")


def encode_match(conditions: Match) -> bytes:
    """A match with its padding, fields in the order in which they stand in `conditions`.

    The result is what a dump gives back, under two provisos that are the compiler's: fields have their prerequisites
    (a switch refuses the match otherwise), and `packet_type` is never matched for Ethernet (a switch takes that for
    granted, and leaves it out of the dump).
    """
    parts = []
    for condition in conditions:
        codec = _BY_NAME[condition.field.name]
        if condition.mask is None:
            parts.append(codec.exact + condition.value.to_bytes(codec.size, "big"))
        else:
            parts.append(codec.masked)
            parts.append(condition.value.to_bytes(codec.size, "big"))
            parts.append(condition.mask.to_bytes(codec.size, "big"))
    fields = b"".join(parts)
    length = _MATCH_HEAD.size + len(fields)
    return _MATCH_HEAD.pack(_OXM_MATCH, length) + fields + bytes(-length % 8)


def decode_match(data: bytes) -> Match:
    """The match that stands in `data`, padding included; conditions come in canonical order.

    Raises WireError where `data` is not one whole match, or uses a field that rows do not know.
    """
    kind, length = unpack(_MATCH_HEAD, data, 0, "match")
    if kind != _OXM_MATCH or length < _MATCH_HEAD.size or len(data) != length + -length % 8:
        raise WireError(f"match of type {kind} and length {length} in {len(data)} bytes; an OXM match fills them")
    if data.count(0, length) != len(data) - length:
        raise WireError(f"match is padded with {data[length:].hex()}, not with zeros")
    conditions: dict[str, FieldMatch] = {}
    at = _MATCH_HEAD.size
    while at < length:
        condition, at = _decode_condition(data[:length], at)
        if condition.field.name in conditions:
            raise WireError(f"match names {condition.field.name} twice")
        conditions[condition.field.name] = condition
    return match(*conditions.values())


def decode_field(data: bytes) -> tuple[Field, int]:
    """Field and value of one unmasked OXM that fills `data` but for zeros. Raises WireError where it does not."""
    condition, end = _decode_condition(data, 0)
    if condition.mask is not None or data.count(0, end) != len(data) - end:
        raise WireError(f"{data.hex()} is not one unmasked field and zeros")
    return condition.field, condition.value


def _decode_condition(data: bytes, at: int) -> tuple[FieldMatch, int]:
    """The condition at byte `at`, and where the next one starts."""
    header = data[at : at + 4]
    if header[:2] == b"\xff\xff":
        header = data[at : at + 4 + len(_ONF)]
    codec, is_masked = _BY_HEADER.get(header), False
    if codec is None:
        codec, is_masked = _BY_MASKED_HEADER.get(header), True
    if codec is None:
        raise WireError(f"field {_name(header)} is not one that rows use")
    value_at = at + len(header)
    end = value_at + codec.size * (2 if is_masked else 1)
    if end > len(data):
        raise WireError(f"field {codec.field.name} ends {end - len(data)} bytes too early")
    value = int.from_bytes(data[value_at : value_at + codec.size], "big")
    mask = int.from_bytes(data[value_at + codec.size : end], "big") if is_masked else None
    if mask is not None and not 0 < mask <= codec.field.ones:
        raise WireError(f"field {codec.field.name} has the mask {mask:#x} for {codec.field.bits} bits")
    try:
        return FieldMatch(codec.field, value, mask), end
    except ValueError as error:
        raise WireError(f"match on {error}") from error


def _name(header: bytes) -> str:
    """A header in words, for errors."""
    if len(header) < _HEADER.size:
        return f"cut short ({header.hex()})"
    oxm_class, field_and_mask, length = _HEADER.unpack(header[: _HEADER.size])
    number = field_and_mask >> 1
    name = _NAMES.get((oxm_class, number), f"number {number} of class {oxm_class:#06x}")
    return f"{name} ({length} bytes{', masked' if field_and_mask & 1 else ''})"
