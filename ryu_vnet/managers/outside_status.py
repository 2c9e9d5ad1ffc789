"""How networks reach what is not ours: their subnets and ways out, what is let in, outside networks.

Values for people and programs to read, taken from a `System` without changing it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..compiler.outward import addresses_in
from ..errors import NotFound
from ..model.names import format_mac
from ..model.outside import Address, Floating, Forward, Gateway
from ..model.state import Model
from ..model.traffic import format_ports, format_protocol
from ..model.values import Network
from .system import System


@dataclass(frozen=True, slots=True)
class SubnetStatus:
    """IP addresses of a network's members. `gateway` is its router's, None where it has none."""

    prefix: str
    gateway: str | None
    dns: list[str]
    dhcp: bool


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """A network's way out, as it was granted: the switch that is its gateway, what its IPv4 sources become, with which
    ports, and what its IPv6 prefix becomes (None: IPv6 goes as it is). `up`: the gateway is there, and its uplinks."""

    outside: str
    gateway: str
    up: bool
    address: str | None
    ports: str | None
    prefix: str | None
    zone: int
    router_mac: str


@dataclass(frozen=True, slots=True)
class FloatingStatus:
    """An outside address that is one member's own. `member` is None while nobody has the address inside."""

    address: str
    outside: str
    tenant: str
    network: str
    inside: str
    member: str | None
    gateway: str | None


@dataclass(frozen=True, slots=True)
class ForwardStatus:
    """A port of an outside address, and whose port inside it is."""

    address: str
    protocol: str
    port: int
    outside: str
    tenant: str
    network: str
    inside: str
    inside_port: int
    member: str | None
    gateway: str | None


@dataclass(frozen=True, slots=True)
class OutsideStatus:
    """An outside network. `addresses` is what networks of tenants may have there, `used` how many different addresses
    they do have, `network_count` how many networks go out to it."""

    name: str
    addresses: list[str]
    next_hops: list[str]
    mtu: int
    gateways: list[str]
    used: int
    network_count: int


@dataclass(frozen=True, slots=True)
class AddressUse:
    """What an outside address is used for: `translation` (what sources of a network become, with some ports),
    `floating`, `forward`, `gateway` (its own) or `next router`. What does not go with that is None."""

    address: str
    use: str
    network: str | None = None
    switch: str | None = None
    ports: str | None = None
    inside: str | None = None


# --- a network --------------------------------------------------------------------------------------------------------


def has_router(network: Network) -> bool:
    """Whether some subnet of a network has a router."""
    return any(subnet.gateway is not None for subnet in network.subnets)


def subnet_statuses(network: Network) -> list[SubnetStatus]:
    """The subnets of a network, IPv4 first."""
    return [
        SubnetStatus(str(one.prefix), _text(one.gateway), [str(server) for server in one.dns], one.dhcp)
        for one in network.subnets
    ]


def exit_status(system: System, network: Network) -> ExitStatus | None:
    """A network's way out as it was granted; None where it has none."""
    gateway = system.model.gateway(network.ref)
    if gateway is None or network.exit is None:
        return None
    return ExitStatus(
        outside=gateway.outside,
        gateway=gateway.switch,
        up=system.standby.why_unfit(gateway.switch, gateway.outside) is None,
        address=_text(gateway.address),
        ports=_ports(gateway.ports),
        prefix=_text(network.exit.prefix),
        zone=gateway.zone,
        router_mac=format_mac(gateway.mac),
    )


# --- what is let in ---------------------------------------------------------------------------------------------------


def let_in_of(model: Model, tenant: str) -> Iterator[Floating | Forward]:
    """All that a tenant lets in, in no order."""
    for network in model.networks(tenant):
        yield from model.let_in(network.ref)


def floating_statuses(system: System, values: Iterable[Floating]) -> list[FloatingStatus]:
    """Floating addresses, each with whoever has the address inside."""
    listed = [*values]
    members = _members(system.model, listed)
    return [
        FloatingStatus(
            address=str(one.address),
            outside=one.outside,
            tenant=one.tenant,
            network=one.network,
            inside=str(one.inside),
            member=members.get((one.ref, one.inside)),
            gateway=_gateway_of(system.model, one.ref),
        )
        for one in listed
    ]


