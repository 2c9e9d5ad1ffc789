"""Subnets, exits, floating addresses and forwarded ports as they are asked for, and every reason to refuse them alone.

What contradicts something else that is there, `checks` and `exits` find, when all of a request is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network

from ..errors import Conflict, Invalid, NotFound, Problem
from ..fabric.declared import Fabric, Outside, Uplink
from ..model.names import Prefix, check_port
from ..model.outside import Address, Exit, Floating, Forward, Subnet
from ..model.state import Draft
from ..model.traffic import parse_ports, parse_protocol
from ..model.values import Network
from ..schema import ExitSpec, FloatingSpec, ForwardSpec, OutsideSpec, SubnetSpec, UplinkSpec
from .limits import exit_bandwidth

SMALLEST_SUBNET = {4: 30, 6: 126}
"""Longest prefixes that leave a subnet addresses for a router and a member."""
LARGEST_SUBNET = {4: 8, 6: 16}


def parse_address(text: str, where: str) -> Address:
    """A single unicast IP address. Raises Invalid."""
    try:
        address = ip_address(text)
    except ValueError:
        raise Invalid(Problem(where, f"{text!r} is not an IP address", "10.0.0.1, fd00::1")) from None
    if "%" in text or address.is_multicast or address.is_unspecified or address.is_loopback:
        raise Invalid(Problem(where, f"{text} is nobody's address", "a unicast address"))
    return address


def parse_subnet(text: str, where: str) -> Prefix:
    """A prefix, written with zeros behind it. Raises Invalid."""
    try:
        prefix = ip_network(text)
    except ValueError as error:
        raise Invalid(Problem(where, f"{text!r} is not a prefix: {error}", "10.0.0.0/24, fd00:1::/64")) from None
    if prefix.is_multicast or prefix.is_loopback:
        raise Invalid(Problem(where, f"{text} is nobody's prefix", "one of unicast addresses"))
    return prefix


# --- the fabric -------------------------------------------------------------------------------------------------------


def uplinks_of(specs: Mapping[str, UplinkSpec], where: str) -> tuple[Uplink, ...]:
    """The uplinks of a switch, by port. Raises Invalid."""
    found = []
    for port, spec in sorted(specs.items()):
        place = f"{where}.uplinks.{port}"
        own = _one_of_each(spec.addresses, f"{place}.addresses")
        found.append(Uplink(check_port(port, place), spec.outside, own))
    return tuple(found)


def outsides_of(specs: Mapping[str, OutsideSpec]) -> dict[str, Outside]:
    """Outside networks by name. Raises Invalid."""
    found = {}
    for name, spec in sorted(specs.items()):
        where = f"fabric.outside.{name}"
        prefixes = tuple(parse_subnet(text, f"{where}.addresses[{n}]") for n, text in enumerate(spec.addresses))
        found[name] = Outside(prefixes, _one_of_each(spec.next_hops, f"{where}.next_hops"), spec.mtu, spec.connections)
    return found


def _one_of_each(texts: Iterable[str], where: str) -> tuple[Address, ...]:
    """Addresses, one of IPv4 and one of IPv6 at most, IPv4 first."""
    found: dict[int, Address] = {}
    for index, text in enumerate(texts):
        address = parse_address(text, f"{where}[{index}]")
        if address.version in found:
            hint = "one of IPv4 and one of IPv6 at most"
            raise Invalid(Problem(f"{where}[{index}]", f"{address} is a second one of IPv{address.version}", hint))
        found[address.version] = address
    return tuple(address for _, address in sorted(found.items()))


# --- networks ---------------------------------------------------------------------------------------------------------


def subnets_of(specs: Iterable[SubnetSpec], where: str) -> tuple[Subnet, ...]:
    """The subnets of a network, IPv4 first. Raises Invalid."""
    found: dict[int, Subnet] = {}
    for index, spec in enumerate(specs):
        place = f"{where}[{index}]"
        subnet = _subnet(spec, place)
        version = subnet.prefix.version
        if version in found:
            hint = "a network has one of IPv4 and one of IPv6 at most"
            raise Invalid(Problem(place, f"{subnet.prefix} is a second subnet of IPv{version}", hint))
        found[version] = subnet
    return tuple(subnet for _, subnet in sorted(found.items()))


def _subnet(spec: SubnetSpec, where: str) -> Subnet:
    prefix = parse_subnet(spec.prefix, f"{where}.prefix")
    version = prefix.version
    if not LARGEST_SUBNET[version] <= prefix.prefixlen <= SMALLEST_SUBNET[version]:
        hint = f"a prefix of {LARGEST_SUBNET[version]} to {SMALLEST_SUBNET[version]} bits"
        raise Invalid(Problem(f"{where}.prefix", f"{prefix} is no subnet for machines", hint))
    dns = tuple(parse_address(text, f"{where}.dns[{number}]") for number, text in enumerate(spec.dns))
    strange = next((server for server in dns if server.version != version), None)
    if strange is not None:
        hint = "those of the subnet's own version of IP; put it into the other subnet"
        raise Invalid(Problem(f"{where}.dns", f"{strange} is no IPv{version} address", hint))
    if spec.gateway is None:
        return Subnet(prefix, None, dns, spec.dhcp)
    gateway = prefix[1] if spec.gateway == "first" else parse_address(spec.gateway, f"{where}.gateway")
    if not is_host(gateway, prefix):
        hint = f"one of {prefix[1]} to {prefix[-2]}"
        raise Invalid(Problem(f"{where}.gateway", f"{gateway} is no machine's address in {prefix}", hint))
    return Subnet(prefix, gateway, dns, spec.dhcp)


def is_host(address: Address, prefix: Prefix) -> bool:
    """Whether a machine may have an address in a prefix: not its first one, nor of IPv4 its last (RFC 1122, 3.2.1.3;
    RFC 4291, 2.6.1)."""
    return address in prefix and address != prefix[0] and (address.version == 6 or address != prefix[-1])


def exit_of(spec: ExitSpec, subnets: tuple[Subnet, ...], fabric: Fabric, where: str) -> Exit:
    """A network's way out. Raises Invalid."""
    outside = fabric.outsides.get(spec.network)
    if outside is None:
        raise Invalid(Problem(f"{where}.network", f"there is no outside network {spec.network!r}", _outsides(fabric)))
    known = fabric.gateways.get(spec.network, ())
    for index, name in enumerate(spec.gateways):
        if name not in known:
            hint = f"one of {', '.join(known)}" if known else "declare an uplink first (fabric.switches.NAME.uplinks)"
            raise Invalid(Problem(f"{where}.gateways[{index}]", f"{name!r} has no uplink to {spec.network}", hint))
    if not known:
        hint = "declare an uplink first (fabric.switches.NAME.uplinks)"
        raise Invalid(Problem(f"{where}.network", f"no switch has an uplink to {spec.network}", hint))
    if not any(subnet.gateway is not None for subnet in subnets):
        hint = "subnets: [10.0.0.0/24]"
        raise Invalid(Problem(where, "a network without a subnet that has a router has no way out", hint))
    address = _outer(spec.address, outside, f"{where}.address") if spec.address is not None else None
    ports = None
    if spec.ports is not None:
        ports = parse_ports(spec.ports, f"{where}.ports")
    prefix = _outer_prefix(spec.prefix, subnets, outside, f"{where}.prefix") if spec.prefix is not None else None
    if len({*spec.gateways}) < len(spec.gateways):
        raise Invalid(Problem(f"{where}.gateways", "a gateway is named twice", "each once, in order of preference"))
    bandwidth = exit_bandwidth(spec.bandwidth, f"{where}.bandwidth")
    if spec.connections is not None and spec.connections > outside.connections:
        hint = f"{outside.connections} at most (fabric.outside.{spec.network}.connections)"
        raise Invalid(Problem(f"{where}.connections", f"{spec.connections} are more than a network may have", hint))
    return Exit(spec.network, tuple(spec.gateways), address, ports, prefix, bandwidth, spec.connections)


