"""Compiling by increments gives what compiling from nothing gives, for networks with subnets, ways out and routers too.

The histories of `test_incremental`, in which networks have subnets or lose them, are routed or not, have gateways that
are others from now on, and are reached from outside.
"""

from __future__ import annotations

import random
from dataclasses import replace
from ipaddress import ip_address

from drawn import fabrics, intents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_incremental import REQUESTS, TENANTS, History, Steps

from ryu_vnet.compiler.facts import shadows
from ryu_vnet.compiler.presence import home_of
from ryu_vnet.errors import NotFound
from ryu_vnet.fabric.observed import PortState
from ryu_vnet.managers import requests
from ryu_vnet.managers.communication import Effects
from ryu_vnet.managers.outside import delete_floating, delete_forward, put_floating, put_forward
from ryu_vnet.managers.requests import Work
from ryu_vnet.managers.routers import delete_router, put_router
from ryu_vnet.model.outside import Floating, Forward, NextHop
from ryu_vnet.schema import (
    FabricSpec,
    FloatingSpec,
    ForwardSpec,
    Intent,
    InterfaceSpec,
    NetworkSpec,
    RouterSpec,
)

SUBNETS = (["10.0.0.0/28"], ["10.0.1.0/24", "fd00:1::/64"], ["fd00:2::/64"], ["10.0.2.0/24", "2001:db8:7::/64"])


def with_uplinks(spec: FabricSpec, seed: int) -> FabricSpec:
    """The fabric with one or two outside networks, and uplinks to them on some of its switches."""
    chance, document = random.Random(seed), spec.model_dump(by_alias=True)
    document["outside"] = {
        "net": {
            "addresses": ["203.0.113.0/28", "2001:db8::/32"],
            "next_hops": ["203.0.113.1", "2001:db8:ff::1"],
            "mtu": chance.choice([1400, 1500]),
        },
        "lab": {"addresses": ["192.0.2.0/29"], "next_hops": ["192.0.2.1"]},
    }
    number = 2
    for name, switch in sorted(document["switches"].items()):
        switch["uplinks"] = {}
        if switch["segment"] is not None and chance.random() < 0.6:
            number += 1
            own = [f"203.0.113.{number}", f"2001:db8:ff::{number}"]
            switch["uplinks"]["up0"] = {"outside": "net", "addresses": own}
        if switch["segment"] is not None and chance.random() < 0.3:
            number += 1
            switch["uplinks"]["up1"] = {"outside": "lab", "addresses": [f"192.0.2.{number}"]}
        assert name
    return FabricSpec.model_validate(document)


