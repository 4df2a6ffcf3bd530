"""Which tasks wait for workers and which worker has which, from the tasks' statuses."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks.model.base import ANNOTATION_CALLED_AT, JsonObject
from mcptasks.model.lifecycle import timestamp
from mcptasks_operator.watching.warm_work import WarmWork, pool_key
from mcptasks_operator.watching.watched_kinds import WatchedKind
from tests.unit.operator.builders import at, task_item

KEY = ("default", "report-abc")
WARM = ("default", "warm")


def warm_task(**status: Any) -> JsonObject:
    return task_item(spec={"templateRef": {"name": "warm"}}, status=status or None)


@pytest.fixture
def work() -> WarmWork:
    return WarmWork(lambda: at(7))


def test_a_new_task_waits_until_a_pod_claims_it(work: WarmWork) -> None:
    work.note(KEY, "t", warm_task())
    assert (work.waiting(WARM), work.waiting_keys(WARM)) == (1, [KEY])
    assert work.last_taken_at(WARM) is None
    work.note(KEY, "t", warm_task(phase="working", podUid="pod-1"))
    assert (work.waiting(WARM), work.held_by("pod-1")) == (0, [KEY])
    assert work.last_taken_at(WARM) == at(7)


def test_no_worker_is_made_for_a_task_that_was_restored_without_its_status(work: WarmWork) -> None:
    work.note(KEY, "t", warm_task() | {"metadata": restored_metadata()})
    assert work.waiting(WARM) == 0


def restored_metadata() -> JsonObject:
    called = {ANNOTATION_CALLED_AT: timestamp(at(-3600))}
    metadata: JsonObject = task_item(metadata={"annotations": called})["metadata"]
    return metadata


def test_a_task_that_has_ended_is_nobodys(work: WarmWork) -> None:
    work.know_pod("pod-1")
    work.note(KEY, "t", warm_task(phase="working", podUid="pod-1"))
    work.note(KEY, "t", warm_task(phase="completed", podUid="pod-1"))
    assert (work.waiting(WARM), work.held_by("pod-1")) == (0, [])
    assert work.idle_since("pod-1") == at(7)


def test_of_pods_that_are_no_workers_or_gone_nothing_is_kept(work: WarmWork) -> None:
    """Each task may have a Pod of its own: what is kept of it would be kept for ever."""
    work.know_pod("gone")
    for pod in ("jobs", "gone"):
        work.note(KEY, "t", warm_task(phase="working", podUid=pod))
        work.forget_pod(pod)
        work.note(KEY, "t", warm_task(phase="completed", podUid=pod))
        assert work.idle_since(pod) is None


def test_a_task_that_is_gone_is_nobodys(work: WarmWork) -> None:
    work.note(KEY, "t", warm_task())
    work.forget("t")
    assert work.waiting(WARM) == 0


def test_a_released_task_waits_again(work: WarmWork) -> None:
    work.note(KEY, "t", warm_task(phase="working", podUid="pod-1"))
    work.note(KEY, "t", warm_task(phase="working"))
    assert (work.waiting(WARM), work.held_by("pod-1")) == (1, [])


def test_a_task_without_a_template_waits_for_the_default_one(work: WarmWork) -> None:
    work.note(KEY, "t", task_item())
    assert work.waiting(("default", "default")) == 1


@pytest.mark.parametrize("spec", [None, [], {"templateRef": 7}, {"templateRef": {"name": []}}, {"templateRef": {}}])
def test_a_task_that_cannot_be_understood_counts_for_nothing(work: WarmWork, spec: Any) -> None:
    item = {**task_item(), "spec": spec}
    work.note(KEY, "t", item)
    assert work.waiting(WARM) == 0
    pool_key(WatchedKind.TASK, item)


def test_a_pool_is_concerned_by_its_template_its_tasks_and_its_workers() -> None:
    template = {"metadata": {"name": "warm", "namespace": "default"}}
    owner = {"kind": "McpTaskTemplate", "name": "warm", "uid": "u"}
    worker = {"metadata": {"name": "warm-w-1", "namespace": "default", "ownerReferences": [owner]}}
    assert pool_key(WatchedKind.TEMPLATE, template) == WARM
    assert pool_key(WatchedKind.TASK, warm_task(phase="completed")) == WARM
    assert pool_key(WatchedKind.POD, worker) == WARM
    labels = {"mcptasks.dev/worker": "true", "mcptasks.dev/template": "warm"}
    assert pool_key(WatchedKind.POD, {"metadata": {"name": "w", "namespace": "default", "labels": labels}}) == WARM
    assert pool_key(WatchedKind.POD, {"metadata": {"name": "report-abc-1"}}) is None
    assert pool_key(WatchedKind.JOB, template) is None


def test_a_task_that_a_limit_keeps_from_starting_has_no_worker_made_for_it(work: WarmWork) -> None:
    limited = {"templateRef": {"name": "warm"}, "maxConcurrent": 1}
    work.note(KEY, "t", task_item(spec=limited))
    assert (work.waiting(WARM), work.estimates(WARM).calls_per_second(at(7))) == (0, 0)
    work.note(KEY, "t", task_item(spec=limited, status={"admittedAt": "2026-11-22T12:00:01.000Z"}))
    assert work.waiting(WARM) == 1
    assert work.estimates(WARM).calls_per_second(at(7)) > 0


def test_how_long_tasks_are_held_and_how_often_they_are_called_for_is_estimated() -> None:
    now = [at(0)]
    work = WarmWork(lambda: now[0])
    work.note(KEY, "t", warm_task(phase="working", podUid="pod-1"))
    now[0] = at(4)
    assert work.mean_age(["pod-1"]) == 4
    for _ in range(3):
        work.note(KEY, "t", warm_task(phase="completed", podUid="pod-1"))
    assert work.estimates(WARM).task.seconds == 4
    assert work.estimates(WARM).calls_per_second(at(0)) == pytest.approx(0.1)
    assert work.mean_age(["pod-1"]) == 0
