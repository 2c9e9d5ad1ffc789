"""Which conditions on IP and what follows it hold for a frame, told by the frame itself: its destination address has a
bit for each condition when it leaves. And the frames to ask, with whole headers and with broken ones.
"""

from __future__ import annotations

import re
from random import Random

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.rows import (
    FieldMatch,
    Move,
    Origin,
    Output,
    Resubmit,
    Row,
    SetField,
    Subject,
    SwitchTable,
    match,
)
from ryu_vnet.verify import frames
from ryu_vnet.verify.packet import Packet, parse

LINK = frames.Link(0x02_00_00_00_00_0A, 0x02_00_00_00_00_0B)
SRC_PORT, DST_PORT, DSCP = 0x1F90, 0x0050, 46
PROTOCOLS = ((6, f.TCP_SRC, f.TCP_DST), (17, f.UDP_SRC, f.UDP_DST), (132, f.SCTP_SRC, f.SCTP_DST))
FRAGMENTS = ((0, None), (1, None), (3, None), (1, 1), (0, 2))
"""Value and mask of the matches on `ip_frag` that ovs-ofctl has words for."""
BITS = 32
OUT = 2
_ORIGIN = Origin(Subject.SWITCH, 1)


def conditions() -> list[list[FieldMatch]]:
    """What is asked, for IPv4 and IPv6: exact matches, masked ones, and those for what is not there."""
    found: list[list[FieldMatch]] = []
    for eth_type in (0x0800, 0x86DD):
        ip = FieldMatch(f.ETH_TYPE, eth_type)
        found += [[ip, FieldMatch(f.IP_DSCP, value)] for value in (0, DSCP)]
        found += [[ip, FieldMatch(f.IP_FRAG, value, mask)] for value, mask in FRAGMENTS]
        for number, src, dst in PROTOCOLS:
            of_protocol = [ip, FieldMatch(f.IP_PROTO, number)]
            found += [[*of_protocol, FieldMatch(src, SRC_PORT)], [*of_protocol, FieldMatch(dst, DST_PORT)]]
            found += [[*of_protocol, FieldMatch(src, SRC_PORT & 0xFF0F, 0xFF0F)]]
            found += [[*of_protocol, FieldMatch(dst, DST_PORT & 0xFFF0, 0xFFF0)]]
            found += [[*of_protocol, FieldMatch(src, 0)], [*of_protocol, FieldMatch(dst, 0, 0xFF)]]
            found += [[*of_protocol, FieldMatch(dst, DST_PORT), FieldMatch(f.IP_FRAG, 0)]]
        found += [[ip, FieldMatch(f.IP_TTL, value)] for value in (0, 64)]
    ping = [FieldMatch(f.ETH_TYPE, 0x0800), FieldMatch(f.IP_PROTO, 1)]
    found += [[*ping, FieldMatch(f.ICMPV4_TYPE, kind)] for kind in (0, 3, 8)]
    found += [[*ping, FieldMatch(f.ICMPV4_CODE, code)] for code in (0, 4)]
    echo = [FieldMatch(f.ETH_TYPE, 0x86DD), FieldMatch(f.IP_PROTO, 58)]
    found += [[*echo, FieldMatch(f.ICMPV6_CODE, code)] for code in (0, 4)]
    for kind, told in ((135, (0, 1)), (136, (3 << 29, 2))):
        discovery = [*echo, FieldMatch(f.ICMPV6_TYPE, kind), FieldMatch(f.ICMPV6_CODE, 0)]
        found += [
            [*discovery, FieldMatch(*item)] for item in zip((f.ND_RESERVED, f.ND_OPTIONS_TYPE), told, strict=True)
        ]
        found += [[*discovery, FieldMatch(f.ND_OPTIONS_TYPE, 0)]]
    return [*found, *([*echo, FieldMatch(f.ICMPV6_TYPE, kind)] for kind in (0, 128))]


def probes() -> list[SwitchTable]:
    """Tables that ask all conditions, `BITS` of them each. Each condition has a table of its own."""
    asked = conditions()
    return [_probe(asked[at : at + BITS]) for at in range(0, len(asked), BITS)]


def _probe(asked: list[list[FieldMatch]]) -> SwitchTable:
    table = SwitchTable()
    ask = [Resubmit(number) for number in range(1, len(asked) + 1)]
    tell = (SetField(f.ETH_DST, 0), Move(f.REG1, f.ETH_DST, BITS), Output(OUT))
    table.add(Row(0, 1, (), (SetField(f.REG0, 1), *ask, *tell), None, _ORIGIN))
    for place, condition in enumerate(asked):
        table.add(Row(place + 1, 1, match(*condition), (Move(f.REG0, f.REG1, 1, 0, place),), None, _ORIGIN))
    return table


def answer_in_trace(text: str) -> int:
    """The answers that ofproto/trace ends with, as the number of which they are the bits."""
    (final,) = re.findall(r"Final flow: (.*)", text)
    told = re.search(r"\breg1=(0x[0-9a-f]+)", final)
    return int(told[1], 16) if told else 0


def answer_in_frame(frame: bytes) -> int:
    """The same from a frame that left."""
    return int.from_bytes(frame[:6], "big")


