"""Values to JSON documents and back, for the store.

The kind of a document is the part of its key before the first slash.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from ..errors import StoreError
from . import outside_documents as outside
from . import routing_documents as routing
from .bandwidth import NO_LIMIT, Bandwidth
from .names import format_mac, format_prefix, parse_mac, parse_prefix
from .outside import Floating, Forward, Gateway, NextHop, Unflushed
from .policy import Policy, policy_document, policy_from
from .sites import Site, site_document, site_from
from .traffic import Term
from .values import Combination, Counters, Interface, Network, Node, Place, Resting, TagGrant, Tenant, Value

Json = dict[str, Any]

_USUAL: Json = {
    "prepared": False,
    "failed": False,
    "unit": None,
    "function": None,
    "labels": (),
    "size": 1,
    "apart": (),
    "discovery": "start",
    "held": False,
}
"""What most nodes have, and is not written down for them."""


def to_document(value: Value) -> Json:
    """A value as a JSON object."""
    if isinstance(value, Node):
        document: Json = {
            "tenant": value.tenant,
            "name": value.name,
            "running": value.running,
            "interfaces": [_interface_document(interface) for interface in value.interfaces],
        }
        others = ((name, getattr(value, name), usual) for name, usual in _USUAL.items())
        return document | {name: own for name, own, usual in others if own != usual}
    if isinstance(value, Policy):
        return policy_document(value)
    if isinstance(value, Gateway | Floating | Forward | NextHop | Unflushed):
        return outside.document(value)
    if isinstance(value, Site):
        return site_document(value)
    if isinstance(value, Network):
        return _network_document(value)
    return asdict(value)


def _network_document(network: Network) -> Json:
    document = asdict(replace(network, subnets=(), exit=None))
    return document | {
        "subnets": [outside.subnet_document(subnet) for subnet in network.subnets],
        "exit": outside.exit_document(network.exit) if network.exit is not None else None,
    }


def _interface_document(interface: Interface) -> Json:
    place = interface.place
    known: Json = {"iface_id": interface.iface_id} if interface.iface_id is not None else {}
    known |= {"discovered": True} if interface.discovered else {}
    known |= {"leases": [format_prefix(prefix) for prefix in interface.leases]} if interface.leases else {}
    known |= {"site": interface.site, "site_number": interface.site_number} if interface.site is not None else {}
    known |= {"bandwidth": asdict(interface.bandwidth)} if interface.bandwidth != NO_LIMIT else {}
    return known | {
        "name": interface.name,
        "number": interface.number,
        "mac": format_mac(interface.known_mac) if interface.known_mac is not None else None,
        "chosen": interface.chosen,
        "ips": [format_prefix(prefix) for prefix in interface.ips],
        "place": _place_document(place),
        "target": _place_document(interface.target),
        "left": _place_document(interface.left),
        "networks": interface.networks,
        "by_policy": interface.by_policy,
    }


def _place_document(place: Place | None) -> list[str] | None:
    return [place.switch, place.port] if place is not None else None


def _place(document: list[str] | None) -> Place | None:
    return Place(*document) if document else None


def _first_networks(document: Json) -> tuple[str, ...]:
    """As stored before there could be several."""
    return (document["network"],) if document["network"] is not None else ()


def from_document(key: str, document: Json) -> Value:
    """The value that was stored under a key. Raises StoreError where it is none of ours."""
    kind = key.partition("/")[0]
    try:
        match kind:
            case "tenant":
                return Tenant(**document)
            case "network":
                terms = tuple(map(_term, document.get("traffic", ())))
                reserve = tuple(document.get("reserve", ()))
                subnets = tuple(map(outside.subnet_from, document.get("subnets", ())))
                way_out = outside.exit_from(document["exit"]) if document.get("exit") else None
                parts = {"traffic": terms, "reserve": reserve, "subnets": subnets, "exit": way_out}
                return Network(**{**document, **parts})
            case "combination":
                return Combination(**{**document, "networks": tuple(document["networks"])})
            case "node":
                interfaces = tuple(_interface(part) for part in document["interfaces"])
                others = {name: document[name] for name in _USUAL if name in document}
                if "labels" in others:
                    others["labels"] = tuple((label, text) for label, text in others["labels"])
                if "apart" in others:
                    others["apart"] = tuple(others["apart"])
                return Node(document["tenant"], document["name"], document["running"], interfaces, **others)
            case "policy":
                return policy_from(document)
            case "grant":
                return TagGrant(**document)
            case "resting":
                return Resting(**document)
            case "counters":
                return Counters(**document)
            case "router":
                return routing.router_from(document)
            case "gateway" | "floating" | "forward" | "nexthop" | "unflushed":
                return outside.value_from(kind, document)
            case "site":
                return site_from(document)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"document {key} cannot be read: {error!r}") from error
    raise StoreError(f"document {key} is of no kind that this version knows")


def _term(document: Json) -> Term:
    """Ranges of ports come as lists."""
    parts: Json = {name: tuple(value) if isinstance(value, list) else value for name, value in document.items()}
    return Term(**parts)


def _interface(document: Json) -> Interface:
    return Interface(
        document["name"],
        document["number"],
        parse_mac(document["mac"]) if document["mac"] is not None else None,
        tuple(map(parse_prefix, document["ips"])),
        _place(document["place"]),
        tuple(document["networks"]) if "networks" in document else _first_networks(document),
        # What was stored before there was a choice was given.
        document.get("chosen", False),
        tuple(document.get("by_policy", ())),
        _place(document.get("target")),
        _place(document.get("left")),
        document.get("iface_id"),
        document.get("discovered", False),
        tuple(map(parse_prefix, document.get("leases", ()))),
        document.get("site"),
        document.get("site_number", 0),
        Bandwidth(**document["bandwidth"]) if "bandwidth" in document else NO_LIMIT,
    )
