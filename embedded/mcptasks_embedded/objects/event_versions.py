"""Events have two API forms of the same object: core/v1, which is stored, and events.k8s.io/v1."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_TO_NEW = {
    "involvedObject": "regarding",
    "message": "note",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "source": "deprecatedSource",
    "reportingComponent": "reportingController",
}
_TO_CORE = {new: core for core, new in _TO_NEW.items()}


def to_new(event: Json) -> Json:
    """core/v1 to events.k8s.io/v1."""
    return {**{_TO_NEW.get(name, name): value for name, value in event.items()}, "apiVersion": "events.k8s.io/v1"}


def to_core(event: Json) -> Json:
    """events.k8s.io/v1 to core/v1."""
    return {**{_TO_CORE.get(name, name): value for name, value in event.items()}, "apiVersion": "v1"}
