"""Damage to what networks have towards the outside: found, mended, found clean."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from internet_system import internet_system
from memory_store import MemoryStore

from ryu_vnet.managers.events import EVENT_PREFIX
from ryu_vnet.managers.fsck.checks import faults_of, mend
from ryu_vnet.managers.fsck.offline import case_of
from ryu_vnet.managers.fsck.online import faults
from ryu_vnet.managers.system import System
from ryu_vnet.model.documents import to_document
from ryu_vnet.model.values import Resting

Documents = dict[str, Any]


def another_zone(documents: Documents) -> None:
    documents["gateway/blue/web"]["zone"] = documents["gateway/red/web"]["zone"]


def zone_too_high(documents: Documents) -> None:
    documents["gateway/blue/web"]["zone"] = 70_000


def resting(documents: Documents, zone: int, network: int) -> None:
    documents[f"resting/zone/{zone:07d}"] = {
        "space": "zone", "identifier": zone, "network": network, "revision": 1,
    }  # fmt: skip


def zone_rests(documents: Documents) -> None:
    resting(documents, documents["gateway/red/web"]["zone"], 99)


def own_zone_rests(documents: Documents) -> None:
    resting(documents, documents["gateway/red/web"]["zone"], documents["network/red/web"]["number"])


def impossible_rest(documents: Documents) -> None:
    resting(documents, 65_535, 99)


def no_way_out(documents: Documents) -> None:
    documents["network/blue/web"]["exit"] = None


def no_gateway(documents: Documents) -> None:
    del documents["gateway/blue/web"]


def another_number(documents: Documents) -> None:
    documents["gateway/blue/web"]["network"] = 777


def on_a_host(documents: Documents) -> None:
    documents["gateway/blue/web"]["switch"] = "host1"


def number_of_an_interface(documents: Documents) -> None:
    number = documents["gateway/blue/web"]["interface"]
    documents["node/blue/web1"]["interfaces"][0]["number"] = number


def counter_behind(documents: Documents) -> None:
    documents["counters"]["interface"] = max(
        documents[f"gateway/{ref}"]["interface"] for ref in ("red/web", "blue/web")
    )


def floating_of_nobody(documents: Documents) -> None:
    documents["floating/internet/203.0.113.50"]["network"] = "gone"


def floating_in_no_subnet(documents: Documents) -> None:
    documents["floating/internet/203.0.113.50"]["inside"] = "10.9.0.1"


def floating_elsewhere(documents: Documents) -> None:
    moved = documents.pop("floating/internet/203.0.113.50")
    documents["floating/moon/203.0.113.50"] = {**moved, "outside": "moon"}


def strange_lease(documents: Documents) -> None:
    documents["node/blue/web1"]["interfaces"][0] |= {"ips": [], "leases": ["10.9.0.9/32"]}


def lease_of_the_router(documents: Documents) -> None:
    documents["node/blue/web1"]["interfaces"][0] |= {"ips": [], "leases": ["10.0.0.1/32"]}


def on_an_uplink(documents: Documents) -> None:
    documents["node/blue/web1"]["interfaces"][0]["place"] = ["gw1", "inet1"]


DAMAGE: list[tuple[Callable[[Documents], None], str]] = [
    (another_zone, "zone twice"),
    (zone_too_high, "impossible zone"),
    (zone_rests, "zone rests"),
    (own_zone_rests, "zone rests"),
    (impossible_rest, "impossible rest"),
    (no_way_out, "gateway not needed"),
    (no_gateway, "no gateway"),
    (another_number, "another's gateway"),
    (on_a_host, "impossible gateway"),
    (number_of_an_interface, "interface number twice"),
    (counter_behind, "counter behind"),
    (floating_of_nobody, "leads nowhere"),
    (floating_in_no_subnet, "leads nowhere"),
    (floating_elsewhere, "leads nowhere"),
    (strange_lease, "address of no subnet"),
    (lease_of_the_router, "address of no subnet"),
    (on_an_uplink, "impossible place"),
]


def test_nothing_is_wrong_with_a_sound_one() -> None:
    system = internet_system()
    assert faults(system) == []
    system.request(lambda work: work.draft.put(Resting("zone", 4242, 99, 1)))
    assert faults(system) == []


@pytest.mark.parametrize(("damage", "kind"), DAMAGE, ids=[damage.__name__ for damage, _ in DAMAGE])
def test_damage_is_found_and_mended(damage: Callable[[Documents], None], kind: str) -> None:
    store = MemoryStore()
    internet_system(store)
    documents = {one.key: one.value for one in store.list(without=EVENT_PREFIX).documents}
    before = {*documents}
    damage(documents)
    case = case_of(documents, store.revision)
    found = [*faults_of(case)]
    assert kind in [fault.finding.kind for fault in found], found
    assert all(fault.edit is not None for fault in found)
    assert kind in [finding.kind for finding in mend(case)]
    assert [*faults_of(case)] == []
    changes = {key: to_document(value) if value is not None else None for key, value in case.draft.changes.items()}
    store.commit({**documents, **dict.fromkeys(before - documents.keys()), **changes})
    again = System(store, lambda name, messages: None, time.monotonic)
    assert faults(again) == []
    zones = [gateway.zone for gateway in again.model.gateways()]
    assert len({*zones}) == len(zones)
    for address in (lease for node in again.model.nodes() for one in node.interfaces for lease in one.leases):
        assert str(address) == "10.0.0.2/32"
