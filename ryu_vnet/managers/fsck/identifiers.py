"""Checks of what is granted and rests: counters, numbers, combinations of networks, tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from ...compiler.pipeline import FIRST_LABEL, LAST_LABEL
from ...model.outside import FIRST_ZONE, LAST_ZONE, ZONES
from ...model.values import LABELS, Combination, Network, Resting, TagGrant, Value, key_of, tag_space
from ..allocation import FIRST_TAG, LAST_TAG
from .finding import Case, Edit, Fault, Finding
from .needs import needed_combinations, needed_tags, numbered

_LEAKED = "it is lost to everybody else"
_SPANS = {LABELS: (FIRST_LABEL, LAST_LABEL), "tag": (FIRST_TAG, LAST_TAG), ZONES: (FIRST_ZONE, LAST_ZONE)}
"""The identifiers of each kind of space, the first and the last."""


def counters(case: Case) -> Iterator[Fault]:
    """Counters that would give out again what is in use."""
    known = case.draft.counters()
    used = {
        "interface": [
            *(interface.number for node in case.draft.nodes() for interface in node.interfaces),
            *(gateway.interface for gateway in case.draft.gateways()),
            *[interface.number for node in case.draft.nodes() for interface in node.interfaces],
            *[site.number for site in case.draft.sites()],
        ],
        "switch": [switch.number for switch in case.fabric.switches.values()],
        "segment": [*case.fabric.segments.values()],
    }
    for name, numbers in used.items():
        needed, present = max(numbers, default=0) + 1, getattr(known, name)
        if present < needed:
            what = f"the next {name} would get number {present}, and {needed - 1} is in use"
            finding = Finding("counter behind", "counters", what, "two would have one number", f"it goes to {needed}")
            yield Fault(finding, _counted(name, needed))


def _counted(name: str, needed: int) -> Edit:
    return lambda case: case.draft.put(replace(case.draft.counters(), **{name: needed}))


def numbers(case: Case) -> Iterator[Fault]:
    """Networks and combinations with one number, with an impossible one, or with one that rests."""
    everyone = numbered(case.draft)
    times = Counter(one.number for one in everyone)
    rests = {resting.identifier for resting in case.draft.resting(LABELS)}
    for one in everyone:
        if not FIRST_LABEL <= one.number <= LAST_LABEL:
            kind, what = "impossible number", f"is not between {FIRST_LABEL} and {LAST_LABEL}"
            why = "no row and no label can carry it"
        elif times[one.number] > 1:
            kind, what, why = "number twice", "is another's as well", "frames of one would be delivered in the other"
        elif one.number in rests:
            kind, what = "number rests", "rests as well"
            why = "a switch may still have rules of whoever had it before"
        else:
            continue
        text = f"number {one.number} of {one.ref} {what}"
        mending = f"{one.ref} gets another number, and {one.number} rests"
        yield Fault(Finding(kind, key_of(one), text, why, mending), _numbered_anew(key_of(one)))


def _numbered_anew(key: str) -> Edit:
    def edit(case: Case) -> None:
        one = case.draft.get(key)
        if isinstance(one, Network | Combination):
            if FIRST_LABEL <= one.number <= LAST_LABEL:
                case.allocator.return_number(one)
            case.draft.put(replace(one, number=case.allocator.network_number(one.ref)))

    return edit


def groups_of_networks(case: Case) -> Iterator[Fault]:
    """Combinations of networks that are needed and missing, or there and not needed."""
    needed = needed_combinations(case.draft)
    present = {combination.ref: combination for combination in case.draft.combinations()}
    for ref in sorted(needed.keys() - present.keys()):
        tenant, names = needed[ref]
        what, why = f"{ref} is missing, in which somebody is", "broadcasts of whoever is in all of them go nowhere"
        finding = Finding("combination missing", f"combination/{ref}", what, why, "it is made")
        yield Fault(finding, _combined(tenant, names))
    for ref in sorted(present.keys() - needed.keys()):
        what = f"nobody needs {ref}, which has number {present[ref].number}"
        finding = Finding("combination not needed", f"combination/{ref}", what, _LEAKED, "it goes; its number rests")
        yield Fault(finding, _disbanded(ref))


def _combined(tenant: str, names: tuple[str, ...]) -> Edit:
    def edit(case: Case) -> None:
        number = case.allocator.network_number(f"combination {tenant}/{'+'.join(names)}")
        case.draft.put(Combination(tenant, names, number))

    return edit


def _disbanded(ref: str) -> Edit:
    def edit(case: Case) -> None:
        combination = case.draft.combination(ref)
        if combination is not None:
            case.draft.delete(combination)
            case.allocator.return_number(combination)

    return edit


# --- tags -------------------------------------------------------------------------------------------------------------


def doubled_tags(case: Case) -> Iterator[Fault]:
    """Tags that two networks of a segment have, that cannot be, or that rest for the sake of somebody else."""
    times, names = Counter((grant.segment, grant.tag) for grant in case.draft.grants()), _names(case)
    rests = {(rest.space, rest.identifier): rest for rest in case.draft.resting() if rest.space != LABELS}
    for grant in case.draft.grants():
        rest = rests.get((tag_space(grant.segment), grant.tag))
        text = f"tag {grant.tag} of segment {grant.segment}, which {_whose(names, grant)} has,"
        anew = "who has it gets another, and it rests"
        if not FIRST_TAG <= grant.tag <= LAST_TAG:
            why = "no frame can carry it"
            yield _fault("impossible tag", grant, f"{text} is no VLAN identifier", why, "another is granted", _dropped)
        elif times[grant.segment, grant.tag] > 1:
            why = "frames of one network would be delivered in the other"
            yield _fault("tag twice", grant, f"{text} is another's as well", why, anew, _rested)
        elif rest is not None and rest.network != grant.network:
            why = "a switch may still have rules of whoever had it before"
            yield _fault("tag rests", grant, f"{text} rests as well, from number {rest.network}", why, anew, _dropped)


def resting(case: Case) -> Iterator[Fault]:
    """Identifiers that rest and are in use by whoever had them, or are none at all."""
    names = _names(case)
    for rest in case.draft.resting():
        segment = rest.space.partition(":")[2]
        first, last = _SPANS.get(rest.space.partition(":")[0], (1, 0))
        if not first <= rest.identifier <= last:
            what, why = f"{rest.space} {rest.identifier} rests, and is no identifier", "nobody can ever have it"
            yield _fault("impossible rest", rest, what, why, "it is forgotten", _dropped)
            continue
        grant = case.draft.grant(segment, rest.network) if segment else None
        if grant is not None and grant.tag == rest.identifier:
            what = f"tag {grant.tag} of segment {segment} rests, and {_whose(names, grant)}, which had it, has it"
            why = "once it is given back, it would be taken for free too early"
            yield _fault("rests in use", rest, what, why, "it rests no more", _dropped)


def tags(case: Case) -> Iterator[Fault]:
    """Tags where nobody needs them, and where one is missing."""
    needed, names = needed_tags(case.draft, case.fabric), _names(case)
    present = {(grant.segment, grant.network): grant for grant in case.draft.grants()}
    for where in sorted(present.keys() - needed.keys()):
        grant = present[where]
        text = f"tag {grant.tag} of segment {grant.segment} is granted to {_whose(names, grant)}"
        kept = "it is given back, and rests"
        if grant.segment not in case.fabric.with_trunks:
            why = "there are no trunks in that segment, so that nothing carries it"
        else:
            why = f"no member of it runs there or is prepared: {_LEAKED}"
        yield _fault("tag not needed", grant, text, why, kept, _rested)
    for segment, number in sorted(needed.keys() - present.keys()):
        ref = needed[segment, number]
        what = f"{ref} has no tag in segment {segment}, where members of it run or are prepared"
        why = "its frames cannot be told from others on the trunks there"
        finding = Finding("tag missing", f"grant/{segment}/{number:07d}", what, why, "one is granted")
        yield Fault(finding, _granted(segment, number))


def _granted(segment: str, number: int) -> Edit:
    def edit(case: Case) -> None:
        owner = next(one for one in numbered(case.draft) if one.number == number)
        case.allocator.settle_tags(owner, {segment}, [segment])

    return edit


def _fault(
    kind: str, value: TagGrant | Resting, what: str, why: str, mending: str, edit: Callable[[str], Edit]
) -> Fault:
    return Fault(Finding(kind, key_of(value), what, why, mending), edit(key_of(value)))


def _dropped(key: str) -> Edit:
    """Forget it. Where it is a grant that somebody needs, another is missing then."""

    def edit(case: Case) -> None:
        value: Value | None = case.draft.get(key)
        if value is not None:
            case.draft.delete(value)

    return edit


def _rested(key: str) -> Edit:
    """Give a grant back. Where several had the tag, none of them has it again before it has rested."""

    def edit(case: Case) -> None:
        grant = case.draft.get(key)
        if isinstance(grant, TagGrant):
            space = tag_space(grant.segment)
            is_alone = sum(one.tag == grant.tag for one in case.draft.grants(grant.segment)) == 1
            known = any(rest.identifier == grant.tag for rest in case.draft.resting(space))
            case.draft.delete(grant)
            whose = grant.network if is_alone and not known else 0
            revision = case.allocator.revision
            if FIRST_TAG <= grant.tag <= LAST_TAG:
                case.draft.put(Resting(space, grant.tag, whose, revision))

    return edit


def _names(case: Case) -> dict[int, str]:
    return {one.number: one.ref for one in numbered(case.draft)}


def _whose(names: Mapping[int, str], grant: TagGrant) -> str:
    return names.get(grant.network, f"number {grant.network}, which none has")
