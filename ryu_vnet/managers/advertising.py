"""Has routers say who they are to all members of their networks (RFC 4861, 6.2): each in turn, every few minutes, and
soon after something of it has changed.

It is one frame that a switch with members is handed, which goes to all of them as any broadcast does. All networks have
their turns one after the other, so that they make no burst.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Network
from typing import TYPE_CHECKING

from ..model.values import Network, Node, Value
from .answering import announcement, is_fixed, served

if TYPE_CHECKING:
    from .system import System

EVERY_SECONDS = 400
"""In which each network has its turn once: in the middle of the 200 to 600 s that routers choose from by default."""
AT_ONCE = 50
"""How many networks may have a turn in a second. With more than 20,000 of them it takes longer until all had one."""
AFTER_CHANGE = 3
"""How often it is said that something is another now (RFC 4861, 10: MAX_INITIAL_RTR_ADVERTISEMENTS)."""
BETWEEN_SECONDS = 3.0
"""How long after each other (MIN_DELAY_BETWEEN_RAS)."""


@dataclass(slots=True)
class _Due:
    """A network of which something has changed: what is `gone`, how often that is still to be said, and since when."""

    gone: tuple[IPv6Network, ...]
    since: float
    times: int = AFTER_CHANGE


class Advertising:
    """The routers of all networks. Public attributes are for reading."""

    def __init__(self, system: System, clock: Callable[[], float]) -> None:
        self.sent = 0
        """How often some network was told."""
        self._system = system
        self._clock = clock
        self._announced: set[str] = set()
        """The networks whose members are told, by reference."""
        self._round: list[str] | None = None
        """The same in the order of their turns; None where others are to be told than before."""
        self._next = 0
        self._owed = 0.0
        """How many are due."""
        self._then: float | None = None
        self._due: dict[str, _Due] = {}
        self._fixed: Counter[str] = Counter()
        """By network: how many interfaces are not to form an address."""

    def changed(self, old: Value | None, new: Value | None) -> None:
        """A value is another now."""
        for value, by in ((old, -1), (new, 1)):
            for interface in value.interfaces if isinstance(value, Node) else ():
                if isinstance(value, Node) and is_fixed(interface):
                    for ref in value.networks_of(interface):
                        self._fixed[ref] += by
                        if not self._fixed[ref]:
                            del self._fixed[ref]
        network = new if isinstance(new, Network) else old
        if isinstance(network, Network):
            self._network(network.ref, *(value if isinstance(value, Network) else None for value in (old, new)))

    def _network(self, ref: str, old: Network | None, new: Network | None) -> None:
        was, now = (served(network, 6) if network is not None else None for network in (old, new))
        if was == now:
            return
        (self._announced.add if now is not None else self._announced.discard)(ref)
        self._round = None
        known = self._due.pop(ref, None)
        if new is None:
            return
        gone = [*(known.gone if known is not None else ()), *([was.prefix] if was is not None else [])]
        left = (p for p in gone if isinstance(p, IPv6Network) and (now is None or p != now.prefix))
        self._due[ref] = _Due(tuple(dict.fromkeys(left)), self._clock())

    def rest(self) -> None:
        """All that has changed so far was known to everybody: it comes from the store."""
        self._due.clear()

    def go_on(self) -> None:
        """To be called about once a second: those say who they are whose turn it is."""
        now, most = self._clock(), AT_ONCE
        for ref, due in [*self._due.items()]:
            if due.since <= now and most and self._say(ref, due.gone):
                most -= 1
                due.times, due.since = due.times - 1, now + BETWEEN_SECONDS
                if not due.times:
                    del self._due[ref]
        if self._round is None:
            self._round = sorted(self._announced)
        elapsed, self._then = now - (now if self._then is None else self._then), now
        self._owed = min(self._owed + elapsed / EVERY_SECONDS * len(self._round), float(len(self._round)))
        while self._owed >= 1 and most:
            self._owed, most = self._owed - 1, most - 1
            self._next = (self._next + 1) % len(self._round)
            self._say(self._round[self._next], ())

    def _say(self, ref: str, gone: tuple[IPv6Network, ...]) -> bool:
        """Have the router of a network say who it is, if a switch is there with members. Returns whether it did."""
        system = self._system
        network, presence = system.model.network(ref), system.presence(ref)
        if network is None or presence is None:
            return False
        managers = ((name, system.switches.get(name)) for name in presence.at)
        at = min((name for name, one in managers if one is not None and one.in_step and one.admitted), default=None)
        if at is None:
            return False
        frame = announcement(network, system.fabric.mtu, gone, is_free=not self._fixed[ref])
        system.serving.into(at, network.number, frame)
        self.sent += 1
        return True
