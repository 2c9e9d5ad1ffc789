"""Who is to receive what, said once more and as plainly as can be: from the intent alone, frame by frame."""

from __future__ import annotations

from collections.abc import Iterable

from drawn import Endpoint

from ryu_vnet.compiler import fields as f
from ryu_vnet.managers.system import System
from ryu_vnet.model.traffic import Term
from ryu_vnet.model.values import Network
from ryu_vnet.verify.header_fields import field_value
from ryu_vnet.verify.packet import Packet

PORTS = {6: (f.TCP_SRC, f.TCP_DST), 17: (f.UDP_SRC, f.UDP_DST)}


def in_order(system: System, networks: Iterable[str]) -> list[Network]:
    """Networks with a class first, then the older first."""
    found = [network for ref in networks if (network := system.model.network(ref)) is not None]
    return sorted(found, key=lambda network: (not network.traffic, network.number))


def takes(network: Network, frame: Packet) -> bool:
    """Whether a network is for a frame."""
    kind = field_value(frame, f.ETH_TYPE)
    if not network.traffic or kind in (0x0806, 0x8035):
        return True
    if field_value(frame, f.IP_PROTO) == 58 and field_value(frame, f.ICMPV6_TYPE) in (133, 134, 135, 136):
        return kind == 0x86DD or any(belongs(term, frame) for term in network.traffic)
    return any(belongs(term, frame) for term in network.traffic)


def belongs(term: Term, frame: Packet) -> bool:
    """Whether a frame is as a term of a class says."""
    kind, protocol = field_value(frame, f.ETH_TYPE), field_value(frame, f.IP_PROTO)
    fragment = field_value(frame, f.IP_FRAG)
    if term.ethertype is not None and kind != term.ethertype:
        return False
    if term.dscp is not None and (kind not in (0x0800, 0x86DD) or field_value(frame, f.IP_DSCP) != term.dscp):
        return False
    if term.protocol is None:
        return True
    if {1: 0x0800, 58: 0x86DD}.get(term.protocol, kind) != kind or kind not in (0x0800, 0x86DD):
        return False
    if kind == 0x86DD and fragment == 3 and protocol == 44:
        return True  # It does not say of what it is a fragment.
    if protocol != term.protocol or fragment:
        return protocol == term.protocol
    source, destination = (field_value(frame, field) or 0 for field in PORTS.get(protocol, (f.TCP_SRC, f.TCP_DST)))
    if term.ports is not None:
        return any(term.ports[0] <= port <= term.ports[1] for port in (source, destination))
    pairs = ((term.source_ports, source), (term.destination_ports, destination))
    return all(ports is None or ports[0] <= port <= ports[1] for ports, port in pairs)


def goes_out_on(system: System, ends: Iterable[Endpoint], source: Endpoint, frame: Packet) -> Network | None:
    """The network of a frame for one: the first that takes it and has somebody with that address."""
    for network in in_order(system, source.networks):
        if takes(network, frame) and any(network.ref in end.networks and end.mac == frame.eth_dst for end in ends):
            return network
    return None


def receivers(system: System, ends: Iterable[Endpoint], source: Endpoint, frame: Packet) -> list[tuple[str, int]]:
    """The ports where a frame must arrive, each once, sorted."""
    ends = list(ends)
    if frame.eth_dst >> 40 & 1:
        shared = {network.ref for network in in_order(system, source.networks) if takes(network, frame)}
        found = [end for end in ends if shared & end.networks]
    else:
        network = goes_out_on(system, ends, source, frame)
        found = [end for end in ends if network and network.ref in end.networks and end.mac == frame.eth_dst]
    return sorted((end.switch, end.port) for end in found if end is not source)
