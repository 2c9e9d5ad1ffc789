"""Traffic classes, from the file alone: which frames a network takes that is not for all of them.

ARP, RARP and neighbour discovery belong to every class. A switch sees no ports in a fragment, so fragments are taken
where their protocol is; and a later one over IPv6 does not say its protocol, so it is taken where any IP protocol is.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

IPV4, ARP, RARP, IPV6 = 0x0800, 0x0806, 0x8035, 0x86DD
ICMP, TCP, UDP, FRAGMENT, ICMPV6, SCTP = 1, 6, 17, 44, 58, 132
ETHERTYPES: Final = {"ipv4": IPV4, "ipv6": IPV6}
PROTOCOLS: Final = {"icmp": ICMP, "tcp": TCP, "udp": UDP, "icmpv6": ICMPV6, "sctp": SCTP}
"""The protocols that files here name; others by number."""
DISCOVERY: Final = range(133, 137)
"""ICMPv6 types of router and neighbour discovery (RFC 4861, 4.1 to 4.4)."""
ALL_PORTS: Final = range(0x10000)


@dataclass(frozen=True, slots=True)
class Content:
    """What a class can tell of a frame. `ports` are source and destination, None where a switch sees none; `protocol`
    is None where the frame is no IP, or a later fragment over IPv6."""

    ethertype: int
    protocol: int | None = None
    ports: tuple[int, int] | None = None
    dscp: int | None = None
    fragment: bool = False
    discovery: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """One kind of frames, as a file states it. What is None does not matter; `ports` holds in either direction."""

    ethertype: int | None
    protocol: int | None
    ports: range | None
    source_ports: range | None
    destination_ports: range | None
    dscp: int | None

    def takes(self, content: Content) -> bool:
        """Whether a frame is of this kind."""
        if self.ethertype not in (None, content.ethertype) or self.dscp not in (None, content.dscp):
            return False
        if self.protocol is None:
            return True
        if content.protocol is None:
            return content.fragment
        if content.protocol != self.protocol:
            return False
        if self.ports is self.source_ports is self.destination_ports is None or content.fragment:
            return True
        if content.ports is None:
            return False
        source, destination = content.ports
        if self.ports is not None:
            return source in self.ports or destination in self.ports
        return source in (self.source_ports or ALL_PORTS) and destination in (self.destination_ports or ALL_PORTS)


def term(stated: Mapping[str, Any]) -> Term:
    """A term of a file. Raises KeyError for a protocol or EtherType of an unknown name, ValueError for what is no term
    at all."""
    unknown = stated.keys() - {"ethertype", "protocol", "port", "source_port", "destination_port", "dscp"}
    if unknown:
        raise ValueError(f"a term of a traffic class has no {', '.join(sorted(unknown))}")
    return Term(
        _number(stated.get("ethertype"), ETHERTYPES),
        _number(stated.get("protocol"), PROTOCOLS),
        _ports(stated.get("port")),
        _ports(stated.get("source_port")),
        _ports(stated.get("destination_port")),
        stated.get("dscp"),
    )


def content(frame: bytes) -> Content:
    """What is in a bare Ethernet frame, which may end anywhere."""
    ethertype, packet = int.from_bytes(frame[12:14], "big"), frame[14:]
    if ethertype in (ARP, RARP):
        return Content(ethertype, discovery=True)
    if ethertype == IPV4 and len(packet) >= 20:
        offset = int.from_bytes(packet[6:8], "big") & 0x3FFF  # more fragments, and how far this one is from the first
        return _upper(ethertype, packet[9], packet[4 * (packet[0] & 0xF) :], packet[1] >> 2, bool(offset))
    if ethertype == IPV6 and len(packet) >= 40:
        dscp, upper = int.from_bytes(packet[:2], "big") >> 6 & 0x3F, packet[6]
        if upper != FRAGMENT or len(packet) < 48:
            return _upper(ethertype, upper, packet[40:], dscp, False)
        if int.from_bytes(packet[42:44], "big") >> 3:
            return Content(ethertype, dscp=dscp, fragment=True)
        return _upper(ethertype, packet[40], packet[48:], dscp, True)
    return Content(ethertype)


def _upper(ethertype: int, protocol: int, rest: bytes, dscp: int, fragment: bool) -> Content:
    ports = None
    if protocol in (TCP, UDP, SCTP) and not fragment and len(rest) >= 4:
        ports = struct.unpack_from("!HH", rest)
    discovery = (ethertype, protocol) == (IPV6, ICMPV6) and not fragment and bool(rest) and rest[0] in DISCOVERY
    return Content(ethertype, protocol, ports, dscp, fragment, discovery)


def _number(stated: object, names: Mapping[str, int]) -> int | None:
    if stated is None or isinstance(stated, int):
        return stated
    text = str(stated)
    return int(text, 0) if text[:1].isdigit() else names[text.lower()]


def _ports(stated: object) -> range | None:
    if stated is None:
        return None
    first, _, last = str(stated).partition("-")
    return range(int(first), int(last or first) + 1)
