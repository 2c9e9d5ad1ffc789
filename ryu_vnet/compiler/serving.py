"""The rows of networks with subnets where their members are: what is answered for them, and where they are routed.

Whoever asks for the address of a member or of the router (ARP, neighbour discovery) is answered by his own switch, and
nobody else is bothered. What he asks of the router (DHCP, router solicitations) the controller is told. The rows for a
member are at every switch of its network: that is what it costs that nothing is broadcast.

What is sent to the router for a network that it routes to becomes that network's here, if it may pass, and goes
straight to whose address it is: there is no other switch in between that has to route. A switch sees no ports in
fragments: these pass where a protocol may pass whatever its ports, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from ..model.names import link_local
from ..model.outside import Address, Subnet, router_mac
from ..model.routing import Access
from ..model.values import Interface, Network
from . import fields as f
from .answers import (
    advertise_rows,
    arp_reply,
    arp_request,
    echo_reply,
    echo_request,
    solicitation,
    solicited,
)
from .pipeline import (
    ADVERTISE,
    ANSWER,
    FORWARD,
    INTERFACE_REG,
    NETWORK_REG,
    RESOLVE,
    ROUTE,
    SERVICES_METER,
    TAG_REG,
    TOLD_PACKET,
    TOLD_WHOLE,
    TROUBLE_METER,
)
from .prefixes import destination, family, source
from .rows import (
    CONTROLLER_PORT,
    IN_PORT_PORT,
    Action,
    DecTtl,
    FieldMatch,
    Meter,
    Origin,
    Output,
    Row,
    SetField,
    Subject,
)
from .source import DHCP_CLIENT, DHCP_SERVER, ICMPV6, IPV4, IPV6, UDP
from .traffic import port_range

ICMP, TCP, SCTP = 1, 6, 132
DHCP6_CLIENT, DHCP6_SERVER = 546, 547
ALL_DHCP_SERVERS = int(IPv6Address("ff02::1:2"))
ROUTER_SOLICITATION = 133
ROUTERS_SAY = (134, 137)
"""ICMPv6 types of router advertisement and redirect (RFC 4861, 4.2 and 4.5)."""
_ACK = 1 << 4
_ANY_PORTS = (0, 0xFFFF)
_PORTS = {TCP: (f.TCP_SRC, f.TCP_DST), UDP: (f.UDP_SRC, f.UDP_DST), SCTP: (f.SCTP_SRC, f.SCTP_DST)}
_REPLIES = {4: (0, 3, 11, 12), 6: (1, 2, 3, 4, 129)}
"""ICMP types that answer something, by version of IP (RFC 792; RFC 4443)."""


class Served(NamedTuple):
    """What the rows of a network at a switch of its members follow from, whoever these are."""

    network: Network
    number: int
    """Of the network, or of a combination of which it is the last."""
    is_routed: bool
    """Whether it is routed to other networks."""


def serve_rows(served: Served) -> Iterator[Row]:
    """What the router of a network answers, and what the controller is told."""
    network, origin = served.network, Origin(Subject.NETWORK, served.number)
    mine, mac = FieldMatch(NETWORK_REG.field, served.number), router_mac(network.number)
    onward = ROUTE if served.is_routed and served.number == network.number else FORWARD
    yield ANSWER.row("other", [mine], [], onward, origin)
    has_six = False
    for subnet in network.subnets:
        if subnet.gateway is not None:
            yield _address_row("router", mine, mac, subnet.gateway, origin, is_router=True)
            asked = [mine, FieldMatch(f.ETH_DST, mac), *echo_request(subnet.gateway)]
            yield ANSWER.row("router", asked, [*echo_reply(mac, subnet.gateway), Output(IN_PORT_PORT)], None, origin)
        if subnet.dhcp:
            has_six |= subnet.prefix.version == 6
            for conditions in _dhcp(subnet):
                yield ANSWER.row("told", [mine, *conditions], _told(SERVICES_METER, TOLD_WHOLE), None, origin)
            yield ANSWER.row("rogue", [mine, *_from_server(subnet.prefix.version)], [], None, origin)
    if has_six:
        solicits = [
            FieldMatch(f.ETH_TYPE, IPV6),
            FieldMatch(f.IP_PROTO, ICMPV6),
            FieldMatch(f.ICMPV6_TYPE, ROUTER_SOLICITATION),
        ]
        yield ANSWER.row("told", [mine, *solicits], _told(SERVICES_METER, TOLD_WHOLE), None, origin)
        for said in ROUTERS_SAY:
            # Members are told of their router by the controller, and by nobody else.
            advertised = [
                FieldMatch(f.ETH_TYPE, IPV6),
                FieldMatch(f.IP_PROTO, ICMPV6),
                FieldMatch(f.ICMPV6_TYPE, said),
            ]
            yield ANSWER.row("rogue", [mine, *advertised], [], None, origin)
        # Who heard a router advertise itself sends to its link-local address.
        yield _address_row("router", mine, mac, link_local(mac)[0], origin, is_router=True)


def standing_rows(origin: Origin) -> Iterator[Row]:
    """What holds for all networks at every switch that has members."""
    yield from advertise_rows(origin)
    # What has a tag of a member's own is no question, and is not routed.
    tagged = FieldMatch(f.VLAN_VID, f.VLAN_PRESENT, f.VLAN_PRESENT)
    yield ANSWER.row("tagged", [tagged], [], FORWARD, origin)


def member_rows(network: Network, interface: Interface, addresses: list[Address], *, is_here: bool) -> Iterator[Row]:
    """What is answered for a member at a switch of its network. `is_here`: it runs on that switch, and what it says of
    its own address itself is for everybody."""
    origin, mine = Origin(Subject.INTERFACE, interface.number), FieldMatch(NETWORK_REG.field, network.number)
    for address in addresses:
        yield _address_row("member", mine, interface.mac, address, origin, is_router=False)
        if is_here and isinstance(address, IPv4Address):
            own = [mine, FieldMatch(INTERFACE_REG.field, interface.number), *arp_request(address)]
            yield ANSWER.row("own", own, [], FORWARD, origin)


def _address_row(band: str, mine: FieldMatch, mac: int, address: Address, origin: Origin, *, is_router: bool) -> Row:
    if isinstance(address, IPv4Address):
        reply: list[Action] = [*arp_reply(mac, address), Output(IN_PORT_PORT)]
        return ANSWER.row(band, [mine, *arp_request(address)], reply, None, origin)
    return ANSWER.row(band, [mine, *solicitation(address)], solicited(mac, is_router=is_router), ADVERTISE, origin)


def _dhcp(subnet: Subnet) -> Iterator[list[FieldMatch]]:
    """What clients of DHCP send to everybody, and to their server, which the router is (RFC 2131, 4.1; RFC 8415, 7)."""
    if subnet.prefix.version == 4:
        to = [0xFFFF_FFFF, *((int(subnet.gateway),) if subnet.gateway is not None else ())]
        family, destination, ports = IPV4, f.IPV4_DST, (DHCP_CLIENT, DHCP_SERVER)
    else:
        to, family, destination, ports = [ALL_DHCP_SERVERS], IPV6, f.IPV6_DST, (DHCP6_CLIENT, DHCP6_SERVER)
    for address in to:
        yield [FieldMatch(f.ETH_TYPE, family), FieldMatch(destination, address), *_udp(*ports)]


def _from_server(version: int) -> list[FieldMatch]:
    """What only a DHCP server sends."""
    ports = (DHCP_SERVER, DHCP_CLIENT) if version == 4 else (DHCP6_SERVER, DHCP6_CLIENT)
    return [FieldMatch(f.ETH_TYPE, IPV4 if version == 4 else IPV6), *_udp(*ports)]


def _udp(source: int, destination: int) -> list[FieldMatch]:
    return [FieldMatch(f.IP_PROTO, UDP), FieldMatch(f.UDP_SRC, source), FieldMatch(f.UDP_DST, destination)]


def _told(meter: int, most: int) -> list[Action]:
    return [Meter(meter), Output(CONTROLLER_PORT, most)]


# --- routing ----------------------------------------------------------------------------------------------------------


class Passage(NamedTuple):
    """From a network to another, on a switch of the first: what may begin, and what may that answers."""

    target: Network
    tag: int
    """The target's tag in the segment of the switch; 0 where it has none."""
    begins: tuple[Access, ...]
    answers: tuple[Access, ...]


