"""What every command shares: options, the client, output, errors and exit codes."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import click

from ..errors import Invalid, Unreachable, VnetError

if TYPE_CHECKING:
    from rich.console import Console

    from ..client import Answer, Client

DEFAULT_WAIT = 10.0
PATIENCE_SECONDS = 2.0
"""What takes longer shows that it is under way."""
SCREENFUL = 100
"""Lines of a list that a terminal is given, unless more are asked for: who pipes it somewhere wants all of it."""
PIPED_WIDTH = 400
"""Characters of a line where nobody's terminal says how wide it is: nothing is cut off for `grep`."""


class Exit(IntEnum):
    """What the exit code says."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_REALISED = 4
    NOT_DELIVERED = 5
    WOULD_CHANGE = 6


EXIT_CODES = {
    Exit.DONE: "done, and realised on every switch concerned",
    Exit.REFUSED: "refused: wrong in itself, or it contradicts what exists; nothing was changed",
    Exit.USAGE: "wrong usage of this command",
    Exit.UNREACHABLE: "the controller cannot be reached",
    Exit.NOT_REALISED: "accepted, but not realised on every switch in time; says on which, and why",
    Exit.NOT_DELIVERED: "trace: the frame is not delivered",
    Exit.WOULD_CHANGE: "plan --exit-code: something would change",
}


@dataclass(slots=True)
class Session:
    """One run of the command."""

    url: str | None = None
    token: str | None = None
    json: bool = False
    wait: float = DEFAULT_WAIT
    _clients: list[Client] = field(default_factory=list)

    @property
    def client(self) -> Client:
        """The connection to the controller, made when it is first needed."""
        if not self._clients:
            from ..client import Client

            self._clients.append(Client(self.url, self.token))
        return self._clients[0]

    # --- output -----------------------------------------------------------------------------------------------------

    def console(self, *, stderr: bool = False) -> Console:
        """Where tables and coloured text go. Colours are for terminals, and not where NO_COLOR is set."""
        from rich.console import Console

        terminal = (sys.stderr if stderr else sys.stdout).isatty()
        return Console(stderr=stderr, highlight=False, soft_wrap=not terminal, width=None if terminal else PIPED_WIDTH)

    def say(self, text: str) -> None:
        """A line for people; nothing where programs read."""
        if not self.json:
            self.console().print(text, markup=False)

    def answer(self, found: Any, show: Callable[[Console], None]) -> None:
        """What was asked for: as it is for programs, shown for people."""
        if self.json:
            click.echo(json.dumps(found, indent=2))
        else:
            show(self.console())

    def most(self, limit: int | None) -> int | None:
        """How many entries of a list to show: as many as were asked for (0: all), else what suits the reader."""
        if limit is not None:
            return limit or None
        return SCREENFUL if sys.stdout.isatty() and not self.json else None

    def listing(
        self,
        found: list[dict[str, Any]],
        most: int | None,
        show: Callable[[Console, list[dict[str, Any]]], None],
        name: Callable[[dict[str, Any]], str],
    ) -> None:
        """A list of which `most` entries are to be shown, and how to see more of it; `found` has one more, if any."""
        shown = found[:most]
        self.answer(shown, lambda console: show(console, shown))
        if len(found) > len(shown) and not self.json:
            last = name(shown[-1])
            self.complain(
                f"These are {len(shown)}, and there are more: go on with --after {last}, or --limit 0 for all."
            )

    def complain(self, text: str) -> None:
        """A line on stderr."""
        self.console(stderr=True).print(text, markup=False)

    @contextmanager
    def patiently(self, doing: str) -> Iterator[Callable[[str], None]]:
        """Show on a terminal that something is under way once it has taken a while. Gives what says how far it is."""
        if not sys.stderr.isatty():
            yield lambda text: None
            return
        from rich.text import Text

        status = self.console(stderr=True).status(Text(f"{doing} ..."))
        timer = threading.Timer(PATIENCE_SECONDS, status.start)
        timer.start()
        try:
            yield lambda text: status.update(Text(f"{text} ..."))
        finally:
            timer.cancel()
            timer.join()
            status.stop()

    # --- changes ----------------------------------------------------------------------------------------------------

    def change(self, request: Callable[[float], Answer], done: str) -> None:
        """Do a change, wait for it, and say what came of it. Ends the command with NOT_REALISED where it is not."""
        with self.patiently("waiting for the switches"):
            answer = request(self.wait)
        self.report(answer, done)

    def report(self, answer: Answer, done: str) -> None:
        """Say what came of a change."""
        if self.json:
            click.echo(json.dumps(answer.raw, indent=2))
        state = "" if answer.changed else ", as it was already"
        if answer.realised:
            self.say(f"{done}{state} (revision {answer.revision}, realised)")
            return
        self.complain(f"{done}{state} (revision {answer.revision}): accepted, and not realised after {self.wait:g} s")
        for pending in answer.pending:
            self.complain(f"  {pending.switch}: {pending.why}")
        self.complain("It will be realised when they are back in step; `vnet status` says more.")
        raise click.exceptions.Exit(Exit.NOT_REALISED)


# --- commands -------------------------------------------------------------------------------------------------------


def _remember(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        session = context.find_root().ensure_object(Session)
        if value is not None:
            setattr(session, name, value)

    return keep


def global_options() -> list[click.Option]:
    """The options that go before a command's name or after it."""

    def option(name: str, help_text: str, **attributes: Any) -> click.Option:
        return click.Option(
            [f"--{name}"], help=help_text, expose_value=False, default=None, callback=_remember(name), **attributes
        )

    return [
        option("url", "The controller: VNET_URL, else http://127.0.0.1:8080.", metavar="URL"),
        option("token", "The token that it wants: VNET_TOKEN.", metavar="TOKEN"),
        option("json", "Plain JSON on stdout, and nothing else.", is_flag=True, flag_value=True, type=bool),
        option(
            "wait",
            f"How long to wait until switches have a change; {DEFAULT_WAIT:g} by default.",
            metavar="SECONDS",
            type=click.FloatRange(min=0),
        ),
    ]


