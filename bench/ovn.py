"""Measures OVN on this machine, as the peer of our own numbers.

    python bench/ovn.py --ports 100 2000 5000

For each size, two chassis over dummy data paths get so many ports at once, then single ports come and go, then
ovn-controller is restarted on one of them. After that two chassis over the userspace data path carry real frames
through OVN's Geneve tunnel. Needs root and Debian's ovn-central, ovn-host, openvswitch-switch, iperf3.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table
from vnet_bench.ovn import Bulk, OvnPeer, Progress, Restart
from vnet_bench.ovn_layout import Layout
from vnet_bench.ovn_tunnel import OvnTunnel

STOPPED = 128 + signal.SIGTERM


@dataclass(frozen=True, slots=True)
class Size:
    """What was measured at one number of ports; times in seconds."""

    bulk: Bulk
    attach: list[float]
    detach: list[float]
    restart: Restart


def measure(ports: int, layout: Layout, repetitions: int, progress: Progress) -> Size:
    """All of it at one size, over a peer of its own. Single ports come and go in turn, so the size stays."""
    with tempfile.TemporaryDirectory(prefix="ovn-peer-") as folder, OvnPeer(Path(folder), layout, progress) as peer:
        bulk = peer.bulk(ports)
        attach: list[float] = []
        detach: list[float] = []
        for _ in range(repetitions):
            attach += peer.attach(1)
            detach += peer.detach(1)
        return Size(bulk, attach, detach, peer.restart())


def sizes_table(sizes: Sequence[Size], layout: Layout) -> Table:
    """One column a size."""
    table = Table(title=f"OVN, {layout.chassis} chassis, networks of {layout.members}", title_justify="left")
    table.add_column("ports")
    for size in sizes:
        table.add_column(f"{size.bulk.ports:,}", justify="right")
    lines: dict[str, Callable[[Size], str]] = {
        "all at once, s": lambda size: f"{size.bulk.seconds:.2f}",
        "rows on each chassis": lambda size: " ".join(f"{rows:,}" for rows in sorted(set(size.bulk.rows))),
        "attach one, ms: median (range)": lambda size: spread(size.attach),
        "detach one, ms: median (range)": lambda size: spread(size.detach),
        "ovn-controller restarted: fewest rows seen": lambda size: f"{size.restart.lowest:,}",
        "… rows are missing for, s": lambda size: f"{size.restart.short:.2f}",
        "… until realised again, s": lambda size: f"{size.restart.seconds:.2f}",
        "… rows written anew": lambda size: f"{size.restart.rewritten:,}",
    }
    for title, shown in lines.items():
        table.add_row(title, *map(shown, sizes))
    return table


def spread(times: Sequence[float]) -> str:
    """Seconds as milliseconds: the median, and from the lowest to the highest."""
    lowest, median, highest = (1000 * take(times) for take in (min, statistics.median, max))
    return f"{median:.0f} ({lowest:.0f}-{highest:.0f})"


def tunnel_throughput(seconds: int) -> str:
    with tempfile.TemporaryDirectory(prefix="ovn-tunnel-") as folder, OvnTunnel(Path(folder)) as tunnel:
        return f"Geneve tunnel, one TCP connection: {tunnel.throughput(seconds):,.0f} Mbit/s"


def tunnel_outage(ports: int) -> str:
    with tempfile.TemporaryDirectory(prefix="ovn-tunnel-") as folder, OvnTunnel(Path(folder), ports) as tunnel:
        return f"restart of ovn-controller at {ports:,} ports: pings unanswered for {tunnel.outage():.2f} s"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--ports", type=int, nargs="+", default=[100, 2000, 5000], help="sizes to measure")
    parser.add_argument("--repetitions", type=int, default=15, help="single ports that come and go at each size")
    parser.add_argument("--members", type=int, default=50, help="ports in each network")
    parser.add_argument("--ipv6", action="store_true", help="ports have an IPv6 address as well")
    parser.add_argument("--seconds", type=int, default=5, help="how long TCP runs through the tunnel; 0 leaves it out")
    parser.add_argument("--outage", type=int, default=2000, help="ports there for a restart under ping; 0: none")
    return parser.parse_args()


def results(options: argparse.Namespace, progress: Progress) -> Iterator[Table | str]:
    """Everything that was asked for, as it comes."""
    layout = Layout(options.members, options.ipv6)
    sizes = []
    for ports in options.ports:
        sizes.append(measure(ports, layout, options.repetitions, partial(_prefixed, progress, f"{ports:,} ports: ")))
    yield sizes_table(sizes, layout)
    if options.seconds:
        progress("TCP through the tunnel")
        yield tunnel_throughput(options.seconds)
    if options.outage:
        progress("pings through the tunnel during a restart")
        yield tunnel_outage(options.outage)


def _prefixed(progress: Progress, prefix: str, message: str) -> None:
    progress(prefix + message)


def main() -> int:
    options = arguments()
    # So that everything is cleaned up as after Ctrl-C.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: sys.exit(STOPPED))
    console = Console()
    try:
        with Console(stderr=True).status("starting") as status:
            for line in results(options, status.update):
                console.print(line)
    except RuntimeError as error:
        print(f"ovn.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
