"""The picture of a trace: what is in which row."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.pictures.trace_svg import NANOSECONDS, time_text, trace_rows, trace_svg
from tests.support.otlp import ReceivedSpan


def span(name: str, parent: str, start: float, end: float, service: str = "mcptasks-operator") -> ReceivedSpan:
    times = (round(start * NANOSECONDS), round(end * NANOSECONDS))
    return ReceivedSpan(service, name, "t", name, parent, *times, attributes={}, failed=False)


SPANS = [
    span("run", "task", 3, 9),
    span("SELECT <orders>", "run", 4, 5, "mcptasks-task"),
    span("queue", "task", 1, 2),
    span("task", "elsewhere", 1, 9),
]


def test_each_span_is_below_the_one_that_it_belongs_to_and_behind_what_began_before() -> None:
    rows = [(row.span.name, row.depth) for row in trace_rows(SPANS)]
    assert rows == [("task", 0), ("queue", 1), ("run", 1), ("SELECT <orders>", 2)]


def test_the_picture_is_xml_with_a_bar_and_a_name_for_each() -> None:
    picture = ElementTree.fromstring(trace_svg(SPANS, 'a "trace"'))
    texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    bars = [element for element in picture.iter("{http://www.w3.org/2000/svg}rect") if element.get("height") == "14"]
    assert picture.get("aria-label") == 'a "trace"'
    assert {"operator", "task's Pod", "SELECT <orders>", "8.00 s"} <= set(texts)
    assert len(bars) == len(SPANS)


@pytest.mark.parametrize(("seconds", "text"), [(0.0004, "0 ms"), (0.25, "250 ms"), (1.5, "1.50 s")])
def test_times_are_short(seconds: float, text: str) -> None:
    assert time_text(seconds) == text
