"""What a machine is answered that asks for its addresses and routers: DHCP, DHCPv6, router solicitations.

All of it follows from the model, and nothing is remembered: the addresses of an interface are its own, asked for or
given (see `leases`), so there is nobody to agree with and nothing to release. Every controller answers the same, before
and after a restart.

IPv6 addresses are to be had both ways, and are the same: prefixes are announced for machines to form addresses in (A),
and DHCPv6 has the addresses too (M, O). Where an interface may not send from the address that it would form, as it was
asked to have another, it is not told to form one. What is announced to a whole network is for all of them: there A is
only set where it is right for everybody.

Lifetimes outlast a controller that is away. A prefix stays as long as nobody says otherwise; a router for 18 hours,
which is the longest that can be said (RFC 8319); what DHCP gives for a day, of which half is left when it is asked for
again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from ..model.names import link_local, link_local_bytes
from ..model.outside import Subnet, router_mac
from ..model.values import Interface, Network
from ..services import dhcp, dhcp6, frames, router
from ..services.frames import BROADCAST, IPV4, IPV6, UDP, Packet

LEASE_SECONDS = 24 * 60 * 60
FOR_EVER = 0xFFFFFFFF
ROUTER_SECONDS = 0xFFFF
MOST_SERVERS = 8
"""Servers of names that are told of each version of IP."""
NO_ROUTER = IPv4Address("169.254.0.1")
"""By what a DHCP server calls itself in a network without a router. Nobody has it: a client asks it in vain to stay,
and then everybody (RFC 2131, 4.4.5), which is heard."""
_EVERYBODY = IPv4Address("255.255.255.255")
_IDENTIFIER = (1 << 64) - 1
"""The bits of an address that a machine forms itself."""


class Service(Enum):
    """What is answered."""

    DHCP = "dhcp"
    DHCP6 = "dhcpv6"
    ROUTER = "router"

    @property
    def word(self) -> str:
        """What it is called where it is counted."""
        return self.value


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes out of the port that the question came in by."""

    service: Service
    frame: bytes


def reply(packet: Packet, network: Network, interface: Interface, mtu: int) -> Reply | None:
    """What an interface is answered in a network, in which `mtu` is that of nodes, in bytes of IP. None where it is
    nothing: the question is none, or is for somebody else, or there is nothing to say."""
    if packet.from_mac != interface.known_mac:
        return None
    datagram = frames.datagram(packet)
    if datagram is None:
        frame = _solicited(packet, network, interface, mtu)
        return Reply(Service.ROUTER, frame) if frame is not None else None
    ports = datagram.source, datagram.destination
    if packet.source.version == 4 and ports == (dhcp.CLIENT_PORT, dhcp.SERVER_PORT):
        subnet = served(network, 4)
        asked = dhcp.asked(datagram.payload)
        if subnet is None or asked is None or asked.mac != packet.from_mac:
            return None
        frame = _dhcp(packet, asked, network, subnet, interface, mtu)
        return Reply(Service.DHCP, frame) if frame is not None else None
    if packet.source.version == 6 and ports == (dhcp6.CLIENT_PORT, dhcp6.SERVER_PORT):
        frame = _dhcp6(packet, datagram.payload, network, interface)
        return Reply(Service.DHCP6, frame) if frame is not None else None
    return None


def served(network: Network, version: int) -> Subnet | None:
    """The subnet of a version of IP whose addresses members are told of."""
    return next((subnet for subnet in network.subnets if subnet.dhcp and subnet.prefix.version == version), None)


def _own(interface: Interface, subnet: Subnet) -> list[IPv4Address | IPv6Address]:
    """The single addresses of an interface in a subnet, in order."""
    singles = {prefix[0] for prefix in interface.sources if prefix.prefixlen == prefix.max_prefixlen}
    return sorted((address for address in singles if address in subnet), key=int)


# --- DHCP -------------------------------------------------------------------------------------------------------------


def _dhcp(
    packet: Packet, asked: dhcp.Asked, network: Network, subnet: Subnet, interface: Interface, mtu: int
) -> bytes | None:
    own = [address for address in _own(interface, subnet) if isinstance(address, IPv4Address)]
    server = subnet.gateway if isinstance(subnet.gateway, IPv4Address) else NO_ROUTER
    if not own or not isinstance(subnet.prefix, IPv4Network) or packet.destination not in (_EVERYBODY, server):
        return None
    wanted = asked.requested or asked.has
    address = wanted if wanted in own else own[0]
    kind = _kind(asked, own, server)
    if kind is None:
        return None
    gateway = subnet.gateway if isinstance(subnet.gateway, IPv4Address) else None
    dns = tuple(one for one in subnet.dns if isinstance(one, IPv4Address))[:MOST_SERVERS]
    is_given = kind is not dhcp.Kind.NAK and asked.kind is not dhcp.Kind.INFORM
    seconds = LEASE_SECONDS if is_given else None
    given = dhcp.Given(server, subnet.prefix, gateway, dns, mtu, seconds)
    payload = dhcp.answer(kind, asked, address if is_given else None, given)
    # RFC 2131, 4.1: to the address that the client has, or can hear already; else to everybody, who is one here.
    is_for_all = kind is dhcp.Kind.NAK or (asked.has is None and asked.wants_broadcast)
    to = _EVERYBODY if is_for_all else asked.has or address
    segment = frames.udp(server, to, (dhcp.SERVER_PORT, dhcp.CLIENT_PORT), payload)
    mac = BROADCAST if to == _EVERYBODY else interface.mac
    return frames.ethernet(mac, router_mac(network.number), IPV4, frames.ip(server, to, UDP, segment))


