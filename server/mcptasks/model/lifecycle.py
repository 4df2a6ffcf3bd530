"""The rules of a task's life as pure functions: how it ends, when it expires, what its conditions say.

Server, gateway and operator all write statuses with these, so that a task looks the same whoever ended it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from mcptasks.model.base import JsonObject
from mcptasks.model.excerpts import without_middle, without_start
from mcptasks.model.task import (
    MAX_CONDITION_MESSAGE,
    MAX_LOG_TAIL,
    MAX_STATUS_MESSAGE,
    Condition,
    McpTask,
    Phase,
    Reason,
    ResultRecord,
    TaskError,
    TaskProgress,
)

SUCCEEDED = "Succeeded"
SCHEDULED = "Scheduled"
RESULT_RECORDED = "ResultRecorded"
PODS_TERMINATED = "PodsTerminated"


@dataclass(frozen=True)
class Retention:
    """How long tasks can be read, in milliseconds and seconds.

    `ttl_ms` counts from creation and holds where the task's spec has none; `floor_seconds` counts from the end and
    holds where the task outlived its ttl.
    """

    ttl_ms: int
    floor_seconds: float


@dataclass(frozen=True)
class Ending:
    """How a task ends.

    Callers see `message`. `detail` and `log_tail` are only for those who may read the object: the first is in its
    `Succeeded` condition.
    """

    phase: Phase
    reason: Reason
    message: str
    result: ResultRecord | None = None
    error: TaskError | None = None
    exit_code: int | None = None
    detail: str | None = None
    log_tail: str | None = None

    @property
    def explanation(self) -> str:
        """Message and detail."""
        known = self.detail is None or self.detail in self.message
        return self.message if known else f"{self.message}\n{self.detail}"


def utc_now() -> datetime:
    """The current time, in UTC: what callers pass in as `now`. Nothing in the model calls it."""
    return datetime.now(UTC)


def created_at(task: McpTask) -> datetime:
    """When the API server stored the task."""
    if task.metadata.creation_timestamp is None:
        raise ValueError(f"task {task.name} was never stored: it has no creationTimestamp")
    return task.metadata.creation_timestamp


def expiry(task: McpTask, finished: datetime, retention: Retention) -> datetime:
    """When a task that ended at `finished` is removed: at its ttl, but never before the floor has passed."""
    agreed = created_at(task) + timedelta(milliseconds=_agreed_ttl_ms(task, retention))
    return max(agreed, finished + timedelta(seconds=retention.floor_seconds))


def log_expiry(task: McpTask, now: datetime, retention: Retention) -> datetime:
    """When what is kept of an attempt's log is removed: with its task, as if that ended now if it has not ended."""
    return task.status.expires_at or expiry(task, now, retention)


def _agreed_ttl_ms(task: McpTask, retention: Retention) -> int:
    return retention.ttl_ms if task.spec.ttl_ms is None else task.spec.ttl_ms


def reported_ttl_ms(task: McpTask, now: datetime, retention: Retention) -> int:
    """The ttl that is true at this moment, in milliseconds from creation.

    A task that has ended has its final one. One that still runs has what was agreed, or, where it has outlived that,
    what it would have if it ended now.
    """
    expires = task.status.expires_at or expiry(task, task.status.finished_at or now, retention)
    if not task.terminal:
        agreed = _agreed_ttl_ms(task, retention)
        if created_at(task) + timedelta(milliseconds=agreed) > now:
            return agreed
    return round((expires - created_at(task)) / timedelta(milliseconds=1))


def pods_are_gone(task: McpTask) -> bool:
    """Whether the operator has recorded that no process of the task is left."""
    condition = task.status.condition(PODS_TERMINATED)
    return condition is not None and condition.status == "True"


def seconds_until_pods_gone(task: McpTask) -> float | None:
    """Seconds from the task's end until its last Pod was gone; None where one of the two is not known."""
    condition = task.status.condition(PODS_TERMINATED)
    gone = None if condition is None else condition.last_transition_time
    if gone is None or task.status.finished_at is None:
        return None
    return max((gone - task.status.finished_at).total_seconds(), 0.0)


def end(
    task: McpTask, ending: Ending, now: datetime, retention: Retention, last_progress: TaskProgress | None = None
) -> JsonObject:
    """The status patch (JSON merge patch) that ends the task. Only valid against the version of the task given.

    `last_progress` is what the tool said last, where the task's status may not have it yet.
    """
    progress = final_progress(last_progress or task.status.progress, ending.phase)
    succeeded: Literal["True", "False"] = "True" if ending.phase is Phase.COMPLETED else "False"
    recorded: Literal["True", "False"] = "True" if ending.result or ending.error else "False"
    explanation = without_middle(ending.explanation, MAX_CONDITION_MESSAGE)
    status: JsonObject = {
        "phase": ending.phase.value,
        "reason": ending.reason.value,
        "message": without_middle(ending.message, MAX_STATUS_MESSAGE),
        "lastUpdatedAt": timestamp(now),
        "finishedAt": timestamp(now),
        "expiresAt": timestamp(expiry(task, now, retention)),
        "inputRequests": None,
        "inputSince": None,
        "conditions": conditions(
            task,
            now,
            Condition(type=SUCCEEDED, status=succeeded, reason=ending.reason.value, message=explanation),
            Condition(type=RESULT_RECORDED, status=recorded, reason=ending.reason.value),
        ),
    }
    if task.status.tasks_ahead is not None:
        status["tasksAhead"] = None
    if progress is not None and progress != task.status.progress:
        status["progress"] = progress.model_dump(mode="json", by_alias=True)
    if ending.result is not None:
        status["result"] = ending.result.dump()
    if ending.error is not None:
        status["error"] = ending.error.dump()
    if ending.exit_code is not None:
        status["exitCode"] = ending.exit_code
    if ending.log_tail is not None:
        status["logTail"] = without_start(ending.log_tail, MAX_LOG_TAIL)
    return {"status": status}


def final_progress(last: TaskProgress | None, phase: Phase) -> TaskProgress | None:
    """Progress of a task that has ended in the phase.

    A completed task is shown as done, even where the tool's last report says less: it may report each step when it
    begins, or find what it looks for halfway. The numbers stay those of the tool.
    """
    if last is None or phase is not Phase.COMPLETED or not last.total or last.current == last.total:
        return last
    return last.model_copy(update={"display": "100%"})


def conditions(task: McpTask, now: datetime, *changed: Condition) -> list[JsonObject]:
    """All conditions of the task with the given ones set; the transition time moves only with the status."""
    by_type = {condition.type: condition for condition in task.status.conditions or ()}
    for condition in changed:
        before = by_type.get(condition.type)
        since = before.last_transition_time if before and before.status == condition.status else now
        by_type[condition.type] = condition.model_copy(
            update={"last_transition_time": since or now, "observed_generation": task.metadata.generation}
        )
    return [_condition(condition) for condition in _in_order(by_type.values())]


_ORDER = (SUCCEEDED, SCHEDULED, RESULT_RECORDED, PODS_TERMINATED)


def _in_order(items: Iterable[Condition]) -> list[Condition]:
    return sorted(items, key=lambda c: _ORDER.index(c.type) if c.type in _ORDER else len(_ORDER))


def _condition(condition: Condition) -> JsonObject:
    dumped = condition.dump()
    if condition.last_transition_time is not None:
        dumped["lastTransitionTime"] = timestamp(condition.last_transition_time)
    return dumped


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as every status has it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
