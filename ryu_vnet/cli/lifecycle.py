"""Commands for what a node's life has beside start and stop: where it would be put, preparing it, its failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from . import addresses, complete, placing, show
from .running import at_option, places
from .session import Command, Session

if TYPE_CHECKING:
    from rich.console import Console

pass_session = click.make_pass_decorator(Session)


def install(main: click.Group) -> None:
    """Add the commands."""
    for command in (place, prepare, fail):
        main.add_command(command)


@click.command("place", cls=Command, examples=("vnet place red/vm1.1", "vnet place red/vm1.1 --json"))
@click.argument("node", shell_complete=complete.NODE)
@pass_session
def place(session: Session, node: str) -> None:
    """Where a node would start, and why there. Nothing is changed."""
    found = session.client.place(node)

    def shown(console: Console) -> None:
        for line in placing.remarks(node, found["interfaces"], "would be"):
            console.print(line, markup=False)
        show.refused_hosts(console, found)

    session.answer(found, shown)


@click.command(
    "prepare",
    cls=Command,
    examples=("vnet prepare red/vm1.1", "vnet prepare red/vm1.1 --at host1", "vnet prepare red/vm1.1 --undo"),
)
@click.argument("node", shell_complete=complete.NODE)
@at_option
@click.option("--undo", is_flag=True, help="It is not prepared any more; its place and memberships stay.")
@pass_session
def prepare(session: Session, node: str, at: tuple[str, ...], undo: bool) -> None:
    """Set everything up for a node but its own switch: starting it then touches that one alone."""
    client = session.client
    if undo and at:
        raise click.UsageError("--undo leaves the place as it is: --at does not go with it")
    if undo:
        addresses.change(session, lambda wait: client.unprepare(node, wait=wait), f"{node} is not prepared")
        return
    given = places(session, node, at)
    placing.change(session, node, lambda wait: client.prepare(node, given, wait=wait), f"{node} is prepared")


@click.command("fail", cls=Command, examples=("vnet fail red/vm1.1",))
@click.argument("node", shell_complete=complete.NODE)
@pass_session
def fail(session: Session, node: str) -> None:
    """Say that a node does not run any more, and was not asked to stop. Its place and memberships stay."""
    client = session.client
    addresses.change(session, lambda wait: client.fail(node, wait=wait), f"{node} does not run")
