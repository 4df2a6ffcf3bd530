"""When a Kubernetes event was last seen: an API of two generations, and a series of its own."""

from __future__ import annotations

from datetime import datetime

from mcptasks.model.base import JsonObject, time_of


def last_seen(event: JsonObject) -> datetime | None:
    """When the `v1` Event last happened, in UTC; when it was made where it does not say, None where it never says."""
    series = event.get("series")
    times = (
        series.get("lastObservedTime") if isinstance(series, dict) else None,
        event.get("lastTimestamp"),
        event.get("eventTime"),
        (event.get("metadata") or {}).get("creationTimestamp"),
    )
    found = (time_of(time) for time in times if time)
    return next((time for time in found if time is not None), None)
