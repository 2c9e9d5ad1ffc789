"""What becomes of what members and the outside send, said once more and as plainly as can be: from the intent alone,
and from what was granted (a gateway's switch, address and ports)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from drawn_outside import Member, Way, World

from ryu_vnet.compiler.pipeline import switch_mac
from ryu_vnet.model.outside import Address, Floating, Forward, Gateway, address_mac, router_mac
from ryu_vnet.model.routing import Access
from ryu_vnet.model.values import Network
from ryu_vnet.verify import frames
from ryu_vnet.verify.checksums import internet_checksum
from ryu_vnet.verify.frames import Link
from ryu_vnet.verify.packet import Packet

TCP, UDP, ICMP = 6, 17, 1
REQUEST, REPLY = 1, 0
SYN, ACK = 2, 16
Arrivals = set[tuple[str, int, bytes]]
"""Switch, port, frame."""


@dataclass(frozen=True)
class Datagram:
    """An IP packet in a frame. `proto` ICMP means an echo of either version: its ports are identifier and kind."""

    link: Link
    src: Address
    dst: Address
    proto: int = TCP
    ports: tuple[int, int] = (40000, 80)
    ttl: int = 64
    flags: int = SYN

    def frame(self) -> Packet:
        number, message, at = self._message()
        addresses = self.src.packed + self.dst.packed
        four = self.src.version == 4
        pseudo = b"" if four and number == ICMP else addresses + struct.pack("!II", len(message), number)
        total = internet_checksum(pseudo + message) or (0xFFFF if number == UDP else 0)
        whole = message[:at] + total.to_bytes(2, "big") + message[at + 2 :]
        if four:
            return frames.ipv4(self.link, int(self.src), int(self.dst), number, whole, ttl=self.ttl)
        return frames.ipv6(self.link, int(self.src), int(self.dst), number, whole, self.ttl)

    def _message(self) -> tuple[int, bytes, int]:
        """Its protocol's number, its bytes, and where in them the checksum stands."""
        if self.proto == TCP:
            return TCP, struct.pack("!HHIIBBHHH", *self.ports, 1, 1, 5 << 4, self.flags, 9000, 0, 0), 16
        if self.proto == UDP:
            return UDP, struct.pack("!HHHH4s", *self.ports, 12, 0, b"data"), 6
        kinds = {4: {REQUEST: 8, REPLY: 0}, 6: {REQUEST: 128, REPLY: 129}}[self.src.version]
        identifier, kind = self.ports
        number = ICMP if self.src.version == 4 else 58
        return number, struct.pack("!BBHHH", kinds[kind], 0, 0, identifier, 1), 2

    def answer(self, link: Link) -> Datagram:
        """What answers it."""
        one, other = self.ports
        ports = (one, 1 - other) if self.proto == ICMP else (other, one)
        return Datagram(link, self.dst, self.src, self.proto, ports, flags=self.flags & SYN | ACK)

    def at(self, where: Member | Way) -> Arrivals:
        return {(where.switch, where.port, self.frame().to_bytes())}


# --- from members -----------------------------------------------------------------------------------------------------


def to_router(world: World, source: Member, ref: str, datagram: Datagram) -> Arrivals:
    """What becomes of what a member sends to the router of a network that it is in."""
    model, network = world.system.model, the(world, ref)
    subnet = next((one for one in network.subnets if one.prefix.version == datagram.src.version), None)
    mine = {one.gateway for one in network.subnets if one.gateway is not None}
    if datagram.proto == ICMP and datagram.ports[1] == REQUEST and datagram.dst in mine:
        link = Link(router_mac(network.number), source.mac)
        return replace(datagram.answer(link), ttl=datagram.ttl).at(source)
    if subnet is None or subnet.gateway is None or datagram.src not in subnet or datagram.dst in subnet:
        return set()
    if datagram.ttl < 2 or not is_forwarded(datagram.dst):
        return set()
    onward = replace(datagram, ttl=datagram.ttl - 1)
    for partner in model.routing.partners(ref):
        if any(datagram.dst in other for other in the(world, partner).subnets):
            passes = may_pass(world, ref, partner, datagram)
            # Nothing leaves by the port that it came in by.
            return at_member(world, partner, onward) if passes and datagram.dst not in source.addresses else set()
    found = leaves(world, ref, onward)
    if found is None:
        return set()
    way, sent, _ = found
    mac = hairpin(world, way, sent.dst)
    if mac is None:
        return sent.at(way)
    if mac == router_mac(network.number) and sent.src == datagram.src:
        return set()  # One connection cannot be both, as it is and translated, in one network's zone.
    return comes_in(world, way, replace(sent, link=Link(sent.link.src, mac)))


