"""Rows as text. That ovs-ofctl reads it as the same rows is tested in tests/switch."""

from __future__ import annotations

import pytest

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.pipeline import ADJACENCY_KIND_MASK, EGRESS, FORWARD, SERVICE, From, Toward, adjacency
from ryu_vnet.compiler.read_text import read_row
from ryu_vnet.compiler.rows import (
    IN_PORT_PORT,
    Action,
    CheckLarger,
    Clone,
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
    Origin,
    Output,
    PacketType,
    PopVlan,
    PushVlan,
    Resubmit,
    Row,
    SetField,
    SetMplsTtl,
    Subject,
    ToGroup,
    Track,
    Untrack,
)
from ryu_vnet.compiler.text import Style, actions_text, group_text, match_text, row_text
from ryu_vnet.errors import Invalid

ORIGIN = Origin(Subject.NETWORK, 16)
ROW = Row(
    FORWARD.table,
    300,
    (FieldMatch(f.ETH_DST, 0x020000000001), FieldMatch(f.REG0, 16), FieldMatch(f.REG4, From.ACCESS)),
    (SetField(f.REG3, adjacency(Toward.SWITCH, 3)), SetField(f.REG2, 101)),
    EGRESS.table,
    ORIGIN,
)


def test_a_row_in_both_styles() -> None:
    assert row_text(ROW) == (
        "table=70,priority=300,eth_dst=02:00:00:00:00:01,reg0=0x10,reg4=0x1,"
        "actions=set_field:0x20000003->reg3,set_field:0x65->reg2,goto_table:80"
    )
    assert row_text(ROW, Style.MEANING) == (
        "table=FORWARD,priority=300,eth_dst=02:00:00:00:00:01,network=16,from=access,"
        "actions=set_field:switch:3->adjacency,set_field:101->tag,goto_table:EGRESS"
    )
    assert row_text(Row(99, 0, (), (), None, ORIGIN), Style.MEANING) == "table=99,priority=0,actions=drop"


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (FieldMatch(f.IN_PORT, 3), "in_port=3"),
        (FieldMatch(f.PACKET_TYPE, PacketType.MPLS.value), "packet_type=(1,0x8847)"),
        (FieldMatch(f.ETH_DST, 1 << 40, 1 << 40), "eth_dst=01:00:00:00:00:00/01:00:00:00:00:00"),
        (FieldMatch(f.ETH_TYPE, 0x0806), "eth_type=0x806"),
        (FieldMatch(f.VLAN_VID, 0x1000, 0x1000), "vlan_vid=0x1000/0x1000"),
        (FieldMatch(f.MPLS_LABEL, 1000), "mpls_label=1000"),
        (FieldMatch(f.IPV4_SRC, 0x0A000000, 0xFFFFFF00), "ip_src=10.0.0.0/24"),
        (FieldMatch(f.IPV4_SRC, 0x0A000000, 0xFF0000FF), "ip_src=10.0.0.0/255.0.0.255"),
        (FieldMatch(f.ARP_SPA, 0), "arp_spa=0.0.0.0"),
        (FieldMatch(f.IPV6_SRC, 0xFD << 120, 0xFF << 120), "ipv6_src=fd00::/8"),
        (FieldMatch(f.ND_TARGET, 1), "nd_target=::1"),
        (FieldMatch(f.UDP_DST, 67), "udp_dst=67"),
        (FieldMatch(f.TCP_DST, 80), "tcp_dst=80"),
        (FieldMatch(f.SCTP_SRC, 8, 0xFFF8), "sctp_src=8/65528"),
        (FieldMatch(f.IP_DSCP, 46), "ip_dscp=46"),
        (FieldMatch(f.IP_FRAG, 0), "ip_frag=no"),
        (FieldMatch(f.IP_FRAG, 1), "ip_frag=first"),
        (FieldMatch(f.IP_FRAG, 3, 3), "ip_frag=later"),
        (FieldMatch(f.IP_FRAG, 1, 1), "ip_frag=yes"),
        (FieldMatch(f.IP_FRAG, 0, 2), "ip_frag=not_later"),
        (FieldMatch(f.IP_FRAG, 0, 1), "ip_frag=0x0/0x1"),
        (FieldMatch(f.REG1, 7, 15), "reg1=0x7/0xf"),
        (FieldMatch(f.IP_TTL, 64), "nw_ttl=64"),
        (FieldMatch(f.ICMPV4_TYPE, 8), "icmp_type=8"),
        (FieldMatch(f.ICMPV6_CODE, 0), "icmpv6_code=0"),
        (FieldMatch(f.ND_RESERVED, 3 << 29), "nd_reserved=0x60000000"),
        (FieldMatch(f.ND_OPTIONS_TYPE, 2), "nd_options_type=2"),
        (FieldMatch(f.ARP_TPA, 0x0A000001), "arp_tpa=10.0.0.1"),
        (FieldMatch(f.ARP_THA, 0), "arp_tha=00:00:00:00:00:00"),
        (FieldMatch(f.TUN_ID, 77), "tun_id=77"),
        (FieldMatch(f.TUN_DST, 0xC0000201), "tun_dst=192.0.2.1"),
        (FieldMatch(f.TUN_IPV6_SRC, 1), "tun_ipv6_src=::1"),
        (FieldMatch(f.CT_STATE, 0x20, 0x21), "ct_state=-new+trk"),
        (FieldMatch(f.CT_STATE, 0x42, 0xDE), "ct_state=+est-rel-rpl-inv+snat-dnat"),
        (FieldMatch(f.CT_NW_DST, 0x0A000000, 0xFF000000), "ct_nw_dst=10.0.0.0/8"),
        (FieldMatch(f.CT_TP_DST, 80), "ct_tp_dst=80"),
    ],
)
def test_conditions(condition: FieldMatch, text: str) -> None:
    assert match_text((condition,)) == text


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (FieldMatch(f.REG3, adjacency(Toward.OUT)), "adjacency=out"),
        (FieldMatch(f.REG3, adjacency(Toward.SEGMENT), ADJACENCY_KIND_MASK), "adjacency=segment:*"),
        (FieldMatch(f.REG3, 0xF000_0001), "adjacency=0xf0000001"),
        (FieldMatch(f.REG3, 1, 3), "adjacency=0x1/0x3"),
        (FieldMatch(f.REG4, From.CORE), "from=core"),
        (FieldMatch(f.REG4, 0), "from=0"),
        (FieldMatch(f.REG1, 7), "interface=7"),
        (FieldMatch(f.IPV4_SRC, 1), "ipv4_src=0.0.0.1"),
    ],
)
def test_meanings(condition: FieldMatch, text: str) -> None:
    assert match_text((condition,), Style.MEANING) == text


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (Output(2), "output:2"),
        (Output(IN_PORT_PORT), "output:IN_PORT"),
        (ToGroup(0x100010), "group:1048592"),
        (Meter(1), "meter:1"),
        (SetField(f.ETH_SRC, 1), "set_field:00:00:00:00:00:01->eth_src"),
        (Move(f.REG0, f.MPLS_LABEL, 20), "move:NXM_NX_REG0[0..19]->OXM_OF_MPLS_LABEL[]"),
        (Move(f.REG2, f.VLAN_TCI, 12), "move:NXM_NX_REG2[0..11]->NXM_OF_VLAN_TCI[0..11]"),
        (Move(f.REG2, f.REG3, 1, 4, 5), "move:NXM_NX_REG2[4]->NXM_NX_REG3[5]"),
        (PushVlan(), "push_vlan:0x8100"),
        (PopVlan(), "pop_vlan"),
        (Encap(PacketType.MPLS), "encap(mpls)"),
        (Encap(PacketType.ETHERNET), "encap(ethernet)"),
        (Decap(), "decap()"),
        (Decap(PacketType.MPLS), "decap(packet_type(ns=1,type=0x8847))"),
        (Decap(PacketType.ETHERNET), "decap(packet_type(ns=0,type=0))"),
        (SetMplsTtl(64), "set_mpls_ttl(64)"),
        (DecMplsTtl(), "dec_mpls_ttl"),
        (Resubmit(80), "resubmit(,80)"),
        (SetField(f.IN_PORT, 0), "load:0x0->NXM_OF_IN_PORT[]"),
        (SetField(f.IP_TTL, 64), "set_field:64->nw_ttl"),
        (Move(f.ETH_SRC, f.ETH_DST, 48), "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]"),
        (Move(f.ARP_SHA, f.ARP_THA, 48), "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]"),
        (Move(f.IPV4_SRC, f.REG7, 32), "move:NXM_OF_IP_SRC[]->NXM_NX_REG7[]"),
        (Move(f.IPV6_SRC, f.IPV6_DST, 128), "move:NXM_NX_IPV6_SRC[]->NXM_NX_IPV6_DST[]"),
        (Move(f.REG0, f.TUN_ID, 24), "move:NXM_NX_REG0[0..23]->NXM_NX_TUN_ID[0..23]"),
        (Move(f.REG0, f.IN_PORT, 16), "move:NXM_NX_REG0[0..15]->NXM_OF_IN_PORT[]"),
        (Move(f.ND_RESERVED, f.REG0, 32), "move:ERICOXM_OF_ICMPV6_ND_RESERVED[]->NXM_NX_REG0[]"),
        (DecTtl(), "dec_ttl"),
        (Untrack(), "ct_clear"),
        (CheckLarger(1514, f.REG7, 3), "check_pkt_larger(1514)->NXM_NX_REG7[3]"),
        (Track(5, 12), "ct(table=12,zone=5)"),
        (Track(5, 12, nat=Nat()), "ct(table=12,zone=5,nat)"),
        (Track(5, 12, True, Nat(0xC0000201)), "ct(commit,table=12,zone=5,nat(src=192.0.2.1))"),
        (
            Track(5, 12, True, Nat(0xC0000201, source=False, ports=(80, 81))),
            "ct(commit,table=12,zone=5,nat(dst=192.0.2.1:80-81))",
        ),
        (Track(5, 12, True, Nat(1, True)), "ct(commit,table=12,zone=5,nat(src=::1))"),
        (Track(5, 12, True, Nat(1, True, ports=(80, 81))), "ct(commit,table=12,zone=5,nat(src=[::1]:80-81))"),
        (Clone((Output(1), Output(2))), "clone(output:1,output:2)"),
    ],
)
def test_actions(action: Action, text: str) -> None:
    assert actions_text((action,)) == text


