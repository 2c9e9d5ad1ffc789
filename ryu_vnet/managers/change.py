"""One change that is on its way to a switch: its steps, and what the switch has said of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..openflow import changes, messages
from ..openflow.changes import Kind, Step
from ..openflow.wire import Version


@dataclass(frozen=True, slots=True)
class Refusal:
    """A step that the switch refused, and why. `revision` is that which needs it."""

    step: Step
    reason: str
    revision: int


@dataclass(slots=True)
class Change:
    """A bundle, or the same as single messages where the switch knows no bundles, and a barrier behind it.

    The first step has the xid `first_xid`, the next one more, and so on.
    """

    steps: list[Step]
    first_xid: int
    bundled: bool
    revision: int
    serial: int
    committed: bool = False
    """The switch has done all but what it `refused`."""
    failed: str | None = None
    """Why it has done nothing."""
    refused: dict[int, str] = field(default_factory=dict)
    """Why which steps were refused, by index."""

    @property
    def open_xid(self) -> int:
        return self.first_xid + len(self.steps)

    @property
    def commit_xid(self) -> int:
        return self.open_xid + 1

    @property
    def barrier_xid(self) -> int:
        return self.open_xid + 2

    @property
    def xids(self) -> int:
        """How many there are."""
        return len(self.steps) + 3

    def encoded(self, version: Version, number: int) -> Iterable[bytes]:
        """The whole as it is sent, in chunks, made while it is sent; `number` is the bundle's."""
        if self.bundled:
            steps = self.steps, self.first_xid, self.open_xid, self.commit_xid
            yield from changes.bundle(version, number, *steps)
        else:
            yield from changes.plain(version, self.steps, self.first_xid)
        yield messages.barrier(version, self.barrier_xid)

    def error(self, xid: int, reason: str) -> bool:
        """Take a refusal to heart. Returns whether it is of this change at all."""
        index = xid - self.first_xid
        if 0 <= index < len(self.steps):
            self.refused[index] = reason
        elif xid in (self.open_xid, self.commit_xid):
            self.failed = self.failed or reason
        else:
            return xid == self.barrier_xid
        return True

    def done(self) -> Iterable[Step]:
        """The steps that the switch has done."""
        return (step for index, step in enumerate(self.steps) if index not in self.refused)

    def replaces_a_group(self) -> bool:
        """Whether a group is deleted and added again: with it go the rows that named it."""
        deleted = set()
        for kind, key, _ in self.steps:
            if kind is Kind.GROUP_DELETE:
                deleted.add(key)
            elif kind is Kind.GROUP_ADD and key in deleted:
                return True
        return False
