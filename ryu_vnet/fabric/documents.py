"""The declared fabric to a JSON document and back, for the store."""

from __future__ import annotations

from typing import Any

from ..errors import StoreError
from ..model.values import Place
from .declared import Fabric, Learn, Link, LinkKind, Switch
from .observed import PortState

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
        "switches": [
            {
                "name": s.name,
                "number": s.number,
                "dpid": f"{s.dpid:#x}",
                "segment": s.segment,
                "ovsdb": s.ovsdb,
                "learn": [[learn.port, learn.tenant, learn.most] for learn in s.learn],
            }
            for _, s in sorted(fabric.switches.items())
        ],
        "links": [
            {"kind": link.kind.value, "a": [link.a.switch, link.a.port], "b": [link.b.switch, link.b.port]}
            for link in fabric.links
        ],
    }


def fabric_from(document: Json) -> Fabric:
    """The fabric that `fabric_document` made this from. Raises StoreError."""
    try:
        switches = [*map(_switch, document["switches"])]
        links = tuple(Link(LinkKind(part["kind"]), Place(*part["a"]), Place(*part["b"])) for part in document["links"])
        capacities = dict(document.get("capacities", {}))
        return Fabric({s.name: s for s in switches}, links, dict(document["segments"]), document["mtu"], capacities)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"the stored fabric cannot be read: {error!r}") from error


def _switch(part: Json) -> Switch:
    # Fabrics stored before there were ports to learn on have none.
    learn = tuple(Learn(*one) for one in part.get("learn", ()))
    return Switch(part["name"], part["number"], int(part["dpid"], 16), part["segment"], part["ovsdb"], learn)


def admission(switch: Switch) -> Json:
    """What is noted of a switch that is admitted. Under another number or in another segment it is not the same."""
    return {"number": switch.number, "segment": switch.segment}


def ports_document(ports: dict[str, PortState]) -> Json:
    """What a switch said of its ports, as a JSON object."""
    return {name: [state.number, state.up] for name, state in sorted(ports.items())}


def ports_from(document: Json) -> dict[str, PortState]:
    """The ports that `ports_document` made this from."""
    return {name: PortState(number, up) for name, (number, up) in document.items()}
