"""The rows that choose among several networks, at the switches of those who are in several.

Between any two interfaces a frame goes out on the first network (`Network.rank`) that they share and that takes it.
For networks A, B and C, in this order, these rows say so one combination after the other: what is for a member of C
who is in neither A nor B goes out on C; else see A+B, where what is for a member of B who is not in A goes out on B;
else on A. What is for everybody goes out on each of them: on C, as a broadcast domain of its own that only they hear
who are in neither A nor B; on B likewise; and on A. So nobody hears it twice, and nobody's rows are needed but those of
members of the later networks who are not in the first.

A MAC address that occurs in several of the networks is that of the member of the first of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from . import fields as f
from .pipeline import ANSWER, CHOICE, CHOICE_REG, CLASS, FORWARD, NETWORK_REG, TAG_REG, TO_ANSWER, TO_FORWARD, Stage
from .rows import Action, FieldMatch, Origin, Resubmit, Row, SetField, Subject
from .traffic import Region, for_everybody

TO_CHOICE = Resubmit(CHOICE.table)


class Way(NamedTuple):
    """What comes next for a frame: it goes out on one network, or there are still several to choose from.

    `number` is that of the network or combination; `tag` that of the network in the switch's segment, 0 where it has
    none; None where there are several."""

    number: int
    tag: int | None
    is_served: bool = False
    """Whether what is asked there is answered by the switch."""

    @property
    def actions(self) -> list[Action]:
        """What to set."""
        if self.tag is None:
            return [SetField(CHOICE_REG.field, self.number)]
        return [SetField(NETWORK_REG.field, self.number), SetField(TAG_REG.field, self.tag)]

    @property
    def stage(self) -> Stage:
        """Where to go then."""
        if self.tag is None:
            return CHOICE
        return ANSWER if self.is_served else FORWARD


class Several(NamedTuple):
    """All that the rows of a combination at a switch follow from, where somebody speaks in it."""

    number: int
    """The combination's."""
    tag: int
    """Its tag in the segment of the switch; 0 where it has none."""
    former: Way
    """All but the last of its networks."""
    last: Way
    """The last of its networks."""
    router: int = 0
    """The MAC address of that one's router; 0 where it has none."""


def choice_rows(several: Several) -> Iterator[Row]:
    """Where frames go that are for nobody who is in the last network only."""
    origin = Origin(Subject.NETWORK, several.number)
    chosen = FieldMatch(CHOICE_REG.field, several.number)
    former = several.former
    if former.tag is None:
        # The stage before: there is no going to the table that one is in, but looking it up again.
        yield CHOICE.row("former", [chosen], [*former.actions, TO_CHOICE], None, origin)
        again: list[Action] = [*former.actions, TO_CHOICE]
    else:
        yield CHOICE.row("former", [chosen], former.actions, former.stage, origin)
        again = [*former.actions, TO_ANSWER if former.is_served else TO_FORWARD]
    to_all = [chosen, FieldMatch(f.ETH_DST, f.GROUP_BIT, f.GROUP_BIT)]
    rest = Way(several.number, several.tag, several.last.is_served)
    yield CHOICE.row("group", to_all, [*again, *rest.actions], rest.stage, origin)
    if several.router:
        to_router = [chosen, FieldMatch(f.ETH_DST, several.router)]
        yield CHOICE.row("member", to_router, several.last.actions, several.last.stage, origin)


def pick_row(interface: int, mac: int, combination: int, last: Way) -> Row:
    """Frames for an interface, by its number, that is in the last network of a combination only."""
    mine = [FieldMatch(CHOICE_REG.field, combination), FieldMatch(f.ETH_DST, mac)]
    return CHOICE.row("member", mine, last.actions, last.stage, Origin(Subject.INTERFACE, interface))


class Classed(NamedTuple):
    """All that the rows of stage CLASS for some networks at a switch follow from: their number, and what comes next
    for ARP and neighbour discovery, and in each region of other frames."""

    number: int
    everybody: Way
    regions: tuple[tuple[Region, Way], ...]


def class_rows(classed: Classed) -> Iterator[Row]:
    """Which of the networks that somebody is in take a frame."""
    origin = Origin(Subject.NETWORK, classed.number)
    chosen = FieldMatch(CHOICE_REG.field, classed.number)
    first = classed.everybody
    for conditions in for_everybody():
        yield CLASS.row("everybody", [chosen, *conditions], first.actions, first.stage, origin)
    for region, way in classed.regions:
        yield CLASS.row(f"taken by {region.depth}", [chosen, *region.match], way.actions, way.stage, origin)
