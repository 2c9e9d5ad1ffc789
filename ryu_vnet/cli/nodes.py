"""Commands for tenants and nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import NotFound
from . import addresses, complete, show
from .listing import of_tenants, ref
from .session import Group, Session, page_options

if TYPE_CHECKING:
    from rich.console import Console

pass_session = click.make_pass_decorator(Session)


def install(main: click.Group) -> None:
    """Add the commands."""
    for command in (tenant, node):
        main.add_command(command)


# --- tenants --------------------------------------------------------------------------------------------------------


@click.command(cls=Group, examples=("vnet tenant create red", "vnet tenant list"))
def tenant() -> None:
    """Who owns networks and nodes."""


@tenant.command("list", examples=("vnet tenant list", "vnet tenant list --json"))
@page_options(complete.TENANT)
@pass_session
def tenant_list(session: Session, limit: int | None, after: str | None) -> None:
    """All tenants, with how much they have; --json names it."""
    most = session.most(limit)
    found = session.client.tenants(limit=most and most + 1, after=after, whole=session.json)
    session.listing(found, most, show.tenants, lambda tenant: str(tenant["name"]))


@tenant.command("create", examples=("vnet tenant create red",))
@click.argument("name")
@pass_session
def tenant_create(session: Session, name: str) -> None:
    """Make a tenant."""
    session.change(lambda wait: session.client.put_tenant(name, wait=wait), f"tenant {name} is there")


@tenant.command("delete", examples=("vnet tenant delete red",))
@click.argument("name", shell_complete=complete.TENANT)
@pass_session
def tenant_delete(session: Session, name: str) -> None:
    """Remove a tenant that has no network and no node any more."""
    session.change(lambda wait: session.client.delete_tenant(name, wait=wait), f"tenant {name} is gone")


# --- nodes ----------------------------------------------------------------------------------------------------------


@click.command(
    cls=Group,
    examples=(
        "vnet node create red/vm1 --ip 10.0.0.11 --at host1:vnet0 --network X",
        "vnet node list red",
    ),
)
def node() -> None:
    """Virtual machines and physical systems."""


@node.command("list", examples=("vnet node list", "vnet node list red", "vnet node list --limit 20 --after red/vm1.1"))
@click.argument("tenant", required=False, shell_complete=complete.TENANT)
@page_options(complete.NODE)
@pass_session
def node_list(session: Session, tenant: str | None, limit: int | None, after: str | None) -> None:
    """Nodes, of all tenants or of one."""
    most = session.most(limit)
    found = of_tenants(session.client, tenant, after, most, session.client.nodes)
    session.listing(found, most, show.nodes, ref)


@node.command("show", examples=("vnet node show red/vm1.1",))
@click.argument("node", shell_complete=complete.NODE)
@pass_session
def node_show(session: Session, node: str) -> None:
    """One node, with its interfaces."""
    found = session.client.node(node)

    def shown(console: Console) -> None:
        show.nodes(console, [found])
        for line in addresses.remarks(found):
            console.print(line, markup=False)

    session.answer(found, shown)


def _interface_options(function: Any) -> Any:
    options = (
        click.option(
            "--interface",
            help=f"Which interface this is about; {USUAL} where this is not given.",
            shell_complete=complete.INTERFACE,
        ),
        click.option("--mac", help="Its MAC address; the controller chooses one by its place where this is not given."),
        click.option("--ip", "ips", multiple=True, help="An address or prefix that it may send from; may be repeated."),
        click.option("--at", help="The switch port it sits on, SWITCH:PORT.", shell_complete=complete.PORT),
        click.option("--site", help="The tenant's remote site that it is at, in place of a port."),
        click.option("--send-rate", metavar="RATE", help="The most that it may send: 100M. `none`: no limit."),
        click.option("--receive-rate", metavar="RATE", help="The most that it is sent: 1G. `none`: no limit."),
        click.option("--iface-id", help="What its host's database calls it, where not TENANT/NODE[/INTERFACE]."),
        click.option(
            "--network",
            "networks",
            multiple=True,
            help="A network of the same tenant that it is in; may be repeated.",
            shell_complete=complete.NETWORK_OF_NODE,
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def _attribute_options(function: Any) -> Any:
    options = (
        click.option("--unit", help="The organisational unit that it belongs to, for policies."),
        click.option("--function", help="What it is there for, for policies: web, database."),
        click.option("--label", "labels", multiple=True, metavar="KEY=TEXT", help="For policies; may be repeated."),
        click.option("--size", type=click.IntRange(min=0), help="How much of its host it takes; 1 if not given."),
        click.option(
            "--discovery",
            type=click.Choice(["off", "start", "move"]),
            help="What may follow from where its host's database says that it is; start if not given.",
        ),
        click.option("--apart", multiple=True, metavar="GROUP", help="No other node of this group on its host."),
    )
    for option in reversed(options):
        function = option(function)
    return function


ATTRIBUTES = ("unit", "function", "labels", "size", "apart", "discovery")
SPEC = ("running", "prepared", "interfaces", *ATTRIBUTES)
"""What of a node's answer a PUT takes."""
USUAL = "eth0"
"""What an interface is called where no name is given."""


