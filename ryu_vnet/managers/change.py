"""One change that is on its way to a switch: its steps, and what the switch has said of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from ..openflow import changes, messages
from ..openflow.changes import Kind, Step
from ..openflow.meters import MeterKey
from ..openflow.monitor import told
from ..openflow.wire import Version
from .difference import Before, Key

XIDS = 3
"""How many a change needs besides those of its steps."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A step that the switch refused, and why."""

    step: Step
    reason: str


@dataclass(slots=True)
class Change:
    """A bundle, or the same as single messages, and a barrier behind it.

    The first step has the xid `first_xid`, the next one more, and so on. `off` is what the switch had instead when
    the steps were made.
    """

    steps: list[Step]
    off: Before
    first_xid: int
    bundled: bool
    revision: int
    serial: int
    committed: bool = False
    """The switch has done all but what it `refused`."""
    failed: str | None = None
    """Why it has not done the bundle, or not all of it."""
    refused: dict[int, str] = field(default_factory=dict)
    """Why which steps were refused, by index."""
    _settled: set[int] = field(default_factory=set)
    """Of single messages, which were done, as the flow monitor tells."""
    _overtaken: set[Key] = field(default_factory=set)
    """What others have changed meanwhile."""
    _results: dict[Key, bytes] = field(default_factory=dict)

    @property
    def open_xid(self) -> int:
        return self.first_xid + len(self.steps)

    @property
    def commit_xid(self) -> int:
        return self.open_xid + 1

    @property
    def barrier_xid(self) -> int:
        return self.open_xid + 2

    def encoded(self, version: Version, number: int) -> Iterable[bytes]:
        """The whole as it is sent, in chunks, made while it is sent; `number` is the bundle's. Meters go ahead."""
        if self.bundled:
            ahead = len([*self._ahead()])
            yield from changes.plain(version, self.steps[:ahead], self.first_xid)
            steps = self.steps[ahead:] if ahead else self.steps
            yield from changes.bundle(version, number, steps, self.first_xid + ahead, self.open_xid, self.commit_xid)
        else:
            yield from changes.plain(version, self.steps, self.first_xid)
        yield messages.barrier(version, self.barrier_xid)

    def _ahead(self) -> Iterator[Step]:
        """The steps that no bundle takes; they come first."""
        return takewhile(lambda step: step[0] in changes.METERS, self.steps)

    def error(self, xid: int, reason: str) -> None:
        """Take a refusal to heart, if it is of this change."""
        index = xid - self.first_xid
        if 0 <= index < len(self.steps):
            self.refused[index] = reason
        elif self.bundled and xid in (self.open_xid, self.commit_xid):
            self.failed = self.failed or reason

    # --- what the flow monitor tells meanwhile ----------------------------------------------------------------------

    def abbreviated(self, xid: int) -> Iterator[Step]:
        """The step that was done, where the flow monitor tells so of a single message of ours."""
        index = xid - self.first_xid
        if not self.bundled and 0 <= index < len(self.steps):
            self._settled.add(index)
            yield self.steps[index]

    def explains(self, key: bytes, value: bytes | None) -> bool:
        """Whether a row that has become this, as the flow monitor tells, is our own doing.

        It tells our changes in full where it has fallen behind, and the rows that go with a group always.
        """
        results = self._results = self._results or {key: value for _, key, value in self.steps}
        result = results.get(key)
        return result is not None and (told(result) if result else None) == value

    def deletes_groups(self) -> bool:
        """Whether rows that name a group may go with it."""
        return any(kind is Kind.GROUP_DELETE for kind, _, _ in self.steps)

    def overtake(self, key: Key) -> None:
        """Somebody else has changed this meanwhile."""
        self._overtaken.add(key)

    def done(self) -> Iterable[Step]:
        """The steps that the switch has done, as far as that was not known before.

        A bundle is done at one moment, when it is committed. Of single messages those that changed a row were told; of
        the others we know no more than that others may have been there later. Those of meters are always single ones.
        """
        if self.bundled and not self.refused and not self._overtaken:
            return self.steps
        unknown = self.refused.keys() | self._settled
        overtaken = {key for key in self._overtaken if not self.bundled or isinstance(key, MeterKey)}
        return (s for index, s in enumerate(self.steps) if index not in unknown and s[1] not in overtaken)

    def done_ahead(self) -> Iterator[Step]:
        """Of those, the ones that were done whether or not the bundle was."""
        steps = enumerate(self._ahead())
        return (s for index, s in steps if index not in self.refused and s[1] not in self._overtaken)

    def refusals(self) -> dict[Key, Refusal]:
        """What was refused, with the last step for it: that which makes it what is wanted."""
        if not self.refused:
            return {}
        last = {step[1]: step for step in self.steps}
        keys = {self.steps[index][1]: reason for index, reason in self.refused.items()}
        return {key: Refusal(last[key], reason) for key, reason in keys.items()}
