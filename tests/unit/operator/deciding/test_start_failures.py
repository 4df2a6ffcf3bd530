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
    ("word", "told", "hint"),
    [
        ("ErrImagePull", 'failed to resolve reference "x:1": not found', "Check the image's name"),
        ("ImagePullBackOff", 'Back-off pulling image "x:1"', "Check the image's name"),
        ("ErrImagePull", "pull access denied, repository does not exist", "Check the image's name"),
        ("ErrImageNeverPull", "is not present with pull policy of Never", "Load the image into the nodes"),
        ("InvalidImageName", "couldn't parse image name", "Correct the image's name"),
        ("ImagePullBackOff", "ErrImagePull: toomanyrequests: You have reached your pull", "The registry limits pulls"),
        ("ErrImagePull", "no match for platform in manifest: not found", "Build the image for the nodes' architecture"),
        ("ErrImagePull", "write /var/lib/x: no space left on device", "Make room on the node's disk"),
        ("ErrImagePull", "dial tcp: lookup r.example: no such host", "See to it that the nodes reach the registry"),
        ("ErrImagePull", "tls: failed to verify certificate: x509: unknown", "See to it that the nodes reach"),
    ],
)
def test_an_image_that_cannot_be_pulled_says_what_helps_there(word: str, told: str, hint: str) -> None:
    found = diagnose_waiting(make_pod(1, WaitingState(word, told)))
    assert found is not None
    assert found.hint.startswith(hint)


@pytest.mark.parametrize(
    ("told", "hints"),
    [
        ("1 Insufficient cpu, 2 Insufficient nvidia.com/gpu", ["Lower the resources"]),
        ("3 node(s) had untolerated taint {gpu: true}", ["Give the template a toleration"]),
        ("3 node(s) had taint {gpu: true}, that the pod didn't tolerate", ["Give the template a toleration"]),
        ("1 Insufficient memory, 2 node(s) had untolerated taint {a: b}", ["Lower the", "Or give the template a tol"]),
        ("3 node(s) didn't match Pod's node affinity/selector", ["Correct the template's nodeSelector"]),
        ('persistentvolumeclaim "data" not found', ["Create the PersistentVolumeClaim"]),
        ("pod has unbound immediate PersistentVolumeClaims", ["Create the PersistentVolumeClaim"]),
        ("1 node(s) had volume node affinity conflict", ["Correct the template's volumes"]),
        ("1 node(s) didn't satisfy existing pods anti-affinity rules", ["Correct the template's affinity"]),
        ("1 node(s) didn't match pod topology spread constraints", ["Correct the template's topologySpread"]),
        ("1 node(s) didn't have free ports for the requested pod ports", ["Leave hostPort out"]),
        ("2 node(s) were unschedulable", ["Let the nodes take Pods again"]),
        ("2 Too many pods", ["Wait for other Pods"]),
        ("no nodes available to schedule pods", ["Add a node"]),
        ("words of a scheduler of somebody's own", ["Lower the resources"]),
    ],
)
def test_a_pod_that_no_node_can_take_says_what_helps_there(told: str, hints: list[str]) -> None:
    preemption = "preemption: 0/3 nodes are available: 3 Insufficient cpu, 1 node(s) had untolerated taint {c: d}."
    message = f"0/3 nodes are available: {told}. {preemption}"
    pod = diagnose_waiting(make_pod(unschedulable=message))
    event = diagnose_events([WarningEvent("FailedScheduling", message)])
    assert pod is not None
    assert event is not None
    assert event.hint == pod.hint
    told_hints = pod.hint.split(". ")
    assert [told_hint.startswith(hint) for told_hint, hint in zip(told_hints, hints, strict=True)] == [True] * len(
        hints
    )


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
