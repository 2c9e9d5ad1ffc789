"""A frame as a switch sees it: the headers that Open vSwitch has parsed, outermost first, and the bytes after them.

`parse` and `Packet.to_bytes` are each other's inverse for every string of bytes. Between the two a packet keeps what
was parsed, as the switch does: taking a VLAN tag off does not make it look at the frame again, so a tag further in,
which it had not parsed, stays unseen until the frame is parsed anew: at the next switch, or after a decapsulation.

    Ethernet frame   dst(6) src(6) [tpid(2) tci(2)]* type(2) [label entry(4)]* payload
    MPLS packet      [label entry(4)]* payload

Formats: IEEE 802.3 and 802.1Q; MPLS label entries RFC 3032, 2.1; Ethernet under labels RFC 4448 without control word.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..compiler.fields import Field
from ..compiler.rows import PacketType
from ..errors import Invalid
from .upper import (
    NEIGHBOUR_ADVERTISEMENT,
    NEIGHBOUR_SOLICITATION,
    PROTO_ICMPV6,
    PROTO_SCTP,
    PROTO_TCP,
    PROTO_UDP,
    Arp,
    Icmpv6,
    Ip,
    Ports,
    Upper,
    parse_upper,
)

ETHERNET = PacketType.ETHERNET.value
MPLS = PacketType.MPLS.value
ETH_TYPE_VLAN = 0x8100
VLAN_TPIDS = (ETH_TYPE_VLAN, 0x88A8)
MPLS_ETH_TYPES = (0x8847, 0x8848)
NO_ETH_TYPE = 0x05FF
"""The EtherType of a frame that has none: IEEE 802.3 with a length field (ovs-fields(7), `eth_type`)."""

PARSED_TAGS = 1
"""Tags that a switch parses: `other_config:vlan-limit` at its default (ovs-vswitchd.conf.db(5))."""
HELD_TAGS = 2
"""Tags that a switch can hold for one packet, parsed and pushed together."""
PARSED_LABELS = 3
"""Label entries that a switch parses; those below are payload to it."""
TAG_PRESENT = 0x1000

_FIRST_ETH_TYPE = 0x0600
_SNAP = bytes.fromhex("aaaa03000000")


@dataclass(frozen=True, slots=True)
class Tag:
    """A VLAN tag: TPID, and the 16-bit TCI whose low 12 bits are the VLAN identifier."""

    tci: int
    tpid: int = ETH_TYPE_VLAN

    @property
    def vid(self) -> int:
        """The VLAN identifier."""
        return self.tci & 0xFFF


@dataclass(frozen=True, slots=True)
class Label:
    """An MPLS label entry: 20-bit label, 3-bit traffic class, bottom-of-stack bit, TTL in hops."""

    label: int
    ttl: int
    bos: int
    tc: int = 0

    def to_bytes(self) -> bytes:
        """The entry's four bytes: label(20) tc(3) bos(1) ttl(8)."""
        return (self.label << 12 | self.tc << 9 | self.bos << 8 | self.ttl).to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet inside a switch, or a frame on a wire. Addresses are numbers of 48 bits.

    `kind` is its packet type (ovs-fields(7)): ETHERNET, or MPLS and others (1 << 16 | EtherType) once the Ethernet
    header is off. `tags` and `labels` are those that the switch has parsed or pushed. `type_field` holds the bytes
    that name the EtherType (an 802.3 frame has its length and LLC/SNAP header there); it is empty without an
    Ethernet header. A frame of less than 14 bytes has no header at all, only a payload.
    """

    kind: int
    eth_dst: int
    eth_src: int
    tags: tuple[Tag, ...]
    type_field: bytes
    labels: tuple[Label, ...]
    payload: bytes
    upper: Upper = field(compare=False)

    @property
    def eth_type(self) -> int:
        """The type that follows the parsed tags; 0 for a frame that is too short to have one."""
        if self.kind != ETHERNET:
            return self.kind & 0xFFFF
        return _eth_type(self.type_field) if self.type_field else 0

    @property
    def inner(self) -> Packet | None:
        """The Ethernet frame under the labels, or None where the bottom of the stack is not in sight."""
        if self.labels and self.labels[-1].bos:
            return parse(self.payload)
        return None

    @property
    def innermost(self) -> Packet:
        """The frame that a node sent: under all labels, if there are any."""
        inner = self.inner
        return self if inner is None else inner.innermost

    def to_bytes(self) -> bytes:
        """The bytes on the wire."""
        return self._header() + b"".join(label.to_bytes() for label in self.labels) + self.payload

    def _header(self) -> bytes:
        if not self.type_field:
            return b""
        addresses = self.eth_dst.to_bytes(6, "big") + self.eth_src.to_bytes(6, "big")
        tags = b"".join(struct.pack("!HH", tag.tpid, tag.tci) for tag in self.tags)
        return addresses + tags + self.type_field


def parse(data: bytes, kind: int = ETHERNET) -> Packet:
    """Read a packet as a switch does. Never raises: what is cut off is absent."""
    if kind != ETHERNET:
        return _parse_rest(Packet(kind, 0, 0, (), b"", (), data, None))
    if len(data) < 14:
        return Packet(kind, 0, 0, (), b"", (), data, None)
    tags: list[Tag] = []
    at = 12
    while len(tags) < PARSED_TAGS and len(data) >= at + 6:
        tpid, tci = struct.unpack_from("!HH", data, at)
        if tpid not in VLAN_TPIDS:
            break
        tags.append(Tag(tci, tpid))
        at += 4
    has_snap = _number(data[at : at + 2]) < _FIRST_ETH_TYPE and data[at + 2 : at + 8] == _SNAP and len(data) >= at + 10
    rest = at + (10 if has_snap else 2)
    dst, src = _number(data[:6]), _number(data[6:12])
    return _parse_rest(Packet(kind, dst, src, tuple(tags), data[at:rest], (), data[rest:], None))


def _parse_rest(packet: Packet) -> Packet:
    """Read what follows the type: label entries, or ARP and IP."""
    if packet.eth_type not in MPLS_ETH_TYPES:
        return replace(packet, upper=parse_upper(packet.eth_type, packet.payload))
    labels: list[Label] = []
    at = 0
    while len(labels) < PARSED_LABELS and len(packet.payload) >= at + 4:
        entry = _number(packet.payload[at : at + 4])
        labels.append(Label(entry >> 12, entry & 0xFF, entry >> 8 & 1, entry >> 9 & 7))
        at += 4
        if labels[-1].bos:
            break
    return replace(packet, labels=tuple(labels), payload=packet.payload[at:])


def _eth_type(type_field: bytes) -> int:
    first = _number(type_field[:2])
    if first >= _FIRST_ETH_TYPE:
        return first
    named = _number(type_field[8:10])
    return named if named >= _FIRST_ETH_TYPE else NO_ETH_TYPE


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


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


def _of_icmpv6(read: Callable[[Icmpv6], int], *types: int) -> Callable[[Packet], int | None]:
    def value(packet: Packet) -> int | None:
        upper = packet.upper
        if not isinstance(upper, Ip) or upper.version != 6 or upper.proto != PROTO_ICMPV6:
            return None
        message = upper.transport if isinstance(upper.transport, Icmpv6) else Icmpv6(0)
        return read(message) if not types or message.type in types else None

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
    "udp_src": _of_ports(PROTO_UDP, lambda ports: ports.src),
    "udp_dst": _of_ports(PROTO_UDP, lambda ports: ports.dst),
    "sctp_src": _of_ports(PROTO_SCTP, lambda ports: ports.src),
    "sctp_dst": _of_ports(PROTO_SCTP, lambda ports: ports.dst),
    "icmpv6_type": _of_icmpv6(lambda message: message.type),
    "nd_target": _of_icmpv6(lambda message: message.target, NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT),
    "nd_sll": _of_icmpv6(lambda message: message.sll, NEIGHBOUR_SOLICITATION),
    "nd_tll": _of_icmpv6(lambda message: message.tll, NEIGHBOUR_ADVERTISEMENT),
    "arp_op": _of_arp(lambda arp: arp.op),
    "arp_spa": _of_arp(lambda arp: arp.spa),
    "arp_sha": _of_arp(lambda arp: arp.sha),
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
    raise Invalid(f"the simulator does not set {field.name}: only addresses, VLAN, label and registers")


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
