"""What attempts have used, in their task's status."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from mcptasks.gateway.attempt_usage import usage_field
from mcptasks.gateway.contract import ProcessOutcome, ResultOutcome, UnstartedOutcome, WorkerOutcome
from mcptasks.gateway.worker_ends import terminated_after_end
from mcptasks.model.base import JsonObject
from mcptasks.model.task import TaskUsage
from tests.unit.gateway.builders import NOW, a_task

USED = TaskUsage(wall_seconds=2, cpu_seconds=1.5, peak_memory_bytes=100)
BEFORE = {"usage": {"wallSeconds": 1, "cpuSeconds": 0.25, "peakMemoryBytes": 900}}


def test_an_attempt_adds_to_those_before_it() -> None:
    outcome = ResultOutcome(text="{}", usage=USED)
    assert usage_field(a_task(), outcome)["usage"] == USED.dump()
    assert usage_field(a_task(BEFORE), outcome)["usage"] == {
        "wallSeconds": 3,
        "cpuSeconds": 1.75,
        "peakMemoryBytes": 900,
    }


@pytest.mark.parametrize("outcome", [ResultOutcome(text="{}"), UnstartedOutcome()])
def test_an_attempt_that_does_not_say_leaves_it_as_it_was(outcome: WorkerOutcome) -> None:
    assert usage_field(a_task(BEFORE), outcome) == {}


def test_a_cancelled_task_has_what_its_process_used_until_it_was_gone() -> None:
    status = {"phase": "cancelled", "startedAt": NOW.isoformat(), "finishedAt": NOW.isoformat()}
    patch = terminated_after_end(a_task(status), ProcessOutcome(signal=15, usage=USED), NOW)
    assert patch is not None
    assert patch["status"]["usage"] == USED.dump()


@pytest.mark.parametrize(
    "usage",
    [
        {"wallSeconds": -1, "cpuSeconds": 0, "peakMemoryBytes": 0},
        {"wallSeconds": "NaN", "cpuSeconds": 0, "peakMemoryBytes": 0},
        {"wallSeconds": 0, "cpuSeconds": 0, "peakMemoryBytes": 2**70},
    ],
)
def test_what_cannot_be_is_refused(usage: JsonObject) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(ResultOutcome).validate_python({"text": "{}", "usage": usage})
