"""Ways in which nodes may talk to each other, tried between all of them at once, beside who should get through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeAlias

from .conversations import calls, connects, fetch
from .lab import Lab
from .reference import reaches
from .topology import Interface
from .traffic import IPV4, IPV6, TCP, UDP, Content

PATIENCE_SECONDS: Final = 6.0
"""What should arrive may take that long, on a busy machine."""
QUIET_SECONDS: Final = 0.3
"""What should not arrive is waited for that long. That it went nowhere, a capture says for certain."""
AT_ONCE: Final = 24
ETHERTYPES: Final = {4: IPV4, 6: IPV6}
HTTP_PORT: Final = 80
CALL_BYTES: Final = 160
"""20 ms of telephone speech (RFC 3551, 4.5.14: 64 kbit/s)."""
LARGE_BYTES: Final = 4000
"""Three fragments at an MTU of 1,500."""

Try: TypeAlias = Callable[[Lab, Interface, Interface, int, int, float], bool]
"""Whether one node gets through to another over an IP version, to a port, in so many seconds."""


@dataclass(frozen=True, slots=True)
class Speech:
    """A way to talk. Each attempt has a port of its own from `port` on, unless they all have the same one."""

    name: str
    protocol: int
    port: int
    attempt: Try
    same_port: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether one interface got through to another, by their ids and the IP version, and whether it should."""

    source: str
    destination: str
    family: int
    should: bool
    did: bool

    @property
    def ok(self) -> bool:
        """It is as it should be."""
        return self.should == self.did

    def __str__(self) -> str:
        how = "got through" if self.did else "did not get through"
        return f"{self.source} {how} to {self.destination} over IPv{self.family}"


def _page(lab: Lab, one: Interface, other: Interface, family: int, port: int, seconds: float) -> bool:
    return fetch(lab, one, other, family, port, seconds) == f"this is {other.owner}\n"


def _call(size: int) -> Try:
    def attempt(lab: Lab, one: Interface, other: Interface, family: int, port: int, seconds: float) -> bool:
        return calls(lab, one, other, family, port, size, seconds)

    return attempt


WEB: Final = Speech("HTTP, TCP port 80", TCP, HTTP_PORT, _page, same_port=True)
SPEECHES: Final = (
    WEB,
    Speech("VoIP, UDP ports from 20000 on", UDP, 20000, _call(CALL_BYTES)),
    Speech("VoIP, datagrams of 4,000 bytes", UDP, 21000, _call(LARGE_BYTES)),
    Speech("TCP, ports from 8080 on", TCP, 8080, connects),
    Speech("UDP, ports from 5000 on", UDP, 5000, _call(CALL_BYTES)),
)


def attempts(
    lab: Lab, speech: Speech, ones: Sequence[Interface], callers: Iterable[Interface] | None = None
) -> list[Outcome]:
    """Let each of `callers` (all unless told) try to get through to all others over IPv4 and IPv6. Web servers must be
    up."""
    pairs = [
        (one, other, family)
        for one in (ones if callers is None else callers)
        for other in ones
        for family in (4, 6)
        if one.owner != other.owner
    ]

    def tried(number: int) -> Outcome:
        one, other, family = pairs[number]
        port = speech.port if speech.same_port else speech.port + number
        should = reaches(one, other, Content(ETHERTYPES[family], speech.protocol, (port, port)))
        seconds = PATIENCE_SECONDS if should else QUIET_SECONDS
        return Outcome(one.id, other.id, family, should, speech.attempt(lab, one, other, family, port, seconds))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(tried, range(len(pairs))))
