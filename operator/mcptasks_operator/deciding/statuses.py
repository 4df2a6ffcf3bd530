"""Status patches of the operator, as pure functions of the task and a step that was decided."""

from __future__ import annotations

from datetime import datetime

from mcptasks.model.base import JsonObject
from mcptasks.model.excerpts import without_middle
from mcptasks.model.lifecycle import PODS_TERMINATED, SCHEDULED, conditions, end, timestamp
from mcptasks.model.task import MAX_CONDITION_MESSAGE, Condition, McpTask, Phase, Reason
from mcptasks_operator.deciding.decisions import (
    AdmitTask,
    EndTask,
    MarkTerminated,
    ReleaseClaim,
    ShowCause,
    StatusWrite,
)
from mcptasks_operator.deciding.policy import Policy


def patch_for(task: McpTask, write: StatusWrite, now: datetime, policy: Policy) -> JsonObject:
    """The merge patch that carries out the step."""
    match write:
        case EndTask():
            status = _end(task, write, now, policy)
        case ShowCause():
            status = _show_cause(task, write, now)
        case ReleaseClaim():
            status = _release_claim(task, write, now)
        case AdmitTask():
            status = {"admittedAt": timestamp(now), "tasksAhead": None}
        case MarkTerminated():
            status = {"conditions": conditions(task, now, _terminated(write.reason, write.message))}
    return {"status": status | _observed(task)}


def _observed(task: McpTask) -> JsonObject:
    generation = task.metadata.generation
    return {} if generation is None else {"observedGeneration": generation}


def _terminated(reason: str, message: str) -> Condition:
    return Condition(type=PODS_TERMINATED, status="True", reason=reason, message=message)


def _end(task: McpTask, write: EndTask, now: datetime, policy: Policy) -> JsonObject:
    status: JsonObject = end(task, write.ending, now, policy.retention(write.ending.phase))["status"]
    if write.attempts is not None:
        status["attempts"] = write.attempts
    if write.terminated is not None:
        known = [Condition.model_validate(condition) for condition in status["conditions"]]
        reason = "NoProcess" if task.status.started_at is None else "JobFinished"
        ended = task.model_copy(update={"status": task.status.model_copy(update={"conditions": known})})
        status["conditions"] = conditions(ended, now, _terminated(reason, write.terminated))
    return status


def _release_claim(task: McpTask, write: ReleaseClaim, now: datetime) -> JsonObject:
    message = without_middle(write.message, MAX_CONDITION_MESSAGE)
    return {
        "phase": Phase.WORKING.value,
        "reason": Reason.RETRYING.value,
        "message": write.message,
        "lastUpdatedAt": timestamp(now),
        "podName": None,
        "podUid": None,
        "nodeName": None,
        "progress": None,
        "inputRequests": None,
        "inputSince": None,
        "retryAfter": timestamp(write.retry_after),
        "retriesUsed": (task.status.retries_used or 0) + write.uses_retry,
        "conditions": conditions(
            task, now, Condition(type=SCHEDULED, status="False", reason=Reason.RETRYING.value, message=message)
        ),
    }


def _show_cause(task: McpTask, write: ShowCause, now: datetime) -> JsonObject:
    status: JsonObject = {
        "reason": write.reason.value,
        "message": write.message,
        "lastUpdatedAt": timestamp(now),
        "conditions": conditions(
            task,
            now,
            Condition(
                type=SCHEDULED,
                status="False",
                reason=write.cause,
                message=without_middle(write.message, MAX_CONDITION_MESSAGE),
            ),
        ),
    }
    if task.phase is Phase.INPUT_REQUIRED:
        # The process that has asked is gone, and the next attempt will ask again.
        status |= {"inputRequests": None, "inputSince": None}
    if task.status.phase is None or task.phase is Phase.INPUT_REQUIRED:
        status["phase"] = Phase.WORKING.value
    if write.attempts is not None:
        status["attempts"] = write.attempts
    if write.tasks_ahead != task.status.tasks_ahead:
        status["tasksAhead"] = write.tasks_ahead
    return status
