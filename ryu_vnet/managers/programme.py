"""What each switch is to hold, as bytes, kept up to date by increments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping

from ..compiler.compilation import Changes, Compilation
from ..compiler.pipeline import FIRST_PORT_GROUP, NETWORK_BITS
from ..compiler.rows import Origin, Subject, SwitchTable
from ..compiler.tables import everything
from ..compiler.units import Kind, Unit
from ..fabric.declared import Fabric
from ..fabric.observed import Topology
from ..model.state import Model
from ..openflow.meters import MeterKey, decode_meter
from ..openflow.rows import decode_group, decode_row
from .difference import Before, Contents, Key
from .encoding import Encoder, Rows

_ROWS_ONLY = (Kind.LOCAL, Kind.ARRIVAL, Kind.ADDRESS, Kind.SHADOW, Kind.CLASS, Kind.CHOICE, Kind.PICK)
"""Kinds of units that have no groups, and no meters but of interfaces."""
_UNITS_AT_ONCE = 1000
"""So many are compiled between two pauses: some 25 ms."""


class Programme:
    """The contents of all switches. Public attributes are for reading; contents change by `update` alone, in place."""

    def __init__(self) -> None:
        self.contents: dict[str, Contents] = {}
        self.compilation = Compilation(Topology(Fabric(), {}))
        self._encoder = Encoder(self.compilation)
        self._given: dict[Unit, tuple[tuple[str, tuple[Key, ...]], ...]] = {}
        """What each unit contributes: keys by switch."""
        self._sharing: Counter[tuple[str, MeterKey]] = Counter()
        """How many units name each meter of a switch."""

    @property
    def topology(self) -> Topology:
        """The topology that the contents follow from."""
        return self.compilation.topology

    def load(self, model: Model, topology: Topology, pause: Callable[[], None] = lambda: None) -> None:
        """Compile everything, into a programme that is still empty. Every now and then `pause` is called."""
        stale = self.compilation.update(everything(model), topology)
        self._have(topology.fabric)
        for done, unit in enumerate(stale):
            self._put_first(unit)
            if done % _UNITS_AT_ONCE == 0:
                pause()

    def update(self, changes: Changes, topology: Topology, switches: Collection[str] = ()) -> dict[str, Before]:
        """Take over what has changed (see `Compilation.update`).

        Returns, by switch, what stood there before under each key where something else stands now.

        Raises what cannot be compiled or encoded raises; then the programme is of no use any more: make a new one.
        """
        is_declared_anew = topology.fabric is not self.topology.fabric
        stale = self.compilation.update(changes, topology, switches)
        if is_declared_anew:
            self._have(topology.fabric)
        fresh = {unit: self._encoder.encode(unit) for unit in stale}
        before: dict[str, Before] = {}
        # All that goes, before anything comes: a key may pass from one unit to another.
        for unit, by_switch in fresh.items():
            self._remove(unit, by_switch, before)
        for unit, by_switch in fresh.items():
            self._put(unit, by_switch, before)
        if is_declared_anew:
            self._have_only(topology.fabric)
        return {name: really for name, touched in before.items() if (really := self._really(name, touched))}

    def _have(self, fabric: Fabric) -> None:
        """Have contents for the switches that are declared."""
        for name in fabric.switches.keys() - self.contents.keys():
            self.contents[name] = Contents()

    def _have_only(self, fabric: Fabric) -> None:
        """Have none for others, to which nothing contributes any more."""
        for name in self.contents.keys() - fabric.switches.keys():
            del self.contents[name]

    def _really(self, name: str, touched: Before) -> Before:
        contents = self.contents.get(name)
        if contents is None:
            return {}
        rows = contents.rows
        return {
            key: value
            for key, value in touched.items()
            if (rows.get(key) if isinstance(key, bytes) else contents.get(key)) != value
        }

    def _put_first(self, unit: Unit) -> None:
        """Let a unit contribute for the first time; who knows what stood there before does not matter."""
        by_switch = self._encoder.encode(unit)
        for name, rows in by_switch.items():
            contents = self.contents[name]
            if unit.kind in _ROWS_ONLY and not _has_meters(rows):
                wanted = len(contents.rows) + len(rows)
                contents.rows.update(rows)  # type: ignore[arg-type]
                is_alone = len(contents.rows) == wanted
            else:
                is_alone = all(self._is_free(name, key, value) for key, value in rows.items())
                for key, value in rows.items():
                    contents.put(key, value)
                    self._share(name, key, 1)
            if not is_alone:
                raise ValueError(f"{unit} claims what is another's on switch {name}")
        if by_switch:
            self._given[unit] = tuple([(name, tuple(rows)) for name, rows in by_switch.items()])

    def _is_free(self, name: str, key: Key, value: bytes) -> bool:
        """Whether a unit may contribute this for the first time. A meter is everybody's who names it, and the same."""
        present = self.contents[name].get(key)
        return present is None or (isinstance(key, MeterKey) and present == value)

    def _share(self, name: str, key: Key, more: int) -> bool:
        """One more unit contributes something, or one less. Returns whether any does."""
        if not isinstance(key, MeterKey):
            return more > 0
        self._sharing[name, key] += more
        if self._sharing[name, key]:
            return True
        del self._sharing[name, key]
        return False

    def _remove(self, unit: Unit, by_switch: Mapping[str, Rows], before: dict[str, Before]) -> None:
        """Remove what a unit contributed and contributes no more."""
        for name, keys in self._given.get(unit, ()):
            rows, contents = by_switch.get(name, {}), self.contents[name]
            gone = [key for key in keys if key not in rows and not self._share(name, key, -1)]
            if gone:
                touched = before.setdefault(name, {})
                for key in gone:
                    touched[key] = contents.get(key)
                    contents.put(key, None)

    def _put(self, unit: Unit, by_switch: Mapping[str, Rows], before: dict[str, Before]) -> None:
        """Let a unit contribute this, in place of what it did."""
        own = dict(self._given.pop(unit, ()))
        for name, rows in by_switch.items():
            contents, mine = self.contents[name], own.get(name, ())
            touched = before.setdefault(name, {})
            if unit.kind in _ROWS_ONLY and not mine and not _has_meters(rows) and contents.rows.keys().isdisjoint(rows):
                # As most are: all of it is new, or was another's who has just given it up.
                is_new = touched.keys().isdisjoint(rows)
                touched.update(dict.fromkeys(rows if is_new else [key for key in rows if key not in touched]))
                contents.rows.update(rows)  # type: ignore[arg-type]
                continue
            for key, value in rows.items():
                present = contents.get(key)
                if key not in mine:
                    self._share(name, key, 1)
                    if present is not None and not isinstance(key, MeterKey):
                        raise ValueError(f"{unit} claims {key!r} on switch {name}, which is another's")
                if present != value:
                    touched.setdefault(key, present)
                    contents.put(key, value)
        if by_switch:
            self._given[unit] = tuple([(name, tuple(rows)) for name, rows in by_switch.items()])


