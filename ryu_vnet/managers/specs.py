"""Values of the model in the language of requests: what a request has to say so that they become just these."""

from __future__ import annotations

from ..fabric.declared import Outside, Uplink
from ..fabric.tunnels import Tunnel
from ..model.outside import Exit, Subnet
from ..model.routing import EVERYTHING, Access, Router
from ..model.traffic import Term, format_ethertype, format_ports, format_protocol
from ..model.values import Network
from ..schema import (
    AccessSpec,
    ExitSpec,
    NetworkSpec,
    OutsideSpec,
    RouterSpec,
    RuleSpec,
    SubnetSpec,
    TrafficSpec,
    TunnelSpec,
    UplinkSpec,
)
from .limits import exit_bandwidth_spec


def network_spec(network: Network) -> NetworkSpec:
    """What `requests.put_network` makes this network of."""
    traffic = [_traffic_spec(term) for term in network.traffic]
    return NetworkSpec(
        tagged=network.tagged,
        traffic=traffic,
        reserve=[*network.reserve],
        subnets=[_subnet_spec(subnet) for subnet in network.subnets],
        outside=_exit_spec(network.exit) if network.exit is not None else None,
    )


def _subnet_spec(subnet: Subnet) -> SubnetSpec:
    gateway = "first" if subnet.gateway == subnet.prefix[1] else subnet.gateway and str(subnet.gateway)
    dns = [str(server) for server in subnet.dns]
    return SubnetSpec(prefix=str(subnet.prefix), gateway=gateway, dns=dns, dhcp=subnet.dhcp)


def _exit_spec(way_out: Exit) -> ExitSpec:
    return ExitSpec(
        network=way_out.outside,
        gateways=[*way_out.gateways],
        address=str(way_out.address) if way_out.address is not None else None,
        ports=format_ports(way_out.ports) if way_out.ports is not None else None,
        prefix=str(way_out.prefix) if way_out.prefix is not None else None,
        bandwidth=exit_bandwidth_spec(way_out.bandwidth),
        connections=way_out.connections,
    )


def router_spec(router: Router) -> RouterSpec:
    """What `routers.put_router` makes this router of."""
    own = f"{router.tenant}/"
    rules = [
        RuleSpec(
            source=rule.source.removeprefix(own),
            target=rule.target.removeprefix(own),
            allow=[] if rule.access == (EVERYTHING,) else [_access_spec(access) for access in rule.access],
        )
        for rule in router.rules
    ]
    return RouterSpec(networks=[ref.removeprefix(own) for ref in router.networks], rules=rules)


def _access_spec(access: Access) -> AccessSpec:
    return AccessSpec(
        protocol=format_protocol(access.protocol) if access.protocol else None,
        port=format_ports(access.ports) if access.ports != EVERYTHING.ports else None,
    )


def uplink_spec(uplink: Uplink) -> UplinkSpec:
    """What `outside.uplinks_of` makes this uplink of."""
    return UplinkSpec(outside=uplink.outside, addresses=[str(own) for own in uplink.addresses])


def tunnel_spec(tunnel: Tunnel) -> TunnelSpec:
    """What `sites.tunnels_of` makes this tunnel port of."""
    return TunnelSpec(protocol=tunnel.protocol.value, address=str(tunnel.address), mtu=tunnel.mtu)


def outside_spec(outside: Outside) -> OutsideSpec:
    """What `outside.outsides_of` makes this outside network of."""
    return OutsideSpec(
        addresses=[*map(str, outside.addresses)],
        next_hops=[*map(str, outside.next_hops)],
        mtu=outside.mtu,
        connections=outside.connections,
    )


def _traffic_spec(term: Term) -> TrafficSpec:
    return TrafficSpec(
        ethertype=format_ethertype(term.ethertype) if term.ethertype is not None else None,
        protocol=format_protocol(term.protocol) if term.protocol is not None else None,
        port=format_ports(term.ports) if term.ports else None,
        source_port=format_ports(term.source_ports) if term.source_ports else None,
        destination_port=format_ports(term.destination_ports) if term.destination_ports else None,
        dscp=term.dscp,
    )
