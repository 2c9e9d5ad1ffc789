"""Names of OpenFlow's error types and codes (1.4.1, 7.5.4), so that a refusal reads as the specification has it.

1.3's types and codes are the same as far as they go. In 1.3 bundle errors come as experimenter errors of the ONF,
numbered from 2300 in the same order (ONF EXT-230).
"""

from __future__ import annotations

from .wire import NICIRA, ONF_EXPERIMENTER

_EXPERIMENTER_TYPE = 0xFFFF
_ONF_BUNDLE_BASE = 2300

# One line a type: its name, the prefix of its codes, and the codes in order from 0.
_TYPES: dict[int, tuple[str, str, str]] = {
    0: ("HELLO_FAILED", "OFPHFC", "INCOMPATIBLE EPERM"),
    1: (
        "BAD_REQUEST",
        "OFPBRC",
        "BAD_VERSION BAD_TYPE BAD_MULTIPART BAD_EXPERIMENTER BAD_EXP_TYPE EPERM BAD_LEN BUFFER_EMPTY BUFFER_UNKNOWN "
        "BAD_TABLE_ID IS_SLAVE BAD_PORT BAD_PACKET MULTIPART_BUFFER_OVERFLOW MULTIPART_REQUEST_TIMEOUT "
        "MULTIPART_REPLY_TIMEOUT",
    ),
    2: (
        "BAD_ACTION",
        "OFPBAC",
        "BAD_TYPE BAD_LEN BAD_EXPERIMENTER BAD_EXP_TYPE BAD_OUT_PORT BAD_ARGUMENT EPERM TOO_MANY BAD_QUEUE "
        "BAD_OUT_GROUP MATCH_INCONSISTENT UNSUPPORTED_ORDER BAD_TAG BAD_SET_TYPE BAD_SET_LEN BAD_SET_ARGUMENT",
    ),
    3: (
        "BAD_INSTRUCTION",
        "OFPBIC",
        "UNKNOWN_INST UNSUP_INST BAD_TABLE_ID UNSUP_METADATA UNSUP_METADATA_MASK BAD_EXPERIMENTER BAD_EXP_TYPE "
        "BAD_LEN EPERM DUP_INST",
    ),
    4: (
        "BAD_MATCH",
        "OFPBMC",
        "BAD_TYPE BAD_LEN BAD_TAG BAD_DL_ADDR_MASK BAD_NW_ADDR_MASK BAD_WILDCARDS BAD_FIELD BAD_VALUE BAD_MASK "
        "BAD_PREREQ DUP_FIELD EPERM",
    ),
    5: (
        "FLOW_MOD_FAILED",
        "OFPFMFC",
        "UNKNOWN TABLE_FULL BAD_TABLE_ID OVERLAP EPERM BAD_TIMEOUT BAD_COMMAND BAD_FLAGS CANT_SYNC BAD_PRIORITY",
    ),
    6: (
        "GROUP_MOD_FAILED",
        "OFPGMFC",
        "GROUP_EXISTS INVALID_GROUP WEIGHT_UNSUPPORTED OUT_OF_GROUPS OUT_OF_BUCKETS CHAINING_UNSUPPORTED "
        "WATCH_UNSUPPORTED LOOP UNKNOWN_GROUP CHAINED_GROUP BAD_TYPE BAD_COMMAND BAD_BUCKET BAD_WATCH EPERM",
    ),
    7: ("PORT_MOD_FAILED", "OFPPMFC", "BAD_PORT BAD_HW_ADDR BAD_CONFIG BAD_ADVERTISE EPERM"),
    8: ("TABLE_MOD_FAILED", "OFPTMFC", "BAD_TABLE BAD_CONFIG EPERM"),
    9: ("QUEUE_OP_FAILED", "OFPQOFC", "BAD_PORT BAD_QUEUE EPERM"),
    10: ("SWITCH_CONFIG_FAILED", "OFPSCFC", "BAD_FLAGS BAD_LEN EPERM"),
    11: ("ROLE_REQUEST_FAILED", "OFPRRFC", "STALE UNSUP BAD_ROLE"),
    12: (
        "METER_MOD_FAILED",
        "OFPMMFC",
        "UNKNOWN METER_EXISTS INVALID_METER UNKNOWN_METER BAD_COMMAND BAD_FLAGS BAD_RATE BAD_BURST BAD_BAND "
        "BAD_BAND_VALUE OUT_OF_METERS OUT_OF_BANDS",
    ),
    13: ("TABLE_FEATURES_FAILED", "OFPTFFC", "BAD_TABLE BAD_METADATA BAD_TYPE BAD_LEN BAD_ARGUMENT EPERM"),
    14: (
        "BAD_PROPERTY",
        "OFPBPC",
        "BAD_TYPE BAD_LEN BAD_VALUE TOO_MANY DUP_TYPE BAD_EXPERIMENTER BAD_EXP_TYPE BAD_EXP_VALUE EPERM",
    ),
    15: ("ASYNC_CONFIG_FAILED", "OFPACFC", "INVALID UNSUPPORTED EPERM"),
    16: (
        "FLOW_MONITOR_FAILED",
        "OFPMOFC",
        "UNKNOWN MONITOR_EXISTS INVALID_MONITOR UNKNOWN_MONITOR BAD_COMMAND BAD_FLAGS BAD_TABLE_ID BAD_OUT",
    ),
    17: (
        "BUNDLE_FAILED",
        "OFPBFC",
        "UNKNOWN EPERM BAD_ID BUNDLE_EXIST BUNDLE_CLOSED OUT_OF_BUNDLES BAD_TYPE BAD_FLAGS MSG_BAD_LEN MSG_BAD_XID "
        "MSG_UNSUP MSG_CONFLICT MSG_TOO_MANY MSG_FAILED TIMEOUT BUNDLE_IN_PROGRESS",
    ),
}
_BUNDLE_FAILED = 17
_EXPERIMENTER_NAMES = {ONF_EXPERIMENTER: "ONF", NICIRA: "Open vSwitch"}


def error_names(kind: int, code: int, experimenter: int | None = None) -> tuple[str, str]:
    """The names of an error's type and code; for one without a name, its number in words.

    `experimenter` is the number of whoever defined the error, where `kind` is 0xffff.
    """
    if kind == _EXPERIMENTER_TYPE:
        bundle_code = _code_name(_BUNDLE_FAILED, code - _ONF_BUNDLE_BASE)
        if experimenter == ONF_EXPERIMENTER and bundle_code is not None:
            return "OFPET_BUNDLE_FAILED", bundle_code
        whose = "nobody" if experimenter is None else _EXPERIMENTER_NAMES.get(experimenter, f"{experimenter:#010x}")
        return "OFPET_EXPERIMENTER", f"error {code} of {whose}"
    if kind not in _TYPES:
        return f"type {kind}", f"code {code}"
    return f"OFPET_{_TYPES[kind][0]}", _code_name(kind, code) or f"code {code}"


def _code_name(kind: int, code: int) -> str | None:
    _, prefix, codes = _TYPES[kind]
    names = codes.split()
    return f"{prefix}_{names[code]}" if 0 <= code < len(names) else None
