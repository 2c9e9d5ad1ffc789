"""Rows altered by hand, so that a check can prove that it notices."""

from __future__ import annotations

import re
from typing import Final

from .lab import Lab
from .sandbox import LabError, run

SETS: Final = r"set_field:\w+->reg0,set_field:\w+->reg2"
"""The actions by which a row says on which network a frame goes on: its number, and its tag in the segment."""


def sets(number: int, tag: int) -> str:
    """These actions for one network, as ovs-ofctl prints them."""
    return f"set_field:{number:#x}->reg0,set_field:{tag:#x}->reg2"


def alter(lab: Lab, switch: str, row: str, old: str, new: str) -> None:
    """In the rows of a switch that match the regular expression `row`, put `new` for what matches `old`.

    The controller would put them right at once: end it before. Raises LabError where no row changes.
    """
    rows = [line for line in lab.flows(switch).splitlines() if re.search(row, line)]
    altered = [re.sub(old, new, line) for line in rows]
    if not rows or altered == rows:
        raise LabError(f"switch {switch} has no row with {row} to alter")
    lab.add_flows(switch, altered)
    # What the data path has cached of the old rows it goes on doing for a while, until all of it was gone through.
    run("ovs-appctl", "revalidator/wait")
