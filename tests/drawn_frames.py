"""The frames that nodes of a drawn intent send: those that are meant to arrive, and those that are not."""

from __future__ import annotations

from drawn import Endpoint

from ryu_vnet.verify import frames
from ryu_vnet.verify.frames import Link
from ryu_vnet.verify.packet import Packet

BROADCAST = 0xFFFFFFFFFFFF


def ip(end: Endpoint) -> str:
    return f"10.0.0.{end.number}"


def ip6(end: Endpoint) -> str:
    return f"fd00::{end.number:x}"


def unicast(source: Endpoint, to: Endpoint) -> list[Packet]:
    link = Link(source.mac, to.mac)
    return [
        frames.ipv4_echo(link, ip(source), ip(to)),
        frames.ipv6_echo(link, ip6(source), ip6(to)),
        frames.arp_reply(link, ip(source), ip(to)),
        frames.neighbour_advertisement(link, ip6(source), ip6(source), ip6(to), source.mac),
        frames.raw(link, 0x88B5, b"an ethertype of its own"),
        frames.ipv4_tcp(link, ip(source), ip(to), (40000, 80)),
        frames.ipv6_tcp(link, ip6(source), ip6(to), (80, 40000)),
    ]


def classed(source: Endpoint, mac: int) -> list[Packet]:
    """Frames that differ in what traffic classes look at, to somebody with this MAC address or to a group."""
    link, here, there = Link(source.mac, mac), ip(source), "10.0.0.99"
    here6, there6 = ip6(source), "fd00::99"
    whole = [
        frames.ipv4_udp(link, here, there, (5065, 1), b"x" * 40),
        frames.ipv6_udp(link, here6, there6, (1, 5065), b"x" * 40),
        frames.ipv4_tcp(link, here, there, (1, 80), dscp=46),
    ]
    fragments = [part for frame in whole for part in frames.fragments(frame, 16)[:2]]
    return [
        *whole,
        *fragments,
        frames.ipv4_udp(link, here, there, (1050, 53)),
        frames.ipv4_udp(link, here, there, (1050, 54)),
        frames.ipv4_udp(link, here, there, (9, 9), dscp=46),
        frames.ipv6_udp(link, here6, there6, (9, 9), dscp=46),
        frames.ipv4_tcp(link, here, there, (80, 9), dscp=46),
        frames.ipv4_tcp(link, here, there, (9, 9)),
        frames.ipv6_tcp(link, here6, there6, (9, 80)),
        frames.ipv4_echo(link, here, there),
        frames.ipv6_echo(link, here6, there6),
        frames.raw(link, 0x88B5, b"an ethertype of its own"),
        frames.raw(link, 0x88B6, b"another one"),
    ]


def to_everybody(source: Endpoint) -> list[Packet]:
    return [
        frames.arp_request(source.mac, ip(source), "10.0.0.200"),
        frames.neighbour_solicitation(source.mac, ip6(source), "fd00::200", source.mac),
        frames.raw(Link(source.mac, BROADCAST), 0x88B5, b"to all"),
        frames.raw(Link(source.mac, 0x0180C2000000), 0x88B5, b"to a group"),
    ]


def forged(source: Endpoint, victim: Endpoint) -> list[Packet]:
    """What `source` may not send: as `victim`, or as the fabric itself."""
    mine, stolen = Link(source.mac, victim.mac), Link(victim.mac, source.mac)
    whole = frames.raw(mine, 0x88B5, b"x" * 46)
    attempts = [
        frames.ipv4_echo(mine, "10.0.0.77", ip(victim)),
        frames.ipv6_echo(mine, "fd00::77", ip6(victim)),
        frames.arp_reply(mine, "10.0.0.77", ip(victim)),
        frames.arp(mine, 2, (0x02FFFFFFFFFF, ip(source)), (victim.mac, ip(victim))),
        frames.neighbour_advertisement(mine, ip6(source), "fd00::77", ip6(victim), source.mac),
        frames.neighbour_advertisement(mine, ip6(source), ip6(source), ip6(victim), 0x02FFFFFFFFFF),
        frames.neighbour_solicitation(source.mac, ip6(source), ip6(victim), 0x02FFFFFFFFFF),
        *frames.fragments(frames.neighbour_advertisement(mine, ip6(source), "fd00::77", ip6(victim), source.mac))[:1],
        frames.raw(mine, 0x8847, bytes.fromhex("00011140") + whole.to_bytes()),
        frames.raw(mine, 0x8848, bytes.fromhex("00011140") + whole.to_bytes()),
    ]
    if victim.mac != source.mac:
        attempts += [frames.raw(stolen, 0x88B5, b"stolen"), frames.ipv4_echo(stolen, ip(victim), ip(source))]
    return attempts


def with_own_tag(source: Endpoint) -> list[Packet]:
    """Frames that carry a tag of the node's own, some of which are tags that the fabric uses."""
    return [frames.tagged(frames.raw(Link(source.mac, BROADCAST), 0x88B5, b"own tag"), vid) for vid in (1, 2, 3, 77)]
