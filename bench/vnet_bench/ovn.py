"""OVN as the peer of the benchmark: Debian's OVN on this machine, private, with two chassis over dummy data paths.

    with OvnPeer(folder) as peer:
        print(peer.bulk(2000))
        print(statistics.median(peer.attach(20)))

What is timed runs from the sending of a request to the northbound database until OVN itself says that it is realised
on all hypervisors, which is what `ovn-nbctl --wait=hv` waits for. `ovn_database` says why not `ovn-nbctl` itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from .ovn_central import Central
from .ovn_chassis import Chassis
from .ovn_children import check_programs
from .ovn_layout import Layout, PortPlan

Progress = Callable[[str], None]

REST_SECONDS = 0.1
"""Between two timed requests. OVN does more for a request after it has said that it is realised (it notes that the
port is up, and northd computes all again for that), which would be counted against the next one."""
AGE_SECONDS = 2.0
"""Before a restart: longer than a dump of all rows takes, so that rows from before are told apart by their age."""
POLL_SECONDS = 0.02
"""Between two looks at the number of rows during a restart; each look starts a program, which must not hold up what
it looks at."""
RESTART_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Bulk:
    """How long it took to add all ports in one transaction until they were realised, in seconds, and the rows on
    each chassis' bridge after it. `plugging` is the time before that in which their interfaces were added to the
    bridges, which is no part of `seconds`."""

    ports: int
    seconds: float
    rows: tuple[int, ...]
    plugging: float


@dataclass(frozen=True, slots=True)
class Restart:
    """What happened on one chassis when its ovn-controller ended and was started again at once.

    `seconds` from its end until OVN said that all is realised again, `short` for how much of that there were fewer
    rows than before; `lowest` is the fewest that were seen. `rewritten` rows were put there anew, of `rows`.
    """

    seconds: float
    short: float
    rows: int
    lowest: int
    rewritten: int


def silent(_message: str) -> None:
    """No progress is shown."""


class OvnPeer:
    """OVN with two chassis, in a folder, from entering the context until leaving it.

    `layout` says how ports are spread; `progress` is told what happens, in a few words, from time to time; `options`
    are `external_ids` for ovn-controller(8), such as `ovn-ofctrl-wait-before-clear`. Raises RuntimeError where a
    program is missing or does not start.
    """

    def __init__(
        self,
        folder: Path,
        layout: Layout | None = None,
        progress: Progress = silent,
        options: dict[str, str] | None = None,
    ) -> None:
        self._folder = folder
        self._layout = layout or Layout()
        self._progress = progress
        self._options = options
        self._stack = ExitStack()
        self._size = 0
        self._spares: list[PortPlan] = []
        self._attached: list[PortPlan] = []

    def __enter__(self) -> OvnPeer:
        check_programs()
        self._progress("starting the centre")
        with ExitStack() as stack:
            self.central = Central(self._folder / "central")
            stack.callback(self.central.stop)
            self.central.start()
            self.chassis = [
                Chassis(
                    f"chassis{number}",
                    self._folder / f"chassis{number}",
                    self.central.southbound,
                    f"192.0.2.{number + 1}",
                    options=self._options,
                )
                for number in range(self._layout.chassis)
            ]
            for chassis in self.chassis:
                stack.callback(chassis.stop)
                self._progress(f"starting {chassis.name}")
                chassis.start()
                chassis.start_controller()
            self.central.wait_for_chassis(len(self.chassis))
            self.central.sync()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def bulk(self, ports: int) -> Bulk:
        """Add so many ports, their interfaces being there; once only. See Bulk."""
        if self._size:
            raise ValueError(f"{self._size} ports are there already; take a new peer for {ports}")
        plans = self._layout.ports(ports)
        self._progress(f"plugging {ports} interfaces")
        started = time.monotonic()
        self._plug(plans)
        plugging = time.monotonic() - started
        self.central.sync()
        self._progress(f"adding {ports} ports")
        started = time.monotonic()
        self.central.create_networks(plan.network for plan in plans)
        self.central.add_ports(plans)
        seconds = time.monotonic() - started
        self._size = ports
        self.central.wait_until_bound(ports)
        self._rest()
        return Bulk(ports, seconds, self.rows(), plugging)

    def attach(self, repetitions: int) -> list[float]:
        """Add so many ports more, one after another, each in one of the networks that are there; seconds of each."""
        self._prepare(repetitions)
        times = []
        for number in range(repetitions):
            self._progress(f"attach {number + 1} of {repetitions}")
            plan = self._spares.pop()
            times.append(self._timed(self.central.add_ports, plan))
            self._attached.append(plan)
        return times

    def detach(self, repetitions: int) -> list[float]:
        """Remove so many of the ports that `attach` added, one after another; seconds of each."""
        if repetitions > len(self._attached):
            raise ValueError(f"{repetitions} to detach, but {len(self._attached)} were attached")
        times = []
        for number in range(repetitions):
            self._progress(f"detach {number + 1} of {repetitions}")
            plan = self._attached.pop()
            times.append(self._timed(self.central.remove_ports, plan))
            self._spares.append(plan)
        return times

    def restart(self, chassis: int = 0, *, crash: bool = False) -> Restart:
        """End ovn-controller on one chassis and start it again at once, as an upgrade does or as a crash."""
        self._progress("restarting ovn-controller")
        target = self.chassis[chassis]
        self.central.sync()
        time.sleep(AGE_SECONDS)
        before = lowest = target.rows_at_a_glance()
        short = 0.0
        ended = time.monotonic()
        target.end_controller(crash=crash)
        target.start_controller()
        realised = threading.Thread(target=self.central.sync, daemon=True)
        realised.start()
        seen = ended
        while realised.is_alive():
            rows, now = target.rows_at_a_glance(), time.monotonic()
            if rows < before:
                short += now - seen
            lowest, seen = min(lowest, rows), now
            time.sleep(POLL_SECONDS)
            if now - ended > RESTART_SECONDS:
                raise TimeoutError(
                    f"not within {RESTART_SECONDS:.0f} s after a restart: {before} rows; {rows} are there"
                )
        seconds = time.monotonic() - ended
        self._rest()
        rows = target.rows()
        rewritten = target.rows_younger_than(time.monotonic() - ended)
        return Restart(seconds, short, rows, lowest, rewritten)

    def rows(self) -> tuple[int, ...]:
        """The rows on each chassis' bridge."""
        return tuple(chassis.rows() for chassis in self.chassis)

    def _prepare(self, count: int) -> None:
        """Have so many interfaces ready that no port belongs to yet."""
        made = len(self._spares) + len(self._attached)
        wanted = count + len(self._attached)
        fresh = self._layout.spares(wanted, self._size)[made:]
        self.central.create_networks(plan.network for plan in fresh)
        self._plug(fresh)
        self._spares.extend(fresh)
        self._rest()

    def _plug(self, plans: list[PortPlan]) -> None:
        for number, chassis in enumerate(self.chassis):
            chassis.add_interfaces([plan.name for plan in plans if plan.chassis == number])

    def _timed(self, request: Callable[[list[PortPlan]], None], plan: PortPlan) -> float:
        started = time.monotonic()
        request([plan])
        seconds = time.monotonic() - started
        self._rest()
        return seconds

    def _rest(self) -> None:
        self.central.sync()
        time.sleep(REST_SECONDS)
