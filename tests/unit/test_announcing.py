"""Link ports that say who they are, over cables that may lead elsewhere: what is told, when, and how much at a time.

Frames go through the compiled tables by the simulator; what a row tells the controller of comes back as from a switch.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import pytest
from drawn import simulator
from figure_system import figure_system
from memory_store import MemoryStore

from ryu_vnet.compiler.rows import CONTROLLER_PORT, Output, cookie_of
from ryu_vnet.fabric import lldp
from ryu_vnet.fabric.documents import ADMITTED_PREFIX, OBSERVED_PREFIX, admission
from ryu_vnet.fabric.observed import PortState
from ryu_vnet.managers import announcing, requests
from ryu_vnet.managers.cabling_report import difference_counts, difference_statuses
from ryu_vnet.managers.communication import State
from ryu_vnet.managers.drift_report import Moment
from ryu_vnet.managers.system import System
from ryu_vnet.model.values import Place
from ryu_vnet.openflow.replies import PacketIn, split
from ryu_vnet.openflow.wire import MessageType, Version
from ryu_vnet.schema import FabricSpec, Intent, LinkSpec, SwitchSpec
from ryu_vnet.store.interface import Store
from ryu_vnet.verify.packet import parse

SECONDS = 10
PORT_AT, FRAME_AT = 28, 40
"""Where a packet-out of ours has the number of the port, and where its frame begins."""


def place(text: str) -> Place:
    return Place(*text.split(":"))


class Cabled:
    """A controller with link ports that say who they are, and switches that are joined as `cables` has it: as declared
    at first. Time goes on by `run`."""

    def __init__(self, store: Store, seconds: int = SECONDS) -> None:
        self.now = 1000.0
        self.sent: list[Place] = []
        """The link ports that have said who they are, in order."""
        self.system = System(store, self._send, lambda: self.now)
        self.system.announcing.seconds = seconds
        self.cables = {near: far for near, (_, far) in self.system.fabric.wires.items()}
        self.simulator = simulator(self.system)

    def connect(self, *names: str) -> None:
        """Switches are there and in step; all of them where none is named."""
        for name in names or self.system.switches:
            self.system.switch_connected(name, Version.OF14)
            self.system.switches[name].state = State.IN_STEP

    def settle(self) -> None:
        """What switches were sent they have."""
        for manager in self.system.switches.values():
            if manager.version is not None:
                manager.state = State.IN_STEP

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            self.system.announce()

    def cable(self, a: str, b: str) -> None:
        self.cables.update({place(a): place(b), place(b): place(a)})

    def report(self, at: str, *, up: bool) -> None:
        """A switch says that one of its ports is up or down."""
        here = place(at)
        ports = self.system.ports[here.switch]
        self.system.delivery.on_ports(here.switch, {**ports, here.port: PortState(ports[here.port].number, up)})

    def hear(self, at: Place, frame: bytes) -> None:
        """A frame comes in by a port."""
        number = self.system.ports[at.switch][at.port].number
        for step in self.simulator.inject(at.switch, number, parse(frame)).steps:
            if "tell the controller" in step.happened and step.row is not None:
                (action,) = step.row.actions
                assert isinstance(action, Output) and action.port == CONTROLLER_PORT
                told = PacketIn(cookie_of(step.row.origin), number, frame[: action.max_len])
                self.system.delivery.on_heard(step.switch, told)

    @property
    def told(self) -> list[str]:
        return [str(difference) for difference in self.system.announcing.cabling.differences]

    def events(self) -> list[tuple[str, bool]]:
        self.system.tick()
        return [(e.text, e.details["is_so"]) for e in self.system.events.after(0) if "is_so" in e.details]

    def _send(self, name: str, chunks: Iterable[bytes]) -> None:
        for message in split(b"".join(chunks))[0]:
            if message[1] == MessageType.PACKET_OUT:
                (number,) = struct.unpack_from("!I", message, PORT_AT)
                port = next(port for port, state in self.system.ports[name].items() if state.number == number)
                near = Place(name, port)
                self.sent.append(near)
                if near in self.cables:
                    self.hear(self.cables[near], message[FRAME_AT:])


@pytest.fixture
def cabled(tmp_path: Path) -> Cabled:
    return Cabled(figure_system(tmp_path).store)


def test_right_cables_make_no_difference(cabled: Cabled) -> None:
    cabled.connect()
    cabled.run(20 * SECONDS)
    ends = cabled.system.fabric.wires.keys()
    times = Counter(cabled.sent)
    assert times.keys() == ends and all(20 <= times[end] <= 22 for end in ends)
    assert cabled.told == [] and cabled.events() == []


def test_a_link_is_announced_at_once_from_both_ends(cabled: Cabled) -> None:
    trunk = {place("host1:host1-edgeA"), place("edgeA:edgeA-host1")}
    cabled.connect("host1")
    cabled.run(0.1)
    assert set(cabled.sent) == {place("host1:host1-edgeA")}
    cabled.sent.clear()
    cabled.connect("edgeA")
    cabled.system.switches["edgeA"].state = State.CHANGING
    cabled.run(0.1)
    assert cabled.sent == []
    cabled.system.switches["edgeA"].state = State.IN_STEP
    cabled.run(0.1)
    assert trunk <= set(cabled.sent) and max(Counter(cabled.sent).values()) == 1
    cabled.sent.clear()
    cabled.report("host1:host1-edgeA", up=False)
    cabled.run(0.1)
    cabled.sent.clear()
    cabled.report("host1:host1-edgeA", up=True)
    cabled.settle()
    cabled.run(0.1)
    assert trunk <= set(cabled.sent)


def test_crossed_cables_are_told_and_paths_stay(cabled: Cabled) -> None:
    cabled.cable("host1:host1-edgeA", "edgeA:edgeA-host2")
    cabled.cable("host2:host2-edgeA", "edgeA:edgeA-host1")
    tables = {name: dict(manager.wanted.rows) for name, manager in cabled.system.switches.items()}
    cabled.connect()
    cabled.run(0.1)
    wrong = [
        "edgeA:edgeA-host1 hears host2:host2-edgeA, and is declared to lead to host1:host1-edgeA",
        "edgeA:edgeA-host2 hears host1:host1-edgeA, and is declared to lead to host2:host2-edgeA",
        "host1:host1-edgeA hears edgeA:edgeA-host2, and is declared to lead to edgeA:edgeA-host1",
        "host2:host2-edgeA hears edgeA:edgeA-host1, and is declared to lead to edgeA:edgeA-host2",
    ]
    cabled.run(3 * SECONDS)
    assert cabled.told == wrong and sorted(cabled.events()) == [(text, True) for text in wrong]
    assert {name: dict(manager.wanted.rows) for name, manager in cabled.system.switches.items()} == tables
    now = Moment(cabled.now, datetime(2026, 1, 1))
    first = difference_statuses(cabled.system, now)[0]
    assert (first.kind, first.at, first.heard) == ("elsewhere", "edgeA:edgeA-host1", "host2:host2-edgeA")
    assert difference_counts(cabled.system) == {"elsewhere": 4, "unlinked": 0, "silent": 0, "foreign": 0}

    # Whoever moves a cable pulls it out: that is over at once, and the new one is heard at once.
    ends = [text.split()[0] for text in wrong]
    for end in ends:
        cabled.report(end, up=False)
    assert cabled.told == []
    cabled.cable("host1:host1-edgeA", "edgeA:edgeA-host1")
    cabled.cable("host2:host2-edgeA", "edgeA:edgeA-host2")
    for end in ends:
        cabled.report(end, up=True)
    cabled.run(5 * SECONDS)
    assert cabled.told == []
    over = [(f"no more: {text}", False) for text in wrong]
    assert sorted(cabled.events()) == sorted([*((text, True) for text in wrong), *over])


def test_a_link_that_is_heard_by_one_end_only(cabled: Cabled) -> None:
    del cabled.cables[place("edgeA:edgeA-host1")]
    cabled.connect()
    cabled.run(2 * SECONDS)
    assert cabled.told == []
    cabled.run(3 * SECONDS)
    silent = "host1:host1-edgeA hears nothing from edgeA:edgeA-host1, where it is declared to lead to"
    assert cabled.told == [silent]
    # Nobody is expected to be heard of a switch that is away.
    cabled.system.switch_disconnected("edgeA")
    cabled.run(5 * SECONDS)
    assert cabled.told == []


def test_machines_cannot_make_the_controller_report_anything(cabled: Cabled) -> None:
    cabled.connect()
    cabled.run(1)
    fake = lldp.write(b"guessed", lldp.Announcement(0xA, "edgeA-host1"), 0x02_00_00_00_01_02, 120)
    foreign = fake[:14] + bytes.fromhex("020507746f72 37 0403 05 7031 06020078 0000".replace(" ", ""))
    assert isinstance(lldp.read(b"", foreign), lldp.Stranger)
    for name, ports in cabled.system.ports.items():
        for port in ports:
            if place(f"{name}:{port}") not in cabled.system.fabric.wires:
                for frame in (fake, foreign):
                    trace = cabled.simulator.inject(name, ports[port].number, parse(frame))
                    assert not any("tell the controller" in step.happened for step in trace.steps)
    # On a wire, what only pretends to be ours is nothing, and the other is told.
    cabled.hear(place("edgeA:edgeA-host1"), fake)
    assert cabled.told == []
    cabled.hear(place("edgeA:edgeA-host1"), foreign)
    assert cabled.told == ["edgeA:edgeA-host1 hears equipment that is not in the fabric: tor7 port p1"]
    assert cabled.events() == [(cabled.told[0], True)]
    cabled.run(60 + SECONDS)
    assert len(cabled.told) == 1
    cabled.run(60 + SECONDS)
    assert cabled.told == []


def test_what_is_declared_anew_is_judged_anew(cabled: Cabled) -> None:
    cabled.cable("host1:host1-edgeA", "edgeA:edgeA-host2")
    cabled.connect()
    cabled.run(1)
    assert any(text.startswith("host1:host1-edgeA") for text in cabled.told)
    cabled.system.request(lambda work: requests.put_fabric(work, without(cabled.system, "host1")))
    cabled.cable("host2:host2-edgeA", "edgeA:edgeA-host2")
    cabled.run(0.1)
    assert cabled.told == [
        "edgeA:edgeA-host2 hears host1:host1-edgeA, which is declared on no link, and not host2:host2-edgeA"
    ]
    cabled.run(4 * SECONDS)
    assert cabled.told == []
    undeclared = difference_statuses(cabled.system, Moment(0, datetime(2026, 1, 1)))
    assert ("undeclared", "edgeA") in [(one.kind, one.at) for one in undeclared]


def without(system: System, switch: str) -> FabricSpec:
    """The fabric but for a switch and its links; what runs there is stopped and deleted."""
    for node in [*system.model.nodes()]:
        if any(one.place is not None and one.place.switch == switch for one in node.interfaces):
            system.request(lambda work, node=node: requests.delete_node(work, node.tenant, node.name))  # type: ignore[misc]
    fabric = system.fabric
    return FabricSpec(
        switches={n: SwitchSpec(dpid=s.dpid, segment=s.segment) for n, s in fabric.switches.items() if n != switch},
        links=[
            LinkSpec(kind=link.kind.value, a=str(link.a), b=str(link.b))
            for link in fabric.links
            if switch not in (link.a.switch, link.b.switch)
        ],
    )


def test_it_can_be_turned_off(tmp_path: Path) -> None:
    cabled = Cabled(figure_system(tmp_path).store, seconds=0)
    cabled.connect()
    cabled.report("edgeA:edgeA-host1", up=False)
    cabled.report("edgeA:edgeA-host1", up=True)
    cabled.settle()
    cabled.run(100)
    cabled.hear(place("edgeA:edgeA-host1"), lldp.write(b"", lldp.Announcement(0xA, "x"), 0, 1))
    assert cabled.sent == [] and cabled.told == []


def test_many_link_ports_make_no_burst() -> None:
    """All switches come in one moment; and whose turn it is is spread over the time there is."""
    leaves = [f"leaf{number}" for number in range(150)]
    intent = Intent(
        fabric=FabricSpec(
            switches={name: SwitchSpec(dpid=number) for number, name in enumerate(["spine", *leaves], 1)},
            links=[LinkSpec(kind="core", a=f"spine:{name}", b=f"{name}:up") for name in leaves],
        )
    )
    store = MemoryStore()
    first = System(store, lambda name, chunks: None, lambda: 0.0)
    first.request(lambda work: requests.apply(work, intent))
    store.commit({OBSERVED_PREFIX + "spine": {name: [n, True] for n, name in enumerate(leaves, 1)}})
    store.commit({OBSERVED_PREFIX + name: {"up": [1, True]} for name in leaves})
    store.commit({ADMITTED_PREFIX + name: admission(switch) for name, switch in first.fabric.switches.items()})
    cabled = Cabled(store, seconds=30)
    cabled.connect()
    sizes = []
    for _ in range(900):
        before = len(cabled.sent)
        cabled.run(0.1)
        sizes.append(len(cabled.sent) - before)
    at_first, later = sizes[:10], sizes[10:]
    assert sum(at_first) >= 300 and max(sizes) <= 2 * announcing.AT_ONCE + 1
    assert max(later) <= 2 and 870 <= sum(later) <= 900
    assert cabled.told == []


def test_each_switch_has_a_row_for_each_kind_of_link_that_it_has(cabled: Cabled) -> None:
    for name, table in cabled.system.tables.items():
        kinds = {kind for kind, _ in cabled.system.fabric.wires_of[name].values()}
        found = [row for row in table.rows.values() if Output(CONTROLLER_PORT, lldp.LONGEST) in row.actions]
        assert len(found) == len(kinds) and all(row.goto is None for row in found)
