"""Checks of the fabric, and of what is noted of its switches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ...fabric.declared import problems
from ...fabric.documents import ADMITTED_PREFIX, FABRIC_KEY, OBSERVED_PREFIX, admission
from .finding import Case, Edit, Fault, Finding

_DECLARE = "nothing else is judged by such a fabric: declare it anew (`vnet apply -f FILE`), then check again"


def fabric(case: Case) -> Iterator[Fault]:
    """A fabric by which nothing can be judged. Only a request can put it right."""
    known = case.fabric
    found = [f"{problem.where}: {problem.message}" for problem in problems(known)] if known.switches else []
    found += [f"switch number {n} occurs {t} times" for n, t in _times(s.number for s in known.switches.values())]
    found += [f"segment number {n} occurs {t} times" for n, t in _times(known.segments.values())]
    found += [
        f"segment {switch.segment} of switch {name} has no number"
        for name, switch in sorted(known.switches.items())
        if switch.segment is not None and switch.segment not in known.segments
    ]
    placed = sum(i.place is not None for node in case.draft.nodes() for i in node.interfaces)
    if not known.switches and placed:
        found.append(f"no fabric is declared, and {placed} interface(s) have a place in one")
    for what in found:
        yield Fault(Finding("wrong fabric", FABRIC_KEY, what, _DECLARE))


def _times(numbers: object) -> Iterator[tuple[int, int]]:
    return ((n, times) for n, times in sorted(Counter(numbers).items()) if times > 1)  # type: ignore[call-overload]


def noted(case: Case) -> Iterator[Fault]:
    """Notes of switches that are gone, or are something else now."""
    for name in sorted(case.observed - case.fabric.switches.keys()):
        key = OBSERVED_PREFIX + name
        what, why = f"the ports of switch {name} are noted, which is not in the fabric", "they would be taken for true"
        yield Fault(Finding("ports of nobody", key, f"{what}", f"{why} if it came back", "they go"), _forgotten(key))
    for name, as_what in sorted(case.admitted.items()):
        switch = case.fabric.switches.get(name)
        if switch is None or admission(switch) != as_what:
            key = ADMITTED_PREFIX + name
            what = f"switch {name} is noted as let in, {'which is gone' if switch is None else 'as what it is no more'}"
            why = "its links would be used again before it was seen to hold what it is to hold"
            yield Fault(Finding("let in as another", key, what, why, "it goes"), _forgotten(key))


def _forgotten(key: str) -> Edit:
    def edit(case: Case) -> None:
        case.others[key] = None
        kind, _, name = key.partition("/")
        if f"{kind}/" == OBSERVED_PREFIX:
            case.observed.discard(name)
        else:
            case.admitted.pop(name, None)

    return edit
