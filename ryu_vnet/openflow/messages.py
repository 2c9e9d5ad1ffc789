"""The messages that we send, each as one function from values to bytes.

    message   version (8) | type (8) | length (16) | xid (32) | body

Each takes its transaction identifier (`xid`, 32 bits), which the switch repeats in what it answers. Messages of a
bundle have one each, so that an error names the row that caused it.

Keys and values of rows and groups are those of `rows`. Every function raises WireError where the message would be
longer than 65,535 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from ..errors import WireError
from .rows import ANY
from .wire import (
    LONGEST_MESSAGE,
    ONF_BUNDLE_ADD_MESSAGE,
    ONF_BUNDLE_CONTROL,
    ONF_EXPERIMENTER,
    BundleStep,
    MessageType,
    Multipart,
    Version,
)

_HEADER = struct.Struct("!BBHI")
_MULTIPART = struct.Struct("!HH4x")
_FLOW_REQUEST = struct.Struct("!B3xII4xQQHH4x")
_GROUP_MOD = struct.Struct("!H")
_EXPERIMENTER = struct.Struct("!II")
_BUNDLE_CONTROL = struct.Struct("!IHH")
_BUNDLE_ADD = struct.Struct("!I2xH")
_NUMBER = struct.Struct("!I")

_ALL_TABLES = 0xFF
_EMPTY_MATCH = (1, 4)
"""Type and length of a match without fields; 4 bytes of padding follow."""

_ADD = b"\x00"
_DELETE = b"\x03"
_DELETE_STRICT = b"\x04"
_NO_MASK = bytes(8)
_NO_BUFFER_ANY_PORT_ANY_GROUP = b"\xff" * 12
_NOTHING_SAID = bytes(4)
"""Both timeouts, or flags and importance: none."""

_GROUP_ADD, _GROUP_MODIFY, _GROUP_DELETE = 0, 1, 2
_ALL_GROUPS = 0xFFFFFFFC
_TYPE_ALL_AND_PAD = bytes(2)

_ATOMIC_AND_ORDERED = 1 | 2
"""OFPBF_ATOMIC and OFPBF_ORDERED (1.4.1, 7.3.9.3): all or nothing, and groups before the rows that name them."""


def _message(version: Version, kind: int, xid: int, body: bytes) -> bytes:
    length = _HEADER.size + len(body)
    if length > LONGEST_MESSAGE:
        raise WireError(f"a message of type {kind} would have {length} bytes; {LONGEST_MESSAGE} are possible")
    return _HEADER.pack(version, kind, length, xid) + body


def barrier(version: Version, xid: int) -> bytes:
    """Ask for an answer once everything sent before has been done (7.3.8)."""
    return _message(version, MessageType.BARRIER_REQUEST, xid, b"")


def flow_add(version: Version, xid: int, key: bytes, value: bytes) -> bytes:
    """Add a row, or replace the one that has its key (7.3.4.1, OFPFC_ADD)."""
    cookie = value[8:16]
    body = (
        cookie
        + _NO_MASK
        + key[0:1]
        + _ADD
        + value[0:4]
        + key[2:4]
        + _NO_BUFFER_ANY_PORT_ANY_GROUP
        + value[4:8]
        + key[4:]
        + value[16:]
    )
    return _message(version, MessageType.FLOW_MOD, xid, body)


def flow_delete(version: Version, xid: int, key: bytes) -> bytes:
    """Delete the row that has exactly this key, if it is there (OFPFC_DELETE_STRICT), whatever its cookie."""
    body = (
        bytes(8)
        + _NO_MASK
        + key[0:1]
        + _DELETE_STRICT
        + _NOTHING_SAID
        + key[2:4]
        + _NO_BUFFER_ANY_PORT_ANY_GROUP
        + _NOTHING_SAID
        + key[4:]
    )
    return _message(version, MessageType.FLOW_MOD, xid, body)


def all_flows_delete(version: Version, xid: int) -> bytes:
    """Delete the rows of all tables, whatever they are (OFPFC_DELETE with OFPTT_ALL and an empty match)."""
    body = (
        bytes(8)
        + _NO_MASK
        + bytes([_ALL_TABLES])
        + _DELETE
        + _NOTHING_SAID
        + bytes(2)
        + _NO_BUFFER_ANY_PORT_ANY_GROUP
        + _NOTHING_SAID
        + struct.pack("!HH4x", *_EMPTY_MATCH)
    )
    return _message(version, MessageType.FLOW_MOD, xid, body)


def group_add(version: Version, xid: int, number: int, value: bytes) -> bytes:
    """Add a group that is not there yet (7.3.4.2)."""
    return _group_mod(version, xid, _GROUP_ADD, number, value[:2], value[2:])


def group_modify(version: Version, xid: int, number: int, value: bytes) -> bytes:
    """Replace the buckets of a group that is there."""
    return _group_mod(version, xid, _GROUP_MODIFY, number, value[:2], value[2:])


def group_delete(version: Version, xid: int, number: int) -> bytes:
    """Delete a group, and with it every row that names it."""
    return _group_mod(version, xid, _GROUP_DELETE, number, _TYPE_ALL_AND_PAD, b"")


def all_groups_delete(version: Version, xid: int) -> bytes:
    """Delete all groups (OFPG_ALL)."""
    return group_delete(version, xid, _ALL_GROUPS)


def _group_mod(version: Version, xid: int, command: int, number: int, kind: bytes, buckets: bytes) -> bytes:
    body = _GROUP_MOD.pack(command) + kind + _NUMBER.pack(number) + buckets
    return _message(version, MessageType.GROUP_MOD, xid, body)


def all_flows(version: Version, xid: int) -> bytes:
    """Ask for every row of every table (7.3.5.2)."""
    request = _FLOW_REQUEST.pack(_ALL_TABLES, ANY, ANY, 0, 0, *_EMPTY_MATCH)
    return _multipart(version, xid, Multipart.FLOW, request)


def all_groups(version: Version, xid: int) -> bytes:
    """Ask for every group with its buckets (7.3.5.8)."""
    return _multipart(version, xid, Multipart.GROUP_DESC, b"")


def all_ports(version: Version, xid: int) -> bytes:
    """Ask for every port with its name and state (7.3.5.7)."""
    return _multipart(version, xid, Multipart.PORT_DESC, b"")


def _multipart(version: Version, xid: int, kind: Multipart, request: bytes) -> bytes:
    return _message(version, MessageType.MULTIPART_REQUEST, xid, _MULTIPART.pack(kind, 0) + request)


def bundle_control(version: Version, xid: int, bundle: int, step: BundleStep) -> bytes:
    """Open, close, commit or discard a bundle (1.4.1, 7.3.9.1; in 1.3 ONF EXT-230, message 2300)."""
    body = _BUNDLE_CONTROL.pack(bundle, step, _ATOMIC_AND_ORDERED)
    return _bundle_message(version, xid, MessageType.BUNDLE_CONTROL, ONF_BUNDLE_CONTROL, body)


def bundle_add(version: Version, bundle: int, message: bytes) -> bytes:
    """Put a message into an open bundle (1.4.1, 7.3.9.5; in 1.3 ONF EXT-230, message 2301).

    The wrapper has the xid of the message in it, as the specification demands.
    """
    (xid,) = _NUMBER.unpack_from(message, 4)
    body = _BUNDLE_ADD.pack(bundle, _ATOMIC_AND_ORDERED) + message
    return _bundle_message(version, xid, MessageType.BUNDLE_ADD_MESSAGE, ONF_BUNDLE_ADD_MESSAGE, body)


def in_bundle(version: Version, bundle: int, messages: Iterable[bytes], open_xid: int, commit_xid: int) -> bytes:
    """Messages as one bundle from opening to commit: the switch does all of them in their order, or none.

    The switch answers opening and commit (`replies.bundle_reply`), and a message that it refuses with an error that
    has the message's own xid.
    """
    parts = [bundle_control(version, open_xid, bundle, BundleStep.OPEN_REQUEST)]
    parts += [bundle_add(version, bundle, message) for message in messages]
    parts.append(bundle_control(version, commit_xid, bundle, BundleStep.COMMIT_REQUEST))
    return b"".join(parts)


def _bundle_message(version: Version, xid: int, kind: MessageType, onf_kind: int, body: bytes) -> bytes:
    if version == Version.OF13:
        return _message(version, MessageType.EXPERIMENTER, xid, _EXPERIMENTER.pack(ONF_EXPERIMENTER, onf_kind) + body)
    return _message(version, kind, xid, body)
