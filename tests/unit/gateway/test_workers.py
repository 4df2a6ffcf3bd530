"""What a worker's Pod says of the worker."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks.gateway.pods import PodIdentity
from mcptasks.gateway.refusals import RefusedError
from mcptasks.gateway.workers import worker_pod
from mcptasks.model.base import JsonObject
from tests.unit.gateway.builders import NOW

IDENTITY = PodIdentity("ns", "warm-w-1", "uid-1")
OWNER = {
    "apiVersion": "mcptasks.dev/v1alpha1",
    "kind": "McpTaskTemplate",
    "name": "warm",
    "uid": "t",
    "controller": True,
}


def a_pod(status: JsonObject | None = None, **metadata: Any) -> JsonObject:
    return {
        "metadata": {
            "name": "warm-w-1",
            "namespace": "ns",
            "uid": "uid-1",
            "creationTimestamp": NOW.isoformat(),
            "labels": {"mcptasks.dev/worker": "true", "mcptasks.dev/template": "warm"},
            "annotations": {
                "mcptasks.dev/template-hash": "h",
                "mcptasks.dev/tasks-per-worker": "0",
                "mcptasks.dev/concurrency": "4",
            },
            "ownerReferences": [OWNER],
            **metadata,
        },
        "spec": {
            "nodeName": "node-1",
            "containers": [{"name": "side"}, {"name": "runner", "resources": {"limits": {"memory": "64Mi"}}}],
        },
        "status": status or {"phase": "Running"},
    }


def test_template_limits_and_node_are_what_the_pod_says() -> None:
    pod = worker_pod(a_pod(), IDENTITY)
    assert (pod.template, pod.template_uid, pod.template_hash) == ("warm", "t", "h")
    assert (pod.tasks, pod.concurrency, pod.node_name, pod.memory_limit) == (0, 4, "node-1", "64Mi")
    assert not pod.leaving


@pytest.mark.parametrize("annotations", [{}, {"mcptasks.dev/tasks-per-worker": "many"}])
def test_without_limits_the_strictest_hold(annotations: JsonObject) -> None:
    pod = worker_pod(a_pod(annotations=annotations), IDENTITY)
    assert (pod.tasks, pod.concurrency) == (1, 1)


def test_a_pod_that_its_tasks_job_has_taken_over_is_a_worker_still_but_of_no_template() -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "name": "report-1", "uid": "j", "controller": True}
    pod = worker_pod(a_pod(ownerReferences=[job]), IDENTITY)
    assert (pod.template, pod.template_uid) == ("warm", None)


@pytest.mark.parametrize(
    "pod",
    [
        a_pod(labels={}),
        a_pod(labels={"mcptasks.dev/worker": "no"}),
        a_pod(ownerReferences=[]),
        a_pod(ownerReferences=[OWNER | {"controller": False}]),
        a_pod(ownerReferences=[OWNER | {"kind": "ReplicaSet"}]),
        a_pod(ownerReferences=[OWNER | {"apiVersion": "example.com/v1"}]),
        a_pod(ownerReferences=[OWNER | {"apiVersion": "example.com/v1", "kind": "Job"}]),
        a_pod(uid="another"),
    ],
)
def test_any_other_pod_is_refused(pod: JsonObject) -> None:
    with pytest.raises(RefusedError, match="runs no task"):
        worker_pod(pod, IDENTITY)


@pytest.mark.parametrize(
    "pod",
    [
        a_pod(annotations={"mcptasks.dev/drain": "true"}),
        a_pod(deletionTimestamp=NOW.isoformat()),
        a_pod({"phase": "Failed"}),
        a_pod({"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]}),
    ],
)
def test_a_pod_that_is_to_go_takes_nothing_new(pod: JsonObject) -> None:
    assert worker_pod(pod, IDENTITY).leaving


@pytest.mark.parametrize("text", ["", "-1", "²", "1" * 5000])
def test_a_number_that_makes_no_sense_is_the_strictest(text: str) -> None:
    annotations = {"mcptasks.dev/tasks-per-worker": text, "mcptasks.dev/concurrency": text}
    pod = worker_pod(a_pod(annotations=annotations), IDENTITY)
    assert (pod.tasks, pod.concurrency) == (1, 1)
