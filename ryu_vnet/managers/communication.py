"""The communication manager: brings one switch's table onto it, keeps it there, and knows how far that has got.

It does no I/O. Events go in (connected, message received, another table wanted, disconnected, retry), and each
answers with `Effects`: bytes to send, ports that changed, whether anything was acknowledged. One change is under
way at a time; what is wanted meanwhile is sent as one difference when the switch has acknowledged, so nothing
queues up behind a slow switch.

On every connection it reads what is there before it sends anything, and then sends the difference alone: a switch
that still holds its table is sent nothing. From then on the switch tells what others change in it, which is put right
at once; an `audit` finds what it does not tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from ..errors import WireError
from ..fabric.observed import PortState
from ..openflow import messages, replies
from ..openflow.changes import Kind
from ..openflow.monitor import Event, FlowUpdate, Removal, monitor_updates, told
from ..openflow.wire import BundleStep, MessageType, Multipart, Version
from .backlog import Unacknowledged
from .change import Change, Refusal
from .difference import Before, Contents, Key, steps
from .drift import Drift
from .standing import Reading, Standing

FIRST_RESERVED_PORT = 0xFFFFFF00
"""Ports from here on are not ports but meanings (OFPP_MAX, OpenFlow 1.3.5, 7.2.1)."""
ROUNDS = 4
"""How often a change that fails is sent again without what was refused; from then on in halves."""
MOST_PATIENCE = 64
"""What is refused again and again is tried again at every `retry` at first, then ever more rarely, down to this."""


class State(Enum):
    """How a switch stands."""

    AWAY = "away"
    REFUSED = "refused"
    READING = "reading"
    CHANGING = "changing"
    IN_STEP = "in step"


@dataclass(slots=True)
class Effects:
    """What an event leads to."""

    send: list[Iterable[bytes]] = field(default_factory=list)
    """Messages in chunks, each made when it is asked for."""
    ports: dict[str, PortState] | None = None
    """All ports of the switch, if any of them changed."""
    progress: bool = False
    """Something was acknowledged or refused."""
    looked: bool = False
    """The answer to `look` is complete."""
    drift: list[Drift] = field(default_factory=list)
    """What somebody else changed on the switch."""


Counts: TypeAlias = dict[bytes, tuple[int, int]]


class CommunicationManager:
    """One switch. Public attributes are for reading; `wanted` is changed by its owner, who says so by `want`."""

    def __init__(self, name: str, wanted: Contents, number: int = 0, *, admitted: bool = True) -> None:
        self.name = name
        self.number = number
        self.admitted = admitted
        """Whether its links may be used. Until then nothing counts as acknowledged: frames do not get through."""
        self.state = State.AWAY
        self.version: Version | None = None
        self.ports: dict[str, PortState] = {}
        self.standing = Standing(wanted)
        self.rejected: dict[Key, Refusal] = {}
        """What the switch refused."""
        self.trouble: str | None = None
        """What went wrong that belongs to no row or group."""
        self.unacknowledged = Unacknowledged()
        self.messages_sent = 0
        """Row and group messages sent since this manager was made."""
        self.changes_sent = 0
        """Bundles (or the same without) sent since this manager was made."""
        self.counts: Counts = {}
        """Packets and bytes of each row, as of the last `look`."""
        self.serial = 0
        """Counts what was wanted and released."""
        self.done = 0
        """Up to which `serial` the switch has acknowledged or refused everything."""
        self._bundles = True
        self._due: dict[Key, None] = {}
        """What is to be sent, under these keys."""
        self._since: dict[Key, int] = {}
        """Which revision needs what is still to be acknowledged."""
        self._later: dict[Key, tuple[int, int]] = {}
        """What is not to be sent yet: which rollout's, and from which phase on it may be."""
        self._most: int | None = None
        """How many keys one change may have, while it is found out which is refused."""
        self._failures = 0
        self._patience = self._waited = 0
        self._xid = 0
        self._revision = 0
        self._held = 0
        self._probe_xid = 0
        self._listing: dict[str, PortState] = {}
        self._reading: Reading | None = None
        self._looking: Reading | None = None
        self._change: Change | None = None

    @property
    def wanted(self) -> Contents:
        """What the switch is to hold."""
        return self.standing.wanted

    @property
    def off(self) -> Before:
        """What the switch has instead, under which keys it has not what it is to hold."""
        return self.standing.off

    @property
    def in_step(self) -> bool:
        """Whether the switch is known to hold exactly what is wanted."""
        return self.state is State.IN_STEP and not self.off and self.trouble is None

    @property
    def is_answering(self) -> bool:
        """Whether what is sent to it will be acknowledged or refused, as far as is known."""
        return self.state in (State.CHANGING, State.IN_STEP) and self.trouble is None

    def holds(self, revision: int) -> bool:
        """Whether the switch has been known to hold exactly what was wanted at that revision, or later."""
        return self.in_step or self._held >= revision

    # --- events -----------------------------------------------------------------------------------------------------

    def connected(self, version: Version) -> Effects:
        """The switch is there. Ask for its ports, and to be told what others change; `read` comes next."""
        self.version = version
        self.state = State.READING
        self._forget_conversation()
        self.off.clear()
        self.rejected.clear()
        self._due.clear()
        self._since.clear()
        self._later.clear()
        self._listing.clear()
        self.trouble = None
        self._bundles = True
        ask = [messages.set_async(version, self._next_xid())] if version >= Version.OF14 else []
        ask.append(messages.flow_monitor(version, self._next_xid()))
        self._probe_xid = self._next_xid()
        ask.append(messages.bundle_probe(version, 0, self._probe_xid, self._next_xid()))
        ask.append(messages.all_ports(version, self._next_xid()))
        return Effects([ask])

    def read(self) -> Effects:
        """Ask a switch that is connected what it has."""
        if self.state is not State.READING or self._reading is not None:
            return Effects()
        self._reading, ask = self._ask()
        return Effects([ask])

    def disconnected(self, revision: int) -> Effects:
        """The connection is gone. What was under way is unknown until the switch is read again.

        `revision` is the last one of all, which a switch in step has whether it concerned it or not.
        """
        self._leave_step(revision)
        self.state = State.AWAY
        self.version = None
        return Effects(progress=True, looked=True)

    def refuse(self, reason: str, revision: int) -> Effects:
        """The switch must not be programmed as it is set up."""
        self._leave_step(revision)
        self.state = State.REFUSED
        self.trouble = reason
        return Effects(progress=True, looked=True)

    def _leave_step(self, revision: int) -> None:
        if self.in_step:
            self._held = revision
        self._forget_conversation()
        self.done = self.serial

    def _forget_conversation(self) -> None:
        self._reading = self._looking = self._change = self._most = None
        self._failures = self._patience = self._waited = 0

    def leave(self) -> Effects:
        """The switch belongs to the fabric no more: all that it holds goes, whatever is under way."""
        if self.version is None or self.state is State.REFUSED:
            return Effects()
        delete_rows = messages.all_flows_delete(self.version, self._next_xid())
        return Effects([[delete_rows, messages.all_groups_delete(self.version, self._next_xid())]])

    def want(self, before: Before, revision: int, rollout: int | None = None) -> Effects:
        """Something else is wanted under some keys than before, and the revision is not realised before it is there.

        As part of a `rollout` only what is new is sent now: what changes at its phase 2, what goes at its phase 3.
        """
        if self.in_step:
            self._held = revision - 1
        self._revision = revision
        self.serial += 1
        self.unacknowledged.add(revision)
        if self.state in (State.AWAY, State.REFUSED):
            return Effects()
        self.standing.wish(before)
        if self._looking is not None:
            self._looking.touched |= before.keys()
        for key, value in before.items():
            self._later.pop(key, None)
            if rollout is not None and value is not None:
                self._later[key] = rollout, 2 if self.wanted.get(key) is not None else 3
            self._since[key] = revision
            self._consider(key)
        return self._go_on()

    def admit(self) -> Effects:
        """The switch's links are used from now on."""
        self.admitted = True
        return self._go_on()

    def release(self, rollout: int, phase: int) -> Effects:
        """A rollout has come to this phase."""
        freed = [key for key, (whose, when) in self._later.items() if whose == rollout and when <= phase]
        for key in freed:
            del self._later[key]
            self._consider(key)
        self.serial += 1
        return self._go_on()

    def retry(self) -> Effects:
        """Try again what the switch refused, or what could not be read; the reason may have gone."""
        if self.state is not State.IN_STEP or (not self.rejected and self.trouble is None):
            return Effects()
        self._waited += 1
        if self._waited < self._patience:
            return Effects()
        self._waited, self._patience = 0, min(2 * self._patience + 1, MOST_PATIENCE)
        if self.trouble is not None:
            self.state, self.trouble = State.READING, None
            return self.read()
        refused, self.rejected = self.rejected, {}
        for key, refusal in refused.items():
            self._since[key] = refusal.revision
            self._consider(key)
        return self._go_on()

    def look(self) -> Effects:
        """Read the counters and what is really there."""
        return self._look(counting=True)

    def audit(self) -> Effects:
        """Read what is really there; what differs is put right, and told as drift."""
        return self._look(counting=False)

    def _look(self, counting: bool) -> Effects:
        if self.state not in (State.CHANGING, State.IN_STEP) or self._looking is not None:
            return Effects()
        self._looking, ask = self._ask()
        self._looking.counting = counting
        if self._change is not None:
            self._looking.touched.update(key for _, key, _ in self._change.steps)
        return Effects([ask])

    def received(self, message: bytes) -> Effects:
        """One whole OpenFlow message from the switch. Raises WireError where it is broken."""
        handlers: dict[int, Callable[[bytes], Effects]] = {
            MessageType.MULTIPART_REPLY: self._on_multipart,
            MessageType.BARRIER_REPLY: self._on_barrier,
            MessageType.BUNDLE_CONTROL: self._on_bundle,
            MessageType.EXPERIMENTER: self._on_bundle,
            MessageType.REQUEST_FORWARD: self._on_group,
            MessageType.ERROR: self._on_error,
            MessageType.PORT_STATUS: self._on_port_status,
        }
        handler = handlers.get(replies.header(message).kind)
        return handler(message) if handler else Effects()

    # --- reading ----------------------------------------------------------------------------------------------------

    def _ask(self) -> tuple[Reading, list[bytes]]:
        version = self._speaks()
        reading = Reading(self._next_xid(), self._next_xid())
        return reading, [
            messages.all_groups(version, reading.groups_xid),
            messages.all_flows(version, reading.rows_xid),
        ]

    def _on_multipart(self, message: bytes) -> Effects:
        kind, more = replies.multipart(message)
        if kind == Multipart.PORT_DESC:
            return self._on_ports(message, more)
        if kind in (Multipart.FLOW_MONITOR, Multipart.EXPERIMENTER):
            return self._on_updates(monitor_updates(message))
        xid = replies.header(message).xid
        for reading in (self._reading, self._looking):
            if reading is None:
                continue
            try:
                if xid == reading.groups_xid and kind == Multipart.GROUP_DESC:
                    reading.groups(message, self.standing)
                elif xid == reading.rows_xid and kind == Multipart.FLOW:
                    reading.rows(message, self.standing)
                    if not more:
                        return self._read(reading)
            except WireError as error:
                return self._not_read(reading, str(error))
        return Effects()

    def _not_read(self, reading: Reading, reason: str) -> Effects:
        """The switch did not say what it has, or not so that it can be understood."""
        if reading is self._looking:
            self._looking = None
            return Effects(looked=True)
        self._reading = None
        self.trouble = f"its tables could not be read: {reason}"
        self.state = State.IN_STEP
        self.done = self.serial
        return Effects(progress=True)

    def _read(self, reading: Reading) -> Effects:
        found: dict[Key, bytes | None] = {**reading.different, **dict.fromkeys(reading.missing(self.standing))}
        if reading is self._looking:
            self._looking = None
            if reading.counting:
                self.counts = reading.counts
            effects = self._drifted(found, "audit")
            effects.looked = True
            return effects
        self._reading = None
        self.state = State.CHANGING
        for key, value in found.items():
            self.standing.found(key, value)
        self._since = {key: self._since.get(key, self._revision) for key in self.off}
        self._due = dict.fromkeys(self.off)
        for key in (*self.rejected, *self._later):
            self._consider(key)
        return self._go_on()

    def _on_ports(self, message: bytes, more: bool) -> Effects:
        found = {port.name: port for port in replies.ports(message) if port.number < FIRST_RESERVED_PORT}
        self._listing.update({name: PortState(p.number, p.link_up and p.admin_up) for name, p in found.items()})
        if more:
            return Effects()
        # All of them, in place of what was known: a port that went while the switch was away is in no message.
        self.ports, self._listing = self._listing, {}
        return Effects(ports=dict(self.ports))

    def _on_port_status(self, message: bytes) -> Effects:
        reason, port = replies.port_status(message)
        if port.number >= FIRST_RESERVED_PORT:
            return Effects()
        if reason is replies.PortReason.DELETED:
            # A port that was renumbered is added under its new number before or after this.
            known = self.ports.get(port.name)
            if known is not None and known.number == port.number:
                del self.ports[port.name]
        else:
            self.ports[port.name] = PortState(port.number, port.link_up and port.admin_up)
        return Effects(ports=dict(self.ports))

    # --- what others change -----------------------------------------------------------------------------------------

    def _on_updates(self, updates: Iterator[FlowUpdate]) -> Effects:
        # What is told before the dump is in the dump.
        found: dict[Key, bytes | None] = {}
        for update in updates if self._reading is None and self.state is not State.READING else ():
            if update.event is Event.REMOVED:
                if update.removal is not Removal.GROUP_DELETE or self._change is None:
                    found[update.key] = None
                else:
                    self.standing.found(update.key, None)
                    self._consider(update.key)
            elif update.event in (Event.ADDED, Event.MODIFIED):
                present = self.standing.installed(update.key)
                if present is None or told(present) != update.value:
                    found[update.key] = update.value
        return self._drifted(found, "monitor")

    def _on_group(self, message: bytes) -> Effects:
        change = replies.request_forward(message)
        if change is None:
            return Effects()
        numbers: Iterable[int]
        if change.number is None:
            numbers = {*self.wanted.groups, *(key for key in self.off if isinstance(key, int))}
        else:
            numbers = (change.number,)
        value = None if change.command is replies.GroupCommand.DELETE else change.value
        if self._reading is not None:
            for number in numbers:
                self._reading.seen.add(number)
                self.standing.found(number, value)
                self._reading.different.pop(number, None)
            return Effects()
        return self._drifted(dict.fromkeys(numbers, value), "monitor")

    def _drifted(self, found: dict[Key, bytes | None], by: str) -> Effects:
        """Somebody else has changed something. Note it, and put it right."""
        effects = Effects()
        for key, value in found.items():
            was = self.standing.installed(key)
            if was == value:
                continue
            self.standing.found(key, value)
            effects.drift.append(Drift(self.name, key, was, value, by))
            if self._looking is not None:
                self._looking.touched.add(key)
            self._since.setdefault(key, self._revision)
            self._consider(key)
        if effects.drift:
            going_on = self._go_on()
            effects.send, effects.progress = going_on.send, True
        return effects

    # --- changing ---------------------------------------------------------------------------------------------------

    def _consider(self, key: Key) -> None:
        """Find out whether something is to be sent under a key."""
        refusal = self.rejected.get(key)
        if refusal is not None and (key not in self.off or refusal.step[2] != (self.wanted.get(key) or b"")):
            del self.rejected[key]
            refusal = None
        if key not in self.off:
            self._later.pop(key, None)
            self._since.pop(key, None)
        if key in self.off and refusal is None and key not in self._later:
            self._due[key] = None
        else:
            self._due.pop(key, None)

    def _go_on(self) -> Effects:
        """Send what is due, if the switch is ready for it; take note if nothing is."""
        if self.version is None or self._change is not None or not self.is_answering:
            return Effects()
        if not self._due:
            self.state = State.CHANGING if self._later else State.IN_STEP
            self.done = self.serial
            self._acknowledge(self._revision)
            return Effects(progress=True)
        self.state = State.CHANGING
        return Effects([self._next_change(self.version)])

    def _next_change(self, version: Version) -> Iterable[bytes]:
        # In pieces too they are in an order in which no row comes before a group that it names.
        todo = steps({key: self.off[key] for key in self._due}, self.wanted)[: self._most]
        change = Change(todo, self._next_xid(), self._bundles, self._revision, self.serial)
        self._xid += change.xids
        self._change = change
        self.messages_sent += len(change.steps)
        self.changes_sent += 1
        if self._looking is not None:
            self._looking.touched.update(key for _, key, _ in todo)
        return change.encoded(version, self.changes_sent & 0x7FFFFFFF)

    def _on_bundle(self, message: bytes) -> Effects:
        if replies.header(message).kind == MessageType.EXPERIMENTER:
            updates = [*monitor_updates(message)]
            if updates:
                return self._on_updates(iter(updates))
        reply = replies.bundle_reply(message)
        change = self._change
        if change is not None and reply and reply.xid == change.commit_xid and reply.step is BundleStep.COMMIT_REPLY:
            self._did(change)
        return Effects()

    def _did(self, change: Change) -> None:
        """The switch has done a change, but for the steps that it refused."""
        change.committed = True
        for kind, key, value in change.done():
            self.standing.found(key, value if kind not in (Kind.ROW_DELETE, Kind.GROUP_DELETE) else None)

    def _on_error(self, message: bytes) -> Effects:
        error = replies.error(message)
        reason = f"{error.kind_name} {error.code_name}"
        if error.xid == self._probe_xid:
            self._bundles = False
        for reading in (self._reading, self._looking):
            if reading is not None and error.xid in (reading.groups_xid, reading.rows_xid):
                return self._not_read(reading, reason)
        if self._change is not None:
            self._change.error(error.xid, reason)
        return Effects()

    def _on_barrier(self, message: bytes) -> Effects:
        change = self._change
        if change is None or replies.barrier_reply(message) != change.barrier_xid:
            return Effects()
        self._change = None
        if not change.bundled:
            self._did(change)
        self._take_apart(change)
        if self.off:
            for _, key, _ in change.steps:
                self._consider(key)
        else:
            for bookkeeping in (self._due, self._since, self._later, self.rejected):
                bookkeeping.clear()
        if change.committed:
            self._acknowledge(change.revision)
            if self._most is None:
                self.done = max(self.done, change.serial)
        if change.replaces_a_group() and change.committed:
            # What is there now is not what follows from what was sent: with a group go the rows that named it.
            self.state = State.READING
            effects = self.read()
            effects.progress = True
            return effects
        effects = self._go_on()
        effects.progress = True
        return effects

    def _take_apart(self, change: Change) -> None:
        """Find out what is refused: what the switch named, and where it named nothing, by halves."""
        for index, reason in change.refused.items():
            step = change.steps[index]
            self.rejected[step[1]] = Refusal(step, reason, self._since.get(step[1], change.revision))
        if change.committed and not change.refused:
            self._failures = 0
            self._most = None if self._most is None or len(self._due) <= self._most else 2 * self._most
            return
        self._failures += 1
        if not change.refused and len(change.steps) == 1:
            reason = change.failed or "it was not done, and no reason was given"
            self.rejected[change.steps[0][1]] = Refusal(change.steps[0], reason, change.revision)
        elif not change.committed and (not change.refused or self._failures >= ROUNDS):
            self._most = max(1, len(change.steps) // 2)

    def _acknowledge(self, revision: int) -> None:
        """The switch has what was wanted at a revision, but for what is still off."""
        outstanding = {self._since.get(key, self._revision) for key in self.off}
        if not any(other <= revision for other in outstanding):
            self._held = max(self._held, revision)
        if self.admitted:
            self.unacknowledged.acknowledge(revision, outstanding)

    # --- bits -------------------------------------------------------------------------------------------------------

    def _speaks(self) -> Version:
        if self.version is None:
            raise RuntimeError(f"switch {self.name} is away")
        return self.version

    def _next_xid(self) -> int:
        self._xid = self._xid % 0x3FFFFFFF + 1
        # The framework numbers its own messages from anywhere; ours have the top bit, and theirs are never asked for.
        return self._xid | 0x80000000
