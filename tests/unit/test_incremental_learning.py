"""The same as in `test_incremental` where machines are learned: on ports that are declared for it or are so no more,
while what was learned there is requested to be something else."""

from __future__ import annotations

import random

from drawn import fabrics, intents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_incremental import KINDS, SEEDS, TENANTS, History, Steps

from ryu_vnet.compiler.pipeline import PORT, TELLING_METER
from ryu_vnet.compiler.rows import Meter, Origin, Subject, cookie_of
from ryu_vnet.fabric.observed import PortState
from ryu_vnet.managers import requests
from ryu_vnet.managers.communication import Effects
from ryu_vnet.model.values import Place
from ryu_vnet.openflow.replies import PacketIn
from ryu_vnet.schema import FabricSpec, Intent, LearnSpec

PORTS = [f"v{number}" for number in range(4)]
"""Where machines may be learned; nodes are put there by requests as well."""


class Learns(History):
    """Machines are learned in it."""

    def __init__(self, intent: Intent, other: FabricSpec, seed: int) -> None:
        self._chance = random.Random(seed)
        assert intent.fabric is not None
        fabric = self.learning(intent.fabric)
        super().__init__(intent.model_copy(update={"fabric": fabric}), self.learning(other))
        self.plug(random.Random(1))

    def learning(self, spec: FabricSpec) -> FabricSpec:
        """A fabric with other ports to learn on."""
        chance, switches = self._chance, {}
        for name, switch in spec.switches.items():
            ports = [port for port in PORTS if switch.segment is not None and chance.random() < 0.5]
            learn = {port: LearnSpec(tenant=chance.choice(TENANTS), most=chance.randrange(1, 5)) for port in ports}
            switches[name] = switch.model_copy(update={"learn": learn})
        return spec.model_copy(update={"switches": switches})

    def relearn(self, chance: random.Random) -> None:
        spec = self.learning(self.spec)
        self.system.request(lambda work: requests.put_fabric(work, spec))
        self.spec = spec

    def plug(self, chance: random.Random) -> None:
        super().plug(chance)
        for name, ports in [*self.system.ports.items()]:
            first = max([state.number for state in ports.values()], default=0) + 1
            more = {port: PortState(first + n, True) for n, port in enumerate(PORTS) if port not in ports}
            self.system.effect(name, Effects(ports={**ports, **more}))

    def frame(self, chance: random.Random) -> None:
        """Somebody speaks on some port, which may be none to learn on; perhaps with the address of a node."""
        name = chance.choice(sorted(self.system.fabric.switches))
        numbers = [*self.system.topology.numbers(name).values()] or [1]
        known = [one.known_mac for node in self.system.model.nodes() for one in node.interfaces if one.known_mac]
        mac = chance.choice([*known, 0x0200_0000_0001, 0x0200_0000_0002])
        origin = Origin(Subject.SWITCH, self.system.fabric.switches[name].number)
        frame = bytes(6) + mac.to_bytes(6, "big") + b"\x08\x06" + bytes(50)
        self.system.effect(name, Effects(heard=PacketIn(cookie_of(origin), chance.choice(numbers), frame)))
        self.now += chance.choice([0, 0, 10])

    def check(self) -> None:
        super().check()
        system = self.system
        for name, table in system.tables.items():
            rows = [row for row in table.rows.values() if Meter(TELLING_METER) in row.actions]
            assert (TELLING_METER in table.meters) == bool(rows)
            there = {n for port, n in system.topology.numbers(name).items() if self._learns(name, port)}
            told = {condition.value for row in rows for condition in row.match if condition.field.name == "in_port"}
            assert told == there
            assert all(row.table == PORT.table and row.goto is None for row in rows)

    def _learns(self, switch: str, port: str) -> bool:
        return Place(switch, port) in self.system.fabric.learns


LEARNING = ("frame", "frame", "frame", "relearn")
STEPS = st.lists(st.tuples(st.sampled_from((*LEARNING * 6, *KINDS)), SEEDS), min_size=6, max_size=25)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(intents(several=True), fabrics(), STEPS, SEEDS)
def test_after_every_step_the_contents_are_those_compiled_from_nothing(
    intent: Intent, other: FabricSpec, steps: Steps, seed: int
) -> None:
    history = Learns(intent, other, seed)
    history.check()
    for kind, chance in steps:
        history.do(kind, chance)
        history.check()


def test_machines_are_learned_in_such_a_history() -> None:
    """Of many steps some do something, or the property would hold of nothing."""
    fabric = FabricSpec.model_validate({"switches": {"s00": {"dpid": 1, "segment": "seg0"}}})
    history = Learns(Intent.model_validate({"fabric": fabric, "tenants": {"red": {}, "blue": {}}}), fabric, 0)
    chance = random.Random(0)
    for _ in range(60):
        for act in (history.frame, history.ports, history.plug, history.relearn):
            history.do(act.__name__, chance.getrandbits(32))
            history.check()
    assert history.system.listening.learned > 10
