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
    CheckLarger,
    Clone,
    CtState,
    Decap,
    DecMplsTtl,
    DecTtl,
    Encap,
    FieldMatch,
    Group,
    Match,
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
    match,
)

LAST_TABLE = 253
LAST_PORT = 0xFEFF
PRESENT = 0x1000
REGISTERS = (f.REG0, f.REG1, f.REG2, f.REG3, f.REG4, f.REG5, f.REG6, f.REG7)
PORTS = {"tcp": (6, f.TCP_SRC, f.TCP_DST), "udp": (17, f.UDP_SRC, f.UDP_DST), "sctp": (132, f.SCTP_SRC, f.SCTP_DST)}
"""The protocols that have ports: their numbers and fields."""
KINDS = (
    *("any", "arp", "ipv4", "ipv4 tcp", "ipv4 udp", "ipv4 sctp", "ipv6", "ipv6 tcp", "ipv6 udp", "ipv6 sctp"),
    *("icmpv4", "icmpv6", "solicit", "advert", "mpls", "bare mpls"),
)
TUNNELS = (f.TUN_ID, f.TUN_SRC, f.TUN_DST, f.TUN_IPV6_SRC, f.TUN_IPV6_DST)
TRACKED = (
    *(CtState.NEW, CtState.ESTABLISHED, CtState.RELATED, CtState.REPLY),
    *(CtState.SOURCE_TRANSLATED, CtState.DESTINATION_TRANSLATED),
)
"""Bits of `ct_state` that say: there is a connection, so its fields may be matched too."""
IP_KINDS = ("ipv4", "ipv6", "icmpv4", "icmpv6", "solicit", "advert")
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
    found = _some(random, f.IP_FRAG, f.IP_DSCP, f.IP_TTL)
    return [item for item in found if not (with_ports and item.field is f.IP_FRAG and item.value & LATER_FRAGMENT)]


def _of_tracking(random: Random, version: str) -> list[FieldMatch]:
    """Bits of `ct_state`, and for some of them what the connection began with. A row that matches invalid packets of
    IP is refused if its actions commit them."""
    if random.randrange(2):
        mask = random.randrange(1, sum(CtState) + 1)
        possible = mask & ~CtState.INVALID if version in IP_KINDS else mask
        return [FieldMatch(f.CT_STATE, random.randrange(sum(CtState) + 1) & possible, mask)]
    connected = random.choice(TRACKED)
    mask = connected | random.choice([0, CtState.TRACKED, CtState.INVALID])
    found = [FieldMatch(f.CT_STATE, connected, mask)]
    if version == "ipv4":
        found += _some(random, f.CT_NW_DST)
    if version in ("ipv4", "ipv6") and random.randrange(2):
        found += [FieldMatch(f.CT_NW_PROTO, random.choice([6, 17])), *_some(random, f.CT_TP_DST)]
    return found


def random_match(random: Random, kind: str) -> Match:
    """A match on packets of one of `KINDS`."""
    version, _, transport = kind.partition(" ")
    conditions = _some(random, f.IN_PORT, *REGISTERS, *TUNNELS)
    if not random.randrange(3):
        conditions += _of_tracking(random, version)
    if kind == "bare mpls":
        mpls = _some(random, f.MPLS_BOS, f.MPLS_LABEL)
        return match(FieldMatch(f.PACKET_TYPE, PacketType.MPLS.value), *mpls, *conditions)
    conditions += _some(random, f.ETH_SRC, f.ETH_DST) + _vlan(random)
    ip = _of_any_ip(random, with_ports=transport in PORTS)
    ipv4 = (FieldMatch(f.ETH_TYPE, 0x0800), *_some(random, f.IPV4_SRC, f.IPV4_DST), *ip)
    ipv6 = (FieldMatch(f.ETH_TYPE, 0x86DD), *_some(random, f.IPV6_SRC, f.IPV6_DST), *ip)
    icmpv6 = FieldMatch(f.IP_PROTO, 58)
    if kind == "arp":
        conditions += [FieldMatch(f.ETH_TYPE, 0x0806), *_some(random, f.ARP_SPA, f.ARP_TPA, f.ARP_SHA, f.ARP_THA)]
        conditions += [FieldMatch(f.ARP_OP, random.choice([1, 2]))] if random.randrange(2) else []
    elif version in ("ipv4", "ipv6"):
        conditions += ipv4 if version == "ipv4" else ipv6
        if transport:
            number, *ports = PORTS[transport]
            conditions += [FieldMatch(f.IP_PROTO, number), *_some(random, *ports)]
        else:
            conditions += _some(random, f.IP_PROTO)
    elif kind == "icmpv4":
        conditions += [*ipv4, FieldMatch(f.IP_PROTO, 1), *_some(random, f.ICMPV4_TYPE, f.ICMPV4_CODE)]
    elif kind == "icmpv6":
        conditions += [*ipv6, icmpv6, *_some(random, f.ICMPV6_TYPE, f.ICMPV6_CODE)]
    elif kind in ("solicit", "advert"):
        number, link = (135, f.ND_SLL) if kind == "solicit" else (136, f.ND_TLL)
        conditions += [*ipv6, icmpv6, FieldMatch(f.ICMPV6_TYPE, number), *_some(random, f.ND_TARGET, link)]
        if random.randrange(2):
            extensions = _some(random, f.ND_RESERVED, f.ND_OPTIONS_TYPE)
            conditions += [FieldMatch(f.ICMPV6_CODE, 0), *extensions]
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
    size, bit = random.randrange(1, 1 << 16), random.randrange(32)
    return random.choice(
        [
            [_port(random)],
            [_set(random, *REGISTERS)],
            [move],
            [Resubmit(random.randrange(LAST_TABLE + 1))],
            to_group,
            [SetField(f.IN_PORT, 0), _port(random)],
            [CheckLarger(size, random.choice(REGISTERS), bit)],
            [Untrack()],
            [_set(random, *TUNNELS), Move(random.choice(REGISTERS), f.TUN_ID, 24)],
        ]
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
            [Move(f.ETH_SRC, f.ETH_DST, 48)],
            [PushVlan(), random.choice(tags), _port(random), PopVlan()],
            [Clone(tuple(_toward_core(random)))],
            [Clone((Clone((_port(random),)), Resubmit(1)))],
        ]
    )


