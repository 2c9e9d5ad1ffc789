"""OVN's centre: northbound and southbound database, and the daemon between them (ovn-architecture(7))."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .ovn_children import Children, stopping, wait_until
from .ovn_database import Database, Operation
from .ovn_layout import PortPlan

SCHEMAS = Path(shutil.which("ovn-northd") or "/usr/bin/ovn-northd").parents[1] / "share" / "ovn"
"""Beside the programs, wherever the package is: installed, or only unpacked."""


class Central:
    """The northbound and the southbound database in a folder, ovn-northd, and a connection to the first."""

    def __init__(self, folder: Path) -> None:
        self._children = Children(folder)
        self._switches: dict[int, str] = {}
        self._ports: dict[str, str] = {}

    @property
    def southbound(self) -> str:
        """Where the southbound database listens, as an OVS connection string."""
        return f"unix:{self._children.folder / 'sb.sock'}"

    def start(self) -> None:
        """Start the three. Raises RuntimeError where one does not come up."""
        folder = self._children.folder
        folder.mkdir(parents=True, exist_ok=True)
        with stopping(self._children) as children:
            for side in ("nb", "sb"):
                database, socket = folder / f"{side}.db", folder / f"{side}.sock"
                children.run("ovsdb-tool", "create", str(database), str(SCHEMAS / f"ovn-{side}.ovsschema"))
                children.spawn("ovsdb-server", str(database), f"--remote=punix:{socket}", name=side, ready=socket)
                children.run(f"ovn-{side}ctl", f"--db=unix:{socket}", "--no-leader-only", "init")
            children.spawn("ovn-northd", f"--ovnnb-db=unix:{folder / 'nb.sock'}", f"--ovnsb-db={self.southbound}")
            self._north = Database(folder / "nb.sock", "OVN_Northbound", ("NB_Global", "hv_cfg"))
            self._south = Database(folder / "sb.sock", "OVN_Southbound")

    def stop(self) -> None:
        """Stop all of it."""
        for name in ("_north", "_south"):
            if (database := getattr(self, name, None)) is not None:
                database.close()
        self._children.stop()

    def wait_for_chassis(self, count: int) -> None:
        """Wait until so many chassis have registered. Without them, `realise` would wait for nobody."""
        select = {"op": "select", "table": "Chassis", "where": [], "columns": ["name"]}
        wait_until(lambda: len(self._south.transact(select)[0]["rows"]) == count, f"{count} chassis registered")

    def wait_until_bound(self, count: int) -> None:
        """Wait until so many ports are bound to a chassis and reported up by it."""
        select = {"op": "select", "table": "Port_Binding", "where": [["up", "==", True]], "columns": ["_uuid"]}
        wait_until(lambda: len(self._south.transact(select)[0]["rows"]) >= count, f"{count} ports up", 120.0)

    def create_networks(self, numbers: Iterable[int]) -> None:
        """Create logical switches, where they are not there yet."""
        missing = sorted(set(numbers) - self._switches.keys())
        rows = [{"op": "insert", "table": "Logical_Switch", "row": {"name": f"network{number}"}} for number in missing]
        for number, result in zip(missing, self._north.transact(*rows), strict=True):
            self._switches[number] = result["uuid"][1]

    def add_ports(self, ports: Sequence[PortPlan]) -> None:
        """Add ports to their networks in one transaction, and return when all chassis have realised them.

        It is what `ovn-nbctl --wait=hv lsp-add … -- lsp-set-addresses … -- lsp-set-port-security …` does: the same
        rows, `nb_cfg` one higher, and a wait until `hv_cfg` has come to that.
        """
        operations: list[Operation] = []
        for number, port in enumerate(ports):
            row = {"name": port.name, "addresses": port.addresses, "port_security": port.addresses}
            identifier = f"port{number}"
            operations.append({"op": "insert", "table": "Logical_Switch_Port", "uuid-name": identifier, "row": row})
            operations.append(self._mutate_ports(port.network, "insert", ["named-uuid", identifier]))
        results = self._realise(operations)
        for number, port in enumerate(ports):
            self._ports[port.name] = results[2 * number]["uuid"][1]

    def remove_ports(self, ports: Sequence[PortPlan]) -> None:
        """Remove ports (`ovn-nbctl --wait=hv lsp-del …`), and return when no chassis has anything of them."""
        self._realise(
            [self._mutate_ports(port.network, "delete", ["uuid", self._ports.pop(port.name)]) for port in ports]
        )

    def sync(self) -> None:
        """Return when all chassis have realised what the northbound database says (`ovn-nbctl --wait=hv sync`)."""
        self._realise([])

    def _realise(self, operations: list[Operation]) -> list[Any]:
        raised = {"op": "mutate", "table": "NB_Global", "where": [], "mutations": [["nb_cfg", "+=", 1]]}
        asked = {"op": "select", "table": "NB_Global", "where": [], "columns": ["nb_cfg"]}
        results = self._north.transact(*operations, raised, asked)
        self._north.wait_for_counter(results[-1]["rows"][0]["nb_cfg"])
        return results

    def _mutate_ports(self, network: int, mutator: str, reference: list[str]) -> Operation:
        where = [["_uuid", "==", ["uuid", self._switches[network]]]]
        mutations = [["ports", mutator, ["set", [reference]]]]
        return {"op": "mutate", "table": "Logical_Switch", "where": where, "mutations": mutations}
