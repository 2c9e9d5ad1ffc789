"""Field values, packets and rows in words, for traces: one line each, in the notation of ovs-fields(7)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from ..compiler.fields import Field
from ..compiler.pipeline import REGISTER_BY_FIELD, STAGE_BY_TABLE
from ..compiler.rows import Match
from ..compiler.text import STATE_WORDS
from .packet import Packet
from .upper import Arp, Icmp, Icmpv6, Ip, Sctp, Tcp, Udp

_HARDWARE = ("eth_src", "eth_dst", "arp_sha", "arp_tha", "nd_sll", "nd_tll")
_IPV4 = ("ipv4_src", "ipv4_dst", "arp_spa", "arp_tpa", "tun_src", "tun_dst", "ct_nw_dst")
_IPV6 = ("ipv6_src", "ipv6_dst", "nd_target", "tun_ipv6_src", "tun_ipv6_dst")
_HEXADECIMAL = ("eth_type", "packet_type", "vlan_tci", "nd_reserved")
_LARGEST_PLAIN = 0xFFFFF
"""Network numbers are plain in a register; an adjacency, which has its kind in the top bits, reads better in hex."""
_ARP_OPS = {1: "request", 2: "reply"}
_WITH_PORTS = {Tcp: "tcp", Udp: "udp", Sctp: "sctp"}


def mac_text(address: int) -> str:
    """A MAC address, colons between its bytes."""
    return address.to_bytes(6, "big").hex(":")


def stage_name(table: int) -> str:
    """The name of the pipeline's stage, or `table N` where the pipeline has none there."""
    stage = STAGE_BY_TABLE.get(table)
    return stage.name if stage else f"table {table}"


def field_name(field: Field) -> str:
    """What we call a field: a register by what it holds."""
    register = REGISTER_BY_FIELD.get(field.name)
    return register.name if register else field.name


def value_text(field: Field, value: int) -> str:
    """A value of a field, as people write it."""
    if field.name in _HARDWARE:
        return mac_text(value)
    if field.name in _IPV4:
        return str(IPv4Address(value))
    if field.name in _IPV6:
        return str(IPv6Address(value))
    if field.name == "ct_state":
        return state_text(value)
    if field.name == "vlan_vid":
        return str(value & 0xFFF) if value & 0x1000 else "none"
    if field.name in _HEXADECIMAL or (field.name in REGISTER_BY_FIELD and value > _LARGEST_PLAIN):
        return f"{value:#x}"
    return str(value)


def state_text(state: int) -> str:
    """What connection tracking says: `+new+trk`, or `untracked`."""
    return "".join(f"+{word}" for bit, word in STATE_WORDS.items() if state & bit) or "untracked"


def match_text(match: Match) -> str:
    """A match, as `name=value` or `name=value/mask`; `anything` for an empty one."""
    words = []
    for condition in match:
        name, value = field_name(condition.field), value_text(condition.field, condition.value)
        mask = "" if condition.mask is None else f"/{condition.mask:#x}"
        words.append(f"{name}={f'{condition.value:#x}' if mask else value}{mask}")
    return " ".join(words) or "anything"


def packet_text(packet: Packet) -> str:
    """A packet: labels and tags it carries, then the frame of the node inside."""
    words = []
    if packet.labels:
        words.append("labels " + ",".join(str(label.label) for label in packet.labels))
    inside = packet.inner
    if inside is not None:
        return f"{words[0]} | {packet_text(inside)}"
    if packet.type_field:
        words.insert(0, f"{mac_text(packet.eth_src)} > {mac_text(packet.eth_dst)}")
    words += [f"vlan {tag.vid}" for tag in packet.tags]
    words.append(_upper_text(packet))
    return " ".join(words)


def _upper_text(packet: Packet) -> str:
    upper = packet.upper
    if isinstance(upper, Arp):
        op = _ARP_OPS.get(upper.op, f"op {upper.op}")
        return f"arp {op} {IPv4Address(upper.spa)} > {IPv4Address(upper.tpa)}"
    if isinstance(upper, Ip):
        address = IPv4Address if upper.version == 4 else IPv6Address
        return f"ipv{upper.version} {address(upper.src)} > {address(upper.dst)} {_transport_text(upper)}"
    return f"type {packet.eth_type:#06x}, {len(packet.payload)} bytes"


def _transport_text(ip: Ip) -> str:
    if isinstance(ip.transport, Tcp | Udp | Sctp):
        return f"{_WITH_PORTS[type(ip.transport)]} {ip.transport.src} > {ip.transport.dst}"
    if isinstance(ip.transport, Icmp):
        return f"icmp type {ip.transport.type}"
    if isinstance(ip.transport, Icmpv6):
        return f"icmpv6 type {ip.transport.type}"
    return f"proto {ip.proto}"
