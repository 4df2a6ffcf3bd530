"""What the SDK is given, and what comes out of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from mcptasks.protocol.versions import POLLS
from mcptasks.tracing.sdk_tracing import SdkTracing
from mcptasks.tracing.task_spans import TaskSpan

T0 = datetime(2026, 11, 30, 12, tzinfo=UTC)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> SdkTracing:
    return SdkTracing.made(exporter, Resource({"service.name": "test"}), POLLS)


def span(**changes: object) -> TaskSpan:
    known: dict[str, object] = {
        "name": "run",
        "trace": PARENT,
        "span_id": 7,
        "parent_id": 5,
        "start": T0,
        "end": T0 + timedelta(milliseconds=1500),
    }
    return TaskSpan(**{**known, **changes})  # type: ignore[arg-type]


def test_a_span_keeps_its_ids_and_times(tracing: SdkTracing, exporter: InMemorySpanExporter) -> None:
    assert tracing.send([span(attributes={"mcptasks.task.id": "report-1"})])
    (sent,) = exporter.get_finished_spans()
    assert sent.context is not None
    assert sent.parent is not None
    assert (f"{sent.context.trace_id:032x}", sent.context.span_id, sent.parent.span_id) == (TRACE, 7, 5)
    assert (sent.start_time, sent.end_time) == (1796040000000000000, 1796040001500000000)
    assert sent.attributes == {"mcptasks.task.id": "report-1"}
    assert sent.resource.attributes["service.name"] == "test"


def test_the_first_span_hangs_below_the_call_s(tracing: SdkTracing, exporter: InMemorySpanExporter) -> None:
    tracing.send([span(parent_id=None)])
    (sent,) = exporter.get_finished_spans()
    assert sent.parent is not None
    assert sent.parent.span_id == 0x00F067AA0BA902B7


def test_an_error_is_the_span_s_status(tracing: SdkTracing, exporter: InMemorySpanExporter) -> None:
    tracing.send([span(error="OOMKilled")])
    (sent,) = exporter.get_finished_spans()
    assert (sent.status.status_code, sent.status.description) == (StatusCode.ERROR, "OOMKilled")


def test_a_span_of_no_trace_is_left_out(tracing: SdkTracing, exporter: InMemorySpanExporter) -> None:
    assert tracing.send([span(trace="nonsense")])
    assert exporter.get_finished_spans() == ()


def test_it_says_when_the_collector_has_not_taken_them(tracing: SdkTracing, exporter: InMemorySpanExporter) -> None:
    exporter.shutdown()
    assert exporter.export([]) is SpanExportResult.FAILURE
    assert not tracing.send([span()])


@pytest.mark.parametrize("method", sorted(POLLS))
def test_polls_make_no_spans(tracing: SdkTracing, exporter: InMemorySpanExporter, method: str) -> None:
    tracer = tracing.provider.get_tracer("test")
    with tracer.start_as_current_span(method, attributes={"mcp.method.name": method}):
        pass
    with tracer.start_as_current_span("tools/call", attributes={"mcp.method.name": "tools/call"}):
        pass
    tracing.flush(5)
    assert [sent.name for sent in exporter.get_finished_spans()] == ["tools/call"]


@pytest.mark.parametrize("year", [1, 9999])
def test_a_year_that_nobody_can_mean_stays_within_what_can_be_sent(
    tracing: SdkTracing, exporter: InMemorySpanExporter, year: int
) -> None:
    assert tracing.send([span(start=datetime(year, 1, 1, tzinfo=UTC), end=datetime(year, 1, 2, tzinfo=UTC))])
    (sent,) = exporter.get_finished_spans()
    assert encode_spans([sent]).resource_spans
