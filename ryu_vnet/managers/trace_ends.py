"""From whom and to whom a frame is, of which a trace is asked: members, addresses inside, and somebody outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from ..compiler.outward import addresses_in
from ..compiler.pipeline import switch_mac
from ..errors import Invalid, NotFound, Problem
from ..model.names import parse_mac
from ..model.outside import Address, Floating, Forward, Gateway, Subnet, address_mac, host_part, router_mac
from ..model.state import Member
from ..model.values import Network, Place
from ..verify import frames
from .system import System

_SOMEBODY = 0x02_00_00_00_00_01
"""The MAC address of a next router that has not said its own yet."""


@dataclass(frozen=True, slots=True)
class Sort:
    """What kind of frame: one of `trace.KINDS`, None where it is to be chosen; `protocol` and `port` of TCP and UDP."""

    kind: str | None
    protocol: int = 0
    port: int = 0
    source_port: int = 0

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions of IP that it can be."""
        return {"icmp": (4,), "ipv6": (6,)}.get(self.kind or "", (4, 6))

    @property
    def is_routable(self) -> bool:
        """Whether it can be IP, which routers forward."""
        return self.kind not in ("arp", "broadcast", "ethertype")


@dataclass(frozen=True, slots=True)
class Source:
    """Whom the frame is from: an interface, or (without `member`) somebody outside, by way of a gateway. `subnets` are
    those that its address is to be of, where it matters."""

    text: str
    mac: int
    place: Place | None
    member: Member | None
    address: Address | None = None
    subnets: tuple[Subnet, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Where the frame is to go: an interface, an address that may be nobody's, or everybody. `via` is the network by
    whose router it goes, if it does, and `into` the one that it is routed to; both by reference."""

    text: str
    mac: int
    member: Member | None
    address: Address | None = None
    via: str = ""
    into: str = ""


def find_ends(system: System, source: str, target: str | None, sort: Sort) -> tuple[Source, Target]:
    """Both ends. Raises Invalid, NotFound."""
    outer = parse_ip(source)
    if outer is not None:
        return _from_outside(system, outer, target, sort)
    member = _member(system, source, "from")
    aim = _target(system, member, target, sort)
    via = system.model.network(aim.via) if aim.via else None
    subnets = via.subnets if via is not None else ()
    return Source(str(member), member.interface.mac, member.interface.place, member, subnets=subnets), aim


def _member(system: System, text: str, where: str) -> Member:
    ref, _, name = text.partition(":")
    if ref.count("/") != 1:
        raise Invalid(Problem(where, f"{text!r} is not a node", "tenant/node or tenant/node:interface: red/vm1.1:eth0"))
    node = system.model.node(ref)
    if node is None:
        listed = ", ".join(other.ref for other in system.model.nodes(ref.partition("/")[0])[:8])
        raise NotFound(f"there is no node {ref!r} ({f'one of {listed}' if listed else 'its tenant has none'})")
    names = [interface.name for interface in node.interfaces]
    if not name and len(names) > 1:
        raise Invalid(Problem(where, f"node {ref} has {len(names)} interfaces", f"{ref}:{names[0]}"))
    interface = node.interface(name or (names[0] if names else ""))
    if interface is None:
        raise NotFound(f"node {ref} has no interface {name!r} ({', '.join(names) or 'it has none'})")
    if interface.known_mac is None:
        hint = f"it gets one with its first place: start it at a switch port, or put {ref} with one"
        raise Invalid(Problem(where, f"{ref} {interface.name} has no MAC address yet", hint))
    return Member(node, interface)


def parse_ip(text: str) -> Address | None:
    """The address that a text is, if it is one."""
    try:
        return ip_address(text)
    except ValueError:
        return None


# --- from outside -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Taken:
    """Where what comes for an outside address is taken in: the uplink, the MAC address that the address has there, the
    network that it is for, and the address inside as far as that is one."""

    place: Place
    mac: int
    ref: str = ""
    inside: Address | None = None


def _from_outside(system: System, source: Address, target: str | None, sort: Sort) -> tuple[Source, Target]:
    """Somebody outside who sends to an address that networks have there. Raises Invalid, NotFound."""
    address = parse_ip(target) if target is not None else None
    if address is None or address.version != source.version:
        hint = f"as {source} is outside: an IPv{source.version} address that one of our networks has there"
        raise Invalid(Problem("to", f"{target!r} is no address to send to from outside", hint))
    taken = next(_takings(system, address, sort), None)
    if taken is None:
        raise NotFound(
            f"no gateway takes in what comes from outside for {address}: `vnet outside list` says what is used"
        )
    hops = [one for one in system.model.next_hops() if taken.place == Place(one.switch, one.port)]
    mac = next((one.mac for one in hops if one.address.version == address.version), _SOMEBODY)
    member = _having(system, taken.ref, taken.inside) if taken.inside is not None else None
    return Source(f"{source} outside", mac, taken.place, None, source), Target(str(address), taken.mac, member, address)


def _takings(system: System, address: Address, sort: Sort) -> Iterator[_Taken]:
    """Who takes in what comes for an address from outside: first those for whom such a frame is."""
    model = system.model
    for name in sorted(system.fabric.outsides):
        holding = model.holding(name, address)
        for value in sorted(holding, key=lambda one: not _is_for(one, sort)):
            gateway = model.gateway(value.ref)
            place = _uplink(system, gateway)
            if gateway is None or place is None:
                continue
            inside = value.inside if not isinstance(value, Gateway) and _is_for(value, sort) else None
            mac = address_mac(value.address) if isinstance(value.address, IPv4Address) else gateway.mac
            if isinstance(value, Floating):
                mac = gateway.mac
            yield _Taken(place, mac, value.ref, inside)
    for gateway in model.gateways() if address.version == 6 else ():
        network, place = model.network(gateway.ref), _uplink(system, gateway)
        for subnet in network.subnets if network is not None and place is not None else ():
            prefix = network.exit.prefix if network is not None and network.exit is not None else None
            outer = prefix or subnet.prefix
            if place is not None and subnet.prefix.version == address.version and address in outer:
                six = IPv6Address(int(subnet.prefix.network_address) | host_part(address, outer))
                yield _Taken(place, gateway.mac, gateway.ref, six)
    for switch in system.fabric.switches.values():
        for uplink in switch.uplinks:
            if address in uplink.addresses:
                yield _Taken(Place(switch.name, uplink.port), switch_mac(switch.number))


def _is_for(value: Gateway | Floating | Forward, sort: Sort) -> bool:
    """Whether such a frame is for whoever has an outside address so."""
    if isinstance(value, Forward):
        return (value.protocol, value.port) == (sort.protocol, sort.port)
    return isinstance(value, Floating)


def _uplink(system: System, gateway: Gateway | None) -> Place | None:
    switch = system.fabric.switches.get(gateway.switch) if gateway is not None else None
    uplink = switch.uplink(gateway.outside) if switch is not None and gateway is not None else None
    return Place(switch.name, uplink.port) if switch is not None and uplink is not None else None


def _having(system: System, ref: str, address: Address) -> Member | None:
    """Who has an address in a network."""
    network = system.model.network(ref)
    members = system.model.members(ref) if network is not None else []
    return next((m for m in members if network is not None and address in addresses_in(network, m.interface)), None)


# --- from a member ----------------------------------------------------------------------------------------------------


def _target(system: System, sender: Member, text: str | None, sort: Sort) -> Target:
    if text is None:
        if sort.kind != "broadcast":
            raise Invalid(Problem("to", "nobody is named", "tenant/node, a MAC address, or kind broadcast"))
        return Target("everybody", frames.BROADCAST, None)
    if "/" in text:
        member = _member(system, text, "to")
        routed = _routed(system, sender, member, sort) if sort.is_routable else None
        return routed or Target(str(member), member.interface.mac, member)
    address = parse_ip(text)
    if address is not None:
        return _aimed(system, sender, address)
    return Target(text, parse_mac(text, "to"), None)


def _networks(system: System, member: Member) -> list[Network]:
    found = (system.model.network(ref) for ref in member.node.networks_of(member.interface))
    return [network for network in found if network is not None]


def shared_networks(sender: Member, other: Member) -> bool:
    """Whether two interfaces are in some network together."""
    return not {*sender.node.networks_of(sender.interface)}.isdisjoint(other.node.networks_of(other.interface))


def are_apart(sender: Member, other: Member) -> bool:
    """Whether both are in networks, and in none together."""
    both = sender.node.networks_of(sender.interface), other.node.networks_of(other.interface)
    return all(both) and not shared_networks(sender, other)


def _routed(system: System, sender: Member, other: Member, sort: Sort) -> Target | None:
    """A member of a network that one of the sender's is routed to; None where they share one, or none is."""
    if shared_networks(sender, other):
        return None
    for network in _networks(system, sender):
        ways = {subnet.prefix.version for subnet in network.subnets if subnet.gateway is not None}.intersection(
            sort.versions
        )
        for target in _networks(system, other):
            if target.ref not in system.model.routing.partners(network.ref):
                continue
            for address in addresses_in(target, other.interface):
                if address.version in ways and any(address in subnet for subnet in target.subnets):
                    return Target(str(other), router_mac(network.number), other, address, network.ref, target.ref)
    return None


def _aimed(system: System, sender: Member, address: Address) -> Target:
    """An IP address as whoever sends to it sees it: on his own network, or behind its router. Raises Invalid."""
    pairs = [(network, subnet) for network in _networks(system, sender) for subnet in network.subnets]
    for network, subnet in pairs:
        if address == subnet.gateway:
            text = f"{address}, the router of {network.ref}"
            return Target(text, router_mac(network.number), None, address, network.ref)
        if address in subnet:
            member = _having(system, network.ref, address)
            if member is None:
                hint = "give a MAC address to see what becomes of a frame to it"
                raise Invalid(Problem("to", f"nobody in {network.ref} has the address {address}", hint))
            return Target(str(member), member.interface.mac, member, address, network.ref)
    for network, subnet in pairs:
        if subnet.gateway is not None and subnet.gateway.version == address.version:
            mac = router_mac(network.number)
            for ref in system.model.routing.partners(network.ref):
                partner = system.model.network(ref)
                if partner is not None and any(address in part for part in partner.subnets):
                    member = _having(system, ref, address)
                    text = str(member) if member is not None else f"{address} in {ref}"
                    return Target(text, mac, member, address, network.ref, ref)
            return Target(str(address), mac, None, address, network.ref)
    hint = "give a network of its a subnet with a router: vnet network create"
    raise Invalid(Problem("to", f"{sender} has no IPv{address.version} router to send to {address}", hint))