def test_actions_by_meaning() -> None:
    actions = (Move(f.REG0, f.MPLS_LABEL, 20), Clone((Resubmit(EGRESS.table),)))
    text = "move:network[0..19]->mpls_label[],clone(resubmit(,EGRESS)),goto_table:SERVICE"
    assert actions_text(actions, SERVICE.table, Style.MEANING) == text


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("icmp,nw_ttl=1,icmp_type=8,icmp_code=0", {"eth_type": 0x800, "ip_proto": 1, "ip_ttl": 1, "icmpv4_type": 8}),
        ("icmp6,icmp_type=136,icmp_code=0", {"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 136}),
        ("dl_type=0x800,nw_proto=1,icmp_type=8", {"eth_type": 0x800, "ip_proto": 1, "icmpv4_type": 8}),
        ("arp,nw_src=10.0.0.1,nw_dst=10.0.0.2", {"eth_type": 0x806, "arp_spa": 0x0A000001, "arp_tpa": 0x0A000002}),
        ("dl_type=0x806,nw_proto=1", {"eth_type": 0x806, "arp_op": 1}),
        ("ip,nw_dst=10.0.0.2", {"eth_type": 0x800, "ipv4_dst": 0x0A000002}),
        ("tun_id=0x5,tun_src=192.0.2.1", {"tun_id": 5, "tun_src": 0xC0000201}),
        ("ct_state=+trk-new", {"ct_state": (0x20, 0x21)}),
        ("ct_state=new|trk", {"ct_state": (0x21, 0xFF)}),
        ("ct_state=0", {"ct_state": (0, 0xFF)}),
        ("ct_state=0x21/0x21", {"ct_state": (0x21, 0x21)}),
    ],
)
def test_other_ways_to_say_it(text: str, conditions: dict[str, int | tuple[int, int]]) -> None:
    """What ovs-ofctl prints or takes and we do not write."""
    said = {item.field.name: item.value if item.mask is None else (item.value, item.mask) for item in read(text)}
    assert {name: said[name] for name in conditions} == conditions
    assert {*said} - {*conditions} <= {"icmpv4_code", "icmpv6_code"}


@pytest.mark.parametrize("text", ["ct_state=+odd", "ct_state=+new-", "ct_state=odd|new", "ct_state=+"])
def test_bits_that_are_none(text: str) -> None:
    with pytest.raises(Invalid, match="ct_state"):
        read(text)


def read(text: str) -> Match:
    return read_row(f"table=1,priority=1,{text} actions=drop", {}).match


def test_a_group() -> None:
    group = Group(16, ((SetField(f.REG3, adjacency(Toward.INTERFACE, 7)), Resubmit(80)), (Output(1),)), ORIGIN)
    assert group_text(group) == (
        "group_id=16,type=all,bucket=actions=set_field:0x10000007->reg3,resubmit(,80),bucket=actions=output:1"
    )
    assert "set_field:interface:7->adjacency,resubmit(,EGRESS)" in group_text(group, Style.MEANING)
