"""The changes to one switch, one at a time, in bundles or without; and how it is found out what it refuses."""

from __future__ import annotations

from ..openflow.changes import METERS
from ..openflow.replies import BundleReply
from ..openflow.wire import BundleStep
from .agenda import Agenda
from .change import XIDS, Change
from .difference import steps
from .questions import Questions
from .standing import Standing

ROUNDS = 3
"""How many bundles in a row may fail. Each names one culprit only, so the rest is then sent as single messages, in the
same order: each is done or refused by itself, and all that are refused are known after one round more."""


class Changing:
    """Public attributes are for reading."""

    def __init__(self, standing: Standing, agenda: Agenda) -> None:
        self._standing = standing
        self._agenda = agenda
        self.begin()

    def begin(self) -> None:
        """A new connection, on which nothing is under way."""
        self.change: Change | None = None
        self._has_bundles = True
        self._failures = 0

    def has_no_bundles(self) -> None:
        """The switch does not know what a bundle is."""
        self._has_bundles = False

    def expect_refusals(self) -> None:
        """A bundle would fail: go on with single messages until some are done."""
        self._failures = ROUNDS

    def next(self, questions: Questions, revision: int, serial: int) -> Change:
        """All that is due, as a change that is under way from now on."""
        off = {key: self._standing.off[key] for key in self._agenda.due}
        todo = steps(off, self._standing.wanted)
        bundled = self._has_bundles and self._failures < ROUNDS and todo[-1][0] not in METERS
        self.change = Change(todo, off, questions.next_xids(len(todo) + XIDS), bundled, revision, serial)
        return self.change

    def error(self, xid: int, reason: str) -> None:
        """The switch refused something."""
        if self.change is not None:
            self.change.error(xid, reason)

    def replied(self, reply: BundleReply | None) -> bool:
        """The switch did a step of a bundle. Returns whether that was the commit."""
        if self.change is None or reply is None or reply.step is not BundleStep.COMMIT_REPLY:
            return False
        return reply.xid == self.change.commit_xid and self._did(self.change)

    def _did(self, change: Change) -> bool:
        change.committed = True
        self._standing.did(change.done())
        return True

    def answered(self, barrier_xid: int) -> Change | None:
        """The switch has come to a barrier. Returns the change that it stands behind, which is over."""
        change = self.change
        if change is None or barrier_xid != change.barrier_xid:
            return None
        self.change = None
        if not change.bundled:
            self._did(change)
        elif not change.committed:
            self._standing.did(change.done_ahead())
        self._failures = 0 if change.committed and change.failed is None else self._failures + 1
        self._agenda.conclude(change)
        return change
