"""Which revisions a switch has not acknowledged."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from .agenda import UNKNOWN


class Unacknowledged:
    """The revisions that concern a switch and that it has not acknowledged.

    Each with a serial: a count of what was wanted of this switch, which is what it acknowledges. A revision may need
    what was wanted later.

    Of those up to `floor` it is not known whether they concerned it, so they all count: after a restart, and when a
    switch has been away for so long that the list was cut.
    """

    KEPT = 10_000

    def __init__(self) -> None:
        self.floor = -1
        self._floor_serial = 0
        self._known: dict[int, int] = {}
        self._gone: list[int] = []

    def add(self, revision: int, serial: int) -> None:
        """A revision concerns the switch, and needs what was wanted of it at a serial. These come in ascending
        order."""
        self._known[revision] = serial
        if len(self._known) > self.KEPT:
            self.forget_up_to(sorted(self._known)[self.KEPT // 2])

    def forget_up_to(self, revision: int) -> None:
        """Let all revisions up to this one count, because it is not known which concerned the switch."""
        forgotten = [known for known in self._known if known <= revision]
        self.floor = max(self.floor, revision)
        for known in forgotten:
            self._floor_serial = max(self._floor_serial, self._known.pop(known))
        self._gone += forgotten

    def acknowledge(self, serial: int, but: Collection[int], read_from: int) -> None:
        """The switch has what was wanted up to a serial, but for some of what was wanted at the serials `but`.

        `UNKNOWN` among these means any of those up to `read_from`.
        """
        above = read_from if UNKNOWN in but else UNKNOWN
        if self._floor_serial <= serial and above < 0 and not any(0 < other <= self._floor_serial for other in but):
            self.floor, self._floor_serial = -1, 0
        done = [known for known, needed in self._known.items() if above < needed <= serial and needed not in but]
        for known in done:
            del self._known[known]
        self._gone += done

    def drain(self) -> list[int]:
        """The revisions that were acknowledged since this was last asked, or that are covered by `floor` now."""
        gone, self._gone = self._gone, []
        return gone

    def __contains__(self, revision: int) -> bool:
        return revision <= self.floor or revision in self._known

    def __iter__(self) -> Iterator[int]:
        return iter(self._known)

    def __bool__(self) -> bool:
        return self.floor >= 0 or bool(self._known)
