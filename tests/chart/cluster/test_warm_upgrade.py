"""From the release before there were workers to this one, to templates with `executor: Warm`, and back, under load.

MCPTASKS_BEFORE_WARM is a folder with the sources of that release, MCPTASKS_BEFORE_WARM_IMAGE its image in the cluster
(`.ci/before-warm` makes both).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcptasks.model.base import LABEL_WORKER, JsonObject
from mcptasks.model.task_template import Executor
from tests.chart.cluster.release import Release, new_release, values_of
from tests.chart.helm import CHART
from tests.support.polling import eventually

BEFORE = os.environ.get("MCPTASKS_BEFORE_WARM", "")
BEFORE_IMAGE = os.environ.get("MCPTASKS_BEFORE_WARM_IMAGE", "")

pytestmark = [
    pytest.mark.skipif(
        not BEFORE, reason="MCPTASKS_BEFORE_WARM names no sources of the release before (.ci/before-warm)"
    ),
    pytest.mark.timeout(900),
]

WARM: JsonObject = {
    "default": {
        "executor": "Warm",
        "warm": {"minWorkers": 1, "maxWorkers": 2, "tasksPerWorker": 0, "concurrency": 4},
    }
}


@pytest.fixture(scope="module")
def release(request: pytest.FixtureRequest) -> Iterator[Release]:
    yield from new_release(request.config.getoption("--kubeconfig"))


def workers(release: Release) -> list[JsonObject]:
    found = release.kubectl.list("pods", f"{LABEL_WORKER}=true")
    return [pod for pod in found if pod["status"]["phase"] not in ("Succeeded", "Failed")]


def run_by(release: Release, tasks: list[str]) -> set[str | None]:
    """What has run the tasks: nothing is said of those with Pods of their own."""
    return {release.status(task).get("executor") for task in tasks}


class TestWarmUpgrade:
    """In this order."""

    def test_an_upgrade_from_before_there_were_workers_loses_no_task(self, release: Release) -> None:
        release.install(Path(BEFORE) / "charts" / "mcptasks", values_of(BEFORE_IMAGE))
        tasks = release.start_tasks()
        release.install(CHART, values_of())
        release.end_well(tasks)

    def test_a_template_becomes_warm_while_its_tasks_run(self, release: Release) -> None:
        tasks = release.start_tasks()
        release.install(CHART, values_of() | {"taskTemplates": WARM})
        eventually("a worker", lambda: workers(release), 120)
        later = release.start_tasks()
        assert run_by(release, later) == {Executor.WARM}
        release.end_well([*tasks, *later])
        assert run_by(release, tasks) == {None}

    def test_a_template_becomes_cold_again_while_its_workers_run_tasks(self, release: Release) -> None:
        tasks = release.start_tasks()
        release.install(CHART, values_of())
        later = release.start_tasks()
        release.end_well([*tasks, *later])
        assert run_by(release, tasks) == {Executor.WARM}
        assert run_by(release, later) == {None}
        eventually("no worker is left", lambda: not workers(release), 120)

    def test_a_rollback_then_loses_no_task(self, release: Release) -> None:
        tasks = release.start_tasks()
        release.helm("rollback", "mcptasks", "1", "--wait", "--timeout=5m")
        release.end_well(tasks)
        release.end_well(release.start_tasks())

    def test_a_rollback_without_notice_runs_no_task_twice_and_leaves_none_without_an_end(
        self, release: Release
    ) -> None:
        release.install(CHART, values_of() | {"taskTemplates": WARM})
        eventually("a worker", lambda: workers(release), 120)
        tasks = release.start_tasks()
        release.helm("rollback", "mcptasks", "1", "--wait", "--timeout=5m")
        for task in tasks:
            eventually(f"{task} ends", lambda task=task: release.status(task).get("finishedAt"), 240)  # type: ignore[misc]
            assert release.status(task)["attempts"] == 1
        release.end_well(release.start_tasks())
