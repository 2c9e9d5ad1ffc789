"""A real System that holds topologies/internet.yaml: two gateways, two tenants with one subnet, a third with IPv6.

No switch is connected; what they last said of their ports is known, as after a restart.
"""

from __future__ import annotations

import time
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import yaml
from figure_system import ports_of
from memory_store import MemoryStore

from ryu_vnet.fabric.documents import ADMITTED_PREFIX, OBSERVED_PREFIX, admission
from ryu_vnet.managers import requests
from ryu_vnet.managers.system import System
from ryu_vnet.model.outside import NextHop
from ryu_vnet.schema import Intent

INTERNET = Path(__file__).parent.parent / "topologies" / "internet.yaml"
HOP_MAC = 0x02_00_00_00_FF_01
"""That of the next router, which only gw1 has heard of."""


def internet() -> dict[str, Any]:
    """The intent file, as plain values."""
    loaded: dict[str, Any] = yaml.safe_load(INTERNET.read_text())
    return loaded


def internet_system(store: MemoryStore | None = None) -> System:
    """A controller that has it, has once heard of all ports, and of the next router of IPv4 by gw1."""
    store = store or MemoryStore()
    system = System(store, lambda name, messages: None, time.monotonic)
    system.request(lambda work: requests.apply(work, Intent.model_validate(internet())))
    hop = internet()["fabric"]["outside"]["internet"]["next_hops"][0]
    system.request(lambda work: work.draft.put(NextHop("gw1", "inet1", ip_address(hop), HOP_MAC)))
    ports = ports_of(internet())
    for name, switch in internet()["fabric"]["switches"].items():
        for port in switch.get("uplinks", {}):
            known = ports.setdefault(name, {})
            known[port] = [len(known) + 1, True]
    store.commit({OBSERVED_PREFIX + name: known for name, known in ports.items()})
    store.commit({ADMITTED_PREFIX + name: admission(switch) for name, switch in system.fabric.switches.items()})
    return System(store, lambda name, messages: None, time.monotonic)
