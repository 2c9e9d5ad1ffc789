"""A hypervisor of OVN: an Open vSwitch of its own and the ovn-controller that programs it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from .ovn_children import START_SECONDS, Child, Children, stopping
from .ovsdb import ACCESS_PEER, ACCESS_TYPE

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
BRIDGE = "br-int"
INTERFACES_A_CALL = 500
"""One command line of ovs-vsctl stays well below the kernel's 2 MB."""

AGGREGATE = re.compile(r"flow_count=(\d+)")
TABLES = re.compile(r"tables? (\d+)(?:\.\.\.(\d+))?:(?: ditto|\s+active=(\d+))")
"""`table 8:` and on the next line `active=6, …`; `tables 2...7: ditto` are six tables like the one before."""
DURATION = re.compile(r"duration=([\d.]+)s")


class Chassis:
    """ovsdb-server, ovs-vswitchd and ovn-controller in a folder, in the network namespace of that path if any.

    `datapath` is `dummy` (no frame ever moves; any number of ports costs nothing) or `netdev`, the userspace data
    path. `address` is where other chassis tunnel to, and `options` are further `external_ids` of Open_vSwitch
    (ovn-controller(8)).
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        southbound: str,
        address: str,
        *,
        datapath: str = "dummy",
        namespace: Path | None = None,
        options: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        self._children = Children(folder, namespace)
        self._datapath = datapath
        self._settings = {
            "system-id": name,
            "ovn-remote": southbound,
            "ovn-encap-type": "geneve",
            "ovn-encap-ip": address,
            "ovn-bridge-datapath-type": datapath,
            **(options or {}),
        }
        self._controller: Child | None = None

    def start(self) -> None:
        """Start Open vSwitch with an empty integration bridge, no controller yet."""
        folder = self._children.folder
        folder.mkdir(parents=True, exist_ok=True)
        database, socket = folder / "conf.db", folder / "db.sock"
        with stopping(self._children) as children:
            children.run("ovsdb-tool", "create", str(database), str(SCHEMA))
            children.spawn("ovsdb-server", str(database), f"--remote=punix:{socket}", ready=socket)
            self.vsctl("--no-wait", "init")
            # Dummy interfaces are known to both; only one data path is replaced by the dummy one.
            dummy = "--enable-dummy=override" if self._datapath == "dummy" else "--enable-dummy"
            children.spawn("ovs-vswitchd", f"unix:{socket}", "--disable-system", dummy)
            settings = [f"external_ids:{key}={value}" for key, value in sorted(self._settings.items())]
            self.vsctl("set", "Open_vSwitch", ".", *settings)
            bridge = [f"datapath_type={self._datapath}", "fail_mode=secure"]
            self.vsctl("add-br", BRIDGE, "--", "set", "Bridge", BRIDGE, *bridge)

    def start_controller(self) -> None:
        """Start ovn-controller."""
        socket = self._children.folder / "db.sock"
        self._controller = self._children.spawn("ovn-controller", f"unix:{socket}")

    def end_controller(self, *, crash: bool) -> None:
        """End ovn-controller: as a crash would, or as its packages do for an upgrade (`exit --restart`, which leaves
        its registration and its rows where they are)."""
        controller, self._controller = self._controller, None
        if controller is None:
            raise RuntimeError(f"no ovn-controller runs on {self.name}")
        if not crash:
            self._children.appctl(controller, "exit", "--restart")
            controller.process.wait(START_SECONDS)
        self._children.end(controller, crash=crash)

    def stop(self) -> None:
        """Stop all of it."""
        self._children.stop()

    def vsctl(self, *arguments: str) -> str:
        """Run ovs-vsctl; it waits until the switch has done what was asked, unless told otherwise."""
        return self._children.run("ovs-vsctl", f"--db=unix:{self._children.folder / 'db.sock'}", *arguments)

    def add_interfaces(self, names: Sequence[str]) -> None:
        """Plug interfaces into the integration bridge, each with its name as OVN's iface-id. Over a dummy data path
        they are of the same kind as the access ports of our own bridges (`ovsdb.ACCESS_PORT`)."""
        no_device = [f"type={ACCESS_TYPE}", f"options:peer={ACCESS_PEER}"]
        kind = no_device if self._datapath == "dummy" else ["type=dummy"]
        for part in _parts(names, INTERFACES_A_CALL):
            command: list[str] = []
            for name in part:
                command += ["--", "add-port", BRIDGE, name]
                command += ["--", "set", "Interface", name, *kind, f"external_ids:iface-id={name}"]
            self.vsctl(*command)

    def rows(self) -> int:
        """How many rows the integration bridge has now (ovs-ofctl(8), dump-aggregate)."""
        answer = self._ofctl("dump-aggregate")
        found = AGGREGATE.search(answer)
        if found is None:
            raise RuntimeError(f"not understood: {answer!r}")
        return int(found[1])

    def rows_at_a_glance(self) -> int:
        """The same from the sizes of the tables (dump-tables): some milliseconds, however many rows there are. The
        switch counts for `rows` by visiting each row, and does nothing else meanwhile."""
        total = active = 0
        for found in TABLES.finditer(self._ofctl("dump-tables")):
            first, last = int(found[1]), int(found[2] or found[1])
            active = int(found[3]) if found[3] else active
            total += active * (last - first + 1)
        return total

    def rows_younger_than(self, seconds: float) -> int:
        """How many rows were put there less than so many seconds ago, by the age that the switch gives for each."""
        return sum(float(found[1]) < seconds for found in DURATION.finditer(self._ofctl("dump-flows")))

    def _ofctl(self, command: str) -> str:
        return self._children.run("ovs-ofctl", "--protocols=OpenFlow15", command, BRIDGE)


def _parts(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]
