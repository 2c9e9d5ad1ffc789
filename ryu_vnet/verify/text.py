"""Field values, packets and rows in words, for traces: one line each, in the notation of ovs-fields(7)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from ..compiler.fields import Field
from ..compiler.pipeline import REGISTER_BY_FIELD, STAGE_BY_TABLE
from ..compiler.rows import Match
from .packet import Packet
from .upper import Arp, Icmpv6, Ip, Udp

_HARDWARE = ("eth_src", "eth_dst", "arp_sha", "nd_sll", "nd_tll")
_HEXADECIMAL = ("eth_type", "packet_type", "vlan_tci")
_LARGEST_PLAIN = 0xFFFFF
"""Network numbers are plain in a register; an adjacency, which has its kind in the top bits, reads better in hex."""
_ARP_OPS = {1: "request", 2: "reply"}


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
    if field.name.startswith("ipv4") or field.name == "arp_spa":
        return str(IPv4Address(value))
    if field.name.startswith("ipv6") or field.name == "nd_target":
        return str(IPv6Address(value))
    if field.name == "vlan_vid":
        return str(value & 0xFFF) if value & 0x1000 else "none"
    if field.name in _HEXADECIMAL or (field.name in REGISTER_BY_FIELD and value > _LARGEST_PLAIN):
        return f"{value:#x}"
    return str(value)


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
    if isinstance(ip.transport, Udp):
        return f"udp {ip.transport.src} > {ip.transport.dst}"
    if isinstance(ip.transport, Icmpv6):
        return f"icmpv6 type {ip.transport.type}"
    return f"proto {ip.proto}"
