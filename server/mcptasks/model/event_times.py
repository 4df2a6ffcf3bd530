"""When a Kubernetes event was last seen: an API of two generations, and a series of its own."""

from __future__ import annotations

from datetime import UTC, datetime

from mcptasks.model.base import JsonObject


def last_seen(event: JsonObject) -> datetime | None:
    """When the `v1` Event last happened, in UTC; when it was made where it does not say."""
    series = event.get("series") or {}
    times = (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        (event.get("metadata") or {}).get("creationTimestamp"),
    )
    text = next((time for time in times if time), None)
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
