"""The whole: every subject's rows, put together into one table per switch."""

from __future__ import annotations

from ..fabric.observed import Topology
from ..model.state import Member, Model
from .interface import interface_rows
from .network import network_rows
from .rows import Group, Row, SwitchTable
from .spread import Spread, spread
from .switch import switch_groups, switch_rows


def compile_tables(model: Model, topology: Topology) -> dict[str, SwitchTable]:
    """One table for each declared switch. The same model and topology give the same tables, whatever happened in
    between and in whatever order."""
    tables = {name: SwitchTable() for name in sorted(topology.fabric.switches)}
    for name, switch in sorted(topology.fabric.switches.items()):
        for group in switch_groups(switch, topology):
            tables[name].add_group(group)
        for row in switch_rows(switch, topology):
            tables[name].add(row)
    spreads: dict[str, Spread] = {}
    for network in model.networks():
        spreads[network.ref] = spread(network, model, topology)
        for name, part in network_rows(spreads[network.ref], model):
            _add(tables[name], part)
    for node in model.nodes():
        for interface in node.interfaces:
            network_ref = node.network_of(interface)
            its_spread = spreads.get(network_ref) if network_ref else None
            for name, row in interface_rows(Member(node, interface), its_spread, model, topology):
                tables[name].add(row)
    return tables


def _add(table: SwitchTable, part: Row | Group) -> None:
    if isinstance(part, Group):
        table.add_group(part)
    else:
        table.add(part)
