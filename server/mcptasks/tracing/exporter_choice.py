"""Whether and where to a process sends its spans, by OpenTelemetry's own variables. Pure.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPOKEN_PROTOCOL = "http/protobuf"
DEFAULT_ENDPOINT = "http://localhost:4318"


class ExporterChoice(StrEnum):
    """Where spans go."""

    NONE = "none"
    OTLP = "otlp"
    CONSOLE = "console"


class TracingConfigError(ValueError):
    """The variables ask for something that there is not. The text says which, and what there is."""


def chosen_exporter(environ: Mapping[str, str]) -> ExporterChoice:
    """Where this process's spans go. Raises TracingConfigError.

    Without OTEL_TRACES_EXPORTER they go to the endpoint that is named, and nowhere where none is: the standard's
    default would have every installation look for a collector on its own machine.
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ExporterChoice.NONE
    wanted = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if not wanted:
        named = any(environ.get(name, "").strip() for name in ENDPOINTS)
        wanted = ExporterChoice.OTLP if named else ExporterChoice.NONE
    try:
        choice = ExporterChoice(wanted)
    except ValueError:
        raise TracingConfigError(f"OTEL_TRACES_EXPORTER is {wanted!r}: use otlp, console or none") from None
    if choice is ExporterChoice.OTLP:
        _check_protocol(environ)
    return choice


def endpoint_of(environ: Mapping[str, str]) -> str:
    """The collector's URL, to see which way it is reached."""
    return next((environ[name] for name in ENDPOINTS if environ.get(name, "").strip()), DEFAULT_ENDPOINT)


def _check_protocol(environ: Mapping[str, str]) -> None:
    name = next((name for name in PROTOCOLS if environ.get(name, "").strip()), None)
    if name is not None and environ[name].strip().lower() != SPOKEN_PROTOCOL:
        raise TracingConfigError(
            f"{name} is {environ[name]!r}: spans are sent as {SPOKEN_PROTOCOL} (port 4318 of most collectors)"
        )
