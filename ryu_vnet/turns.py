"""Whose request is done next: tenants take turns, so that a thousand requests of one do not delay a single one of
another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from .api.service import AS_STREAM, END_OF_TURN, TURN
from .framework import as_stream, hub


class Turns:
    """One request at a time; of those that wait, the tenants' first ones in turn, each tenant's in their order."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Any]] = {}
        """Who waits, by tenant; the tenant whose turn is next comes first."""
        self._is_taken = False

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    @contextmanager
    def turn(self, tenant: str) -> Iterator[Callable[[], None]]:
        """Wait for a turn; it is over at the end of the block, or before, by calling what is given."""
        if self._is_taken:
            mine = hub.Event()
            self._waiting.setdefault(tenant, deque()).append(mine)
            mine.wait()
        self._is_taken = True
        over = False

        def end() -> None:
            nonlocal over
            if not over:
                over = True
                self._pass_on()

        try:
            yield end
        finally:
            end()

    def _pass_on(self) -> None:
        """Let the next one go on; to whoever comes before it does, the turn is taken."""
        if not self._waiting:
            self._is_taken = False
            return
        tenant = next(iter(self._waiting))
        queue = self._waiting.pop(tenant)
        queue.popleft().set()
        if queue:
            self._waiting[tenant] = queue


def taking_turns(application: Callable[..., Any], turns: Turns) -> Callable[..., Any]:
    """A WSGI application whose requests take turns by the tenant in their path, `/v1/tenants/NAME/…`.

    A request has its turn from when it asks for it, by `environ[TURN]()`: while a long one is read and checked, others
    are done. Whoever waits for something in a request ends its turn before, by `environ[END_OF_TURN]()`. An answer that
    comes piece by piece takes no turn for its pieces: the turn is over when the first is asked for.
    """

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        parts = environ.get("PATH_INFO", "").split("/", 4)
        tenant = parts[3] if parts[1:3] == ["v1", "tenants"] and len(parts) > 3 else ""
        with ExitStack() as until_done:

            def begin() -> None:
                environ[END_OF_TURN] = until_done.enter_context(turns.turn(tenant))

            environ[TURN] = begin
            environ[AS_STREAM] = partial(as_stream, environ)
            return application(environ, start_response)

    return serve
