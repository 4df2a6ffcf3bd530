"""Metrics with their descriptions, and label values whose number is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

OTHER = "other"
"""Label value of everything that has none of its own."""


@dataclass(frozen=True)
class MetricDescription:
    """A metric as docs/metrics.md describes it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


@dataclass(eq=False)
class Instruments:
    """Makes metrics in one registry and keeps their descriptions, in order."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    described: list[MetricDescription] = field(default_factory=list)

    def counter(self, name: str, meaning: str, labels: Sequence[str] = ()) -> Counter:
        """A counter; its name ends with `_total`."""
        self._describe(name, "counter", labels, meaning)
        return Counter(name, meaning, labels, registry=self.registry)

    def histogram(self, name: str, meaning: str, buckets: Sequence[float], labels: Sequence[str] = ()) -> Histogram:
        """A histogram with these upper bounds."""
        self._describe(name, "histogram", labels, meaning)
        return Histogram(name, meaning, labels, buckets=tuple(buckets), registry=self.registry)

    def gauge(self, name: str, meaning: str, read: Callable[[], float]) -> Gauge:
        """A gauge whose value is read at each scrape."""
        self._describe(name, "gauge", (), meaning)
        gauge = Gauge(name, meaning, registry=self.registry)
        gauge.set_function(read)
        return gauge

    def table(
        self, name: str, meaning: str, labels: Sequence[str], read: Callable[[], Mapping[tuple[str, ...], float]]
    ) -> None:
        """A gauge whose labels and values are all read at each scrape."""
        self._describe(name, "gauge", labels, meaning)
        self.registry.register(_Table(name, meaning, tuple(labels), read))

    def _describe(self, name: str, kind: str, labels: Sequence[str], meaning: str) -> None:
        self.described.append(MetricDescription(name, kind, tuple(labels), meaning))


@dataclass(frozen=True)
class _Table(Collector):
    name: str
    meaning: str
    labels: tuple[str, ...]
    read: Callable[[], Mapping[tuple[str, ...], float]]

    def describe(self) -> Iterable[Metric]:
        return [GaugeMetricFamily(self.name, self.meaning, labels=self.labels)]

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(self.name, self.meaning, labels=self.labels)
        for value, number in self.read().items():
            family.add_metric(value, number)
        return [family]


@dataclass(eq=False)
class LabelBudget:
    """Gives the first `size` different values a label of their own, and all later ones `other`.

    Names of tools and templates come from users; a label of each would let a caller fill the memory of Prometheus.
    """

    size: int = 200
    _known: set[str] = field(default_factory=set)

    def of(self, value: str) -> str:
        """The label of the value."""
        if value in self._known:
            return value
        if len(self._known) >= self.size:
            return OTHER
        self._known.add(value)
        return value
