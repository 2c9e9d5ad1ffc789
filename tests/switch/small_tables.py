"""Random small tables and frames that often meet: few values for each field, so that rows match."""

from __future__ import annotations

from random import Random

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.pipeline import REGISTERS as PIPELINE_REGISTERS
from ryu_vnet.compiler.pipeline import STAGES
from ryu_vnet.compiler.rows import (
    IN_PORT_PORT,
    Action,
    Clone,
    Decap,
    DecMplsTtl,
    Encap,
    FieldMatch,
    Group,
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
    SwitchTable,
    ToGroup,
    match,
)
from ryu_vnet.verify import frames

MACS = (0x02_00_00_00_00_01, 0x02_00_00_00_00_02, frames.BROADCAST)
VIDS = (5, 6)
LABELS = (17, 18)
IPV4 = (0x0A000001, 0x0A000002)
IPV6 = (0xFD << 120 | 1, 0xFD << 120 | 2, 0)
PORTS = (1, 2, 3, 4, IN_PORT_PORT)
TABLES = tuple(stage.table for stage in STAGES)
REGISTERS = tuple(register.field for register in PIPELINE_REGISTERS)
PRESENT = 0x1000
DSCPS = (0, 46)
TRANSPORTS = ((6, f.TCP_SRC, f.TCP_DST), (17, f.UDP_SRC, f.UDP_DST), (132, f.SCTP_SRC, f.SCTP_DST))
FRAGMENTS = tuple(FieldMatch(f.IP_FRAG, *item) for item in ((0, None), (1, None), (3, None), (1, 1), (0, 2)))
GROUPS = (1, 2)
KINDS = ("plain", "plain", "plain", "untag", "tag", "encap", "swap", "decap", "service", "service")
ORIGIN = Origin(Subject.SWITCH, 1)


def random_table(random: Random) -> SwitchTable:
    """Some rows in each table, of priorities that differ, and two groups."""
    table = SwitchTable()
    for number in GROUPS:
        buckets = tuple(_bucket(random) for _ in range(random.randrange(4)))
        table.add_group(Group(number, buckets, ORIGIN))
    priority = 1
    for place, number in enumerate(TABLES[:-1]):
        later = TABLES[place + 1 :]
        for _ in range(random.randint(2, 6)):
            priority += 1
            table.add(_row(random, number, priority, later))
    table.add(Row(TABLES[-1], 1, (), tuple(_send(random, ()) for _ in range(2)), None, ORIGIN))
    return table


def _row(random: Random, number: int, priority: int, later: tuple[int, ...]) -> Row:
    kind = random.choice(KINDS)
    goto = random.choice((None, *later[:3], *later[:3]))
    ethernet = kind not in ("decap", "service")
    plain = [_plain(random, later, ethernet) for _ in range(random.randrange(4))]
    conditions, actions = _of_kind(random, kind)
    return Row(number, priority, match(*conditions), (*actions, *plain), goto, ORIGIN)


def _of_kind(random: Random, kind: str) -> tuple[list[FieldMatch], list[Action]]:
    """The conditions that an action of some kind needs, and the actions."""
    label, vid = random.choice(LABELS), random.choice(VIDS)
    mpls = FieldMatch(f.ETH_TYPE, 0x8847)
    if kind == "untag":
        return [FieldMatch(f.VLAN_VID, PRESENT, PRESENT)], [PopVlan()]
    untagged = FieldMatch(f.VLAN_VID, 0)
    if kind == "tag":
        ways: list[Action] = [SetField(f.VLAN_VID, PRESENT | vid), Move(f.REG2, f.VLAN_TCI, 12)]
        set_vid = random.choice(ways)
        return [random.choice([untagged, FieldMatch(f.ETH_DST, MACS[0])])], [PushVlan(), set_vid]
    if kind == "encap":
        port = random.choice(PORTS[:-1])
        other = random.choice([out for out in PORTS[:-1] if out != port])
        return [FieldMatch(f.IN_PORT, port)], [Clone(_encapsulate(random, other))]
    if kind == "swap":
        actions: list[Action] = [SetField(f.MPLS_LABEL, label), DecMplsTtl(), SetMplsTtl(9)]
        return [mpls], random.sample(actions, 2)
    if kind == "decap":
        if random.randrange(2):
            return [mpls, untagged], [Decap(), Decap(PacketType.MPLS)]
        return [mpls, untagged, FieldMatch(f.MPLS_BOS, 1)], [Decap(), Decap(PacketType.ETHERNET)]
    if kind == "service":
        bare = [FieldMatch(f.PACKET_TYPE, PacketType.MPLS.value), FieldMatch(f.MPLS_BOS, 1)]
        some = random.choice([[], [FieldMatch(f.MPLS_LABEL, label)]])
        return bare + some, [Decap(PacketType.ETHERNET)]
    return _conditions(random), []


