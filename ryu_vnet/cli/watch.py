"""Commands that show how things stand: status, flows, drift, trace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from . import complete, show
from .session import Command, Exit, Session, limit_option

pass_session = click.make_pass_decorator(Session)

Json = dict[str, Any]

_PORT = click.IntRange(1, 65535)


def install(main: click.Group) -> None:
    """Add the commands."""
    for command in (status, flows, drift, discovery, trace):
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


@click.command("discovery", cls=Command, examples=("vnet discovery", "vnet discovery --json"))
@pass_session
def discovery(session: Session) -> None:
    """What the databases of hosts say of machines (external_ids: iface-id, attached-mac), and what has come of it."""
    with session.patiently("asking"):
        found = session.client.discovery()
    session.answer(found, lambda console: show.discovery(console, found))


@click.command(
    "flows",
    cls=Command,
    examples=(
        "vnet flows host1",
        "vnet flows edgeA --table FORWARD --counters",
        "vnet flows edgeA --origin blue/Z --long",
    ),
)
@click.argument("switch", shell_complete=complete.SWITCH)
@click.option("--counters", is_flag=True, help="With packets and bytes of each row, asked from the switch now.")
@click.option("--table", metavar="NAME", help="Only rows of this table: PORT, SOURCE, ... EGRESS.")
@click.option("--origin", metavar="TEXT", help="Only rows that exist for this: a network, an interface, a switch.")
@click.option("--long", is_flag=True, help="With match and actions.")
@limit_option
@pass_session
def flows(
    session: Session,
    switch: str,
    counters: bool,
    table: str | None,
    origin: str | None,
    long: bool,
    limit: int | None,
) -> None:
    """The rows that a switch is to hold: what each means, what it exists for, and whether it is installed."""
    most = session.most(limit)
    with session.patiently(f"asking {switch}"):
        found, is_more = _narrowed(session.client.flow_pages(switch, counters=counters), table, origin, most)
    session.answer(found, lambda console: show.flows(console, found, long=long))
    if is_more and not session.json:
        session.complain(f"These are {most}, and there are more: narrow them with --table or --origin, or --limit 0.")
    if found["counted"] is False:
        session.complain(f"{switch} did not send its counters: {found['why'] or 'it did not answer in time'}")


def _narrowed(pages: Iterator[Json], table: str | None, origin: str | None, most: int | None) -> tuple[Json, bool]:
    """The rows and groups of one table, or that exist for one thing; `most` of them, and whether there are more. No
    more pages are taken than that needs."""
    first: Json | None = None
    rows: list[Json] = []
    groups: list[Json] = []
    stage = table.upper() if table is not None else None
    for page in pages:
        first = first or page
        rows += [row for row in page["rows"] if stage in (None, row["stage"]) and (origin or "") in row["origin"]]
        if stage in (None, "FORWARD"):
            groups += [group for group in page["groups"] if (origin or "") in group["origin"]]
        if most is not None and len(rows) + len(groups) > most:
            break
    end = len(rows) + len(groups) if most is None else most
    told = {name: part for name, part in (first or {}).items() if name not in ("next", "total")}
    is_more = len(rows) + len(groups) > end
    return {**told, "rows": rows[:end], "groups": groups[: max(end - len(rows), 0)]}, is_more


@click.command("drift", cls=Command, examples=("vnet drift", "vnet drift host1", "vnet drift --json"))
@click.argument("switch", required=False, shell_complete=complete.SWITCH)
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
        "vnet trace red/web1 198.51.100.7",
        "vnet trace red/web1 red/db1 --tcp 5432",
        "vnet trace 198.51.100.7 203.0.113.50",
        "vnet trace 198.51.100.7 203.0.113.60 --tcp 8022 --answer",
    ),
)
@click.argument("source", metavar="FROM", shell_complete=complete.NODE)
@click.argument("target", metavar="TO", required=False, shell_complete=complete.NODE)
@click.option(
    "--kind",
    type=click.Choice(["icmp", "ipv6", "arp", "broadcast", "ethertype"]),
    help="Which frame: by default an echo over IPv4 or IPv6, whichever both have.",
)
@click.option("--tcp", metavar="PORT", type=_PORT, help="The first segment of a TCP connection to this port.")
@click.option("--udp", metavar="PORT", type=_PORT, help="A datagram of UDP to this port.")
@click.option("--source-port", metavar="PORT", type=_PORT, help="From which port, of either.")
@click.option("--answer", is_flag=True, help="The way of the answer in full too.")
@pass_session
def trace(
    session: Session,
    source: str,
    target: str | None,
    kind: str | None,
    tcp: int | None,
    udp: int | None,
    source_port: int | None,
    answer: bool,
) -> None:
    """Follow one frame through the tables as they are to be: each table, each link with its tag and labels, what
    connection tracking makes of it, and where it is delivered or why it is dropped; and whether an answer comes back.

    FROM is TENANT/NODE or TENANT/NODE:INTERFACE; TO is the same, a MAC address or an IP address. FROM may also be an IP
    address outside: then TO is one that networks have there. Nothing is sent. Ends with exit code 5 where the frame is
    not delivered.
    """
    if sum(part is not None for part in (kind, tcp, udp)) > 1:
        raise click.UsageError("--kind, --tcp and --udp each say which frame it is: one of them")
    if source_port is not None and tcp is None and udp is None:
        raise click.UsageError("--source-port is that of --tcp or --udp")
    chosen = "tcp" if tcp is not None else "udp" if udp is not None else kind
    with session.patiently("following the frame"):
        found = session.client.trace(source, target, chosen, port=tcp or udp, source_port=source_port)
    session.answer(found, lambda console: show.trace(console, found, whole=answer))
    if not found["delivered"]:
        raise click.exceptions.Exit(Exit.NOT_DELIVERED)
