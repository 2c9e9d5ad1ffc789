"""What a switch sends, taken apart. Every function takes one whole message and raises WireError if it is malformed.

Table dumps are cut into keys and values (see `rows`) without being decoded: a hundred thousand rows are compared as
bytes, and only those that differ are worth decoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ..errors import WireError
from .error_names import error_names
from .rows import canonical_group
from .wire import (
    ALL_GROUPS,
    ONF_BUNDLE_CONTROL,
    ONF_EXPERIMENTER,
    BundleStep,
    MessageType,
    Multipart,
    Version,
    unpack,
)

_HEADER = struct.Struct("!BBHI")
_MULTIPART = struct.Struct("!HH4x")
_BODY_AT = _HEADER.size + _MULTIPART.size
_MORE = 1

# length | table, 0 | durations | priority | timeouts, flags, importance | 0 | cookie | packets, bytes | type of match
# | its length
_FLOW = struct.Struct("!H2s8x2s8s2x8sQQ2xH")
_FLOW_MATCH_AT = 48
_GROUP = struct.Struct("!H2xI")
_PORT_13 = struct.Struct("!I12x16sII24x")
_PORT_14 = struct.Struct("!IH10x16sII")
_PORT_STATUS = struct.Struct("!B7x")
_PACKET_IN = struct.Struct("!IHBBQ")
_MATCH_HEAD = struct.Struct("!HH")
_IN_PORT = 0x80000004
"""OXM header of the port that a frame came in by."""
_ERROR = struct.Struct("!HH")
_EXPERIMENTER = struct.Struct("!II")
_NUMBER = struct.Struct("!I")
_GROUP_MOD = struct.Struct("!H2sI")
_BUNDLE_CONTROL = struct.Struct("!IHH")

_EXPERIMENTER_ERROR = 0xFFFF
_PORT_DOWN = 1
"""OFPPC_PORT_DOWN: somebody switched the port off."""
_LINK_DOWN = 1
"""OFPPS_LINK_DOWN: there is no carrier."""


@dataclass(frozen=True, slots=True)
class Header:
    """The start of every message. `kind` is a `MessageType` where it is one that we know."""

    version: Version
    kind: int
    length: int
    xid: int


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a switch: is there a carrier, and has nobody switched it off."""

    number: int
    name: str
    link_up: bool
    admin_up: bool


class PortReason(Enum):
    """Why a switch speaks of a port (7.4.3)."""

    ADDED = 0
    DELETED = 1
    MODIFIED = 2


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """A refusal. `xid` is that of the refused message; `data` the start of it, at least 64 bytes where it had them.
    For a message of a bundle, that is the start of its wrapper, which has the same xid.

    `kind` and `code` are numbers, `kind_name` and `code_name` their names in the specification. In an experimenter's
    error `code` is the experimenter's own type.
    """

    xid: int
    kind: int
    code: int
    kind_name: str
    code_name: str
    data: bytes

    def __str__(self) -> str:
        return f"{self.kind_name} {self.code_name} (xid {self.xid:#x})"


@dataclass(frozen=True, slots=True)
class BundleReply:
    """The switch has done a step of a bundle."""

    xid: int
    bundle: int
    step: BundleStep


class GroupCommand(Enum):
    """What is done to a group (7.3.4.2)."""

    ADD = 0
    MODIFY = 1
    DELETE = 2


@dataclass(frozen=True, slots=True)
class GroupChange:
    """A group that somebody else changed, and what it is now: its value in canonical form, or none where it is gone.

    `number` is None where all groups are deleted.
    """

    command: GroupCommand
    number: int | None
    value: bytes


def split(received: bytes) -> tuple[list[bytes], bytes]:
    """Cut what was received into whole messages, and what is left of the last one.

    Raises WireError for a length that no message has: the stream cannot be followed from there.
    """
    messages = []
    at = 0
    while len(received) - at >= _HEADER.size:
        length = int.from_bytes(received[at + 2 : at + 4], "big")
        if length < _HEADER.size:
            raise WireError(f"message of {length} bytes; its header alone has {_HEADER.size}")
        if at + length > len(received):
            break
        messages.append(received[at : at + length])
        at += length
    return messages, received[at:]


