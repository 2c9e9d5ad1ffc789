"""Mininet's nodes and switches, without what they do one command at a time or behind the lab's back."""

from __future__ import annotations

from typing import Any, Final

from mininet.link import Intf
from mininet.net import Mininet
from mininet.node import Host, OVSSwitch

RECONNECT_MS: Final = 1000
"""The least that Open vSwitch takes as `max_backoff`: a controller that comes back is found within a second."""


class BareIntf(Intf):  # type: ignore[misc]
    """An interface that Mininet leaves as it was made; the lab configures all of them in one `ip -batch`.

    Mininet runs `ifconfig` in a shell for each step of each interface, which is most of its starting time.
    """

    def config(self, **_parameters: Any) -> dict[str, Any]:
        """Nothing, and so no results."""
        return {}


class BareHost(Host):  # type: ignore[misc]
    """A host whose cables Mininet knows nothing of."""

    def defaultIntf(self) -> Intf | None:
        """The first interface that Mininet knows; where it is none, nothing is said of it."""
        return super().defaultIntf() if self.ports else None


class VnetSwitch(OVSSwitch):  # type: ignore[misc]
    """A bridge on the user-space data path that waits for a controller out of band.

    `target` is the controller's address or None. It stands in the same transaction as the bridge, because Open
    vSwitch flushes the tables of a bridge that gets its first controller, and `connection_mode=out-of-band`,
    because otherwise it adds hidden rows that flood frames to the controller's address. `mtus` are of its own ports,
    by name; Open vSwitch sets them again whenever it opens a port.
    """

    def __init__(self, name: str, target: str | None = None, **parameters: Any) -> None:
        super().__init__(name, datapath="user", failMode="secure", batch=True, **parameters)
        self.target = target
        self.mtus: dict[str, int] = {}

    def intfOpts(self, intf: Intf) -> str:
        """The options of a port for `ovs-vsctl`, its MTU with them."""
        options = str(super().intfOpts(intf))
        return f"{options} mtu_request={self.mtus[intf.name]}" if intf.name in self.mtus else options

    def start(self, controllers: list[Any]) -> None:
        """Queue the bridge, then its controller, for one `ovs-vsctl` with all others."""
        super().start([])
        if self.target:
            self.vsctl(
                f"-- --id=@{self.name} create Controller target={self._quoted(self.target)}",
                f"connection_mode=out-of-band max_backoff={RECONNECT_MS}",
                f"-- set bridge {self.name} controller=@{self.name}",
            )

    @staticmethod
    def _quoted(text: str) -> str:
        """For the shell that Mininet hands the line to, then for ovs-vsctl's own syntax."""
        return f"'\"{text}\"'"


class VnetNet(Mininet):  # type: ignore[misc]
    """Mininet without a controller of its own.

    `Mininet.init` would raise limits of the whole machine (sysctl fs.file-max and others); the sandbox has raised
    what the lab needs for the lab alone, so Mininet is told that it is done.
    """

    def __init__(self) -> None:
        Mininet.inited = True
        super().__init__(controller=None, switch=VnetSwitch, host=BareHost, intf=BareIntf, build=False)
