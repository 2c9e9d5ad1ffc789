"""Finding the row that a packet matches: a hash table per shape of match, as Open vSwitch's classifier has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..compiler.fields import FIELDS, PACKET_TYPE, Field
from ..compiler.rows import FieldMatch, Match, PacketType, Row

_ETHERNET_ONLY = FieldMatch(PACKET_TYPE, PacketType.ETHERNET.value)
_OF_ANY_PACKET = frozenset(
    field.name
    for field in FIELDS
    if field.name in ("packet_type", "in_port", "ct_state") or field.name.startswith(("reg", "tun_"))
)
"""Fields that say nothing of the packet. A row that matches on any other field, and names no packet type, matches
Ethernet alone; one that does not matches packets of every type (measured; ovs-fields(7) has the first half)."""


@dataclass(slots=True)
class _Shape:
    """The rows of one table that look at the same bits, by the value of those bits; the highest of equals."""

    masks: tuple[tuple[Field, int], ...]
    top: int = 0
    rows: dict[tuple[int, ...], Row] = field(default_factory=dict)

    def find(self, read: Callable[[Field], int | None]) -> Row | None:
        values: list[int] = []
        for column, mask in self.masks:
            value = read(column)
            if value is None:
                return None
            values.append(value & mask)
        return self.rows.get(tuple(values))


class RowIndex:
    """The rows of one switch, ready to be looked up. Costs one dictionary access per shape of match."""

    def __init__(self, rows: Iterable[Row]) -> None:
        tables: dict[int, dict[tuple[tuple[Field, int], ...], _Shape]] = {}
        for row in rows:
            conditions = _with_packet_type(row.match)
            masks = tuple((item.field, item.field.ones if item.mask is None else item.mask) for item in conditions)
            shape = tables.setdefault(row.table, {}).setdefault(masks, _Shape(masks))
            values = tuple(item.value for item in conditions)
            present = shape.rows.get(values)
            if present is None or present.priority < row.priority:
                shape.rows[values] = row
            shape.top = max(shape.top, row.priority)
        self._tables = {
            table: sorted(shapes.values(), key=lambda shape: -shape.top) for table, shapes in tables.items()
        }

    def find(self, table: int, read: Callable[[Field], int | None]) -> Row | None:
        """The matching row of the highest priority, or None. `read` gives a field's value, None where it is absent.

        Between two rows of one priority that both match, a switch may choose either; so may this.
        """
        best: Row | None = None
        for shape in self._tables.get(table, ()):
            if best is not None and best.priority >= shape.top:
                break
            found = shape.find(read)
            if found is not None and (best is None or found.priority > best.priority):
                best = found
        return best


def _with_packet_type(match: Match) -> Match:
    names = {condition.field.name for condition in match}
    return match if PACKET_TYPE.name in names or names <= _OF_ANY_PACKET else (_ETHERNET_ONLY, *match)
