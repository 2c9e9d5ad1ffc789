"""LLDP frames (IEEE 802.1AB): a port says who it is to whatever is at the other end of its cable.

A frame of ours, without a VLAN tag:

    01:80:c2:00:00:0e | source (48) | 0x88cc | units, each: type (7), length (9), so many bytes

    type  length
       1      17  chassis: 7 (locally assigned), the datapath identifier as 16 hexadecimal digits
       2    1 + n port: 5 (interface name), its name
       3       2  seconds for which this holds
     127      20  02:76:6e, 1, seal (128)
       0       0  end

No bridge passes this destination on, so that only the next one hears it. The seal is HMAC-SHA-256 (RFC 2104), cut to
128 bits, over the datapath identifier (64) and the port's name: whoever does not know the key can make no frame that
passes for ours. Somebody on the wire could repeat elsewhere one that he has heard; machines hear none.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

LLDP = 0x88CC
"""The EtherType."""
GROUP = bytes.fromhex("0180c200000e")
"""Nearest bridge: what is sent there goes no further than the next one (IEEE 802.1AB, 7.1)."""
LONGEST = 256
"""So many bytes of a frame are enough: ours has 100 at most, and others begin with what is shown of them."""
LONGEST_NAME = 60
"""Characters that are shown of what others call themselves."""

_END, _CHASSIS, _PORT, _TTL, _SPECIFIC = 0, 1, 2, 3, 127
_CHASSIS_MAC, _CHASSIS_LOCAL = 4, 7
_PORT_MAC, _PORT_NAME = 3, 5
_OWN = bytes.fromhex("02766e") + b"\x01"
"""A locally administered identifier in place of a manufacturer's, and the only kind of unit that we have under it."""
_SEAL_BYTES = 16
_PAYLOAD_AT = 14


@dataclass(frozen=True, slots=True)
class Announcement:
    """What one of our frames says: the port of a switch, by datapath identifier and name, that it was sent out of."""

    dpid: int
    port: str


@dataclass(frozen=True, slots=True)
class Stranger:
    """What a frame of other equipment says: the names of chassis and port, and for how many seconds that holds."""

    chassis: str
    port: str
    ttl: int

    def __str__(self) -> str:
        return f"{self.chassis} port {self.port}"


def write(key: bytes, said: Announcement, source: int, ttl: int) -> bytes:
    """A frame of ours. `source` is an Ethernet address, `ttl` in seconds, at most 65,535; the port's name has 255 bytes
    at most."""
    units = (
        (_CHASSIS, bytes([_CHASSIS_LOCAL]) + f"{said.dpid:016x}".encode()),
        (_PORT, bytes([_PORT_NAME]) + said.port.encode()),
        (_TTL, ttl.to_bytes(2, "big")),
        (_SPECIFIC, _OWN + _seal(key, said)),
        (_END, b""),
    )
    body = b"".join([(kind << 9 | len(value)).to_bytes(2, "big") + value for kind, value in units])
    return GROUP + source.to_bytes(6, "big") + LLDP.to_bytes(2, "big") + body


def read(key: bytes, frame: bytes) -> Announcement | Stranger | None:
    """What a frame says, or at least its beginning. None where it is no LLDP, is broken, says that it holds no more, or
    has a seal that is not ours: of somebody who pretends to be us, or from before a restart."""
    if frame[12:_PAYLOAD_AT] != LLDP.to_bytes(2, "big"):
        return None
    units = _units(frame[_PAYLOAD_AT:])
    if [kind for kind, _ in units[:3]] != [_CHASSIS, _PORT, _TTL]:
        return None
    chassis, port, ttl = (value for _, value in units[:3])
    if len(chassis) < 2 or len(port) < 2 or len(ttl) < 2:
        return None
    seals = [value[len(_OWN) :] for kind, value in units[3:] if kind == _SPECIFIC and value.startswith(_OWN)]
    if seals:
        return _announcement(key, chassis, port, seals[0])
    holds = int.from_bytes(ttl[:2], "big")
    return Stranger(_name(chassis, _CHASSIS_MAC), _name(port, _PORT_MAC), holds) if holds else None


def _announcement(key: bytes, chassis: bytes, port: bytes, seal: bytes) -> Announcement | None:
    if (chassis[0], port[0]) != (_CHASSIS_LOCAL, _PORT_NAME):
        return None
    try:
        said = Announcement(int(chassis[1:], 16), port[1:].decode())
        is_ours = hmac.compare_digest(seal, _seal(key, said))
    except (ValueError, OverflowError):
        return None
    return said if is_ours else None


def _seal(key: bytes, said: Announcement) -> bytes:
    return hmac.digest(key, said.dpid.to_bytes(8, "big") + said.port.encode(), "sha256")[:_SEAL_BYTES]


def _units(body: bytes) -> list[tuple[int, bytes]]:
    """Types and values up to the end, or to what is cut off."""
    found, at = [], 0
    while at + 2 <= len(body):
        head = int.from_bytes(body[at : at + 2], "big")
        kind, start, stop = head >> 9, at + 2, at + 2 + (head & 0x1FF)
        if kind == _END or stop > len(body):
            break
        found.append((kind, body[start:stop]))
        at = stop
    return found


def _name(value: bytes, mac_subtype: int) -> str:
    """What other equipment calls itself, in printable characters: its text, or its bytes."""
    subtype, name = value[0], value[1:]
    if subtype == mac_subtype:
        return name.hex(":")[:LONGEST_NAME]
    text = name.decode("ascii", "replace")
    shown = text if text.isascii() and text.isprintable() else name.hex()
    return shown[:LONGEST_NAME]
