"""What a gateway carries, how many connections a second begin through it and how long an answer takes; each beside a
Linux machine that routes and translates by nftables, in pairs, one after the other.

The picture of the ways that are compared is in `gateway_sides`. No target is stated: the kernel forwards a packet
where it comes in, on whatever processor that is, while Open vSwitch's userspace data path takes every packet out of
the kernel and puts it back, in one thread. How much of the difference that makes is seen in a bridge that only
forwards; and how much the ends themselves take, in a wire between them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from . import asking
from .conversing import CLIENTS, EXCHANGES, Connections, connections, round_trips, serving
from .gateway_sides import FILTERED, MASQUERADED, ONE_TO_ONE, Side, Translation, sides
from .results import Figure, Results, p99, spread
from .traffic import tcp_throughput

SECTION = "gateway"
PICTURE = "New connections a second through a gateway against repetition"
SECONDS = 1
"""How long each measurement lasts, before it is the next one's turn."""
AT_ONCE = 4
TITLES = {
    "ours": "ours",
    "nft": "Linux with nftables",
    "forward": "a bridge that only forwards",
    "chain": "ours over host, edge, core and gateway",
    "wire": "client and server alone",
}
BOTH = ("ours", "nft")


@dataclass(frozen=True, slots=True)
class Carried:
    """TCP to be measured: so many connections at once, through these ways."""

    translation: Translation
    at_once: int
    ways: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """New connections to be measured, through these ways."""

    translation: Translation
    ways: tuple[str, ...]


CARRIED = (
    Carried(MASQUERADED, 1, ("ours", "nft", "forward", "chain", "wire")),
    Carried(MASQUERADED, AT_ONCE, BOTH),
    Carried(ONE_TO_ONE, 1, BOTH),
    Carried(FILTERED, 1, BOTH),
)
BEGUN = (Begun(MASQUERADED, ("ours", "nft", "forward", "wire")), Begun(ONE_TO_ONE, BOTH), Begun(FILTERED, BOTH))
ANSWERED = ("ours", "nft", "forward", "wire")


@dataclass(slots=True)
class Taken:
    """What was measured, in the order of repetitions, by way."""

    carried: dict[Carried, dict[str, list[float]]] = field(default_factory=dict)
    """Mbit a second."""
    begun: dict[Begun, dict[str, list[Connections]]] = field(default_factory=dict)
    missed: dict[Begun, int] = field(default_factory=dict)
    """Packets of ours meanwhile that the data path had no flow for."""
    answered: dict[str, list[float]] = field(default_factory=dict)
    """Seconds, those of all repetitions."""


def measure(results: Results, repetitions: int) -> None:
    """Take all figures; every repetition is a pair, each way once, and they begin in turns."""
    taken = Taken()
    with tempfile.TemporaryDirectory(prefix="vnet-bench-") as name, ExitStack() as stack:
        found = stack.enter_context(sides(Path(name)))
        for way in ANSWERED:
            stack.enter_context(serving(found[way]))
        for turn in range(repetitions):
            _carry(found, taken, turn)
            _begin(found, taken, turn)
            print(f"  {turn + 1} of {repetitions} repetitions", flush=True)
    for carried, rates in taken.carried.items():
        _report_carried(results, carried, rates)
    for begun, counted in taken.begun.items():
        _report_begun(results, begun, counted, taken.missed[begun])
    _report_answered(results, taken.answered)
    asking.measure(results)


def _in_turn(ways: Sequence[str], turn: int) -> Iterator[str]:
    """Each way once; in every other repetition the last one begins."""
    yield from ways if turn % 2 else reversed(ways)


def _carry(found: dict[str, Side], taken: Taken, turn: int) -> None:
    for carried in CARRIED:
        rates = taken.carried.setdefault(carried, {way: [] for way in carried.ways})
        for way in _in_turn(carried.ways, turn):
            side, one = found[way], carried.translation
            rate = tcp_throughput(
                side.member.path,
                side.server.path,
                one.servers[0],
                SECONDS,
                connections=carried.at_once,
                source=one.source,
            )
            rates[way].append(rate)