def forward_statuses(system: System, values: Iterable[Forward]) -> list[ForwardStatus]:
    """Forwarded ports, each with whoever has the address inside."""
    listed = [*values]
    members = _members(system.model, listed)
    return [
        ForwardStatus(
            address=str(one.address),
            protocol=format_protocol(one.protocol),
            port=one.port,
            outside=one.outside,
            tenant=one.tenant,
            network=one.network,
            inside=str(one.inside),
            inside_port=one.inside_port,
            member=members.get((one.ref, one.inside)),
            gateway=_gateway_of(system.model, one.ref),
        )
        for one in listed
    ]


def _gateway_of(model: Model, ref: str) -> str | None:
    gateway = model.gateway(ref)
    return gateway.switch if gateway is not None else None


def _members(model: Model, values: Iterable[Floating | Forward]) -> dict[tuple[str, Address], str]:
    """By network and address: who has the addresses inside of what is let in."""
    wanted: dict[str, set[Address]] = {}
    for value in values:
        wanted.setdefault(value.ref, set()).add(value.inside)
    found = {}
    for ref, addresses in wanted.items():
        network = model.network(ref)
        for member in model.members(ref) if network is not None else ():
            for address in addresses_in(network, member.interface) if network is not None else ():
                if address in addresses:
                    found[ref, address] = str(member)
    return found


# --- outside networks -------------------------------------------------------------------------------------------------


def outside_statuses(system: System) -> list[OutsideStatus]:
    """All outside networks, by name."""
    model, fabric = system.model, system.fabric
    used: dict[str, set[Address]] = {}
    counts: dict[str, int] = {}
    for value in _using(model):
        if isinstance(value, Gateway):
            counts[value.outside] = counts.get(value.outside, 0) + 1
        if value.address is not None:
            used.setdefault(value.outside, set()).add(value.address)
    return [
        OutsideStatus(
            name=name,
            addresses=[*map(str, outside.addresses)],
            next_hops=[*map(str, outside.next_hops)],
            mtu=outside.mtu,
            gateways=[*fabric.gateways.get(name, ())],
            used=len(used.get(name, ())),
            network_count=counts.get(name, 0),
        )
        for name, outside in sorted(fabric.outsides.items())
    ]


def outside_status(system: System, name: str) -> OutsideStatus:
    """One outside network. Raises NotFound, naming those that there are."""
    found = next((one for one in outside_statuses(system) if one.name == name), None)
    if found is None:
        known = ", ".join(sorted(system.fabric.outsides)) or "none is declared"
        raise NotFound(f"there is no outside network {name!r} (there are: {known})")
    return found


def address_uses(system: System, name: str) -> list[AddressUse]:
    """What each address of an outside network is used for, by address. Raises NotFound."""
    outside_status(system, name)
    found: list[tuple[Address, AddressUse]] = []
    for value in _using(system.model):
        if value.outside == name and value.address is not None:
            found.append((value.address, _use(value, value.address)))
    for switch in system.fabric.switches.values():
        uplink = switch.uplink(name)
        for own in uplink.addresses if uplink is not None else ():
            found.append((own, AddressUse(str(own), "gateway", switch=switch.name)))
    found += [(hop, AddressUse(str(hop), "next router")) for hop in system.fabric.outsides[name].next_hops]
    found.sort(key=lambda one: (one[0].version, int(one[0]), one[1].use, one[1].network or "", one[1].ports or ""))
    return [use for _, use in found]


def _using(model: Model) -> Iterator[Gateway | Floating | Forward]:
    for kind in ("gateway/", "floating/", "forward/"):
        for key in model.keys(kind):
            value = model.get(key)
            if isinstance(value, Gateway | Floating | Forward):
                yield value


def _use(value: Gateway | Floating | Forward, address: Address) -> AddressUse:
    match value:
        case Gateway():
            return AddressUse(str(address), "translation", value.ref, value.switch, _ports(value.ports))
        case Floating():
            return AddressUse(str(address), "floating", value.ref, inside=str(value.inside))
        case Forward():
            port = f"{format_protocol(value.protocol)} {value.port}"
            return AddressUse(str(address), "forward", value.ref, None, port, f"{value.inside}:{value.inside_port}")


def _text(value: object | None) -> str | None:
    return str(value) if value is not None else None


def _ports(ports: tuple[int, int] | None) -> str | None:
    return format_ports(ports) if ports is not None else None
