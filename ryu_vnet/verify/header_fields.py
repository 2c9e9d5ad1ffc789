"""Fields of a packet by their names in ovs-fields(7): reading them, and setting them as a switch does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..compiler.fields import Field
from ..errors import Invalid
from .overwrite import OVERWRITABLE, with_upper_field
from .packet import ETHERNET, MPLS_ETH_TYPES, TAG_PRESENT, Label, Packet, Tag
from .upper import (
    NEIGHBOUR_ADVERTISEMENT,
    NEIGHBOUR_SOLICITATION,
    PROTO_ICMP,
    PROTO_ICMPV6,
    PROTO_SCTP,
    PROTO_TCP,
    PROTO_UDP,
    Arp,
    Icmp,
    Icmpv6,
    Ip,
    Ports,
)


def field_value(packet: Packet, field: Field) -> int | None:
    """What a match on `field` compares with; None where the packet does not have the field, so that no match holds.

    Prerequisites are those of ovs-fields(7). A header that should be there and is cut off has fields of value zero;
    so have the ports of every fragment, though a move (which no row of ours makes of ports) would see the first's.
    Registers and the port are not the packet's: None.
    """
    reader = _READERS.get(field.name)
    return None if reader is None else reader(packet)


def _of_ethernet(read: Callable[[Packet], int]) -> Callable[[Packet], int | None]:
    return lambda packet: read(packet) if packet.kind == ETHERNET else None


def _of_labels(read: Callable[[Label], int]) -> Callable[[Packet], int | None]:
    def value(packet: Packet) -> int | None:
        if packet.eth_type not in MPLS_ETH_TYPES:
            return None
        return read(packet.labels[0]) if packet.labels else 0

    return value


def _of_arp(read: Callable[[Arp], int]) -> Callable[[Packet], int | None]:
    return lambda packet: read(packet.upper) if isinstance(packet.upper, Arp) else None


def _of_ip(read: Callable[[Ip], int], *versions: int) -> Callable[[Packet], int | None]:
    def value(packet: Packet) -> int | None:
        upper = packet.upper
        return read(upper) if isinstance(upper, Ip) and upper.version in versions else None

    return value


def _of_ports(proto: int, read: Callable[[Ports], int]) -> Callable[[Packet], int | None]:
    def value(packet: Packet) -> int | None:
        upper = packet.upper
        if not isinstance(upper, Ip) or upper.proto != proto:
            return None
        return read(upper.transport) if isinstance(upper.transport, Ports) else 0

    return value


def _tcp_flags(packet: Packet) -> int | None:
    """The 12 bits after the data offset (RFC 9293, 3.1), of which no row sets any."""
    upper = packet.upper
    if not isinstance(upper, Ip) or upper.proto != PROTO_TCP:
        return None
    has = isinstance(upper.transport, Ports)
    return int.from_bytes(packet.payload[upper.start + 12 : upper.start + 14], "big") & 0xFFF if has else 0


def _of_icmpv6(read: Callable[[Icmpv6], int], *types: int) -> Callable[[Packet], int | None]:
    def value(packet: Packet) -> int | None:
        upper = packet.upper
        if not isinstance(upper, Ip) or upper.version != 6 or upper.proto != PROTO_ICMPV6:
            return None
        message = upper.transport if isinstance(upper.transport, Icmpv6) else Icmpv6(0)
        return read(message) if not types or message.type in types else None

    return value


def _of_icmp(read: Callable[[Icmp], int]) -> Callable[[Packet], int | None]:
    def value(packet: Packet) -> int | None:
        upper = packet.upper
        if not isinstance(upper, Ip) or upper.version != 4 or upper.proto != PROTO_ICMP:
            return None
        return read(upper.transport) if isinstance(upper.transport, Icmp) else 0

    return value


def _tci(packet: Packet) -> int:
    return packet.tags[0].tci | TAG_PRESENT if packet.tags else 0


_READERS: dict[str, Callable[[Packet], int | None]] = {
    "packet_type": lambda packet: packet.kind,
    "eth_src": _of_ethernet(lambda packet: packet.eth_src),
    "eth_dst": _of_ethernet(lambda packet: packet.eth_dst),
    "eth_type": lambda packet: packet.eth_type,
    "vlan_vid": _of_ethernet(lambda packet: _tci(packet) & 0x1FFF),
    "vlan_tci": _of_ethernet(_tci),
    "mpls_bos": _of_labels(lambda label: label.bos),
    "mpls_label": _of_labels(lambda label: label.label),
    "ipv4_src": _of_ip(lambda ip: ip.src, 4),
    "ipv4_dst": _of_ip(lambda ip: ip.dst, 4),
    "ipv6_src": _of_ip(lambda ip: ip.src, 6),
    "ipv6_dst": _of_ip(lambda ip: ip.dst, 6),
    "ip_proto": _of_ip(lambda ip: ip.proto, 4, 6),
    "ip_frag": _of_ip(lambda ip: ip.frag, 4, 6),
    "ip_dscp": _of_ip(lambda ip: ip.dscp, 4, 6),
    "tcp_src": _of_ports(PROTO_TCP, lambda ports: ports.src),
    "tcp_dst": _of_ports(PROTO_TCP, lambda ports: ports.dst),
    "tcp_flags": _tcp_flags,
    "udp_src": _of_ports(PROTO_UDP, lambda ports: ports.src),
    "udp_dst": _of_ports(PROTO_UDP, lambda ports: ports.dst),
    "sctp_src": _of_ports(PROTO_SCTP, lambda ports: ports.src),
    "sctp_dst": _of_ports(PROTO_SCTP, lambda ports: ports.dst),
    "ip_ttl": _of_ip(lambda ip: ip.ttl, 4, 6),
    "icmpv4_type": _of_icmp(lambda message: message.type),
    "icmpv4_code": _of_icmp(lambda message: message.code),
    "icmpv6_type": _of_icmpv6(lambda message: message.type),
    "icmpv6_code": _of_icmpv6(lambda message: message.code),
    "nd_reserved": _of_icmpv6(lambda message: message.reserved, NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT),
    "nd_options_type": _of_icmpv6(lambda message: message.option, NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT),
    "nd_target": _of_icmpv6(lambda message: message.target, NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT),
    "nd_sll": _of_icmpv6(lambda message: message.sll, NEIGHBOUR_SOLICITATION),
    "nd_tll": _of_icmpv6(lambda message: message.tll, NEIGHBOUR_ADVERTISEMENT),
    "arp_op": _of_arp(lambda arp: arp.op),
    "arp_spa": _of_arp(lambda arp: arp.spa),
    "arp_tpa": _of_arp(lambda arp: arp.tpa),
    "arp_sha": _of_arp(lambda arp: arp.sha),
    "arp_tha": _of_arp(lambda arp: arp.tha),
}


def with_field(packet: Packet, field: Field, value: int) -> Packet:
    """The packet with a field overwritten; as it was, where it does not have the field.

    Raises Invalid for a field that no switch of ours sets, and for a VLAN value without its present bit.
    """
    if field.name in ("eth_src", "eth_dst"):
        if packet.kind != ETHERNET:
            return packet
        return replace(packet, eth_src=value) if field.name == "eth_src" else replace(packet, eth_dst=value)
    if field.name == "mpls_label":
        return with_top(packet, label=value)
    if field.name in ("vlan_vid", "vlan_tci"):
        return _with_tci(packet, field, value)
    if field.name in OVERWRITABLE:
        upper = with_upper_field(packet.upper, field.name, value)
        return replace(packet, upper=upper, before=packet.upper if packet.before is None else packet.before)
    raise Invalid(f"the simulator does not set {field.name}, as no switch does")


def with_top(packet: Packet, *, label: int | None = None, ttl: int | None = None) -> Packet:
    """The packet with label or TTL of its outermost label entry overwritten; as it was, where it is not MPLS.

    Raises Invalid where the entry is cut off, or where every bit of it would be zero, which Open vSwitch 3.1 takes
    for no entry: in both cases it then pushes or pops entries that it should not.
    """
    if packet.eth_type not in MPLS_ETH_TYPES:
        return packet
    if not packet.labels:
        raise Invalid("a label entry that is cut off")
    top = packet.labels[0]
    changed = replace(top, label=top.label if label is None else label, ttl=top.ttl if ttl is None else ttl)
    if changed == Label(0, 0, 0):
        raise Invalid("a label entry of which every bit is zero")
    return replace(packet, labels=(changed, *packet.labels[1:]))


def _with_tci(packet: Packet, field: Field, value: int) -> Packet:
    if packet.kind != ETHERNET:
        return packet
    if not value & TAG_PRESENT:
        if field.name == "vlan_tci" and not packet.tags:
            return packet  # bits of a tag that is not there: nothing shows on the wire
        raise Invalid(f"{field.name}={value:#x} lacks the present bit {TAG_PRESENT:#x}")
    tag = packet.tags[0] if packet.tags else Tag(0)
    tci = value & ~TAG_PRESENT if field.name == "vlan_tci" else tag.tci & 0xE000 | value & 0xFFF
    if packet.tags and tci == tag.tci & ~TAG_PRESENT:
        return packet  # the switch leaves alone what is so already, the drop-eligible bit on the wire included
    return replace(packet, tags=(replace(tag, tci=tci), *packet.tags[1:]))