def is_forwarded(address: Address) -> bool:
    """Whether routers forward what is for an address (RFC 1812, 5.3.7; RFC 4291, 2.5.2, 2.5.6, 2.7)."""
    if address.is_multicast or address.is_link_local or address.is_loopback or address.is_unspecified:
        return False
    return address.version == 6 or not (int(address) >> 28 == 0xF or int(address) >> 24 == 0)


def may_pass(world: World, ref: str, partner: str, datagram: Datagram) -> bool:
    """Whether what goes from a network to another begins what may, or answers what may begin the other way."""
    begins, answers = (world.system.model.routing.access(*pair) for pair in ((ref, partner), (partner, ref)))
    has_ports = datagram.proto in (TCP, UDP)
    source, target = datagram.ports

    def fits(access: Access, port: int) -> bool:
        return access.protocol in (0, datagram.proto) and (
            not has_ports or access.ports[0] <= port <= access.ports[1] or not access.protocol
        )

    is_answer = {TCP: bool(datagram.flags & ACK), UDP: True, ICMP: datagram.ports[1] == REPLY}[datagram.proto]
    return any(fits(each, target) for each in begins) or (is_answer and any(fits(each, source) for each in answers))


def leaves(world: World, ref: str, datagram: Datagram) -> tuple[Way, Datagram, Gateway] | None:
    """By which uplink a network's packet leaves, and as what; None where it does not."""
    gateway, network = world.system.model.gateway(ref), the(world, ref)
    if gateway is None or network.exit is None:
        return None
    way = next(way for way in world.ways if (way.switch, way.outside) == (gateway.switch, gateway.outside))
    outer, port, mac = datagram.src, datagram.ports[0], router_mac(network.number)
    floating = next((one for one in let_in(world, ref) if is_of(one, Floating, datagram.src)), None)
    if floating is not None:
        outer = floating.address
    elif datagram.src.version == 4:
        if gateway.address is None or gateway.ports is None:
            return None
        outer, mac = gateway.address, address_mac(gateway.address)
        first, last = gateway.ports
        port = port if first <= port <= last or datagram.proto == ICMP else first
    elif network.exit.prefix is not None:
        if not any(ref in one.networks and datagram.src in one.addresses for one in world.members):
            return None
        outer = network.exit.prefix[int(datagram.src) & int(network.exit.prefix.hostmask)]
    sent = replace(datagram, link=Link(mac, way.hop), src=outer, ports=(port, datagram.ports[1]))
    return way, sent, gateway


# --- from outside -----------------------------------------------------------------------------------------------------


def comes_in(world: World, way: Way, datagram: Datagram) -> Arrivals:
    """What becomes of what nobody inside has asked for."""
    for ref, value in here(world, way):
        number = the(world, ref).number
        if datagram.dst != value.address or datagram.ttl < 2 or the_source_is_inside(world, ref, datagram):
            continue
        onward = replace(datagram, ttl=datagram.ttl - 1, dst=value.inside)
        if isinstance(value, Floating) and datagram.link.dst == router_mac(number):
            return at_member(world, ref, onward)
        asked = datagram.proto, datagram.ports[1], datagram.link.dst
        if isinstance(value, Forward) and asked == (value.protocol, value.port, address_mac(value.address)):
            return at_member(world, ref, replace(onward, ports=(datagram.ports[0], value.inside_port)))
    return set()