def _has_meters(rows: Rows) -> bool:
    # They are put in behind the rows, where interfaces have them.
    return bool(rows) and isinstance(next(reversed(rows)), MeterKey)


class Tables(Mapping[str, SwitchTable]):
    """The contents of all switches as values, for people, simulator and proof: each is decoded when it is first asked
    for, and then stays as it was."""

    def __init__(self, programme: Programme) -> None:
        self._programme = programme
        self._decoded: dict[str, SwitchTable] = {}

    def __getitem__(self, name: str) -> SwitchTable:
        if name not in self._decoded:
            self._decoded[name] = self._decode(name)
        return self._decoded[name]

    def _decode(self, name: str) -> SwitchTable:
        contents = self._programme.contents[name]
        number = self._programme.topology.fabric.switches[name].number
        table = SwitchTable()
        for key, value in contents.rows.items():
            table.add(decode_row(key, value)[0])
        for group, value in contents.groups.items():
            table.add_group(decode_group(group, value, origin_of_group(group, number)))
        for (meter,), value in contents.meters.items():
            table.add_meter(decode_meter(meter, value))
        return table

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._programme.contents))

    def __len__(self) -> int:
        return len(self._programme.contents)


def origin_of_group(group: int, switch: int) -> Origin:
    """What one of our groups exists for; groups have no cookie."""
    if group >= FIRST_PORT_GROUP:
        return Origin(Subject.SWITCH, switch)
    return Origin(Subject.NETWORK, group & (1 << NETWORK_BITS) - 1)
