"""What others change on one switch: what it tells, and what is seen of it in its dumps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..openflow.meters import MeterKey
from ..openflow.monitor import Event, FlowUpdate, Removal, told
from ..openflow.replies import GroupChange, GroupCommand
from ..openflow.rows import is_metered, meter_in
from .agenda import Agenda
from .change import Change
from .difference import Before, Key
from .drift import Drift
from .standing import Standing


@dataclass(slots=True)
class Noticed:
    """What somebody else has done."""

    drift: list[Drift] = field(default_factory=list)
    """What is not as it is to be."""
    anything: bool = False
    """Something was not known to be as it is."""
    in_doubt: bool = False
    """There may be more that is not told: read the switch."""


class Watch:
    """Keeps what is known of a switch true, and tells apart what we do ourselves."""

    def __init__(self, switch: str, standing: Standing, agenda: Agenda) -> None:
        self._switch = switch
        self._standing = standing
        self._agenda = agenda
        self.begin()

    def begin(self) -> None:
        """A new connection."""
        self._is_paused = self._has_gap = False

    def changed(self) -> None:
        """A change of ours was done. If that was in a pause, and somebody undid it in the same pause, it is never
        told: see `openflow.monitor`."""
        self._has_gap |= self._is_paused

    def has_read(self) -> None:
        """All rows were read. What somebody adds and removes during one pause, and is read in between, is not told."""
        self._has_gap = self._is_paused

    def updates(self, updates: Iterable[FlowUpdate], change: Change | None, *, is_read: bool) -> Noticed:
        """What the flow monitor tells while a change of ours is under way, or none. What it tells before the switch
        `is_read` is in what will be read."""
        noticed = Noticed()
        for update in updates:
            if update.event is Event.PAUSED:
                self._is_paused = True
            elif update.event is Event.RESUMED:
                self._is_paused = False
                noticed.in_doubt |= self._has_gap
            elif is_read and update.event is Event.ABBREVIATED:
                self._standing.did(change.abbreviated(update.xid) if change is not None else ())
            elif is_read:
                self._update(update, change, noticed)
        return noticed

    def _update(self, update: FlowUpdate, change: Change | None, noticed: Noticed) -> None:
        value = None if update.event is Event.REMOVED else update.value
        present = self._standing.installed(update.key)
        if value == (told(present) if present is not None else None):
            return
        with_group = update.removal is Removal.GROUP_DELETE
        if update.removal is Removal.METER_DELETE and present is not None and is_metered(present):
            # Told of the row before it is told of the meter, if at all.
            self._notice(MeterKey(meter_in(present)), None, "monitor", change, noticed)
        if change is not None and (change.explains(update.key, value) or (with_group and change.deletes_groups())):
            self._agenda.found(update.key, value)
        else:
            noticed.in_doubt |= with_group
            self._notice(update.key, value, "monitor", change, noticed)

    def group(self, forwarded: GroupChange, change: Change | None) -> Noticed:
        """What the switch tells of its groups."""
        noticed = Noticed()
        for number, value in self.groups_of(forwarded).items():
            self._notice(number, value, "monitor", change, noticed)
        return noticed

    def meters(self, forwarded: tuple[MeterKey | None, bytes | None], change: Change | None) -> Noticed:
        """What the switch tells of its meters."""
        noticed = Noticed()
        for key, value in self.meters_of(forwarded).items():
            self._notice(key, value, "monitor", change, noticed)
        return noticed

    def meters_of(self, forwarded: tuple[MeterKey | None, bytes | None]) -> Before:
        """What the meters are that somebody has changed."""
        key, value = forwarded
        if key is not None:
            return {key: value}
        others = (key for key in self._standing.off if isinstance(key, MeterKey))
        return dict.fromkeys((*self._standing.wanted.meters, *others))

    def groups_of(self, forwarded: GroupChange) -> Before:
        """What the groups are that somebody has changed."""
        if forwarded.number is not None:
            return {forwarded.number: None if forwarded.command is GroupCommand.DELETE else forwarded.value}
        others = (key for key in self._standing.off if isinstance(key, int))
        return dict.fromkeys((*self._standing.wanted.groups, *others))

    def audited(self, found: Before, change: Change | None) -> Noticed:
        """What is not as it was known to be."""
        noticed = Noticed()
        for key, value in found.items():
            self._notice(key, value, "audit", change, noticed)
        return noticed

    def _notice(self, key: Key, value: bytes | None, by: str, change: Change | None, noticed: Noticed) -> None:
        was = self._standing.installed(key)
        if was == value:
            return
        if change is not None:
            change.overtake(key)
        self._agenda.found(key, value)
        noticed.anything = True
        if key in self._standing.off:
            noticed.drift.append(Drift(self._switch, key, was, value, by))
