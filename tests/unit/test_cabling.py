"""What cables differ, by what was heard where and when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ryu_vnet.fabric.declared import LinkKind
from ryu_vnet.managers.cabling import Cabling, Change, Difference, Kind
from ryu_vnet.model.values import Place

A1, A2, B1, B2, SPARE = (Place(*name.split(":")) for name in ("a:1", "a:2", "b:1", "b:2", "b:9"))
WIRES = {near: (LinkKind.CORE, far) for near, far in ((A1, B1), (B1, A1), (A2, B2), (B2, A2))}
PATIENCE = 30.0


class Bench:
    """One `Cabling`, with what it says told in short."""

    def __init__(self) -> None:
        self.cabling = Cabling()

    def judge(self, at: Place, now: float, *, listens: bool = True) -> tuple[list[str], list[str]]:
        """What begins to be different at a port, and what ends."""
        change: Change = self.cabling.judge(at, WIRES, now, PATIENCE, listens=listens)
        return [short(one) for one in change.begun], [short(one) for one in change.ended]

    def hear(self, at: Place, who: Place | str, now: float) -> tuple[list[str], list[str]]:
        self.cabling.heard(at, who, now, PATIENCE)
        return self.judge(at, now)

    @property
    def told(self) -> list[str]:
        return [str(one) for one in self.cabling.differences]


def short(difference: Difference) -> str:
    return f"{difference.kind.value} {difference.heard} since {difference.since:g}"


def test_the_declared_neighbour_is_no_difference() -> None:
    bench = Bench()
    assert bench.judge(A1, 0) == ([], [])
    for now in range(10, 200, 10):
        assert bench.hear(A1, B1, now) == ([], [])
    assert bench.told == []


def test_another_neighbour_is_told_once_and_until_it_is_not_heard_any_more() -> None:
    bench = Bench()
    assert bench.hear(A1, B2, 5) == (["elsewhere b:2 since 5"], [])
    assert bench.hear(A1, B2, 15) == ([], [])
    assert bench.told == ["a:1 hears b:2, and is declared to lead to b:1"]
    assert bench.hear(A1, B1, 25) == ([], [])
    assert bench.judge(A1, 44.9) == ([], [])
    assert bench.judge(A1, 45) == ([], ["elsewhere b:2 since 5"])
    assert bench.told == []


def test_another_port_down_is_another_cable() -> None:
    bench = Bench()
    bench.hear(A1, B2, 5)
    bench.cabling.forget(A1)
    assert bench.judge(A1, 6, listens=False) == ([], ["elsewhere b:2 since 5"])


def test_both_neighbours_on_one_wire_do_not_come_and_go() -> None:
    bench = Bench()
    assert bench.hear(A1, B2, 1)[0] == ["elsewhere b:2 since 1"]
    for now in range(2, 100, 2):
        assert bench.hear(A1, B1, now) == ([], [])
        assert bench.hear(A1, B2, now + 1) == ([], [])


def test_ports_of_no_link_and_of_others() -> None:
    bench = Bench()
    assert bench.hear(A1, SPARE, 1) == (["unlinked b:9 since 1"], [])
    assert bench.hear(A1, "tor-7 port 3", 2) == (["foreign tor-7 port 3 since 2"], [])
    # Whatever it calls itself next, that is no news; and one of it is remembered.
    assert bench.hear(A1, "tor-7 port 4", 3) == ([], [])
    assert bench.told == [
        "a:1 hears equipment that is not in the fabric: tor-7 port 4",
        "a:1 hears b:9, which is declared on no link, and not b:1",
    ]


def test_silence_is_told_only_while_somebody_should_be_heard() -> None:
    bench = Bench()
    assert bench.judge(A1, 100, listens=False) == ([], [])
    assert bench.judge(A1, 200) == ([], [])
    assert bench.judge(A1, 229.9) == ([], [])
    assert bench.judge(A1, 230) == (["silent  since 200"], [])
    assert bench.told == ["a:1 hears nothing from b:1, where it is declared to lead to"]
    assert bench.hear(A1, "tor-7 port 3", 240)[1] == []
    assert bench.hear(A1, B1, 250)[1] == ["silent  since 200"]
    assert bench.judge(A1, 281)[0] == ["silent  since 250"]
    assert bench.judge(A1, 290, listens=False)[1] == ["silent  since 250"]
    # From the start again.
    assert bench.judge(A1, 300) == ([], [])


def test_a_port_of_a_link_that_is_declared_no_more_is_forgotten() -> None:
    bench = Bench()
    bench.hear(A1, B2, 5)
    change = bench.cabling.judge(A1, {}, 6, PATIENCE, listens=False)
    assert [short(one) for one in change.ended] == ["elsewhere b:2 since 5"] and bench.told == []


STEPS = st.tuples(
    st.sampled_from([A1, B2]), st.sampled_from([None, B1, A2, SPARE, "x", "y"]), st.integers(0, 40), st.booleans()
)


@given(st.lists(STEPS, max_size=40))
def test_what_begins_and_ends_adds_up_to_what_is_told(steps: list[tuple[Place, Place | str | None, int, bool]]) -> None:
    cabling, now = Cabling(), 0.0
    standing: set[tuple[Place, Kind, str]] = set()
    for at, who, seconds, listens in steps:
        now += seconds
        if who is not None:
            cabling.heard(at, who, now, PATIENCE)
        change = cabling.judge(at, WIRES, now, PATIENCE, listens=listens)
        for ended in change.ended:
            standing.remove(key(ended))
        for begun in change.begun:
            assert key(begun) not in standing
            standing.add(key(begun))
        assert {key(one) for one in cabling.differences} == standing
        assert not any(one.kind is Kind.SILENT and one.at == at for one in cabling.differences) or listens


def key(difference: Difference) -> tuple[Place, Kind, str]:
    kind, heard = difference.kind, difference.heard
    return difference.at, kind, "" if kind is Kind.FOREIGN else heard
