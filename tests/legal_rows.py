"""Random rows and groups that a switch accepts, for tests of any tier.

Every choice comes from a `random.Random`: give a seeded one for a fixed set of rows, or Hypothesis's own
(`strategies.randoms()`) for rows that it can vary and shrink.

"Legal" is what Open vSwitch calls so: a match has the prerequisites of its fields, an action makes sense for the
kind of packet that it meets (ovs-fields(7), ovs-actions(7)).
"""

from __future__ import annotations

from random import Random

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.fields import Field
from ryu_vnet.compiler.rows import (
    CONTROLLER_PORT,
    IN_PORT_PORT,
    Action,
    Clone,
    Decap,
    DecMplsTtl,
    Encap,
    FieldMatch,
    Group,
    Match,
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
    match,
)

LAST_TABLE = 253
LAST_PORT = 0xFEFF
PRESENT = 0x1000
REGISTERS = (f.REG0, f.REG1, f.REG2, f.REG3, f.REG4, f.REG5, f.REG6)
PORTS = {"tcp": (6, f.TCP_SRC, f.TCP_DST), "udp": (17, f.UDP_SRC, f.UDP_DST), "sctp": (132, f.SCTP_SRC, f.SCTP_DST)}
"""The protocols that have ports: their numbers and fields."""
KINDS = (
    *("any", "arp", "ipv4", "ipv4 tcp", "ipv4 udp", "ipv4 sctp", "ipv6", "ipv6 tcp", "ipv6 udp", "ipv6 sctp"),
    *("icmpv6", "solicit", "advert", "mpls", "bare mpls"),
)
LATER_FRAGMENT = 2


def random_value(random: Random, field: Field) -> int:
    """Any value of a field; small ones and the greatest come more often than by chance."""
    return random.choice([random.randrange(1 << field.bits), random.randrange(min(4, 1 << field.bits)), field.ones])


def random_condition(random: Random, field: Field) -> FieldMatch:
    """A match on a field, masked in a third of the cases where it may be."""
    value = random.randrange(1, LAST_PORT + 1) if field is f.IN_PORT else random_value(random, field)
    if not field.maskable or random.randrange(3):
        return FieldMatch(field, value)
    mask = random_value(random, field)
    return FieldMatch(field, value & mask, mask)


def _some(random: Random, *candidates: Field) -> list[FieldMatch]:
    return [random_condition(random, field) for field in candidates if random.randrange(2)]


def _vlan(random: Random) -> list[FieldMatch]:
    identifier = random.randrange(0x1000)
    mask = random.randrange(0x1000)
    return random.choice(
        [
            [],
            [FieldMatch(f.VLAN_VID, 0)],
            [FieldMatch(f.VLAN_VID, PRESENT | identifier)],
            [FieldMatch(f.VLAN_VID, PRESENT, PRESENT)],
            [FieldMatch(f.VLAN_VID, PRESENT | identifier & mask, PRESENT | mask)],
        ]
    )


def _of_any_ip(random: Random, with_ports: bool) -> list[FieldMatch]:
    """Fragments and classes of service. A later fragment has no ports: a row that wants both is refused."""
    found = _some(random, f.IP_FRAG, f.IP_DSCP)
    return [item for item in found if not (with_ports and item.field is f.IP_FRAG and item.value & LATER_FRAGMENT)]


def random_match(random: Random, kind: str) -> Match:
    """A match on packets of one of `KINDS`."""
    conditions = _some(random, f.IN_PORT, *REGISTERS)
    if kind == "bare mpls":
        mpls = _some(random, f.MPLS_BOS, f.MPLS_LABEL)
        return match(FieldMatch(f.PACKET_TYPE, PacketType.MPLS.value), *mpls, *conditions)
    conditions += _some(random, f.ETH_SRC, f.ETH_DST) + _vlan(random)
    version, _, transport = kind.partition(" ")
    ip = _of_any_ip(random, with_ports=transport in PORTS)
    ipv4 = (FieldMatch(f.ETH_TYPE, 0x0800), *_some(random, f.IPV4_SRC, f.IPV4_DST), *ip)
    ipv6 = (FieldMatch(f.ETH_TYPE, 0x86DD), *_some(random, f.IPV6_SRC, f.IPV6_DST), *ip)
    icmpv6 = FieldMatch(f.IP_PROTO, 58)
    if kind == "arp":
        conditions += [FieldMatch(f.ETH_TYPE, 0x0806), *_some(random, f.ARP_SPA, f.ARP_SHA)]
        conditions += [FieldMatch(f.ARP_OP, random.choice([1, 2]))] if random.randrange(2) else []
    elif version in ("ipv4", "ipv6"):
        conditions += ipv4 if version == "ipv4" else ipv6
        if transport:
            number, *ports = PORTS[transport]
            conditions += [FieldMatch(f.IP_PROTO, number), *_some(random, *ports)]
        else:
            conditions += _some(random, f.IP_PROTO)
    elif kind == "icmpv6":
        conditions += [*ipv6, icmpv6, *_some(random, f.ICMPV6_TYPE)]
    elif kind == "solicit":
        conditions += [*ipv6, icmpv6, FieldMatch(f.ICMPV6_TYPE, 135), *_some(random, f.ND_TARGET, f.ND_SLL)]
    elif kind == "advert":
        conditions += [*ipv6, icmpv6, FieldMatch(f.ICMPV6_TYPE, 136), *_some(random, f.ND_TARGET, f.ND_TLL)]
    elif kind == "mpls":
        conditions += [FieldMatch(f.ETH_TYPE, 0x8847), *_some(random, f.MPLS_BOS, f.MPLS_LABEL)]
    return match(*conditions)