def _outer(text: str, outside: Outside, where: str) -> IPv4Address:
    address = parse_address(text, where)
    if not isinstance(address, IPv4Address):
        raise Invalid(Problem(where, f"{address} is an IPv6 address", "an IPv4 address; IPv6 has prefix:"))
    check_outer(address, outside, where)
    return address


def check_outer(address: Address, outside: Outside, where: str) -> None:
    """Refuse an address that networks of tenants may not have outside. Raises Invalid."""
    if not outside.has(address):
        listed = ", ".join(map(str, outside.addresses)) or "none (declare fabric.outside.NAME.addresses)"
        raise Invalid(Problem(where, f"{address} is not for networks of tenants", f"one of {listed}"))
    if address in outside.next_hops:
        raise Invalid(Problem(where, f"{address} is the next router's own", "another one"))


def _outer_prefix(text: str, subnets: tuple[Subnet, ...], outside: Outside, where: str) -> IPv6Network:
    prefix, inner = parse_subnet(text, where), next((s.prefix for s in subnets if s.prefix.version == 6), None)
    if not isinstance(prefix, IPv6Network):
        raise Invalid(Problem(where, f"{prefix} is of IPv4", "an IPv6 prefix; IPv4 has address:"))
    if inner is None or inner.prefixlen != prefix.prefixlen:
        hint = f"one of {inner.prefixlen} bits, as {inner} has" if inner else "give the network an IPv6 subnet first"
        raise Invalid(Problem(where, f"{prefix} is no other prefix for the network's own", hint))
    if not any(isinstance(own, IPv6Network) and prefix.subnet_of(own) for own in outside.addresses):
        listed = ", ".join(str(own) for own in outside.addresses if own.version == 6) or "none"
        raise Invalid(Problem(where, f"{prefix} is not for networks of tenants", f"part of one of {listed}"))
    return prefix


