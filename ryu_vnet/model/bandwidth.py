"""How much may be sent and received in a second, as it is written and as a number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from ..errors import Invalid, Problem

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_WRITTEN = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([kMGT]?)")
LEAST, MOST = 64, 4_000_000_000
"""Kilobits a second. With less than this no large packet passes for seconds; more does not fit a meter's 32 bits."""


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """The most that may go either way, in kilobits (1,000 bits) a second, Ethernet headers included; None: no limit."""

    send: int | None = None
    receive: int | None = None


NO_LIMIT = Bandwidth()


def parse_rate(text: str, where: str) -> int:
    """`100M`, `1.5G`, `500k`: bits a second, as kilobits. Raises Invalid."""
    written = _WRITTEN.fullmatch(text.strip())
    hint = "bits a second from 64k to 4T: 500k, 100M, 1.5G"
    if written is None:
        raise Invalid(Problem(where, f"{text!r} is no bandwidth", hint))
    kilobits = Fraction(written[1]) * _UNITS[written[2]] / 1000
    if not LEAST <= kilobits <= MOST:
        raise Invalid(Problem(where, f"{text!r} cannot be kept", hint))
    return round(kilobits)


def format_rate(kilobits: int) -> str:
    """The shortest way to write a rate so that `parse_rate` reads the same."""
    for unit, size in (("G", 10**6), ("M", 10**3)):
        if kilobits % size == 0:
            return f"{kilobits // size}{unit}"
    return f"{kilobits}k"
