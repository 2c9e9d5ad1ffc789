"""The ports of one switch, as it tells them."""

from __future__ import annotations

from ..fabric.observed import PortState
from ..openflow import replies
from ..openflow.replies import Port, PortReason

FIRST_RESERVED_PORT = 0xFFFFFF00
"""Ports from here on are not ports but meanings (OFPP_MAX, OpenFlow 1.3.5, 7.2.1)."""


class PortList:
    """Public attributes are for reading. `ports` is by name; of a switch that is away, the last that was known."""

    def __init__(self) -> None:
        self.ports: dict[str, PortState] = {}
        self._listing: dict[str, PortState] | None = None

    def ask(self) -> None:
        """The switch is asked for all of its ports: what it says before it answers is in the answer."""
        self._listing = {}

    def listed(self, message: bytes, more: bool) -> bool:
        """A part of the answer. Returns whether it is complete. Raises WireError."""
        if self._listing is None:
            return False
        self._listing.update((port.name, _state(port)) for port in replies.ports(message) if _is_real(port))
        if more:
            return False
        # All of them, in place of what was known: a port that went while the switch was away is in no message.
        self.ports, self._listing = self._listing, None
        return True

    def told(self, message: bytes) -> bool:
        """Something has happened to a port. Returns whether that is one of ours. Raises WireError."""
        reason, port = replies.port_status(message)
        if self._listing is not None or not _is_real(port):
            return False
        if reason is not PortReason.DELETED:
            self.ports[port.name] = _state(port)
        elif port.name in self.ports and self.ports[port.name].number == port.number:
            # A port that was renumbered is added under its new number before or after this.
            del self.ports[port.name]
        return True


def _is_real(port: Port) -> bool:
    return port.number < FIRST_RESERVED_PORT


def _state(port: Port) -> PortState:
    return PortState(port.number, port.link_up and port.admin_up)
