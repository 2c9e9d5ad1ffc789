"""Commands for policies, and what they answer as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from . import complete
from .session import Group, Session, limit_option
from .show import table

if TYPE_CHECKING:
    from rich.console import Console

pass_session = click.make_pass_decorator(Session)

Json = dict[str, Any]


def install(main: click.Group) -> None:
    """Add the commands."""
    main.add_command(policy)


@click.command(
    "policy",
    cls=Group,
    examples=("vnet policy put -f policies.yaml", "vnet policy list", "vnet policy explain red/vm1.1"),
)
def policy() -> None:
    """Rules that put nodes into networks by what they are and where."""


@policy.command("list", examples=("vnet policy list", "vnet policy list --limit 20 --after 100"))
@limit_option
@click.option("--after", metavar="ORDER", type=click.IntRange(min=0), help="Only those of a higher order.")
@pass_session
def policy_list(session: Session, limit: int | None, after: int | None) -> None:
    """Policies, in the order in which they are asked."""
    most = session.most(limit)
    found = session.client.policies(limit=most and most + 1, after=after)
    session.listing(found, most, _policies, lambda policy: str(policy["order"]))


@policy.command("show", examples=("vnet policy show web",))
@click.argument("name", shell_complete=complete.POLICY)
@pass_session
def policy_show(session: Session, name: str) -> None:
    """One policy."""
    found = session.client.policy(name)
    session.answer(found, lambda console: _policies(console, [found]))


@policy.command("put", examples=("vnet policy put -f policies.yaml", "vnet policy put -f - < policies.yaml"))
@click.option(
    "-f", "--file", "path", required=True, metavar="FILE", type=click.Path(), help="YAML or JSON; - is stdin."
)
@pass_session
def policy_put(session: Session, path: str) -> None:
    """Make or change the policies of a file, which has them under `policies:` by name. Others stay as they are; `vnet
    apply` replaces all of them.

    What is wrong in the file is shown as FILE:LINE: place: what is wrong (what would be right).
    """
    from ..errors import Invalid, Problem
    from .intent_file import IntentFile

    file = IntentFile.read(path)
    specs = file.intent.get("policies")
    wrong = [Problem(name, "this is no policy", "`vnet apply -f` takes whole intents") for name in file.intent]
    wrong = [problem for problem in wrong if problem.where != "policies"]
    if not wrong and not isinstance(specs, dict):
        wrong = [Problem("policies", "the file holds no policies", "policies: by name, under `policies:`")]
    try:
        if wrong or not isinstance(specs, dict):
            raise Invalid(wrong)
        counted = f"{len(specs)} policies are" if len(specs) != 1 else f"policy {next(iter(specs))} is"
        session.change(lambda wait: session.client.put_policies(specs, wait=wait), f"{counted} there")
    except Invalid as error:
        raise Invalid(file.placed(error.problems)) from None


@policy.command("delete", examples=("vnet policy delete web",))
@click.argument("name", shell_complete=complete.POLICY)
@pass_session
def policy_delete(session: Session, name: str) -> None:
    """Remove a policy; whom it has put into a network leaves that."""
    session.change(lambda wait: session.client.delete_policy(name, wait=wait), f"policy {name} is gone")


@policy.command("explain", examples=("vnet policy explain red/vm1.1", "vnet policy explain red/vm1.1 --json"))
@click.argument("node", shell_complete=complete.NODE)
@pass_session
def policy_explain(session: Session, node: str) -> None:
    """Which policy puts which interface of a node into which network, and why the others do not."""
    found = session.client.explain_policies(node)
    session.answer(found, lambda console: _explained(console, found))


# --- tables ---------------------------------------------------------------------------------------------------------


def _policies(console: Console, found: list[Json]) -> None:
    from rich.markup import escape

    rows = [
        [part["order"], part["name"], escape(_match(part["match"])), ", ".join([*part["networks"], *part["templates"]]),
         "yes" if part["final"] else "no"]
        for part in found
    ]  # fmt: skip
    table(console, ["#order", "policy", "matches", "gives", "final"], rows)


def _match(match: Json) -> str:
    labels = [f"label {key}={text}" for key, text in match["labels"].items()]
    texts = [f"{name}={text}" for name, text in match.items() if name != "labels" and text is not None]
    return ", ".join(texts + labels) or "everything"


def _explained(console: Console, found: Json) -> None:
    from rich.markup import escape

    for part in found["interfaces"]:
        where = [f"{name} (asked for)" for name in part["asked"]]
        where += [f"{name} (policy {giver})" for name, giver in sorted(part["given_by"].items())]
        line = f"{found['node']} {part['interface']} is in {', '.join(where) or 'no network'}"
        console.print(line, markup=False)
        rows = [[step["order"], step["policy"], _deed(step), escape(_why(step))] for step in part["steps"]]
        table(console, ["#order", "policy", "gives", "because"], rows, "policies")
    if not found["interfaces"]:
        console.print(f"{found['node']} has no interface", markup=False)


def _deed(step: Json) -> str:
    return ", ".join(f"{name} (by template)" if name in step["by_template"] else str(name) for name in step["gives"])


def _why(step: Json) -> str:
    parts = ["it matches" if step["matches"] else step["why"], *step["withheld"]]
    return "; ".join([*parts, *(["it is final: no later one is asked"] if step["ends"] else [])])
