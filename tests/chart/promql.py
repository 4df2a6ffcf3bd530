"""What a PromQL expression asks for, checked against the metrics that server and operator have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mcptasks.cli.commands.print_metrics import reference

FUNCTIONS = frozenset(
    ["absent", "avg", "count", "histogram_quantile", "increase", "irate", "max", "min", "rate", "sum", "topk", "vector"]
)
WORDS = frozenset(["and", "by", "ignoring", "on", "or", "unless", "without", "group_left", "group_right", "offset"])

TARGET_LABELS = frozenset(["namespace", "pod", "instance", "job", "container", "service", "endpoint"])
"""Labels that the Prometheus operator's monitors add to every sample."""

_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)?\s*\{([^}]*)\}")
_MATCHER = re.compile(r'\s*(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"\s*')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_NAME = re.compile(r"[a-zA-Z_:][\w:]*")


@dataclass(frozen=True)
class Metric:
    """A series by its name in PromQL, and the labels of its samples."""

    labels: frozenset[str]


def known_series() -> dict[str, Metric]:
    """All series that a query may name: a histogram's by its three suffixes, never by its own name."""
    told = reference()
    series = {"process_resident_memory_bytes": Metric(TARGET_LABELS)}
    for one in (*told.both, *told.server, *told.operator):
        labels = TARGET_LABELS | set(one.labels)
        if one.kind == "histogram":
            series |= {f"{one.name}_{suffix}": Metric(labels) for suffix in ("sum", "count")}
            series[f"{one.name}_bucket"] = Metric(labels | {"le"})
        else:
            series[one.name] = Metric(labels)
    return series


@dataclass(frozen=True)
class Query:
    """One expression."""

    text: str

    @property
    def grouped_by(self) -> frozenset[str]:
        """The labels that the expression groups by or matches on."""
        return frozenset(label.strip() for group in _GROUPING.findall(self.text) for label in group.split(",") if label)

    @property
    def matchers(self) -> Iterator[tuple[str, str, str]]:
        """Series, label and value of each matcher."""
        for name, inside in _SELECTOR.findall(self.text):
            for label, _, value in _MATCHER.findall(inside):
                yield name, label, value

    @property
    def names(self) -> frozenset[str]:
        """What is neither a function nor a label nor a number: the series."""
        bare = _GROUPING.sub(" ", re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", self.text))
        return frozenset(_NAME.findall(re.sub(r"\b\d[\w.]*", " ", bare))) - FUNCTIONS - WORDS

    def faults(self, series: Mapping[str, Metric], values: Mapping[str, frozenset[str]]) -> Iterator[str]:
        """What there is not. `values`: all values that a label can have, where that is known."""
        for name in sorted(self.names - series.keys()):
            yield f"no series {name}"
        for name, label, value in self.matchers:
            if name in series and label not in series[name].labels:
                yield f"{name} has no label {label}"
            for one in value.split("|"):
                if label in values and one.isalpha() and one not in values[label]:
                    yield f"{label} is never {one}"
        labels = {label for name in self.names & series.keys() for label in series[name].labels}
        for label in sorted(self.grouped_by - labels):
            yield f"nothing has the label {label}"
        if self.text.count("(") != self.text.count(")") or self.text.count("{") != self.text.count("}"):
            yield "brackets do not match"
