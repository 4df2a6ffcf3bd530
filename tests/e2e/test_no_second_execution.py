"""A tool that must not run twice does not, whatever makes a second Pod; one that may does, and completes.

A second Pod comes of a Job that is suspended and resumed (as Kueue does), of a Pod that is deleted or evicted, of a
`backoffLimit` that was raised, and of a Job that is deleted and made again.

Where the operator is away meanwhile, it has to come back and take its lease: of these, `make test` has that of the Job
that is suspended and resumed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mcptasks.model.base import JsonObject
from tests.e2e.conftest import Deployment, Look
from tests.e2e.task_failures import explained
from tests.e2e.test_disruptions import evict
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient
from tests.support.polling import eventually

MARK = "mark of a start"
LONG = 300.0
SHORT = 4.0


@dataclass
class Starts:
    """How often the tool started: by its own record on this machine, else by the logs that are left."""

    look: Look
    record: Path | None

    def count(self, task_id: str) -> int:
        if self.record is None:
            return sum(self._log(pod).count(MARK) for pod in self.look.pods(task_id))
        return len(self.record.read_text().splitlines()) if self.record.exists() else 0

    @property
    def once(self) -> tuple[int, ...]:
        """What may be counted after one start: the log may be gone with its Pod, the record never is."""
        return (0, 1) if self.record is None else (1,)

    def _log(self, pod: JsonObject) -> str:
        states = [s["state"] for s in pod["status"].get("containerStatuses") or ()]
        if all("waiting" in state for state in states):
            return ""
        try:
            return self.look.log(pod["metadata"]["name"])
        except httpx2.HTTPStatusError:
            return ""


@dataclass
class Scene:
    """A running task, and what can be done to its Job and Pod."""

    client: RawClient
    look: Look
    kubectl: Kubectl
    deployment: Deployment
    starts: Starts

    def start(self, tool: str, seconds: float, exit_code: int = 0) -> tuple[str, str]:
        """Wait until the tool has begun; gives its task and Pod."""
        record = str(self.starts.record or "")
        task_id = self.client.create(tool, {"record": record, "seconds": seconds, "exit_code": exit_code})
        pod = self.look.running(task_id)
        eventually("the tool has begun", lambda: self.starts.count(task_id) == 1)
        return task_id, pod

    def suspend(self, task_id: str, suspended: bool, *, check: bool = True) -> None:
        """Suspend or resume the Job; without `check` it may be gone already."""
        self.patch_job(task_id, {"suspend": suspended}, check=check)

    def patch_job(self, task_id: str, spec: JsonObject, *, check: bool = True) -> None:
        self.kubectl.run("patch", "job", task_id, "--type=merge", f"-p={json.dumps({'spec': spec})}", check=check)

    def ended_once(self, task_id: str, reason: str, *parts: str) -> JsonObject:
        """The task fails for the reason, and nothing of it ever runs again."""
        status = explained(self.client, self.look, self.kubectl, task_id, reason, *parts)
        self.look.terminated(task_id)
        self.look.no_running_pods(task_id)
        assert status["attempts"] == self.look.status(task_id)["attempts"] == 1
        assert self.starts.count(task_id) in self.starts.once
        assert len(self.look.jobs(task_id)) <= 1
        return status

    def completed_again(self, task_id: str, first: str) -> None:
        """The task completes with its second attempt."""
        task = self.client.wait(task_id, seconds=120)
        status = self.look.status(task_id)
        assert (task["status"], status["attempts"]) == ("completed", 2), status
        assert status["podName"] != first
        if self.starts.record is not None:
            assert self.starts.count(task_id) == 2
        self.look.terminated(task_id)

    @contextmanager
    def no_operator(self) -> Iterator[None]:
        self.deployment.scale("operator", 0)
        try:
            yield
        finally:
            self.deployment.scale("operator", 2)

    def second_pod(self, task_id: str, first: str) -> JsonObject:
        """Wait for another Pod of the task's."""

        def another() -> Any:
            return next((pod for pod in self.look.pods(task_id) if pod["metadata"]["name"] != first), None)

        return eventually(f"{task_id}: a second Pod", another)

    def remake_job(self, task_id: str) -> None:
        """Delete the Job with its Pods, and make it again from its own manifest."""
        job = self.kubectl.get("job", task_id)
        self.kubectl.run("delete", "job", task_id, "--cascade=foreground", "--timeout=60s", seconds=90)
        self.look.no_pods(task_id)
        assert self.kubectl.find("job", task_id) is None
        self.kubectl.run("create", "-f", "-", stdin=json.dumps(made_anew(job)))


def made_anew(job: JsonObject) -> JsonObject:
    """The Job's manifest without what the API server has put into it."""
    metadata = {key: job["metadata"][key] for key in ("name", "namespace", "labels", "annotations", "ownerReferences")}
    spec = {key: value for key, value in job["spec"].items() if key not in ("selector", "manualSelector")}
    generated = ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name")
    for labels in (metadata["labels"], spec["template"]["metadata"]["labels"]):
        for name in generated:
            labels.pop(name, None)
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