def _outsides(fabric: Fabric) -> str:
    return f"one of {', '.join(sorted(fabric.outsides))}" if fabric.outsides else "declare one: fabric.outside"


# --- what is let in ---------------------------------------------------------------------------------------------------


def put_floating(draft: Draft, fabric: Fabric, tenant: str, text: str, spec: FloatingSpec) -> None:
    """Give a member an outside address of its own. Raises Invalid, NotFound, Conflict."""
    where = f"tenants.{tenant}.floating.{text}"
    network, way_out = _with_exit(draft, tenant, spec.network, f"{where}.network")
    name = spec.outside or way_out.outside
    outside = fabric.outsides.get(name)
    if outside is None or way_out.outside != name:
        hint = f"that of its way out: {way_out.outside}"
        raise Invalid(Problem(f"{where}.outside", f"network {network.ref} has no way to {name!r}", hint))
    address, inside = parse_address(text, where), parse_address(spec.inside, f"{where}.inside")
    if inside.version != address.version:
        hint = f"an IPv{address.version} address"
        raise Invalid(Problem(f"{where}.inside", f"{inside} cannot stand for {address}", hint))
    _check_inside(network, inside, f"{where}.inside")
    if address != inside:
        check_outer(address, outside, where)
    elif address.version == 4 or way_out.prefix is not None:
        hint = f"an address of {name}, and as inside the member's own"
        raise Invalid(Problem(where, f"{address} is not known in {name} as it is inside", hint))
    known = draft.floating(name, address)
    if known is not None and known.ref != network.ref:
        # Not whose: tenants see nobody else's.
        mine = known.tenant == tenant
        whose = f"is that of {known.inside} in {known.ref}" if mine else "is another tenant's"
        raise Conflict(f"address {address} {whose}: take another one, or give that up first")
    draft.put(Floating(name, address, tenant, network.name, inside))


def delete_floating(draft: Draft, tenant: str, text: str) -> None:
    """Give an outside address up. Raises NotFound."""
    address = parse_address(text, "address")
    for value in _of_tenant(draft, tenant):
        if isinstance(value, Floating) and value.address == address:
            draft.delete(value)
            return
    raise NotFound(f"tenant {tenant} has no floating address {address}")