def _begin(found: dict[str, Side], taken: Taken, turn: int) -> None:
    for begun in BEGUN:
        counted = taken.begun.setdefault(begun, {way: [] for way in begun.ways})
        for way in _in_turn(begun.ways, turn):
            before = _missed(found[way])
            counted[way].append(connections(found[way], begun.translation, SECONDS))
            if way == "ours":
                taken.missed[begun] = taken.missed.get(begun, 0) + _missed(found[way]) - before
    for way in _in_turn(ANSWERED, turn):
        taken.answered.setdefault(way, []).extend(round_trips(found[way], MASQUERADED))


def _missed(side: Side) -> int:
    return side.line.missed() if side.line is not None else 0


# --- what is said of it -----------------------------------------------------------------------------------------------


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ours to theirs in each pair. Raises ValueError where there are not as many of the one as of the other."""
    return [our / their for our, their in zip(ours, theirs, strict=True)]


def compared(rates: dict[str, list[float]], unit: str) -> tuple[str, str, dict[str, float]]:
    """Of rates by way: ours to nftables' in pairs, all ways beside each other, and the medians by name."""
    to_nft = ratios(rates["ours"], rates["nft"])
    values = {"ratio": median(to_nft)} | {way: median(one) for way, one in rates.items()}
    beside = "; ".join(
        f"{TITLES[way]} {median(one):,.0f} {unit} ({min(one):,.0f} to {max(one):,.0f})" for way, one in rates.items()
    )
    found = f"{median(to_nft):.3f} x ({spread(to_nft)})"
    if "forward" in rates:
        values["to forwarding"] = median(ratios(rates["ours"], rates["forward"]))
        found += f", {values['to forwarding']:.3f} x of only forwarding"
    return found, beside, values


def _report_carried(results: Results, carried: Carried, rates: dict[str, list[float]]) -> None:
    found, beside, values = compared(rates, "Mbit/s")
    count = "one connection" if carried.at_once == 1 else f"{carried.at_once} connections"
    what = f"TCP out through a gateway, {carried.translation.title}, {count}, against Linux with nftables"
    results.add(Figure(SECTION, what, found, beside=beside, values=values))


def _report_begun(results: Results, begun: Begun, counted: dict[str, list[Connections]], missed: int) -> None:
    rates = {way: [each.rate for each in one] for way, one in counted.items()}
    found, beside, values = compared(rates, "a second")
    for way, one in counted.items():
        values[f"{way} p99 seconds"] = p99([seconds for each in one for seconds in each.taken])
    values["upcalls"], values["connections"] = missed, sum(len(each.taken) for each in counted["ours"])
    beside += f"; {missed:,} upcalls for {values['connections']:,} connections of ours"
    what = f"new connections through a gateway, {begun.translation.title}, {CLIENTS} at a time, against the same"
    results.add(Figure(SECTION, what, found, beside=beside, values=values))
    if begun.translation is MASQUERADED:
        for way, one in rates.items():
            for turn, rate in enumerate(one, 1):
                results.point(PICTURE, TITLES[way], turn, rate)


def _report_answered(results: Results, answered: dict[str, list[float]]) -> None:
    shown = {way: f"{median(answered[way]) * 1e6:,.0f} / {p99(answered[way]) * 1e6:,.0f} µs" for way in ANSWERED}
    values = {way: median(one) for way, one in answered.items()}
    values |= {f"{way} p99": p99(one) for way, one in answered.items()}
    what = f"question and answer over TCP through a gateway: median / 99th percentile of {EXCHANGES:,} a repetition"
    beside = "; ".join(f"{TITLES[way]} {shown[way]}" for way in ANSWERED if way != "ours")
    results.add(Figure(SECTION, what, shown["ours"], beside=beside, values=values))
