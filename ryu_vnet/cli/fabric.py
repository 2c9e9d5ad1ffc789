"""Commands for the controller itself, and the fabric."""

from __future__ import annotations

import os

import click

from . import show
from .session import Command, Session

pass_session = click.make_pass_decorator(Session)


def install(main: click.Group) -> None:
    """Add the commands."""
    for command in (controller, fabric):
        main.add_command(command)


_SETTINGS = {
    "config": ("FILE", "A YAML file with the controller's options."),
    "store": ("FILE", "The SQLite file that holds the state."),
    "api-host": ("ADDRESS", "Where the web service listens."),
    "api-port": ("PORT", "The port of the web service; 8080 by default."),
    "api-token": ("TOKEN", "Bearer token that every request must carry."),
    "api-cert": ("FILE", "Certificate of the web service, PEM."),
    "api-key": ("FILE", "Its private key, PEM."),
    "openflow-host": ("ADDRESS", "Where switches connect to."),
    "openflow-port": ("PORT", "The port that switches connect to; 6653 by default."),
    "openflow-cert": ("FILE", "Certificate shown to switches, PEM; with it, TLS only."),
    "openflow-key": ("FILE", "Its private key, PEM."),
    "openflow-ca": ("FILE", "Authority that must have signed the switches' certificates."),
    "openflow-insecure": ("true", "Let switches of other machines connect without certificates."),
    "events-kept": ("NUMBER", "How many events are kept for `vnet events`; 10000 by default."),
    "ovsdb": ("REMOTE", "Database of switches that name none: unix:/run/openvswitch/db.sock."),
    "ovsdb-cert": ("FILE", "Certificate shown to databases behind ssl:, PEM."),
    "ovsdb-key": ("FILE", "Its private key, PEM."),
    "ovsdb-ca": ("FILE", "Authority that must have signed the databases' certificates."),
    "discovery": ("false", "Follow no database: nodes start, stop and move by request alone."),
    "lldp-seconds": ("SECONDS", "How often each link port says who it is, by LLDP; 60 by default, 0 for never."),
    "placement": ("NAME", "How hosts are chosen: closest, spread, or an entry point of ryu_vnet.placement."),
}
"""Options of the controller, which are those of `ryu_vnet.settings`: each sets VNET_ and its name."""


@click.command(
    "controller",
    cls=Command,
    params=[click.Option([f"--{name}"], metavar=metavar, help=text) for name, (metavar, text) in _SETTINGS.items()],
    examples=(
        "vnet controller --store /var/lib/ryu-vnet/store.db",
        "vnet controller --api-port 9090 --openflow-port 6654 --ovsdb unix:/run/openvswitch/db.sock",
    ),
)
def controller(**settings: str | None) -> None:
    """Run the controller under os-ken, until it is ended; `ryu-manager ryu_vnet.app` runs it under Ryu.

    Each option may as well be set in the environment: --api-port is VNET_API_PORT.
    """
    for name, value in settings.items():
        if value is not None:
            os.environ[f"VNET_{name.upper()}"] = value
    from ..framework import run

    run()


@click.command("fabric", cls=Command, examples=("vnet fabric", "vnet fabric --json"))
@pass_session
def fabric(session: Session) -> None:
    """Segments, switches and links, with their state."""
    found, switches = session.client.fabric(), session.client.switches()
    session.answer({**found, "switches": switches}, lambda console: show.fabric(console, found, switches))
