"""The header fields and registers that rows match on and set, declared once.

A field's name is its name in ovs-fields(7). The order of `FIELDS` is the order in which Open vSwitch 3.1 returns
match fields in a table dump; rows are written in that order, so that a row read back is the same bytes (see
`openflow.oxm` for the wire format, `tests/switch` for the proof).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `name` as in ovs-fields(7), width in bits, and whether a match on it may be masked."""

    name: str
    bits: int
    maskable: bool = False

    @property
    def ones(self) -> int:
        """The value with every bit of the field set, which is also the mask of an exact match."""
        return (1 << self.bits) - 1


PACKET_TYPE = Field("packet_type", 32)
IN_PORT = Field("in_port", 32)
"""Set to 0, it lets a packet leave by the port it came in by without that being named `IN_PORT_PORT`."""
ETH_SRC = Field("eth_src", 48, maskable=True)
ETH_DST = Field("eth_dst", 48, maskable=True)
ETH_TYPE = Field("eth_type", 16)
VLAN_VID = Field("vlan_vid", 13, maskable=True)
"""VLAN identifier in the low 12 bits; bit 12 (0x1000) says that a tag is present (OpenFlow 1.3.5, 7.2.3.8)."""
MPLS_BOS = Field("mpls_bos", 1)
MPLS_LABEL = Field("mpls_label", 20)
IPV4_SRC = Field("ipv4_src", 32, maskable=True)
IPV4_DST = Field("ipv4_dst", 32, maskable=True)
IPV6_SRC = Field("ipv6_src", 128, maskable=True)
IPV6_DST = Field("ipv6_dst", 128, maskable=True)
IP_FRAG = Field("ip_frag", 2, maskable=True)
"""Bit 0: a fragment of an IP packet; bit 1: one that is not the first. So 0, 1 and 3 are all the values there are. Open
vSwitch refuses rows that match on bit 1 being set and on ports, which later fragments do not have."""
IP_DSCP = Field("ip_dscp", 6)
"""The class of service (RFC 2474), 0 to 63: the upper six bits of IPv4's TOS byte and of IPv6's traffic class."""
IP_TTL = Field("ip_ttl", 8)
"""TTL of IPv4, hop limit of IPv6: nw_ttl."""
IP_PROTO = Field("ip_proto", 8)
TCP_SRC = Field("tcp_src", 16, maskable=True)
TCP_DST = Field("tcp_dst", 16, maskable=True)
TCP_FLAGS = Field("tcp_flags", 12, maskable=True)
"""The flags of a TCP header (RFC 9293, 3.1): FIN is bit 0, ACK bit 4."""
UDP_SRC = Field("udp_src", 16, maskable=True)
UDP_DST = Field("udp_dst", 16, maskable=True)
SCTP_SRC = Field("sctp_src", 16, maskable=True)
SCTP_DST = Field("sctp_dst", 16, maskable=True)
ICMPV4_TYPE = Field("icmpv4_type", 8)
ICMPV4_CODE = Field("icmpv4_code", 8)
ICMPV6_TYPE = Field("icmpv6_type", 8)
ICMPV6_CODE = Field("icmpv6_code", 8)
ND_TARGET = Field("nd_target", 128, maskable=True)
ND_SLL = Field("nd_sll", 48)
ND_TLL = Field("nd_tll", 48)
ND_RESERVED = Field("nd_reserved", 32)
"""The flags of a neighbour advertisement (RFC 4861, 4.4): router 1 << 31, solicited 1 << 30, override 1 << 29; of a
solicitation its reserved bits. Set it whole: of a move of fewer bits Open vSwitch 3.1 clears the others (measured)."""
ND_OPTIONS_TYPE = Field("nd_options_type", 8)
"""The type of the only option of a discovery message: 1 source, 2 target link-layer address (RFC 4861, 4.6.1).

Set it only in rows that match on it: in a message without option Open vSwitch 3.1.0 writes it behind the packet. Do not
move it: what is read then is 0 (both measured)."""
ARP_OP = Field("arp_op", 16)
"""Set it only in rows that match on it, to 254 at most: in ARP that is cut off, whose operation is 0 to a switch, Open
vSwitch 3.1.0 then writes all that is set behind the packet, which ends ovs-vswitchd; 255 leaves as 65535 (measured)."""
ARP_SPA = Field("arp_spa", 32, maskable=True)
ARP_TPA = Field("arp_tpa", 32, maskable=True)
ARP_SHA = Field("arp_sha", 48)
ARP_THA = Field("arp_tha", 48)
TUN_ID = Field("tun_id", 64, maskable=True)
"""The key of a tunnel: VXLAN's network identifier (24 bits), GRE's key (32 bits)."""
TUN_SRC = Field("tun_src", 32, maskable=True)
TUN_DST = Field("tun_dst", 32, maskable=True)
TUN_IPV6_SRC = Field("tun_ipv6_src", 128, maskable=True)
TUN_IPV6_DST = Field("tun_ipv6_dst", 128, maskable=True)
REG0 = Field("reg0", 32, maskable=True)
REG1 = Field("reg1", 32, maskable=True)
REG2 = Field("reg2", 32, maskable=True)
REG3 = Field("reg3", 32, maskable=True)
REG4 = Field("reg4", 32, maskable=True)
REG5 = Field("reg5", 32, maskable=True)
REG6 = Field("reg6", 32, maskable=True)
REG7 = Field("reg7", 32, maskable=True)
REG8 = Field("reg8", 32, maskable=True)
CT_STATE = Field("ct_state", 32, maskable=True)
"""What connection tracking says of a packet: bits of `CtState`. Match it with a mask: without one, a dump has the mask
0xff, those bits being all that Open vSwitch 3.1 knows."""
CT_NW_DST = Field("ct_nw_dst", 32, maskable=True)
CT_NW_PROTO = Field("ct_nw_proto", 8)
CT_TP_DST = Field("ct_tp_dst", 16, maskable=True)
"""Destination (IPv4 alone), protocol and destination port of the connection's first packet, before any translation.

A match on them, and a move of them, needs one on `ct_state` that says there is a connection: `+new`, `+est`, `+rel`,
`+rpl`, `+snat` or `+dnat`, or else `+trk-inv`; the address an EtherType too. A match on the port is silently left out
where none on `ct_nw_proto` stands beside it (measured on 3.1; ovs-fields(7) names the first condition)."""
VLAN_TCI = Field("vlan_tci", 16, maskable=True)
"""The whole TCI, only as the target of a move: the VLAN identifier is its low 12 bits."""

