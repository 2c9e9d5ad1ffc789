"""A small data centre for policies to be tried on: two racks, one tenant `red` with networks X and Y, and `blue`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drawn import new_system

from ryu_vnet.managers import requests
from ryu_vnet.managers.policies import delete_policy, put_policies
from ryu_vnet.managers.system import Answer, System
from ryu_vnet.policy_schema import PolicySpec
from ryu_vnet.schema import Intent, NodeSpec

FABRIC: dict[str, Any] = {
    "switches": {
        "h1": {"dpid": 1, "segment": "A"},
        "h2": {"dpid": 2, "segment": "A"},
        "h3": {"dpid": 3, "segment": "B"},
    },
    "links": [
        {"kind": "trunk", "a": "h1:up", "b": "h2:down"},
        {"kind": "core", "a": "h2:core", "b": "h3:core"},
    ],
}


def data_centre(**others: Any) -> System:
    """Two racks and two tenants; `others` go into the intent."""
    tenants = {"red": {"networks": {"X": {}, "Y": {}}}, "blue": {"networks": {"X": {}}}}
    system = new_system()
    apply(system, {"fabric": FABRIC, "tenants": tenants, **others})
    return system


def apply(system: System, intent: Mapping[str, Any]) -> Answer:
    parsed = Intent.model_validate(intent)
    return system.request(lambda work: requests.apply(work, parsed))


def put(system: System, **specs: Any) -> Answer:
    """Make policies, or change them."""
    parsed = {name: PolicySpec.model_validate(spec) for name, spec in specs.items()}
    return system.request(lambda work: put_policies(work.draft, parsed))


def drop(system: System, *names: str) -> Answer:
    """Delete policies, all in one request."""
    return system.request(lambda work: [delete_policy(work.draft, name) for name in names] and None)


def node(system: System, ref: str, at: str | None = None, mac: str | None = None, **spec: Any) -> Answer:
    """Put a node with one interface, at a port that is its own where a switch is given."""
    tenant, _, name = ref.partition("/")
    interface = {key: spec.pop(key) for key in ("networks", "ips") if key in spec}
    interface |= {"at": f"{at}:{tenant}-{name}" if at else None, "mac": mac}
    parsed = NodeSpec.model_validate({"running": at is not None, **spec, "interfaces": {"eth0": interface}})
    return system.request(lambda work: requests.put_node(work, tenant, name, parsed))


def networks(system: System, ref: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The networks of its first interface: those that were asked for, and those by policy alone."""
    found = system.model.node(ref)
    assert found is not None
    interface = found.interfaces[0]
    assert interface.networks == tuple(sorted((*interface.asked, *interface.by_policy)))
    return interface.asked, interface.by_policy
