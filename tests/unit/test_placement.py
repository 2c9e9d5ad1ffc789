"""Where nodes are put: never where they may not be, always somewhere if there is a place, and as it is stated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ryu_vnet.errors import Conflict, Exhausted, Invalid, VnetError
from ryu_vnet.managers.placement import Choice, Host, Neighbourhood, Placer, Wish, choose
from ryu_vnet.managers.placers import Closest, Spread

NETWORKS = ("red/X", "red/Y", "green/X")
GROUPS = ("db", "web")
PATTERNS = ("h1*", "h[23]", "h?", "h4", "H1", "[0-9]", "*")
ONE = Wish(1, ("red/X",))


@dataclass
class World:
    """Hosts, and the nodes on them, each as it was wished: what a `Neighbourhood` is a view of."""

    hosts: list[Host]
    nodes: list[tuple[Host, Wish]] = field(default_factory=list)

    @property
    def loaded(self) -> list[Host]:
        return [replace(host, used=sum(node.size for at, node in self.nodes if at == host)) for host in self.hosts]

    @property
    def neighbourhood(self) -> Neighbourhood:
        by_host: dict[str, dict[str, int]] = {}
        by_segment: dict[str, dict[str, int]] = {}
        apart: dict[str, set[str]] = {}
        for host, node in self.nodes:
            for ref in node.networks:
                for counts, key in (by_host, host.name), (by_segment, host.segment):
                    of = counts.setdefault(ref, {})
                    of[key] = of.get(key, 0) + 1
            for group in node.apart:
                apart.setdefault(group, set()).add(host.name)
        return Neighbourhood(by_host, by_segment, apart)

    def place(self, placer: Placer, wish: Wish) -> Choice:
        choice = choose(placer, wish, self.loaded, self.neighbourhood)
        (host,) = (host for host in self.hosts if host.name == choice.host)
        self.nodes.append((host, wish))
        return choice

    def may_take(self, host: Host, wish: Wish) -> bool:
        """The hard conditions, said again over single nodes."""
        here = [node for at, node in self.nodes if at.name == host.name]
        used = sum(node.size for node in here)
        return (
            (wish.segments is None or host.segment in wish.segments)
            and (wish.hosts is None or any(fnmatchcase(host.name, pattern) for pattern in wish.hosts))
            and host.capacity != 0
            and (host.capacity is None or used + wish.size <= host.capacity)
            and all(node.apart.isdisjoint(wish.apart) for node in here)
        )

    def links_spared(self, host: Host, wish: Wish) -> int:
        """One by one: each member of a shared network costs 4 links less on the host, 2 less in its segment."""
        return sum(
            (4 if at.name == host.name else 2 if at.segment == host.segment else 0)
            for at, node in self.nodes
            for ref in wish.networks
            if ref in node.networks
        )


refs = st.lists(st.sampled_from(NETWORKS), max_size=3, unique=True).map(tuple)
wishes = st.builds(Wish, st.integers(0, 4), refs, st.frozensets(st.sampled_from(GROUPS)))
restricted = st.builds(
    replace,
    wishes,
    segments=st.none() | st.frozensets(st.sampled_from("ABC")),
    hosts=st.none() | st.lists(st.sampled_from(PATTERNS), max_size=2).map(tuple),
)
placers: st.SearchStrategy[Placer] = st.sampled_from([Closest(), Spread()])


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A few hosts, and nodes on them as others have put them: over capacity, and against groups, now and then."""
    shapes = draw(st.lists(st.tuples(st.sampled_from("ABC"), st.none() | st.integers(0, 8)), min_size=1, max_size=12))
    hosts = [Host(f"h{number}", segment, capacity, 0) for number, (segment, capacity) in enumerate(shapes)]
    return World(hosts, draw(st.lists(st.tuples(st.sampled_from(hosts), wishes), max_size=12)))


@given(worlds(), restricted, placers)
def test_a_host_that_may_take_it_is_found_if_there_is_one(world: World, wish: Wish, placer: Placer) -> None:
    may = {host.name for host in world.hosts if world.may_take(host, wish)}
    if may:
        choice = choose(placer, wish, world.loaded, world.neighbourhood)
        assert choice.host in may
        assert set(choice.refused) == {host.name for host in world.hosts} - may
        assert choice.reasons and all((*choice.reasons, *choice.refused.values()))
        return
    with pytest.raises((Exhausted, Conflict)) as nowhere:
        choose(placer, wish, world.loaded, world.neighbourhood)
    no_limits = World([replace(host, capacity=host.capacity and None) for host in world.hosts], world.nodes)
    would = any(no_limits.may_take(host, wish) for host in no_limits.hosts)
    assert isinstance(nowhere.value, Exhausted) == would, "Exhausted says that room would have helped"


