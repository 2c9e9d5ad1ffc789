"""A controller's copy of a switch's rows, kept by what the switch tells, as `ryu_vnet.openflow.monitor` says to."""

from __future__ import annotations

from openflow_peer import OpenFlowPeer

from ryu_vnet.openflow import changes, messages, replies
from ryu_vnet.openflow.changes import Kind, Step
from ryu_vnet.openflow.monitor import Event, FlowUpdate, monitor_updates, told
from ryu_vnet.openflow.wire import BundleStep, MessageType


class Copy:
    """A table as a controller knows it from what it is told: foreign changes as they come, its own at the reply to the
    commit."""

    def __init__(self, peer: OpenFlowPeer) -> None:
        self.peer = peer
        self.rows: dict[bytes, bytes] = {}
        self.log: list[FlowUpdate | BundleStep] = []
        self._own: dict[int, list[Step]] = {}
        peer.send(messages.flow_monitor(peer.version, peer.xid()))
        for message in [*peer.until_barrier(), *peer.until_barrier()]:
            assert list(monitor_updates(message)) == []
        self.rows = {key: told(value) for key, value in peer.dump_rows().items()}

    def commit(self, *steps: Step) -> int:
        """Send a bundle without waiting for it. Returns the xid of its first step."""
        peer, first = self.peer, self.peer.xid(len(steps))
        commit = peer.xid()
        self._own[commit] = list(steps)
        peer.send(b"".join(changes.bundle(peer.version, peer.xid(), steps, first, peer.xid(), commit)))
        return first

    def follow(self) -> list[FlowUpdate | BundleStep]:
        """Read what has come, apply it, and return it in its order."""
        before = len(self.log)
        for message in self.peer.until_barrier():
            if message[1] in (MessageType.MULTIPART_REPLY, MessageType.EXPERIMENTER):
                for update in monitor_updates(message):
                    self.note(update)
            if message[1] in (MessageType.BUNDLE_CONTROL, MessageType.EXPERIMENTER):
                self._done(replies.bundle_reply(message))
        return self.log[before:]

    def _done(self, reply: replies.BundleReply | None) -> None:
        if reply is None:
            return
        self.log.append(reply.step)
        for kind, key, value in self._own.pop(reply.xid, []):
            if isinstance(key, bytes):
                self._put(key, value if kind is Kind.ROW_ADD else None)

    def note(self, update: FlowUpdate) -> None:
        self.log.append(update)
        if update.key:
            self._put(update.key, None if update.event is Event.REMOVED else update.value)

    def _put(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = value

    def check(self) -> None:
        """What is known is what is there."""
        assert self.rows == {key: told(value) for key, value in self.peer.dump_rows().items()}