def header(message: bytes) -> Header:
    """The header of a message that is there as a whole."""
    version, kind, length, xid = unpack(_HEADER, message, 0, "header")
    if length != len(message):
        raise WireError(f"message says that it has {length} bytes, and has {len(message)}")
    try:
        return Header(Version(version), kind, length, xid)
    except ValueError as error:
        raise WireError(f"OpenFlow version {version:#04x}; we speak 0x04 (1.3) and 0x05 (1.4)") from error


def multipart(message: bytes) -> tuple[int, bool]:
    """What a multipart reply is about (a `Multipart` where we ask for it), and whether more of it follows."""
    _expect(message, MessageType.MULTIPART_REPLY)
    kind, flags = unpack(_MULTIPART, message, _HEADER.size, "multipart reply")
    return kind, bool(flags & _MORE)


def flows(message: bytes) -> Iterator[tuple[bytes, bytes, int, int]]:
    """Key, value, packet count and byte count of each row in a reply to `messages.all_flows`.

    Raises WireError when it comes to a row that is malformed.
    """
    _expect_multipart(message, Multipart.FLOW)
    at, end = _BODY_AT, len(message)
    while at < end:
        if at + _FLOW.size > end:
            raise WireError(f"row at byte {at} is cut short: {end - at} bytes")
        length, table, priority, limits, cookie, packets, octets, match_length = _FLOW.unpack_from(message, at)
        match_at = at + _FLOW_MATCH_AT
        instructions_at = match_at + (match_length + 7 & ~7)
        stop = at + length
        if match_length < 4 or instructions_at > stop or stop > end:
            raise WireError(f"row at byte {at} of {length} bytes with a match of {match_length}; {end - at} are left")
        key = table + priority + message[match_at:instructions_at]
        yield key, limits + cookie + message[instructions_at:stop], packets, octets
        at = stop


