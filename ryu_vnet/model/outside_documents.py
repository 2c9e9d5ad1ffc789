"""Subnets, exits and what was granted for them, to JSON documents and back, for the store."""

from __future__ import annotations

from dataclasses import asdict
from ipaddress import IPv4Address, IPv6Network, ip_address, ip_network
from typing import Any

from .bandwidth import NO_LIMIT, Bandwidth
from .outside import Exit, Floating, Forward, Gateway, NextHop, Subnet, Unflushed

Json = dict[str, Any]


def subnet_document(subnet: Subnet) -> Json:
    """A subnet as a JSON object."""
    return {
        "prefix": str(subnet.prefix),
        "gateway": str(subnet.gateway) if subnet.gateway is not None else None,
        "dns": [str(server) for server in subnet.dns],
        "dhcp": subnet.dhcp,
    }


def subnet_from(document: Json) -> Subnet:
    """The subnet that `subnet_document` made this from. Raises KeyError, ValueError."""
    gateway = document["gateway"]
    dns = tuple(map(ip_address, document["dns"]))
    return Subnet(
        ip_network(document["prefix"]), ip_address(gateway) if gateway is not None else None, dns, document["dhcp"]
    )


def exit_document(way_out: Exit) -> Json:
    """An exit as a JSON object."""
    return {
        "outside": way_out.outside,
        "gateways": list(way_out.gateways),
        "address": str(way_out.address) if way_out.address is not None else None,
        "ports": list(way_out.ports) if way_out.ports is not None else None,
        "prefix": str(way_out.prefix) if way_out.prefix is not None else None,
        "bandwidth": asdict(way_out.bandwidth),
        "connections": way_out.connections,
    }


def exit_from(document: Json) -> Exit:
    """The exit that `exit_document` made this from. Raises KeyError, ValueError."""
    prefix = document["prefix"]
    return Exit(
        document["outside"],
        tuple(document["gateways"]),
        _four(document["address"]),
        _ports(document["ports"]),
        IPv6Network(prefix) if prefix is not None else None,
        Bandwidth(**document["bandwidth"]) if "bandwidth" in document else NO_LIMIT,
        document.get("connections"),
    )


def document(value: Gateway | Floating | Forward | NextHop | Unflushed) -> Json:
    """What was granted or let in, as a JSON object."""
    found = asdict(value)
    for name in ("address", "inside"):
        if found.get(name) is not None:
            found[name] = str(found[name])
    return found


def value_from(kind: str, document: Json) -> Gateway | Floating | Forward | NextHop | Unflushed:
    """What `document` made this from, by the start of its key. Raises KeyError, TypeError, ValueError."""
    parts = {**document}
    for name in ("address", "inside"):
        if parts.get(name) is not None:
            parts[name] = ip_address(parts[name])
    if kind == "gateway":
        return Gateway(**{**parts, "ports": _ports(parts["ports"])})
    if kind == "unflushed":
        return Unflushed(**parts)
    made: Floating | Forward | NextHop
    made = {"floating": Floating, "forward": Forward, "nexthop": NextHop}[kind](**parts)
    return made


def _four(text: str | None) -> IPv4Address | None:
    return IPv4Address(text) if text is not None else None


def _ports(pair: list[int] | None) -> tuple[int, int] | None:
    return (pair[0], pair[1]) if pair is not None else None
