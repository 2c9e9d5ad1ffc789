"""The System Manager: takes requests, owns the state, and hands each switch the table that follows from it.

One writer. A request is tried on a draft, checked as a whole, granted its identifiers, put on disk, and only then
compiled, handed out and answered. The answer's revision is realised once every switch that it concerns has
acknowledged it.

What it needs of the outside world (sending bytes, telling the time) comes in as two functions, so that it runs the
same under a framework and in a test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..compiler.rows import SwitchTable
from ..compiler.spread import spread
from ..compiler.tables import compile_tables
from ..errors import Invalid, StoreError
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
from ..model.state import Draft, Model
from ..model.values import LABELS, Network, Node, Place, Resting, key_of, tag_space
from ..openflow.rows import encode_group, encode_row
from ..openflow.wire import Version
from ..store.interface import Store
from .allocation import REST_SECONDS, Allocator, segments_with_trunks
from .bridge import BridgeReport
from .checks import draft_problems, span_problems
from .communication import CommunicationManager, Effects
from .difference import Contents
from .requests import Work

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request came to: the revision that holds what was asked for, and whether it changed anything."""

    revision: int
    changed: bool


@dataclass(frozen=True, slots=True)
class _Compiled:
    """What a model and a fabric come to: each switch's table, as values and in the form in which it is sent."""

    topology: Topology
    admitted: set[str]
    tables: dict[str, SwitchTable]
    contents: dict[str, Contents]


