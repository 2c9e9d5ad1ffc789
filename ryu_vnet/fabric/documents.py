"""The declared fabric to a JSON document and back, for the store."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

from ..errors import StoreError
from ..model.sites import Protocol
from ..model.values import Place
from .declared import DEFAULT_CONNECTIONS, Fabric, Learn, Link, LinkKind, Outside, Switch, Uplink
from .observed import PortState
from .tunnels import Tunnel

Json = dict[str, Any]

FABRIC_KEY = "fabric"
OBSERVED_PREFIX = "observed/"
ADMITTED_PREFIX = "admitted/"


def fabric_document(fabric: Fabric) -> Json:
    """A fabric as a JSON object."""
    return {
        "mtu": fabric.mtu,
        "segments": fabric.segments,
        "capacities": fabric.capacities,
        "outsides": {name: _outside_document(outside) for name, outside in sorted(fabric.outsides.items())},
        "switches": [
            {
                "name": s.name,
                "number": s.number,
                "dpid": f"{s.dpid:#x}",
                "segment": s.segment,
                "ovsdb": s.ovsdb,
                "learn": [[learn.port, learn.tenant, learn.most] for learn in s.learn],
                "control": s.control,
                "uplinks": [[up.port, up.outside, [str(own) for own in up.addresses]] for up in s.uplinks],
                "tunnels": [[t.port, t.protocol.value, str(t.address), t.mtu] for t in s.tunnels],
            }
            for _, s in sorted(fabric.switches.items())
        ],
        "links": [
            {"kind": link.kind.value, "a": [link.a.switch, link.a.port], "b": [link.b.switch, link.b.port]}
            for link in fabric.links
        ],
    }


def _outside_document(outside: Outside) -> Json:
    return {
        "addresses": [str(prefix) for prefix in outside.addresses],
        "next_hops": [str(hop) for hop in outside.next_hops],
        "mtu": outside.mtu,
        "connections": outside.connections,
    }


def _outside(part: Json) -> Outside:
    addresses = tuple(map(ip_network, part["addresses"]))
    connections = part.get("connections", DEFAULT_CONNECTIONS)
    return Outside(addresses, tuple(map(ip_address, part["next_hops"])), part["mtu"], connections)


def fabric_from(document: Json) -> Fabric:
    """The fabric that `fabric_document` made this from. Raises StoreError."""
    try:
        switches = [*map(_switch, document["switches"])]
        links = tuple(Link(LinkKind(part["kind"]), Place(*part["a"]), Place(*part["b"])) for part in document["links"])
        capacities = dict(document.get("capacities", {}))
        # Fabrics stored before there were gateways have none.
        outsides = {name: _outside(part) for name, part in document.get("outsides", {}).items()}
        by_name = {s.name: s for s in switches}
        return Fabric(by_name, links, dict(document["segments"]), document["mtu"], capacities, outsides)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"the stored fabric cannot be read: {error!r}") from error


def _switch(part: Json) -> Switch:
    # Fabrics stored before there were ports to learn on have none.
    learn = tuple(Learn(*one) for one in part.get("learn", ()))
    uplinks = tuple(Uplink(port, to, tuple(map(ip_address, own))) for port, to, own in part.get("uplinks", ()))
    # Those stored before there were tunnels have none.
    tunnels = tuple(
        Tunnel(port, Protocol(name), ip_address(own), mtu) for port, name, own, mtu in part.get("tunnels", ())
    )
    dpid = int(part["dpid"], 16)
    known = (part["ovsdb"], learn, uplinks, tunnels, part.get("control"))
    return Switch(part["name"], part["number"], dpid, part["segment"], *known)


def admission(switch: Switch) -> Json:
    """What is noted of a switch that is admitted. Under another number or in another segment it is not the same."""
    return {"number": switch.number, "segment": switch.segment}


def ports_document(ports: dict[str, PortState]) -> Json:
    """What a switch said of its ports, as a JSON object."""
    return {name: [state.number, state.up] for name, state in sorted(ports.items())}


def ports_from(document: Json) -> dict[str, PortState]:
    """The ports that `ports_document` made this from."""
    return {name: PortState(number, up) for name, (number, up) in document.items()}
