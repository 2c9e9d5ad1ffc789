"""A fabric that stays up, with a prompt.

    python mininet/lab.py [TOPOLOGY]

TOPOLOGY is a file, or the name of one in topologies/ (figure unless told). At the prompt: `vnet ...` for the fabric
and its tenants, Mininet's own commands for the machines (`red_vm1_1 ping 10.0.0.22`, `xterm`, `sh ...`), `reach` for
the whole matrix, `controller kill|start` to take the controller away and bring it back, `exit` to end.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import Any

from mininet.cli import CLI
from vnet_lab import reachability, sandbox, show
from vnet_lab.running import RunningLab


class Prompt(CLI):  # type: ignore[misc]
    """Mininet's prompt, with a few words more."""

    prompt = "vnet-lab> "

    def __init__(self, running: RunningLab) -> None:
        self.running = running
        super().__init__(running.lab.net)

    def do_vnet(self, line: str) -> None:
        """The vnet command: vnet status, vnet trace blue/vm1.2 blue/vm3.1, vnet flows edgeA ..."""
        subprocess.run([sys.executable, "-m", "ryu_vnet", *shlex.split(line)], check=False)

    def do_reach(self, _line: str) -> None:
        """Who reaches whom now, beside who should by the file."""
        topology = self.running.topology
        observed, expected = reachability.measure(self.running.lab), reachability.expected(topology)
        show.console().print(show.matrix_table(topology, observed, expected))

    def do_controller(self, line: str) -> None:
        """controller kill: end it as a crash would. controller start: start it again. controller log: its log."""
        controller = self.running.controller
        if line == "kill":
            controller.kill()
        elif line == "start" and not controller.running:
            controller.start()
            controller.wait_ready()
        elif line == "log":
            print(self.running.log.read_text()[-4000:])
        else:
            print("controller kill | start | log" if line != "start" else "it runs")


def main() -> int:
    console = show.console()
    with RunningLab(sys.argv[1] if len(sys.argv) > 1 else "figure") as running:
        names: Any = ", ".join(sorted({running.lab.host_name(one) for one in running.topology.interfaces}))
        console.print(f"{running.topology.name} is up, controller on {running.framework}; machines: {names}")
        console.print("try: vnet status | vnet trace blue/vm1.2 blue/vm3.1 | reach | help; exit ends it")
        Prompt(running)
    return 0


sandbox.main(main)
