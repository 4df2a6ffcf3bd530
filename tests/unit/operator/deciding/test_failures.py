"""Why Pods failed, from the facts of Pods and Jobs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcptasks.model.task import Reason
from mcptasks_operator.deciding.failures import diagnose_failure
from mcptasks_operator.deciding.object_facts import ContainerFacts, Disruption, PodFacts, TerminatedState, WaitingState
from tests.unit.operator.builders import POLICY, at, exited, make_job, make_pod

FAILED = make_job(done="Failed", finished=12, reason="BackoffLimitExceeded")
COMPLETE = make_job(done="Complete", finished=12)


def pod_with(state: TerminatedState, **facts: object) -> PodFacts:
    return make_pod(1, state, **facts)


@pytest.mark.parametrize(
    ("pod", "reason", "says"),
    [
        (pod_with(exited(1)), Reason.EXIT_CODE, "exit code 1"),
        (pod_with(exited(65)), Reason.EXIT_CODE, "exit code 65"),
        (pod_with(exited(75)), Reason.GATEWAY_UNREACHABLE, "gateway"),
        (pod_with(exited(137)), Reason.KILLED_BY_SIGNAL, "SIGKILL"),
        (pod_with(exited(139)), Reason.KILLED_BY_SIGNAL, "SIGSEGV"),
        (pod_with(exited(143)), Reason.KILLED_BY_SIGNAL, "SIGTERM"),
        (pod_with(exited(1, signal=6)), Reason.KILLED_BY_SIGNAL, "SIGABRT"),
        (pod_with(exited(255)), Reason.EXIT_CODE, "exit code 255"),
        (pod_with(exited(143), deletion_due=at(40)), Reason.KILLED_BY_SIGNAL, "its Pod was deleted"),
        (pod_with(exited(137, "OOMKilled")), Reason.OOM_KILLED, "more memory than its limit"),
        (
            pod_with(exited(128, "StartError", message="exec: no such file")),
            Reason.CONTAINER_CANNOT_RUN,
            "no such file",
        ),
        (pod_with(exited(127, "ContainerCannotRun")), Reason.CONTAINER_CANNOT_RUN, "cannot be started"),
        (pod_with(exited(137, "ContainerStatusUnknown"), node="n1"), Reason.NODE_LOST, "n1"),
        (pod_with(exited(137), reason="DeadlineExceeded"), Reason.DEADLINE_EXCEEDED, "longer than 3600 s"),
        (pod_with(exited(75), reason="DeadlineExceeded"), Reason.GATEWAY_UNREACHABLE, "could not reach"),
        (pod_with(exited(137), reason="Evicted", message="low on memory"), Reason.EVICTED, "low on memory"),
        (make_pod(reason="NodeLost", phase="Failed"), Reason.NODE_LOST, "lost with its node"),
        (make_pod(reason="Terminated", phase="Failed"), Reason.EVICTED, "shuts down"),
        (make_pod(reason="OutOfcpu", phase="Failed", node="n1"), Reason.POD_REJECTED, "n1 refused"),
        (make_pod(reason="UnexpectedAdmissionError", phase="Failed"), Reason.POD_REJECTED, "refused"),
        (make_pod(phase="Failed"), Reason.RESULT_MISSING, "BackoffLimitExceeded"),
        *(
            (pod_with(exited(143), disruption=Disruption(cause)), reason, "Pod report-abc-1")
            for cause, reason in [
                ("PreemptionByScheduler", Reason.EVICTED),
                ("DeletionByTaintManager", Reason.NODE_LOST),
                ("DeletionByPodGC", Reason.NODE_LOST),
                ("EvictionByEvictionAPI", Reason.EVICTED),
                ("TerminationByKubelet", Reason.EVICTED),
                ("SomethingNew", Reason.EVICTED),
            ]
        ),
    ],
)
def test_why_a_pod_failed(pod: PodFacts, reason: Reason, says: str) -> None:
    found = diagnose_failure(FAILED, pod, POLICY, 1)
    assert found.reason is reason
    assert says in found.cause


def test_a_pod_that_succeeded_without_an_outcome_has_no_result() -> None:
    found = diagnose_failure(COMPLETE, pod_with(exited(0, "Completed")), POLICY, 1)
    assert (found.reason, found.exit_code) == (Reason.RESULT_MISSING, 0)


def test_a_sidecar_that_is_ended_with_a_good_pod_is_not_to_blame() -> None:
    sidecar = ContainerFacts("proxy", exited(143))
    pod = pod_with(exited(0, "Completed"), others=(sidecar,))
    assert diagnose_failure(COMPLETE, pod, POLICY, 1).exit_code == 0


def test_an_init_container_that_failed_is_named() -> None:
    init = ContainerFacts("fetch", exited(4), init=True)
    pod = make_pod(1, WaitingState("PodInitializing"), phase="Failed", others=(init,))
    found = diagnose_failure(FAILED, pod, POLICY, 1)
    assert found.reason is Reason.EXIT_CODE
    assert found.cause.startswith("init container fetch: the process ended with exit code 4")


def test_the_memory_limit_and_the_template_are_named() -> None:
    runner = ContainerFacts("runner", exited(137, "OOMKilled"), memory_limit="512Mi")
    found = diagnose_failure(FAILED, make_pod(1, runner.state, runner=runner), POLICY, 1)
    assert "limit of 512Mi" in found.cause
    assert "McpTaskTemplate default" in found.hint


def test_the_run_deadline_that_the_pod_had_is_told_though_the_settings_have_changed() -> None:
    pod = pod_with(exited(137), reason="DeadlineExceeded", timeout_seconds=20)
    assert "longer than 20 s" in diagnose_failure(FAILED, pod, POLICY, 1).cause


def test_a_single_attempt_is_not_counted_in_the_message() -> None:
    assert "attempt" not in diagnose_failure(FAILED, pod_with(exited(1)), POLICY, 1).cause
    assert "(attempt 3, the last one)" in diagnose_failure(FAILED, pod_with(exited(1)), POLICY, 3).cause


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (replace(FAILED, reason="DeadlineExceeded"), Reason.DEADLINE_EXCEEDED),
        (replace(FAILED, message="Pod x has condition DisruptionTarget matching FailJob"), Reason.EVICTED),
        (FAILED, Reason.RESULT_MISSING),
        (COMPLETE, Reason.RESULT_MISSING),
    ],
)
def test_without_a_pod_the_job_tells(job: object, reason: Reason) -> None:
    assert isinstance(job, type(FAILED))
    assert diagnose_failure(job, None, POLICY, 1).reason is reason
