"""Commands for whole intents: what one would change, applying it, and what the controller has as one."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, TextIO

import click

from . import complete
from .session import Command, Exit, Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..client import Answer
    from .intent_file import IntentFile

pass_session = click.make_pass_decorator(Session)

Say = Callable[[str], None]

LISTED = 20
"""Entries of each list of a plan that are shown, unless more are asked for."""
MOST_LISTED = 1000
POLL_SECONDS = 1.0
"""How often it is asked anew on how many switches a change is."""


def install(main: click.Group) -> None:
    """Add the commands."""
    for command in (plan, apply, export):
        main.add_command(command)


_file_option = click.option(
    "-f", "--file", "path", required=True, metavar="FILE", type=click.Path(), help="YAML or JSON; - is stdin."
)
_prune_option = click.option(
    "--prune",
    is_flag=False,
    flag_value="named",
    type=click.Choice(["named", "all"]),
    metavar="[=all]",
    help="Remove what the file does not name of what the tenants in it have; with =all other tenants too.",
)


@click.command(
    "plan",
    cls=Command,
    examples=(
        "vnet plan -f my-tenants.yaml",
        "vnet plan -f my-tenants.yaml --prune",
        "vnet plan -f my-tenants.yaml --exit-code > changes.txt",
    ),
)
@_file_option
@_prune_option
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, MOST_LISTED),
    default=LISTED,
    help=f"How many entries of each list to show; {LISTED} by default, {MOST_LISTED} at most.",
)
@click.option(
    "--exit-code",
    is_flag=True,
    help=f"End with {int(Exit.WOULD_CHANGE)} where something would change, with 0 where nothing would.",
)
@pass_session
def plan(session: Session, path: str, prune: str | None, limit: int, exit_code: bool) -> None:
    """Say what applying a file would change, without doing it: networks, nodes, memberships, tags, labels, and how many
    rows on which switches. A file that would be refused is refused.
    """
    from . import show_plan

    with session.patiently(f"reading {path}") as say, _refusals_placed(path) as file:
        found = session.client.plan(file.intent, prune=prune, limit=limit, sent=_sent(file, say))
    session.answer(found, lambda console: show_plan.plan(console, found["plan"]))
    if exit_code and found["plan"]["changed"]:
        raise click.exceptions.Exit(Exit.WOULD_CHANGE)


@click.command(
    "apply",
    cls=Command,
    examples=(
        "vnet apply -f topologies/figure.yaml",
        "vnet apply -f topologies/figure.yaml --wait 60",
        "vnet apply -f topologies/figure.yaml --prune",
    ),
)
@_file_option
@_prune_option
@click.option("-y", "--yes", is_flag=True, help="Remove what --prune finds without asking.")
@pass_session
def apply(session: Session, path: str, prune: str | None, yes: bool) -> None:
    """Apply a whole intent from a file, wholly or not at all. What it does not name stays as it is, unless --prune says
    that it is to go: then it is shown first, and on a terminal asked for.

    A key that the file does not have is not looked at: a tenant without `nodes:` keeps its nodes, one with `nodes: {}`
    loses them. The fabric is never removed.

    What is wrong in the file is shown as FILE:LINE: place: what is wrong (what would be right).
    """
    with session.patiently(f"reading {path}") as say, _refusals_placed(path) as file:
        planned = None
        if prune is not None:
            planned = session.client.plan(file.intent, prune=prune, limit=MOST_LISTED, sent=_sent(file, say))
    removal = _agreed(session, planned, yes=yes) if planned is not None else None
    with session.patiently(f"sending {file.name}") as say, _placed(file):
        answer = session.client.apply(file.intent, prune=prune, removal=removal, sent=_sent(file, say))
        answer = _followed(session, answer, say)
    session.report(answer, f"{file.name} is applied")


@contextmanager
def _refusals_placed(path: str) -> Iterator[IntentFile]:
    """A file; what the controller refuses of it is told with its line."""
    from .intent_file import IntentFile

    file = IntentFile.read(path)
    with _placed(file):
        yield file


@contextmanager
def _placed(file: IntentFile) -> Iterator[None]:
    from ..errors import Invalid

    try:
        yield
    except Invalid as error:
        raise Invalid(file.placed(error.problems)) from None


def _sent(file: IntentFile, say: Say) -> Callable[[int, int], None]:
    """Says how much of a file is sent, and that the controller has all of it."""

    def sent(size: int, whole: int) -> None:
        megabytes = f"{size / 1e6:.1f} of {whole / 1e6:.1f} MB"
        say(f"sending {file.name}: {megabytes}" if size < whole else f"{file.name} is sent, the controller is at it")

    return sent


def _followed(session: Session, answer: Answer, say: Say) -> Answer:
    """Wait until a change is realised, as long as one is ready to, and say on how many switches it is."""
    from ..client import answer_of

    raw, concerned = answer.raw, len(answer.pending)
    deadline = time.monotonic() + session.wait
    while not raw["realised"] and (left := deadline - time.monotonic()) > 0:
        done = max(concerned - len(raw["pending"]), 0)
        say(f"revision {answer.revision} is accepted, and realised on {done} of {concerned} switches")
        later = session.client.revision(answer.revision, wait=min(left, POLL_SECONDS))
        raw = {**raw, "realised": later["realised"], "pending": later["pending"]}
    return answer_of(raw)


def _agreed(session: Session, planned: dict[str, Any], *, yes: bool) -> str:
    """Show what would be removed, and ask. Returns what stands for it; ends the command where it is not agreed to."""
    from . import show_plan

    found = planned["plan"]
    if show_plan.removed(session.console(stderr=True), found) and not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("nobody can be asked whether to remove these: say --yes, and they are removed")
        if not click.confirm("Remove these?", err=True):
            session.complain("Nothing was changed.")
            raise click.exceptions.Exit(Exit.REFUSED)
    removal: str = planned["removal"]
    return removal


@click.command(
    "export",
    cls=Command,
    examples=(
        "vnet export > everything.yaml",
        "vnet export red blue -o tenants.yaml",
        "vnet export --no-fabric -o tenants.yaml",
    ),
)
@click.argument("names", nargs=-1, metavar="[TENANT...]", shell_complete=complete.TENANT)
@click.option("--fabric/--no-fabric", default=None, help="With the fabric; by default only where no tenant is named.")
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False), help="Where to; stdout by default.")
@pass_session
def export(session: Session, names: tuple[str, ...], fabric: bool | None, output: str | None) -> None:
    """Print what the controller has as a file for `vnet apply`: applied to an empty controller it gives the same
    networks, nodes and addresses, also those that were chosen by the controller. Tags, labels and numbers are granted
    anew there. What policies have given is not in it, as it follows from them.
    """
    from . import exported

    fabric = not names if fabric is None else fabric
    client, is_shown = session.client, output is None and sys.stdout.isatty()
    waiting = nullcontext() if is_shown else session.patiently("reading what the controller has")
    with waiting, _written(output) as stream:
        before = client.status()["revision"]
        if session.json:
            json.dump(exported.intent(client, names, fabric=fabric), stream, indent=2)
            stream.write("\n")
        else:
            stream.writelines(f"{line}\n" for line in exported.lines(client, names, fabric=fabric))
        after = client.status()["revision"]
    if after != before:
        session.complain(f"Meanwhile something has changed (revision {before} to {after}), and may not be in it.")


@contextmanager
def _written(path: str | None) -> Iterator[TextIO]:
    """Where a file is written that takes the place of another only when it is there whole; stdout where it has no
    name. Raises Invalid."""
    from ..errors import Invalid, Problem

    if path is None:
        yield sys.stdout
        return
    unfinished = f"{path}.unfinished"
    try:
        with open(unfinished, "w", encoding="utf-8") as stream:
            yield stream
        os.replace(unfinished, path)
    except OSError as error:
        raise Invalid(Problem(path, f"cannot be written: {error.strerror}", "the path of a file")) from None
    finally:
        with suppress(OSError):
            os.remove(unfinished)
