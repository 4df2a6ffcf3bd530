"""When an event was last seen, whichever API wrote it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.event_times import last_seen

MADE: JsonObject = {"creationTimestamp": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("event", "second"),
    [
        ({"metadata": MADE}, 0),
        ({"metadata": MADE, "eventTime": "2026-01-01T00:00:01.500000Z"}, 1),
        ({"metadata": MADE, "eventTime": None, "lastTimestamp": "2026-01-01T00:00:02Z"}, 2),
        ({"metadata": MADE, "eventTime": "2026-01-01T00:00:01Z", "lastTimestamp": "2026-01-01T00:00:02Z"}, 2),
        (
            {
                "metadata": MADE,
                "eventTime": "2026-01-01T00:00:01Z",
                "series": {"lastObservedTime": "2026-01-01T01:00:03+01:00"},
            },
            3,
        ),
    ],
)
def test_the_last_time_counts(event: JsonObject, second: int) -> None:
    seen = last_seen(event)
    assert seen is not None
    assert seen.replace(microsecond=0) == datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC)


def test_an_event_without_any_time_has_none() -> None:
    assert last_seen({"metadata": {}}) is None