def pass_rows(network: Network, passages: list[Passage]) -> Iterator[Row]:
    """What becomes of what a network's router is sent."""
    origin = Origin(Subject.NETWORK, network.number)
    mine = FieldMatch(NETWORK_REG.field, network.number)
    to_router = [mine, FieldMatch(f.ETH_DST, router_mac(network.number))]
    yield ROUTE.row("other", [mine], [], FORWARD, origin)
    for passage in passages:
        for subnet in passage.target.subnets:
            own = next((own for own in network.subnets if own.prefix.version == subnet.prefix.version), None)
            if own is None or own.gateway is None:
                continue
            # Who may send from other addresses as well does so in his own network alone.
            there = [*to_router, family(subnet.prefix.version), source(own.prefix), destination(subnet.prefix)]
            tell = _told(TROUBLE_METER, TOLD_PACKET)
            for spent in (0, 1):
                yield ROUTE.row("spent", [*there, FieldMatch(f.IP_TTL, spent)], tell, None, origin)
            yield ROUTE.row("refused", there, [], None, origin)
            onward: list[Action] = [
                DecTtl(),
                SetField(NETWORK_REG.field, passage.target.number),
                SetField(TAG_REG.field, passage.tag),
            ]
            for conditions in _allowed(passage, subnet.prefix.version):
                yield ROUTE.row("allowed", [*there, *conditions], onward, RESOLVE, origin)


