"""Commands for routers between networks of tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from . import complete
from .listing import of_tenants, ref
from .session import Group, Session, page_options
from .show import table

if TYPE_CHECKING:
    from rich.console import Console

pass_session = click.make_pass_decorator(Session)

Json = dict[str, Any]
Rules = dict[tuple[str, str], list[Json]]
"""What may begin from which network to which, in the order in which it was said; an empty list: everything."""


def install(main: click.Group) -> None:
    """Add the commands."""
    main.add_command(router)


@click.command(
    cls=Group,
    examples=(
        "vnet router create red/core web db --allow web:db:tcp/5432 --allow web:db:icmp",
        "vnet router list red",
        "vnet router show red/core",
    ),
)
def router() -> None:
    """Routes between networks of a tenant, and to those of tenants who ask for it too."""


@router.command("list", examples=("vnet router list", "vnet router list red"))
@click.argument("tenant", required=False, shell_complete=complete.TENANT)
@page_options(complete.ROUTER)
@pass_session
def router_list(session: Session, tenant: str | None, limit: int | None, after: str | None) -> None:
    """Routers, of all tenants or of one, and between which networks each routes."""
    client, most = session.client, session.most(limit)
    found = of_tenants(client, tenant, after, most, client.routers)
    session.listing(found, most, routers, ref)


@router.command("show", examples=("vnet router show red/core", "vnet router show red/core --json"))
@click.argument("router", shell_complete=complete.ROUTER)
@pass_session
def router_show(session: Session, router: str) -> None:
    """One router: what may begin from which network to which, and if nothing may, why not."""
    found = session.client.router(router)
    session.answer(found, lambda console: _router(console, found))


_allow_option = click.option(
    "--allow",
    multiple=True,
    metavar="FROM:TO[:WHAT]",
    help="What may begin there: tcp/5432, udp/53, tcp/8000-8999, icmp; everything, if it is left out. May be repeated; "
    "what nothing lets pass is dropped then.",
)


@router.command(
    "create",
    examples=(
        "vnet router create red/core web db",
        "vnet router create red/core web db --allow web:db:tcp/5432 --allow web:db:icmp",
        "vnet router create red/shared web blue/web --allow blue/web:web:tcp/80",
    ),
)
@click.argument("router", shell_complete=complete.IN_TENANT)
@click.argument("networks", metavar="NETWORK...", nargs=-1, required=True, shell_complete=complete.NETWORK_OF_ROUTER)
@_allow_option
@pass_session
def router_create(session: Session, router: str, networks: tuple[str, ...], allow: tuple[str, ...]) -> None:
    """Route between networks, each with a subnet: those of the router's tenant by name, those of another tenant as
    TENANT/NAME. With that one nothing is routed before it has a router that names both as well.

    Without --allow everything may pass. A router of that name that is there becomes this one.
    """
    rules: Rules = {}
    _let(rules, allow)
    _put(session, router, [*networks], rules, f"router {router} is there")


@router.command(
    "set",
    examples=(
        "vnet router set red/core --allow web:db:tcp/5433",
        "vnet router set red/core --forbid web:db:icmp",
        "vnet router set red/core --add cache --remove db",
        "vnet router set red/core --allow-all",
    ),
)
@click.argument("router", shell_complete=complete.ROUTER)
@_allow_option
@click.option(
    "--forbid",
    multiple=True,
    metavar="FROM:TO[:WHAT]",
    help="Take away what was allowed, as it was said; all that may begin there, if it is left out. May be repeated.",
)
@click.option("--add", multiple=True, metavar="NETWORK", help="Route to this one too.")
@click.option("--remove", multiple=True, metavar="NETWORK", help="Route to this one no more; its rules go with it.")
@click.option("--allow-all", is_flag=True, help="Everything may pass between all of them: there are no rules any more.")
@pass_session
def router_set(
    session: Session,
    router: str,
    allow: tuple[str, ...],
    forbid: tuple[str, ...],
    add: tuple[str, ...],
    remove: tuple[str, ...],
    allow_all: bool,
) -> None:
    """Change a router that is there. What is not given stays."""
    if allow_all and (allow or forbid):
        raise click.UsageError("--allow-all goes with no --allow and no --forbid: what may pass is everything")
    found = session.client.router(router)["declared"]
    networks = [*dict.fromkeys([*found["networks"], *add])]
    for name in remove:
        if name not in networks:
            raise click.UsageError(f"router {router} does not name {name}; it has {', '.join(networks)}")
        networks.remove(name)
    had: Rules = {}
    for rule in found["rules"]:
        ways = had.setdefault((rule["from"], rule["to"]), [])
        ways += rule["allow"] or [{}]
    rules: Rules = {} if allow_all else {ends: ways for ends, ways in had.items() if {*ends} <= {*networks}}
    _take_away(rules, forbid, router)
    _let(rules, allow)
    if had and not rules and not allow_all:
        hint = f"--allow-all, if that is meant; else `vnet router remove {router}`"
        raise click.UsageError(f"no rule would be left, and without one everything may pass: {hint}")
    _put(session, router, networks, rules, f"router {router} is changed")


@router.command("remove", examples=("vnet router remove red/core",))
@click.argument("router", shell_complete=complete.ROUTER)
@pass_session
def router_remove(session: Session, router: str) -> None:
    """Route no more between networks for the sake of this router. The networks stay."""
    session.change(lambda wait: session.client.delete_router(router, wait=wait), f"router {router} is gone")


def _put(session: Session, router: str, networks: list[str], rules: Rules, done: str) -> None:
    told = [
        {"from": source, "to": target, "allow": [] if {} in ways else ways} for (source, target), ways in rules.items()
    ]
    session.change(lambda wait: session.client.put_router(router, networks, told, wait=wait), done)


# --- rules ------------------------------------------------------------------------------------------------------------


def _let(rules: Rules, allow: tuple[str, ...]) -> None:
    for text in allow:
        ends, access = _rule(text, "--allow")
        ways = rules.setdefault(ends, [])
        ways += [access] if access not in ways else []


def _take_away(rules: Rules, forbid: tuple[str, ...], router: str) -> None:
    for text in forbid:
        ends, access = _rule(text, "--forbid")
        known = rules.get(ends, [])
        if not known or (access and access not in known):
            listed = ", ".join(map(_said, known)) or "nothing"
            raise click.UsageError(f"router {router} does not allow {text}; there it allows {listed}")
        left = [other for other in known if access and other != access]
        if left:
            rules[ends] = left
        else:
            del rules[ends]


def _rule(text: str, option: str) -> tuple[tuple[str, str], Json]:
    """`web:db:tcp/5432`: from, to, and the access, in which nothing stands for everything."""
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(parts):
        raise click.BadParameter(f"{text!r} is not FROM:TO[:WHAT]: web:db:tcp/5432", param_hint=option)
    protocol, slash, port = (parts[2] if len(parts) > 2 else "").partition("/")
    if slash and not (protocol and port):
        raise click.BadParameter(f"{parts[2]!r} is not PROTOCOL or PROTOCOL/PORT: tcp/5432", param_hint=option)
    access = {} if protocol in ("", "everything") else {"protocol": protocol, "port": port or None}
    return (parts[0], parts[1]), access


def _said(access: Json) -> str:
    if not access or access["protocol"] is None:
        return "everything"
    return f"{access['protocol']}/{access['port']}" if access["port"] else str(access["protocol"])


# --- tables -----------------------------------------------------------------------------------------------------------


def routers(console: Console, found: list[Json]) -> None:
    """Routers, one line each."""
    rows = []
    for part in found:
        open_pairs = sum(not pair["why"] for pair in part["pairs"])
        waiting = sorted({pair["why"] for pair in part["pairs"] if not pair["asked"]})
        passes = "by rules" if part["restricted"] else "everything"
        rows.append([ref(part), ", ".join(part["networks"]), passes, open_pairs, "; ".join(waiting)])
    table(console, ["router", "networks", "what may pass", "#ways open", "waits for"], rows)


def _router(console: Console, found: Json) -> None:
    routers(console, [found])
    rows = [
        [pair["source"], pair["target"], ", ".join(pair["allows"]) or "nothing",
         ", ".join(pair["passes"]) or "[red]nothing[/]", pair["why"]]
        for pair in found["pairs"]
    ]  # fmt: skip
    table(console, ["from", "to", "it allows", "may begin", "why"], rows, "what may begin; answers come back")