def _kind(asked: dhcp.Asked, own: list[IPv4Address], server: IPv4Address) -> dhcp.Kind | None:
    """What kind of answer a client gets (RFC 2131, 4.3); None where it gets none."""
    match asked.kind:
        case dhcp.Kind.DISCOVER:
            return dhcp.Kind.OFFER
        case dhcp.Kind.INFORM:
            return dhcp.Kind.ACK if asked.has in own else None
        case dhcp.Kind.REQUEST:
            wanted = asked.requested or asked.has
            if wanted is None or asked.server not in (None, server):
                return None
            return dhcp.Kind.ACK if wanted in own else dhcp.Kind.NAK
        case _:
            # An address that is given back, or refused, is his all the same.
            return None


# --- DHCPv6 -----------------------------------------------------------------------------------------------------------


def _dhcp6(packet: Packet, payload: bytes, network: Network, interface: Interface) -> bytes | None:
    subnet, mac = served(network, 6), router_mac(network.number)
    server = dhcp6.link_layer_identifier(mac)
    asked = dhcp6.asked(payload, server)
    if subnet is None or asked is None or packet.destination != dhcp6.ALL_SERVERS:
        return None
    if not (isinstance(packet.source, IPv6Address) and packet.source.is_link_local):
        return None
    own = tuple(address for address in _own(interface, subnet) if isinstance(address, IPv6Address))
    dns = tuple(one for one in subnet.dns if isinstance(one, IPv6Address))[:MOST_SERVERS]
    named = {address for association in asked.associations for address in association.named}
    on_link = {address for address in named if address in subnet}
    answer = dhcp6.answer(asked, dhcp6.Given(server, own, dns, LEASE_SECONDS), on_link)
    if answer is None:
        return None
    source = link_local(mac)[0]
    segment = frames.udp(source, packet.source, (dhcp6.SERVER_PORT, dhcp6.CLIENT_PORT), answer)
    return frames.ethernet(interface.mac, mac, IPV6, frames.ip(source, packet.source, UDP, segment))


# --- routers ----------------------------------------------------------------------------------------------------------


def _solicited(packet: Packet, network: Network, interface: Interface, mtu: int) -> bytes | None:
    subnet = served(network, 6)
    if subnet is None or not isinstance(packet.source, IPv6Address) or not router.is_solicitation(packet):
        return None
    to = router.ALL_NODES if packet.source.is_unspecified else packet.source
    said = advertisement(network, mtu, is_free=may_form(interface, subnet))
    return _advertised(network, interface.mac, to, said)


def announcement(network: Network, mtu: int, gone: tuple[IPv6Network, ...], *, is_free: bool) -> bytes:
    """The frame that tells all members of a network of its router and prefixes, and those prefixes that are `gone`."""
    said = advertisement(network, mtu, gone, is_free=is_free)
    return _advertised(network, 0x3333_0000_0001, router.ALL_NODES, said)


def _advertised(network: Network, to_mac: int, to: IPv6Address, said: router.Advertisement) -> bytes:
    mac = router_mac(network.number)
    source = IPv6Address(link_local_bytes(mac))
    return frames.ethernet(to_mac, mac, IPV6, router.advertisement(mac, source, to, said))


def advertisement(
    network: Network, mtu: int, gone: tuple[IPv6Network, ...] = (), *, is_free: bool
) -> router.Advertisement:
    """What a network's router says. `is_free`: machines may form addresses in its prefix."""
    subnet = served(network, 6)
    prefixes = [router.Announced(prefix, 0, 0, is_free=True) for prefix in gone]
    if subnet is None or not isinstance(subnet.prefix, IPv6Network):
        return router.Advertisement(0, False, mtu, tuple(prefixes))
    can_form = is_free and subnet.prefix.prefixlen == 64
    prefixes.append(router.Announced(subnet.prefix, FOR_EVER, FOR_EVER, can_form))
    lifetime = ROUTER_SECONDS if subnet.gateway is not None else 0
    dns = tuple(one for one in subnet.dns if isinstance(one, IPv6Address))[:MOST_SERVERS]
    return router.Advertisement(lifetime, True, mtu, tuple(prefixes), dns, ROUTER_SECONDS)


def may_form(interface: Interface, subnet: Subnet) -> bool:
    """Whether an interface may send from the address that it forms itself in a subnet (RFC 4862, 5.5.3)."""
    formed = IPv6Address(int(subnet.prefix.network_address) | _identifier(interface))
    return not interface.sources or any(formed in prefix for prefix in interface.sources if prefix.version == 6)


def is_fixed(interface: Interface) -> bool:
    """Whether an interface was asked to have an IPv6 address other than what it would form itself."""
    singles = [p[0] for p in interface.ips if p.version == 6 and p.prefixlen == p.max_prefixlen]
    return any(not one.is_link_local and int(one) & _IDENTIFIER != _identifier(interface) for one in singles)


def _identifier(interface: Interface) -> int:
    mac = interface.known_mac
    return int.from_bytes(link_local_bytes(mac)[8:], "big") if mac is not None else 0
