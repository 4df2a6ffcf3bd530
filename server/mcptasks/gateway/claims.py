"""Which Pod runs a task, and what its assignment says: pure decisions about one version of a task.

Each attempt of a task is one Pod. The Pod that fetches the assignment claims the attempt: its uid goes into the
status, and from then on no other Pod's reports count. Another one takes the task over when that one is finished or
gone, and the task's own rules allow another attempt; where they do not, the task ends. So no tool runs a second time
unasked, whatever made the second Pod.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mcptasks.gateway.contract import Assignment, RefusalCode
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.refusals import RefusedError, unavailable
from mcptasks.gateway.task_arguments import arguments_text
from mcptasks.model.attempt_release import seconds_to_wait
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import SCHEDULED, SUCCEEDED, Ending, Retention, conditions, end, timestamp
from mcptasks.model.restored import is_restored
from mcptasks.model.retry_rules import PREEMPTED_HINT, AttemptEnd, NextAttempt, next_attempt
from mcptasks.model.task import Condition, McpTask, Phase, Reason, Request
from mcptasks.model.task_template import Executor


class RivalChangedError(Exception):
    """Another Pod claimed the task since its rival was looked at; look again."""


@dataclass(frozen=True)
class Rival:
    """The Pod that has claimed the task: its uid, and its facts unless it is gone."""

    uid: str
    pod: TaskPod | None = None


@dataclass(frozen=True)
class AssignmentTerms:
    """What the assignments of all tasks have in common."""

    module: str | None
    timeout_seconds: int
    progress_interval_seconds: float
    max_result_bytes: int
    max_log_bytes: int = 0
    show_exceptions: bool = False


def refuse_foreign_and_ended(task: McpTask, pod: TaskPod) -> None:
    """Raises RefusedError where the Pod has nothing left to do: its task is deleted, ended or being cancelled."""
    if task.uid != pod.task_uid or task.metadata.deletion_timestamp is not None:
        raise RefusedError(RefusalCode.TASK_GONE, f"task {pod.task_name} has been deleted")
    if task.terminal:
        raise RefusedError(RefusalCode.TASK_ENDED, f"task {task.name} has ended: {task.phase}")
    if task.spec.cancel:
        raise RefusedError(RefusalCode.TASK_ENDED, f"task {task.name} is being cancelled")


def refuse_others(task: McpTask, pod: TaskPod) -> None:
    """Raises RefusedError where the Pod is not the one that has claimed the task."""
    if task.status.pod_uid is None:
        raise RefusedError(RefusalCode.SUPERSEDED, f"Pod {pod.name} has not fetched its assignment")
    if task.status.pod_uid != pod.uid:
        raise RefusedError(
            RefusalCode.SUPERSEDED, f"Pod {task.status.pod_name} has taken task {task.name} over from Pod {pod.name}"
        )
    if pod.attempt is not None and pod.attempt != task.status.attempts:
        message = f"attempt {pod.attempt} of task {task.name} is over: it is in attempt {task.status.attempts}"
        raise RefusedError(RefusalCode.SUPERSEDED, message)


def refuse_unless_runs(task: McpTask, pod: TaskPod) -> None:
    """Raises RefusedError unless the task goes on and the Pod is the one that runs it."""
    refuse_foreign_and_ended(task, pod)
    refuse_others(task, pod)


def claim(task: McpTask, pod: TaskPod, rival: Rival | None, now: datetime, retention: Retention) -> JsonObject | None:
    """The status patch with which the Pod claims the task; None where it has it already.

    Where the rival's attempt was the last one that the task's rules allow, the patch ends the task.

    Raises:
        RefusedError: the task has ended, or belongs to a newer Pod.
        RivalChangedError: `rival` is not the Pod that has the task, or a worker's attempt has failed meanwhile and the
            next one has to wait.
    """
    refuse_foreign_and_ended(task, pod)
    holder = task.status.pod_uid
    if holder == pod.uid:
        return None
    if holder is None and is_restored(task):
        raise RefusedError(RefusalCode.TASK_ENDED, f"task {task.name} was restored: its tool may have run before")
    if holder is None and task.waits_for_place:
        raise unavailable(f"task {task.name} waits its turn: a limit on how many run at a time is reached")
    if holder is None:
        if pod.is_workers and seconds_to_wait(task.status.retry_after, now) > 0:
            raise RivalChangedError
        return {"status": _claimed(task, pod, now)}
    if rival is None or rival.uid != holder:
        raise RivalChangedError
    _refuse_beside(pod, rival.pod)
    following = next_attempt(task, _attempt_end(rival.pod), retries_disruptions=pod.retries_disruptions)
    if following is NextAttempt.REFUSED:
        return end(task, _no_other_attempt(task, pod, rival.pod), now, retention)
    used = (task.status.retries_used or 0) + (following is NextAttempt.RETRY)
    return {"status": _claimed(task, pod, now) | {"retriesUsed": used}}


def _refuse_beside(pod: TaskPod, rival: TaskPod | None) -> None:
    """A Pod takes over from one that is finished or gone, and never from a newer one.

    The Job controller makes a Pod only when the one before is finished (podReplacementPolicy, KEP-3939). Where it has
    lost count, as when the API server dies while it makes one, there are two until it deletes the newer: that one has
    to wait, or the tool would run twice.
    """
    if rival is None:
        return
    if pod.created_at < rival.created_at:
        raise RefusedError(RefusalCode.SUPERSEDED, f"the newer Pod {rival.name} has taken over from Pod {pod.name}")
    if not rival.finished:
        raise unavailable(f"Pod {rival.name} still runs the task")


def _attempt_end(rival: TaskPod | None) -> AttemptEnd:
    """How the attempt ended whose Pod is finished, or gone."""
    if rival is None:
        return AttemptEnd.REMOVED
    if rival.disrupted:
        return AttemptEnd.DISRUPTED
    return AttemptEnd.REMOVED if rival.deleting else AttemptEnd.CRASHED


def _no_other_attempt(task: McpTask, pod: TaskPod, rival: TaskPod | None) -> Ending:
    """How the task ends when a Pod asks for it that its rules do not allow.

    The operator ends such a task with more details, if it sees the end of the attempt before another Pod asks.
    """
    name = task.status.pod_name or "of the attempt before"
    refused = f"Pod {pod.name}, which was made in its place, was not given the task"
    if _attempt_end(rival) is AttemptEnd.CRASHED:
        message = (
            f"the process in Pod {name} ended and delivered no result; {refused}, because its retries "
            f"({task.spec.retries}) are used up. Look at the Pod's log, and call the tool again"
        )
        return Ending(Phase.FAILED, Reason.EXIT_CODE, message)
    message = (
        f"Pod {name} was taken away while it ran the tool (evicted, deleted, or its Job was suspended); {refused}, "
        f"because the tool would run a second time. {PREEMPTED_HINT}"
    )
    return Ending(Phase.FAILED, Reason.PREEMPTED, message)


def _claimed(task: McpTask, pod: TaskPod, now: datetime) -> JsonObject:
    return {
        "phase": Phase.WORKING.value,
        "reason": Reason.RUNNING.value,
        "message": None,
        "progress": None,
        "inputRequests": None,
        "inputSince": None,
        "inputWaitMs": None,
        "startedAt": timestamp(now),
        "lastUpdatedAt": timestamp(now),
        **({"tasksAhead": None} if task.status.tasks_ahead is not None else {}),
        **_claimant(task, pod),
        "jobName": pod.task_name,
        "podName": pod.name,
        "podUid": pod.uid,
        "nodeName": pod.node_name,
        "attempts": (task.status.attempts or 0) + 1,
        "conditions": conditions(
            task,
            now,
            Condition(type=SUCCEEDED, status="Unknown", reason=Reason.RUNNING.value),
            Condition(type=SCHEDULED, status="True", reason=Reason.RUNNING.value),
        ),
    }


def _claimant(task: McpTask, pod: TaskPod) -> JsonObject:
    """What kind of a Pod runs the task. One that a worker has had before may have a Pod of its own now."""
    if pod.is_workers:
        return {"executor": Executor.WARM.value, "retryAfter": None}
    return {} if task.status.executor is None else {"executor": Executor.JOB.value, "retryAfter": None}


def assignment(task: McpTask, pod: TaskPod, terms: AssignmentTerms) -> Assignment:
    """The assignment of the task to the Pod. Raises InvalidArgumentsError."""
    return Assignment(
        task_id=task.name,
        namespace=task.namespace,
        uid=task.uid,
        attempt=task.status.attempts or 1,
        server=task.spec.server,
        component=task.spec.component,
        arguments_text=arguments_text(task),
        request=task.spec.request or Request(),
        principal=task.spec.principal,
        trace_context=task.spec.trace_context,
        module=terms.module,
        timeout_seconds=pod.deadline_seconds or task.spec.timeout_seconds or terms.timeout_seconds,
        progress_interval_seconds=terms.progress_interval_seconds,
        max_result_bytes=terms.max_result_bytes,
        max_log_bytes=terms.max_log_bytes,
        show_exceptions=terms.show_exceptions,
    )
