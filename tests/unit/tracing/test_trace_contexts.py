"""W3C Trace Context between a request, a task's specification and the current span."""

from __future__ import annotations

import json
import logging

import pytest
from opentelemetry.trace import get_current_span

from mcptasks.logs import JsonFormatter, TaskFilter
from mcptasks.model.task import TraceContext
from mcptasks.tracing.span_ids import span_id
from mcptasks.tracing.trace_contexts import below_task, current_context, current_trace, is_sampled, of_headers

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def test_outside_of_all_traces_there_is_none() -> None:
    assert current_trace() is None


def test_the_current_span_goes_into_a_task_s_specification() -> None:
    context = of_headers({"traceparent": PARENT, "tracestate": "vendor=1"})
    assert context is not None
    with current_context(context):
        assert current_trace("tenant=blue") == TraceContext(
            traceparent=PARENT, tracestate="vendor=1", baggage="tenant=blue"
        )
    assert current_trace() is None


@pytest.mark.parametrize("header", ["", "00-1-2-01", "nonsense", f"00-{'0' * 32}-00f067aa0ba902b7-01"])
def test_headers_that_name_no_span_are_nothing(header: str) -> None:
    assert of_headers({"traceparent": header}) is None


@pytest.mark.parametrize(
    ("traceparent", "expected"), [(PARENT, True), (PARENT[:-2] + "00", False), ("nonsense", False), (None, False)]
)
def test_a_trace_is_kept_where_its_caller_says_so(traceparent: str | None, expected: bool) -> None:
    assert is_sampled(TraceContext(traceparent=traceparent)) is expected
    assert not is_sampled(None)


def test_what_a_task_does_hangs_below_the_span_that_the_operator_will_tell_of() -> None:
    with below_task(TraceContext(traceparent=PARENT), "uid-1"):
        found = get_current_span().get_span_context()
        assert (f"{found.trace_id:032x}", found.span_id) == (TRACE, span_id("uid-1"))
        assert found.trace_flags.sampled


def test_a_task_without_a_trace_is_in_none() -> None:
    with below_task(None, "uid-1"), below_task(TraceContext(traceparent="nonsense"), "uid-1"):
        assert not get_current_span().get_span_context().is_valid


def test_ids_of_spans_follow_from_the_uid() -> None:
    assert span_id("a") == span_id("a")
    assert len({span_id("a"), span_id("b"), span_id("a", "run"), span_id("b", "run")}) == 4
    assert 0 < span_id("a") < 2**64


def test_log_records_within_a_trace_have_its_ids() -> None:
    record = logging.makeLogRecord({"msg": "hello", "name": "mcptasks"})
    with below_task(TraceContext(traceparent=PARENT), "uid-1"):
        TaskFilter().filter(record)
    entry = json.loads(JsonFormatter().format(record))
    assert entry["trace_id"] == TRACE
    assert entry["span_id"] == f"{span_id('uid-1'):016x}"


def test_log_records_outside_have_none() -> None:
    record = logging.makeLogRecord({"msg": "hello", "name": "mcptasks"})
    TaskFilter().filter(record)
    assert "trace_id" not in json.loads(JsonFormatter().format(record))
