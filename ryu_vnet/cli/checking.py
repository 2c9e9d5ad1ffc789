"""Commands that explain single things, and that check the whole state."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import complete
from .session import Command, Exit, Group, Session

if TYPE_CHECKING:
    from rich.console import Console

pass_session = click.make_pass_decorator(Session)

Json = dict[str, Any]


def install(main: click.Group) -> None:
    """Add the commands."""
    for command in (explain, fsck):
        main.add_command(command)


@click.command(
    "explain",
    cls=Group,
    examples=(
        "vnet explain tag A:3",
        "vnet explain label 18",
        "vnet explain mac f2:00:10:00:60:08",
        "vnet explain port host1:vnet0",
        "vnet explain router red/core",
    ),
)
def explain() -> None:
    """What something is, and why it is there: a tag, label, conntrack zone, MAC or IP address, port, router, cookie,
    row or group."""


@explain.command("tag", examples=("vnet explain tag A:3",))
@click.argument("tag", metavar="SEGMENT:TAG")
@pass_session
def tag(session: Session, tag: str) -> None:
    """A VLAN tag of a segment: whose it is and who runs there, or until when it rests."""
    _explain(session, "tag", tag)


@explain.command("label", examples=("vnet explain label 18",))
@click.argument("label")
@pass_session
def label(session: Session, label: str) -> None:
    """An MPLS label: of a network, of the way to an edge, or resting."""
    _explain(session, "label", label)


@explain.command("zone", examples=("vnet explain zone 3",))
@click.argument("zone")
@pass_session
def zone(session: Session, zone: str) -> None:
    """A conntrack zone: of which network, or until when it rests."""
    _explain(session, "zone", zone)


@explain.command("address", examples=("vnet explain address 203.0.113.10", "vnet explain address 10.0.0.11"))
@click.argument("address")
@pass_session
def address(session: Session, address: str) -> None:
    """An IP address: what it is used for outside, and who has it inside."""
    _explain(session, "address", address)


@explain.command("mac", examples=("vnet explain mac f2:00:10:00:60:08",))
@click.argument("mac")
@pass_session
def mac(session: Session, mac: str) -> None:
    """A MAC address: whose, chosen or given, what place it tells, and where its node is."""
    _explain(session, "mac", mac)


@explain.command("port", examples=("vnet explain port host1:vnet0",))
@click.argument("port", metavar="SWITCH:PORT", shell_complete=complete.PORT)
@pass_session
def port(session: Session, port: str) -> None:
    """A switch port: what it is for, whether it is there, and which revision waits for it."""
    _explain(session, "port", port)


@explain.command("router", examples=("vnet explain router red/core",))
@click.argument("router", shell_complete=complete.ROUTER)
@pass_session
def router(session: Session, router: str) -> None:
    """A router: what it lets pass, what keeps it from doing so, and on which switches frames are routed for it."""
    _explain(session, "router", router)


@explain.command("cookie", examples=("vnet explain cookie 0x766e020000000012",))
@click.argument("cookie")
@click.option("--switch", metavar="NAME", shell_complete=complete.SWITCH, help="Count the rows of this one with it.")
@pass_session
def cookie(session: Session, cookie: str, switch: str | None) -> None:
    """A cookie of a row: what the row exists for."""
    _explain(session, "cookie", cookie, switch)


@explain.command(
    "row",
    examples=(
        "vnet explain row host1 'table=40, priority=100,dl_vlan=3 actions=pop_vlan'",
        "vnet explain row host1 table=FORWARD,priority=300,network=16,eth_dst=02:00:00:00:01:01",
    ),
)
@click.argument("switch", shell_complete=complete.SWITCH)
@click.argument("row", metavar="TEXT")
@pass_session
def row(session: Session, switch: str, row: str) -> None:
    """A row of a switch, by its table, priority and match, as `ovs-ofctl dump-flows` prints it, or with the names of
    `vnet flows --long`. Its actions are not looked at."""
    _explain(session, "row", row, switch)


@explain.command("group", examples=("vnet explain group host1 0x1000012",))
@click.argument("switch", shell_complete=complete.SWITCH)
@click.argument("group", metavar="NUMBER")
@pass_session
def group(session: Session, switch: str, group: str) -> None:
    """A group of a switch: where it copies to, and for which network."""
    _explain(session, "group", group, switch)


def _explain(session: Session, kind: str, name: str, switch: str | None = None) -> None:
    found = session.client.explain(kind, name, switch)
    session.answer(found, lambda console: _show_account(console, found))


def _show_account(console: Console, found: Json) -> None:
    console.print(f"{found['subject']}: {found['answer']}", markup=False)
    for line in [found["state"], *found["reasons"]] if found["state"] else found["reasons"]:
        console.print(f"  {line}", markup=False)


@click.command(
    "fsck",
    cls=Command,
    examples=("vnet fsck", "vnet fsck --mend", "vnet fsck --store /var/lib/ryu-vnet/store.db --mend"),
)
@click.option("--mend", is_flag=True, help="Mend what can be mended, wholly or not at all.")
@click.option("--no-switches", is_flag=True, help="Do not read what switches have.")
@click.option("--store", metavar="FILE", type=click.Path(path_type=Path), help="A store that no controller is using.")
@pass_session
def fsck(session: Session, mend: bool, no_switches: bool, store: Path | None) -> None:
    """Check the state: model, store and switches, against each other and against what must always hold.

    Each finding says what is wrong, why it matters, and what --mend does about it. With --store it looks at a file, as
    for a controller that does not start: what cannot be read there is set aside into a file beside it first.

    Ends with exit code 1 where something is wrong and not mended.
    """
    with session.patiently("checking"):
        found = _check_file(store, mend) if store else session.client.fsck(mend=mend, switches=not no_switches)
    session.answer(found, lambda console: _show_report(console, found))
    if found["findings"]:
        raise click.exceptions.Exit(Exit.REFUSED)


def _check_file(store: Path, mend: bool) -> Json:
    from ..managers.fsck.offline import check_file

    return asdict(check_file(store, mending=mend))


def _show_report(console: Console, found: Json) -> None:
    for title, part in (("mended", found["mended"]), ("wrong", found["findings"]), ("waiting", found["waiting"])):
        for finding in part:
            console.print(f"{title}: {finding['kind']}, {finding['where'] or 'the store'}", markup=False)
            console.print(f"  {finding['what']}", markup=False)
            console.print(f"  why it matters: {finding['why']}", markup=False)
            if title == "wrong":
                console.print(f"  mending: {finding['mending'] or 'nothing that can be done from here'}", markup=False)
    for note in found["notes"]:
        console.print(f"note: {note}", markup=False)
    counts = f"{len(found['findings'])} wrong" if found["findings"] else "nothing is wrong"
    mended = f"; {len(found['mended'])} mended" if found["mended"] else ""
    looked = f"{found['documents']} documents and {found['switches']} switches looked at"
    console.print(f"{looked}, revision {found['revision']}: {counts}{mended}", markup=False)
