"""Fields of ARP, IP and what follows it, overwritten: first as the switch sees them, then in the bytes that leave.

Open vSwitch keeps two views of a packet whose fields are set, as it was and as it is to be, and puts the difference
into the bytes when it next sends or tracks the packet, or looks how large it is. Checksums are corrected by what has
changed, not computed anew (RFC 1624): one that was wrong stays wrong, but where flags or the option of neighbour
discovery are set. A UDP checksum of zero, which says that there is none, stays zero (RFC 768).

What Open vSwitch 3.1 leaves as it was, though set: everything in a packet of protocol 0; RARP; ports that were both 0.

What Open vSwitch 3.1.0 writes behind the packet, into memory of somebody else's, is Invalid here: anything in ARP that
is cut off, once `arp_op` is set, which ends ovs-vswitchd sooner or later ("free(): invalid next size"); and the type of
a discovery option in a message that has no option. So match on `arp_op` and `nd_options_type` wherever they are set.

Not modelled, and Invalid here: addresses, and flags and options of discovery, in fragments, in packets with IPv6
extension headers (where Open vSwitch makes some checksums wrong), and in those whose TCP, UDP or ICMPv6 header is
broken; ports and types of fragments and in broken headers, which Open vSwitch sees though no row can match them; and
everything in ARP that is whole but whose operation does not fit a byte, or that is not about IPv4 over Ethernet.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..errors import Invalid
from .checksums import corrected, crc32c, internet_checksum
from .upper import (
    ETH_TYPE_ARP,
    NEIGHBOUR_ADVERTISEMENT,
    NEIGHBOUR_SOLICITATION,
    PROTO_ICMP,
    PROTO_ICMPV6,
    PROTO_SCTP,
    PROTO_TCP,
    PROTO_UDP,
    Arp,
    Icmp,
    Icmpv6,
    Ip,
    Ports,
    Sctp,
    Tcp,
    Udp,
    Upper,
)

_ARP_FIELDS = {"arp_op": "op", "arp_spa": "spa", "arp_tpa": "tpa", "arp_sha": "sha", "arp_tha": "tha"}
_IP_FIELDS = {
    **{f"ipv{version}_{end}": (end, (version,)) for version in (4, 6) for end in ("src", "dst")},
    **{f"ip_{name}": (name, (4, 6)) for name in ("ttl", "dscp")},
}
_TRANSPORT_FIELDS: dict[str, tuple[str, type[Any]]] = {
    **{
        f"{name}_{end}": (end, kind)
        for name, kind in (("tcp", Tcp), ("udp", Udp), ("sctp", Sctp))
        for end in ("src", "dst")
    },
    **{f"icmpv4_{name}": (name, Icmp) for name in ("type", "code")},
    **{f"icmpv6_{name}": (name, Icmpv6) for name in ("type", "code")},
}
_DISCOVERY_FIELDS = {
    "nd_target": ("target", (NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT)),
    "nd_reserved": ("reserved", (NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT)),
    "nd_options_type": ("option", (NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT)),
    "nd_sll": ("sll", (NEIGHBOUR_SOLICITATION,)),
    "nd_tll": ("tll", (NEIGHBOUR_ADVERTISEMENT,)),
}
_WITH_TRANSPORT = (PROTO_ICMP, PROTO_TCP, PROTO_UDP, PROTO_SCTP, PROTO_ICMPV6)
OVERWRITABLE = frozenset((*_ARP_FIELDS, *_IP_FIELDS, *_TRANSPORT_FIELDS, *_DISCOVERY_FIELDS))
"""The fields that this module sets, by name."""


def with_upper_field(upper: Upper, name: str, value: int) -> Upper:
    """What the switch sees with a field set; as it was, where there is no such field.

    Raises Invalid for ports and types of fragments and where their header is broken.
    """
    if name in _ARP_FIELDS:
        return replace(upper, **{_ARP_FIELDS[name]: value}) if isinstance(upper, Arp) else upper
    if not isinstance(upper, Ip):
        return upper
    if name in _IP_FIELDS:
        attribute, versions = _IP_FIELDS[name]
        changed: dict[str, Any] = {attribute: value}
        return replace(upper, **changed) if upper.version in versions else upper
    if upper.frag or (upper.transport is None and upper.proto in _WITH_TRANSPORT):
        raise Invalid(f"{name} of a fragment or a broken header is set, which is not modelled")
    return replace(upper, transport=_with_transport_field(upper.transport, name, value))


def _with_transport_field(transport: Any, name: str, value: int) -> Any:
    if name in _TRANSPORT_FIELDS:
        attribute, kind = _TRANSPORT_FIELDS[name]
        return replace(transport, **{attribute: value}) if isinstance(transport, kind) else transport
    attribute, types = _DISCOVERY_FIELDS[name]
    has_it = isinstance(transport, Icmpv6) and transport.code == 0 and transport.type in types
    return replace(transport, **{attribute: value}) if has_it else transport


def actions_see(upper: Upper, name: str) -> bool:
    """Whether actions read and write a field that rows see: one of discovery only while the message's code is 0."""
    if name not in _DISCOVERY_FIELDS:
        return True
    return isinstance(upper, Ip) and isinstance(upper.transport, Icmpv6) and upper.transport.code == 0