def put_forward(draft: Draft, fabric: Fabric, tenant: str, spec: ForwardSpec, where: str) -> Forward:
    """Let what comes for a port in to a member; returns what was put. Raises Invalid, NotFound, Conflict."""
    network, way_out = _with_exit(draft, tenant, spec.network, f"{where}.network")
    gateway = draft.gateway(network.ref)
    if spec.address is not None:
        outer = _outer(spec.address, fabric.outsides[way_out.outside], f"{where}.address")
    elif way_out.address is not None:
        outer = way_out.address
    elif gateway is not None and gateway.address is not None and gateway.outside == way_out.outside:
        outer = gateway.address
    else:
        hint = "name one, or ask again once the network is there"
        raise Invalid(Problem(f"{where}.address", f"network {network.ref} has no outside address yet", hint))
    inside = parse_address(spec.inside, f"{where}.inside")
    if not isinstance(inside, IPv4Address):
        hint = "an IPv4 address; a floating address lets IPv6 in"
        raise Invalid(Problem(f"{where}.inside", f"{inside} has no forwarded ports", hint))
    _check_inside(network, inside, f"{where}.inside")
    protocol = parse_protocol(spec.protocol, f"{where}.protocol")
    port = spec.inside_port or spec.port
    new = Forward(way_out.outside, outer, protocol, spec.port, tenant, network.name, inside, port)
    known = draft.get(f"forward/{new.outside}/{outer}/{protocol}-{spec.port}")
    if isinstance(known, Forward) and known.tenant != tenant:
        raise Conflict(f"{spec.protocol} port {spec.port} of {outer} is another tenant's: take another port")
    for other in draft.let_in(network.ref):
        if isinstance(other, Forward) and (other.protocol, other.port) == (protocol, spec.port):
            draft.delete(other)  # Of a network no two addresses have one port: it is another address's now.
    draft.put(new)
    return new


def delete_forward(draft: Draft, tenant: str, address: str, protocol: str, port: int) -> None:
    """Let nothing in for a port any more. Raises Invalid, NotFound."""
    outer, number = parse_address(address, "address"), parse_protocol(protocol, "protocol")
    for value in _of_tenant(draft, tenant):
        if isinstance(value, Forward) and (value.address, value.protocol, value.port) == (outer, number, port):
            draft.delete(value)
            return
    raise NotFound(f"tenant {tenant} forwards no {protocol} port {port} of {outer}")


def _of_tenant(draft: Draft, tenant: str) -> Iterator[Floating | Forward]:
    for network in draft.networks(tenant):
        yield from draft.let_in(network.ref)


def _with_exit(draft: Draft, tenant: str, name: str, where: str) -> tuple[Network, Exit]:
    network = draft.network(f"{tenant}/{name}")
    if network is None:
        raise NotFound(f"tenant {tenant} has no network {name!r}")
    if network.exit is None:
        raise Invalid(Problem(where, f"network {network.ref} has no way out", "give it one: outside: NAME"))
    return network, network.exit


def _check_inside(network: Network, inside: Address, where: str) -> None:
    subnet = next((subnet for subnet in network.subnets if inside in subnet), None)
    if subnet is None or not is_host(inside, subnet.prefix) or inside == subnet.gateway:
        listed = " or ".join(str(subnet.prefix) for subnet in network.subnets)
        raise Invalid(Problem(where, f"{inside} is no member's address in {network.ref}", f"one of {listed}"))
    if subnet.gateway is None:
        hint = f"give {subnet.prefix} a gateway, or choose an address of the other subnet"
        raise Invalid(Problem(where, f"{inside} is in a subnet that has no router", hint))


def whole(prefix: Prefix) -> Iterator[IPv4Address]:
    """The addresses of IPv4 that a prefix has for machines, in order; all of a prefix of 31 or 32 bits."""
    if isinstance(prefix, IPv4Network):
        yield from prefix.hosts()
