"""How things stand, as metrics: taken from the System Manager whenever they are asked for.

That costs some ten microseconds a switch, and 25 ns a row on those switches whose rows have changed since the last
time. Rows are told by switch and by table, not by both: a thousand switches would make ten thousand series that
nobody looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ..compiler.pipeline import STAGES
from ..managers.answering import Service
from ..managers.cabling_report import difference_counts
from ..managers.communication import CommunicationManager, State
from ..managers.difference import Contents
from ..managers.learning import Reason
from ..managers.serving import Refused
from ..managers.system import System
from ..managers.tables import to_send
from ..model.outside import ZONES
from ..model.values import LABELS
from ..services.icmp import Trouble

ROWS_AT_ONCE = 50_000
"""So many rows are counted before others may run: a millisecond or two."""

Pause = Callable[[], None]


class Gauges(Collector):
    """Of one system. Nothing is asked of switches, and nothing is changed."""

    def __init__(self, system: System, pause: Pause) -> None:
        self._system = system
        self._rows = _RowsByTable(pause)
        self._sent = _Sent()

    def collect(self) -> Iterator[Metric]:
        """All of them, each when it is asked for."""
        switches = dict(sorted(self._system.switches.items()))
        yield from self._of_requests()
        yield from self._of_learning()
        yield from self._of_serving()
        yield from self._of_all(switches)
        yield from self._of_each(switches)

    def _of_requests(self) -> Iterator[Metric]:
        """The model, and what of it is not on the switches yet."""
        system, managers = self._system, self._system.switches.values()
        yield GaugeMetricFamily("vnet_revision", "The last revision.", system.revision)
        unacknowledged: set[int] = set().union(*(manager.unacknowledged for manager in managers))
        about = "Revisions that some switch has not acknowledged."
        yield GaugeMetricFamily("vnet_revisions_unacknowledged", about, len(unacknowledged))
        missing = len(system.missing_ports())
        yield GaugeMetricFamily("vnet_ports_missing", "Ports that running nodes need and switches lack.", missing)
        labels, zones = (len(system.model.keys(f"resting/{space}/")) for space in (LABELS, ZONES))
        tags = len(system.model.keys("resting/")) - labels - zones
        about = "Tags, labels and conntrack zones that were given back and may not be granted to another network yet."
        yield _by("vnet_identifiers_resting", about, "kind", {"label": labels, "tag": tags, "zone": zones})

    def _of_learning(self) -> Iterator[Metric]:
        """What was heard on ports where machines are learned."""
        listening = self._system.listening
        about = "Frames that switches have told of, from ports where machines are learned."
        yield CounterMetricFamily("vnet_learn_told", about, listening.told)
        about = "Machines that run because of such a frame."
        yield CounterMetricFamily("vnet_learn_learned", about, listening.learned)
        about = "Such frames that nobody runs because of, by reason."
        refused = CounterMetricFamily("vnet_learn_refused", about, labels=["reason"])
        for reason in Reason:
            refused.add_metric([reason.value], listening.refused[reason])
        yield refused

    def _of_serving(self) -> Iterator[Metric]:
        """What networks' services have answered."""
        serving = self._system.serving
        about = "Frames that switches have told of and that were answered, by what."
        answered = CounterMetricFamily("vnet_served", about, labels=["what"])
        for what in (*Trouble, *Service):
            answered.add_metric([what.word], serving.answered[what])
        yield answered
        about = "Such frames that were not answered, by reason."
        refused = CounterMetricFamily("vnet_served_refused", about, labels=["reason"])
        for reason in Refused:
            refused.add_metric([reason.value], serving.refused[reason])
        yield refused
        about = "Router advertisements that went to whole networks."
        yield CounterMetricFamily("vnet_routers_advertised", about, serving.advertising.sent)

    def _of_all(self, switches: dict[str, CommunicationManager]) -> Iterator[Metric]:
        """All switches together."""
        states = dict.fromkeys((state.value for state in State), 0)
        for manager in switches.values():
            states[manager.state.value] += 1
        yield _by("vnet_switches", "Declared switches by how they stand.", "state", states)
        about = "Connected switches that wait for their turn to be read."
        yield GaugeMetricFamily("vnet_switches_queued", about, self._system.delivery.queued)
        about = "Connected switches that are not declared."
        yield GaugeMetricFamily("vnet_switches_undeclared", about, len(self._system.strangers))
        about = "Link ports that hear something else than declared, by kind."
        yield _by("vnet_fabric_differences", about, "kind", difference_counts(self._system))
        about = "Rows that switches are to hold, by table."
        yield _by("vnet_table_rows", about, "table", self._rows.count(switches))
        groups = sum(len(manager.wanted.groups) for manager in switches.values())
        yield GaugeMetricFamily("vnet_groups", "Groups that switches are to hold.", groups)
        refused = sum(len(manager.rejected) for manager in switches.values())
        yield GaugeMetricFamily("vnet_refused", "Rows and groups that switches refuse.", refused)
        self._sent.count(switches)
        about = "Row and group messages sent."
        yield CounterMetricFamily("vnet_messages_sent", about, self._sent.messages)
        about = "Bundles sent, or the same without where a switch has none."
        yield CounterMetricFamily("vnet_bundles_sent", about, self._sent.bundles)

    def _of_each(self, switches: dict[str, CommunicationManager]) -> Iterator[Metric]:
        in_step = {name: manager.in_step for name, manager in switches.items()}
        yield _by("vnet_switch_in_step", "Whether a switch is known to hold what it is to hold.", "switch", in_step)
        rows = {name: len(manager.wanted.rows) for name, manager in switches.items()}
        yield _by("vnet_switch_rows", "Rows that a switch is to hold.", "switch", rows)
        off = {name: to_send(manager) for name, manager in switches.items()}
        about = "Rows and groups that a switch lacks, has otherwise, or has and must not."
        yield _by("vnet_switch_to_send", about, "switch", off)
        sent = CounterMetricFamily("vnet_switch_messages_sent", "Row and group messages sent.", labels=["switch"])
        for name, manager in switches.items():
            sent.add_metric([name], manager.messages_sent)
        yield sent