def _taken(parts: dict[str, Any]) -> dict[str, Any]:
    """Those of the attributes of a node that were given; they are taken out of the options."""
    found = {name: parts.pop(name) for name in ATTRIBUTES}
    labels = [text.partition("=") for text in found["labels"]]
    if not all(key and equals and text for key, equals, text in labels):
        raise click.BadParameter("write it as KEY=TEXT: tier=front", param_hint="--label")
    found |= {"labels": {key: text for key, _, text in labels}, "apart": sorted({*found["apart"]})}
    return {name: value for name, value in found.items() if value not in (None, {}, [])}


def _given(
    mac: str | None,
    ips: tuple[str, ...],
    at: str | None,
    site: str | None,
    send_rate: str | None,
    receive_rate: str | None,
    iface_id: str | None,
    networks: tuple[str, ...],
) -> dict[str, Any]:
    if at is not None and site is not None:
        raise click.UsageError(f"--at {at} and --site {site}: it is at one of them")
    parts = {"mac": mac, "ips": [*ips], "iface_id": iface_id, "networks": sorted({*networks})}
    where = {"at": at, "site": site} if at is not None or site is not None else {}
    rates = {"send": send_rate, "receive": receive_rate}
    said = {side: None if rate == "none" else rate for side, rate in rates.items() if rate is not None}
    limits = {"bandwidth": said} if said else {}
    return {name: value for name, value in parts.items() if value not in (None, [])} | where | limits


@node.command(
    "create",
    examples=(
        "vnet node create red/vm1 --ip 10.0.0.11 --at host1:vnet0 --network X --running",
        "vnet node create red/vm2 --mac 02:00:00:00:01:01",
        "vnet node create red/vm3",
        "vnet node create red/till1 --mac 02:00:00:00:09:01 --site paris --network web --running",
    ),
)
@click.argument("node", shell_complete=complete.IN_TENANT)
@_interface_options
@_attribute_options
@click.option("--running", is_flag=True, help="It runs from now on.")
@pass_session
def node_create(session: Session, /, node: str, interface: str | None, running: bool, **parts: Any) -> None:
    """Make a node, with one interface or none; `vnet node set` adds others."""
    from ..errors import Conflict

    attributes = _taken(parts)
    given = _given(**parts)
    try:
        known = session.client.node(node)
    except NotFound:
        known = None
    interfaces: dict[str, Any] = {}
    if given or interface is not None:
        name = interface or USUAL
        # A MAC address that is left out is whichever it has, and so are the addresses that it was given.
        old = known["interfaces"].get(name, {}) if known else {}
        has = {"mac": old.get("mac"), "leases": old.get("leases", []), "bandwidth": None}
        interfaces[name] = {**has, "ips": [], "at": None, "site": None, "iface_id": None, "networks": [], **given}
    usual: dict[str, Any] = {"prepared": False, "unit": None, "function": None, "labels": {}, "size": 1, "apart": []}
    usual["discovery"] = "start"
    spec = {**usual, "running": running, "interfaces": interfaces, **attributes}
    if known and {name: known[name] for name in SPEC} != spec:
        raise Conflict(f"node {node} exists and is different: change it by `vnet node set`, or delete it first")
    addresses.change(session, lambda wait: session.client.put_node(node, spec, wait=wait), f"node {node} is there")


@node.command(
    "set",
    examples=(
        "vnet node set red/vm1 --ip 10.0.0.11 --ip fd00::11",
        "vnet node set red/vm1 --interface eth1 --at host1:vnet9",
        "vnet node set red/vm1 --interface eth1 --remove",
        "vnet node set red/vm1 --unit sales --label tier=front",
        "vnet node set red/vm1 --send-rate 100M --receive-rate 1G",
    ),
)
@click.argument("node", shell_complete=complete.NODE)
@_interface_options
@_attribute_options
@click.option("--no-ip", is_flag=True, help="Its IP addresses are not known, and are not checked any more.")
@click.option("--no-at", is_flag=True, help="It has no place any more, and takes nothing of its host; it must not run.")
@click.option("--remove", is_flag=True, help="Take the interface away.")
@pass_session
def node_set(
    session: Session, /, node: str, interface: str | None, no_ip: bool, no_at: bool, remove: bool, **parts: Any
) -> None:
    """Change what a node is, change an interface of it, add one, or take one away. What is not given stays."""
    attributes = _taken(parts)
    given, name = _given(**parts) | ({"at": None} if no_at else {}), interface or USUAL
    if not (given or interface or no_ip or remove or attributes):
        raise click.UsageError("nothing is to be set: say what, or name an interface to add")
    known = session.client.node(node)
    interfaces = known["interfaces"]
    if remove and name not in interfaces:
        raise click.UsageError(f"node {node} has no interface {name}; it has {', '.join(sorted(interfaces)) or 'none'}")
    if remove:
        del interfaces[name]
    elif given or interface or no_ip:
        old = interfaces.get(name, {})
        if "bandwidth" in given:
            given["bandwidth"] = {**(old.get("bandwidth") or {}), **given["bandwidth"]}
        interfaces[name] = {**old, **given, **({"ips": []} if no_ip else {})}
    spec = {**{name: known[name] for name in SPEC}, "interfaces": interfaces, **attributes}
    addresses.change(session, lambda wait: session.client.put_node(node, spec, wait=wait), f"node {node} is changed")


@node.command("delete", examples=("vnet node delete red/vm1",))
@click.argument("node", shell_complete=complete.NODE)
@pass_session
def node_delete(session: Session, node: str) -> None:
    """Remove a node, running or not, with its memberships."""
    session.change(lambda wait: session.client.delete_node(node, wait=wait), f"node {node} is gone")
