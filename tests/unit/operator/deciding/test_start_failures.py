"""Why Pods do not start, from the facts of Pods and events."""

from __future__ import annotations

import pytest

from mcptasks.model.task import Reason
from mcptasks_operator.deciding.object_facts import ContainerFacts, RunningState, WaitingState, WarningEvent
from mcptasks_operator.deciding.start_failures import (
    diagnose_events,
    diagnose_waiting,
    permanent_start_failure,
    pod_refused,
)
from tests.unit.operator.builders import make_pod


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


@pytest.mark.parametrize(
    ("detail", "permanent", "says"),
    [
        (
            "failed quota: q: must specify limits.cpu for: main; limits.memory for: main",
            True,
            "limits.memory for: main",
        ),
        ("failed quota: q: must specify cpu,memory", True, "Set cpu,memory in the resources"),
        ("exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3", False, "Wait for other tasks"),
        ("exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0", False, "Wait for other tasks"),
        ("exceeded quota: q, requested: cpu=600m, used: cpu=0, limited: cpu=500m", True, "cpu of 500m at most"),
        ("exceeded quota: q, requested: memory=2Gi, used: memory=1G, limited: memory=1500M", True, "memory of 1500M"),
        ("exceeded quota: q, requested: memory=1Gi, used: memory=1G, limited: memory=1500M", False, "Wait for other"),
        ("exceeded quota: q, requested: cpu=1e3m, used: cpu=0, limited: cpu=?", False, "Wait for other tasks"),
    ],
)
def test_a_quota_is_waited_for_only_where_that_can_help(detail: str, permanent: bool, says: str) -> None:
    found = pod_refused(f'pods "p" is forbidden: {detail}')
    assert (found.reason, found.permanent) == (Reason.QUOTA_EXCEEDED, permanent)
    assert says in found.hint


def test_the_first_telling_event_counts() -> None:
    found = diagnose_events(
        [WarningEvent("Unhealthy", ""), WarningEvent("FailedMount", "a"), WarningEvent("FailedCreate", "")]
    )
    assert found is not None
    assert found.reason is Reason.VOLUME_MOUNT_FAILED
