"""Frames that are broken in every way do not end a switch that answers, routes and translates.

What rows set in a message that is cut off, Open vSwitch writes behind the packet, unless the row matches on what says
that it is there (`ryu_vnet.compiler.answers`): some time later ovs-vswitchd ends. So there are many frames, and in the
end everything must still work.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from controller_process import COMMANDS
from test_gateways_on_switches import (
    HOP_MAC,
    INSIDE,
    MACS,
    RED,
    RED2,
    SERVER,
    SERVER6,
    UPLINKS,
    Gateways,
    Segment,
    gateways,
    tell_hops,
)

from ryu_vnet.model.outside import address_mac, router_mac
from ryu_vnet.services import frames as f
from ryu_vnet.services.neighbours import question
from ryu_vnet.verify import frames
from ryu_vnet.verify.frames import Link

MUTATIONS = 2500
"""At each of two ports."""
ETHERNET = 14
BROADCAST = 0xFFFFFFFFFFFF
OUTER, OUTER6 = ip_address("203.0.113.50"), ip_address("2001:db8:a:1::11")


def discovery(kind: int, link: Link, source: str, to: str, target: str, options: bytes) -> bytes:
    """A message of neighbour discovery with any options."""
    message = struct.pack("!BBHI", kind, 0, 0, 0) + ip_address(target).packed + options
    return frames.icmpv6(link, source, to, message, 255).to_bytes()


def options() -> Iterator[bytes]:
    """None, each, several, doubled, of lengths 0 and beyond the end."""
    source, target, nonce = (bytes((kind, 1, 2, 0, 0, 0, 1, 1)) for kind in (1, 2, 14))
    yield from (b"", source, target, nonce, source + nonce, nonce + source, target + source, source + source)
    yield from (
        bytes((1, 0, 0, 0, 0, 0, 0, 0)),
        source + bytes(8),
        bytes((1, 9)) + bytes(6),
        source[:6],
        source + b"\1",
    )
    yield bytes((1, 2)) + bytes(14)


def from_a_member(router: int) -> Iterator[bytes]:
    mac, own = MACS[RED], "fd00:1::11"
    for target in ("10.0.0.1", "10.0.0.12", "10.0.0.11", "10.0.0.77"):
        yield question(mac, INSIDE, ip_address(target))
    yield frames.arp_request(mac, 0, "10.0.0.12").to_bytes()
    for target in ("fd00:1::1", "fd00:1::12"):
        for some in options():
            yield discovery(135, Link(mac, 0x3333FF000001), own, "ff02::1:ff00:1", target, some)
            yield discovery(136, Link(mac, router), own, "fd00:1::12", own, some)
    yield frames.icmpv6(Link(mac, 0x333300000002), own, "ff02::2", bytes((133, 0, 0, 0, 0, 0, 0, 0)), 255).to_bytes()
    yield frames.ipv4_udp(Link(mac, BROADCAST), 0, 0xFFFFFFFF, (68, 67), bytes(240)).to_bytes()
    yield frames.ipv4_echo(Link(mac, router), int(INSIDE), "10.0.0.1").to_bytes()
    yield frames.ipv6_echo(Link(mac, router), own, "fd00:1::1").to_bytes()
    yield Segment(INSIDE, 40000, SERVER, 80).frame(mac, router)
    yield Segment(ip_address(own), 40000, SERVER6, 80).frame(mac, router)
    yield Segment(INSIDE, 40000, ip_address("10.0.1.21"), 5432).frame(mac, router)
    for part in frames.fragments(
        frames.ipv4_udp(Link(mac, router), int(INSIDE), int(SERVER), (1, 2), bytes(2000)), 1480
    ):
        yield part.to_bytes()


def from_outside(router: int) -> Iterator[bytes]:
    asker = ip_address("203.0.113.1")
    for target in ("203.0.113.2", "203.0.113.50", "203.0.113.60"):
        yield question(HOP_MAC, asker, ip_address(target))
    yield frames.arp_reply(Link(HOP_MAC, BROADCAST), int(asker), "203.0.113.2").to_bytes()
    for target in ("2001:db8:ff::2", "2001:db8:a:1::11", "2001:db8:a:7::55"):
        for some in options():
            yield discovery(135, Link(HOP_MAC, 0x3333FF000001), "2001:db8:ff::1", "ff02::1:ff00:1", target, some)
    for some in options():
        yield discovery(136, Link(HOP_MAC, router), "2001:db8:ff::1", "2001:db8:ff::2", "2001:db8:ff::1", some)
    inner = Segment(OUTER, 40000, SERVER, 80).frame(0, 0)[ETHERNET : ETHERNET + 28]
    unreachable = struct.pack("!BBHI", 3, 4, 0, 1400) + inner
    yield f.ethernet(router, HOP_MAC, f.IPV4, f.ip(SERVER, OUTER, 1, unreachable, 64))
    yield Segment(SERVER, 50000, OUTER, 22).frame(HOP_MAC, router)
    shared = ip_address("203.0.113.60")
    yield Segment(SERVER, 50000, shared, 8022).frame(HOP_MAC, address_mac(shared))  # type: ignore[arg-type]
    yield Segment(SERVER6, 50000, OUTER6, 22).frame(HOP_MAC, router)
    for part in frames.fragments(
        frames.ipv4_udp(Link(HOP_MAC, router), int(SERVER), int(OUTER), (1, 2), bytes(2000)), 1480
    ):
        yield part.to_bytes()


def mutated(valid: list[bytes], chance: random.Random) -> Iterator[bytes]:
    """Each is cut off, or has a few other bytes or lengths, or bytes more; its Ethernet header stays."""
    for _ in range(MUTATIONS):
        frame = bytearray(chance.choice(valid))
        kind = chance.randrange(5)
        if kind in (0, 1):
            del frame[chance.randrange(ETHERNET, len(frame)) :]
        if kind in (1, 2, 3):
            for _ in range(chance.choice([1, 1, 2, 8])):
                if len(frame) > ETHERNET:
                    frame[chance.randrange(ETHERNET, len(frame))] = chance.choice([0, 1, 0xFF, chance.randrange(256)])
        if kind == 4:
            frame += chance.randbytes(chance.randrange(1, 40))
        yield bytes(frame)


def test_no_frame_ends_a_switch(tmp_path: Path) -> None:
    with gateways(sorted(COMMANDS)[0], tmp_path) as up:
        router, chance = up.router("red/web"), random.Random(7)
        assert router == router_mac(up.networks["red/web"]["number"])
        for place, valid in ((RED, from_a_member(router)), (UPLINKS["gw1"], from_outside(router))):
            whole = [*valid]
            put(up, place, whole)
            put(up, place, [*mutated(whole, chance)])
        check_works(up)


def put(up: Gateways, place: str, some: list[bytes]) -> None:
    for start in range(0, len(some), 400):
        up.centre.fabric.send(place, some[start : start + 400])
        up.centre.ovs.check_alive()


def check_works(up: Gateways) -> None:
    """A floating address still is its owner's, and members are still answered."""
    # Whoever shouts on the uplink that he is the next router is believed: it says so itself again.
    tell_hops(up.centre, "gw1", UPLINKS["gw1"])
    asked = Segment(ip_address("10.0.0.12"), 41000, SERVER, 80)
    assert up.out(RED2, "red/web", asked) == asked._replace(source=OUTER)
    assert [*up.send(RED, question(MACS[RED], INSIDE, ip_address("10.0.0.1")))] == [RED]
    up.centre.ovs.check_alive()
