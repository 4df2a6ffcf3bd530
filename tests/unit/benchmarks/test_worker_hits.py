"""A benchmark of warm tasks ends with an error where they were not warm."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.worker_hits import HitCount, MissedWorkerError, check_cold, check_executions
from mcptasks.model.base import JsonObject

READY = {"uid-1", "uid-2"}


def run_by_a_worker(**status: Any) -> JsonObject:
    return {"metadata": {"name": "add-x"}, "status": {"executor": "Warm", "podUid": "uid-1", "attempts": 1, **status}}


def test_tasks_that_ready_workers_ran_once_are_hits() -> None:
    assert HitCount().rate is None
    hits = HitCount()
    hits.check([run_by_a_worker(), run_by_a_worker(podUid="uid-2")], READY)
    assert (hits.tasks, hits.rate) == (2, 1.0)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"executor": None}, "was not run by a worker that was ready"),
        ({"executor": "Job"}, "was not run by a worker that was ready"),
        ({"podUid": "uid-3"}, "was not run by a worker that was ready"),
        ({"podUid": None}, "was not run by a worker that was ready"),
        ({"attempts": 2}, "was started 2 times"),
        ({"attempts": None}, "was started None times"),
    ],
)
def test_any_other_task_ends_the_run(status: JsonObject, why: str) -> None:
    with pytest.raises(MissedWorkerError, match=rf"^add-x {why}"):
        HitCount().check([run_by_a_worker(), run_by_a_worker(**status)], READY)


def test_a_cold_task_has_a_pod_of_its_own() -> None:
    check_cold({"metadata": {"name": "add-x"}, "status": {"podUid": "uid-1"}})
    with pytest.raises(MissedWorkerError, match="add-x was to have a Pod of its own"):
        check_cold(run_by_a_worker())


TEXT, JSON = "[{}/{}] executed", '{{"line_of":"{}/{}","text":"executed"}}'


@pytest.mark.parametrize("line", [TEXT, JSON], ids=["text", "objects"])
@pytest.mark.parametrize("attempts", [[], [1, 2]], ids=["never", "twice"])
def test_a_task_prints_once_that_it_is_executed(line: str, attempts: list[int]) -> None:
    others = ["loading", line.format("add-y", 1), "[add-x/1] about to be executed"]
    check_executions([line.format("add-x", 1), *others], ["add-x", "add-y"], "executed")
    printed = [line.format("add-x", attempt) for attempt in attempts]
    with pytest.raises(MissedWorkerError, match=f"^add-x was executed {len(attempts)} times$"):
        check_executions([*printed, *others], ["add-x", "add-y"], "executed")
