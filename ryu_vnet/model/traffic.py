"""Traffic classes: which frames a network is for, where it is not for all of them.

A class is a list of terms, and a frame belongs to it if it is as one of them says. ARP and neighbour discovery belong
to every class: who shares a network must be able to find each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from ..errors import Invalid, Problem

Ports: TypeAlias = tuple[int, int]
"""The first and the last of a range of ports, 1 to 65535."""

IPV4, IPV6 = 0x0800, 0x86DD
ETHERTYPES = {"ipv4": IPV4, "ipv6": IPV6}
FIRST_ETHERTYPE = 0x0600
"""Below it stands a length (IEEE 802.3, 3.2.6)."""
_OURS = {0x8100: "a VLAN tag", 0x88A8: "a VLAN tag", 0x8847: "MPLS", 0x8848: "MPLS", 0x0806: "ARP", 0x8035: "RARP"}
"""EtherTypes that no class is made of, and what they are."""
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "icmpv6": 58, "ospf": 89, "vrrp": 112, "sctp": 132}
"""Names of IP protocols (IANA, Protocol Numbers) that may be written; others by number."""
WITH_PORTS = (6, 17, 132)
_FAMILY_OF = {1: IPV4, 58: IPV6}
"""IP protocols that belong to one IP version."""
_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Term:
    """One kind of frames. What is None does not matter.

    `ports` holds in either direction of a connection: as the source or as the destination. `dscp` is the code point in
    the IP header, 0 to 63 (RFC 2474).
    """

    ethertype: int | None = None
    protocol: int | None = None
    ports: Ports | None = None
    source_ports: Ports | None = None
    destination_ports: Ports | None = None
    dscp: int | None = None

    @property
    def families(self) -> tuple[int | None, ...]:
        """The EtherTypes that such frames may have; None for any."""
        if self.ethertype is not None:
            return (self.ethertype,)
        if self.protocol in _FAMILY_OF:
            return (_FAMILY_OF[self.protocol],)
        return (IPV4, IPV6) if self.protocol is not None or self.dscp is not None else (None,)

    def check(self, where: str) -> None:
        """Raises Invalid where it says nothing, or contradicts itself."""
        if self == Term():
            hint = "say at least one of ethertype, protocol, dscp; a network without a class takes everything"
            raise Invalid(Problem(where, "a term of a class that says nothing", hint))
        if self.ethertype is not None and (self.ethertype < FIRST_ETHERTYPE or self.ethertype in _OURS):
            what = _OURS.get(self.ethertype, "no EtherType")
            hint = "ipv4, ipv6 or a number from 0x600; ARP and neighbour discovery belong to every class"
            raise Invalid(Problem(f"{where}.ethertype", f"{self.ethertype:#06x} is {what}", hint))
        is_ip = self.ethertype in (None, IPV4, IPV6)
        if not is_ip and (self.protocol is not None or self.dscp is not None):
            raise Invalid(
                Problem(where, f"ethertype {self.ethertype:#06x} has no protocol and no dscp", "ethertype ipv4 or ipv6")
            )
        family = _FAMILY_OF.get(self.protocol or 0, self.ethertype)
        if self.ethertype is not None and family != self.ethertype:
            raise Invalid(
                Problem(
                    where,
                    f"{format_protocol(self.protocol or 0)} does not run over {format_ethertype(self.ethertype)}",
                    "leave out the ethertype",
                )
            )
        ranges = [self.ports, self.source_ports, self.destination_ports]
        if any(ranges) and self.protocol not in WITH_PORTS:
            raise Invalid(Problem(where, "ports without a protocol that has them", "protocol: tcp, udp or sctp"))
        if self.ports and (self.source_ports or self.destination_ports):
            hint = "port for either direction, or source_port and destination_port"
            raise Invalid(Problem(where, "port beside source_port or destination_port", hint))


def parse_ethertype(text: str, where: str) -> int:
    """`ipv4`, `ipv6`, or a number. Raises Invalid."""
    if text.lower() in ETHERTYPES:
        return ETHERTYPES[text.lower()]
    return _number(text, 0xFFFF, where, "an EtherType", "ipv4, ipv6, or a number: 0x88b5")


def format_ethertype(value: int) -> str:
    """As `parse_ethertype` reads it."""
    return next((name for name, number in ETHERTYPES.items() if number == value), f"{value:#06x}")


def parse_protocol(text: str, where: str) -> int:
    """An IP protocol by name or number. Raises Invalid."""
    if text.lower() in PROTOCOLS:
        return PROTOCOLS[text.lower()]
    return _number(text, 255, where, "an IP protocol", "one of " + ", ".join(PROTOCOLS) + ", or a number up to 255")


def format_protocol(value: int) -> str:
    """As `parse_protocol` reads it."""
    return next((name for name, number in PROTOCOLS.items() if number == value), str(value))


def parse_ports(text: str, where: str) -> Ports:
    """`80` or `5060-5070`. Raises Invalid."""
    found = _RANGE.fullmatch(text)
    if found:
        first, last = int(found[1]), int(found[2] or found[1])
        if 1 <= first <= last <= 0xFFFF:
            return first, last
    raise Invalid(Problem(where, f"{text!r} is not a port or a range of ports", "1 to 65535: 80, or 5060-5070"))


def format_ports(ports: Ports) -> str:
    """As `parse_ports` reads it."""
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"


def format_term(term: Term) -> str:
    """A term in words: `tcp port 80`."""
    said = [
        format_ethertype(term.ethertype) if term.ethertype is not None else "",
        format_protocol(term.protocol) if term.protocol is not None else "",
        f"port {format_ports(term.ports)}" if term.ports else "",
        f"from port {format_ports(term.source_ports)}" if term.source_ports else "",
        f"to port {format_ports(term.destination_ports)}" if term.destination_ports else "",
        f"dscp {term.dscp}" if term.dscp is not None else "",
    ]
    return " ".join(filter(None, said))


def _number(text: str, most: int, where: str, what: str, hint: str) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value <= most:
        raise Invalid(Problem(where, f"{text!r} is not {what}", hint))
    return value
