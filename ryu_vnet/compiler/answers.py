"""Answers that the data path gives by itself: what is asked, and how the question becomes the answer."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from ..model.outside import Address
from . import fields as f
from .pipeline import ADVERTISE
from .rows import IN_PORT_PORT, Action, FieldMatch, Move, Origin, Output, Row, SetField
from .source import ADVERTISEMENT, ARP, ICMPV6, IPV4, IPV6, SOLICITATION

_REQUEST, _REPLY = 1, 2
_ICMP = 1
_ECHO, _ECHO_REPLY, _ECHO6, _ECHO_REPLY6 = 8, 0, 128, 129
_ROUTER, _SOLICITED, _OVERRIDE = 1 << 31, 1 << 30, 1 << 29
"""Flags of a neighbour advertisement (RFC 4861, 4.4)."""
_SOURCE_LINK_LAYER, _TARGET_LINK_LAYER = 1, 2
"""The options that have the link-layer address: of whoever asks, of whom it is about (RFC 4861, 4.6.1)."""
_HOP_LIMIT = 255
"""That of all neighbour discovery: nobody further away could have sent it (RFC 4861, 6.1)."""


def arp_request(address: IPv4Address) -> list[FieldMatch]:
    """Whoever asks for an IPv4 address (RFC 826), by broadcast or otherwise."""
    return [FieldMatch(f.ETH_TYPE, ARP), FieldMatch(f.ARP_OP, _REQUEST), FieldMatch(f.ARP_TPA, int(address))]


def arp_reply(mac: int, address: IPv4Address) -> list[Action]:
    """A request for an address becomes the reply: who asked is asked no more, and it comes from `mac`."""
    return [
        Move(f.ETH_SRC, f.ETH_DST, 48),
        SetField(f.ETH_SRC, mac),
        SetField(f.ARP_OP, _REPLY),
        Move(f.ARP_SHA, f.ARP_THA, 48),
        SetField(f.ARP_SHA, mac),
        Move(f.ARP_SPA, f.ARP_TPA, 32),
        SetField(f.ARP_SPA, int(address)),
    ]


def solicitation(target: IPv6Address | IPv6Network) -> list[FieldMatch]:
    """Whoever asks for an IPv6 address, or for one of a prefix (RFC 4861, 4.3), and says what his own MAC address is.

    Who asks whether an address is taken that he would have does not say it (RFC 4862, 5.4.2), and has none yet to be
    answered at. No row matches on the unspecified source for that: Open vSwitch would then keep a flow of its own for
    each IPv6 source.
    """
    whole = target if isinstance(target, IPv6Network) else IPv6Network(target)
    return [
        FieldMatch(f.ETH_TYPE, IPV6),
        FieldMatch(f.IP_PROTO, ICMPV6),
        FieldMatch(f.ICMPV6_TYPE, SOLICITATION),
        FieldMatch(f.ND_TARGET, int(whole.network_address), int(whole.netmask)),
        # A message without this option has no room for the other: Open vSwitch would write it behind the packet.
        FieldMatch(f.ND_OPTIONS_TYPE, _SOURCE_LINK_LAYER),
    ]


def echo_request(address: Address) -> list[FieldMatch]:
    """A ping of an address that is no fragment (RFC 792; RFC 4443, 4.1)."""
    whole = FieldMatch(f.IP_FRAG, 0)
    if isinstance(address, IPv4Address):
        asked = [FieldMatch(f.ETH_TYPE, IPV4), FieldMatch(f.IPV4_DST, int(address)), FieldMatch(f.IP_PROTO, _ICMP)]
        return [*asked, FieldMatch(f.ICMPV4_TYPE, _ECHO), whole]
    asked = [FieldMatch(f.ETH_TYPE, IPV6), FieldMatch(f.IPV6_DST, int(address)), FieldMatch(f.IP_PROTO, ICMPV6)]
    return [*asked, FieldMatch(f.ICMPV6_TYPE, _ECHO6), whole]


def echo_reply(mac: int, address: Address) -> list[Action]:
    """A ping becomes its answer."""
    swapped: list[Action] = [Move(f.ETH_SRC, f.ETH_DST, 48), SetField(f.ETH_SRC, mac)]
    if isinstance(address, IPv4Address):
        swapped += [Move(f.IPV4_SRC, f.IPV4_DST, 32), SetField(f.IPV4_SRC, int(address))]
        return [*swapped, SetField(f.ICMPV4_TYPE, _ECHO_REPLY)]
    swapped += [Move(f.IPV6_SRC, f.IPV6_DST, 128), SetField(f.IPV6_SRC, int(address))]
    return [*swapped, SetField(f.ICMPV6_TYPE, _ECHO_REPLY6)]


def solicited(mac: int, *, is_router: bool) -> list[Action]:
    """A solicitation becomes the advertisement, but for the target's MAC address in it: see `advertise_rows`."""
    return [
        Move(f.ETH_SRC, f.ETH_DST, 48),
        SetField(f.ETH_SRC, mac),
        Move(f.IPV6_SRC, f.IPV6_DST, 128),
        Move(f.ND_TARGET, f.IPV6_SRC, 128),
        SetField(f.ICMPV6_TYPE, ADVERTISEMENT),
        SetField(f.ND_OPTIONS_TYPE, _TARGET_LINK_LAYER),
        SetField(f.ND_RESERVED, _SOLICITED | _OVERRIDE | (_ROUTER if is_router else 0)),
    ]


def advertise_rows(origin: Origin) -> Iterator[Row]:
    """The last step of an advertisement that a row has made of a solicitation, as Open vSwitch lets a row set only what
    is in the packet that it matches on: the MAC address is that which it is sent from."""
    advertisement = [
        FieldMatch(f.ETH_TYPE, IPV6),
        FieldMatch(f.IP_PROTO, ICMPV6),
        FieldMatch(f.ICMPV6_TYPE, ADVERTISEMENT),
    ]
    whole = Move(f.ETH_SRC, f.ND_TLL, 48)
    yield ADVERTISE.row("answer", advertisement, [whole, Output(IN_PORT_PORT)], None, origin)
