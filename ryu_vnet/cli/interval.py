"""What happened between two readings of the controller's metrics: rates, latencies, and how things stand now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
Labels: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """All samples at one moment: by name, then by labels. `at` is in seconds from anywhere."""

    at: float
    samples: Mapping[str, Mapping[Labels, float]]

    @classmethod
    def of(cls, text: str, at: float) -> Reading:
        """Read what `/metrics` gave. Raises ValueError where that is something else."""
        from prometheus_client.parser import text_string_to_metric_families

        found: dict[str, dict[Labels, float]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        return cls(at, found)

    def total(self, name: str) -> float:
        """The sum of all samples of a name."""
        return sum(self.samples.get(name, {}).values())

    def by(self, name: str, label: str) -> dict[str, float]:
        """The samples of a name by one label, summed over the others."""
        found: dict[str, float] = {}
        for labels, value in self.samples.get(name, {}).items():
            key = dict(labels).get(label, "")
            found[key] = found.get(key, 0.0) + value
        return found


@dataclass(frozen=True, slots=True)
class Interval:
    """From one reading to the next."""

    before: Reading
    after: Reading

    @property
    def seconds(self) -> float:
        """How long it was."""
        return max(self.after.at - self.before.at, 1e-9)

    def grown(self, name: str) -> float:
        """By how much a counter has grown, all its samples together."""
        return sum(self.grown_by(name).values())

    def grown_by(self, name: str) -> dict[Labels, float]:
        """By how much each sample of a counter has grown; one that has shrunk began anew, as after a restart."""
        before, after = self.before.samples.get(name, {}), self.after.samples.get(name, {})
        old = {labels: before.get(labels, 0.0) for labels in after}
        return {labels: now - old[labels] if now >= old[labels] else now for labels, now in after.items()}

    def quantile(self, name: str, part: float) -> float | None:
        """A quantile of what a histogram counted in the interval, None where that was nothing.

        As exact as the buckets: inside one, values are taken to be spread evenly, as Prometheus does. What is beyond
        the last bucket counts as its bound.
        """
        counts = sorted((float(dict(labels)["le"]), n) for labels, n in self.grown_by(f"{name}_bucket").items())
        if not counts or not counts[-1][1]:
            return None
        rank = part * counts[-1][1]
        low, below = 0.0, 0.0
        for bound, count in counts:
            if count >= rank and count > below:
                return low if bound == float("inf") else low + (bound - low) * (rank - below) / (count - below)
            low, below = bound, count
        return low

    def summary(self) -> Json:
        """All that `vnet top` shows of the whole, for programs: rates are a second, times in milliseconds."""
        now = self.after
        return {
            "seconds": round(self.seconds, 3),
            "revision": int(now.total("vnet_revision")),
            "switches": {state: int(number) for state, number in now.by("vnet_switches", "state").items()},
            "requests_per_second": round(self._requests() / self.seconds, 3),
            "realised_per_second": self._rate("vnet_realised_seconds_count"),
            "realised_ms": {
                "median": _milliseconds(self.quantile("vnet_realised_seconds", 0.5)),
                "p99": _milliseconds(self.quantile("vnet_realised_seconds", 0.99)),
            },
            "bundles_per_second": self._rate("vnet_bundles_sent_total"),
            "messages_per_second": self._rate("vnet_messages_sent_total"),
            "rows": int(now.total("vnet_switch_rows")),
            "drift": {"interval": int(self.grown("vnet_drift_total")), "all": int(now.total("vnet_drift_total"))},
            "refused": int(now.total("vnet_refused")),
            "queue": {
                "revisions": int(now.total("vnet_revisions_unacknowledged")),
                "requests": int(now.total("vnet_http_requests_queued")),
                "waiting": int(now.total("vnet_http_requests_waiting")),
                "switches": int(now.total("vnet_switches_queued")),
                "ports": int(now.total("vnet_ports_missing")),
            },
            "memory_bytes": int(now.total("process_resident_memory_bytes")),
            "cpu_percent": round(100 * self._rate("process_cpu_seconds_total"), 1),
        }

    def _requests(self) -> float:
        """How many there were, without those that only ask for metrics: who watches is not what is watched."""
        grown = self.grown_by("vnet_http_requests_total")
        return sum(number for labels, number in grown.items() if dict(labels).get("route") != "/metrics")

    def _rate(self, name: str) -> float:
        return round(self.grown(name) / self.seconds, 3)

    def busiest(self) -> Iterator[Json]:
        """The switches, those that are not in step first, then those that were sent most, then the fullest."""
        in_step = self.after.by("vnet_switch_in_step", "switch")
        rows, to_send = (self.after.by(f"vnet_switch_{name}", "switch") for name in ("rows", "to_send"))
        sent = {dict(labels)["switch"]: n for labels, n in self.grown_by("vnet_switch_messages_sent_total").items()}
        order = sorted(in_step, key=lambda name: (in_step[name], -sent.get(name, 0.0), -rows.get(name, 0.0), name))
        for name in order:
            yield {
                "switch": name,
                "in_step": bool(in_step[name]),
                "rows": int(rows.get(name, 0)),
                "to_send": int(to_send.get(name, 0)),
                "messages_per_second": round(sent.get(name, 0.0) / self.seconds, 3),
            }


def _milliseconds(seconds: float | None) -> float | None:
    return round(1000 * seconds, 3) if seconds is not None else None
