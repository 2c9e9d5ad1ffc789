"""A data centre for one test: a fabric, that of the figure unless told, as dummy bridges, and a controller process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from controller_process import ControllerProcess
from dummy_fabric import DummyFabric, wait_until
from openflow_peer import OpenFlowPeer
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.client import Answer, Client
from ryu_vnet.managers.difference import Contents
from ryu_vnet.managers.system import System
from ryu_vnet.openflow.wire import Version
from ryu_vnet.schema import Intent
from ryu_vnet.store.sqlite import SqliteStore
from ryu_vnet.verify import frames
from ryu_vnet.verify.frames import Link

FIGURE = Path(__file__).parents[2] / "topologies" / "figure.yaml"
PATIENCE_SECONDS = 60.0
ECHO = frames.ipv4_echo(Link(0x02_00_00_00_01_02, 0x02_00_00_00_03_01), "10.0.0.12", "10.0.0.31").to_bytes()
"""From vm1.2 to vm3.1, over two segments of the figure."""

Json = dict[str, Any]


def figure() -> Json:
    """The intent of the figure, as plain values."""
    loaded: Json = yaml.safe_load(FIGURE.read_text())
    return loaded


class DataCentre:
    """Bridges, controller and client. The bridges are not connected and nothing is declared yet.

    with DataCentre("ryu", tmp_path) as centre:
        centre.bring_up()
    """

    def __init__(
        self, framework: str, folder: Path, *, absent: tuple[str, ...] = (), intent: Json | None = None
    ) -> None:
        self.intent = figure() if intent is None else intent
        self._folder = folder
        self._framework = framework
        self._absent = absent
        self._stack = ExitStack()

    def __enter__(self) -> DataCentre:
        try:
            self.ovs = self._stack.enter_context(DummyOvs(self._folder / "ovs"))
            self.fabric = DummyFabric(self.ovs, Intent.model_validate(self.intent), self._absent)
            settings = {"VNET_OVSDB": self.ovs.database}
            self.controller = ControllerProcess(self._framework, self._folder, settings)
            self._stack.enter_context(self.controller)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def client(self) -> Client:
        return self.controller.client

    def bring_up(self) -> Answer:
        """Connect all switches and apply the figure; everything is realised."""
        self.fabric.connect(self.controller.target)
        answer = self.client.apply(self.intent, wait=PATIENCE_SECONDS)
        assert answer.realised, answer.pending
        self.wait_in_step()
        return answer

    def add_ports(self, places: Iterable[str]) -> None:
        """Give switches more ports, each `switch:port`."""
        command: list[str] = []
        for place in places:
            switch, _, port = place.partition(":")
            command += ["--", "add-port", switch, port, "--", "set", "interface", port, "type=dummy"]
        self.ovs.vsctl(*command)

    def wait_in_step(self, *names: str) -> None:
        """Wait until these switches, or all, are known to hold what they are to hold."""
        wanted = names or tuple(self.fabric.switches)
        self.wait(lambda: all(self.client.switch(name)["realised"] for name in wanted), f"{wanted} in step")

    def wait(self, holds: Callable[[], object], what: str) -> None:
        """Wait until something holds that the controller is asked about."""
        wait_until(holds, what, PATIENCE_SECONDS, pause=0.05)

    def switch_off(self, name: str) -> None:
        """Let a switch lose its controller; its tables stay."""
        self.fabric.redirect(name, "tcp:127.0.0.1:1")
        self.wait(lambda: self.client.switch(name)["state"] == "away", f"{name} is away")

    def switch_on(self, name: str) -> None:
        """Let it find its controller again."""
        self.fabric.redirect(name, self.controller.target)

    # --- what is on the switches ------------------------------------------------------------------------------------

    def contents(self, name: str) -> Contents:
        """The rows, groups and meters of a switch, asked from it by ourselves."""
        with OpenFlowPeer(Version.OF14) as peer:
            peer.dial(self.ovs.folder / f"{name}.mgmt")
            return Contents(peer.dump_rows(), peer.dump_groups(), peer.dump_meters())

    def compiled(self) -> dict[str, Contents]:
        """What each switch is to have by a System Manager that was made from the store alone."""
        copy = self._folder / "copy.db"
        copy.unlink(missing_ok=True)
        with closing(sqlite3.connect(self.controller.store)) as live, closing(sqlite3.connect(copy)) as target:
            live.backup(target)
        with SqliteStore(copy) as store:
            switches = System(store, lambda name, messages: None, lambda: 0.0).switches
            return {name: manager.wanted for name, manager in switches.items()}

    def check_tables(self, *but: str) -> None:
        """Every switch but those named has exactly what is compiled from the store."""
        for name, contents in self.compiled().items():
            if name not in but:
                assert self.contents(name) == contents, name
