"""A System Manager in this process with real switches at the other ends of its sockets; no framework between."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable
from types import TracebackType

from dummy_fabric import DummyFabric
from memory_store import MemoryStore
from openflow_peer import PATIENCE_SECONDS, OpenFlowPeer

from ryu_vnet.managers import requests
from ryu_vnet.managers.system import System
from ryu_vnet.openflow.wire import Version
from ryu_vnet.schema import Intent


class DrivenSystem:
    """Has an intent, and brings it onto the switches of a fabric.

    with DrivenSystem(fabric, intent, Version.OF14) as driven:
        driven.settle()
    """

    def __init__(self, fabric: DummyFabric, intent: Intent, version: Version) -> None:
        self.version = version
        self._fabric = fabric
        self.peers = {name: OpenFlowPeer(version) for name in fabric.switches}
        self.system = System(MemoryStore(), self._send, time.monotonic)
        self.system.request(lambda work: requests.apply(work, intent))

    def __enter__(self) -> DrivenSystem:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for peer in self.peers.values():
            peer.__exit__(kind, error, trace)

    def settle(self) -> None:
        """Have all switches connect, and pass on what they say until each of them is in step."""
        for name, peer in self.peers.items():
            # One by one, but for the rest of the handshake: a switch that waits a second for our hello gives up.
            self._fabric.connect(peer.address, name)
            peer.greet()
        for name, peer in self.peers.items():
            peer.accept()
            self.system.switch_connected(name, self.version)
        self.follow()

    def follow(self, holds: Callable[[], object] = lambda: True) -> None:
        """Pass on what switches say until something holds, and each of them is in step."""
        while not (holds() and all(manager.in_step for manager in self.system.switches.values())):
            ready, _, _ = select.select([*self.peers.values()], [], [], PATIENCE_SECONDS)
            assert ready, [name for name, manager in self.system.switches.items() if not manager.in_step]
            for name, peer in self.peers.items():
                for message in peer.arrived() if peer in ready else ():
                    self.system.switch_message(name, message)

    def _send(self, name: str, chunks: Iterable[bytes]) -> None:
        self.peers[name].send(b"".join(chunks))
