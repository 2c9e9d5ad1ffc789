"""Rows, matches and actions as a person reads them, in one of two styles.

- As ovs-ofctl(8) writes them, and reads them again (but for IPv6 masks that are not a prefix: it takes the digits at
  their start for a prefix length; and for matches on `ip_frag` for which it has no word):
  `table=70,priority=300,reg0=0x10,eth_dst=02:00:00:00:00:01,actions=set_field:0x30000000->reg3,goto_table:80`
- By meaning, with the names that the pipeline gives to tables, registers and adjacencies:
  `table=FORWARD,priority=300,network=16,eth_dst=02:00:00:00:00:01,actions=set_field:out->adjacency,goto_table:EGRESS`
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address, IPv6Address

from .fields import IN_PORT, Field
from .pipeline import (
    ADJACENCY_KIND_MASK,
    ADJACENCY_NUMBER_MASK,
    ADJACENCY_REG,
    FROM_REG,
    REGISTER_BY_FIELD,
    STAGE_BY_TABLE,
    From,
    Toward,
)
from .rows import (
    CONTROLLER_PORT,
    IN_PORT_PORT,
    Action,
    CheckLarger,
    Clone,
    CtState,
    Decap,
    DecMplsTtl,
    DecTtl,
    Encap,
    FieldMatch,
    Group,
    Match,
    Meter,
    Move,
    Nat,
    Output,
    PacketType,
    PopVlan,
    PushVlan,
    Resubmit,
    Row,
    SetField,
    SetMplsTtl,
    ToGroup,
    Track,
    Untrack,
)


class Style(Enum):
    """How to write: as ovs-ofctl does, or by what the pipeline means."""

    OFCTL = "ofctl"
    MEANING = "meaning"


_MAC_FIELDS = frozenset({"eth_src", "eth_dst", "nd_sll", "nd_tll", "arp_sha", "arp_tha"})
_IPV4_FIELDS = frozenset({"ipv4_src", "ipv4_dst", "arp_spa", "arp_tpa", "tun_src", "tun_dst", "ct_nw_dst"})
_IPV6_FIELDS = frozenset({"ipv6_src", "ipv6_dst", "nd_target", "tun_ipv6_src", "tun_ipv6_dst"})
_PORT_FIELDS = frozenset({"tcp_src", "tcp_dst", "udp_src", "udp_dst", "sctp_src", "sctp_dst"})
_DECIMAL_FIELDS = _PORT_FIELDS | {
    "in_port",
    "mpls_bos",
    "mpls_label",
    "ip_dscp",
    "ip_ttl",
    "ip_proto",
    "icmpv4_type",
    "icmpv4_code",
    "icmpv6_type",
    "icmpv6_code",
    "nd_options_type",
    "arp_op",
    "ct_nw_proto",
    "ct_tp_dst",
    "tun_id",
}
_FRAGMENT_WORDS = {(0, None): "no", (1, None): "first", (3, None): "later", (1, 1): "yes", (0, 2): "not_later"}
"""What ovs-ofctl calls matches on `ip_frag`, by value and mask: it takes nothing but these words."""
STATE_WORDS = dict(zip(CtState, ("new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"), strict=True))
"""What ovs-ofctl calls the bits of `ct_state`."""
_OFCTL_NAMES = {
    "ipv4_src": "ip_src",
    "ipv4_dst": "ip_dst",
    "ip_ttl": "nw_ttl",
    "icmpv4_type": "icmp_type",
    "icmpv4_code": "icmp_code",
}
"""What ovs-ofctl calls otherwise; every other field has there the name that it has here."""
_MOVE_NAMES = {
    "in_port": "NXM_OF_IN_PORT",
    "eth_src": "NXM_OF_ETH_SRC",
    "eth_dst": "NXM_OF_ETH_DST",
    "eth_type": "NXM_OF_ETH_TYPE",
    "vlan_tci": "NXM_OF_VLAN_TCI",
    "ipv4_src": "NXM_OF_IP_SRC",
    "ipv4_dst": "NXM_OF_IP_DST",
    "ip_proto": "NXM_OF_IP_PROTO",
    "icmpv4_type": "NXM_OF_ICMP_TYPE",
    "icmpv4_code": "NXM_OF_ICMP_CODE",
    "tun_src": "NXM_NX_TUN_IPV4_SRC",
    "tun_dst": "NXM_NX_TUN_IPV4_DST",
    **{
        name: f"NXM_OF_{name.upper()}"
        for name in ("tcp_src", "tcp_dst", "udp_src", "udp_dst", "arp_op", "arp_spa", "arp_tpa")
    },
    **{
        name: f"NXM_NX_{name.upper()}"
        for name in (
            *(f"reg{number}" for number in range(16)),
            *("tun_id", "arp_sha", "arp_tha", "ipv6_src", "ipv6_dst", "icmpv6_type", "icmpv6_code"),
            *("nd_target", "nd_sll", "nd_tll", "ip_frag", "ip_ttl", "tun_ipv6_src", "tun_ipv6_dst"),
            *("ct_state", "ct_nw_dst", "ct_nw_proto", "ct_tp_dst"),
        )
    },
    **{name: f"ERICOXM_OF_ICMPV6_{name.upper()}" for name in ("nd_reserved", "nd_options_type")},
}
"""What ovs-ofctl calls fields in moves, as it prints them; every other is an `OXM_OF_` one."""


def row_text(row: Row, style: Style = Style.OFCTL) -> str:
    """A whole row, without its cookie: what it is about is for `Row.origin` to say."""
    conditions = match_text(row.match, style)
    actions = actions_text(row.actions, row.goto, style)
    parts = [f"table={_table(row.table, style)}", f"priority={row.priority}", conditions, f"actions={actions}"]
    return ",".join(part for part in parts if part)


def group_text(group: Group, style: Style = Style.OFCTL) -> str:
    """A whole group, one `bucket=` after the other."""
    watched = [f"watch_port:{port}," for port in group.watch] or [""] * len(group.buckets)
    buckets = [
        f"bucket={watch}actions={actions_text(actions, None, style)}"
        for watch, actions in zip(watched, group.buckets, strict=True)
    ]
    return ",".join([f"group_id={group.number}", f"type={'ff' if group.watch else 'all'}", *buckets])


def match_text(conditions: Match, style: Style = Style.OFCTL) -> str:
    """Conditions in their order, with commas between; the empty string where everything matches."""
    return ",".join(_condition(condition, style) for condition in conditions)


def actions_text(actions: tuple[Action, ...], goto: int | None = None, style: Style = Style.OFCTL) -> str:
    """Actions in their order and then the table that follows; `drop` where there is neither."""
    words = [_action(action, style) for action in actions]
    if goto is not None:
        words.append(f"goto_table:{_table(goto, style)}")
    return ",".join(words) or "drop"


def _condition(condition: FieldMatch, style: Style) -> str:
    field, mask = condition.field, condition.mask
    if style is Style.MEANING and field.name in REGISTER_BY_FIELD:
        return f"{_name(field, style)}={_register(field, condition.value, mask)}"
    if field.name == "ct_state":
        return f"ct_state={_state(condition.value, field.ones if mask is None else mask)}"
    if field.name == "ip_frag" and (condition.value, mask) in _FRAGMENT_WORDS:
        return f"ip_frag={_FRAGMENT_WORDS[condition.value, mask]}"
    text = f"{_name(field, style)}={_value(field, condition.value)}"
    return text if mask is None else f"{text}/{_mask(field, mask)}"


def _state(value: int, mask: int) -> str:
    """Bits of connection tracking: `+trk-new`."""
    return "".join(f"{'+' if value & state else '-'}{word}" for state, word in STATE_WORDS.items() if mask & state)


def _mask(field: Field, mask: int) -> str:
    """A mask: of an IP address the length of the prefix, if it is one."""
    if field.name in _IPV4_FIELDS or field.name in _IPV6_FIELDS:
        host_bits = field.ones ^ mask
        if host_bits & host_bits + 1 == 0:
            return str(field.bits - host_bits.bit_length())
    return _value(field, mask)


def _action(action: Action, style: Style) -> str:
    match action:
        case Output(port, most):
            return f"CONTROLLER:{most}" if port == CONTROLLER_PORT else f"output:{_port(port)}"
        case Meter(number):
            return f"meter:{number}"
        case ToGroup(group):
            return f"group:{group}"
        case SetField(field, value) if field == IN_PORT:
            return f"load:{value:#x}->{_slice(field, 0, 16, style)}"
        case SetField(field, value):
            return f"set_field:{_set_value(field, value, style)}->{_name(field, style)}"
        case Move(source, target, bits, source_offset, target_offset):
            from_text = _slice(source, source_offset, bits, style)
            return f"move:{from_text}->{_slice(target, target_offset, bits, style)}"
        case PushVlan():
            return "push_vlan:0x8100"
        case PopVlan():
            return "pop_vlan"
        case Encap(header):
            return f"encap({header.name.lower()})"
        case Decap(becomes):
            return "decap()" if becomes is None else f"decap(packet_type{_namespace_and_type(becomes)})"
        case SetMplsTtl(ttl):
            return f"set_mpls_ttl({ttl})"
        case DecMplsTtl():
            return "dec_mpls_ttl"
        case DecTtl():
            return "dec_ttl"
        case Track(zone, table, commit, nat):
            parts = ["commit"] * commit + [f"table={_table(table, style)}", f"zone={zone}", *_nat(nat)]
            return f"ct({','.join(parts)})"
        case Untrack():
            return "ct_clear"
        case CheckLarger(size, target, bit):
            return f"check_pkt_larger({size})->{_slice(target, bit, 1, style)}"
        case Resubmit(table):
            return f"resubmit(,{_table(table, style)})"
        case Clone(actions):
            return f"clone({actions_text(actions, None, style)})"


def _nat(nat: Nat | None) -> list[str]:
    if nat is None or nat.address is None:
        return [] if nat is None else ["nat"]
    address = f"[{IPv6Address(nat.address)}]" if nat.is_six and nat.ports else str(_address(nat))
    ports = f":{nat.ports[0]}-{nat.ports[1]}" if nat.ports else ""
    return [f"nat({'src' if nat.source else 'dst'}={address}{ports})"]


def _address(nat: Nat) -> IPv4Address | IPv6Address:
    return IPv6Address(nat.address or 0) if nat.is_six else IPv4Address(nat.address or 0)


def _name(field: Field, style: Style) -> str:
    if style is Style.MEANING:
        register = REGISTER_BY_FIELD.get(field.name)
        return register.name if register else field.name
    return _OFCTL_NAMES.get(field.name, field.name)


def _value(field: Field, value: int) -> str:
    """A value, or a mask, in the notation of its field."""
    if field.name in _MAC_FIELDS:
        return value.to_bytes(6, "big").hex(":")
    if field.name in _IPV4_FIELDS:
        return str(IPv4Address(value))
    if field.name in _IPV6_FIELDS:
        return str(IPv6Address(value))
    if field.name == "in_port":
        return _port(value)
    if field.name == "packet_type":
        return f"({value >> 16},{value & 0xFFFF:#x})"
    return str(value) if field.name in _DECIMAL_FIELDS else f"{value:#x}"


def _set_value(field: Field, value: int, style: Style) -> str:
    if style is Style.MEANING and field.name in REGISTER_BY_FIELD:
        return _register(field, value, None)
    return _value(field, value)


def _register(field: Field, value: int, mask: int | None) -> str:
    """What a register's value means: adjacencies and kinds of port by name, numbers in decimal."""
    if field == ADJACENCY_REG.field and mask in (None, ADJACENCY_KIND_MASK):
        return _adjacency(value, mask is None)
    if mask is not None:
        return f"{value:#x}/{mask:#x}"
    if field == FROM_REG.field and value in From._value2member_map_:
        return From(value).name.lower()
    return str(value)