def _conditions(random: Random) -> list[FieldMatch]:
    """A match whose prerequisites are met, often on nothing but a register or a port."""
    mac = FieldMatch(random.choice((f.ETH_SRC, f.ETH_DST)), random.choice(MACS))
    group_bit = 1 << 40
    vid = PRESENT | random.choice(VIDS)
    v4, v6 = (FieldMatch(f.ETH_TYPE, eth_type) for eth_type in (0x0800, 0x86DD))
    icmp = FieldMatch(f.IP_PROTO, 58)
    number, *fields = random.choice(TRANSPORTS)
    proto, port = FieldMatch(f.IP_PROTO, number), random.choice(fields)
    any_ip = random.choice((v4, v6))
    kind = random.choice((135, 136))
    discovery = [v6, icmp, FieldMatch(f.ICMPV6_TYPE, kind)]
    target = FieldMatch(f.ND_TARGET, random.choice(IPV6))
    link = FieldMatch(f.ND_SLL if kind == 135 else f.ND_TLL, random.choice((0, *MACS)))
    arp = FieldMatch(f.ETH_TYPE, random.choice((0x0806, 0x8035)))
    choices: list[list[FieldMatch]] = [
        [],
        [mac],
        [FieldMatch(f.ETH_DST, group_bit, group_bit)],
        [FieldMatch(f.IN_PORT, random.choice(PORTS[:-1])), mac],
        [FieldMatch(random.choice(REGISTERS), random.randrange(4))],
        [FieldMatch(random.choice(REGISTERS), 1, 1)],
        [FieldMatch(f.VLAN_VID, random.choice((0, vid)))],
        [FieldMatch(f.ETH_TYPE, random.choice((0x8100, 0x88A8, 0x05FF, 0x8847, 0x8848)))],
        [FieldMatch(f.ETH_TYPE, 0x8847), FieldMatch(f.MPLS_LABEL, random.choice((0, *LABELS)))],
        [v4, FieldMatch(f.IPV4_SRC, random.choice(IPV4))],
        [v4, FieldMatch(f.IPV4_DST, 0x0A000000, 0xFF000000), proto],
        [any_ip, proto, FieldMatch(port, random.choice((0, 67)))],
        [any_ip, proto, FieldMatch(port, 66, 0xFFFE), FRAGMENTS[0]],
        [any_ip, FieldMatch(f.IP_DSCP, random.choice(DSCPS))],
        [any_ip, random.choice(FRAGMENTS)],
        [v6, FieldMatch(f.IPV6_SRC, random.choice(IPV6))],
        [v6, FieldMatch(f.IPV6_DST, 0xFF << 120, 0xFF << 120)],
        [v6, icmp, FieldMatch(f.ICMPV6_TYPE, random.choice((0, 128, 135)))],
        [*discovery, target],
        [*discovery, link],
        [arp, FieldMatch(f.ARP_SPA, random.choice((0, *IPV4)))],
        [arp, FieldMatch(f.ARP_SHA, random.choice((0, *MACS)))],
        [arp, FieldMatch(f.ARP_OP, random.choice((0, 1, 2)))],
    ]
    return random.choice(choices)


def _plain(random: Random, later: tuple[int, ...], ethernet: bool) -> Action:
    """An action that any packet can take; one that sets an address only where it is known to be Ethernet."""
    if random.randrange(8) == 0:
        return Clone(tuple(_plain(random, later, ethernet) for _ in range(2)))
    if ethernet and random.randrange(8) == 0:
        return SetField(random.choice((f.ETH_SRC, f.ETH_DST)), random.choice(MACS))
    return random.choice([_register(random), _send(random, later)])


def _register(random: Random) -> Action:
    source, target = random.sample(REGISTERS, 2)
    if random.randrange(3) == 0:
        bits = random.randint(1, 32)
        return Move(source, target, bits, random.randint(0, 32 - bits), random.randint(0, 32 - bits))
    return SetField(source, random.randrange(4))


def _send(random: Random, later: tuple[int, ...]) -> Action:
    choices: list[Action] = [Output(port) for port in PORTS]
    if later:
        choices += [Resubmit(table) for table in later]
    if TABLES[-1] in later:
        choices += [ToGroup(number) for number in GROUPS]
    return random.choice(choices)