GROUP_BIT = 1 << 40
"""The bit of a MAC address that says: a group of stations (IEEE 802, 8.2)."""
VLAN_PRESENT = 0x1000
"""The bit of `vlan_vid` that says: there is a tag."""

FIELDS: tuple[Field, ...] = (
    PACKET_TYPE,
    IN_PORT,
    ETH_SRC,
    ETH_DST,
    ETH_TYPE,
    VLAN_VID,
    MPLS_BOS,
    MPLS_LABEL,
    IPV4_SRC,
    IPV4_DST,
    IPV6_SRC,
    IPV6_DST,
    IP_FRAG,
    IP_DSCP,
    IP_TTL,
    IP_PROTO,
    TCP_SRC,
    TCP_DST,
    TCP_FLAGS,
    UDP_SRC,
    UDP_DST,
    SCTP_SRC,
    SCTP_DST,
    ICMPV4_TYPE,
    ICMPV4_CODE,
    ICMPV6_TYPE,
    ICMPV6_CODE,
    ND_RESERVED,
    ND_TARGET,
    ND_OPTIONS_TYPE,
    ND_SLL,
    ND_TLL,
    ARP_OP,
    ARP_SPA,
    ARP_TPA,
    ARP_SHA,
    ARP_THA,
    TUN_ID,
    TUN_SRC,
    TUN_DST,
    TUN_IPV6_SRC,
    TUN_IPV6_DST,
    REG0,
    REG1,
    REG2,
    REG3,
    REG4,
    REG5,
    REG6,
    REG7,
    REG8,
    CT_STATE,
    CT_NW_DST,
    CT_NW_PROTO,
    CT_TP_DST,
    VLAN_TCI,
)

FIELD_BY_NAME: dict[str, Field] = {field.name: field for field in FIELDS}
FIELD_ORDER: dict[str, int] = {field.name: place for place, field in enumerate(FIELDS)}
