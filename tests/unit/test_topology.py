"""A topology that follows from the one before is the same as one that is made anew; and keeps what has not changed."""

from __future__ import annotations

import random

from drawn import fabrics, new_system
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ryu_vnet.fabric.declared import Fabric, LinkKind
from ryu_vnet.fabric.observed import PortState, Topology
from ryu_vnet.managers import requests
from ryu_vnet.schema import FabricSpec

Reported = dict[str, dict[str, PortState]]


def declared(spec: FabricSpec) -> Fabric:
    system = new_system()
    system.request(lambda work: requests.put_fabric(work, spec))
    return system.fabric


def with_parallel_links(spec: FabricSpec) -> FabricSpec:
    """The same with a second cable beside each core link."""
    document = spec.model_dump(by_alias=True)
    core = [link for link in document["links"] if str(link["kind"]).endswith("core") or link["kind"] == "core"]
    document["links"] += [{**link, "a": link["a"] + "x", "b": link["b"] + "x"} for link in core]
    return FabricSpec.model_validate(document)


def all_said(topology: Topology) -> object:
    """All that a topology says of paths."""
    fabric = topology.fabric
    names = sorted(fabric.switches)
    return (
        {name: {**topology.numbers(name)} for name in names},
        {**topology.edges_in_charge},
        {name: topology.core.is_connected(name) for name in names},
        {(a, b): topology.out_port(LinkKind.CORE, a, b) for a in names for b in fabric.all_edges},
        {(a, b): topology.out_port(LinkKind.TRUNK, a, b) for a in names for b in names},
        {segment: {**topology.trunks(segment).ports} for segment in fabric.inside},
        {
            (name, near): topology.trunks(segment).behind(name)[near]
            for segment, inside in fabric.inside.items()
            for name in inside
            for near in topology.trunks(segment).neighbours(name)
        },
    )


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fabrics(), st.booleans(), st.lists(st.integers(0, 2**32), max_size=12))
def test_one_that_follows_says_what_one_made_anew_says(spec: FabricSpec, doubled: bool, seeds: list[int]) -> None:
    fabric = declared(with_parallel_links(spec) if doubled else spec)
    names = sorted(fabric.switches)
    reported: Reported = {
        name: {place.port: PortState(n, True) for n, place in enumerate(fabric.wires_of[name], 1)} for name in names
    }
    ports, admitted = reported, frozenset(names)
    topology = Topology(fabric, ports, admitted)
    for seed in seeds:
        chance = random.Random(seed)
        changed = chance.sample(names, chance.randint(1, min(2, len(names))))
        ports, before = {**ports}, topology
        for name in changed:
            if chance.random() < 0.3:
                admitted ^= {name}
            known = {**ports.get(name, {})}
            for port in [*known] or []:
                fate = chance.choice(["down", "up", "gone", "other", "same", "stays", "stays"])
                if fate == "gone":
                    del known[port]
                elif fate != "stays":
                    number = {"other": known[port].number + 7, "same": 1}.get(fate, known[port].number)
                    known[port] = PortState(number, fate != "down")
            ports[name] = known if chance.random() < 0.7 else reported[name]
        topology = before.after(ports, admitted, changed)
        anew = Topology(fabric, ports, admitted)
        assert all_said(topology) == all_said(anew)
        turned = {
            (a, b)
            for a in names
            for b in fabric.all_edges
            if before.core.out_port(a, b) != topology.core.out_port(a, b)
        }
        assert {*topology.core.turned(before.core)} == turned


def test_what_has_not_changed_is_the_same_object() -> None:
    spec = {
        "switches": {
            **{
                f"s{rack}{host}": {"dpid": 10 * rack + host + 1, "segment": f"seg{rack}"}
                for rack in (0, 1)
                for host in (0, 1)
            },
        },
        "links": [
            {"kind": "trunk", "a": "s00:t", "b": "s01:t"},
            {"kind": "trunk", "a": "s10:t", "b": "s11:t"},
            {"kind": "core", "a": "s00:c", "b": "s10:c"},
        ],
    }
    fabric = declared(FabricSpec.model_validate(spec))
    ports = {
        name: {"t": PortState(1, True), "c": PortState(2, True), "vm": PortState(3, True)} for name in fabric.switches
    }
    before = Topology(fabric, ports, fabric.switches)
    all_said(before)
    for name, port in (("s00", "vm"), ("s01", "t"), ("s00", "c")):
        after = before.after({**ports, name: {**ports[name], port: PortState(9, False)}}, before.admitted, [name])
        assert (after.core is before.core) == (port != "c")
        assert (after.trunks("seg0") is before.trunks("seg0")) == (port != "t")
        assert after.trunks("seg1") is before.trunks("seg1")
