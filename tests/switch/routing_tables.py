"""Tables that answer and route by rewriting headers, and frames for them: for the simulator and for a real switch."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.rows import (
    IN_PORT_PORT,
    Action,
    CheckLarger,
    Clone,
    CtState,
    DecTtl,
    FieldMatch,
    Move,
    Nat,
    Origin,
    Output,
    Resubmit,
    Row,
    SetField,
    Subject,
    SwitchTable,
    Track,
    Untrack,
    match,
)
from ryu_vnet.verify import frames
from ryu_vnet.verify.checksums import internet_checksum
from ryu_vnet.verify.packet import Packet, parse

ORIGIN = Origin(Subject.SWITCH, 1)
INSIDE, OUTSIDE = 1, 2
NODE, ROUTER, FAR = 0x02_00_00_00_00_0A, 0x02_00_00_00_00_01, 0x02_00_00_00_00_FF
NODE_IP, ROUTER_IP, PUBLIC_IP, FAR_IP = "10.0.0.5", "10.0.0.1", "192.0.2.9", "198.51.100.7"
NODE_IP6, ROUTER_IP6, PUBLIC_IP6, FAR_IP6 = "fd00::5", "fd00::1", "2001:db8::9", "2001:db8:f::7"
OUT, IN = frames.Link(NODE, ROUTER), frames.Link(FAR, ROUTER)
IPV4, IPV6, ARP = (FieldMatch(f.ETH_TYPE, eth_type) for eth_type in (0x0800, 0x86DD, 0x0806))
ICMP, ICMPV6, TCP, UDP = (FieldMatch(f.IP_PROTO, number) for number in (1, 58, 6, 17))
ZONE = 77


def number(address: str) -> int:
    """An address as rows have it."""
    return int(IPv6Address(address) if ":" in address else IPv4Address(address))


def row(table: int, conditions: list[FieldMatch], *actions: Action, goto: int | None = None, priority: int = 1) -> Row:
    return Row(table, priority, match(*conditions), actions, goto, ORIGIN)


def table_of(*rows: Row) -> SwitchTable:
    table = SwitchTable()
    for each in rows:
        table.add(each)
    return table


NOTHING = CtState(0)


def state(plus: CtState, minus: CtState = NOTHING) -> FieldMatch:
    """`+plus-minus`."""
    return FieldMatch(f.CT_STATE, plus, plus | minus)


BACK = (Move(f.ETH_SRC, f.ETH_DST, 48), SetField(f.ETH_SRC, ROUTER))


def responders() -> SwitchTable:
    """Answers ARP, neighbour solicitations and echoes for the router, in the data path."""
    is_request = [ARP, FieldMatch(f.ARP_OP, 1), FieldMatch(f.ARP_TPA, number(ROUTER_IP))]
    arp = (
        SetField(f.ARP_OP, 2),
        Move(f.ARP_SHA, f.ARP_THA, 48),
        Move(f.ARP_SPA, f.ARP_TPA, 32),
        SetField(f.ARP_SHA, ROUTER),
        SetField(f.ARP_SPA, number(ROUTER_IP)),
    )
    to_router, to_router6 = (
        [IPV4, FieldMatch(f.IPV4_DST, number(ROUTER_IP)), ICMP, FieldMatch(f.ICMPV4_TYPE, 8)],
        [IPV6, FieldMatch(f.IPV6_DST, number(ROUTER_IP6)), ICMPV6, FieldMatch(f.ICMPV6_TYPE, 128)],
    )
    echo = (Move(f.IPV4_SRC, f.IPV4_DST, 32), SetField(f.IPV4_SRC, number(ROUTER_IP)), SetField(f.ICMPV4_TYPE, 0))
    echo6 = (Move(f.IPV6_SRC, f.IPV6_DST, 128), SetField(f.IPV6_SRC, number(ROUTER_IP6)), SetField(f.ICMPV6_TYPE, 129))
    # A probe for duplicates has no option of which the type could be set.
    asked = [
        IPV6,
        ICMPV6,
        FieldMatch(f.ICMPV6_TYPE, 135),
        FieldMatch(f.ICMPV6_CODE, 0),
        FieldMatch(f.ND_OPTIONS_TYPE, 1),
    ]
    answer = [IPV6, ICMPV6, FieldMatch(f.ICMPV6_TYPE, 136), FieldMatch(f.ICMPV6_CODE, 0)]
    turned = (Move(f.IPV6_SRC, f.IPV6_DST, 128), SetField(f.IPV6_SRC, number(ROUTER_IP6)))
    # A row that matches a solicitation must not set what only advertisements have; the next table's may.
    told = (SetField(f.ND_OPTIONS_TYPE, 2), SetField(f.ND_RESERVED, 7 << 29), SetField(f.ND_TLL, ROUTER))
    back = (*BACK, SetField(f.IP_TTL, 64), SetField(f.IN_PORT, 0))
    return table_of(
        row(0, is_request, *BACK, *arp, Output(IN_PORT_PORT)),
        row(0, to_router, *back, *echo, Output(INSIDE)),
        row(0, to_router6, *back, *echo6, Output(INSIDE)),
        row(0, [*asked, FieldMatch(f.ND_TARGET, number(ROUTER_IP6))], *turned, SetField(f.ICMPV6_TYPE, 136), goto=1),
        row(1, answer, *BACK, *told, Output(IN_PORT_PORT)),
    )


def router() -> SwitchTable:
    """Counts hops down, refuses what is too large, marks the class, and swaps source and destination through a
    register."""
    through = (Move(f.IPV4_SRC, f.REG6, 32), Move(f.IPV4_DST, f.IPV4_SRC, 32), Move(f.REG6, f.IPV4_DST, 32))
    return table_of(
        row(0, [IPV4], Resubmit(1), Output(3)),
        row(0, [IPV6], CheckLarger(100, f.REG7, 5), DecTtl(), goto=2),
        row(1, [IPV4], DecTtl(), SetField(f.IP_DSCP, 46), *through, Output(OUTSIDE)),
        row(2, [IPV6, FieldMatch(f.REG7, 1 << 5, 1 << 5)], SetField(f.ETH_SRC, ROUTER), Output(3)),
        row(2, [IPV6, FieldMatch(f.REG7, 0, 1 << 5)], SetField(f.IPV6_SRC, number(PUBLIC_IP6)), Output(OUTSIDE)),
    )


def gateway(ports: tuple[int, int] | None = None) -> SwitchTable:
    """Nodes reach the Internet by an address of the gateway's, and answers come back, over IPv4 and IPv6."""
    rows: list[Row] = []
    for version, public, to_node in (
        (IPV4, PUBLIC_IP, FieldMatch(f.IPV4_DST, number(NODE_IP))),
        (IPV6, PUBLIC_IP6, FieldMatch(f.IPV6_DST, number(NODE_IP6))),
    ):
        nat = Nat(number(public), version is IPV6, ports=ports)
        new, known = (state(CtState.TRACKED | bit, CtState.REPLY) for bit in (CtState.NEW, CtState.ESTABLISHED))
        reply = state(CtState.TRACKED | CtState.ESTABLISHED | CtState.REPLY)
        out = (SetField(f.ETH_SRC, ROUTER), SetField(f.ETH_DST, FAR), Output(OUTSIDE))
        rows += [
            row(0, [FieldMatch(f.IN_PORT, INSIDE), version], DecTtl(), SetField(f.REG6, 9), Track(ZONE, 1, True, nat)),
            row(0, [FieldMatch(f.IN_PORT, OUTSIDE), version], Track(ZONE, 2, nat=Nat())),
            row(1, [version, new, FieldMatch(f.REG6, 9)], *out),
            row(1, [version, known, FieldMatch(f.REG6, 9)], SetField(f.IP_DSCP, 1), *out),
            row(2, [version, reply, to_node], SetField(f.ETH_DST, NODE), SetField(f.ETH_SRC, ROUTER), Output(INSIDE)),
        ]
    return table_of(*rows)


