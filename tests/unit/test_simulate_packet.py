"""Packets: what a switch sees of a frame, and that no bytes are lost on the way."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrFragment,
    fragment6,
)
from scapy.layers.l2 import ARP, Ether
from scapy.layers.sctp import SCTP, SCTPChunkInit
from scapy.packet import Raw

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.fields import FIELDS, Field
from ryu_vnet.compiler.rows import PacketType
from ryu_vnet.errors import Invalid
from ryu_vnet.verify import frames
from ryu_vnet.verify.frames import Link
from ryu_vnet.verify.header_fields import field_value, with_field
from ryu_vnet.verify.packet import Label, Packet, Tag, parse
from ryu_vnet.verify.text import packet_text

ALICE, BOB = 0x02_00_00_00_00_0A, 0x02_00_00_00_00_0B
LINK = Link(ALICE, BOB)
TARGET = int(IPv6Address("fd00::2"))
FRAMES = {
    "arp": frames.arp_request(ALICE, "10.0.0.1", "10.0.0.2"),
    "udp": frames.ipv4_udp(LINK, "10.0.0.1", "10.0.0.2", (67, 68), b"x"),
    "ping": frames.ipv4_echo(LINK, "10.0.0.1", "10.0.0.2"),
    "udp6": frames.ipv6_udp(LINK, "fd00::1", "fd00::2", (67, 68)),
    "tcp": frames.ipv4_tcp(LINK, "10.0.0.1", "10.0.0.2", (8080, 80), 46),
    "sctp": frames.ipv4_sctp(LINK, "10.0.0.1", "10.0.0.2", (8080, 80), 46),
    "voice": frames.ipv4_udp(LINK, "10.0.0.1", "10.0.0.2", (67, 68), b"x", 46),
    "tcp6": frames.ipv6_tcp(LINK, "fd00::1", "fd00::2", (8080, 80), 46),
    "sctp6": frames.ipv6_sctp(LINK, "fd00::1", "fd00::2", (8080, 80), 46),
    "voice6": frames.ipv6_udp(LINK, "fd00::1", "fd00::2", (67, 68), b"x", 46),
    "ping6": frames.ipv6_echo(LINK, "fd00::1", "fd00::2"),
    "solicit": frames.neighbour_solicitation(ALICE, "fd00::1", "fd00::2", ALICE),
    "probe": frames.neighbour_solicitation(ALICE, "::", "fd00::2"),
    "advert": frames.neighbour_advertisement(LINK, "fd00::2", "fd00::2", "fd00::1", ALICE),
    "other": frames.raw(LINK, 0x88B5, b"anything"),
}
UNDER_LABELS = frames.raw(
    LINK, 0x8847, Label(17, 64, 0).to_bytes() + Label(77, 9, 1, 5).to_bytes() + FRAMES["arp"].to_bytes()
)


def seen(packet: Packet, *fields: Field) -> tuple[int | None, ...]:
    return tuple(field_value(packet, field) for field in fields)


@given(data=st.binary(max_size=120), kind=st.sampled_from(PacketType))
def test_any_bytes_survive(data: bytes, kind: PacketType) -> None:
    packet = parse(data, kind.value)
    assert packet.to_bytes() == data
    assert parse(packet.to_bytes(), kind.value) == packet
    for field in FIELDS:
        value = field_value(packet, field)
        assert value is None or 0 <= value <= field.ones
    assert packet_text(packet)


@given(st.sampled_from(sorted(FRAMES)), st.integers(0, 200), st.booleans(), st.integers(0, 2))
def test_cut_off_frames_never_raise(name: str, length: int, labelled: bool, tags: int) -> None:
    packet = FRAMES[name]
    for _ in range(tags):
        packet = frames.tagged(packet, 5)
    data = packet.to_bytes()
    if labelled:
        data = UNDER_LABELS.to_bytes()[:22] + data
    cut = parse(data[:length])
    assert cut.to_bytes() == data[:length]
    for field in FIELDS:
        field_value(cut, field)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("arp", {"eth_type": 0x0806, "arp_op": 1, "arp_spa": 0x0A000001, "arp_sha": ALICE, "eth_dst": 0xFFFFFFFFFFFF}),
        ("arp", {"arp_op": 1, "arp_spa": 0x0A000001, "arp_tpa": 0x0A000002, "arp_sha": ALICE, "arp_tha": 0}),
        ("udp", {"ipv4_src": 0x0A000001, "ipv4_dst": 0x0A000002, "ip_proto": 17, "udp_src": 67, "udp_dst": 68}),
        ("ping", {"ipv4_src": 0x0A000001, "ip_proto": 1, "ip_ttl": 64, "icmpv4_type": 8, "icmpv4_code": 0}),
        ("udp6", {"ipv6_src": TARGET - 1, "ipv6_dst": TARGET, "ip_proto": 17, "udp_src": 67}),
        ("tcp", {"ip_proto": 6, "ip_dscp": 46, "ip_frag": 0, "tcp_src": 8080, "tcp_dst": 80, "tcp_flags": 2}),
        ("sctp", {"ip_proto": 132, "ip_dscp": 46, "ip_frag": 0, "sctp_src": 8080, "sctp_dst": 80}),
        ("voice", {"ip_proto": 17, "ip_dscp": 46, "ip_frag": 0, "udp_src": 67, "udp_dst": 68}),
        ("tcp6", {"ip_proto": 6, "ip_dscp": 46, "ip_frag": 0, "tcp_src": 8080, "tcp_dst": 80, "tcp_flags": 2}),
        ("sctp6", {"ip_proto": 132, "ip_dscp": 46, "ip_frag": 0, "sctp_src": 8080, "sctp_dst": 80}),
        ("voice6", {"ip_proto": 17, "ip_dscp": 46, "ip_frag": 0, "udp_src": 67, "udp_dst": 68}),
        ("ping6", {"ip_proto": 58, "ip_ttl": 64, "icmpv6_type": 128, "icmpv6_code": 0}),
        ("solicit", {"icmpv6_type": 135, "nd_target": TARGET, "nd_sll": ALICE, "eth_dst": 0x3333FF000002}),
        ("solicit", {"nd_sll": ALICE, "nd_options_type": 1, "nd_reserved": 0, "ip_ttl": 255}),
        ("probe", {"ipv6_src": 0, "nd_target": TARGET, "nd_sll": 0, "nd_options_type": 0}),
        ("advert", {"icmpv6_type": 136, "nd_target": TARGET, "nd_tll": ALICE}),
        ("advert", {"nd_tll": ALICE, "nd_options_type": 2, "nd_reserved": 3 << 29, "icmpv6_code": 0}),
        ("other", {"eth_type": 0x88B5, "vlan_vid": 0}),
    ],
)
def test_fields_of_common_frames(name: str, expected: dict[str, int]) -> None:
    """The given fields have their values; no field of another protocol is there at all."""
    prefixes = ("arp", "ip", "tcp", "udp", "sctp", "icmp", "nd", "mpls")
    of_protocols = {field.name for field in FIELDS if field.name.startswith(prefixes)}
    present = {field.name: value for field in FIELDS if (value := field_value(FRAMES[name], field)) is not None}
    assert expected.items() <= present.items()
    any_ip = {"ip_frag", "ip_dscp", "ip_proto", "ip_ttl"}
    message = {"icmpv6_type", "icmpv6_code"}
    discovery = message | {"nd_target", "nd_reserved", "nd_options_type"}
    of_version = {0x0800: any_ip | {"ipv4_src", "ipv4_dst"}, 0x86DD: any_ip | {"ipv6_src", "ipv6_dst"}}
    others = {
        "arp": {"arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha"},
        "udp6": {"udp_dst"},
        "probe": discovery,
        "solicit": discovery,
        "advert": discovery,
    }
    implied = of_version.get(FRAMES[name].eth_type, set()) | others.get(name, set())
    assert of_protocols & set(present) == of_protocols & (set(expected) | implied)


def from_scapy() -> dict[str, Ether]:
    """The same frames as scapy builds them, checksums and lengths included."""
    alice, group = "02:00:00:00:00:0a", "33:33:ff:00:00:02"
    ethernet = Ether(src=alice, dst="02:00:00:00:00:0b")
    solicit = Ether(src=alice, dst=group)
    four = ethernet / IP(src="10.0.0.1", dst="10.0.0.2", id=0)
    six = ethernet / IPv6(src="fd00::1", dst="fd00::2", hlim=64)
    fast = ethernet / IP(src="10.0.0.1", dst="10.0.0.2", id=0, tos=46 << 2)
    fast6 = ethernet / IPv6(src="fd00::1", dst="fd00::2", hlim=64, tc=46 << 2)
    syn = TCP(sport=8080, dport=80, seq=0, flags="S", window=0xFFFF)
    init = SCTP(sport=8080, dport=80, tag=0) / SCTPChunkInit(
        init_tag=1, a_rwnd=0xFFFF, n_out_streams=1, n_in_streams=1, init_tsn=1
    )
    to_group = {"dst": "ff02::1:ff00:2", "hlim": 255}
    asks = ICMPv6ND_NS(tgt="fd00::2")
    answers = ICMPv6ND_NA(tgt="fd00::2", R=0, S=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr=alice)
    return {
        "arp": Ether(src=alice, dst="ff:ff:ff:ff:ff:ff")
        / ARP(op=1, hwsrc=alice, psrc="10.0.0.1", hwdst="00:00:00:00:00:00", pdst="10.0.0.2"),
        "udp": four / UDP(sport=67, dport=68) / Raw(b"x"),
        "ping": four / ICMP(id=1, seq=1),
        "udp6": six / UDP(sport=67, dport=68),
        "tcp": fast / syn,
        "sctp": fast / init,
        "voice": fast / UDP(sport=67, dport=68) / Raw(b"x"),
        "tcp6": fast6 / syn,
        "sctp6": fast6 / init,
        "voice6": fast6 / UDP(sport=67, dport=68) / Raw(b"x"),
        "ping6": six / ICMPv6EchoRequest(id=1, seq=1),
        "solicit": solicit / IPv6(src="fd00::1", **to_group) / asks / ICMPv6NDOptSrcLLAddr(lladdr=alice),
        "probe": solicit / IPv6(src="::", **to_group) / asks,
        "advert": ethernet / IPv6(src="fd00::2", dst="fd00::1", hlim=255) / answers,
    }


@pytest.mark.parametrize("name", sorted(from_scapy()))
def test_frames_are_those_of_scapy(name: str) -> None:
    assert FRAMES[name].to_bytes() == bytes(from_scapy()[name])


def test_fragments_are_those_of_scapy() -> None:
    four = Ether(FRAMES["tcp"].to_bytes())
    four[IP].id = 1
    assert [part.to_bytes() for part in frames.fragments(FRAMES["tcp"])] == [bytes(part) for part in fragment(four, 8)]
    six = Ether(FRAMES["tcp6"].to_bytes())
    six[IPv6].payload = IPv6ExtHdrFragment(id=1) / six[TCP]
    six[IPv6].nh = 44
    del six[IPv6].plen
    whole_header = len(six) - len(six[TCP])
    theirs = [bytes(part) for part in fragment6(six, whole_header + 8)]
    assert [part.to_bytes() for part in frames.fragments(FRAMES["tcp6"])] == theirs


def test_fragments_of_what_fits_one_and_of_what_cannot_be_cut() -> None:
    (atomic,) = frames.fragments(FRAMES["tcp6"], 24)
    assert seen(atomic, f.IP_FRAG, f.TCP_DST) == (0, 80)
    first, last = frames.fragments(frames.tagged(FRAMES["sctp"], 5), 24)
    assert seen(first, f.VLAN_VID, f.IP_FRAG, f.IP_DSCP, f.IP_PROTO, f.SCTP_DST) == (0x1005, 1, 46, 132, 0)
    assert seen(last, f.VLAN_VID, f.IP_FRAG, f.IP_DSCP, f.IP_PROTO, f.SCTP_DST) == (0x1005, 3, 46, 132, 0)
    with pytest.raises(Invalid, match="wanted: IP"):
        frames.fragments(FRAMES["arp"])
    with pytest.raises(Invalid, match="12 bytes"):
        frames.fragments(FRAMES["tcp"], 12)


def test_only_the_outermost_tag_is_parsed() -> None:
    twice = frames.tagged(frames.tagged(FRAMES["arp"], 9), 5, tpid=0x88A8)
    assert twice.tags == (Tag(5, 0x88A8),)
    assert seen(twice, f.VLAN_VID, f.ETH_TYPE, f.ARP_OP) == (0x1005, 0x8100, None)
    once = frames.tagged(FRAMES["arp"], 5)
    assert seen(once, f.VLAN_VID, f.ETH_TYPE, f.ARP_OP) == (0x1005, 0x0806, 1)


def test_a_tag_of_identifier_zero_is_a_tag() -> None:
    assert seen(frames.tagged(FRAMES["arp"], 0), f.VLAN_VID) == (0x1000,)


def test_labels() -> None:
    assert UNDER_LABELS.labels == (Label(17, 64, 0), Label(77, 9, 1, tc=5))
    assert seen(UNDER_LABELS, f.MPLS_LABEL, f.MPLS_BOS, f.ETH_TYPE, f.ARP_OP) == (17, 0, 0x8847, None)
    assert UNDER_LABELS.innermost == FRAMES["arp"]
    assert UNDER_LABELS.inner == FRAMES["arp"]
    cut = parse(UNDER_LABELS.to_bytes()[:16])
    assert seen(cut, f.MPLS_LABEL, f.MPLS_BOS) == (0, 0)
    assert cut.inner is None and cut.innermost == cut


def test_a_switch_parses_three_labels() -> None:
    four = frames.raw(LINK, 0x8847, b"".join(Label(20 + n, 64, int(n == 3)).to_bytes() for n in range(4)))
    assert [label.label for label in four.labels] == [20, 21, 22]


def test_without_ethernet_header() -> None:
    bare = parse(Label(77, 9, 1).to_bytes() + b"rest", PacketType.MPLS.value)
    assert seen(bare, f.PACKET_TYPE, f.MPLS_LABEL, f.ETH_DST, f.VLAN_VID) == (0x18847, 77, None, None)


def altered(name: str, place: int, *values: int) -> Packet:
    data = bytearray(FRAMES[name].to_bytes())
    data[place : place + len(values)] = bytes(values)
    return parse(bytes(data))


@pytest.mark.parametrize(
    ("packet", "field", "value"),
    [
        (altered("arp", 20, 1, 1), f.ARP_OP, 0),  # operations above 255 are not matched
        (altered("arp", 18, 8), f.ARP_SPA, 0),  # hardware address of 8 bytes
        (parse(FRAMES["arp"].to_bytes()[:41]), f.ARP_SHA, 0),
        (altered("udp", 14, 0x44), f.IPV4_SRC, 0),  # header of 16 bytes
        (altered("udp", 16, 0xFF), f.IPV4_SRC, 0),  # longer than the frame
        (altered("udp", 20, 0, 1), f.UDP_SRC, 0),  # a later fragment
        (altered("udp", 20, 0x20, 0), f.UDP_SRC, 0),  # the first fragment
        (altered("udp", 20, 0x20, 0), f.IP_FRAG, 1),
        (altered("udp", 20, 0, 1), f.IP_FRAG, 3),
        (altered("udp", 20, 0xC0, 0), f.IP_FRAG, 0),  # only flags that make no fragment
        (altered("tcp", 46, 4 << 4), f.TCP_DST, 0),  # TCP header of 16 bytes
        (altered("tcp", 46, 6 << 4), f.TCP_DST, 0),  # longer than the packet
        (altered("tcp6", 18, 0xFF), f.IP_DSCP, 0),  # longer than the frame
        (altered("udp", 38, 0, 0), f.UDP_DST, 68),  # UDP's own length is not looked at
        (altered("udp6", 18, 0xFF), f.IPV6_SRC, 0),
        (parse(FRAMES["udp"].to_bytes()[:33]), f.IPV4_SRC, 0),
        (altered("solicit", 55, 1), f.ND_TARGET, 0),  # code 1 is no neighbour discovery
        (altered("solicit", 79, 2), f.ND_SLL, 0),  # option longer than the message
    ],
)
def test_malformed_headers_read_as_zero(packet: Packet, field: Field, value: int) -> None:
    assert field_value(packet, field) == value


def test_an_option_given_twice_is_not_believed() -> None:
    option = bytes((1, 1)) + ALICE.to_bytes(6, "big")
    message = bytes((135, 0, 0, 0, 0, 0, 0, 0)) + IPv6Address("fd00::2").packed + option + option
    assert seen(frames.icmpv6(LINK, "fd00::1", "fd00::2", message), f.ND_TARGET, f.ND_SLL) == (0, 0)


def test_extension_headers_are_skipped() -> None:
    hop_by_hop, destination = bytes((60, 0, *[0] * 6)), bytes((17, 0, *[0] * 6))
    udp = bytes.fromhex("0043004400080000")
    behind = frames.ipv6(LINK, "fd00::1", "fd00::2", 0, hop_by_hop + destination + udp)
    assert seen(behind, f.IP_PROTO, f.UDP_SRC) == (17, 67)
    authenticated = frames.ipv6(LINK, "fd00::1", "fd00::2", 51, bytes((17, 1, *[0] * 10)) + udp)
    assert seen(authenticated, f.IP_PROTO, f.UDP_DST) == (17, 68)
    cut = frames.ipv6(LINK, "fd00::1", "fd00::2", 0, hop_by_hop[:4])
    assert seen(cut, f.IPV6_SRC, f.IP_PROTO) == (TARGET - 1, 0)
    later = frames.ipv6(LINK, "fd00::1", "fd00::2", 44, bytes((17, 0, 0, 8, 0, 0, 0, 0)) + udp)
    assert seen(later, f.IP_PROTO, f.UDP_SRC, f.IP_FRAG) == (44, None, 3)


def test_frames_with_a_length_field() -> None:
    plain = frames.raw(LINK, 40, bytes(40))
    assert seen(plain, f.ETH_TYPE) == (0x05FF,)
    snap = frames.raw(LINK, 36, bytes.fromhex("aaaa030000000806") + FRAMES["arp"].payload)
    assert seen(snap, f.ETH_TYPE, f.ARP_OP) == (0x0806, 1)


def test_setting_fields() -> None:
    tagged = frames.tagged(FRAMES["arp"], 0x2005)
    assert with_field(tagged, f.VLAN_VID, 0x1006).tags == (Tag(0x2006),)
    assert with_field(FRAMES["arp"], f.VLAN_VID, 0x1006).tags == (Tag(6),)
    assert with_field(FRAMES["arp"], f.VLAN_TCI, 6) == FRAMES["arp"]
    assert with_field(FRAMES["arp"], f.ETH_SRC, BOB).eth_src == BOB
    assert with_field(FRAMES["arp"], f.MPLS_LABEL, 5) == FRAMES["arp"]
    assert with_field(UNDER_LABELS, f.MPLS_LABEL, 5).labels[0] == Label(5, 64, 0)
    with pytest.raises(Invalid, match="present bit"):
        with_field(tagged, f.VLAN_VID, 6)
    with pytest.raises(Invalid, match="does not set eth_type"):
        with_field(FRAMES["arp"], f.ETH_TYPE, 2)
    with pytest.raises(Invalid, match="cut off"):
        with_field(parse(UNDER_LABELS.to_bytes()[:14]), f.MPLS_LABEL, 2)


def test_packets_in_words() -> None:
    assert packet_text(FRAMES["arp"]) == "02:00:00:00:00:0a > ff:ff:ff:ff:ff:ff arp request 10.0.0.1 > 10.0.0.2"
    assert packet_text(UNDER_LABELS) == "labels 17,77 | " + packet_text(FRAMES["arp"])
    assert packet_text(frames.tagged(FRAMES["udp"], 5)).endswith("vlan 5 ipv4 10.0.0.1 > 10.0.0.2 udp 67 > 68")
    assert packet_text(FRAMES["probe"]).endswith("ipv6 :: > ff02::1:ff00:2 icmpv6 type 135")
