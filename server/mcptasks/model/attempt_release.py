"""A warm task whose attempt is over and that may be tried again: its claim is given up. Pure.

The gateway does this when a worker tells how its process ended, the operator when the worker itself is gone.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from mcptasks.model.base import JsonObject
from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.excerpts import without_middle
from mcptasks.model.lifecycle import SCHEDULED, conditions, timestamp
from mcptasks.model.retry_rules import NextAttempt
from mcptasks.model.task import MAX_CONDITION_MESSAGE, MAX_STATUS_MESSAGE, Condition, McpTask, Phase, Reason

FIRST_PAUSE_SECONDS = 10.0
MAX_PAUSE_SECONDS = 360.0
"""The Job controller waits 10 s before the second attempt, then twice as long each time, at most this."""


def released(task: McpTask, cause: Diagnosis, following: NextAttempt, now: datetime) -> JsonObject:
    """The status fields with which the task waits for a worker again, after an attempt that failed for the cause."""
    attempts = task.status.attempts or 0
    used = (task.status.retries_used or 0) + (following is NextAttempt.RETRY)
    text = retry_text(task, attempts, cause)
    back_off = min(FIRST_PAUSE_SECONDS * 2 ** max(used - 1, 0), MAX_PAUSE_SECONDS)
    pause = 0.0 if following is NextAttempt.FREE else back_off
    return _waiting(task, Reason.RETRYING, text, now) | {
        "retriesUsed": used,
        "retryAfter": timestamp(now + timedelta(seconds=pause)),
    }


def seconds_to_wait(retry_after: datetime | None, now: datetime) -> float:
    """For how long the next attempt of a released task may not begin.

    What is further away than any pause was written by another clock, or this one has been set back: it is due.
    """
    seconds = 0.0 if retry_after is None else (retry_after - now).total_seconds()
    return 0.0 if seconds > MAX_PAUSE_SECONDS else max(seconds, 0.0)


def retry_text(task: McpTask, attempts: int, cause: Diagnosis) -> str:
    """What the status says between two attempts."""
    retries = task.spec.retries
    of = f" of at most {retries + 1}" if retries else ""
    return f"attempt {attempts}{of} failed ({cause.reason.value}): {cause.cause}; another one follows"


def given_back(task: McpTask, why: str, now: datetime) -> JsonObject:
    """The status fields with which the task waits for a worker again that has not been begun.

    The attempt still counts as one, though no retry is used up: its number must never mean another process.
    """
    return _waiting(task, Reason.PENDING, f"waits for another worker: {why}", now) | {"startedAt": None}


def _waiting(task: McpTask, reason: Reason, text: str, now: datetime) -> JsonObject:
    message = without_middle(text, MAX_STATUS_MESSAGE)
    shown = without_middle(text, MAX_CONDITION_MESSAGE)
    return {
        "phase": Phase.WORKING.value,
        "reason": reason.value,
        "message": message,
        "lastUpdatedAt": timestamp(now),
        "podName": None,
        "podUid": None,
        "nodeName": None,
        "inputRequests": None,
        "inputSince": None,
        "conditions": conditions(
            task, now, Condition(type=SCHEDULED, status="False", reason=reason.value, message=shown)
        ),
    }
