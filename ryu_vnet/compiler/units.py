"""The units that all rows of all switches are divided into: rows that follow from the same few facts."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Kind(IntEnum):
    """What a unit is about."""

    SWITCH = 1
    """Ports and labels of a switch (`switch`), and its way out of its segment."""
    WAY = 2
    """How a switch sends to another of its segment (`name`)."""
    ROUTE = 3
    """How a switch sends over the interconnect to a segment (`name`)."""
    NETWORK = 4
    """Tag, label and fan-out of a network (`name`) on a switch."""
    CHUNK = 5
    """The fan-out to a chunk (`number`) of a network's members on a switch."""
    LOCAL = 6
    """An interface (`number`) at its own switch."""
    ADDRESS = 7
    """Where frames go that are for an interface, at those switches of a segment (`name`) that must tell it apart."""


class Unit(NamedTuple):
    """Rows that are compiled together. What a kind does not name is empty."""

    kind: Kind
    name: str
    switch: str
    number: int