def _set(random: Random, *candidates: Field) -> Action:
    field = random.choice(candidates)
    return SetField(field, random_value(random, field))


def _port(random: Random) -> Action:
    if not random.randrange(5):
        return Output(CONTROLLER_PORT, random.choice([0, 128, 0xFFE5]))
    return Output(random.choice([1, 2, random.randrange(1, LAST_PORT + 1), IN_PORT_PORT]))


def _anything(random: Random, groups: tuple[int, ...]) -> list[Action]:
    """Some actions that fit whatever the packet is."""
    bits = random.randrange(1, 33)
    move = Move(
        random.choice(REGISTERS),
        random.choice(REGISTERS),
        bits,
        random.randrange(33 - bits),
        random.randrange(33 - bits),
    )
    to_group: list[Action] = [ToGroup(random.choice(groups))] if groups else []
    return random.choice(
        [[_port(random)], [_set(random, *REGISTERS)], [move], [Resubmit(random.randrange(LAST_TABLE + 1))], to_group]
    )


def _toward_core(random: Random) -> list[Action]:
    """Two labels and an Ethernet header around an Ethernet frame."""
    ttl = SetMplsTtl(random.randrange(1, 256))
    return [
        Encap(PacketType.MPLS),
        Move(f.REG0, f.MPLS_LABEL, 20),
        ttl,
        Encap(PacketType.MPLS),
        _set(random, f.MPLS_LABEL),
        ttl,
        Encap(PacketType.ETHERNET),
        _set(random, f.ETH_DST, f.ETH_SRC),
        _port(random),
    ]


def _on_ethernet(random: Random) -> list[Action]:
    tags: list[Action] = [SetField(f.VLAN_VID, PRESENT | random.randrange(0x1000)), Move(f.REG2, f.VLAN_TCI, 12)]
    return random.choice(
        [
            [_set(random, f.ETH_SRC, f.ETH_DST)],
            [PushVlan(), random.choice(tags), _port(random), PopVlan()],
            [Clone(tuple(_toward_core(random)))],
            [Clone((Clone((_port(random),)), Resubmit(1)))],
        ]
    )


def random_actions(random: Random, kind: str, groups: tuple[int, ...]) -> tuple[Action, ...]:
    """A list of actions for packets of one of `KINDS`, perhaps an empty one."""
    version, _, transport = kind.partition(" ")
    actions: list[Action] = []
    for _ in range(random.randrange(4)):
        actions += _anything(random, groups)
        if kind in ("mpls", "bare mpls"):
            actions += random.choice(
                [[DecMplsTtl()], [SetMplsTtl(random.randrange(256))], [_set(random, f.MPLS_LABEL)]]
            )
        if kind != "bare mpls":
            actions += _on_ethernet(random)
        if version == "ipv4":
            actions.append(_set(random, f.IPV4_SRC, f.IPV4_DST, f.IP_DSCP))
        if version == "ipv6":
            actions.append(_set(random, f.IPV6_SRC, f.IPV6_DST, f.IP_DSCP))
        if transport in PORTS:
            actions.append(_set(random, *PORTS[transport][1:]))
    if kind == "bare mpls" and random.randrange(2):
        actions.append(Decap(random.choice([PacketType.ETHERNET, PacketType.MPLS])))
    elif kind == "mpls" and random.randrange(2):
        actions += [Decap(), Decap(PacketType.MPLS)]
    return tuple(actions)


def random_row(random: Random, groups: tuple[int, ...] = ()) -> Row:
    """A row of any table. Its actions may name the groups given."""
    kind = random.choice(KINDS)
    table = random.randrange(LAST_TABLE + 1)
    goto = random.randrange(table + 1, LAST_TABLE + 1) if table < LAST_TABLE and random.randrange(2) else None
    priority = random.choice([0, 100, 0xFFFF, random.randrange(0x10000)])
    origin = Origin(random.choice(list(Subject)), random.randrange(1, 1 << 32))
    return Row(table, priority, random_match(random, kind), random_actions(random, kind, groups), goto, origin)


def random_group(random: Random, number: int) -> Group:
    """A group whose buckets set registers and look the packet up again, or send it out."""
    buckets: list[tuple[Action, ...]] = []
    for _ in range(random.randrange(6)):
        loads = [_set(random, *REGISTERS) for _ in range(random.randrange(3))]
        ways: list[Action] = [Resubmit(80), Output(random.randrange(1, 5))]
        buckets.append((*loads, random.choice(ways)))
    return Group(number, tuple(buckets), Origin(Subject.NETWORK, number))
