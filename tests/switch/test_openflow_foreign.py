"""What others do on a switch: their rows and groups survive us as bytes, and we hear of what they do to groups."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openflow_peer import OpenFlowPeer
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.compiler.rows import Group, Origin, Output, Subject
from ryu_vnet.openflow import changes, messages, replies
from ryu_vnet.openflow.replies import ErrorReply, GroupChange, GroupCommand
from ryu_vnet.openflow.rows import encode_group
from ryu_vnet.openflow.wire import MessageType, Version

ORIGIN = Origin(Subject.NETWORK, 16)

FOREIGN_ROWS = """
table=0,priority=5,in_port=1,actions=learn(table=1,idle_timeout=60,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),NORMAL
table=0,priority=6,ct_state=-trk,ip,actions=ct(table=1,zone=5)
table=1,ct_state=+trk+new,ip,actions=ct(commit,zone=NXM_NX_REG0[0..15],nat(src=10.0.0.1-10.0.0.9:1000-2000),exec(load:7->NXM_NX_CT_MARK[])),output:2
table=1,ct_state=+trk+est,ct_mark=0x7/0xf,ct_label=0x1234567890/0xffffffffffff,ip,actions=output:1
table=2,priority=9,ip,nw_src=10.0.0.0/8,actions=conjunction(7,1/2)
table=2,priority=9,tcp,tp_dst=80,actions=conjunction(7,2/2)
table=2,priority=9,conj_id=7,ip,actions=resubmit(,3)
table=3,udp,tp_src=0x400/0xfc00,nw_tos=32,nw_ttl=9,actions=mod_nw_tos:48,dec_ttl,mod_tp_dst:9,output:1
table=3,tcp,tcp_flags=+syn-ack,actions=load:0x5->OXM_OF_METADATA[],move:NXM_NX_REG0[3..9]->NXM_NX_REG9[1..7],push:NXM_NX_REG1[],pop:NXM_NX_REG2[],output:1
table=4,tun_id=0x55,tun_src=1.2.3.4,tun_flags=+oam,actions=set_field:0x77->tun_id,set_field:9.9.9.9->tun_dst,output:1
table=4,metadata=0x10/0xf0,xxreg1=0x1/0xff,reg15=4,pkt_mark=5,actions=note:01.02.03.04.05.06.07,write_metadata:0x1/0xff,goto_table:6
table=5,icmp6,icmp_type=135,nd_target=fd00::1,ipv6_label=5,actions=group:7
table=5,sctp,tp_dst=7,actions=meter:1,output:2
table=5,arp,arp_op=1,arp_tpa=10.0.0.1,actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],load:2->NXM_OF_ARP_OP[],in_port
table=6,dl_vlan=5,dl_vlan_pcp=3,actions=mod_vlan_pcp:4,strip_vlan,push_vlan:0x88a8,set_field:0x1007->vlan_vid,output:1
table=6,mpls,mpls_label=5,mpls_tc=3,actions=pop_mpls:0x0800,set_queue:3,output:1
table=6,priority=2,actions=bundle(eth_src,50,hrw,ofport,members:1,2),multipath(eth_src,50,modulo_n,4,0,NXM_NX_REG3[0..3])
table=6,priority=3,actions=clear_actions,write_actions(set_field:02:00:00:00:00:01->eth_dst,output:1)
table=6,priority=4,actions=sample(probability=9,collector_set_id=1,obs_domain_id=2,obs_point_id=3),controller(max_len=77,id=3),exit
table=6,priority=8,nsh_spi=5,dl_type=0x894f,actions=output:1
table=3,priority=3,udp,ip_frag=later,actions=drop
table=7,tcp,idle_timeout=900,hard_timeout=950,importance=3,send_flow_rem,actions=fin_timeout(idle_timeout=9),ct_clear,check_pkt_larger(1500)->NXM_NX_REG0[0],output:1
table=7,priority=2,no_packet_counts,no_byte_counts,cookie=0xdeadbeefcafe,actions=encap(nsh(md_type=1)),decap(),output:1
"""
"""What other programs put on a switch and rows of ours do not have: actions, instructions, matches, limits, flags."""

FOREIGN_GROUPS = """
group_id=7,type=select,bucket=weight:3,actions=output:1,bucket=weight:9,watch_port:2,actions=ct(commit),output:2
group_id=8,type=fast_failover,bucket=watch_port:1,actions=output:1,bucket=watch_group:7,actions=group:7
group_id=9,type=indirect,bucket=actions=mod_dl_src:02:00:00:00:00:05,output:2
group_id=10,type=all,bucket=actions=output:1,bucket=actions=resubmit(,4)
"""


@pytest.fixture(scope="module")
def ovs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DummyOvs]:
    with DummyOvs(tmp_path_factory.mktemp("ovs")) as switch:
        yield switch


@pytest.fixture(params=list(Version), ids=lambda version: version.name)
def peer(ovs: DummyOvs, request: pytest.FixtureRequest) -> Iterator[OpenFlowPeer]:
    """A fresh bridge with two ports, connected."""
    with OpenFlowPeer(request.param) as peer:
        ovs.add_bridge("s1", dpid=1, controller=peer.address, ports=("p1", "p2"))
        try:
            peer.accept()
            yield peer
        finally:
            ovs.vsctl("del-br", "s1")


def refusals(answers: list[bytes]) -> list[ErrorReply]:
    return [replies.error(answer) for answer in answers if answer[1] == MessageType.ERROR]


def test_foreign_rows_survive_being_taken_off_and_put_back(ovs: DummyOvs, peer: OpenFlowPeer) -> None:
    """As bytes, whatever is in them: we need not understand a row to restore it."""
    peer.send(messages.set_async(peer.version, peer.xid()))
    assert peer.until_barrier() == []
    ovs.ofctl("add-meter", "s1", "meter=1,kbps,band=type=drop,rate=100")
    flows, groups = ovs.folder / "foreign-rows.txt", ovs.folder / "foreign-groups.txt"
    flows.write_text(FOREIGN_ROWS)
    groups.write_text(FOREIGN_GROUPS)
    ovs.ofctl("add-groups", "s1", str(groups))
    ovs.ofctl("add-flows", "s1", str(flows))
    assert len(peer.until_barrier()) == (5 if peer.version == Version.OF14 else 0)  # its meter and groups, forwarded
    rows_before, groups_before = peer.dump_rows(), peer.dump_groups()
    text_before = as_text(ovs)
    if peer.version == Version.OF13:
        # Importance came with 1.4: who speaks 1.3 neither sees it nor can put it back.
        text_before = [line.replace(" importance=3,", "") for line in text_before]
    assert (len(rows_before), len(groups_before)) == (len(FOREIGN_ROWS.split("\n")) - 2, 4)
    for take in (messages.all_flows_delete, messages.all_groups_delete):
        peer.send(take(peer.version, peer.xid()))
    assert (peer.until_barrier(), peer.dump_rows(), peer.dump_groups()) == ([], {}, {})
    put_back(peer, rows_before, groups_before)
    assert peer.dump_rows() == rows_before
    assert peer.dump_groups() == groups_before
    assert as_text(ovs) == text_before
    one_by_one = [messages.flow_delete(peer.version, peer.xid(), key) for key in rows_before]
    assert refusals(peer.commit(one_by_one)) == []
    assert peer.dump_rows() == {}


def as_text(ovs: DummyOvs) -> list[str]:
    """Rows and groups as ovs-ofctl prints them, in the order of the alphabet."""
    return sorted((ovs.ofctl("--no-stats", "dump-flows", "s1") + ovs.ofctl("dump-groups", "s1")).splitlines())


def put_back(peer: OpenFlowPeer, rows: dict[bytes, bytes], groups: dict[int, bytes]) -> None:
    steps: list[changes.Step] = [(changes.Kind.GROUP_ADD, *item) for item in sorted(groups.items())]
    steps += [(changes.Kind.ROW_ADD, *item) for item in rows.items()]
    first = peer.xid(len(steps))
    for chunk in changes.bundle(peer.version, 99, steps, first, peer.xid(), peer.xid()):
        peer.send(chunk)
    answers = peer.until_barrier()
    refused = [(steps[error.xid - first], error) for error in refusals(answers) if 0 <= error.xid - first < len(steps)]
    assert refused == []


def test_changes_of_others_to_groups_are_forwarded(ovs: DummyOvs, peer: OpenFlowPeer) -> None:
    """In 1.4; in 1.3 nothing is told of them."""
    peer.send(messages.set_async(peer.version, peer.xid()))
    assert peer.until_barrier() == []

    def after(*command: str) -> list[GroupChange | None]:
        ovs.ofctl(*command[:-1], str(ovs.folder / "s1.mgmt"), command[-1])
        return [replies.request_forward(message) for message in peer.until_barrier()]

    def change(command: GroupCommand, number: int | None, *ports: int) -> list[GroupChange]:
        group = Group(number or 0, tuple((Output(port),) for port in ports), ORIGIN)
        value = b"" if command is GroupCommand.DELETE else encode_group(group)
        return [GroupChange(command, number, value)] if peer.version == Version.OF14 else []

    added, modified, deleted = GroupCommand.ADD, GroupCommand.MODIFY, GroupCommand.DELETE
    assert after("add-group", "group_id=1,type=all,bucket=output:1,bucket=output:2") == change(added, 1, 1, 2)
    assert after("mod-group", "group_id=1,type=all,bucket=output:2") == change(modified, 1, 2)
    assert after("--may-create", "mod-group", "group_id=1,type=all,bucket=output:3") == change(added, 1, 3)
    bundle = ovs.folder / "bundle.txt"
    bundle.write_text("group group_id=5,type=all,bucket=output:1\nflow add table=1,actions=group:5\n")
    assert after("bundle", str(bundle)) == change(added, 5, 1)
    bundle.write_text("group group_id=6,type=all,bucket=output:1\nflow add table=1,actions=group:99\n")
    with pytest.raises(RuntimeError, match="BAD_OUT_GROUP"):
        after("bundle", str(bundle))
    assert peer.until_barrier() == []
    assert after("del-groups", "group_id=5") == change(deleted, 5)
    assert after("del-groups", "group_id=77") == change(deleted, 77)
    ovs.ofctl("del-groups", str(ovs.folder / "s1.mgmt"))
    assert [replies.request_forward(message) for message in peer.until_barrier()] == change(deleted, None)
    own = [messages.group_add(peer.version, peer.xid(), 9, encode_group(Group(9, (), ORIGIN)))]
    assert [replies.bundle_reply(answer) is None for answer in peer.commit(own)] == [False, False]


def test_buckets_put_in_are_forwarded_as_the_group_that_comes_out(ovs: DummyOvs) -> None:
    """Single buckets are of OpenFlow 1.5; who speaks 1.4 hears of the whole group."""
    with OpenFlowPeer(Version.OF14) as peer:
        ovs.add_bridge("s2", dpid=2)
        ovs.vsctl("set", "bridge", "s2", "protocols=OpenFlow13,OpenFlow14,OpenFlow15")
        bridge = str(ovs.folder / "s2.mgmt")
        peer.dial(ovs.folder / "s2.mgmt")
        peer.send(messages.set_async(peer.version, peer.xid()))
        ovs.ofctl("add-group", bridge, "group_id=1,type=all,bucket=output:1")
        added = "group_id=1,command_bucket_id=last,bucket=bucket_id:7,output:2"
        ovs.ofctl("--protocols=OpenFlow15", "insert-buckets", bridge, added)
        both = encode_group(Group(1, ((Output(1),), (Output(2),)), ORIGIN))
        _, inserted = [replies.request_forward(message) for message in peer.until_barrier()]
        assert inserted == GroupChange(GroupCommand.MODIFY, 1, both)
        assert peer.dump_groups() == {1: both}


def test_ports_and_what_rows_tell_are_told_and_ended_rows_are_not(ovs: DummyOvs, peer: OpenFlowPeer) -> None:
    def everything_happens() -> set[int]:
        ovs.ofctl("add-flow", "s1", "send_flow_rem,table=0,actions=controller")
        ovs.appctl(
            "netdev-dummy/receive", "p1", "in_port(1),eth(src=02:00:00:00:00:05,dst=02:00:00:00:00:07),eth_type(0x1234)"
        )
        ovs.appctl("revalidator/wait")
        ovs.ofctl("del-flows", "s1")
        ovs.ofctl("mod-port", "s1", "p1", "down")
        ovs.ofctl("mod-port", "s1", "p1", "up")
        return {message[1] for message in [*peer.until_barrier(), *peer.until_barrier()]}

    packet, ended, port = 10, 11, int(MessageType.PORT_STATUS)
    assert everything_happens() == {packet, ended, port}
    peer.send(messages.set_async(peer.version, peer.xid()))
    assert everything_happens() == {packet, port}
