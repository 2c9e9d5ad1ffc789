"""The frame that a trace follows, and what whoever gets it answers."""

from __future__ import annotations

from ..errors import Invalid, Problem
from ..model.state import Member
from ..verify import frames
from ..verify.packet import Packet
from ..verify.upper import PROTO_TCP, PROTO_UDP, Icmp, Icmpv6, Ip, Ports
from .trace_ends import Sort, Source, Target

EXPERIMENTAL = 0x88B5
"""EtherType for local experiments (IEEE 802, 9.2.4): it stands for whatever is not IP or ARP."""
_ECHOES = (8, 128)
"""Echo requests of ICMP and ICMPv6."""
_SIX = 6


def usual_kind(sender: Source, aim: Target) -> str:
    """What is sent where nobody said what: an echo over IPv4 or IPv6, whichever both have."""
    for kind, version in (("icmp", 4), ("ipv6", _SIX)):
        if _address(sender, version) is not None and _address(aim, version) is not None:
            return kind
    return "ethertype"


def frame_of(sender: Source, aim: Target, kind: str, sort: Sort) -> Packet:
    """The frame. Raises Invalid where one of the two has no address for it."""
    mac = sender.mac
    if kind == "broadcast":
        return frames.raw(frames.Link(mac, frames.BROADCAST), EXPERIMENTAL)
    link = frames.Link(mac, aim.mac)
    if kind == "ethertype":
        return frames.raw(link, EXPERIMENTAL)
    if aim.member is None and aim.address is None:
        hint = "name a node or an IP address as target, or use kind ethertype"
        raise Invalid(Problem("kind", f"the IP address behind {aim.text} is not known", hint))
    ports = sort.source_port, sort.port
    version = _version(sender, aim, kind)
    source, destination = _require(sender, version), _require(aim, version)
    match kind:
        case "arp":
            return frames.arp_request(mac, source, destination)
        case "tcp":
            tcp = frames.ipv6_tcp if version == _SIX else frames.ipv4_tcp
            return tcp(link, source, destination, ports)
        case "udp":
            udp = frames.ipv6_udp if version == _SIX else frames.ipv4_udp
            return udp(link, source, destination, ports)
        case "ipv6":
            return frames.ipv6_echo(link, source, destination)
        case _:
            return frames.ipv4_echo(link, source, destination)


def _version(sender: Source, aim: Target, kind: str) -> int:
    if kind in ("tcp", "udp"):
        return 4 if usual_kind(sender, aim) != "ipv6" else _SIX
    return _SIX if kind == "ipv6" else 4


def _require(end: Source | Target, version: int) -> str:
    address = _address(end, version)
    if address is None:
        hint = "use kind ethertype, or give it one"
        raise Invalid(Problem("kind", f"{end.text} has no IPv{version} address", hint))
    return address


def _address(end: Source | Target, version: int) -> str | None:
    """An address that one end has, of a version of IP."""
    if end.address is not None:
        return str(end.address) if end.address.version == version else None
    return _first(end.member, version, end) if end.member is not None else None


def _first(member: Member, version: int, end: Source | Target) -> str | None:
    found = [prefix for prefix in member.interface.sources if prefix.version == version]
    if not found:
        return None
    subnets = end.subnets if isinstance(end, Source) else ()
    fitting = [prefix for prefix in found if any(prefix[0] in subnet for subnet in subnets)]
    prefix = (fitting or found)[0]
    return str(prefix[1 if prefix.num_addresses > 2 else 0])


def answer_to(frame: Packet) -> Packet | None:
    """What whoever gets such a frame sends back: an echo reply, a SYN with ACK, a datagram from its port; None where
    nobody can know."""
    ip = frame.upper
    if not isinstance(ip, Ip) or ip.frag:
        return None
    link = frames.Link(frame.eth_dst, frame.eth_src)
    transport = ip.transport
    if isinstance(transport, Icmp | Icmpv6):
        if transport.type not in _ECHOES:
            return None
        if ip.version == _SIX:
            return frames.ipv6_echo(link, ip.dst, ip.src, reply=True)
        return frames.ipv4_echo(link, ip.dst, ip.src, reply=True)
    if not isinstance(transport, Ports):
        return None
    ports = transport.dst, transport.src
    if ip.proto == PROTO_TCP:
        tcp = frames.ipv6_tcp if ip.version == _SIX else frames.ipv4_tcp
        return tcp(link, ip.dst, ip.src, ports, flags=frames.SYN_ACK)
    if ip.proto == PROTO_UDP:
        udp = frames.ipv6_udp if ip.version == _SIX else frames.ipv4_udp
        return udp(link, ip.dst, ip.src, ports)
    return None
