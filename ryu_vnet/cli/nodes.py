"""Commands for tenants, networks and nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from . import addresses, show
from .session import Group, Session

if TYPE_CHECKING:
    from rich.console import Console

    from ..client import Client

pass_session = click.make_pass_decorator(Session)


def install(main: click.Group) -> None:
    """Add the commands."""
    for command in (tenant, network, node):
        main.add_command(command)


def _tenant_names(client: Client, tenant: str | None) -> list[str]:
    return [tenant] if tenant else [found["name"] for found in client.tenants()]


# --- tenants --------------------------------------------------------------------------------------------------------


@click.command(cls=Group, examples=("vnet tenant create red", "vnet tenant list"))
def tenant() -> None:
    """Who owns networks and nodes."""


@tenant.command("list", examples=("vnet tenant list", "vnet tenant list --json"))
@pass_session
def tenant_list(session: Session) -> None:
    """All tenants, with what they have."""
    found = session.client.tenants()
    session.answer(found, lambda console: show.tenants(console, found))


@tenant.command("create", examples=("vnet tenant create red",))
@click.argument("name")
@pass_session
def tenant_create(session: Session, name: str) -> None:
    """Make a tenant."""
    session.change(lambda wait: session.client.put_tenant(name, wait=wait), f"tenant {name} is there")


@tenant.command("delete", examples=("vnet tenant delete red",))
@click.argument("name")
@pass_session
def tenant_delete(session: Session, name: str) -> None:
    """Remove a tenant that has no network and no node any more."""
    session.change(lambda wait: session.client.delete_tenant(name, wait=wait), f"tenant {name} is gone")


# --- networks -------------------------------------------------------------------------------------------------------


@click.command(cls=Group, examples=("vnet network create red/X", "vnet network list red", "vnet network show red/X"))
def network() -> None:
    """Private layer-2 broadcast domains."""


@network.command("list", examples=("vnet network list", "vnet network list red"))
@click.argument("tenant", required=False)
@pass_session
def network_list(session: Session, tenant: str | None) -> None:
    """Networks, of all tenants or of one, with their tags and labels."""
    client = session.client
    found = [network for name in _tenant_names(client, tenant) for network in client.networks(name)]
    session.answer(found, lambda console: show.networks(console, found))


@network.command("show", examples=("vnet network show red/X",))
@click.argument("network")
@pass_session
def network_show(session: Session, network: str) -> None:
    """One network: its tag in each segment, its label, its members."""
    found = session.client.network(network)
    session.answer(found, lambda console: show.network(console, found))


@network.command(
    "create",
    examples=(
        "vnet network create red/X",
        "vnet network create red/X --tagged",
        "vnet network create red/web --traffic protocol=tcp,port=80 --traffic protocol=tcp,port=443",
    ),
)
@click.argument("network")
@click.option("--tagged", is_flag=True, help="Its nodes may send 802.1Q tags of their own.")
@click.option(
    "--traffic",
    "terms",
    multiple=True,
    metavar="NAME=VALUE,...",
    help="Only such frames: ethertype, protocol, port, source_port, destination_port, dscp. May be repeated.",
)
@pass_session
def network_create(session: Session, network: str, tagged: bool, terms: tuple[str, ...]) -> None:
    """Make a network, or change what it is."""
    traffic = [_term(text) for text in terms]
    session.change(
        lambda wait: session.client.put_network(network, tagged=tagged, traffic=traffic, wait=wait),
        f"network {network} is there",
    )


def _term(text: str) -> dict[str, str]:
    parts = [part.partition("=") for part in text.split(",")]
    if not all(name and equals and value for name, equals, value in parts):
        raise click.BadParameter(f"{text!r} is not NAME=VALUE,...: protocol=tcp,port=80", param_hint="--traffic")
    return {name.strip(): value.strip() for name, _, value in parts}


@network.command("delete", examples=("vnet network delete red/X",))
@click.argument("network")
@pass_session
def network_delete(session: Session, network: str) -> None:
    """Remove a network that has no member any more."""
    session.change(lambda wait: session.client.delete_network(network, wait=wait), f"network {network} is gone")


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


@node.command("list", examples=("vnet node list", "vnet node list red"))
@click.argument("tenant", required=False)
@pass_session
def node_list(session: Session, tenant: str | None) -> None:
    """Nodes, of all tenants or of one."""
    client = session.client
    found = [node for name in _tenant_names(client, tenant) for node in client.nodes(name)]
    session.answer(found, lambda console: show.nodes(console, found))


@node.command("show", examples=("vnet node show red/vm1.1",))
@click.argument("node")
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
        click.option("--interface", help=f"Which interface this is about; {USUAL} where this is not given."),
        click.option("--mac", help="Its MAC address; the controller chooses one by its place where this is not given."),
        click.option("--ip", "ips", multiple=True, help="An address or prefix that it may send from; may be repeated."),
        click.option("--at", help="The switch port it sits on, SWITCH:PORT."),
        click.option(
            "--network", "networks", multiple=True, help="A network of the same tenant that it is in; may be repeated."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


USUAL = "eth0"
"""What an interface is called where no name is given."""


def _given(mac: str | None, ips: tuple[str, ...], at: str | None, networks: tuple[str, ...]) -> dict[str, Any]:
    parts = {"mac": mac, "ips": list(ips) or None, "at": at, "networks": sorted({*networks}) or None}
    return {name: value for name, value in parts.items() if value is not None}


@node.command(
    "create",
    examples=(
        "vnet node create red/vm1 --ip 10.0.0.11 --at host1:vnet0 --network X --running",
        "vnet node create red/vm2 --mac 02:00:00:00:01:01",
        "vnet node create red/vm3",
    ),
)
@click.argument("node")
@_interface_options
@click.option("--running", is_flag=True, help="It runs from now on.")
@pass_session
def node_create(session: Session, /, node: str, interface: str | None, running: bool, **parts: Any) -> None:
    """Make a node, with one interface or none; `vnet node set` adds others."""
    from ..errors import Conflict, NotFound

    given = _given(**parts)
    try:
        known = session.client.node(node)
    except NotFound:
        known = None
    interfaces: dict[str, Any] = {}
    if given or interface is not None:
        name = interface or USUAL
        # A MAC address that is left out is whichever it has.
        mac = known["interfaces"].get(name, {}).get("mac") if known else None
        interfaces[name] = {"mac": mac, "ips": [], "at": None, "networks": [], **given}
    spec = {"running": running, "interfaces": interfaces}
    if known and {"running": known["running"], "interfaces": known["interfaces"]} != spec:
        raise Conflict(f"node {node} exists and is different: change it by `vnet node set`, or delete it first")
    addresses.change(session, lambda wait: session.client.put_node(node, spec, wait=wait), f"node {node} is there")


@node.command(
    "set",
    examples=(
        "vnet node set red/vm1 --ip 10.0.0.11 --ip fd00::11",
        "vnet node set red/vm1 --interface eth1 --at host1:vnet9",
        "vnet node set red/vm1 --interface eth1 --remove",
    ),
)
@click.argument("node")
@_interface_options
@click.option("--no-ip", is_flag=True, help="Its IP addresses are not known, and are not checked any more.")
@click.option("--remove", is_flag=True, help="Take the interface away.")
@pass_session
def node_set(session: Session, /, node: str, interface: str | None, no_ip: bool, remove: bool, **parts: Any) -> None:
    """Change an interface of a node, add one, or take one away. What is not given stays."""
    given, name = _given(**parts), interface or USUAL
    if not (given or interface or no_ip or remove):
        raise click.UsageError("nothing is to be set: say what, or name an interface to add")
    known = session.client.node(node)
    interfaces = known["interfaces"]
    if remove and name not in interfaces:
        raise click.UsageError(f"node {node} has no interface {name}; it has {', '.join(sorted(interfaces)) or 'none'}")
    if remove:
        del interfaces[name]
    else:
        interfaces[name] = {**interfaces.get(name, {}), **given, **({"ips": []} if no_ip else {})}
    spec = {"running": known["running"], "interfaces": interfaces}
    addresses.change(session, lambda wait: session.client.put_node(node, spec, wait=wait), f"node {node} is changed")


@node.command("delete", examples=("vnet node delete red/vm1",))
@click.argument("node")
@pass_session
def node_delete(session: Session, node: str) -> None:
    """Remove a node, running or not, with its memberships."""
    session.change(lambda wait: session.client.delete_node(node, wait=wait), f"node {node} is gone")
