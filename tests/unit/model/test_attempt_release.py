"""What a task's status says between two attempts of workers."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from mcptasks.model.attempt_release import given_back, released
from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.retry_rules import NextAttempt
from mcptasks.model.task import Reason
from tests.unit.gateway.builders import NOW, a_task

CAUSE = Diagnosis(Reason.EXIT_CODE, "the process ended with exit code 1", "a hint")
RUNNING = {"executor": "Warm", "podName": "w", "podUid": "w1", "nodeName": "n", "phase": "input_required"}


def test_the_claim_is_given_up_and_the_status_says_why() -> None:
    status = released(a_task(RUNNING | {"attempts": 1}, retries=2), CAUSE, NextAttempt.RETRY, NOW)
    assert (status["podUid"], status["podName"], status["nodeName"]) == (None, None, None)
    assert (status["phase"], status["reason"], status["retriesUsed"]) == ("working", "Retrying", 1)
    assert (status["inputRequests"], status["inputSince"]) == (None, None)
    said = "attempt 1 of at most 3 failed (ExitCode): the process ended with exit code 1; another one follows"
    assert status["message"] == said
    scheduled = next(c for c in status["conditions"] if c["type"] == "Scheduled")
    assert (scheduled["status"], scheduled["reason"]) == ("False", "Retrying")


@pytest.mark.parametrize(("used", "seconds"), [(0, 10), (1, 20), (2, 40), (9, 360)])
def test_each_retry_waits_twice_as_long_as_the_one_before(used: int, seconds: float) -> None:
    task = a_task(RUNNING | {"attempts": used + 1, "retriesUsed": used}, retries=20)
    after = released(task, CAUSE, NextAttempt.RETRY, NOW)["retryAfter"]
    assert datetime.fromisoformat(after) - NOW == timedelta(seconds=seconds)


def test_an_attempt_that_uses_up_no_retry_follows_at_once() -> None:
    status = released(a_task(RUNNING | {"attempts": 1}, idempotent=True), CAUSE, NextAttempt.FREE, NOW)
    assert (status["retriesUsed"], datetime.fromisoformat(status["retryAfter"])) == (0, NOW)


def test_what_is_given_back_waits_as_before_under_a_new_number() -> None:
    status = given_back(a_task(RUNNING | {"attempts": 1}), "its worker ends", NOW)
    assert (status["podUid"], status["reason"], status["startedAt"]) == (None, "Pending", None)
    assert "attempts" not in status
    assert "retriesUsed" not in status
