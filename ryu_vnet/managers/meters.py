"""The meters that a switch has, which bound how much it tells the controller: of machines that are learned
(`pipeline.TELLING_METER`), and of what networks' services are asked (`pipeline.SERVICES_METER`).

A meter goes into no bundle, and a row that names one is refused where it is not there. So it is made ahead of every
change that has such a row; where it is there already the switch says so, and nobody minds. Whenever the switch is read,
its rate is set again, in case somebody has changed it. Where somebody deletes it, its rows go with it: that is drift,
which is put right, the meter ahead of them. A switch that can have no meter refuses the rows, which is reported as
with any other row: none of them is ever there without.

A switch without such a row is sent none of this.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..compiler.pipeline import (
    SERVICES_BURST,
    SERVICES_METER,
    SERVICES_RATE,
    TELLING_BURST,
    TELLING_METER,
    TELLING_RATE,
)
from ..openflow import messages
from ..openflow.changes import Kind, Step
from ..openflow.rows import is_metered, meter_in
from ..openflow.wire import Version
from .difference import Contents

_METERS = {
    TELLING_METER: (TELLING_RATE, TELLING_BURST),
    SERVICES_METER: (SERVICES_RATE, SERVICES_BURST),
}
"""Frames a second and at once, by meter."""


def ahead_of(steps: Iterable[Step], version: Version, xid: int) -> list[bytes]:
    """What is to be sent before these steps: nothing, where no row among them has a meter."""
    named = {meter_in(value) for kind, _, value in steps if kind is Kind.ROW_ADD and is_metered(value)}
    return [messages.meter_add(version, xid, number, *_METERS[number]) for number in sorted(named)]


def set_again(wanted: Contents, version: Version, xid: int) -> list[bytes]:
    """What is to be sent when a switch is read: nothing, where none of the rows that it is to have has a meter."""
    named = {meter_in(value) for value in wanted.rows.values() if is_metered(value)}
    return [messages.meter_modify(version, xid, number, *_METERS[number]) for number in sorted(named)]
