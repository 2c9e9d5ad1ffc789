"""Asking who has an address, and hearing the answer: ARP (RFC 826), IPv6 neighbour discovery (RFC 4861).

ARP   hardware (16) = 1 | protocol (16) = 0x0800 | 6 | 4 | operation (16)
      | sender's MAC (48) and address (32) | target's MAC (48) and address (32)

ND    type (8) = 135 or 136 | code (8) | checksum (16) | flags (32) | target (128) | options, in units of 8 bytes
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from ..model.outside import Address
from .frames import ARP, BROADCAST, ICMPV6, IPV6, ethernet, icmpv6, ip

_ARP = struct.Struct("!HHBBH6s4s6s4s")
_REQUEST, _REPLY = 1, 2
_ETHERNET, _IPV4 = 1, 0x0800
_SOLICITATION, _ADVERTISEMENT = 135, 136
_SOURCE_OPTION, _TARGET_OPTION = 1, 2
_OVERRIDE = 1 << 29
_ND_HOPS = 255
_SOLICITED_NODE = int(IPv6Address("ff02::1:ff00:0"))
_ALL_NODES = IPv6Address("ff02::1")


class Said(NamedTuple):
    """What somebody says of his own address."""

    address: Address
    mac: int


def question(mac: int, own: Address, target: Address) -> bytes:
    """The frame that asks everybody for the MAC address of `target`. Raises ValueError for different versions of IP."""
    if isinstance(own, IPv4Address) and isinstance(target, IPv4Address):
        return ethernet(BROADCAST, mac, ARP, _arp(_REQUEST, mac, own, 0, target))
    if not (isinstance(own, IPv6Address) and isinstance(target, IPv6Address)):
        raise ValueError(f"{own} cannot ask for {target}")
    group = IPv6Address(_SOLICITED_NODE | int(target) & 0xFFFFFF)
    message = struct.pack("!BBHI16sBB6s", _SOLICITATION, 0, 0, 0, target.packed, _SOURCE_OPTION, 1, _bytes(mac))
    packet = ip(own, group, ICMPV6, icmpv6(own, group, message), _ND_HOPS)
    return ethernet(0x3333_0000_0000 | int(group) & 0xFFFF_FFFF, mac, IPV6, packet)


def announcement(mac: int, own: Address) -> bytes:
    """The frame that tells everybody whose an address is now: gratuitous ARP (RFC 5227, 3), or an unsolicited neighbour
    advertisement (RFC 4861, 7.2.6)."""
    if isinstance(own, IPv4Address):
        return ethernet(BROADCAST, mac, ARP, _arp(_REQUEST, mac, own, 0, own))
    parts = _ADVERTISEMENT, 0, 0, _OVERRIDE, own.packed, _TARGET_OPTION, 1, _bytes(mac)
    message = struct.pack("!BBHI16sBB6s", *parts)
    packet = ip(own, _ALL_NODES, ICMPV6, icmpv6(own, _ALL_NODES, message), _ND_HOPS)
    return ethernet(0x3333_0000_0001, mac, IPV6, packet)


def said_in(frame: bytes) -> Said | None:
    """Who says in a frame that an address is his; None where nobody does, or where it is not put as it must be."""
    ethertype, payload = frame[12:14], frame[14:]
    if ethertype == ARP.to_bytes(2, "big") and len(payload) >= _ARP.size:
        hardware, protocol, *_, operation, mac, address, _, _ = _ARP.unpack_from(payload)
        if (hardware, protocol, operation) == (_ETHERNET, _IPV4, _REPLY):
            return Said(IPv4Address(address), int.from_bytes(mac, "big"))
    if ethertype == IPV6.to_bytes(2, "big") and len(payload) >= 72 and payload[6] == ICMPV6 and payload[7] == _ND_HOPS:
        message = payload[40:]
        if message[0] == _ADVERTISEMENT and message[24:26] == bytes((_TARGET_OPTION, 1)):
            return Said(IPv6Address(message[8:24]), int.from_bytes(message[26:32], "big"))
    return None


def _arp(operation: int, mac: int, own: IPv4Address, other: int, target: IPv4Address) -> bytes:
    return _ARP.pack(_ETHERNET, _IPV4, 6, 4, operation, _bytes(mac), own.packed, _bytes(other), target.packed)


def _bytes(mac: int) -> bytes:
    return mac.to_bytes(6, "big")
