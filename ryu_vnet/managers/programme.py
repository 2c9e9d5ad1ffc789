"""What each switch is to hold, as bytes, kept up to date by increments."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeAlias

from ..compiler.compilation import Compilation, Unit
from ..compiler.pipeline import FIRST_PORT_GROUP, NETWORK_BITS
from ..compiler.rows import Origin, Subject, SwitchTable
from ..compiler.tables import everything
from ..fabric.declared import Fabric
from ..fabric.observed import Topology
from ..model.state import Model
from ..model.values import Value
from ..openflow.rows import decode_group, decode_row
from .difference import Before, Contents, Key
from .encoding import Encoder

Changes: TypeAlias = Iterable[tuple[Value | None, Value | None]]
"""Changed values: old and new, None for none."""


class Programme:
    """The contents of all switches. Public attributes are for reading; contents change by `update` alone, in place."""

    def __init__(self) -> None:
        self.contents: dict[str, Contents] = {}
        self.compilation = Compilation(Topology(Fabric(), {}))
        self._encoder = Encoder(self.compilation)
        self._given: dict[Unit, tuple[tuple[str, tuple[Key, ...]], ...]] = {}
        """What each unit contributes: keys by switch."""

    @property
    def topology(self) -> Topology:
        """The topology that the contents follow from."""
        return self.compilation.topology

    def load(self, model: Model, topology: Topology) -> None:
        """Compile everything, into a programme that is still empty."""
        stale = self.compilation.update(everything(model), topology)
        self._follow(topology.fabric)
        for unit in stale:
            self._put_first(unit)

    def update(self, changes: Changes, topology: Topology, switches: Collection[str] = ()) -> dict[str, Before]:
        """Take over what has changed (see `Compilation.update`).

        Returns, by switch, what stood there before under each key where something else stands now.

        Raises what cannot be compiled or encoded raises; then the programme is of no use any more: make a new one.
        """
        stale = self.compilation.update(changes, topology, switches)
        before: dict[str, Before] = {}
        for name in topology.fabric.switches.keys() - self.contents.keys():
            self.contents[name] = Contents()
        fresh = {unit: self._encode(unit) for unit in stale}
        # All that goes, before anything comes: a key may pass from one unit to another.
        for unit, by_switch in fresh.items():
            self._remove(unit, by_switch, before)
        for unit, by_switch in fresh.items():
            self._put(unit, by_switch, before)
        self._follow(topology.fabric)
        return {name: really for name, touched in before.items() if (really := self._really(name, touched))}

    def _follow(self, fabric: Fabric) -> None:
        """Have contents for just the switches that are declared."""
        for name in fabric.switches.keys() - self.contents.keys():
            self.contents[name] = Contents()
        for name in self.contents.keys() - fabric.switches.keys():
            del self.contents[name]

    def _really(self, name: str, touched: Before) -> Before:
        contents = self.contents.get(name)
        if contents is None:
            return {}
        return {key: value for key, value in touched.items() if contents.get(key) != value}

    def _encode(self, unit: Unit) -> dict[str, dict[Key, bytes]]:
        found = {}
        for name, encoded in self._encoder.encode(unit).items():
            rows = found[name] = dict(encoded)
            if len(rows) < len(encoded) and any(rows[key] != value for key, value in encoded):
                raise ValueError(f"{unit} has two rows for one key on switch {name}")
        return found

    def _put_first(self, unit: Unit) -> None:
        """Let a unit contribute for the first time; who knows what stood there before does not matter."""
        encoded = self._encoder.encode(unit)
        for name, parts in encoded.items():
            contents = self.contents[name]
            size = len(contents)
            for key, value in parts:
                if isinstance(key, bytes):
                    contents.rows[key] = value
                else:
                    contents.groups[key] = value
            if len(contents) != size + len(parts) and len(contents) != size + len({key for key, _ in parts}):
                raise ValueError(f"{unit} claims what is another's on switch {name}")
        if encoded:
            self._given[unit] = tuple((name, tuple([key for key, _ in parts])) for name, parts in encoded.items())

    def _remove(self, unit: Unit, by_switch: Mapping[str, Mapping[Key, bytes]], before: dict[str, Before]) -> None:
        """Remove what a unit contributed and contributes no more."""
        for name, keys in self._given.get(unit, ()):
            rows, contents = by_switch.get(name, {}), self.contents[name]
            touched = before.setdefault(name, {})
            for key in keys:
                if key not in rows:
                    touched.setdefault(key, contents.get(key))
                    contents.put(key, None)

    def _put(self, unit: Unit, by_switch: Mapping[str, Mapping[Key, bytes]], before: dict[str, Before]) -> None:
        """Let a unit contribute this, in place of what it did."""
        given = self._given.pop(unit, ())
        own = {name: set(keys) for name, keys in given}
        for name, rows in by_switch.items():
            contents, mine = self.contents[name], own.get(name, ())
            touched = before.setdefault(name, {})
            for key, value in rows.items():
                present = contents.get(key)
                if present is not None and key not in mine:
                    raise ValueError(f"{unit} claims {key!r} on switch {name}, which is another's")
                if present != value:
                    touched.setdefault(key, present)
                    contents.put(key, value)
        if by_switch:
            self._given[unit] = tuple((name, tuple(rows)) for name, rows in by_switch.items())


class Tables(Mapping[str, SwitchTable]):
    """The contents of all switches as values, for people, simulator and proof: each is decoded when it is asked for."""

    def __init__(self, programme: Programme) -> None:
        self._programme = programme

    def __getitem__(self, name: str) -> SwitchTable:
        contents = self._programme.contents[name]
        number = self._programme.topology.fabric.switches[name].number
        table = SwitchTable()
        for key, value in contents.rows.items():
            table.add(decode_row(key, value)[0])
        for group, value in contents.groups.items():
            table.add_group(decode_group(group, value, _origin_of_group(group, number)))
        return table

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._programme.contents))

    def __len__(self) -> int:
        return len(self._programme.contents)


def _origin_of_group(group: int, switch: int) -> Origin:
    """What one of our groups exists for; groups have no cookie."""
    if group >= FIRST_PORT_GROUP:
        return Origin(Subject.SWITCH, switch)
    return Origin(Subject.NETWORK, group & (1 << NETWORK_BITS) - 1)
