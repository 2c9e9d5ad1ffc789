"""What is asked of one switch over one connection, each question with a number by which its answer is known."""

from __future__ import annotations

from ..compiler.rows import Action
from ..openflow import messages
from ..openflow.wire import Version
from .standing import Reading


class Questions:
    """Public attributes are for reading."""

    def __init__(self) -> None:
        self.version: Version | None = None
        """That of the connection; None while there is none."""
        self.probe_xid = 0
        """An error with this says that the switch knows no bundles."""
        self.ports_xid = 0
        self._xid = 0

    def begin(self, version: Version) -> list[bytes]:
        """A new connection: ask for the ports, whether there are bundles, and to be told of what others change."""
        self.version = version
        self.probe_xid, discard_xid, self.ports_xid = self.next_xids(1), self.next_xids(1), self.next_xids(1)
        ask = [messages.set_async(version, self.next_xids(1))] if version >= Version.OF14 else []
        return [
            *ask,
            messages.flow_monitor(version, self.next_xids(1)),
            messages.bundle_probe(version, 0, self.probe_xid, discard_xid),
            messages.all_ports(version, self.ports_xid),
        ]

    def end(self) -> None:
        """The connection is gone."""
        self.version = None

    def dump(self, version: Version, *, counting: bool = False) -> tuple[Reading, list[bytes]]:
        """Ask for all groups and rows; `counting`: to learn their counters as well."""
        reading = Reading(self.next_xids(1), self.next_xids(1), counting)
        ask_groups = messages.all_groups(version, reading.groups_xid)
        return reading, [ask_groups, messages.all_flows(version, reading.rows_xid)]

    def emptied(self, version: Version) -> list[bytes]:
        """Not a question: delete all that there is."""
        kinds = (messages.all_flows_delete, messages.all_groups_delete, messages.all_meters_delete)
        return [delete(version, self.next_xids(1)) for delete in kinds]

    def emitted(self, version: Version, actions: tuple[Action, ...], frame: bytes) -> list[bytes]:
        """Not a question either: do actions to a frame."""
        return [messages.packet_out(version, self.next_xids(1), actions, frame)]

    def next_xids(self, count: int) -> int:
        """The first of so many numbers in a row that were not used lately."""
        first = self._xid % 0x3FFFFFFF + 1
        self._xid = first + count - 1
        # The framework numbers its own messages from anywhere; ours have the top bit, and theirs are never asked for.
        return first | 0x80000000
