"""How much somebody may use: bandwidth as it is asked for, and connections that a gateway tracks at once.

A gateway's daemon is told, for the conntrack zone of each network, how many connections there may be in it
(`dpctl/ct-set-limits`, ovs-dpctl(8)). The default for zones of which nothing is said is never touched: its count is one
for all of them together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from ..fabric.declared import Fabric
from ..model.bandwidth import NO_LIMIT, Bandwidth, format_rate, parse_rate
from ..model.state import Model
from ..schema import ExitBandwidthSpec, InterfaceBandwidthSpec


def interface_bandwidth(spec: InterfaceBandwidthSpec | None, where: str) -> Bandwidth:
    """What an interface may send and be sent. Raises Invalid."""
    if spec is None:
        return NO_LIMIT
    return Bandwidth(_rate(spec.send, f"{where}.send"), _rate(spec.receive, f"{where}.receive"))


def exit_bandwidth(spec: ExitBandwidthSpec | None, where: str) -> Bandwidth:
    """What a network may send outside and be sent from there. Raises Invalid."""
    if spec is None:
        return NO_LIMIT
    return Bandwidth(_rate(spec.out, f"{where}.out"), _rate(spec.in_, f"{where}.in"))


def interface_bandwidth_spec(bandwidth: Bandwidth) -> InterfaceBandwidthSpec | None:
    """What `interface_bandwidth` makes this of."""
    if bandwidth == NO_LIMIT:
        return None
    return InterfaceBandwidthSpec(send=_written(bandwidth.send), receive=_written(bandwidth.receive))


def exit_bandwidth_spec(bandwidth: Bandwidth) -> ExitBandwidthSpec | None:
    """What `exit_bandwidth` makes this of."""
    if bandwidth == NO_LIMIT:
        return None
    return ExitBandwidthSpec(out=_written(bandwidth.send), in_=_written(bandwidth.receive))


def _rate(text: str | None, where: str) -> int | None:
    return parse_rate(text, where) if text is not None else None


def _written(kilobits: int | None) -> str | None:
    return format_rate(kilobits) if kilobits is not None else None


# --- connections ------------------------------------------------------------------------------------------------------


class ZoneCount(NamedTuple):
    """How many connections there may be in a conntrack zone, and how many there are."""

    limit: int
    there: int


GET, SET, DELETE = "dpctl/ct-get-limits", "dpctl/ct-set-limits", "dpctl/ct-del-limits"
_AT_ONCE = 500
"""Zones in one command: what is said of them are 25,000 characters at most."""


def limits_of(model: Model, fabric: Fabric, switches: Collection[str]) -> dict[int, int]:
    """How many connections there may be in each zone of a daemon that has these switches."""
    found = {}
    for gateway in model.gateways():
        network, outside = model.network(gateway.ref), fabric.outsides.get(gateway.outside)
        if gateway.switch in switches and network is not None and network.exit is not None and outside is not None:
            asked = network.exit.connections
            found[gateway.zone] = outside.connections if asked is None else min(asked, outside.connections)
    return found


def questions(zones: Collection[int]) -> list[tuple[str, list[str]]]:
    """What to ask a daemon to learn what limits these zones have."""
    return [(GET, [_listed(some)]) for some in _pieces(sorted(zones))]


def read_limits(text: str) -> dict[int, ZoneCount]:
    """What a daemon says of zones that have a limit, by zone: `zone=11,limit=50,count=3` a line, where a limit of 0 is
    none. What it says beside is left out."""
    found = {}
    for line in text.splitlines():
        parts = dict(part.split("=", 1) for part in line.split(",") if "=" in part)
        try:
            zone, count = int(parts["zone"]), ZoneCount(int(parts["limit"]), int(parts["count"]))
        except (KeyError, ValueError):
            continue
        if count.limit:
            found[zone] = count
    return found


def commands(
    wanted: Mapping[int, int], known: Mapping[int, ZoneCount], ours: Collection[int]
) -> list[tuple[str, list[str]]]:
    """What a daemon is to be told so that it has the limits that are wanted; nothing where it has them.

    Limits of other zones stay, but for those that are `ours`. One that is set anew counts from zero, whatever
    connections there are: so none is set that is there already.
    """
    others = [zone for zone, limit in sorted(wanted.items()) if zone not in known or known[zone].limit != limit]
    gone = [zone for zone in sorted(known) if zone in ours and zone not in wanted]
    told = [(SET, [f"zone={zone},limit={wanted[zone]}" for zone in some]) for some in _pieces(others)]
    return told + [(DELETE, [_listed(some)]) for some in _pieces(gone)]


def _pieces(zones: list[int]) -> list[list[int]]:
    return [zones[at : at + _AT_ONCE] for at in range(0, len(zones), _AT_ONCE)]


def _listed(zones: list[int]) -> str:
    return f"zone={','.join(map(str, zones))}"