def _allowed(passage: Passage, version: int) -> list[tuple[FieldMatch, ...]]:
    """Each kind of packets that may pass, once."""
    found: dict[tuple[FieldMatch, ...], None] = {}
    for access in passage.begins:
        found.update(dict.fromkeys(_begins(access, version)))
    for access in passage.answers:
        found.update(dict.fromkeys(_answers(access, version)))
    return [*found]


def _begins(access: Access, version: int) -> Iterator[tuple[FieldMatch, ...]]:
    if not access.protocol:
        yield ()
        return
    protocol = _protocol(access.protocol, version)
    if access.protocol not in _PORTS or access.ports == _ANY_PORTS:
        yield (protocol,)
        return
    _, to = _PORTS[access.protocol]
    yield from ((protocol, port) for port in port_range(to, access.ports))


def _answers(access: Access, version: int) -> Iterator[tuple[FieldMatch, ...]]:
    """What answers something that may pass the other way."""
    protocols = (access.protocol,) if access.protocol else (TCP, UDP, SCTP, ICMP)
    for number in protocols:
        protocol = _protocol(number, version)
        if number == ICMP:
            kind = f.ICMPV4_TYPE if version == 4 else f.ICMPV6_TYPE
            for reply in _REPLIES[version]:
                # Fragments have no type that a switch sees: it takes them for the type 0.
                whole = (FieldMatch(f.IP_FRAG, 0),) if reply == 0 else ()
                yield protocol, *whole, FieldMatch(kind, reply)
        elif number not in _PORTS:
            yield (protocol,)
        else:
            established = (FieldMatch(f.TCP_FLAGS, _ACK, _ACK),) if number == TCP else ()
            if access.ports == _ANY_PORTS:
                yield protocol, *established
                continue
            came_from, _ = _PORTS[number]
            yield from ((protocol, *established, port) for port in port_range(came_from, access.ports))
    if access.protocol and access.protocol != ICMP:
        # Errors about what began there.
        kind = f.ICMPV4_TYPE if version == 4 else f.ICMPV6_TYPE
        errors = [reply for reply in _REPLIES[version] if reply not in (0, 129)]
        yield from ((_protocol(ICMP, version), FieldMatch(kind, error)) for error in errors)


def _protocol(number: int, version: int) -> FieldMatch:
    return FieldMatch(f.IP_PROTO, ICMPV6 if number == ICMP and version == 6 else number)
