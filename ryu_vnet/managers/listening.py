"""What switches tell of ports where machines are learned: how much of it is looked at, and what it comes to.

A machine may send what it likes, as often as it likes. So what a switch tells is bounded (`meters`), and of that: one
frame of a port at a time is looked at, of each address one every few seconds, of so many addresses a port as it is
declared with, and so many of all ports in a second. What is beyond is dropped: who is there will speak again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from ..compiler.fields import GROUP_BIT
from ..compiler.rows import Subject, origin_of
from ..errors import VnetError
from ..fabric.observed import Ports, PortState
from ..model.values import Place
from ..openflow.replies import PacketIn
from . import learning
from .learning import Found, Reason

if TYPE_CHECKING:
    from .system import System

AGAIN_SECONDS = 5.0
"""How long an address that was looked at on a port is not looked at again there."""
MOST_IN_A_SECOND = 20
"""How many frames are looked at in a second, of all ports."""
_SOURCE, _TYPE = slice(6, 12), slice(12, 14)
"""Source address and EtherType in a frame (IEEE 802.3, 3.2)."""
_LLDP = b"\x88\xcc"
_TAGS = (b"\x81\x00", b"\x88\xa8")
"""802.1Q, and 802.1ad."""


@dataclass(slots=True)
class _Heard:
    """What was heard at one port since it came up."""

    addresses: dict[int, float] = field(default_factory=dict)
    """Those that were looked at, each with when it may be again."""
    said: dict[int, str] = field(default_factory=dict)
    """Conflicts that were told, by address."""
    is_busy: bool = False


class Listening:
    """Learns machines for a System Manager. Public attributes are for reading."""

    def __init__(self, system: System, clock: Callable[[], float], soon: Callable[[Callable[[], None]], None]) -> None:
        """`clock` and `soon` are the System Manager's."""
        self.told = 0
        """Frames that switches have told of."""
        self.learned = 0
        """Machines that run because of one."""
        self.refused: Counter[Reason] = Counter()
        """Frames that nobody runs because of, by why."""
        self._system = system
        self._clock = clock
        self._soon = soon
        self._heard: dict[Place, _Heard] = {}
        self._second = -inf
        self._in_second = 0
        self._gone: set[Place] = set()
        """Ports that went away, which is not seen to yet."""

    def heard(self, switch: str, told: PacketIn) -> None:
        """A row of a switch told of a frame; of those rows that are for learning, and of others."""
        origin, place = origin_of(told.cookie), self._place(switch, told.in_port)
        # What switches and other network devices say of themselves to the next one tells of no machine.
        if origin is None or origin.subject is not Subject.SWITCH or place is None or told.data[_TYPE] == _LLDP:
            return
        self.told += 1
        mac = int.from_bytes(told.data[_SOURCE], "big")
        is_plain = mac and not mac & GROUP_BIT and told.data[_TYPE] not in _TAGS
        reason = self._against(place, mac) if is_plain else Reason.ADDRESS
        if reason is not None:
            self.refused[reason] += 1
            return
        self._heard[place].is_busy = True
        self._soon(lambda: self._learn(place, mac))

    def _place(self, switch: str, number: int) -> Place | None:
        """The port to learn on that has this OpenFlow number."""
        declared, numbers = self._system.fabric.switches.get(switch), self._system.topology.numbers(switch)
        ports = (learn.port for learn in declared.learn) if declared is not None else ()
        return next((Place(switch, port) for port in ports if numbers.get(port) == number), None)

    def _against(self, place: Place, mac: int) -> Reason | None:
        """Why an address is not looked at on a port; None where it is, which counts."""
        heard, now = self._heard.setdefault(place, _Heard()), self._clock()
        if heard.is_busy:
            return Reason.BUSY
        if heard.addresses.get(mac, -inf) > now:
            return Reason.AGAIN
        if mac not in heard.addresses and len(heard.addresses) >= self._system.fabric.learns[place].most:
            return Reason.MOST
        if now - self._second >= 1.0:
            self._second, self._in_second = now, 0
        if self._in_second >= MOST_IN_A_SECOND:
            return Reason.RATE
        self._in_second += 1
        heard.addresses[mac] = now + AGAIN_SECONDS
        return None

    def _learn(self, place: Place, mac: int) -> None:
        heard, learn = self._heard.get(place), self._system.fabric.learns.get(place)
        if heard is not None:
            heard.is_busy = False
        if heard is None or learn is None or not self._system.topology.port_up(place):
            return  # The port has gone since, or is another's.
        found = learning.judge(self._system.model, place, learn, mac)
        if found.reason is not None:
            self._refuse(place, heard, found)
            return
        try:
            self._system.request(lambda work: learning.take(work, place, learn, found))
        except VnetError:
            self.refused[Reason.REQUEST] += 1  # An event says so already.
            return
        heard.said.pop(mac, None)
        self.learned += 1
        ref = found.node.ref if found.node is not None else f"{learn.tenant}/{learning.learned_name(mac)}"
        details = {"port": str(place), "known": found.node is not None}
        what = "was seen" if found.node is not None else "was learned"
        self._system.note("discovery", ref, f"{ref} {what} on {place}", details)

    def _refuse(self, place: Place, heard: _Heard, found: Found) -> None:
        """Nobody runs because of what was found; a conflict is told once."""
        if found.reason is not None:
            self.refused[found.reason] += 1
        if found.why and heard.said.get(found.mac) != found.why:
            heard.said[found.mac] = found.why
            self._system.note("discovery", str(place), f"conflict: {found.why}", {"port": str(place), "conflict": True})

    # --- ports that go away -----------------------------------------------------------------------------------------

    def ports(self, before: Ports, reported: Mapping[str, Mapping[str, PortState]]) -> None:
        """Switches have said something of their ports. To be called before that is written down: then whoever is
        killed in between finds the same again."""
        for name, now in reported.items():
            switch = self._system.fabric.switches.get(name)
            for learn in switch.learn if switch is not None else ():
                place, was, is_now = Place(name, learn.port), before.get(name, {}).get(learn.port), now.get(learn.port)
                if is_now is None or not is_now.up:
                    self._heard.pop(place, None)
                    if was is not None and was.up:
                        self._gone.add(place)
        self.see_to_gone()

    def see_to_gone(self) -> None:
        """Let go who was on ports that went away. To be called again and again: what cannot be stored now is later."""
        for place in sorted(self._gone, key=str):
            there = self._system.model.at(place)
            if there is None or there.interface.place != place:
                self._gone.discard(place)
                continue
            try:
                changed = self._system.request(lambda work, place=place: learning.leave(work, place)).changed  # type: ignore[misc]
            except VnetError:
                continue  # An event says so already.
            self._gone.discard(place)
            if changed:
                done = "deleted" if learning.is_learned(there.node, place) else "stopped"
                text = f"{there.node.ref} is {done}: its port {place} is gone"
                self._system.note("discovery", there.node.ref, text, {"port": str(place), "done": done})