limit_option = click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=0),
    help=f"How many to show, 0 for all; {SCREENFUL} by default on a terminal, else all.",
)
"""Which part of a list to show."""


def page_options(names: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The same, and where it begins; `names` completes that."""
    after = click.option(
        "--after", metavar="NAME", help="Only what comes after this one in the list.", shell_complete=names
    )
    return lambda function: limit_option(after(function))


def _write_examples(formatter: click.HelpFormatter, examples: tuple[str, ...]) -> None:
    with formatter.section("Examples"):
        for example in examples:
            formatter.write(f"{'':{formatter.current_indent}}{example}\n")


class Command(click.Command):
    """A command with examples, the global options, and errors that end in their exit code."""

    def __init__(self, *args: Any, examples: tuple[str, ...], **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.examples = examples
        self.params += global_options()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_examples(formatter, self.examples)
        super().format_epilog(ctx, formatter)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except VnetError as error:
            session = ctx.ensure_object(Session)
            _complain_of(session, error)
            ctx.exit(Exit.UNREACHABLE if isinstance(error, Unreachable) else Exit.REFUSED)


class Group(click.Group):
    """Commands under one name, with examples."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, examples: tuple[str, ...], **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_examples(formatter, self.examples)
        super().format_epilog(ctx, formatter)


def _complain_of(session: Session, error: VnetError) -> None:
    if session.json:
        found: dict[str, Any] = {"error": type(error).__name__, "detail": str(error)}
        if isinstance(error, Invalid):
            found["problems"] = [
                {"where": part.where, "message": part.message, "hint": part.hint} for part in error.problems
            ]
        click.echo(json.dumps(found, indent=2), err=True)
        return
    parts = [str(part) for part in error.problems] if isinstance(error, Invalid) else [str(error)]
    for part in parts:
        session.complain(f"vnet: {part}")
    if not isinstance(error, Unreachable):
        session.complain("Nothing was changed.")
