"""How many connections gateways track for each network, as their daemons say; and who has as many as he may.

Where it is not known how to ask a gateway's daemon, or it does not answer, connections are not limited there: that is
said, and counted for nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from ipaddress import IPv4Address
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from ..compiler.pipeline import SHARE
from ..compiler.rows import Subject, origin_of
from ..model.outside import STAND_INS, ZONES, Gateway
from ..openflow.replies import PacketIn
from .limits import ZoneCount, limits_of

if TYPE_CHECKING:
    from .system import System

FULL_AGAIN_SECONDS = 600.0
"""For so long it is told once of a network that it has as many connections as it may, or no port is left for more."""
_SOURCE = slice(26, 30)
"""Where an IPv4 packet in an Ethernet frame has its source."""
CONNECTIONS, PORTS = "connections", "ports"
"""What a network may have used up."""


class NetworkCount(NamedTuple):
    """Connections of a network at its gateway, and how many there may be, as the gateway's daemon says."""

    ref: str
    switch: str
    limit: int
    there: int


class Tracked:
    """Public attributes are for reading."""

    def __init__(self, system: System, clock: Callable[[], float]) -> None:
        self._system = system
        self._clock = clock
        self.why_not: dict[str, str] = {}
        """Why connections are not limited on a gateway, by switch."""
        self.exhausted: Counter[tuple[str, str]] = Counter()
        """How often it was found that a network has used up what (`CONNECTIONS`, `PORTS`), by network."""
        self._known: dict[str, Mapping[int, ZoneCount]] = {}
        """By switch and zone."""
        self._since: dict[tuple[str, str], float] = {}
        """Since when it need not be told again."""

    def wanted(self, *switches: str) -> dict[int, int]:
        """How many connections there may be in each zone of the daemon of these switches."""
        return limits_of(self._system.model, self._system.fabric, switches)

    def left(self, *switches: str) -> set[int]:
        """The zones in which there is nobody on these switches any more, and was."""
        model = self._system.model
        resting = {resting.identifier for resting in model.resting(ZONES)}
        return resting.union(left.zone for left in model.unflushed() if left.switch in switches).difference(
            self.wanted(*switches)
        )

    def said(self, switch: str, known: Mapping[int, ZoneCount]) -> None:
        """What a daemon says of the zones of a switch."""
        self.why_not.pop(switch, None)
        self._known[switch] = known
        for gateway in self._system.model.gateways():
            zone = known.get(gateway.zone) if gateway.switch == switch else None
            # Some end between two looks: a hundredth less is as good as all.
            if zone is not None and zone.there >= zone.limit - zone.limit // 100:
                text = f"{gateway.ref} has as many connections on {switch} as it may have: {zone.limit}"
                self._exhausted(gateway, CONNECTIONS, text)

    def failed(self, switch: str, why: str) -> None:
        """A daemon could not be asked, or told."""
        self._known.pop(switch, None)
        if switch in self.why_not:
            self.why_not[switch] = why
            return
        self.why_not[switch] = why
        self._system.note("gateway", switch, f"connections are not limited on {switch}: {why}", {"why": why})

    def forget_others(self, switches: Collection[str]) -> None:
        """Nobody's router is on others than these switches."""
        self.why_not = {name: why for name, why in self.why_not.items() if name in switches}
        self._known = {name: known for name, known in self._known.items() if name in switches}

    def heard(self, switch: str, told: PacketIn) -> None:
        """A row of a switch has told of a packet: perhaps of one for which no port was left."""
        origin = origin_of(told.cookie)
        if told.table != SHARE.table or origin is None or origin.subject is not Subject.NETWORK:
            return
        source = int.from_bytes(told.data[_SOURCE], "big")
        if IPv4Address(source) not in STAND_INS:
            return
        for gateway in self._system.model.gateways():
            if gateway.network == origin.number and gateway.switch == switch and gateway.stand_in == source:
                first, last = gateway.ports or (0, 0)
                text = (
                    f"{gateway.ref} has used up its ports {first} to {last} of {gateway.address} on {switch}: new "
                    "connections to where they all lead are dropped"
                )
                self._exhausted(gateway, PORTS, text)

    def counts(self) -> list[NetworkCount]:
        """All networks of which that is known, by reference."""
        found = []
        for gateway in self._system.model.gateways():
            zone = self._known.get(gateway.switch, {}).get(gateway.zone)
            if zone is not None:
                found.append(NetworkCount(gateway.ref, gateway.switch, zone.limit, zone.there))
        return found

    def _exhausted(self, gateway: Gateway, what: str, text: str) -> None:
        who, now = (gateway.ref, what), self._clock()
        self.exhausted[who] += 1
        if now - self._since.get(who, -inf) >= FULL_AGAIN_SECONDS:
            self._since[who] = now
            self._system.note("gateway", gateway.ref, text, {"exhausted": what, "switch": gateway.switch})
