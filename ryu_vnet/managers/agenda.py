"""What a switch has yet to be sent: what is due, what waits for its phase, what was refused, and who needs it."""

from __future__ import annotations

from ..openflow.changes import Kind
from ..openflow.meters import MeterKey
from ..openflow.rows import is_metered, meter_in
from .change import Change, Refusal
from .difference import Before, Key, names_group
from .standing import Standing

UNKNOWN = -1
"""In place of the serial of what needs a row, where any of those before the connection may."""
NOBODY = 0
"""The same where nobody has asked for it: others have changed it."""


_ADDS = (Kind.GROUP_ADD, Kind.METER_ADD)


class Agenda:
    """The keys under which a switch has not what is wanted, in four parts: `due`, what is `later`, what was `rejected`,
    and what is on its way, which stays due until the switch has answered."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self.due: dict[Key, None] = {}
        self.rejected: dict[Key, Refusal] = {}
        self._later: dict[Key, tuple[int, int]] = {}
        """Which rollout's, and from which phase on it may be sent."""
        self._since: dict[Key, int] = {}
        """Which serial needs it; `UNKNOWN` where that is not in here."""

    @property
    def has_later(self) -> bool:
        """Whether anything waits for its phase."""
        return bool(self._later)

    def clear(self) -> None:
        """Nothing is known any more, or nothing is left."""
        for part in (self.due, self.rejected, self._later, self._since):
            part.clear()

    def wish(self, before: Before, serial: int, rollout: int | None) -> None:
        """Something else is wanted under these keys than before.

        As part of a `rollout` what is new is due now, what changes at its phase 2, what goes at its phase 3.
        """
        self._standing.wish(before)
        off, wanted = self._standing.off, self._standing.wanted
        if rollout is None and not self._later and not self.rejected and before.keys() <= off.keys():
            # As most are: nothing is refused or waits, and the switch has none of it.
            self._since.update(dict.fromkeys(before, serial))
            self.due.update(dict.fromkeys(before))
            return
        for key, value in before.items():
            self._later.pop(key, None)
            if rollout is not None and value is not None:
                self._later[key] = rollout, 2 if wanted.get(key) is not None else 3
            self._since[key] = serial
            self.consider(key)

    def release(self, rollout: int, phase: int) -> None:
        """A rollout has come to this phase."""
        for key in [key for key, (whose, when) in self._later.items() if whose == rollout and when <= phase]:
            del self._later[key]
            self.consider(key)

    def begin(self) -> None:
        """The switch was read: what is off is known."""
        off = self._standing.off
        self._since = {key: serial for key, serial in self._since.items() if key in off}
        self.due = dict.fromkeys(off)
        for key in (*self.rejected, *self._later):
            self.consider(key)

    def found(self, key: Key, value: bytes | None) -> None:
        """Somebody else has changed this. What was refused there may not be refused any more."""
        self._standing.found(key, value)
        self.rejected.pop(key, None)
        self._since.setdefault(key, NOBODY)
        self.consider(key)

    def conclude(self, change: Change) -> None:
        """A change was answered, and what was done of it is known."""
        off = self._standing.off
        if not off:
            self.clear()
            return
        for key, refusal in change.refusals().items():
            # Where it has become another meanwhile, another step is to be tried.
            if off.get(key) == change.off.get(key):
                self.rejected[key] = refusal
        added = [key for kind, key, _ in change.steps if kind in _ADDS and key not in off]
        for key, refusal in [*self.rejected.items()] if added and change.committed else ():
            if any(_names(refusal.step[2], number) for number in added):
                # It was refused because there was no such group or meter.
                del self.rejected[key]
                self.consider(key)
        for _, key, _ in change.steps:
            self.consider(key)

    def try_again(self) -> None:
        """What was refused is due again."""
        refused, self.rejected = self.rejected, {}
        for key in refused:
            self.consider(key)

    def consider(self, key: Key) -> None:
        """Find out whether something is to be sent under a key."""
        off, refusal = self._standing.off, self.rejected.get(key)
        if refusal is not None and (key not in off or refusal.step[2] != (self._standing.wanted.get(key) or b"")):
            del self.rejected[key]
            refusal = None
        if key not in off:
            self._later.pop(key, None)
            self._since.pop(key, None)
        if key in off and refusal is None and key not in self._later:
            self.due[key] = None
        else:
            self.due.pop(key, None)

    def needed_by(self) -> set[int]:
        """The serials of what is not there as a whole."""
        return {self._since.get(key, UNKNOWN) for key in self._standing.off}


def _names(value: bytes, key: Key) -> bool:
    """Whether a row with this value may name a group or meter."""
    if isinstance(key, MeterKey):
        return is_metered(value) and meter_in(value) == key.number
    return isinstance(key, int) and names_group(value, key)
