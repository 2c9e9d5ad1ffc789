"""Rows of flow tables as values: matches, actions, groups, and where each row came from.

These are the words that the compiler writes, the OpenFlow codec turns into bytes and back, and the simulator
executes. Nothing here knows a wire format or a switch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntFlag
from typing import TypeAlias

from .fields import FIELD_ORDER, Field

IN_PORT_PORT = 0xFFFFFFF8
"""OFPP_IN_PORT: send a frame out where it came in (OpenFlow 1.3.5, 7.2.1)."""

CONTROLLER_PORT = 0xFFFFFFFD
"""OFPP_CONTROLLER: tell the controller of a frame (the same)."""


@dataclass(frozen=True, slots=True)
class FieldMatch:
    """One condition of a match. `mask` is None for an exact match; bits of `value` outside the mask are zero."""

    field: Field
    value: int
    mask: int | None = None

    def __post_init__(self) -> None:
        mask = self.field.ones if self.mask is None else self.mask
        if not 0 <= self.value <= self.field.ones or self.value & ~mask:
            raise ValueError(f"{self.field.name}={self.value:#x}/{mask:#x} does not fit {self.field.bits} bits")
        if self.mask is not None and not self.field.maskable:
            raise ValueError(f"{self.field.name} cannot be masked")
        if self.mask == self.field.ones:
            object.__setattr__(self, "mask", None)


Match: TypeAlias = tuple[FieldMatch, ...]
"""Conditions in canonical order (`fields.FIELDS`); build it with `match()`."""


def match(*conditions: FieldMatch) -> Match:
    """Put conditions into canonical order, and leave out those whose mask is zero, which say nothing."""
    kept = [condition for condition in conditions if condition.mask != 0]
    return tuple(sorted(kept, key=lambda condition: FIELD_ORDER[condition.field.name]))


class PacketType(Enum):
    """What a packet is after a decapsulation: (namespace << 16 | type), as in ovs-fields(7) `packet_type`."""

    ETHERNET = 0x0000_0000
    MPLS = 0x0001_8847


@dataclass(frozen=True, slots=True)
class Output:
    """Send the packet out of a port. The port it came in by is silently left out by the switch.

    `max_len`: of its bytes, so many at most go to the controller (OFPP_CONTROLLER alone).
    """

    port: int
    max_len: int = 0


@dataclass(frozen=True, slots=True)
class Meter:
    """Count the packet on a meter of the switch (OpenFlow 1.3.5, 5.7); beyond its rate the packet is dropped.

    Stands first in a row, and nowhere else: on the wire it is an instruction of its own, which comes before actions.
    """

    number: int


@dataclass(frozen=True, slots=True)
class ToGroup:
    """Hand the packet to a group."""

    group: int


@dataclass(frozen=True, slots=True)
class SetField:
    """Overwrite a whole field or register."""

    field: Field
    value: int


@dataclass(frozen=True, slots=True)
class Move:
    """Copy `bits` bits from `source` at `source_offset` to `target` at `target_offset` (bit 0 is the lowest)."""

    source: Field
    target: Field
    bits: int
    source_offset: int = 0
    target_offset: int = 0


@dataclass(frozen=True, slots=True)
class PushVlan:
    """Push an 802.1Q tag (TPID 0x8100)."""


@dataclass(frozen=True, slots=True)
class PopVlan:
    """Take off the outermost tag."""


@dataclass(frozen=True, slots=True)
class Encap:
    """Put a new header in front: an MPLS label entry, or an Ethernet header (NXAST_RAW_ENCAP)."""

    header: PacketType


@dataclass(frozen=True, slots=True)
class Decap:
    """Take the outermost header off (NXAST_RAW_DECAP). `becomes` is None where the header itself says what
    follows (Ethernet), else the type of packet that is to be found underneath."""

    becomes: PacketType | None = None


@dataclass(frozen=True, slots=True)
class SetMplsTtl:
    """Set the TTL of the outermost label entry."""

    ttl: int


@dataclass(frozen=True, slots=True)
class DecMplsTtl:
    """Decrement the TTL of the outermost label entry; a packet whose TTL is spent goes no further."""


@dataclass(frozen=True, slots=True)
class Resubmit:
    """Look the packet up in another table, then go on here."""

    table: int


@dataclass(frozen=True, slots=True)
class Clone:
    """Execute actions on a copy, so that what they do to the packet is forgotten afterwards (NXAST_CLONE)."""

    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class DecTtl:
    """Decrement the TTL of IPv4 or the hop limit of IPv6; a packet whose TTL is spent goes no further, and the
    controller may be told."""


class CtState(IntFlag):
    """Bits of `ct_state` (ovs-fields(7), "Connection Tracking Fields")."""

    NEW = 1
    ESTABLISHED = 2
    RELATED = 4
    REPLY = 8
    INVALID = 16
    TRACKED = 32
    SOURCE_TRANSLATED = 64
    DESTINATION_TRANSLATED = 128


@dataclass(frozen=True, slots=True)
class Nat:
    """How connection tracking translates the packets of a new connection, and back (`nat`, ovs-actions(7)).

    `source` or else the destination becomes `address`, and its port one of `ports`, first and last; without them the
    port is kept if it is free. Without an address, what was agreed on with the connection's first packet is done again;
    with one, the `Track` must commit.
    """

    address: int | None = None
    is_six: bool = False
    """Whether it is an IPv6 address."""
    source: bool = True
    ports: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """Hand the packet to connection tracking in a zone, and go on with `table` (`ct`, ovs-actions(7)).

    The packet is known there by the bits of `ct_state`. `commit`: its connection is to be remembered. Registers stay.
    The row must match IPv4 or IPv6, of the version of `nat`'s address.

    What the row does afterwards it does to the packet as if untracked; but `nat` translates the bytes in place, so send
    nothing then, unless the whole `Track` stands in a `Clone`.
    """

    zone: int
    table: int
    commit: bool = False
    nat: Nat | None = None


@dataclass(frozen=True, slots=True)
class Untrack:
    """Forget what connection tracking said of the packet (`ct_clear`)."""


@dataclass(frozen=True, slots=True)
class CheckLarger:
    """Set a bit of a register if the packet is larger than so many bytes, its Ethernet header included
    (`check_pkt_larger`), or else clear it. The bit is known to the rest of the row and what that leads to; whoever
    resubmitted to the row goes on as if nothing of this rest had changed the packet."""

    size: int
    target: Field
    bit: int


Action: TypeAlias = (
    Output
    | Meter
    | ToGroup
    | SetField
    | Move
    | PushVlan
    | PopVlan
    | Encap
    | Decap
    | SetMplsTtl
    | DecMplsTtl
    | DecTtl
    | Track
    | Untrack
    | CheckLarger
    | Resubmit
    | Clone
)


class Subject(Enum):
    """The kinds of thing that a row is about; the value stands in the cookie."""

    SWITCH = 1
    NETWORK = 2
    INTERFACE = 3


@dataclass(frozen=True, slots=True)
class Origin:
    """What a row exists for: a switch of the fabric, a network, or an interface, by its number."""

    subject: Subject
    number: int


COOKIE_MARK = 0x766E
"""The top 16 bits of each of our cookies ('vn' in ASCII); then 8 bits subject, 8 bits zero, 32 bits number."""


def cookie_of(origin: Origin) -> int:
    """The 64-bit cookie that says: this row is ours, and what it exists for."""
    return COOKIE_MARK << 48 | origin.subject.value << 40 | origin.number


def origin_of(cookie: int) -> Origin | None:
    """What a cookie says, or None where the row is not ours."""
    if cookie >> 48 != COOKIE_MARK or cookie >> 32 & 0xFF:
        return None
    try:
        return Origin(Subject(cookie >> 40 & 0xFF), cookie & 0xFFFFFFFF)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of one flow table. No actions and no `goto` means: drop.

    Two rows with the same `key` cannot stand in one switch.
    """

    table: int
    priority: int
    match: Match
    actions: tuple[Action, ...]
    goto: int | None
    origin: Origin

    @property
    def key(self) -> tuple[int, int, Match]:
        """What identifies the row on a switch (OpenFlow 1.3.5, 5.2)."""
        return (self.table, self.priority, self.match)


