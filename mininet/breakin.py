"""Every node sends what it should not: nobody may get in anywhere.

    python mininet/breakin.py [TOPOLOGY ...]

TOPOLOGY is a file, or the name of one in topologies/ (figure unless told). Forged tags, labels, MAC and IP addresses,
lies in ARP and neighbour discovery, malformed frames; a break-in counts where the frame is seen to arrive at a
machine. All machines, trunks and core links are captured meanwhile. Exit code 0 only if nobody got in, everything
that should arrive arrived, and no wire carried what has no business there.
"""

from __future__ import annotations

import sys

from vnet_lab import breakin, sandbox, show
from vnet_lab.running import RunningLab


def main() -> int:
    console = show.console()
    good = True
    for name in sys.argv[1:] or ["figure"]:
        with RunningLab(name) as running:
            report = breakin.run_all(running.lab)
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
