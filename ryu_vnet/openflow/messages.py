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
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from ..compiler.rows import CONTROLLER_PORT, Action
from ..errors import WireError
from .actions import encode_actions
from .rows import ANY
from .wire import (
    ALL_GROUPS,
    ALL_METERS,
    LONGEST_MESSAGE,
    NICIRA,
    ONF_BUNDLE_ADD_MESSAGE,
    ONF_BUNDLE_CONTROL,
    ONF_EXPERIMENTER,
    ONF_FLOW_MONITOR,
    BundleStep,
    MessageType,
    Multipart,
    Version,
)

HEADER = struct.Struct("!BBHI")
_MULTIPART = struct.Struct("!HH4x")
_FLOW_REQUEST = struct.Struct("!B3xII4xQQ")
_MATCH = struct.Struct("!HH4x")
_MONITOR_14 = struct.Struct("!IIIHBB")
_MONITOR_13 = struct.Struct("!IHHIB3x")
_ASYNC_13 = struct.Struct("!6I")
_ASYNC_PROPERTY = struct.Struct("!HHI")
_GROUP_MOD = struct.Struct("!H")
_EXPERIMENTER = struct.Struct("!II")
_BUNDLE_CONTROL = struct.Struct("!IHH")
_BUNDLE_ADD = struct.Struct("!I2xH")
_NUMBER = struct.Struct("!I")
_ZONE = struct.Struct("!6xH")
_PROPERTY = struct.Struct("!HH")
_PADDED = struct.Struct("!H2x")
_PACKET_OUT = struct.Struct("!IIH6x")

_ALL_TABLES = 0xFF
_EMPTY_MATCH = _MATCH.pack(1, 4)
"""A match without fields: its type and length, and 4 bytes of padding."""
_ONE_COOKIE = 0xFFFFFFFFFFFFFFFF

ADD = b"\x00"
_DELETE = b"\x03"
DELETE_STRICT = b"\x04"
NO_VALUE = bytes(16)
"""Neither timeouts nor flags, importance, cookie or instructions."""
NO_BUFFER_ANY_PORT_ANY_GROUP = b"\xff" * 12
FLOW_MOD_BODY = "8s8xss4s2s12s4s"
"""Cookie, no mask of it, table, command, timeouts, priority, `NO_BUFFER_ANY_PORT_ANY_GROUP`, flags and importance
(7.3.4.1); match and instructions follow."""
_FLOW_MOD = struct.Struct("!BBHI" + FLOW_MOD_BODY)
FLOW_MOD_OVERHEAD = _FLOW_MOD.size - 4 - 16
"""What a flow mod is longer than the row's key and value, of which the first 4 and 16 bytes go into the fixed part."""

_METER_MOD = struct.Struct("!H2sI")
_METER_REQUEST = struct.Struct("!I4x")
_METER_ADD, _METER_MODIFY, _METER_DELETE = 0, 1, 2
_NO_FLAGS = bytes(2)

_GROUP_ADD, _GROUP_MODIFY, _GROUP_DELETE = 0, 1, 2
_TYPE_ALL_AND_PAD = bytes(2)

_CT_FLUSH_ZONE, _CT_FLUSH = 29, 32

_NO_BUFFER = 0xFFFFFFFF
"""OFP_NO_BUFFER: the frame is in the message."""

_MONITOR = 1
"""The number of our flow monitor; they are numbered for each connection."""
_MONITOR_COMMAND_ADD = 0
_MONITOR_ADD, _MONITOR_REMOVED, _MONITOR_MODIFY, _MONITOR_INSTRUCTIONS = 1 << 1, 1 << 2, 1 << 3, 1 << 4

_ALL_PORT_REASONS = 0b111
_GROUP_AND_METER_CHANGES = 0b11
_PACKETS_BY_ACTION = 1 << 1
"""Frames of which a row tells (OFPR_ACTION), and no others."""
_PACKETS_SENT_BY_US = 1 << 5
"""The same of frames that a packet-out of ours has put in (OFPR_PACKET_OUT): as such they come by a patch port to the
next bridge."""
_ASYNC_MASKS = (
    (0, 0),  # packets, as slave
    (1, _PACKETS_BY_ACTION | _PACKETS_SENT_BY_US),  # and as master or equal; so on in these pairs
    *((kind, _ALL_PORT_REASONS) for kind in (2, 3)),
    *((kind, 0) for kind in (4, 5, 6, 7, 8, 9)),  # ended rows, roles, tables
    *((kind, _GROUP_AND_METER_CHANGES) for kind in (10, 11)),
)
"""Types of properties, and the reasons for which what they are about is told (1.4.1, 7.3.10)."""