def published(ports: tuple[int, int] | None = None) -> SwitchTable:
    """A node's service, which the Internet reaches by the gateway's address; both ways are tracked by one row."""
    nat = Nat(number(NODE_IP), source=False, ports=ports)
    # The bit is that of the direction: of answers it is the source that is translated, back to the public address.
    answers = state(CtState.TRACKED | CtState.REPLY | CtState.SOURCE_TRANSLATED, CtState.DESTINATION_TRANSLATED)
    asks = state(CtState.TRACKED | CtState.DESTINATION_TRANSLATED, CtState.REPLY)
    inward = (SetField(f.ETH_DST, NODE), Output(INSIDE))
    to_public = [IPV4, FieldMatch(f.IPV4_DST, number(PUBLIC_IP))]
    return table_of(
        row(0, to_public, Output(3), Clone((Track(ZONE, 1, True, nat),)), Output(4)),
        row(0, [IPV4, FieldMatch(f.IPV4_SRC, number(NODE_IP))], Track(ZONE, 1, nat=Nat())),
        row(1, [IPV4, asks, FieldMatch(f.CT_NW_DST, number(PUBLIC_IP)), UDP, FieldMatch(f.CT_NW_PROTO, 17)], *inward),
        row(1, [IPV4, answers], SetField(f.ETH_DST, FAR), Output(OUTSIDE)),
    )


