"""A System Manager in this process that dials the switches of a fabric, listens to all of them at once, and writes down
what it sends to which.

with DialledSystem(fabric, intent) as dialled:
    dialled.connect()
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from dummy_fabric import DummyFabric
from interposed import is_bundle_add
from memory_store import MemoryStore
from openflow_peer import OpenFlowPeer

from ryu_vnet.managers import requests
from ryu_vnet.managers.requests import Work
from ryu_vnet.managers.system import Answer, System
from ryu_vnet.openflow import replies
from ryu_vnet.openflow.wire import MessageType, Multipart, Version
from ryu_vnet.schema import Intent

PATIENCE_SECONDS = 20.0
QUIET_SECONDS = 0.2
"""So long nothing must have come for all to have been said that is going to be."""
_ADD, _DELETE_STRICT = 0, 4
_GROUP_COMMANDS = ("add", "change", "remove")


@dataclass(frozen=True)
class Event:
    """A change was sent to a switch, which does some of add, change, remove; or none: the switch has acknowledged."""

    switch: str
    does: frozenset[str]


class DialledSystem:
    """`through` has other sockets than a bridge's own, where something stands between."""

    def __init__(
        self,
        fabric: DummyFabric,
        intent: Intent,
        version: Version = Version.OF14,
        through: dict[str, Path] | None = None,
    ) -> None:
        self.version = version
        self.peers = {name: OpenFlowPeer(version) for name in fabric.switches}
        self.log: list[Event] = []
        """What was sent and acknowledged since the last request."""
        self.now: float | None = None
        """The time that the System Manager is told, where it is not the real one."""
        self.system = System(MemoryStore(), self._send, self._clock, lambda job: self._jobs.append(job))
        self._paths = {name: fabric.ovs.folder / f"{name}.mgmt" for name in fabric.switches} | (through or {})
        self._jobs: list[Callable[[], None]] = []
        self._keys: dict[str, set[bytes]] = {name: set() for name in fabric.switches}
        self.system.request(lambda work: requests.apply(work, intent))

    def __enter__(self) -> DialledSystem:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for peer in self.peers.values():
            peer.__exit__(kind, error, trace)

    def _clock(self) -> float:
        return time.monotonic() if self.now is None else self.now

    def connect(self) -> None:
        """Dial all switches, and wait until all is as it is to be."""
        for name, peer in self.peers.items():
            peer.dial(self._paths[name])
            self.system.switch_connected(name, self.version)
        self.pump(lambda: not self.system.pending())
        self.pump_until_quiet()

    def request(self, edit: Callable[[Work], None]) -> Answer:
        """A request, and nothing of its answers yet."""
        self.log.clear()
        return self.system.request(edit)

    def pump(self, until: Callable[[], bool]) -> None:
        """Pass on what switches say until something holds. Raises TimeoutError."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not until():
            if not self._listen(max(deadline - time.monotonic(), 0)):
                raise TimeoutError(f"{self.system.pending()} are late; so far {self.log}")

    def pump_until_quiet(self) -> None:
        """Pass on what switches say until they say nothing any more."""
        while self._listen(QUIET_SECONDS):
            pass

    def _listen(self, seconds: float) -> bool:
        """Take in what comes first, and do what is to be done soon. Returns whether anything came."""
        ready: list[OpenFlowPeer] = select.select([*self.peers.values()], [], [], 0 if self._jobs else seconds)[0]
        names = {id(peer): name for name, peer in self.peers.items()}
        for peer in ready:
            for message in peer.arrived():
                if message[1] == MessageType.BARRIER_REPLY:
                    self.log.append(Event(names[id(peer)], frozenset()))
                self._keys[names[id(peer)]].update(_told_keys(message))
                self.system.switch_message(names[id(peer)], message)
        jobs, self._jobs = self._jobs, []
        for job in jobs:
            job()
        return bool(ready or jobs)

    def _send(self, name: str, chunks: Iterable[bytes]) -> None:
        data = b"".join(chunks)
        does = frozenset(self._read(name, replies.split(data)[0]))
        if does:
            self.log.append(Event(name, does))
        self.peers[name].send(data)

    def _read(self, name: str, messages: list[bytes]) -> Iterable[str]:
        """What messages do to a switch, taken apart here and not by the product."""
        held = self._keys[name]
        for message in messages:
            inner = message[16:] if is_bundle_add(message) and self.version == Version.OF14 else message
            if inner[1] == MessageType.GROUP_MOD:
                yield _GROUP_COMMANDS[int.from_bytes(inner[8:10], "big")]
            elif inner[1] == MessageType.FLOW_MOD:
                # Table, priority and match: 7.3.4.1.
                key = inner[24:25] + inner[30:32] + inner[48 : 48 + (int.from_bytes(inner[50:52], "big") + 7 & ~7)]
                if inner[25] == _DELETE_STRICT:
                    held.discard(key)
                    yield "remove"
                else:
                    yield "change" if key in held else "add"
                    held.add(key)


def _told_keys(message: bytes) -> Iterator[bytes]:
    """Table, priority and match of each row that a switch tells of in a dump (OpenFlow 1.4.1, 7.3.5.2): it may hold
    some from an earlier life."""
    at = 16
    while message[1] == MessageType.MULTIPART_REPLY and message[9] == Multipart.FLOW and at < len(message):
        match = message[at + 48 : at + 48 + (int.from_bytes(message[at + 50 : at + 52], "big") + 7 & ~7)]
        yield message[at + 2 : at + 3] + message[at + 12 : at + 14] + match
        at += int.from_bytes(message[at : at + 2], "big")
