"""The application: `ryu-manager ryu_vnet.app`, or `vnet controller`.

Carries bytes between the switches and the System Manager, serves the web API, and keeps time. It decides nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from . import framework
from .api import create_api
from .errors import Unreachable, VnetError
from .framework import DEAD, MAIN, MESSAGE_EVENTS, hub, ofp_event, set_ev_cls
from .managers.bridge import BridgeReport, refusals
from .managers.system import System
from .openflow.wire import Version
from .ovsdb import read_bridges, use_tls
from .settings import read_settings
from .store.sqlite import SqliteStore

LOG = logging.getLogger(__name__)

RETRY_SECONDS = 5
"""How often refused rows are tried again, and how each bridge is set up is looked at again."""


def _guarded(job: Callable[[], None]) -> None:
    """Do a job; what goes wrong in it must not end the thread that does it again and again, or a connection."""
    try:
        job()
    except VnetError as error:
        LOG.error("%s", error)
    except Exception:
        LOG.exception("this is a mistake in ryu-vnet")


class _Outbox:
    """Sends to one switch, in order, from a green thread of its own: a slow switch makes nobody else wait.

    The System Manager has one change under way at a time, so the queue stays short; and what is in it are changes that
    are made into bytes as the switch takes them.
    """

    def __init__(self, datapath: Any) -> None:
        self.datapath = datapath
        self._queue = hub.Queue()
        hub.spawn(self._run)

    def put(self, chunks: Iterable[bytes]) -> None:
        self._queue.put(chunks)

    def close(self) -> None:
        """Send what was put, and end."""
        self._queue.put(None)

    def _run(self) -> None:
        while (chunks := self._queue.get()) is not None:
            for chunk in chunks:
                self.datapath.send(chunk)


OVSDB_SECONDS = 5
"""How long a database may take to say what is asked of it."""


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
        tls = (self.settings.ovsdb_key, self.settings.ovsdb_cert, self.settings.ovsdb_ca)
        if all(tls):
            use_tls(*map(str, tls))
        framework.leave_dumps_alone()
        self._datapaths: dict[int, Any] = {}
        """Connected switches by datapath identifier."""
        self._outboxes: dict[str, _Outbox] = {}
        """Switches that are handed to the System Manager, by name."""
        self._changed = hub.Event()
        self.system = System(store, self._send, time.monotonic, self._soon)
        self.system.listeners.append(self._notify)

    def start(self) -> Any:
        """Start to listen. Called by the framework."""
        token = self.settings.api_token
        api = create_api(self.system, self._wait, token.get_secret_value() if token else None, framework.NAME)
        hub.spawn(framework.serve_http, api, self._listener)
        hub.spawn(self._keep_time)
        hub.spawn(self._keep_trying)
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
        names = {name for name, outbox in self._outboxes.items() if outbox.datapath.id == dpid}
        for name in [*names]:
            self._outboxes.pop(name).close()
        # One that was refused has no outbox, and is away all the same.
        for name in sorted(names | {self.system.switch_of(dpid) or ""} & set(self.system.switches)):
            self.system.switch_disconnected(name)

    @set_ev_cls(list(MESSAGE_EVENTS), MAIN)
    def _on_message(self, event: Any) -> None:
        datapath = event.msg.datapath
        name = self.system.switch_of(datapath.id)
        if name in self._outboxes and self._outboxes[name].datapath is datapath:
            _guarded(lambda: self.system.switch_message(name, bytes(event.msg.buf)))

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
        found = self._read_bridges(self._remote(name))
        if self._is_current(datapath) and self.system.switch_of(datapath.id) == name:
            _guarded(lambda: self._settle(name, datapath, self._judge(name, found)))

    def _settle(self, name: str, datapath: Any, reasons: list[str]) -> None:
        """Hand a switch over to the System Manager, refuse it, or leave it as it is."""
        handed = name in self._outboxes
        if reasons:
            text = "; ".join(reasons)
            if handed or self.system.switches[name].trouble != text:
                LOG.error("switch %s is not programmed: %s", name, text)
            if handed:
                self._outboxes.pop(name).close()
            self.system.switch_refused(name, text)
        elif not handed:
            LOG.info("switch %s is connected", name)
            self._outboxes[name] = _Outbox(datapath)
            self.system.switch_connected(name, Version(datapath.ofproto.OFP_VERSION))

    def _remote(self, name: str) -> str | None:
        return self.system.fabric.switches[name].ovsdb or self.settings.ovsdb

    def _read_bridges(self, remote: str | None) -> dict[int, BridgeReport] | str:
        """What a database says of its bridges, or why that is not known."""
        if remote is None:
            return "not checked: no database is known (`ovsdb` of the switch, or VNET_OVSDB)"
        try:
            with hub.Timeout(OVSDB_SECONDS, Unreachable(f"the database at {remote} does not answer")):
                return read_bridges(remote)
        except Unreachable as error:
            return f"not checked: {error}"

    def _judge(self, name: str, found: dict[int, BridgeReport] | str) -> list[str]:
        """Why a switch must not be programmed, if its database says so; the report is kept for people to see."""
        if isinstance(found, str):
            self.system.reports[name] = found
            return []
        dpid = self.system.fabric.switches[name].dpid
        report = found.get(dpid)
        if report is None:
            self.system.reports[name] = f"not checked: {self._remote(name)} has no bridge with identifier {dpid:016x}"
            return []
        self.system.reports[name] = report
        return list(refusals(report))

    def _send(self, name: str, chunks: Iterable[bytes]) -> None:
        outbox = self._outboxes.get(name)
        if outbox is not None:
            outbox.put(chunks)

    def _soon(self, job: Callable[[], None]) -> None:
        """Do a job when those that wait to run now have run: what a thousand switches say at once is one job."""
        hub.spawn(_guarded, job)

    # --- time -------------------------------------------------------------------------------------------------------

    def _keep_time(self) -> None:
        while True:
            hub.sleep(1)
            _guarded(self.system.tick)

    def _keep_trying(self) -> None:
        while True:
            hub.sleep(RETRY_SECONDS)
            _guarded(self.system.retry)
            _guarded(self._look_again)

    def _look_again(self) -> None:
        """Look again at how each bridge is set up: what was mended may be programmed, what was undone may not.

        Each database is read once, all at the same time: one that does not answer makes no other wait.
        """
        connected = {self.system.switch_of(dpid): path for dpid, path in sorted(self._datapaths.items())}
        names = [name for name in connected if name is not None]
        remotes = {remote for name in names if (remote := self._remote(name)) is not None}
        for thread in [hub.spawn(self._look_at, remote, connected) for remote in sorted(remotes)]:
            thread.wait()

    def _look_at(self, remote: str, connected: dict[str | None, Any]) -> None:
        found = self._read_bridges(remote)
        for name, datapath in connected.items():
            if name in self.system.fabric.switches and self._remote(name) == remote and self._is_current(datapath):
                self._settle(name, datapath, self._judge(name, found))

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
