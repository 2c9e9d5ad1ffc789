"""The communication manager: brings one switch's table onto it, and knows how far that has got.

It does no I/O. Events go in (connected, message received, another table wanted, disconnected, retry), and each
answers with `Effects`: bytes to send, ports that changed, whether anything was acknowledged. One change is under
way at a time; what is wanted meanwhile is sent as one difference when the switch has acknowledged, so nothing
queues up behind a slow switch.

On every connection it reads what is there before it sends anything, and then sends the difference alone: a switch
that still holds its table is sent nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from ..errors import WireError
from ..fabric.observed import PortState
from ..openflow import messages, replies
from ..openflow.wire import MessageType, Multipart, Version
from .backlog import Unacknowledged
from .difference import Contents, Step, difference, install, is_wanted, message_of, replaces_a_group

FIRST_RESERVED_PORT = 0xFFFFFF00
"""Ports from here on are not ports but meanings (OFPP_MAX, OpenFlow 1.3.5, 7.2.1)."""


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

    send: list[bytes] = field(default_factory=list)
    ports: dict[str, PortState] | None = None
    """All ports of the switch, if any of them changed."""
    progress: bool = False
    """Something was acknowledged or refused."""
    looked: bool = False
    """The answer to `look` is complete."""


@dataclass(slots=True)
class _Reading:
    """The dumps that were asked for and have not arrived in full."""

    groups_xid: int
    rows_xid: int
    anew: bool = False
    """Asked for in order to try again what was refused."""
    contents: Contents = field(default_factory=Contents)
    counts: dict[bytes, tuple[int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class _Change:
    """A bundle that is under way."""

    steps: dict[int, Step]
    commit_xid: int
    barrier_xid: int
    revision: int
    failed: str | None = None


Counts: TypeAlias = dict[bytes, tuple[int, int]]


class CommunicationManager:
    """One switch. Public attributes are for reading."""

    def __init__(self, name: str, number: int = 0, *, admitted: bool = True) -> None:
        self.name = name
        self.number = number
        self.admitted = admitted
        """Whether its links may be used. Until then nothing counts as acknowledged: frames do not get through."""
        self.state = State.AWAY
        self.version: Version | None = None
        self.ports: dict[str, PortState] = {}
        self.wanted = Contents()
        self.installed = Contents()
        self.rejected: dict[Step, str] = {}
        """Steps that the switch refused, with its reason."""
        self.trouble: str | None = None
        """What went wrong that belongs to no step."""
        self.unacknowledged = Unacknowledged()
        self.messages_sent = 0
        """Row and group messages sent since this manager was made."""
        self.counts: Counts = {}
        """Packets and bytes of each row, as of the last `look`."""
        self._xid = 0
        self._bundle = 0
        self._revision = 0
        self._held = 0
        self._listing: dict[str, PortState] = {}
        self._reading: _Reading | None = None
        self._looking: _Reading | None = None
        self._change: _Change | None = None

    @property
    def in_step(self) -> bool:
        """Whether the switch is known to hold exactly what is wanted."""
        return self.state is State.IN_STEP and not self.rejected and self.trouble is None

    def holds(self, revision: int) -> bool:
        """Whether the switch has been known to hold exactly what was wanted at that revision, or later."""
        return self.in_step or self._held >= revision

    # --- events -----------------------------------------------------------------------------------------------------

    def connected(self, version: Version) -> Effects:
        """The switch is there. Ask what it has."""
        self.version = version
        self.state = State.READING
        self.rejected.clear()
        self.trouble = None
        self._change = self._looking = None
        self.installed = Contents()
        self._listing.clear()
        ask_ports = messages.all_ports(version, self._next_xid())
        self._reading, ask = self._ask()
        return Effects([ask_ports, *ask])

    def disconnected(self, revision: int) -> Effects:
        """The connection is gone. What was under way is unknown until the switch is read again.

        `revision` is the last one of all, which a switch in step has whether it concerned it or not.
        """
        if self.in_step:
            self._held = revision
        self.state = State.AWAY
        self.version = None
        self._reading = self._looking = self._change = None
        return Effects(progress=True, looked=True)

    def refuse(self, reason: str, revision: int) -> Effects:
        """The switch must not be programmed as it is set up."""
        if self.in_step:
            self._held = revision
        self.state = State.REFUSED
        self.trouble = reason
        self._reading = self._looking = self._change = None
        return Effects(progress=True, looked=True)

    def leave(self) -> Effects:
        """The switch belongs to the fabric no more: all that it holds goes, whatever is under way."""
        if self.version is None or self.state is State.REFUSED:
            return Effects()
        delete_rows = messages.all_flows_delete(self.version, self._next_xid())
        return Effects([delete_rows, messages.all_groups_delete(self.version, self._next_xid())])

    def want(self, contents: Contents, revision: int) -> Effects:
        """The switch is to hold this from now on, and the revision is not realised before it does."""
        if self.in_step:
            self._held = revision - 1
        self.wanted = contents
        self._revision = revision
        self.trouble = self.trouble if self.state is State.REFUSED else None
        self.rejected = {step: reason for step, reason in self.rejected.items() if is_wanted(step, contents)}
        self.unacknowledged.add(revision)
        return self._go_on()

    def retry(self) -> Effects:
        """Read the switch again, and try again what it refused; the reason may have gone."""
        if self.in_step or self.state is not State.IN_STEP:
            return Effects()
        self.state = State.READING
        self._reading, ask = self._ask()
        self._reading.anew = True
        return Effects(ask)

    def look(self) -> Effects:
        """Read the counters and what is really there, without changing anything."""
        if self.state in (State.AWAY, State.REFUSED) or self._looking is not None:
            return Effects()
        self._looking, ask = self._ask()
        return Effects(ask)

    def received(self, message: bytes) -> Effects:
        """One whole OpenFlow message from the switch. Raises WireError where it is broken."""
        head = replies.header(message)
        handlers: dict[int, Callable[[bytes], Effects]] = {
            MessageType.MULTIPART_REPLY: self._on_multipart,
            MessageType.BARRIER_REPLY: self._on_barrier,
            MessageType.ERROR: self._on_error,
            MessageType.PORT_STATUS: self._on_port_status,
        }
        handler = handlers.get(head.kind)
        return handler(message) if handler else Effects()

    # --- reading ----------------------------------------------------------------------------------------------------

    def _ask(self) -> tuple[_Reading, list[bytes]]:
        version = self._speaks()
        reading = _Reading(self._next_xid(), self._next_xid())
        return reading, [
            messages.all_groups(version, reading.groups_xid),
            messages.all_flows(version, reading.rows_xid),
        ]

    def _on_multipart(self, message: bytes) -> Effects:
        kind, more = replies.multipart(message)
        if kind == Multipart.PORT_DESC:
            return self._on_ports(message, more)
        xid = replies.header(message).xid
        for reading in (self._reading, self._looking):
            if reading is None:
                continue
            try:
                if xid == reading.groups_xid and kind == Multipart.GROUP_DESC:
                    reading.contents.groups.update(replies.groups(message))
                elif xid == reading.rows_xid and kind == Multipart.FLOW:
                    for key, value, packets, octets in replies.flows(message):
                        reading.contents.rows[key] = value
                        reading.counts[key] = packets, octets
                    if not more:
                        return self._read(reading)
            except WireError as error:
                return self._not_read(reading, str(error))
        return Effects()

    def _not_read(self, reading: _Reading, reason: str) -> Effects:
        """The switch did not say what it has, or not so that it can be understood."""
        if reading is self._looking:
            self._looking = None
            return Effects(looked=True)
        self._reading = None
        self.trouble = f"its tables could not be read: {reason}"
        self.state = State.IN_STEP
        return Effects(progress=True)

    def _read(self, reading: _Reading) -> Effects:
        self.counts = reading.counts
        if reading is self._looking:
            self._looking = None
            return Effects(looked=True)
        if self._change is None and self.state is State.READING and reading.anew:
            self.rejected.clear()
            self.trouble = None
        self._reading = None
        self.installed = reading.contents
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

    # --- changing ---------------------------------------------------------------------------------------------------

    def _go_on(self) -> Effects:
        """Send the next difference, if the switch is ready for it; take note if there is none."""
        if self.version is None or self.state is State.REFUSED or self._reading is not None or self._change is not None:
            return Effects()
        steps = [step for step in difference(self.installed, self.wanted) if step not in self.rejected]
        if not steps or self.trouble is not None:
            self.state = State.IN_STEP
            if self.in_step and self.admitted:
                self.unacknowledged.acknowledge(self._revision)
            return Effects(progress=True)
        self.state = State.CHANGING
        return Effects([self._bundle_of(self.version, steps)])

    def _bundle_of(self, version: Version, steps: list[Step]) -> bytes:
        self._bundle += 1
        by_xid = {self._next_xid(): step for step in steps}
        open_xid, commit_xid, barrier_xid = self._next_xid(), self._next_xid(), self._next_xid()
        self._change = _Change(by_xid, commit_xid, barrier_xid, self._revision)
        self.messages_sent += len(steps)
        encoded = (message_of(version, xid, step) for xid, step in by_xid.items())
        bundle = messages.in_bundle(version, self._bundle, encoded, open_xid, commit_xid)
        return bundle + messages.barrier(version, barrier_xid)

    def _on_error(self, message: bytes) -> Effects:
        error = replies.error(message)
        reason = f"{error.kind_name} {error.code_name}"
        for reading in (self._reading, self._looking):
            if reading is not None and error.xid in (reading.groups_xid, reading.rows_xid):
                return self._not_read(reading, reason)
        change = self._change
        if change is None:
            return Effects()
        step = change.steps.get(error.xid)
        if step is not None:
            self.rejected[step] = reason
            change.failed = reason
        elif change.failed is None:
            change.failed = reason
        return Effects()

    def _on_barrier(self, message: bytes) -> Effects:
        change = self._change
        if change is None or replies.barrier_reply(message) != change.barrier_xid:
            return Effects()
        self._change = None
        steps = change.steps.values()
        if change.failed is None:
            install(self.installed, steps)
            if not self.rejected:
                self._held = max(self._held, change.revision)
                if self.admitted:
                    self.unacknowledged.acknowledge(change.revision)
        elif not any(step in self.rejected for step in steps):
            # The bundle failed as a whole and named no culprit: sending it again at once would fail again.
            self.trouble = f"a bundle of {len(steps)} messages was refused: {change.failed}"
        if change.failed is not None or replaces_a_group(steps):
            # What is there now is not what follows from what was sent: a message refused on its way into the
            # bundle does not stop the others, and with a group go the rows that named it. So look.
            self.state = State.READING
            self._reading, ask = self._ask()
            return Effects(ask, progress=True)
        effects = self._go_on()
        effects.progress = True
        return effects

    # --- bits -------------------------------------------------------------------------------------------------------

    def _speaks(self) -> Version:
        if self.version is None:
            raise RuntimeError(f"switch {self.name} is away")
        return self.version

    def _next_xid(self) -> int:
        self._xid = self._xid % 0x7FFFFFFF + 1
        # The framework numbers its own messages from anywhere; ours have the top bit, and theirs are never asked for.
        return self._xid | 0x80000000
