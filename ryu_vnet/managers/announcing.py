"""Has link ports say who they are, by LLDP, and hears what others say: so the declared fabric is checked.

Every link port says it at once when it comes up or its switch is in step, and then in turn, each once in so many
seconds. A few do so at a time, so that ten thousand link ports make no burst.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterable

from ..compiler.pipeline import switch_mac
from ..compiler.rows import Subject, origin_of
from ..fabric import lldp
from ..fabric.declared import Fabric
from ..fabric.observed import Topology
from ..model.values import Place
from ..openflow.replies import PacketIn
from .cabling import Cabling, Difference
from .communication import State
from .delivery import Delivery
from .events import Json, Kind

INTERVALS = 3
"""What was not heard for so many intervals is not there."""
AT_ONCE = 50
"""How many links that are new may be looked at in one call: with ten calls a second, 1,000 frames a second at most."""
_LONGEST_TTL = 0xFFFF

Note = Callable[[Kind, str, str, Json], object]


class Announcing:
    """Public attributes are for reading, `seconds` is for setting too."""

    def __init__(self, delivery: Delivery, note: Note) -> None:
        """`note` makes an event of something."""
        self.seconds = 0
        """In how many seconds each link port says once who it is; 0 turns all of it off."""
        self.cabling = Cabling()
        self._delivery = delivery
        self._note = note
        self._key = secrets.token_bytes(32)
        self._fabric = Fabric()
        self._round: list[Place] = []
        """All link ports, in the order of their turns."""
        self._next = 0
        self._owed = 0.0
        """How many are due."""
        self._then: float | None = None
        self._queue: deque[Place] = deque()
        self._new: set[Place] = set()
        """Those that have not said who they are since they are there; each of them is in the queue."""

    # --- what happens -----------------------------------------------------------------------------------------------

    def connected(self, fabric: Fabric, name: str) -> None:
        """A switch is there; nobody knows what has become of its cables meanwhile."""
        if self.seconds:
            self._come(fabric.wires_of.get(name, ()))

    def ports(self, old: Topology, new: Topology, switches: Iterable[str], now: float) -> None:
        """Switches have reported their ports anew."""
        for name in switches if self.seconds else ():
            for place in new.fabric.wires_of.get(name, ()):
                was = (old.port_number(place), old.port_up(place))
                if was != (new.port_number(place), new.port_up(place)):
                    self.cabling.forget(place)
                    self._judge(place, new, now)
                    self._come([place])

    def heard(self, name: str, told: PacketIn, topology: Topology, now: float) -> None:
        """A row of a switch has told of a frame; who is told of others knows by its cookie."""
        origin = origin_of(told.cookie)
        if not self.seconds or origin is None or origin.subject is not Subject.SWITCH:
            return
        places = topology.fabric.wires_of.get(name, ())
        at = next((place for place in places if topology.port_number(place) == told.in_port), None)
        said = lldp.read(self._key, told.data)
        if at is None or said is None:
            return
        if isinstance(said, lldp.Stranger):
            self.cabling.heard(at, str(said), now, max(said.ttl, self._patience))
        elif said.dpid in topology.fabric.by_dpid:
            self.cabling.heard(at, Place(topology.fabric.by_dpid[said.dpid], said.port), now, self._patience)
        self._judge(at, topology, now)

    def go_on(self, topology: Topology, now: float) -> None:
        """To be called some ten times a second: those say who they are whose turn it is."""
        if not self.seconds:
            return
        if topology.fabric is not self._fabric:
            self._follow(topology, now)
        for _ in range(min(AT_ONCE, len(self._queue))):
            self._announce_new(self._queue.popleft(), topology)
        elapsed, self._then = now - (now if self._then is None else self._then), now
        self._owed = min(self._owed + elapsed / self.seconds * len(self._round), float(len(self._round)))
        while self._owed >= 1:
            self._owed -= 1
            self._next = (self._next + 1) % len(self._round)
            place = self._round[self._next]
            if self._is_there(place, topology):
                self._announce(place, topology)
            self._judge(place, topology, now)

    # --- whose turn it is -------------------------------------------------------------------------------------------

    def _follow(self, topology: Topology, now: float) -> None:
        """The fabric was declared anew."""
        self._fabric, known = topology.fabric, {*self._round}
        self._round = sorted(topology.fabric.wires, key=lambda place: (place.port, place.switch))
        self._come(place for place in self._round if place not in known)
        for place in sorted(known | {*self._round}, key=str):
            self._judge(place, topology, now)

    def _come(self, places: Iterable[Place]) -> None:
        new = [place for place in places if place not in self._new]
        self._new.update(new)
        self._queue.extend(new)

    def _announce_new(self, near: Place, topology: Topology) -> None:
        """Have both ends of a new link say who they are, if near has not done so meanwhile. While one of the two
        switches is being brought into step, it waits: there might be no row yet by which the other is heard."""
        wire = topology.fabric.wires.get(near)
        if near not in self._new or wire is None:
            self._new.discard(near)
            return
        far = wire[1]
        if self._is_coming(near.switch) or self._is_coming(far.switch):
            self._queue.append(near)
            return
        for place in (near, far):
            # Who is not there comes again with its switch, or with its port.
            self._new.discard(place)
            if self._is_there(place, topology):
                self._announce(place, topology)

    def _announce(self, place: Place, topology: Topology) -> None:
        switch, port = topology.fabric.switches[place.switch], topology.port_number(place)
        if port is not None:
            said = lldp.Announcement(switch.dpid, place.port)
            frame = lldp.write(self._key, said, switch_mac(switch.number), min(self._patience, _LONGEST_TTL))
            self._delivery.emit(place.switch, port, frame)

    def _is_coming(self, name: str) -> bool:
        manager = self._delivery.switches.get(name)
        if manager is None or manager.state in (State.AWAY, State.REFUSED) or manager.trouble is not None:
            return False
        return not manager.admitted or manager.state is not State.IN_STEP

    def _is_there(self, place: Place, topology: Topology) -> bool:
        """Whether a port can say who it is, and hear who others are."""
        manager = self._delivery.switches.get(place.switch)
        return manager is not None and manager.is_answering and manager.admitted and topology.port_up(place)

    # --- what differs -----------------------------------------------------------------------------------------------

    @property
    def _patience(self) -> int:
        return INTERVALS * self.seconds

    def _judge(self, place: Place, topology: Topology, now: float) -> None:
        wires = topology.fabric.wires
        ends = (place, wires[place][1]) if place in wires else ()
        listens = all(self._is_there(end, topology) for end in ends)
        change = self.cabling.judge(place, wires, now, self._patience, listens=listens)
        for difference in change.ended:
            self._tell(difference, f"no more: {difference}", is_so=False)
        for difference in change.begun:
            self._tell(difference, str(difference), is_so=True)

    def _tell(self, difference: Difference, text: str, *, is_so: bool) -> None:
        details: Json = {
            "difference": difference.kind.value,
            "port": str(difference.at),
            "declared": str(difference.declared),
            "heard": difference.heard or None,
            "is_so": is_so,
        }
        self._note("fabric", difference.at.switch, text, details)