def written(payload: bytes, eth_type: int, was: Upper, now: Upper) -> bytes:
    """The bytes after the EtherType, in which a switch saw `was`, as it sends them once it is to be `now`.

    Raises Invalid for what is not modelled, and for what ends ovs-vswitchd (see above).
    """
    data = bytearray(payload[: _end(payload, was)])
    rest = payload[len(data) :]
    if isinstance(was, Arp) and isinstance(now, Arp):
        if not was.op and was != now:
            raise Invalid("fields of ARP that is cut off or not about IPv4 are set: this can end ovs-vswitchd 3.1")
        if was.op and eth_type == ETH_TYPE_ARP:
            _write_arp(data, now)
    elif isinstance(was, Ip) and isinstance(now, Ip) and was.proto:
        if _covers_addresses(was, now) and not _is_plain(payload, was):
            raise Invalid("fields of a fragment, or with other headers behind IP's, are set, which is not modelled")
        if was.version == 4:
            _write_ipv4(data, was, now)
        else:
            _write_ipv6(data, was, now)
        _write_transport(data, was, now)
    return bytes(data) + rest


def _covers_addresses(was: Ip, now: Ip) -> bool:
    """Whether what is set needs a checksum that covers the addresses."""
    extended = (
        isinstance(was.transport, Icmpv6)
        and isinstance(now.transport, Icmpv6)
        and ((was.transport.reserved, was.transport.option) != (now.transport.reserved, now.transport.option))
    )
    return extended or (was.src, was.dst) != (now.src, now.dst)


def _is_plain(payload: bytes, ip: Ip) -> bool:
    """Whether the checksum that covers the addresses, if one does, stands right behind them."""
    if ip.frag or (ip.version == 6 and payload[6] != ip.proto):
        return False
    return ip.transport is not None or not _is_covered(ip)


def _end(payload: bytes, upper: Upper) -> int:
    """Where a packet ends that may have padding behind it."""
    if not isinstance(upper, Ip):
        return len(payload)
    if upper.version == 4:
        return int.from_bytes(payload[2:4], "big")
    return 40 + int.from_bytes(payload[4:6], "big")


def _write_arp(data: bytearray, now: Arp) -> None:
    data[6:8] = now.op.to_bytes(2, "big")
    data[8:14], data[14:18] = now.sha.to_bytes(6, "big"), now.spa.to_bytes(4, "big")
    data[18:24], data[24:28] = now.tha.to_bytes(6, "big"), now.tpa.to_bytes(4, "big")


def _write_ipv4(data: bytearray, was: Ip, now: Ip) -> None:
    """Addresses, class of service and TTL; the header's checksum stands at byte 10."""
    for at, old, new in ((12, was.src, now.src), (16, was.dst, now.dst)):
        if old != new:
            pair = old.to_bytes(4, "big"), new.to_bytes(4, "big")
            data[at : at + 4] = pair[1]
            _correct_pseudo_header(data, was, *pair)
            _correct(data, 10, *pair)
    if was.dscp != now.dscp:
        old_tos, data[1] = data[1], now.dscp << 2 | data[1] & 3
        _correct(data, 10, bytes((0, old_tos)), bytes((0, data[1])))
    if was.ttl != now.ttl:
        old_ttl, data[8] = data[8], now.ttl
        _correct(data, 10, bytes((old_ttl, 0)), bytes((data[8], 0)))


def _write_ipv6(data: bytearray, was: Ip, now: Ip) -> None:
    for at, old, new in ((8, was.src, now.src), (24, was.dst, now.dst)):
        if old != new:
            pair = old.to_bytes(16, "big"), new.to_bytes(16, "big")
            data[at : at + 16] = pair[1]
            _correct_pseudo_header(data, was, *pair)
    if was.dscp != now.dscp:
        start = int.from_bytes(data[:2], "big") & ~(0x3F << 6) | now.dscp << 6
        data[:2] = start.to_bytes(2, "big")
    data[7] = now.ttl


