"""What is limited, as metrics: what meters have counted, and how many connections gateways track for whom."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ..managers.metered import meter_counts_of
from ..managers.system import System
from .gauges import Pause


class LimitGauges(Collector):
    """Of one system. Nothing is asked of switches: these are the answers to what they are asked again and again."""

    def __init__(self, system: System, pause: Pause) -> None:
        self._system = system
        self._pause = pause

    def collect(self) -> Iterator[Metric]:
        """All of them, each when it is asked for."""
        yield from self._of_meters()
        yield from self._of_connections()

    def _of_meters(self) -> Iterator[Metric]:
        labels = ["switch", "of", "way", "verdict"]
        about = "that meters have let pass or dropped, by whose and which way; from zero again where a limit changes."
        packets = CounterMetricFamily("vnet_meter_packets", f"Packets {about}", labels=labels)
        octets = CounterMetricFamily("vnet_meter_bytes", f"Bytes {about}", labels=labels)
        for switch in sorted(self._system.switches):
            found = [*meter_counts_of(self._system, switch)]
            for count in found:
                who, counts = [count.switch, count.of, count.way], count.counts
                packets.add_metric([*who, "passed"], counts.packets - counts.dropped_packets)
                packets.add_metric([*who, "dropped"], counts.dropped_packets)
                octets.add_metric([*who, "passed"], counts.octets - counts.dropped_octets)
                octets.add_metric([*who, "dropped"], counts.dropped_octets)
            if found:
                self._pause()
        yield packets
        yield octets

    def _of_connections(self) -> Iterator[Metric]:
        tracked, labels = self._system.tracked, ["network", "switch"]
        there = GaugeMetricFamily("vnet_network_connections", "Connections that a gateway tracks.", labels=labels)
        about = "Connections that a gateway tracks at most."
        limits = GaugeMetricFamily("vnet_network_connections_limit", about, labels=labels)
        for count in tracked.counts():
            limits.add_metric([count.ref, count.switch], count.limit)
            there.add_metric([count.ref, count.switch], count.there)
        yield there
        yield limits
        about = "How often it was found that a network has used up its connections, or the ports of its address."
        exhausted = CounterMetricFamily("vnet_network_exhausted", about, labels=["network", "of"])
        for (network, what), times in sorted(tracked.exhausted.items()):
            exhausted.add_metric([network, what], times)
        yield exhausted
        about = "Gateways on which connections of networks are not limited, because their daemons cannot be told."
        yield GaugeMetricFamily("vnet_gateways_unlimited", about, len(tracked.why_not))
