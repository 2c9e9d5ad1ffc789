"""What somebody else changed on a switch."""

from __future__ import annotations

from dataclasses import dataclass

from .difference import Key


@dataclass(frozen=True, slots=True)
class Drift:
    """One row or group that was changed behind our back: what we had there, and what was found (None for nothing).

    `by` says how it was found: "monitor" (the switch told at once) or "audit".
    """

    switch: str
    key: Key
    was: bytes | None
    found: bytes | None
    by: str

    @property
    def what(self) -> str:
        """`added`, `changed` or `removed`."""
        if self.found is None:
            return "removed"
        return "added" if self.was is None else "changed"
