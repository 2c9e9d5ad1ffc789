"""The command that watches the controller at work: `vnet top`. It reads what any monitoring system may read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click

from ..errors import NotFound, Unreachable
from .interval import Interval, Json, Reading
from .session import Command, Session
from .show import coloured

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

pass_session = click.make_pass_decorator(Session)

MOST_SWITCHES = 10
"""Switches that are shown where no terminal says how many lines it has."""
_COLUMNS = ["switch", "rows", "to send", "sent/s", "state"]
_NUMBERS = _COLUMNS[1:4]
_LINES_ABOVE = 13
"""What the screen needs for everything but the switches."""
_MIB = 1 << 20


def install(main: click.Group) -> None:
    """Add the command."""
    main.add_command(top)


@click.command(
    "top", cls=Command, examples=("vnet top", "vnet top --interval 5", "vnet top --once", "vnet top --json | jq .rows")
)
@click.option("--interval", metavar="SECONDS", type=click.FloatRange(min=0.1), default=1.0, help="1 by default.")
@click.option("--once", is_flag=True, help="Show one interval and end.")
@pass_session
def top(session: Session, interval: float, once: bool) -> None:
    """Watch the controller at work, interval by interval, until Ctrl-C: switches, requests, latency until a change is
    on the switches, what is sent, drift, refusals, queues, memory, and the switches that are troubled or busiest.

    With --json one object a line and interval. Median and 99th percentile are as exact as the buckets of
    `vnet_realised_seconds` in /metrics.
    """
    console = session.console()
    lines = MOST_SWITCHES if session.json or not console.is_terminal else max(console.height - _LINES_ABOVE, 1)
    screens = islice(_watch(session, interval, lines), 1 if once else None)
    try:
        if session.json:
            for found in screens:
                click.echo(json.dumps(found))
        elif once or not console.is_terminal:
            for found in screens:
                console.print(screen(found))
        else:
            _live(console, screens)
    except KeyboardInterrupt:
        # That is how it is ended.
        return


def _live(console: Console, screens: Iterator[Json]) -> None:
    from rich.live import Live
    from rich.text import Text

    with Live(Text("reading ..."), console=console, screen=True, auto_refresh=False) as live:
        for found in screens:
            live.update(screen(found), refresh=True)


def _watch(session: Session, seconds: float, lines: int) -> Iterator[Json]:
    """What happened in each interval. A controller that does not answer, once it has, is waited for."""
    before = _read(session)
    while True:
        time.sleep(seconds)
        try:
            after = _read(session)
            interval = Interval(before, after)
            switches = [_with_state(session, part) for part in islice(interval.busiest(), lines)]
        except Unreachable as error:
            yield {"error": str(error)}
            continue
        yield {**interval.summary(), "busiest": switches}
        before = after


def _read(session: Session) -> Reading:
    text = session.client.metrics()
    return Reading.of(text, time.monotonic())


def _with_state(session: Session, part: Json) -> Json:
    """With the state in words. Only those that are not in step are asked for: they alone have more to tell."""
    if part["in_step"]:
        return {**part, "state": "in step", "why": ""}
    try:
        found = session.client.switch(part["switch"])
    except NotFound:
        return {**part, "state": "gone", "why": "it is declared no more"}
    # A moment later than the metrics: all of it is of that moment.
    newer = {"in_step": found["realised"], "rows": found["rows"], "to_send": found["to_send"]}
    return {**part, **newer, "state": found["state"], "why": found["why"]}


# --- the screen -----------------------------------------------------------------------------------------------------


def screen(found: Json) -> RenderableType:
    """One interval, for people; fits into 80 columns."""
    from rich.console import Group as Together
    from rich.text import Text

    if "error" in found:
        return Text(found["error"], style="red")
    return Together(_whole(found), Text(), _switches(found["busiest"]))


def _whole(found: Json) -> Table:
    from rich.table import Table
    from rich.text import Text

    queue, drift, latency = found["queue"], found["drift"], found["realised_ms"]
    states = [f"{n} {coloured(state)}" for state, n in found["switches"].items() if n]
    lines = {
        "switches": ", ".join(states) or "none is declared",
        "requests": f"{found['requests_per_second']:.1f} a second; {found['realised_per_second']:.1f} changes realised",
        "realised": f"median {_time(latency['median'])}, 99th percentile {_time(latency['p99'])}",
        "sent": f"{found['bundles_per_second']:.1f} bundles and {found['messages_per_second']:.1f} messages a second",
        "queue": f"{queue['requests']} requests, {queue['revisions']} revisions, {queue['switches']} switches, "
        f"{queue['ports']} missing ports",
        "drift": _marked(f"{drift['interval']} now, {drift['all']} in all", "yellow", drift["interval"]),
        "refused": _marked(f"{found['refused']} rows and groups", "red", found["refused"]),
        "process": f"{found['memory_bytes'] / _MIB:.0f} MiB, {found['cpu_percent']:.0f} % of a CPU; "
        f"{found['rows']} rows, revision {found['revision']}",
    }
    grid = Table.grid(padding=(0, 2))
    for name, text in lines.items():
        grid.add_row(Text(name, style="bold"), text)
    return grid


def _marked(text: str, colour: str, when: int) -> str:
    return f"[{colour}]{text}[/]" if when else text


def _time(milliseconds: float | None) -> str:
    return f"{milliseconds:.1f} ms" if milliseconds is not None else "-"


def _switches(switches: list[Json]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    rows = [
        [part["switch"], f"{part['rows']}", f"{part['to_send']}", f"{part['messages_per_second']:.0f}", part["state"]]
        for part in switches
    ]
    grid = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in _COLUMNS:
        grid.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=True)
    # The one column that may become narrower; its text is cut off instead of wrapped.
    grid.add_column("why")
    for row, part in zip(rows, switches, strict=True):
        reason = Text(part["why"], no_wrap=True, overflow="ellipsis")
        grid.add_row(escape(row[0]), *row[1:-1], coloured(row[-1]), reason)
    return grid