_ATOMIC_AND_ORDERED = 1 | 2
"""OFPBF_ATOMIC and OFPBF_ORDERED (1.4.1, 7.3.9.3): all or nothing, and groups before the rows that name them."""


def _message(version: Version, kind: int, xid: int, body: bytes) -> bytes:
    length = HEADER.size + len(body)
    if length > LONGEST_MESSAGE:
        raise WireError(f"a message of type {kind} would have {length} bytes; {LONGEST_MESSAGE} are possible")
    return HEADER.pack(version, kind, length, xid) + body


def barrier(version: Version, xid: int) -> bytes:
    """Ask for an answer once everything sent before has been done (7.3.8)."""
    return _message(version, MessageType.BARRIER_REQUEST, xid, b"")


def flow_add(version: Version, xid: int, key: bytes, value: bytes) -> bytes:
    """Add a row, or replace the one that has its key (7.3.4.1, OFPFC_ADD)."""
    return _flow_mod(version, xid, ADD, key, value)


def flow_delete(version: Version, xid: int, key: bytes) -> bytes:
    """Delete the row that has exactly this key, if it is there (OFPFCDELETE_STRICT), whatever its cookie."""
    return _flow_mod(version, xid, DELETE_STRICT, key, NO_VALUE)


def all_flows_delete(version: Version, xid: int) -> bytes:
    """Delete the rows of all tables, whatever they are (OFPFC_DELETE with OFPTT_ALL and an empty match)."""
    everything = bytes([_ALL_TABLES, 0, 0, 0]) + _EMPTY_MATCH
    return _flow_mod(version, xid, _DELETE, everything, NO_VALUE)


def _flow_mod(version: Version, xid: int, command: bytes, key: bytes, value: bytes) -> bytes:
    length = FLOW_MOD_OVERHEAD + len(key) + len(value)
    if length > LONGEST_MESSAGE:
        raise WireError(f"a row would have {length} bytes; {LONGEST_MESSAGE} are possible")
    table, priority, times, rest, cookie = key[:1], key[2:4], value[:4], value[4:8], value[8:16]
    kind, anyone = MessageType.FLOW_MOD, NO_BUFFER_ANY_PORT_ANY_GROUP
    head = _FLOW_MOD.pack(version, kind, length, xid, cookie, table, command, times, priority, anyone, rest)
    return head + key[4:] + value[16:]


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
    return group_delete(version, xid, ALL_GROUPS)


def _group_mod(version: Version, xid: int, command: int, number: int, kind: bytes, buckets: bytes) -> bytes:
    body = _GROUP_MOD.pack(command) + kind + _NUMBER.pack(number) + buckets
    return _message(version, MessageType.GROUP_MOD, xid, body)


def meter_add(version: Version, xid: int, number: int, value: bytes) -> bytes:
    """Make a meter, with a value as `meters` has it (7.3.4.5):

    command (16) | flags (16) | meter (32) | bands

    The switch refuses one that is there already; it takes none in a bundle.
    """
    return _meter_mod(version, xid, _METER_ADD, number, value)


def meter_modify(version: Version, xid: int, number: int, value: bytes) -> bytes:
    """Let a meter that is there have this value. Its counters begin at zero again."""
    return _meter_mod(version, xid, _METER_MODIFY, number, value)


def meter_delete(version: Version, xid: int, number: int) -> bytes:
    """Delete a meter, and with it every row that names it."""
    return _meter_mod(version, xid, _METER_DELETE, number, _NO_FLAGS)


def all_meters_delete(version: Version, xid: int) -> bytes:
    """Delete all meters (OFPM_ALL)."""
    return meter_delete(version, xid, ALL_METERS)


def _meter_mod(version: Version, xid: int, command: int, number: int, value: bytes) -> bytes:
    return _message(version, MessageType.METER_MOD, xid, _METER_MOD.pack(command, value[:2], number) + value[2:])


