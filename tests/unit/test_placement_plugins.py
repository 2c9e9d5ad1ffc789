"""Placers of others: found by entry points of real distributions, and held to the hosts that they are offered."""

from __future__ import annotations

import configparser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ryu_vnet.errors import Conflict, Exhausted, Invalid, PlacerFailed
from ryu_vnet.managers.placement import Choice, Host, Neighbourhood, Wish, choose
from ryu_vnet.managers.placers import BUILT_IN, GROUP, Closest, Spread, placer

WISH = Wish(1, ("red/X",))
HOSTS = [Host("full", "A", 1, 1), Host("good", "A", 1, 0), Host("rack", "A", 0, 0)]


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts a distribution on the path that names placers, and has one module."""

    def make(name: str, module: str, **points: str) -> None:
        folder = tmp_path / name
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        listed = "".join(f"{point} = {value}\n" for point, value in points.items())
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{listed}")
        (folder / f"{name}.py").write_text(module)
        monkeypatch.syspath_prepend(folder)

    return make


ANSWERING = """
from ryu_vnet.managers.placement import Choice

class Coolest:
    def rank(self, wish, hosts, neighbourhood):
        return Choice(hosts[0].name, ("the coolest",), {"warm": "35 degrees"})

ready = Coolest()

def rank(wish, hosts, neighbourhood):
    return Choice(hosts[-1].name, ("said by a module",))
"""


def test_a_placer_is_found_by_its_entry_point(distribution: Callable[..., None]) -> None:
    distribution("cool", ANSWERING, coolest="cool:Coolest", made="cool:ready", whole="cool")
    around = Neighbourhood()
    expected = Choice(
        "good",
        ("the coolest",),
        {
            "warm": "35 degrees",
            "full": "0 of 1 units free, 1 needed",
            "rack": "takes no nodes: its capacity is 0",
        },
    )
    assert choose(placer("coolest"), WISH, HOSTS, around) == expected
    assert choose(placer("made"), WISH, HOSTS, around) == expected
    assert str(choose(placer("whole"), WISH, HOSTS, around)) == "good: said by a module"


def test_our_own_are_found_and_set_up_says_the_same_of_them() -> None:
    assert isinstance(placer("closest"), Closest) and isinstance(placer("spread"), Spread)
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[2] / "setup.cfg")
    lines = setup["options.entry_points"][GROUP].split("\n")
    assert [line for line in lines if line] == [f"{point.name} = {point.value}" for point in BUILT_IN]


BAD = """
class NeedsMore:
    def __init__(self, more): ...
    def rank(self, wish, hosts, neighbourhood): ...

class NoRank: ...

class OtherRank:
    rank = 3
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("closet", "VNET_PLACEMENT: there is no placer 'closet' (one of absent, beyond, closest, "),
        ("absent", "placer 'absent' (no_such_module:Placer) does not load: ModuleNotFoundError: No module named"),
        ("beyond", "placer 'beyond' (bad:Placer) does not load: AttributeError: "),
        ("needs", "placer 'needs' (bad:NeedsMore) does not load: TypeError: "),
        ("no_rank", "placer 'no_rank' (bad:NoRank) has no `rank` (rank(wish, hosts, neighbourhood) -> Choice)"),
        ("other_rank", "placer 'other_rank' (bad:OtherRank) has no `rank`"),
        ("spread", "2 placers are called 'spread': bad:NoRank, ryu_vnet.managers.placers:Spread (remove"),
    ],
)
def test_what_is_no_placer_is_refused(name: str, said: str, distribution: Callable[..., None]) -> None:
    points = {"absent": "no_such_module:Placer", "beyond": "bad:Placer", "needs": "bad:NeedsMore"}
    distribution("bad", BAD, **points, no_rank="bad:NoRank", other_rank="bad:OtherRank", spread="bad:NoRank")
    with pytest.raises(Invalid) as refused:
        placer(name)
    assert said in str(refused.value)


def test_a_module_that_breaks_when_it_is_imported_is_refused(distribution: Callable[..., None]) -> None:
    distribution("broken", "1 / 0", broken="broken:Placer")
    with pytest.raises(Invalid, match="does not load: ZeroDivisionError: division by zero"):
        placer("broken")


@dataclass
class Answering:
    """A placer that gives one answer, or breaks off with it."""

    answer: object

    def rank(self, wish: Wish, hosts: Sequence[Host], neighbourhood: Neighbourhood) -> Choice:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Choice("full", ()), "chose host 'full', which it was not offered (0 of 1 units free, 1 needed); name a host"),
        (Choice("rack", ()), "chose host 'rack', which it was not offered (takes no nodes"),
        (Choice("moon", ()), "chose host 'moon', which it was not offered; name a host in the request, or set VNET_PL"),
        (Choice(None, ()), "answered Choice(host=None, "),  # type: ignore[arg-type]
        (Choice(["good"], ()), "answered Choice(host=['good'], "),  # type: ignore[arg-type]
        (Choice("good", "text"), "which is not a Choice of a host's name, a tuple of reasons"),  # type: ignore[arg-type]
        (Choice("good", (1,)), "all of them text"),  # type: ignore[arg-type]
        (Choice("good", (), None), "answered Choice("),  # type: ignore[arg-type]
        (Choice("good", (), {"full": 1}), "answered Choice("),  # type: ignore[dict-item]
        (None, "answered None, which"),
        ("good", "answered 'good', which"),
        (ZeroDivisionError("by zero" * 1000), "broke off with ZeroDivisionError: by zeroby zero"),
        (Conflict("no"), "broke off with Conflict: no"),
    ],
)
def test_an_answer_that_is_none_is_reported_with_the_placers_name(answer: object, said: str) -> None:
    with pytest.raises(PlacerFailed) as failed:
        choose(Answering(answer), WISH, HOSTS, Neighbourhood())
    assert str(failed.value).startswith(f"placer {__name__}.Answering ") and said in str(failed.value)
    assert len(str(failed.value)) < 600


def test_a_placer_that_would_take_none_says_so() -> None:
    with pytest.raises(Exhausted, match=r"^placer .*Answering: too warm everywhere$") as nowhere:
        choose(Answering(Exhausted("too warm everywhere", 60)), WISH, HOSTS, Neighbourhood())
    assert nowhere.value.retry_after == 60


def test_a_placer_is_held_to_what_it_was_offered_whatever_it_does_with_it() -> None:
    class Widening:
        def rank(self, wish: Wish, hosts: list[Host], neighbourhood: Neighbourhood) -> Choice:
            hosts += HOSTS
            return Choice("full", ())

    with pytest.raises(PlacerFailed, match="Widening chose host 'full', which it was not offered"):
        choose(Widening(), WISH, HOSTS, Neighbourhood())  # type: ignore[arg-type]


def test_hosts_are_offered_sorted_and_only_those_that_may_take_it() -> None:
    offered: list[Host] = []

    class Seeing:
        def rank(self, wish: Wish, hosts: Sequence[Host], neighbourhood: Neighbourhood) -> Choice:
            offered.extend(hosts)
            return Choice(hosts[0].name, ())

    hosts = [*HOSTS, Host("best", "B", None, 70)]
    assert str(choose(Seeing(), WISH, hosts, Neighbourhood())) == "best"
    assert [host.name for host in offered] == ["best", "good"]
