"""Which revisions a switch has not acknowledged."""

from __future__ import annotations

from collections.abc import Collection, Iterator


class Unacknowledged:
    """The revisions that concern a switch and that it has not acknowledged.

    Of those up to `floor` it is not known whether they concerned it, so they all count: after a restart, and when a
    switch has been away for so long that the list was cut.
    """

    KEPT = 10_000

    def __init__(self) -> None:
        self.floor = -1
        self._known: dict[int, None] = {}
        self._done: list[int] = []

    def add(self, revision: int) -> None:
        """A revision concerns the switch. They come in ascending order."""
        self._known[revision] = None
        if len(self._known) > self.KEPT:
            self.forget_up_to(min(self._known))

    def forget_up_to(self, revision: int) -> None:
        """Let all revisions up to this one count, because it is not known which concerned the switch."""
        self.floor = max(self.floor, revision)
        self._known = {known: None for known in self._known if known > self.floor}

    def acknowledge(self, revision: int, but: Collection[int] = ()) -> None:
        """The switch holds what was wanted at that revision, but for what was wanted at some others."""
        if self.floor <= revision and not any(other <= self.floor for other in but):
            self.floor = -1
        for known in [known for known in self._known if known <= revision and known not in but]:
            del self._known[known]
            self._done.append(known)

    def drain(self) -> list[int]:
        """The revisions that were acknowledged since this was last asked."""
        done, self._done = self._done, []
        return done

    def __contains__(self, revision: int) -> bool:
        return revision <= self.floor or revision in self._known

    def __iter__(self) -> Iterator[int]:
        return iter(self._known)

    def __bool__(self) -> bool:
        return self.floor >= 0 or bool(self._known)
