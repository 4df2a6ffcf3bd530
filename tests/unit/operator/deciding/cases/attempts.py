"""Cases of Jobs that have attempts left."""

from __future__ import annotations

from mcptasks.model.task import Reason
from mcptasks_operator.deciding.decisions import EndTask, ShowCause
from mcptasks_operator.deciding.evidence import Evidence
from mcptasks_operator.deciding.facts import Disruption, WarningEvent
from tests.unit.operator.builders import at, condition, make_job, make_pod, make_task
from tests.unit.operator.deciding.cases.case import CLAIMED, CLAIMED_TASK, NO_EVENTS, RETRY_SHOWN, Case, failed

CASES = [
    Case(
        "a retry is shown with its number",
        ShowCause,
        CLAIMED_TASK,
        make_job(backoff_limit=2),
        [failed(1, 3)],
        reason=Reason.RETRYING,
        says="attempt 1 of at most 3 failed (ExitCode): the process ended with exit code 3",
    ),
    Case(
        "once per attempt", None, make_task(status=RETRY_SHOWN), make_job(backoff_limit=2), [failed(1, 3)], requeue=3.0
    ),
    Case(
        "the next attempt's failure is shown again",
        ShowCause,
        make_task(status=RETRY_SHOWN),
        make_job(backoff_limit=2),
        [failed(1, 3), failed(2, 4)],
        says="attempt 2 of at most 3",
    ),
    Case(
        "an attempt that died before it claimed the task counts",
        ShowCause,
        make_task(),
        make_job(backoff_limit=1),
        [failed(1, 3)],
        says="attempt 1 of at most 2",
    ),
    Case(
        "the last attempt is no retry",
        None,
        make_task(status=RETRY_SHOWN),
        make_job(backoff_limit=1),
        [failed(1, 3), failed(2, 3)],
        requeue=15,
    ),
    Case("exit code 65 is no retry", None, CLAIMED_TASK, make_job(backoff_limit=2), [failed(1, 65)], requeue=15),
    Case(
        "a disruption is no retry",
        None,
        CLAIMED_TASK,
        make_job(backoff_limit=2),
        [failed(1, 143, disruption=Disruption("EvictionByEvictionAPI"))],
        requeue=15,
    ),
    Case(
        "but it is for an idempotent tool, even without retries",
        ShowCause,
        CLAIMED_TASK,
        make_job(retries_disruptions=True),
        [failed(1, 143, disruption=Disruption("EvictionByEvictionAPI"))],
        reason=Reason.RETRYING,
    ),
    Case(
        "the start deadline of a retry counts from its Pod",
        None,
        make_task(status=RETRY_SHOWN),
        make_job(backoff_limit=2),
        [failed(1, 3), make_pod(2, created_at=at(400))],
        now=401,
        requeue=2.0,
    ),
    Case(
        "a retry that gets no Pod ends the task in time",
        EndTask,
        make_task(status=RETRY_SHOWN),
        make_job(backoff_limit=2),
        [failed(1, 3)],
        now=10 + 10 + 301,
        evidence=NO_EVENTS,
        reason=Reason.START_DEADLINE_EXCEEDED,
    ),
    Case(
        "what keeps a retry from starting replaces the word of the retry",
        ShowCause,
        make_task(status=RETRY_SHOWN),
        make_job(backoff_limit=2),
        [failed(1, 3)],
        now=40,
        evidence=Evidence(warnings=(WarningEvent("FailedCreate", "exceeded quota"),)),
        reason=Reason.PENDING,
    ),
    Case(
        "and is then left standing",
        None,
        make_task(
            status={
                **RETRY_SHOWN,
                "reason": "Pending",
                "conditions": [condition("Scheduled", "False", "QuotaExceeded")],
            }
        ),
        make_job(backoff_limit=2),
        [failed(1, 3)],
        now=40,
        evidence=Evidence(warnings=(WarningEvent("FailedCreate", "exceeded quota"),)),
        requeue=15,
    ),
    Case(
        "Pods that went before this operator came: the wait counts from its start",
        None,
        make_task(status=CLAIMED),
        make_job(),
        now=5000,
        evidence=Evidence(watching_since=at(4999)),
        requeue=2.0,
    ),
]
