"""Follows the databases of all switches at once, for discovery: one follower for each, as long as a switch has it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from .api.answers import DatabaseAnswer
from .framework import hub
from .managers.discovery import Discovery
from .managers.sightings import Change
from .ovsdb_follow import Follower

CALM_SECONDS, CALM_PAUSE_SECONDS = 60.0, 0.1
"""How long switches are waited for, and after which time they are looked at again."""
BEGIN_SECONDS = 0.5
"""How long the next database waits for one that has not told all that it has."""
PAUSE_SECONDS = 0.01


class Followers:
    """One for each database that is followed. `guarded` does a job whose errors must not end the follower.

    The first reading of a database takes work, that of a thousand seconds of it. So they begin one after the other, and
    none before switches are `calm`: while many are being read and programmed, that comes first.
    """

    def __init__(
        self, discovery: Discovery, guarded: Callable[[Callable[[], None]], None], calm: Callable[[], bool]
    ) -> None:
        self._discovery = discovery
        self._guarded = guarded
        self._calm = calm
        self._followers: dict[str, Follower] = {}
        self._waiting: list[Follower] = []
        """Those that have not begun."""

    def states(self) -> list[DatabaseAnswer]:
        """How it stands with each database, by where it is."""
        now = time.monotonic()
        return [
            DatabaseAnswer(
                remote=remote,
                connected=follower.state.is_connected,
                seconds=round(now - follower.state.since, 3),
                why=follower.state.why,
            )
            for remote, follower in sorted(self._followers.items())
        ]

    def follow(self, remotes: set[str]) -> None:
        """Follow these databases, and no other any more."""
        for remote in self._followers.keys() - remotes:
            self._followers.pop(remote).close()
            self._discovery.forget(remote)
        is_beginning = bool(self._waiting)
        for remote in sorted(remotes - self._followers.keys()):
            self._followers[remote] = Follower(remote, partial(self._said, remote))
            self._waiting.append(self._followers[remote])
        if self._waiting and not is_beginning:
            hub.spawn(self._begin)

    def _begin(self) -> None:
        until = time.monotonic() + CALM_SECONDS
        while not self._calm() and time.monotonic() < until:
            hub.sleep(CALM_PAUSE_SECONDS)
        while self._waiting:
            follower = self._waiting[0]
            hub.spawn(follower.run)
            until = time.monotonic() + BEGIN_SECONDS
            while not follower.state.is_connected and time.monotonic() < until:
                hub.sleep(PAUSE_SECONDS)
            del self._waiting[0]

    def _said(self, remote: str, change: Change) -> None:
        if remote in self._followers:
            self._guarded(partial(self._discovery.said, remote, change))
