"""From any state of a data centre to any other in one update: fabric, ports, admissions, tenants, numbers, all at once.

Requests cannot ask for most of it; but whoever may leap need not be asked how he walks.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest
from drawn import fabrics, intents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_incremental import HISTORIES, SEEDS, History, Steps, copied, from_nothing, watch

from ryu_vnet.compiler.crowd import CHUNK, Crowd
from ryu_vnet.fabric.declared import Fabric, Link, LinkKind, Switch
from ryu_vnet.fabric.observed import PortState, Topology
from ryu_vnet.managers.programme import Programme
from ryu_vnet.model.state import Model
from ryu_vnet.model.values import Combination, Interface, Network, Node, Place, TagGrant, Value, key_of
from ryu_vnet.schema import FabricSpec, Intent

SHAPES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def difference_of(old: Model, new: Model) -> list[tuple[Value | None, Value | None]]:
    keys = sorted({key_of(value) for value in (*old.values(), *new.values())})
    return [(old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)]


def renumbered(topology: Topology, seed: int) -> Topology:
    """The same with other numbers for switches and segments, which others may have had."""
    chance, fabric = random.Random(seed), topology.fabric
    numbers = chance.sample(range(1, 100), len(fabric.switches))
    switches = {n: replace(s, number=x) for (n, s), x in zip(fabric.switches.items(), numbers, strict=True)}
    segments = dict(zip(fabric.segments, chance.sample(range(1, 6), len(fabric.segments)), strict=True))
    other = replace(fabric, switches=switches, segments=segments)
    return Topology(other, topology._ports, topology.admitted)


@SHAPES
@given(st.tuples(intents(several=True), intents(several=True)), fabrics(), st.tuples(HISTORIES, HISTORIES), SEEDS)
def test_a_leap_gives_what_is_compiled_from_nothing(
    drawn: tuple[Intent, Intent], other: FabricSpec, steps: tuple[Steps, Steps], seed: int
) -> None:
    lives = [History(intent, other) for intent in drawn]
    for life, history in zip(lives, steps, strict=True):
        for kind, chance in history[:6]:
            life.do(kind, chance)
    (here, then), (there, now) = [(life.system.model, life.system.topology) for life in lives]
    if seed % 2:
        now = renumbered(now, seed)
    programme = Programme()
    programme.load(here, then)
    watch(programme)
    first = copied(programme.contents)
    switches = {*then.fabric.switches, *now.fabric.switches}

    programme.update(difference_of(here, there), now, switches)
    assert programme.contents == from_nothing(there, now)

    retagged = Model(replace(v, tag=v.tag % 4094 + 1) if isinstance(v, TagGrant) else v for v in there.values())
    programme.update(difference_of(there, retagged), now)
    assert programme.contents == from_nothing(retagged, now)

    programme.update(difference_of(retagged, here), then, switches)
    assert programme.contents == first


# --- a network with more members on a switch than go into one group ---------------------------------------------------

LINK = Link(LinkKind.TRUNK, Place("a", "up"), Place("b", "up"))
PAIR = Fabric({"a": Switch("a", 1, 1, "s"), "b": Switch("b", 2, 2, "s")}, (LINK,), {"s": 1})


def _in_quarters() -> list[int]:
    """Numbers of interfaces, few of which are in the first quarter of a crowd, and many in the second: when those of
    the first are all gone, the others still are more than go into one chunk."""
    quarters: dict[int, list[int]] = {4: [], 5: [], 6: [], 7: []}
    for chunk, members in Crowd(range(1, 2000)).chunks.items():
        quarters[chunk >> chunk.bit_length() - 3] += sorted(members)
    return [*quarters[4][:8], *quarters[5][: CHUNK + 8], *quarters[6][:4], *quarters[7][:8]]


QUARTERS = _in_quarters()
# So much alike that no chunk can be divided: all are in one, which then is the deepest.
ALIKE = next(sorted(members) for members in Crowd(range(1, 80_000)).chunks.values() if len(members) > CHUNK)
MOST = 100
NETWORK = Network("t", "net", 16)


def machines(there: Iterable[int]) -> Model:
    """The machines with these numbers on one switch, and another one on another."""
    values: list[Value] = [NETWORK, TagGrant("s", 16, 1)]
    for number in (1 << 27, *there):
        at = Place("b" if number == 1 << 27 else "a", str(number))
        interface = Interface("eth0", number, 0x02_00_00_00_00_00 | number, (), at, ("net",))
        values.append(Node("t", f"vm{number}", True, (interface,)))
    return Model(values)


@SHAPES
@given(intents(several=True), fabrics())
def test_combinations_under_other_numbers_are_those_of_their_members(intent: Intent, other: FabricSpec) -> None:
    """Nothing else is changed, not even a node; only whoever mends numbers that clash asks for that."""
    system = History(intent, other).system
    here, topology = system.model, system.topology
    others = {value.number: value.number + 100 for value in here.values() if isinstance(value, Combination)}
    there = Model([renumbered_value(value, others) for value in here.values()])
    programme = Programme()
    programme.load(here, topology)
    programme.update(difference_of(here, there), topology)
    assert programme.contents == from_nothing(there, topology)


def renumbered_value(value: Value, others: dict[int, int]) -> Value:
    if isinstance(value, Combination):
        return replace(value, number=others[value.number])
    return replace(value, network=others.get(value.network, value.network)) if isinstance(value, TagGrant) else value


@pytest.mark.parametrize("numbers", [QUARTERS, ALIKE], ids=["skewed", "alike"])
@SHAPES
@given(
    many=st.integers(0, MOST),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, MOST), st.integers(0, 12)), max_size=8),
)
def test_a_network_with_many_members_on_a_switch(
    numbers: list[int], many: int, steps: list[tuple[bool, int, int]]
) -> None:
    """Members come and go one by one or in swarms, around the sizes at which fan-outs are divided."""
    names = ["up", str(1 << 27), *map(str, numbers)]
    ports = {switch: {name: PortState(number, True) for number, name in enumerate(names, 1)} for switch in "ab"}
    topology, there = Topology(PAIR, ports, "ab"), {*numbers[:many]}
    model, programme = machines(there), Programme()
    programme.load(model, topology)
    watch(programme)
    for comes, first, count in [(False, 0, 8), (True, 3, 1), *steps]:
        swarm = {*numbers[first : first + count]}
        there = there | swarm if comes else there - swarm
        then, model = model, machines(there)
        programme.update(difference_of(then, model), topology)
        assert programme.contents == from_nothing(model, topology)
