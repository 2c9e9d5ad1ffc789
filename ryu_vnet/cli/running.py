"""Commands for memberships, start and stop."""

from __future__ import annotations

import click

from . import addresses, complete, placing
from .session import Command, Session

pass_session = click.make_pass_decorator(Session)


def install(main: click.Group) -> None:
    """Add the commands."""
    for command in (attach, detach, start, move, stop, restart):
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


at_option = click.option(
    "--at",
    multiple=True,
    metavar="[INTERFACE=]SWITCH[:PORT]",
    help="Where it runs; a port that is not given is named by the controller. May be repeated.",
    shell_complete=complete.PORT,
)


def places(session: Session, node: str, at: tuple[str, ...]) -> dict[str, str]:
    """What was given for --at, by interface."""
    found = {}
    for text in at:
        name, equals, place = text.rpartition("=")
        if not equals:
            names = sorted(session.client.node(node)["interfaces"])
            if len(names) != 1:
                listed = ", ".join(names) or "none"
                raise click.UsageError(f"{node} has the interfaces {listed}: say which, --at INTERFACE={place}")
            name = names[0]
        found[name] = place
    return found


@click.command(
    "start",
    cls=Command,
    examples=(
        "vnet start red/vm1.1",
        "vnet start red/vm1.1 --at host1:vnet0",
        "vnet start red/vm1.1 --at host1",
        "vnet start red/fw --at eth1=host2:vnet4",
    ),
)
@click.argument("node", shell_complete=complete.NODE)
@at_option
@pass_session
def start(session: Session, node: str, at: tuple[str, ...]) -> None:
    """Let a node run, where it was or at other switch ports. One that has no place is put on a host that is chosen."""
    given = places(session, node, at)
    placing.change(session, node, lambda wait: session.client.start(node, given, wait=wait), f"{node} runs")


@click.command(
    "move",
    cls=Command,
    examples=(
        "vnet move red/vm1.1 --to host2:vnet0",
        "vnet move red/vm1.1 --now",
        "vnet move red/vm1.1 --cancel",
    ),
)
@click.argument("node", shell_complete=complete.NODE)
@click.option(
    "--to",
    multiple=True,
    metavar="[INTERFACE=]SWITCH:PORT",
    help="Where it will be; may be repeated.",
    shell_complete=complete.PORT,
)
@click.option("--now", is_flag=True, help="It is there already; without this, wait for the first sign of it.")
@click.option("--cancel", is_flag=True, help="It stays where it is.")
@pass_session
def move(session: Session, node: str, to: tuple[str, ...], now: bool, cancel: bool) -> None:
    """Prepare another place for a node that runs, and follow it there.

    The node is followed at the first sign that it is there: its port comes up, a frame of its own comes from there, its
    old port is gone, or --now.
    """
    if cancel and (to or now):
        raise click.UsageError("--cancel goes with neither --to nor --now")
    if not (to or now or cancel):
        raise click.UsageError("say where to: --to SWITCH:PORT; or --now, or --cancel")
    if cancel:
        addresses.change(session, lambda wait: session.client.stay(node, wait=wait), f"{node} stays where it is")
        return
    to_places = places(session, node, to)
    done = f"{node} is followed to where it is now" if now else f"{node} may move"
    addresses.change(session, lambda wait: session.client.move(node, to_places, now=now, wait=wait), done)


@click.command("stop", cls=Command, examples=("vnet stop red/vm1.1",))
@click.argument("node", shell_complete=complete.NODE)
@pass_session
def stop(session: Session, node: str) -> None:
    """Let a node run no more; its place and memberships stay."""
    session.change(lambda wait: session.client.stop(node, wait=wait), f"{node} is stopped")


@click.command("restart", cls=Command, examples=("vnet restart red/vm1.1",))
@click.argument("node", shell_complete=complete.NODE)
@at_option
@pass_session
def restart(session: Session, node: str, at: tuple[str, ...]) -> None:
    """Stop a node, if it runs, and start it again, in one change: where it was, or at other switch ports.

    Where it was nothing need be changed: to have its rows removed for a while, use stop and start.
    """
    given = places(session, node, at)
    placing.change(session, node, lambda wait: session.client.restart(node, given, wait=wait), f"{node} runs")
