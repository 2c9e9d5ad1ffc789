"""Rows and groups as canonical bytes: equal bytes, equal rows, whether we compiled them or a switch dumped them.

A row is a key, which is what identifies it on a switch, and a value, which is everything else that we decide:

    key    table (8 bits) | 0 (8) | priority (16) | match with its padding
    value  idle timeout (16) | hard timeout (16) | flags (16) | importance (16) | cookie (64) | instructions

A group is its number and a value:

    value  type (8) | 0 (8) | buckets

Integers are big-endian; match, instructions and buckets are as on the wire (OpenFlow 1.3.5, 7.2.3 to 7.2.5), which
is the same in 1.3 and 1.4; 1.3 has zeros where 1.4 has the importance. Slices of these make up flow mods and table
dumps (`messages`, `replies`), so a dump is compared without being decoded.
"""

from __future__ import annotations

import struct

from ..compiler.rows import Action, Group, Meter, Origin, Row, Subject, cookie_of, origin_of
from ..errors import WireError
from .actions import decode_actions, encode_actions
from .oxm import decode_match, encode_match
from .wire import GROUP_TYPE_ALL, GROUP_TYPE_FAST_FAILOVER, unpack

FOREIGN = Origin(Subject.SWITCH, 0)
"""The origin of what is not ours, or does not say: switches are numbered from 1."""

ANY = 0xFFFFFFFF
"""No particular port (OFPP_ANY), no particular group (OFPG_ANY)."""

_KEY = struct.Struct("!BxH")
_VALUE = struct.Struct("!HHHHQ")
_INSTRUCTION = struct.Struct("!HH4x")
_GOTO = struct.Struct("!HHB3x")
_METER = struct.Struct("!HHI")
_GROUP = struct.Struct("!Bx")
_BUCKET = struct.Struct("!HHII4x")

_GOTO_TABLE, _APPLY_ACTIONS, _METERED = 1, 4, 6
_INSTRUCTION_NAMES = {2: "write_metadata", 3: "write_actions", 5: "clear_actions", 0xFFFF: "experimenter"}
_METER_HEAD = _METER.pack(_METERED, _METER.size, 0)[:4]
_GROUP_TYPE_NAMES = {1: "select", 2: "indirect", 3: "fast failover"}


def encode_row(row: Row) -> tuple[bytes, bytes]:
    """Key and value of a row. Raises WireError where a number in it does not fit its place on the wire."""
    try:
        key = _KEY.pack(row.table, row.priority) + encode_match(row.match)
        value = _VALUE.pack(0, 0, 0, 0, cookie_of(row.origin)) + _encode_instructions(row.actions, row.goto)
    except (struct.error, OverflowError) as error:
        raise WireError(f"{row} does not fit OpenFlow: {error}") from error
    return key, value


def decode_row(key: bytes, value: bytes) -> tuple[Row, int]:
    """The row that key and value stand for, and its cookie as it is.

    A row whose cookie is not ours has the origin `FOREIGN`. Timeouts and flags, which ours do not have and which do
    not change what a row does to a frame, are left out. Raises WireError for anything else that a `Row` cannot say.
    """
    table, priority = unpack(_KEY, key, 0, "key of a row")
    *_, cookie = unpack(_VALUE, value, 0, "value of a row")
    actions, goto = _decode_instructions(value[_VALUE.size :])
    origin = origin_of(cookie) or FOREIGN
    return Row(table, priority, decode_match(key[_KEY.size :]), actions, goto, origin), cookie


def is_metered(value: bytes) -> bool:
    """Whether a row's value has a meter, without decoding the rest. It comes before other instructions."""
    return value.startswith(_METER_HEAD, _VALUE.size)


def meter_in(value: bytes) -> int:
    """The number of the meter of a row's value that has one."""
    number: int = unpack(_METER, value, _VALUE.size, "meter")[2]
    return number


def cookie_in(value: bytes) -> int:
    """The cookie of a row's value, without decoding the rest."""
    cookie: int = unpack(_VALUE, value, 0, "value of a row")[4]
    return cookie


def _encode_instructions(actions: tuple[Action, ...], goto: int | None) -> bytes:
    instructions = b""
    if actions and isinstance(actions[0], Meter):
        instructions, actions = _METER.pack(_METERED, _METER.size, actions[0].number), actions[1:]
    if actions:
        encoded = encode_actions(actions)
        instructions += _INSTRUCTION.pack(_APPLY_ACTIONS, _INSTRUCTION.size + len(encoded)) + encoded
    if goto is not None:
        instructions += _GOTO.pack(_GOTO_TABLE, _GOTO.size, goto)
    return instructions


