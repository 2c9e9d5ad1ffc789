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
    ARRIVAL = 11
    """An interface (`number`) at the switch that its node is moving to."""
    SHADOW = 12
    """Where frames in a network (`name`) go that come for an interface to the switch that it will be at, or was at."""
    ADDRESS = 7
    """Where frames go in a network (`name`) that are for an interface, at those switches of a segment (`at`) that must
    tell it apart."""
    CLASS = 8
    """For whoever is in just these networks (`name`) on a switch: which of them take a frame, by its class."""
    CHOICE = 9
    """For whoever speaks in a combination (`name`) on a switch: how a frame for everybody leaves, and one for anybody
    who is in the former networks."""
    PICK = 10
    """For whoever speaks in a combination (`name`), wherever: that an interface is in its last network."""
    UPLINK = 13
    """An uplink of a switch, by its port (`name`)."""
    SHARED = 14
    """An outside address (`name`, as `outside/address`) that sources become at a switch."""
    GATEWAY = 15
    """The router of a network (`name`) on the switch that is its gateway."""
    LET_IN = 16
    """What is let in from outside to a network (`name`) for one address in it (`at`)."""
    RESOLVE = 17
    """Which member (`number`) of a network (`name`) has an address, on a switch where frames are routed into it."""
    SERVE = 18
    """What the router of a network, or of the last of a combination (`name`), answers on a switch of its members."""
    ANSWER = 19
    """What is answered on a switch of a network's members (`name`) for one of them (`number`)."""
    PASS = 20
    """What may pass from a network (`name`) to others that it is routed to, on a switch of its members."""
    SITE = 21
    """A remote site (`name`) at its gateway."""


class Unit(NamedTuple):
    """Rows that are compiled together. What a kind does not name is empty."""

    kind: Kind
    name: str
    at: str
    """A switch; of an address, a segment; of what is let in, an IP address."""
    number: int
