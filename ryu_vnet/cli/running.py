"""Commands for memberships, start and stop."""

from __future__ import annotations

import click

from . import addresses, complete
from .session import Command, Session

pass_session = click.make_pass_decorator(Session)


def install(main: click.Group) -> None:
    """Add the commands."""
    for command in (attach, detach, start, stop, restart):
        main.add_command(command)


_interface_option = click.option(
    "--interface", help="Which interface, where the node has several.", shell_complete=complete.INTERFACE
)


@click.command("attach", cls=Command, examples=("vnet attach red/vm1.1 red/X",))
@click.argument("node", shell_complete=complete.NODE)
@click.argument("network", shell_complete=complete.NETWORK)
@_interface_option
@pass_session
def attach(session: Session, node: str, network: str, interface: str | None) -> None:
    """Put a node into a network of its tenant, running or not."""
    client = session.client
    session.change(lambda wait: client.attach(node, network, interface, wait=wait), f"{node} is in {network}")


@click.command("detach", cls=Command, examples=("vnet detach red/vm1.1 red/X",))
@click.argument("node", shell_complete=complete.NODE)
@click.argument("network", shell_complete=complete.NETWORK)
@_interface_option
@pass_session
def detach(session: Session, node: str, network: str, interface: str | None) -> None:
    """Take a node out of a network."""
    client = session.client
    session.change(lambda wait: client.detach(node, network, interface, wait=wait), f"{node} is not in {network}")


_at_option = click.option(
    "--at",
    multiple=True,
    metavar="[INTERFACE=]SWITCH:PORT",
    help="Where it runs; may be repeated.",
    shell_complete=complete.PORT,
)


def _places(session: Session, node: str, at: tuple[str, ...]) -> dict[str, str]:
    places = {}
    for text in at:
        name, equals, place = text.rpartition("=")
        if not equals:
            names = sorted(session.client.node(node)["interfaces"])
            if len(names) != 1:
                listed = ", ".join(names) or "none"
                raise click.UsageError(f"{node} has the interfaces {listed}: say which, --at INTERFACE={place}")
            name = names[0]
        places[name] = place
    return places


@click.command(
    "start",
    cls=Command,
    examples=(
        "vnet start red/vm1.1",
        "vnet start red/vm1.1 --at host1:vnet0",
        "vnet start red/fw --at eth1=host2:vnet4",
    ),
)
@click.argument("node", shell_complete=complete.NODE)
@_at_option
@pass_session
def start(session: Session, node: str, at: tuple[str, ...]) -> None:
    """Let a node run, where it was or at other switch ports."""
    places = _places(session, node, at)
    addresses.change(session, lambda wait: session.client.start(node, places, wait=wait), f"{node} runs")


@click.command("stop", cls=Command, examples=("vnet stop red/vm1.1",))
@click.argument("node", shell_complete=complete.NODE)
@pass_session
def stop(session: Session, node: str) -> None:
    """Let a node run no more; its place and memberships stay."""
    session.change(lambda wait: session.client.stop(node, wait=wait), f"{node} is stopped")


@click.command("restart", cls=Command, examples=("vnet restart red/vm1.1",))
@click.argument("node", shell_complete=complete.NODE)
@_at_option
@pass_session
def restart(session: Session, node: str, at: tuple[str, ...]) -> None:
    """Stop a node, wait until the switches have it, and start it again."""
    places = _places(session, node, at)
    with session.patiently(f"stopping {node}"):
        stopped = session.client.stop(node, wait=session.wait)
    for pending in stopped.pending:
        session.complain(f"not stopped yet on {pending.switch}: {pending.why}")
    addresses.change(session, lambda wait: session.client.start(node, places, wait=wait), f"{node} runs again")
