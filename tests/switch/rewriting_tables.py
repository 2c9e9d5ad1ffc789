"""Random rows that rewrite headers, one for each kind of packet, each with what such a packet has."""

from __future__ import annotations

from random import Random

from routing_tables import ARP, IPV4, IPV6, OUTSIDE, row, table_of

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.fields import Field
from ryu_vnet.compiler.rows import Action, CheckLarger, DecTtl, FieldMatch, Move, Output, SetField, SwitchTable

ANY_IP = (f.IP_TTL, f.IP_DSCP)
FOUR, SIX = (f.IPV4_SRC, f.IPV4_DST, *ANY_IP), (f.IPV6_SRC, f.IPV6_DST, *ANY_IP)
PORTS = {6: (f.TCP_SRC, f.TCP_DST), 17: (f.UDP_SRC, f.UDP_DST), 132: (f.SCTP_SRC, f.SCTP_DST)}
WHOLE = FieldMatch(f.IP_FRAG, 0)
EXTENSIONS = (f.ND_RESERVED, f.ND_OPTIONS_TYPE)
# An ARP operation of 255 is written as 65535.
_SMALL = {"arp_op": (1, 2, 254), "nd_options_type": (1, 2), "icmpv6_type": (128, 129, 135, 136), "icmpv6_code": (0, 1)}


def kinds() -> list[tuple[list[FieldMatch], tuple[Field, ...]]]:
    """What to match, and what can be set then; the more there is to set, the later."""
    found: list[tuple[list[FieldMatch], tuple[Field, ...]]] = [
        ([ARP], (f.ARP_OP, f.ARP_SPA, f.ARP_TPA, f.ARP_SHA, f.ARP_THA)),
        ([IPV4], FOUR),
        ([IPV6], SIX),
    ]
    for number, ports in PORTS.items():
        found += [
            ([ip, WHOLE, FieldMatch(f.IP_PROTO, number)], (*on, *ports)) for ip, on in ((IPV4, FOUR), (IPV6, SIX))
        ]
    found.append(([IPV4, WHOLE, FieldMatch(f.IP_PROTO, 1)], (*FOUR, f.ICMPV4_TYPE, f.ICMPV4_CODE)))
    icmpv6 = [IPV6, WHOLE, FieldMatch(f.IP_PROTO, 58)]
    found.append((icmpv6, (*SIX, f.ICMPV6_TYPE, f.ICMPV6_CODE)))
    for number, link in ((135, f.ND_SLL), (136, f.ND_TLL)):
        told = [*icmpv6, FieldMatch(f.ICMPV6_TYPE, number), FieldMatch(f.ICMPV6_CODE, 0)]
        settable = (*SIX, f.ND_TARGET, link, f.ICMPV6_TYPE, f.ICMPV6_CODE)
        found.append((told, (*settable, f.ND_RESERVED)))
        # Set in a message without option, the option's type is written behind the packet.
        found += [([*told, FieldMatch(f.ND_OPTIONS_TYPE, kind)], (*settable, *EXTENSIONS)) for kind in (1, 2)]
    return found


def random_rewriting(random: Random) -> SwitchTable:
    """A table in which each kind of packet has a row of its own."""
    rows = [row(0, [], Output(OUTSIDE), priority=1)]
    for priority, (conditions, settable) in enumerate(kinds(), 2):
        actions = [_action(random, settable) for _ in range(random.randint(1, 5))]
        rows.append(row(0, conditions, *actions, Output(OUTSIDE), priority=priority))
    return table_of(*rows)


def _action(random: Random, settable: tuple[Field, ...]) -> Action:
    field = random.choice(settable)
    if random.randrange(4) == 0:
        target = random.choice(settable)
        bits = min(field.bits, target.bits)
        # What Open vSwitch 3.1 reads of the option's type in a move is 0, and of flags it sets all bits or clears them.
        if target.name not in _SMALL and field is not f.ND_OPTIONS_TYPE and target is not f.ND_RESERVED:
            return Move(field, target, bits)
    if f.IP_TTL in settable and random.randrange(6) == 0:
        return random.choice([DecTtl(), CheckLarger(random.randrange(40, 100), f.REG6, 0)])
    return SetField(field, random.choice(_SMALL.get(field.name, (0, field.ones, random.randrange(1 << field.bits)))))
