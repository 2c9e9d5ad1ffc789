"""What is asked of one switch over one connection, each question with a number by which its answer is known."""

from __future__ import annotations

from collections.abc import Sequence

from ..compiler.rows import Action
from ..openflow import messages
from ..openflow.messages import Connections
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
        self.counts_xid = 0
        self._xid = 0
        self._flushes: dict[int, tuple[str, int]] = {}
        """What is being forgotten: by the barrier behind that, with what asked for it if that must not be refused."""

    def begin(self, version: Version) -> list[bytes]:
        """A new connection: ask for the ports, whether there are bundles, and to be told of what others change."""
        self.version = version
        self._flushes.clear()
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
        """Ask for all meters, groups and rows; `counting`: to learn their counters as well."""
        reading = Reading(self.next_xids(1), self.next_xids(1), self.next_xids(1), counting)
        ask_meters = messages.all_meters(version, reading.meters_xid)
        ask_groups = messages.all_groups(version, reading.groups_xid)
        return reading, [ask_meters, ask_groups, messages.all_flows(version, reading.rows_xid)]

    def counted(self, version: Version) -> list[bytes]:
        """Ask what all meters have counted."""
        self.counts_xid = self.next_xids(1)
        return [messages.meter_counts(version, self.counts_xid)]

    def emptied(self, version: Version) -> list[bytes]:
        """Not a question: delete all that there is."""
        kinds = (messages.all_flows_delete, messages.all_groups_delete, messages.all_meters_delete)
        return [delete(version, self.next_xids(1)) for delete in kinds]

    def emitted(self, version: Version, actions: tuple[Action, ...], frame: bytes) -> list[bytes]:
        """Not a question either: do actions to a frame."""
        return [messages.packet_out(version, self.next_xids(1), actions, frame)]

    def flushed(self, version: Version, name: str, which: Sequence[Connections]) -> list[bytes]:
        """Not a question either: forget connections; a barrier behind it says when that is done."""
        first = self.next_xids(len(which) + 1)
        barrier = first + len(which)
        self._flushes[barrier] = name, first if which[0].is_whole else 0
        asked = [messages.flush(version, first + number, one) for number, one in enumerate(which)]
        return [*asked, messages.barrier(version, barrier)]

    def flush_refused(self, xid: int) -> None:
        """The switch has refused something: perhaps to forget a whole zone, which is then not done. (One before 3.1
        cannot forget some connections of a zone; these it keeps until their time is over, and is not asked again.)"""
        self._flushes = {barrier: known for barrier, known in self._flushes.items() if known[1] != xid}

    def flush_done(self, barrier: int) -> str | None:
        """What is forgotten now that a barrier is reached; None where that was for something else."""
        name, _ = self._flushes.pop(barrier, (None, 0))
        return name

    def next_xids(self, count: int) -> int:
        """The first of so many numbers in a row that were not used lately."""
        first = self._xid % 0x3FFFFFFF + 1
        self._xid = first + count - 1
        # The framework numbers its own messages from anywhere; ours have the top bit, and theirs are never asked for.
        return first | 0x80000000
