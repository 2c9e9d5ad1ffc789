"""Delivered if and only if it should be, and in the form in which it should be: networks with subnets, routers between
them, ways out, floating addresses and forwarded ports, for any fabric and any intent.

The reference is the intent itself (`outside_reference`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from drawn import simulator
from drawn_outside import Member, Way, World, worlds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outside_reference import (
    ICMP,
    REPLY,
    REQUEST,
    SYN,
    TCP,
    UDP,
    Arrivals,
    Datagram,
    answered_outside,
    asks,
    comes_in,
    leaves,
    let_in,
    the,
    to_router,
)

from ryu_vnet.model.outside import Address, address_mac, router_mac
from ryu_vnet.verify import frames
from ryu_vnet.verify.frames import Link
from ryu_vnet.verify.packet import Packet, parse
from ryu_vnet.verify.simulate import Simulator
from ryu_vnet.verify.tracking import Connections

ANY_WORLD = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEEDS = st.integers(0, 2**32)
TRIED = 40
"""Frames of each kind in each world, of all that there could be."""
FAR = {4: ip_address("198.51.100.9"), 6: ip_address("2001:db8:feed::9")}
STRANGE = [*map(ip_address, ("100.64.0.1", "100.64.0.2", "255.255.255.255", "224.0.0.5", "169.254.1.1", "127.0.0.1"))]
STRANGE += [*map(ip_address, ("fe80::1", "ff02::1", "::1", "203.0.113.1", "2001:db8:ff::1", "192.168.7.7"))]
# No flags but that, as the simulator sees none: what acknowledges something, real switches are sent.
KINDS = [
    (TCP, (40000, 80), SYN),
    (TCP, (80, 40000), SYN),
    (UDP, (40000, 8000), 0),
    (UDP, (17000, 53), 0),
    (ICMP, (7, REQUEST), 0),
    (ICMP, (7, REPLY), 0),
]


def fabric(world: World, connections: Connections | None = None) -> Simulator:
    plain = simulator(world.system)
    return Simulator(plain._tables, plain._wires, connections=connections)


def sent(fabric: Simulator, where: Member | Way, frame: Packet) -> Arrivals:
    trace = fabric.inject(where.switch, where.port, frame)
    assert not trace.anomalies, trace.text()
    found = [(each.switch, each.port, each.frame.to_bytes()) for each in trace.deliveries]
    assert len(found) == len({*found}), trace.text()
    return {*found}


def check(fabric: Simulator, where: Member | Way, datagram: Datagram, meant: Arrivals) -> None:
    found = sent(fabric, where, datagram.frame())
    if found != meant:
        said = fabric.inject(where.switch, where.port, datagram.frame()).text()
        wanted = "".join(f"\nmeant: {switch}:{port} {parse(frame)}" for switch, port, frame in sorted(meant))
        raise AssertionError(f"{datagram}\n{said}{wanted}")


def addresses(world: World) -> list[Address]:
    """All that anybody could send to."""
    found: dict[Address, None] = dict.fromkeys([*FAR.values(), *STRANGE])
    for member in world.members:
        found.update(dict.fromkeys(member.addresses))
    for network in world.system.model.networks():
        found.update({subnet.gateway: None for subnet in network.subnets if subnet.gateway is not None})
        found.update({subnet.prefix[200]: None for subnet in network.subnets})
        found.update({value.address: None for value in let_in(world, network.ref)})
        if network.exit is not None and network.exit.prefix is not None:
            found.update({network.exit.prefix[number]: None for number in (1, 2, 3)})
    found.update({gateway.address: None for gateway in world.system.model.gateways() if gateway.address is not None})
    return [*found]


def some(seed: int, found: Iterator[tuple[Member | Way, str, Datagram]]) -> list[tuple[Member | Way, str, Datagram]]:
    every = [*found]
    return random.Random(seed).sample(every, min(TRIED, len(every)))


def from_members(world: World) -> Iterator[tuple[Member, str, Datagram]]:
    """What members send to routers of theirs."""
    for source in world.members:
        for ref in source.networks:
            link = Link(source.mac, router_mac(the(world, ref).number))
            for src in source.addresses:
                for dst in addresses(world):
                    if src.version == dst.version:
                        for proto, ports, flags in KINDS:
                            yield source, ref, Datagram(link, src, dst, proto, ports, 64, flags)


def from_outside(world: World) -> Iterator[tuple[Way, str, Datagram]]:
    """What anybody outside may send."""
    everybody = addresses(world)
    for way in world.ways:
        for dst in everybody:
            macs = {router_mac(network.number) for network in world.system.model.networks()} | {way.hop, 0xFFFFFFFFFFFF}
            macs |= {address_mac(dst)} if isinstance(dst, IPv4Address) else {member.mac for member in world.members}
            for mac in sorted(macs):
                for src in everybody:
                    if src.version == dst.version:
                        proto, ports, flags = KINDS[(int(src) + int(dst) + mac) % len(KINDS)]
                        for port in (ports[1], 8000 + int(src) % 5) if proto != ICMP else (ports[1],):
                            yield way, "", Datagram(Link(way.hop, mac), src, dst, proto, (ports[0], port), 64, flags)


@ANY_WORLD
@given(worlds(), SEEDS)
def test_what_a_router_is_sent_arrives_where_it_should_and_nowhere_else(world: World, seed: int) -> None:
    anew = fabric(world)
    for source, ref, datagram in some(seed, from_members(world)):
        assert isinstance(source, Member)
        check(anew, source, datagram, to_router(world, source, ref, datagram))


@ANY_WORLD
@given(worlds(), SEEDS)
def test_nothing_comes_in_but_what_is_let_in(world: World, seed: int) -> None:
    anew = fabric(world)
    for way, _, datagram in some(seed, from_outside(world)):
        assert isinstance(way, Way)
        check(anew, way, datagram, comes_in(world, way, datagram))


@ANY_WORLD
@given(worlds(), SEEDS)
def test_what_is_answered_from_outside_comes_back_to_who_asked_and_nothing_else_does(world: World, seed: int) -> None:
    for source, ref, datagram in some(seed, (each for each in from_members(world) if each[2].dst in FAR.values())):
        assert isinstance(source, Member)
        if datagram.proto == ICMP and datagram.ports[1] == REPLY:
            continue  # Nobody asked for it.
        known = Connections()
        simulated, left = fabric(world, known), to_router(world, source, ref, datagram)
        check(simulated, source, datagram, left)
        gone = leaves(world, ref, replace(datagram, ttl=63)) if left else None
        if gone is None:
            continue
        way, out, _ = gone
        answer = out.answer(Link(way.hop, out.link.src))
        other = replace(answer, src=ip_address(int(answer.src) + 1))
        check(simulated, way, other, comes_in(world, way, other))
        elsewhere = [each for each in world.ways if each != way]
        for each in elsewhere:
            stray = replace(answer, link=Link(each.hop, answer.link.dst))
            check(simulated, each, stray, comes_in(world, each, stray))
        router = Link(router_mac(the(world, ref).number), source.mac)
        back = replace(datagram.answer(router), ttl=63)
        check(simulated, way, answer, back.at(source))
        check(simulated, way, replace(answer, ttl=1), set())


@ANY_WORLD
@given(worlds(), SEEDS)
def test_who_is_let_in_is_answered_by_the_address_that_he_knows(world: World, seed: int) -> None:
    every = (each for each in from_outside(world) if each[2].src in FAR.values() and each[2].dst not in STRANGE)
    for way, _, datagram in some(seed, every):
        meant = comes_in(world, way, datagram)  # type: ignore[arg-type]
        if not meant or (datagram.proto == ICMP and datagram.ports[1] == REPLY):
            continue
        simulated = fabric(world, Connections())
        check(simulated, way, datagram, meant)
        ((switch, port, frame),) = meant
        member = next(one for one in world.members if (one.switch, one.port) == (switch, port))
        came = parse(frame)
        inner = replace(
            datagram,
            dst=next(one for one in member.addresses if int(one) == came.upper.dst),  # type: ignore[union-attr]
        )
        if datagram.proto != ICMP:
            inner = replace(inner, ports=(datagram.ports[0], came.upper.transport.dst))  # type: ignore[union-attr]
        answer = inner.answer(Link(member.mac, came.eth_src))
        out = replace(datagram.answer(Link(datagram.link.dst, way.hop)), ttl=63)  # type: ignore[union-attr]
        check(simulated, member, answer, out.at(way))


@ANY_WORLD
@given(worlds(), SEEDS)
def test_spent_tagged_or_forged_packets_go_nowhere(world: World, seed: int) -> None:
    anew = fabric(world)
    for source, _, datagram in some(seed, from_members(world)):
        far = replace(datagram, dst=FAR[datagram.dst.version])
        router = datagram.link.dst
        spoilt = [replace(far, ttl=ttl).frame() for ttl in (0, 1)]
        spoilt += [frames.tagged(datagram.frame(), vid) for vid in (0, 7)]
        spoilt.append(replace(far, link=Link(router, router)).frame())
        others = [one for one in world.members if one is not source and one.mac != source.mac]  # type: ignore[union-attr]
        for other in others:
            spoilt.append(replace(far, link=Link(other.mac, router)).frame())
        spoilt += [
            replace(far, src=address).frame()
            for address in addresses(world)
            if address.version == far.src.version and address not in source.addresses  # type: ignore[union-attr]
        ]
        for frame in spoilt:
            assert sent(anew, source, frame) == set()
    for way, _, datagram in some(seed, from_outside(world)):
        assert sent(anew, way, replace(datagram, ttl=1).frame()) == set()
        assert sent(anew, way, frames.tagged(datagram.frame(), 0)) == set()


@ANY_WORLD
@given(worlds(), SEEDS)
def test_who_asks_for_an_address_is_answered_or_everybody_hears_him(world: World, seed: int) -> None:
    anew = fabric(world)
    pairs = [(source, target) for source in world.members for target in addresses(world)]
    for source, target in random.Random(seed).sample(pairs, min(TRIED, len(pairs))):
        if target.is_multicast or target.is_link_local or target.is_loopback:
            continue
        for own in (one for one in source.addresses if one.version == target.version):
            mac, heard = asks(world, source, target)
            if isinstance(target, IPv4Address):
                question = frames.arp_request(source.mac, int(own), target)
                answer = None if mac is None else frames.arp_reply(Link(mac, source.mac), int(target), int(own))
            else:
                assert isinstance(own, IPv6Address)
                question = frames.neighbour_solicitation(source.mac, own, target, source.mac)
                answer = None if mac is None else advertisement(world, source, own, target, mac)
            found = sent(anew, source, question)
            meant = {(switch, port, question.to_bytes()) for switch, port in heard}
            if answer is not None:
                meant.add((source.switch, source.port, answer.to_bytes()))
            assert found == meant, anew.inject(source.switch, source.port, question).text()


def advertisement(world: World, source: Member, own: IPv6Address, target: IPv6Address, mac: int) -> Packet:
    """The answer to a solicitation; a router says that it is one (RFC 4861, 4.4)."""
    plain = frames.neighbour_advertisement(Link(mac, source.mac), target, target, own, mac)
    is_router = any(mac == router_mac(the(world, ref).number) for ref in source.networks)
    if not is_router:
        return plain
    message = bytearray(plain.payload[40:])
    message[2:5] = bytes((0, 0, 0xE0))
    return frames.icmpv6(Link(mac, source.mac), target, own, bytes(message), 255)


@ANY_WORLD
@given(worlds())
def test_what_is_asked_outside_is_answered_for_our_addresses_alone(world: World) -> None:
    anew = fabric(world)
    for way in world.ways:
        for target in [*addresses(world), *way.own]:
            if target.is_multicast or target.is_loopback:
                continue
            mac = answered_outside(world, way, target)
            asker = ip_address("203.0.113.1") if target.version == 4 else ip_address("2001:db8:ff::1")
            if isinstance(target, IPv4Address):
                question = frames.arp_request(way.hop, int(asker), target)
                answer = None if mac is None else frames.arp_reply(Link(mac, way.hop), target, int(asker))
            else:
                question = frames.neighbour_solicitation(way.hop, int(asker), target, way.hop)
                answer = None
                if mac is not None:
                    plain = frames.neighbour_advertisement(Link(mac, way.hop), target, target, int(asker), mac)
                    message = bytearray(plain.payload[40:])
                    message[2:5] = bytes((0, 0, 0xE0))
                    answer = frames.icmpv6(Link(mac, way.hop), target, int(asker), bytes(message), 255)
            meant = {(way.switch, way.port, answer.to_bytes())} if answer is not None else set()
            assert sent(anew, way, question) == meant, anew.inject(way.switch, way.port, question).text()


@ANY_WORLD
@given(worlds())
def test_what_a_network_is_asked_for_its_members_alone_its_switch_tells_and_nobody_hears(world: World) -> None:
    """DHCP and router solicitations, where the network gives addresses (RFC 2131, RFC 8415, RFC 4861)."""
    anew = fabric(world)
    for source in world.members:
        order = sorted((the(world, ref) for ref in source.networks), key=lambda network: network.number)
        discover = frames.ipv4_udp(Link(source.mac, 0xFFFFFFFFFFFF), 0, 0xFFFFFFFF, (68, 67), b"discover")
        own = next((one for one in source.addresses if one.version == 6), None)
        solicits = frames.icmpv6(
            Link(source.mac, 0x3333_0000_0002), own or 0, "ff02::2", bytes((133, 0, 0, 0, 0, 0, 0, 0)), 255
        )
        for version, frame in ((4, discover), (6, solicits)):
            hearing = {
                (member.switch, member.port)
                for network in order
                if not any(subnet.prefix.version == version and subnet.dhcp for subnet in network.subnets)
                for member in world.members
                if network.ref in member.networks and member is not source
            }
            found = {(switch, port) for switch, port, _ in sent(anew, source, frame)}
            assert found <= hearing, anew.inject(source.switch, source.port, frame).text()
            if len(order) == 1:
                assert found == hearing