@given(worlds(), wishes)
def test_the_choice_is_the_best_in_the_stated_order(world: World, wish: Wish) -> None:
    allowed = [host for host in world.loaded if world.may_take(host, wish)]
    if not allowed:
        return

    def share(host: Host) -> float:
        return 1 if host.capacity is None else 1 - host.used / host.capacity

    def agrees(placer: Placer, key: Callable[[Host], tuple[float, ...]]) -> None:
        chosen = choose(placer, wish, world.loaded, world.neighbourhood).host
        best = max(map(key, allowed))
        assert chosen == min(host.name for host in allowed if key(host) == best)

    agrees(Closest(), lambda host: (world.links_spared(host, wish), round(share(host), 9), -host.used))
    agrees(Spread(), lambda host: (round(share(host), 9), -host.used, world.links_spared(host, wish)))


@given(worlds(), restricted, placers, st.randoms(use_true_random=False))
def test_the_order_in_which_hosts_are_given_is_of_no_concern(
    world: World, wish: Wish, placer: Placer, chance: Random
) -> None:
    def answer(hosts: list[Host]) -> Choice | tuple[type, str]:
        try:
            return choose(placer, wish, hosts, world.neighbourhood)
        except VnetError as error:
            return type(error), str(error)

    assert answer(world.loaded) == answer(chance.sample(world.loaded, len(world.hosts)))


@given(worlds(), st.lists(restricted, max_size=20), placers)
def test_one_after_another_no_host_is_overfilled_and_no_group_meets(
    world: World, wished: list[Wish], placer: Placer
) -> None:
    world.nodes.clear()
    for wish in wished:
        before = len(world.nodes)
        try:
            world.place(placer, wish)
        except (Exhausted, Conflict):
            assert len(world.nodes) == before
    for host in world.loaded:
        here = [node for at, node in world.nodes if at.name == host.name]
        assert host.capacity is None or host.used <= host.capacity
        assert host.capacity != 0 or not here
        groups = [group for node in here for group in node.apart]
        assert len(groups) == len(set(groups))


# --- as stated ------------------------------------------------------------------------------------------------------


def two_racks() -> World:
    return World([Host("a1", "A", 2, 0), Host("a2", "A", 2, 0), Host("a-rack", "A", 0, 0), Host("b1", "B", 4, 0)])


def placed(world: World, placer: Placer, wishes: Sequence[Wish]) -> list[str]:
    return [world.place(placer, wish).host for wish in wishes]


def test_closest_fills_one_host_then_its_segment_then_goes_elsewhere() -> None:
    world = two_racks()
    assert placed(world, Closest(), [ONE] * 8) == ["a1", "a1", "a2", "a2", "b1", "b1", "b1", "b1"]
    with pytest.raises(Exhausted):
        world.place(Closest(), ONE)


def test_closest_gives_each_network_a_host_of_its_own_while_there_are_any() -> None:
    world = World([Host(f"h{number}", "A", None, 0) for number in range(3)])
    wished = [Wish(1, (ref,)) for ref in NETWORKS] * 2
    assert placed(world, Closest(), wished) == ["h0", "h1", "h2", "h0", "h1", "h2"]


def test_spread_fills_all_hosts_evenly() -> None:
    assert placed(two_racks(), Spread(), [ONE] * 8) == ["a1", "a2", "b1", "b1", "a1", "a2", "b1", "b1"]


def test_members_of_an_anti_affinity_group_each_get_a_host() -> None:
    world = two_racks()
    wish = replace(ONE, apart=frozenset({"db"}))
    assert placed(world, Closest(), [wish] * 3) == ["a1", "a2", "b1"]
    with pytest.raises(
        Conflict, match=r"of 4 host\(s\) 1 closed, 3 with a node to be kept apart from; nearest: a1 \(has a"
    ):
        world.place(Closest(), wish)


def test_a_closer_network_outweighs_a_freer_host() -> None:
    hosts = [Host("far", "B", 8, 0), Host("near", "A", 8, 7), Host("same", "A", 8, 7)]
    around = Neighbourhood({"red/X": {"same": 1}}, {"red/X": {"A": 1}})
    assert choose(Closest(), ONE, hosts, around).host == "same"
    assert choose(Spread(), ONE, hosts, around).host == "far"
    assert choose(Closest(), replace(ONE, hosts=("far", "n*")), hosts, around).host == "near"


# --- what is said ---------------------------------------------------------------------------------------------------


