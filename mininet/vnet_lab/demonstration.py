"""What all demonstrations have in common: a lab that runs, where to say things, and what turned out to be wrong."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console

from . import show
from .running import RunningLab

NOTICES: Final = 8
"""Lines that are shown of what a control was noticed by."""


class Demonstration:
    """A demonstration, whose parts each add to `wrong` what is not as it should be."""

    def __init__(self, running: RunningLab, console: Console) -> None:
        self.running = running
        self.lab = running.lab
        self.topology = running.topology
        self.console = console
        self.wrong: list[str] = []
        client = running.client
        self.networks: dict[str, dict[str, Any]] = {
            network["tenant"] + "/" + network["name"]: network
            for tenant in client.tenants()
            for network in client.networks(tenant["name"])
        }
        """As the controller has them, by reference."""

    def say(self, text: str = "") -> None:
        self.console.print(text, markup=False)

    def identifiers(self) -> None:
        """Who is in which networks, and what these are called on the wire."""
        segments = {segment for segment in self.topology.segment_of.values() if segment}
        self.console.print(show.identifiers_table(self.networks.values(), segments))

    def must_notice(self, noticed: Sequence[str]) -> None:
        """A check has gone over altered rows: it must have found something, otherwise it proves nothing."""
        for line in noticed[:NOTICES]:
            self.say(f"  noticed: {line}")
        if not noticed:
            self.wrong.append("a row was altered on a switch, and the check did not notice")


def is_tampered(description: str | None, how: str) -> bool:
    """Whether the script was called with --tamper, its only option; `how` says what that does."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tamper", action="store_true", help=f"{how}; must end with 1")
    found: bool = parser.parse_args().tamper
    return found
