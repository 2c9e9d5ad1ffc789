"""What Open vSwitch does that the simulator leaves out: ports that are used up, fragments, errors about a connection,
and flags of TCP."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any

from test_gateways_on_switches import (
    ACK,
    BLUE,
    HOP_MAC,
    INSIDE,
    MACS,
    RED,
    RST,
    SERVER,
    SYN,
    UPLINKS,
    Gateways,
    Segment,
    gateways,
)

from ryu_vnet.model.outside import address_mac, router_mac
from ryu_vnet.services import frames as f
from ryu_vnet.verify import frames
from ryu_vnet.verify.frames import Link
from ryu_vnet.verify.packet import parse
from ryu_vnet.verify.upper import Ip

UDP, ICMP = 17, 1
DB, DB_MAC, DB_ADDRESS = "host3:red-db1", 0x02_00_00_00_03_03, ip_address("10.0.1.21")
FRAGMENT = 1480
"""Bytes; Open vSwitch drops fragments of less than 1,200 but the last (`ipf-set-min-frag`)."""


def two_ports(intent: dict[str, Any]) -> None:
    intent["tenants"]["blue"]["networks"]["web"]["outside"] = {"network": "internet", "ports": "30000-30001"}


def of_protocol(up: Gateways, place: str, some: list[bytes], protocol: int) -> dict[str, list[bytes]]:
    """Put frames in; what of a protocol left by which port."""
    found = up.centre.fabric.send(place, some)
    kept = {
        at: [one for one in sent if one[12:14] == b"\x08\x00" and one[23] == protocol] for at, sent in found.items()
    }
    return {at: sent for at, sent in kept.items() if sent}


def test_where_no_port_is_free_new_connections_wait_and_nobody_else_does(framework: str, tmp_path: Path) -> None:
    with gateways(framework, tmp_path, two_ports) as up:
        asked = [Segment(INSIDE, port, SERVER, 80) for port in (40000, 40001, 40002)]
        seen = [up.out(BLUE, "blue/web", each) for each in asked[:2]]
        assert {each.source_port for each in seen} == {30000, 30001}
        assert up.send(BLUE, asked[2].frame(MACS[BLUE], up.router("blue/web"))) == {}
        up.centre.wait(lambda: up.centre.client.events(kind="gateway", subject="blue/web"), "it is told")
        # Those that are known go on, others begin at other servers, and other networks do not notice.
        for each, was in zip(asked[:2], seen, strict=True):
            assert up.out(BLUE, "blue/web", each._replace(flags=ACK)) == was._replace(flags=ACK)
        elsewhere = asked[2]._replace(target=ip_address("198.51.100.2"))
        assert up.out(BLUE, "blue/web", elsewhere).source_port in (30000, 30001)
        assert up.out(RED, "red/web", asked[2]).source_port not in (30000, 30001)


def test_fragments_are_translated_both_ways(framework: str, tmp_path: Path) -> None:
    with gateways(framework, tmp_path) as up:
        data = bytes(range(256)) * 12
        whole = frames.ipv4_udp(Link(MACS[RED], up.router("red/web")), int(INSIDE), int(SERVER), (40000, 9), data)
        sent = of_protocol(up, RED, pieces(whole.to_bytes()), UDP)
        assert [*sent] == [UPLINKS["gw1"]]
        outer, outer_port = joined(sent[UPLINKS["gw1"]], data, at=0)
        assert str(outer) == up.networks["red/web"]["exit"]["address"]
        link = Link(HOP_MAC, address_mac(outer))
        answer = frames.ipv4_udp(link, int(SERVER), int(outer), (9, outer_port), data).to_bytes()
        back = of_protocol(up, UPLINKS["gw1"], pieces(answer), UDP)
        assert [*back] == [RED]
        assert joined(back[RED], data, at=2) == (INSIDE, 40000)


def pieces(frame: bytes) -> list[bytes]:
    return [part.to_bytes() for part in frames.fragments(parse(frame), FRAGMENT)]


def joined(some: list[bytes], data: bytes, at: int) -> tuple[IPv4Address, int]:
    """Fragments together must be a datagram with this data; its source (`at` 0) or else destination, with the port."""
    parts: dict[int, bytes] = {}
    addresses = set()
    for frame in some:
        upper = parse(frame).upper
        assert isinstance(upper, Ip) and f.checksum(frame[14:34]) == 0
        addresses.add(upper.dst if at else upper.src)
        parts[(int.from_bytes(frame[20:22], "big") & 0x1FFF) * 8] = frame[34 : 14 + int.from_bytes(frame[16:18], "big")]
    assert len(parts) > 1
    datagram = b"".join(part for _, part in sorted(parts.items()))
    assert datagram[8:] == data
    (address,) = addresses
    first = parse(some[0]).upper
    assert isinstance(first, Ip)
    pseudo = f.pseudo_header(IPv4Address(first.src), IPv4Address(first.dst), UDP, len(datagram))
    assert f.checksum(pseudo + datagram) == 0
    return IPv4Address(address), int.from_bytes(datagram[at : at + 2], "big")


def test_an_error_about_a_connection_comes_back_with_what_its_owner_sent_inside(framework: str, tmp_path: Path) -> None:
    with gateways(framework, tmp_path) as up:
        asked = Segment(INSIDE, 40000, SERVER, 80)
        gone = up.out(RED, "red/web", asked)
        outer, router = IPv4Address(str(gone.source)), ip_address("198.51.100.254")
        link = Link(HOP_MAC, address_mac(outer))
        too_large = (3, 4, 0, 1400)
        found = of_protocol(up, UPLINKS["gw1"], [error(link, router, gone, too_large)], ICMP)
        assert [*found] == [RED] and len(found[RED]) == 1
        packet = found[RED][0][14:]
        message = packet[20 : int.from_bytes(packet[2:4], "big")]
        assert f.checksum(packet[:20]) == 0 and f.checksum(message) == 0
        assert (packet[12:16], packet[16:20]) == (router.packed, INSIDE.packed)
        assert struct.unpack("!BBxxHH", message[:8]) == too_large
        inner = message[8:]
        assert (inner[12:16], inner[16:20]) == (INSIDE.packed, SERVER.packed)
        assert struct.unpack("!HH", inner[20:24]) == (40000, 80)
        # About what nobody has sent, nobody is told.
        stranger = gone._replace(source_port=gone.source_port ^ 1)
        assert of_protocol(up, UPLINKS["gw1"], [error(link, router, stranger, too_large)], ICMP) == {}


def test_a_router_lets_back_what_acknowledges_something_and_nothing_begin(framework: str, tmp_path: Path) -> None:
    with gateways(framework, tmp_path) as up:
        asked = Segment(INSIDE, 40000, DB_ADDRESS, 5432)
        web, db = up.router("red/web"), router_mac(up.centre.client.network("red/db")["number"])
        routed = asked.frame(db, DB_MAC, ttl=63)
        assert up.send(RED, asked.frame(MACS[RED], web)) == {DB: [routed]}
        answer = asked.answer
        assert up.send(DB, answer.frame(DB_MAC, db)) == {RED: [answer.frame(web, MACS[RED], ttl=63)]}
        for refused in (answer._replace(flags=SYN), answer._replace(source_port=22), answer._replace(flags=RST)):
            assert up.send(DB, refused.frame(DB_MAC, db)) == {}
        assert up.send(RED, asked._replace(target_port=22).frame(MACS[RED], web)) == {}


def error(link: Link, router: Any, about: Segment, said: tuple[int, int, int, int]) -> bytes:
    """An ICMP error about a segment (RFC 792; RFC 1191, 4)."""
    quoted = about.frame(0, 0)[14 : 14 + 28]
    kind, code, unused, mtu = said
    unsummed = struct.pack("!BBHHH", kind, code, 0, unused, mtu) + quoted
    message = unsummed[:2] + f.checksum(unsummed).to_bytes(2, "big") + unsummed[4:]
    return f.ethernet(link.dst, link.src, f.IPV4, f.ip(router, about.source, ICMP, message, 60))
