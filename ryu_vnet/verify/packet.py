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
from dataclasses import dataclass, field, replace

from ..compiler.rows import PacketType
from .overwrite import written
from .upper import Upper, parse_upper

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

    `upper` is what the switch sees in the payload; `before` what it saw there before fields of it were set, or None:
    the bytes in `payload` are still those.
    """

    kind: int
    eth_dst: int
    eth_src: int
    tags: tuple[Tag, ...]
    type_field: bytes
    labels: tuple[Label, ...]
    payload: bytes
    upper: Upper = field(compare=False)
    before: Upper = None

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

    @property
    def size(self) -> int:
        """How many bytes it has on the wire."""
        return len(self._header()) + 4 * len(self.labels) + len(self.payload)

    def to_bytes(self) -> bytes:
        """The bytes on the wire. Raises Invalid where a field was set that is not written (`overwrite`)."""
        return self._header() + b"".join(label.to_bytes() for label in self.labels) + self.settled().payload

    def settled(self) -> Packet:
        """The packet with all that was set of it written into its bytes. Raises as `to_bytes`."""
        if self.before is None:
            return self
        return replace(self, payload=written(self.payload, self.eth_type, self.before, self.upper), before=None)

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