class OutwardHistory(History):
    """A system whose networks may have subnets, and what can happen to it."""

    def __init__(self, intent: Intent, other: FabricSpec, seed: int) -> None:
        assert intent.fabric is not None
        fabric = with_uplinks(intent.fabric, seed)
        super().__init__(intent.model_copy(update={"fabric": fabric}), with_uplinks(other, seed + 1))

    def interface(self, chance: random.Random, networks: list[str]) -> InterfaceSpec:
        found = super().interface(chance, networks)
        ips = chance.choice([[], [], [], [f"10.0.0.{chance.randrange(2, 14)}"], ["10.0.1.5", "fd00:1::5"]])
        return found.model_copy(update={"ips": ips})

    def network(self, chance: random.Random) -> None:
        """It has other subnets and another way out, or none."""
        number = chance.randrange(4)
        tenant, name = chance.choice(TENANTS), f"net{number}"
        subnets = chance.choice([[], *SUBNETS, SUBNETS[number], SUBNETS[number], SUBNETS[number], SUBNETS[number]])
        way_out: str | dict[str, str] | None = chance.choice([None, "net", "net", "lab"])
        if way_out == "net" and any(subnet.startswith("fd00") for subnet in subnets) and chance.random() < 0.8:
            way_out = {"network": "net", "prefix": f"2001:db8:{TENANTS.index(tenant)}{number}::/64"}
        spec = NetworkSpec.model_validate({"subnets": subnets, "outside": way_out if subnets else None})
        self.system.request(lambda work: requests.put_network(work, tenant, name, spec))

    def let_in(self, chance: random.Random) -> None:
        """An outside address is a member's own, or a port of one."""
        networks = [network for network in self.system.model.networks() if network.exit is not None]
        if not networks:
            raise NotFound("there is none")
        known = chance.choice(networks)
        tenant, network = known.tenant, known.name
        inside = str(chance.choice(known.subnets).prefix[chance.randrange(2, 6)])
        outer = inside if ":" in inside else f"203.0.113.{chance.randrange(10, 15)}"

        def edit(work: Work) -> None:
            if chance.random() < 0.5:
                put_floating(work.draft, work.fabric, tenant, outer, FloatingSpec(network=network, inside=inside))
            else:
                spec = ForwardSpec(network=network, port=chance.randrange(80, 83), inside=inside, inside_port=8080)
                put_forward(work.draft, work.fabric, tenant, spec, "forward")

        self.system.request(edit)

    def keep_out(self, chance: random.Random) -> None:
        tenant, network, _ = self.one(chance)
        for value in self.system.model.let_in(f"{tenant}/{network}"):
            self.system.request(lambda work, value=value: _give_up(work, value))

    def route(self, chance: random.Random) -> None:
        """A router comes, or routes between others, also of the other tenant's."""
        tenant, name = chance.choice(TENANTS), f"r{chance.randrange(2)}"
        refs = [
            f"{each}/net{n}" for each in TENANTS for n in range(4) if chance.random() < (0.6 if each == tenant else 0.3)
        ]
        rules = [
            {
                "from": one,
                "to": other,
                "allow": chance.choice([[], [{"protocol": "tcp", "port": "80-90"}], [{"protocol": "icmp"}]]),
            }
            for one in refs
            for other in refs
            if one != other and chance.random() < 0.3
        ]
        spec = RouterSpec.model_validate({"networks": refs, "rules": rules})
        self.system.request(lambda work: put_router(work.draft, tenant, name, spec))

    def unroute(self, chance: random.Random) -> None:
        tenant, name = chance.choice(TENANTS), f"r{chance.randrange(2)}"
        self.system.request(lambda work: delete_router(work.draft, tenant, name))

    def switch_over(self, chance: random.Random) -> None:
        """Gateways are on other switches from now on."""

        def edit(work: Work) -> None:
            for gateway in work.draft.gateways():
                names = work.fabric.gateways.get(gateway.outside, ())
                work.draft.put(replace(gateway, switch=chance.choice([*names, gateway.switch])))

        self.system.request(edit)

    def hop(self, chance: random.Random) -> None:
        """A next router has said where it is."""
        names = [name for name, switch in sorted(self.system.fabric.switches.items()) if switch.uplinks]
        name = chance.choice(names or ["s00"])
        address = ip_address(chance.choice(["203.0.113.1", "2001:db8:ff::1"]))
        known = NextHop(name, "up0", address, 0x02_00_00_00_00_00 + chance.randrange(3))
        self.system.request(lambda work: work.draft.put(known))

    def plug(self, chance: random.Random) -> None:
        super().plug(chance)
        for name, switch in sorted(self.system.fabric.switches.items()):
            ports = dict(self.system.ports.get(name, {}))
            for number, uplink in enumerate(switch.uplinks):
                if chance.random() < 0.8:
                    ports[uplink.port] = PortState(200 + number + chance.randrange(2), True)
            self.system.effect(name, Effects(ports=ports))

    def tags_needed(self) -> set[tuple[str, int]]:
        fabric, model = self.system.fabric, self.system.model
        found = super().tags_needed()
        for network in model.networks():
            gateway = model.gateway(network.ref)
            inside = {fabric.switches[gateway.switch].segment} if gateway is not None else set()
            for partner in model.routing.partners(network.ref):
                for member in model.members(partner):
                    home = home_of(member, fabric)
                    inside |= {home.segment} if home is not None else set()
                    inside |= {segment for _, segment in shadows(member, fabric)} if home is not None else set()
            tagged = {segment for segment in inside if segment in fabric.with_trunks}
            parts = [network.number, *(part.number for part in model.combinations_ending(network.ref))]
            found |= {(segment, number) for segment in tagged if segment is not None for number in parts}
        return found


def _give_up(work: Work, value: Floating | Forward) -> None:
    if isinstance(value, Floating):
        delete_floating(work.draft, value.tenant, str(value.address))
    else:
        delete_forward(work.draft, value.tenant, str(value.address), str(value.protocol), value.port)


OUTWARD = (
    "network",
    "network",
    "network",
    "let_in",
    "keep_out",
    "route",
    "route",
    "unroute",
    "switch_over",
    "hop",
    "plug",
)
KINDS = (
    *REQUESTS,
    *OUTWARD,
    *OUTWARD,
    "nodes",
    "nodes",
    "nodes",
    "nodes",
    "start",
    "ports",
    "plug",
    "in_step",
    "tick",
    "fail",
    "crash",
)
HISTORIES = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 2**32)), min_size=8, max_size=30)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(intents(several=True), fabrics(), st.integers(0, 2**32), HISTORIES)
def test_after_every_step_the_contents_are_those_compiled_from_nothing(
    intent: Intent, other: FabricSpec, seed: int, steps: Steps
) -> None:
    history = OutwardHistory(intent, other, seed)
    history.check()
    for kind, kind_seed in steps:
        history.do(kind, kind_seed)
        history.check()
