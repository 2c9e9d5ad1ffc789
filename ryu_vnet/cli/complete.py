"""What may stand at a place of the command line: names, asked from the controller while somebody types.

Whoever types must not be kept waiting or have messages thrown in between: an answer that takes too long, or that is an
error of whatever kind, is no names.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import click
from click.shell_completion import CompletionItem

from .session import Session

if TYPE_CHECKING:
    from ..client import Client

SECONDS = 0.5
"""How long the controller may take to answer."""
MOST = 1000
"""Names that are offered, which is what the controller gives in one answer. Of more none is offered: a shell would take
what the first thousand have in common for what all have in common."""
OPEN = "open"
"""The type of what is not whole yet: the shell sets no space behind it."""

Complete: TypeAlias = Callable[[click.Context, click.Parameter, str], "list[CompletionItem[Any]]"]
Ask: TypeAlias = Callable[["Client", click.Context, str], Iterable[str]]
"""Words that may begin as the one that is typed. A word that ends with `/`, `:` or `=` is not whole yet."""


def _from_controller(ask: Ask) -> Complete:
    def complete(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem[Any]]:
        found: list[str] = []
        with suppress(Exception):
            # Made here, as it has to import what it needs: only the controller is on the clock.
            client = context.find_root().ensure_object(Session).client
            found = _in_time(lambda: [word for word in ask(client, context, typed) if word.startswith(typed)])
        if len(found) >= MOST:
            return []
        return [CompletionItem(word, type=OPEN if word[-1] in "/:=" else "plain") for word in found]

    return complete


def _in_time(ask: Callable[[], list[str]]) -> list[str]:
    """What somebody answers within `SECONDS`, else nothing.

    In a thread of its own, which the process does not wait for: the time-outs of a connection neither cover the look-up
    of a name nor an answer that comes byte by byte.
    """
    found: list[str] = []

    def run() -> None:
        with suppress(Exception):
            found.extend(ask())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SECONDS)
    return [] if thread.is_alive() else found


def _before(start: str) -> str | None:
    """What comes before all names that start so, and after all other names that come before them.

    No name has a character as high as `~`.
    """
    return start[:-1] + chr(ord(start[-1]) - 1) + "~" if start else None


def _names(found: list[dict[str, Any]]) -> list[str]:
    return [part["name"] for part in found]


# --- what there is --------------------------------------------------------------------------------------------------


def _tenants(client: Client, context: click.Context, typed: str) -> list[str]:
    return _names(client.tenants(limit=MOST, after=_before(typed), whole=False))


def _in_tenant(client: Client, context: click.Context, typed: str) -> list[str]:
    """The beginning of a reference."""
    return [] if "/" in typed else [f"{name}/" for name in _tenants(client, context, typed)]


def _nodes(client: Client, context: click.Context, typed: str) -> list[str]:
    return _references(client, context, typed, client.nodes)


def _references(
    client: Client, context: click.Context, typed: str, listed: Callable[..., list[dict[str, Any]]]
) -> list[str]:
    """References of what a tenant has, once its name is there."""
    tenant, slash, name = typed.partition("/")
    if not slash:
        return _in_tenant(client, context, typed)
    return [f"{tenant}/{found}" for found in _names(listed(tenant, limit=MOST, after=_before(name)))]


def _networks(client: Client, context: click.Context, typed: str) -> list[str]:
    """References of networks: those of the tenant whose node is named before, if one is."""
    tenant, slash, name = typed.partition("/")
    if not slash:
        tenant, name = _tenant_of_node(context), ""
    if not tenant:
        return _in_tenant(client, context, typed)
    found = client.networks(tenant, limit=MOST, after=_before(name), whole=False)
    return [f"{tenant}/{network}" for network in _names(found)]


def _networks_of_node(client: Client, context: click.Context, typed: str) -> list[str]:
    return _names(client.networks(_tenant_of_node(context), limit=MOST, after=_before(typed), whole=False))


def _interfaces(client: Client, context: click.Context, typed: str) -> list[str]:
    return sorted(client.node(_node(context))["interfaces"])


def _switches(client: Client, context: click.Context, typed: str) -> list[str]:
    return _names(client.switches(limit=MOST, after=_before(typed)))


def _routers(client: Client, context: click.Context, typed: str) -> list[str]:
    return _references(client, context, typed, client.routers)


def _networks_of_router(client: Client, context: click.Context, typed: str) -> list[str]:
    """Those of the tenant whose router is named before, by name, or of another tenant by reference."""
    if "/" in typed:
        return _networks(client, context, typed)
    tenant = str(context.params.get("router") or next(iter(context.args), "")).partition("/")[0]
    return _names(client.networks(tenant, limit=MOST, after=_before(typed), whole=False))


def _gateways(client: Client, context: click.Context, typed: str) -> list[str]:
    return _names(client.gateways())


def _outsides(client: Client, context: click.Context, typed: str) -> list[str]:
    return _names(client.outsides())


def _floating(client: Client, context: click.Context, typed: str) -> list[str]:
    """The floating addresses of the tenant that is named before."""
    return [part["address"] for part in client.floating(_tenant(context), limit=MOST)]


def _forwarded(client: Client, context: click.Context, typed: str) -> list[str]:
    """The addresses of which the tenant that is named before has forwarded ports."""
    return [*dict.fromkeys(part["address"] for part in client.forwards(_tenant(context), limit=MOST))]


def _tenant(context: click.Context) -> str:
    return str(context.params.get("tenant") or next(iter(context.args), ""))


def _policies(client: Client, context: click.Context, typed: str) -> list[str]:
    return _names(client.policies(limit=MOST))


def _ports(client: Client, context: click.Context, typed: str) -> list[str]:
    """`[INTERFACE=]SWITCH:PORT`: the ports that nothing has yet, or that the node in question has."""
    interface, equals, place = typed.rpartition("=")
    switch, colon, port = place.partition(":")
    if not colon:
        return [f"{interface}{equals}{name}:" for name in _switches(client, context, switch)]
    own = f"node {_node(context)}, "
    found = client.ports(switch, limit=MOST, after=_before(port))
    free = [part for part in found if part["used_by"] is None or part["used_by"].startswith(own)]
    return [f"{interface}{equals}{switch}:{name}" for name in _names(free)]


def _node(context: click.Context) -> str:
    """The node that the command is about, which its first argument names; nothing where it is not typed yet."""
    # Behind an option that has no value yet click leaves arguments as they are.
    return str(context.params.get("node") or next(iter(context.args), ""))


def _tenant_of_node(context: click.Context) -> str:
    return _node(context).partition("/")[0]


TENANT = _from_controller(_tenants)
IN_TENANT = _from_controller(_in_tenant)
NODE = _from_controller(_nodes)
NETWORK = _from_controller(_networks)
NETWORK_OF_NODE = _from_controller(_networks_of_node)
INTERFACE = _from_controller(_interfaces)
SWITCH = _from_controller(_switches)
POLICY = _from_controller(_policies)
PORT = _from_controller(_ports)
ROUTER = _from_controller(_routers)
NETWORK_OF_ROUTER = _from_controller(_networks_of_router)
GATEWAY = _from_controller(_gateways)
OUTSIDE = _from_controller(_outsides)
FLOATING = _from_controller(_floating)
FORWARDED = _from_controller(_forwarded)
