"""The spans of one process by OpenTelemetry's SDK, which comes with `mcptasks[otel]`. See `tracing.start_tracing`."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    ProxyTracerProvider,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceState,
    get_tracer_provider,
    set_tracer_provider,
)
from opentelemetry.util.types import Attributes

from mcptasks.network.proxies import goes_direct
from mcptasks.tracing.exporter_choice import ExporterChoice, endpoint_of
from mcptasks.tracing.task_spans import TaskSpan
from mcptasks.tracing.trace_contexts import span_context

METHOD = "mcp.method.name"
SCOPE = InstrumentationScope("mcptasks")


@dataclass(frozen=True)
class PollSampler(Sampler):
    """Leaves out the spans of polls; what else is kept is up to the sampler that the variables have chosen."""

    polls: frozenset[str]
    chosen: Sampler

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if (attributes or {}).get(METHOD) in self.polls:
            return SamplingResult(Decision.DROP)
        return self.chosen.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return f"PollSampler({self.chosen.get_description()})"


@dataclass(frozen=True)
class SdkTracing:
    """Sends spans by the exporter; those that code makes by the API go through the provider."""

    active: ClassVar[bool] = True

    exporter: SpanExporter
    provider: TracerProvider

    @classmethod
    def started(
        cls, service: str, choice: ExporterChoice, environ: Mapping[str, str], polls: frozenset[str] = frozenset()
    ) -> Self:
        """Make exporter and provider, and have the API use them, unless the program has seen to that itself."""
        tracing = cls.made(_exporter(choice, environ), _resource(service, environ), polls)
        if isinstance(get_tracer_provider(), ProxyTracerProvider):
            set_tracer_provider(tracing.provider)
        return tracing

    @classmethod
    def made(cls, exporter: SpanExporter, resource: Resource, polls: frozenset[str] = frozenset()) -> Self:
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.sampler = PollSampler(polls, provider.sampler)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return cls(exporter, provider)

    def send(self, spans: Sequence[TaskSpan]) -> bool:
        told = [each for each in map(self._readable, spans) if each is not None]
        return not told or self.exporter.export(told) is SpanExportResult.SUCCESS

    def flush(self, seconds: float) -> None:
        # The exporter tries for longer than it is given where the collector does not answer.
        flushing = threading.Thread(target=self.provider.force_flush, args=(int(seconds * 1000),), daemon=True)
        flushing.start()
        flushing.join(seconds)

    def _readable(self, span: TaskSpan) -> ReadableSpan | None:
        call = span_context(span.trace)
        if call is None:
            return None
        above = call if span.parent_id is None else _same_trace(call, span.parent_id)
        return ReadableSpan(
            span.name,
            context=_same_trace(call, span.span_id),
            parent=above,
            resource=self.provider.resource,
            attributes=dict(span.attributes),
            status=Status(StatusCode.UNSET) if span.error is None else Status(StatusCode.ERROR, span.error),
            start_time=_nanoseconds(span.start),
            end_time=max(_nanoseconds(span.start), _nanoseconds(span.end)),
            instrumentation_scope=SCOPE,
        )


def _same_trace(call: SpanContext, span_id: int) -> SpanContext:
    return SpanContext(call.trace_id, span_id, False, call.trace_flags, call.trace_state)


LAST_NANOSECOND = 2**63 - 1


def _nanoseconds(moment: datetime) -> int:
    """Within what the protocol can carry: whoever writes statuses can write any year."""
    return min(max(round(moment.timestamp() * 1_000_000) * 1000, 0), LAST_NANOSECOND)


def _exporter(choice: ExporterChoice, environ: Mapping[str, str]) -> SpanExporter:
    if choice is ExporterChoice.CONSOLE:
        return ConsoleSpanExporter()
    session = requests.Session()
    session.trust_env = not goes_direct(endpoint_of(environ))
    return OTLPSpanExporter(session=session)


def _resource(service: str, environ: Mapping[str, str]) -> Resource:
    resource = Resource({"k8s.pod.name": environ["HOSTNAME"]} if _in_a_pod(environ) else {}).merge(Resource.create())
    named = environ.get("OTEL_SERVICE_NAME") or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return resource if named else resource.merge(Resource({SERVICE_NAME: service}))


def _in_a_pod(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("KUBERNETES_SERVICE_HOST") and environ.get("HOSTNAME"))
