"""Tunnel ports of gateways, over which networks extend to remote sites."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

from ..errors import Problem
from ..model.outside import Address
from ..model.sites import Protocol

DEFAULT_UNDERLAY_MTU = 1500


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A tunnel port, by name, that takes where it leads to from the rows (`options:remote_ip=flow options:key=flow`).

    `address` is the gateway's own in the network that tunnels cross, and `mtu` that network's, in bytes of IP.
    """

    port: str
    protocol: Protocol
    address: Address
    mtu: int = DEFAULT_UNDERLAY_MTU

    @property
    def inner_mtu(self) -> int:
        """What is left for machines, in bytes of IP."""
        return self.mtu - self.protocol.overhead(self.address.version)


def tunnel_problems(
    switch: str, segment: str | None, tunnels: tuple[Tunnel, ...], used: Set[str], least: int
) -> Iterator[Problem]:
    """What is wrong with the tunnels of a switch. `used` are its ports that something else uses; `least` is what must
    be left for machines."""
    protocols: set[Protocol] = set()
    for tunnel in tunnels:
        where = f"fabric.switches.{switch}.tunnels.{tunnel.port}"
        if segment is None:
            hint = "have tunnels on a switch of a segment"
            yield Problem(where, f"core switch {switch} knows no networks, so none extends from there", hint)
        if tunnel.port in used:
            hint = "a port that nothing else uses"
            yield Problem(where, f"port {switch}:{tunnel.port} is used by a link, an uplink, or to learn on", hint)
        if tunnel.protocol in protocols:
            hint = "one port of each protocol: where it leads to, the rows say"
            yield Problem(f"{where}.protocol", f"{switch} has two tunnel ports of {tunnel.protocol.value}", hint)
        protocols.add(tunnel.protocol)
        if tunnel.inner_mtu < least:
            lost = tunnel.mtu - tunnel.inner_mtu
            hint = f"at least {least + lost}"
            yield Problem(f"{where}.mtu", f"{tunnel.inner_mtu} bytes of IP would be left for machines", hint)
