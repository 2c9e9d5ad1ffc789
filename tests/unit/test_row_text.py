"""Rows as text. That ovs-ofctl reads it as the same rows is tested in tests/switch."""

from __future__ import annotations

import pytest

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.pipeline import ADJACENCY_KIND_MASK, EGRESS, FORWARD, SERVICE, From, Toward, adjacency
from ryu_vnet.compiler.rows import (
    IN_PORT_PORT,
    Action,
    Clone,
    Decap,
    DecMplsTtl,
    Encap,
    FieldMatch,
    Group,
    Meter,
    Move,
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
)
from ryu_vnet.compiler.text import Style, actions_text, group_text, match_text, row_text

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
        (Clone((Output(1), Output(2))), "clone(output:1,output:2)"),
    ],
)
def test_actions(action: Action, text: str) -> None:
    assert actions_text((action,)) == text


def test_actions_by_meaning() -> None:
    actions = (Move(f.REG0, f.MPLS_LABEL, 20), Clone((Resubmit(EGRESS.table),)))
    text = "move:network[0..19]->mpls_label[],clone(resubmit(,EGRESS)),goto_table:SERVICE"
    assert actions_text(actions, SERVICE.table, Style.MEANING) == text


def test_a_group() -> None:
    group = Group(16, ((SetField(f.REG3, adjacency(Toward.INTERFACE, 7)), Resubmit(80)), (Output(1),)), ORIGIN)
    assert group_text(group) == (
        "group_id=16,type=all,bucket=actions=set_field:0x10000007->reg3,resubmit(,80),bucket=actions=output:1"
    )
    assert "set_field:interface:7->adjacency,resubmit(,EGRESS)" in group_text(group, Style.MEANING)
