"""Rows that decide who sent a frame: the stages SOURCE and NEIGHBOUR.

Nothing passes unless a row says so. An interface whose addresses are not known is treated as if it had the two
prefixes that contain every address, so that there is one set of rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network

from ..model.names import Prefix, link_local
from ..model.values import Interface
from . import fields as f
from .pipeline import INTERFACE_REG, NEIGHBOUR, NETWORK, SITE_REG, SOURCE, Stage
from .rows import CONTROLLER_PORT, Action, FieldMatch, Origin, Output, Row, SetField, Subject

IPV4, ARP, RARP, IPV6 = 0x0800, 0x0806, 0x8035, 0x86DD
MPLS_UNICAST, MPLS_MULTICAST = 0x8847, 0x8848
UDP, ICMPV6 = 17, 58
DHCP_SERVER, DHCP_CLIENT = 67, 68
SOLICITATION, ADVERTISEMENT = 135, 136
"""ICMPv6 types of neighbour solicitation and advertisement (RFC 4861, 4.3 and 4.4)."""
UNSPECIFIED_ALLOWED = (131, 132, 133, 143)
"""ICMPv6 types that a node may send before it has an address: multicast listener reports and done (RFC 3590,
RFC 3810 5.2.13), router solicitation (RFC 4861 4.1)."""

_ANY: tuple[Prefix, ...] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))


def standing_rows(origin: Origin) -> Iterator[Row]:
    """What holds at every access port of a switch."""
    for mpls in (MPLS_UNICAST, MPLS_MULTICAST):
        # A label of a node's own would be taken for one of ours: refused, and counted by this row.
        yield SOURCE.row("refuse", [FieldMatch(f.ETH_TYPE, mpls)], (), None, origin)
    for family in (IPV4, ARP, RARP, IPV6):
        yield SOURCE.row("family", [FieldMatch(f.ETH_TYPE, family)], (), None, origin)
    for discovery in (SOLICITATION, ADVERTISEMENT):
        # Open vSwitch zeroes all three fields of a message whose options it cannot read (a doubled option, say).
        yield _discovery("refuse", discovery, [FieldMatch(f.ND_TARGET, 0)], None, origin)
        yield _discovery("discovery", discovery, [], None, origin)
    # Of a fragment no switch sees which ICMPv6 message it is, and discovery is never in fragments (RFC 6980).
    fragment = [FieldMatch(f.ETH_TYPE, IPV6), FieldMatch(f.IP_PROTO, ICMPV6), FieldMatch(f.IP_FRAG, 1, 1)]
    yield NEIGHBOUR.row("refuse", fragment, (), None, origin)
    unspecified = FieldMatch(f.IPV6_SRC, 0)
    for kind in UNSPECIFIED_ALLOWED:
        yield _discovery("unspecified", kind, [unspecified], NETWORK, origin)
    yield NEIGHBOUR.row("unspecified-other", [FieldMatch(f.ETH_TYPE, IPV6), unspecified], (), None, origin)
    yield NEIGHBOUR.row("other", [], (), NETWORK, origin)


def _six(interface: Interface) -> list[IPv6Network]:
    """The IPv6 prefixes that an interface may send from."""
    six = [prefix for prefix in interface.sources or _ANY if isinstance(prefix, IPv6Network)]
    return sorted({*six, link_local(interface.mac)}) if all(prefix.prefixlen for prefix in six) else six


def source_rows(interface: Interface, port: int, tagged: bool, is_told: bool) -> Iterator[Row]:
    """What an interface may send, on its OpenFlow port: rows of stage SOURCE. `tagged`: with 802.1Q tags of its own or
    without. `is_told`: the controller is told of each frame."""
    four = [prefix for prefix in interface.sources or _ANY if isinstance(prefix, IPv4Network)]
    six = _six(interface)
    known = [FieldMatch(f.IN_PORT, port), FieldMatch(f.ETH_SRC, interface.mac)]
    if interface.site_number:
        known.append(FieldMatch(SITE_REG.field, interface.site_number))
    if not tagged:
        known.append(FieldMatch(f.VLAN_VID, 0))

    def row(priority: str, conditions: list[FieldMatch], goto: Stage = NETWORK) -> Row:
        actions: list[Action] = [SetField(INTERFACE_REG.field, interface.number)]
        if is_told:
            # Without a meter, which would drop the frame itself and not just what is told of it.
            actions.insert(0, Output(CONTROLLER_PORT))
        return SOURCE.row(priority, known + conditions, actions, goto, _origin(interface))

    own_hardware = FieldMatch(f.ARP_SHA, interface.mac)
    arp = [FieldMatch(f.ETH_TYPE, ARP), own_hardware]
    for prefix in four:
        yield row("address", [*arp, _prefix_match(f.ARP_SPA, prefix)])
        yield row("address", [FieldMatch(f.ETH_TYPE, IPV4), _prefix_match(f.IPV4_SRC, prefix)])
    if all(prefix.prefixlen for prefix in four):
        # An ARP probe (RFC 5227, 2.1.1) and a DHCP client (RFC 2131, 4.1) have no address yet.
        yield row("address", [*arp, FieldMatch(f.ARP_SPA, 0), FieldMatch(f.ARP_OP, 1)])
        yield row(
            "address",
            [
                FieldMatch(f.ETH_TYPE, IPV4),
                FieldMatch(f.IPV4_SRC, 0),
                FieldMatch(f.IPV4_DST, 0xFFFF_FFFF),
                FieldMatch(f.IP_PROTO, UDP),
                FieldMatch(f.UDP_SRC, DHCP_CLIENT),
                FieldMatch(f.UDP_DST, DHCP_SERVER),
            ],
        )
        # Hypervisors announce a machine that has moved by reverse ARP without an address.
        yield row("address", [FieldMatch(f.ETH_TYPE, RARP), own_hardware, FieldMatch(f.ARP_SPA, 0)])
    else:
        yield row("address", [FieldMatch(f.ETH_TYPE, RARP), own_hardware])
    for prefix6 in six:
        yield row("address", [FieldMatch(f.ETH_TYPE, IPV6), _prefix_match(f.IPV6_SRC, prefix6)], NEIGHBOUR)
    if all(prefix6.prefixlen for prefix6 in six):
        yield row("address", [FieldMatch(f.ETH_TYPE, IPV6), FieldMatch(f.IPV6_SRC, 0)], NEIGHBOUR)
    yield row("other", [])


def neighbour_rows(interface: Interface) -> Iterator[Row]:
    """What an interface may claim in neighbour discovery: rows of stage NEIGHBOUR."""
    origin, six = _origin(interface), _six(interface)
    sender = FieldMatch(INTERFACE_REG.field, interface.number)
    no_option = 0
    for address in (interface.mac, no_option):
        link_layer = [sender, FieldMatch(f.ND_SLL, address)]
        yield _discovery("own", SOLICITATION, link_layer, NETWORK, origin)
    for prefix in six:
        target = _prefix_match(f.ND_TARGET, prefix)
        # Duplicate address detection comes from the unspecified address and names the address it claims.
        probe = [sender, FieldMatch(f.IPV6_SRC, 0), FieldMatch(f.ND_SLL, no_option), target]
        yield _discovery("probe", SOLICITATION, probe, NETWORK, origin)
        for address in (interface.mac, no_option):
            claim = [sender, target, FieldMatch(f.ND_TLL, address)]
            yield _discovery("own", ADVERTISEMENT, claim, NETWORK, origin)


def _discovery(priority: str, kind: int, conditions: list[FieldMatch], goto: Stage | None, origin: Origin) -> Row:
    message = [FieldMatch(f.ETH_TYPE, IPV6), FieldMatch(f.IP_PROTO, ICMPV6), FieldMatch(f.ICMPV6_TYPE, kind)]
    return NEIGHBOUR.row(priority, message + conditions, (), goto, origin)


def _prefix_match(field: f.Field, prefix: Prefix) -> FieldMatch:
    return FieldMatch(field, int(prefix.network_address), int(prefix.netmask))


def _origin(interface: Interface) -> Origin:
    return Origin(Subject.INTERFACE, interface.number)
