"""The real Kueue preempts a task that has a queue's whole quota, and gives it room again (`make kueue`)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from mcptasks.model.base import JsonObject
from tests.e2e.cluster import IMAGE
from tests.e2e.conftest import Deployment, Look
from tests.e2e.templates import queued_template
from tests.e2e.test_no_second_execution import LONG, Scene, Starts
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient
from tests.support.polling import eventually

CPU = "100m"
"""What one of its Jobs requests is all that the queue has."""

RIVAL = "urgent"
NAP = 20.0
QUEUE_SECONDS = 120


@dataclass(frozen=True)
class Queue:
    """A LocalQueue whose quota is enough for one Job, and a Job that is more urgent than any task."""

    kubectl: Kubectl
    name: str
    api_version: str

    def make(self) -> None:
        quotas = [{"name": "cpu", "nominalQuota": CPU}, {"name": "memory", "nominalQuota": "8Gi"}]
        cluster_queue = {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.kubectl.namespace}},
            "preemption": {"withinClusterQueue": "LowerPriority"},
            "resourceGroups": [
                {"coveredResources": ["cpu", "memory"], "flavors": [{"name": self.name, "resources": quotas}]}
            ],
        }
        self.kubectl.apply(
            self._object("ResourceFlavor", spec={}),
            self._object("ClusterQueue", spec=cluster_queue),
            self._object("WorkloadPriorityClass", value=1000, description="Preempts tasks."),
            self._object("LocalQueue", self.kubectl.namespace, spec={"clusterQueue": self.name}),
            queued_template(self.kubectl.namespace, IMAGE, self.name, CPU),
        )
        eventually("the queue admits", self._is_active, QUEUE_SECONDS)

    def remove(self) -> None:
        self.kubectl.run("delete", "job", RIVAL, "--ignore-not-found", "--timeout=60s", seconds=90)
        self.kubectl.run("delete", "mcptasktemplate", "queued", "--ignore-not-found")
        for kind in ("localqueue", "clusterqueue", "resourceflavor", "workloadpriorityclass"):
            self.kubectl.run("delete", kind, self.name, "--ignore-not-found", "--timeout=90s", seconds=120)

    @contextmanager
    def taken(self, task_id: str, pod: str) -> Iterator[None]:
        """A more urgent Job preempts the task, and has the quota until the end of the block."""
        self.kubectl.apply(self._rival())
        try:
            eventually("Kueue preempts the task", lambda: self._is_preempted(task_id), QUEUE_SECONDS)
            eventually("its Pod is gone", lambda: self.kubectl.find("pod", pod) is None, QUEUE_SECONDS)
            eventually("the urgent Job runs", self._rival_runs, QUEUE_SECONDS)
            yield
        finally:
            self.kubectl.run("delete", "job", RIVAL, "--cascade=foreground", "--timeout=60s", seconds=90)

    def _is_active(self) -> bool:
        conditions = (self.kubectl.get("localqueue", self.name).get("status") or {}).get("conditions") or []
        return any((one["type"], one["status"]) == ("Active", "True") for one in conditions)

    def _is_preempted(self, task_id: str) -> bool:
        """Kueue says so of the Workload, which goes with the Job."""
        workloads = self.kubectl.list("workloads")
        evicted = {
            owner["name"]
            for item in workloads
            for owner in item["metadata"].get("ownerReferences") or ()
            for one in (item.get("status") or {}).get("conditions") or ()
            if (one["type"], one["status"]) == ("Preempted", "True")
        }
        return task_id in evicted or self.kubectl.find("job", task_id) is None

    def _rival_runs(self) -> bool:
        return bool((self.kubectl.get("job", RIVAL).get("status") or {}).get("active"))

    def _object(self, kind: str, namespace: str | None = None, **fields: Any) -> JsonObject:
        metadata = {"name": self.name} | ({"namespace": namespace} if namespace else {})
        return {"apiVersion": self.api_version, "kind": kind, "metadata": metadata, **fields}

    def _rival(self) -> JsonObject:
        """Waits for nothing but the quota: Kueue suspends it at first."""
        container = {
            "name": "main",
            "image": IMAGE,
            "imagePullPolicy": "IfNotPresent",
            "command": ["/opt/mcptasks/bin/python", "-c", "import time; time.sleep(3600)"],
            "resources": {"requests": {"cpu": CPU, "memory": "16Mi"}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        pod = {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        }
        labels = {"kueue.x-k8s.io/queue-name": self.name, "kueue.x-k8s.io/priority-class": self.name}
        metadata = {"name": RIVAL, "namespace": self.kubectl.namespace, "labels": labels}
        spec = {"suspend": True, "backoffLimit": 0, "template": {"spec": pod}}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def queue(request: pytest.FixtureRequest, deployment: Deployment, kubectl: Kubectl) -> Iterator[Queue]:
    if not request.config.getoption("--kueue"):
        pytest.skip("--kueue says that Kueue is installed in the cluster; it was not given")
    versions = kubectl.get("crd", "clusterqueues.kueue.x-k8s.io")["spec"]["versions"]
    stored = next(version["name"] for version in versions if version["storage"])
    made = Queue(kubectl, f"mcptasks-{secrets.token_hex(3)}", f"kueue.x-k8s.io/{stored}")
    try:
        made.make()
        yield made
    finally:
        made.remove()


@pytest.fixture
def scene(queue: Queue, client: RawClient, look: Look, kubectl: Kubectl, deployment: Deployment) -> Scene:
    return Scene(client, look, kubectl, deployment, Starts(look, None))


def quota_is_free(scene: Scene) -> None:
    """The next task of the queue runs to its end."""
    task_id = scene.client.create("queued_once", {"record": "", "seconds": 0})
    assert scene.client.wait(task_id, seconds=120)["status"] == "completed"
    scene.look.terminated(task_id)


def test_a_tool_that_must_not_run_twice_is_not_run_again_when_there_is_room(scene: Scene, queue: Queue) -> None:
    task_id, pod = scene.start("queued_once", LONG)
    with queue.taken(task_id, pod):
        scene.ended_once(
            task_id, "Preempted", pod, "its Job was suspended", f"queue {queue.name}", "call the tool again"
        )
    quota_is_free(scene)
    scene.ended_once(task_id, "Preempted", pod)


def test_nor_is_it_while_there_is_no_operator(scene: Scene, queue: Queue) -> None:
    """Kueue admits its Job once more, which makes a Pod: the gateway gives it nothing to run."""
    task_id, pod = scene.start("queued_once", LONG)
    with scene.no_operator():
        with queue.taken(task_id, pod):
            assert scene.client.get(task_id)["status"] == "working"
        scene.second_pod(task_id, pod)
        assert scene.client.wait(task_id, seconds=120)["status"] == "failed"
    scene.ended_once(task_id, "Preempted", pod, "was made in its place", "call the tool again")
    quota_is_free(scene)


def test_an_idempotent_tool_waits_in_the_queue_and_runs_again(scene: Scene, queue: Queue) -> None:
    task_id, pod = scene.start("queued_again", NAP)

    def waits() -> bool:
        condition = scene.look.condition(task_id, "Scheduled")
        return (condition.get("status"), condition.get("reason")) == ("False", "Queued")

    with queue.taken(task_id, pod):
        eventually("the task shows that it waits", waits)
        assert f"queued in {queue.name}" in scene.look.condition(task_id, "Scheduled")["message"]
        assert scene.client.get(task_id)["status"] == "working"
    scene.completed_again(task_id, pod)
