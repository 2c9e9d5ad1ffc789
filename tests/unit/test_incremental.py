"""Compiling by increments gives what compiling from nothing gives: after every step of any history.

A history is requests, also such as fail, what switches report of their ports, switches that come into step, fabrics
that are declared anew with machines moving at the same time, policies that come, change and go. After each step the
contents of all switches are compared, byte for byte, with those compiled from nothing, row by row as values; and what
an update says that stood there before, with what did.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from drawn import BANDWIDTHS, CLASSES, all_in_step, fabrics, intents, plug_everything, some_site, some_tunnels
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_store import MemoryStore
from policy_reference import FUNCTIONS, UNITS, check_policies, some_policy

from ryu_vnet.compiler.facts import shadows
from ryu_vnet.compiler.presence import home_of
from ryu_vnet.compiler.tables import compile_tables
from ryu_vnet.errors import NotFound, StoreError, VnetError
from ryu_vnet.fabric.observed import PortState, Topology
from ryu_vnet.managers import moves, requests
from ryu_vnet.managers.communication import Effects
from ryu_vnet.managers.difference import Before, Contents, difference
from ryu_vnet.managers.policies import delete_policy, put_policies, replace_policies
from ryu_vnet.managers.programme import Programme
from ryu_vnet.managers.requests import Work
from ryu_vnet.managers.sites import delete_site, move_site, put_site
from ryu_vnet.managers.system import System
from ryu_vnet.model.names import format_mac, placed_mac
from ryu_vnet.model.state import Model
from ryu_vnet.model.values import Node
from ryu_vnet.openflow.meters import MeterKey, encode_meter
from ryu_vnet.openflow.rows import encode_group, encode_row
from ryu_vnet.schema import FabricSpec, Intent, InterfaceSpec, NetworkSpec, NodeSpec

TENANTS = ("red", "blue")
Steps = list[tuple[str, int]]


def from_nothing(model: Model, topology: Topology) -> dict[str, Contents]:
    """The contents of all switches, compiled as values and encoded one by one."""
    tables = compile_tables(model, topology)
    return {
        name: Contents(
            dict(encode_row(row) for row in table.rows.values()),
            {number: encode_group(group) for number, group in table.groups.items()},
            {MeterKey(number): encode_meter(meter) for number, meter in table.meters.items()},
        )
        for name, table in tables.items()
    }


def copied(contents: Mapping[str, Contents]) -> dict[str, Contents]:
    return {name: Contents({**known.rows}, {**known.groups}, {**known.meters}) for name, known in contents.items()}


def watch(programme: Programme) -> None:
    """From now on, what an update says that stood there before is compared with what did."""

    def update(*args: Any) -> dict[str, Before]:
        old = copied(programme.contents)
        before = Programme.update(programme, *args)
        changed = {n: difference(old.get(n, Contents()), now) for n, now in programme.contents.items()}
        assert before == {name: touched for name, touched in changed.items() if touched}
        return before

    programme.update = update  # type: ignore[method-assign]


class FragileStore(MemoryStore):
    """Fails when it is told to."""

    is_broken = False

    def commit(self, *args: Any) -> int:
        if self.is_broken:
            raise StoreError("no space left on device")
        return super().commit(*args)


class Broken(Exception):
    """Something that must not happen happens in the middle of compiling."""


class History:
    """A system, and what can happen to it. Each method does something at random; many of them are refused."""

    def __init__(self, intent: Intent, other: FabricSpec) -> None:
        self.store = FragileStore()
        self.now = 0.0
        self.system = System(self.store, lambda name, messages: None, lambda: self.now)
        watch(self.system._programme)
        assert intent.fabric is not None
        self.specs = [intent.fabric, other]
        self.spec = intent.fabric
        self.system.request(lambda work: requests.apply(work, intent))
        plug_everything(self.system)

    def do(self, kind: str, seed: int) -> None:
        chance = random.Random(seed)
        act: Callable[[random.Random], None] = getattr(self, kind)
        with suppress(VnetError):
            act(chance)

    # --- what a node, a network, a fabric may be --------------------------------------------------------------------

    def place(self, chance: random.Random) -> str:
        names = [name for name, switch in sorted(self.system.fabric.switches.items()) if switch.segment is not None]
        return f"{chance.choice(names or ['s00'])}:v{chance.randrange(12)}"

    def interface(self, chance: random.Random, networks: list[str]) -> InterfaceSpec:
        index = chance.randrange(12)
        sites = [site for site in self.system.model.sites() if site.network in networks]
        mac = placed_mac(chance.randrange(5), chance.randrange(1, 5), index + 1)
        if sites and chance.random() < 0.3:
            site = chance.choice(sites)
            return InterfaceSpec(mac=f"02:00:00:00:01:{index + 1:02x}", site=site.name, networks=[site.network])
        return InterfaceSpec(
            mac=f"02:00:00:00:00:{index + 1:02x}" if mac is None else format_mac(mac),
            ips=chance.choice([[], [f"10.0.0.{index}"], ["10.0.0.0/24", f"fd00::{index}"], ["0.0.0.0/0"]]),
            at=self.place(chance) if chance.random() < 0.9 else None,
            networks=[name for name in networks if chance.random() < 0.7],
            bandwidth=chance.choice(BANDWIDTHS),
        )

    def node_spec(self, chance: random.Random, networks: list[str]) -> NodeSpec:
        names = ["eth0", "eth1", "eth2"][: chance.choice([1, 1, 1, 2, 3])]
        return NodeSpec(
            running=chance.random() < 0.8,
            prepared=chance.random() < 0.3,
            unit=chance.choice(UNITS),
            function=chance.choice(FUNCTIONS),
            interfaces={name: self.interface(chance, networks) for name in names},
        )

    def one(self, chance: random.Random) -> tuple[str, str, str]:
        """A tenant, one of its networks, one of its nodes; or names of such as are not there."""
        tenant = chance.choice(TENANTS)
        networks = [network.name for network in self.system.model.networks(tenant)] or ["net0"]
        nodes = [node.name for node in self.system.model.nodes(tenant)] or ["vm0"]
        return tenant, chance.choice(networks), chance.choice(nodes)

    def some(self, chance: random.Random, nodes: list[Node]) -> Node:
        if not nodes:
            raise NotFound("there is none")
        return chance.choice(nodes)

    def networks(self, tenant: str) -> list[str]:
        """Those that are not made by a template, which nobody may ask for."""
        return [network.name for network in self.system.model.networks(tenant) if network.made_by is None]

    def mutated(self, chance: random.Random) -> FabricSpec:
        """The fabric with something else about it, or another one altogether."""
        document = self.spec.model_dump(by_alias=True)
        switches, links = document["switches"], document["links"]
        name = chance.choice(sorted(switches))
        match chance.randrange(9):
            case 0 if links:
                links.remove(chance.choice(links))
            case 1 if len(switches) > 1:
                del switches[name]
                document["links"] = [k for k in links if f"{name}:" not in (k["a"] + k["b"])]
            case 2:
                switches[name]["dpid"] += 100
            case 3:
                segment = switches[name]["segment"]
                for switch in switches.values():
                    if switch["segment"] == segment and segment is not None:
                        switch["segment"] = f"{segment}x"
            case 4:
                switches[name]["segment"] = chance.choice(["seg0", "seg1", "seg2"])
            case 5:
                other = chance.choice(sorted(switches))
                kind = "trunk" if switches[name]["segment"] == switches[other]["segment"] else "core"
                port = chance.randrange(100)
                links.append({"kind": kind, "a": f"{name}:q{port}a", "b": f"{other}:q{port}b"})
            case 6 if links:
                link, port = chance.choice(links), chance.randrange(100)
                links.append({**link, "a": f"{link['a']}.{port}", "b": f"{link['b']}.{port}"})
            case 7:
                switches[name]["tunnels"] = some_tunnels() if not switches[name]["tunnels"] else {}
            case _:
                return chance.choice(self.specs)
        return FabricSpec.model_validate(document)

    # --- what can happen --------------------------------------------------------------------------------------------

    def declare(self, chance: random.Random) -> None:
        spec = self.mutated(chance)
        self.system.request(lambda work: requests.put_fabric(work, spec))
        self.spec = spec

    def declare_and_move(self, chance: random.Random) -> None:
        """Another fabric, and machines move to where it lets them be, or are no more, in the same request."""
        spec = self.mutated(chance)
        inside = [name for name, switch in sorted(spec.switches.items()) if switch.segment is not None]

        def edit(work: Work) -> None:
            requests.put_fabric(work, spec)
            for node in work.draft.nodes():
                if not inside or chance.random() < 0.2:
                    requests.delete_node(work, node.tenant, node.name)
                elif all(i.site is None for i in node.interfaces):
                    at = {i.name: f"{chance.choice(inside)}:w{i.number}" for i in node.interfaces}
                    requests.start(work, node.tenant, node.name, at)
                    if chance.random() < 0.3:
                        requests.stop(work, node.tenant, node.name)

        self.system.request(edit)
        self.spec = spec

    def node(self, chance: random.Random) -> None:
        tenant, _, _ = self.one(chance)
        spec, name = self.node_spec(chance, self.networks(tenant)), f"vm{chance.randrange(8)}"
        self.system.request(lambda work: requests.put_node(work, tenant, name, spec))

    def nodes(self, chance: random.Random) -> None:
        """Several of them at once: what one gives up another may take."""
        tenant, _, _ = self.one(chance)
        networks = self.networks(tenant)
        specs = {f"vm{index}": self.node_spec(chance, networks) for index in range(chance.randrange(2, 6))}

        def edit(work: Work) -> None:
            for name, spec in specs.items():
                requests.put_node(work, tenant, name, spec)

        self.system.request(edit)

    def swap(self, chance: random.Random) -> None:
        """Two nodes change places."""
        tenant, _, one = self.one(chance)
        _, _, other = self.one(chance)

        def edit(work: Work) -> None:
            a, b = requests.require_node(work, tenant, one), requests.require_node(work, tenant, other)
            requests.start(work, tenant, one, {"eth0": str(b.interfaces[0].place)})
            requests.start(work, tenant, other, {"eth0": str(a.interfaces[0].place)})

        self.system.request(edit)

    def delete(self, chance: random.Random) -> None:
        tenant, _, node = self.one(chance)
        self.system.request(lambda work: requests.delete_node(work, tenant, node))

    def attach(self, chance: random.Random) -> None:
        """To another network, or to one more."""
        tenant, network, node = self.one(chance)
        _, other, _ = self.one(chance)
        leaves = chance.random() < 0.3

        def edit(work: Work) -> None:
            if leaves:
                requests.detach(work, tenant, other, node, "eth0")
            requests.attach(work, tenant, network, node, "eth0")

        self.system.request(edit)

    def detach(self, chance: random.Random) -> None:
        tenant, network, node = self.one(chance)
        self.system.request(lambda work: requests.detach(work, tenant, network, node, None))

    def start(self, chance: random.Random) -> None:
        tenant, _, node = self.one(chance)
        at = chance.choice([{}, {"eth0": self.place(chance)}])
        self.system.request(lambda work: requests.start(work, tenant, node, at))

    def move(self, chance: random.Random) -> None:
        node = self.some(chance, [node for node in self.system.model.nodes() if node.running])
        to = {interface.name: self.place(chance) for interface in node.interfaces if chance.random() < 0.7}
        self.system.request(lambda work: moves.move(work, node.tenant, node.name, to))

    def arrive(self, chance: random.Random) -> None:
        """At once, or one interface of it; or not at all."""
        nodes = self.system.model.nodes()
        node = self.some(chance, [n for n in nodes if any(i.target is not None for i in n.interfaces)])
        act = chance.choice([moves.arrive, moves.arrive, moves.arrive, moves.stay])
        self.system.request(lambda work: act(work, node.tenant, node.name))

    def settle_down(self, chance: random.Random) -> None:
        for node in self.system.model.nodes():
            left = {i.name: i.left for i in node.interfaces if i.left is not None}
            self.system.request(lambda work, n=node, left=left: moves.settle_down(work, n.tenant, n.name, left))

    def stop(self, chance: random.Random) -> None:
        tenant, _, node = self.one(chance)
        self.system.request(lambda work: requests.stop(work, tenant, node))

    def network(self, chance: random.Random) -> None:
        """It comes, or is for other traffic from now on, or keeps tags in other segments."""
        tenant, name = chance.choice(TENANTS), f"net{chance.randrange(4)}"
        reserve = [segment for segment in self.system.fabric.segments if chance.random() < 0.3]
        spec = NetworkSpec(tagged=chance.random() < 0.1, traffic=chance.choice(CLASSES), reserve=reserve)
        self.system.request(lambda work: requests.put_network(work, tenant, name, spec))

    def delete_network(self, chance: random.Random) -> None:
        tenant, network, _ = self.one(chance)
        self.system.request(lambda work: requests.delete_network(work, tenant, network))

    def site(self, chance: random.Random) -> None:
        """It comes, or extends another network, or has another end."""
        tenant, network, _ = self.one(chance)
        gateways = [name for name, switch in sorted(self.system.fabric.switches.items()) if switch.tunnels]
        chosen = chance.sample(gateways, chance.randrange(len(gateways) + 1))
        kind = chance.randrange(2)
        spec = some_site(network, f"198.51.100.{chance.randrange(1, 4)}", kind, chosen)

        def edit(work: Work) -> None:
            put_site(work.draft, work.fabric, work.allocator, tenant, f"site{kind}", spec)

        self.system.request(edit)

    def delete_site(self, chance: random.Random) -> None:
        site = chance.choice(self.system.model.sites() or [None])
        if site is not None:
            self.system.request(lambda work: delete_site(work.draft, site.tenant, site.name))

    def move_site(self, chance: random.Random) -> None:
        """It has another gateway."""
        site, names = chance.choice(self.system.model.sites() or [None]), sorted(self.system.fabric.switches)
        if site is not None:
            self.system.request(
                lambda work: move_site(work.draft, work.fabric, site.tenant, site.name, chance.choice(names))
            )

    def policy(self, chance: random.Random) -> None:
        """One comes, or is another."""
        name, spec = f"p{chance.randrange(4)}", some_policy(chance)
        self.system.request(lambda work: put_policies(work.draft, {name: spec}))

    def policies(self, chance: random.Random) -> None:
        """They are others altogether, perhaps none."""
        specs = {f"p{chance.randrange(4)}": some_policy(chance) for _ in range(chance.randrange(3))}
        self.system.request(lambda work: replace_policies(work.draft, specs))

    def delete_policy(self, chance: random.Random) -> None:
        self.system.request(lambda work: delete_policy(work.draft, f"p{chance.randrange(4)}"))

    def attributes(self, chance: random.Random) -> None:
        """A node is for something else, or belongs to others, and stays where it is."""
        tenant, _, name = self.one(chance)

        def edit(work: Work) -> None:
            node = requests.require_node(work, tenant, name)
            work.draft.put(replace(node, unit=chance.choice(UNITS), function=chance.choice(FUNCTIONS)))

        self.system.request(edit)

    def renumber(self, chance: random.Random) -> None:
        """A network is deleted and made again, with its members and with another number, in one request."""
        tenant, network, _ = self.one(chance)
        reserve = [segment for segment in self.system.fabric.segments if chance.random() < 0.3]

        def edit(work: Work) -> None:
            members = work.draft.members(f"{tenant}/{network}")
            for member in members:
                requests.detach(work, tenant, network, member.node.name, member.interface.name)
            requests.delete_network(work, tenant, network)
            requests.put_network(work, tenant, network, NetworkSpec(tagged=False, reserve=reserve))
            for member in members:
                requests.attach(work, tenant, network, member.node.name, member.interface.name)

        self.system.request(edit)

    def ports(self, chance: random.Random) -> None:
        """A switch says that ports are gone, down, or have other numbers, perhaps each other's."""
        name = chance.choice(sorted(self.system.fabric.switches))
        ports = dict(self.system.ports.get(name, {}))
        for port in [*ports]:
            match chance.choice(["gone", "down", "other", "same", "stays", "stays", "stays"]):
                case "gone":
                    del ports[port]
                case "down":
                    ports[port] = PortState(ports[port].number, False)
                case "other":
                    ports[port] = PortState(ports[port].number + 100, True)
                case "same":
                    ports[port] = PortState(1, True)
        self.system.effect(name, Effects(ports=ports))

    def plug(self, chance: random.Random) -> None:
        """Switches that are there have every port that anybody names."""
        plug_everything(self.system, away=[n for n in self.system.fabric.switches if chance.random() < 0.3])

    def in_step(self, chance: random.Random) -> None:
        all_in_step(self.system, away=[n for n in self.system.fabric.switches if chance.random() < 0.5])

    def tick(self, chance: random.Random) -> None:
        self.now += 20
        self.system.tick()
        self.system.tick()

    def fail(self, chance: random.Random) -> None:
        """Any request, which cannot be put on disk."""
        self.store.is_broken = True
        self._fails(chance)
        self.store.is_broken = False

    def crash(self, chance: random.Random) -> None:
        """Any request, which cannot be compiled to its end."""
        encoder, left = self.system._programme._encoder, chance.randrange(4)
        encode = encoder.encode

        def fragile(unit: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise Broken
            return encode(unit)

        encoder.encode = fragile  # type: ignore[method-assign]
        self._fails(chance)
        encoder.encode = encode  # type: ignore[method-assign]

    def _fails(self, chance: random.Random) -> None:
        held = {name: manager.wanted for name, manager in self.system.switches.items()}
        before, spec = copied(held), self.spec
        values, numbers = {*map(str, self.system.model.values())}, {n: s.number for n, s in held_numbers(self.system)}
        act = getattr(self, chance.choice(REQUESTS))
        try:
            act(chance)
        except (StoreError, Broken):
            assert {name: manager.wanted for name, manager in self.system.switches.items()} == before
            assert {*map(str, self.system.model.values())} == values
            assert {n: s.number for n, s in held_numbers(self.system)} == numbers
            self.spec = spec
        except VnetError:
            pass

    def check(self) -> None:
        system = self.system
        held = {name: manager.wanted for name, manager in system.switches.items()}
        assert held.keys() == system.fabric.switches.keys()
        topology = Topology(system.fabric, system.ports, system.topology.admitted)
        wanted = from_nothing(system.model, topology)
        assert {name: difference(known, wanted[name]) for name, known in held.items() if known != wanted[name]} == {}
        assert {(grant.segment, grant.network) for grant in system.model.grants()} == self.tags_needed()
        check_policies(system)

    def tags_needed(self) -> set[tuple[str, int]]:
        """A network has a tag where it runs and where it keeps one, if there are trunks there; several of them where
        the last does."""
        fabric, model = self.system.fabric, self.system.model
        members = [(network, member) for network in model.networks() for member in model.members(network.ref)]
        members += [(part, member) for part in model.combinations() for member in model.members(part.last)]
        homes = ((network.number, member, home_of(member, fabric)) for network, member in members)
        inside = {(home.segment, number) for number, _, home in homes if home is not None and home.segment is not None}
        inside |= {(segment, n.number) for n, member in members for _, segment in shadows(member, fabric)}
        ends = [(network, network.ref) for network in model.networks()] + [(c, c.last) for c in model.combinations()]
        inside |= {
            (fabric.switches[site.switch].segment or "", part.number)
            for part, ref in ends
            for site in model.sites_of(ref)
        }
        last = [(part, model.network(part.last)) for part in model.combinations()]
        kept = [*((network, network) for network in model.networks()), *last]
        inside |= {(segment, part.number) for part, network in kept if network for segment in network.reserve}
        return {(segment, number) for segment, number in inside if segment in fabric.with_trunks}


def held_numbers(system: System) -> list[tuple[str, Any]]:
    return sorted(system.switches.items())


REQUESTS = (
    "declare",
    "declare_and_move",
    "node",
    "nodes",
    "swap",
    "delete",
    "attach",
    "detach",
    "start",
    "stop",
    "move",
    "move",
    "arrive",
    "settle_down",
    "network",
    "delete_network",
    "site",
    "site",
    "delete_site",
    "move_site",
    "renumber",
    "policy",
    "policy",
    "policies",
    "delete_policy",
    "attributes",
)
EVENTS = ("move", "arrive", "arrive", "ports", "ports", "plug", "plug", "in_step", "in_step", "tick", "fail", "crash")
KINDS = (*REQUESTS, *REQUESTS, *EVENTS)
SEEDS = st.integers(0, 2**32)
HISTORIES = st.lists(st.tuples(st.sampled_from(KINDS), SEEDS), min_size=6, max_size=25)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(intents(several=True, remote=True), fabrics(), HISTORIES)
def test_after_every_step_the_contents_are_those_compiled_from_nothing(
    intent: Intent, other: FabricSpec, steps: Steps
) -> None:
    history = History(intent, other)
    history.check()
    for kind, seed in steps:
        history.do(kind, seed)
        history.check()