def _track(random: Random, is_six: bool) -> Action:
    """Connection tracking, with each kind of translation."""
    zone, table = random.randrange(1 << 16), random.randrange(LAST_TABLE + 1)
    commit = bool(random.randrange(2))
    if not commit or random.randrange(3) == 0:
        return Track(zone, table, commit, random.choice([None, Nat()]))
    first = random.randrange(1, 1 << 16)
    ports = random.choice([None, (first, first), (first, random.randrange(first, 1 << 16))])
    address = random.randrange(1, 1 << (128 if is_six else 32))
    return Track(zone, table, True, Nat(address, is_six, bool(random.randrange(2)), ports))


def _on_ip(random: Random, is_six: bool) -> list[Action]:
    """Addresses set and changed round, the TTL, and connection tracking."""
    source, target = (f.IPV6_SRC, f.IPV6_DST) if is_six else (f.IPV4_SRC, f.IPV4_DST)
    register = random.choice(REGISTERS)
    through = [Move(source, register, 32), Move(target, source, source.bits), Move(register, target, 32)]
    return random.choice(
        [
            [_set(random, source, target, f.IP_DSCP, f.IP_TTL)],
            [*through],
            [DecTtl()],
            [Move(f.IP_TTL, register, 8, 0, 24)],
            [_track(random, is_six)],
        ]
    )


def _on_arp(random: Random) -> list[Action]:
    """An answer made of a question, in parts."""
    return random.choice(
        [
            [Move(f.ARP_SHA, f.ARP_THA, 48), Move(f.ARP_SPA, f.ARP_TPA, 32)],
            [_set(random, f.ARP_SPA, f.ARP_TPA, f.ARP_SHA, f.ARP_THA)],
            [SetField(f.ARP_OP, random.randrange(256))],
        ]
    )


def _on_discovery(random: Random, kind: str, extended: bool) -> list[Action]:
    link = f.ND_SLL if kind == "solicit" else f.ND_TLL
    extensions = (f.ND_RESERVED, f.ND_OPTIONS_TYPE) if extended else ()
    return [_set(random, f.ND_TARGET, link, *extensions), Move(f.ND_TARGET, f.IPV6_SRC, 128)]


def random_actions(random: Random, kind: str, groups: tuple[int, ...], has_code: bool = False) -> tuple[Action, ...]:
    """A list of actions for packets of one of `KINDS`, perhaps an empty one. `has_code`: their match has the ICMPv6
    code, without which the flags and options of neighbour discovery are not to be set."""
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
        if kind == "arp":
            actions += _on_arp(random)
        if version in IP_KINDS:
            actions += _on_ip(random, is_six=version not in ("ipv4", "icmpv4"))
        if kind == "icmpv4":
            actions.append(_set(random, f.ICMPV4_TYPE, f.ICMPV4_CODE))
        if kind == "icmpv6":
            actions.append(_set(random, f.ICMPV6_TYPE, f.ICMPV6_CODE))
        if kind in ("solicit", "advert"):
            actions += _on_discovery(random, kind, has_code)
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
    conditions = random_match(random, kind)
    has_code = any(condition.field is f.ICMPV6_CODE for condition in conditions)
    return Row(table, priority, conditions, random_actions(random, kind, groups, has_code), goto, origin)


def random_group(random: Random, number: int) -> Group:
    """A group whose buckets set registers and look the packet up again, or send it out."""
    buckets: list[tuple[Action, ...]] = []
    for _ in range(random.randrange(6)):
        loads = [_set(random, *REGISTERS) for _ in range(random.randrange(3))]
        ways: list[Action] = [Resubmit(80), Output(random.randrange(1, 5))]
        buckets.append((*loads, random.choice(ways)))
    return Group(number, tuple(buckets), Origin(Subject.NETWORK, number))