def groups(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and value of each group in a reply to `messages.all_groups`, the value in canonical form."""
    _expect_multipart(message, Multipart.GROUP_DESC)
    at, end = _BODY_AT, len(message)
    while at < end:
        length, number = unpack(_GROUP, message, at, "group")
        stop = at + length
        if length < _GROUP.size or stop > end:
            raise WireError(f"group at byte {at} has {length} bytes; {end - at} are left")
        yield number, canonical_group(message[at + 2 : at + 4] + message[at + _GROUP.size : stop])
        at = stop


def ports(message: bytes) -> Iterator[Port]:
    """Each port in a reply to `messages.all_ports`."""
    version = _expect_multipart(message, Multipart.PORT_DESC)
    at = _BODY_AT
    while at < len(message):
        port, at = _port(version, message, at)
        yield port


@dataclass(frozen=True, slots=True)
class PacketIn:
    """A frame that a row told the controller of: the row's cookie and table, the OpenFlow port that it came in by, and
    as many of its bytes as the row asked for."""

    cookie: int
    in_port: int
    data: bytes
    table: int = 0


def packet_in(message: bytes) -> PacketIn:
    """What a switch tells of a frame (7.4.1), the same in both versions:

    buffer (32) | length of the frame (16) | reason (8) | table (8) | cookie (64) | match with its padding | 0 (16)
    | the frame's start
    """
    _expect(message, MessageType.PACKET_IN)
    *_, table, cookie = unpack(_PACKET_IN, message, _HEADER.size, "packet-in")
    at = _HEADER.size + _PACKET_IN.size
    _, length = unpack(_MATCH_HEAD, message, at, "match of a packet-in")
    end = at + (length + 7 & ~7)
    in_port, fields = 0, message[at + _MATCH_HEAD.size : at + length]
    while fields:
        (header,) = unpack(_NUMBER, fields, 0, "field of a packet-in")
        if header == _IN_PORT:
            (in_port,) = unpack(_NUMBER, fields, _NUMBER.size, "port of a packet-in")
        fields = fields[_NUMBER.size + (header & 0xFF) :]
    return PacketIn(cookie, in_port, message[end + 2 :], table)


def port_status(message: bytes) -> tuple[PortReason, Port]:
    """What happened to which port."""
    version = _expect(message, MessageType.PORT_STATUS)
    (reason,) = unpack(_PORT_STATUS, message, _HEADER.size, "port status")
    port, end = _port(version, message, _HEADER.size + _PORT_STATUS.size)
    if end != len(message):
        raise WireError(f"{len(message) - end} bytes follow the port in a port status")
    try:
        return PortReason(reason), port
    except ValueError as error:
        raise WireError(f"port status with the reason {reason}; 0 to 2 have a meaning") from error


def _port(version: Version, message: bytes, at: int) -> tuple[Port, int]:
    """The port at byte `at` (7.2.1), and where it ends."""
    if version == Version.OF13:
        number, name, config, state = unpack(_PORT_13, message, at, "port")
        end = at + _PORT_13.size
    else:
        number, length, name, config, state = unpack(_PORT_14, message, at, "port")
        end = at + length
        if length < _PORT_14.size or end > len(message):
            raise WireError(f"port at byte {at} has {length} bytes; {len(message) - at} are left")
    text = name.rstrip(b"\0").decode("utf-8", "backslashreplace")
    return Port(number, text, not state & _LINK_DOWN, not config & _PORT_DOWN), end


def error(message: bytes) -> ErrorReply:
    """What the switch refused, and why (7.4.4)."""
    xid = header(message).xid
    _expect(message, MessageType.ERROR)
    kind, code = unpack(_ERROR, message, _HEADER.size, "error")
    data_at = _HEADER.size + _ERROR.size
    experimenter: int | None = None
    if kind == _EXPERIMENTER_ERROR:
        (experimenter,) = unpack(_NUMBER, message, data_at, "experimenter error")
        data_at += _NUMBER.size
    return ErrorReply(xid, kind, code, *error_names(kind, code, experimenter), message[data_at:])


def bundle_reply(message: bytes) -> BundleReply | None:
    """Which step of which bundle was done, or None where an experimenter's message is about something else."""
    head = header(message)
    at = _HEADER.size
    if head.version == Version.OF13:
        _expect(message, MessageType.EXPERIMENTER)
        if unpack(_EXPERIMENTER, message, at, "experimenter message") != (ONF_EXPERIMENTER, ONF_BUNDLE_CONTROL):
            return None
        at += _EXPERIMENTER.size
    else:
        _expect(message, MessageType.BUNDLE_CONTROL)
    bundle, step, _ = unpack(_BUNDLE_CONTROL, message, at, "bundle reply")
    try:
        return BundleReply(head.xid, bundle, BundleStep(step))
    except ValueError as broken:
        raise WireError(f"bundle control of type {step}; 0 to 7 have a meaning") from broken


def request_forward(message: bytes) -> GroupChange | None:
    """What somebody else did to a group (1.4.1, "Requestforward message"), or None where that was to a meter.

    As Open vSwitch forwards it, after it was done: buckets that were inserted or removed come as `MODIFY` with all
    buckets that the group has then; `ADD` of a group that is there has replaced it; `DELETE` may name a group that
    was not there. A refused change is not forwarded, nor one of our own. The rows that went with a group are told by
    the flow monitor. Before 1.4 there is no such message: `messages.set_async`.
    """
    _expect(message, MessageType.REQUEST_FORWARD)
    request = message[_HEADER.size :]
    if header(request).kind != MessageType.GROUP_MOD:
        return None
    command, kind, number = unpack(_GROUP_MOD, request, _HEADER.size, "forwarded group change")
    try:
        done = GroupCommand(command)
    except ValueError as broken:
        raise WireError(f"forwarded group change with the command {command}; 0 to 2 have a meaning") from broken
    if done is GroupCommand.DELETE:
        return GroupChange(done, None if number == ALL_GROUPS else number, b"")
    value = canonical_group(kind + request[_HEADER.size + _GROUP_MOD.size :])
    return GroupChange(done, number, value)


def barrier_reply(message: bytes) -> int:
    """The xid of the barrier that has been reached."""
    _expect(message, MessageType.BARRIER_REPLY)
    return header(message).xid


def _expect(message: bytes, kind: MessageType) -> Version:
    head = header(message)
    if head.kind != kind:
        raise WireError(f"message of type {head.kind} where {kind.name} ({kind.value}) is read")
    return head.version


def _expect_multipart(message: bytes, kind: Multipart) -> Version:
    found, _ = multipart(message)
    if found != kind:
        raise WireError(f"multipart reply of type {found} where {kind.name} ({kind.value}) is read")
    return header(message).version
