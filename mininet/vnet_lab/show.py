"""What the scripts show people: tables and lines, in colour where there is a terminal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .breakin import Outcome, Report
from .reachability import Matrix
from .reference import networks_of
from .topology import Interface, Topology

WIDTH: Final = 118


def console() -> Console:
    """Where to print; wide enough for a matrix where the output is no terminal."""
    plain = Console(highlight=False, soft_wrap=True)
    return plain if plain.is_terminal else Console(highlight=False, soft_wrap=True, width=WIDTH)


def verdict(console: Console, wrong: Sequence[str], noticed: str, most: int | None = None) -> int:
    """Say what a demonstration has come to, and return the exit code: 0 only if nothing is `wrong`, of which `most`
    lines are shown at most. `noticed` goes on after "observed equals expected"."""
    for line in wrong[:most]:
        console.print(f"WRONG: {line}", style="bold red", markup=False)
    text = "observed differs from expected" if wrong else f"observed equals expected{noticed}"
    console.print(f"\n{text}", style="bold red" if wrong else "bold green")
    return 1 if wrong else 0


def matrix_table(topology: Topology, observed: Matrix, expected: Matrix) -> Table:
    """Who reached whom: a row a source, a column a destination, a cell `observed/expected` in IPv4 and IPv6."""
    table = Table(title="who reached whom, beside who should: IPv4 and IPv6, observed/expected", title_justify="left")
    table.add_column("from \\ to")
    for column in topology.interfaces:
        table.add_column(short_name(topology, column), justify="center")
    for row in topology.interfaces:
        cells = [_cell(row, column, observed, expected) for column in topology.interfaces]
        table.add_row(f"{short_name(topology, row)} ({_refs(row)})", *cells)
    return table


def reach_table(topology: Topology, observed: Matrix, expected: Matrix) -> Table:
    """Who reached whom, for many: a row a source, a column a destination, in a cell by which IP versions."""
    title = "who reached whom, over IPv4 (4) and IPv6 (6); ! where it is not as it should be"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("from \\ to")
    for column in topology.interfaces:
        table.add_column(short_name(topology, column), justify="center")
    for row in topology.interfaces:
        cells = [_versions(row, column, observed, expected) for column in topology.interfaces]
        table.add_row(short_name(topology, row), *cells)
    return table


def _versions(row: Interface, column: Interface, observed: Matrix, expected: Matrix) -> Text:
    keys = [key for key in ((row.id, column.id, family) for family in (4, 6)) if key in expected]
    reached = "".join(str(key[2]) for key in keys if observed[key])
    right = all(observed[key] == expected[key] for key in keys)
    text = (reached or "-") if keys else ""
    return Text(text if right else f"{text}!", "bold red" if not right else "green" if reached else "dim")


def short_name(topology: Topology, interface: Interface) -> str:
    """The name of an interface's node, and its own where the node has several."""
    several = sum(other.owner == interface.owner for other in topology.interfaces) > 1
    return f"{interface.node}/{interface.name}" if several else interface.node


def _refs(interface: Interface) -> str:
    """The networks that an interface is in, the tenant's name once."""
    names = ", ".join(network.name for network in networks_of(interface))
    return f"{interface.tenant}/{names}" if names else "in none"


def _cell(row: Interface, column: Interface, observed: Matrix, expected: Matrix) -> Text:
    keys = [key for key in ((row.id, column.id, family) for family in (4, 6)) if key in expected]
    if not keys:
        return Text("")
    text = " ".join(f"{_sign(observed[key])}/{_sign(expected[key])}" for key in keys)
    right = all(observed[key] == expected[key] for key in keys)
    style = "bold red" if not right else "green" if expected[keys[0]] else "dim"
    return Text(text if right else f"{text} !", style)


def _sign(reached: bool) -> str:
    return "y" if reached else "-"


def wrong_pairs(observed: Matrix, expected: Matrix) -> list[str]:
    """The pairs that are not as they should be, in words."""
    return [
        f"{source} {'did not reach' if should else 'reached'} {destination} over IPv{family}"
        for (source, destination, family), should in sorted(expected.items())
        if observed.get((source, destination, family)) != should
    ]


def identifiers_table(networks: Iterable[Mapping[str, Any]], segments: Iterable[str]) -> Table:
    """Tags per segment and labels per network, as the controller has granted them."""
    names = sorted(segments)
    table = Table(title="what each network is called on the wire", title_justify="left")
    for heading in ("network", "members", *(f"tag in {name}" for name in names), "MPLS label"):
        table.add_column(heading)
    for network in networks:
        members = ", ".join(member["node"].partition("/")[2] for member in network["members"])
        tags = [str(network["tags"].get(name, "-")) for name in names]
        label = str(network["label"] or "none: it never leaves its segment")
        table.add_row(f"{network['tenant']}/{network['name']}", members, *tags, label)
    return table


def attempts_table(report: Report) -> Table:
    """What was tried, by kind: how often, how often it should and did arrive, how often somebody got in."""
    table = Table(title="attempts to break in, and frames that must arrive", title_justify="left")
    table.add_column("kind of frame")
    for heading in ("sent", "due", "arrived", "got in"):
        table.add_column(heading, justify="right")
    order = [LEGITIMATE, *(kind for kind, _ in KINDS), "other"]
    outcomes = sorted(report.outcomes, key=lambda outcome: order.index(_kind(outcome)))
    for kind, group in groupby(outcomes, key=_kind):
        counts: Counter[str] = Counter()
        for outcome in group:
            counts["sent"] += outcome.sent
            counts["due"] += len(outcome.attempt.must)
            counts["arrived"] += len(outcome.receivers & outcome.attempt.must)
            counts["got in"] += len(outcome.broke_in)
        style = "bold red" if counts["got in"] or counts["due"] != counts["arrived"] else ""
        table.add_row(kind, *(str(counts[name]) for name in ("sent", "due", "arrived", "got in")), style=style)
    return table


KINDS: Final = (
    ("cut off, malformed", r"cut off|no more|longer|of version|of other address lengths"),
    ("a tag or two of its own", r"tags? \d+( and \d+)?$|service tag|priority tag"),
    ("MPLS labels, whole encapsulations", r"label \d|labels|replay"),
    ("another's MAC", r"from the MAC"),
    ("to a MAC of another network", r"to the MAC"),
    ("another's IP address", r"from the IP"),
    ("ARP that lies", r"ARP"),
    ("neighbour discovery that lies", r"neighbour"),
    ("to an unknown or reserved MAC", r"unknown unicast|to itself|to LLDP"),
)
LEGITIMATE: Final = "legitimate, to be delivered"


def _kind(outcome: Outcome) -> str:
    name = outcome.attempt.name
    if name.startswith(("own ethertype", "own ARP")):
        return LEGITIMATE
    return next((kind for kind, pattern in KINDS if re.search(pattern, name)), "other")
