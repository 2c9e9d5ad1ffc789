"""Ethernet frames as bytes: put together, taken apart, and told in one line.

The link layer is done here by hand, because the lab sends what no stack would. What a frame carries is built and
told by scapy.
"""

from __future__ import annotations

import logging
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

logging.getLogger("scapy").setLevel(logging.ERROR)  # it warns of interfaces without addresses, which are on purpose

from scapy.layers.inet import ICMP, IP  # noqa: E402
from scapy.layers.inet6 import (  # noqa: E402
    ICMPv6EchoReply,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP  # noqa: E402

from .topology import Address  # noqa: E402

BROADCAST: Final = "ff:ff:ff:ff:ff:ff"
ALL_NODES_MAC: Final = "33:33:00:00:00:01"
ALL_NODES: Final = "ff02::1"
EXPERIMENT: Final = 0x88B5
"""Local experimental ethertype 1 (IEEE 802, 9.2.4): no kernel answers it."""
IPV4, ARP_TYPE, VLAN, QINQ, IPV6, MPLS, MPLS_MULTICAST = 0x0800, 0x0806, 0x8100, 0x88A8, 0x86DD, 0x8847, 0x8848
ARP_REQUEST, ARP_REPLY = 1, 2
TTL: Final = 64


def mac_bytes(mac: str) -> bytes:
    """The six bytes of a MAC."""
    return bytes.fromhex(mac.replace(":", ""))


def mac_text(mac: bytes) -> str:
    """A MAC in the usual notation."""
    return mac.hex(":")


def ethernet(source: str, destination: str, ethertype: int, payload: bytes) -> bytes:
    """An Ethernet II frame without check sequence. Nothing is padded."""
    return mac_bytes(destination) + mac_bytes(source) + struct.pack("!H", ethertype) + payload


def experiment(source: str, destination: str, marker: bytes) -> bytes:
    """A frame of the experimental ethertype that carries a marker and nothing else."""
    return ethernet(source, destination, EXPERIMENT, marker)


def tagged(frame: bytes, *tags: int, tpid: int = VLAN) -> bytes:
    """The frame with 802.1Q tags in front of its ethertype, the outermost first."""
    headers = b"".join(struct.pack("!HH", tpid if depth == 0 else VLAN, tag) for depth, tag in enumerate(tags))
    return frame[:12] + headers + frame[12:]


def labelled(frame: bytes, source: str, destination: str, *labels: int, ethertype: int = MPLS) -> bytes:
    """The whole frame under MPLS labels, the outermost first, in a new Ethernet header (RFC 3032; RFC 4448 without
    control word)."""
    stack = b"".join(
        struct.pack("!I", label << 12 | (depth == len(labels) - 1) << 8 | TTL) for depth, label in enumerate(labels)
    )
    return ethernet(source, destination, ethertype, stack + frame)


def arp(source: str, destination: str, operation: int, sender: tuple[str, str], target: tuple[str, str]) -> bytes:
    """An ARP frame; `sender` and `target` are (MAC, IPv4 address) as claimed inside (RFC 826)."""
    body = ARP(op=operation, hwsrc=sender[0], psrc=sender[1], hwdst=target[0], pdst=target[1])
    return ethernet(source, destination, ARP_TYPE, bytes(body))


def echo_reply(source: str, destination: str, sender: Address, target: Address, payload: bytes) -> bytes:
    """An ICMP or ICMPv6 echo reply that nobody asked for. Kernels drop it without a word, where any other packet
    might be answered with an error that quotes the payload."""
    if isinstance(sender, IPv4Address) and isinstance(target, IPv4Address):
        body = bytes(IP(src=str(sender), dst=str(target)) / ICMP(type=0) / payload)
        return ethernet(source, destination, IPV4, body)
    body = bytes(IPv6(src=str(sender), dst=str(target)) / ICMPv6EchoReply(data=payload))
    return ethernet(source, destination, IPV6, body)


def advertisement(source: str, destination: str, sender: Address, target: Address, link_layer: str) -> bytes:
    """A neighbour advertisement to all nodes: `target` is at `link_layer` (RFC 4861, 4.4)."""
    header = IPv6(src=str(sender), dst=ALL_NODES, hlim=255)
    body = bytes(header / ICMPv6ND_NA(tgt=str(target), R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=link_layer))
    return ethernet(source, destination, IPV6, body)


def solicitation(source: str, destination: str, sender: Address, target: Address, link_layer: str) -> bytes:
    """A neighbour solicitation for `target` whose sender says that it is at `link_layer` (RFC 4861, 4.3)."""
    header = IPv6(src=str(sender), dst=ALL_NODES, hlim=255)
    body = bytes(header / ICMPv6ND_NS(tgt=str(target)) / ICMPv6NDOptSrcLLAddr(lladdr=link_layer))
    return ethernet(source, destination, IPV6, body)


def link_local(mac: str) -> IPv6Address:
    """The address that a kernel forms from a MAC (RFC 4291, appendix A)."""
    high, low = mac_bytes(mac)[:3], mac_bytes(mac)[3:]
    return IPv6Address(bytes.fromhex("fe80000000000000") + bytes([high[0] ^ 2]) + high[1:] + b"\xff\xfe" + low)


@dataclass(frozen=True, slots=True)
class Layers:
    """A frame taken apart down to the innermost Ethernet header.

    `outer` is what stands around it, outermost first, each as (ethertype, VLAN id or label); `inner` the innermost
    Ethernet frame without its tags; `lines` the layers in words.
    """

    outer: tuple[tuple[int, int], ...]
    inner: bytes
    lines: tuple[str, ...]

    @property
    def tags(self) -> list[int]:
        """VLAN ids on the frame."""
        return [number for ethertype, number in self.outer if ethertype in (VLAN, QINQ)]

    @property
    def labels(self) -> list[int]:
        """MPLS labels on the frame."""
        return [number for ethertype, number in self.outer if ethertype in (MPLS, MPLS_MULTICAST)]


def layers(frame: bytes) -> Layers:
    """Take a frame apart. What follows the last label is read as Ethernet. A frame may end anywhere."""
    outer: list[tuple[int, int]] = []
    lines: list[str] = []
    while True:
        addresses, rest = frame[:12], frame[12:]
        ethertype = int.from_bytes(rest[:2], "big")
        while ethertype in (VLAN, QINQ) and len(rest) >= 4:
            tag = int.from_bytes(rest[2:4], "big") & 0xFFF
            outer.append((ethertype, tag))
            lines.append(f"VLAN {tag}" if ethertype == VLAN else f"service VLAN {tag}")
            rest = rest[4:]
            ethertype = int.from_bytes(rest[:2], "big")
        if ethertype not in (MPLS, MPLS_MULTICAST) or len(rest) < 6:
            return Layers(tuple(outer), addresses + rest, tuple(lines))
        lines.append(_who(addresses))
        rest = rest[2:]
        bottom = False
        while not bottom and len(rest) >= 4:
            entry = int.from_bytes(rest[:4], "big")
            bottom = bool(entry >> 8 & 1)
            outer.append((ethertype, entry >> 12))
            lines.append(f"MPLS label {entry >> 12}{' s' if bottom else ''} ttl {entry & 0xFF}")
            rest = rest[4:]
        frame = rest


def describe(frame: bytes) -> str:
    """A frame in one line, from the outside in: `VLAN 3 | 02:…→ff:… ARP who has 10.0.0.12 says 10.0.0.11`."""
    parts = layers(frame)
    return " | ".join([*parts.lines, f"{_who(parts.inner[:12])} {_content(parts.inner[12:])}"])


def _who(addresses: bytes) -> str:
    return f"{mac_text(addresses[6:12])}→{mac_text(addresses[:6])}"


def _content(rest: bytes) -> str:
    ethertype, payload = int.from_bytes(rest[:2], "big"), rest[2:]
    kind = {ARP_TYPE: ARP, IPV4: IP, IPV6: IPv6}.get(ethertype)
    if kind is not None and payload:
        try:
            return str(kind(payload).summary())
        except Exception:  # scapy raises whatever its field parsers raise on a packet that ends too early
            return f"broken {kind.__name__}, {len(payload)} bytes"
    return f"type {ethertype:#06x}, {len(payload)} bytes"
