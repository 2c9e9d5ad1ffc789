"""The one meter that a switch has: what bounds how much it tells the controller (`pipeline.TELLING_METER`).

A meter goes into no bundle, and a row that names one is refused where it is not there. So it is made ahead of every
change that has such a row; where it is there already the switch says so, and nobody minds. Whenever the switch is read,
its rate is set again, in case somebody has changed it. Where somebody deletes it, its rows go with it: that is drift,
which is put right, the meter ahead of them. A switch that can have no meter refuses the rows, which is reported as
with any other row: none of them is ever there without.

A switch without such a row is sent none of this.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..compiler.pipeline import TELLING_BURST, TELLING_METER, TELLING_RATE
from ..openflow import messages
from ..openflow.changes import Kind, Step
from ..openflow.rows import is_metered
from ..openflow.wire import Version
from .difference import Contents

_METER = TELLING_METER, TELLING_RATE, TELLING_BURST


def ahead_of(steps: Iterable[Step], version: Version, xid: int) -> list[bytes]:
    """What is to be sent before these steps: nothing, where no row among them has a meter."""
    if any(kind is Kind.ROW_ADD and is_metered(value) for kind, _, value in steps):
        return [messages.meter_add(version, xid, *_METER)]
    return []


def set_again(wanted: Contents, version: Version, xid: int) -> list[bytes]:
    """What is to be sent when a switch is read: nothing, where none of the rows that it is to have has a meter."""
    if any(map(is_metered, wanted.rows.values())):
        return [messages.meter_modify(version, xid, *_METER)]
    return []
