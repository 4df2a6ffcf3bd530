"""Reasons and messages from the facts of Pods, Jobs and events."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcptasks.model.task import Reason
from mcptasks_operator.deciding.diagnosis import Diagnosis
from mcptasks_operator.deciding.facts import (
    ContainerFacts,
    Disruption,
    PodFacts,
    RunningState,
    TerminatedState,
    WaitingState,
    WarningEvent,
)
from mcptasks_operator.deciding.failures import diagnose_failure
from mcptasks_operator.deciding.start_failures import diagnose_events, diagnose_waiting, permanent_start_failure
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


# --- Pods that do not start ---


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("ErrImagePull", Reason.IMAGE_PULL_BACK_OFF),
        ("ImagePullBackOff", Reason.IMAGE_PULL_BACK_OFF),
        ("ErrImageNeverPull", Reason.IMAGE_PULL_BACK_OFF),
        ("InvalidImageName", Reason.IMAGE_PULL_BACK_OFF),
        ("CreateContainerConfigError", Reason.CONTAINER_CONFIG_ERROR),
        ("CreateContainerError", Reason.CONTAINER_CANNOT_RUN),
        ("RunContainerError", Reason.CONTAINER_CANNOT_RUN),
        ("ContainerCreating", None),
        ("PodInitializing", None),
        ("", None),
    ],
)
def test_what_a_container_waits_for(word: str, reason: Reason | None) -> None:
    found = diagnose_waiting(make_pod(1, WaitingState(word, "details")))
    assert (found.reason if found else None) is reason


def test_a_back_off_between_two_pulls_is_the_same_cause_as_the_failed_pull() -> None:
    first, second = (diagnose_waiting(make_pod(1, WaitingState(word))) for word in ("ErrImagePull", "ImagePullBackOff"))
    assert first is not None
    assert second is not None
    assert first.reason == second.reason


def test_an_init_container_that_waits_comes_first() -> None:
    init = ContainerFacts("fetch", WaitingState("ImagePullBackOff", "no such image"), image="x/fetch:1", init=True)
    found = diagnose_waiting(make_pod(1, WaitingState("PodInitializing"), others=(init,)))
    assert found is not None
    assert "x/fetch:1" in found.cause


@pytest.mark.parametrize(
    ("word", "permanent"),
    [
        ("ErrImageNeverPull", True),
        ("InvalidImageName", True),
        ("RunContainerError", True),
        ("ErrImagePull", False),
        ("CreateContainerConfigError", False),
        ("ContainerCreating", False),
    ],
)
def test_which_waits_can_never_end(word: str, permanent: bool) -> None:
    assert (permanent_start_failure(make_pod(1, WaitingState(word))) is not None) is permanent


def test_a_running_pod_has_no_such_failure() -> None:
    assert permanent_start_failure(make_pod(1, RunningState())) is None


@pytest.mark.parametrize(
    ("warning", "reason"),
    [
        (WarningEvent("FailedCreate", "exceeded quota: q, requested: pods=1"), Reason.QUOTA_EXCEEDED),
        (WarningEvent("FailedCreate", "failed quota: q: must specify limits.cpu"), Reason.QUOTA_EXCEEDED),
        (WarningEvent("FailedCreate", "violates PodSecurity restricted:latest"), Reason.POD_REJECTED),
        (WarningEvent("FailedMount", "secret not found"), Reason.VOLUME_MOUNT_FAILED),
        (WarningEvent("FailedAttachVolume", "timed out"), Reason.VOLUME_MOUNT_FAILED),
        (WarningEvent("FailedScheduling", "0/1 nodes"), Reason.UNSCHEDULABLE),
        (WarningEvent("FailedCreatePodSandBox", "network not ready"), Reason.CONTAINER_CANNOT_RUN),
        (WarningEvent("Unhealthy", "readiness probe"), None),
    ],
)
def test_what_events_tell(warning: WarningEvent, reason: Reason | None) -> None:
    found = diagnose_events([warning])
    assert (found.reason if found else None) is reason


def test_the_first_telling_event_counts() -> None:
    found = diagnose_events(
        [WarningEvent("Unhealthy", ""), WarningEvent("FailedMount", "a"), WarningEvent("FailedCreate", "")]
    )
    assert found is not None
    assert found.reason is Reason.VOLUME_MOUNT_FAILED


# --- Messages ---

CAUSE = Diagnosis(Reason.EXIT_CODE, "it broke", "Mend it")


def test_a_message_has_cause_hint_and_log() -> None:
    assert CAUSE.message(["one", "two"]) == "it broke. Mend it\nLast log lines:\none\ntwo"


@pytest.mark.parametrize("log", [None, (), ("", "  ")])
def test_an_empty_log_is_not_announced(log: tuple[str, ...] | None) -> None:
    assert CAUSE.message(log) == "it broke. Mend it"


def test_a_long_log_is_cut_at_its_beginning_and_keeps_its_end() -> None:
    text = CAUSE.message([f"{number:04} {'x' * 990}" for number in range(20)])
    assert len(text) < 8_200
    assert text.endswith("x")
    assert "0019 " in text
    assert "0001 " not in text


def test_an_endless_line_and_an_endless_cause_are_cut() -> None:
    text = Diagnosis(Reason.EXIT_CODE, "c" * 100_000).message(["x" * 100_000, "the end"])
    assert len(text) < 5_000
    assert text.endswith("the end")
