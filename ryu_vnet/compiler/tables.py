"""The whole: every unit's rows, compiled from nothing and put together into one table per switch."""

from __future__ import annotations

from collections.abc import Iterable

from ..fabric.declared import Fabric
from ..fabric.observed import Topology
from ..model.state import Model
from ..model.values import Value
from .compilation import Compilation
from .rows import Group, MeterBand, SwitchTable


def compile_tables(model: Model, topology: Topology) -> dict[str, SwitchTable]:
    """One table for each declared switch. The same model and topology give the same tables, whatever happened in
    between and in whatever order."""
    tables = {name: SwitchTable() for name in sorted(topology.fabric.switches)}
    compilation = Compilation(Topology(Fabric(), {}))
    compilation.update(everything(model), topology)
    for unit in compilation.units():
        for name, part in compilation.parts(unit):
            if isinstance(part, Group):
                tables[name].add_group(part)
            elif isinstance(part, MeterBand):
                tables[name].add_meter(part)
            else:
                tables[name].add(part)
    return tables


def everything(model: Model) -> Iterable[tuple[Value | None, Value | None]]:
    """All values of a model as changes."""
    return ((None, value) for value in model.values())
