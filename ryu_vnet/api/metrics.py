"""What a monitoring system sees of the controller, in the text format that Prometheus reads.

What happens is counted here when it happens; how things stand (`gauges`) is looked up when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric

from ..managers.drift import Drift
from ..managers.system import System
from .gauges import Gauges, Pause
from .limit_gauges import LimitGauges

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REALISED_BUCKETS = (
    *(0.001, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05),
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
)
"""Seconds."""
REQUEST_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0)
"""Seconds."""
SAMPLES_AT_ONCE = 200
"""What has more samples is followed by a pause: a thousand take seven milliseconds to write."""

_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"})


class Metrics:
    """The metrics of one controller, in a registry of their own."""

    def __init__(self, system: System, queued: Callable[[], int], pause: Pause) -> None:
        """`queued` says how many requests wait for their turn. `pause` lets others run for a moment; it is called
        where much is to be written."""
        self._pause = pause
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "vnet_http_requests",
            "Requests that the web service has answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._request_seconds = Histogram(
            "vnet_http_request_duration_seconds",
            "Time from a request's turn to its answer, with what it asked to wait for switches.",
            ("method", "route"),
            buckets=REQUEST_BUCKETS,
            registry=self._registry,
        )
        self._waiting = Gauge("vnet_http_requests_waiting", "Requests that wait for switches.", registry=self._registry)
        about = "Requests that wait for their turn."
        Gauge("vnet_http_requests_queued", about, registry=self._registry).set_function(queued)
        self._realised = Histogram(
            "vnet_realised_seconds",
            "Time from when a change is handed out until every switch that it concerns has acknowledged it.",
            buckets=REALISED_BUCKETS,
            registry=self._registry,
        )
        self._commit = Histogram(
            "vnet_store_commit_seconds",
            "Time that a commit to the store took, with the disk.",
            buckets=REALISED_BUCKETS,
            registry=self._registry,
        )
        self._drift = Counter(
            "vnet_drift",
            "Rows and groups that others added, changed or removed on switches, by how that was found.",
            ("what", "by"),
            registry=self._registry,
        )
        for what in ("added", "changed", "removed"):
            for by in ("monitor", "audit"):
                self._drift.labels(what, by)
        ProcessCollector(registry=self._registry)
        self._registry.register(Gauges(system, pause))
        self._registry.register(LimitGauges(system, pause))
        self._listen(system)

    def _listen(self, system: System) -> None:
        """Hear of what happens, beside whoever hears of it already."""
        delivery, on_commit = system.delivery, system.on_commit
        on_realised, on_drift = delivery.on_realised, delivery.on_drift

        def realised(revision: int, seconds: float) -> None:
            self._realised.observe(seconds)
            on_realised(revision, seconds)

        def committed(seconds: float) -> None:
            self._commit.observe(seconds)
            on_commit(seconds)

        def drifted(drift: Drift) -> None:
            self._drift.labels(drift.what, drift.by).inc()
            on_drift(drift)

        delivery.on_realised, delivery.on_drift, system.on_commit = realised, drifted, committed

    def watch(self, app: Flask) -> None:
        """Count the requests of an application: also those that are refused by what is installed after this."""

        def end(response: Response) -> Response:
            # Anybody may ask for anything: what there is no route for is counted in one place.
            method = request.method if request.method in _METHODS else "other"
            route = request.url_rule.rule if request.url_rule is not None else "none"
            self._requests.labels(method, route, response.status_code).inc()
            self._request_seconds.labels(method, route).observe(perf_counter() - g.began)
            return response

        app.before_request(self.begin)
        app.after_request(end)

    def begin(self) -> None:
        """A request is here, or has its turn now."""
        g.began = perf_counter()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While this lasts, a request waits for switches."""
        with self._waiting.track_inprogress():
            yield

    def text(self) -> str:
        """All metrics, as Prometheus reads them."""
        parts = []
        for family in self._registry.collect():
            # When each counter was made is of no use to Prometheus, and would be a third of all there is.
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            parts.append(generate_latest(_One(family)).decode())
            if len(family.samples) > SAMPLES_AT_ONCE:
                self._pause()
        return "".join(parts)


@dataclass(frozen=True, slots=True)
class _One:
    """One metric with all its samples, where the library wants a registry."""

    metric: Metric

    def collect(self) -> list[Metric]:
        return [self.metric]
