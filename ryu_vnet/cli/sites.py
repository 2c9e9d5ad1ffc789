"""Commands for remote sites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .session import Group, Session
from .show import table

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from ..services.protection import End, Keys, Protected

pass_session = click.make_pass_decorator(Session)

Json = dict[str, Any]


def install(main: click.Group) -> None:
    """Add the commands."""
    main.add_command(site)


@click.command(
    "site",
    cls=Group,
    examples=(
        "vnet site add red/paris --network web --remote 198.51.100.10 --key 5000",
        "vnet site list",
        "vnet site config red/paris --wireguard --endpoint 203.0.113.1 --own 10.255.0.1/30",
    ),
)
def site() -> None:
    """Places outside the data centre that networks extend to, over VXLAN or GRE."""


@site.command("list", examples=("vnet site list", "vnet site list --tenant red"))
@click.option("--tenant", metavar="TENANT", help="Those of one tenant.")
@pass_session
def site_list(session: Session, tenant: str | None) -> None:
    """Sites, with their gateways and what is left for machines there."""
    names = [tenant] if tenant else [one["name"] for one in session.client.tenants(whole=False)]
    found = [one for name in names for one in session.client.sites(name)]
    session.answer(found, lambda console: _sites(console, found))


@site.command("show", examples=("vnet site show red/paris",))
@click.argument("ref", metavar="SITE")
@pass_session
def site_show(session: Session, ref: str) -> None:
    """One site."""
    found = session.client.site(ref)
    session.answer(found, lambda console: _sites(console, [found]))


@site.command(
    "add",
    examples=(
        "vnet site add red/paris --network web --remote 198.51.100.10 --key 5000",
        "vnet site add red/oslo --network web --protocol gre --remote 198.51.100.20 --key 7000 --gateway gw2",
    ),
)
@click.argument("ref", metavar="SITE")
@click.option("--network", required=True, metavar="NETWORK", help="The network that it extends.")
@click.option("--remote", required=True, metavar="ADDRESS", help="The tunnel's other end.")
@click.option("--key", required=True, type=click.IntRange(min=1), help="VXLAN network identifier, or GRE key.")
@click.option("--protocol", type=click.Choice(["vxlan", "gre"]), default="vxlan", show_default=True)
@click.option("--gateway", "gateways", multiple=True, metavar="SWITCH", help="Which may have it, in order; repeatable.")
@click.option("--mtu", type=int, metavar="BYTES", help="What the way takes, where that is less: 1420 in WireGuard.")
@pass_session
def site_add(session: Session, /, ref: str, **parts: Any) -> None:
    """Have a network extend to a site, or change how."""
    spec = {**parts, "gateways": [*parts["gateways"]]}
    session.change(lambda wait: session.client.put_site(ref, spec, wait=wait), f"site {ref} is there")


@site.command("remove", examples=("vnet site remove red/paris",))
@click.argument("ref", metavar="SITE")
@pass_session
def site_remove(session: Session, ref: str) -> None:
    """Remove a site at which no node is any more."""
    session.change(lambda wait: session.client.delete_site(ref, wait=wait), f"site {ref} is gone")


@site.command(
    "config",
    examples=(
        "vnet site config red/paris --wireguard --endpoint 203.0.113.1 --own 10.255.0.1/30",
        "vnet site config red/paris --ipsec --endpoint 203.0.113.1 --peer 198.51.100.7 --own 10.255.0.1/30 --end site",
    ),
)
@click.argument("ref", metavar="SITE")
@click.option("--wireguard", "kind", flag_value="wireguard", help="For wg-quick.")
@click.option("--ipsec", "kind", flag_value="ipsec", help="For strongSwan: a file of /etc/swanctl/conf.d.")
@click.option("--own", required=True, metavar="ADDRESS/BITS", help="The gateway's, on its link to what protects.")
@click.option("--endpoint", required=True, metavar="ADDRESS", help="Where what protects is reached from outside.")
@click.option("--peer", metavar="ADDRESS", help="Where the site is; WireGuard need not know.")
@click.option("--end", type=click.Choice(["gateway", "site"]), help="One end alone, as a file.")
@click.option("--private", type=click.Path(exists=True), metavar="FILE", help="WireGuard: this end's private key.")
@click.option("--public", type=click.Path(exists=True), metavar="FILE", help="WireGuard: the other's public key.")
@click.option("--secret", type=click.Path(exists=True), metavar="FILE", help="IPsec: what both ends share.")
@pass_session
def site_config(session: Session, /, ref: str, kind: str | None, end: str | None, **parts: Any) -> None:
    """Configuration that protects a site's tunnel, for both ends. Keys are read from files and kept nowhere; without
    them placeholders stand there."""
    from ..errors import Invalid, Problem
    from ..services import protection

    if kind is None:
        raise click.UsageError("say which protection: --wireguard or --ipsec")
    if end is None and (parts["private"] or parts["public"]):
        raise click.UsageError("keys are for one end: --end gateway or --end site")
    found = session.client.site(ref)
    site = _protected(found, parts)
    loss = protection.WIREGUARD_LOSS if kind == "wireguard" else protection.IPSEC_LOSS
    outer = int(found["way_mtu"] or 0) + loss
    if found["mtu"] is None:
        hint = f"put the site with mtu: {1500 - loss}, or what is left of 1500 bytes on the way there"
        raise Invalid(Problem("mtu", f"site {ref} does not say what the protection leaves of its way", hint))
    keys = protection.Keys(*(_read(parts[name]) for name in ("private", "public", "secret")))
    ends = [protection.End(end)] if end is not None else [*protection.End]
    texts = {one.value: _text(kind, site, one, keys, outer) for one in ends}
    commands = protection.site_commands(site, int(found["inner_mtu"] or 0))
    if end is None:
        texts["site"] += "\n# The site's end of the tunnel:\n" + "".join(f"#   {line}\n" for line in commands)
    session.answer({**texts, "commands": commands}, lambda console: click.echo("\n".join(texts.values()), nl=False))


def _text(kind: str, site: Protected, end: End, keys: Keys, mtu: int) -> str:
    from ..services.protection import ipsec, wireguard

    return wireguard(site, end, keys, mtu) if kind == "wireguard" else ipsec(site, end, keys)


def _protected(found: Json, parts: Json) -> Protected:
    from ipaddress import ip_address, ip_interface

    from ..errors import Invalid, Problem
    from ..model.sites import Protocol
    from ..services.protection import Protected

    try:
        own, endpoint = ip_interface(parts["own"]), ip_address(parts["endpoint"])
        peer = ip_address(parts["peer"]) if parts["peer"] else None
    except ValueError as error:
        raise Invalid(Problem("address", str(error), "10.255.0.1/30, 203.0.113.1")) from None
    name, protocol = f"{found['tenant']}/{found['name']}", Protocol(found["protocol"])
    return Protected(name, protocol, ip_address(found["remote"]), found["key"], own, endpoint, peer)


def _read(path: Path | None) -> str | None:
    from pathlib import Path

    return Path(path).read_text().strip() if path is not None else None


def _sites(console: Console, found: list[Json]) -> None:
    rows = [
        [f"{one['tenant']}/{one['name']}", one["network"], one["protocol"], one["remote"], one["key"],
         f"{one['gateway']}:{one['port']}", one["inner_mtu"] or "", ", ".join(one["nodes"])]
        for one in found
    ]  # fmt: skip
    table(console, ["site", "network", "tunnel", "other end", "key", "gateway", "MTU left", "nodes"], rows)
