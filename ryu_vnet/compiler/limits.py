"""The meters by which bandwidth is kept, as values.

Each stands in a row that only one receiver's frames pass: a meter that drops a packet ends all that is still to be done
with it. So what an interface is sent is counted where its MAC address is looked up (FORWARD, at its own switch), which
a frame for everybody does not pass, and not where it leaves (EGRESS), where one in a fan-out may be cut off and those
behind it get nothing. What is sent to everybody is bounded by what its sender may send.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.bandwidth import Bandwidth
from .pipeline import Metered, meter_of
from .rows import Action, Meter, MeterBand

LEAST_BURST = 600
"""Kilobits: a packet of 64 KiB, as a machine may send one that leaves cutting it up to others, and a little more."""


def band(number: int, kilobits: int | None) -> MeterBand | None:
    """A meter for so many kilobits a second; None where there is no limit.

    At once it takes a second's worth. TCP sends in bursts of what fits its round trip, and loses all but some percent
    of its rate where a meter takes less than that at once (measured: 1.1 of 20 Mbit/s with 10 ms, 10 with 100 ms).
    """
    if kilobits is None:
        return None
    return MeterBand(number, kilobits, max(kilobits, LEAST_BURST), counts_bits=True)


def sent_band(bandwidth: Bandwidth, port: int) -> MeterBand | None:
    """That of what an interface sends by a port."""
    return band(meter_of(Metered.SENT, port), bandwidth.send)


def received_band(bandwidth: Bandwidth, port: int) -> MeterBand | None:
    """That of what an interface on a port is sent."""
    return band(meter_of(Metered.RECEIVED, port), bandwidth.receive)


def outward_bands(bandwidth: Bandwidth, zone: int) -> Iterator[MeterBand]:
    """Those of a network at its gateway: of what it sends outside, and what it is sent from there."""
    for what, kilobits in ((Metered.OUT, bandwidth.send), (Metered.IN, bandwidth.receive)):
        found = band(meter_of(what, zone), kilobits)
        if found is not None:
            yield found


def metered(meter: MeterBand | None, actions: list[Action]) -> list[Action]:
    """Actions behind a meter, or without where there is none."""
    return [Meter(meter.number), *actions] if meter is not None else actions


def meter_text(band: MeterBand) -> str:
    """What a meter is set to, in words."""
    unit = "kbit" if band.counts_bits else "packets"
    return f"{band.rate} {unit} a second, {band.burst} at once"
