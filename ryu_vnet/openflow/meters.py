"""Meters as bytes: what each is set to, what switches say of them, and what others change (1.3.5, 5.7 and 7.3.4.5).

The value of a meter is what a switch is sent and what it says, so that the two are compared as bytes:

    flags (16) | each band: type (16) | its length (16) | rate (32) | burst (32) | 0 (32)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from ..compiler.rows import MeterBand
from ..errors import WireError
from .replies import header, multipart
from .wire import ALL_METERS, MessageType, Multipart, unpack


class MeterKey(NamedTuple):
    """A meter by its number, where rows have a key and groups a number."""

    number: int


class MeterCounts(NamedTuple):
    """What came to a meter since it was last set, and what of that it dropped."""

    packets: int
    octets: int
    dropped_packets: int
    dropped_octets: int


_FLAGS = struct.Struct("!H")
_BAND = struct.Struct("!HHII4x")
_DROP = 1
"""OFPMBT_DROP."""
_KILOBITS, _PACKETS, _BURST = 1 << 0, 1 << 1, 1 << 2
"""OFPMF_KBPS, OFPMF_PKTPS and OFPMF_BURST: what a rate counts, and that there is a burst."""
_CONFIG = struct.Struct("!H2sI")
_STATS = struct.Struct("!IH10xQQ8x")
_BAND_STATS = struct.Struct("!QQ")
_METER_MOD = struct.Struct("!H2sI")
_BODY_AT = 16
_HEADER_SIZE = 8
_DELETE = 2


def encode_meter(band: MeterBand) -> bytes:
    """The value of a meter. Raises WireError where a number does not fit its place."""
    flags = (_KILOBITS if band.counts_bits else _PACKETS) | _BURST
    try:
        return _FLAGS.pack(flags) + _BAND.pack(_DROP, _BAND.size, band.rate, band.burst)
    except struct.error as error:
        raise WireError(f"meter {band.number:#x} with rate {band.rate} and burst {band.burst}: {error}") from error


def decode_meter(number: int, value: bytes) -> MeterBand:
    """The meter that has this value; flags that make no difference to what it drops are left out. Raises WireError for
    what no `MeterBand` says."""
    (flags,) = unpack(_FLAGS, value, 0, "meter")
    kind, length, rate, burst = unpack(_BAND, value, _FLAGS.size, "band of a meter")
    if kind != _DROP or length != len(value) - _FLAGS.size:
        raise WireError(f"meter {number:#x} is set to {value.hex()}, which is not one band that drops")
    return MeterBand(number, rate, burst, bool(flags & _KILOBITS))


def meters(message: bytes) -> Iterator[tuple[MeterKey, bytes]]:
    """Each meter in a reply to `messages.all_meters`, with its value:

    length (16) | flags (16) | meter (32) | bands
    """
    at, end = _body(message, Multipart.METER_CONFIG)
    while at < end:
        length, flags, number = unpack(_CONFIG, message, at, "meter")
        stop = at + length
        if length < _CONFIG.size or stop > end:
            raise WireError(f"meter at byte {at} has {length} bytes; {end - at} are left")
        yield MeterKey(number), flags + message[at + _CONFIG.size : stop]
        at = stop


def meter_counts(message: bytes) -> Iterator[tuple[int, MeterCounts]]:
    """Each meter in a reply to `messages.meter_counts`, by number:

    meter (32) | length (16) | 0 (48) | rows (32) | packets (64) | bytes (64) | seconds, nanoseconds (64)
    | each band: packets (64) | bytes (64)
    """
    at, end = _body(message, Multipart.METER)
    while at < end:
        number, length, packets, octets = unpack(_STATS, message, at, "counters of a meter")
        stop, band_at = at + length, at + _STATS.size
        if length < _STATS.size or stop > end or (stop - band_at) % _BAND_STATS.size:
            raise WireError(f"counters of a meter at byte {at} have {length} bytes; {end - at} are left")
        bands = [_BAND_STATS.unpack_from(message, place) for place in range(band_at, stop, _BAND_STATS.size)]
        dropped = sum(band[0] for band in bands), sum(band[1] for band in bands)
        yield number, MeterCounts(packets, octets, *dropped)
        at = stop


def forwarded_meter(message: bytes) -> tuple[MeterKey | None, bytes | None] | None:
    """What somebody else did to a meter, as `replies.request_forward` has it for groups: the meter (None: all of them)
    and its value (None: it is gone). None where that was to a group."""
    request = message[_HEADER_SIZE:]
    if header(request).kind != MessageType.METER_MOD:
        return None
    command, flags, number = unpack(_METER_MOD, request, _HEADER_SIZE, "forwarded meter change")
    value = flags + request[_HEADER_SIZE + _METER_MOD.size :] if command != _DELETE else None
    return (MeterKey(number) if number != ALL_METERS else None), value


def _body(message: bytes, kind: Multipart) -> tuple[int, int]:
    found, _ = multipart(message)
    if found != kind:
        raise WireError(f"multipart reply of type {found} where {kind.name} ({kind.value}) is read")
    return _BODY_AT, len(message)
