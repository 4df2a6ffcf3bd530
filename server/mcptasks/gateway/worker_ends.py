"""How an attempt ended whose worker says so: pure. The words are those of all tasks (`model.process_failures`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from mcptasks.gateway.attempt_usage import usage_field
from mcptasks.gateway.contract import ProcessOutcome, WorkerOutcome
from mcptasks.model import process_failures
from mcptasks.model.base import JsonObject
from mcptasks.model.diagnosis import Diagnosis, log_tail
from mcptasks.model.lifecycle import PODS_TERMINATED, Ending, conditions
from mcptasks.model.log_records import log_field
from mcptasks.model.process_failures import Limit
from mcptasks.model.retry_rules import AttemptEnd
from mcptasks.model.task import Condition, LogRecord, McpTask, Phase, Reason

LOG_LINES = 20
"""How many of the last lines a failure's message shows."""

TERMINATED_REASON = "WorkerReported"


@dataclass(frozen=True)
class ReportingWorker:
    """What is known of a worker besides its own words. `disruption`: reason and message of its DisruptionTarget."""

    pod_name: str
    node_name: str | None
    template: str
    memory_limit: str | None = None
    disruption: tuple[str, str] | None = None
    template_deleted: bool = False


def attempt_end(outcome: ProcessOutcome, worker: ReportingWorker) -> AttemptEnd:
    """What kind of an end it was, by which the task's rules say whether another attempt may follow."""
    if not outcome.worker_stopped:
        return AttemptEnd.CRASHED
    return AttemptEnd.REMOVED if worker.disruption is None else AttemptEnd.DISRUPTED


def diagnosis(outcome: ProcessOutcome, worker: ReportingWorker, limit: Limit, attempts: int) -> Diagnosis:
    """Why the process ended without an answer."""
    found = _diagnosis(outcome, worker, limit)
    return replace(found, cause=f"{found.cause}{process_failures.attempt_suffix(attempts)}")


def _diagnosis(outcome: ProcessOutcome, worker: ReportingWorker, limit: Limit) -> Diagnosis:
    code = outcome.exit_code
    number = outcome.signal or (0 if code is None else process_failures.signal_of(code))
    if outcome.oom_killed:
        return process_failures.out_of_memory(
            worker.memory_limit, worker.template, code or process_failures.exit_code_of(9)
        )
    if outcome.deadline_exceeded:
        return process_failures.deadline_exceeded(limit, "its start")
    if outcome.worker_stopped:
        return _taken_away(worker, code)
    by_signal = process_failures.ended_by_signal(number, code or process_failures.exit_code_of(number))
    if by_signal is not None:
        return by_signal
    if code is not None:
        return process_failures.exited(code)
    return Diagnosis(Reason.RESULT_MISSING, f"the process delivered no result: {outcome.message or 'no details'}")


def _taken_away(worker: ReportingWorker, code: int | None) -> Diagnosis:
    if worker.disruption is not None:
        reason, message = worker.disruption
        return process_failures.disrupted(worker.pod_name, reason, worker.node_name, message or reason)
    if worker.template_deleted:
        why = f": McpTaskTemplate {worker.template} was deleted, and its workers with it"
        return process_failures.taken_away(worker.pod_name, why, code)
    return process_failures.taken_away(worker.pod_name, ": it was deleted, or its node shuts down", code)


def last_lines(printed: str | None) -> list[str]:
    """The last lines of an attempt's output."""
    return (printed or "").splitlines()[-LOG_LINES:]


def ended_with_worker(
    task: McpTask, patch: JsonObject, outcome: WorkerOutcome, now: datetime, log: LogRecord | None = None
) -> JsonObject:
    """The status patch that ends the task, with what a worker knows at that time: no process is left, and the log."""
    ended = task.model_copy(
        update={"status": task.status.model_copy(update={"conditions": _conditions(patch["status"])})}
    )
    return {"status": patch["status"] | worker_fields(ended, outcome, now, "terminated 0.0 s after the end", log)}


def terminated_after_end(
    task: McpTask, outcome: WorkerOutcome, now: datetime, log: LogRecord | None = None
) -> JsonObject | None:
    """The status patch for a task that was over before its processes were; None where that is known already."""
    known = task.status.condition(PODS_TERMINATED)
    if known is not None and known.status == "True":
        return None
    took = max((now - (task.status.finished_at or now)).total_seconds(), 0.0)
    after = "cancel" if task.phase is Phase.CANCELLED else "end"
    return {"status": worker_fields(task, outcome, now, f"terminated {took:.1f} s after the {after}", log)}


def worker_fields(
    task: McpTask, outcome: WorkerOutcome, now: datetime, terminated: str, log: LogRecord | None = None
) -> JsonObject:
    """Status fields that say that no process is left, and what the attempt has printed."""
    gone = Condition(type=PODS_TERMINATED, status="True", reason=TERMINATED_REASON, message=terminated)
    fields: JsonObject = {"conditions": conditions(task, now, gone)}
    return fields | attempt_fields(task, outcome, log)


def attempt_fields(task: McpTask, outcome: WorkerOutcome, log: LogRecord | None) -> JsonObject:
    """The status fields with what the attempt has printed and used."""
    return ({} if log is None else log_field(log)) | usage_field(task, outcome)


def process_ending(cause: Diagnosis, printed: str | None) -> Ending:
    """How a task ends whose last attempt has ended for this cause."""
    shown = log_tail(last_lines(printed))
    return Ending(Phase.FAILED, cause.reason, cause.message, exit_code=cause.exit_code, log_tail=shown)


def _conditions(status: JsonObject) -> list[Condition]:
    return [Condition.model_validate(condition) for condition in status["conditions"]]
