"""What the model's indexes say is what one finds by looking at everything; in a draft as well."""

from __future__ import annotations

import random
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from ryu_vnet.model.names import is_chosen_mac, placed_mac
from ryu_vnet.model.state import Draft, Model, claims
from ryu_vnet.model.values import (
    LABELS,
    Combination,
    Interface,
    Network,
    Node,
    Place,
    Resting,
    TagGrant,
    Tenant,
    Value,
    key_of,
    tag_space,
)

FIRST = 1
SPACES = (LABELS, tag_space("a"), tag_space("b"))


def some_value(chance: random.Random) -> Value:
    tenant, number = chance.choice("tu"), chance.randrange(1, 10)
    match chance.randrange(6):
        case 0:
            return Tenant(tenant)
        case 1:
            return Network(tenant, f"net{chance.randrange(4)}", number)
        case 2:
            return TagGrant(chance.choice("ab"), number, chance.randrange(1, 10))
        case 3:
            return Resting(chance.choice(SPACES), chance.randrange(1, 10), number, 1)
        case 4:
            return Combination(tenant, tuple(chance.sample(("net0", "net1", "net2"), chance.randrange(2, 4))), number)
        case _:
            interfaces = []
            for index in range(chance.randrange(3)):
                mac = chance.choice([2, placed_mac(1, 1, chance.randrange(3))])
                at = Place("s", f"p{chance.randrange(4)}") if chance.random() < 0.7 else None
                networks = tuple(name for name in ("net0", "net1", "net2") if chance.random() < 0.4)
                interfaces.append(Interface(f"eth{index}", number, mac, (), at, networks))
            return Node(tenant, f"vm{chance.randrange(4)}", True, tuple(interfaces))


def used(values: Iterable[Value], space: str) -> set[int]:
    found = set()
    for value in values:
        if isinstance(value, Network | Combination) and space == LABELS:
            found.add(value.number)
        elif isinstance(value, TagGrant) and space == tag_space(value.segment):
            found.add(value.tag)
        elif isinstance(value, Resting) and space == value.space:
            found.add(value.identifier)
    return found


def sharers(nodes: list[Node]) -> dict[tuple[str, ...], set[str]]:
    """The sets of networks that interfaces are in at once, and the keys of their nodes."""
    found: dict[tuple[str, ...], set[str]] = {}
    for node in nodes:
        for interface in node.interfaces:
            if len(interface.networks) > 1:
                found.setdefault(tuple(node.networks_of(interface)), set()).add(key_of(node))
    return found


def check(model: Model, values: dict[str, Value], base: dict[str, Value]) -> None:
    """`values` are all there are, `base` those without the draft: what it gives up is not free yet."""
    everything = [*values.values()]
    nodes = [value for value in everything if isinstance(value, Node)]
    for prefix in ("", "node/", "node/t/", "network/u/", "grant/a/", "resting/tag:b/", "tenant/"):
        assert model.keys(prefix) == sorted(key for key in values if key.startswith(prefix))
    for folder in ("node/t", "network/u", "tenant"):
        keys = sorted(key for key in values if key.startswith(f"{folder}/"))
        assert model.following(folder, "", 1000) == keys and model.count(folder) == len(keys)
        assert model.following(folder, f"{folder}/vm1", 2) == [key for key in keys if key > f"{folder}/vm1"][:2]
    assert {key: model.get(key) for key in {*values, *base}} == {key: values.get(key) for key in {*values, *base}}
    for network in ("t/net0", "t/net1", "u/net0", "u/net9"):
        inside = {key_of(node) for node in nodes for i in node.interfaces if network in node.networks_of(i)}
        assert model.member_nodes(network) == inside and model.has_members(network) == bool(inside)
        members = model.members(network)
        assert {key_of(member.node) for member in members} == inside
        for place, member in enumerate(members):
            after = key_of(member.node), member.interface.name
            assert model.members(network, after, 2) == members[place + 1 : place + 3]
        ending = {v for v in everything if isinstance(v, Combination) and v.last == network}
        assert {*model.combinations_ending(network)} == ending
        shared = {s for s in sharers(nodes) if network in s}
        assert model.shared_with(network) == shared
    for several, those in sharers(nodes).items():
        assert model.sharing(several) == those
    every = {claim for node in (*nodes, *base.values()) if isinstance(node, Node) for claim, _ in claims(node)}
    for claim in every:
        assert model.claimants(claim) == {key_of(n) for n in nodes if claim in {c for c, _ in claims(n)}}
    for node in nodes:
        for interface in node.interfaces:
            if is_chosen_mac(interface.mac if interface.known_mac is not None else 0):
                assert model.has_mac(interface.mac)
    for space in SPACES:
        taken = used(everything, space) | used(base.values(), space)
        assert [n for n in range(12) if model.is_used(space, n)] == sorted(taken)
        for first in (FIRST, FIRST + 3, FIRST + 20, FIRST):
            assert model.first_free(space, first) == next(n for n in range(first, 100) if n not in taken)
        for network in range(1, 10):
            own = {v for v in everything if isinstance(v, Resting) and (v.space, v.network) == (space, network)}
            found = model.resting_of(space, network)
            assert found in own if own else found is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2**32), max_size=6), max_size=8))
def test_indexes(drafts: list[list[int]]) -> None:
    model, kept = Model(), dict[str, Value]()
    for seeds in drafts:
        draft, values = Draft(model), {**kept}
        for seed in seeds:
            chance = random.Random(seed)
            value = some_value(chance)
            if chance.random() < 0.3:
                draft.delete(value)
                values.pop(key_of(value), None)
            else:
                draft.put(value)
                values[key_of(value)] = value
            check(draft, values, kept)
        assert draft.changes == {k: values.get(k) for k in {*kept, *values} if kept.get(k) != values.get(k)}
        if len(seeds) % 3 != 2:  # else it is dropped
            model.keep(draft.changes)
            kept = values
        check(model, kept, kept)


def test_a_free_identifier_is_found_at_once_whatever_was_freed_before() -> None:
    """Half of all are used. One low one is freed and used again, many times; then another is needed."""
    looked = 0

    class Counting(dict[int, set[str]]):
        def __contains__(self, key: object) -> bool:
            nonlocal looked
            looked += 1
            return super().__contains__(key)

    networks = [Network("t", f"net{number}", number) for number in range(1, 5001)]
    model = Model(networks)
    assert model.first_free(LABELS, FIRST) == 5001
    model._all.used[LABELS] = Counting(model._all.used[LABELS])
    for network in networks[:100]:
        model.keep({key_of(network): None})
        assert model.first_free(LABELS, FIRST) == network.number
        model.keep({key_of(network): network})
        assert model.first_free(LABELS, FIRST) == 5001
    assert looked < 1000
