"""What a check finds, what it hands over to be mended, and what it came to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from ...fabric.declared import Fabric
from ...model.state import Draft
from ...store.interface import Json
from ..allocation import Allocator


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be: its kind, the document or switch, what is wrong, and why it matters.

    `mending` says what mending does about it; None where that would take somebody who knows more.
    """

    kind: str
    where: str
    what: str
    why: str
    mending: str | None = None


@dataclass(slots=True)
class Case:
    """What is examined: the model as a draft, the fabric, and which switches have documents of their own.

    Mending changes the draft; `others` has the documents beside the model that it writes, or removes (None).
    """

    draft: Draft
    fabric: Fabric
    allocator: Allocator
    observed: set[str] = field(default_factory=set)
    """Switches whose ports are noted."""
    admitted: dict[str, Json] = field(default_factory=dict)
    """Of each switch that is noted as admitted, as what."""
    others: dict[str, Json | None] = field(default_factory=dict)


Edit: TypeAlias = Callable[[Case], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """A finding, and what mends it, if anything does."""

    finding: Finding
    edit: Edit | None = None


Check: TypeAlias = Callable[[Case], Iterable[Fault]]


@dataclass(frozen=True, slots=True)
class Report:
    """What a check came to, at a revision, which holds what was mended.

    `findings` is what is wrong, after mending if that was asked for; `mended` is what was wrong before. `waiting` is
    what is not as it is to be only because something is waited for. `notes` says what else there is to know. So many
    `documents` and `switches` were looked at.
    """

    revision: int
    documents: int
    switches: int
    findings: list[Finding]
    mended: list[Finding]
    waiting: list[Finding]
    notes: list[str]


def findings(faults: Iterable[Fault]) -> Iterator[Finding]:
    """What people are told of faults."""
    return (fault.finding for fault in faults)
