"""What the rows of gateways follow from, kept up to date: routers, outside addresses, next hops, and what is let in."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from ..fabric.declared import Switch, Uplink
from ..fabric.observed import Topology
from ..model.names import link_local
from ..model.outside import Address, Floating, Forward, Gateway, NextHop, router_mac
from ..model.state import Member
from ..model.values import Interface, Network, Node, Place, Value
from . import fields as f
from .admission import floating_rows, forward_rows, inside_row, resolve_row, translated_rows
from .gateway import Routed, Wire, router_rows, shared_rows, uplink_rows
from .rows import Row
from .units import Kind, Unit


def router_of(gateway: Gateway) -> Node:
    """The router of a network as a node: the network's frames for it come to its switch as they come to any member."""
    place = Place(gateway.switch, gateway.port)
    router = Interface("router", gateway.interface, gateway.mac, (), place, (gateway.name,))
    return Node(gateway.tenant, "", running=True, interfaces=(router,))


def is_router(member: Member) -> bool:
    """Whether a member is a network's router, which is on no port."""
    return not member.node.name and not member.interface.mac & f.GROUP_BIT


def is_machine(member: Member) -> bool:
    """Whether a member is of a node, and no router or remote site that is none."""
    return bool(member.node.name)


class Outward:
    """The facts about gateways. They change by the methods here, called from `Compilation.update`."""

    def __init__(self) -> None:
        self.gateways: dict[str, Gateway] = {}
        """By the reference of the network."""
        self.at: dict[str, set[str]] = {}
        """The networks whose gateway is on a switch."""
        self._let_in: dict[str, dict[str, dict[str, Floating | Forward]]] = {}
        """By network, by address inside, by key."""
        self._hops: dict[tuple[str, str], dict[int, int]] = {}
        """MAC addresses of the next routers by switch and port, then by version of IP."""
        self._sharing: dict[tuple[str, str, IPv4Address], set[str]] = {}
        """By switch, outside network and address: what sources become it, or are reached by it, by key."""

    # --- changes ----------------------------------------------------------------------------------------------------

    def gateway(self, old: Value | None, new: Value | None) -> Iterator[Unit]:
        """A network has another gateway."""
        for gateway, is_new in ((old, False), (new, True)):
            if isinstance(gateway, Gateway):
                yield from self._gateway(gateway, is_new=is_new)

    def _gateway(self, gateway: Gateway, *, is_new: bool) -> Iterator[Unit]:
        ref, switch = gateway.ref, gateway.switch
        if is_new:
            self.gateways[ref] = gateway
            self.at.setdefault(switch, set()).add(ref)
        else:
            del self.gateways[ref]
            self.at[switch].discard(ref)
        yield Unit(Kind.GATEWAY, ref, "", 0)
        if gateway.address is not None:
            yield self._share(switch, gateway.outside, gateway.address, ref, add=is_new)
        # What is let in comes in where the gateway is.
        for inside, values in self._let_in.get(ref, {}).items():
            yield Unit(Kind.LET_IN, ref, inside, 0)
            for key, value in values.items():
                if isinstance(value, Forward):
                    yield self._share(switch, value.outside, value.address, key, add=is_new)

    def let_in(self, key: str, old: Value | None, new: Value | None) -> Iterator[Unit]:
        """Something else is let in."""
        for value, add in ((old, False), (new, True)):
            if isinstance(value, Floating | Forward):
                inside = str(value.inside)
                there = self._let_in.setdefault(value.ref, {}).setdefault(inside, {})
                if add:
                    there[key] = value
                else:
                    del there[key]
                    if not there:
                        del self._let_in[value.ref][inside]
                yield Unit(Kind.LET_IN, value.ref, inside, 0)
                gateway = self.gateways.get(value.ref)
                if isinstance(value, Forward) and gateway is not None:
                    yield self._share(gateway.switch, value.outside, value.address, key, add=add)

    def hop(self, old: Value | None, new: Value | None) -> Iterator[Unit]:
        """An outside router has said where it is."""
        for value, add in ((old, False), (new, True)):
            if isinstance(value, NextHop):
                macs = self._hops.setdefault((value.switch, value.port), {})
                if add:
                    macs[value.address.version] = value.mac
                else:
                    del macs[value.address.version]
                yield Unit(Kind.UPLINK, value.port, value.switch, 0)

    def _share(self, switch: str, outside: str, address: IPv4Address, key: str, *, add: bool) -> Unit:
        where = switch, outside, address
        if add:
            self._sharing.setdefault(where, set()).add(key)
        else:
            self._sharing[where].discard(key)
            if not self._sharing[where]:
                del self._sharing[where]
        return Unit(Kind.SHARED, f"{outside}/{address}", switch, 0)

    # --- units ------------------------------------------------------------------------------------------------------

    def units_of(self, ref: str) -> Iterator[Unit]:
        """What is about the gateway of a network, whoever its members are."""
        if ref in self.gateways:
            yield Unit(Kind.GATEWAY, ref, "", 0)
            for inside in self._let_in.get(ref, {}):
                yield Unit(Kind.LET_IN, ref, inside, 0)

    def units_at(self, switch: str) -> Iterator[Unit]:
        """What is about the gateways on a switch, whoever is in their networks, and about who shares addresses."""
        for ref in self.at.get(switch, ()):
            yield from self.units_of(ref)
        yield from (unit for unit in self.shared_units() if unit.at == switch)

    def shared_units(self) -> Iterator[Unit]:
        """What is about the outside addresses that sources become."""
        for switch, outside, address in self._sharing:
            yield Unit(Kind.SHARED, f"{outside}/{address}", switch, 0)

    # --- rows -------------------------------------------------------------------------------------------------------

    def wire(self, topology: Topology, switch: Switch, uplink: Uplink | None) -> Wire | None:
        """An uplink as it is; None where its port or its outside network is not there."""
        outside = topology.fabric.outsides.get(uplink.outside) if uplink is not None else None
        port = topology.port_number(Place(switch.name, uplink.port)) if uplink is not None else None
        if uplink is None or outside is None or port is None:
            return None
        return Wire(switch, uplink, port, outside, self._hops.get((switch.name, uplink.port), {}), topology.fabric.mtu)

    def routed(self, topology: Topology, network: Network, tag: int) -> Routed | None:
        """What a network's router follows from; None where it has none, or its uplink is not there."""
        gateway = self.gateways.get(network.ref)
        switch = topology.fabric.switches.get(gateway.switch) if gateway is not None else None
        if gateway is None or switch is None:
            return None
        wire = self.wire(topology, switch, switch.uplink(gateway.outside))
        return Routed(gateway, network, tag, wire, topology.fabric.mtu) if wire is not None else None

    def uplink_rows(self, topology: Topology, unit: Unit) -> Iterator[Row]:
        """Those of a unit of the kind UPLINK or SHARED."""
        switch = topology.fabric.switches.get(unit.at)
        if switch is None:
            return
        if unit.kind is Kind.UPLINK:
            uplink = next((uplink for uplink in switch.uplinks if uplink.port == unit.name), None)
            wire = self.wire(topology, switch, uplink)
            yield from uplink_rows(wire) if wire is not None else ()
            return
        outside, _, text = unit.name.partition("/")
        address = IPv4Address(text)
        wire = self.wire(topology, switch, switch.uplink(outside))
        if wire is not None and (unit.at, outside, address) in self._sharing:
            yield from shared_rows(wire, address)

    def network_rows(self, routed: Routed, unit: Unit) -> Iterator[Row]:
        """Those of a unit of the kind GATEWAY or LET_IN."""
        if unit.kind is Kind.GATEWAY:
            yield from router_rows(routed)
            return
        values = self._let_in.get(unit.name, {}).get(unit.at, {})
        if values:
            yield inside_row(routed, ip_address(unit.at))
        for _, value in sorted(values.items()):
            yield from floating_rows(routed, value) if isinstance(value, Floating) else forward_rows(routed, value)


def resolved(network: Network, member: Member, routed: Routed | None) -> Iterator[Row]:
    """Which addresses a member has, where frames are routed into its network."""
    interface, way_out = member.interface, network.exit
    for address in addresses_in(network, interface):
        yield resolve_row(network.number, router_mac(network.number), interface.number, interface.mac, address)
        if routed is not None and isinstance(address, IPv6Address) and way_out is not None:
            yield from translated_rows(routed, way_out, address)


def addresses_in(network: Network, interface: Interface) -> list[Address]:
    """The single addresses that an interface has in the subnets of a network, in order."""
    own = {prefix[0] for prefix in interface.sources if prefix.prefixlen == prefix.max_prefixlen}
    found = [address for address in own if any(address in subnet for subnet in network.subnets)]
    return sorted(found, key=lambda address: (address.version, int(address)))


def link_local_of(interface: Interface) -> Address:
    """The link-local address that an interface forms from its MAC address."""
    return link_local(interface.mac)[0]
