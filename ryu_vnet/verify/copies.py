"""One copy of a packet inside a switch: its bytes, its registers and what else the switch knows of it beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..compiler.fields import FIELDS, IN_PORT, Field
from ..compiler.pipeline import REGISTERS
from ..compiler.rows import (
    Action,
    Decap,
    Encap,
    Meter,
    Move,
    PacketType,
    PopVlan,
    PushVlan,
    SetField,
    SetMplsTtl,
    Untrack,
)
from ..errors import Invalid
from . import rewrite
from .header_fields import field_value, with_field, with_top
from .overwrite import actions_see
from .packet import ETHERNET, Packet, parse
from .text import field_name, value_text

_NAMED = tuple(register.field.name for register in REGISTERS)
METADATA = frozenset(
    column.name for column in FIELDS if column.name.startswith(("reg", "tun_", "ct_")) and column.name not in _NAMED
)
"""Fields that a switch knows of a packet beside its bytes, the registers of the pipeline apart: 0 until set."""
_OF_TRACKING = frozenset(name for name in METADATA if name.startswith("ct_"))


@dataclass(slots=True)
class Bytes:
    """The bytes that copies share while a pass is executed; each clone has its own, buckets of a group have not."""

    translated: bool = False
    """Whether connection tracking may have translated them: it does so in place."""


@dataclass(slots=True, eq=False)
class Copy:
    """`registers` are those of the pipeline, by field name. It is `whole` until clones and buckets branch off."""

    packet: Packet
    in_port: int
    registers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_NAMED, 0))
    whole: bool = True
    metadata: dict[str, int] = field(default_factory=dict)
    bytes: Bytes = field(default_factory=Bytes)

    def branch(self, cloned: bool = False) -> Copy:
        """Another copy, as this one is; a clone has bytes of its own."""
        shared = Bytes(self.bytes.translated) if cloned else self.bytes
        return Copy(self.packet, self.in_port, dict(self.registers), False, dict(self.metadata), shared)

    def parsed_anew(self, told: Mapping[str, int]) -> Copy:
        """A copy that starts another pass, with its headers parsed from its bytes and `told` known of it. Raises
        Invalid where a field was set that cannot be written."""
        packet = parse(self.packet.to_bytes(), self.packet.kind)
        kept = {name: value for name, value in self.metadata.items() if name not in _OF_TRACKING}
        return Copy(packet, self.in_port, dict(self.registers), True, {**kept, **told})

    def untrack(self) -> None:
        """Forget what connection tracking said."""
        self.metadata = {name: value for name, value in self.metadata.items() if name not in _OF_TRACKING}

    def read(self, column: Field) -> int | None:
        """A field's value; None where the packet does not have it."""
        if column == IN_PORT:
            return self.in_port
        if column.name in self.registers:
            return self.registers[column.name]
        if column.name in METADATA:
            return self.metadata.get(column.name, 0)
        return field_value(self.packet, column)

    def write(self, column: Field, value: int) -> None:
        """Set a field; nothing happens where the packet does not have it. Raises Invalid for one that is not set."""
        if column == IN_PORT:
            self.in_port = value
        elif column.name in self.registers:
            self.registers[column.name] = value
        elif column.name in _OF_TRACKING:
            raise Invalid(f"{column.name} is not to be set")
        elif column.name in METADATA:
            self.metadata[column.name] = value
        else:
            self.packet = with_field(self.packet, column, value)


def change(copy: Copy, action: Action) -> str:
    """Execute an action that changes a copy and nothing else, and say in words what it did. May raise Invalid."""
    match action:
        case Meter(number):
            # One frame by itself is never beyond its rate.
            return f"meter {number}"
        case SetField(target, value):
            copy.write(target, value)
            return f"{field_name(target)}={value_text(target, value)}"
        case Move():
            return _move(copy, action)
        case Untrack():
            copy.untrack()
            return "untrack"
        case PushVlan():
            copy.packet = rewrite.push_vlan(copy.packet)
            return "push VLAN"
        case PopVlan():
            copy.packet = rewrite.pop_vlan(copy.packet)
            return "pop VLAN"
        case SetMplsTtl(ttl):
            copy.packet = with_top(copy.packet, ttl=ttl)
            return f"TTL={ttl}"
        case Encap(PacketType.MPLS):
            copy.packet = rewrite.encap_mpls(copy.packet)
            return "push label"
        case Encap(PacketType.ETHERNET):
            copy.packet = rewrite.encap_ethernet(copy.packet)
            return "push Ethernet"
        case Decap(becomes):
            was = copy.packet
            copy.packet = rewrite.decap(was, becomes)
            return "pop Ethernet" if was.kind == ETHERNET else "pop label"
        case _:
            raise Invalid(f"the simulator does not know the action {action}")


def _move(copy: Copy, action: Move) -> str:
    """Copy bits from field to field; nothing happens where the packet lacks one of the two."""
    source, target = copy.read(action.source), copy.read(action.target)
    seen = all(actions_see(copy.packet.upper, field.name) for field in (action.source, action.target))
    if source is None or target is None or not seen:
        return f"{field_name(action.target)} absent"
    ones = (1 << action.bits) - 1
    bits = (source >> action.source_offset & ones) << action.target_offset
    value = target & ~(ones << action.target_offset) | bits
    copy.write(action.target, value)
    return f"{field_name(action.target)}={value_text(action.target, value)}"
