"""A communication manager in this process with a real switch at the other end of its socket; and what it is to hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

from openflow_peer import OpenFlowPeer
from vnet_bench.dummy_ovs import DummyOvs

from ryu_vnet.compiler import fields as f
from ryu_vnet.compiler.rows import FieldMatch, Group, Meter, MeterBand, Origin, Output, Row, SetField, Subject, ToGroup
from ryu_vnet.managers.communication import CommunicationManager, Effects, State
from ryu_vnet.managers.difference import Contents, difference
from ryu_vnet.managers.drift import Drift
from ryu_vnet.openflow import messages, replies
from ryu_vnet.openflow.meters import MeterKey, encode_meter
from ryu_vnet.openflow.rows import encode_group, encode_row
from ryu_vnet.openflow.wire import MessageType, Version

ORIGIN = Origin(Subject.NETWORK, 16)
TABLE = 1
PORTS = ("p1", "p2", "p3")
MOST_TURNS = 1000
"""After so many questions and answers a switch is not going to come to rest any more."""


class Driven:
    """Has a bridge. `wanted` is what it is to hold; nothing is sent before `connect`."""

    def __init__(
        self,
        ovs: DummyOvs,
        version: Version,
        name: str = "s1",
        dpid: int = 1,
        ports: Iterable[str] = PORTS,
        *,
        dialled: bool = True,
    ) -> None:
        self.ovs = ovs
        self.version = version
        self.name = name
        self.wanted = Contents()
        self.manager = CommunicationManager(name, self.wanted)
        self.peer = OpenFlowPeer(version)
        self.path: Path | None = ovs.folder / f"{name}.mgmt" if dialled else None
        """Where the bridge is dialled, which takes no time; if None, it comes by itself."""
        self.seen: list[Effects] = []
        self._sent = 0
        ovs.add_bridge(name, dpid=dpid, controller=None if dialled else self.peer.address, ports=ports)

    @property
    def drift(self) -> list[Drift]:
        """All that was told of what others changed."""
        return [drift for effects in self.seen for drift in effects.drift]

    def connect(self) -> None:
        """Meet the switch, read it, and bring it into step."""
        self.meet()
        self.do(self.manager.connected(self.version))
        self.do(self.manager.read())
        self.settle()

    def meet(self) -> None:
        """Have a connection, and nothing else."""
        if self.path is None:
            self.peer.accept()
        else:
            self.peer.dial(self.path)

    def cut(self) -> None:
        """Lose the connection, as when the network fails."""
        self.peer.hang_up()
        self.manager.disconnected(0)

    def do(self, effects: Effects) -> None:
        """Carry out what an event leads to."""
        self.seen.append(effects)
        for chunks in effects.send:
            self._sent += 1
            self.peer.send(b"".join(chunks))

    def settle(self, until: Callable[[], bool] | None = None) -> None:
        """Pass on what the switch says until it is in step, or until something holds."""
        holds = until or (lambda: self.manager.state is State.IN_STEP)
        while not holds():
            self.do(self.manager.received(self.peer.receive()))

    def catch_up(self) -> None:
        """Take in all that the switch has said up to now, and what follows from that, until it comes to rest."""
        for _ in range(MOST_TURNS):
            sent = self._sent
            self.take_in()
            if self._sent == sent:
                return
        raise AssertionError(f"{self.manager.changes_sent} changes, and no end")

    def take_in(self) -> None:
        """Take in all that the switch has said up to now."""
        xid = self.peer.xid()
        self.peer.send(messages.barrier(self.version, xid))
        while True:
            message = self.peer.receive()
            if message[1] == MessageType.BARRIER_REPLY and replies.barrier_reply(message) == xid:
                return
            self.do(self.manager.received(message))

    def wish(self, contents: Contents, revision: int = 1, rollout: int | None = None) -> Effects:
        """Want something else, without sending anything yet."""
        before = difference(self.wanted, contents)
        for key in before:
            self.wanted.put(key, contents.get(key))
        return self.manager.want(before, revision, rollout)

    def want(self, contents: Contents, revision: int = 1) -> None:
        """Want something else, and have it."""
        self.do(self.wish(contents, revision))
        self.settle()

    def restart(self) -> None:
        """Lose the connection and all that the controller knew of the switch."""
        self.cut()
        self.manager = CommunicationManager(self.name, self.wanted)

    def ofctl(self, command: str, *args: str) -> str:
        """Somebody else's ovs-ofctl: options and command, then what stands after the bridge."""
        return self.ovs.ofctl(*command.split(), str(self.ovs.folder / f"{self.name}.mgmt"), *args)

    def check(self, wanted: Contents | None = None) -> None:
        """The switch has exactly this, or what it is to hold, read over a connection of the test's own."""
        with OpenFlowPeer(self.version) as reader:
            reader.dial(self.ovs.folder / f"{self.name}.mgmt")
            contents = self.wanted if wanted is None else wanted
            assert reader.dump_rows() == contents.rows
            assert reader.dump_groups() == contents.groups
            assert reader.dump_meters() == contents.meters


# --- contents -------------------------------------------------------------------------------------------------------


def row(number: int, port: int = 1, meter: int | None = None) -> tuple[bytes, bytes]:
    """A row, where it sends, and what counts that."""
    actions = (Output(port),) if meter is None else (Meter(meter), Output(port))
    return encode_row(Row(TABLE, 10, (FieldMatch(f.REG0, number),), actions, None, ORIGIN))


def row_to_group(number: int, group: int) -> tuple[bytes, bytes]:
    """A row that hands frames to a group."""
    actions = SetField(f.REG1, number), ToGroup(group)
    return encode_row(Row(TABLE, 10, (FieldMatch(f.REG0, number),), actions, None, ORIGIN))


def group(number: int, *ports: int) -> tuple[int, bytes]:
    """A group of type all that sends to ports."""
    return number, encode_group(Group(number, tuple((Output(port),) for port in ports), ORIGIN))


def rows(count: int, port: int = 1) -> Contents:
    """Rows alone."""
    return Contents(dict(row(number, port) for number in range(count)))


def some_contents(random: Random, most: int = 40, groups: int = 6) -> Contents:
    """Some of the rows 0 to `most`, each one of several ways, and the groups and meters that they name."""
    found = Contents()
    for number in range(1, groups + 1):
        if random.randrange(2):
            band = MeterBand(number, random.randrange(1, 4), random.randrange(1, 4), counts_bits=number > 1)
            found.put(MeterKey(number), encode_meter(band))
    for number in range(1, groups + 1):
        if random.randrange(3):
            found.put(*group(number, *random.sample((1, 2, 3), random.randrange(1, 4))))
    for number in range(most):
        kind = random.randrange(4)
        if kind == 0 and found.meters and random.randrange(2):
            found.put(*row(number, random.randrange(1, 4), random.choice(sorted(found.meters)).number))
        elif kind == 1 and found.groups:
            found.put(*row_to_group(number, random.choice(sorted(found.groups))))
        elif kind > 1:
            found.put(*row(number, random.randrange(1, 4)))
    return found