_CHECKSUMS = {PROTO_TCP: 16, PROTO_UDP: 6, PROTO_ICMPV6: 2}
"""Where in the transport header the checksum stands that covers the addresses too."""


def _is_covered(ip: Ip) -> bool:
    return ip.proto in _CHECKSUMS and (ip.proto != PROTO_ICMPV6 or ip.version == 6)


def _correct_pseudo_header(data: bytearray, ip: Ip, old: bytes, new: bytes) -> None:
    if _is_covered(ip):
        _correct(data, ip.start + _CHECKSUMS[ip.proto], old, new, optional=ip.proto == PROTO_UDP)


def _write_transport(data: bytearray, was: Ip, now: Ip) -> None:
    start, old, new = was.start, was.transport, now.transport
    if isinstance(old, Ports) and isinstance(new, Ports) and (old.src or old.dst):
        _write_ports(data, was.proto, start, (old, new))
    elif isinstance(old, Icmp) and isinstance(new, Icmp):
        _replace(data, start, bytes((new.type, new.code)), start + 2)
    elif isinstance(old, Icmpv6) and isinstance(new, Icmpv6):
        _write_discovery(data, start, old, new)
        _replace(data, start, bytes((new.type, new.code)), start + 2)


def _write_ports(data: bytearray, proto: int, start: int, ports: tuple[Ports, Ports]) -> None:
    old, new = ports
    if (old.src, old.dst) == (new.src, new.dst):
        return
    if proto == PROTO_SCTP:
        # The new checksum is the old one, as far as it was wrong, applied to that of the changed packet.
        was_wrong = int.from_bytes(data[start + 8 : start + 12], "little") ^ _sctp_checksum(data, start)
        data[start : start + 4] = new.src.to_bytes(2, "big") + new.dst.to_bytes(2, "big")
        data[start + 8 : start + 12] = (_sctp_checksum(data, start) ^ was_wrong).to_bytes(4, "little")
        return
    for at, value in ((start, new.src), (start + 2, new.dst)):
        _replace(data, at, value.to_bytes(2, "big"), start + _CHECKSUMS[proto], optional=proto == PROTO_UDP)


def _sctp_checksum(data: bytearray, start: int) -> int:
    return crc32c(bytes(data[start : start + 8]) + bytes(4) + bytes(data[start + 12 :]))


def _write_discovery(data: bytearray, start: int, old: Icmpv6, new: Icmpv6) -> None:
    """Flags and the type of the first option come first, then target and addresses, these by the options as they are
    by then: so an option whose type is set is filled with the address of its new type."""
    checksum = start + 2
    if (old.reserved, old.option) != (new.reserved, new.option):
        if len(data) < start + 32 and old.option != new.option:
            raise Invalid("the type of a discovery option that is not there is set: it goes behind the packet")
        data[start + 4 : start + 8] = new.reserved.to_bytes(4, "big")
        if old.option != new.option:
            data[start + 24] = new.option
        data[checksum : checksum + 2] = bytes(2)
        pseudo = bytes(data[8:40]) + (len(data) - start).to_bytes(4, "big") + PROTO_ICMPV6.to_bytes(4, "big")
        data[checksum : checksum + 2] = internet_checksum(pseudo + bytes(data[start:])).to_bytes(2, "big")
    if (old.target, old.sll, old.tll) != (new.target, new.sll, new.tll):
        _replace(data, start + 8, new.target.to_bytes(16, "big"), checksum)
        at = start + 24
        while len(data) >= at + 8 and 0 < data[at + 1] * 8 <= len(data) - at:
            was, now = (old.sll, new.sll) if data[at] == 1 else (old.tll, new.tll)
            if data[at] in (1, 2) and data[at + 1] == 1 and was != now:
                _replace(data, at + 2, now.to_bytes(6, "big"), checksum)
            at += data[at + 1] * 8


def _replace(data: bytearray, at: int, new: bytes, checksum: int, optional: bool = False) -> None:
    """Put bytes at an even place of what a checksum covers, and correct it."""
    old = bytes(data[at : at + len(new)])
    data[at : at + len(new)] = new
    _correct(data, checksum, old, new, optional)


def _correct(data: bytearray, at: int, old: bytes, new: bytes, optional: bool = False) -> None:
    """Correct the checksum at a place for `old` having become `new` (RFC 1624, equation 3)."""
    if old == new:
        return
    checksum = int.from_bytes(data[at : at + 2], "big")
    if optional and not checksum:
        return
    checksum = corrected(checksum, old, new) or (0xFFFF if optional else 0)
    data[at : at + 2] = checksum.to_bytes(2, "big")
