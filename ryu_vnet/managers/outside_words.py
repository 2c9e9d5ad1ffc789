"""Subnets, gateways and what is let in, each as a line for people."""

from __future__ import annotations

from ..model.outside import Floating, Forward, Gateway, Subnet
from ..model.traffic import format_ports, format_protocol


def subnet_text(subnet: Subnet) -> str:
    """`10.0.0.0/24, router 10.0.0.1`."""
    parts = [f"router {subnet.gateway}" if subnet.gateway is not None else "no router"]
    parts += [f"DNS {' '.join(map(str, subnet.dns))}"] if subnet.dns else []
    return ", ".join([str(subnet.prefix), *parts, *([] if subnet.dhcp else ["no DHCP"])])


def named(value: Gateway | Floating | Forward) -> str:
    """What stays of it when all the rest changes: `203.0.113.50 of internet`."""
    match value:
        case Gateway():
            return value.ref
        case Floating():
            return f"{value.address} of {value.outside}"
        case Forward():
            return f"{format_protocol(value.protocol)} {value.port} of {value.address} of {value.outside}"


def told(value: Gateway | Floating | Forward) -> str:
    """All that there is to it: `203.0.113.50 of internet for 10.0.0.12 in red/web`."""
    match value:
        case Gateway():
            ports = f", ports {format_ports(value.ports)}" if value.ports is not None else ""
            address = f" as {value.address}{ports}" if value.address is not None else ""
            return f"{value.ref} on {value.switch} to {value.outside}{address}"
        case Floating():
            return f"{named(value)} for {value.inside} in {value.ref}"
        case Forward():
            return f"{named(value)} for {value.inside}:{value.inside_port} in {value.ref}"
