"""Times and durations."""

from __future__ import annotations

from datetime import UTC

import pytest

from mcptasks_embedded.values import times


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (659, "10m"),
        (3599, "59m"),
        (10800, "3h"),
        (11000, "3h3m"),
        (30000, "8h"),
        (200000, "2d7h"),
        (900000, "10d"),
        (70000000, "2y80d"),
        (-5, "<invalid>"),
    ],
)
def test_durations(seconds: int, text: str) -> None:
    assert times.human_duration(seconds) == text


def test_times_need_a_zone() -> None:
    assert times.stamp(times.parse("2026-01-02T03:04:05+02:00").astimezone(UTC)) == "2026-01-02T01:04:05Z"
    with pytest.raises(ValueError):
        times.parse("2026-01-02T03:04:05")
