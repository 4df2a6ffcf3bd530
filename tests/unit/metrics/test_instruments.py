"""Metrics keep their descriptions, and callers cannot make labels without end."""

from __future__ import annotations

from mcptasks.metrics.instruments import OTHER, Instruments, LabelBudget, MetricDescription


def test_later_values_share_one_label() -> None:
    budget = LabelBudget(size=2)
    assert [budget.of(value) for value in ("a", "b", "c", "a", "d")] == ["a", "b", OTHER, "a", OTHER]


def test_gauges_are_read_at_each_scrape() -> None:
    instruments = Instruments()
    state = {"x": 1.0}
    instruments.gauge("g", "A gauge.", lambda: state["x"])
    instruments.table("t", "A table.", ["key"], lambda: {(key,): number for key, number in state.items()})
    state.update(x=2.0, y=3.0)
    read = instruments.registry.get_sample_value
    assert (read("g"), read("t", {"key": "x"}), read("t", {"key": "y"})) == (2.0, 2.0, 3.0)
    assert instruments.described == [
        MetricDescription("g", "gauge", (), "A gauge."),
        MetricDescription("t", "gauge", ("key",), "A table."),
    ]
