"""What the codecs share: the two versions, message types, and reading that never runs past the end.

Section numbers are those of the OpenFlow Switch Specifications 1.3.5 and 1.4.1.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Any

from ..errors import WireError


class Version(IntEnum):
    """Wire versions of OpenFlow that we speak (first byte of every message)."""

    OF13 = 0x04
    OF14 = 0x05


class MessageType(IntEnum):
    """Message types that we write or read (7.1.1); the last three are new in 1.4."""

    ERROR = 1
    EXPERIMENTER = 4
    PACKET_IN = 10
    PORT_STATUS = 12
    PACKET_OUT = 13
    FLOW_MOD = 14
    GROUP_MOD = 15
    MULTIPART_REQUEST = 18
    MULTIPART_REPLY = 19
    BARRIER_REQUEST = 20
    BARRIER_REPLY = 21
    SET_ASYNC = 28
    METER_MOD = 29
    REQUEST_FORWARD = 32
    BUNDLE_CONTROL = 33
    BUNDLE_ADD_MESSAGE = 34


class Multipart(IntEnum):
    """Multipart types that we ask for (7.3.5)."""

    FLOW = 1
    GROUP_DESC = 7
    METER = 9
    METER_CONFIG = 10
    PORT_DESC = 13
    FLOW_MONITOR = 16
    """New in 1.4; in 1.3 it comes as `EXPERIMENTER` (`ONF_FLOW_MONITOR`)."""
    EXPERIMENTER = 0xFFFF


class BundleStep(IntEnum):
    """Types of bundle control messages (1.4.1, 7.3.9.1); each reply is its request plus one."""

    OPEN_REQUEST = 0
    OPEN_REPLY = 1
    CLOSE_REQUEST = 2
    CLOSE_REPLY = 3
    COMMIT_REQUEST = 4
    COMMIT_REPLY = 5
    DISCARD_REQUEST = 6
    DISCARD_REPLY = 7


ONF_EXPERIMENTER = 0x4F4E4600
"""The ONF's own experimenter number, under which OpenFlow 1.3 has bundles (ONF EXT-230)."""
ONF_BUNDLE_CONTROL = 2300
ONF_BUNDLE_ADD_MESSAGE = 2301
ONF_FLOW_MONITOR = 1870
"""The multipart type, under the ONF's number, of OpenFlow 1.3's flow monitor (ONF EXT-187)."""
ONF_FLOW_MONITOR_PAUSED = 1871
ONF_FLOW_MONITOR_RESUMED = 1872

NICIRA = 0x00002320
"""The experimenter number of Open vSwitch's own actions and errors (ovs-actions(7))."""

GROUP_TYPE_ALL = 0
GROUP_TYPE_FAST_FAILOVER = 3
ALL_GROUPS = 0xFFFFFFFC
"""OFPG_ALL, in place of a group's number."""
ALL_METERS = 0xFFFFFFFF
"""OFPM_ALL, in place of a meter's number."""
LONGEST_MESSAGE = 0xFFFF
"""A message's length stands in 16 bits (7.1.1)."""


def unpack(layout: struct.Struct, data: bytes, at: int, what: str) -> tuple[Any, ...]:
    """The values that `layout` finds in `data` from byte `at` on. Raises WireError where `data` ends before."""
    if at < 0 or at + layout.size > len(data):
        raise WireError(f"{what}: {layout.size} bytes wanted at byte {at}, {max(len(data) - at, 0)} are there")
    return layout.unpack_from(data, at)
