"""Commands for what is let in from outside, for gateways and for outside networks, and their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from . import complete
from .listing import of_tenants
from .session import Group, Session, limit_option
from .show import coloured, table

if TYPE_CHECKING:
    from rich.console import Console

pass_session = click.make_pass_decorator(Session)

Json = dict[str, Any]


def install(main: click.Group) -> None:
    """Add the commands."""
    for command in (floating, forward, gateway, outside):
        main.add_command(command)


# --- floating addresses -----------------------------------------------------------------------------------------------


@click.command(
    cls=Group,
    examples=(
        "vnet floating add red/web 203.0.113.50 10.0.0.12",
        "vnet floating list red",
        "vnet floating remove red 203.0.113.50",
    ),
)
def floating() -> None:
    """Outside addresses that are one member's own, in both directions."""


@floating.command("list", examples=("vnet floating list", "vnet floating list red"))
@click.argument("tenant", required=False, shell_complete=complete.TENANT)
@limit_option
@click.option("--after", metavar="TENANT[/ADDRESS]", help="Only what comes after this one in the list.")
@pass_session
def floating_list(session: Session, tenant: str | None, limit: int | None, after: str | None) -> None:
    """Floating addresses, of all tenants or of one, and whose each is."""
    client, most = session.client, session.most(limit)
    found = of_tenants(client, tenant, after, most, client.floating)
    session.listing(found, most, _floating, lambda one: f"{one['tenant']}/{one['address']}")


@floating.command(
    "add",
    examples=(
        "vnet floating add red/web 203.0.113.50 10.0.0.12",
        "vnet floating add red/web 2001:db8:a::50 fd00:1::12",
    ),
)
@click.argument("network", shell_complete=complete.NETWORK)
@click.argument("address")
@click.argument("inside")
@pass_session
def floating_add(session: Session, network: str, address: str, inside: str) -> None:
    """Give whoever has the address INSIDE in a network the outside ADDRESS as its own: what comes for it goes there,
    and what that one sends outside comes from it. An address that is known so goes to INSIDE from now on."""
    tenant, name = _split(network)
    session.change(
        lambda wait: session.client.put_floating(tenant, address, name, inside, wait=wait),
        f"{address} is that of {inside} in {network}",
    )


@floating.command("remove", examples=("vnet floating remove red 203.0.113.50",))
@click.argument("tenant", shell_complete=complete.TENANT)
@click.argument("address", shell_complete=complete.FLOATING)
@pass_session
def floating_remove(session: Session, tenant: str, address: str) -> None:
    """Give an outside address up. Connections by it end."""
    session.change(
        lambda wait: session.client.delete_floating(tenant, address, wait=wait), f"{address} is given up by {tenant}"
    )


# --- forwarded ports --------------------------------------------------------------------------------------------------


@click.command(
    cls=Group,
    examples=(
        "vnet forward add red/web 8080 10.0.0.11:80",
        "vnet forward list red",
        "vnet forward remove red 203.0.113.10 8080",
    ),
)
def forward() -> None:
    """Ports of outside addresses that lead to a port of a member."""


@forward.command("list", examples=("vnet forward list", "vnet forward list red"))
@click.argument("tenant", required=False, shell_complete=complete.TENANT)
@limit_option
@click.option("--after", metavar="TENANT", help="Only those of tenants that come after this one.")
@pass_session
def forward_list(session: Session, tenant: str | None, limit: int | None, after: str | None) -> None:
    """Forwarded ports, of all tenants or of one, and where each leads."""
    client, most = session.client, session.most(limit)
    found = of_tenants(client, tenant, after, most, client.forwards)
    session.listing(found, most, _forwards, lambda one: str(one["tenant"]))


_protocol_option = click.option(
    "--protocol", type=click.Choice(["tcp", "udp"]), default="tcp", help="tcp if not given.", show_choices=True
)


