"""Which revisions a switch has not acknowledged."""

from __future__ import annotations

from collections.abc import Iterator


class Unacknowledged:
    """The revisions that concern a switch and that it has not acknowledged.

    Of those up to `floor` it is not known whether they concerned it, so they all count: after a restart, and when a
    switch has been away for so long that the list was cut.
    """

    KEPT = 10_000

    def __init__(self) -> None:
        self.floor = -1
        self._known: dict[int, None] = {}

    def add(self, revision: int) -> None:
        """A revision concerns the switch. They come in ascending order."""
        self._known[revision] = None
        if len(self._known) > self.KEPT:
            self.forget_up_to(min(self._known))

    def forget_up_to(self, revision: int) -> None:
        """Let all revisions up to this one count, because it is not known which concerned the switch."""
        self.floor = max(self.floor, revision)
        self._known = {known: None for known in self._known if known > self.floor}

    def acknowledge(self, revision: int) -> None:
        """The switch holds what was wanted at that revision."""
        self.floor = -1 if self.floor <= revision else self.floor
        self._known = {known: None for known in self._known if known > revision}

    def __contains__(self, revision: int) -> bool:
        return revision <= self.floor or revision in self._known

    def __iter__(self) -> Iterator[int]:
        return iter(self._known)

    def __bool__(self) -> bool:
        return self.floor >= 0 or bool(self._known)
