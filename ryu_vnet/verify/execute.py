"""One frame going through one switch, with the semantics of Open vSwitch 3.1.

What a switch does with one frame is a stack of tasks. A task is the rest of one row's actions, on one copy of the
packet; a resubmit puts the found row's actions on top with the same copy, a clone or a bucket with a copy of its own.

Open vSwitch works in passes: it translates a packet once until its last label is decapsulated or it is handed to
connection tracking, then parses it anew and starts another pass; the row that tracked it goes on with the packet as if
it had not been. When it gives a pass up (too many resubmits, an action it cannot execute), all that this pass would
have sent is gone, the copies made before included, and nothing of it is tracked; so it is here.

What Open vSwitch 3.1.0 gets wrong is not imitated: such a pass is given up, and an anomaly says so. One of these
defects is fatal. A new header is put on when the packet is next sent; if a clone encapsulates and then sends nothing,
because the port is gone or is the one that the frame came in by, the header lands on the next copy that is sent,
which has one already, and one frame ends ovs-vswitchd: "assertion !dp_packet_is_eth(packet) failed in push_eth()".
Another: ct(nat) translates the bytes in place, so what the same row sends after it is translated as well, though
ovs-actions(7) says otherwise, unless the ct stands in a clone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ..compiler.fields import FIELDS
from ..compiler.rows import (
    CONTROLLER_PORT,
    IN_PORT_PORT,
    Action,
    CheckLarger,
    Clone,
    CtState,
    Decap,
    DecMplsTtl,
    DecTtl,
    Encap,
    Group,
    Output,
    Resubmit,
    Row,
    ToGroup,
    Track,
)
from ..errors import Invalid
from . import rewrite
from .copies import Copy, change
from .lookup import RowIndex
from .packet import ETHERNET, Packet, parse
from .text import field_name, stage_name, state_text
from .trace import Anomaly, Drop, Step, why_missed, why_refused
from .tracking import Connections, Untracked, track

MAX_LOOKUPS = 4096
"""Resubmits and gotos that Open vSwitch grants one pass (ovs-actions(7), `resubmit`)."""
MAX_DEPTH = 64
"""Resubmits into the same or an earlier table that Open vSwitch nests (ibid.)."""
SHORTEST = 14
"""Bytes of an Ethernet header: a packet with less left is dropped on receipt, and after a decapsulation."""
MAX_RECIRCULATIONS = 6
"""Passes after the first one that the userspace data path grants a packet (`MAX_RECIRC_DEPTH` in its dpif-netdev.c)."""
FIRST_TABLE = 0


@dataclass(slots=True)
class _Task:
    """The rest of a list of actions, and the table to go to afterwards.

    `level` is how deep Open vSwitch counts it in resubmits, `depth` how deep a trace shows it.
    """

    copy: Copy
    actions: deque[Action]
    table: int
    goto: int | None
    level: int
    depth: int
    happened: list[str]


@dataclass(slots=True)
class _Tracking:
    """A copy to be handed to connection tracking once its pass is through, and then to a table in a pass of its own.

    `recirculations` were before it."""

    copy: Copy
    action: Track
    task: _Task
    recirculations: int


class Visit:
    """One frame going through one switch. `sent` has port and frame of each copy that left it."""

    def __init__(
        self,
        switch: str,
        index: RowIndex,
        groups: Mapping[int, Group],
        absent: Collection[int],
        connections: Connections,
    ) -> None:
        self.switch = switch
        self._connections = connections
        self._left: list[tuple[int, Packet] | _Tracking] = []
        self.sent: list[tuple[int, Packet]] = []
        self.drops: list[Drop] = []
        self.anomalies: list[Anomaly] = []
        self._index = index
        self._groups = groups
        self._absent = absent
        self._stack: list[_Task] = []
        self._steps: list[tuple[int, Row | None, Packet, tuple[int, ...], list[str], int]] = []
        self._start_pass()

    def run(self, port: int, packet: Packet) -> None:
        """Take the frame through the tables until nothing is left to do."""
        if packet.size < SHORTEST:
            self._drop(FIRST_TABLE, f"shorter than {SHORTEST} bytes")
            return
        self._pass(Copy(packet, port), FIRST_TABLE, 0, 0)
        if not self.sent and not self.drops:
            self._drop(self._steps[-1][0], "nothing sends it on")

    def _pass(self, copy: Copy, table: int, depth: int, recirculations: int) -> None:
        """Execute everything that follows from one lookup, and only then let go what it sends."""
        self._left, self._recirculations = [], recirculations
        self._start_pass()
        self._look_up(copy, table, 0, depth)
        while self._stack:
            task = self._stack[-1]
            if task.actions:
                self._execute(task, task.actions.popleft())
                continue
            self._stack.pop()
            if task.goto is not None:
                self._charge(task.copy, task.table, task.goto, task.level, task.depth)
        for left in self._left:
            if isinstance(left, _Tracking):
                self._track(left)
            else:
                self.sent.append(left)

    @property
    def steps(self) -> list[Step]:
        """Each lookup, in order."""
        return [
            Step(self.switch, table, row, packet, registers, tuple(happened), depth)
            for table, row, packet, registers, happened, depth in self._steps
        ]

    def _start_pass(self) -> None:
        """What Open vSwitch keeps a pass: lookups so far, frames sent before it, the copy with a header pending."""
        self._lookups = 0
        self._left_before = len(self._left)
        self._pending: Copy | None = None

    def _charge(self, copy: Copy, table: int, target: int, level: int, depth: int) -> None:
        """Look a copy up in another table, if Open vSwitch's limits allow it."""
        if level >= MAX_DEPTH:
            self._give_up(table, f"resubmits more than {MAX_DEPTH} deep")
        elif self._lookups >= MAX_LOOKUPS:
            self._give_up(table, f"more than {MAX_LOOKUPS} resubmits")
        else:
            self._lookups += 1
            self._look_up(copy, target, level + (target <= table), depth)

    def _look_up(self, copy: Copy, table: int, level: int, depth: int) -> None:
        row = self._index.find(table, copy.read)
        happened: list[str] = []
        self._steps.append((table, row, copy.packet, tuple(copy.registers.values()), happened, depth))
        if row is None:
            seen = {column.name: value for column in FIELDS if (value := copy.read(column)) is not None}
            self._drop(table, why_missed(table, seen))
        elif not row.actions and row.goto is None:
            self._drop(table, why_refused(row))
        else:
            self._stack.append(_Task(copy, deque(row.actions), table, row.goto, level, depth, happened))

    def _execute(self, task: _Task, action: Action) -> None:
        """One action. What Open vSwitch cannot execute ends the pass."""
        match action:
            case Output(port):
                self._output(task, port)
            case Resubmit(table):
                task.happened.append(f"resubmit {stage_name(table)}")
                self._charge(task.copy, task.table, table, task.level, task.depth + 1)
            case ToGroup(number):
                self._to_group(task, number)
            case Clone(actions):
                task.happened.append("clone")
                self._branch(task, actions, cloned=True)
            case DecMplsTtl():
                packet = rewrite.dec_mpls_ttl(task.copy.packet)
                if packet is None:
                    self._drop(task.table, "the label's TTL is spent")
                    self._stack.pop()
                else:
                    task.copy.packet = packet
                    task.happened.append("TTL - 1")
            case DecTtl():
                self._dec_ttl(task)
            case CheckLarger():
                self._check_larger(task, action)
            case Track():
                self._hand_to_tracking(task, action)
            case Encap():
                if self._commit(task):
                    self._pending = task.copy
                    self._change(task, action)
            case Decap():
                self._decap(task, action)
            case _:
                self._change(task, action)

    def _dec_ttl(self, task: _Task) -> None:
        packet = rewrite.dec_ttl(task.copy.packet)
        if packet is None:
            self._drop(task.table, "its TTL is spent")
            self._stack.pop()
        else:
            task.copy.packet = packet
            task.happened.append("TTL - 1")

    def _check_larger(self, task: _Task, action: CheckLarger) -> None:
        """The rest of the row, which alone sees the bit, is executed on a copy: whoever resubmitted to it goes on with
        the packet as it was before. What was set until here is written first."""
        size = task.copy.packet.size
        copy = task.copy.branch()
        try:
            copy.packet = copy.packet.settled()
        except Invalid as error:
            self._give_up(task.table, str(error))
            return
        bit = 1 << action.bit
        value = copy.read(action.target) or 0
        copy.write(action.target, value | bit if size > action.size else value & ~bit)
        answer = "larger" if size > action.size else "not larger"
        task.happened.append(f"{size} bytes, {answer} than {action.size}: {field_name(action.target)}[{action.bit}]")
        task.copy = copy

    def _hand_to_tracking(self, task: _Task, action: Track) -> None:
        """Once the pass is through, a copy is tracked; the row goes on with one of which nothing is known."""
        if not self._commit(task):
            return
        try:
            tracked = task.copy.parsed_anew({"ct_state": task.copy.metadata.get("ct_state", 0)})
        except Invalid as error:
            self._give_up(task.table, str(error))
            return
        self._left.append(_Tracking(tracked, action, task, self._recirculations))
        task.copy.bytes.translated = action.nat is not None
        task.copy.untrack()

    def _track(self, left: _Tracking) -> None:
        copy, action, task = left.copy, left.action, left.task
        if left.recirculations >= MAX_RECIRCULATIONS:
            self._drop(task.table, f"more than {MAX_RECIRCULATIONS} passes after the first")
            self.anomalies.append(Anomaly(self.switch, f"{stage_name(task.table)}: tracked again and again"))
            return
        translated = CtState.SOURCE_TRANSLATED | CtState.DESTINATION_TRANSLATED
        known = bool(copy.metadata["ct_state"] & translated)
        try:
            tracked = track(self._connections, self.switch, copy.packet, action, known)
        except Untracked as error:
            self._drop(task.table, str(error))
            return
        task.happened.append(f"zone {action.zone} says {state_text(tracked.state)}, {stage_name(action.table)}")
        copy.packet = tracked.packet
        self._pass(copy.parsed_anew(tracked.fields()), action.table, task.depth + 1, left.recirculations + 1)

    def _change(self, task: _Task, action: Action) -> None:
        """An action that changes the packet or a register, and nothing else."""
        try:
            task.happened.append(change(task.copy, action))
        except Invalid as error:
            self._give_up(task.table, str(error))

    def _decap(self, task: _Task, action: Decap) -> None:
        if not task.copy.whole:
            self._give_up(task.table, "decap() in a clone or bucket: copies made afterwards are lost or cut")
            return
        anew = rewrite.reparses(task.copy.packet)
        if anew and not any(waiting.actions or waiting.goto is not None for waiting in self._stack):
            self._give_up(task.table, "nothing to do after decap() of the last label: it goes to the first table again")
            return
        self._change(task, action)
        if anew and self._stack:
            self._start_pass()
            if task.copy.packet.size < SHORTEST:
                self._drop(task.table, f"less than {SHORTEST} bytes are left")
                self._stack.clear()

    def _output(self, task: _Task, port: int) -> None:
        copy = task.copy
        if port == CONTROLLER_PORT:
            task.happened.append("tell the controller")
            return
        if port == IN_PORT_PORT:
            port = copy.in_port
        elif port == copy.in_port:
            self._drop(task.table, f"would go back out of the port it came in by ({port})")
            return
        if port in self._absent:
            self._drop(task.table, f"there is no port {port}")
            return
        if copy.packet.kind != ETHERNET:
            self._drop(task.table, f"has no Ethernet header to leave by port {port} with")
            return
        if not self._commit(task):
            return
        try:
            frame = parse(copy.packet.to_bytes())
        except Invalid as error:
            self._give_up(task.table, str(error))
            return
        task.happened.append(f"output {port}")
        self._left.append((port, frame))

    def _commit(self, task: _Task) -> bool:
        """Let a pending header be put on; False where it would go on another copy than its own, or where the bytes
        that leave may be others than those that are shown here."""
        if task.copy.bytes.translated:
            self._give_up(task.table, "used after ct(nat), outside a clone: Open vSwitch sends it translated as well")
            return False
        if self._pending not in (None, task.copy):
            self._give_up(task.table, "a copy was encapsulated and not sent: this ends ovs-vswitchd 3.1")
            return False
        self._pending = None
        return True

    def _to_group(self, task: _Task, number: int) -> None:
        task.happened.append(f"group {number:#x}")
        group = self._groups.get(number)
        if group is None:
            self._drop(task.table, f"there is no group {number:#x}")
            self.anomalies.append(Anomaly(self.switch, f"{stage_name(task.table)}: there is no group {number:#x}"))
            self._stack.pop()
            return
        for bucket in reversed(self._live_buckets(group)):
            self._branch(task, rewrite.as_action_set(bucket))

    def _live_buckets(self, group: Group) -> tuple[tuple[Action, ...], ...]:
        """All buckets, or of a fast failover group the first one whose port is there."""
        if not group.watch:
            return group.buckets
        live = (bucket for bucket, port in zip(group.buckets, group.watch, strict=True) if port not in self._absent)
        return tuple([*live][:1])

    def _branch(self, task: _Task, actions: Iterable[Action], cloned: bool = False) -> None:
        """Execute actions on a copy of their own, before the rest of the task."""
        copy, depth = task.copy.branch(cloned), task.depth + 1
        self._stack.append(_Task(copy, deque(actions), task.table, None, task.level, depth, task.happened))

    def _drop(self, table: int, reason: str) -> None:
        self.drops.append(Drop(self.switch, stage_name(table), reason))

    def _give_up(self, table: int, reason: str) -> None:
        """End the pass: what it sent, and all that was still to do, is gone."""
        del self._left[self._left_before :]
        self._stack.clear()
        self._drop(table, f"given up, with every copy made so far: {reason}")
        self.anomalies.append(Anomaly(self.switch, f"{stage_name(table)}: {reason}"))