@forward.command(
    "add",
    examples=(
        "vnet forward add red/web 8080 10.0.0.11:80",
        "vnet forward add red/web 53 10.0.0.11 --protocol udp",
        "vnet forward add red/web 443 10.0.0.11 --address 203.0.113.10",
    ),
)
@click.argument("network", shell_complete=complete.NETWORK)
@click.argument("port", type=click.IntRange(1, 65535))
@click.argument("inside", metavar="INSIDE[:PORT]")
@_protocol_option
@click.option("--address", help="Of which outside address; that which the network's sources become if not given.")
@pass_session
def forward_add(session: Session, network: str, port: int, inside: str, protocol: str, address: str | None) -> None:
    """Let what comes for PORT of an outside address in to whoever has the address INSIDE in a network, at the same port
    or at another one."""
    tenant, name = _split(network)
    host, _, inner = inside.partition(":")
    if inner and not inner.isdecimal():
        raise click.BadParameter(f"{inside!r} is not ADDRESS or ADDRESS:PORT: 10.0.0.11:80", param_hint="INSIDE")
    session.change(
        lambda wait: session.client.put_forward(
            tenant, name, port, host, int(inner) if inner else None, protocol=protocol, address=address, wait=wait
        ),
        f"{protocol} port {port}{f' of {address}' if address else ''} leads to {inside} in {network}",
    )


@forward.command(
    "remove",
    examples=(
        "vnet forward remove red 203.0.113.10 8080",
        "vnet forward remove red 203.0.113.10 53 --protocol udp",
    ),
)
@click.argument("tenant", shell_complete=complete.TENANT)
@click.argument("address", shell_complete=complete.FORWARDED)
@click.argument("port", type=click.IntRange(1, 65535))
@_protocol_option
@pass_session
def forward_remove(session: Session, tenant: str, address: str, port: int, protocol: str) -> None:
    """Let nothing in for a port any more."""
    session.change(
        lambda wait: session.client.delete_forward(tenant, address, protocol, port, wait=wait),
        f"{protocol} port {port} of {address} leads nowhere",
    )


def _split(network: str) -> tuple[str, str]:
    from ..client import split_ref

    return split_ref(network)


# --- gateways, outside networks ---------------------------------------------------------------------------------------


@click.command(cls=Group, examples=("vnet gateway list", "vnet gateway show gw1", "vnet gateway move red/web --to gw2"))
def gateway() -> None:
    """Switches with uplinks to outside networks."""


@gateway.command("list", examples=("vnet gateway list", "vnet gateway list --json"))
@pass_session
def gateway_list(session: Session) -> None:
    """Gateways: whether each can be one, and if not, why; their next routers, how many networks each serves, and how
    often each took over from another, and another from it, since the controller started."""
    found = session.client.gateways()
    session.answer(found, lambda console: gateways(console, found))


@gateway.command("show", examples=("vnet gateway show gw1",))
@click.argument("gateway", shell_complete=complete.GATEWAY)
@pass_session
def gateway_show(session: Session, gateway: str) -> None:
    """One gateway: its uplinks and next routers, and the networks that go out by it."""
    found = session.client.gateway(gateway)
    session.answer(found, lambda console: _gateway(console, found))


@gateway.command("move", examples=("vnet gateway move red/web --to gw2",))
@click.argument("network", shell_complete=complete.NETWORK)
@click.option("--to", "to", metavar="GATEWAY", required=True, shell_complete=complete.GATEWAY, help="Which gateway.")
@pass_session
def gateway_move(session: Session, network: str, to: str) -> None:
    """Have a network go out by another one of its gateways.

    Networks that share its outside addresses go with it, and are named. Connections that are translated to shared ports
    end; those of floating addresses, and IPv6, go on once the inside sends something.
    """

    with session.patiently("waiting for the switches"):
        found = session.client.move_gateway(network, to, wait=session.wait)
    told = found.raw
    done = f"network {network} goes out by {to}"
    if told["moved"]:
        done += f", no more by {told['left']}"
    if told["together"]:
        done += f"; with it, as they share its outside addresses: {', '.join(told['together'])}"
    session.report(found, done)


@click.command(cls=Group, examples=("vnet outside list", "vnet outside show internet"))
def outside() -> None:
    """Networks that are not ours. A file for `vnet apply` declares them, under `fabric:`."""


