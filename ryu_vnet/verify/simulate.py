"""A fabric of compiled tables, and what becomes of a frame that is put into it.

    simulator = Simulator(tables, wires)
    trace = simulator.inject("host1", 1, frames.arp_request(mac, "10.0.0.1", "10.0.0.2"))
    print(trace.text())

Nothing is sent anywhere: the same tables and the same frame give the same trace, if also the same connections are
known. Each frame meets none, unless the simulator is given `Connections`, to which frames then add theirs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from ..compiler.rows import SwitchTable
from ..errors import Invalid, NotFound, Problem
from .execute import Visit
from .lookup import RowIndex
from .packet import Packet, parse
from .trace import Anomaly, Crossing, Delivery, Drop, Step, Trace
from .tracking import Connections

MAX_CROSSINGS = 10_000
"""Frames on wires that one injected frame may cause; more is taken for a loop."""

SwitchPort = tuple[str, int]
"""A switch by name, and the OpenFlow number of one of its ports."""


class Simulator:
    """Executes the tables of switches by name, joined by wires.

    `wires` leads from each wired port to the port at the other end, so a cable stands in it twice. What leaves by a
    port without a wire is delivered. `absent` are ports that rows name and that are not, or no longer, there. Tables
    are read when a frame first comes to their switch, and must not change afterwards. `connections` are those that
    connection tracking knows before a frame, and then also what the frame adds; without them it knows none.

    Raises Invalid where a wire ends at a switch that has no table.
    """

    def __init__(
        self,
        tables: Mapping[str, SwitchTable],
        wires: Mapping[SwitchPort, SwitchPort],
        absent: Iterable[SwitchPort] = (),
        max_crossings: int = MAX_CROSSINGS,
        connections: Connections | None = None,
    ) -> None:
        loose = sorted({switch for ends in wires.items() for switch, _ in ends} - set(tables))
        if loose:
            raise Invalid([Problem("wires", f"switch {switch!r} has no table") for switch in loose])
        self._tables = tables
        self._wires = wires
        self._absent: dict[str, set[int]] = {}
        for switch, port in absent:
            self._absent.setdefault(switch, set()).add(port)
        self._connections = connections
        self._max_crossings = max_crossings
        self._indexes: dict[str, RowIndex] = {}

    def inject(self, switch: str, port: int, packet: Packet) -> Trace:
        """What becomes of a frame that comes in by a port of a switch.

        The frame is parsed as the switch would parse its bytes. Raises NotFound for a switch that has no table.
        """
        if switch not in self._tables:
            raise NotFound(f"no switch {switch!r}: there are {', '.join(sorted(self._tables))}")
        frame = parse(packet.to_bytes())
        steps: list[Step] = []
        crossings: list[Crossing] = []
        deliveries: list[Delivery] = []
        drops: list[Drop] = []
        anomalies: list[Anomaly] = []
        connections = Connections() if self._connections is None else self._connections
        waiting = deque([(switch, port, frame)])
        while waiting:
            here, in_port, arrived = waiting.popleft()
            groups, absent = self._tables[here].groups, self._absent.get(here, ())
            visit = Visit(here, self._index(here), groups, absent, connections)
            visit.run(in_port, arrived)
            steps += visit.steps
            drops += visit.drops
            anomalies += visit.anomalies
            for out_port, sent in visit.sent:
                far = self._wires.get((here, out_port))
                if far is None:
                    deliveries.append(Delivery(here, out_port, sent))
                    continue
                crossings.append(Crossing(here, out_port, *far, sent))
                waiting.append((*far, sent))
            if len(crossings) > self._max_crossings:
                anomalies.append(Anomaly(here, f"one frame caused more than {self._max_crossings} others: a loop"))
                break
        return Trace(
            switch, port, frame, tuple(steps), tuple(crossings), tuple(deliveries), tuple(drops), tuple(anomalies)
        )

    def _index(self, switch: str) -> RowIndex:
        index = self._indexes.get(switch)
        if index is None:
            index = self._indexes[switch] = RowIndex(self._tables[switch].rows.values())
        return index
