"""Values of the model in the language of requests: what a request has to say so that they become just these."""

from __future__ import annotations

from ..model.traffic import Term, format_ethertype, format_ports, format_protocol
from ..model.values import Network
from ..schema import NetworkSpec, TrafficSpec


def network_spec(network: Network) -> NetworkSpec:
    """What `requests.put_network` makes this network of."""
    traffic = [_traffic_spec(term) for term in network.traffic]
    return NetworkSpec(tagged=network.tagged, traffic=traffic, reserve=[*network.reserve])


def _traffic_spec(term: Term) -> TrafficSpec:
    return TrafficSpec(
        ethertype=format_ethertype(term.ethertype) if term.ethertype is not None else None,
        protocol=format_protocol(term.protocol) if term.protocol is not None else None,
        port=format_ports(term.ports) if term.ports else None,
        source_port=format_ports(term.source_ports) if term.source_ports else None,
        destination_port=format_ports(term.destination_ports) if term.destination_ports else None,
        dscp=term.dscp,
    )
