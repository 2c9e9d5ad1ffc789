"""How gateways stand: whether each can be one, its uplinks and next routers, the networks that it serves.

Values for people and programs to read, taken from a `System` without changing it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..compiler.pipeline import switch_mac
from ..errors import NotFound
from ..fabric.declared import Switch, Uplink
from ..model.names import format_mac
from ..model.outside import Address, Gateway, NextHop
from ..model.traffic import format_ports
from ..model.values import Place
from .system import System


@dataclass(frozen=True, slots=True)
class NextHopStatus:
    """A next router on an uplink: the MAC address that it said, and whether it answers (None: not known yet)."""

    address: str
    mac: str | None
    answers: bool | None


@dataclass(frozen=True, slots=True)
class UplinkStatus:
    """A port of a gateway to an outside network, the gateway's own addresses there, and the next routers."""

    port: str
    outside: str
    up: bool
    mac: str
    addresses: list[str]
    next_hops: list[NextHopStatus]


@dataclass(frozen=True, slots=True)
class ServedNetwork:
    """A network whose router is on a gateway."""

    network: str
    outside: str
    address: str | None
    ports: str | None
    zone: int


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """A switch with uplinks. `fit`: it can be a gateway now, and if not, `why`. `networks` are the first of those that
    it serves, by reference; `network_count` says how many there are. `took_over` counts how often it took over from
    another since the controller started, `failed` how often another did from it."""

    name: str
    segment: str | None
    fit: bool
    why: str
    took_over: int
    failed: int
    uplinks: list[UplinkStatus]
    network_count: int
    networks: list[ServedNetwork]


def gateway_statuses(system: System, most: int | None = None) -> list[GatewayStatus]:
    """All switches with uplinks, by name, each with `most` of its networks at most."""
    served: dict[str, list[Gateway]] = {}
    for gateway in system.model.gateways():
        served.setdefault(gateway.switch, []).append(gateway)
    hops = {(hop.switch, hop.port, hop.address): hop for hop in system.model.next_hops()}
    return [
        _gateway_status(system, switch, served.get(name, []), hops, most)
        for name, switch in sorted(system.fabric.switches.items())
        if switch.uplinks
    ]


def gateway_status(system: System, name: str) -> GatewayStatus:
    """One gateway, with all of its networks. Raises NotFound, naming those that there are."""
    found = next((one for one in gateway_statuses(system) if one.name == name), None)
    if found is None:
        known = ", ".join(name for name, switch in sorted(system.fabric.switches.items()) if switch.uplinks)
        raise NotFound(
            f"there is no gateway {name!r} ({f'there are: {known}' if known else 'no switch has an uplink'})"
        )
    return found


def _gateway_status(
    system: System,
    switch: Switch,
    served: list[Gateway],
    hops: dict[tuple[str, str, Address], NextHop],
    most: int | None,
) -> GatewayStatus:
    uplinks = [_uplink_status(system, switch, uplink, hops) for uplink in switch.uplinks]
    unfit = ((uplink.outside, system.standby.why_unfit(switch.name, uplink.outside)) for uplink in switch.uplinks)
    reasons = [f"to {outside}: {why}" for outside, why in unfit if why is not None]
    return GatewayStatus(
        name=switch.name,
        segment=switch.segment,
        fit=not reasons,
        why="; ".join(reasons),
        took_over=system.standby.took_over[switch.name],
        failed=system.standby.failed[switch.name],
        uplinks=uplinks,
        network_count=len(served),
        networks=[
            ServedNetwork(one.ref, one.outside, _text(one.address), _ports(one.ports), one.zone)
            for one in served[:most]
        ],
    )


def _uplink_status(
    system: System, switch: Switch, uplink: Uplink, hops: dict[tuple[str, str, Address], NextHop]
) -> UplinkStatus:
    place, outside = Place(switch.name, uplink.port), system.fabric.outsides.get(uplink.outside)
    found = []
    for address in outside.next_hops if outside is not None else ():
        hop = hops.get((switch.name, uplink.port, address))
        mac = format_mac(hop.mac) if hop is not None else None
        found.append(NextHopStatus(str(address), mac, system.hops.answers(place, address)))
    return UplinkStatus(
        port=uplink.port,
        outside=uplink.outside,
        up=system.topology.port_up(place),
        mac=format_mac(switch_mac(switch.number)),
        addresses=[*map(str, uplink.addresses)],
        next_hops=found,
    )


def _ports(ports: tuple[int, int] | None) -> str | None:
    return format_ports(ports) if ports is not None else None


def _text(value: object | None) -> str | None:
    return str(value) if value is not None else None
