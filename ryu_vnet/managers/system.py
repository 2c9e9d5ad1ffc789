"""The System Manager: takes requests, owns the state, and hands each switch the table that follows from it.

One writer. A request is tried on a draft, checked as a whole, granted its identifiers, compiled, put on disk, and only
then handed out and answered. The answer's revision is realised once every switch that it concerns has acknowledged it.

What a request or an event costs depends on the rows that it changes, not on how much there is: the model, the compiler
and the communication managers all take differences.

What it needs of the outside world (sending bytes, telling the time, being called soon) comes in as functions, so that
it runs the same under a framework and in a test.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import inf, nextafter
from typing import Any

from ..compiler.presence import Extent, Presence
from ..compiler.rows import Subject, origin_of
from ..errors import Conflict, Invalid, NotFound, StoreError
from ..fabric.declared import Fabric
from ..fabric.documents import (
    ADMITTED_PREFIX,
    FABRIC_KEY,
    OBSERVED_PREFIX,
    admission,
    fabric_document,
    fabric_from,
    ports_document,
    ports_from,
)
from ..fabric.observed import PortState, Topology
from ..model.documents import from_document, to_document
from ..model.outside import ZONES
from ..model.state import Draft, Model
from ..model.values import Network, Node, Place, Resting, Value, key_of
from ..openflow.replies import PacketIn
from ..openflow.wire import Version
from ..store.interface import Store
from . import moves
from .allocation import REST_SECONDS, Allocator
from .announcing import Announcing
from .bridge import BridgeReport
from .checks import Checker
from .communication import CommunicationManager, Effects
from .delivery import Delivery
from .difference import Before, difference
from .drift import Drift
from .events import EVENT_PREFIX, EVENTS_KEPT, Event, EventLog, Kind, event_from, event_key, event_number
from .exits import settle_exits
from .flushing import Flushing
from .fsck.documents import refusal
from .history import History
from .hops import Hops
from .leases import Leases
from .let_in import check_let_in
from .listening import Listening
from .moving import Moves, Moving
from .placement import Placer
from .placers import Closest
from .plan import MOST_LISTED, Found, Plan, labels_of, plan_of, rows_changed
from .policing import Policing
from .ports import AwaitedPorts
from .programme import Programme, Tables
from .requests import Work
from .routers import check_routing
from .serving import Serving
from .settling import settle
from .sites import check_sites, settle_sites
from .standby import Standby
from .summary import account
from .tracked import Tracked

Json = dict[str, Any]

DRIFTS_KEPT = 1000
RECALLED_AT_ONCE = 200
ADMIT_SECONDS = 15.0
"""How long a switch that is in step may wait for others that are being read, to be let in together with them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request came to: the revision that holds what was asked for, and whether it changed anything."""

    revision: int
    changed: bool


class System:
    """The whole state of one controller. Public attributes are for reading; it changes by `request` and by the
    events of switches and time."""

    def __init__(
        self,
        store: Store,
        send: Callable[[str, Iterable[bytes]], None],
        clock: Callable[[], float],
        soon: Callable[[Callable[[], None]], None] = lambda job: job(),
        *,
        compiled: bool = True,
        calendar: Callable[[], float] = time.time,
        events_kept: int = EVENTS_KEPT,
    ) -> None:
        """`soon` calls a function a little later, so that what many switches say at once is taken in at once.
        `calendar` gives seconds since 1970, which events are dated by.

        Raises StoreError where the store cannot be read. Not `compiled`: nothing but `compile` may be called yet, and
        some time later `recall`.
        """
        self._store = store
        self._clock = clock
        self.soon = soon
        self.model = Model()
        self.fabric = Fabric()
        self.ports: dict[str, dict[str, PortState]] = {}
        self._admissions: dict[str, Json] = {}
        """Of each switch that has been seen in step, as what: see `documents.admission`."""
        self._unsaved: set[str] = set()
        """Switches whose ports could not be written to the store."""
        self._reported: dict[str, dict[str, PortState]] = {}
        """Ports that switches have said they have, and that are not taken in yet."""
        self._in_step: set[str] = set()
        """Switches that are in step for the first time, and not admitted yet."""
        self._in_step_since = 0.0
        self._taking_in = False
        self._programme = Programme()
        self._policing = Policing()
        self._checker = Checker()
        self._leases = Leases()
        self.delivery = Delivery(send, clock)
        self.delivery.on_ports = self._on_ports
        self.delivery.on_heard = self._on_heard
        self.delivery.on_progress = self._on_progress
        self.delivery.on_drift = self._on_drift
        self.reports: dict[str, BridgeReport | str] = {}
        """What the database of each switch says of its bridge, or why that is not known."""
        self.strangers: dict[int, str] = {}
        """Switches that are connected and not declared: datapath identifier, and where they connect from."""
        self.drifts: deque[tuple[float, Drift]] = deque(maxlen=DRIFTS_KEPT)
        """What others changed on switches lately, the oldest first, each with the clock's time."""
        self.placer: Placer = Closest()
        """What ranks hosts for nodes that start without one."""
        self.on_commit: Callable[[float], None] = lambda seconds: None
        """Called with the time that each commit to the store took."""
        self.listeners: list[Callable[[], None]] = []
        """Called after every change, and whenever a switch has acknowledged or refused something, came or went."""
        self.on_value: Callable[[Value | None, Value | None], None] = lambda old, new: None
        """Called with each value that is another now than before; None where there is none."""
        self.events = EventLog(events_kept, calendar)
        self.history = History(self.events, clock)
        self.delivery.on_realised = self._on_realised
        self.listening = Listening(self, clock, soon)
        self.announcing = Announcing(self.delivery, self.note)
        """What link ports hear of each other, by which the declared fabric is checked."""
        self.hops = Hops(self, clock, soon)
        """Where the next routers of outside networks are."""
        self.standby = Standby(self, clock)
        """Which gateway takes over when one fails."""
        self.serving = Serving(self, clock)
        """What is answered to what switches tell of."""
        self.flushing = Flushing(self.delivery, clock)
        self.tracked = Tracked(self, clock)
        """How many connections gateways track for each network."""
        self._awaited = AwaitedPorts()
        self._moves = Moves()
        self._arriving: set[Moving] = set()
        """Those of whom there was a sign, which is not taken in yet."""
        self._let_go: dict[Resting, float] = {}
        """For identifiers that rest: since when no switch can have a rule for them any more."""
        self._calendar = calendar
        try:
            self._read()
        except Exception as error:
            raise refusal(store, error) from error
        if compiled:
            self.compile()
            self.recall()

    @property
    def revision(self) -> int:
        """The last revision."""
        return self._store.revision

    @property
    def tables(self) -> Tables:
        """What all switches are to hold now, as values."""
        return Tables(self._programme)

    @property
    def topology(self) -> Topology:
        """Paths and trees over what is there of the fabric."""
        return self._programme.topology

    def extent(self, network: Network) -> Extent:
        """The switches and segments where a network has running members."""
        return self._programme.compilation.presences[network.ref].extent

    def places_on(self, switch: str) -> Iterable[Place]:
        """The ports of a switch that somebody is on who runs, or will be when he has moved."""
        return self._programme.compilation.places_on(switch)

    def presence(self, ref: str) -> Presence | None:
        """Where the present members of a network, by reference, are; None where there is no such network."""
        return self._programme.compilation.presences.get(ref)

    @property
    def switches(self) -> dict[str, CommunicationManager]:
        """The communication manager of each declared switch."""
        return self.delivery.switches

    def _read(self) -> None:
        values = []
        for document in self._store.list(without=EVENT_PREFIX).documents:
            if document.key == FABRIC_KEY:
                self.fabric = fabric_from(document.value)
            elif document.key.startswith(OBSERVED_PREFIX):
                self.ports[document.key.removeprefix(OBSERVED_PREFIX)] = ports_from(document.value)
            elif document.key.startswith(ADMITTED_PREFIX):
                self._admissions[document.key.removeprefix(ADMITTED_PREFIX)] = document.value
            else:
                values.append(from_document(document.key, document.value))
        self.model = Model(values)
        for document in self._store.last(EVENT_PREFIX, 1):
            self.events.begin(event_number(document.key))

    def recall(self, pause: Callable[[], None] = lambda: None) -> None:
        """Take in the events of earlier lives. Ten thousand take a fifth of a second, which nobody needs to wait for:
        every now and then `pause` is called, in which others may do anything."""
        found: list[Event] = []
        before = event_key(self.events.last + 1)
        while piece := self._store.last(EVENT_PREFIX, RECALLED_AT_ONCE, before):
            found += [event_from(document.key, document.value) for document in piece]
            before = piece[-1].key
            pause()
        found.reverse()
        self.events.recall(found)
        self.history.resume(found, self._calendar())

    def compile(self, pause: Callable[[], None] = lambda: None) -> None:
        """Compile all that the store held. With a hundred thousand nodes that takes ten seconds: every now and then
        `pause` is called, in which others may do what has nothing to do with this system."""
        self._compile_anew(self._new_topology(self.fabric, self.ports), pause)
        self.delivery.forget_up_to(self.revision)
        self._note_changes(((None, value) for value in self.model.values()), self.revision)
        self.serving.advertising.rest()

    def _compile_anew(self, topology: Topology, pause: Callable[[], None] = lambda: None) -> None:
        """Compile everything. Where compiling was left in the middle, what switches have was not touched, and is what
        this gives again with the topology that they have it from."""
        self._programme = Programme()
        self._programme.load(self.model, topology, pause)
        self.delivery.follow(self.fabric, self._programme.contents, topology.admitted)

    # --- requests ---------------------------------------------------------------------------------------------------

    def request(self, edit: Callable[[Work], None]) -> Answer:
        """Do what `edit` (of `requests`) does to a draft, wholly or not at all.

            system.request(lambda work: requests.start(work, "red", "vm1.1", {}))

        Raises what `edit` raises, Invalid, Exhausted or StoreError; then nothing has changed.
        """
        with self.history.of_request():
            return self._request(edit)

    def _request(self, edit: Callable[[Work], None]) -> Answer:
        work = self._try(edit)
        draft, is_declared_anew = work.draft, work.fabric != self.fabric
        documents = _documents(draft)
        gone = _gone(self.fabric, work.fabric) if is_declared_anew else set()
        still = self._admitted(work.fabric) if is_declared_anew else set()
        if is_declared_anew:
            documents[FABRIC_KEY] = fabric_document(work.fabric)
            documents.update({OBSERVED_PREFIX + name: None for name in gone if name in self.ports})
            # What a switch was let in as holds no more once it is declared as something else, even if only for a while.
            documents.update({ADMITTED_PREFIX + name: None for name in self._admissions.keys() - still})
        if not documents:
            # A fabric that was declared anew is another object, even where it is the same.
            touched = {*draft.touched, *([FABRIC_KEY] if work.fabric is not self.fabric else [])}
            found = (self._store.get(key) for key in touched)
            return Answer(max((document.revision for document in found if document), default=0), changed=False)
        ports, topology = self._known_in(work.fabric)
        changes = self._changes(draft)
        fabrics = (self.fabric, work.fabric) if is_declared_anew else None
        self.history.asked(account(changes, self.model, fabrics), self.revision + 1)
        before, revision = self._keep(changes, topology, documents)
        self.history.committed(revision)
        self.model.keep(draft.changes)
        if is_declared_anew:
            self.ports, self.fabric = ports, work.fabric
            self._admissions = {name: known for name, known in self._admissions.items() if name in still}
            self._reported = {name: known for name, known in self._reported.items() if name not in gone}
            new = self.delivery.follow(self.fabric, self._programme.contents, topology.admitted)
            # A switch that is new is waited for, whether or not there is anything for it yet.
            before = {**{name: {} for name in new}, **before}
        self._note_changes(changes, revision)
        self.flushing.changed(changes, self.model)
        self.delivery.hand_out(before, revision)
        if not before and not self.missing_ports(revision):
            # It concerns no switch: none will say that it has it.
            self.history.realised(revision)
        self._notify()
        return Answer(revision, changed=True)

    def plan(self, edit: Callable[[Work], None], most: int = MOST_LISTED) -> Plan:
        """What `request` would change, with `most` entries of each list. Nothing has changed afterwards: nothing was
        stored or sent, and what the request would be granted is granted to whoever asks next.

        Raises what `edit` raises, Invalid or Exhausted, as the request would.
        """
        work = self._try(edit)
        old, (_, topology), changes = self.topology, self._known_in(work.fabric), self._changes(work.draft)
        programme, labels = self._programme, labels_of(self._programme.compilation.presences)
        gone = {name: len(programme.contents[name]) for name in _gone(self.fabric, work.fabric)}
        try:
            rows = rows_changed(programme.update(changes, topology), programme.contents, gone)
            now = labels_of(programme.compilation.presences)
            self._take_back(changes, old)
        except Exception:
            self._compile_anew(old)
            raise
        return plan_of(Found(changes, (self.fabric, work.fabric), (labels, now), rows), most)

    def _try(self, edit: Callable[[Work], None]) -> Work:
        """Do what `edit` does to a draft, check it as a whole, and grant what it needs. Nothing else has changed.

        Raises what `edit` raises, Invalid or Exhausted.
        """
        draft = Draft(self.model)
        work = Work(draft, self.fabric, Allocator(draft, self.revision + 1))
        edit(work)
        settle_sites(draft, work.fabric, self.fabric)
        self._policing.police(work, self.model, self.fabric)
        self._leases.settle(work, self.model)
        settle_exits(work, self.model, self.fabric, lambda *where: self.standby.why_unfit(*where) is None)
        check_let_in(work, self.fabric)
        check_routing(draft, self.model)
        check_sites(draft, work.fabric, self.fabric)
        self.flushing.note(work, self.model, self.fabric)
        self._checker.check(work, self.fabric)
        settle(work, self.model, self.fabric, self._programme.compilation.presences)
        return work

    def _changes(self, draft: Draft) -> list[tuple[Value | None, Value | None]]:
        return [(self.model.get(key), value) for key, value in draft.changes.items()]

    def _known_in(self, fabric: Fabric) -> tuple[dict[str, dict[str, PortState]], Topology]:
        """What switches have said of their ports, and the topology, once the fabric is this one."""
        if fabric == self.fabric:
            return self.ports, self.topology
        gone = _gone(self.fabric, fabric)
        ports = {name: known for name, known in self.ports.items() if name not in gone}
        return ports, self._new_topology(fabric, ports)

    def _keep(
        self, changes: list[tuple[Value | None, Value | None]], topology: Topology, documents: dict[str, Json | None]
    ) -> tuple[dict[str, Before], int]:
        """Compile what has changed and put it on disk. What cannot be compiled or kept changes nothing."""
        old = self.topology
        try:
            before = self._programme.update(changes, topology)
            return before, self._commit(documents)
        except StoreError:
            self._take_back(changes, old)
            raise
        except Exception:
            self._compile_anew(old)
            raise

    def _take_back(self, changes: list[tuple[Value | None, Value | None]], old: Topology) -> None:
        """Compile the opposite of what was compiled last."""
        self._programme.update([(new, was) for was, new in changes], old)
        self.delivery.follow(self.fabric, self._programme.contents, old.admitted)

    def _commit(self, documents: Mapping[str, Json | None]) -> int:
        started = self._clock()
        revision = self._store.commit({**documents, **self.events.documents()})
        self.events.written()
        self.on_commit(self._clock() - started)
        return revision

    def mend(self, edit: Callable[[Work, dict[str, Json | None]], None]) -> Answer:
        """Do what `edit` does to a draft, and to documents beside the model, wholly or not at all.

        Unlike `request`, it neither checks nor grants anything: that is what `edit` is there for (see `fsck`), as what
        it starts from may not be as it must. So all is compiled anew, as at a start. Raises what `edit` raises, and
        StoreError; then nothing has changed.
        """
        draft, others = Draft(self.model), dict[str, Json | None]()
        edit(Work(draft, self.fabric, Allocator(draft, self.revision + 1)), others)
        documents = {**others, **_documents(draft)}
        if not documents:
            return Answer(self.revision, changed=False)
        changes = self._changes(draft)
        was, self._programme, topology = self._programme, Programme(), self.topology
        undone = {key: self.model.get(key) for key in draft.changes}
        self.model.keep(draft.changes)
        try:
            self._programme.load(self.model, topology)
            revision = self._commit(documents)
        except Exception:
            self.model.keep(undone)
            self._programme = was
            raise
        removed = {key for key, value in documents.items() if value is None}
        self.ports = {name: known for name, known in self.ports.items() if OBSERVED_PREFIX + name not in removed}
        self._admissions = {n: known for n, known in self._admissions.items() if ADMITTED_PREFIX + n not in removed}
        contents = self._programme.contents
        before = {name: difference(was.contents[name], now) for name, now in contents.items()}
        self.delivery.follow(self.fabric, contents, topology.admitted)
        self._note_changes(changes, revision)
        self.delivery.hand_out({name: touched for name, touched in before.items() if touched}, revision)
        self._notify()
        return Answer(revision, changed=True)

    def documents(self) -> dict[str, Json]:
        """What the store is to have, by key; without what switches have said of their ports since it last could be
        written down."""
        fabric = {FABRIC_KEY: fabric_document(self.fabric)} if self.fabric != Fabric() else {}
        known = {name: ports for name, ports in self.ports.items() if name not in self._unsaved}
        return {
            **fabric,
            **{OBSERVED_PREFIX + name: ports_document(ports) for name, ports in known.items()},
            **{ADMITTED_PREFIX + name: as_what for name, as_what in self._admissions.items()},
            **{key_of(value): to_document(value) for value in self.model.values()},
        }

    @property
    def store(self) -> Store:
        """What outlives the controller; for reading."""
        return self._store

    @property
    def unsaved(self) -> frozenset[str]:
        """Switches whose ports could not be written to the store yet."""
        return frozenset(self._unsaved)

    @property
    def admissions(self) -> dict[str, Json]:
        """Of each switch that was let in, as what."""
        return {**self._admissions}

    def rests_until(self, resting: Resting) -> float | None:
        """When an identifier will be free again, by the clock; None while a switch may still have a rule for it."""
        since = self._let_go.get(resting)
        return None if since is None else since + REST_SECONDS

    def pending(self, revision: int | None = None) -> list[str]:
        """The switches on which a revision is not realised yet, or any revision at all, by name."""
        return sorted(self.delivery.pending(revision) | {place.switch for place in self.missing_ports(revision)})

    def missing_ports(self, revision: int | None = None) -> list[Place]:
        """The ports without which a revision, or any at all, is not realised: nodes run on them and they are not
        there. Of a switch that was never heard of, no port is known to be missing."""
        return sorted((place for place in self._awaited.of(revision) if place.switch in self.ports), key=str)

    def awaited_by(self, place: Place) -> int | None:
        """The revision that needs a port which is not there."""
        return self._awaited.revision(place)

    def _note_changes(self, changes: Iterable[tuple[Value | None, Value | None]], revision: int) -> None:
        """Note the ports that running nodes need and that nobody has seen, and who moves."""
        for old, new in changes:
            self._moves.changed(old, new, revision)
            self._leases.changed(old, new)
            self.serving.changed(old, new)
            self.on_value(old, new)
            for place in _places(old) - _places(new):
                self._awaited.discard(place)
            for place in _places(new):
                if self.topology.port_number(place) is None:
                    self._awaited.add(place, revision)

    # --- what switches say ------------------------------------------------------------------------------------------

    def _on_ports(self, name: str, ports: dict[str, PortState]) -> None:
        before = self._reported.get(name, self.ports.get(name))
        if name in self.fabric.switches and ports != before:
            self._reported[name] = ports
            self._take_in_soon()
            for who in self._moves.arrived(name, before or {}, ports, self._has_port):
                self._arrive_soon(who)

    def _has_port(self, place: Place) -> bool:
        return place.port in self._reported.get(place.switch, self.ports.get(place.switch, {}))

    def _on_heard(self, name: str, told: PacketIn) -> None:
        self.listening.heard(name, told)
        self.announcing.heard(name, told, self.topology, self._clock())
        self.hops.heard(name, told)
        self.serving.heard(name, told)
        self.tracked.heard(name, told)
        origin = origin_of(told.cookie)
        who = self._moves.of_interface(origin.number) if origin is not None else None
        if origin is not None and origin.subject is Subject.INTERFACE and who is not None and who not in self._arriving:
            self._arrive_soon(who)

    def _arrive_soon(self, who: Moving) -> None:
        self._arriving.add(who)

        def arrive() -> None:
            self._arriving.discard(who)
            with suppress(Conflict, Invalid, NotFound):  # It was stopped or deleted, or its place taken, meanwhile.
                if self.request(lambda work: moves.arrive(work, *who)).changed:
                    self.note("node", f"{who.tenant}/{who.node}", f"{who.interface} has arrived where it moved to")

        self.soon(arrive)

    def _on_progress(self, name: str) -> None:
        manager = self.switches.get(name)
        if manager is not None and not manager.admitted and manager.in_step:
            self._in_step_since = self._in_step_since if self._in_step else self._clock()
            self._in_step.add(name)
            self._take_in_soon()
        self.history.progress(name, manager is not None and manager.in_step)
        self._notify()

    def _on_realised(self, revision: int, seconds: float) -> None:
        if not self.missing_ports(revision):
            self.history.realised(revision)

    def _on_drift(self, drift: Drift) -> None:
        # No two have the same time: a list of them goes on after one by its time.
        self.history.drifted(drift)
        last = self.drifts[-1][0] if self.drifts else -inf
        self.drifts.append((max(self._clock(), nextafter(last, inf)), drift))

    def _take_in_soon(self) -> None:
        if not self._taking_in:
            self._taking_in = True
            self.soon(self._take_in)

    def _take_in(self) -> None:
        """Take in what switches have said of their ports, and let the links be used of those that are in step for the
        first time as what they are declared to be.

        Until then a switch's neighbours take nothing from it and send it nothing: it may hold rules from another
        life, with tags and labels that mean something else now. Revisions that it would have acknowledged wait for
        them too.
        """
        self._taking_in = False
        reported, self._reported = self._reported, {}
        reported = {name: ports for name, ports in reported.items() if name in self.fabric.switches}
        # A thousand switches that come at once are let in by the second: each time, paths and fan-outs change.
        hurry = not self.delivery.is_catching_up or self._clock() - self._in_step_since >= ADMIT_SECONDS
        ready, self._in_step = (self._in_step, set()) if hurry else (set(), self._in_step)
        admitted = {name: self.switches[name] for name in sorted(ready) if self._may_be_admitted(name)}
        if not reported and not admitted:
            return
        documents: dict[str, Json | None] = {
            ADMITTED_PREFIX + name: admission(self.fabric.switches[name]) for name in admitted
        }
        try:
            revision = self._commit(documents) if documents else self.revision
        except StoreError:
            # Nothing is taken in; it will be tried again.
            self._reported, self._in_step = {**reported, **self._reported}, self._in_step | ready
            raise
        self._admissions.update({name: admission(self.fabric.switches[name]) for name in admitted})
        self.history.ports(self.fabric, self.ports, reported)
        ports = self.ports
        self.ports = {**self.ports, **reported}
        self._unsaved |= reported.keys()
        carried = {needed for manager in admitted.values() for needed in manager.unacknowledged}
        changed = reported.keys() | admitted.keys()
        old = self.topology
        topology = old.after(self.ports, old.admitted | admitted.keys(), changed)
        carried |= self._seen_ports(reported, topology)
        self.announcing.ports(old, topology, reported, self._clock())
        try:
            before = self._programme.update((), topology, changed)
        except Exception:
            self._compile_anew(old)
            raise
        for name, manager in admitted.items():
            self.delivery.effect(name, manager.admit())
        self.delivery.hand_out(before, revision, sorted(carried))
        self.listening.ports(ports, reported)
        if any(self.fabric.switches[name].uplinks or self.fabric.switches[name].tunnels for name in reported):
            self.soon(self.standby.look)
        # What a switch says of itself holds, whether or not it can be written down now.
        with suppress(StoreError):
            self._save_ports()
        self._notify()

    def _may_be_admitted(self, name: str) -> bool:
        manager = self.switches.get(name)
        return manager is not None and name in self.fabric.switches and manager.in_step and not manager.admitted

    def _seen_ports(self, switches: Iterable[str], topology: Topology) -> set[int]:
        """Forget the awaited ports that are there now, or whose switch lost them again. Returns who needed them."""
        needed = set()
        for name in switches:
            for place in self._awaited.on(name):
                if topology.port_number(place) is not None:
                    needed.add(self._awaited.discard(place))
            for place in self._programme.compilation.places_on(name):
                if topology.port_number(place) is None and self.topology.port_number(place) is not None:
                    self._awaited.add(place, self.revision)
        return {revision for revision in needed if revision is not None}

    def _save_ports(self) -> None:
        documents: dict[str, Json | None] = {
            OBSERVED_PREFIX + name: ports_document(self.ports[name]) for name in self._unsaved if name in self.ports
        }
        if documents:
            self._commit(documents)
        self._unsaved.clear()

    def _admitted(self, fabric: Fabric) -> set[str]:
        return {name for name, switch in fabric.switches.items() if self._admissions.get(name) == admission(switch)}

    def _new_topology(self, fabric: Fabric, ports: dict[str, dict[str, PortState]]) -> Topology:
        return Topology(fabric, ports, self._admitted(fabric))

    def _notify(self) -> None:
        for listener in self.listeners:
            listener()

    # --- events -----------------------------------------------------------------------------------------------------

    def effect(self, name: str, effects: Effects) -> None:
        """Carry out what an event of a switch leads to."""
        self.delivery.effect(name, effects)

    def switch_of(self, dpid: int) -> str | None:
        """The name of the declared switch that has a datapath identifier."""
        return self.fabric.by_dpid.get(dpid)

    def switch_connected(self, name: str, version: Version) -> None:
        """A switch is there, and may be programmed."""
        self.history.connected(name)
        self.announcing.connected(self.fabric, name)
        self.delivery.connected(name, version)
        self.flushing.connected(name, self.model)

    def switch_refused(self, name: str, reason: str) -> None:
        """A switch is there, and must not be programmed as it is set up."""
        self.history.switch_refused(name, reason)
        self.effect(name, self.switches[name].refuse(reason, self.revision))

    def switch_message(self, name: str, message: bytes) -> None:
        """A switch said something. Raises WireError where it is broken."""
        if name in self.switches:
            self.effect(name, self.switches[name].received(message))

    def switch_disconnected(self, name: str) -> None:
        """A switch is gone."""
        if name in self.switches:
            self.history.disconnected(name)
            self.effect(name, self.switches[name].disconnected(self.revision))

    def look(self, name: str) -> None:
        """Ask a switch what it has; `switches[name].counts` is renewed when listeners are called."""
        self.effect(name, self.switches[name].look())

    def audit(self, name: str) -> None:
        """Compare all that a switch has with what it is to have; what differs is put right."""
        self.effect(name, self.switches[name].audit())

    def count(self, name: str) -> None:
        """Ask a switch what its meters have counted; `switches[name].meter_counts` is renewed with the answer."""
        self.effect(name, self.switches[name].count())

    def tick(self) -> None:
        """To be called about once a second: identifiers that have rested are free again."""
        self._save_ports()
        self.delivery.tick()
        self.hops.ask()
        self.standby.look()
        self.serving.tick()
        if self._in_step or self._reported:
            self._take_in_soon()
        now = self._clock()
        late = self.delivery.out_of_step()
        unflushed = {left.zone for left in self.model.unflushed()}
        let_go = [
            resting
            for resting in self.model.resting()
            if not (resting.identifier in unflushed if resting.space == ZONES else self.holders(resting, late))
        ]
        self._let_go = {resting: self._let_go.get(resting, now) for resting in let_go}
        rested = [key_of(resting) for resting, since in self._let_go.items() if now - since >= REST_SECONDS]
        rested += self.flushing.tick(self.model)
        if rested:
            self._commit(dict.fromkeys(rested))
            self.model.keep(dict.fromkeys(rested))
        late_for = [revision for revision in self._moves.revisions if self.pending(revision)]
        for who, place in self._moves.settled(now, late_for, moves.LINGER_SECONDS).items():
            self.request(lambda work, who=who, place=place: _settle_down(work, who, place))  # type: ignore[misc]
        self.listening.see_to_gone()
        self._write_events()

    def note(self, kind: Kind, subject: str, text: str, details: Json | None = None) -> Event:
        """Let it be an event that something happened: see `Event`. It is told within a second, as what somebody did
        where it happens in a request."""
        return self.history.note(kind, subject, text, details)

    def _write_events(self) -> None:
        self.history.look(lambda revision: bool(self.pending(revision)))
        self.history.tell_drift()
        if self.events.documents():
            self._commit({})
            self._notify()

    def stop(self) -> None:
        """The controller ends: what was noted is written, and who listens to events is told that there is no more."""
        try:
            self._write_events()
        finally:
            self.events.close()
            self._notify()

    def announce(self) -> None:
        """To be called some ten times a second: link ports say who they are, a few at a time."""
        self.announcing.go_on(self.topology, self._clock())
        self.standby.go_on()

    def retry(self) -> None:
        """To be called every few seconds: rows that a switch refused are tried again."""
        for name, manager in sorted(self.switches.items()):
            self.effect(name, manager.retry())

    def holders(self, resting: Resting, late: Iterable[str] | None = None) -> list[str]:
        """The switches that may still have a rule for an identifier that rests, by name.

        Any switch of the segment (for a label, of the fabric) that has not shown since then that it has exactly
        what it is to have. Which rules a switch held before it went away is not remembered, on purpose. `late` has
        those that are not in step, where they are known already. A conntrack zone is held by those that may know
        connections of it: see `flushing`.
        """
        if resting.space == ZONES:
            return sorted({left.switch for left in self.model.unflushed() if left.zone == resting.identifier})
        segment = resting.space.partition(":")[2] or None
        return [
            name
            for name in (self.delivery.out_of_step() if late is None else late)
            if (segment is None or self.fabric.switches[name].segment == segment)
            and not self.switches[name].holds(resting.revision)
        ]


def _documents(draft: Draft) -> dict[str, Json | None]:
    """What a draft changes, for the store; None for what is gone."""
    return {key: to_document(value) if value is not None else None for key, value in draft.changes.items()}


def _settle_down(work: Work, who: Moving, left: Place) -> None:
    moves.settle_down(work, who.tenant, who.node, {who.interface: left})


def _places(value: Value | None) -> set[Place]:
    """Where the interfaces of a running node are."""
    if not isinstance(value, Node) or not value.running:
        return set()
    return {interface.place for interface in value.interfaces if interface.place is not None}


def _gone(before: Fabric, after: Fabric) -> set[str]:
    """The names of switches that are no longer there, or are other bridges under the same name."""
    numbers = {name: switch.number for name, switch in after.switches.items()}
    return {name for name, switch in before.switches.items() if numbers.get(name) != switch.number}
