"""The application: `ryu-manager ryu_vnet.app`, or `vnet controller`.

Carries bytes between the switches and the System Manager, serves the web API, and keeps time. It decides nothing.
"""

from __future__ import annotations

import gc
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from . import framework
from .api import create_api
from .databases import Databases, Found
from .errors import VnetError, WireError
from .followers import Followers
from .framework import DEAD, MAIN, hub, ofp_event, set_ev_cls
from .limiting import Limiting
from .managers.bridge import BridgeReport, refusals
from .managers.communication import CommunicationManager, State
from .managers.discovery import Discovery
from .managers.placers import placer
from .managers.system import System
from .openflow.wire import Version
from .ovsdb import use_tls
from .settings import read_settings
from .store.sqlite import SqliteStore
from .turns import Turns, taking_turns

LOG = logging.getLogger(__name__)

RETRY_SECONDS = 5
"""How often refused rows are tried again, and how each bridge is set up is looked at again at most."""
ANNOUNCE_SECONDS = 0.1
"""How often those link ports say who they are whose turn it is."""
AUDIT_SECONDS = 300
"""How often all that a switch has is compared with what it is to have. What others change it tells by itself, but for
groups before OpenFlow 1.4."""
COUNT_SECONDS = 15
"""How often a switch is asked what its meters have counted; with very many switches more rarely."""
LEAST_SECONDS_BETWEEN_COUNTS = 0.02
COLLECTED_AFTER = 100_000, 20, 20
"""How many new objects (and so on, see `gc.set_threshold`) the garbage collector waits for. Nearly all that is made
here is freed without it, and with a hundred thousand nodes to load or send it would take a quarter of the time."""
LAST_SECONDS = 0.2
"""How long listeners are waited for when the controller is ended."""
GROWTH = 1.25
"""By how much the model and what switches are to hold must have grown for their objects to be taken out of what the
garbage collector looks at."""


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
    are made into bytes as the switch takes them. A small one goes to the framework at once where nothing is before it.
    """

    SMALL = 1 << 16

    def __init__(self, datapath: Any, manager: CommunicationManager) -> None:
        self.datapath = datapath
        self.manager = manager
        """Whose messages these are: one that takes its place starts over, on a connection of its own."""
        self._queue = hub.Queue()
        self._is_idle = True
        self._hangs_up = False
        hub.spawn(self._run)

    def put(self, chunks: Iterable[bytes]) -> None:
        """Send these, after all that was put before."""
        made, waiting = self._made(chunks), self.datapath.send_q
        if self._is_idle and waiting is not None and not waiting.qsize() and self._send_start(made):
            return
        self._is_idle = False
        self._queue.put(made)

    def _send_start(self, chunks: Iterator[bytes]) -> bool:
        """Send the first of them in one piece: as several, the network would hold back the second until the first is
        acknowledged. Returns whether that was all."""
        start, size = [], 0
        for chunk in chunks:
            start.append(chunk)
            size += len(chunk)
            if size >= self.SMALL:
                break
        self.datapath.send(b"".join(start))
        return size < self.SMALL

    def close(self, *, hang_up: bool = False) -> None:
        """Send what was put, and end. `hang_up`: and the connection with it; the switch will come again."""
        self._hangs_up |= hang_up
        self._queue.put(None)

    def _run(self) -> None:
        while (chunks := self._queue.get()) is not None:
            for chunk in chunks:
                self.datapath.send(chunk)
            self._is_idle = self._queue.empty()
        if self._hangs_up:
            self.datapath.send(b"", close_socket=True)

    def _made(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks; where one cannot be made, what was begun must not be ended: the connection goes."""
        try:
            yield from chunks
        except WireError as error:
            LOG.error("switch %s: %s", self.manager.name, error)
            self.close(hang_up=True)


