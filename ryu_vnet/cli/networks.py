"""Commands for networks: what they are, the addresses of their members, their way out."""

from __future__ import annotations

from functools import partial
from ipaddress import ip_address, ip_network
from typing import Any

import click

from ..errors import NotFound
from . import complete, show
from .listing import of_tenants, ref
from .session import Group, Session, page_options

pass_session = click.make_pass_decorator(Session)

Json = dict[str, Any]


def install(main: click.Group) -> None:
    """Add the commands."""
    main.add_command(network)


@click.command(
    cls=Group,
    examples=(
        "vnet network create red/web --subnet 10.0.0.0/24 --outside internet",
        "vnet network list red",
        "vnet network show red/web",
    ),
)
def network() -> None:
    """Private layer-2 broadcast domains."""


@network.command("list", examples=("vnet network list", "vnet network list red", "vnet network list --after red/X"))
@click.argument("tenant", required=False, shell_complete=complete.TENANT)
@page_options(complete.NETWORK)
@pass_session
def network_list(session: Session, tenant: str | None, limit: int | None, after: str | None) -> None:
    """Networks, of all tenants or of one, with their tags and labels."""
    client, most = session.client, session.most(limit)
    found = of_tenants(client, tenant, after, most, partial(client.networks, whole=session.json))
    session.listing(found, most, show.networks, ref)


@network.command("show", examples=("vnet network show red/X",))
@click.argument("network", shell_complete=complete.NETWORK)
@pass_session
def network_show(session: Session, network: str) -> None:
    """One network: its tag in each segment, its label, its subnets, its way out, its members."""
    found = session.client.network(network)
    session.answer(found, lambda console: show.network(console, found))


# --- making and changing --------------------------------------------------------------------------------------------