def all_flows(version: Version, xid: int) -> bytes:
    """Ask for every row of every table (7.3.5.2)."""
    return _multipart(version, xid, Multipart.FLOW, _FLOW_REQUEST.pack(_ALL_TABLES, ANY, ANY, 0, 0) + _EMPTY_MATCH)


def flow_exactly(version: Version, xid: int, key: bytes, cookie: int | None = None) -> bytes:
    """Ask for the row that has this key, to learn all of its value.

    The request cannot name a priority, and the switch answers with every row of the table that matches no more than
    this one: whoever asks picks the key from the answer (`replies.flows`); if it is not there, the row is gone. A row
    that matches everything would bring its whole table; with the row's cookie, as a flow monitor tells it, only rows
    of the same origin come.
    """
    wanted = (0, 0) if cookie is None else (cookie, _ONE_COOKIE)
    return _multipart(version, xid, Multipart.FLOW, _FLOW_REQUEST.pack(key[0], ANY, ANY, *wanted) + key[4:])


def all_groups(version: Version, xid: int) -> bytes:
    """Ask for every group with its buckets (7.3.5.8)."""
    return _multipart(version, xid, Multipart.GROUP_DESC, b"")


def all_meters(version: Version, xid: int) -> bytes:
    """Ask for every meter with what it is set to (OFPMP_METER_CONFIG, 7.3.5.13)."""
    return _multipart(version, xid, Multipart.METER_CONFIG, _METER_REQUEST.pack(ALL_METERS))


def meter_counts(version: Version, xid: int) -> bytes:
    """Ask for the counters of every meter (OFPMP_METER, 7.3.5.12)."""
    return _multipart(version, xid, Multipart.METER, _METER_REQUEST.pack(ALL_METERS))


def all_ports(version: Version, xid: int) -> bytes:
    """Ask for every port with its name and state (7.3.5.7)."""
    return _multipart(version, xid, Multipart.PORT_DESC, b"")


def flow_monitor(version: Version, xid: int) -> bytes:
    """Ask to be told of every change to any row from now on (1.4.1, "Flow monitoring"; in 1.3 ONF EXT-187).

    The answer to the request itself is empty: what is there already is read with `all_flows`, asked for after this,
    so that nothing falls between the two. What changes then comes without having been asked for, with the xid 0
    (`monitor.monitor_updates`): others' changes in full, our own abbreviated. A monitor lasts as long as the
    connection; ask once, for Open vSwitch 3.1 refuses a second in words of OpenFlow 1.0. A switch that knows no
    flow monitor answers with an error.
    """
    wanted = _MONITOR_ADD | _MONITOR_REMOVED | _MONITOR_MODIFY | _MONITOR_INSTRUCTIONS
    if version == Version.OF13:
        # Here the match has its length in front as well: padding apart, as in `ofp_match`.
        request = _MONITOR_13.pack(_MONITOR, wanted, 4, ANY, _ALL_TABLES) + _EMPTY_MATCH
        return _multipart(
            version, xid, Multipart.EXPERIMENTER, _EXPERIMENTER.pack(ONF_EXPERIMENTER, ONF_FLOW_MONITOR) + request
        )
    request = _MONITOR_14.pack(_MONITOR, ANY, ANY, wanted, _ALL_TABLES, _MONITOR_COMMAND_ADD) + _EMPTY_MATCH
    return _multipart(version, xid, Multipart.FLOW_MONITOR, request)


def set_async(version: Version, xid: int) -> bytes:
    """Choose what the switch tells without being asked (1.3.5, 7.3.10; 1.4.1, 7.3.10): changes to ports always,
    others' changes to groups (`replies.request_forward`) and meters, frames of which a row says that we are to be told,
    and nothing else; no rows that end.

    1.3 cannot forward those: there they are seen in a dump alone (`all_groups`, `all_meters`). There is no answer.
    """
    if version == Version.OF13:
        # Two masks each, one as master or equal and one as slave: packets, ports, ended rows.
        body = _ASYNC_13.pack(_PACKETS_BY_ACTION, 0, _ALL_PORT_REASONS, _ALL_PORT_REASONS, 0, 0)
    else:
        body = b"".join([_ASYNC_PROPERTY.pack(kind, _ASYNC_PROPERTY.size, mask) for kind, mask in _ASYNC_MASKS])
    return _message(version, MessageType.SET_ASYNC, xid, body)


