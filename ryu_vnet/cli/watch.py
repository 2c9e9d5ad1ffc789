"""Commands that show how things stand: status, flows, drift, trace."""

from __future__ import annotations

import click

from . import show
from .session import Command, Exit, Session

pass_session = click.make_pass_decorator(Session)


def install(main: click.Group) -> None:
    """Add the commands."""
    for command in (status, flows, drift, trace):
        main.add_command(command)


@click.command("status", cls=Command, examples=("vnet status", "vnet status --json"))
@pass_session
def status(session: Session) -> None:
    """Is everything realised, and if not, where and why: switches, their settings, refused rows, missing ports,
    identifiers that rest, switches that nobody declared.

    Ends with exit code 4 where something is not realised.
    """
    with session.patiently("asking"):
        found = session.client.status()
    session.answer(found, lambda console: show.status(console, found))
    if not found["realised"]:
        raise click.exceptions.Exit(Exit.NOT_REALISED)


@click.command(
    "flows",
    cls=Command,
    examples=(
        "vnet flows host1",
        "vnet flows edgeA --table FORWARD --counters",
        "vnet flows edgeA --origin blue/Z --long",
    ),
)
@click.argument("switch")
@click.option("--counters", is_flag=True, help="With packets and bytes of each row, asked from the switch now.")
@click.option("--table", metavar="NAME", help="Only rows of this table: PORT, SOURCE, ... EGRESS.")
@click.option("--origin", metavar="TEXT", help="Only rows that exist for this: a network, an interface, a switch.")
@click.option("--long", is_flag=True, help="With match and actions.")
@pass_session
def flows(session: Session, switch: str, counters: bool, table: str | None, origin: str | None, long: bool) -> None:
    """The rows that a switch is to hold: what each means, what it exists for, and whether it is installed."""
    with session.patiently(f"asking {switch}"):
        found = session.client.flows(switch, counters=counters)
    if table is not None:
        found["rows"] = [row for row in found["rows"] if row["stage"] == table.upper()]
        found["groups"] = found["groups"] if table.upper() == "FORWARD" else []
    if origin is not None:
        for part in ("rows", "groups"):
            found[part] = [row for row in found[part] if origin in row["origin"]]
    session.answer(found, lambda console: show.flows(console, found, long=long))
    if found["counted"] is False:
        session.complain(f"{switch} did not send its counters: {found['why'] or 'it did not answer in time'}")


@click.command("drift", cls=Command, examples=("vnet drift", "vnet drift host1", "vnet drift --json"))
@click.argument("switch", required=False)
@pass_session
def drift(session: Session, switch: str | None) -> None:
    """What others changed on the switches, or on one, lately: which row or group, since when, how it was found, and
    whether it has been put right.

    `monitor` is what the switch told at once, `audit` what was found by reading its tables.
    """
    found = session.client.drift(switch)
    session.answer(found, lambda console: show.drift(console, found))


@click.command(
    "trace",
    cls=Command,
    examples=(
        "vnet trace blue/vm1.2 blue/vm3.1",
        "vnet trace blue/vm1.2 blue/vm3.1 --kind arp",
        "vnet trace red/vm1.1 02:00:00:00:03:01",
        "vnet trace blue/vm1.2 --kind broadcast",
    ),
)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO", required=False)
@click.option(
    "--kind",
    type=click.Choice(["icmp", "ipv6", "arp", "broadcast", "ethertype"]),
    help="Which frame: by default an echo over IPv4 or IPv6, whichever both have.",
)
@pass_session
def trace(session: Session, source: str, target: str | None, kind: str | None) -> None:
    """Follow one frame through the tables as they are to be: each table, each link with its tag and labels, and where
    it is delivered or why it is dropped.

    FROM is TENANT/NODE or TENANT/NODE:INTERFACE; TO is the same, or a MAC address. Nothing is sent. Ends with exit
    code 5 where the frame is not delivered.
    """
    with session.patiently("following the frame"):
        found = session.client.trace(source, target, kind)
    session.answer(found, lambda console: show.trace(console, found))
    if not found["delivered"]:
        raise click.exceptions.Exit(Exit.NOT_DELIVERED)