def whole() -> dict[str, Packet]:
    """One packet of each protocol over each version of IP."""
    four, six = ("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")
    ports = (SRC_PORT, DST_PORT)
    return {
        "tcp": frames.ipv4_tcp(LINK, *four, ports, DSCP),
        "udp": frames.ipv4_udp(LINK, *four, ports, b"some more data", DSCP),
        "sctp": frames.ipv4_sctp(LINK, *four, ports, DSCP),
        "icmp": frames.ipv4_echo(LINK, *four, b"some more data"),
        "tcp6": frames.ipv6_tcp(LINK, *six, ports, DSCP),
        "udp6": frames.ipv6_udp(LINK, *six, ports, b"some more data", DSCP),
        "sctp6": frames.ipv6_sctp(LINK, *six, ports, DSCP),
        "icmp6": frames.ipv6_echo(LINK, *six, b"some more data"),
        "unreachable": frames.ipv4(LINK, *four, 1, bytes((3, 4, *[0] * 12))),
        "unreachable6": frames.ipv6(LINK, *six, 58, bytes((1, 4, *[0] * 12))),
        "solicitation": frames.neighbour_solicitation(LINK.src, *six, LINK.src),
        "solicitation without option": frames.neighbour_solicitation(LINK.src, *six),
        "advertisement": frames.neighbour_advertisement(LINK, *six, six[0], LINK.src),
        "advertisement without option": frames.neighbour_advertisement(LINK, *six, six[0], None),
    }


def catalogue() -> dict[str, bytes]:
    """Frames by name: whole, tagged, in fragments, too short for what they say they are."""
    found: dict[str, Packet] = {}
    for name, packet in whole().items():
        found[name] = packet
        found[f"{name}, tagged"] = frames.tagged(packet, 0xE005)
        found[f"{name}, tagged twice"] = frames.tagged(frames.tagged(packet, 5), 6, 0x88A8)
        first, *later = frames.fragments(packet)
        found[f"{name}, first fragment"] = first
        found[f"{name}, first fragment, tagged"] = frames.tagged(first, 5)
        found[f"{name}, first fragment with the whole header"] = frames.fragments(packet, 24)[0]
        found[f"{name}, later fragment"] = later[0]
        found[f"{name}, last fragment, tagged"] = frames.tagged(later[-1], 5)
        found[f"{name}, fragment of a whole"] = frames.fragments(packet, 1024)[0]
    for proto, *_ in PROTOCOLS:
        for length in (0, 4, 7, 8, 11, 12, 19, 20):
            start = SRC_PORT.to_bytes(2, "big") + DST_PORT.to_bytes(2, "big") + bytes(16)
            found[f"{length} bytes of protocol {proto}"] = frames.ipv4(LINK, 1, 2, proto, start[:length], DSCP << 2)
            found[f"{length} bytes of protocol {proto} over IPv6"] = frames.ipv6(LINK, 1, 2, proto, start[:length])
    return {name: packet.to_bytes() for name, packet in {**found, **_broken()}.items()}


def _broken() -> dict[str, Packet]:
    tcp, udp, tcp6, sctp6 = (whole()[name] for name in ("tcp", "udp", "tcp6", "sctp6"))
    fragment6 = frames.fragments(tcp6, 1024)[0]
    hop_by_hop = bytes((44, 0, *[0] * 6))
    return {
        "longer than the frame": _altered(tcp, 16, 0xFF),
        "shorter than its header": _altered(tcp, 17, 19),
        "cut off in the IPv4 header": parse(tcp.to_bytes()[:33]),
        "padded": parse(tcp.to_bytes() + bytes(300)),
        "IPv4 options": _altered(tcp, 14, 0x46),
        "IPv4 header of 16 bytes": _altered(tcp, 14, 0x44),
        "a version that is not IPv4": _altered(tcp, 14, 0x65),
        "not to be fragmented": _altered(tcp, 20, 0x40),
        "the reserved flag": _altered(tcp, 20, 0x80),
        "a class of service with congestion bits": _altered(tcp, 15, DSCP << 2 | 3),
        "TCP header that says 16 bytes": _altered(tcp, 46, 4 << 4),
        "TCP header that says 60 bytes": _altered(tcp, 46, 15 << 4),
        "UDP of length 0": _altered(udp, 38, 0, 0),
        "UDP longer than the packet": _altered(udp, 38, 0xFF, 0xFF),
        "longer than the frame over IPv6": _altered(tcp6, 18, 0xFF),
        "cut off in the IPv6 header": parse(tcp6.to_bytes()[:53]),
        "a class of service with congestion bits over IPv6": _altered(tcp6, 15, 0xB0),
        "a flow label": _altered(tcp6, 15, 0x8F, 0xFF, 0xFF),
        "reserved bits beside the fragment's place": _altered(fragment6, 57, 0x06),
        "a fragment header cut off": frames.ipv6(LINK, 1, 2, 44, bytes((6, 0, 0, 1, 0, 0)), traffic_class=DSCP << 2),
        "a fragment behind options": frames.ipv6(LINK, 1, 2, 0, hop_by_hop + frames.fragments(sctp6)[0].payload[40:]),
        "a fragment within a fragment": frames.ipv6(
            LINK, 1, 2, 44, bytes((44, 0, 0, 1, 0, 0, 0, 0)) + fragment6.payload[40:]
        ),
    }


def _altered(packet: Packet, place: int, *values: int) -> Packet:
    data = bytearray(packet.to_bytes())
    data[place : place + len(values)] = bytes(values)
    return parse(bytes(data))


def damaged(random: Random) -> bytes:
    """A frame of the catalogue with a byte of its headers changed, or cut off."""
    data = bytearray(random.choice(list(catalogue().values())))
    place = random.randrange(14, min(len(data), 80))
    if random.randrange(3):
        data[place] = random.choice((0, 1, 0xFF, random.randrange(256)))
        return bytes(data)
    return bytes(data[:place])