class System:
    """The whole state of one controller. Public attributes are for reading; it changes by `request` and by the
    events of switches and time."""

    def __init__(self, store: Store, send: Callable[[str, list[bytes]], None], clock: Callable[[], float]) -> None:
        self._store = store
        self._send = send
        self._clock = clock
        self.model = Model()
        self.fabric = Fabric()
        self.ports: dict[str, dict[str, PortState]] = {}
        self._admissions: dict[str, Json] = {}
        """Of each switch that has been seen in step, as what: see `documents.admission`."""
        self._unsaved: set[str] = set()
        """Switches whose ports could not be written to the store."""
        self.topology = Topology(self.fabric, self.ports)
        self.tables: dict[str, SwitchTable] = {}
        self.switches: dict[str, CommunicationManager] = {}
        self.reports: dict[str, BridgeReport | str] = {}
        """What the database of each switch says of its bridge, or why that is not known."""
        self.strangers: dict[int, str] = {}
        """Switches that are connected and not declared: datapath identifier, and where they connect from."""
        self.listeners: list[Callable[[], None]] = []
        """Called after every change, and whenever a switch has acknowledged or refused something, came or went."""
        self._awaited: dict[Place, int] = {}
        """Ports that running interfaces need and that were not seen yet, with the revision that needs them."""
        self._let_go: dict[Resting, float] = {}
        """For identifiers that rest: since when no switch can have a rule for them any more."""
        self._load()

    @property
    def revision(self) -> int:
        """The last revision."""
        return self._store.revision

    def _load(self) -> None:
        values = []
        for document in self._store.list().documents:
            if document.key == FABRIC_KEY:
                self.fabric = fabric_from(document.value)
            elif document.key.startswith(OBSERVED_PREFIX):
                self.ports[document.key.removeprefix(OBSERVED_PREFIX)] = ports_from(document.value)
            elif document.key.startswith(ADMITTED_PREFIX):
                self._admissions[document.key.removeprefix(ADMITTED_PREFIX)] = document.value
            else:
                values.append(from_document(document.key, document.value))
        self.model = Model(values)
        self._recompile(self.revision)
        self._await_ports(self.model.nodes(), self.revision)
        for manager in self.switches.values():
            # What a switch acknowledged before a restart is not remembered.
            manager.unacknowledged.forget_up_to(self.revision)

    # --- requests ---------------------------------------------------------------------------------------------------

    def request(self, edit: Callable[[Work], None]) -> Answer:
        """Do what `edit` (of `requests`) does to a draft, wholly or not at all.

            system.request(lambda work: requests.start(work, "red", "vm1.1", {}))

        Raises what `edit` raises, Invalid, Exhausted or StoreError; then nothing has changed.
        """
        draft = Draft(self.model)
        work = Work(draft, self.fabric, Allocator(draft, self.revision + 1))
        edit(work)
        self._check(work)
        self._settle(work)
        documents: dict[str, Json | None] = {
            key: to_document(value) if value is not None else None for key, value in draft.changes.items()
        }
        if work.fabric != self.fabric:
            gone = _gone(self.fabric, work.fabric)
            documents[FABRIC_KEY] = fabric_document(work.fabric)
            documents.update({OBSERVED_PREFIX + name: None for name in gone if name in self.ports})
            documents.update({ADMITTED_PREFIX + name: None for name in gone if name in self._admissions})
        if not documents:
            # A fabric that was declared anew is another object, even where it is the same.
            touched = {*draft.touched, *([FABRIC_KEY] if work.fabric is not self.fabric else [])}
            found = (self._store.get(key) for key in touched)
            return Answer(max((document.revision for document in found if document), default=0), changed=False)
        gone = _gone(self.fabric, work.fabric)
        ports = {name: known for name, known in self.ports.items() if name not in gone}
        # Compiled before it is kept: what cannot be compiled is a request that is refused.
        compiled = self._compile(draft, work.fabric, ports)
        revision = self._store.commit(documents)
        self.model.keep(draft.changes)
        self.ports, self.fabric = ports, work.fabric
        self._admissions = {name: known for name, known in self._admissions.items() if name not in gone}
        self._hand_out(compiled, revision)
        self._await_ports([value for value in draft.changes.values() if isinstance(value, Node)], revision)
        self._notify()
        return Answer(revision, changed=True)

    def pending(self, revision: int | None = None) -> list[str]:
        """The switches on which a revision is not realised yet, or any revision at all, by name."""
        waiting = {
            name
            for name, manager in self.switches.items()
            if (manager.unacknowledged if revision is None else revision in manager.unacknowledged)
        }
        return sorted(waiting | {place.switch for place in self.missing_ports(revision)})

    def missing_ports(self, revision: int | None = None) -> list[Place]:
        """The ports without which a revision, or any at all, is not realised: nodes run on them and they are not
        there. Of a switch that was never heard of, no port is known to be missing."""
        return [
            place
            for place, since in sorted(self._awaited.items(), key=lambda item: str(item[0]))
            if revision in (None, since) and self._is_missing(place)
        ]

    def _is_missing(self, place: Place) -> bool:
        member = self.model.at(place)
        known = place.switch in self.ports and self.topology.port_number(place) is None
        return known and member is not None and member.node.running

    def _await_ports(self, nodes: Iterable[Node], revision: int) -> None:
        """Note the ports that running nodes need and that nobody has seen, and forget those that came."""
        awaited = [*self._awaited.items()]
        awaited += [(one.place, revision) for node in nodes if node.running for one in node.interfaces if one.place]
        self._awaited = {place: since for place, since in awaited if self.topology.port_number(place) is None}

    def _check(self, work: Work) -> None:
        if work.fabric != self.fabric:
            nodes, networks = work.draft.nodes(), [network.ref for network in work.draft.networks()]
        else:
            nodes = [value for value in work.draft.changes.values() if isinstance(value, Node)]
            networks = sorted(_networks_of(nodes))
        found = [*draft_problems(work.draft, work.fabric, nodes)]
        found = found or [*span_problems(work.draft, work.fabric, networks)]
        if found:
            raise Invalid(found)

    def _settle(self, work: Work) -> None:
        """Grant the tags that are needed now, and let those rest that no longer are."""
        draft = work.draft
        before = [self.model.get(key) for key in draft.changes]
        if work.fabric != self.fabric:
            concerned = {network.ref for network in draft.networks()}
        else:
            concerned = _networks_of(value for value in (*before, *draft.changes.values()) if isinstance(value, Node))
        segments = {*work.fabric.segments, *self.fabric.segments}
        with_tags = segments_with_trunks(work.fabric)
        topology = Topology(work.fabric, {})
        for old in before:
            if isinstance(old, Network) and draft.network(old.ref) is None:
                work.allocator.settle_tags(old, set(), segments)
        remaining = [network for network in (draft.network(ref) for ref in concerned) if network is not None]
        for network in sorted(remaining, key=lambda network: network.number):
            needed = set(spread(network, draft, topology).segments) & with_tags
            work.allocator.settle_tags(network, needed, segments)

    # --- handing out ------------------------------------------------------------------------------------------------

    def _compile(self, model: Model, fabric: Fabric, ports: dict[str, dict[str, PortState]]) -> _Compiled:
        admitted = {name for name, switch in fabric.switches.items() if self._admissions.get(name) == admission(switch)}
        topology = Topology(fabric, ports, admitted)
        tables = compile_tables(model, topology)
        return _Compiled(topology, admitted, tables, {name: _contents(table) for name, table in tables.items()})

    def _recompile(self, revision: int, carried: Iterable[int] = ()) -> None:
        """Compile, and let each switch whose table is another now have it."""
        self._hand_out(self._compile(self.model, self.fabric, self.ports), revision, carried)

    def _hand_out(self, compiled: _Compiled, revision: int, carried: Iterable[int] = ()) -> None:
        """Let each switch whose table is another now have it. It is needed for `revision`, and for those `carried`."""
        self.topology, self.tables = compiled.topology, compiled.tables
        for name, manager in sorted(self.switches.items()):
            switch = self.fabric.switches.get(name)
            if switch is None or switch.number != manager.number:
                # A bridge that leaves the fabric is emptied if it is there; from then on it is a stranger.
                self.effect(name, manager.leave())
                del self.switches[name]
        for name, contents in compiled.contents.items():
            if self.tables is not compiled.tables:
                return  # a switch that was in step at once has been admitted meanwhile: all have newer tables
            present = self.switches.get(name)
            if present is None:
                present = self.switches[name] = CommunicationManager(name, self.fabric.switches[name].number)
            elif present.wanted == contents and present.admitted == (name in compiled.admitted):
                continue
            present.admitted = name in compiled.admitted
            for earlier in carried:
                present.unacknowledged.add(earlier)
            self.effect(name, present.want(contents, revision))

    def _admit(self, name: str) -> None:
        """Let the links of a switch be used that is in step for the first time as what it is declared to be.

        Until then its neighbours take nothing from it and send it nothing: it may hold rules from another life, with
        tags and labels that mean something else now. Revisions that it would have acknowledged wait for them too.
        """
        manager, switch = self.switches.get(name), self.fabric.switches.get(name)
        if manager is None or switch is None or manager.admitted or not manager.in_step:
            return
        revision = self._store.commit({ADMITTED_PREFIX + name: admission(switch)})
        self._admissions[name] = admission(switch)
        self._recompile(revision, carried=[*manager.unacknowledged])

    def effect(self, name: str, effects: Effects) -> None:
        """Carry out what an event of a switch leads to."""
        if effects.send:
            self._send(name, effects.send)
        if effects.ports is not None and effects.ports != self.ports.get(name) and name in self.fabric.switches:
            self.ports[name] = effects.ports
            self._unsaved.add(name)
            # What a switch says of itself holds, whether or not it can be written down now.
            with suppress(StoreError):
                self._save_ports()
            self._recompile(self.revision)
        if effects.progress or effects.looked:
            self._admit(name)
            self._notify()

    def _save_ports(self) -> None:
        documents: dict[str, Json | None] = {
            OBSERVED_PREFIX + name: ports_document(self.ports[name]) for name in self._unsaved if name in self.ports
        }
        if documents:
            self._store.commit(documents)
        self._unsaved.clear()

    def _notify(self) -> None:
        for listener in self.listeners:
            listener()

    # --- events -----------------------------------------------------------------------------------------------------

    def switch_of(self, dpid: int) -> str | None:
        """The name of the declared switch that has a datapath identifier."""
        return next((name for name, switch in sorted(self.fabric.switches.items()) if switch.dpid == dpid), None)

    def switch_connected(self, name: str, version: Version) -> None:
        """A switch is there, and may be programmed."""
        self.effect(name, self.switches[name].connected(version))

    def switch_refused(self, name: str, reason: str) -> None:
        """A switch is there, and must not be programmed as it is set up."""
        self.effect(name, self.switches[name].refuse(reason, self.revision))

    def switch_message(self, name: str, message: bytes) -> None:
        """A switch said something. Raises WireError where it is broken."""
        if name in self.switches:
            self.effect(name, self.switches[name].received(message))

    def switch_disconnected(self, name: str) -> None:
        """A switch is gone."""
        if name in self.switches:
            self.effect(name, self.switches[name].disconnected(self.revision))

    def look(self, name: str) -> None:
        """Ask a switch what it has; `switches[name].counts` is renewed when listeners are called."""
        self.effect(name, self.switches[name].look())

    def tick(self) -> None:
        """To be called about once a second: identifiers that have rested are free again."""
        self._save_ports()
        now = self._clock()
        let_go = [resting for resting in self.model.resting() if not self.holders(resting)]
        self._let_go = {resting: self._let_go.get(resting, now) for resting in let_go}
        rested = [key_of(resting) for resting, since in self._let_go.items() if now - since >= REST_SECONDS]
        if rested:
            self._store.commit(dict.fromkeys(rested))
            self.model.keep(dict.fromkeys(rested))

    def retry(self) -> None:
        """To be called every few seconds: rows that a switch refused are tried again."""
        for name, manager in sorted(self.switches.items()):
            self.effect(name, manager.retry())

    def holders(self, resting: Resting) -> list[str]:
        """The switches that may still have a rule for an identifier that rests, by name.

        Any switch of the segment (for a label, of the fabric) that has not shown since then that it has exactly
        what it is to have. Which rules a switch held before it went away is not remembered, on purpose.
        """
        return [
            name
            for name, manager in sorted(self.switches.items())
            if resting.space in (LABELS, tag_space(self.fabric.switches[name].segment or ""))
            and not manager.holds(resting.revision)
        ]


def _networks_of(nodes: Iterable[Node]) -> set[str]:
    refs = (node.network_of(interface) for node in nodes for interface in node.interfaces)
    return {ref for ref in refs if ref is not None}


def _gone(before: Fabric, after: Fabric) -> set[str]:
    """The names of switches that are no longer there, or are other bridges under the same name."""
    numbers = {name: switch.number for name, switch in after.switches.items()}
    return {name for name, switch in before.switches.items() if numbers.get(name) != switch.number}


def _contents(table: SwitchTable) -> Contents:
    rows = dict(encode_row(row) for row in table.rows.values())
    return Contents(rows, {number: encode_group(group) for number, group in table.groups.items()})
