"""How many tasks a second are made for each caller."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import timestamp
from mcptasks.tasks.cached_tasks import group_of
from mcptasks.tasks.call_rates import AVERAGED_SECONDS, CallRates

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def task(second: float, caller: str = "ann", **status: str) -> JsonObject:
    made = timestamp(NOW + timedelta(seconds=second))
    spec = {"server": "s", "principal": {"subject": caller}}
    return {"metadata": {"name": "t", "creationTimestamp": made}, "spec": spec, "status": status}


def test_new_tasks_count_for_their_caller_and_changes_of_old_ones_do_not() -> None:
    rates = CallRates()
    for second in range(600):
        for _ in range(5):
            rates.changed(task(second), watched=True)
        rates.changed(task(second, phase="working"), watched=True)
    now = NOW + timedelta(seconds=600)
    assert rates.per_second(group_of(task(0)), now) == pytest.approx(5, rel=0.05)
    assert rates.per_second(group_of(task(0, "bob")), now) == 0
    later = now + timedelta(seconds=10 * AVERAGED_SECONDS)
    assert rates.per_second(group_of(task(0)), later) < 0.01
