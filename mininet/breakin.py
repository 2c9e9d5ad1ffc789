"""Every node sends what it should not: nobody may get in anywhere.

    python mininet/breakin.py [--every N] [TOPOLOGY ...]

TOPOLOGY is a file, or the name of one in topologies/ (figure unless told); with --every only each N-th machine
attacks, which is enough for a fabric where many are alike. Forged tags, labels, MAC and IP addresses,
lies in ARP and neighbour discovery, malformed frames; a break-in counts where the frame is seen to arrive at a
machine. All machines, trunks and core links are captured meanwhile. Exit code 0 only if nobody got in, everything
that should arrive arrived, and no wire carried what has no business there.
"""

from __future__ import annotations

import argparse

from vnet_lab import breakin, sandbox, show
from vnet_lab.running import RunningLab


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topologies", nargs="*", default=["figure"], metavar="TOPOLOGY")
    parser.add_argument("--every", type=int, default=1, metavar="N")
    options = parser.parse_args()
    console = show.console()
    good = True
    for name in options.topologies:
        with RunningLab(name) as running:
            report = breakin.run_all(running.lab, running.topology.interfaces[:: options.every])
        console.print(f"{running.topology.name} ({running.framework})")
        console.print(show.attempts_table(report))
        for line in [*report.failures[:20], *report.faults[:20]]:
            console.print(f"WRONG: {line}", markup=False)
        console.print(
            f"{len(report.outcomes)} frames sent, {report.frames} captured; {len(report.failures)} wrong, "
            f"{len(report.faults)} where they have no business; {len(report.strays)} stopped later than at the source"
        )
        good = good and report.ok
    console.print("nobody got in" if good else "observed differs from expected")
    return 0 if good else 1


sandbox.main(main)
