"""The way of one frame through the simulator, with names put to what it says: every hop, every table, every link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from ..compiler.pipeline import ADJACENCY_REG, CHOICE_REG, INTERFACE_REG, NETWORK_REG, REGISTERS
from ..compiler.rows import Subject
from ..fabric.declared import LinkKind
from ..model.names import format_mac
from ..model.values import Place
from ..verify.packet import Packet
from ..verify.simulate import Simulator, SwitchPort
from ..verify.text import packet_text
from ..verify.trace import Crossing, Delivery, Drop, Step, Trace
from ..verify.tracking import Connections
from .explain import Meanings, Names
from .explain_serving import is_answer_of_switch
from .route import Arrival, Ending, Hop, LinkPassed, TableHit
from .row_words import band, is_told
from .system import System

_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class Way:
    """What became of a frame: its hops, as the simulator has them and in names, and what must never happen. `answered`
    says for whom a switch answered it, None where none did."""

    hops: list[Hop]
    deliveries: tuple[Delivery, ...]
    anomalies: list[str]
    answered: str | None


class Follower:
    """Runs the simulator over a system's tables, and puts names to what it says. Frames that are followed one after the
    other belong together: what connection tracking knows of one it knows for the next."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._names = Names(system.model, system.fabric)
        self._wires = system.fabric.wires
        self._meanings: dict[str, Meanings] = {}
        self._simulator = Simulator(system.tables, self._numbered_wires(), connections=Connections())

    def follow(self, switch: str, port: int, frame: Packet) -> Way:
        """What becomes of a frame that comes in by a port of a switch."""
        found = self._simulator.inject(switch, port, frame)
        anomalies = [f"{one.switch}: {one.reason}" for one in found.anomalies]
        return Way(self._hops(found), found.deliveries, anomalies, self._answered(found, switch))

    def port_of(self, place: Place) -> int | None:
        """The number of a port, if its switch has reported it."""
        return self._system.topology.port_number(place)

    def _answered(self, found: Trace, switch: str) -> str | None:
        """For whom the first switch answered."""
        here = [delivery for delivery in found.deliveries if (delivery.switch, delivery.port) == (switch, found.port)]
        steps = [step for step in found.steps if step.switch == switch and step.row is not None]
        sending = next((step for step in reversed(steps) if step.row and is_answer_of_switch(step.row)), None)
        if not here or sending is None or sending.stage not in ("ANSWER", "UPLINK", "ADVERTISE"):
            return None
        asked = next(step for step in reversed(steps) if step.stage in ("ANSWER", "UPLINK"))
        if asked.row is None:
            return None
        if asked.row.origin.subject is Subject.INTERFACE:
            return self._names.interface(asked.row.origin.number)
        if asked.stage == "UPLINK":
            return _asked_for(found.frame)
        network = dict(zip((register.name for register in REGISTERS), asked.registers, strict=True))[NETWORK_REG.name]
        return f"the router of {self._names.network(network)}"

    def _numbered_wires(self) -> dict[SwitchPort, SwitchPort]:
        numbered = {}
        for near, (_, far) in self._wires.items():
            a, b = self._system.topology.port_number(near), self._system.topology.port_number(far)
            if a is not None and b is not None:
                numbered[near.switch, a] = far.switch, b
        return numbered

    def _hops(self, found: Trace) -> list[Hop]:
        """The visits of the frame, in the simulator's order: breadth first, so the n-th crossing leads to the
        visit after the n-th."""
        visits: list[list[Step]] = []
        for step in found.steps:
            if step.table == 0 and step.depth == 0:
                visits.append([])
            visits[-1].append(step)
        ports = [found.port, *(crossing.to_port for crossing in found.crossings)]
        crossings = [(crossing.from_switch, crossing) for crossing in found.crossings]
        deliveries = [(delivery.switch, delivery) for delivery in found.deliveries]
        drops = [(drop.switch, drop) for drop in found.drops]
        hops = []
        for steps, port in zip(visits, ports, strict=False):
            switch = steps[0].switch
            arrivals, lost = self._arrivals(_take(deliveries, switch))
            hops.append(
                Hop(
                    switch=switch,
                    segment=self._system.fabric.switches[switch].segment,
                    state=self._system.switches[switch].state.value,
                    port=self._port(switch, port),
                    tables=[self._table_hit(step) for step in steps],
                    links=[self._link(crossing) for crossing in _take(crossings, switch)],
                    arrivals=arrivals,
                    drops=lost + self._endings(steps, _take(drops, switch)),
                )
            )
        return hops

    def _table_hit(self, step: Step) -> TableHit:
        did = [self._named(word) for word in step.happened]
        if step.row is None:
            return TableHit(step.stage, step.depth, None, f"no row matches: {self._missed(step)}", None, did)
        meaning = self._meaning(step.switch).row(step.row)
        return TableHit(step.stage, step.depth, step.row.priority, meaning, self._names.origin(step.row.origin), did)

    def _named(self, happened: str) -> str:
        """What an action did, with the name of an adjacency in place of its number."""
        name, _, value = happened.partition("=")
        if name != ADJACENCY_REG.name:
            return happened
        return f"{name}={self._names.adjacency(int(value, 0))}"

    def _missed(self, step: Step) -> str:
        """What a lookup that found nothing was for."""
        values = dict(zip((register.name for register in REGISTERS), step.registers, strict=True))
        network = self._names.network(values[NETWORK_REG.name])
        match step.stage:
            case "PORT":
                return "no link and no running node is on this port"
            case "SOURCE":
                return "no interface on this port may send such a frame"
            case "NETWORK":
                return f"{self._names.interface(values[INTERFACE_REG.name])} is in no network"
            case "CLASS":
                return f"none of {self._names.network(values[CHOICE_REG.name])} is for such frames"
            case "TAG":
                return "no network has this tag here, or the frame has none"
            case "LABEL":
                return "no edge has this transport label, or the frame has none"
            case "SERVICE":
                return "no network here has this service label"
            case "FORWARD":
                return f"nobody in {network} that this switch has to know is {format_mac(step.packet.eth_dst)}"
            case "EGRESS":
                return f"there is no way to {self._names.adjacency(values[ADJACENCY_REG.name])}"
            case "UPLINK":
                return "no network of ours has the address that it is for"
            case "RETURN":
                return "it is part of no connection that is known, and its port is not forwarded"
            case "INBOUND":
                return f"it is part of no connection that is known, and nothing new is let in to it in {network}"
            case "RESOLVE":
                return f"nobody in {network} has the address that it is for"
            case "OUTBOUND" | "TRANSLATE" | "SHARE":
                return f"the router of {network} has no way for it"
            case "DEPART":
                return "the next router outside has not said yet where it is"
            case _:
                return "no row is for it"

    def _endings(self, steps: list[Step], drops: list[Drop]) -> list[Ending]:
        missed = [step for step in steps if step.row is None]
        endings = []
        for drop in drops:
            step = next((step for step in missed if step.stage == drop.stage), None)
            if step is not None and drop.reason.startswith("no row"):
                missed.remove(step)
                endings.append(Ending(drop.stage, self._missed(step)))
            else:
                endings.append(Ending(drop.stage, self._refused(steps, drop) or drop.reason))
        return endings

    def _refused(self, steps: list[Step], drop: Drop) -> str | None:
        """Why a row ends a frame, in the words of that row; None where the simulator says it better."""
        step = next((step for step in reversed(steps) if step.stage == drop.stage and step.row is not None), None)
        if step is None or step.row is None:
            return None
        if is_told(step.row) or (drop.reason.startswith("refused by") and band(step.row)):
            return self._meaning(step.switch).row(step.row)
        return None

    def _link(self, crossing: Crossing) -> LinkPassed:
        from_port = self.place(crossing.from_switch, crossing.from_port)
        kind = self._wires[from_port][0]
        tag, labels = crossing.frame.tags[0].vid if crossing.frame.tags else None, [x.label for x in crossing.labels]
        if kind is LinkKind.TRUNK:
            segment = self._system.fabric.switches[crossing.from_switch].segment
            carries = f"tag {tag} is {self._network_of_tag(segment or '', tag or 0)} in segment {segment}"
        else:
            parts = [f"label {label} leads to edge {self._names.edge_of_label(label)}" for label in labels[:1]]
            parts += [f"label {label} is {self._names.network(label)}" for label in labels[1:2]]
            carries = ", ".join(parts)
        to_port = self.place(crossing.to_switch, crossing.to_port)
        text = packet_text(crossing.frame)
        return LinkPassed(kind.value, str(from_port), str(to_port), tag, labels, carries, text)

    def _network_of_tag(self, segment: str, tag: int) -> str:
        numbers = (grant.network for grant in self._system.model.grants(segment) if grant.tag == tag)
        return next((self._names.network(number) for number in numbers), "no network")

    def _arrivals(self, deliveries: list[Delivery]) -> tuple[list[Arrival], list[Ending]]:
        """What reached a node, and what left by a link whose other end no switch has reported yet."""
        arrivals, lost = [], []
        for delivery in deliveries:
            place = self.place(delivery.switch, delivery.port)
            if place in self._wires:
                lost.append(Ending("EGRESS", f"{place} leads to {self._wires[place][1]}, which is not there yet"))
                continue
            arrivals.append(Arrival(str(place), self._who_is_at(place), packet_text(delivery.frame)))
        return arrivals, lost

    def _who_is_at(self, place: Place) -> str:
        """The interface at a port, or the outside network behind it."""
        uplinks = self._system.fabric.switches[place.switch].uplinks
        to = next((uplink.outside for uplink in uplinks if uplink.port == place.port), None)
        if to is not None:
            return f"{to} outside"
        member = self._system.model.at(place)
        return str(member) if member else "nobody"

    def place(self, switch: str, number: int) -> Place:
        """A port by its number."""
        ports = self._system.ports.get(switch, {})
        return Place(switch, next((name for name, state in ports.items() if state.number == number), str(number)))

    def _port(self, switch: str, number: int) -> str:
        return f"{self.place(switch, number).port} ({number})"

    def _meaning(self, switch: str) -> Meanings:
        if switch not in self._meanings:
            ports, groups = self._system.ports.get(switch, {}), self._system.tables[switch].groups
            self._meanings[switch] = Meanings(self._names, switch, ports, groups)
        return self._meanings[switch]


def _take(parts: list[tuple[str, _Part]], switch: str) -> list[_Part]:
    """Take from the front of a list what belongs to one switch."""
    taken = []
    while parts and parts[0][0] == switch:
        taken.append(parts.pop(0)[1])
    return taken


def _asked_for(frame: Packet) -> str:
    """The address that a question from outside is about."""
    return packet_text(frame).rpartition(" > ")[2].partition(" ")[0]
