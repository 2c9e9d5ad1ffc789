"""The checksums of IP and what it carries, and how they are corrected where a packet is changed."""

from __future__ import annotations

import struct


def internet_checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071). IPv4's pseudo-header sums to the same in the form that IPv6 has for its own."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def crc32c(data: bytes) -> int:
    """The checksum of SCTP (RFC 9260, appendix A): CRC-32C, bits in the order in which they are sent."""
    register = 0xFFFF_FFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F6_3B78 if register & 1 else 0)
    return register ^ 0xFFFF_FFFF


def corrected(checksum: int, old: bytes, new: bytes) -> int:
    """An Internet checksum once bytes that it covers, from an even place on, have changed (RFC 1624, equation 3)."""
    total = ~checksum & 0xFFFF
    for place in range(0, len(new), 2):
        total += ~int.from_bytes(old[place : place + 2], "big") & 0xFFFF
        total += int.from_bytes(new[place : place + 2], "big")
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
