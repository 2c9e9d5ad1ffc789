"""The command `vnet`, put together."""

from __future__ import annotations

import click

from . import (
    checking,
    completion,
    events,
    fabric,
    intents,
    lifecycle,
    networks,
    nodes,
    outside,
    policies,
    routers,
    running,
    sites,
    top,
    watch,
)
from .session import EXIT_CODES, Group, global_options

_EXAMPLES = (
    "vnet plan -f topologies/figure.yaml     what would that change?",
    "vnet apply -f topologies/figure.yaml    bring up a fabric and its tenants",
    "vnet status                             is everything realised?",
    "vnet top                                the controller at work",
    "vnet network list                       networks with their tags and labels",
    "vnet trace blue/vm1.2 blue/vm3.1        every table and link on the way",
)


class _Main(Group):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), meaning) for code, meaning in EXIT_CODES.items()])


@click.command(cls=_Main, examples=_EXAMPLES, params=global_options(), context_settings={"max_content_width": 100})
@click.version_option(package_name="ryu-vnet")
def main() -> None:
    """Private networks for the tenants of a data centre.

    Networks and nodes are named TENANT/NAME. Every change may be repeated, and is then one change. Colours are left
    out where NO_COLOR is set.
    """


networks.install(main)
nodes.install(main)
routers.install(main)
outside.install(main)
running.install(main)
lifecycle.install(main)
policies.install(main)
sites.install(main)
fabric.install(main)
intents.install(main)
watch.install(main)
events.install(main)
top.install(main)
checking.install(main)
completion.install(main)
