"""Why an attempt of a worker ended, and what its task's status says of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mcptasks.gateway.contract import ProcessOutcome
from mcptasks.gateway.worker_ends import ReportingWorker, attempt_end, diagnosis, terminated_after_end
from mcptasks.model.lifecycle import timestamp
from mcptasks.model.process_failures import Limit
from mcptasks.model.retry_rules import AttemptEnd
from mcptasks.model.task import LogRecord
from tests.unit.gateway.builders import NOW, a_task

WORKER = ReportingWorker("warm-w-1", "node-1", "warm", memory_limit="64Mi")
EVICTED = ReportingWorker("warm-w-1", "node-1", "warm", disruption=("EvictionByEvictionAPI", "drained"))
DELETED = ReportingWorker("warm-w-1", "node-1", "warm", template_deleted=True)
LIMIT = Limit(30, "spec.timeoutSeconds of the task")


@pytest.mark.parametrize(
    ("process", "worker", "reason", "code", "says"),
    [
        ({"exit_code": 0}, WORKER, "ResultMissing", 0, "exit code 0 but delivered no result"),
        ({"exit_code": 7}, WORKER, "ExitCode", 7, "exit code 7"),
        ({"exit_code": 139}, WORKER, "KilledBySignal", 139, "SIGSEGV"),
        ({"signal": 6}, WORKER, "KilledBySignal", 134, "SIGABRT"),
        ({"signal": 9, "oom_killed": True}, WORKER, "OOMKilled", 137, "limit of 64Mi"),
        ({"signal": 9, "deadline_exceeded": True}, WORKER, "DeadlineExceeded", None, "longer than 30 s, counted from"),
        ({"signal": 15, "worker_stopped": True}, WORKER, "Preempted", None, "Pod warm-w-1 was taken away"),
        ({"signal": 15, "worker_stopped": True}, DELETED, "Preempted", None, "McpTaskTemplate warm was deleted"),
        ({"signal": 15, "worker_stopped": True}, EVICTED, "Evicted", None, "was evicted, as when a node is drained"),
        ({"message": "it could not be forked"}, WORKER, "ResultMissing", None, "it could not be forked"),
        ({"signal": 64}, WORKER, "KilledBySignal", 192, "SIGRTMAX"),
    ],
)
def test_the_reason_is_that_of_a_pod_of_its_own(
    process: dict[str, Any], worker: ReportingWorker, reason: str, code: int | None, says: str
) -> None:
    found = diagnosis(ProcessOutcome(**process), worker, LIMIT, 1)
    assert (found.reason.value, found.exit_code) == (reason, code)
    assert says in found.message


def test_the_last_of_several_attempts_is_named() -> None:
    assert "(attempt 3, the last one)" in diagnosis(ProcessOutcome(exit_code=1), WORKER, LIMIT, 3).message


@pytest.mark.parametrize(
    ("process", "worker", "end"),
    [
        ({"exit_code": 1}, WORKER, AttemptEnd.CRASHED),
        ({"signal": 9, "oom_killed": True}, EVICTED, AttemptEnd.CRASHED),
        ({"signal": 15, "worker_stopped": True}, WORKER, AttemptEnd.REMOVED),
        ({"signal": 15, "worker_stopped": True}, EVICTED, AttemptEnd.DISRUPTED),
    ],
)
def test_only_a_worker_that_was_taken_away_makes_it_no_crash(
    process: dict[str, Any], worker: ReportingWorker, end: AttemptEnd
) -> None:
    assert attempt_end(ProcessOutcome(**process), worker) is end


def test_that_the_processes_of_a_cancelled_task_are_gone_is_written_once_with_the_time_that_it_took() -> None:
    finished = timestamp(NOW - timedelta(seconds=2))
    status = {"phase": "cancelled", "finishedAt": finished, "podUid": "w", "attempts": 1}
    patch = terminated_after_end(a_task(status), ProcessOutcome(signal=15), NOW, LogRecord(text="bye", attempt=1))
    assert patch is not None
    gone = next(c for c in patch["status"]["conditions"] if c["type"] == "PodsTerminated")
    assert (gone["status"], gone["message"]) == ("True", "terminated 2.0 s after the cancel")
    assert patch["status"]["log"] == {"text": "bye", "attempt": 1, "gzip": None, "cut": None, "stored": None}
    known = a_task(status | {"conditions": patch["status"]["conditions"]})
    assert terminated_after_end(known, ProcessOutcome(signal=15), NOW) is None
