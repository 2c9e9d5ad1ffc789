"""How a switch stands, and what an event of it leads to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from ..fabric.observed import PortState
from ..openflow.replies import PacketIn
from .drift import Drift


class State(Enum):
    """How a switch stands."""

    AWAY = "away"
    REFUSED = "refused"
    READING = "reading"
    CHANGING = "changing"
    IN_STEP = "in step"


@dataclass(slots=True)
class Effects:
    """What an event leads to."""

    send: list[Iterable[bytes]] = field(default_factory=list)
    """Messages in chunks, each made when it is asked for."""
    ports: dict[str, PortState] | None = None
    """All ports of the switch, if any of them changed."""
    progress: bool = False
    """Something was acknowledged or refused."""
    looked: bool = False
    """The answer to `look` is complete."""
    heard: PacketIn | None = None
    """A frame that a row told of."""
    flushed: str | None = None
    """What of the connections that it tracks the switch has forgotten, as it was called."""
    drift: list[Drift] = field(default_factory=list)
    """What somebody else changed on the switch."""
