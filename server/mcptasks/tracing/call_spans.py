"""The spans around a call: at the client, and in the process that runs the component.

Names and attributes are those of the semantic conventions for MCP and for generative AI. Neither arguments nor results
are in them.
https://opentelemetry.io/docs/specs/semconv/gen-ai/mcp/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_tracer

from mcptasks.model.task import ComponentKind

SCOPE = "mcptasks"

_SUBJECTS = {
    ComponentKind.TOOL: "gen_ai.tool.name",
    ComponentKind.PROMPT: "gen_ai.prompt.name",
    ComponentKind.RESOURCE: "mcp.resource.uri",
    ComponentKind.RESOURCE_TEMPLATE: "mcp.resource.uri",
}
_METHODS = {
    "tools/call": ComponentKind.TOOL,
    "prompts/get": ComponentKind.PROMPT,
    "resources/read": ComponentKind.RESOURCE,
}


def component_attributes(kind: ComponentKind, name: str) -> dict[str, str]:
    """What a span says of the component that it is about."""
    executes = {"gen_ai.operation.name": "execute_tool"} if kind is ComponentKind.TOOL else {}
    return {**executes, _SUBJECTS[kind]: name}


@contextmanager
def client_span(method: str, name: str) -> Iterator[Span]:
    """A call, as the client sees it."""
    kind = _METHODS[method]
    # A URI may be of any length and number.
    title = method if kind is ComponentKind.RESOURCE else f"{method} {name}"
    attributes = {"mcp.method.name": method, **component_attributes(kind, name)}
    with _span(title, SpanKind.CLIENT, attributes) as span:
        yield span


@contextmanager
def component_span(kind: ComponentKind, name: str, attributes: Mapping[str, str | int]) -> Iterator[Span]:
    """The run of a component in the process of its task."""
    title = f"execute_tool {name}" if kind is ComponentKind.TOOL else f"run {kind.value}"
    with _span(title, SpanKind.INTERNAL, {**component_attributes(kind, name), **attributes}) as span:
        yield span


def mark_failed(span: Span, error_type: str) -> None:
    """The call has failed, by a result that says so."""
    span.set_attribute("error.type", error_type)
    span.set_status(Status(StatusCode.ERROR))


@contextmanager
def _span(title: str, kind: SpanKind, attributes: Mapping[str, str | int]) -> Iterator[Span]:
    tracer = get_tracer(SCOPE)
    # What an exception says may be an argument or a result: its type alone is told.
    with tracer.start_as_current_span(
        title, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except BaseException as error:
            mark_failed(span, type(error).__qualname__)
            raise