def _adjacency(value: int, with_number: bool) -> str:
    """`switch:3`; `switch:*` for all of a kind; `out`, of which there is one, alone."""
    kind, number = value >> 28, value & ADJACENCY_NUMBER_MASK
    if kind not in Toward._value2member_map_:
        return f"{value:#x}"
    name = Toward(kind).name.lower()
    if not with_number:
        return f"{name}:*"
    return name if kind == Toward.OUT and number == 0 else f"{name}:{number}"


def _table(table: int, style: Style) -> str:
    stage = STAGE_BY_TABLE.get(table)
    return stage.name if stage and style is Style.MEANING else str(table)


def _port(port: int) -> str:
    return "IN_PORT" if port == IN_PORT_PORT else str(port)


def _slice(field: Field, offset: int, bits: int, style: Style) -> str:
    """Some bits of a field: `NXM_NX_REG0[0..19]`, `OXM_OF_MPLS_LABEL[]` for all of them."""
    name = _name(field, style)
    if style is Style.OFCTL:
        name = _MOVE_NAMES.get(field.name, f"OXM_OF_{field.name.upper()}")
    if offset == 0 and bits == _bits_in_moves(field):
        return f"{name}[]"
    return f"{name}[{offset}]" if bits == 1 else f"{name}[{offset}..{offset + bits - 1}]"


def _bits_in_moves(field: Field) -> int:
    """A port has 16 bits in Open vSwitch's own actions."""
    return 16 if field == IN_PORT else field.bits


def _namespace_and_type(packet_type: PacketType) -> str:
    namespace, kind = packet_type.value >> 16, packet_type.value & 0xFFFF
    return f"(ns={namespace},type={kind:#x})" if kind else f"(ns={namespace},type=0)"
