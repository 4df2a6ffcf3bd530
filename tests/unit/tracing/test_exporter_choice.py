"""OpenTelemetry's own variables say whether and where to spans are sent."""

from __future__ import annotations

import logging

import pytest

from mcptasks.tracing.exporter_choice import ExporterChoice, TracingConfigError, chosen_exporter
from mcptasks.tracing.tracing import NoTracing, start_tracing

HERE = "http://127.0.0.1:4318"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ExporterChoice.NONE),
        ({"OTEL_SERVICE_NAME": "mine"}, ExporterChoice.NONE),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE}, ExporterChoice.OTLP),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{HERE}/v1/traces"}, ExporterChoice.OTLP),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, ExporterChoice.NONE),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ExporterChoice.OTLP),
        ({"OTEL_TRACES_EXPORTER": "console"}, ExporterChoice.CONSOLE),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": HERE}, ExporterChoice.NONE),
        ({"OTEL_SDK_DISABLED": "True", "OTEL_EXPORTER_OTLP_ENDPOINT": HERE}, ExporterChoice.NONE),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, ExporterChoice.OTLP),
    ],
)
def test_spans_go_where_the_variables_say(variables: dict[str, str], expected: ExporterChoice) -> None:
    assert chosen_exporter(variables) is expected


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER is 'zipkin': use otlp, console or none"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc': spans are sent as http/protobuf",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is 'http/json'",
        ),
    ],
)
def test_what_there_is_not_is_said_and_stops_nothing(
    variables: dict[str, str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(TracingConfigError, match=said):
        chosen_exporter(variables)
    with caplog.at_level(logging.ERROR):
        assert isinstance(start_tracing("test", variables), NoTracing)
    assert said in caplog.text


def test_a_limit_that_the_sdk_does_not_take_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_ATTRIBUTE_COUNT_LIMIT", "many")
    with caplog.at_level(logging.ERROR):
        assert isinstance(start_tracing("test", {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE}), NoTracing)
    assert "no traces are sent: OTEL_ATTRIBUTE_COUNT_LIMIT" in caplog.text
