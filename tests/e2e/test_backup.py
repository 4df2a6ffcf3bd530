"""Tasks are backed up with kubectl, deleted and restored: results can be read again, and nothing runs a second time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mcptasks.model.base import ANNOTATION_CALLED_AT, ANNOTATION_RESTORED, JsonObject
from tests.e2e.conftest import Deployment, Look
from tests.support.kubectl import Kubectl, kubectl_path
from tests.support.mcp import RawClient
from tests.support.polling import eventually

RESTORE = Path(__file__).parents[2] / "deploy" / "platform" / "restore_tasks.py"
LONG_AGO = "2026-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class Backup:
    """Tasks of one namespace, as kubectl saves them."""

    kubectl: Kubectl
    saved: Path
    ids: tuple[str, ...]

    def save(self) -> None:
        items = [self.kubectl.get("mcptask", task_id) for task_id in self.ids]
        self.saved.write_text(json.dumps({"items": items}))

    def lose(self) -> None:
        self.kubectl.run("delete", "mcptasks", *self.ids, "--timeout=60s", seconds=90)

    def restore(self) -> tuple[list[str], str]:
        """Run the program of docs/platform/backup.md; gives the commands for Redis, and what it says."""
        path = f"{Path(kubectl_path()).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [sys.executable, str(RESTORE), str(self.saved)],
            env={**os.environ, "KUBECONFIG": str(self.kubectl.kubeconfig), "PATH": path},
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines(), done.stderr


def test_ended_tasks_come_back_with_their_results(
    client: RawClient, look: Look, kubectl: Kubectl, deployment: Deployment, tmp_path: Path
) -> None:
    small, large, open_one = (
        client.create("add", {"a": 20, "b": 22}),
        client.create("big", {"size": 200_000}),
        client.create("nap", {"seconds": 600}),
    )
    for task_id in (small, large):
        client.wait(task_id)
        look.terminated(task_id)
    look.running(open_one)
    results = [client.result(task_id) for task_id in (small, large)]
    before = {task_id: look.task(task_id) for task_id in (small, large)}
    backup = Backup(kubectl, tmp_path / "tasks.json", (small, large, open_one))
    backup.save()

    ref = before[large]["status"]["result"]["ref"]
    deployment.in_redis(f"r.copy({ref!r}, 'saved')")
    backup.lose()
    for task_id in backup.ids:
        look.gone(task_id)
    eventually("the large result goes with its task", lambda: ref not in deployment.stored(), 60)
    deployment.in_redis(f"r.rename('saved', {ref!r})")
    kubectl.apply(halfway(before[small]))

    renames, told = backup.restore()
    assert "2 tasks are back; not ended: 1; there already: 0" in told
    (rename,) = renames
    deployment.in_redis(f"r.execute_command(*{rename.split()!r})")
    assert [client.result(task_id) for task_id in (small, large)] == results
    for task_id, old in before.items():
        now = look.task(task_id)
        assert now["metadata"]["uid"] != old["metadata"]["uid"]
        assert now["status"]["attempts"] == 1
        assert now["spec"] == old["spec"]
        assert (look.jobs(task_id), look.pods(task_id)) == ([], [])
    assert look.find(open_one) is None

    again, told = backup.restore()
    assert again == renames
    assert "0 tasks are back; not ended: 1; there already: 2" in told


def test_a_task_that_comes_back_without_its_status_does_not_run(
    client: RawClient, look: Look, kubectl: Kubectl
) -> None:
    """As a back-up tool restores it that knows nothing of statuses, or writes them later."""
    old = client.create("add", {"a": 20, "b": 22})
    client.wait(old)
    look.terminated(old)
    task = look.task(old)
    kubectl.run("delete", "mcptask", old, "--timeout=60s", seconds=90)
    look.gone(old)
    kubectl.apply(stripped(task))
    # What comes later has come and gone before it would have been its turn.
    later = client.create("add", {"a": 1, "b": 1})
    client.wait(later)
    assert (look.jobs(old), look.pods(old)) == ([], [])
    assert client.get(old)["status"] == "working"

    body = json.dumps(stripped(task) | {"status": task["status"]})
    kubectl.run("replace", "--subresource=status", "-f", "-", stdin=body)
    assert client.result(old)["structuredContent"]["total"] == 42
    assert (look.jobs(old), look.pods(old)) == ([], [])


def halfway(task: JsonObject) -> JsonObject:
    """A task as a run leaves it that stops between the two writes."""
    started = stripped(task)
    started["metadata"]["annotations"] = {**task["metadata"]["annotations"], ANNOTATION_RESTORED: "true"}
    return started


def stripped(task: JsonObject) -> JsonObject:
    """A task of long ago, as far as it can be created."""
    metadata = task["metadata"]
    kept: JsonObject = {key: metadata[key] for key in ("name", "namespace", "labels")}
    kept["annotations"] = {**metadata["annotations"], ANNOTATION_CALLED_AT: LONG_AGO}
    return {"apiVersion": task["apiVersion"], "kind": task["kind"], "metadata": kept, "spec": task["spec"]}
