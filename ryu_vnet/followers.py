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


class Followers:
    """One for each database that is followed. `guarded` does a job whose errors must not end the follower."""

    def __init__(self, discovery: Discovery, guarded: Callable[[Callable[[], None]], None]) -> None:
        self._discovery = discovery
        self._guarded = guarded
        self._followers: dict[str, Follower] = {}

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
        for remote in sorted(remotes - self._followers.keys()):
            follower = Follower(remote, partial(self._said, remote))
            self._followers[remote] = follower
            hub.spawn(follower.run)

    def _said(self, remote: str, change: Change) -> None:
        if remote in self._followers:
            self._guarded(partial(self._discovery.said, remote, change))