def twice() -> SwitchTable:
    """Translated, tracked once more in the same zone, in another one, and then forgotten."""
    nat = Nat(number(PUBLIC_IP))
    both = CtState.TRACKED | CtState.NEW | CtState.SOURCE_TRANSLATED
    return table_of(
        row(0, [IPV4], Track(ZONE, 1, True, nat)),
        row(1, [IPV4, state(both)], Track(ZONE, 2, nat=Nat())),
        row(2, [IPV4, state(CtState.TRACKED | CtState.NEW)], Track(ZONE + 1, 3)),
        row(3, [IPV4, state(CtState.TRACKED | CtState.NEW, CtState.SOURCE_TRANSLATED)], Untrack(), goto=4),
        row(4, [IPV4, state(NOTHING, CtState.TRACKED)], SetField(f.IP_DSCP, 2), Output(OUTSIDE)),
    )


def two_zones() -> SwitchTable:
    """Remembers each connection in two zones."""
    return table_of(
        row(0, [IPV4], Track(ZONE, 1, True)),
        row(1, [IPV4], Track(ZONE + 1, 2, True)),
        row(2, [], Output(OUTSIDE)),
    )


def tcp(link: frames.Link, ends: tuple[str, str], ports: tuple[int, int], flags: int) -> Packet:
    """A segment without data: SYN with sequence number 0, all others with 1 that acknowledge 0."""
    is_first = flags & 2 and not flags & 16
    numbers = (0, 0) if is_first else (0 if flags & 2 else 1, 1)
    header = struct.pack("!HHIIBBHHH", *ports, *numbers, 5 << 4, flags, 0xFFFF, 0, 0)
    src, dst = (IPv4Address(end).packed for end in ends)
    checksum = internet_checksum(src + dst + struct.pack("!II", len(header), 6) + header)
    return frames.ipv4(link, *ends, 6, header[:16] + checksum.to_bytes(2, "big") + header[18:])


def echo(link: frames.Link, ends: tuple[str, str], kind: int) -> Packet:
    """An echo request or reply, over IPv4 or IPv6 as its addresses are."""
    make = frames.ipv6_echo if ":" in ends[0] else frames.ipv4_echo
    request = make(link, *ends, b"some data").to_bytes()
    at = 54 if ":" in ends[0] else 34
    before, after = bytes((request[at], request[at + 1])), bytes((kind, 0))
    old = int.from_bytes(request[at + 2 : at + 4], "big")
    difference = int.from_bytes(before, "big") - int.from_bytes(after, "big")
    checksum = (old + difference) % 0xFFFF
    return parse(request[:at] + after + checksum.to_bytes(2, "big") + request[at + 4 :])