def the_source_is_inside(world: World, ref: str, datagram: Datagram) -> bool:
    """Whether it pretends to come from inside; IPv6 that goes as it is does come from outside where it comes back."""
    way_out = the(world, ref).exit
    is_plain = datagram.src.version == 6 and way_out is not None and way_out.prefix is None
    return not is_plain and any(datagram.src in subnet for subnet in the(world, ref).subnets)


def hairpin(world: World, way: Way, address: Address) -> int | None:
    """The MAC address by which an outside address is reached that is ours on this uplink; None where it is not."""
    for ref, value in here(world, way):
        if value.address == address:
            return router_mac(the(world, ref).number) if isinstance(value, Floating) else address_mac(value.address)
    for gateway in world.system.model.gateways():
        if (gateway.switch, gateway.outside, gateway.address) == (way.switch, way.outside, address):
            return address_mac(gateway.address)
    return None


def answered_outside(world: World, way: Way, address: Address) -> int | None:
    """The MAC address that whoever asks on an uplink is told; None where nobody answers."""
    if address in way.own:
        return switch_mac(world.system.fabric.switches[way.switch].number)
    mac = hairpin(world, way, address)
    if mac is not None or address.version == 4:
        return mac
    for gateway in world.system.model.gateways():
        network = the(world, gateway.ref)
        if (gateway.switch, gateway.outside) != (way.switch, way.outside) or network.exit is None:
            continue
        subnet = next((one for one in network.subnets if one.prefix.version == 6 and one.gateway is not None), None)
        if subnet is not None and network.exit.prefix is None and address in subnet:
            return gateway.mac
        if subnet is not None and network.exit.prefix is not None and address in network.exit.prefix:
            inside = subnet.prefix[int(address) & int(subnet.prefix.hostmask)]
            if any(gateway.ref in one.networks and inside in one.addresses for one in world.members):
                return gateway.mac
    return None


# --- questions --------------------------------------------------------------------------------------------------------


def asks(world: World, source: Member, target: Address) -> tuple[int | None, set[tuple[str, int]]]:
    """Whoever asks for an address: which MAC address answers him, and who hears the question.

    He asks on his networks in their order, until one of them answers: the first for members, all for routers."""
    heard: dict[tuple[str, int], None] = {}
    networks = sorted((the(world, ref) for ref in source.networks), key=lambda network: network.number)
    for network in networks:
        mac = answers(world, network, source, target, is_first=network is networks[0])
        if mac is not None:
            return mac, {*heard}
        for member in world.members:
            if network.ref in member.networks and member is not source:
                heard[member.switch, member.port] = None
    return None, {*heard}


def answers(world: World, network: Network, source: Member, target: Address, *, is_first: bool) -> int | None:
    subnets = [subnet for subnet in network.subnets if subnet.prefix.version == target.version]
    if any(target == subnet.gateway for subnet in subnets):
        return router_mac(network.number)
    for member in world.members if is_first else ():
        is_own = member is source and target.version == 4
        is_here = network.ref in member.networks and any(target in subnet for subnet in subnets)
        if is_here and not is_own and target in member.addresses:
            return member.mac
    return None


# --- words ------------------------------------------------------------------------------------------------------------


def the(world: World, ref: str) -> Network:
    network = world.system.model.network(ref)
    assert network is not None
    return network


def let_in(world: World, ref: str) -> list[Floating | Forward]:
    return world.system.model.let_in(ref)


def is_of(value: Floating | Forward, kind: type, inside: Address) -> bool:
    return isinstance(value, kind) and value.inside == inside


def here(world: World, way: Way) -> Iterator[tuple[str, Floating | Forward]]:
    """What is let in by an uplink, with the reference of its network."""
    for gateway in world.system.model.gateways():
        if (gateway.switch, gateway.outside) == (way.switch, way.outside):
            yield from ((gateway.ref, value) for value in let_in(world, gateway.ref))


def at_member(world: World, ref: str, datagram: Datagram) -> Arrivals:
    """Sent on by the router of a network to whose address it is."""
    network = the(world, ref)
    for member in world.members if any(datagram.dst in subnet for subnet in network.subnets) else ():
        if ref in member.networks and datagram.dst in member.addresses:
            return replace(datagram, link=Link(router_mac(network.number), member.mac)).at(member)
    return set()
