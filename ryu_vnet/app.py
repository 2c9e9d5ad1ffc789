"""The application: `ryu-manager ryu_vnet.app`, or `vnet controller`.

Carries bytes between the switches and the System Manager, serves the web API, and keeps time. It decides nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from . import framework
from .api import create_api
from .errors import Unreachable, VnetError, WireError
from .framework import DEAD, MAIN, MESSAGE_EVENTS, hub, ofp_event, set_ev_cls
from .managers.bridge import refusals
from .managers.system import System
from .openflow.wire import Version
from .ovsdb import read_bridge
from .settings import read_settings
from .store.sqlite import SqliteStore

LOG = logging.getLogger(__name__)

RETRY_SECONDS = 5
"""How often refused rows are tried again, and how each bridge is set up is looked at again."""


class _Outbox:
    """Sends to one switch, in order, from a green thread of its own: a slow switch makes nobody else wait.

    The System Manager has one change under way at a time, so the queue stays short.
    """

    def __init__(self, datapath: Any) -> None:
        self.datapath = datapath
        self._queue = hub.Queue()
        hub.spawn(self._run)

    def put(self, messages: list[bytes]) -> None:
        self._queue.put(b"".join(messages))

    def close(self) -> None:
        """Send what was put, and end."""
        self._queue.put(None)

    def _run(self) -> None:
        while (messages := self._queue.get()) is not None:
            self.datapath.send(messages)


class VnetApp(framework.Application):
    """The Ryu (or os-ken) application."""

    OFP_VERSIONS = (Version.OF14, Version.OF13)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        try:
            self.settings = read_settings()
            store = SqliteStore(self.settings.store)
            self._listener = framework.listen(self.settings)
        except VnetError as error:
            # Neither framework knows an application that cannot start: anything else would end in a traceback.
            raise SystemExit(f"ryu-vnet cannot start: {error}") from None
        framework.configure(self.settings)
        framework.leave_dumps_alone()
        self._datapaths: dict[int, Any] = {}
        """Connected switches by datapath identifier."""
        self._outboxes: dict[str, _Outbox] = {}
        """Switches that are handed to the System Manager, by name."""
        self._changed = hub.Event()
        self.system = System(store, self._send, time.monotonic)
        self.system.listeners.append(self._notify)

    def start(self) -> Any:
        """Start to listen. Called by the framework."""
        token = self.settings.api_token
        api = create_api(self.system, self._wait, token.get_secret_value() if token else None, framework.NAME)
        hub.spawn(framework.serve_http, api, self._listener)
        hub.spawn(self._keep_time)
        LOG.info("ryu-vnet on %s: API on %s:%d", framework.NAME, self.settings.api_host, self.settings.api_port)
        return super().start()

    # --- switches ---------------------------------------------------------------------------------------------------

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN, DEAD])
    def _on_state(self, event: Any) -> None:
        datapath = event.datapath
        if event.state == MAIN:
            # The same switch may be back before its old connection is known to be dead.
            self._lose(datapath.id)
            self._datapaths[datapath.id] = datapath
            self._adopt(datapath.id)
        elif self._is_current(datapath):
            self._lose(datapath.id)

    def _is_current(self, datapath: Any) -> bool:
        """Whether this is the connection that its switch has now."""
        return self._datapaths.get(datapath.id) is datapath

    def _lose(self, dpid: int) -> None:
        self._datapaths.pop(dpid, None)
        self.system.strangers.pop(dpid, None)
        for name in [name for name, outbox in self._outboxes.items() if outbox.datapath.id == dpid]:
            self._outboxes.pop(name).close()
            self.system.switch_disconnected(name)

    @set_ev_cls(list(MESSAGE_EVENTS), MAIN)
    def _on_message(self, event: Any) -> None:
        datapath = event.msg.datapath
        name = self.system.switch_of(datapath.id)
        if name in self._outboxes and self._outboxes[name].datapath is datapath:
            try:
                self.system.switch_message(name, bytes(event.msg.buf))
            except WireError as error:
                LOG.error("switch %s: %s", name, error)

    def _adopt(self, dpid: int) -> None:
        """Hand a connected switch to the System Manager if it is declared and set up as it must be."""
        name = self.system.switch_of(dpid)
        if name is None:
            host, port = self._datapaths[dpid].address[:2]
            self.system.strangers[dpid] = f"{host}:{port}"
            return
        self.system.strangers.pop(dpid, None)
        hub.spawn(self._admit, name, self._datapaths[dpid])

    def _admit(self, name: str, datapath: Any) -> None:
        reasons = self._look_at_bridge(name)
        if not self._is_current(datapath) or self.system.switch_of(datapath.id) != name:
            return
        if reasons:
            LOG.error("switch %s is not programmed: %s", name, "; ".join(reasons))
            self.system.switch_refused(name, "; ".join(reasons))
        elif name not in self._outboxes:
            LOG.info("switch %s is connected", name)
            self._outboxes[name] = _Outbox(datapath)
            self.system.switch_connected(name, Version(datapath.ofproto.OFP_VERSION))

    def _look_at_bridge(self, name: str) -> list[str]:
        """Why a switch must not be programmed, if its database says so; the report is kept for people to see."""
        switch = self.system.fabric.switches[name]
        remote = switch.ovsdb or self.settings.ovsdb
        if remote is None:
            self.system.reports[name] = "not checked: no database is known (`ovsdb` of the switch, or VNET_OVSDB)"
            return []
        try:
            report = read_bridge(remote, switch.dpid)
        except Unreachable as error:
            self.system.reports[name] = f"not checked: {error}"
            return []
        self.system.reports[name] = report
        return list(refusals(report))

    def _send(self, name: str, messages: list[bytes]) -> None:
        outbox = self._outboxes.get(name)
        if outbox is not None:
            outbox.put(messages)

    # --- time -------------------------------------------------------------------------------------------------------

    def _keep_time(self) -> None:
        seconds = 0
        while True:
            hub.sleep(1)
            seconds += 1
            try:
                self.system.tick()
                if seconds % RETRY_SECONDS == 0:
                    self.system.retry()
                    self._look_again()
            except VnetError as error:
                # A store that cannot be written now may be so again in a second; time must go on.
                LOG.error("%s", error)

    def _look_again(self) -> None:
        """Look again at how each bridge is set up: what was mended may be programmed, what was undone may not."""
        for dpid, datapath in sorted(self._datapaths.items()):
            name = self.system.switch_of(dpid)
            if name is None or not self._is_current(datapath):
                continue
            if name not in self._outboxes:
                self._admit(name, datapath)
                continue
            reasons = self._look_at_bridge(name)
            if reasons and name in self._outboxes:
                LOG.error("switch %s is programmed no further: %s", name, "; ".join(reasons))
                self._outboxes.pop(name).close()
                self.system.switch_refused(name, "; ".join(reasons))

    def _notify(self) -> None:
        """Wake up who waits for progress, and see whether connected switches were declared or are so no more."""
        self._changed.set()
        self._changed = hub.Event()
        for name, outbox in [*self._outboxes.items()]:
            if self.system.switch_of(outbox.datapath.id) != name:
                self._outboxes.pop(name).close()
                self._adopt(outbox.datapath.id)
        for dpid in [dpid for dpid in self.system.strangers if self.system.switch_of(dpid) is not None]:
            self._adopt(dpid)

    def _wait(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds, or time is over; others run meanwhile."""
        deadline = time.monotonic() + seconds
        while not holds():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._changed.wait(left)
        return True