@outside.command("list", examples=("vnet outside list", "vnet outside list --json"))
@pass_session
def outside_list(session: Session) -> None:
    """Outside networks, the addresses that networks may have there, and how many they have."""
    found = session.client.outsides()
    session.answer(found, lambda console: outsides(console, found))


@outside.command("show", examples=("vnet outside show internet", "vnet outside show internet --limit 0"))
@click.argument("outside", shell_complete=complete.OUTSIDE)
@limit_option
@click.option("--after", metavar="N", type=click.IntRange(min=0), help="Go on after so many of them.")
@pass_session
def outside_show(session: Session, outside: str, limit: int | None, after: int | None) -> None:
    """What each address of an outside network is used for, and by whom."""
    client, most = session.client, session.most(limit)
    found = client.outside(outside)
    start = after or 0
    uses = client.outside_addresses(outside, limit=most and most + 1, after=str(start))
    if session.json:
        session.answer({**found, "uses": uses[:most]}, lambda console: None)
        return

    def shown(console: Console, part: list[Json]) -> None:
        outsides(console, [found])
        _uses(console, part)

    session.listing(uses, most, shown, lambda use: str(start + len(uses[:most])))


# --- tables -----------------------------------------------------------------------------------------------------------


def _floating(console: Console, found: list[Json]) -> None:
    rows = [
        [one["address"], f"{one['tenant']}/{one['network']}", one["inside"], one["member"], one["outside"],
         one["gateway"]]
        for one in found
    ]  # fmt: skip
    table(console, ["address", "network", "inside", "member", "outside", "gateway"], rows)


def _forwards(console: Console, found: list[Json]) -> None:
    rows = [
        [one["address"], one["protocol"], one["port"], f"{one['tenant']}/{one['network']}", one["inside"],
         one["inside_port"], one["member"], one["gateway"]]
        for one in found
    ]  # fmt: skip
    columns = ["address", "protocol", "#port", "network", "inside", "#inside port", "member", "gateway"]
    table(console, columns, rows)


def gateways(console: Console, found: list[Json], title: str | None = None) -> None:
    """Gateways, one line an uplink."""
    rows = [
        [part["name"], part["segment"], uplink["port"], uplink["outside"], ", ".join(uplink["addresses"]),
         "up" if uplink["up"] else coloured("down"), ", ".join(map(_hop, uplink["next_hops"])), part["network_count"],
         part["took_over"], part["failed"]]
        for part in found
        for uplink in part["uplinks"]
    ]  # fmt: skip
    columns = ["gateway", "segment", "port", "outside", "own addresses", "state", "next routers", "#networks"]
    table(console, [*columns, "#took over", "#failed"], rows, title)
    for part in found:
        if part["why"]:
            console.print(f"[red]{part['name']} cannot be a gateway now {part['why']}[/]")


def _hop(hop: Json) -> str:
    words: dict[bool | None, str] = {True: "answers", False: "[red]does not answer[/]", None: "not heard yet"}
    return f"{hop['address']} {hop['mac'] or '(MAC not known)'} {words[hop['answers']]}"


def _gateway(console: Console, found: Json) -> None:
    gateways(console, [found])
    rows = [[one["network"], one["outside"], one["address"], one["ports"], one["zone"]] for one in found["networks"]]
    table(console, ["network", "outside", "address", "ports", "#zone"], rows, "networks that go out here")


def outsides(console: Console, found: list[Json], title: str | None = None) -> None:
    """Outside networks."""
    rows = [
        [one["name"], ", ".join(one["addresses"]), ", ".join(one["next_hops"]), one["mtu"], ", ".join(one["gateways"]),
         one["used"], one["network_count"]]
        for one in found
    ]  # fmt: skip
    columns = ["outside", "addresses for networks", "next routers", "#MTU", "gateways", "#used", "#networks"]
    table(console, columns, rows, title)


def _uses(console: Console, found: list[Json]) -> None:
    rows = [[one["address"], one["use"], one["ports"], one["network"], one["inside"], one["switch"]] for one in found]
    table(console, ["address", "used as", "ports", "network", "inside", "gateway"], rows, "addresses")
