"""W3C Trace Context in the task's specification, and as OpenTelemetry's API has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import NonRecordingSpan, SpanContext, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from mcptasks.model.task import TraceContext
from mcptasks.tracing.span_ids import span_id

_PROPAGATOR = TraceContextTextMapPropagator()
"""The format that MCP has reserved keys for (SEP-414), whatever OTEL_PROPAGATORS says of other protocols."""


def inject(carrier: MutableMapping[str, str]) -> None:
    """Put the current span into a request's `_meta` or headers; nothing where there is none."""
    _PROPAGATOR.inject(carrier)


def span_context(traceparent: str | None, tracestate: str | None = None) -> SpanContext | None:
    """The span that a traceparent names; None where it names none."""
    if not traceparent:
        return None
    carrier = {"traceparent": traceparent} | ({"tracestate": tracestate} if tracestate else {})
    found = get_current_span(_PROPAGATOR.extract(carrier, context=Context())).get_span_context()
    return found if found.is_valid else None


def of_headers(headers: Mapping[str, str]) -> Context | None:
    """The context that HTTP headers carry; None where they carry none."""
    found = span_context(headers.get("traceparent"), headers.get("tracestate"))
    return None if found is None else set_span_in_context(NonRecordingSpan(found))


@contextmanager
def current_context(context: Context) -> Iterator[None]:
    """Make the context the current one, here."""
    token = attach(context)
    try:
        yield
    finally:
        detach(token)


def current_trace(baggage: str | None = None) -> TraceContext | None:
    """The current span, for a task's specification; None outside of all traces."""
    carrier: dict[str, str] = {}
    inject(carrier)
    if "traceparent" not in carrier:
        return None
    return TraceContext(traceparent=carrier["traceparent"], tracestate=carrier.get("tracestate"), baggage=baggage)


def is_sampled(trace: TraceContext | None) -> bool:
    """Whether spans of the trace are kept."""
    found = None if trace is None else span_context(trace.traceparent)
    return found is not None and found.trace_flags.sampled


@contextmanager
def below_task(trace: TraceContext | None, uid: str) -> Iterator[None]:
    """What is done here belongs to the task's span, in the trace of its call: logs say so, further spans hang below.

    Without a trace nothing changes.
    """
    call = None if trace is None else span_context(trace.traceparent, trace.tracestate)
    if call is None:
        yield
        return
    above = SpanContext(call.trace_id, span_id(uid), True, call.trace_flags, call.trace_state)
    with current_context(set_span_in_context(NonRecordingSpan(above))):
        yield
