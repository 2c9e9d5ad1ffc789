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

from collections.abc import Callable, Iterable, Sequence

from ..compiler.rows import Action
from ..errors import WireError
from ..fabric.observed import PortState
from ..openflow import replies
from ..openflow.messages import Connections
from ..openflow.meters import MeterCounts, forwarded_meter, meter_counts
from ..openflow.monitor import FlowUpdate, monitor_updates
from ..openflow.wire import MessageType, Multipart, Version
from .agenda import Agenda
from .backlog import Unacknowledged
from .change import Refusal
from .changing import Changing
from .difference import Before, Contents, Key
from .effects import Effects, State
from .port_list import PortList
from .questions import Questions
from .standing import Counts, Reading, Standing
from .watch import Noticed, Watch

__all__ = ["MOST_PATIENCE", "CommunicationManager", "Effects", "State"]

MOST_PATIENCE = 64
"""What is refused again and again is tried again at every `retry` at first, then ever more rarely, down to this."""


class CommunicationManager:
    """One switch. Public attributes are for reading; `wanted` is changed by its owner, who says so by `want`."""

    def __init__(self, name: str, wanted: Contents, number: int = 0, *, admitted: bool = True) -> None:
        self.name = name
        self.number = number
        self.admitted = admitted
        """Whether its links may be used. Until then nothing counts as acknowledged: frames do not get through."""
        self.state = State.AWAY
        self.standing = Standing(wanted)
        self.trouble: str | None = None
        """What went wrong that belongs to no row or group."""
        self.unacknowledged = Unacknowledged()
        self.messages_sent = 0
        """Row and group messages sent since this manager was made."""
        self.changes_sent = 0
        """Bundles (or the same without) sent since this manager was made."""
        self.counts: Counts = {}
        """Packets and bytes of each row, as of the last `look`."""
        self.meter_counts: dict[int, MeterCounts] = {}
        """What its meters have counted by number, as of the last `count`."""
        self.readings = 0
        """How often all that it has was read to the end."""
        self.serial = 0
        """Counts what was wanted and released."""
        self.done = 0
        """Up to which `serial` the switch has acknowledged or refused everything."""
        self._read_from = 0
        """Up to which `serial` it is not remembered what was wanted when: it was wanted before the switch was read."""
        self._revision = 0
        self._held = 0
        self._questions = Questions()
        self._ports = PortList()
        self._agenda = Agenda(self.standing)
        self._changing = Changing(self.standing, self._agenda)
        self._watch = Watch(name, self.standing, self._agenda)
        self._counted: dict[int, MeterCounts] = {}
        """The same, while it is being told."""
        self._begin_conversation()

    def _begin_conversation(self) -> None:
        """Forget what was asked and is not answered."""
        self._reading: Reading | None = None
        self._changing.begin()
        self._watch.begin()
        self._patience = self._waited = 0

    @property
    def version(self) -> Version | None:
        """The version that is spoken; None while the switch is away."""
        return self._questions.version

    @property
    def wanted(self) -> Contents:
        """What the switch is to hold."""
        return self.standing.wanted

    @property
    def off(self) -> Before:
        """What the switch has instead, under which keys it has not what it is to hold."""
        return self.standing.off

    @property
    def rejected(self) -> dict[Key, Refusal]:
        """What the switch refused."""
        return self._agenda.rejected

    @property
    def ports(self) -> dict[str, PortState]:
        """The ports of the switch by name, as far as it has told."""
        return self._ports.ports

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

    # --- coming and going -------------------------------------------------------------------------------------------

    def connected(self, version: Version) -> Effects:
        """The switch is there. Ask for its ports, and to be told what others change; `read` comes next."""
        self._begin_conversation()
        self.state = State.READING
        self.trouble = None
        self.off.clear()
        self._agenda.clear()
        self._read_from = self.serial
        self._ports.ask()
        return Effects([self._questions.begin(version)])

    def read(self) -> Effects:
        """Ask a switch that is connected what it has."""
        if self.state is not State.READING or self._reading is not None:
            return Effects()
        return self._ask(counting=False)

    def disconnected(self, revision: int) -> Effects:
        """The connection is gone. What was under way is unknown until the switch is read again.

        `revision` is the last one of all, which a switch in step has whether it concerned it or not.
        """
        self._leave_step(revision)
        self.state = State.AWAY
        self._questions.end()
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
        self._begin_conversation()
        self.done = self.serial

    def leave(self) -> Effects:
        """The switch belongs to the fabric no more: all that it holds goes, whatever is under way."""
        if self.version is None or self.state is State.REFUSED:
            return Effects()
        return Effects([self._questions.emptied(self.version)])

    def emit(self, actions: tuple[Action, ...], frame: bytes) -> Effects:
        """Have the switch do actions to a frame; nothing where it is away."""
        if self.version is None or self.state is State.REFUSED:
            return Effects()
        return Effects([self._questions.emitted(self.version, actions, frame)])

    def flush(self, name: str, which: Sequence[Connections]) -> Effects:
        """Have the switch forget connections, and say it by `name` when it has; nothing where it is away."""
        if self.version is None or self.state is State.REFUSED:
            return Effects()
        return Effects([self._questions.flushed(self.version, name, which)])

    # --- what is wanted ---------------------------------------------------------------------------------------------

    def want(self, before: Before, revision: int, rollout: int | None = None, carried: Iterable[int] = ()) -> Effects:
        """Something else is wanted under some keys than before. Neither the revision nor those `carried` are realised
        before it is there.

        As part of a `rollout` only what is new is sent now: what changes at its phase 2, what goes at its phase 3.
        """
        if self.in_step:
            self._held = revision - 1
        self._revision = revision
        self.serial += 1
        for needing in (*carried, revision):
            self.unacknowledged.add(needing, self.serial)
        if self.state in (State.AWAY, State.REFUSED):
            return Effects()
        if self.state is State.READING and self._reading is None:
            # What it has will be read, and compared with what is wanted then.
            self._read_from = self.serial
            return Effects()
        self._agenda.wish(before, self.serial, rollout)
        return self._go_on(Effects())

    def admit(self) -> Effects:
        """The switch's links are used from now on."""
        self.admitted = True
        return self._go_on(Effects())

    def release(self, rollout: int, phase: int) -> Effects:
        """A rollout has come to this phase."""
        self._agenda.release(rollout, phase)
        self.serial += 1
        return self._go_on(Effects())

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
        # It may have been refused because there is something else than we know of; and its bundle would fail again.
        effects = self.audit()
        self._changing.expect_refusals()
        self._agenda.try_again()
        return self._go_on(effects)

    def look(self) -> Effects:
        """An `audit` that reads the counters as well."""
        return self._look(counting=True)

    def audit(self) -> Effects:
        """Read what is really there; what differs is put right, and told as drift."""
        return self._look(counting=False)

    def count(self) -> Effects:
        """Ask what its meters have counted."""
        if self.version is None or not self.is_answering or not self.wanted.meters:
            self.meter_counts = {}
            return Effects()
        self._counted = {}
        return Effects([self._questions.counted(self.version)])

    def _look(self, *, counting: bool) -> Effects:
        if not self.is_answering:
            return Effects()
        if self._reading is not None and (self._reading.counting or not counting):
            # What is asked for already does for this one as well.
            return Effects()
        return self._ask(counting=counting)

    # --- what the switch says ---------------------------------------------------------------------------------------

    def received(self, message: bytes) -> Effects:
        """One whole OpenFlow message from the switch. Raises WireError where it is broken."""
        handlers: dict[int, Callable[[bytes], Effects]] = {
            MessageType.MULTIPART_REPLY: self._on_multipart,
            MessageType.BARRIER_REPLY: self._on_barrier,
            MessageType.BUNDLE_CONTROL: self._on_bundle,
            MessageType.REQUEST_FORWARD: self._on_forwarded,
            MessageType.ERROR: self._on_error,
            MessageType.PORT_STATUS: self._on_port_status,
            MessageType.PACKET_IN: lambda message: Effects(heard=replies.packet_in(message)),
        }
        if self.version == Version.OF13:
            handlers[MessageType.EXPERIMENTER] = self._on_experimenter
        handler = handlers.get(replies.header(message).kind)
        return handler(message) if handler else Effects()

    def _on_multipart(self, message: bytes) -> Effects:
        kind, more = replies.multipart(message)
        if kind in (Multipart.FLOW_MONITOR, Multipart.EXPERIMENTER):
            return self._on_updates(monitor_updates(message))
        xid, reading = replies.header(message).xid, self._reading
        if kind == Multipart.PORT_DESC and xid == self._questions.ports_xid:
            return self._ports_known(self._ports.listed(message, more))
        if kind == Multipart.METER and xid == self._questions.counts_xid:
            self._counted.update(meter_counts(message))
            self.meter_counts = self.meter_counts if more else self._counted
            return Effects()
        if reading is None:
            return Effects()
        try:
            if kind == Multipart.METER_CONFIG and xid == reading.meters_xid:
                reading.meters(message, self.standing)
                return Effects() if more else self._has_read(reading.end_of_meters(self.standing))
            if kind == Multipart.GROUP_DESC and xid == reading.groups_xid:
                reading.groups(message, self.standing)
                return Effects() if more else self._has_read(reading.end_of_groups(self.standing))
            if kind == Multipart.FLOW and xid == reading.rows_xid:
                reading.rows(message, self.standing)
                return Effects() if more else self._has_read_all(reading)
        except WireError as error:
            return self._not_read(str(error))
        return Effects()

    def _on_port_status(self, message: bytes) -> Effects:
        return self._ports_known(self._ports.told(message))

    def _ports_known(self, changed: bool) -> Effects:
        return Effects(ports=dict(self.ports)) if changed else Effects()

    def _on_error(self, message: bytes) -> Effects:
        error, reading = replies.error(message), self._reading
        reason = f"{error.kind_name} {error.code_name}"
        if reading is not None and error.xid in (reading.groups_xid, reading.rows_xid):
            return self._not_read(reason)
        if reading is not None and error.xid == reading.meters_xid:
            # It knows no meters, so it has none.
            return self._has_read(reading.end_of_meters(self.standing))
        self._questions.flush_refused(error.xid)
        if error.xid == self._questions.probe_xid:
            self._changing.has_no_bundles()
        self._changing.error(error.xid, reason)
        return Effects()

    # --- reading ----------------------------------------------------------------------------------------------------

    def _ask(self, *, counting: bool) -> Effects:
        if self.version is None:
            return Effects()
        self._reading, ask = self._questions.dump(self.version, counting=counting)
        return Effects([ask])

    def _not_read(self, reason: str) -> Effects:
        """The switch did not say what it has, or not so that it can be understood."""
        self._reading = None
        if self.state is not State.READING:
            return Effects(looked=True)
        self.trouble = f"its tables could not be read: {reason}"
        self.state = State.IN_STEP
        self.done = self.serial
        return Effects(progress=True)

    def _has_read(self, found: Before) -> Effects:
        """All groups, or all rows, have come, and these were not known to be as they are."""
        if self.state is not State.READING:
            return self._put_right(self._watch.audited(found, self._changing.change))
        self.standing.found_all(found)
        return Effects()

    def _has_read_all(self, reading: Reading) -> Effects:
        effects = self._has_read(reading.end_of_rows(self.standing))
        self._reading = None
        self.readings += 1
        self._watch.has_read()
        if self.state is State.READING:
            self._agenda.begin()
            self.state = State.CHANGING
            return self._go_on(effects)
        if reading.counting:
            self.counts = reading.counts
        effects.looked = True
        return effects

    # --- what others change -----------------------------------------------------------------------------------------

    def _on_updates(self, updates: Iterable[FlowUpdate]) -> Effects:
        return self._put_right(self._watch.updates(updates, self._changing.change, is_read=self.is_answering))

    def _on_forwarded(self, message: bytes) -> Effects:
        forwarded = replies.request_forward(message)
        if forwarded is None:
            return self._on_meter(message)
        if self.is_answering:
            return self._put_right(self._watch.group(forwarded, self._changing.change))
        if self._reading is not None and self._reading.has_groups:
            for number, value in self._watch.groups_of(forwarded).items():
                self.standing.found(number, value)
        return Effects()

    def _on_meter(self, message: bytes) -> Effects:
        forwarded = forwarded_meter(message)
        if forwarded is None:
            return Effects()
        if self.is_answering:
            return self._put_right(self._watch.meters(forwarded, self._changing.change))
        if self._reading is not None and self._reading.has_meters:
            for key, value in self._watch.meters_of(forwarded).items():
                self.standing.found(key, value)
        return Effects()

    def _put_right(self, noticed: Noticed) -> Effects:
        effects = self.audit() if noticed.in_doubt else Effects()
        effects.drift = noticed.drift
        effects.progress = noticed.anything
        return self._go_on(effects) if noticed.anything else effects

    # --- changing ---------------------------------------------------------------------------------------------------

    def _go_on(self, effects: Effects) -> Effects:
        """Send what is due, if the switch is ready for it; take note if nothing is."""
        if self.version is None or self._changing.change is not None or not self.is_answering:
            return effects
        if self._agenda.due:
            self.state = State.CHANGING
            change = self._changing.next(self._questions, self._revision, self.serial)
            self.messages_sent += len(change.steps)
            self.changes_sent += 1
            effects.send.append(change.encoded(self.version, self.changes_sent & 0x7FFFFFFF))
            return effects
        self.state = State.CHANGING if self._agenda.has_later else State.IN_STEP
        self.done = self.serial
        if not self.rejected:
            self._patience = self._waited = 0
        self._acknowledge(self.serial, self._revision)
        effects.progress = True
        return effects

    def _on_experimenter(self, message: bytes) -> Effects:
        """In 1.3 bundles, and the pauses of the flow monitor, are experimenters' messages."""
        updates = [*monitor_updates(message)]
        return self._on_updates(updates) if updates else self._on_bundle(message)

    def _on_bundle(self, message: bytes) -> Effects:
        if self._changing.replied(replies.bundle_reply(message)):
            self._watch.changed()
        return Effects()

    def _on_barrier(self, message: bytes) -> Effects:
        barrier = replies.barrier_reply(message)
        change = self._changing.answered(barrier)
        if change is None:
            return Effects(flushed=self._questions.flush_done(barrier))
        effects = Effects(progress=True)
        if not change.bundled:
            self._watch.changed()
        if not change.committed:
            return self._go_on(effects)
        if change.failed is not None:
            # A bundle whose beginning the switch has lost, because it came too slowly, is committed without it.
            self.state, self._reading = State.READING, None
            effects.send += self.read().send
            return effects
        self.done = max(self.done, change.serial)
        self._acknowledge(change.serial, change.revision)
        return self._go_on(effects)

    def _acknowledge(self, serial: int, revision: int) -> None:
        """The switch has what was wanted up to a serial, the last of which is of a revision, but for what is off."""
        but = self._agenda.needed_by()
        if not any(other <= serial for other in but):
            self._held = max(self._held, revision)
        if self.admitted:
            self.unacknowledged.acknowledge(serial, but, self._read_from)
