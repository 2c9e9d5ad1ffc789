"""What each action does to a packet, as functions from packet to packet, in the way of Open vSwitch 3.1.

Where Open vSwitch gives a packet up (its log then says "Translation failed"), these raise Invalid.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..compiler.fields import IP_TTL
from ..compiler.rows import (
    Action,
    Decap,
    DecMplsTtl,
    DecTtl,
    Encap,
    Move,
    Output,
    PacketType,
    PopVlan,
    PushVlan,
    Resubmit,
    SetField,
    SetMplsTtl,
    ToGroup,
    Track,
    Untrack,
)
from ..errors import Invalid
from .header_fields import field_value, with_field, with_top
from .packet import ETHERNET, HELD_TAGS, MPLS, MPLS_ETH_TYPES, PARSED_LABELS, Label, Packet, Tag, parse

_ENCAP_TTL = 64
"""TTL of a label entry pushed in front of what has none of its own."""


def push_vlan(packet: Packet) -> Packet:
    """Put an empty 802.1Q tag outermost. A switch holds two tags: a third one pushes the innermost out."""
    if packet.kind != ETHERNET:
        raise Invalid("a packet without Ethernet header takes no VLAN tag")
    return replace(packet, tags=(Tag(0), *packet.tags)[:HELD_TAGS])


def pop_vlan(packet: Packet) -> Packet:
    """Take the outermost tag off; a tag that was not parsed stays."""
    return replace(packet, tags=packet.tags[1:])


def encap_mpls(packet: Packet) -> Packet:
    """Put a label entry in front of the whole packet: a copy of the one below, or else label 0 with TTL 64.

    Open vSwitch 3.1 garbles a frame whose EtherType is MPLS; that is refused here, as no such frame may get so far.
    """
    if packet.kind != MPLS:
        if packet.eth_type in MPLS_ETH_TYPES:
            raise Invalid("encap(mpls) on a frame of EtherType MPLS")
        return Packet(MPLS, 0, 0, (), b"", (Label(0, _ENCAP_TTL, 1),), packet.to_bytes(), None)
    if not 0 < len(packet.labels) < PARSED_LABELS:
        raise Invalid(f"encap(mpls) on {len(packet.labels)} labels")
    return replace(packet, labels=(replace(packet.labels[0], bos=0), *packet.labels))


def encap_ethernet(packet: Packet) -> Packet:
    """Put an Ethernet header with zero addresses in front; its EtherType says what was there."""
    if packet.kind == ETHERNET:
        raise Invalid("encap(ethernet) on an Ethernet frame")
    return replace(packet, kind=ETHERNET, type_field=packet.eth_type.to_bytes(2, "big"))


def decap(packet: Packet, becomes: PacketType | None) -> Packet:
    """Take the outermost header off.

    After an Ethernet header the EtherType says what follows, and the switch goes on with what it has parsed. After a
    label `becomes` says it; where it was the only one, the switch parses anew (`reparses`).
    """
    if packet.kind == ETHERNET:
        if packet.tags:
            raise Invalid("decap() of an Ethernet header that has a VLAN tag")
        return replace(packet, kind=1 << 16 | packet.eth_type, eth_dst=0, eth_src=0, type_field=b"")
    if packet.eth_type not in MPLS_ETH_TYPES:
        raise Invalid(f"decap() of packet type {packet.kind:#x}")
    if becomes is None:
        raise Invalid("decap() of a label that does not say what follows it")
    if not packet.labels:
        raise Invalid("decap() of a label that is cut off")
    if reparses(packet):
        return parse(packet.to_bytes()[4:], becomes.value)
    if becomes is not PacketType.MPLS:
        raise Invalid(f"decap() to Ethernet of {len(packet.labels)} labels: only the last one has Ethernet below")
    if len(packet.labels) == PARSED_LABELS and not packet.labels[-1].bos:
        raise Invalid(f"a switch knows no more than {PARSED_LABELS} labels")
    return replace(packet, labels=packet.labels[1:])


def reparses(packet: Packet) -> bool:
    """Whether taking the outermost header off makes the switch parse the packet anew: it is the only label in sight."""
    return packet.kind != ETHERNET and len(packet.labels) == 1


def dec_mpls_ttl(packet: Packet) -> Packet | None:
    """Decrement the TTL of the outermost label entry; None where it is spent (RFC 3443, 2)."""
    if packet.eth_type not in MPLS_ETH_TYPES:
        return packet
    ttl = packet.labels[0].ttl if packet.labels else 0
    return with_top(packet, ttl=ttl - 1) if ttl > 1 else None


def dec_ttl(packet: Packet) -> Packet | None:
    """Decrement the TTL of IPv4 or the hop limit of IPv6; None where it is spent (RFC 791, 3.2; RFC 8200, 3)."""
    ttl = field_value(packet, IP_TTL)
    if ttl is None:
        return packet
    return with_field(packet, IP_TTL, ttl - 1) if ttl > 1 else None


_SET_FIRST: tuple[type[Action], ...] = (PopVlan, Decap, Encap, PushVlan, DecTtl, DecMplsTtl)
_SET_LAST: tuple[type[Action], ...] = (ToGroup, Output, Resubmit, Untrack, Track)


def as_action_set(actions: Iterable[Action]) -> list[Action]:
    """The order in which a group executes a bucket: that of an action set, whatever order it was written in.

    One action of each kind that changes headers, the last; then all that set fields, in order; then one that sends
    the packet on. Without one that sends it on, nothing (OpenFlow 1.3.5, 5.10; ovs-actions(7), "Action Sets").
    """
    given = list(actions)
    final = [_last(given, kind) for kind in _SET_LAST]
    sends = [action for action in final if action is not None]
    if not sends:
        return []
    first = [_last(given, kind) for kind in _SET_FIRST]
    setters = [action for action in given if isinstance(action, SetField | Move | SetMplsTtl)]
    return [*(action for action in first if action is not None), *setters, sends[0]]


def _last(actions: list[Action], kind: type[Action]) -> Action | None:
    return next((action for action in reversed(actions) if isinstance(action, kind)), None)