def _by(name: str, about: str, label: str, values: dict[str, int] | dict[str, bool]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


@dataclass(frozen=True, slots=True)
class _Counted:
    """The rows of a switch by stage, as of some moment."""

    contents: Contents
    serial: int
    size: int
    rows: list[int]

    def holds(self, manager: CommunicationManager) -> bool:
        """Whether nothing else was wanted of the switch since."""
        wanted = manager.wanted
        return self.contents is wanted and self.serial == manager.serial and self.size == len(wanted.rows)


class _RowsByTable:
    """Counts rows by table; those of a switch again only where something else was wanted of it meanwhile."""

    def __init__(self, pause: Pause) -> None:
        self._pause = pause
        self._known: dict[str, _Counted] = {}

    def count(self, switches: dict[str, CommunicationManager]) -> dict[str, int]:
        """Over these switches, by the names of stages."""
        known, since_pause = {}, 0
        for name, manager in switches.items():
            counted = self._known.get(name)
            if counted is None or not counted.holds(manager):
                rows = manager.wanted.rows
                # The first byte of a key is its table.
                tables = bytes(map(itemgetter(0), rows))
                by_stage = [tables.count(stage.table) for stage in STAGES]
                counted = _Counted(manager.wanted, manager.serial, len(rows), by_stage)
                since_pause += len(rows)
            known[name] = counted
            if since_pause >= ROWS_AT_ONCE:
                self._pause()
                since_pause = 0
        self._known = known
        sums = [sum(numbers) for numbers in zip(*(counted.rows for counted in known.values()), strict=True)]
        return dict(zip((stage.name for stage in STAGES), sums or [0] * len(STAGES), strict=True))


@dataclass(slots=True)
class _Sent:
    """What was ever sent, also to switches that are declared no more; so it never goes down."""

    messages: int = 0
    bundles: int = 0
    _seen: dict[str, tuple[CommunicationManager, int, int]] = field(default_factory=dict)

    def count(self, switches: dict[str, CommunicationManager]) -> None:
        """Add what was sent since this was last called."""
        seen = {}
        for name, manager in switches.items():
            known, messages, bundles = self._seen.get(name, (None, 0, 0))
            if known is not manager:
                messages = bundles = 0
            self.messages += manager.messages_sent - messages
            self.bundles += manager.changes_sent - bundles
            seen[name] = manager, manager.messages_sent, manager.changes_sent
        self._seen = seen