class Connections(NamedTuple):
    """Some of the connections that are tracked in a zone: all, or those of which all holds that is said here.

    `source` and `destination` are of what began a connection, before it was translated; `answered` is the address that
    answers are sent to. `port` is a destination port of `protocol`, TCP or UDP.
    """

    zone: int
    source: IPv4Address | IPv6Address | None = None
    destination: IPv4Address | IPv6Address | None = None
    answered: IPv4Address | IPv6Address | None = None
    protocol: int = 0
    port: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether these are all of the zone."""
        return self == Connections(self.zone)


def flush(version: Version, xid: int, which: Connections) -> bytes:
    """Let connection tracking forget connections (nicira-ext.h), the same in both versions. There is no answer. A zone
    belongs to the data path: what other bridges of the same switch know of it goes as well.

    All of a zone (NXT_CT_FLUSH_ZONE): experimenter (32) | 29 (32) | 0 (48) | zone (16)

    Some (NXT_CT_FLUSH, of Open vSwitch 3.1 on): experimenter (32) | 32 (32) | protocol (8) | 0 (56) | properties, of
    which each has type (16), length without padding (16), and begins at a multiple of 64 bits: a tuple of what began a
    connection (0), or of what answers (1), which is 0 (32) and properties for source (0) and destination (1) as IPv6
    addresses, IPv4 mapped (RFC 4291, 2.5.5.2), and destination port (3, then 0 (16)); and the zone (2, then 0 (16)).
    """
    zone, source, destination, answered, protocol, port = which
    began = [_property(kind, _mapped(address)) for kind, address in ((0, source), (1, destination)) if address]
    began += [_property(3, _PADDED.pack(port))] if port else []
    answers = [_property(1, _mapped(answered))] if answered else []
    if not began and not answers:
        body = _EXPERIMENTER.pack(NICIRA, _CT_FLUSH_ZONE) + _ZONE.pack(zone)
        return _message(version, MessageType.EXPERIMENTER, xid, body)
    tuples = [_property(kind, bytes(4) + b"".join(parts)) for kind, parts in ((0, began), (1, answers)) if parts]
    about = b"".join([*tuples, _property(2, _PADDED.pack(zone))])
    body = _EXPERIMENTER.pack(NICIRA, _CT_FLUSH) + protocol.to_bytes(1, "big") + bytes(7) + about
    return _message(version, MessageType.EXPERIMENTER, xid, body)


def _property(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return _PROPERTY.pack(kind, length) + value + bytes(-length % 8)


def _mapped(address: IPv4Address | IPv6Address) -> bytes:
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed


def packet_out(version: Version, xid: int, actions: tuple[Action, ...], frame: bytes) -> bytes:
    """Have actions done to a frame (7.3.7), as to send it out of a port past all tables. The same in both versions:

    no buffer (32) | from the controller (32) | length of the actions (16) | 0 (48) | actions | frame
    """
    encoded = encode_actions(actions)
    head = _PACKET_OUT.pack(_NO_BUFFER, CONTROLLER_PORT, len(encoded))
    return _message(version, MessageType.PACKET_OUT, xid, head + encoded + frame)


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


def bundle_probe(version: Version, bundle: int, open_xid: int, discard_xid: int) -> bytes:
    """Open a bundle and throw it away, to learn whether the switch knows bundles at all.

    One that does answers both (`replies.bundle_reply`); one that does not, with an error that has `open_xid`.
    """
    opened = bundle_control(version, open_xid, bundle, BundleStep.OPEN_REQUEST)
    return opened + bundle_control(version, discard_xid, bundle, BundleStep.DISCARD_REQUEST)


def _bundle_message(version: Version, xid: int, kind: MessageType, onf_kind: int, body: bytes) -> bytes:
    if version == Version.OF13:
        return _message(version, MessageType.EXPERIMENTER, xid, _EXPERIMENTER.pack(ONF_EXPERIMENTER, onf_kind) + body)
    return _message(version, kind, xid, body)
