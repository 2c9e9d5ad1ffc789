"""The ports that running nodes need and that nobody has seen yet."""

from __future__ import annotations

from collections.abc import Iterable

from ..model.values import Place


class AwaitedPorts:
    """Places, each with the revision that needs it."""

    def __init__(self) -> None:
        self._on: dict[str, dict[Place, int]] = {}
        self._of: dict[int, set[Place]] = {}

    def add(self, place: Place, revision: int) -> None:
        """Somebody runs there."""
        self.discard(place)
        self._on.setdefault(place.switch, {})[place] = revision
        self._of.setdefault(revision, set()).add(place)

    def discard(self, place: Place) -> int | None:
        """It is there, or nobody runs there any more. Returns the revision that needed it, if any."""
        revision = self._on.get(place.switch, {}).pop(place, None)
        if revision is not None:
            self._of[revision].discard(place)
            if not self._of[revision]:
                del self._of[revision]
        return revision

    def revision(self, place: Place) -> int | None:
        """The revision that needs a place, if any does."""
        return self._on.get(place.switch, {}).get(place)

    def on(self, switch: str) -> Iterable[Place]:
        """Those of a switch."""
        return [*self._on.get(switch, ())]

    def of(self, revision: int | None) -> Iterable[Place]:
        """Those that a revision needs, or all."""
        if revision is None:
            return [place for places in self._on.values() for place in places]
        return [*self._of.get(revision, ())]