@dataclass(frozen=True, slots=True)
class Group:
    """Buckets of actions, each executed on a copy of the packet of its own.

    Without `watch` all of them are (type `all`). With it, a port for each bucket, the first one is whose port is there
    and up (type `fast failover`), or none.
    """

    number: int
    buckets: tuple[tuple[Action, ...], ...]
    origin: Origin
    watch: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.watch and len(self.watch) != len(self.buckets):
            raise ValueError(
                f"group {self.number:#x} has {len(self.buckets)} buckets and watches {len(self.watch)} ports"
            )


@dataclass(frozen=True, slots=True)
class MeterBand:
    """A meter of a switch, by number: what is beyond so much a second, and so much at once, is dropped.

    Rate and burst are in packets, or in kilobits (1,000 bits of whole Ethernet frames) where it `counts_bits`.
    """

    number: int
    rate: int
    burst: int
    counts_bits: bool = False


@dataclass(slots=True)
class SwitchTable:
    """All that one switch is to hold: rows by key, groups and meters by number."""

    rows: dict[tuple[int, int, Match], Row] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)
    meters: dict[int, MeterBand] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        """Add a row. Raises ValueError where another row has its key: two subjects claim one place."""
        present = self.rows.setdefault(row.key, row)
        if present != row:
            raise ValueError(f"two rows for one key: {present} and {row}")

    def add_group(self, group: Group) -> None:
        """Add a group. Raises ValueError where another has its number."""
        present = self.groups.setdefault(group.number, group)
        if present != group:
            raise ValueError(f"two groups {group.number:#x}")

    def add_meter(self, band: MeterBand) -> None:
        """Add a meter, which several subjects may name. Raises ValueError where it is to be another one."""
        present = self.meters.setdefault(band.number, band)
        if present != band:
            raise ValueError(f"two meters {band.number:#x}: {present} and {band}")
