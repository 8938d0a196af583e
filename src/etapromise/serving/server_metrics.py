"""What a server counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from etapromise.serving.live_model import LiveModel

_BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5)


class ServerMetrics:
    """Counters of one process: requests and their time, fall-backs, confidence codes, the model."""

    def __init__(self, registry: CollectorRegistry, held: LiveModel) -> None:
        self._seconds = Histogram(
            "etapromise_request_seconds",
            "Time to answer, without the network.",
            ["path"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self._requests = Counter(
            "etapromise_requests", "Requests answered.", ["path", "status"], registry=registry
        )
        self._fallbacks = Counter(
            "etapromise_fallbacks", "Static promises given.", ["reason"], registry=registry
        )
        self._codes = Counter(
            "etapromise_confidence_code", "Promises by their code.", ["code"], registry=registry
        )
        for reason in ("no_model", "failed"):
            self._fallbacks.labels(reason)
        # A counter's child is found by its labels in a dictionary of ours: it is asked so often.
        self._found: dict[tuple[Any, ...], Any] = {}
        registry.register(_Model(held))

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._child(self._seconds, path).observe(seconds)
        self._child(self._requests, path, status).inc()

    def fell_back(self, reason: str) -> None:
        """Count a static promise."""
        self._fallbacks.labels(reason).inc()

    def promised(self, found: Any) -> None:
        """Count the promises of an answer by their code."""
        if isinstance(found, list):
            for one in found:
                self.promised(one)
        elif "options" in found:
            for one in found["options"]:
                self.promised(one["promise"])
        elif "confidence_code" in found:
            self._child(self._codes, found["confidence_code"]).inc()

    def _child(self, metric: Any, *labels: Any) -> Any:
        key = (metric, *labels)
        child = self._found.get(key)
        if child is None:
            child = self._found[key] = metric.labels(*labels)
        return child


class _Model(Collector):
    def __init__(self, held: LiveModel) -> None:
        self._held = held

    def collect(self) -> Iterable[Metric]:
        """The model in use, and how often it was exchanged."""
        model = self._held.model
        info = GaugeMetricFamily(
            "etapromise_model_info", "1 for the model in use.", labels=["version"]
        )
        if model is not None:
            info.add_metric([model.version], 1)
        yield info
        age = GaugeMetricFamily(
            "etapromise_model_as_of_seconds", "Unix time of the model's statistics."
        )
        if model is not None:
            age.add_metric([], model.as_of.timestamp())
        yield age
        yield GaugeMetricFamily(
            "etapromise_model_reloads", "Models exchanged.", value=self._held.reloads
        )
        yield GaugeMetricFamily(
            "etapromise_model_failures", "Models not loaded.", value=self._held.failures
        )