def test_the_choice_is_explained() -> None:
    hosts = [
        Host("host1", "A", 8, 8),
        Host("host2", "A", 8, 3),
        Host("host3", "B", None, 1),
        Host("rack", "A", 0, 0),
    ]
    around = Neighbourhood(
        {"red/X": {"host1": 2, "host2": 1, "host3": 1}}, {"red/X": {"A": 3, "B": 1}}, {"db": {"host3"}}
    )
    choice = choose(Closest(), Wish(2, ("red/X",), frozenset({"db"})), hosts, around)
    assert str(choice) == (
        "host2: 3 of the 4 other members of red/X run in segment A, 1 on this host; 5 of 8 units free; "
        "the only host that can take it"
    )
    assert choice.refused == {
        "host1": "0 of 8 units free, 2 needed",
        "host3": "has a member of anti-affinity group db",
        "rack": "takes no nodes: its capacity is 0",
    }


@pytest.mark.parametrize(
    ("by_segment", "by_host", "said"),
    [
        ({}, {}, "no other member of red/X runs"),
        ({"A": 1}, {"h1": 1}, "the only other member of red/X runs in segment A, 1 on this host"),
        ({"B": 1}, {}, "the only other member of red/X does not run in segment A"),
        ({"A": 1, "B": 8}, {}, "1 of the 9 other members of red/X runs in segment A, none on this host"),
        ({"B": 8}, {}, "none of the 8 other members of red/X runs in segment A"),
    ],
)
def test_where_the_others_run_is_told(by_segment: dict[str, int], by_host: dict[str, int], said: str) -> None:
    hosts = [Host("h1", "A", None, 3), Host("h2", "A", None, 3)]
    wish = replace(ONE, hosts=("h1",))
    choice = choose(Closest(), wish, hosts, Neighbourhood({"red/X": by_host}, {"red/X": by_segment}))
    assert choice.reasons == (said, "3 units used, no limit", "the only host that can take it")


def test_a_tie_is_told_and_of_thousands_of_networks_the_closest_are() -> None:
    hosts = [Host(f"h{number}", "A", 4, 0) for number in range(5)]
    wish = Wish(1, tuple(f"t/n{number}" for number in range(4000)))
    choice = choose(Closest(), wish, hosts, Neighbourhood({}, {"t/n77": {"A": 3}, "t/n99": {"A": 9}}))
    assert choice.reasons == (
        "9 of the 9 other members of t/n99 run in segment A, none on this host",
        "3 of the 3 other members of t/n77 run in segment A, none on this host",
        "no other member of t/n0 runs",
        "and 3997 more networks",
        "4 of 4 units free",
        "first by name of 5 alike",
    )


def test_a_refusal_stays_short_and_tells_of_the_nearest() -> None:
    hosts = [Host(f"h{number:04}", f"s{number % 100}", number % 3 * 4, 8) for number in range(5000)]
    around = Neighbourhood({"red/X": {"h4001": 2}}, {"red/X": {"s1": 2, "s50": 1}}, {"db": {"h4001"}})
    with pytest.raises(Exhausted) as nowhere:
        choose(Closest(), Wish(3, ("red/X",), frozenset({"db"}), hosts=("h[0-4]*",)), hosts, around)
    assert str(nowhere.value) == (
        "no host can take a node of size 3: of 5000 host(s) 1667 closed, 1 with a node to be kept apart from, "
        "3332 too full; nearest: h4001 (has a member of anti-affinity group db), "
        "h0101 (0 of 8 units free, 3 needed), h0401 (0 of 8 units free, 3 needed); "
        "make room on a host, take the node out of its anti-affinity group, give a host a capacity, or add a host"
    )


@pytest.mark.parametrize(
    ("hosts", "wish", "said"),
    [
        ([], ONE, "there is no host; declare a fabric"),
        ([Host("h", "A", 0, 0)], ONE, "of 1 host(s) 1 closed; nearest: h (takes no nodes"),
        ([Host("h", "A", 9, 0)], replace(ONE, segments=frozenset("B")), "h (segment A is not one of those asked"),
        ([Host("h", "A", 9, 0)], replace(ONE, hosts=("H",)), "h (not one of the hosts asked for); ask for other"),
        ([Host("h", "A", 9, 0)], replace(ONE, hosts=()), "not one of the hosts asked for"),
    ],
)
def test_where_room_would_not_help_it_is_a_conflict(hosts: list[Host], wish: Wish, said: str) -> None:
    with pytest.raises(Conflict) as nowhere:
        choose(Closest(), wish, hosts, Neighbourhood())
    assert said in str(nowhere.value)


def test_a_size_below_nothing_is_refused() -> None:
    with pytest.raises(Invalid, match="size: -1 is not a size"):
        Wish(-1)