def _bucket(random: Random) -> tuple[Action, ...]:
    """Registers and then a way out, as our fan-out has it."""
    ways: list[Action] = [Resubmit(TABLES[-1]), Output(random.choice(PORTS))]
    return (_register(random), _register(random), random.choice(ways))


def _encapsulate(random: Random, port: int) -> tuple[Action, ...]:
    """One label or two and an Ethernet header, then a way out.

    It must really be one: a frame that is encapsulated and then not sent ends ovs-vswitchd 3.1 (see `execute`).
    """
    actions: list[Action] = []
    for _ in range(random.randint(1, 2)):
        actions.append(Encap(PacketType.MPLS))
        ways: list[Action] = [SetField(f.MPLS_LABEL, random.choice(LABELS)), Move(f.REG0, f.MPLS_LABEL, 20)]
        actions.append(random.choice(ways))
        actions += random.choice([[], [SetMplsTtl(random.randrange(256))]])
    return (*actions, Encap(PacketType.ETHERNET), SetField(f.ETH_DST, MACS[0]), Output(port))


def random_frame(random: Random) -> bytes:
    """A frame such as nodes, trunks and the core send: whole, tagged, labelled, sometimes cut off or altered."""
    data = _node_frame(random)
    if random.randrange(3) == 0:
        data = _labelled(random, data)
    for _ in range(random.choice((0, 0, 0, 1, 2))):
        tpid = random.choice((0x8100, 0x8100, 0x88A8))
        tci = random.randrange(8) << 13 | random.choice(VIDS)
        data = data[:12] + tpid.to_bytes(2, "big") + tci.to_bytes(2, "big") + data[12:]
    if random.randrange(6) == 0:
        data = data[: random.randint(14, len(data))]
    if random.randrange(6) == 0:
        place = random.randrange(14, len(data)) if len(data) > 14 else 13
        data = data[:place] + bytes([random.randrange(256)]) + data[place + 1 :]
    return data


def _labelled(random: Random, inside: bytes) -> bytes:
    count = random.choice((0, 1, 1, 2, 2, 2, 3))
    ttls = [random.choice((0, 1, 2, 64)) for _ in range(count)]
    entries = [random.choice(LABELS) << 12 | random.randrange(8) << 9 | ttl for ttl in ttls]
    if entries:
        entries[-1] |= 0x100
    stack = b"".join(entry.to_bytes(4, "big") for entry in entries)
    header = random.choice(MACS).to_bytes(6, "big") + MACS[0].to_bytes(6, "big")
    return header + random.choice((b"\x88\x47", b"\x88\x47", b"\x88\x48")) + stack + inside


def _node_frame(random: Random) -> bytes:
    link = frames.Link(random.choice(MACS[:2]), random.choice(MACS))
    src, dst, six, other = random.choice(IPV4), random.choice(IPV4), random.choice(IPV6), random.choice(IPV6)
    ports = (random.choice((67, 68)), 67)
    link_address = random.choice((None, *MACS))
    advertisement = frames.neighbour_advertisement(link, six, other, six, link_address)
    dscp = random.choice(DSCPS)
    whole = random.choice(
        [
            frames.ipv4_tcp(link, src, dst, ports, dscp),
            frames.ipv4_sctp(link, src, dst, ports, dscp),
            frames.ipv4_udp(link, src, dst, ports, b"x" * 8, dscp),
            frames.ipv6_tcp(link, six, other, ports, dscp),
            frames.ipv6_sctp(link, six, other, ports, dscp),
            frames.ipv6_udp(link, six, other, ports, b"x" * 8, dscp),
        ]
    )
    packets = [
        whole,
        whole,
        random.choice(frames.fragments(whole)),
        frames.arp_request(link.src, src, dst),
        frames.arp(link, random.choice((1, 2, 300)), (link.dst, src), (0, dst)),
        frames.ipv4_udp(link, src, dst, ports, b"x"),
        frames.ipv4_echo(link, src, dst),
        frames.ipv4(link, src, dst, 6, bytes(20), tos=random.randrange(256), ttl=random.randrange(256)),
        frames.ipv6_udp(link, six, other, ports),
        frames.ipv6_echo(link, six, other),
        frames.ipv6(link, six, other, 0, bytes.fromhex("1100000000000000 00430043 0008 0000")),
        frames.neighbour_solicitation(link.src, six, other, link_address),
        advertisement,
        frames.raw(link, 0x88B5, b"anything"),
        frames.raw(link, 10, bytes.fromhex("aaaa03000000 0806") + frames.arp_request(link.src, src, dst).payload),
    ]
    return random.choice(packets).to_bytes()