def _decode_instructions(data: bytes) -> tuple[tuple[Action, ...], int | None]:
    meter: tuple[Action, ...] = ()
    actions: tuple[Action, ...] = ()
    goto: int | None = None
    seen: set[int] = set()
    at = 0
    while at < len(data):
        kind, length = unpack(_INSTRUCTION, data, at, "instruction")
        if length < _INSTRUCTION.size or length % 8 or at + length > len(data):
            raise WireError(f"instruction of {length} bytes where {len(data) - at} are left; wanted: a multiple of 8")
        if kind in seen:
            raise WireError(f"two instructions of type {kind} in one row")
        seen.add(kind)
        if kind == _APPLY_ACTIONS:
            actions = decode_actions(data[at + _INSTRUCTION.size : at + length])
        elif kind == _GOTO_TABLE and length == _GOTO.size:
            goto = unpack(_GOTO, data, at, "goto_table")[2]
        elif kind == _METERED and length == _METER.size:
            meter = (Meter(unpack(_METER, data, at, "meter")[2]),)
        else:
            name = _INSTRUCTION_NAMES.get(kind, "unknown")
            raise WireError(f"instruction {name} (type {kind}, {length} bytes) is not one that rows use")
        at += length
    actions = meter + actions
    if _encode_instructions(actions, goto) != data:
        raise WireError(f"actions {actions} and goto {goto} do not say all that is in {data.hex()}")
    return actions, goto


def encode_group(group: Group) -> bytes:
    """The value of a group. Raises WireError where a number in it does not fit its place."""
    kind = GROUP_TYPE_FAST_FAILOVER if group.watch else GROUP_TYPE_ALL
    watched = group.watch or (ANY,) * len(group.buckets)
    try:
        buckets = [_encode_bucket(*bucket) for bucket in zip(group.buckets, watched, strict=True)]
    except (struct.error, OverflowError) as error:
        raise WireError(f"group {group.number:#x} does not fit OpenFlow: {error}") from error
    return _GROUP.pack(kind) + b"".join(buckets)


def decode_group(number: int, value: bytes, origin: Origin = FOREIGN) -> Group:
    """The group that a value stands for; groups have no cookie, so who knows the origin says it.

    Raises WireError for a group of another type than `all` and `fast failover`, for one that watches a group, and for
    actions that we do not write.
    """
    (kind,) = unpack(_GROUP, value, 0, "value of a group")
    if kind not in (GROUP_TYPE_ALL, GROUP_TYPE_FAST_FAILOVER):
        name = _GROUP_TYPE_NAMES.get(kind, "unknown")
        raise WireError(f"group {number:#x} has type {name} ({kind}); ours are of type all or fast failover")
    buckets = _split_buckets(value[_GROUP.size :])
    watch = tuple(port for _, port in buckets) if kind == GROUP_TYPE_FAST_FAILOVER else ()
    group = Group(number, tuple(decode_actions(actions) for actions, _ in buckets), origin, watch)
    if encode_group(group) != canonical_group(value):
        raise WireError(f"{group} does not say all that is in {value.hex()}")
    return group


def canonical_group(value: bytes) -> bytes:
    """A group's value with what means nothing in its type set to what we write.

    In a group of type `all` a bucket's weight, watch port and watch group say nothing (1.3.5, 7.3.4.2), and programs
    differ in what they put there; in the other types they matter, and stay. Raises WireError for broken buckets.
    """
    (kind,) = unpack(_GROUP, value, 0, "value of a group")
    buckets = _split_buckets(value[_GROUP.size :])
    if kind != GROUP_TYPE_ALL:
        return value
    return _GROUP.pack(kind) + b"".join([_bucket_head(len(actions), ANY) + actions for actions, _ in buckets])


def _encode_bucket(actions: tuple[Action, ...], watch: int) -> bytes:
    encoded = encode_actions(actions)
    return _bucket_head(len(encoded), watch) + encoded


def _bucket_head(actions_length: int, watch: int) -> bytes:
    """Length, weight 0, the port it watches (`ANY` for none), and no group."""
    return _BUCKET.pack(_BUCKET.size + actions_length, 0, watch, ANY)


def _split_buckets(data: bytes) -> list[tuple[bytes, int]]:
    """The actions of each bucket, and the port that it watches."""
    buckets = []
    at = 0
    while at < len(data):
        length, _, watch, _ = unpack(_BUCKET, data, at, "bucket")
        if length < _BUCKET.size or length % 8 or at + length > len(data):
            raise WireError(f"bucket of {length} bytes where {len(data) - at} are left; wanted: a multiple of 8")
        buckets.append((data[at + _BUCKET.size : at + length], watch))
        at += length
    return buckets
