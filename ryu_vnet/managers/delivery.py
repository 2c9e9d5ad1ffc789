"""Handing contents out to switches: who may be read now, in which phase a change is, and how far all that has got.

A change that turns traffic another way (a row becomes another) while other switches change as well comes in phases:
first what receives is added everywhere and acknowledged, then what sends is changed, then what nobody needs any more
is removed. A change that only adds, or only removes, is sent at once.

A switch that connects is read, compared and brought into step when it is its turn, so that a thousand of them that
come at once need no memory for a thousand dumps. No switch waits for another that is slow: after a while that one's
turn, or a phase that it has not acknowledged, is over for the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from ..compiler.rows import Action, Output
from ..fabric.declared import Fabric
from ..fabric.observed import PortState
from ..openflow.replies import PacketIn
from ..openflow.wire import Version
from .communication import CommunicationManager, Effects, State
from .difference import Before, Contents
from .drift import Drift

TURNS = 32
"""How many switches are read and brought into step at the same time."""
TURN_SECONDS = 2.0
PHASE_SECONDS = 1.0
"""How long a phase may last for the others when a switch does not answer."""
LAST_PHASE = 3
SETTLE_SECONDS = 0.03
"""How long what receives is kept once all have turned what they send: a switch that has acknowledged goes on as before
until it has gone through the flows that it has cached, 28 ms with 8,000 of them."""


@dataclass(slots=True)
class _Rollout:
    """A change in phases: its switches, up to which serial those that are waited for must have acknowledged, and since
    when the phase is under way."""

    phase: int
    names: list[str]
    waiting: dict[str, int]
    since: float
    late: set[str] = field(default_factory=set)
    """Switches that did not answer in time, and are waited for no more."""
    settles: bool = False
    """All send as they are to; what nobody needs any more is kept a little longer."""


class Delivery:
    """All communication managers of a fabric. Public attributes are for reading."""

    def __init__(self, send: Callable[[str, Iterable[bytes]], None], clock: Callable[[], float]) -> None:
        self._send = send
        self._clock = clock
        self.switches: dict[str, CommunicationManager] = {}
        self.on_ports: Callable[[str, dict[str, PortState]], None] = lambda name, ports: None
        """Called when a switch has said which ports it has."""
        self.on_heard: Callable[[str, PacketIn], None] = lambda name, told: None
        """Called when a row of a switch, by its cookie, tells of a frame."""
        self.on_flushed: Callable[[str], None] = lambda name: None
        """Called when a switch has forgotten connections, with what that was called."""
        self.on_drift: Callable[[Drift], None] = lambda drift: None
        self.on_progress: Callable[[str], None] = lambda name: None
        """Called when a switch has acknowledged or refused something, came or went."""
        self.on_realised: Callable[[int, float], None] = lambda revision, seconds: None
        """Called when the last switch that a revision concerns has acknowledged it, with the time since."""
        self.later: Callable[[float, Callable[[], None]], None] = lambda seconds, job: job()
        """Calls a function after some seconds, or at once where nobody has other traffic."""
        self._awaiting: dict[int, tuple[set[str], float]] = {}
        """The switches that have not acknowledged a revision, and since when it is handed out."""
        self._behind: set[str] = set()
        """Switches of which it is not known which revisions they have acknowledged."""
        self._turns: dict[str, float] = {}
        self._queue: deque[str] = deque()
        self._rollouts: dict[int, _Rollout] = {}
        self._handed_out = 0
        """Changes so far, which is what rollouts are numbered by."""

    @property
    def queued(self) -> int:
        """How many connected switches wait for their turn to be read."""
        return len(self._queue)

    @property
    def is_catching_up(self) -> bool:
        """Whether switches that have connected are still being read and brought into step."""
        return bool(self._queue or self._turns)

    # --- contents ---------------------------------------------------------------------------------------------------

    def follow(self, fabric: Fabric, contents: Mapping[str, Contents], admitted: Collection[str]) -> list[str]:
        """Have a manager for each declared switch, and return those that are new. A bridge that left the fabric is
        emptied if it is there; from then on it is a stranger."""
        new = []
        for name, manager in sorted(self.switches.items()):
            switch = fabric.switches.get(name)
            if switch is None or switch.number != manager.number:
                self.effect(name, manager.leave())
                del self.switches[name]
                self._turns.pop(name, None)
                self._behind.discard(name)
                for rollout in self._rollouts.values():
                    rollout.waiting.pop(name, None)
                for revision in [r for r, (names, _) in self._awaiting.items() if name in names]:
                    self._waits_no_more(revision, name)
        for name, switch in sorted(fabric.switches.items()):
            present = self.switches.get(name)
            if present is None:
                is_admitted = name in admitted
                present = CommunicationManager(name, contents[name], switch.number, admitted=is_admitted)
                self.switches[name] = present
                new.append(name)
            present.standing.wanted = contents[name]
            present.admitted = name in admitted
        return new

    def hand_out(self, before: Mapping[str, Before], revision: int, carried: Collection[int] = ()) -> None:
        """Bring what has changed onto the switches: `before` has what stood there, by switch and key.

        It is needed for `revision`, and for those `carried`.
        """
        number, names = self._handed_out, set(self._in_phases(before))
        self._handed_out += 1
        effects: dict[str, Effects] = {}
        for name in sorted(before):
            for needed in (*carried, revision):
                self._awaiting.setdefault(needed, (set(), self._clock()))[0].add(name)
            rollout = number if name in names else None
            effects[name] = self.switches[name].want(before[name], revision, rollout, carried)
        if names:
            waiting = {name: self.switches[name].serial for name in sorted(names)}
            self._rollouts[number] = _Rollout(1, sorted(names), waiting, self._clock())
        # Whoever is called by these finds all switches wanting the same.
        for name, effect in effects.items():
            self.effect(name, effect)
        # This one may have nothing to wait for; others may have waited for a switch that is no longer there.
        for each in [each for each, rollout in self._rollouts.items() if each == number or not rollout.waiting]:
            self._advance(each)

    def _in_phases(self, before: Mapping[str, Before]) -> list[str]:
        """The switches that a change has to come to in phases; one that is not in step yet gets all at once."""
        if not any(self._turns_traffic(name, changed) for name, changed in before.items()):
            return []
        names = [name for name in before if self.switches[name].is_answering]
        return names if len(names) > 1 else []

    def _turns_traffic(self, name: str, changed: Before) -> bool:
        rows = self.switches[name].wanted.rows
        return any(value is not None and isinstance(key, bytes) and key in rows for key, value in changed.items())

    def _advance(self, number: int, *, force: bool = False) -> None:
        """Let a rollout go on as far as it can. `force`: nobody is waited for any more who does not answer in time."""
        while (rollout := self._rollouts.get(number)) is not None:
            managers = {name: self.switches[name] for name in rollout.names if name in self.switches}
            rollout.waiting = {
                name: serial
                for name, serial in rollout.waiting.items()
                if name in managers and managers[name].is_answering and managers[name].done < serial
            }
            if rollout.waiting and not force:
                return
            if rollout.phase == LAST_PHASE - 1 and not force:
                if not rollout.settles:
                    rollout.settles = True
                    self.later(SETTLE_SECONDS, partial(self._settled, number))
                return
            rollout.late |= rollout.waiting.keys()
            if rollout.phase == LAST_PHASE:
                del self._rollouts[number]
                return
            force, rollout.phase, rollout.since = False, rollout.phase + 1, self._clock()
            effects = {name: manager.release(number, rollout.phase) for name, manager in managers.items()}
            rollout.waiting = {name: manager.serial for name, manager in managers.items() if name not in rollout.late}
            for name, effect in effects.items():
                self.effect(name, effect)

    def _settled(self, number: int) -> None:
        """What switches had cached of a rollout's old rows is gone."""
        rollout = self._rollouts.get(number)
        if rollout is not None and rollout.phase == LAST_PHASE - 1:
            self._advance(number, force=True)

    # --- events -----------------------------------------------------------------------------------------------------

    def connected(self, name: str, version: Version) -> None:
        """A switch is there, and may be programmed: it is read when it is its turn."""
        self.effect(name, self.switches[name].connected(version))
        self._queue.append(name)
        self._next_turns()

    def emit(self, name: str, port: int, frame: bytes) -> None:
        """Have a switch send a frame out of a port, by its OpenFlow number."""
        self.put_in(name, (Output(port),), frame)

    def put_in(self, name: str, actions: tuple[Action, ...], frame: bytes) -> None:
        """Have a switch do actions to a frame: set registers and look it up in a table, as if it had come there."""
        self.effect(name, self.switches[name].emit(actions, frame))

    def _next_turns(self) -> None:
        while self._queue and len(self._turns) < TURNS:
            name = self._queue.popleft()
            if name in self.switches and self.switches[name].state is State.READING:
                self._turns[name] = self._clock()
                self.effect(name, self.switches[name].read())

    def effect(self, name: str, effects: Effects) -> None:
        """Carry out what an event of a switch leads to."""
        for chunks in effects.send:
            self._send(name, chunks)
        if effects.flushed is not None:
            self.on_flushed(effects.flushed)
        for drift in effects.drift:
            self.on_drift(drift)
        manager = self.switches.get(name)
        if manager is not None:
            for revision in manager.unacknowledged.drain():
                self._waits_no_more(revision, name, is_realised=revision not in manager.unacknowledged)
            (self._behind.add if manager.unacknowledged.floor >= 0 else self._behind.discard)(name)
            if name in self._turns and manager.state not in (State.READING, State.CHANGING):
                del self._turns[name]
                self._next_turns()
        if effects.ports is not None:
            self.on_ports(name, effects.ports)
        if effects.heard is not None:
            self.on_heard(name, effects.heard)
        if effects.progress or effects.looked:
            for number, rollout in [*self._rollouts.items()]:
                if name in rollout.waiting:
                    self._advance(number)
            self.on_progress(name)

    def _waits_no_more(self, revision: int, name: str, *, is_realised: bool = True) -> None:
        """A revision needs a switch no more, or (not `is_realised`) it is not remembered whether it does."""
        names, since = self._awaiting.get(revision, (set(), 0.0))
        names.discard(name)
        if revision in self._awaiting and not names:
            del self._awaiting[revision]
            if is_realised:
                self.on_realised(revision, self._clock() - since)

    def tick(self) -> None:
        """To be called about once a second: nobody waits for a slow switch for ever."""
        now = self._clock()
        self._turns = {name: since for name, since in self._turns.items() if now - since < TURN_SECONDS}
        self._next_turns()
        for number, rollout in [*self._rollouts.items()]:
            if now - rollout.since >= PHASE_SECONDS:
                self._advance(number, force=True)

    # --- how far it has got -----------------------------------------------------------------------------------------

    def pending(self, revision: int | None = None) -> set[str]:
        """The switches that have not acknowledged a revision, or any revision at all."""
        if revision is None:
            return {name for name, manager in self.switches.items() if manager.unacknowledged}
        named, _ = self._awaiting.get(revision, (set(), 0.0))
        return named | {name for name in self._behind if revision <= self.switches[name].unacknowledged.floor}

    def forget_up_to(self, revision: int) -> None:
        """After a restart: which switch has acknowledged which of the revisions so far is not remembered."""
        for name, manager in self.switches.items():
            manager.unacknowledged.forget_up_to(revision)
            self._behind.add(name)

    def out_of_step(self) -> list[str]:
        """The switches that are not known to hold exactly what they are to hold, by name."""
        return [name for name, manager in sorted(self.switches.items()) if not manager.in_step]