@pytest.fixture
def scene(client: RawClient, look: Look, kubectl: Kubectl, deployment: Deployment, tmp_path: Path) -> Scene:
    embedded = getattr(deployment, "embedded", False)
    return Scene(client, look, kubectl, deployment, Starts(look, tmp_path / "starts" if embedded else None))


class TestAToolThatMustNotRunTwice:
    def test_its_job_is_suspended(self, scene: Scene) -> None:
        task_id, pod = scene.start("started_once", LONG)
        scene.suspend(task_id, True)
        scene.ended_once(task_id, "Preempted", pod, "its Job was suspended", "call the tool again")

    def test_its_job_is_suspended_and_resumed_at_once(self, scene: Scene) -> None:
        task_id, pod = scene.start("started_once", LONG)
        scene.suspend(task_id, True)
        eventually("its Pod goes", lambda: not is_left_alone(scene, pod))
        scene.suspend(task_id, False, check=False)
        scene.ended_once(task_id, "Preempted", pod, "call the tool again")

    def test_its_job_is_suspended_and_resumed_while_there_is_no_operator(self, scene: Scene) -> None:
        """The gateway alone refuses the second Pod, and ends the task."""
        task_id, pod = scene.start("started_once", LONG)
        with scene.no_operator():
            scene.suspend(task_id, True)
            eventually("its Pod is gone", lambda: scene.kubectl.find("pod", pod) is None)
            scene.suspend(task_id, False)
            scene.second_pod(task_id, pod)
            task = scene.client.wait(task_id)
            assert (task["status"], scene.look.status(task_id)["reason"]) == ("failed", "Preempted")
        scene.ended_once(task_id, "Preempted", pod, "was made in its place", "call the tool again")

    @pytest.mark.parametrize("options", [(), ("--grace-period=0", "--force")], ids=["gently", "by force"])
    def test_its_pod_is_deleted(self, scene: Scene, options: tuple[str, ...]) -> None:
        task_id, pod = scene.start("started_once", LONG)
        scene.kubectl.run("delete", "pod", pod, "--wait=false", *options)
        task = scene.client.wait(task_id, seconds=90)
        assert task["status"] == "failed"
        reason = scene.look.status(task_id)["reason"]
        assert reason in ("KilledBySignal", "Preempted")
        scene.ended_once(task_id, reason)

    def test_its_pod_is_evicted(self, scene: Scene) -> None:
        task_id, pod = scene.start("started_once", LONG)
        evict(scene.kubectl, pod)
        scene.ended_once(task_id, "Evicted", pod)

    def test_its_process_dies_and_the_jobs_backoff_limit_was_raised(self, scene: Scene) -> None:
        task_id, _ = scene.start("started_once", SHORT, exit_code=3)
        scene.patch_job(task_id, {"backoffLimit": 3})
        scene.ended_once(task_id, "ExitCode", "exit code 3")

    @pytest.mark.long
    def test_the_same_while_there_is_no_operator(self, scene: Scene) -> None:
        task_id, pod = scene.start("started_once", SHORT, exit_code=3)
        with scene.no_operator():
            scene.patch_job(task_id, {"backoffLimit": 3})
            scene.second_pod(task_id, pod)
            task = scene.client.wait(task_id)
            assert (task["status"], scene.look.status(task_id)["reason"]) == ("failed", "ExitCode")
        scene.ended_once(task_id, "ExitCode", pod, "retries")

    @pytest.mark.long
    def test_its_job_is_deleted_and_made_anew_while_there_is_no_operator(self, scene: Scene) -> None:
        task_id, pod = scene.start("started_once", LONG)
        with scene.no_operator():
            scene.remake_job(task_id)
            scene.second_pod(task_id, pod)
            task = scene.client.wait(task_id)
            assert (task["status"], scene.look.status(task_id)["reason"]) == ("failed", "Preempted")
        scene.ended_once(task_id, "Preempted", pod)


def is_left_alone(scene: Scene, pod: str) -> bool:
    """Whether the Pod is there and is not being deleted."""
    found = scene.kubectl.find("pod", pod)
    return found is not None and "deletionTimestamp" not in found["metadata"]


def suspend_and_resume(scene: Scene, task_id: str, pod: str) -> None:
    scene.suspend(task_id, True)

    def waits() -> bool:
        condition = scene.look.condition(task_id, "Scheduled")
        return (condition.get("status"), condition.get("reason")) == ("False", "Queued")

    eventually("the task shows that it waits", waits)
    assert scene.client.get(task_id)["status"] == "working"
    eventually("its Pod is gone", lambda: scene.kubectl.find("pod", pod) is None)
    scene.suspend(task_id, False)


def evict_it(scene: Scene, _: str, pod: str) -> None:
    evict(scene.kubectl, pod)


def remake_job_unseen(scene: Scene, task_id: str, _: str) -> None:
    with scene.no_operator():
        scene.remake_job(task_id)


@pytest.mark.parametrize(
    "disturb", [suspend_and_resume, evict_it, pytest.param(remake_job_unseen, marks=pytest.mark.long)]
)
def test_an_idempotent_tool_runs_again(scene: Scene, disturb: Callable[[Scene, str, str], None]) -> None:
    task_id, pod = scene.start("started_again", LONG)
    disturb(scene, task_id, pod)
    scene.completed_again(task_id, pod)
