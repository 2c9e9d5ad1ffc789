"""The command that tells what happened: `vnet events`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from .session import Command, Session, limit_option
from .show import table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

pass_session = click.make_pass_decorator(Session)

Json = dict[str, Any]

KINDS = ("request", "realised", "node", "switch", "drift", "discovery", "fabric", "gateway")
SHOWN_FIRST = 10
"""How many of the last events are shown before those that follow."""
_COLOURS = {"realised": "green", "drift": "yellow", "fabric": "yellow", "missed": "yellow", "refused": "red"}


def install(main: click.Group) -> None:
    """Add the command."""
    main.add_command(events)


@click.command(
    "events",
    cls=Command,
    examples=(
        "vnet events",
        "vnet events --follow",
        "vnet events --subject red/vm1.1 --limit 5",
        "vnet events --follow --kind switch --json | jq .text",
        "vnet events --follow --after 1234",
    ),
)
@click.option("--follow", is_flag=True, help="And what happens from now on, until Ctrl-C.")
@click.option("--kind", type=click.Choice(KINDS), help="Only those of this kind.")
@click.option("--subject", metavar="NAME", help="Only those about a TENANT/NODE, TENANT/NETWORK, tenant or switch.")
@click.option("--after", metavar="NUMBER", type=click.IntRange(min=0), help="Only what came after this one.")
@limit_option
@pass_session
def events(
    session: Session, follow: bool, kind: str | None, subject: str | None, after: int | None, limit: int | None
) -> None:
    """What happened: who asked for what, what it changed, when it was on every switch; what became of switches, and
    what others changed on them. The last ones, the oldest first.

    With --follow it goes on where a connection broke or the controller was restarted; with --json as well, one object
    a line.
    """
    if follow:
        try:
            _follow(session, kind, subject, after, limit)
        except KeyboardInterrupt:
            # That is how it is ended.
            return
        return
    most = session.most(limit)
    newest = after is None
    more = most + 1 if most is not None else None
    found = session.client.events(limit=more, after=after, kind=kind, subject=subject, newest=newest)
    shown = found if most is None else found[-most:] if newest else found[:most]
    session.answer(shown, lambda console: _table(console, shown))
    if len(found) > len(shown) and not session.json:
        which = "the last ones" if newest else f"the first ones, go on with --after {shown[-1]['sequence']}"
        session.complain(f"These are {which}, and there are more: --limit 0 for all.")


def _follow(session: Session, kind: str | None, subject: str | None, after: int | None, limit: int | None) -> None:
    console = session.console()
    for event in _from(session, kind, subject, after, SHOWN_FIRST if limit is None else limit):
        if session.json:
            click.echo(json.dumps(event))
        else:
            console.print(line(event))


def _from(session: Session, kind: str | None, subject: str | None, after: int | None, most: int) -> Iterator[Json]:
    """The last events, unless it is said after which to begin; and then whatever happens."""
    if after is None and most:
        shown = session.client.events(limit=most, kind=kind, subject=subject, newest=True)
        yield from shown
        after = shown[-1]["sequence"] if shown else None
    yield from session.client.follow_events(after=after, kind=kind, subject=subject)


# --- for people -----------------------------------------------------------------------------------------------------


def line(event: Json) -> Text:
    """An event as a line."""
    from rich.text import Text

    parts = [f"{event['sequence']:>6}", _time(event), f"{event['kind']:9}", event["subject"] or "-", event["text"]]
    who = f" ({event['who']})" if event["who"] else ""
    return Text("  ".join(parts) + who, style=_colour(event))


def _table(console: Console, found: list[Json]) -> None:
    from rich.markup import escape

    rows = []
    for event in found:
        colour, text = _colour(event), escape(event["text"])
        marked = f"[{colour}]{text}[/]" if colour else text
        rows.append([event["sequence"], _time(event), event["kind"], escape(event["subject"]), marked, event["who"]])
    table(console, ["#number", "time (UTC)", "kind", "subject", "what", "who"], rows)


def _time(event: Json) -> str:
    return str(event["time"].removesuffix("Z").replace("T", " "))


def _colour(event: Json) -> str:
    return _COLOURS.get("refused" if "refused" in event["details"] else event["kind"], "")
