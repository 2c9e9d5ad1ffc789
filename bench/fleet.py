"""A fleet of real switches that stays up until Ctrl-C, for a controller to be tried on.

    python bench/fleet.py --switches 1000 --nodes 10000

It prints where everything is, and what to type next. Needs root, Open vSwitch, and for 1,000 switches about a
gigabyte of memory for every 25,000 access ports.
"""

from __future__ import annotations

import signal
import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import click
from vnet_bench.bridges import Bridge, bridges_of, port_count, probes
from vnet_bench.channels import Channels
from vnet_bench.fabrics import located, sized
from vnet_bench.fleet import PER_DAEMON, PORTS_PER_DAEMON, Fleet
from vnet_bench.floor import Floor, floor, together
from vnet_bench.tenants import tenants

from ryu_vnet.schema import Intent

MEMBERS = 20
"""Nodes in one network unless told."""
FLOOR_SWITCHES = 4
FLOOR_TURNS = 10
FLOOR_REPETITIONS = 50


@click.command(help=__doc__)
@click.option("--switches", default=100, show_default=True, help="Switches of all kinds, core switches included.")
@click.option("--nodes", default=0, show_default=True, help="Nodes of the intent, spread over the hosts.")
@click.option("--networks", type=int, help=f"Networks of the intent.  [default: one for {MEMBERS} nodes]")
@click.option("--ports", default=0, show_default=True, help="Access ports that each host has at least.")
@click.option("--controller", default="tcp:127.0.0.1:6653", show_default=True, help="Where switches look for it.")
@click.option("--probes", "probe_count", default=0, show_default=True, help="Bridges more, without a controller.")
@click.option("--per-daemon", default=PER_DAEMON, show_default=True, help="Bridges that one daemon has at most.")
@click.option("--ports-per-daemon", default=PORTS_PER_DAEMON, show_default=True, help="Ports, likewise.")
@click.option("--seed", default=0, show_default=True, help="Another one spreads the nodes differently.")
@click.option("--measure-floor", is_flag=True, help="Measure what a row and a barrier take, both ways, and end.")
def main(
    switches: int,
    nodes: int,
    networks: int | None,
    ports: int,
    controller: str,
    probe_count: int,
    per_daemon: int,
    ports_per_daemon: int,
    seed: int,
    measure_floor: bool,
) -> None:
    # SIGINT too: where a shell started this in the background, it is ignored unless it is asked for.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    try:
        fabric = sized(switches)
        spread = tenants(fabric, nodes, networks or max(1, nodes // MEMBERS), seed=seed) if nodes else {}
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    intent = Intent.model_construct(fabric=fabric, tenants=spread)
    bridges = bridges_of(intent, ports) + probes(probe_count)
    with tempfile.TemporaryDirectory(prefix="vnet-fleet-") as folder:
        _run(Path(folder), intent, bridges, controller, per_daemon, ports_per_daemon, measure_floor)


def _run(
    folder: Path,
    intent: Intent,
    bridges: list[Bridge],
    controller: str,
    per_daemon: int,
    ports_per_daemon: int,
    measure_floor: bool,
) -> None:
    started = time.monotonic()
    target = None if measure_floor else controller
    try:
        with Fleet(folder / "ovs", bridges, per_daemon, target, ports_per_daemon) as fleet:
            seconds = time.monotonic() - started
            print(
                f"{len(bridges):,} switches with {port_count(bridges):,} ports in {len(fleet.daemons)} daemons are up "
                f"after {seconds:.1f} s, {fleet.memory() / 1e6:,.0f} MB"
            )
            if measure_floor:
                _measure(fleet)
            else:
                _explain(folder, fleet, intent, controller)
                print("Ctrl-C ends it and removes everything.", flush=True)
                while True:
                    signal.pause()
    except KeyboardInterrupt:
        print("ended")


def _explain(folder: Path, fleet: Fleet, intent: Intent, controller: str) -> None:
    """Write the intent, and print how to have a controller take it up."""
    assert intent.fabric is not None
    file = folder / "intent.json"
    whole = intent.model_copy(update={"fabric": located(intent.fabric, fleet.databases)})
    file.write_text(whole.model_dump_json(exclude_none=True))
    some = fleet.bridges[-1].name
    _, _, port = controller.rpartition(":")
    print(f"switches look for their controller at {controller}: in another shell,")
    print(f"  VNET_STORE={folder}/store.db VNET_OPENFLOW_PORT={port} vnet controller")
    print(f"  vnet apply -f {file}")
    print("and for a look at one switch:")
    print(f"  ovs-ofctl -O OpenFlow14 dump-flows unix:{fleet.management(some)}")
    print(f"  ovs-vsctl --db={fleet.databases[some]} show")


def _measure(fleet: Fleet) -> None:
    """The floor in turns: over the sockets that bridges have for others than their controller, and as their controller.

    One turn is shorter than the five seconds after which a switch wants to hear from its controller.
    """
    controlled = [bridge for bridge in fleet.bridges if bridge.controlled]
    paths = [fleet.management(bridge.name) for bridge in controlled]
    at_once = min(FLOOR_SWITCHES, len(controlled))
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
        fleet.connect(f"tcp:127.0.0.1:{listener.getsockname()[1]}")
        ways = {
            "accepted": stack.enter_context(Channels.accepted(listener, len(controlled))),
            "dialled": stack.enter_context(Channels.dialled(paths)),
        }
        found: dict[str, list[Floor]] = {way: [] for way in ways}
        for turn in range(FLOOR_TURNS):
            for way, channels in ways.items():
                found[way].append(floor(channels, at_once, FLOOR_REPETITIONS, seed=turn))
        for way, parts in found.items():
            print(f"{way + ':':<9} {together(parts)}")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