def _options(function: Any) -> Any:
    options = (
        click.option("--tagged/--no-tagged", default=None, help="Whether its nodes may send 802.1Q tags of their own."),
        click.option(
            "--traffic",
            "terms",
            multiple=True,
            metavar="NAME=VALUE,...",
            help="Only such frames: ethertype, protocol, port, source_port, destination_port, dscp. May be repeated.",
        ),
        click.option(
            "--reserve",
            multiple=True,
            metavar="SEGMENT",
            help="It keeps a tag there, whoever is there. May be repeated.",
        ),
        click.option(
            "--subnet",
            "prefixes",
            multiple=True,
            metavar="PREFIX",
            help="Addresses of its members, 10.0.0.0/24: one of IPv4 and one of IPv6 at most. Its first one is the "
            "router's, unless --gateway says another.",
        ),
        click.option(
            "--gateway",
            "routers",
            multiple=True,
            metavar="ADDRESS",
            help="The router's address in the subnet of its kind; `none`: there is no router.",
        ),
        click.option(
            "--dns",
            multiple=True,
            metavar="ADDRESS",
            help="A name server that members are told, with the subnet of its kind; may be repeated. `none`: no more.",
        ),
        click.option("--dhcp/--no-dhcp", default=None, help="Whether members are told their addresses; they are."),
        click.option(
            "--outside",
            metavar="NAME",
            help="The outside network that it has a way out to.",
            shell_complete=complete.OUTSIDE,
        ),
        click.option(
            "--via",
            multiple=True,
            metavar="SWITCH",
            help="A gateway that it may use, the preferred one first; may be repeated. All, where none is named.",
            shell_complete=complete.GATEWAY,
        ),
        click.option(
            "--outside-address", metavar="ADDRESS", help="What its IPv4 becomes outside; chosen if not given."
        ),
        click.option("--outside-ports", metavar="FIRST-LAST", help="Ports of that; 4096 are chosen if not given."),
        click.option("--outside-prefix", metavar="PREFIX", help="What its IPv6 becomes there; itself if not given."),
        click.option("--out-rate", metavar="RATE", help="The most that it sends there: 500M. `none`: no limit."),
        click.option("--in-rate", metavar="RATE", help="The most that comes from there: 1.5G. `none`: no limit."),
        click.option("--connections", type=click.IntRange(min=1), help="The most that its gateway tracks for it."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@network.command(
    "create",
    examples=(
        "vnet network create red/X",
        "vnet network create red/X --tagged",
        "vnet network create red/X --reserve A --reserve B",
        "vnet network create red/web --traffic protocol=tcp,port=80 --traffic protocol=tcp,port=443",
        "vnet network create red/web --subnet 10.0.0.0/24 --subnet fd00:1::/64 --outside internet",
        "vnet network create red/db --subnet 10.0.1.0/24 --gateway 10.0.1.254 --dns 10.0.1.53",
        "vnet network create red/web --outside internet --via gw1 --via gw2 --outside-address 203.0.113.10",
    ),
)
@click.argument("network", shell_complete=complete.NETWORK)
@_options
@pass_session
def network_create(session: Session, /, network: str, **parts: Any) -> None:
    """Make a network, or change one that is there: what is not given stays."""
    try:
        known = session.client.network(network)["declared"]
    except NotFound:
        known = {}
    _put(session, network, _changed(known, parts), f"network {network} is there")


@network.command(
    "set",
    examples=(
        "vnet network set red/web --outside internet",
        "vnet network set red/web --dns 9.9.9.9",
        "vnet network set red/web --remove-subnet fd00:1::/64",
        "vnet network set red/web --no-outside",
    ),
)
@click.argument("network", shell_complete=complete.NETWORK)
@_options
@click.option("--remove-subnet", "gone", multiple=True, metavar="PREFIX", help="Take a subnet away; may be repeated.")
@click.option("--no-outside", is_flag=True, help="It has no way out any more.")
@click.option("--any-gateway", is_flag=True, help="It may use all gateways again, not just those it was given.")
@click.option("--any-address", is_flag=True, help="Its address and ports outside are chosen again.")
@click.option("--no-outside-prefix", is_flag=True, help="Its IPv6 goes out as it is again.")
@click.option("--no-traffic", is_flag=True, help="It is for all frames again.")
@click.option("--no-reserve", is_flag=True, help="It keeps no tag anywhere without a member.")
@pass_session
def network_set(
    session: Session,
    /,
    network: str,
    gone: tuple[str, ...],
    no_outside: bool,
    any_gateway: bool,
    any_address: bool,
    no_outside_prefix: bool,
    no_traffic: bool,
    no_reserve: bool,
    **parts: Any,
) -> None:
    """Change a network that is there, or take something away from it. What is not given stays."""
    known = session.client.network(network)["declared"]
    for prefix in gone:
        if prefix not in [subnet["prefix"] for subnet in known["subnets"]]:
            listed = ", ".join(subnet["prefix"] for subnet in known["subnets"]) or "none"
            raise click.UsageError(f"network {network} has no subnet {prefix}; it has {listed}")
    known["subnets"] = [subnet for subnet in known["subnets"] if subnet["prefix"] not in gone]
    known |= {"traffic": []} if no_traffic else {}
    known |= {"reserve": []} if no_reserve else {}
    if no_outside:
        known["outside"] = None
    if known["outside"] is not None:
        known["outside"] |= {"gateways": []} if any_gateway else {}
        known["outside"] |= {"address": None, "ports": None} if any_address else {}
        known["outside"] |= {"prefix": None} if no_outside_prefix else {}
    _put(session, network, _changed(known, parts), f"network {network} is changed")


@network.command("delete", examples=("vnet network delete red/X",))
@click.argument("network", shell_complete=complete.NETWORK)
@pass_session
def network_delete(session: Session, network: str) -> None:
    """Remove a network that has no member any more."""
    session.change(lambda wait: session.client.delete_network(network, wait=wait), f"network {network} is gone")


def _put(session: Session, network: str, spec: Json, done: str) -> None:
    session.change(lambda wait: session.client.put_network(network, **spec, wait=wait), done)


def _changed(known: Json, parts: Json) -> Json:
    """What a network is to be: as it is known, with what was given."""
    return {
        "tagged": known.get("tagged", False) if parts["tagged"] is None else parts["tagged"],
        "traffic": [_term(text) for text in parts["terms"]] or known.get("traffic", []),
        "reserve": [*parts["reserve"]] or known.get("reserve", []),
        "subnets": _subnets(known.get("subnets", []), parts),
        "outside": _outside(known.get("outside"), parts),
    }


def _term(text: str) -> dict[str, str]:
    parts = [part.partition("=") for part in text.split(",")]
    if not all(name and equals and value for name, equals, value in parts):
        raise click.BadParameter(f"{text!r} is not NAME=VALUE,...: protocol=tcp,port=80", param_hint="--traffic")
    return {name.strip(): value.strip() for name, _, value in parts}


def _subnets(known: list[Json], parts: Json) -> list[Json]:
    """The subnets, each with the options that are about its version of IP. One that is given takes the place of one of
    its version."""
    found = {_version(subnet["prefix"], "--subnet"): subnet for subnet in known}
    given: list[int] = []
    for prefix in parts["prefixes"]:
        version = _version(prefix, "--subnet")
        if version in given:
            hint = "a network has one subnet of IPv4 and one of IPv6 at most"
            raise click.BadParameter(f"{prefix} is a second one of IPv{version}; {hint}", param_hint="--subnet")
        given.append(version)
        if found.get(version, {}).get("prefix") != prefix:
            found[version] = {"prefix": prefix}
    concerned = given or [*found]
    for version, router in _by_version(parts["routers"], "--gateway", concerned):
        _of(found, version, "--gateway")["gateway"] = router
    servers: dict[int, list[str]] = {}
    for version, server in _by_version(parts["dns"], "--dns", concerned):
        servers.setdefault(version, []).extend([server] if server is not None else [])
    for version, listed in servers.items():
        _of(found, version, "--dns")["dns"] = listed
    if parts["dhcp"] is not None:
        if not concerned:
            raise click.BadParameter("the network has no subnet: give it one by --subnet", param_hint="--dhcp")
        for version in concerned:
            found[version]["dhcp"] = parts["dhcp"]
    return [subnet for _, subnet in sorted(found.items())]


def _of(found: dict[int, Json], version: int, option: str) -> Json:
    if version not in found:
        raise click.BadParameter(
            f"the network has no subnet of IPv{version}: give it one by --subnet", param_hint=option
        )
    return found[version]


def _by_version(texts: tuple[str, ...], option: str, concerned: list[int]) -> list[tuple[int, str | None]]:
    """What is about the subnet of each version of IP; `none` is about all that are concerned."""
    found: list[tuple[int, str | None]] = []
    for text in texts:
        if text == "none":
            found += [(version, None) for version in concerned]
            continue
        try:
            found.append((ip_address(text).version, text))
        except ValueError:
            raise click.BadParameter(f"{text!r} is not an IP address, nor none", param_hint=option) from None
    return found


def _version(prefix: str, option: str) -> int:
    try:
        return ip_network(prefix).version
    except ValueError as error:
        hint = "10.0.0.0/24, fd00:1::/64"
        raise click.BadParameter(f"{prefix!r} is not a prefix: {error} ({hint})", param_hint=option) from None


def _outside(known: Json | None, parts: Json) -> Json | None:
    """The way out. To another outside network it is another one: nothing of it stays."""
    options = {
        "gateways": [*parts["via"]],
        "address": parts["outside_address"],
        "ports": parts["outside_ports"],
        "prefix": parts["outside_prefix"],
        "connections": parts["connections"],
    }
    given = {name: value for name, value in options.items() if value}
    name = parts["outside"] or (known["network"] if known else None)
    if name is None:
        if given:
            raise click.UsageError("say where to: --outside NAME; `vnet outside list` has the names")
        return None
    stays = known if known is not None and known["network"] == name else {}
    rates = {"out": parts["out_rate"], "in": parts["in_rate"]}
    said = {side: None if rate == "none" else rate for side, rate in rates.items() if rate is not None}
    if said:
        given["bandwidth"] = {**(stays.get("bandwidth") or {}), **said}
    return {**stays, "network": name, **given}
