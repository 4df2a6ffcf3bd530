"""Whose task a Pod runs, and whose token it is."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from mcptasks.gateway.contract import RefusalCode
from mcptasks.gateway.pod_tokens import reviewed_pod
from mcptasks.gateway.pods import PodIdentity, claiming_pod, task_pod
from mcptasks.gateway.refusals import RefusedError

IDENTITY = PodIdentity("ns", "report-1-abcde", "pod-uid")
POD: dict[str, Any] = {
    "metadata": {
        "name": "report-1-abcde",
        "namespace": "ns",
        "uid": "pod-uid",
        "creationTimestamp": "2026-01-01T12:00:00Z",
        "labels": {"mcptasks.dev/task-uid": "task-uid"},
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "Other", "name": "x", "uid": "x"},
            {"apiVersion": "batch/v1", "kind": "Job", "name": "report-1", "uid": "job-uid", "controller": True},
        ],
    },
    "spec": {"nodeName": "node-1", "activeDeadlineSeconds": 60},
    "status": {"phase": "Running"},
}
REVIEW: dict[str, Any] = {
    "authenticated": True,
    "audiences": ["gateway"],
    "user": {
        "username": "system:serviceaccount:ns:default",
        "extra": {
            "authentication.kubernetes.io/pod-name": ["report-1-abcde"],
            "authentication.kubernetes.io/pod-uid": ["pod-uid"],
        },
    },
}


def changed(value: dict[str, Any], path: str, to: Any) -> dict[str, Any]:
    """A deep copy with one value replaced, or removed where `to` is None."""
    result = copy.deepcopy(value)
    *parents, last = path.split("/")
    at: Any = result
    for key in parents:
        at = at[key]
    if to is None:
        del at[last]
    else:
        at[last] = to
    return result


class TestPods:
    def test_the_pod_that_has_a_task_may_have_lost_its_job(self) -> None:
        orphan = changed(POD, "metadata/ownerReferences", None)
        assert claiming_pod(orphan, IDENTITY, "report-1", "task-uid") == task_pod(POD, IDENTITY)
        assert claiming_pod(POD, PodIdentity("ns", "report-1-abcde", "earlier"), "report-1", "task-uid") is None
        with pytest.raises(RefusedError, match="cannot be read"):
            claiming_pod({}, IDENTITY, "report-1", "task-uid")

    @pytest.mark.parametrize(
        ("path", "value", "fact"),
        [
            ("metadata/deletionTimestamp", "2026-01-01T12:00:30Z", "deleting"),
            ("status/conditions", [{"type": "DisruptionTarget", "status": "True"}], "disrupted"),
            ("metadata/annotations", {"mcptasks.dev/retries-disruptions": "true"}, "retries_disruptions"),
        ],
    )
    def test_what_counts_for_the_next_attempt(self, path: str, value: Any, fact: str) -> None:
        assert getattr(task_pod(POD, IDENTITY), fact) is False
        assert getattr(task_pod(changed(POD, path, value), IDENTITY), fact) is True

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (
                "status/conditions",
                [{"type": "DisruptionTarget", "status": "False"}, {"type": "Ready", "status": "True"}],
            ),
            ("metadata/annotations", {"mcptasks.dev/retries-disruptions": "false"}),
        ],
    )
    def test_what_does_not(self, path: str, value: Any) -> None:
        assert task_pod(changed(POD, path, value), IDENTITY) == task_pod(POD, IDENTITY)

    def test_a_jobs_pod_names_its_task(self) -> None:
        pod = task_pod(POD, IDENTITY)
        assert (pod.task_name, pod.task_uid, pod.node_name, pod.deadline_seconds) == (
            "report-1",
            "task-uid",
            "node-1",
            60,
        )
        assert (pod.namespace, pod.name, pod.uid, pod.finished) == ("ns", "report-1-abcde", "pod-uid", False)

    def test_a_pod_that_waits_for_its_node_is_one_too(self) -> None:
        pod = task_pod({"metadata": POD["metadata"]}, IDENTITY)
        assert (pod.node_name, pod.deadline_seconds, pod.finished) == (None, None, False)

    @pytest.mark.parametrize(
        ("phase", "finished"),
        [("Pending", False), ("Running", False), ("Unknown", False), ("Failed", True), ("Succeeded", True)],
    )
    def test_failed_and_succeeded_pods_are_finished(self, phase: str, finished: bool) -> None:
        assert task_pod(changed(POD, "status/phase", phase), IDENTITY).finished is finished

    @pytest.mark.parametrize(
        ("path", "to"),
        [
            ("metadata/uid", "another"),
            ("metadata/labels", None),
            ("metadata/labels/mcptasks.dev~1task-uid", None),
            ("metadata/ownerReferences", None),
            ("metadata/ownerReferences", [{"apiVersion": "batch/v1", "kind": "Job", "name": "report-1", "uid": "u"}]),
            (
                "metadata/ownerReferences",
                [{"apiVersion": "apps/v1", "kind": "Job", "name": "report-1", "uid": "u", "controller": True}],
            ),
            (
                "metadata/ownerReferences",
                [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u", "controller": True}],
            ),
            ("metadata", {"labels": 1}),
        ],
    )
    def test_any_other_pod_is_refused(self, path: str, to: Any) -> None:
        pod = copy.deepcopy(POD)
        if "~1" in path:
            pod["metadata"]["labels"] = {}
        else:
            pod = changed(POD, path, to)
        with pytest.raises(RefusedError, match="runs no task") as caught:
            task_pod(pod, IDENTITY)
        assert caught.value.status == 403


class TestReviews:
    def test_a_review_names_the_pod(self) -> None:
        assert reviewed_pod(REVIEW, "gateway") == IDENTITY

    @pytest.mark.parametrize(
        ("path", "to"),
        [
            ("authenticated", None),
            ("authenticated", False),
            ("audiences", None),
            ("audiences", ["https://kubernetes.default.svc"]),
        ],
    )
    def test_a_token_that_is_not_for_the_gateway_is_refused(self, path: str, to: Any) -> None:
        with pytest.raises(RefusedError, match="audience gateway") as caught:
            reviewed_pod(changed(REVIEW, path, to), "gateway")
        assert (caught.value.code, caught.value.status) == (RefusalCode.UNAUTHENTICATED, 401)

    @pytest.mark.parametrize(
        ("path", "to"),
        [
            ("user", None),
            ("user/username", "system:node:node-1"),
            ("user/username", "system:serviceaccount:ns"),
            ("user/username", "system:serviceaccount:a:b:c"),
            ("user/extra", None),
            ("user/extra/authentication.kubernetes.io~pod-uid", None),
            ("user/extra", {"authentication.kubernetes.io/pod-name": ["a", "b"]}),
        ],
    )
    def test_a_valid_token_without_a_pod_is_refused(self, path: str, to: Any) -> None:
        review = copy.deepcopy(REVIEW)
        if "~" in path:
            del review["user"]["extra"]["authentication.kubernetes.io/pod-uid"]
        else:
            review = changed(REVIEW, path, to)
        with pytest.raises(RefusedError, match="not bound to a Pod") as caught:
            reviewed_pod(review, "gateway")
        assert (caught.value.code, caught.value.status) == (RefusalCode.NOT_A_TASK_POD, 403)
