"""Measures ryu-vnet beside its targets and its peers, all in one run on this machine.

    python bench/run.py                      everything, about 20 minutes
    python bench/run.py --quick              the same with smaller sizes, a few minutes, for a first look
    python bench/run.py --only drift         one part: rows, one-switch, drift, intents, ovn, scale, throughput,
                                             gateway

Prints a table, and writes it with all figures to FOLDER/results.json and results.md, with pictures beside. Needs root,
Open vSwitch, iperf3, nftables and, for the comparison with it, OVN (ovn-central and ovn-host); `make bench` installs
them.
"""

from __future__ import annotations

import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from vnet_bench import against_ovn, drift, gateway, intents, one_switch, pictures, rows, scale, throughput
from vnet_bench.machine import machine
from vnet_bench.ovn_children import has_ovn
from vnet_bench.results import Results

PARTS = ("rows", "one-switch", "drift", "intents", "ovn", "scale", "throughput", "gateway")


@click.command(help=__doc__)
@click.option("--quick", is_flag=True, help="Smaller sizes, fewer repetitions.")
@click.option("--only", "parts", multiple=True, type=click.Choice(PARTS), help="Only these parts; may be repeated.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/bench"), show_default=True)
def main(quick: bool, parts: tuple[str, ...], folder: Path) -> None:
    # SIGINT too: where a shell started this in the background, it is ignored unless it is asked for.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    folder.mkdir(parents=True, exist_ok=True)
    results = Results(machine())
    with_ovn = has_ovn()
    jobs: dict[str, Callable[[], None]] = {
        "rows": lambda: rows.measure(results),
        "one-switch": lambda: one_switch.measure(results, 5_000 if quick else 20_000, 3 if quick else 7),
        "drift": lambda: drift.measure(results, 20 if quick else 100),
        "intents": lambda: intents.measure(
            results, 100 if quick else 300, 1_000 if quick else 10_000, 10 if quick else 50
        ),
        "ovn": lambda: against_ovn.measure(
            results, [100, 500] if quick else [100, 2000, 5000], 10 if quick else 30, with_ovn=with_ovn
        ),
        "scale": lambda: scale.measure(
            results, 100 if quick else 1000, [500, 5_000] if quick else [1000, 100_000], 100 if quick else 500
        ),
        "throughput": lambda: throughput.measure(results, 2 if quick else 5, 2 if quick else 5),
        "gateway": lambda: gateway.measure(results, 2 if quick else 7),
    }
    started = time.monotonic()
    failed = False
    for part in parts or PARTS:
        print(f"== {part}, {time.monotonic() - started:.0f} s after the start", flush=True)
        try:
            jobs[part]()
        except Exception as error:  # the other parts are still worth their while
            failed = True
            print(f"{part} failed: {error}\n{traceback.format_exc()}", file=sys.stderr, flush=True)
        results.save(folder / "results.json")
        (folder / "results.md").write_text(results.markdown())
    for picture in pictures.draw(results, folder):
        print(f"drawn: {picture}")
    console = Console(width=None if sys.stdout.isatty() else 160)
    results.show(console)
    console.print(", ".join(f"{name}: {value}" for name, value in results.machine.items()))
    console.print(f"everything is in {folder}; it took {time.monotonic() - started:.0f} s", markup=False)
    sys.exit(1 if failed else 0)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