class VnetApp(framework.Application):
    """The Ryu (or os-ken) application."""

    OFP_VERSIONS = (Version.OF14, Version.OF13)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        gc.set_threshold(*COLLECTED_AFTER)
        # Nothing that is made until all is compiled is garbage.
        gc.disable()
        try:
            self.settings = read_settings()
            chosen = placer(self.settings.placement)
            store = SqliteStore(self.settings.store)
            self._listener = framework.listen(self.settings)
            kept = self.settings.events_kept
            self.system = System(store, self._send, time.monotonic, self._soon, compiled=False, events_kept=kept)
            self.system.delivery.later = self._later
            self.system.placer = chosen
            self.system.announcing.seconds = self.settings.lldp_seconds
        except VnetError as error:
            # Neither framework knows an application that cannot start: anything else would end in a traceback.
            raise SystemExit(f"ryu-vnet cannot start: {error}") from None
        framework.configure(self.settings)
        framework.end_on_signals()
        tls = (self.settings.ovsdb_key, self.settings.ovsdb_cert, self.settings.ovsdb_ca)
        if all(tls):
            use_tls(*map(str, tls))
        framework.hear(self._on_message)
        self._datapaths: dict[int, Any] = {}
        """Connected switches by datapath identifier."""
        self._outboxes: dict[str, _Outbox] = {}
        """Switches that are handed to the System Manager, by name."""
        self._waiters: list[tuple[Callable[[], bool], framework.Event]] = []
        """What somebody waits for, and how to wake him."""
        self._waking = False
        self._settled_size = 0
        self._is_ready = False
        """Whether everything is compiled. Switches connect meanwhile, and are looked at when it is."""
        self._fabric = self.system.fabric
        self._databases = Databases(self.system, self.settings.ovsdb)
        self.system.flushing.daemon = self._daemon
        self._limiting = Limiting(self.system, self._databases.remote, _guarded)
        self._discovery = Discovery(self.system, self._databases.remote)
        self._followers = Followers(self._discovery, _guarded, self._is_calm)

    def start(self) -> Any:
        """Start. Called by the framework, which listens for switches from now on."""
        hub.spawn(self._begin)
        return super().start()

    def _begin(self) -> None:
        try:
            self.system.compile(partial(hub.sleep, 0))
        except Exception:
            LOG.exception(
                "ryu-vnet cannot start: what is in the store cannot be compiled (see `vnet fsck --store FILE`)"
            )
            # In a green thread nothing else ends the process.
            os._exit(1)
        self._spare_collector()
        gc.enable()
        self._is_ready = True
        self.system.listeners.append(self._notify)
        self._serve()
        for dpid in [*self._datapaths]:
            self._adopt(dpid)
        self._follow_databases()
        _guarded(partial(self.system.recall, partial(hub.sleep, 0)))

    def _serve(self) -> None:
        token = self.settings.api_token
        turns = Turns()
        secret = token.get_secret_value() if token else None
        api = create_api(
            self.system,
            self._wait,
            secret,
            framework.NAME,
            queued=lambda: turns.waiting,
            discovered=lambda: (self.settings.discovery, self._followers.states(), self._discovery.report()),
        )
        hub.spawn(framework.serve_http, taking_turns(api, turns), self._listener)
        hub.spawn(self._keep_time)
        hub.spawn(self._keep_trying)
        hub.spawn(self._keep_auditing)
        hub.spawn(self._keep_announcing)
        hub.spawn(self._keep_counting)
        hub.spawn(self._limiting.keep_limiting)
        hub.spawn(self._databases.keep_looking, RETRY_SECONDS, self._connected, self._look_at)
        LOG.info("ryu-vnet on %s: API on %s:%d", framework.NAME, self.settings.api_host, self.settings.api_port)

    def close(self) -> None:
        """End. Called by the framework; who listens to events has a moment to take the last ones."""
        if self._is_ready:
            _guarded(self.system.stop)
            hub.sleep(LAST_SECONDS)
        super().close()

    # --- switches ---------------------------------------------------------------------------------------------------

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN, DEAD])
    def _on_state(self, event: Any) -> None:
        datapath = event.datapath
        if event.state == MAIN:
            # The same switch may be back before its old connection is known to be dead.
            self._lose(datapath.id)
            self._datapaths[datapath.id] = datapath
            if self._is_ready:
                self._adopt(datapath.id)
        elif self._is_current(datapath):
            self._lose(datapath.id)

    def _is_current(self, datapath: Any) -> bool:
        """Whether this is the connection that its switch has now."""
        return self._datapaths.get(datapath.id) is datapath

    def _lose(self, dpid: int) -> None:
        self._datapaths.pop(dpid, None)
        if not self._is_ready:
            return
        self.system.strangers.pop(dpid, None)
        names = {name for name, outbox in self._outboxes.items() if outbox.datapath.id == dpid}
        for name in [*names]:
            self._outboxes.pop(name).close()
        # One that was refused has no outbox, and is away all the same.
        for name in sorted(names | {self.system.switch_of(dpid) or ""} & set(self.system.switches)):
            self.system.switch_disconnected(name)

    def _on_message(self, datapath: Any, message: bytes) -> None:
        name = self.system.switch_of(datapath.id)
        if name in self._outboxes and self._outboxes[name].datapath is datapath:
            _guarded(partial(self.system.switch_message, name, message))

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
        found = self._databases.read(self._databases.remote(name))
        if self._is_current(datapath) and self.system.switch_of(datapath.id) == name:
            _guarded(partial(self._settle_as, name, datapath, found))

    def _settle_as(self, name: str, datapath: Any, found: Found) -> None:
        self._settle(name, datapath, self._judge(name, found))

    def _settle(self, name: str, datapath: Any, reasons: list[str]) -> None:
        """Hand a switch over to the System Manager, refuse it, or leave it as it is."""
        handed = name in self._outboxes
        if reasons:
            text = "; ".join(reasons)
            if handed or self.system.switches[name].trouble != text:
                LOG.error("switch %s is not programmed: %s", name, text)
            if handed:
                self._outboxes.pop(name).close(hang_up=True)
            self.system.switch_refused(name, text)
        elif not handed:
            LOG.info("switch %s is connected", name)
            self._outboxes[name] = _Outbox(datapath, self.system.switches[name])
            self.system.switch_connected(name, Version(datapath.ofproto.OFP_VERSION))

    def _judge(self, name: str, found: Found) -> list[str]:
        """Why a switch must not be programmed, if its database says so; the report is kept for people to see."""
        if isinstance(found, str):
            self.system.reports[name] = found
            return []
        dpid = self.system.fabric.switches[name].dpid
        report = found.get(dpid)
        if report is None:
            remote = self._databases.remote(name)
            self.system.reports[name] = f"not checked: {remote} has no bridge with identifier {dpid:016x}"
            return []
        self.system.reports[name] = report
        return list(refusals(report))

    def _daemon(self, name: str) -> str:
        """Who tracks the connections of a switch: the daemon whose database has its bridge, as far as that is known."""
        remote = self._databases.remote(name)
        return remote if remote is not None and isinstance(self.system.reports.get(name), BridgeReport) else name

    def _send(self, name: str, chunks: Iterable[bytes]) -> None:
        outbox = self._outboxes.get(name)
        if outbox is not None:
            outbox.put(chunks)

    def _soon(self, job: Callable[[], None]) -> None:
        """Do a job when those that wait to run now have run: what a thousand switches say at once is one job."""
        hub.spawn(_guarded, job)

    def _later(self, seconds: float, job: Callable[[], None]) -> None:
        """Do a job after some seconds."""
        hub.spawn_after(seconds, _guarded, job)

    # --- time -------------------------------------------------------------------------------------------------------

    def _keep_time(self) -> None:
        while True:
            hub.sleep(1)
            _guarded(self.system.tick)
            _guarded(self._spare_collector)

    def _is_calm(self) -> bool:
        """Whether no switch is being read, or brought into step."""
        return not any(manager.state in (State.READING, State.CHANGING) for manager in self.system.switches.values())

    def _follow_databases(self) -> None:
        if self.settings.discovery:
            remotes = {self._databases.remote(name) for name in self.system.fabric.switches}
            self._followers.follow({remote for remote in remotes if remote is not None})

    def _keep_trying(self) -> None:
        while True:
            hub.sleep(RETRY_SECONDS)
            _guarded(self.system.retry)
            _guarded(self._discovery.retry)

    def _keep_auditing(self) -> None:
        """One switch after the other, all of them about every AUDIT_SECONDS."""
        while True:
            names = sorted(self.system.switches)
            for name in names:
                hub.sleep(AUDIT_SECONDS / len(names))
                if name in self.system.switches:
                    _guarded(partial(self.system.audit, name))
            if not names:
                hub.sleep(RETRY_SECONDS)

    def _keep_counting(self) -> None:
        """Ask for the counters of meters: one switch after the other of those that have any, each about every
        COUNT_SECONDS."""
        while True:
            names = sorted(name for name, manager in self.system.switches.items() if manager.wanted.meters)
            for name in names:
                hub.sleep(max(LEAST_SECONDS_BETWEEN_COUNTS, COUNT_SECONDS / len(names)))
                if name in self.system.switches:
                    _guarded(partial(self.system.count, name))
            if not names:
                hub.sleep(RETRY_SECONDS)

    def _keep_announcing(self) -> None:
        while self.settings.lldp_seconds:
            hub.sleep(ANNOUNCE_SECONDS)
            _guarded(self.system.announce)

    def _spare_collector(self) -> None:
        """Keep the garbage collector from looking through the model again and again: a million objects take it 0.2 s,
        in which nothing else is done, and none of them is garbage."""
        size = self.system.model.size + sum(len(manager.wanted) for manager in self.system.switches.values())
        # Not while somebody waits for his request, unless there is always somebody.
        if size > (GROWTH if not self._waiters else GROWTH**3) * self._settled_size:
            self._settled_size = size
            gc.collect(1)
            gc.freeze()

    def _connected(self) -> list[str]:
        names = (self.system.switch_of(dpid) for dpid in self._datapaths)
        return [name for name in names if name is not None]

    def _look_at(self, remote: str, found: Found) -> None:
        """Look again at how bridges are set up: what was mended may be programmed, what was undone may not."""
        for datapath in [*self._datapaths.values()]:
            name = self.system.switch_of(datapath.id)
            if name is not None and self._databases.remote(name) == remote and self._is_current(datapath):
                _guarded(partial(self._settle_as, name, datapath, found))

    # --- waiting ----------------------------------------------------------------------------------------------------

    def _notify(self) -> None:
        """Soon, see who need not wait any more, and whether connected switches were declared or are so no more."""
        if not self._waking:
            self._waking = True
            hub.spawn(self._wake)

    def _wake(self) -> None:
        self._waking = False
        if self._fabric is not self.system.fabric:
            self._fabric = self.system.fabric
            self._readopt()
            self._follow_databases()
        for holds, event in self._waiters:
            if holds():
                event.set()

    def _readopt(self) -> None:
        for name, outbox in [*self._outboxes.items()]:
            if self.system.switches.get(name) is not outbox.manager:
                self._outboxes.pop(name).close(hang_up=True)
        for dpid in [dpid for dpid in self.system.strangers if self.system.switch_of(dpid) is not None]:
            self._adopt(dpid)

    def _wait(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until something holds, or time is over; others run meanwhile."""
        if holds() or seconds <= 0:
            return holds()
        waiter = holds, hub.Event()
        self._waiters.append(waiter)
        try:
            waiter[1].wait(seconds)
        finally:
            self._waiters.remove(waiter)
        return holds()
